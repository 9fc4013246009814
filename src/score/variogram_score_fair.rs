//! The variogram score of order p (Scheuerer & Hamill 2015), which sees how components depend on each other and nothing of
//! their means: VS = sum_ab w_ab (|y_a - y_b|^p - E|X_a - X_b|^p)^2 over pairs of components, estimated fairly.
//!
//! With v_j = |x_ja - x_jb|^p of member j, d = v - |y_a - y_b|^p, m = sum_j w_j d_j and q = sum_j w_j^2, a pair has
//! m^2 - q s^2, s^2 = (sum_j w_j d_j^2 - m^2) / (1 - q) the unbiased variance of v: its expectation does not depend on the number
//! of members. A single member scores m^2.
//!
//! The weights w_ab sum to 1, so that the score is a mean over pairs. On a ring, a torus or a plane they go with one over
//! the distance of the two positions, in grid points; everywhere else all pairs count alike. Pairs are taken lag by lag: all
//! lags where that makes no more than [`PAIRS`] pairs. Of more components it is as many lags as make that many, but no fewer
//! than [`LEAST_LAGS`]: the shortest ones of a grid, and evenly spaced ones of components that lie nowhere.

use std::sync::OnceLock;

use super::about::Orientation;
use super::case::Case;
use super::metric::{Context, Metric, MetricBuild, MetricEntry};
use crate::systems::registry::DefaultValue;
use crate::systems::{Geometry, Param, ParamKind, Result, Settings, wide};

const ORDER: Param = Param::new(
    "p",
    ParamKind::real(f64::MIN_POSITIVE, 2.0),
    DefaultValue::Float(0.5),
    "the order, above 0: the power of the differences between components",
);

/// Up to so many pairs all of them are used.
const PAIRS: usize = 1 << 14;

/// So many lags are used of any number of components.
const LEAST_LAGS: usize = 4;

/// The registry line.
pub(super) const ENTRY: MetricEntry = MetricEntry {
    name: "variogram_score_fair",
    about: "variogram score of order 1/2, mean over pairs of components, fair estimator; scored where it is named",
    reference: "Scheuerer & Hamill 2015",
    params: &[ORDER],
    build: MetricBuild::new(
        "variogram score, fair",
        Orientation::Less,
        "How far the mean difference of two components to the power 1/2 is from that of the truth, squared, averaged over \
         pairs (by one over their distance on a grid), estimated fairly. It sees the dependence of components. 0 for a \
         state of one component, which has no pairs.",
        build,
    )
    .on_request(),
};

struct VariogramScoreFair {
    order: f64,
    geometry: Geometry,
    /// Of the first state that was measured: all of a table have one size.
    pairs: OnceLock<Vec<Pair>>,
}

fn build(settings: &Settings, context: &Context) -> Result<Box<dyn Metric>> {
    let (order, geometry) = (settings.number(ORDER.key), context.geometry);
    Ok(Box::new(VariogramScoreFair { order, geometry, pairs: OnceLock::new() }))
}

impl Metric for VariogramScoreFair {
    fn measure(&self, case: &Case, out: &mut [f64]) {
        let ensemble = case.ensemble();
        let (count, dim) = ensemble.members.dim();
        let pairs = self.pairs.get_or_init(|| pairs(self.geometry, dim));
        let turned = ensemble.members.t();
        let turned = turned.as_standard_layout();
        let weights: Vec<f64> = (0..count).map(|j| ensemble.weight(j)).collect();
        let (columns, truth) = (turned.as_slice().unwrap_or_default(), ensemble.truth.to_vec());
        out[0] = 0.0;
        add_pairs(&Sample { columns, truth: &truth, weights: &weights }, pairs, self.order, &mut out[0]);
    }

    fn least_members(&self) -> usize {
        2
    }

    fn estimator(&self) -> &str {
        match self.geometry {
            Geometry::Unstructured => "fair, pairs alike",
            _ => "fair, pairs by 1 / distance",
        }
    }

    fn estimator_of(&self, members: usize) -> &str {
        if members == 1 { "one member" } else { self.estimator() }
    }
}

/// Two components.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    a: usize,
    b: usize,
    weight: f64,
}

/// The pairs of `dim` components that are used; their weights sum to 1.
fn pairs(geometry: Geometry, dim: usize) -> Vec<Pair> {
    let (geometry, [rows, columns]) = shape(geometry, dim);
    let mut pairs = Vec::new();
    for lag in lags(geometry, [rows, columns]) {
        let weight = if geometry == Geometry::Unstructured { 1.0 } else { 1.0 / lag.distance() };
        for a in 0..dim {
            let Some(b) = lag.from(a, geometry, [rows, columns]) else { continue };
            // half way around, both ways are one
            if !lag.is_own_reverse(geometry, [rows, columns]) || a < b {
                pairs.push(Pair { a, b, weight });
            }
        }
    }
    let sum: f64 = pairs.iter().map(|pair| pair.weight).sum();
    pairs.iter_mut().for_each(|pair| pair.weight /= sum);
    pairs
}

/// Rows and columns of a geometry; of one that is not of so many components, as if there were none.
fn shape(geometry: Geometry, dim: usize) -> (Geometry, [usize; 2]) {
    match geometry {
        Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns } if rows * columns == dim => {
            (geometry, [rows, columns])
        }
        Geometry::Ring => (geometry, [1, dim]),
        _ => (Geometry::Unstructured, [1, dim]),
    }
}

/// From a component to another: so many rows and columns on.
#[derive(Clone, Copy, Debug)]
struct Lag([isize; 2]);

impl Lag {
    /// In grid points.
    fn distance(self) -> f64 {
        let [rows, columns] = self.0.map(|along| along as f64);
        rows.hypot(columns)
    }

    /// The component that is this far from another; none beyond the edge of a plane.
    fn from(self, a: usize, geometry: Geometry, size: [usize; 2]) -> Option<usize> {
        let at = [a / size[1], a % size[1]];
        let along = |axis: usize| {
            let (at, size) = (at[axis] as isize + self.0[axis], size[axis] as isize);
            match geometry {
                Geometry::Plane { .. } => (0..size).contains(&at).then_some(at as usize),
                _ => Some(at.rem_euclid(size) as usize),
            }
        };
        Some(along(0)? * size[1] + along(1)?)
    }

    /// Whether the way back is this lag too, around a ring or a torus.
    fn is_own_reverse(self, geometry: Geometry, size: [usize; 2]) -> bool {
        let half = |axis: usize| (2 * self.0[axis]).rem_euclid(size[axis] as isize) == 0;
        !matches!(geometry, Geometry::Plane { .. }) && half(0) && half(1)
    }
}

/// The lags that are used, of every two of opposite directions one.
fn lags(geometry: Geometry, [rows, columns]: [usize; 2]) -> Vec<Lag> {
    let plane = matches!(geometry, Geometry::Plane { .. });
    let reach = |size: usize| if plane { size as isize - 1 } else { size as isize / 2 };
    // around, half way to the left is half way to the right
    let left = |size: usize| if plane { 1 - size as isize } else { (1 - size as isize) / 2 };
    let mut all = Vec::new();
    for down in 0..=reach(rows) {
        for right in left(columns)..=reach(columns) {
            // without a way down, or half way around, left and right are opposite
            let folded = down == 0 || (!plane && 2 * down == rows as isize);
            if (down, right) != (0, 0) && (!folded || right >= 0) {
                all.push(Lag([down, right]));
            }
        }
    }
    let most = (PAIRS / (rows * columns).max(1)).max(LEAST_LAGS).min(all.len());
    if geometry == Geometry::Unstructured {
        return (0..most).map(|i| all[i * all.len() / most]).collect();
    }
    all.sort_by(|a, b| a.distance().total_cmp(&b.distance()));
    all.truncate(most);
    all
}

/// Members and truth by component.
struct Sample<'a> {
    /// `[component, member]`.
    columns: &'a [f64],
    /// `[component]`.
    truth: &'a [f64],
    /// `[member]`, summing to 1.
    weights: &'a [f64],
}

wide! {
    /// Adds the scores of the pairs.
    fn add_pairs(sample: &Sample, pairs: &[Pair], order: f64, sum: &mut f64) {
        *sum += if order == 0.5 {
            score(sample, pairs, |difference| difference.sqrt())
        } else if order == 1.0 {
            score(sample, pairs, |difference| difference)
        } else {
            score(sample, pairs, |difference| difference.powf(order))
        };
    }
}

#[inline(always)]
fn score(sample: &Sample, pairs: &[Pair], power: impl Fn(f64) -> f64) -> f64 {
    let squares: f64 = sample.weights.iter().map(|w| w * w).sum();
    let share = if squares < 1.0 - 1e-12 { squares / (1.0 - squares) } else { 0.0 };
    let of = |pair: &Pair| {
        let truth = power((sample.truth[pair.a] - sample.truth[pair.b]).abs());
        let (mean, square) = moments(sample, pair, |difference| power(difference) - truth);
        pair.weight * (mean * mean - share * (square - mean * mean))
    };
    pairs.iter().map(of).sum()
}

/// sum w d and sum w d^2; eight sums side by side, so that they are vectorized.
#[inline(always)]
fn moments(sample: &Sample, pair: &Pair, of: impl Fn(f64) -> f64) -> (f64, f64) {
    let count = sample.weights.len();
    let column = |c: usize| &sample.columns[c * count..(c + 1) * count];
    let (x, z, w) = (column(pair.a), column(pair.b), sample.weights);
    let (mut mean, mut square) = ([0.0; 8], [0.0; 8]);
    let (left, right, weights) = (x.chunks_exact(8), z.chunks_exact(8), w.chunks_exact(8));
    let rest = left.remainder().iter().zip(right.remainder()).zip(weights.remainder());
    for (lane, ((x, z), w)) in rest.enumerate() {
        let d = of((x - z).abs());
        mean[lane] += w * d;
        square[lane] += w * d * d;
    }
    for ((x, z), w) in left.zip(right).zip(weights) {
        for lane in 0..8 {
            let d = of((x[lane] - z[lane]).abs());
            mean[lane] += w[lane] * d;
            square[lane] += w[lane] * d * d;
        }
    }
    (mean.iter().sum(), square.iter().sum())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::f64::consts::PI;

    use ndarray::{Array1, Array2};

    use super::*;
    use crate::score::{Ensemble, Pool, Terms, build};
    use crate::systems::{Domain, Key};

    fn metric(order: f64, geometry: Geometry) -> VariogramScoreFair {
        VariogramScoreFair { order, geometry, pairs: OnceLock::new() }
    }

    fn score(metric: &dyn Metric, truth: &Array1<f64>, x: &Array2<f64>, weights: Option<&Array1<f64>>) -> f64 {
        let mut out = [f64::NAN];
        let ensemble = Ensemble::new(truth.view(), x.view(), weights.map(|w| w.view()));
        metric.measure(&Case::Ensemble(&ensemble), &mut out);
        out[0]
    }

    /// The distance of two components by hand.
    fn distance(geometry: Geometry, dim: usize, a: usize, b: usize) -> f64 {
        let around = |a: usize, b: usize, size: usize| a.abs_diff(b).min(size - a.abs_diff(b)) as f64;
        match geometry {
            Geometry::Ring => around(a, b, dim),
            Geometry::Torus { rows, columns } => {
                around(a / columns, b / columns, rows).hypot(around(a % columns, b % columns, columns))
            }
            Geometry::Plane { columns, .. } => {
                let along = |f: &dyn Fn(usize) -> usize| f(a).abs_diff(f(b)) as f64;
                along(&|i| i / columns).hypot(along(&|i| i % columns))
            }
            _ => 1.0,
        }
    }

    const GEOMETRIES: [(Geometry, usize); 9] = [
        (Geometry::Unstructured, 2),
        (Geometry::Unstructured, 7),
        (Geometry::Ring, 2),
        (Geometry::Ring, 8),
        (Geometry::Ring, 9),
        (Geometry::Torus { rows: 4, columns: 6 }, 24),
        (Geometry::Torus { rows: 3, columns: 2 }, 6),
        (Geometry::Torus { rows: 1, columns: 5 }, 5),
        (Geometry::Plane { rows: 4, columns: 3 }, 12),
    ];

    #[test]
    fn the_score_is_the_plain_formula_over_all_ordered_pairs() {
        for (geometry, dim) in GEOMETRIES {
            for (members, order) in [(1, 0.5), (2, 0.5), (11, 0.5), (16, 1.0), (9, 1.7)] {
                let key = Key::new(1, Domain::Score).at((members * dim) as u64);
                let (x, truth) = (key.normals(members, dim), key.at(1).normals(1, dim).row(0).to_owned());
                let uneven: Array1<f64> = (0..members).map(|j| 1.0 + j as f64).collect();
                let uneven = &uneven / uneven.sum();
                for weights in [None, Some(&uneven)] {
                    let w = |j: usize| weights.map_or(1.0 / members as f64, |w| w[j]);
                    let rest = 1.0 - (0..members).map(|j| w(j) * w(j)).sum::<f64>();
                    let (mut sum, mut total) = (0.0, 0.0);
                    for (a, b) in (0..dim).flat_map(|a| (0..dim).map(move |b| (a, b))).filter(|(a, b)| a != b) {
                        let v = |j: usize| (x[(j, a)] - x[(j, b)]).abs().powf(order);
                        let y = (truth[a] - truth[b]).abs().powf(order);
                        // the mean of the errors' squares less half the mean square of differences of two members
                        let error: f64 = (0..members).map(|j| w(j) * (v(j) - y).powi(2)).sum();
                        let two = (0..members).flat_map(|j| (0..members).map(move |k| (j, k)));
                        let double: f64 = two.map(|(j, k)| w(j) * w(k) * (v(j) - v(k)).powi(2)).sum();
                        let weight = 1.0 / distance(geometry, dim, a, b);
                        sum += weight * (error - if members > 1 { double / (2.0 * rest) } else { 0.0 });
                        total += weight;
                    }
                    let (found, plain) = (score(&metric(order, geometry), &truth, &x, weights), sum / total);
                    assert!((found - plain).abs() < 1e-12 * (1.0 + plain.abs()), "{geometry:?}: {found} {plain}");
                }
            }
        }
    }

    #[test]
    fn of_many_components_the_nearest_lags_are_used_or_evenly_spaced_ones() {
        for (geometry, dim) in [(Geometry::Ring, 1000), (Geometry::Unstructured, 1000), (Geometry::Ring, 40_000)] {
            let pairs = pairs(geometry, dim);
            let lags: BTreeSet<usize> = pairs.iter().map(|pair| (pair.b + dim - pair.a) % dim).collect();
            let expected = (PAIRS / dim).max(LEAST_LAGS);
            assert_eq!((pairs.len(), lags.len()), (expected * dim, expected));
            let longest = *lags.last().unwrap();
            assert!(if geometry == Geometry::Ring { longest == expected } else { longest > dim / 3 }, "{lags:?}");
            assert!((pairs.iter().map(|pair| pair.weight).sum::<f64>() - 1.0).abs() < 1e-9);
        }
        let both = pairs(Geometry::Torus { rows: 100, columns: 100 }, 10_000);
        assert!(both.iter().any(|pair| pair.b == pair.a + 100) && both.iter().any(|pair| pair.b == pair.a + 1));
    }

    #[test]
    fn its_expectation_is_the_variance_of_the_truths_differences_for_any_number_of_members() {
        // D = X_1 - X_2 ~ N(0, 2): E|D| = 2 / sqrt(pi), E|D|^(1/2) = sqrt(2) Gamma(3/4) / sqrt(pi)
        let root = 2f64.sqrt() * 1.225_416_702_465_177_6 / PI.sqrt();
        let exact = 2.0 / PI.sqrt() - root * root;
        let score = build("variogram_score_fair", &Context::plain(Pool::All)).unwrap();
        for members in [2, 3, 20] {
            let mut terms = Terms::new(1);
            for case in 0..20_000 {
                let draws = Key::new(case, Domain::Score).normals(members + 1, 2);
                let ensemble = Ensemble::new(draws.row(0), draws.slice(ndarray::s![1.., ..]), None);
                terms.measure(&*score, case as usize, 0, &Case::Ensemble(&ensemble));
            }
            let summary = score.summarise(&terms);
            let (value, se) = (summary.value.unwrap(), summary.se.unwrap());
            assert!((value - exact).abs() < 5.0 * se, "M = {members}: {value} ± {se}, not {exact}");
        }
    }

    #[test]
    fn it_sees_a_correlation_that_the_crps_of_components_does_not() {
        let context = Context::plain(Pool::All);
        let correlation: f64 = 0.9;
        let correlated = |z: Array2<f64>, on: bool| {
            let mut x = z.clone();
            if on {
                let second = &z.column(0) * correlation + &z.column(1) * (1.0 - correlation * correlation).sqrt();
                x.column_mut(1).assign(&second);
            }
            x
        };
        let mean = |name: &str, on: bool| {
            let metric = build(name, &context).unwrap();
            let mut terms = Terms::new(metric.terms());
            for case in 0..4000 {
                let key = Key::new(case, Domain::Score);
                let truth = correlated(key.normals(1, 2), true);
                let x = correlated(key.at(1).normals(20, 2), on);
                let ensemble = Ensemble::new(truth.row(0), x.view(), None);
                terms.measure(&*metric, case as usize, 0, &Case::Ensemble(&ensemble));
            }
            let summary = metric.summarise(&terms);
            (summary.value.unwrap(), summary.se.unwrap())
        };
        let [(right, _), (wrong, se)] = [true, false].map(|on| mean("crps_fair", on));
        assert!((right - wrong).abs() < 4.0 * se, "{right} {wrong} ± {se}");
        let [(right, _), (wrong, se)] = [true, false].map(|on| mean("variogram_score_fair", on));
        assert!(wrong - right > 10.0 * se, "{right} {wrong} ± {se}");
    }

    #[test]
    fn one_component_has_no_pairs_and_a_member_that_is_not_finite_is_not_lost() {
        let x = Key::new(1, Domain::Score).normals(5, 1);
        assert_eq!(score(&metric(0.5, Geometry::Ring), &Array1::zeros(1), &x, None), 0.0);
        for bad in [f64::NAN, f64::INFINITY] {
            for j in 0..9 {
                let mut x = Key::new(3, Domain::Score).normals(9, 5);
                x[(j, 4)] = bad;
                let found = score(&metric(0.5, Geometry::Ring), &Array1::zeros(5), &x, None);
                assert!(!found.is_finite(), "{bad} of member {j}");
            }
        }
    }

    #[test]
    #[ignore = "a measurement"]
    fn time_of_a_case() {
        for (members, dim) in [(20, 40), (64, 40), (64, 128), (64, 1024)] {
            let key = Key::new(1, Domain::Score);
            let (x, truth) = (key.normals(members, dim), key.at(1).normals(1, dim).row(0).to_owned());
            let names = ["crps_fair", "energy_score_fair", "variogram_score_fair"];
            let times = names.map(|name| {
                let context = Context { geometry: Geometry::Ring, ..Context::plain(Pool::All) };
                let metric = build(name, &context).unwrap();
                score(&*metric, &truth, &x, None);
                let start = std::time::Instant::now();
                (0..200).for_each(|_| assert!(score(&*metric, &truth, &x, None).is_finite()));
                format!("{name} {:.1} us", start.elapsed().as_secs_f64() / 200.0 * 1e6)
            });
            println!("{members} members of {dim}: {}", times.join(", "));
        }
    }
}
