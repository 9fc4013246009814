//! Any stochastic differential equation as a [`Forecaster`], through an integrator: the forecaster called `perfect`.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, s};

use super::adjoint::adjoint;
use super::stepper::Stepper;
use super::{OneStep, Tangent};
use crate::error::{Error, Result};
use crate::gaussian::GaussianLaw;
use crate::key::{Domain, Key};
use crate::law::{ConditionalDenoiser, Density, Differentiable, Forecaster, GaussianKernel};
use crate::sde::{Noise, Sde};
use crate::stepping::Stepping;

/// The largest dimension whose covariance is kept as a dense matrix.
const MAX_DENSE: usize = 2000;

/// A stochastic differential equation, stepped by an integrator.
///
/// Lead step k of member i follows the [`BrownianPath`](crate::BrownianPath) at `key.at(k)`, so that a step with twice the substeps follows
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
        stepping.check()?;
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

impl Forecaster for SdeForecaster {
    fn dim(&self) -> usize {
        self.stepper.sde.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.advance(k, 1, x, key)
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
