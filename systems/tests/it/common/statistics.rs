//! Whether a sample has a law: Kolmogorov-Smirnov on a grid, and z-scores of moments with their own standard errors.

use super::mean_and_se;

/// Bound on sqrt(n) times the Kolmogorov-Smirnov distance; a true sample exceeds it with probability
/// 2 exp(-2 * 2.2^2) = 1.3e-4 (Kolmogorov 1933).
pub const KS_BOUND: f64 = 2.2;

/// Bound on z-scores; a true sample exceeds it with probability 7e-6.
pub const Z_BOUND: f64 = 4.5;

/// Half the points at which [`ks`] compares distribution functions: enough that the supremum between them is missed by
/// far less than the bound.
const GRID: usize = 500;

/// sqrt(n) sup |F_n - F|, the supremum over a grid of the sample's quantiles. Sorts the sample.
pub fn ks(sample: &mut [f64], cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_unstable_by(f64::total_cmp);
    let n = sample.len();
    let distance = (0..=2 * GRID).map(|i| {
        let at = (i * (n - 1)) / (2 * GRID);
        let x = sample[at];
        // draws at most x: ties are counted
        let below = at + sample[at..].iter().take_while(|value| **value <= x).count();
        (below as f64 / n as f64 - cdf(x)).abs()
    });
    distance.fold(0.0, f64::max) * (n as f64).sqrt()
}

/// sqrt(n m / (n + m)) sup |F_n - G_m| of two samples, which has the same law. Sorts both.
pub fn ks_two(a: &mut [f64], b: &mut [f64]) -> f64 {
    let (n, m) = (a.len() as f64, b.len() as f64);
    b.sort_unstable_by(f64::total_cmp);
    let other = |x: f64| b.partition_point(|value| *value <= x) as f64 / m;
    ks(a, other) * (m / (n + m)).sqrt()
}

/// (mean of the values - expected) in standard errors.
pub fn z(values: &[f64], expected: f64) -> f64 {
    let (mean, se) = mean_and_se(values);
    (mean - expected) / se
}

/// What a scalar law predicts.
pub struct Law<F> {
    pub mean: f64,
    pub variance: f64,
    pub cdf: F,
}

/// How far a sample is from a law: Kolmogorov-Smirnov, and z-scores of mean and variance.
#[derive(Clone, Copy, Debug)]
pub struct Distance {
    pub ks: f64,
    pub mean: f64,
    pub variance: f64,
}

impl<F: Fn(f64) -> f64> Law<F> {
    pub fn distance(&self, sample: &[f64]) -> Distance {
        let squares: Vec<f64> = sample.iter().map(|x| (x - self.mean).powi(2)).collect();
        let (mean, variance) = (z(sample, self.mean), z(&squares, self.variance));
        Distance { ks: ks(&mut sample.to_vec(), &self.cdf), mean, variance }
    }

    /// Asserts that the sample has this law, and that the same tests at the same bounds find an sd that is 2 % off.
    pub fn assert_and_control(&self, sample: &[f64], what: &str) {
        let found = self.distance(sample);
        let wide: Vec<f64> = sample.iter().map(|x| self.mean + 1.02 * (x - self.mean)).collect();
        let control = self.distance(&wide);
        println!("{what}: {found:.2?}; with an sd 2 % off: {control:.2?}");
        assert!(
            found.ks < KS_BOUND && found.mean.abs() < Z_BOUND && found.variance.abs() < Z_BOUND,
            "{what}: {found:?}"
        );
        assert!(control.ks > KS_BOUND && control.variance > Z_BOUND, "{what}: 2 % off is not found: {control:?}");
    }
}

/// The z-score of a lag covariance, from pairs of a stationary process of this mean.
pub fn z_covariance(now: &[f64], next: &[f64], mean: f64, expected: f64) -> f64 {
    z(&now.iter().zip(next).map(|(x, y)| (x - mean) * (y - mean)).collect::<Vec<_>>(), expected)
}
