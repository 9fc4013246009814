//! An inverse-gamma belief about a variance factor (El Gharamti 2018): the prior that takes the place of Anderson's
//! Gaussian, so that no factor is below 0 and deflation is restrained, and the likelihood with the term for the sampling
//! error of the mean of N members (`likelihood.rs` says what it supposes).
//!
//! lambda ~ IG(alpha, beta) has the density lambda^-(alpha + 1) exp(-beta / lambda), the mode m = beta / (alpha + 1) and
//! the variance beta^2 / ((alpha - 1)^2 (alpha - 2)). With a = alpha + 1 its logarithm is -a (log lambda + m / lambda), and
//! a follows from mode and variance v as the zero of m^2 a^2 - v (a - 2)^2 (a - 3) above 3. The posterior is taken as the
//! inverse gamma about its mode whose ratio at mode + sd to that at the mode is the posterior's:
//! a = -log ratio / (log((m + sd) / m) + m / (m + sd) - 1), and at least the prior's.
//!
//! Prior, likelihood and this fit are those of DART's `adaptive_inflate_mod` (its enhanced inflation, flavour 5), read in
//! its public source. What differs: the mode here is that of the exact product, where DART takes the likelihood as linear
//! in lambda about the prior's mode and solves a quadratic; and here each set begins with the same sd, which its values
//! narrow, where DART carries the sd from value to value and set to set, not below `inf_sd_lower_bound`, and keeps the prior's
//! where a value would make it more than `inf_sd_max_change` times that (with the usual .6 for both the first sd and its
//! bound it never changes at all).
//!
//! What the term does on Lorenz-96 (40 components observed each .05 with R = I, 8 truths of 2500 sets, sd .1, factors that
//! are not damped): the rmse of `letkf` with 10 members and radius 4 falls from .2130 to .2090 (paired -.0041 +- .0017), and
//! where the truth has a forcing of 8.5 for 8 from .3347 to .3303 (-.0044 +- .0009); with 20 and radius 6 from .1955 to .1909
//! (-.0046 +- .0026) and from .3237 to .3224 (-.0013 +- .0006). That of `etkf` with 20 or 40 is the same within 1.3
//! standard errors.

use super::likelihood::{Likelihood, Prior};

/// What is known of a factor: the inverse gamma of this mode and a = alpha + 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InverseGamma {
    /// The most likely factor of the variance.
    pub mode: f64,
    /// alpha + 1, above 3.
    pub a: f64,
}

impl InverseGamma {
    /// An inverse gamma of this mode and standard deviation.
    pub fn new(mode: f64, sd: f64) -> Self {
        let v = (sd / mode).powi(2);
        // a^2 / ((a - 2)^2 (a - 3)) falls from infinity at 3 to 0; for large a it is about 1 / (a - 7)
        let excess = |a: f64| a * a / ((a - 2.0).powi(2) * (a - 3.0)) - v;
        let (mut low, mut high) = (3.0, 16.0 + 2.0 / v);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if excess(middle) > 0.0 { low = middle } else { high = middle }
        }
        Self { mode, a: high }
    }

    /// The belief after an innovation: as [`Belief::update`](super::Belief::update), of the mean of `members`.
    #[must_use]
    pub fn update(self, gamma: f64, value: [f64; 3], members: usize) -> Self {
        self.given(Likelihood { gamma, value, sampling: 1.0 / members as f64 })
    }

    fn given(self, likelihood: Likelihood) -> Self {
        if !likelihood.says_something() {
            return self;
        }
        let mode = likelihood.mode(&self);
        let share = self.sd() / mode;
        let a = -likelihood.ratio(&self, mode) / (share.ln_1p() - share / (1.0 + share));
        Self { mode, a: if a > self.a { a } else { self.a } }
    }
}

impl Prior for InverseGamma {
    fn mode(&self) -> f64 {
        self.mode
    }

    fn sd(&self) -> f64 {
        self.mode * self.a / ((self.a - 2.0) * (self.a - 3.0).sqrt())
    }

    fn log(&self, lambda: f64) -> f64 {
        -self.a * (lambda.ln() + self.mode / lambda)
    }

    fn slope(&self, lambda: f64) -> f64 {
        -self.a * (lambda - self.mode) / (lambda * lambda)
    }
}

#[cfg(test)]
mod tests {
    use super::super::likelihood::tests::{CASES, likelihood, quadrature};
    use super::*;

    fn density(law: InverseGamma, lambda: f64) -> f64 {
        // over its value at the mode, so that nothing underflows
        (-law.a * ((lambda / law.mode).ln() + law.mode / lambda - 1.0)).exp()
    }

    #[test]
    fn mode_and_sd_are_those_that_were_asked_for() {
        for (mode, sd) in [(1.0, 0.05), (1.0, 0.3), (2.5, 0.2), (0.5, 0.1)] {
            let law = InverseGamma::new(mode, sd);
            let (found, _, spread) = quadrature(|l| density(law, l), 1e-9, mode + 60.0 * sd, 2_000_000);
            assert!(
                (found - mode).abs() < 1e-4 * mode && (spread / sd - 1.0).abs() < 2e-3,
                "{law:?}: {found} {spread}"
            );
            assert!((law.sd() / sd - 1.0).abs() < 1e-9, "{law:?}: {}", law.sd());
        }
    }

    #[test]
    fn the_mode_is_that_of_the_exact_product_and_mean_and_sd_come_near_as_the_prior_narrows() {
        for (mode, gamma, value) in CASES {
            for members in [4, 20, usize::MAX] {
                let errors = [0.1, 0.05].map(|sd| {
                    let prior = InverseGamma::new(mode, sd);
                    let found = prior.update(gamma, value, members);
                    let product = |l: f64| density(prior, l) * likelihood(gamma, value, 1.0 / members as f64, l);
                    let (from, to) = ((mode - 9.0 * sd).max(1e-9), mode + 12.0 * sd);
                    let (exact, _, spread) = quadrature(product, from, to, 400_000);
                    let case = format!("{members} members, {prior:?}, {gamma} {value:?}: {found:?} for {exact}");
                    assert!((found.mode - exact).abs() < 1e-4 * sd, "{case}");
                    assert!(found.a >= prior.a, "{case}");
                    (found.sd() / spread - 1.0).abs()
                });
                assert!(errors[0] < 0.04 && errors[1] < 0.4 * errors[0] + 1e-3, "{mode} {gamma} {value:?}: {errors:?}");
            }
        }
    }

    #[test]
    fn of_many_members_nothing_is_corrected_and_of_few_in_the_first_order_of_one_over_n() {
        for (mode, gamma, [s, d, r]) in CASES {
            let prior = InverseGamma::new(mode, 0.1);
            let plain = prior.given(Likelihood { gamma, value: [s, d, r], sampling: 0.0 });
            assert_eq!(prior.update(gamma, [s, d, r], usize::MAX), plain);
            let more = [80, 40, 20].map(|members| prior.update(gamma, [s, d, r], members).mode - plain.mode);
            // the slope of the likelihood, 1 / theta^2 (d^2 / theta^2 - 1), falls with theta^2 where d^2 > theta^2 / 2
            let theta = (1.0 + gamma * (mode.sqrt() - 1.0)).powi(2) * s + r;
            assert!(more.iter().all(|more| (*more > 0.0) == (d * d > 0.5 * theta)), "{more:?} {theta}");
            for ratio in [more[1] / more[0], more[2] / more[1]] {
                assert!((1.9..2.3).contains(&ratio), "{mode} {gamma} {d}: {more:?}");
            }
        }
    }

    #[test]
    fn a_wide_belief_restrains_deflation() {
        // one innovation of 0 and 20 more: the Gaussian's mode goes to where s is nothing, the other keeps its distance
        let value = [1.0, 0.0, 0.01];
        let (mut gamma, mut gaussian) = (InverseGamma::new(1.0, 0.6), super::super::Belief { mode: 1.0, sd: 0.6 });
        for _ in 0..21 {
            (gamma, gaussian) = (gamma.update(1.0, value, 40), gaussian.update(1.0, value));
        }
        assert!(gamma.mode > 0.05 && gaussian.mode < 0.5 * gamma.mode, "{gamma:?} {gaussian:?}");
    }
}
