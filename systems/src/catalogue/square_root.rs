//! The square-root process dv = kappa (theta - v) dt + sigma sqrt(v) dW (Feller 1951), which two entries share.
//!
//! With c = sigma^2 (1 - exp(-kappa h)) / (4 kappa) and delta = 4 kappa theta / sigma^2, v(t + h) / c is a noncentral
//! chi-square of delta degrees of freedom and noncentrality exp(-kappa h) v / c: a gamma law of shape delta / 2 + N and
//! scale 2 c, with N Poisson of half that noncentrality. The stationary law is gamma of shape 2 kappa theta / sigma^2 and
//! scale sigma^2 / (2 kappa).

use statrs::function::gamma::ln_gamma;

use crate::key::Stream;

/// Terms of the Poisson mixture below this fraction of its largest are left out.
const NEGLIGIBLE: f64 = 1e-18;

/// The parameters of the process, all above 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct SquareRoot {
    pub kappa: f64,
    pub theta: f64,
    pub sigma: f64,
}

impl SquareRoot {
    /// delta / 2 = 2 kappa theta / sigma^2: 0 is reached where it is below 1 (Feller's condition).
    pub fn half_degrees(&self) -> f64 {
        2.0 * self.kappa * self.theta / (self.sigma * self.sigma)
    }

    /// A draw of the stationary law.
    pub fn draw_stationary(&self, stream: &mut Stream) -> f64 {
        self.sigma * self.sigma / (2.0 * self.kappa) * stream.gamma(self.half_degrees())
    }

    /// The exact transition over `h` of model time.
    pub fn transition(&self, h: f64) -> SquareRootTransition {
        let c = self.sigma * self.sigma * -(-self.kappa * h).exp_m1() / (4.0 * self.kappa);
        SquareRootTransition { scale: 2.0 * c, rate: (-self.kappa * h).exp() / (2.0 * c), shape: self.half_degrees() }
    }
}

/// v' = scale * Gamma(shape + N) with N ~ Poisson(rate v).
#[derive(Clone, Copy, Debug)]
pub(super) struct SquareRootTransition {
    scale: f64,
    rate: f64,
    shape: f64,
}

impl SquareRootTransition {
    /// v(t + h) and the N that it came with, given v(t) = `v` of at least 0.
    pub fn draw(&self, v: f64, stream: &mut Stream) -> (f64, f64) {
        let n = stream.poisson(self.rate * v);
        (self.scale * stream.gamma(self.shape + n), n)
    }

    /// log p(next | v): the Poisson mixture of gamma densities, summed from its largest term outwards.
    pub fn log_density(&self, v: f64, next: f64) -> f64 {
        let (mean, y) = (self.rate * v, next / self.scale);
        if !(y > 0.0 && mean >= 0.0) {
            return if y.is_nan() || mean.is_nan() { f64::NAN } else { f64::NEG_INFINITY };
        }
        // term n + 1 over term n is product / ((n + 1) (n + shape)), which is 1 at the root of a quadratic
        let (shape, product) = (self.shape, mean * y);
        let half = 0.5 * (shape + 1.0);
        let mode = ((half * half - shape + product).max(0.0).sqrt() - half).ceil().max(0.0);
        let poisson = if mode > 0.0 { mode * mean.ln() } else { 0.0 } - mean - ln_gamma(mode + 1.0);
        let gamma = (shape + mode - 1.0) * y.ln() - y - ln_gamma(shape + mode);
        let (mut sum, mut term, mut n) = (1.0, 1.0, mode);
        while term > NEGLIGIBLE * sum {
            term *= product / ((n + 1.0) * (n + shape));
            sum += term;
            n += 1.0;
        }
        (term, n) = (1.0, mode);
        while term > NEGLIGIBLE * sum && n > 0.0 {
            term *= n * (n - 1.0 + shape) / product;
            sum += term;
            n -= 1.0;
        }
        poisson + gamma + sum.ln() - self.scale.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noncentral chi-square densities of independent software (SciPy 1.17, scipy.stats.ncx2), for small and large
    /// noncentrality, few and many degrees of freedom.
    #[test]
    fn log_density_is_that_of_the_noncentral_chi_square() {
        for (degrees, noncentrality, y, expected) in REFERENCE {
            let transition = SquareRootTransition { scale: 2.0, rate: 0.5, shape: 0.5 * degrees };
            let found = transition.log_density(noncentrality, y);
            assert!(
                (found - expected).abs() < 1e-9 * f64::max(1.0, expected.abs()),
                "{degrees} {noncentrality} {y}: {found}"
            );
        }
    }

    const REFERENCE: [(f64, f64, f64, f64); 7] = [
        (16.0, 30.5, 40.0, -3.4668396408253717),
        (0.6, 2.5, 0.01, 0.6855453697453388),
        (3.0, 1e-3, 2.0, -1.572531631810766),
        (4.0, 5000.0, 5200.0, -6.841437089163033),
        (50.0, 800.0, 700.0, -8.576821530220283),
        (0.6, 1e-8, 1e-5, 6.755300671493183),
        (8.0, 20.0, 400.0, -119.97175333157767),
    ];
}
