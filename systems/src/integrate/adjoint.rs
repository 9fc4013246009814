//! The adjoint of a whole lead step, M'(x)^T v with M = M_S o .. o M_1 over substeps: forward along the same Brownian
//! path, keeping the state and the increment of each substep, and back through the adjoints of the steps.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::stepper::{PARALLEL_WORK, Stepper};
use super::{AdjointStep, Lanes, Workspace};
use crate::brownian::{BrownianPath, Owner};
use crate::increment::Increment;
use crate::key::Key;
use crate::lanes::{LANES, load_block, store_block};

/// M'(x)^T v of lead step `k`, member by member; all `[member, component]`.
pub(super) fn adjoint(
    stepper: &Stepper,
    step: &dyn AdjointStep,
    k: usize,
    x: ArrayView2<f64>,
    v: ArrayView2<f64>,
    key: Key,
) -> Array2<f64> {
    let dim = stepper.sde.dim();
    assert_eq!(x.ncols(), dim, "states of {} components for a system of {dim}", x.ncols());
    let (x, mut out) = (x.as_standard_layout(), v.as_standard_layout().into_owned());
    if let (Some(rows), Some(covectors)) = (x.as_slice(), out.as_slice_mut()) {
        let size = LANES * dim;
        let least = if rows.len() * stepper.substeps < PARALLEL_WORK { usize::MAX } else { 1 };
        covectors.par_chunks_mut(size).zip(rows.par_chunks(size)).enumerate().with_min_len(least).for_each_init(
            || AdjointWorkspace::new(stepper, step),
            |scratch, (block, (v, x))| scratch.block(stepper, step, (k, key, block * LANES), x, v),
        );
    }
    out
}

/// What one thread needs: the states before the substeps, what the substeps read, and the covectors.
struct AdjointWorkspace {
    states: Vec<Vec<Lanes>>,
    increments: Vec<Increment>,
    v: Vec<Lanes>,
    path: BrownianPath,
    forward: Workspace,
    backward: Workspace,
}

impl AdjointWorkspace {
    fn new(stepper: &Stepper, step: &dyn AdjointStep) -> Self {
        let dim = stepper.sde.dim();
        Self {
            states: vec![vec![[0.0; LANES]; dim]; stepper.substeps],
            increments: vec![stepper.increment(); stepper.substeps],
            v: vec![[0.0; LANES]; dim],
            path: stepper.path(),
            forward: Workspace::new(&*stepper.integrator, dim),
            backward: Workspace::with(step.arrays(), dim),
        }
    }

    /// One block of members, from `first` on: v <- M'(x)^T v.
    fn block(
        &mut self,
        stepper: &Stepper,
        step: &dyn AdjointStep,
        (k, key, first): (usize, Key, usize),
        x: &[f64],
        v: &mut [f64],
    ) {
        let members = first..first + x.len() / stepper.sde.dim();
        let owner = Owner { key: key.at(k as u64), members };
        load_block(x, &mut self.states[0]);
        load_block(v, &mut self.v);
        for substep in 0..stepper.substeps {
            let increment = &mut self.increments[substep];
            self.path.read(substep, &owner, increment);
            let (before, after) = self.states.split_at_mut(substep + 1);
            if let Some(next) = after.first_mut() {
                next.copy_from_slice(&before[substep]);
                stepper.integrator.step_block(stepper.time(k, substep), next, increment, &mut self.forward);
            }
        }
        for substep in (0..stepper.substeps).rev() {
            let (x, increment) = (&self.states[substep], &self.increments[substep]);
            step.adjoint_block(stepper.time(k, substep), x, &mut self.v, increment, &mut self.backward);
        }
        store_block(&self.v, v);
    }
}
