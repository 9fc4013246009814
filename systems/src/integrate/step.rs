//! What an integrator is, and what its schemes share.

use std::sync::Arc;

use super::cells::Cells;
use crate::error::{Error, Result};
use crate::fast::SlopeUse;
use crate::increment::Increment;
use crate::lanes::LANES;
use crate::sde::{Calculus, Noise, Sde};
use crate::wide::wide;

/// One component of [`LANES`] members.
pub type Lanes = [f64; LANES];

/// One integration step of one equation over one length.
pub trait Integrator: Send + Sync {
    /// Advances `x` (`[component][lane]`) from `t` by the step it was built for. `increment.dw` is empty where the
    /// equation has no noise, `increment.dz` unless [`Integrator::reads_integrals`].
    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace);

    /// How many scratch arrays a step needs, each `[component][lane]`.
    fn arrays(&self) -> usize;

    /// How many evaluations of the drift or the noise stand one inside another in a step, where that is fixed and they
    /// are all that joins components: so often does one look at its neighbours.
    fn depth(&self) -> Option<usize> {
        None
    }

    /// Whether it reads the time integrals `increment.dz`.
    fn reads_integrals(&self) -> bool {
        false
    }

    /// Whether x(t + dt) given x(t) is Gaussian: then the step with dw = 0 is its mean, and g(x, t) dw the deviation
    /// from it.
    fn gaussian_one_step(&self) -> bool {
        false
    }

    /// The adjoint of its step, where it has one.
    fn adjoint(&self) -> Option<&dyn AdjointStep> {
        None
    }
}

/// The adjoint of an integration step in the state, the noise given.
pub trait AdjointStep: Send + Sync {
    /// v <- (d x(t + dt) / d x(t))^T v (`[component][lane]`), where `x` is the state before the step and `increment`
    /// what the step read.
    fn adjoint_block(&self, t: f64, x: &[Lanes], v: &mut [Lanes], increment: &Increment, work: &mut Workspace);

    /// How many scratch arrays it needs, each `[component][lane]`.
    fn arrays(&self) -> usize;
}

/// The scratch arrays of an integrator, each `[component][lane]`; made once and reused for every step.
#[derive(Clone, Debug)]
pub struct Workspace {
    arrays: Vec<Cells>,
}

impl Workspace {
    /// For `integrator` and a state of `dim` components.
    pub fn new(integrator: &dyn Integrator, dim: usize) -> Self {
        Self::with(integrator.arrays(), dim)
    }

    /// `count` arrays for a state of `dim` components.
    pub fn with(count: usize, dim: usize) -> Self {
        Self { arrays: vec![Cells::new(dim); count] }
    }

    /// All arrays, where their number depends on the scheme.
    pub(in crate::integrate) fn all(&mut self) -> &mut [Cells] {
        &mut self.arrays
    }

    /// The first `N` arrays, as many as [`Integrator::arrays`] says or fewer.
    pub fn arrays<const N: usize>(&mut self) -> [&mut [Lanes]; N] {
        let mut arrays = self.arrays.iter_mut();
        std::array::from_fn(|_| arrays.next().map(|cells| &mut **cells).unwrap_or_default())
    }
}

/// How an integrator is built for an equation and a step length: it says what it cannot step, and what can.
pub type BuildIntegrator = fn(Arc<dyn Sde>, f64) -> Result<Box<dyn Integrator>>;

wide! {
    /// x += h k.
    pub(crate) fn add(x: &mut [Lanes], h: f64, k: &[Lanes]) {
        for (x, k) in x.as_flattened_mut().iter_mut().zip(k.as_flattened()) {
            *x += h * k;
        }
    }
}

/// The slope k = f(at, t) and its use: in one pass where the equation has one, by way of `slope` otherwise.
pub(crate) fn stage(sde: &dyn Sde, t: f64, at: &[Lanes], slope: &mut [Lanes], stage: SlopeUse) {
    match (sde.fast(), stage) {
        (Some(fast), stage) => fast.stage_block(t, at, slope, stage),
        (None, SlopeUse::Slope(out)) => sde.drift_block(t, at, out),
        (None, stage) => {
            sde.drift_block(t, at, slope);
            stage.apply(at, slope);
        }
    }
}

/// A scheme that steps constant noise only, asked for more.
pub(crate) fn only_constant_noise(name: &str, sde: &dyn Sde) -> Result<()> {
    if sde.noise().is_constant() { Ok(()) } else { Err(refuse(name, sde)) }
}

/// An integrator that cannot step noise of this kind; the remedy is the scheme of the highest strong order that can.
pub(crate) fn refuse(name: &str, sde: &dyn Sde) -> Error {
    let (what, remedy) = match (sde.noise(), sde.calculus()) {
        (Noise::None, _) => ("no noise", "rk4"),
        (Noise::Additive | Noise::Constant(_), _) => ("constant noise", "sra1"),
        (Noise::Diagonal, Calculus::Ito) => ("diagonal Ito noise", "sri1"),
        (Noise::Diagonal, Calculus::Stratonovich) => ("diagonal Stratonovich noise", "milstein"),
        (Noise::Commutative(_), Calculus::Ito) => ("commutative Ito noise", "milstein"),
        (Noise::Commutative(_), Calculus::Stratonovich) => ("commutative Stratonovich noise", "milstein"),
        (Noise::General(_), Calculus::Ito) => ("general Ito noise", "euler_maruyama"),
        (Noise::General(_), Calculus::Stratonovich) => ("general Stratonovich noise", "heun"),
    };
    unsupported(name, what, remedy)
}

pub(crate) fn unsupported(name: &str, what: &str, remedy: &str) -> Error {
    Error::Unsupported(format!("the integrator `{name}` cannot step an equation with {what}; use `{remedy}`"))
}
