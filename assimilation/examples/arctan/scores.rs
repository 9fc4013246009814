//! Scores of an analysis ensemble x_1 .. x_N against the truth, and how soon a filter recovers from a jump.
//!
//! In 90 %: the share of components within mean +- t sqrt(1 + 1 / N) sd, t the .95 quantile of Student's law with N - 1
//! degrees of freedom: 90 % for an honest Gaussian ensemble of any N. The CRPS is the fair estimator
//! 1/N sum |x_i - y| - 1/(2 N (N - 1)) sum |x_i - x_j| (Ferro 2014).

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Components that are scored together.
const POINTS: usize = 1024;

/// Scores of one analysis or sums of those of several.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// Root of the mean squared error of the mean.
    pub rmse: f64,
    spread: f64,
    covered: f64,
    crps: f64,
    count: usize,
}

impl Scores {
    /// Of the ensemble `[member, component]` for `truth`, `[component]`.
    pub fn new(ensemble: &Array2<f64>, truth: ArrayView1<f64>) -> Self {
        let members = ensemble.nrows() as f64;
        let quantile = StudentsT::new(0.0, 1.0, members - 1.0).map_or(f64::NAN, |law| law.inverse_cdf(0.95));
        let width = quantile * (1.0 + 1.0 / members).sqrt();
        let blocks = ensemble.axis_chunks_iter(Axis(1), POINTS).into_par_iter();
        let sums: Vec<[f64; 4]> =
            blocks.zip(truth.axis_chunks_iter(Axis(0), POINTS)).map(|(x, y)| sums(x, y, width)).collect();
        let per = 1.0 / truth.len() as f64;
        let [square, variance, covered, crps] =
            sums.iter().fold([0.0; 4], |total, some| std::array::from_fn(|i| total[i] + per * some[i]));
        Self { rmse: square.sqrt(), spread: variance.sqrt(), covered, crps, count: 1 }
    }

    /// Adds those of another analysis.
    pub fn add(&mut self, other: &Self) {
        self.rmse += other.rmse;
        self.spread += other.spread;
        self.covered += other.covered;
        self.crps += other.crps;
        self.count += other.count;
    }

    /// Rmse, spread, share in the central 90 % and CRPS, each the mean over analyses.
    pub fn mean(&self) -> [f64; 4] {
        [self.rmse, self.spread, self.covered, self.crps].map(|sum| sum / self.count as f64)
    }
}

/// Squared errors, variances, truths in the interval, and CRPS, summed over components.
fn sums(ensemble: ArrayView2<f64>, truth: ArrayView1<f64>, width: f64) -> [f64; 4] {
    let mut x = vec![0.0; ensemble.nrows()];
    let n = x.len() as f64;
    let mut total = [0.0; 4];
    for (column, y) in ensemble.axis_iter(Axis(1)).zip(truth) {
        x.iter_mut().zip(column).for_each(|(x, value)| *x = *value);
        x.sort_unstable_by(f64::total_cmp);
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        let error = (mean - y).abs();
        // sum over pairs i < j of x_j - x_i
        let apart: f64 = x.iter().zip(0..).map(|(x, rank)| x * (2.0 * f64::from(rank) + 1.0 - n)).sum();
        let crps = x.iter().map(|x| (x - y).abs()).sum::<f64>() / n - apart / (n * (n - 1.0));
        let inside = if error <= width * variance.sqrt() { 1.0 } else { 0.0 };
        total = std::array::from_fn(|i| total[i] + [error * error, variance, inside, crps][i]);
    }
    total
}

/// How a filter came back from a jump.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// The size of the jump.
    pub size: f64,
    /// Cycles until the error was below twice its level before; none within the run.
    pub cycles: Option<usize>,
}

/// Cycles that give the level before a jump, and that a start needs.
const LEVEL: usize = 5;

/// Recoveries from `jumps` (the cycle before each, and its size), given the error of each cycle. A jump that comes before
/// the filter has recovered from another is left out.
pub fn recoveries(errors: &[f64], jumps: &[(usize, f64)]) -> Vec<Recovery> {
    let mut free = 3 * LEVEL;
    let mut all = Vec::new();
    for &(cycle, size) in jumps {
        if cycle < free || cycle >= errors.len() {
            continue;
        }
        let level = errors[cycle - LEVEL..cycle].iter().sum::<f64>() / LEVEL as f64;
        let cycles = errors[cycle..].iter().position(|error| *error < 2.0 * level).map(|first| first + 1);
        free = cycles.map_or(usize::MAX, |count| cycle + count);
        all.push(Recovery { size, cycles });
    }
    all
}

/// The mean number of cycles for each size of jump, and how many there were.
pub fn summary(all: &[Recovery]) -> String {
    let one = |size: f64| {
        let some: Vec<_> = all.iter().filter(|recovery| recovery.size == size).collect();
        let back: Vec<usize> = some.iter().filter_map(|recovery| recovery.cycles).collect();
        let mean = back.iter().sum::<usize>() as f64 / back.len() as f64;
        let lost = some.len() - back.len();
        let not = if lost > 0 { format!(", {lost} not within the run") } else { String::new() };
        (!some.is_empty()).then(|| format!("{size}: {mean:.1} cycles ({} jumps{not})", some.len()))
    };
    [0.5, 0.2, 0.05].into_iter().filter_map(one).collect::<Vec<_>>().join("; ")
}
