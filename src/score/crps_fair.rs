//! The fair continuous ranked probability score, component by component, then averaged over components.
//!
//! CRPS = sum_j w_j |x_j - y| - sum_jk w_j w_k |x_j - x_k| / (2 (1 - sum_j w_j^2)): with equal weights the second term
//! is sum_jk |x_j - x_k| / (2 M (M - 1)), whose expectation does not depend on M (Ferro 2014). Sorting the members
//! makes the double sum O(M log M). A single member (or a single weight of 1) scores its absolute error.
//!
//! Up to [`NETWORK`] equally weighted members are sorted by the merge exchange of Batcher (1968; Knuth, The Art of Computer
//! Programming 5.2.2, algorithm M), whose comparisons do not depend on the values, so that eight components are sorted side
//! by side.

use super::about::{Of, Orientation};
use super::case::Case;
use super::columns::{Columns, Lanes, WIDTH};
use super::ensemble::Ensemble;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::{Result, Settings, wide};

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "crps_fair",
    about: "continuous ranked probability score, fair estimator, mean over components",
    reference: "Ferro 2014",
    params: &[],
    build: MetricBuild::new(
        "CRPS, fair",
        Orientation::Less,
        "Continuous ranked probability score of each component, averaged; the fair estimator, whose expectation does not \
         depend on the number of members (Ferro 2014).",
        build,
    )
    .of(&[Of::Analysis, Of::Smoothed])
    .headline(&[Of::Analysis]),
};

/// Up to this many members a network of comparisons sorts faster than a sort that branches.
const NETWORK: usize = 512;

struct CrpsFair;

fn build(_settings: &Settings, _context: &Context) -> Result<Box<dyn Metric>> {
    Ok(Box::new(CrpsFair))
}

impl Metric for CrpsFair {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let dim = ensemble.truth.len();
        out[0] = match ensemble.weights {
            None if ensemble.members.nrows() <= NETWORK => by_columns(ensemble),
            None => (0..dim).fold((0.0, Vec::new()), |(sum, work), c| equal(ensemble, c, sum, work)).0,
            Some(_) => (0..dim).fold((0.0, Vec::new()), |(sum, work), c| weighted(ensemble, c, sum, work)).0,
        } / dim as f64;
    }

    fn least_members(&self) -> usize {
        2
    }

    fn estimator(&self) -> &'static str {
        "fair"
    }

    fn estimator_of(&self, members: usize) -> &str {
        if members == 1 { "absolute error, one member" } else { self.estimator() }
    }
}

/// The sum of the scores of all components, eight at a time.
fn by_columns(ensemble: &Ensemble) -> f64 {
    let network = network(ensemble.members.nrows());
    let columns = Columns::new(ensemble);
    let mut work = Vec::with_capacity(ensemble.members.nrows());
    let mut total = 0.0;
    for first in columns.firsts() {
        columns.errors(first, &mut work);
        let (mut error, mut gini) = ([0.0; WIDTH], [0.0; WIDTH]);
        sort_and_sum(&network, &mut work, &mut error, &mut gini);
        let m = work.len() as f64;
        for (error, gini) in error.into_iter().zip(gini).take(columns.width(first)) {
            let spread = if m > 1.0 { gini / (m * (m - 1.0)) } else { 0.0 };
            total = total + error / m - spread;
        }
    }
    total
}

/// The pairs to be compared and exchanged, in order, so that any `count` values end up sorted.
fn network(count: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let top = count.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            pairs.extend((0..count.saturating_sub(d)).filter(|i| i & p == r).map(|i| (i, i + d)));
            if q == p {
                break;
            }
            (d, r) = (q - p, p);
            q /= 2;
        }
        p /= 2;
    }
    pairs
}

wide! {
    /// Sorts each lane; then the sums of |x| and of (2 i + 1 - M) x.
    fn sort_and_sum(network: &[(usize, usize)], work: &mut [Lanes], error: &mut Lanes, gini: &mut Lanes) {
        for &(i, j) in network {
            let (a, b) = (work[i], work[j]);
            // a NaN changes places and is not lost
            let (mut low, mut high) = (a, b);
            for lane in 0..WIDTH {
                low[lane] = if a[lane] < b[lane] { a[lane] } else { b[lane] };
                high[lane] = if a[lane] < b[lane] { b[lane] } else { a[lane] };
            }
            (work[i], work[j]) = (low, high);
        }
        let m = work.len() as f64;
        let (mut errors, mut ginis) = ([0.0; WIDTH], [0.0; WIDTH]);
        for (i, x) in work.iter().enumerate() {
            let factor = 2.0 * i as f64 + 1.0 - m;
            for lane in 0..WIDTH {
                errors[lane] += x[lane].abs();
                ginis[lane] += factor * x[lane];
            }
        }
        (*error, *gini) = (errors, ginis);
    }
}

/// Adds the score of component `c` to `sum`; `work` is reused from component to component.
fn equal(ensemble: &Ensemble, c: usize, sum: f64, mut work: Vec<f64>) -> (f64, Vec<f64>) {
    let y = ensemble.truth[c];
    work.clear();
    work.extend(ensemble.members.column(c).iter().map(|x| x - y));
    work.sort_unstable_by(f64::total_cmp);
    let m = work.len() as f64;
    let (mut error, mut gini) = (0.0, 0.0);
    for (i, x) in work.iter().enumerate() {
        error += x.abs();
        gini += (2.0 * i as f64 + 1.0 - m) * x;
    }
    let spread = if m > 1.0 { gini / (m * (m - 1.0)) } else { 0.0 };
    (sum + error / m - spread, work)
}

/// The fair CRPS with weights: sum_jk w_j w_k |x_j - x_k| = 2 sum_i w_i (x_i W_{<i} - S_{<i}) over sorted members, with
/// W and S the running sums of w and w x.
fn weighted(ensemble: &Ensemble, c: usize, sum: f64, mut work: Vec<(f64, f64)>) -> (f64, Vec<(f64, f64)>) {
    let y = ensemble.truth[c];
    work.clear();
    work.extend(ensemble.members.column(c).iter().enumerate().map(|(j, x)| (x - y, ensemble.weight(j))));
    work.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut error, mut half, mut weight, mut moment, mut squares) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, w) in &work {
        error += w * x.abs();
        half += w * (x * weight - moment);
        weight += w;
        moment += w * x;
        squares += w * w;
    }
    let rest = 1.0 - squares;
    let spread = if rest > 1e-12 { half / rest } else { 0.0 };
    (sum + error - spread, work)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::systems::{Domain, Key};

    #[test]
    fn the_network_sorts() {
        for count in (0..40).chain([100, 512]) {
            let network = network(count);
            let values = Key::new(1, Domain::Score).at(count as u64).normals(WIDTH, count);
            let mut work: Vec<Lanes> = (0..count).map(|i| std::array::from_fn(|lane| values[(lane, i)])).collect();
            let (mut error, mut gini) = ([0.0; WIDTH], [0.0; WIDTH]);
            sort_and_sum(&network, &mut work, &mut error, &mut gini);
            for lane in 0..WIDTH {
                let mut expected = values.row(lane).to_vec();
                expected.sort_by(f64::total_cmp);
                assert!(work.iter().map(|x| x[lane]).eq(expected), "{count} values");
            }
        }
        // a network that sorts every sequence of 0 and 1 sorts everything (Knuth 5.3.4)
        for count in 1..=12usize {
            let network = network(count);
            for bits in 0u32..1 << count {
                let mut sorted = bits;
                for (i, j) in &network {
                    if sorted >> i & 1 > sorted >> j & 1 {
                        sorted ^= 1 << i | 1 << j;
                    }
                }
                let ones = bits.count_ones();
                assert_eq!(sorted, ((1u32 << ones) - 1) << (count as u32 - ones), "{count} values");
            }
        }
    }

    #[test]
    fn columns_score_what_single_components_do_bit_for_bit() {
        for (members, dim) in [(1, 1), (2, 3), (3, 40), (7, 9), (24, 40), (40, 1), (512, 3), (1000, 3)] {
            let key = Key::new(2, Domain::Score).at((members * dim) as u64);
            // rounded, so that there are ties
            let x: Array2<f64> = key.normals(members, dim).mapv(|x| (4.0 * x).round() / 4.0);
            let truth: Array1<f64> = key.at(1).normals(1, dim).row(0).mapv(|x| (4.0 * x).round() / 4.0);
            let turned = x.t().as_standard_layout().into_owned();
            for members in [x.view(), turned.t()] {
                let ensemble = Ensemble::new(truth.view(), members, None);
                let plain = (0..dim).fold((0.0, Vec::new()), |(sum, work), c| equal(&ensemble, c, sum, work)).0;
                assert_eq!(by_columns(&ensemble), plain, "{members:?}");
                let mut out = [0.0];
                CrpsFair.measure(&Case::Ensemble(&ensemble), &mut out);
                assert_eq!(out[0], plain / dim as f64);
            }
        }
    }

    #[test]
    fn a_member_that_is_not_finite_is_not_lost_in_the_sort() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for j in 0..7 {
                let mut x = Key::new(3, Domain::Score).normals(7, 5);
                x[(j, 4)] = bad;
                let truth = Array1::zeros(5);
                let mut out = [0.0];
                CrpsFair.measure(&Case::Ensemble(&Ensemble::new(truth.view(), x.view(), None)), &mut out);
                assert!(!out[0].is_finite(), "{bad} of member {j}");
            }
        }
    }
}
