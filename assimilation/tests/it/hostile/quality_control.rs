//! Quality control: the codes, the rate of false rejections, and what gross errors do with and without it.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, Root, errors, method};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::diagnostics::Consistency;
use scorecast_assimilation::method::{EtKf, Inflation, QualityControl};
use scorecast_assimilation::observe::{Pointwise, Stride};
use scorecast_assimilation::screening::{WithheldValues, is_outlier, of_whole_set};
use scorecast_assimilation::{
    Analysis, ObservationOperator, ObservationSet, Outcome, Prior, Quality, Result, innovation,
};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Key, Purpose, Stepping, Value};

const KEY: Key = Key::new(51, Domain::Method);

fn etkf() -> Box<dyn Analysis> {
    Box::new(EtKf { inflation: Inflation::default(), rotate: false })
}

#[test]
fn each_value_has_its_code_and_what_is_not_used_changes_nothing() {
    let operator = Pointwise::new(Root, Stride::new(5, 1, 0, &errors(&[0.1])).unwrap());
    let mut forecast = (KEY.normals(20, 5) * 0.2 + 4.0).mapv(f64::abs);
    forecast[(3, 1)] = -1.0;
    // used; not predictable; missing; too far; used
    let values = array![2.05, 2.0, f64::NAN, 5.0, 1.97];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let outcome = QualityControl::new(etkf(), 3.0).update(forecast.clone(), &observed, KEY).unwrap();
    let codes: Vec<u8> = outcome.quality.iter().map(|quality| quality.code()).collect();
    assert_eq!(codes, [0, 4, 6, 7, 0]);
    let kept = array![2.05, f64::NAN, f64::NAN, f64::NAN, 1.97];
    let plain = etkf().update(forecast, &ObservationSet { values: kept.view(), ..observed }, KEY).unwrap();
    assert_eq!(outcome.ensemble, plain.ensemble);
    assert!(plain.quality.is_empty());
    let all = [
        Quality::Assimilated,
        Quality::Evaluated,
        Quality::PosteriorFailed,
        Quality::EvaluatedPosteriorFailed,
        Quality::PriorFailed,
        Quality::NotUsed,
        Quality::Rejected,
        Quality::Outlier,
    ];
    assert_eq!(all.map(Quality::code), [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// Makes the first component of the first member negative.
struct Breaks;

impl Analysis for Breaks {
    fn update(&mut self, forecast: Array2<f64>, _seen: &ObservationSet, _key: Key) -> Result<Outcome> {
        let mut ensemble = forecast.clone();
        ensemble[(0, 0)] = -1.0;
        Ok(Outcome::new(forecast, ensemble))
    }
}

#[test]
fn an_analysis_that_cannot_be_observed_is_said() {
    let operator = Pointwise::new(Root, Stride::new(2, 1, 0, &errors(&[0.5])).unwrap());
    let values = array![2.0, 2.0];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let forecast = KEY.normals(20, 2) * 0.2 + 4.0;
    let outcome = QualityControl::new(Box::new(Breaks), 3.0).update(forecast, &observed, KEY).unwrap();
    assert_eq!(outcome.quality, [Quality::PosteriorFailed, Quality::Assimilated]);
}

/// 2 (1 - Phi(3)).
const TAIL: f64 = 0.002_699_796;

#[test]
fn good_values_are_rejected_at_the_rate_of_the_gaussian_tail() {
    let problem = LinearProblem::one(40_000);
    // the exact filter: its innovations are independent, so the count is binomial
    let outcomes = problem.run(&mut *method("kalman", &[("members", Value::Int(2))]), KEY);
    let (mut rejected, mut count) = (0.0, 0.0);
    for (cycle, outcome) in outcomes.iter().enumerate() {
        let values = problem.observations.row(cycle);
        let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &problem.operator };
        let Some(found) = innovation(outcome, &observed).unwrap() else { continue };
        count += 1.0;
        rejected += f64::from(u8::from(is_outlier(found.residual[0], found.variance[0], 3.0)));
    }
    let se = (TAIL * (1.0 - TAIL) / count).sqrt();
    println!("kalman: {:.5} rejected for {TAIL:.5} +- {se:.5}", rejected / count);
    assert!((rejected / count - TAIL).abs() < 4.0 * se);
    // an ensemble of 100 in its place: the relative error e of its variance, E[e^2] = .02 at most, lifts the tail of
    // 2 (1 - Phi(3 sqrt(1 + e))) by 15 phi(3) / 2 E[e^2] = .00066, .25 of itself
    let given = [("members", Value::Int(100)), ("outlier_threshold", Value::Float(3.0))];
    let outcomes = problem.run(&mut *method("etkf", &given), KEY);
    let all = || outcomes.iter().flat_map(|outcome| &outcome.quality);
    let count = all().filter(|quality| **quality != Quality::Rejected).count() as f64;
    let rate = all().filter(|quality| **quality == Quality::Outlier).count() as f64 / count;
    println!("etkf: {rate:.5} rejected");
    assert!((rate - TAIL).abs() < 4.0 * se + 0.25 * TAIL, "{rate}");
    assert_eq!(all().filter(|quality| **quality == Quality::Rejected).count(), 2, "two values are missing");
}

/// Analysis rmse over Lorenz-96 of an etkf, and the shares of gross and of good values that were rejected.
fn lorenz96(share: f64, threshold: Option<f64>) -> [f64; 3] {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let model = build("lorenz96", &[].into()).unwrap().forecaster(&stepping).unwrap();
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let key = Key::new(52, Domain::Truth);
    let mut truth = key.normals(1, 40) + 2.0;
    model.advance(0, 400, &mut truth, key).unwrap();
    let mut given = vec![("members", Value::Int(40)), ("inflation", Value::Float(1.04))];
    given.extend(threshold.map(|threshold| ("outlier_threshold", Value::Float(threshold))));
    let mut filter = method("etkf", &given);
    filter.start(&Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::eye(40) }, 0, KEY).unwrap();
    let (mut sum, mut gross, mut good) = (0.0, (0.0, 0.0), (0.0, 0.0));
    let (from, cycles) = (100, 1100);
    for cycle in 1..=cycles {
        model.advance(cycle, 1, &mut truth, key).unwrap();
        let error = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64));
        let mut stream = key.purpose(Purpose::Statistic).at(cycle as u64).stream(0);
        let bad: Array1<bool> = (0..40).map(|_| stream.uniform() < share).collect();
        let y: Array1<f64> = ndarray::Zip::from(truth.row(0))
            .and(error.row(0))
            .and(&bad)
            .map_collect(|x, e, bad| x + e + if *bad { 15.0 } else { 0.0 });
        let observed = ObservationSet { step: cycle, time: 0.0, values: y.view(), operator: &operator };
        let outcome = filter.step(&*model, &observed, KEY).unwrap();
        if cycle > from {
            let e = outcome.mean() - truth.row(0);
            sum += (e.dot(&e) / 40.0).sqrt();
            for (quality, bad) in outcome.quality.iter().zip(&bad) {
                let counts = if *bad { &mut gross } else { &mut good };
                counts.0 += f64::from(u8::from(*quality == Quality::Outlier));
                counts.1 += 1.0;
            }
        }
    }
    [sum / (cycles - from) as f64, gross.0 / gross.1, good.0 / good.1]
}

#[test]
fn gross_errors_do_no_harm_behind_the_check() {
    let [clean, ..] = lorenz96(0.0, None);
    let [spoiled, ..] = lorenz96(0.05, None);
    let [checked, hits, false_alarms] = lorenz96(0.05, Some(4.0));
    println!(
        "rmse {clean:.3} without gross errors, {spoiled:.3} with 5 %, {checked:.3} behind the check: {hits:.4} of them \
         rejected and {false_alarms:.5} of the good values"
    );
    assert!(clean < 0.25 && spoiled > 2.0 * clean, "{clean} {spoiled}");
    // 5 % fewer values, and nothing else
    assert!(checked < 1.1 * clean && hits > 0.99 && false_alarms < 1e-3);
}

#[test]
fn residuals_of_what_was_used_still_give_back_r() {
    let mut problem = LinearProblem::one(6000);
    let mut stream = KEY.stream(3);
    problem.observations.mapv_inplace(|y| if stream.uniform() < 0.05 { y + 30.0 } else { y });
    let r = |threshold: f64| {
        let given = [("members", Value::Int(200)), ("outlier_threshold", Value::Float(threshold))];
        let mut found = Consistency::default();
        for (cycle, outcome) in problem.run(&mut *method("etkf", &given), KEY).iter().enumerate() {
            let values = problem.observations.row(cycle);
            let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &problem.operator };
            found.add(outcome, &observed).unwrap();
        }
        found.r.all()
    };
    let (checked, unchecked) = (r(5.0), r(1e9));
    println!("R by residuals: {checked:?} behind the check, {unchecked:?} without, .49 in truth");
    assert!(checked.z(0.49) < 4.0 && checked.se.unwrap() < 0.03 && unchecked.value > 2.0 * 0.49);
}

/// A problem of three components with gross errors in a tenth of the values.
fn spoiled() -> LinearProblem {
    let mut problem = LinearProblem::three(300);
    let mut stream = KEY.stream(4);
    problem.observations.mapv_inplace(|y| if stream.uniform() < 0.1 { y - 9.0 } else { y });
    problem
}

const THRESHOLD: f64 = 3.5;

/// What the check has to say of each value, from m and s + r of its forecast.
fn expected(problem: &LinearProblem, cycle: usize, m: &Array1<f64>, s: &Array1<f64>) -> Vec<Quality> {
    let r = problem.operator.error().variance().to_owned();
    let one = |i: usize| match problem.observations[(cycle, i)] {
        y if y.is_nan() => Quality::Rejected,
        y if (y - m[i]).powi(2) > THRESHOLD * THRESHOLD * (s[i] + r[i]) => Quality::Outlier,
        _ => Quality::Assimilated,
    };
    (0..m.len()).map(one).collect()
}

/// The problem without the values that a run did not use.
fn without(problem: &LinearProblem, outcomes: &[Outcome]) -> LinearProblem {
    let mut left = LinearProblem::three(outcomes.len());
    left.observations.assign(&problem.observations);
    for (mut row, outcome) in left.observations.outer_iter_mut().zip(outcomes) {
        row.iter_mut()
            .zip(&outcome.quality)
            .filter(|(_, quality)| !quality.was_used())
            .for_each(|(y, _)| *y = f64::NAN);
    }
    left
}

/// The shares of the gross and of the good values that were rejected.
fn shares(outcomes: &[Outcome], problem: &LinearProblem) -> [f64; 2] {
    let clean = LinearProblem::three(outcomes.len());
    let mut counts = [[0.0; 2]; 2];
    for ((outcome, y), good) in
        outcomes.iter().zip(problem.observations.outer_iter()).zip(clean.observations.outer_iter())
    {
        for ((quality, y), good) in outcome.quality.iter().zip(y).zip(good).filter(|((_, y), _)| !y.is_nan()) {
            let count = &mut counts[usize::from(y == good)];
            *count = [count[0] + f64::from(u8::from(*quality == Quality::Outlier)), count[1] + 1.0];
        }
    }
    counts.map(|[rejected, all]| rejected / all)
}

#[test]
fn filters_of_moments_reject_by_the_exact_law_of_the_innovation_and_use_the_rest_alone() {
    let problem = spoiled();
    let h = problem.operator.matrix().unwrap();
    for name in ["kalman", "extended", "unscented", "optimal_interpolation", "three_d_var"] {
        let given = [("members", Value::Int(4)), ("outlier_threshold", Value::Float(THRESHOLD))];
        let outcomes = problem.run(&mut *method(name, &given), KEY);
        for (cycle, outcome) in outcomes.iter().enumerate() {
            let (m, p) = outcome.forecast_gaussian.as_ref().unwrap();
            let s = h.dot(p).dot(&h.t()).diag().to_owned();
            assert_eq!(outcome.quality, expected(&problem, cycle, &h.dot(m), &s), "{name} {cycle}");
        }
        let left = without(&problem, &outcomes).run(&mut *method(name, &given[..1]), KEY);
        for (checked, plain) in outcomes.iter().zip(&left) {
            let ((m, p), (n, q)) = (checked.gaussian.as_ref().unwrap(), plain.gaussian.as_ref().unwrap());
            assert!(m == n && p == q && plain.quality.is_empty(), "{name}");
        }
        let [hits, false_alarms] = shares(&outcomes, &problem);
        println!("{name}: {hits:.3} of the gross values rejected and {false_alarms:.4} of the good ones");
        assert!(hits > 0.97 && false_alarms < 0.01, "{name}");
    }
}

#[test]
fn an_operator_that_is_not_linear_is_checked_by_its_jacobian() {
    // h = sqrt x at 4 has slope 1/4: s = .25^2 * .64 = .04, and with r = .05^2 the bar is 3 * .2062 = .6185 around 2
    let operator = Pointwise::new(Root, Stride::new(3, 1, 0, &errors(&[0.05])).unwrap());
    let prior = Prior::Gaussian { mean: array![4.0, 4.0, -1.0], covariance: Array2::eye(3) * 0.64 };
    let model = common::LinearProblem::three(1).model;
    let values = array![2.6, 2.63, 1.0];
    let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
    let mut filter = method("extended", &[("outlier_threshold", Value::Float(3.0))]);
    filter.start(&prior, 0, KEY).unwrap();
    let outcome = filter.step(&model, &observed, KEY).unwrap();
    assert_eq!(outcome.quality, [Quality::Assimilated, Quality::Outlier, Quality::PriorFailed]);
    assert!(outcome.mean()[0] > 4.0 && outcome.mean()[1] == 4.0 && outcome.mean()[2] == -1.0);
}

#[test]
fn particles_are_checked_by_their_weights_and_a_filter_goes_on_from_its_bytes() {
    let problem = spoiled();
    // resampling is rare, so that weights are carried
    let given = [
        ("members", Value::Int(2000)),
        ("ess_threshold", Value::Float(0.05)),
        ("outlier_threshold", Value::Float(THRESHOLD)),
    ];
    for name in ["bootstrap", "kernel_particle_filter", "optimal_proposal", "ffbsi"] {
        let outcomes = problem.run(&mut *method(name, &given), KEY);
        let mut carried = 0;
        for (cycle, outcome) in outcomes.iter().enumerate() {
            let predicted = problem.operator.apply(0.0, outcome.forecast.view());
            let n = predicted.nrows();
            let w = outcome.forecast_weights.clone().unwrap_or_else(|| Array1::from_elem(n, 1.0 / n as f64));
            carried += usize::from(outcome.forecast_weights.is_some());
            let m = w.dot(&predicted);
            let s = w.dot(&(&predicted - &m).mapv(|e| e * e)) / (1.0 - w.dot(&w));
            assert_eq!(outcome.quality, expected(&problem, cycle, &m, &s), "{name} {cycle}");
        }
        assert!(carried > 50, "{name}: weights were carried to {carried} analyses");
        let left = without(&problem, &outcomes).run(&mut *method(name, &given[..2]), KEY);
        assert!(outcomes.iter().zip(&left).all(|(a, b)| a.ensemble == b.ensemble && a.weights == b.weights), "{name}");
        let [hits, false_alarms] = shares(&outcomes, &problem);
        println!("{name}: {hits:.3} of the gross values rejected and {false_alarms:.4} of the good ones");
        assert!(hits > 0.97 && false_alarms < 0.01, "{name}");
        let (mut first, mut second) = (method(name, &given), method(name, &given));
        first.start(&problem.prior(), 0, KEY).unwrap();
        (0..10).for_each(|cycle| drop(problem.step(&mut *first, cycle, KEY)));
        second.restore(&first.save()).unwrap();
        for cycle in 10..20 {
            let (a, b) = (problem.step(&mut *first, cycle, KEY), problem.step(&mut *second, cycle, KEY));
            assert!(a.ensemble == b.ensemble && a.quality == b.quality, "{name}");
        }
    }
}

#[test]
fn the_diffusion_filters_check_by_their_forecast_and_use_the_rest_alone() {
    let problem = spoiled();
    let ensf = [("members", Value::Int(20)), ("steps", Value::Int(10))];
    let guided = [("members", Value::Int(30)), ("steps", Value::Int(8)), ("weights", common::word("exact"))];
    for (name, given) in [("ensf", &ensf[..]), ("guided", &guided[..])] {
        let checked = [given, &[("outlier_threshold", Value::Float(THRESHOLD))]].concat();
        let outcomes = problem.run(&mut *method(name, &checked), KEY);
        for (cycle, outcome) in outcomes.iter().enumerate() {
            let predicted = problem.operator.apply(0.0, outcome.forecast.view());
            let n = predicted.nrows();
            let w = outcome.forecast_weights.clone().unwrap_or_else(|| Array1::from_elem(n, 1.0 / n as f64));
            let m = w.dot(&predicted);
            let s = w.dot(&(&predicted - &m).mapv(|e| e * e)) / (1.0 - w.dot(&w));
            assert_eq!(outcome.quality, expected(&problem, cycle, &m, &s), "{name} {cycle}");
        }
        let left = without(&problem, &outcomes).run(&mut *method(name, given), KEY);
        assert!(outcomes.iter().zip(&left).all(|(a, b)| a.ensemble == b.ensemble && a.weights == b.weights), "{name}");
        assert!(left.iter().all(|outcome| outcome.quality.is_empty()));
        assert!(shares(&outcomes, &problem)[0] > 0.9, "{name}");
    }
}

/// What a method was not shown has the codes 1, 3, 4, 5 and 7 that DART gives it.
#[test]
fn values_that_were_kept_from_the_method_have_their_codes() {
    let operator = Pointwise::new(Root, Stride::new(7, 1, 0, &errors(&[0.1])).unwrap());
    let mut forecast = (KEY.normals(20, 7) * 0.2 + 4.0).mapv(f64::abs);
    forecast[(3, 2)] = -1.0;
    let nan = f64::NAN;
    // shown: the first, of which the last is missing
    let shown = array![2.05, nan, nan, nan, nan, nan, nan];
    // good; not predictable; too far; the analysis cannot be observed
    let evaluated = array![nan, 2.0, 2.0, 5.0, 2.0, nan, nan];
    let not_used = array![nan, nan, nan, nan, nan, 9.0, nan];
    let observed = ObservationSet { step: 1, time: 0.0, values: shown.view(), operator: &operator };
    let mut outcome = etkf().update(forecast, &observed, KEY).unwrap();
    outcome.ensemble[(0, 4)] = -1.0;
    let codes = |evaluated: &Array1<f64>, threshold| {
        let withheld = WithheldValues { evaluated: evaluated.view(), not_used: not_used.view() };
        let quality = of_whole_set(&outcome, &observed, withheld, threshold).unwrap();
        quality.iter().map(|quality| quality.code()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&evaluated, Some(3.0)), [0, 1, 4, 7, 3, 5, 6]);
    assert_eq!(codes(&evaluated, None), [0, 1, 4, 1, 3, 5, 6]);
    assert_eq!(codes(&Array1::from_elem(7, nan), Some(3.0)), [0, 6, 6, 6, 6, 5, 6]);
}
