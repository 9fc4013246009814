//! Each cause of a run that went wrong, provoked, and runs that did not go wrong.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method};
use ndarray::{Array1, Array2};
use scorecast_assimilation::diagnostics::{Cause, Diagnosis, History, error};
use scorecast_assimilation::observe::{Function, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Stepping, Value};

const KEY: Key = Key::new(31, Domain::Method);

fn lorenz96(dt: f64) -> Box<dyn Forecaster> {
    let stepping = Stepping { dt, substeps: 1, integrator: "rk4".to_owned() };
    build("lorenz96", &[("dim".to_owned(), Value::Int(40))].into()).unwrap().forecaster(&stepping).unwrap()
}

/// A twin experiment on Lorenz-96, observed by `operator`, forecast by `model`, from a prior of `prior` around the truth.
fn run(
    name: &str,
    given: &[(&str, Value)],
    operator: &dyn ObservationOperator,
    model: &dyn Forecaster,
    prior: impl Fn(&Array1<f64>) -> Array2<f64>,
    cycles: usize,
) -> History {
    let (nature, key) = (lorenz96(0.05), Key::new(32, Domain::Truth));
    let mut truth = key.normals(1, 40) + 2.0;
    nature.advance(0, 400, &mut truth, key).unwrap();
    let mut filter = method(name, given);
    filter.start(&Prior::Ensemble(prior(&truth.row(0).to_owned())), 0, KEY).unwrap();
    let mut history = History::default();
    for cycle in 1..=cycles {
        nature.advance(cycle, 1, &mut truth, key).unwrap();
        let noise = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64));
        let y = (operator.apply(0.0, truth.view()) + noise).row(0).to_owned();
        let observed = ObservationSet { step: cycle, time: 0.05 * cycle as f64, values: y.view(), operator };
        let outcome = filter.step(model, &observed, KEY).unwrap();
        history.add(&outcome, &observed, Some(error(&outcome, truth.row(0)))).unwrap();
    }
    history
}

fn around(members: usize, sd: f64) -> impl Fn(&Array1<f64>) -> Array2<f64> {
    move |truth| KEY.normals(members, truth.len()) * sd + truth
}

fn all(sd: f64) -> Stride {
    Stride::new(40, 1, 0, &errors(&[sd])).unwrap()
}

fn found(history: &History) -> Diagnosis {
    let diagnosis = history.diagnose().unwrap();
    println!("{:?}: {}", diagnosis.cause, diagnosis.sentence);
    diagnosis
}

#[test]
fn a_run_that_goes_well_has_no_diagnosis() {
    let model = lorenz96(0.05);
    for (members, operator) in [(40, all(1.0)), (40, Stride::new(40, 2, 0, &errors(&[0.5])).unwrap())] {
        let given = [("members", Value::Int(members)), ("inflation", Value::Float(1.03))];
        let history = run("etkf", &given, &operator, &*model, around(40, 1.0), 200);
        assert_eq!(history.diagnose(), None);
        assert!(history.signs().iter().skip(50).all(|signs| signs.error.unwrap() < 1.0));
    }
}

#[test]
fn honest_filters_of_a_linear_problem_have_none_either() {
    let problem = LinearProblem::one(300);
    for name in ["kalman", "extended", "etkf", "enkf", "letkf", "eakf", "ensrf", "enkf_n", "bootstrap"] {
        let outcomes = problem.run(&mut *method(name, &[("members", Value::Int(200))]), KEY);
        let mut history = History::default();
        for (cycle, outcome) in outcomes.iter().enumerate() {
            let values = problem.observations.row(cycle);
            let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &problem.operator };
            history.add(outcome, &observed, None).unwrap();
        }
        assert_eq!(history.diagnose(), None, "{name}");
        assert_eq!(history.signs().len(), 300);
    }
}

#[test]
fn too_few_members_without_inflation_are_a_collapsed_spread() {
    let history = run("etkf", &[("members", Value::Int(12))], &all(1.0), &*lorenz96(0.05), around(12, 1.0), 200);
    let diagnosis = found(&history);
    assert_eq!(diagnosis.cause, Cause::Spread);
    assert!(diagnosis.sentence.contains("more `members` than 12") && diagnosis.sentence.contains("`inflation`"));
    // the forecast error that innovations imply is the one that the truth shows, within the growth of a step
    let last = history.signs().last().unwrap();
    assert!(last.error.unwrap() > 2.0 * last.spread);
}

#[test]
fn many_observations_make_the_weights_of_a_particle_filter_degenerate() {
    let given = [("members", Value::Int(200)), ("jitter", Value::Float(0.1))];
    let history = run("bootstrap", &given, &all(0.3), &*lorenz96(0.05), around(200, 1.0), 40);
    let diagnosis = found(&history);
    assert_eq!(diagnosis.cause, Cause::Weights);
    assert!(diagnosis.sentence.contains("of 200 members") && diagnosis.sentence.contains("without weights"));
}

#[test]
fn a_time_step_that_is_too_long_is_a_model_that_blew_up() {
    let given = [("members", Value::Int(20))];
    let history = run("etkf", &given, &all(1.0), &*lorenz96(0.8), around(20, 1.0), 30);
    let diagnosis = found(&history);
    assert_eq!(diagnosis.cause, Cause::Model);
    assert!(diagnosis.sentence.contains("`substeps`") && diagnosis.sentence.contains("of 20 members non-finite"));
    let signs = history.signs().iter().find(|signs| signs.step == diagnosis.step).unwrap();
    assert!(signs.forecast_lost > 0 && signs.predicted_lost == 0);
    // which member, from states of what size
    let before = history.signs().iter().rev().find(|signs| signs.step < diagnosis.step);
    let said = [format!("member {} first", signs.first_lost.unwrap()), "values up to".to_owned()];
    let told = before.is_none_or(|before| before.largest > 0.0 && diagnosis.sentence.contains(&said[1]));
    assert!(told && diagnosis.sentence.contains(&said[0]), "{}", diagnosis.sentence);
}

#[test]
fn an_inflation_without_measure_is_the_analysis_that_blew_up() {
    let given = [("members", Value::Int(20)), ("inflation", Value::Float(1e308))];
    let history = run("etkf", &given, &all(10.0), &*lorenz96(0.05), around(20, 50.0), 3);
    let diagnosis = found(&history);
    assert_eq!((diagnosis.cause, diagnosis.step), (Cause::Analysis, 1));
    assert!(diagnosis.sentence.contains("inflation far too large"));
}

/// ln x, which a user wrote for positive states.
struct Bare;

impl Function for Bare {
    fn name(&self) -> String {
        "bare logarithm".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x.ln()
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / x
    }
}

#[test]
fn a_logarithm_of_what_is_negative_is_the_operators_fault() {
    let operator = Pointwise::new(Bare, all(0.1));
    let history = run("etkf", &[("members", Value::Int(20))], &operator, &*lorenz96(0.05), around(20, 1.0), 2);
    let diagnosis = found(&history);
    assert_eq!((diagnosis.cause, diagnosis.step), (Cause::Operator, 1));
    assert!(diagnosis.sentence.contains("domain"));
}

#[test]
fn a_prior_in_two_directions_is_rank_deficient() {
    let prior = |truth: &Array1<f64>| {
        let away = KEY.at(9).normals(1, 40) * 2.0;
        KEY.normals(60, 2).dot(&KEY.at(1).normals(2, 40)) * 1e-7 + truth + away.row(0)
    };
    let history = run("etkf", &[("members", Value::Int(60))], &all(1.0), &*lorenz96(0.05), prior, 10);
    let diagnosis = found(&history);
    assert_eq!((diagnosis.cause, diagnosis.step), (Cause::Rank, 1));
    assert!(diagnosis.sentence.contains("rank 2 where 40 is possible"), "{}", diagnosis.sentence);
}

#[test]
fn a_truth_lost_where_nothing_is_observed_shows_only_against_the_truth() {
    // one component observed badly: its innovations are explained, but the others are far off with a narrow prior
    let operator = Stride::new(40, 40, 0, &errors(&[10.0])).unwrap();
    let prior = |truth: &Array1<f64>| KEY.normals(45, 40) * 1e-3 + truth + 1.0;
    let history = run("etkf", &[("members", Value::Int(45))], &operator, &*lorenz96(0.05), prior, 10);
    let diagnosis = found(&history);
    assert_eq!(diagnosis.cause, Cause::Error);
}

/// A prior that is sure of a place far from the truth: no inflation of what follows gives what the first analyses lack.
#[test]
fn a_filter_that_never_had_the_truth_is_not_told_to_inflate() {
    let model = lorenz96(0.05);
    let far = |truth: &Array1<f64>| around(20, 1e-3)(&(truth + 6.0));
    let given = [("members", Value::Int(20))];
    let diagnosis = found(&run("etkf", &given, &all(1.0), &*model, far, 8));
    assert!(diagnosis.sentence.contains("closer or a wider `initial`"), "{}", diagnosis.sentence);
    assert!(!diagnosis.sentence.contains("`inflation`"), "{}", diagnosis.sentence);
}
