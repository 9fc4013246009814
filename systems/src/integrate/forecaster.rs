//! Any stochastic differential equation as a [`Forecaster`], through an integrator: the forecaster called `perfect`.

use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;

use super::{Lanes, OneStep, Workspace, integrator};
use crate::gaussian::GaussianLaw;
use crate::key::{Key, Stream};
use crate::law::{ConditionalDenoiser, Density, Error, Forecaster, GaussianKernel, Result};
use crate::sde::{Increment, LANES, Sde, load_block, store_block};
use crate::system::Stepping;

/// Component updates of one call above which blocks go to several threads: about 100 us of work.
const PARALLEL_WORK: usize = 1 << 16;

/// A stochastic differential equation, stepped by an integrator.
///
/// Lead step k of member i draws its increments from `key.at(k).stream(i)`: substep after substep, Brownian motion after
/// Brownian motion. An equation without noise draws nothing.
pub struct SdeForecaster {
    step: GaussianLaw<OneStep>,
    substeps: usize,
    gaussian: bool,
    full_rank: bool,
}

impl SdeForecaster {
    /// Any equation, a user's own included, with `stepping`.
    ///
    /// # Errors
    /// When the integrator is unknown or cannot step this kind of noise, when dt is not above 0, or without substeps.
    pub fn new(sde: Arc<dyn Sde>, stepping: &Stepping) -> Result<Self> {
        let integrator = integrator(&stepping.integrator)?;
        integrator.supports(sde.noise(), sde.calculus())?;
        check(stepping)?;
        let gaussian = stepping.substeps == 1 && integrator.gaussian_one_step(sde.noise());
        let full_rank = sde.additive_sd().is_some_and(|sd| sd.iter().all(|sd| *sd > 0.0));
        let step = GaussianLaw::new(OneStep { sde, integrator, dt: stepping.dt });
        Ok(Self { step, substeps: stepping.substeps, gaussian, full_rank })
    }

    fn sde(&self) -> &dyn Sde {
        &*self.step.kernel().sde
    }

    /// Advances the members `first..` that `rows` holds; one block.
    fn advance_block(&self, k: usize, steps: usize, first: usize, rows: &mut [f64], key: Key, scratch: &mut Scratch) {
        let OneStep { sde, integrator, dt } = self.step.kernel();
        let h = dt / self.substeps as f64;
        let members = rows.len() / sde.dim();
        load_block(rows, &mut scratch.x);
        for step in k..k + steps {
            scratch.streams.clear();
            if !scratch.increment.dw.is_empty() {
                let members = first..first + members;
                scratch.streams.extend(members.map(|member| key.at(step as u64).stream(member as u64)));
            }
            for substep in 0..self.substeps {
                for (lane, stream) in scratch.streams.iter_mut().enumerate() {
                    scratch.increment.dw.iter_mut().for_each(|dw| dw[lane] = h.sqrt() * stream.normal());
                }
                let t = step as f64 * dt + substep as f64 * h;
                integrator.step_block(&**sde, t, h, &mut scratch.x, &scratch.increment, &mut scratch.work);
            }
        }
        store_block(&scratch.x, rows);
    }
}

/// What one thread needs to advance blocks.
struct Scratch {
    x: Vec<Lanes>,
    increment: Increment,
    streams: Vec<Stream>,
    work: Workspace,
}

impl Scratch {
    fn new(sde: &dyn Sde) -> Self {
        let increment = Increment { dw: vec![[0.0; LANES]; sde.wiener_dim()], dz: Vec::new() };
        Self {
            x: vec![[0.0; LANES]; sde.dim()],
            increment,
            streams: Vec::with_capacity(LANES),
            work: Workspace::new(sde.dim()),
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
        self.sde().dim()
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        let dim = self.dim();
        assert_eq!(x.ncols(), dim, "states of {} components for a system of {dim}", x.ncols());
        let work = x.len() * steps * self.substeps;
        if !x.is_standard_layout() {
            *x = x.as_standard_layout().into_owned();
        }
        let Some(rows) = x.as_slice_mut() else { return Ok(()) };
        if work < PARALLEL_WORK {
            let mut scratch = Scratch::new(self.sde());
            for (block, rows) in rows.chunks_mut(LANES * dim).enumerate() {
                self.advance_block(k, steps, block * LANES, rows, key, &mut scratch);
            }
        } else {
            rows.par_chunks_mut(LANES * dim).enumerate().for_each_init(
                || Scratch::new(self.sde()),
                |scratch, (block, rows)| self.advance_block(k, steps, block * LANES, rows, key, scratch),
            );
        }
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        (self.gaussian && self.full_rank).then_some(&self.step as &dyn Density)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.gaussian.then_some(&self.step as &dyn ConditionalDenoiser)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        self.gaussian.then_some(&self.step as &dyn GaussianKernel)
    }
}
