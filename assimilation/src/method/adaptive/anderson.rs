//! The posterior of a variance factor given one innovation (Anderson 2009).
//!
//! Prior lambda ~ N(mode, sd^2). A component with factor lambda lets h(x), which it correlates with by gamma (times the
//! weight of localization), have variance g^2 s with g = 1 + gamma (sqrt(lambda) - 1), so that d ~ N(0, theta^2),
//! theta^2 = g^2 s + r. The posterior is taken as the Gaussian about its mode: where
//! f(lambda) = -log theta - d^2 / (2 theta^2) - (lambda - mode)^2 / (2 sd^2) is largest uphill of the prior's mode, and of
//! the variance that makes its ratio at mode + sd to that at the mode the posterior's, and at most sd^2.

/// What is known of a factor: N(mode, sd^2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// The most likely factor of the variance.
    pub mode: f64,
    /// Its standard deviation.
    pub sd: f64,
}

impl Belief {
    /// The belief after an innovation `d` of a value whose h(x) has variance `s` before inflation and whose error has
    /// variance `r`, of a component with correlation `gamma` (from 0 to 1) to it: `value` is `[s, d, r]`.
    #[must_use]
    pub fn update(self, gamma: f64, value: [f64; 3]) -> Self {
        if !(gamma > 0.0 && value[0] > 0.0 && value.iter().all(|number| number.is_finite())) {
            return self;
        }
        let posterior = Posterior { prior: self, gamma, value };
        let mode = posterior.mode();
        // log of the ratio; not below 0 only where the likelihood is too flat to tell
        let ratio = posterior.log(mode + self.sd) - posterior.log(mode);
        let sd = if ratio < -0.5 { self.sd / (-2.0 * ratio).sqrt() } else { self.sd };
        Self { mode, sd }
    }
}

struct Posterior {
    prior: Belief,
    gamma: f64,
    value: [f64; 3],
}

impl Posterior {
    /// theta^2 and its derivative.
    fn theta(&self, lambda: f64) -> (f64, f64) {
        let [s, _, r] = self.value;
        let root = lambda.sqrt();
        let g = 1.0 + self.gamma * (root - 1.0);
        (g * g * s + r, g * s * self.gamma / root)
    }

    /// f.
    fn log(&self, lambda: f64) -> f64 {
        let (theta, _) = self.theta(lambda);
        let away = (lambda - self.prior.mode) / self.prior.sd;
        -0.5 * (theta.ln() + self.value[1].powi(2) / theta + away * away)
    }

    /// f'.
    fn slope(&self, lambda: f64) -> f64 {
        let (theta, derivative) = self.theta(lambda);
        let pull = (lambda - self.prior.mode) / self.prior.sd.powi(2);
        0.5 * derivative / theta * (self.value[1].powi(2) / theta - 1.0) - pull
    }

    /// The zero of f' uphill of the prior's mode: bracketed by steps that double, then by the Illinois rule.
    fn mode(&self) -> f64 {
        let mut a = self.prior.mode;
        let mut at_a = self.slope(a);
        if at_a == 0.0 {
            return a;
        }
        let least = f64::EPSILON * a;
        let mut step = at_a.signum() * self.prior.sd;
        let (mut b, mut at_b) = (a, at_a);
        while at_b * at_a > 0.0 && b > least {
            b = (b + step).max(least);
            at_b = self.slope(b);
            step *= 2.0;
        }
        for _ in 0..100 {
            let middle = (a * at_b - b * at_a) / (at_b - at_a);
            let at = self.slope(middle);
            if !middle.is_finite() || at == 0.0 || (b - a).abs() < 1e-13 * b.abs() {
                return if middle.is_finite() { middle } else { b };
            }
            if at * at_b < 0.0 {
                (a, at_a) = (b, at_b);
            } else {
                at_a *= 0.5;
            }
            let moved = (middle - b).abs();
            (b, at_b) = (middle, at);
            if moved < 1e-14 * b.abs() {
                break;
            }
        }
        b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [(f64, f64, [f64; 3]); 6] = [
        (1.0, 1.0, [1.0, 3.0, 1.0]),
        (1.0, 0.4, [1.0, 3.0, 1.0]),
        (1.3, 1.0, [0.2, 0.1, 1.0]),
        (1.0, 0.9, [2.0, -5.0, 0.1]),
        (2.5, 0.7, [0.5, 0.0, 0.3]),
        (1.1, 0.05, [1.0, 4.0, 1.0]),
    ];

    /// The exact product of prior and likelihood, unnormalised, written out once more.
    fn product(prior: Belief, gamma: f64, [s, d, r]: [f64; 3], lambda: f64) -> f64 {
        let variance = s * (1.0 + gamma * (lambda.sqrt() - 1.0)).powi(2) + r;
        let likelihood = (-0.5 * d * d / variance).exp() / variance.sqrt();
        likelihood * (-0.5 * ((lambda - prior.mode) / prior.sd).powi(2)).exp()
    }

    /// Mode, mean and sd of the product on a grid of `n` points over eight prior sd either way of the prior's mode.
    fn quadrature(prior: Belief, gamma: f64, value: [f64; 3], n: usize) -> (f64, f64, f64) {
        let from = (prior.mode - 8.0 * prior.sd).max(1e-9);
        let width = prior.mode + 8.0 * prior.sd - from;
        let point = |i: usize| from + width * (i as f64 + 0.5) / n as f64;
        let (mut sum, mut first, mut second, mut best) = (0.0, 0.0, 0.0, (0.0, 0.0));
        for lambda in (0..n).map(point) {
            let p = product(prior, gamma, value, lambda);
            (sum, first, second) = (sum + p, first + p * lambda, second + p * lambda * lambda);
            best = if p > best.0 { (p, lambda) } else { best };
        }
        let mean = first / sum;
        (best.1, mean, (second / sum - mean * mean).sqrt())
    }

    #[test]
    fn the_mode_is_that_of_the_exact_product() {
        for sd in [0.05, 0.2, 0.6] {
            for (mode, gamma, value) in CASES {
                let prior = Belief { mode, sd };
                let found = prior.update(gamma, value);
                let n = 400_000;
                let (exact, ..) = quadrature(prior, gamma, value, n);
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
            // relative errors of mean (over sd) and sd, for a prior of sd .1 and .05
            let errors = [0.1, 0.05].map(|sd| {
                let prior = Belief { mode, sd };
                let (found, (_, mean, exact)) = (prior.update(gamma, value), quadrature(prior, gamma, value, 100_000));
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
