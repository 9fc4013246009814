//! The fair energy score: CRPS with the Euclidean norm over components.
//!
//! ES = sum_j w_j ‖x_j - y‖ - sum_jk w_j w_k ‖x_j - x_k‖ / (2 (1 - sum_j w_j^2)) (Gneiting & Raftery 2007; fair form
//! Ferro 2014). The double sum is over all pairs up to [`ALL_PAIRS`] members. Above, it is over the pairs (j, j + s)
//! for shifts s spread evenly over the ensemble, as many pairs as `ALL_PAIRS` members have: the same expectation for
//! members that are draws of one law, at bounded cost.

use super::{Build, Case, Context, Metric};
use crate::systems::{Entry, Result, Settings};

/// Up to this many members all pairs are used.
const ALL_PAIRS: usize = 512;

/// The registry line.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "energy_score_fair",
    about: "energy score over all components, fair estimator",
    reference: "Gneiting & Raftery 2007; Ferro 2014",
    params: &[],
    build,
};

struct EnergyScoreFair;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(EnergyScoreFair))
}

impl Metric for EnergyScoreFair {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let (count, dim) = ensemble.members.dim();
        let members = ensemble.members.as_standard_layout();
        let truth = ensemble.truth.to_vec();
        let members = members.as_slice().unwrap_or(&[]);
        let row = |j: usize| &members[j * dim..(j + 1) * dim];
        let error: f64 = (0..count).map(|j| ensemble.weight(j) * distance(row(j), &truth)).sum();
        let term = |j: usize, k: usize| {
            let weight = ensemble.weight(j) * ensemble.weight(k);
            (weight * distance(row(j), row(k)), weight)
        };
        let (sum, weight) = if count <= ALL_PAIRS { all_pairs(count, term) } else { some_pairs(count, term) };
        // no spread without a pair of positive weight
        out[0] = error - if weight > 1e-12 { 0.5 * sum / weight } else { 0.0 };
    }

    fn estimator(&self) -> &'static str {
        "fair"
    }
}

/// Sums of w_j w_k ‖x_j - x_k‖ and of w_j w_k over all pairs.
fn all_pairs(count: usize, term: impl Fn(usize, usize) -> (f64, f64)) -> (f64, f64) {
    let pairs = (0..count).flat_map(|j| (j + 1..count).map(move |k| (j, k)));
    pairs.map(|(j, k)| term(j, k)).fold((0.0, 0.0), |sums, (d, w)| (sums.0 + d, sums.1 + w))
}

/// The same over the pairs (j, j + s), indices modulo `count`, for shifts s spread evenly over half of it: neighbours
/// alone would not do, for resampling puts copies side by side.
fn some_pairs(count: usize, term: impl Fn(usize, usize) -> (f64, f64)) -> (f64, f64) {
    let shifts = (ALL_PAIRS * ALL_PAIRS / 2).div_ceil(count);
    let shift = |i: usize| 1 + i * (count / 2) / shifts;
    let pairs = (0..shifts).flat_map(|i| (0..count).map(move |j| (j, (j + shift(i)) % count)));
    pairs.map(|(j, k)| term(j, k)).fold((0.0, 0.0), |sums, (d, w)| (sums.0 + d, sums.1 + w))
}

/// The Euclidean distance; four sums side by side, so that it is vectorized.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (left, right) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..4 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    (sums[0] + sums[1] + sums[2] + sums[3] + rest).sqrt()
}
