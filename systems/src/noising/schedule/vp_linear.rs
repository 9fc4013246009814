//! The variance-preserving schedule with linear beta (Ho et al. 2020; Song et al. 2021): for t in [0, 1]
//! beta(t) = beta_min + (beta_max - beta_min) t, ln alpha = -1/2 int_0^t beta, alpha^2 + sigma^2 = 1.

use super::{BuildSchedule, Schedule};
use crate::noising::Level;
use crate::registry::{Entry, Param};

const BETA_MIN: Param = Param::positive("beta_min", 0.1, "beta at t = 0");
const BETA_MAX: Param = Param::positive("beta_max", 20.0, "beta at t = 1");

pub(super) const ENTRY: Entry<BuildSchedule> = Entry {
    name: "vp_linear",
    about: "variance-preserving, noise added at a rate that grows linearly",
    reference: "Ho et al. (2020), arXiv:2006.11239; Song et al. (2021), arXiv:2011.13456",
    params: &[BETA_MIN, BETA_MAX],
    build: |settings| {
        Box::new(VpLinear { beta_min: settings.number(BETA_MIN.key), beta_max: settings.number(BETA_MAX.key) })
    },
};

/// beta(t) = beta_min + (beta_max - beta_min) t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VpLinear {
    /// beta at t = 0, above 0.
    pub beta_min: f64,
    /// beta at t = 1, of at least beta_min.
    pub beta_max: f64,
}

impl Schedule for VpLinear {
    fn level(&self, t: f64) -> Level {
        let log_alpha = -0.5 * t * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * t);
        Level { alpha: log_alpha.exp(), sigma: (-(2.0 * log_alpha).exp_m1()).sqrt() }
    }

    /// The root of int_0^t beta = ln(1 + r^2).
    fn time(&self, relative: f64) -> f64 {
        let integral = (relative * relative).ln_1p();
        let growth = self.beta_max - self.beta_min;
        2.0 * integral / (self.beta_min + (self.beta_min * self.beta_min + 2.0 * growth * integral).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_closed_form() {
        let schedule = VpLinear { beta_min: 0.1, beta_max: 20.0 };
        for t in [1e-6, 0.1, 0.5, 1.0] {
            let level = schedule.level(t);
            assert!((level.alpha.powi(2) + level.sigma.powi(2) - 1.0).abs() < 1e-15, "{t}");
        }
        // exp(-1/4 19.9 - 1/2 0.1) = exp(-5.025)
        assert!((schedule.level(1.0).alpha - 0.006_571_586_5).abs() < 1e-10, "{}", schedule.level(1.0).alpha);
        assert!((schedule.level(1.0).log_snr() + 10.05).abs() < 1e-4);
    }
}
