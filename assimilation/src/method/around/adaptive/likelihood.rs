//! What one innovation says of a variance factor, and where a posterior of it is largest (Anderson 2009).
//!
//! A component with factor lambda lets h(x), which it correlates with by gamma (times the weight of localization), have
//! variance g^2 s with g = 1 + gamma (sqrt(lambda) - 1), so that d ~ N(0, theta^2), theta^2 = g^2 s + r.
//!
//! El Gharamti (2018) takes theta^2 = (g^2 - 1/N) s + r, for N members, and without the term where g^2 < 1/N. The mean that
//! d is of is a sample's: given it, the expected h(x) lies about it with variance s / N, so that the expected square of the
//! distance of the value from the expected h(x) is d^2 + s / N, which is set equal to g^2 s + r. That supposes a flat prior
//! of the expected h(x). Over truths that are drawn as the members are E d^2 = (g^2 + 1/N) s + r, with the other sign: then
//! no term makes g^2 too large by 1/N, which is what an analysis wants, since that much more does the truth vary about the
//! mean of a sample than about its expectation, and this term by 2/N. What it is for is its direction: the likelihood is
//! largest at a g^2 larger by 1/N, and so rarely where no factor is. (It does not slow every deflation: for
//! d^2 < theta^2 / 2 the slope downward is steeper with the smaller theta^2.)

/// An innovation `d` of a value whose h(x) has variance `s` before inflation and whose error has variance `r`: `value` is
/// `[s, d, r]`. `gamma` is from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likelihood {
    pub gamma: f64,
    pub value: [f64; 3],
    /// 1 / N of the correction for N members; 0 without it.
    pub sampling: f64,
}

/// A law of lambda before an innovation.
pub(super) trait Prior {
    /// Where its density is largest.
    fn mode(&self) -> f64;

    /// About its standard deviation.
    fn sd(&self) -> f64;

    /// The logarithm of its density, up to a constant.
    fn log(&self, lambda: f64) -> f64;

    /// The derivative of the logarithm.
    fn slope(&self, lambda: f64) -> f64;
}

/// The smallest factor that is looked at: far below any that is kept, and above 0, where g has no derivative.
const LEAST: f64 = 1e-6;

impl Likelihood {
    /// Whether there is anything to learn.
    pub fn says_something(&self) -> bool {
        self.gamma > 0.0 && self.value[0] > 0.0 && self.value.iter().all(|number| number.is_finite())
    }

    /// theta^2 and its derivative.
    fn theta(&self, lambda: f64) -> (f64, f64) {
        let [s, _, r] = self.value;
        let root = lambda.sqrt();
        let g = 1.0 + self.gamma * (root - 1.0);
        let sampling = if g * g < self.sampling { 0.0 } else { self.sampling };
        ((g * g - sampling) * s + r, g * s * self.gamma / root)
    }

    /// The smallest factor that is looked at from `from` on. Where the term ends theta^2 is r: who comes from above with a
    /// d^2 > r has turned before, and with a smaller one finds less below than there.
    fn least(&self, from: f64) -> f64 {
        let root = 1.0 - (1.0 - self.sampling.sqrt()) / self.gamma;
        // on the side of the term in spite of rounding
        let end = root.max(0.0).powi(2) * (1.0 + 1e-12);
        let least = if end <= from { LEAST.max(end) } else { LEAST };
        least.min(from)
    }

    /// log N(d; 0, theta^2), up to a constant.
    fn log(&self, lambda: f64) -> f64 {
        let (theta, _) = self.theta(lambda);
        -0.5 * (theta.ln() + self.value[1].powi(2) / theta)
    }

    /// Its derivative.
    fn slope(&self, lambda: f64) -> f64 {
        let (theta, derivative) = self.theta(lambda);
        0.5 * derivative / theta * (self.value[1].powi(2) / theta - 1.0)
    }

    /// log of the posterior's density at mode + sd of the prior over that at `mode`.
    pub fn ratio(&self, prior: &impl Prior, mode: f64) -> f64 {
        let log = |lambda: f64| prior.log(lambda) + self.log(lambda);
        log(mode + prior.sd()) - log(mode)
    }

    /// The mode of the posterior uphill of the prior's: the zero of the slope, bracketed by steps that double, then by the
    /// Illinois rule; [`Self::least`] where the density rises all the way down to it.
    pub fn mode(&self, prior: &impl Prior) -> f64 {
        let slope = |lambda: f64| prior.slope(lambda) + self.slope(lambda);
        let mut a = prior.mode();
        let mut at_a = slope(a);
        if at_a == 0.0 {
            return a;
        }
        let least = self.least(a);
        let mut step = at_a.signum() * prior.sd();
        let (mut b, mut at_b) = (a, at_a);
        while at_b * at_a > 0.0 && b > least {
            b = (b + step).max(least);
            at_b = slope(b);
            step *= 2.0;
        }
        if at_b * at_a > 0.0 {
            return b;
        }
        for _ in 0..100 {
            let middle = (a * at_b - b * at_a) / (at_b - at_a);
            // also where the slopes do not differ
            if !middle.is_finite() {
                break;
            }
            let at = slope(middle);
            if at * at_b < 0.0 {
                (a, at_a) = (b, at_b);
            } else {
                at_a *= 0.5;
            }
            let moved = (middle - b).abs();
            (b, at_b) = (middle, at);
            if at == 0.0 || moved < 1e-14 * b.abs() {
                break;
            }
        }
        b
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Belief;
    use super::Likelihood;

    /// A small innovation of a wide belief: the density rises all the way down to 0, so that no slope changes sign.
    #[test]
    fn a_density_that_rises_to_the_bound_has_its_mode_there() {
        let prior = Belief { mode: 1.0, sd: 3.0 };
        let found = Likelihood { gamma: 1.0, value: [1.0, 0.0, 0.01], sampling: 0.0 }.mode(&prior);
        let density = |l: f64| (-0.5 * ((l - 1.0) / 3.0f64).powi(2)).exp() * likelihood(1.0, [1.0, 0.0, 0.01], 0.0, l);
        let (exact, _, _) = quadrature(density, 0.0, 3.0, 300_000);
        assert!(exact < 1e-5 && (found - exact).abs() < 1e-5, "{found} for {exact}");
    }

    #[test]
    fn the_correction_moves_the_likelihoods_mode_by_one_over_n_in_g_squared() {
        for (gamma, [s, d, r]) in [(1.0, [1.0, 3.0f64, 1.0]), (0.4, [0.5, 2.0, 0.3]), (0.9, [2.0, -1.0, 0.5])] {
            for sampling in [0.0, 0.025, 0.1, 0.5] {
                let g = ((d * d - r) / s + sampling).sqrt();
                let lambda = ((g - 1.0) / gamma + 1.0).powi(2);
                let slope = |lambda| Likelihood { gamma, value: [s, d, r], sampling }.slope(lambda);
                let [below, at, above] = [0.99, 1.0, 1.01].map(|factor| slope(factor * lambda));
                assert!(at.abs() < 1e-12 && below > 0.0 && above < 0.0, "{gamma} {d} {sampling}: {below} {at} {above}");
            }
        }
    }

    /// For four members the term ends at g^2 = 1/4, which is lambda = 1/4 where gamma is 1 and .44^2 where it is .9.
    #[test]
    fn the_term_ends_where_g_squared_is_one_over_n_and_the_mode_is_held_there() {
        for (gamma, end) in [(1.0f64, 0.25f64), (0.9, 0.1975308641975309)] {
            let corrected = |d: f64, r: f64| Likelihood { gamma, value: [1.0, d, r], sampling: 0.25 };
            let plain = Likelihood { sampling: 0.0, ..corrected(0.3, 0.1) };
            assert_eq!(corrected(0.3, 0.1).log(0.999 * end), plain.log(0.999 * end));
            assert!((corrected(0.3, 0.1).theta(1.001 * end).0 - 0.1).abs() < 1e-3);
            // from above, a d^2 below r is held there and one above it turns before; from below it is passed, to the mode
            // above although the density falls where the term begins
            let wide = Belief { mode: 1.0, sd: 3.0 };
            let low = Belief { mode: 0.15, sd: 0.4 };
            for (prior, from, d, r) in [(wide, 0.0, 0.0, 0.1), (wide, 0.0, 0.5, 0.1), (low, end, 1.5, 0.2)] {
                let found = corrected(d, r).mode(&prior);
                let product = |l: f64| {
                    (-0.5 * ((l - prior.mode) / prior.sd).powi(2)).exp() * likelihood(gamma, [1.0, d, r], 0.25, l)
                };
                let (exact, ..) = quadrature(product, from, 4.0, 400_000);
                assert!((found - exact).abs() < 2e-5, "{gamma} {prior:?} {d}: {found} for {exact}");
                assert!(found >= end && (d > 0.0 || found < 1.001 * end));
            }
        }
    }

    /// gamma and `[s, d, r]`.
    pub const CASES: [(f64, f64, [f64; 3]); 6] = [
        (1.0, 1.0, [1.0, 3.0, 1.0]),
        (1.0, 0.4, [1.0, 3.0, 1.0]),
        (1.3, 1.0, [0.2, 0.1, 1.0]),
        (1.0, 0.9, [2.0, -5.0, 0.1]),
        (2.5, 0.7, [0.5, 0.0, 0.3]),
        (1.1, 0.05, [1.0, 4.0, 1.0]),
    ];

    /// The likelihood, written out once more.
    pub fn likelihood(gamma: f64, [s, d, r]: [f64; 3], sampling: f64, lambda: f64) -> f64 {
        let square = (1.0 + gamma * (lambda.sqrt() - 1.0)).powi(2);
        let variance = s * if square < sampling { square } else { square - sampling } + r;
        (-0.5 * d * d / variance).exp() / variance.sqrt()
    }

    /// Mode, mean and sd of a density on a grid of `n` points from `from` to `to`.
    pub fn quadrature(density: impl Fn(f64) -> f64, from: f64, to: f64, n: usize) -> (f64, f64, f64) {
        let point = |i: usize| from + (to - from) * (i as f64 + 0.5) / n as f64;
        let (mut sum, mut first, mut second, mut best) = (0.0, 0.0, 0.0, (0.0, 0.0));
        for lambda in (0..n).map(point) {
            let p = density(lambda);
            (sum, first, second) = (sum + p, first + p * lambda, second + p * lambda * lambda);
            best = if p > best.0 { (p, lambda) } else { best };
        }
        let mean = first / sum;
        (best.1, mean, (second / sum - mean * mean).sqrt())
    }
}
