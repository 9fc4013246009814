//! The schedule of the ensemble score filter (Bao, Zhang and Zhang 2024): for t in [0, 1] alpha = 1 - (1 - eps_alpha) t,
//! sigma^2 = eps_beta + (1 - eps_beta) t. It begins with noise of variance eps_beta and ends with some of the data left.

use super::{BuildSchedule, Schedule};
use crate::noising::Level;
use crate::registry::{DefaultValue, Entry, Param, ParamKind};

const UNIT: ParamKind = ParamKind::real(f64::MIN_POSITIVE, 1.0);

pub(super) const ENTRY: Entry<BuildSchedule> = Entry {
    name: "ensf",
    about: "that of the ensemble score filter: alpha and sigma^2 linear in t",
    reference: "Bao, Zhang and Zhang (2024), arXiv:2309.00983",
    params: &[EnsembleScore::EPS_ALPHA, EnsembleScore::EPS_BETA],
    build: |settings| {
        let [eps_alpha, eps_beta] =
            [EnsembleScore::EPS_ALPHA, EnsembleScore::EPS_BETA].map(|setting| settings.number(setting.key));
        Box::new(EnsembleScore { eps_alpha, eps_beta })
    },
};

/// alpha = 1 - (1 - eps_alpha) t, sigma^2 = eps_beta + (1 - eps_beta) t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnsembleScore {
    /// alpha at t = 1, in (0, 1].
    pub eps_alpha: f64,
    /// sigma^2 at t = 0, in (0, 1].
    pub eps_beta: f64,
}

impl EnsembleScore {
    /// The setting of alpha at t = 1.
    pub const EPS_ALPHA: Param = Param::new("eps_alpha", UNIT, DefaultValue::Float(0.5), "alpha at t = 1");

    /// The setting of sigma^2 at t = 0.
    pub const EPS_BETA: Param = Param::new("eps_beta", UNIT, DefaultValue::Float(0.025), "sigma^2 at t = 0");

    /// alpha and sigma^2 at time `t`.
    pub fn coefficients(&self, t: f64) -> (f64, f64) {
        (1.0 - (1.0 - self.eps_alpha) * t, self.eps_beta + (1.0 - self.eps_beta) * t)
    }

    /// f = alpha' / alpha and g^2 = (sigma^2)' - 2 f sigma^2 of the process dx = f x dt + g dW.
    pub fn rates(&self, t: f64) -> (f64, f64) {
        let (alpha, variance) = self.coefficients(t);
        let drift = -(1.0 - self.eps_alpha) / alpha;
        (drift, 1.0 - self.eps_beta - 2.0 * drift * variance)
    }
}

impl Schedule for EnsembleScore {
    fn level(&self, t: f64) -> Level {
        let (alpha, variance) = self.coefficients(t);
        Level { alpha, sigma: variance.sqrt() }
    }

    /// The root of r^2 alpha^2 = sigma^2, 0 below r^2 = eps_beta.
    fn time(&self, relative: f64) -> f64 {
        let (square, p, q) = (relative * relative, 1.0 - self.eps_alpha, 1.0 - self.eps_beta);
        let (a, b, c) = (square * p * p, 2.0 * square * p + q, square - self.eps_beta);
        if c > 0.0 { 2.0 * c / (b + (b * b - 4.0 * a * c).sqrt()) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_the_derivatives_of_the_level() {
        let schedule = EnsembleScore { eps_alpha: 0.5, eps_beta: 0.025 };
        let h = 1e-6;
        for t in [0.1, 0.5, 0.9] {
            let (level, rates) = (schedule.level(t), schedule.rates(t));
            let slope = |of: fn(Level) -> f64| (of(schedule.level(t + h)) - of(schedule.level(t - h))) / (2.0 * h);
            let drift = slope(|level| level.alpha.ln());
            let diffusion = slope(|level| level.sigma * level.sigma) - 2.0 * drift * level.sigma * level.sigma;
            assert!((rates.0 - drift).abs() < 1e-8 && (rates.1 - diffusion).abs() < 1e-8, "{t}: {rates:?}");
        }
    }
}
