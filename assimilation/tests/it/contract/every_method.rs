//! Every method of the registry keeps the contract of `Cycle`.

#![allow(clippy::unwrap_used)]

use crate::common;

use std::sync::LazyLock;

use common::derived::{Given, assert_wrong_settings_are_refused, by_key, default_value, variants};
use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::augment::{Parameter, augmented_prior};
use scorecast_assimilation::method::GUIDANCE;
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::problem::draw_prior;
use scorecast_assimilation::{Error, METHODS, ObservationSet, Outcome, Prior};
use scorecast_systems::{Domain, Key, Param, Settings, Value};

const CYCLES: usize = 6;

/// Each method with small ensembles and little work, and with each of its settings at other values than the defaults.
/// What is refused on this problem is refused by a sentence that names a setting.
static EVERY_METHOD: LazyLock<Vec<(&'static str, Given)>> = LazyLock::new(|| {
    let mut out = Vec::new();
    for entry in METHODS {
        let base = [vec![("members", Value::Int(40))], little_work(entry.params)].concat();
        let variants = variants(entry.params, &base, |given| runs(entry.name, given));
        for (given, said) in &variants.refused {
            assert!(said.contains('`'), "{} {given:?}: {said}", entry.name);
        }
        out.push((entry.name, base));
        out.extend(variants.accepted.into_iter().map(|given| (entry.name, given)));
    }
    assert!(out.len() >= METHODS.len());
    out
});

fn every_method() -> Vec<(&'static str, Given)> {
    EVERY_METHOD.clone()
}

/// Sixteen of what a method does fifty times and more; a setting of a guidance rule is refused where the rule is not chosen.
fn little_work(params: &'static [Param]) -> Given {
    let of_rule = |key: &str| GUIDANCE.iter().any(|rule| rule.params.iter().any(|param| param.key == key));
    let large = |param: &&Param| matches!(default_value(param), Some(Value::Int(times)) if times >= 50);
    params.iter().filter(large).filter(|param| !of_rule(param.key)).map(|param| (param.key, Value::Int(16))).collect()
}

/// Whether a method with these settings takes the sets of observations of the tests, or what it says.
fn runs(name: &str, given: &Given) -> Result<(), String> {
    let entry = METHODS.iter().find(|entry| entry.name == name).unwrap();
    let settings = Settings::check(name, entry.params, &by_key(given)).map_err(|wrong| format!("{wrong:?}"))?;
    let mut filter = (entry.build.make)(&settings).map_err(|error| error.to_string())?;
    let (problem, key) = (LinearProblem::three(CYCLES), Key::new(1, Domain::Method));
    let mut run = || {
        filter.start(&problem.prior(), 0, key)?;
        for (cycle, values) in problem.observations.outer_iter().enumerate() {
            let observed =
                ObservationSet { step: cycle + 1, time: cycle as f64 + 1.0, values, operator: &problem.operator };
            filter.step(&problem.model, &observed, key)?;
        }
        filter.finish(&problem.model, None, key).map(drop)
    };
    run().map_err(|error: Error| error.to_string())
}

#[test]
fn wrong_settings_are_refused_by_name() {
    assert_wrong_settings_are_refused(METHODS);
}

#[test]
fn inflation_is_heeded_by_every_method_that_has_the_setting() {
    let (problem, key) = (LinearProblem::three(CYCLES), Key::new(8, Domain::Method));
    let mut with_it = 0;
    for entry in METHODS.iter().filter(|entry| entry.params.iter().any(|param| param.key == "inflation")) {
        let base = [vec![("members", Value::Int(40))], little_work(entry.params)].concat();
        let run = |factor: f64| {
            let given = [base.clone(), vec![("inflation", Value::Float(factor))]].concat();
            let mut filter = method(entry.name, &given);
            let mut found: Vec<_> = problem.run(&mut *filter, key).iter().flat_map(bits).collect();
            let smoothed = filter.finish(&problem.model, None, key).unwrap();
            found.extend(smoothed.iter().flat_map(|earlier| &earlier.ensemble).map(|value| value.to_bits()));
            found
        };
        assert!(run(1.0) != run(1.5), "{}", entry.name);
        with_it += 1;
    }
    assert!(with_it > 10, "{with_it}");
}

#[test]
fn no_two_settings_of_a_method_have_one_key() {
    for entry in METHODS {
        let mut keys: Vec<&str> = entry.params.iter().map(|param| param.key).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{}: {keys:?}", entry.name);
    }
}

/// All the bits of an outcome.
fn bits(outcome: &Outcome) -> Vec<u64> {
    let weights =
        [&outcome.weights, &outcome.forecast_weights].map(|w| w.iter().flatten().copied().collect::<Vec<f64>>());
    let smoothed = outcome.smoothed.iter().flat_map(|earlier| &earlier.ensemble);
    let numbers = outcome.ensemble.iter().chain(&outcome.forecast).chain(weights.iter().flatten()).chain(smoothed);
    numbers.chain(outcome.diagnostics.values()).map(|value| value.to_bits()).collect()
}

#[test]
fn a_filter_that_is_saved_and_restored_goes_on_bit_for_bit() {
    let problem = LinearProblem::three(CYCLES);
    let key = Key::new(1, Domain::Method);
    for (name, given) in every_method() {
        let through: Vec<_> = problem.run(&mut *method(name, &given), key).iter().map(bits).collect();
        for stop in 0..CYCLES {
            let mut first = method(name, &given);
            first.start(&problem.prior(), 0, key).unwrap();
            (0..stop).for_each(|cycle| drop(problem.step(&mut *first, cycle, key)));
            let bytes = first.save();
            let mut second = method(name, &given);
            second.restore(&bytes).unwrap();
            assert_eq!(second.save(), bytes, "{name} {given:?}");
            for (cycle, expected) in through.iter().enumerate().skip(stop) {
                assert!(
                    bits(&problem.step(&mut *second, cycle, key)) == *expected,
                    "{name} {given:?} from {stop} at {cycle}"
                );
            }
            assert!(second.restore(&bytes[1..]).is_err() && second.restore(&bytes[..bytes.len() - 8]).is_err());
        }
    }
}

#[test]
fn a_smoother_gives_each_time_once_in_order_also_when_it_is_saved_before_the_end() {
    let problem = LinearProblem::two(CYCLES);
    let key = Key::new(6, Domain::Method);
    for (name, given) in every_method() {
        let mut through = method(name, &given);
        let mut smoothed: Vec<_> =
            problem.run(&mut *through, key).into_iter().flat_map(|outcome| outcome.smoothed).collect();
        let mut again = method(name, &given);
        again.restore(&through.save()).unwrap();
        let rest = through.finish(&problem.model, None, key).unwrap();
        let restored = again.finish(&problem.model, None, key).unwrap();
        assert!(rest.iter().zip(&restored).all(|(a, b)| a.ensemble == b.ensemble && a.step == b.step), "{name}");
        assert_eq!(rest.len(), restored.len());
        smoothed.extend(rest);
        let steps: Vec<_> = smoothed.iter().map(|earlier| earlier.step).collect();
        let expected: Vec<_> = (1..=CYCLES).map(|cycle| 2 * cycle).collect();
        assert!(steps.is_empty() || steps == expected, "{name} {given:?}: {steps:?}");
        assert!(smoothed.iter().all(|earlier| earlier.mean().iter().all(|value| value.is_finite())), "{name}");
    }
}

#[test]
fn results_are_the_same_bytes_for_any_number_of_threads() {
    let problem = LinearProblem::three(3);
    for (name, mut given) in every_method() {
        given[0].1 = Value::Int(300);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let outcomes = problem.run(&mut *method(name, &given), Key::new(2, Domain::Method));
                outcomes.iter().flat_map(bits).collect::<Vec<_>>()
            })
        };
        let one = run(1);
        assert!(run(2) == one && run(4) == one, "{name} {given:?}");
    }
}

#[test]
fn weights_are_normalised_and_a_set_without_values_changes_nothing() {
    let problem = LinearProblem::three(CYCLES);
    for (name, given) in every_method() {
        let outcomes = problem.run(&mut *method(name, &given), Key::new(3, Domain::Method));
        for weights in outcomes.iter().flat_map(|outcome| [&outcome.weights, &outcome.forecast_weights]).flatten() {
            assert!((weights.sum() - 1.0).abs() < 1e-12 && weights.iter().all(|w| *w >= 0.0), "{name}");
        }
        // the fifth set is missing altogether
        assert!((&outcomes[4].ensemble - &outcomes[4].forecast).iter().all(|e| e.abs() < 1e-13), "{name} {given:?}");
    }
}

#[test]
fn a_prior_that_has_diverged_gives_a_diverged_outcome_and_no_panic() {
    let problem = LinearProblem::three(CYCLES);
    for (name, given) in every_method() {
        let mut filter = method(name, &given);
        let mut draws = Array2::zeros((40, 3));
        draws[(7, 1)] = f64::NAN;
        filter.start(&Prior::Ensemble(draws), 0, Key::new(4, Domain::Method)).unwrap();
        for cycle in 0..2 {
            let outcome = problem.step(&mut *filter, cycle, Key::new(4, Domain::Method));
            assert!(outcome.mean().iter().any(|value| !value.is_finite()), "{name}");
        }
    }
}

/// Independent components are the Gaussian of a diagonal covariance to every method, with unknown parameters too.
#[test]
fn a_prior_of_independent_components_is_that_of_the_diagonal_covariance() {
    let problem = LinearProblem::three(2);
    let (mean, sd) = (problem.mean.clone(), Array1::from(vec![0.7, 1.2, 0.4]));
    let diagonal = Prior::Gaussian { mean: mean.clone(), covariance: Array2::from_diag(&(&sd * &sd)) };
    let independent = Prior::Independent { mean, sd };
    let key = Key::new(6, Domain::Method);
    for entry in METHODS {
        let [a, b] = [&independent, &diagonal].map(|prior| {
            let mut filter = method(entry.name, &[]);
            filter.start(prior, 0, key).unwrap();
            problem.step(&mut *filter, 0, key)
        });
        assert_eq!((a.ensemble, a.forecast), (b.ensemble, b.forecast), "{}", entry.name);
    }
    let parameter = [Parameter::linear("p", 1.0, 0.3)];
    let [a, b] = [&independent, &diagonal]
        .map(|prior| draw_prior(&augmented_prior(prior, &parameter, key).unwrap(), 20, key).unwrap());
    assert_eq!(a, b);
}

#[test]
fn misuse_is_a_sentence_with_a_remedy() {
    let problem = LinearProblem::three(2);
    let key = Key::new(5, Domain::Method);
    let refused = |name: &str, given: &[(&str, Value)], observed: &ObservationSet| {
        let mut filter = method(name, given);
        filter.start(&problem.prior(), 0, key).unwrap();
        filter.step(&problem.model, observed, key).unwrap_err().to_string()
    };
    let sd = [0.5];
    let arctan = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&sd)).unwrap());
    let values = array![0.1, 0.2, 0.3];
    let observed = ObservationSet { step: 1, time: 1.0, values: values.view(), operator: &arctan };
    assert!(refused("kalman", &[], &observed).contains("use `etkf` or `bootstrap`"));
    assert!(refused("optimal_interpolation", &[], &observed).contains("use `three_d_var`"));
    assert!(refused("guided", &[("weights", word("exact"))], &observed).contains("set weights to \"path\""));
    assert!(refused("guided", &[("sampler", word("heun"))], &observed).contains("set sampler to \"sde\""));
    let at_start = ObservationSet { step: 0, ..observed };
    assert!(refused("guided", &[], &at_start).contains("at least one lead step"));
    let short = ObservationSet { values: values.slice(ndarray::s![..2]), ..observed };
    for (name, given) in every_method() {
        let message = refused(name, &given, &short);
        assert!(message.contains("2 observed values") && message.contains("gives 3"), "{name}: {message}");
    }
    let mut bootstrap = method("bootstrap", &[("members", Value::Int(10))]);
    bootstrap.start(&problem.prior(), 0, key).unwrap();
    let message =
        method("bootstrap", &[("members", Value::Int(20))]).restore(&bootstrap.save()).unwrap_err().to_string();
    assert!(message.contains("10 members") && message.contains("set to 20"), "{message}");
    let message = method("kalman", &[]).restore(&bootstrap.save()).unwrap_err().to_string();
    assert!(message.contains("not the state of `kalman`"), "{message}");
}
