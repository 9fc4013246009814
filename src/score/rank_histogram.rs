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

use super::statistics::{Summary, flatness};
use super::{Build, Case, Context, Ensemble, Metric, Orientation, Terms};
use crate::systems::registry::Default::Int;
use crate::systems::{Entry, Kind, Param, Result, Settings};

/// The registry line.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "rank_histogram",
    about: "p-value of a flat rank histogram, allowing for autocorrelation",
    reference: "Anderson 1996; Rao & Scott 1981",
    params: &[Param {
        key: "bins",
        kind: Kind::Int { min: 2, max: 1000 },
        default: Int(10),
        about: "bins of equal probability",
    }],
    build,
};

struct RankHistogram {
    bins: usize,
}

fn build(settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(RankHistogram { bins: settings.count("bins") }))
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
        for c in 0..dim {
            let (from, to) = interval(ensemble, c);
            share(from, to, &mut out[..self.bins]);
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

    fn orientation(&self) -> Orientation {
        Orientation::None
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

/// The part of the unit interval that the truth occupies in component `c`; NaN if anything there is not finite.
fn interval(ensemble: &Ensemble, c: usize) -> (f64, f64) {
    let y = ensemble.truth[c];
    let (mut below, mut tied, mut check) = (0.0, 0.0, y);
    for (j, x) in ensemble.members.column(c).iter().enumerate() {
        check += x;
        match ensemble.weights {
            None if *x < y => below += 1.0,
            None if *x == y => tied += 1.0,
            Some(weights) if *x < y => below += weights[j],
            Some(weights) if *x == y => tied += weights[j],
            _ => {}
        }
    }
    if !check.is_finite() {
        return (f64::NAN, f64::NAN);
    }
    // counts for equal weights; effective counts otherwise
    let m = ensemble.weights.map_or(ensemble.members.nrows() as f64, super::effective_size);
    let unit = if ensemble.weights.is_some() { m } else { 1.0 };
    (below * unit / (m + 1.0), ((below + tied) * unit + 1.0) / (m + 1.0))
}

/// Adds a count of 1, spread evenly over `from..to`, to equal bins of the unit interval.
fn share(from: f64, to: f64, bins: &mut [f64]) {
    if from.is_nan() {
        bins.fill(f64::NAN);
        return;
    }
    let n = bins.len() as f64;
    // an interval that ends on a bin's edge up to rounding belongs to the bins before it
    let first = ((from * n + 1e-9).floor() as usize).min(bins.len() - 1);
    let last = ((to * n - 1e-9).floor() as usize).min(bins.len() - 1);
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
            let (a, b) = (interval(&plain, 0), interval(&weighted, 0));
            assert!((a.0 - b.0).abs() < 1e-14 && (a.1 - b.1).abs() < 1e-14);
        }
    }
}
