//! Two sets of observations at one lead step are one time: a smoother gives it once, given both.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, method};
use ndarray::{Array1, Array2};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::{ObservationSet, Smoothed};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, Value};

const CYCLES: usize = 6;
const KEY: Key = Key::new(8, Domain::Method);

/// A run in which the values of each set come one by one, at the same lead step, or all at once.
fn run(problem: &LinearProblem, name: &str, lag: Option<i64>, one_by_one: bool) -> Vec<Smoothed> {
    let mut given = vec![("members", Value::Int(12))];
    given.extend(lag.map(|lag| ("lag", Value::Int(lag))));
    let mut smoother = method(name, &given);
    smoother.start(&problem.prior(), 0, KEY).unwrap();
    let mut out = Vec::new();
    for (cycle, values) in problem.observations.outer_iter().enumerate() {
        let parts: Vec<Array1<f64>> = match one_by_one {
            true => vec![ndarray::array![values[0], f64::NAN], ndarray::array![f64::NAN, values[1]]],
            false => vec![values.to_owned()],
        };
        for values in &parts {
            let observed =
                ObservationSet { step: cycle + 1, time: 0.0, values: values.view(), operator: &problem.operator };
            out.extend(smoother.step(&problem.model, &observed, KEY).unwrap().smoothed);
        }
    }
    out.extend(smoother.finish(&problem.model, None, KEY).unwrap());
    out
}

#[test]
fn a_smoother_gives_the_time_once() {
    let problem = LinearProblem::three(CYCLES);
    for (name, lags) in [
        ("etkf", &[1, 2, 20][..]),
        ("bootstrap", &[1, 2, 20]),
        ("ienks", &[1, 2, 3, 20]),
        ("four_d_envar", &[1, 2, 3, 20]),
        ("four_d_var", &[1, 2, 3, 20]),
    ] {
        for lag in lags {
            let steps: Vec<_> = run(&problem, name, Some(*lag), true).iter().map(|smoothed| smoothed.step).collect();
            assert_eq!(steps, (1..=CYCLES).collect::<Vec<_>>(), "{name} {lag}");
        }
    }
    for name in ["rts", "enrts", "ffbsi"] {
        let steps: Vec<_> = run(&problem, name, None, true).iter().map(|smoothed| smoothed.step).collect();
        assert_eq!(steps, (1..=CYCLES).collect::<Vec<_>>(), "{name}");
    }
}

/// Independent values of one time may be used one after the other: mean and covariance are those of all at once. Without
/// noise of the model, whose chance correlations with the members would depend on their rotation.
#[test]
fn where_the_update_is_exact_the_posterior_is_that_of_all_values_at_once() {
    let mut problem = LinearProblem::three(CYCLES);
    problem.law.covariance.fill(0.0);
    problem.model = LinearForecaster::new(problem.law.clone()).unwrap();
    let of = |smoothed: &Smoothed| (smoothed.mean(), covariance(smoothed.ensemble.view(), None));
    let near = |a: &Array2<f64>, b: &Array2<f64>| (a - b).iter().all(|e| e.abs() < 1e-9);
    for (name, lag) in [("etkf", Some(20)), ("ienks", Some(20)), ("rts", None)] {
        let (apart, together) = (run(&problem, name, lag, true), run(&problem, name, lag, false));
        assert_eq!(apart.len(), together.len(), "{name}");
        for (a, b) in apart.iter().zip(&together) {
            let ((mean, p), (exact, exact_p)) = (of(a), of(b));
            assert!((mean - exact).iter().all(|e| e.abs() < 1e-9), "{name} {lag:?} at {}", a.step);
            assert!(near(&p, &exact_p), "{name} {lag:?} at {}", a.step);
        }
    }
}
