//! `enrts` is `rts` of its own moments, the exact smoother with many members, and the ensemble Kalman smoother of any model
//! with few.

use std::collections::BTreeMap;

use ndarray::{Array2, Axis, concatenate, s};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::observe::Linear;
use scorecast_assimilation::{ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Stepping, Value};

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

/// Raanes 2016: with c = 1 and no more members than components the smoother is the ensemble Kalman smoother, whatever the
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
    let mut smoother = method("enrts", &settings);
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
