//! An integrator at work on whole ensembles: blocks of members, or stretches of a long ring, on several threads.

use std::ops::Range;
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;

use super::cells::Cells;
use super::stretches::{self, Stretches};
use super::{Integrator, Workspace, integrator};
use crate::brownian::{BrownianPath, Owner};
use crate::error::Result;
use crate::increment::Increment;
use crate::key::Key;
use crate::lanes::{LANES, load_block, store_block};
use crate::sde::Sde;
use crate::stepping::Stepping;

/// Component updates of one call above which blocks go to several threads: about 100 us of work.
pub(super) const PARALLEL_WORK: usize = 1 << 16;

/// An equation, an integrator and a step length.
pub(super) struct Stepper {
    pub(super) sde: Arc<dyn Sde>,
    pub(super) integrator: Arc<dyn Integrator>,
    dt: f64,
    pub(super) substeps: usize,
    /// How a ring can be cut.
    stretches: Option<Stretches>,
}

impl Stepper {
    pub(super) fn new(sde: Arc<dyn Sde>, stepping: &Stepping) -> Result<Self> {
        let Stepping { dt, substeps, .. } = *stepping;
        let integrator = integrator(&stepping.integrator, Arc::clone(&sde), dt / substeps as f64)?;
        let stretches = Stretches::new(&sde, stepping, integrator.depth());
        Ok(Self { sde, integrator: integrator.into(), dt, substeps, stretches })
    }

    /// Advances `x` (`[member, component]`) in place: blocks of members, or stretches of each member where that is less
    /// work, on several threads where that pays.
    pub(super) fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) {
        let dim = self.sde.dim();
        assert_eq!(x.ncols(), dim, "states of {} components for a system of {dim}", x.ncols());
        let work = x.len() * steps * self.substeps;
        if !x.is_standard_layout() {
            *x = x.as_standard_layout().into_owned();
        }
        let members = x.nrows();
        let Some(rows) = x.as_slice_mut() else { return };
        let parallel = work >= PARALLEL_WORK;
        match &self.stretches {
            Some(stretches) if stretches.pay(members) => {
                let ring = |scratch: &mut RingWorkspace, (member, row): (usize, &mut [f64])| {
                    self.each_substep(k, steps, member..member + 1, key, &mut scratch.noise, |t, increment| {
                        stretches.step(t, row, increment, &mut scratch.stretches);
                    });
                };
                each(rows, dim, parallel, || RingWorkspace::new(self, stretches), ring);
            }
            _ => {
                let block = |scratch: &mut BlockWorkspace, (block, rows): (usize, &mut [f64])| {
                    let members = block * LANES..block * LANES + rows.len() / dim;
                    load_block(rows, &mut scratch.x);
                    self.each_substep(k, steps, members, key, &mut scratch.noise, |t, increment| {
                        self.integrator.step_block(t, &mut scratch.x, increment, &mut scratch.work);
                    });
                    store_block(&scratch.x, rows);
                };
                each(rows, LANES * dim, parallel, || BlockWorkspace::new(self), block);
            }
        }
    }

    /// Calls `step` with the time and the increments of every substep of `steps` lead steps.
    fn each_substep<const L: usize>(
        &self,
        k: usize,
        steps: usize,
        members: Range<usize>,
        key: Key,
        noise: &mut NoiseWorkspace<L>,
        mut step: impl FnMut(f64, &Increment<L>),
    ) {
        for lead in k..k + steps {
            let owner = Owner { key: key.at(lead as u64), members: members.clone() };
            for substep in 0..self.substeps {
                noise.path.read(substep, &owner, &mut noise.increment);
                step(self.time(lead, substep), &noise.increment);
            }
        }
    }

    /// The model time at which a substep begins.
    pub(super) fn time(&self, step: usize, substep: usize) -> f64 {
        (step as f64 + substep as f64 / self.substeps as f64) * self.dt
    }

    /// Scratch for the paths that the integrator reads.
    pub(super) fn path<const L: usize>(&self) -> BrownianPath<L> {
        BrownianPath::new(self.sde.wiener_dim(), self.dt, self.substeps, self.integrator.reads_integrals())
    }

    /// An increment that the integrator reads.
    pub(super) fn increment<const L: usize>(&self) -> Increment<L> {
        Increment::new(self.sde.wiener_dim(), self.integrator.reads_integrals())
    }
}

/// Hands out parts of `size` numbers with their indices, each thread with scratch of its own.
fn each<S>(
    numbers: &mut [f64],
    size: usize,
    parallel: bool,
    scratch: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, (usize, &mut [f64])) + Send + Sync,
) {
    if parallel {
        numbers.par_chunks_mut(size).enumerate().for_each_init(scratch, work);
    } else {
        let mut scratch = scratch();
        numbers.chunks_mut(size).enumerate().for_each(|item| work(&mut scratch, item));
    }
}

/// The paths of `L` members as they are read.
struct NoiseWorkspace<const L: usize> {
    increment: Increment<L>,
    path: BrownianPath<L>,
}

impl<const L: usize> NoiseWorkspace<L> {
    fn new(stepper: &Stepper) -> Self {
        Self { increment: stepper.increment(), path: stepper.path() }
    }
}

/// What one thread needs to advance blocks.
struct BlockWorkspace {
    x: Cells,
    noise: NoiseWorkspace<LANES>,
    work: Workspace,
}

impl BlockWorkspace {
    fn new(stepper: &Stepper) -> Self {
        let dim = stepper.sde.dim();
        let work = Workspace::new(&*stepper.integrator, dim);
        Self { x: Cells::new(dim), noise: NoiseWorkspace::new(stepper), work }
    }
}

/// What one thread needs to advance members of a ring one by one.
struct RingWorkspace {
    noise: NoiseWorkspace<1>,
    stretches: stretches::StretchWorkspace,
}

impl RingWorkspace {
    fn new(stepper: &Stepper, stretches: &Stretches) -> Self {
        Self { noise: NoiseWorkspace::new(stepper), stretches: stretches::StretchWorkspace::new(stretches) }
    }
}
