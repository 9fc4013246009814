//! The long-run covariance Omega = sum over lags of the autocovariance: n times the variance of a mean of n times.
//!
//! Prewhitened, equal-weighted cosines (Andrews & Monahan 1992; Lazarus, Lewis, Stock & Watson 2018, "HAR inference:
//! recommendations for practice"). A cluster of T cases is averaged over blocks of b = T^(1/3) / 2 cases, which leaves what
//! persists. An autoregressive coefficient phi of the blocks of each term, pooled over clusters and corrected for its bias
//! (1 + 3 phi) / T_b (Kendall 1954), takes most of the persistence out: r_t = u_t - phi u_(t-1) is nearly white, so that its
//! coefficients L_j = sqrt(2/T_b) sum_t r_t cos(pi j (t - 1/2) / T_b), j = 1..nu, are nearly independent of one covariance,
//! and b / (1 - phi)^2 turns that into Omega. Without phi the cosines would see the spectrum's peak at 0 only where it is
//! wider than nu / (2 T_b): errors that persist for a twentieth of a run had standard errors of two thirds.
//!
//! The degrees of freedom count what phi costs: 2/dof = 2/nu + 4 (1 - phi^2) / (T_b (1 - phi)^2) by the delta method. A
//! mean over its root is then Student's t, which tests and intervals use. A standard error that is printed has no degrees of
//! freedom beside it, and readers take two of it: its square is 1 + 2/dof times as large, as the variance of that t is (to
//! first order), and two of it cover .93 to .97 down to about five degrees of freedom.
//!
//! Errors that come in bursts make a mean and its standard error go together: both are low in runs without a burst. By the
//! Edgeworth expansion of a studentised mean (Hall 1987) a skewness g of n values takes 2 phi(z) z (z^4 + 2 z^2 - 3) / 18
//! g^2 / n off the coverage of +-z, which at z = 2 an interval 1 + 7/6 g^2 / n times as wide gives back; g^2 / n is that of
//! the whitened blocks.
//!
//! C independent clusters add the contrasts between their means, sqrt(T_c) (mean_c - mean), C - 1 more degrees of
//! freedom of the same expectation. For one cluster nu = 0.4 T_b^(2/3), as recommended; weighing the same squared bias
//! (nu/T)^2 against the same variance 1/(C nu) gives nu = 0.4 (T^2/C)^(1/3) for each of C clusters. With many short
//! clusters that is 0: the plain estimate that is robust to any dependence within a cluster.

use std::f64::consts::PI;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

/// Clusters up to this many use at least one cosine each, for the contrasts alone are too few.
const FEW: usize = 8;
/// By how much an interval of +-2 is wider for each unit of squared skewness over the number of values.
const SKEW: f64 = 7.0 / 6.0;
/// More cosines would change the quantiles of Student's t by less than 1.5 % and cost time.
const MOST: usize = 100;

/// Coefficients whose mean outer product estimates the long-run covariance.
#[derive(Clone, Debug)]
pub struct LongRun {
    /// `[coefficient, term]`, scaled so that Omega is their sum of outer products over `dof`.
    coefficients: Array2<f64>,
    /// Degrees of freedom: the number of independent coefficients, less what the prewhitening costs.
    pub dof: f64,
    /// The number of cases.
    pub n: usize,
    /// Whether persistence within clusters was estimated.
    estimated: bool,
    /// The variance of one case, `[term]`.
    variances: Vec<f64>,
    /// The squared skewness of the first term's whitened blocks over their number.
    skew: f64,
}

impl LongRun {
    /// Of cases sorted by cluster and time, each of the same number of terms.
    pub fn new<'a>(width: usize, cases: impl Iterator<Item = (usize, &'a [f64])>) -> Self {
        Self::by(&PLAIN, width, cases)
    }

    /// Of cases in which noise lies on what persists, such as ranks among members that are drawn afresh.
    pub fn below_noise<'a>(width: usize, cases: impl Iterator<Item = (usize, &'a [f64])>) -> Self {
        Self::by(&BELOW_NOISE, width, cases)
    }

    fn by<'a>(rule: &Whitening, width: usize, cases: impl Iterator<Item = (usize, &'a [f64])>) -> Self {
        let cases: Vec<(usize, &[f64])> = cases.collect();
        let clusters: Vec<&[(usize, &[f64])]> = cases.chunk_by(|a, b| a.0 == b.0).collect();
        let grand = mean(width, &cases);
        let persistence = Persistence::of(width, &clusters, rule);
        let mut coefficients = Vec::new();
        let mut count = 0;
        let whitened: Vec<Array2<f64>> = persistence.whitened().collect();
        for whitened in &whitened {
            let nu = cosines(whitened.nrows(), clusters.len());
            (1..=nu).for_each(|j| project(j, whitened.view(), &mut coefficients));
            count += nu;
        }
        persistence.recolour(&mut coefficients);
        let within = persistence.dof(count, &coefficients);
        coefficients.iter_mut().for_each(|coefficient| *coefficient *= (within / count as f64).sqrt());
        for cluster in &clusters {
            let scale = (cluster.len() as f64).sqrt();
            coefficients.extend(mean(width, cluster).iter().zip(&grand).map(|(m, g)| scale * (m - g)));
        }
        let rows = coefficients.len() / width.max(1);
        let mut matrix = Array2::zeros((rows, width));
        matrix.iter_mut().zip(&coefficients).for_each(|(to, from)| *to = *from);
        let dof = within + clusters.len().saturating_sub(1) as f64;
        let estimated = count > 0;
        let skew = if estimated { squared_skewness(&whitened) } else { 0.0 };
        Self { coefficients: matrix, dof, n: cases.len(), estimated, variances: variances(&grand, &cases), skew }
    }

    /// Omega, `[term, term]`; none without a degree of freedom.
    pub fn covariance(&self) -> Option<Array2<f64>> {
        (self.dof > 0.0).then(|| self.coefficients.t().dot(&self.coefficients) / self.dof)
    }

    /// The trace of the covariance of one case: that of Omega, were the cases independent.
    pub fn independent_trace(&self) -> f64 {
        self.variances.iter().sum()
    }

    /// The root that Student's t is over, for the mean of the first term; none without a degree of freedom.
    pub fn studentised(&self) -> Option<f64> {
        let squares: f64 = self.coefficients.column(0).iter().map(|c| c * c).sum();
        (self.dof > 0.0).then(|| (squares / self.dof / self.n as f64).sqrt())
    }

    /// The standard error of the mean of the first term, to be printed; none without a degree of freedom.
    pub fn standard_error(&self) -> Option<f64> {
        let wider = if self.estimated { (1.0 + 2.0 / self.dof).sqrt() } else { 1.0 };
        Some(self.studentised()? * wider * (1.0 + SKEW * self.skew))
    }

    /// g^2 / n of the errors' skewness g; none where persistence was not estimated.
    pub fn skew(&self) -> Option<f64> {
        self.estimated.then_some(self.skew)
    }

    /// How many independent cases would have a mean of this standard error: n times the variance of one case over Omega,
    /// at most n. None without a degree of freedom, or where all cases are alike.
    pub fn effective(&self) -> Option<f64> {
        let (se, variance) = (self.studentised()?, self.variances.first()?);
        (se > 0.0).then(|| (variance / (se * se)).min(self.n as f64))
    }
}

/// How what persists is found.
struct Whitening {
    /// Cases in a block, over the cube root of those in a cluster.
    block: f64,
    /// phi of a term in blocks of all clusters, `[cluster][block, term]`.
    phi: fn(&[Array2<f64>], usize) -> f64,
}

const PLAIN: Whitening = Whitening { block: 0.5, phi: autoregression };
/// Longer blocks, in whose means the noise is quieter.
const BELOW_NOISE: Whitening = Whitening { block: 0.75, phi: autoregression_below_noise };

/// What persists within clusters: means of blocks, less those of their cluster, and the autoregression that they follow.
struct Persistence {
    /// One a cluster, `[block, term]`.
    blocks: Vec<Array2<f64>>,
    /// Cases in a block.
    length: usize,
    /// The coefficient of the autoregression of each term, from 0 to just below 1, `[term]`.
    phi: Array1<f64>,
}

impl Persistence {
    fn of(width: usize, clusters: &[&[(usize, &[f64])]], rule: &Whitening) -> Self {
        let cases: usize = clusters.iter().map(|cluster| cluster.len()).sum();
        let typical = cases as f64 / clusters.len().max(1) as f64;
        let length = ((rule.block * typical.cbrt()).round() as usize).max(1);
        let blocks: Vec<Array2<f64>> = clusters.iter().map(|cluster| blocks(width, cluster, length)).collect();
        let phi = (0..width).map(|term| (rule.phi)(&blocks, term)).collect();
        Self { blocks, length, phi }
    }

    /// r_t = u_t - phi u_(t-1) of each cluster, `[block, term]`.
    fn whitened(&self) -> impl Iterator<Item = Array2<f64>> {
        self.blocks.iter().map(|blocks| match blocks.nrows() {
            0 | 1 => Array2::zeros((0, blocks.ncols())),
            _ => &blocks.slice(s![1.., ..]) - &(&blocks.slice(s![..-1, ..]) * &self.phi),
        })
    }

    /// Turns coefficients of whitened blocks, `[coefficient x term]`, into those of the mean of single cases.
    fn recolour(&self, coefficients: &mut [f64]) {
        let length = (self.length as f64).sqrt();
        for row in coefficients.chunks_mut(self.phi.len().max(1)) {
            row.iter_mut().zip(&self.phi).for_each(|(coefficient, phi)| *coefficient *= length / (1.0 - phi));
        }
    }

    /// Degrees of freedom of `count` cosines: their relative variance and that of phi, a mean over terms by what each has of
    /// the trace of Omega.
    fn dof(&self, count: usize, coefficients: &[f64]) -> f64 {
        if count == 0 {
            return 0.0;
        }
        let blocks: usize = self.blocks.iter().map(Array2::nrows).sum();
        let (mut of_phi, mut trace) = (0.0, 0.0);
        for row in coefficients.chunks(self.phi.len().max(1)) {
            for (coefficient, phi) in row.iter().zip(&self.phi) {
                let square = coefficient * coefficient;
                of_phi += square * (1.0 + phi) / (1.0 - phi) / blocks as f64;
                trace += square;
            }
        }
        let of_phi = if trace > 0.0 { of_phi / trace } else { 0.0 };
        1.0 / (1.0 / count as f64 + 2.0 * of_phi)
    }
}

/// The squared skewness of the first term over all values of some series, `[time, term]`, over their number.
fn squared_skewness(series: &[Array2<f64>]) -> f64 {
    let values = || series.iter().filter(|series| series.ncols() > 0).flat_map(|series| series.column(0).to_vec());
    let count = values().count() as f64;
    let mean = values().sum::<f64>() / count;
    let moment = |power: i32| values().map(|x| (x - mean).powi(power)).sum::<f64>() / count;
    let skew = moment(3).powi(2) / moment(2).powi(3) / count;
    if skew.is_finite() { skew } else { 0.0 }
}

/// Means of blocks of `length` cases less the mean of all of them, `[block, term]`; cases that fill no block are left out.
fn blocks(width: usize, cluster: &[(usize, &[f64])], length: usize) -> Array2<f64> {
    let mut blocks = Array2::zeros((cluster.len() / length, width));
    for (mut block, cases) in blocks.outer_iter_mut().zip(cluster.chunks_exact(length)) {
        block.iter_mut().zip(mean(width, cases)).for_each(|(to, mean)| *to = mean);
    }
    if let Some(mean) = blocks.mean_axis(Axis(0)) {
        blocks -= &mean;
    }
    blocks
}

/// phi = rho_1, corrected for its bias. A negative one is 0: cosines see such spectra as they are.
fn autoregression(blocks: &[Array2<f64>], term: usize) -> f64 {
    unbiased(correlation(blocks, term, 1), blocks)
}

/// phi = rho_2 / rho_1, where rho_1 is seen (three standard errors of white noise), and no less than rho_1: noise on an
/// autoregression makes both correlations smaller by one factor, and so does a mean of one that persists with others that do
/// not. A ratio that says more than 1 - 12/T_b leaves too few degrees of freedom to be told from chance.
fn autoregression_below_noise(blocks: &[Array2<f64>], term: usize) -> f64 {
    let count = blocks.iter().map(Array2::nrows).sum::<usize>() as f64;
    let [first, second] = [1, 2].map(|lag| correlation(blocks, term, lag));
    let seen = first > 3.0 / count.sqrt();
    let most = 1.0 - 12.0 * blocks.len() as f64 / count;
    let ratio = if seen { unbiased(second / first, blocks).min(most) } else { 0.0 };
    ratio.max(unbiased(first, blocks))
}

/// rho of a term at a lag, over all clusters.
fn correlation(blocks: &[Array2<f64>], term: usize, lag: usize) -> f64 {
    let (mut lagged, mut squares) = (0.0, 0.0);
    for blocks in blocks {
        let u = blocks.column(term);
        squares += u.dot(&u);
        lagged += u.iter().skip(lag).zip(u).map(|(later, earlier)| later * earlier).sum::<f64>();
    }
    lagged / squares
}

/// phi without the bias (1 + 3 phi) / T_b of one that is found, from 0 to 1 - 1/T_b.
fn unbiased(phi: f64, blocks: &[Array2<f64>]) -> f64 {
    let length = blocks.iter().map(Array2::nrows).sum::<usize>() as f64 / blocks.len().max(1) as f64;
    if !phi.is_finite() {
        return 0.0;
    }
    (phi + (1.0 + 3.0 * phi) / length).clamp(0.0, (1.0 - 1.0 / length).max(0.0))
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

/// The variance of each term about its mean over all cases.
fn variances(mean: &[f64], cases: &[(usize, &[f64])]) -> Vec<f64> {
    let mut variances = vec![0.0; mean.len()];
    for (_, row) in cases {
        variances.iter_mut().zip(*row).zip(mean).for_each(|((v, x), m)| *v += (x - m) * (x - m) / cases.len() as f64);
    }
    variances
}

/// Appends L_j of every term of a series, `[time, term]`. The cosines come from cos(a + 2b) = 2 cos(b) cos(a + b) - cos(a).
fn project(j: usize, series: ArrayView2<f64>, out: &mut Vec<f64>) {
    let (times, width) = series.dim();
    let step = PI * j as f64 / times as f64;
    let twice = 2.0 * step.cos();
    let (mut now, mut before) = ((0.5 * step).cos(), (0.5 * step).cos());
    let first = out.len();
    out.resize(first + width, 0.0);
    for row in series.outer_iter() {
        out[first..].iter_mut().zip(row).for_each(|(sum, x)| *sum += x * now);
        (now, before) = (twice * now - before, now);
    }
    let scale = (2.0 / times as f64).sqrt();
    out[first..].iter_mut().for_each(|sum| *sum *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_the_cosine_transform() {
        let series: Vec<f64> = (0..40).map(|t| (f64::from(t) * 0.3).sin() + 0.01 * f64::from(t)).collect();
        let column = Array2::from_shape_fn((40, 1), |(t, _)| series[t]);
        for j in [1, 7, 39] {
            let mut out = Vec::new();
            project(j, column.view(), &mut out);
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
        assert_eq!(long_run.dof, 3.0);
        assert!((long_run.effective().unwrap() - 3.0).abs() < 1e-12, "n (n - 1)/n of the textbook");
    }

    #[test]
    fn bursts_widen_the_printed_standard_error_alone() {
        // a value of 1 in 10 among 9 of 0, less their mean: skewness (1 - 2 p) / sqrt(p (1 - p)) = 8/3
        let series = Array2::from_shape_fn((90, 1), |(t, _)| if t % 10 == 0 { 1.0 } else { 0.0 });
        assert!((squared_skewness(std::slice::from_ref(&series)) - 64.0 / 9.0 / 90.0).abs() < 1e-12);
        assert!(
            (squared_skewness(&[series.slice(s![..40, ..]).to_owned(), series.slice(s![40.., ..]).to_owned()])
                - 64.0 / 9.0 / 90.0)
                .abs()
                < 1e-12
        );
        assert_eq!(squared_skewness(&[Array2::zeros((5, 1))]), 0.0);
        let rows: Vec<[f64; 1]> = series.iter().map(|x| [*x]).collect();
        let long_run = LongRun::new(1, rows.iter().map(|row| (0, &row[..])));
        let plain = long_run.studentised().unwrap() * (1.0 + 2.0 / long_run.dof).sqrt();
        let wider = long_run.standard_error().unwrap() / plain;
        assert!((wider - (1.0 + 7.0 / 6.0 * long_run.skew)).abs() < 1e-12 && long_run.skew > 0.0);
    }

    #[test]
    fn the_number_of_cosines_follows_the_rule() {
        assert_eq!((cosines(400, 1), cosines(1000, 1), cosines(1_000_000, 1)), (21, 40, 100));
        assert_eq!((cosines(21, 6), cosines(5, 64), cosines(1, 1), cosines(2, 3)), (1, 0, 0, 0));
    }
}
