//! f(x) = arctan x: an observation that saturates, so that large states look alike.
//!
//! The test operator of Bao, Zhang and Zhang 2024 (ensemble score filter).

use scorecast_systems::{Entry, Param, Settings, widest};

use super::pointwise::{self, Function};
use super::stride::{OFFSET, STRIDE};
use super::{BuildOperator, ErrorLaw};

const SCALE: Param = Param::positive("scale", 1.0, "c of arctan(x / c), in the unit of the state");

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "arctan",
    about: "the arctangent of each stride-th component",
    reference: "Bao, Zhang and Zhang 2024",
    params: &[STRIDE, OFFSET, SCALE],
    build: |settings: &Settings, dim, error: &ErrorLaw| match settings.number(SCALE.key) {
        1.0 => pointwise::build(Arctan, settings, dim, error),
        scale => pointwise::build(ScaledArctan { scale }, settings, dim, error),
    },
};

/// f(x) = arctan(x / c).
#[derive(Clone, Copy, Debug)]
struct ScaledArctan {
    /// c, in the unit of the state.
    scale: f64,
}

impl Function for ScaledArctan {
    fn name(&self) -> String {
        format!("arctan of x / {}", self.scale)
    }

    fn value(&self, x: f64) -> f64 {
        Arctan.value(x / self.scale)
    }

    fn slope(&self, x: f64) -> f64 {
        Arctan.slope(x / self.scale) / self.scale
    }
}

/// f(x) = arctan x.
#[derive(Clone, Copy, Debug)]
pub struct Arctan;

impl Function for Arctan {
    fn name(&self) -> String {
        "arctan".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x.atan()
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / (1.0 + x * x)
    }

    fn linearize(&self, x: &mut [f64], slope: &mut [f64]) {
        all(x, slope);
    }
}

widest! {
    /// Both of each: half a nanosecond where one by one they take eight.
    fn all(x: &mut [f64], slope: &mut [f64]) {
        for (x, slope) in x.iter_mut().zip(slope) {
            (*x, *slope) = (arctan(*x), 1.0 / f64::mul_add(*x, *x, 1.0));
        }
    }
}

/// arctan x within 2 units of the last place: of |x| as it is up to tan(pi/8), of (|x| - 1) / (|x| + 1) up to its inverse and of
/// -1 / |x| beyond, which are pi/4 and pi/2 less.
#[inline(always)]
fn arctan(x: f64) -> f64 {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, SQRT_2};
    /// What the nearest doubles of pi/2 and pi/4 leave.
    const REST: f64 = 6.123_233_995_736_766e-17;
    let a = x.abs();
    let (small, large) = (a <= SQRT_2 - 1.0, a > SQRT_2 + 1.0);
    let above = if small {
        a
    } else if large {
        -1.0
    } else {
        a - 1.0
    };
    let below = if small {
        1.0
    } else if large {
        a
    } else {
        a + 1.0
    };
    let (base, rest) = if small {
        (0.0, 0.0)
    } else if large {
        (FRAC_PI_2, REST)
    } else {
        (FRAC_PI_4, 0.5 * REST)
    };
    let t = above / below;
    let z = t * t;
    let mut series = NEAR_ZERO[0];
    for coefficient in &NEAR_ZERO[1..] {
        series = f64::mul_add(series, z, *coefficient);
    }
    (base + (t + f64::mul_add(t * z, series, rest))).copysign(x)
}

/// (arctan(t) / t - 1) / t^2 as a polynomial of z = t^2 up to tan(pi/8)^2, highest power first: interpolated at Chebyshev's points, right
/// to 5e-18 in arctan(t) / t.
const NEAR_ZERO: [f64; 11] = [
    -0.019_175_404_711_104_93,
    0.039_230_447_784_793_1,
    -0.050_854_078_345_894_84,
    0.058_581_409_048_663_28,
    -0.066_645_105_255_089_37,
    0.076_921_831_253_768_92,
    -0.090_909_045_753_064_9,
    0.111_111_110_151_870_2,
    -0.142_857_142_846_656_8,
    0.199_999_999_999_955_17,
    -0.333_333_333_333_333_3,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_together_are_what_each_is_alone() {
        let sizes = (-300..300).map(|power| 1.04f64.powi(power)).chain([
            0.0,
            1e-300,
            1e17,
            f64::INFINITY,
            0.414_213_562_373_095,
            2.414_213_562_373_095,
        ]);
        let x: Vec<f64> = sizes.flat_map(|x| [x, -x]).collect();
        let (mut h, mut slope) = (x.clone(), vec![0.0; x.len()]);
        Arctan.linearize(&mut h, &mut slope);
        for ((x, h), slope) in x.iter().zip(h).zip(slope) {
            let (exact, of_exact) = (Arctan.value(*x), Arctan.slope(*x));
            assert!((h - exact).abs() <= 2.0 * f64::EPSILON * exact.abs(), "{x}: {h} {exact}");
            assert!((slope - of_exact).abs() <= 2.0 * f64::EPSILON * of_exact, "{x}: {slope} {of_exact}");
            assert_eq!(h.is_sign_negative(), x.is_sign_negative());
        }
        let mut not = [f64::NAN];
        Arctan.linearize(&mut not, &mut [0.0]);
        assert!(not[0].is_nan());
    }

    #[test]
    fn the_scale_is_that_of_the_state() {
        let scaled = ScaledArctan { scale: 8.0 };
        assert!((scaled.value(8.0) - std::f64::consts::FRAC_PI_4).abs() < 1e-15);
        for x in [-30.0, -0.3, 0.0, 5.0] {
            let step = 1e-5;
            let slope = (scaled.value(x + step) - scaled.value(x - step)) / (2.0 * step);
            assert!((scaled.slope(x) - slope).abs() < 1e-9, "{} for {slope}", scaled.slope(x));
        }
    }
}
