//! The fair energy score: CRPS with the Euclidean norm over components.
//!
//! ES = sum_j w_j ‖x_j - y‖ - sum_jk w_j w_k ‖x_j - x_k‖ / (2 (1 - sum_j w_j^2)) (Gneiting & Raftery 2007; fair form
//! Ferro 2014). The double sum is over all pairs up to [`ALL_PAIRS`] members. Above, it is over the pairs (j, j + s)
//! for shifts s spread evenly over the ensemble, as many pairs as `ALL_PAIRS` members have: the same expectation for
//! members that are draws of one law, at bounded cost.

use super::about::Orientation;
use super::case::Case;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings, wide};

/// Up to this many members all pairs are used.
const ALL_PAIRS: usize = 512;

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "energy_score_fair",
    about: "energy score over all components, fair estimator",
    reference: "Gneiting & Raftery 2007; Ferro 2014",
    params: &[],
    build: MetricBuild::new(
        "energy score, fair",
        Orientation::Less,
        "The CRPS of whole states: E|X - y| - E|X - X'|/2 with the Euclidean norm, estimated fairly.",
        build,
    ),
};

struct EnergyScoreFair;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(EnergyScoreFair))
}

impl Metric for EnergyScoreFair {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let count = ensemble.members.nrows();
        let members = ensemble.members.as_standard_layout();
        let truth = ensemble.truth.to_vec();
        let members = members.as_slice().unwrap_or(&[]);
        let weights: Vec<f64> = (0..count).map(|j| ensemble.weight(j)).collect();
        let mut sums = Sums::default();
        add_distances(members, &truth, &weights, &mut sums);
        let Sums { error, pairs: sum, weight } = sums;
        // no spread without a pair of positive weight
        out[0] = error - if weight > 1e-12 { 0.5 * sum / weight } else { 0.0 };
    }

    fn estimator(&self) -> &'static str {
        "fair"
    }
}

/// Sums over members and over pairs of members.
#[derive(Default)]
struct Sums {
    /// Of w_j ‖x_j - y‖.
    error: f64,
    /// Of w_j w_k ‖x_j - x_k‖.
    pairs: f64,
    /// Of w_j w_k.
    weight: f64,
}

impl Sums {
    /// Adds a pair.
    #[inline(always)]
    fn add(&mut self, weight: f64, distance: f64) {
        self.pairs += weight * distance;
        self.weight += weight;
    }
}

wide! {
    fn add_distances(members: &[f64], truth: &[f64], weights: &[f64], sums: &mut Sums) {
        let dim = truth.len();
        let count = weights.len();
        for (j, weight) in weights.iter().enumerate() {
            sums.error += weight * distance(row(members, dim, j), truth);
        }
        if count <= ALL_PAIRS {
            for j in 0..count {
                for k in j + 1..count {
                    sums.add(weights[j] * weights[k], distance(row(members, dim, j), row(members, dim, k)));
                }
            }
            return;
        }
        // the pairs (j, j + s), indices modulo the count, for shifts s spread evenly over half of it: neighbours alone would
        // not do, for resampling puts copies side by side
        let shifts = (ALL_PAIRS * ALL_PAIRS / 2).div_ceil(count);
        for i in 0..shifts {
            let shift = 1 + i * (count / 2) / shifts;
            for j in 0..count {
                let k = (j + shift) % count;
                sums.add(weights[j] * weights[k], distance(row(members, dim, j), row(members, dim, k)));
            }
        }
    }
}

#[inline(always)]
fn row(members: &[f64], dim: usize, j: usize) -> &[f64] {
    &members[j * dim..(j + 1) * dim]
}

/// The Euclidean distance; eight sums side by side, so that it is vectorized.
#[inline(always)]
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..8 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    (((a + e) + (b + f)) + ((c + g) + (d + h)) + rest).sqrt()
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;
    use crate::score::Ensemble;
    use crate::systems::{Domain, Key};

    #[test]
    fn the_score_is_the_plain_formula() {
        for (members, dim) in [(1, 1), (2, 3), (3, 40), (7, 1), (24, 40), (40, 9)] {
            let key = Key::new(1, Domain::Score).at((members * dim) as u64);
            let mut x = key.normals(members, dim);
            if members > 2 {
                let first = x.row(0).to_owned();
                x.row_mut(2).assign(&first);
            }
            let truth = key.at(1).normals(1, dim).row(0).to_owned();
            let uneven: Array1<f64> = (0..members).map(|j| 1.0 + j as f64).collect();
            let uneven = &uneven / uneven.sum();
            for weights in [None, Some(uneven.view())] {
                let w = |j: usize| weights.map_or(1.0 / members as f64, |w| w[j]);
                let length = |d: Array1<f64>| d.dot(&d).sqrt();
                let error: f64 = (0..members).map(|j| w(j) * length(&x.row(j) - &truth)).sum();
                let pairs = (0..members).flat_map(|j| (0..members).map(move |k| (j, k)));
                let double: f64 = pairs.map(|(j, k)| w(j) * w(k) * length(&x.row(j) - &x.row(k))).sum();
                let rest = 1.0 - (0..members).map(|j| w(j) * w(j)).sum::<f64>();
                let plain = error - if members > 1 { double / (2.0 * rest) } else { 0.0 };
                let mut out = [0.0];
                EnergyScoreFair.measure(&Case::Ensemble(&Ensemble::new(truth.view(), x.view(), weights)), &mut out);
                assert!((out[0] - plain).abs() < 1e-12 * (1.0 + plain.abs()), "{members} {dim}: {} {plain}", out[0]);
            }
        }
    }
}
