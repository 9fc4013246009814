//! Tapers: the weight of an observation at a distance, 1 at distance 0.
//!
//! With d the distance and z = d / c, Gaspari and Cohn 1999 (equation 4.10), a correlation function on the line and in
//! space: 1 - 5/3 z^2 + 5/8 z^3 + 1/2 z^4 - 1/4 z^5 for z <= 1,
//! 4 - 5 z + 5/3 z^2 + 5/8 z^3 - 1/2 z^4 + 1/12 z^5 - 2/3 / z for 1 <= z <= 2, and 0 beyond.
//! The Gaussian exp(-d^2 / 2 radius^2) is cut off below 1/1000 (DAPPER), the cubic is (1 - (d / R)^3)^3 up to R
//! (Cleveland 1979, "tricube"). Neither these nor the step are correlation functions, which a weight of R^-1 need not be.

/// c / radius of Gaspari and Cohn's function: it is exp(-1/2) at 1 / this.
const GASPARI_COHN: f64 = 1.738588541254375;

/// R / radius of the cubic, (1 - exp(-1/6))^(-1/3).
const CUBIC: f64 = 1.8675832605336549;

/// The distance in radii where the Gaussian is 1/1000, sqrt(2 ln 1000).
const GAUSSIAN_END: f64 = 3.7169221888498383;

/// The shape of a weight over distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taper {
    /// Gaspari and Cohn 1999: smooth, positive definite, 0 from 2c = 3.477 radius on.
    GaspariCohn,
    /// A Gaussian of standard deviation `radius`, cut off where it is 1/1000.
    Gaussian,
    /// 1 up to the radius, 0 beyond (a box).
    Step,
    /// (1 - (d / R)^3)^3 up to R = 1.868 radius: nearly flat near the point and short.
    Cubic,
}

impl Taper {
    /// The words of the setting `taper`.
    pub const WORDS: &'static [&'static str] = &["gaspari_cohn", "gaussian", "step", "cubic"];

    /// The taper of a word of [`Taper::WORDS`].
    pub fn named(word: &str) -> Self {
        match word {
            "gaussian" => Self::Gaussian,
            "step" => Self::Step,
            "cubic" => Self::Cubic,
            _ => Self::GaspariCohn,
        }
    }

    /// The weight at `distance`, both in grid units; `radius` as [the module](super) defines it.
    pub fn weight(self, distance: f64, radius: f64) -> f64 {
        if distance > self.reach(radius) {
            return 0.0;
        }
        let d = distance / radius;
        match self {
            Self::GaspariCohn => gaspari_cohn(d / GASPARI_COHN),
            Self::Gaussian => (-0.5 * d * d).exp(),
            Self::Step => 1.0,
            Self::Cubic => (1.0 - (d / CUBIC).powi(3)).max(0.0).powi(3),
        }
    }

    /// The distance from which on the weight is 0.
    pub fn reach(self, radius: f64) -> f64 {
        radius
            * match self {
                Self::GaspariCohn => 2.0 * GASPARI_COHN,
                Self::Gaussian => GAUSSIAN_END,
                Self::Step => 1.0,
                Self::Cubic => CUBIC,
            }
    }
}

fn gaspari_cohn(z: f64) -> f64 {
    if z <= 1.0 {
        1.0 + z * z * (-5.0 / 3.0 + z * (5.0 / 8.0 + z * (0.5 - 0.25 * z)))
    } else {
        // the polynomial cancels to round-off at the end of the support
        (4.0 - 2.0 / (3.0 * z) + z * (-5.0 + z * (5.0 / 3.0 + z * (5.0 / 8.0 + z * (-0.5 + z / 12.0))))).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::linalg::Eigen;
    use crate::localize::{Grid, Layout};

    #[test]
    fn gaspari_and_cohn_at_its_knots() {
        // 1 - 5/3 + 5/8 + 1/2 - 1/4 = 5/24 from either side of c; 0 at 2c
        let (radius, c) = (2.0, 2.0 * GASPARI_COHN);
        let at = |d| Taper::GaspariCohn.weight(d, radius);
        assert_eq!(at(0.0), 1.0);
        assert!((at(c) - 5.0 / 24.0).abs() < 1e-15 && (at(c * (1.0 + 1e-12)) - 5.0 / 24.0).abs() < 1e-11);
        assert!(at(2.0 * c) < 1e-14 && at(2.0 * c + 1e-9) == 0.0);
        // z = 1/2 and 3/2: 1 - 5/12 + 5/64 + 1/32 - 1/128 and 4 - 15/2 + 15/4 + 135/64 - 81/32 + 81/128 - 4/9
        assert!((at(0.5 * c) - 263.0 / 384.0).abs() < 1e-15);
        let outer = 4.0 - 7.5 + 3.75 + 135.0 / 64.0 - 81.0 / 32.0 + 81.0 / 128.0 - 4.0 / 9.0;
        assert!((at(1.5 * c) - outer).abs() < 1e-14);
    }

    #[test]
    fn smooth_tapers_are_exp_of_minus_a_half_at_the_radius() {
        for taper in [Taper::GaspariCohn, Taper::Gaussian, Taper::Cubic] {
            assert!((taper.weight(3.0, 3.0) - (-0.5f64).exp()).abs() < 1e-14, "{taper:?}");
            assert!(taper.weight(1.001 * taper.reach(3.0), 3.0) == 0.0 && taper.weight(2.9, 3.0) < 1.0);
        }
        assert!((Taper::Gaussian.weight(0.999_999 * Taper::Gaussian.reach(2.0), 2.0) - 1e-3).abs() < 1e-7);
        assert_eq!([Taper::Step.weight(3.0, 3.0), Taper::Step.weight(3.01, 3.0)], [1.0, 0.0]);
    }

    #[test]
    fn gaspari_and_cohn_is_positive_definite_on_a_ring_and_the_step_is_not() {
        let grid = Grid::new(Layout::Ring, 40).unwrap();
        let smallest = |taper: Taper, radius| {
            let matrix = Array2::from_shape_fn((40, 40), |(i, j)| taper.weight(grid.distance(i, j), radius));
            Eigen::new(matrix.view()).unwrap().values.iter().fold(f64::INFINITY, |a, b| a.min(*b))
        };
        // the whole support fits on the ring: 2c = 3.477 radius <= 20
        for radius in [1.0, 2.0, 4.0, 5.7] {
            assert!(smallest(Taper::GaspariCohn, radius) > -1e-12, "radius {radius}");
        }
        assert!(smallest(Taper::Step, 4.0) < -0.1);
    }
}
