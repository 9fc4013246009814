//! The fair energy score: CRPS with the Euclidean norm over components.
//!
//! ES = sum_j w_j ‖x_j - y‖ - sum_jk w_j w_k ‖x_j - x_k‖ / (2 (1 - sum_j w_j^2)) (Gneiting & Raftery 2007; fair form
//! Ferro 2014). The double sum is over all pairs up to [`ALL_PAIRS`] members. Above, its mean over pairs, E‖X - X'‖, is that
//! of [`PAIRS`] pairs drawn with their chance: j with w_j (1 - w_j) / (1 - sum w^2), one draw in each of as many equal parts
//! of it, and another member k with w_k / (1 - w_j). They are drawn from the members in the order of their values, so that
//! the score does not depend on the order in which they are given: resampling puts copies side by side.

use super::about::Orientation;
use super::case::Case;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Domain, Key, Result, Settings, wide};

/// Up to this many members all pairs are used.
const ALL_PAIRS: usize = 512;

/// As many pairs are drawn of more members, as `ALL_PAIRS` members have.
const PAIRS: usize = ALL_PAIRS * (ALL_PAIRS - 1) / 2;

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
        add_errors(members, &truth, &weights, &mut sums);
        match count <= ALL_PAIRS {
            true => add_all_pairs(members, truth.len(), &weights, &mut sums),
            false => add_pairs(members, truth.len(), &drawn_pairs(members, truth.len(), &weights), &mut sums),
        }
        let Sums { error, pairs: sum, weight } = sums;
        // no spread without a pair of positive weight
        out[0] = error - if weight > 1e-12 { 0.5 * sum / weight } else { 0.0 };
    }

    fn least_members(&self) -> usize {
        2
    }

    fn estimator(&self) -> &'static str {
        "fair"
    }

    fn estimator_of(&self, members: usize) -> &str {
        if members == 1 { "distance, one member" } else { self.estimator() }
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
    fn add_errors(members: &[f64], truth: &[f64], weights: &[f64], sums: &mut Sums) {
        for (j, weight) in weights.iter().enumerate() {
            sums.error += weight * distance(row(members, truth.len(), j), truth);
        }
    }
}

wide! {
    fn add_all_pairs(members: &[f64], dim: usize, weights: &[f64], sums: &mut Sums) {
        let count = weights.len();
        for j in 0..count {
            for k in j + 1..count {
                sums.add(weights[j] * weights[k], distance(row(members, dim, j), row(members, dim, k)));
            }
        }
    }
}

wide! {
    fn add_pairs(members: &[f64], dim: usize, pairs: &[(usize, usize)], sums: &mut Sums) {
        for &(j, k) in pairs {
            sums.add(1.0, distance(row(members, dim, j), row(members, dim, k)));
        }
    }
}

/// [`PAIRS`] pairs of members, by their weights; none where one member has all the weight.
fn drawn_pairs(members: &[f64], dim: usize, weights: &[f64]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let compare = |a: &f64, b: &f64| a.total_cmp(b);
    let by_values = |j: &usize, k: &usize| {
        let values = row(members, dim, *j).iter().zip(row(members, dim, *k));
        let first = values.map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
        first.unwrap_or_else(|| compare(&weights[*j], &weights[*k]))
    };
    order.sort_by(by_values);
    let until = |sum: &mut f64, weight: f64| {
        *sum += weight;
        Some(*sum)
    };
    let to: Vec<f64> = order.iter().scan(0.0, |sum, &j| until(sum, weights[j])).collect();
    let first_to: Vec<f64> = order.iter().scan(0.0, |sum, &j| until(sum, weights[j] * (1.0 - weights[j]))).collect();
    let (all, rest) = (to[to.len() - 1], first_to[first_to.len() - 1]);
    if rest.is_nan() || rest <= 1e-12 {
        return Vec::new();
    }
    let mut stream = Key::new(0, Domain::Score).stream(0);
    let last = order.len() - 1;
    let mut at = 0;
    let pairs = (0..PAIRS).filter_map(|i| {
        let place = (i as f64 + stream.uniform()) / PAIRS as f64 * rest;
        while at < last && first_to[at] <= place {
            at += 1;
        }
        // the weights of all others, as if j were not there
        let (before, own) = (to[at] - weights[order[at]], weights[order[at]]);
        let place = stream.uniform() * (all - own);
        let place = if place < before { place } else { place + own };
        let other = to.partition_point(|to| *to <= place).min(last);
        (other != at).then(|| (order[at], order[other]))
    });
    pairs.collect()
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
    use ndarray::{Array1, Array2, Axis};

    use super::*;
    use crate::score::Ensemble;

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

    fn score(x: &Array2<f64>, truth: f64, weights: Option<&Array1<f64>>) -> f64 {
        let (truth, mut out) = (Array1::from_elem(x.ncols(), truth), [0.0]);
        let ensemble = Ensemble::new(truth.view(), x.view(), weights.map(|w| w.view()));
        EnergyScoreFair.measure(&Case::Ensemble(&ensemble), &mut out);
        out[0]
    }

    /// In one dimension it is the CRPS, of which all pairs count: a mean of PAIRS distances of sd s has the error
    /// s / sqrt(PAIRS) at most.
    #[test]
    fn many_members_score_as_all_their_pairs_would_in_whatever_order_they_come() {
        for count in [600, 20_000] {
            let draws = Key::new(2, Domain::Score).at(count as u64).normals(count, 1);
            // resampled: eight copies of each beside each other
            let copies = Array2::from_shape_fn((count, 1), |(j, _)| draws[(j / 8, 0)]);
            for x in [draws, copies] {
                let uneven: Array1<f64> = (0..count).map(|j| f64::from(u8::from(j % 40 == 0)) + 1e-3).collect();
                let uneven = &uneven / uneven.sum();
                for weights in [None, Some(&uneven)] {
                    let found = score(&x, 0.3, weights);
                    let w = |j: usize| weights.map_or(1.0 / count as f64, |w| w[j]);
                    let mut sorted: Vec<(f64, f64)> = (0..count).map(|j| (x[(j, 0)], w(j))).collect();
                    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                    // sum_jk w_j w_k |x_j - x_k| = 2 sum_j w_j x_j (2 W_j - w_j - 1), W_j the weights up to j
                    let (mut upto, mut double, mut error, mut squares) = (0.0, 0.0, 0.0, 0.0);
                    for (value, weight) in &sorted {
                        upto += weight;
                        double += 2.0 * weight * value * (2.0 * upto - weight - 1.0);
                        error += weight * (value - 0.3f64).abs();
                        squares += weight * weight;
                    }
                    let exact = error - 0.5 * double / (1.0 - squares);
                    // distances of normals have the sd .85; the score takes half of their mean; 4 standard errors
                    let bound = 4.0 * 0.5 * 0.86 / (PAIRS as f64).sqrt();
                    assert!((found - exact).abs() < bound, "{count}: {found} {exact}");
                    let mut order: Vec<usize> = (0..count).collect();
                    order.sort_by(|a, b| x[(*a, 0)].total_cmp(&x[(*b, 0)]).reverse());
                    let reversed = x.select(Axis(0), &order);
                    let moved = weights.map(|w| w.select(Axis(0), &order));
                    assert!((score(&reversed, 0.3, moved.as_ref()) - found).abs() < 1e-12, "{count}");
                }
            }
        }
        // one member with all the weight has no spread
        let mut alone = Array1::zeros(600);
        alone[7] = 1.0;
        let x = Array2::from_shape_fn((600, 2), |(j, _)| j as f64);
        assert!((score(&x, 7.0, Some(&alone))).abs() < 1e-12);
    }
}
