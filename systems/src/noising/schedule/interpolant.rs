//! A stochastic interpolant from a known state c to data (Chen et al. 2024): its time s goes from c to the data,
//! I_s = (1 - s) c + s^2 x_0 + (1 - s) sqrt(s) eps. In t = 1 - s, which grows from the data, alpha = (1 - t)^2,
//! sigma = t sqrt(1 - t) and the shift is t. At t = 1 there is neither data nor noise.
//!
//! r = sigma / alpha = t (1 - t)^(-3/2), so that u = sqrt(1 - t) is the root of r u^3 + u^2 = 1.

use super::{BuildSchedule, Schedule};
use crate::noising::Level;
use crate::registry::Entry;

pub(super) const ENTRY: Entry<BuildSchedule> = Entry {
    name: "interpolant",
    about: "from a known state to data, with noise on the way: alpha = (1 - t)^2, sigma = t sqrt(1 - t), shift t",
    reference: "Chen et al. (2024), arXiv:2403.13724",
    params: &[],
    build: |_| Box::new(Interpolant),
};

/// alpha = (1 - t)^2, sigma = t sqrt(1 - t), shift t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interpolant;

impl Schedule for Interpolant {
    fn level(&self, t: f64) -> Level {
        Level { alpha: (1.0 - t) * (1.0 - t), sigma: t * (1.0 - t).sqrt() }
    }

    /// By Newton's rule from the right of the root, where the function is convex; 1 where r is infinite or none.
    fn time(&self, relative: f64) -> f64 {
        let r = relative;
        if !r.is_finite() {
            return 1.0;
        }
        let mut u = if r > 1.0 { r.powf(-1.0 / 3.0) } else { 1.0 };
        for _ in 0..60 {
            let next = u - (r * u * u * u + u * u - 1.0) / (3.0 * r * u * u + 2.0 * u);
            if next >= u {
                break;
            }
            u = next;
        }
        // both are t; this one is exact for small r
        if r < 1.0 { r * u * u * u } else { 1.0 - u * u }
    }

    fn shift(&self, t: f64) -> f64 {
        t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_interpolant() {
        // half way: a half of c, a quarter of the data, noise of variance 1/8
        let level = Interpolant.level(0.5);
        assert!((level.alpha - 0.25).abs() < 1e-15 && (level.sigma.powi(2) - 0.125).abs() < 1e-15);
        assert_eq!((Interpolant.shift(0.5), Interpolant.shift(0.0)), (0.5, 0.0));
        assert_eq!(Interpolant.level(1.0), Level { alpha: 0.0, sigma: 0.0 });
        assert_eq!((Interpolant.time(f64::INFINITY), Interpolant.time(f64::NAN)), (1.0, 1.0));
        for t in [1e-9, 1e-3, 0.2, 0.5, 0.9, 0.999] {
            let found = Interpolant.time(Interpolant.level(t).relative());
            assert!((found - t).abs() < 1e-12 * t, "{t}: {found}");
        }
    }
}
