//! A Gaussian belief about a variance factor, and the posterior given one innovation (Anderson 2009).
//!
//! Prior lambda ~ N(mode, sd^2). The posterior is taken as the Gaussian about its mode of the variance that makes its
//! ratio at mode + sd to that at the mode the posterior's, and of sd^2 at most.

use super::likelihood::{Likelihood, Prior};

/// What is known of a factor: N(mode, sd^2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// The most likely factor of the variance.
    pub mode: f64,
    /// Its standard deviation.
    pub sd: f64,
}

impl Prior for Belief {
    fn mode(&self) -> f64 {
        self.mode
    }

    fn sd(&self) -> f64 {
        self.sd
    }

    fn log(&self, lambda: f64) -> f64 {
        -0.5 * ((lambda - self.mode) / self.sd).powi(2)
    }

    fn slope(&self, lambda: f64) -> f64 {
        -(lambda - self.mode) / self.sd.powi(2)
    }
}

impl Belief {
    /// The belief after an innovation `d` of a value whose h(x) has variance `s` before inflation and whose error has
    /// variance `r`, of a component with correlation `gamma` (from 0 to 1) to it: `value` is `[s, d, r]`.
    #[must_use]
    pub fn update(self, gamma: f64, value: [f64; 3]) -> Self {
        let likelihood = Likelihood { gamma, value, sampling: 0.0 };
        if !likelihood.says_something() {
            return self;
        }
        let mode = likelihood.mode(&self);
        let ratio = likelihood.ratio(&self, mode);
        let sd = if ratio < -0.5 { self.sd / (-2.0 * ratio).sqrt() } else { self.sd };
        Self { mode, sd }
    }
}

#[cfg(test)]
mod tests {
    use super::super::likelihood::tests::{CASES, likelihood, quadrature};
    use super::*;

    /// Mode, mean and sd of the exact product of prior and likelihood.
    fn exact(prior: Belief, gamma: f64, value: [f64; 3], n: usize) -> (f64, f64, f64) {
        let Belief { mode, sd } = prior;
        let product = |l: f64| likelihood(gamma, value, 0.0, l) * (-0.5 * ((l - mode) / sd).powi(2)).exp();
        quadrature(product, (mode - 8.0 * sd).max(1e-9), mode + 8.0 * sd, n)
    }

    #[test]
    fn the_mode_is_that_of_the_exact_product() {
        for sd in [0.05, 0.2, 0.6] {
            for (mode, gamma, value) in CASES {
                let prior = Belief { mode, sd };
                let found = prior.update(gamma, value);
                let n = 400_000;
                let (exact, ..) = exact(prior, gamma, value, n);
                assert!(
                    (found.mode - exact).abs() < 16.0 * sd / n as f64,
                    "{prior:?} {value:?}: {found:?} for {exact}"
                );
                assert!(found.sd <= sd);
            }
        }
    }

    #[test]
    fn mean_and_sd_of_the_exact_product_are_reached_with_second_order_in_the_priors_sd() {
        for (mode, gamma, value) in CASES {
            // errors of mean (over sd) and sd, for a prior of sd .1 and .05
            let errors = [0.1, 0.05].map(|sd| {
                let prior = Belief { mode, sd };
                let (found, (_, mean, exact)) = (prior.update(gamma, value), exact(prior, gamma, value, 100_000));
                ((found.mode - mean).abs() / sd, (found.sd / exact - 1.0).abs())
            });
            assert!(errors[0].0 < 0.01 && errors[0].1 < 0.03, "{mode} {gamma} {value:?}: {errors:?}");
            assert!(errors[1].0 < 0.3 * errors[0].0 + 1e-4, "{mode} {gamma} {value:?}: {errors:?}");
            assert!(errors[1].1 < 0.35 * errors[0].1 + 1e-4, "{mode} {gamma} {value:?}: {errors:?}");
        }
    }

    #[test]
    fn without_correlation_or_spread_nothing_is_learnt() {
        let prior = Belief { mode: 1.2, sd: 0.6 };
        for (gamma, value) in [(0.0, [1.0, 5.0, 1.0]), (1.0, [0.0, 5.0, 1.0]), (1.0, [1.0, f64::NAN, 1.0])] {
            assert_eq!(prior.update(gamma, value), prior);
        }
    }
}
