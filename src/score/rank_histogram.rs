//! The rank histogram: where the truth falls among the members, which is uniform for a reliable ensemble.
//!
//! With L members below the truth and E equal to it, the truth occupies the interval from L/(M+1) to
//! (L + E + 1)/(M+1) of the unit interval, and shares its count among `bins` equal bins by overlap. That is the
//! expectation of random tie-breaking and of random placement within a rank, so no random number is needed, and any
//! number of bins serves any M; with M + 1 bins the counts are the ranks (Anderson 1996; Hamill 2001). For a weighted
//! ensemble L/M is the weight below and M the effective size.
//!
//! Counts are pooled over components. The value is the p-value of flatness with the long-run covariance of the bins
//! ([`flatness`]): the plain chi-square test takes times and components for independent
//! and rejects most persistent ensembles that are perfect (Wilks 2011).

use super::about::Orientation;
use super::case::Case;
use super::columns::{Columns, Lanes, WIDTH};
use super::ensemble::effective_size;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use super::statistics::{Summary, flatness};
use super::terms::Terms;
use crate::systems::{Param, Result, Settings, wide};

const BINS: Param = Param::int("bins", 10, 2, "bins of equal probability").up_to(1000);

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "rank_histogram",
    about: "p-value of a flat rank histogram, allowing for autocorrelation",
    reference: "Anderson 1996; Rao & Scott 1981",
    params: &[BINS],
    build: MetricBuild::new(
        "rank test p",
        Orientation::None,
        "The p-value of a flat rank histogram, allowing for autocorrelation. Small: the ensemble's law is not the truth's.",
        build,
    ),
};

struct RankHistogram {
    bins: usize,
}

fn build(settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(RankHistogram { bins: settings.count(BINS.key) }))
}

impl Metric for RankHistogram {
    /// One a bin, and the number of components.
    fn terms(&self) -> usize {
        self.bins + 1
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let dim = ensemble.truth.len();
        out.fill(0.0);
        let columns = Columns::new(ensemble);
        // counts for equal weights; effective counts otherwise
        let size = ensemble.weights.map_or(ensemble.members.nrows() as f64, effective_size);
        let weights = ensemble.weights.map_or_else(|| vec![1.0; ensemble.members.nrows()], |weights| weights.to_vec());
        let unit = if ensemble.weights.is_some() { size } else { 1.0 };
        for first in columns.firsts() {
            for (from, to) in intervals(&columns, first, &weights, unit, size).into_iter().take(columns.width(first)) {
                share(from, to, &mut out[..self.bins]);
            }
        }
        out[..self.bins].iter_mut().for_each(|bin| *bin /= dim as f64);
        out[self.bins] = dim as f64;
    }

    /// The chi-square distance from flat: bins times the sum of squared differences from 1/bins.
    fn value(&self, means: &[f64]) -> f64 {
        let flat = 1.0 / self.bins as f64;
        means[..self.bins].iter().map(|share| (share - flat) * (share - flat) / flat).sum()
    }

    fn estimator(&self) -> &'static str {
        "long-run chi-square"
    }

    fn summarise(&self, terms: &Terms) -> Summary {
        let mut summary = Summary::empty(terms);
        if !terms.diverged() {
            summary.value = flatness(terms, self.bins).map(|test| test.p);
        }
        summary
    }

    fn histogram(&self, terms: &Terms) -> Option<Vec<f64>> {
        let mut counts = vec![0.0; self.bins];
        for (_, _, row) in terms.rows() {
            counts.iter_mut().zip(row).for_each(|(count, share)| *count += share * row[self.bins]);
        }
        Some(counts)
    }
}

/// The part of the unit interval that the truth occupies in each component of the column from `first` on, of weights each
/// of which counts for `unit` times itself among `size` members; NaN if anything there is not finite.
fn intervals(columns: &Columns, first: usize, weights: &[f64], unit: f64, size: f64) -> [(f64, f64); WIDTH] {
    let y = columns.truth(first);
    let mut counts = Counts { below: [0.0; WIDTH], tied: [0.0; WIDTH], check: y };
    let members: Vec<Lanes> = columns.column(first).collect();
    count(&members, weights, &y, &mut counts);
    let Counts { below, tied, check } = counts;
    std::array::from_fn(|lane| {
        if !check[lane].is_finite() {
            return (f64::NAN, f64::NAN);
        }
        let (from, to) = (below[lane] * unit, (below[lane] + tied[lane]) * unit);
        (from / (size + 1.0), (to + 1.0) / (size + 1.0))
    })
}

/// Of some components.
struct Counts {
    /// The weight of the members below the truth.
    below: Lanes,
    /// The weight of those equal to it.
    tied: Lanes,
    /// The sum of all numbers: finite where they are.
    check: Lanes,
}

wide! {
    fn count(members: &[Lanes], weights: &[f64], y: &Lanes, counts: &mut Counts) {
        let (y, mut below, mut tied, mut check) = (*y, counts.below, counts.tied, counts.check);
        for (x, weight) in members.iter().zip(weights) {
            for lane in 0..WIDTH {
                check[lane] += x[lane];
                below[lane] += if x[lane] < y[lane] { *weight } else { 0.0 };
                tied[lane] += if x[lane] == y[lane] { *weight } else { 0.0 };
            }
        }
        *counts = Counts { below, tied, check };
    }
}

/// Adds a count of 1, spread evenly over `from..to`, to equal bins of the unit interval.
fn share(from: f64, to: f64, bins: &mut [f64]) {
    if from.is_nan() {
        bins.fill(f64::NAN);
        return;
    }
    let n = bins.len() as f64;
    // an interval that ends on a bin's edge up to rounding belongs to the bins before it
    let first = ((from * n + 1e-9) as usize).min(bins.len() - 1);
    let last = ((to * n - 1e-9) as usize).min(bins.len() - 1);
    if first >= last {
        bins[first] += 1.0;
        return;
    }
    for (b, bin) in bins.iter_mut().enumerate().take(last + 1).skip(first) {
        let overlap = ((b + 1) as f64 / n).min(to) - (b as f64 / n).max(from);
        *bin += overlap.max(0.0) / (to - from);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::score::Ensemble;
    use crate::systems::{Domain, Key};

    #[test]
    fn ties_share_their_count_over_all_the_ranks_they_could_take() {
        // the truth 1 beside members 0, 1, 1, 2: ranks 1, 2, 3 are equally likely among 5
        let (members, truth) = (array![[0.0], [1.0], [1.0], [2.0]], array![1.0]);
        let ensemble = Ensemble::new(truth.view(), members.view(), None);
        let mut out = [0.0; 6];
        RankHistogram { bins: 5 }.measure(&Case::Ensemble(&ensemble), &mut out);
        for (got, expected) in out.iter().zip([0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0, 1.0]) {
            assert!((got - expected).abs() < 1e-12, "{out:?}");
        }
    }

    #[test]
    fn any_number_of_bins_is_flat_for_uniform_ranks() {
        for (members, bins) in [(24, 10), (40, 8), (5, 10), (9, 10)] {
            let mut counts = vec![0.0; bins];
            for rank in 0..=members {
                let m = f64::from(members) + 1.0;
                share(f64::from(rank) / m, (f64::from(rank) + 1.0) / m, &mut counts);
            }
            let flat = (f64::from(members) + 1.0) / bins as f64;
            assert!(counts.iter().all(|count| (count - flat).abs() < 1e-9), "{counts:?}");
        }
    }

    #[test]
    fn equal_weights_change_nothing() {
        let members = array![[0.3], [-1.0], [0.8], [2.0]];
        let weights = array![0.25, 0.25, 0.25, 0.25];
        for y in [-2.0, 0.0, 0.3, 5.0] {
            let truth = array![y];
            let plain = Ensemble::new(truth.view(), members.view(), None);
            let weighted = Ensemble::new(truth.view(), members.view(), Some(weights.view()));
            let (a, b) = (counts(&plain, 10), counts(&weighted, 10));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-13));
        }
    }

    fn counts<'a>(ensemble: &'a Ensemble<'a>, bins: usize) -> Vec<f64> {
        let mut out = vec![0.0; bins + 1];
        RankHistogram { bins }.measure(&Case::Ensemble(ensemble), &mut out);
        out
    }

    #[test]
    fn the_counts_are_those_of_the_definition() {
        for (members, dim) in [(1, 1), (2, 3), (3, 40), (7, 9), (24, 40), (40, 1), (1000, 3)] {
            let key = Key::new(1, Domain::Score).at((members * dim) as u64);
            // rounded, so that there are ties
            let x = key.normals(members, dim).mapv(|x| (4.0 * x).round() / 4.0);
            let truth = key.at(1).normals(1, dim).row(0).mapv(|x| (4.0 * x).round() / 4.0);
            let (m, mut expected) = (members as f64, vec![0.0; 10]);
            for c in 0..dim {
                let number =
                    |wanted: fn(&f64, &f64) -> bool| x.column(c).iter().filter(|x| wanted(x, &truth[c])).count() as f64;
                let (below, tied) = (number(|x, y| x < y), number(|x, y| x == y));
                share(below / (m + 1.0), (below + tied + 1.0) / (m + 1.0), &mut expected);
            }
            let found = counts(&Ensemble::new(truth.view(), x.view(), None), 10);
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b / dim as f64).abs() < 1e-12), "{members} {dim}");
        }
    }

    #[test]
    fn a_number_that_is_not_finite_makes_all_counts_nan() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut x = Key::new(2, Domain::Score).normals(3, 10);
            let truth = ndarray::Array1::zeros(10);
            x[(1, 9)] = bad;
            let found = counts(&Ensemble::new(truth.view(), x.view(), None), 4);
            assert!(found[..4].iter().all(|count| count.is_nan()));
        }
    }
}
