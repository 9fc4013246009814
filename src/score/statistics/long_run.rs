//! The long-run covariance Omega = sum over lags of the autocovariance: n times the variance of a mean of n times.
//!
//! Equal-weighted cosines (Lazarus, Lewis, Stock & Watson 2018, "HAR inference: recommendations for practice"): for a
//! cluster u_1..u_T the coefficients L_j = sqrt(2/T) sum_t u_t cos(pi j (t - 1/2) / T), j = 1..nu, are nearly
//! independent with covariance Omega, whatever the autocorrelation, as long as the spectrum is flat up to frequency
//! nu / (2T). Their mean square estimates Omega with nu degrees of freedom, and a mean over its standard error is then
//! Student's t with nu degrees of freedom; that takes the place of small-sample factors.
//!
//! C independent clusters add the contrasts between their means, sqrt(T_c) (mean_c - mean), C - 1 more degrees of
//! freedom of the same expectation. For one cluster nu = 0.4 T^(2/3), as recommended; weighing the same squared bias
//! (nu/T)^2 against the same variance 1/(C nu) gives nu = 0.4 (T^2/C)^(1/3) for each of C clusters. With many short
//! clusters that is 0: the plain estimate that is robust to any dependence within a cluster.

use std::f64::consts::PI;

use ndarray::Array2;

/// Clusters up to this many use at least one cosine each, for the contrasts alone are too few.
const FEW: usize = 8;
/// More cosines would change the quantiles of Student's t by less than 1.5 % and cost time.
const MOST: usize = 100;

/// Coefficients whose mean outer product estimates the long-run covariance.
#[derive(Clone, Debug)]
pub struct LongRun {
    /// `[coefficient, term]`.
    coefficients: Array2<f64>,
    /// Degrees of freedom: the number of independent coefficients.
    pub dof: usize,
    /// The number of cases.
    pub n: usize,
}

impl LongRun {
    /// Of cases sorted by cluster and time, each of the same number of terms.
    pub fn new<'a>(width: usize, cases: impl Iterator<Item = (usize, &'a [f64])>) -> Self {
        let cases: Vec<(usize, &[f64])> = cases.collect();
        let clusters: Vec<&[(usize, &[f64])]> = cases.chunk_by(|a, b| a.0 == b.0).collect();
        let grand = mean(width, &cases);
        let mut coefficients = Vec::new();
        let mut dof = clusters.len().saturating_sub(1);
        for cluster in &clusters {
            let count = cosines(cluster.len(), clusters.len());
            (1..=count).for_each(|j| project(j, cluster, width, &mut coefficients));
            dof += count;
            let scale = (cluster.len() as f64).sqrt();
            coefficients.extend(mean(width, cluster).iter().zip(&grand).map(|(m, g)| scale * (m - g)));
        }
        let rows = coefficients.len() / width.max(1);
        let mut matrix = Array2::zeros((rows, width));
        matrix.iter_mut().zip(&coefficients).for_each(|(to, from)| *to = *from);
        Self { coefficients: matrix, dof, n: cases.len() }
    }

    /// Omega, `[term, term]`; none without a degree of freedom.
    pub fn covariance(&self) -> Option<Array2<f64>> {
        (self.dof > 0).then(|| self.coefficients.t().dot(&self.coefficients) / self.dof as f64)
    }

    /// The standard error of the mean of the first term; none without a degree of freedom.
    pub fn standard_error(&self) -> Option<f64> {
        let squares: f64 = self.coefficients.column(0).iter().map(|c| c * c).sum();
        (self.dof > 0).then(|| (squares / self.dof as f64 / self.n as f64).sqrt())
    }
}

/// nu: the cosines of one of `clusters` clusters with `times` times.
fn cosines(times: usize, clusters: usize) -> usize {
    let nu = 0.4 * ((times * times) as f64 / clusters as f64).cbrt();
    let least = usize::from(clusters <= FEW && times >= 3);
    (nu as usize).clamp(least, MOST).min(times.saturating_sub(1))
}

/// The mean of each term.
fn mean(width: usize, cases: &[(usize, &[f64])]) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for (_, row) in cases {
        mean.iter_mut().zip(*row).for_each(|(m, x)| *m += x / cases.len() as f64);
    }
    mean
}

/// Appends L_j of every term. The cosines come from cos(a + 2b) = 2 cos(b) cos(a + b) - cos(a).
fn project(j: usize, cluster: &[(usize, &[f64])], width: usize, out: &mut Vec<f64>) {
    let step = PI * j as f64 / cluster.len() as f64;
    let twice = 2.0 * step.cos();
    let (mut now, mut before) = ((0.5 * step).cos(), (0.5 * step).cos());
    let first = out.len();
    out.resize(first + width, 0.0);
    for (_, row) in cluster {
        out[first..].iter_mut().zip(*row).for_each(|(sum, x)| *sum += x * now);
        (now, before) = (twice * now - before, now);
    }
    let scale = (2.0 / cluster.len() as f64).sqrt();
    out[first..].iter_mut().for_each(|sum| *sum *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_the_cosine_transform() {
        let series: Vec<f64> = (0..40).map(|t| (f64::from(t) * 0.3).sin() + 0.01 * f64::from(t)).collect();
        let rows: Vec<[f64; 1]> = series.iter().map(|x| [*x]).collect();
        let cases: Vec<(usize, &[f64])> = rows.iter().map(|row| (0, &row[..])).collect();
        for j in [1, 7, 39] {
            let mut out = Vec::new();
            project(j, &cases, 1, &mut out);
            let direct: f64 =
                series.iter().enumerate().map(|(t, x)| x * (PI * j as f64 * (t as f64 + 0.5) / 40.0).cos()).sum();
            assert!((out[0] - direct * (2.0f64 / 40.0).sqrt()).abs() < 1e-12);
        }
    }

    #[test]
    fn single_cases_give_the_textbook_standard_error() {
        // clusters of one case: sd / sqrt(n) with n - 1
        let rows = [[1.0], [4.0], [2.0], [7.0]];
        let long_run = LongRun::new(1, rows.iter().enumerate().map(|(c, row)| (c, &row[..])));
        let variance = [1.0f64, 4.0, 2.0, 7.0].iter().map(|x| (x - 3.5) * (x - 3.5)).sum::<f64>() / 3.0;
        assert!((long_run.standard_error().unwrap() - (variance / 4.0).sqrt()).abs() < 1e-14);
        assert_eq!(long_run.dof, 3);
    }

    #[test]
    fn the_number_of_cosines_follows_the_rule() {
        assert_eq!((cosines(400, 1), cosines(1000, 1), cosines(1_000_000, 1)), (21, 40, 100));
        assert_eq!((cosines(21, 6), cosines(5, 64), cosines(1, 1), cosines(2, 3)), (1, 0, 0, 0));
    }
}
