//! Any stochastic differential equation as a [`Forecaster`], through an integrator: the forecaster called `perfect`.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::adjoint::adjoint;
use super::stretches::{self, Stretches};
use super::{Cells, Integrator, OneStep, Tangent, Workspace, integrator};
use crate::brownian::{BrownianPath, Owner};
use crate::error::{Error, Result};
use crate::gaussian::GaussianLaw;
use crate::key::{Domain, Key};
use crate::law::{ConditionalDenoiser, Density, Differentiable, Forecaster, GaussianKernel};
use crate::sde::{Increment, LANES, Noise, Sde, load_block, store_block};
use crate::system::Stepping;

/// Component updates of one call above which blocks go to several threads: about 100 us of work.
pub(super) const PARALLEL_WORK: usize = 1 << 16;

/// The largest dimension whose covariance is kept as a dense matrix.
const MAX_DENSE: usize = 2000;

/// A stochastic differential equation, stepped by an integrator.
///
/// Lead step k of member i follows the [`BrownianPath`] at `key.at(k)`, so that a step with twice the substeps follows
/// the same path. An equation without noise draws nothing.
pub struct SdeForecaster {
    stepper: Stepper,
    /// The law of a lead step, where the integrator makes it Gaussian.
    gaussian: Option<GaussianLaw<OneStep>>,
    full_rank: bool,
    /// The equation with its tangent-linear model, where that is known; only of constant noise.
    tangent: Option<Stepper>,
}

/// The address of noise that the answer does not depend on: that of a derivative through additive noise.
const ANY: Key = Key::new(0, Domain::Method);

impl SdeForecaster {
    /// Any equation, a user's own included, with `stepping`.
    ///
    /// # Errors
    /// When the integrator is unknown or cannot step this equation, when dt is not above 0, or without substeps.
    pub fn new(sde: Arc<dyn Sde>, stepping: &Stepping) -> Result<Self> {
        check(stepping)?;
        let stepper = Stepper::new(Arc::clone(&sde), stepping)?;
        // the shared covariance of a matrix g is that of every step
        let steady = sde.autonomous() || !matches!(sde.noise(), Noise::Constant(_));
        let gaussian = stepping.substeps == 1 && steady && stepper.integrator.gaussian_one_step() && !too_large(&*sde);
        let full_rank = sde.additive_sd().is_some_and(|sd| sd.iter().all(|sd| *sd > 0.0));
        let gaussian = gaussian.then(|| OneStep::new(Arc::clone(&sde), Arc::clone(&stepper.integrator), stepping.dt));
        let tangent = Tangent::new(sde).and_then(|tangent| Stepper::new(Arc::new(tangent), stepping)).ok();
        Ok(Self { stepper, gaussian: gaussian.map(GaussianLaw::new), full_rank, tangent })
    }
}

impl SdeForecaster {
    /// Refuses a lead step whose mean is not the step without noise.
    fn require_mean(&self) -> Result<()> {
        if self.gaussian.is_some() || self.stepper.sde.noise() == Noise::None {
            return Ok(());
        }
        Err(Error::Unsupported(
            "the mean of this lead step has no closed form, because the noise goes through the drift; set the noise to 0, \
             or use `rk4` or `euler_maruyama` with one substep"
                .into(),
        ))
    }
}

/// Whether the covariance of a step is a dense matrix beyond any use: its decomposition costs dim^3.
fn too_large(sde: &dyn Sde) -> bool {
    matches!(sde.noise(), Noise::Constant(_)) && sde.dim() > MAX_DENSE
}

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
    fn new(sde: Arc<dyn Sde>, stepping: &Stepping) -> Result<Self> {
        let Stepping { dt, substeps, .. } = *stepping;
        let integrator = integrator(&stepping.integrator, Arc::clone(&sde), dt / substeps as f64)?;
        let stretches = Stretches::new(&sde, stepping, integrator.depth());
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
                    self.each_substep(k, steps, member..member + 1, key, &mut scratch.noise, |t, increment| {
                        stretches.step(t, row, increment, &mut scratch.stretches);
                    });
                };
                each(rows, dim, parallel, || RingScratch::new(self, stretches), ring);
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
struct RingScratch {
    noise: NoiseWorkspace<1>,
    stretches: stretches::RingWorkspace,
}

impl RingScratch {
    fn new(stepper: &Stepper, stretches: &Stretches) -> Self {
        Self { noise: NoiseWorkspace::new(stepper), stretches: stretches::RingWorkspace::new(stretches) }
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

    fn autonomous(&self) -> bool {
        self.stepper.sde.autonomous()
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

    fn adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>, key: Key) -> Result<Array2<f64>> {
        assert_eq!(x.dim(), v.dim(), "one covector for each state");
        match self.stepper.integrator.adjoint() {
            Some(step) => Ok(adjoint(&self.stepper, step, k, x, v, key)),
            None if self.tangent.is_some() => Err(Error::Unsupported(
                "the adjoint of this integrator's step is not known; use an explicit Runge-Kutta scheme of fixed steps, \
                 such as `rk4` or `sra1`"
                    .into(),
            )),
            None => Err(Error::Unsupported("the derivatives of this system's drift are not written".into())),
        }
    }

    /// A Gaussian step of constant noise adds it behind the drift, so that its derivative is that of the mean.
    fn mean_tangent(&self, k: usize, x: ArrayView2<f64>, dx: ArrayView2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        self.require_mean()?;
        let (next, tangent) = self.tangent(k, x, dx, ANY)?;
        match &self.gaussian {
            Some(law) => Ok((law.moments(k, x)?.0, tangent)),
            None => Ok((next, tangent)),
        }
    }

    fn mean_adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        self.require_mean()?;
        self.adjoint(k, x, v, ANY)
    }
}
