//! `enrts` is `rts` of its own moments, the exact smoother with many members, and the ensemble Kalman smoother of any model
//! with few.

use std::collections::BTreeMap;

use ndarray::{Array2, Axis, concatenate, s};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::observe::Linear;
use scorecast_assimilation::{ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Stepping, Value};

use super::joint::agrees;
use super::{CYCLES, noiseless, run};
use crate::common::{LinearProblem, errors, method};

/// Without noise the etkf carries the Kalman filter of its own mean and covariance, and the smoother Rauch, Tung and
/// Striebel's.
#[test]
fn enrts_is_rts_of_the_ensembles_own_moments() {
    for (problem, members) in [(noiseless(CYCLES), 12), (noiseless(CYCLES), 40)] {
        let draws = Key::new(6, Domain::Method).normals(members, 3) + 0.5;
        let prior = Prior::Ensemble(draws);
        let given = [("members", Value::Int(members as i64))];
        let key = Key::new(7, Domain::Method);
        let (_, found) = run(&problem, &mut *method("enrts", &given), &prior, key);
        let (_, expected) = run(&problem, &mut *method("rts", &given), &prior, key);
        let mut largest = 0.0f64;
        for (found, expected) in found.iter().zip(&expected) {
            let (mean, p) = expected.gaussian.as_ref().unwrap();
            let v = covariance(found.ensemble.view(), None);
            largest = (found.mean() - mean).iter().chain((v - p).iter()).fold(largest, |a, e| a.max(e.abs()));
        }
        println!("enrts against rts, {members} members: {largest:.1e}");
        assert!(largest < 1e-8, "{largest:e}");
    }
}

#[test]
fn a_large_enrts_is_the_exact_smoother() {
    let members = 2000;
    for problem in [LinearProblem::one(CYCLES), LinearProblem::two(CYCLES), LinearProblem::three(CYCLES)] {
        let given = [("members", Value::Int(members))];
        agrees(&problem, "enrts", &given, 12, 6.0, members as f64);
    }
}

/// (x at an earlier time, x now): the first half stays, the second moves.
struct Augmented(Box<dyn Forecaster>);

impl Forecaster for Augmented {
    fn dim(&self) -> usize {
        2 * self.0.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        let mut now = x.slice(s![.., self.0.dim()..]).to_owned();
        self.0.advance(k, steps, &mut now, key)?;
        x.slice_mut(s![.., self.0.dim()..]).assign(&now);
        Ok(())
    }
}

/// Raanes 2016: with c = 1, nothing left out and no more members than components the smoother is the ensemble Kalman smoother, whatever the
/// model: the etkf of a state that holds the earlier time too. On Lorenz-96, with inflation and random rotations.
#[test]
fn enrts_is_the_ensemble_kalman_smoother_of_a_nonlinear_model() {
    let (n, members, sets, every) = (12, 9, 5, 3);
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let given: BTreeMap<String, Value> = [("dim".to_owned(), Value::Int(n as i64))].into();
    let lorenz96 = || build("lorenz96", &given).unwrap().forecaster(&stepping).unwrap();
    let (model, augmented) = (lorenz96(), Augmented(lorenz96()));
    let half = |i: usize, j: usize| if j == 2 * i { 1.0 } else { 0.0 };
    let now = Linear::new(Array2::from_shape_fn((6, n), |(i, j)| half(i, j)), &errors(&[0.5])).unwrap();
    let both = Array2::from_shape_fn((6, 2 * n), |(i, j)| if j < n { 0.0 } else { half(i, j - n) });
    let both = Linear::new(both, &errors(&[0.5])).unwrap();
    let settings =
        [("members", Value::Int(members as i64)), ("inflation", Value::Float(1.05)), ("rotate", Value::Bool(true))];
    let of_all = [&settings[..], &[("kept_variance", Value::Float(1.0))]].concat();
    let key = Key::new(14, Domain::Method);
    let mut start = key.normals(1 + members, n) + 3.0;
    model.advance(0, 40, &mut start, key).unwrap();
    let observations = key.at(1).normals(sets, 6) * 0.5 + start.slice(s![0, ..;2]);
    let prior = Prior::Ensemble(start.slice(s![1.., ..]).to_owned());
    let observed = |set: usize, operator| ObservationSet {
        step: every * set,
        time: 0.0,
        values: observations.row(set - 1),
        operator,
    };
    let mut smoother = method("enrts", &of_all);
    smoother.start(&prior, 0, key).unwrap();
    let analyses: Vec<_> =
        (1..=sets).map(|set| smoother.step(&*model, &observed(set, &now), key).unwrap().ensemble).collect();
    let smoothed = smoother.finish(&*model, None, key).unwrap();
    for (first, analysis) in analyses.iter().enumerate() {
        let mut filter = method("etkf", &settings);
        let twice = concatenate(Axis(1), &[analysis.view(), analysis.view()]).unwrap();
        filter.start(&Prior::Ensemble(twice.clone()), every * (first + 1), key).unwrap();
        let step = |set| filter.step(&augmented, &observed(set, &both), key).unwrap().ensemble;
        let last = (first + 2..=sets).map(step).last().unwrap_or(twice);
        let error = &last.slice(s![.., ..n]) - &smoothed[first].ensemble;
        let largest = error.iter().fold(0.0f64, |a, e| a.max(e.abs()));
        println!("set {}: largest difference of a member {largest:.1e}", first + 1);
        assert!(largest < 1e-9, "{largest:e}");
    }
}

#[test]
fn decorrelation_damps_the_correction_once_a_lead_step() {
    // two sets two lead steps apart: the correction of the first is c^2 of the whole one
    let problem = LinearProblem::two(2);
    let first = |c: f64| {
        let given = [("members", Value::Int(30)), ("decorrelation", Value::Float(c))];
        run(&problem, &mut *method("enrts", &given), &problem.prior(), Key::new(9, Domain::Method)).1.swap_remove(0)
    };
    let [none, half, whole] = [0.0, 0.5, 1.0].map(|c| first(c).ensemble);
    assert!((&none + &(0.25 * (whole - &none)) - half).iter().all(|e| e.abs() < 1e-12));
}

/// Whole runs on Lorenz-96 with few members, without noise and with the noise of sd .22 a lead step: smoothed states are nearer to
/// the truth than the filter's, and not far from those of the ensemble Kalman smoother (`etkf` with a lag).
#[test]
fn with_few_members_smoothed_states_are_nearer_to_the_truth_than_the_filters() {
    for (noise, members, at_most) in [(0.0, 24, 0.12), (0.0, 40, 0.12), (1.0, 40, 0.52)] {
        let given =
            [("members", Value::Int(members)), ("inflation", Value::Float(1.02)), ("rotate", Value::Bool(true))];
        let [filter, smoothed] = lorenz96("enrts", &given, noise);
        let [_, of_a_lag] = lorenz96("etkf", &[&given[..], &[("lag", Value::Int(6))]].concat(), noise);
        println!("noise {noise}, {members} members: filter {filter:.4}, smoothed {smoothed:.4}, lag {of_a_lag:.4}");
        assert!(smoothed < filter && smoothed < at_most, "{filter} {smoothed}");
        assert!(smoothed < 1.2 * of_a_lag, "{smoothed} {of_a_lag}");
    }
}

/// Mean rmse of filter and smoother on Lorenz-96 (40 components, all observed each lead step of .05, R = I) after 100 of 500
/// cycles.
fn lorenz96(name: &str, given: &[(&str, Value)], noise: f64) -> [f64; 2] {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let noise = [("noise".to_owned(), Value::Float(noise))].into_iter().collect();
    let model = build("lorenz96", &noise).unwrap().forecaster(&stepping).unwrap();
    let operator = Linear::new(Array2::eye(40), &errors(&[1.0])).unwrap();
    let (hidden, key) = (Key::new(3, Domain::Truth), Key::new(4, Domain::Method));
    let mut truth = hidden.normals(1, 40) + 2.0;
    model.advance(0, 400, &mut truth, hidden).unwrap();
    let mut smoother = method(name, given);
    let prior = Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::from_diag_elem(40, 0.1) };
    smoother.start(&prior, 0, key).unwrap();
    let rms = |error: ndarray::Array1<f64>| (error.dot(&error) / 40.0).sqrt();
    let (mut truths, mut filter, mut smoothed) = (Vec::new(), 0.0, Vec::new());
    for step in 1..=500 {
        model.advance(step - 1, 1, &mut truth, hidden).unwrap();
        let errors = hidden.purpose(Purpose::ObservationNoise).at(step as u64).normals(1, 40);
        truths.push(truth.row(0).to_owned());
        let values = (&truth + &errors).remove_axis(Axis(0));
        let observed = ObservationSet { step, time: 0.0, values: values.view(), operator: &operator };
        let outcome = smoother.step(&*model, &observed, key).unwrap();
        filter += if step > 100 { rms(outcome.mean() - truth.row(0)) } else { 0.0 };
        smoothed.extend(outcome.smoothed);
    }
    smoothed.extend(smoother.finish(&*model, None, key).unwrap());
    let smoothed: f64 = (100..500).map(|cycle| rms(smoothed[cycle].mean() - &truths[cycle])).sum();
    [filter, smoothed].map(|sum| sum / 400.0)
}
