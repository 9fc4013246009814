//! f(x) = arctan x: an observation that saturates, so that large states look alike.
//!
//! The test operator of Bao, Zhang and Zhang 2024 (ensemble score filter).

use scorecast_systems::{Entry, Param, Settings};

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
