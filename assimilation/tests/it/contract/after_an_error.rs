//! A step that fails leaves the method as it was: the same step with the mistake put right goes on as if nothing had been.

#![allow(clippy::unwrap_used)]

use crate::common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::{LinearProblem, method};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::{METHODS, ObservationSet, Prior};
use scorecast_systems::{Domain, Error, Forecaster, Key, Value};

const KEY: Key = Key::new(9, Domain::Method);

/// A forecaster that fails half way while the flag is set.
struct Failing<'a> {
    of: &'a dyn Forecaster,
    fails: AtomicBool,
}

impl Forecaster for Failing<'_> {
    fn dim(&self) -> usize {
        self.of.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.of.advance(k, steps, x, key)?;
        match self.fails.load(Ordering::Relaxed) && k > 1 {
            true => Err(Error::Unsupported("the model machine is down".to_owned())),
            false => Ok(()),
        }
    }
}

#[test]
fn a_mistaken_set_of_observations_can_be_put_right() {
    let problem = LinearProblem::three(3);
    for entry in METHODS {
        let given = [("members", Value::Int(30))];
        let (mut through, mut interrupted) = (method(entry.name, &given), method(entry.name, &given));
        let expected = problem.run(&mut *through, KEY);
        interrupted.start(&problem.prior(), 0, KEY).unwrap();
        let short = array![0.0];
        for (cycle, expected) in expected.iter().enumerate() {
            let observed =
                ObservationSet { step: cycle + 1, time: 0.0, values: short.view(), operator: &problem.operator };
            assert!(interrupted.step(&problem.model, &observed, KEY).is_err(), "{}", entry.name);
            let found = problem.step(&mut *interrupted, cycle, KEY);
            assert_eq!(found.ensemble, expected.ensemble, "{} at {cycle}", entry.name);
            assert_eq!(found.forecast, expected.forecast, "{} at {cycle}", entry.name);
        }
        let [found, expected] = [interrupted, through].map(|mut method| {
            let smoothed = method.finish(&problem.model, None, KEY).unwrap();
            smoothed.into_iter().map(|earlier| earlier.ensemble).collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{}", entry.name);
    }
}

#[test]
fn a_forecaster_that_failed_can_be_asked_again() {
    let mut problem = LinearProblem::three(4);
    problem.every = 2;
    let model = Failing { of: &problem.model, fails: AtomicBool::new(false) };
    let lag = |name| (name, vec![("members", Value::Int(15)), ("lag", Value::Int(2))]);
    let plain = |name| (name, vec![("members", Value::Int(15))]);
    for (name, given) in [plain("etkf"), plain("bootstrap"), lag("etkf"), plain("hybrid"), plain("enrts")] {
        let run = |fail: bool| {
            let mut filter = method(name, &given);
            filter.start(&problem.prior(), 0, KEY).unwrap();
            let mut ensembles = Vec::new();
            for (cycle, values) in problem.observations.outer_iter().enumerate() {
                let observed = ObservationSet { step: 2 * (cycle + 1), time: 0.0, values, operator: &problem.operator };
                if fail && cycle > 0 {
                    model.fails.store(true, Ordering::Relaxed);
                    assert!(filter.step(&model, &observed, KEY).is_err(), "{name}");
                    model.fails.store(false, Ordering::Relaxed);
                }
                let outcome = filter.step(&model, &observed, KEY).unwrap();
                ensembles.push(outcome.ensemble);
                ensembles.extend(outcome.smoothed.into_iter().map(|earlier| earlier.ensemble));
            }
            ensembles.extend(filter.finish(&model, None, KEY).unwrap().into_iter().map(|earlier| earlier.ensemble));
            ensembles
        };
        assert!(run(true) == run(false), "{name}");
    }
}

#[test]
fn a_prior_of_another_dimension_than_the_forecasters_is_refused_by_the_methods_of_a_window() {
    let (three, two) = (LinearProblem::three(2), LinearProblem::two(2));
    for name in ["ienks", "four_d_envar", "four_d_var"] {
        let mut filter = method(name, &[("members", Value::Int(10))]);
        let prior = Prior::Gaussian { mean: Array1::zeros(3), covariance: Array2::eye(3) };
        filter.start(&prior, 0, KEY).unwrap();
        let observed =
            ObservationSet { step: 1, time: 0.0, values: three.observations.row(0), operator: &three.operator };
        let message = filter.step(&two.model, &observed, KEY).unwrap_err().to_string();
        assert!(message.contains("3 components but the forecaster 2"), "{name}: {message}");
    }
}
