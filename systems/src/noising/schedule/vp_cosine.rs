//! The variance-preserving cosine schedule (Nichol and Dhariwal 2021): for t in [0, 1]
//! alpha = cos a / cos b, a = (t + s) / (1 + s) pi/2, b = s / (1 + s) pi/2, alpha^2 + sigma^2 = 1,
//! with sigma^2 = sin(a - b) sin(a + b) / cos^2 b, which is exact for small t as well. At t = 1 nothing of the data is left.

use std::f64::consts::FRAC_PI_2;

use super::{BuildSchedule, Schedule};
use crate::noising::Level;
use crate::registry::{Entry, Param};

const OFFSET: Param = Param::positive("offset", 0.008, "s: keeps the first steps from being too small");

pub(super) const ENTRY: Entry<BuildSchedule> = Entry {
    name: "vp_cosine",
    about: "variance-preserving, the data's share a cosine",
    reference: "Nichol and Dhariwal (2021), arXiv:2102.09672",
    params: &[OFFSET],
    build: |settings| Box::new(VpCosine { offset: settings.number(OFFSET.key) }),
};

/// alpha = cos a / cos b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VpCosine {
    /// s, above 0.
    pub offset: f64,
}

impl VpCosine {
    /// pi/2 / (1 + s): the angle of a unit of time.
    fn rate(&self) -> f64 {
        FRAC_PI_2 / (1.0 + self.offset)
    }
}

impl Schedule for VpCosine {
    fn level(&self, t: f64) -> Level {
        let (turned, b) = (self.rate() * t, self.rate() * self.offset);
        // cos a from the angle that is left to pi/2, so that alpha is exactly 0 at t = 1
        let alpha = (self.rate() * (1.0 - t)).sin() / b.cos();
        Level {
            alpha: if t == 0.0 { 1.0 } else { alpha },
            sigma: (turned.sin() * (turned + 2.0 * b).sin()).sqrt() / b.cos(),
        }
    }

    /// sin^2 a = (r^2 + sin^2 b) / (1 + r^2), which is r^2 cos^2 a = sin(a - b) sin(a + b).
    fn time(&self, relative: f64) -> f64 {
        if relative == 0.0 {
            return 0.0;
        }
        let b = self.rate() * self.offset;
        let a = relative.hypot(b.sin()).atan2(b.cos());
        (a - b) / self.rate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: VpCosine = VpCosine { offset: 0.008 };

    #[test]
    fn variance_is_preserved() {
        for t in [1e-9, 1e-4, 0.1, 0.5, 0.9, 1.0] {
            let level = PUBLISHED.level(t);
            assert!((level.alpha.powi(2) + level.sigma.powi(2) - 1.0).abs() < 1e-14, "{t}: {level:?}");
        }
    }

    #[test]
    fn levels_are_those_of_the_published_formula() {
        // alpha^2 = f(t) / f(0), f(t) = cos^2((t + s) / (1 + s) pi/2), by 40-digit arithmetic
        for (t, square) in KNOWN {
            let found = PUBLISHED.level(t).alpha.powi(2);
            assert!((found - square).abs() < 1e-14, "{t}: {found}");
        }
        assert_eq!(PUBLISHED.level(1.0).alpha, 0.0);
    }

    #[test]
    fn log_snr_is_that_of_the_angles() {
        let direct = |t: f64| 2.0 * (t * FRAC_PI_2).tan().recip().ln();
        // with no offset the signal is to the noise as cos to sin
        let bare = VpCosine { offset: 1e-300 };
        for t in [0.01, 0.3, 0.5, 0.99] {
            assert!((bare.level(t).log_snr() - direct(t)).abs() < 1e-11, "{t}");
        }
        assert!(bare.level(0.5).log_snr().abs() < 1e-15);
    }

    const KNOWN: [(f64, f64); 4] =
        [(0.0, 1.0), (0.25, 0.847_012_161_326_906_9), (0.5, 0.493_843_590_440_637_7), (0.75, 0.144_272_102_385_735_7)];
}
