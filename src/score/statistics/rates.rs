//! How often the intervals cover and the tests reject, measured.

use ndarray::{Array1, Array2};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::{compare, flatness, summarise};
use crate::score::{Case, Context, Ensemble, Metric, Orientation, Pool, Terms, build};
use crate::systems::{Domain, Key, Stream};

fn stream(seed: u64, member: u64) -> Stream {
    Key::new(seed, Domain::Score).stream(member)
}

/// A stationary AR(1) series of unit variance.
fn ar1(phi: f64, n: usize, stream: &mut Stream) -> Vec<f64> {
    let mut x = stream.normal();
    let scale = (1.0 - phi * phi).sqrt();
    (0..n)
        .map(|_| {
            x = phi * x + scale * stream.normal();
            x
        })
        .collect()
}

fn table(series: &[Vec<f64>]) -> Terms {
    let mut terms = Terms::new(1);
    for (cluster, series) in series.iter().enumerate() {
        series.iter().enumerate().for_each(|(time, x)| terms.push(cluster, time, &[*x]));
    }
    terms
}

fn metric(name: &str) -> Box<dyn Metric> {
    build(name, &Context::plain(Pool::All)).unwrap()
}

/// Share of `seeds` seeds for which `event` holds.
fn share(seeds: u64, event: impl Fn(u64) -> bool) -> f64 {
    (0..seeds).filter(|seed| event(*seed)).count() as f64 / seeds as f64
}

#[test]
fn intervals_of_an_autocorrelated_mean_cover() {
    // 400 seeds: the standard error of a coverage of .95 is .011
    for (phi, n, clusters) in
        [(0.0, 400, 1), (0.5, 400, 1), (0.8, 400, 1), (0.8, 1000, 1), (0.8, 400, 3), (0.8, 30, 16), (0.5, 1, 60)]
    {
        let covered = share(400, |seed| {
            let series: Vec<_> = (0..clusters).map(|c| ar1(phi, n, &mut stream(seed, c))).collect();
            let summary = summarise(&table(&series), &|means| means[0]);
            summary.value.unwrap().abs() <= summary.half_width(0.95).unwrap()
        });
        println!("AR(1) phi {phi}, {clusters} x {n}: the 95 % interval covers {covered:.3}");
        assert!(covered >= 0.9, "phi {phi}, n {n}, {clusters} clusters: {covered}");
    }
}

#[test]
fn two_standard_errors_cover_what_persists() {
    // 800 seeds: the standard error of a coverage of .95 is .008; a tenth of the run is a memory of 39 in 600
    for (phi, n, clusters) in [(0.0, 600, 1), (0.8, 400, 1), (0.95, 600, 1), (0.975, 1000, 1), (0.95, 300, 4)] {
        let covered = share(800, |seed| {
            let series: Vec<_> = (0..clusters).map(|c| ar1(phi, n, &mut stream(seed, c))).collect();
            let summary = summarise(&table(&series), &|means| means[0]);
            summary.value.unwrap().abs() <= 2.0 * summary.se.unwrap()
        });
        println!("AR(1) phi {phi}, {clusters} x {n}: two standard errors cover {covered:.3}");
        assert!((0.925..0.985).contains(&covered), "phi {phi}, {clusters} x {n}: {covered}");
    }
}

#[test]
fn a_run_too_short_for_its_memory_says_how_few_values_it_has() {
    // of a memory of (1 + .95)/(1 - .95) = 39 there are 51 in 2,000 times; the median of 100 seeds has little noise
    let mut effective: Vec<f64> = (0..100)
        .map(|seed| summarise(&table(&[ar1(0.95, 2000, &mut stream(seed, 0))]), &|m| m[0]).effective.unwrap())
        .collect();
    effective.sort_by(f64::total_cmp);
    assert!((30.0..70.0).contains(&effective[50]), "{}", effective[50]);
}

#[test]
fn ranks_that_take_turns_are_flat() {
    let ranks = metric("rank_histogram");
    for n in [200, 205] {
        let mut terms = Terms::new(11);
        for time in 0..n {
            let mut row = [0.0; 11];
            (row[time % 10], row[10]) = (1.0, 1.0);
            terms.push(0, time, &row);
        }
        let p = ranks.summarise(&terms).value.unwrap();
        assert!(p > 0.5, "{n}: {p}");
    }
}

#[test]
fn series_of_one_law_are_called_different_as_often_as_said() {
    for (phi, n, clusters) in [(0.0, 400, 1), (0.5, 400, 1), (0.8, 400, 1), (0.8, 1000, 1), (0.5, 20, 6)] {
        let rejected = share(800, |seed| {
            let draw = |from: u64| (0..clusters).map(|c| ar1(phi, n, &mut stream(seed, from + c))).collect::<Vec<_>>();
            let (a, b) = (table(&draw(100)), table(&draw(200)));
            compare(&a, &b, &*metric("crps_fair"), Orientation::Less).unwrap().p < 0.05
        });
        println!("AR(1) phi {phi}, {clusters} x {n}: the paired test rejects {rejected:.3} under the null");
        assert!(rejected <= 0.08, "phi {phi}, n {n}, {clusters} clusters: {rejected}");
    }
}

/// One filter-like experiment: the truth is m_t + e_t with m_t known to the forecaster, e_t and each member's
/// deviation AR(1) of one law (times `narrow` for the members), so that the ensemble is perfect but persistent.
struct Persistent {
    truth: Vec<f64>,
    /// `[time][member]`.
    members: Vec<Vec<f64>>,
}

fn persistent(seed: u64, who: u64, phi: f64, n: usize, members: usize, narrow: f64) -> Persistent {
    let centre = ar1(phi, n, &mut stream(seed, 0));
    let error = ar1(phi, n, &mut stream(seed, 1));
    let truth = centre.iter().zip(&error).map(|(m, e)| m + 0.5 * e).collect();
    let deviations: Vec<_> = (0..members).map(|j| ar1(phi, n, &mut stream(seed, 1000 * who + j as u64))).collect();
    let at = |t: usize| deviations.iter().map(|d| centre[t] + 0.5 * narrow * d[t]).collect();
    Persistent { truth, members: (0..n).map(at).collect() }
}

fn measure(metric: &dyn Metric, run: &Persistent, cluster: impl Fn(usize) -> usize) -> Terms {
    let mut terms = Terms::new(metric.terms());
    for (t, members) in run.members.iter().enumerate() {
        let truth = Array1::from_elem(1, run.truth[t]);
        let members = Array2::from_shape_fn((members.len(), 1), |(j, _)| members[j]);
        let ensemble = Ensemble::new(truth.view(), members.view(), None);
        terms.measure(metric, cluster(t), t, &Case::Ensemble(&ensemble));
    }
    terms
}

#[test]
fn a_perfect_forecaster_is_not_called_different_from_itself() {
    // 200 seeds: the standard error of a rate of .05 is .015
    let crps = metric("crps_fair");
    for (phi, what) in [(0.0, "independent cases"), (0.9, "an autocorrelated filter")] {
        let rejected = share(200, |seed| {
            // independent cases are clusters of one time
            let cluster = |t: usize| if phi == 0.0 { t } else { 0 };
            let a = measure(&*crps, &persistent(seed, 1, phi, 400, 20, 1.0), cluster);
            let b = measure(&*crps, &persistent(seed, 2, phi, 400, 20, 1.0), cluster);
            compare(&a, &b, &*crps, Orientation::Less).unwrap().p < 0.05
        });
        println!("a perfect forecaster against itself, {what}: called different in {rejected:.3}");
        assert!(rejected <= 0.08, "{what}: {rejected}");
    }
}

#[test]
fn a_better_forecaster_is_found() {
    // an sd 40 % too small costs about 5 % of the CRPS
    let crps = metric("crps_fair");
    let (mut gain, mut found) = (0.0, 0.0);
    for seed in 0..50 {
        let good = measure(&*crps, &persistent(seed, 1, 0.5, 2000, 20, 1.0), |_| 0);
        let poor = measure(&*crps, &persistent(seed, 2, 0.5, 2000, 20, 0.6), |_| 0);
        let paired = compare(&poor, &good, &*crps, Orientation::Less).unwrap();
        gain += paired.difference / crps.summarise(&good).value.unwrap() / 50.0;
        found += f64::from(u8::from(paired.p < 0.05 && paired.difference > 0.0)) / 50.0;
    }
    println!("a CRPS {:.1} % worse is found in {found:.2} of runs of 2,000 times", 100.0 * gain);
    assert!((0.03..0.08).contains(&gain) && found >= 0.9, "{gain} {found}");
}

/// The plain chi-square test that takes all times for independent.
fn naive(terms: &Terms, bins: usize) -> f64 {
    1.0 - ChiSquared::new(bins as f64 - 1.0)
        .unwrap()
        .cdf(flatness(terms, bins).map_or(f64::INFINITY, |test| test.chi_square))
}

#[test]
fn the_rank_histogram_of_a_perfect_persistent_ensemble_is_called_flat() {
    let ranks = metric("rank_histogram");
    for (phi, n) in [(0.0, 200), (0.5, 400), (0.8, 400), (0.9, 1000), (0.975, 1000)] {
        let tables: Vec<Terms> =
            (0..400).map(|seed| measure(&*ranks, &persistent(seed, 1, phi, n, 19, 1.0), |_| 0)).collect();
        // a run too short for its memory may have too few degrees of freedom for a test
        let tested = share(400, |seed| ranks.summarise(&tables[seed as usize]).value.is_some());
        let rejected = share(400, |seed| ranks.summarise(&tables[seed as usize]).value.is_some_and(|p| p < 0.05));
        let naive = share(400, |seed| naive(&tables[seed as usize], 10) < 0.05);
        println!("perfect ensemble, phi {phi}, n {n}: rejected {rejected:.3}, by the plain chi-square {naive:.3}");
        assert!(rejected <= 0.08 * tested, "phi {phi}, n {n}: {rejected} of {tested}");
        assert!(tested == 1.0 || phi > 0.95, "phi {phi}, n {n}: {tested}");
        assert!(phi < 0.8 || naive > 0.3, "the plain test should fail: {naive}");
    }
}

#[test]
fn the_rank_histogram_of_a_narrow_ensemble_is_not() {
    let ranks = metric("rank_histogram");
    for (narrow, n, phi) in [(0.8, 2000, 0.5), (0.85, 3000, 0.5), (0.9, 4000, 0.0)] {
        let found = share(40, |seed| {
            let terms = measure(&*ranks, &persistent(seed, 1, phi, n, 19, narrow), |_| 0);
            ranks.summarise(&terms).value.unwrap() < 0.05
        });
        println!("an ensemble of {narrow} of the right sd, phi {phi}, n {n}: detected in {found:.2}");
        assert!(found >= 0.9, "{narrow}: {found}");
    }
}

#[test]
fn fair_scores_do_not_depend_on_the_number_of_members() {
    // CRPS of N(0, 1) about itself: 1/sqrt(pi); five standard errors of 20,000 independent cases
    let exact = 1.0 / std::f64::consts::PI.sqrt();
    for (name, members) in [("crps_fair", 2), ("crps_fair", 5), ("crps_fair", 40), ("energy_score_fair", 3)] {
        let score = metric(name);
        let mut terms = Terms::new(1);
        for case in 0..20_000 {
            let draws = Key::new(case, Domain::Score).normals(members + 1, 1);
            let ensemble = Ensemble::new(draws.row(0), draws.slice(ndarray::s![1.., ..]), None);
            terms.measure(&*score, case as usize, 0, &Case::Ensemble(&ensemble));
        }
        let summary = score.summarise(&terms);
        assert!((summary.value.unwrap() - exact).abs() < 5.0 * summary.se.unwrap(), "{name} M = {members}");
    }
}

#[test]
fn many_members_use_some_of_the_pairs_without_bias() {
    // 2,000 members in three dimensions: half of E‖x - x'‖ for N(0, I_3) is 2/sqrt(pi), as E‖z‖ = 2 sqrt(2/pi) and
    // x - x' = sqrt(2) z; the score is E‖x - y‖ minus that, and E‖x - y‖ is measured on the same members
    let score = metric("energy_score_fair");
    let draws = Key::new(3, Domain::Score).normals(2001, 3);
    let (truth, members) = (draws.row(0), draws.slice(ndarray::s![1.., ..]));
    let mut out = [0.0];
    score.measure(&Case::Ensemble(&Ensemble::new(truth, members, None)), &mut out);
    let norm = |x: ndarray::ArrayView1<f64>| (&x - &truth).mapv(|v| v * v).sum().sqrt();
    let error = members.outer_iter().map(norm).sum::<f64>() / 2000.0;
    let half_spread = error - out[0];
    // sd of E[‖x - x'‖ | x] is about .5, so the U-statistic's standard error is 2 * .5 / sqrt(2000), half of it for half
    assert!((half_spread - 2.0 / std::f64::consts::PI.sqrt()).abs() < 5.0 * 0.5 / 2000f64.sqrt(), "{half_spread}");
}
