//! Any stochastic differential equation as a [`Forecaster`], through an integrator: the forecaster called `perfect`.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::stretches::{self, Stretches};
use super::{Cells, Integrator, OneStep, Tangent, Workspace, integrator};
use crate::brownian::{BrownianPath, Owner};
use crate::gaussian::GaussianLaw;
use crate::key::Key;
use crate::law::{ConditionalDenoiser, Density, Differentiable, Error, Forecaster, GaussianKernel, Result};
use crate::sde::{Increment, LANES, Sde, load_block, store_block};
use crate::system::Stepping;

/// Component updates of one call above which blocks go to several threads: about 100 us of work.
const PARALLEL_WORK: usize = 1 << 16;

/// A stochastic differential equation, stepped by an integrator.
///
/// Lead step k of member i follows the [`BrownianPath`] at `key.at(k)`, so that a step with twice the substeps follows
/// the same path. An equation without noise draws nothing.
pub struct SdeForecaster {
    stepper: Stepper,
    /// The law of a lead step, where the integrator makes it Gaussian.
    gaussian: Option<GaussianLaw<OneStep>>,
    full_rank: bool,
    /// The equation with its tangent-linear model, where that is known.
    tangent: Option<Stepper>,
}

impl SdeForecaster {
    /// Any equation, a user's own included, with `stepping`.
    ///
    /// # Errors
    /// When the integrator is unknown or cannot step this equation, when dt is not above 0, or without substeps.
    pub fn new(sde: Arc<dyn Sde>, stepping: &Stepping) -> Result<Self> {
        check(stepping)?;
        let stepper = Stepper::new(Arc::clone(&sde), stepping)?;
        let gaussian = stepping.substeps == 1 && stepper.integrator.gaussian_one_step();
        let full_rank = sde.additive_sd().is_some_and(|sd| sd.iter().all(|sd| *sd > 0.0));
        let gaussian = gaussian.then(|| OneStep::new(Arc::clone(&sde), Arc::clone(&stepper.integrator), stepping.dt));
        let tangent = Tangent::new(sde).and_then(|tangent| Stepper::new(Arc::new(tangent), stepping)).ok();
        Ok(Self { stepper, gaussian: gaussian.map(GaussianLaw::new), full_rank, tangent })
    }
}

/// An equation, an integrator and a step length.
struct Stepper {
    sde: Arc<dyn Sde>,
    integrator: Arc<dyn Integrator>,
    dt: f64,
    substeps: usize,
    /// How a ring can be cut.
    stretches: Option<Stretches>,
}

impl Stepper {
    fn new(sde: Arc<dyn Sde>, stepping: &Stepping) -> Result<Self> {
        let Stepping { dt, substeps, .. } = *stepping;
        let integrator = integrator(&stepping.integrator, Arc::clone(&sde), dt / substeps as f64)?;
        let stretches = Stretches::new(&*sde, &*integrator);
        Ok(Self { sde, integrator: integrator.into(), dt, substeps, stretches })
    }

    /// Advances `x` (`[member, component]`) in place: blocks of members, or stretches of each member where that is less
    /// work, on several threads where that pays.
    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) {
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
                let ring = |scratch: &mut RingScratch, (member, row): (usize, &mut [f64])| {
                    self.advance_ring(k, steps, member, row, key, stretches, scratch);
                };
                each(rows, dim, parallel, || RingScratch::new(self, stretches), ring);
            }
            _ => {
                let block = |scratch: &mut Scratch, (block, rows): (usize, &mut [f64])| {
                    self.advance_block(k, steps, block * LANES, rows, key, scratch);
                };
                each(rows, LANES * dim, parallel, || Scratch::new(self), block);
            }
        }
    }

    /// Advances the members `first..` that `rows` holds; one block.
    fn advance_block(&self, k: usize, steps: usize, first: usize, rows: &mut [f64], key: Key, scratch: &mut Scratch) {
        let Scratch { x, increment, path, work } = scratch;
        let members = first..first + rows.len() / self.sde.dim();
        load_block(rows, x);
        for step in k..k + steps {
            let owner = Owner { key: key.at(step as u64), members: members.clone() };
            for substep in 0..self.substeps {
                path.read(substep, &owner, increment);
                self.integrator.step_block(self.time(step, substep), x, increment, work);
            }
        }
        store_block(x, rows);
    }

    /// Advances one member.
    #[allow(clippy::too_many_arguments)]
    fn advance_ring(
        &self,
        k: usize,
        steps: usize,
        member: usize,
        row: &mut [f64],
        key: Key,
        stretches: &Stretches,
        scratch: &mut RingScratch,
    ) {
        let RingScratch { increment, path, stretches: scratch } = scratch;
        for step in k..k + steps {
            let owner = Owner { key: key.at(step as u64), members: member..member + 1 };
            for substep in 0..self.substeps {
                path.read(substep, &owner, increment);
                stretches.step(&*self.integrator, self.time(step, substep), row, increment, scratch);
            }
        }
    }

    /// The time at which a substep of a lead step begins.
    fn time(&self, step: usize, substep: usize) -> f64 {
        (step as f64 + substep as f64 / self.substeps as f64) * self.dt
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

/// What one thread needs to advance blocks.
struct Scratch {
    x: Cells,
    increment: Increment,
    path: BrownianPath,
    work: Workspace,
}

impl Scratch {
    fn new(stepper: &Stepper) -> Self {
        let Stepper { sde, integrator, dt, substeps, .. } = stepper;
        let (wiener, integrals) = (sde.wiener_dim(), integrator.reads_integrals());
        Self {
            x: Cells::new(sde.dim()),
            increment: Increment::new(wiener, integrals),
            path: BrownianPath::new(wiener, *dt, *substeps, integrals),
            work: Workspace::new(&**integrator, sde.dim()),
        }
    }
}

/// What one thread needs to advance members of a ring one by one.
struct RingScratch {
    increment: Increment<1>,
    path: BrownianPath<1>,
    stretches: stretches::Scratch,
}

impl RingScratch {
    fn new(stepper: &Stepper, stretches: &Stretches) -> Self {
        let Stepper { sde, integrator, dt, substeps, .. } = stepper;
        let (wiener, integrals) = (sde.wiener_dim(), integrator.reads_integrals());
        Self {
            increment: Increment::new(wiener, integrals),
            path: BrownianPath::new(wiener, *dt, *substeps, integrals),
            stretches: stretches::Scratch::new(stretches, &**integrator, wiener > 0),
        }
    }
}

/// Says what is wrong with a stepping, whatever the system.
///
/// # Errors
/// When dt is not a finite number above 0, or without substeps.
pub fn check(stepping: &Stepping) -> Result<()> {
    if !(stepping.dt > 0.0 && stepping.dt.is_finite()) {
        return Err(Error::Unsupported(format!("the lead step dt is {}, but must be above 0", stepping.dt)));
    }
    if stepping.substeps == 0 {
        return Err(Error::Unsupported("a lead step of 0 substeps does not move; set substeps to at least 1".into()));
    }
    Ok(())
}

impl Forecaster for SdeForecaster {
    fn dim(&self) -> usize {
        self.stepper.sde.dim()
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.stepper.advance(k, steps, x, key);
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        self.gaussian.as_ref().filter(|_| self.full_rank).map(|law| law as &dyn Density)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.gaussian.as_ref().map(|law| law as &dyn ConditionalDenoiser)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        self.gaussian.as_ref().map(|law| law as &dyn GaussianKernel)
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        self.tangent.as_ref().map(|_| self as &dyn Differentiable)
    }
}

impl Differentiable for SdeForecaster {
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        let Some(tangent) = &self.tangent else {
            return Err(Error::Unsupported("the derivatives of this system's drift are not written".into()));
        };
        assert_eq!(x.dim(), dx.dim(), "one tangent vector for each state");
        let dim = self.dim();
        let mut both = Array2::zeros((x.nrows(), 2 * dim));
        both.slice_mut(s![.., ..dim]).assign(&x);
        both.slice_mut(s![.., dim..]).assign(&dx);
        tangent.advance(k, 1, &mut both, key);
        Ok((both.slice(s![.., ..dim]).to_owned(), both.slice(s![.., dim..]).to_owned()))
    }
}
