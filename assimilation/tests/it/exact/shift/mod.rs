//! Sets of observations that are used together (`shift`), against dense solutions and finite differences.

#![allow(clippy::unwrap_used)]

use crate::common;
mod contract;
mod four_d_envar;
mod four_d_var;
mod ienks;
mod nonlinear;

use common::LinearProblem;
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::{Cycle, ObservationOperator, Outcome, Prior, Smoothed};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

const KEY: Key = Key::new(51, Domain::Method);
const CYCLES: usize = 11;
/// Pairs of lag and shift, among them no overlap, and a lag that is no multiple of the shift.
const WINDOWS: [(usize, usize); 7] = [(1, 1), (3, 1), (4, 2), (3, 3), (5, 2), (5, 3), (20, 4)];

/// The largest of some numbers; `max` would pass over NaN.
fn largest<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, e| if e.is_finite() { most.max(e.abs()) } else { f64::INFINITY })
}

fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::eye(matrix.nrows());
    Cholesky::new(matrix.view()).unwrap().solve_in_place(&mut out);
    out
}

/// The problem with a forecaster without noise, which takes errors neither away nor blows them up.
fn calm(mut problem: LinearProblem, matrix: Option<Array2<f64>>) -> LinearProblem {
    let dim = problem.mean.len();
    let matrix = matrix.unwrap_or_else(|| problem.law.matrix.clone());
    problem.law = LinearGaussian { matrix, covariance: Array2::zeros((dim, dim)), ..problem.law };
    problem.model = LinearForecaster::new(problem.law.clone()).unwrap();
    problem
}

/// Problems in 1, 3 and 40 dimensions; a value of the third set and all of the fifth are missing.
fn problems() -> [LinearProblem; 3] {
    let turn = array![[0.98, 0.2, 0.0], [-0.2, 0.97, 0.1], [0.1, 0.0, 1.01]];
    [
        calm(LinearProblem::one(CYCLES), Some(array![[1.02]])),
        calm(LinearProblem::three(CYCLES), Some(turn)),
        calm(LinearProblem::forty(CYCLES), None),
    ]
}

/// All present values of the sets `which` (from 1), their matrix on a state `from` sets after the prior, what an offset
/// gives, and their variances.
fn stacked(problem: &LinearProblem, which: &[usize], from: usize) -> (Array1<f64>, Array2<f64>, Array1<f64>) {
    let h = problem.operator.matrix().unwrap();
    let (mut rows, mut d, mut r) = (Vec::new(), Vec::new(), Vec::new());
    for &set in which {
        let (mut m, mut b) = (Array2::<f64>::eye(problem.mean.len()), Array1::<f64>::zeros(problem.mean.len()));
        for _ in 0..(set - from) * problem.every {
            m = problem.law.matrix.dot(&m);
            b = problem.law.matrix.dot(&b) + &problem.law.offset;
        }
        for (i, y) in problem.observations.row(set - 1).iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            rows.push(h.row(i).dot(&m));
            d.push(y - h.row(i).dot(&b));
            r.push(problem.operator.error().variance()[i]);
        }
    }
    let g = Array2::from_shape_fn((rows.len(), problem.mean.len()), |(i, j)| rows[i][j]);
    (Array1::from_vec(d), g, Array1::from_vec(r))
}

/// Mean and covariance of N(mean, p) given all values of sets `which`, the state being `from` sets after the prior: the
/// normal equations, in the form that takes a singular p too.
fn given(
    problem: &LinearProblem,
    mean: &Array1<f64>,
    p: &Array2<f64>,
    which: &[usize],
    from: usize,
) -> (Array1<f64>, Array2<f64>) {
    let (d, g, r) = stacked(problem, which, from);
    if d.is_empty() {
        return (mean.clone(), p.clone());
    }
    let mut gain = g.dot(p);
    Cholesky::new((gain.dot(&g.t()) + Array2::from_diag(&r)).view()).unwrap().solve_in_place(&mut gain);
    (mean + &(&d - &g.dot(mean)).dot(&gain), p - &gain.t().dot(&g.dot(p)))
}

/// A run to its end: which sets waited, and all smoothed states.
fn run(filter: &mut dyn Cycle, problem: &LinearProblem, prior: &Prior) -> (Vec<Outcome>, Vec<Smoothed>) {
    filter.start(prior, 0, KEY).unwrap();
    let outcomes: Vec<_> = (0..CYCLES).map(|cycle| problem.step(filter, cycle, KEY)).collect();
    let mut smoothed: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.smoothed.clone()).collect();
    smoothed.extend(filter.finish(&problem.model, Some(&problem.operator), KEY).unwrap());
    let steps: Vec<_> = smoothed.iter().map(|posterior| posterior.step).collect();
    assert_eq!(steps, (1..=CYCLES).map(|set| set * problem.every).collect::<Vec<_>>());
    (outcomes, smoothed)
}

fn window(lag: usize, shift: usize, more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut all = vec![("lag", Value::Int(lag as i64)), ("shift", Value::Int(shift as i64))];
    all.extend(more.iter().cloned());
    all
}
