//! Diagnostics of runs, on linear-Gaussian problems where what they estimate is known.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::diagnostics::{Consistency, degrees_of_freedom_for_signal};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::observe::Linear;
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Estimate, Key, LinearGaussian, Value};

const KEY: Key = Key::new(21, Domain::Method);

/// Three components, of which the first and the third are observed, of a law that forgets its past.
fn three(cycles: usize) -> LinearProblem {
    let law = LinearGaussian {
        matrix: array![[0.6, 0.3, 0.0], [0.0, 0.5, 0.3], [-0.2, 0.0, 0.7]],
        offset: array![0.1, 0.0, -0.1],
        covariance: array![[0.3, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.4]],
    };
    LinearProblem::new(law, Array2::eye(3), array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &[0.5, 0.9], 1, cycles)
}

/// Runs `name` over a problem that was observed with its own errors but is told that their sd is `supposed`.
fn consistency(problem: &LinearProblem, supposed: &[f64], name: &str) -> Consistency {
    let operator = Linear::new(problem.operator.matrix().unwrap(), &errors(supposed)).unwrap();
    let mut filter = method(name, &[("members", Value::Int(60))]);
    filter.start(&problem.prior(), 0, KEY).unwrap();
    let mut found = Consistency::default();
    for (cycle, values) in problem.observations.outer_iter().enumerate() {
        let observed = ObservationSet { step: (cycle + 1) * problem.every, time: 0.0, values, operator: &operator };
        let outcome = filter.step(&problem.model, &observed, KEY).unwrap();
        if cycle >= 50 {
            found.add(&outcome, &observed).unwrap();
        }
    }
    found
}

fn near(what: &str, found: &[Estimate], exact: &[f64]) {
    for (found, exact) in found.iter().zip(exact) {
        println!("{what}: {:.4} +- {:.4} for {exact:.4}", found.value, found.se.unwrap());
        assert!(found.z(*exact) < 4.0, "{what}: {found:?} for {exact}");
        assert!(found.se.unwrap() < 0.1 * exact, "{what}: the estimate says nothing: {found:?} for {exact}");
    }
}

#[test]
fn residuals_of_an_honest_filter_give_back_r_and_the_background() {
    for problem in [LinearProblem::one(8000), three(8000)] {
        let sd: Vec<f64> = problem.operator.error().variance().iter().map(|r| r.sqrt()).collect();
        let found = consistency(&problem, &sd, "kalman");
        let r: Vec<f64> = sd.iter().map(|sd| sd * sd).collect();
        near("R", &found.r.each(), &r);
        let values = |series: Vec<Estimate>| series.iter().map(|e| e.value).collect::<Vec<f64>>();
        near("HBH", &found.background.each(), &values(found.supposed_background.each()));
        near("all of R", &[found.r.all()], &[r.iter().sum::<f64>() / r.len() as f64]);
        assert!(values(found.supposed_r.each()).iter().zip(&r).all(|(a, b)| (a - b).abs() < 1e-12));
        // H A H^T: the posterior of the exact filter in its steady state
        let (h, (_, p, _)) = (problem.operator.matrix().unwrap(), problem.exact().pop().unwrap());
        near("HAH", &found.analysis.each(), &h.dot(&p).dot(&h.t()).diag().to_vec());
    }
}

#[test]
fn an_ensemble_filter_gives_back_r_too() {
    let problem = three(8000);
    near("R by etkf", &consistency(&problem, &[0.5, 0.9], "etkf").r.each(), &[0.25, 0.81]);
}

/// The steady state of a scalar filter told r where it is `truth`: supposed and true variance of its forecasts.
fn scalar(law: &LinearGaussian, r: f64, truth: f64) -> (f64, f64) {
    let (a, q) = (law.matrix[(0, 0)], law.covariance[(0, 0)]);
    let (mut p, mut actual) = (1.0, 1.0);
    for _ in 0..500 {
        let gain = p / (p + r);
        actual = (a * (1.0 - gain)).powi(2) * actual + (a * gain).powi(2) * truth + q;
        p = a * a * (1.0 - gain) * p + q;
    }
    (p, actual)
}

#[test]
fn with_a_wrong_r_the_estimate_is_r_times_the_true_over_the_supposed_innovations() {
    let problem = LinearProblem::one(8000);
    let truth = 0.49;
    for factor in [0.25, 4.0] {
        let r = factor * truth;
        let (p, actual) = scalar(&problem.law, r, truth);
        let expected = r * (actual + truth) / (p + r);
        let found = consistency(&problem, &[r.sqrt()], "kalman").r.each();
        near("R told wrongly", &found, &[expected]);
        // towards the truth, beyond doubt
        let z = (found[0].value - r) / found[0].se.unwrap();
        assert!(if factor < 1.0 { z > 5.0 } else { z < -5.0 }, "{factor}: {z}");
        // and iterated it arrives (R <- its estimate), with an error that the iteration multiplies by about S / H B H^T
        let mut r = r;
        for _ in 0..12 {
            r = consistency(&problem, &[r.sqrt()], "kalman").r.each()[0].value;
        }
        println!("iterated from {factor} R: {r:.4} for {truth}");
        assert!((r / truth - 1.0).abs() < 0.12, "{r}");
    }
}

#[test]
fn signal_is_the_trace_of_the_posterior_over_r() {
    // tr(H K) = tr(H A H^T R^-1), of the exact filter and of an ensemble's own covariance
    let problem = LinearProblem::three(6);
    for name in ["kalman", "etkf"] {
        for (cycle, outcome) in problem.run(&mut *method(name, &[]), KEY).iter().enumerate() {
            let values = problem.observations.row(cycle);
            let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &problem.operator };
            let Some(found) = degrees_of_freedom_for_signal(outcome, &observed).unwrap() else {
                assert_eq!(cycle, 4, "only the fifth set has no values");
                continue;
            };
            let a =
                outcome.gaussian.as_ref().map_or_else(|| covariance(outcome.ensemble.view(), None), |g| g.1.clone());
            let h = observed.matrix().unwrap();
            let r =
                Array2::from_diag(&problem.operator.error().variance().select(ndarray::Axis(0), &observed.present()));
            let mut hah = h.dot(&a).dot(&h.t());
            Cholesky::new(r.view()).unwrap().solve_in_place(&mut hah);
            assert!((found - hah.diag().sum()).abs() < 1e-10, "{name} {cycle}: {found} for {}", hah.diag().sum());
        }
    }
}

#[test]
fn misuse_names_the_remedy_and_a_diverged_filter_adds_nothing() {
    let law = LinearGaussian { matrix: array![[1.0]], offset: array![0.0], covariance: array![[0.1]] };
    let model = LinearForecaster::new(law).unwrap();
    let operator = Linear::new(array![[1.0]], &errors(&[1.0])).unwrap();
    let two = Linear::new(array![[1.0], [2.0]], &errors(&[1.0])).unwrap();
    let (values, both) = (array![0.3], array![0.3, 0.1]);
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let mut filter = method("etkf", &[]);
    let mut found = Consistency::default();
    for (prior, added) in [(0.0, 1), (f64::NAN, 1)] {
        filter.start(&Prior::Ensemble(Array2::from_elem((40, 1), prior)), 0, KEY).unwrap();
        found.add(&filter.step(&model, &observed, KEY).unwrap(), &observed).unwrap();
        assert_eq!(found.r.len(), added);
    }
    filter.start(&Prior::Gaussian { mean: Array1::zeros(1), covariance: Array2::eye(1) }, 0, KEY).unwrap();
    let observed = ObservationSet { values: both.view(), operator: &two, ..observed };
    let outcome = filter.step(&model, &observed, KEY).unwrap();
    let message = found.add(&outcome, &observed).unwrap_err().to_string();
    assert!(message.contains("2 observed values") && message.contains("one Consistency for each"), "{message}");
}
