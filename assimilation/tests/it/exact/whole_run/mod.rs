//! Smoothers of a whole run: their contract, and their posteriors against the joint Gaussian of all times.

#![allow(clippy::unwrap_used)]

use crate::common;
mod contract;
mod enrts;
mod ffbsi;
mod joint;
mod rts;

use common::LinearProblem;
use ndarray::{Array2, array};
use scorecast_assimilation::{Cycle, Outcome, Prior, Smoothed};
use scorecast_systems::Key;

const CYCLES: usize = 8;

/// A run and what comes at its end.
fn run(problem: &LinearProblem, smoother: &mut dyn Cycle, prior: &Prior, key: Key) -> (Vec<Outcome>, Vec<Smoothed>) {
    smoother.start(prior, 0, key).unwrap();
    let outcomes: Vec<_> = (0..problem.observations.nrows()).map(|cycle| problem.step(smoother, cycle, key)).collect();
    let mut smoothed: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.smoothed.clone()).collect();
    smoothed.extend(smoother.finish(&problem.model, None, key).unwrap());
    (outcomes, smoothed)
}

/// Three components without noise, so that the forecast covariance goes towards singular.
fn noiseless(cycles: usize) -> LinearProblem {
    let mut problem = LinearProblem::three(cycles);
    problem.law.covariance.fill(0.0);
    LinearProblem::new(problem.law, Array2::eye(3), array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &[0.5, 0.9], 2, cycles)
}
