//! Adaptive inflation: forecasts too narrow by a known factor, and Lorenz-96 with a wrong forcing.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, method, word};
use ndarray::{Array1, Array2};
use scorecast_assimilation::localize::{Layout, Localization, Taper};
use scorecast_assimilation::method::{Adaptive, Bootstrap, EtKf, Factors, Inflation, Rule};
use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{Analysis, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Key, Purpose, Stepping, Value};

const KEY: Key = Key::new(61, Domain::Method);

/// The mean factor over time, and its standard error, where each forecast ensemble has `1 / factor` of the variance of
/// its error. Forecasts are drawn afresh for each set.
fn learnt(rule: Rule, factor: f64, sd: f64) -> (f64, f64) {
    let (dim, members, cycles) = (8, 60, 6000);
    let operator = Stride::new(dim, 1, 0, &errors(&[0.3])).unwrap();
    let localization = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 0.5 };
    let of = Box::new(EtKf { inflation: Inflation::default(), rotate: false });
    let mut filter = Adaptive::new(of, rule, Some(localization), sd, 1.0);
    let mut means = Vec::new();
    for cycle in 1..=cycles {
        let key = KEY.at(cycle as u64);
        // truth 0: the mean is off by N(0, 1), the members spread by 1 / factor around it
        let mean = key.purpose(Purpose::Statistic).normals(1, dim);
        let forecast = key.normals(members, dim) / factor.sqrt() + &mean;
        // of the mean of the members, minus which they are anomalies
        let y: Array1<f64> = operator.error().sample(1, key.purpose(Purpose::ObservationNoise)).row(0).to_owned();
        let observed = ObservationSet { step: cycle, time: 0.0, values: y.view(), operator: &operator };
        filter.update(forecast, &observed, key).unwrap();
        if cycle > cycles / 4 {
            means.push(filter.factors().mean().unwrap());
        }
    }
    let found = scorecast_assimilation::diagnostics::time_mean(&means);
    (found.value, found.se.unwrap())
}

#[test]
fn the_factor_by_which_forecasts_are_too_narrow_is_found() {
    for factor in [1.0, 2.0, 4.0] {
        for (rule, sd) in
            [(Rule::Anderson, 0.08 * factor), (Rule::InverseGamma, 0.08 * factor), (Rule::Miyoshi, 0.08 * factor)]
        {
            let (found, se) = learnt(rule, factor, sd);
            // the mean of 60 members has an error of its own, 1 / (60 factor); and E[1 / s] of their sample variance is
            // 59 / 57 over that of s, since s is in the denominator of both rules' steps. The rest of the bias is of
            // second order in sd over factor, .08. El Gharamti's likelihood adds 1 / 60 more
            let sampling = if rule == Rule::InverseGamma { 1.0 / 60.0 } else { 0.0 };
            let exact = factor * (1.0 + 1.0 / (60.0 * factor)) * 59.0 / 57.0 + sampling;
            println!("{rule:?}: {found:.4} +- {se:.4} for {exact:.4}");
            assert!((found - exact).abs() < 4.0 * se + 0.01 * exact, "{rule:?}: {found} +- {se} for {exact}");
        }
    }
}

/// Analysis rmse and spread on Lorenz-96 whose truth has forcing 8.5 where the filter's model has 8.
fn lorenz96(name: &str, given: &[(&str, Value)], cycles: usize) -> (f64, f64, f64) {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let forced = |forcing| {
        let settings = [("forcing".to_owned(), Value::Float(forcing))].into();
        build("lorenz96", &settings).unwrap().forecaster(&stepping).unwrap()
    };
    let (nature, model) = (forced(8.5), forced(8.0));
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let key = Key::new(62, Domain::Truth);
    let mut truth = key.normals(1, 40) + 2.0;
    nature.advance(0, 400, &mut truth, key).unwrap();
    let mut filter = method(name, given);
    filter.start(&Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::eye(40) }, 0, KEY).unwrap();
    let (mut error, mut spread, mut factor, mut count) = (0.0, 0.0, 0.0, 0.0);
    for cycle in 1..=cycles {
        nature.advance(cycle, 1, &mut truth, key).unwrap();
        let noise = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64));
        let y = (&truth + &noise).row(0).to_owned();
        let observed = ObservationSet { step: cycle, time: 0.0, values: y.view(), operator: &operator };
        let outcome = filter.step(&*model, &observed, KEY).unwrap();
        if cycle > cycles / 3 {
            let e = outcome.mean() - truth.row(0);
            error += (e.dot(&e) / 40.0).sqrt();
            spread += outcome.variance().mean().unwrap().sqrt();
            factor += outcome.diagnostics.get("adaptive_inflation").copied().unwrap_or(f64::NAN);
            count += 1.0;
        }
    }
    (error / count, spread / count, factor / count)
}

#[test]
fn on_lorenz_96_with_model_error_it_comes_near_the_tuned_constant() {
    let local = [("radius", Value::Float(4.0))];
    for (name, members, extra) in [("etkf", 40, &[][..]), ("letkf", 10, &local)] {
        let base = [vec![("members", Value::Int(members))], extra.to_vec()].concat();
        let run = |more: &[(&str, Value)]| lorenz96(name, &[base.clone(), more.to_vec()].concat(), 1500);
        let mut best = f64::INFINITY;
        for factor in [1.0, 1.05, 1.1, 1.15, 1.2, 1.3] {
            let (rmse, spread, _) = run(&[("inflation", Value::Float(factor))]);
            println!("{name}, constant {factor}: rmse {rmse:.4}, spread {spread:.4}");
            best = best.min(rmse);
        }
        for rule in ["anderson", "inverse_gamma", "miyoshi"] {
            let (rmse, spread, factor) = run(&[("adaptive", word(rule))]);
            println!("{name}, {rule}: rmse {rmse:.4}, spread {spread:.4}, factor {factor:.3}; best constant {best:.4}");
            assert!(rmse < 1.05 * best, "{name}, {rule}: {rmse} for {best}");
        }
    }
}

#[test]
fn what_was_rejected_teaches_nothing_and_lambda_is_damped() {
    let operator = Stride::new(3, 1, 0, &errors(&[0.5])).unwrap();
    let given = |threshold: f64| {
        [("adaptive", word("miyoshi")), ("inflation_damping", Value::Float(0.5)), ("inflation_sd", Value::Float(0.5))]
            .into_iter()
            .chain((threshold > 0.0).then_some(("outlier_threshold", Value::Float(threshold))))
            .collect::<Vec<_>>()
    };
    let prior = Prior::Ensemble(KEY.normals(40, 3));
    let model = common::LinearProblem::three(1).model;
    // the mean factor that the second analysis used, after a first with this value at the second component
    let factor = |y: f64, threshold: f64| {
        let mut filter = method("etkf", &given(threshold));
        filter.start(&prior, 0, KEY).unwrap();
        let mut last = f64::NAN;
        for values in [ndarray::array![0.1, y, 0.2], ndarray::array![0.1, 0.1, 0.2]] {
            let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
            last = filter.step(&model, &observed, KEY).unwrap().diagnostics["adaptive_inflation"];
        }
        last
    };
    assert!(factor(20.0, 0.0) > 1.5);
    assert_eq!(factor(20.0, 3.0), factor(f64::NAN, 0.0));
}

#[test]
fn a_set_of_which_all_is_rejected_changes_neither_members_nor_factors() {
    let operator = Stride::new(3, 1, 0, &errors(&[0.5])).unwrap();
    let given = [("adaptive", word("anderson")), ("outlier_threshold", Value::Float(3.0))];
    let mut filter = method("etkf", &given);
    filter.start(&Prior::Ensemble(KEY.normals(40, 3)), 0, KEY).unwrap();
    let model = common::LinearProblem::three(1).model;
    let mut step = |y: f64| {
        let values = Array1::from_elem(3, y);
        let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
        let outcome = filter.step(&model, &observed, KEY).unwrap();
        (outcome, common::part::<Factors>(&*filter).0)
    };
    let (before, factors) = step(2.5);
    let (rejected, after) = step(1e3);
    assert_eq!(rejected.forecast, before.ensemble);
    assert_eq!(rejected.ensemble, before.ensemble);
    assert!(factors == after && factors.len() == 3);
    assert!(rejected.quality.iter().all(|quality| *quality == scorecast_assimilation::Quality::Outlier));
}

#[test]
fn members_of_unequal_weight_are_refused() {
    let operator = Stride::new(3, 1, 0, &errors(&[0.5])).unwrap();
    let values = Array1::zeros(3);
    let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
    let mut filter = Adaptive::new(Box::new(Bootstrap::new(0.0, 0.0)), Rule::Anderson, None, 0.1, 1.0);
    let weighed = filter.update(KEY.normals(40, 3), &observed, KEY).unwrap().ensemble;
    let message = filter.update(weighed, &observed, KEY).unwrap_err().to_string();
    assert!(message.contains("equal weight") && message.contains("leave `adaptive` out"), "{message}");
}

#[test]
fn no_factor_passes_its_bound_and_a_bound_that_is_not_reached_changes_nothing() {
    let operator = Stride::new(4, 1, 0, &errors(&[0.5])).unwrap();
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let ring = [("dim".to_owned(), Value::Int(4))].into();
    let model = build("lorenz96", &ring).unwrap().forecaster(&stepping).unwrap();
    let prior = Prior::Ensemble(KEY.normals(30, 4) * 0.3);
    let factor = |rule: &str, bound: Option<f64>, y: f64| {
        let mut given =
            vec![("members", Value::Int(30)), ("adaptive", word(rule)), ("inflation_sd", Value::Float(2.0))];
        given.extend(bound.map(|bound| ("inflation_max", Value::Float(bound))));
        let mut filter = method("etkf", &given);
        filter.start(&prior, 1, KEY).unwrap();
        let values = Array1::from_elem(4, y);
        let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
        filter.step(&*model, &observed, KEY).unwrap();
        // the factors of the first set are in the state
        let factors = common::part::<Factors>(&*filter).0;
        assert_eq!(factors.len(), 4);
        factors.to_vec()
    };
    for rule in ["anderson", "inverse_gamma", "miyoshi"] {
        let free = factor(rule, None, 6.0);
        assert!(free.iter().all(|lambda| *lambda > 2.0), "{rule}: {free:?}");
        assert_eq!(factor(rule, Some(1.5), 6.0), [1.5; 4], "{rule}");
        assert_eq!(factor(rule, Some(5e3), 0.6), factor(rule, None, 0.6), "{rule}");
    }
}
