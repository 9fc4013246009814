//! Integrators, one a file. An integrator is built for one equation and one step length; it is handed the Brownian
//! increments and never draws.

mod cells;
mod euler_maruyama;
pub mod forecaster;
mod one_step;
mod rk4;
mod stochastic_heun;
mod stretches;
mod tangent;

use std::sync::Arc;

use cells::Cells;
pub use euler_maruyama::EulerMaruyama;
pub use forecaster::SdeForecaster;
pub use one_step::OneStep;
pub use rk4::Rk4;
pub use stochastic_heun::StochasticHeun;
pub use tangent::Tangent;

use crate::law::{Error, Result};
use crate::registry::{Entry, find};
use crate::sde::{Calculus, Increment, LANES, Sde};
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
}

/// The scratch arrays of an integrator, each `[component][lane]`; made once and reused for every step.
#[derive(Clone, Debug)]
pub struct Workspace {
    arrays: Vec<Cells>,
}

impl Workspace {
    /// For `integrator` and a state of `dim` components.
    pub fn new(integrator: &dyn Integrator, dim: usize) -> Self {
        Self { arrays: vec![Cells::new(dim); integrator.arrays()] }
    }

    /// The first `N` arrays, as many as [`Integrator::arrays`] says or fewer.
    pub fn arrays<const N: usize>(&mut self) -> [&mut [Lanes]; N] {
        let mut arrays = self.arrays.iter_mut();
        std::array::from_fn(|_| arrays.next().map(|cells| &mut **cells).unwrap_or_default())
    }
}

/// How an integrator is built for an equation and a step length: it says what it cannot step, and what can.
pub type Build = fn(Arc<dyn Sde>, f64) -> Result<Box<dyn Integrator>>;

/// Every integrator, in the order in which they are listed.
pub const INTEGRATORS: &[Entry<Build>] = &[rk4::ENTRY, euler_maruyama::ENTRY, stochastic_heun::ENTRY];

/// The integrator of that name for an equation and a step of `dt`.
///
/// # Errors
/// [`Error::UnknownName`] with the nearest name; a sentence that names another integrator where this one does not
/// converge to the equation's solution.
pub fn integrator(name: &str, sde: Arc<dyn Sde>, dt: f64) -> Result<Box<dyn Integrator>> {
    (find(INTEGRATORS, "integrator", name)?.build)(sde, dt)
}

wide! {
    /// out = x + h k. Cells are taken as one flat slice: nested loops over lanes were left scalar by the compiler.
    fn shift(out: &mut [Lanes], x: &[Lanes], h: f64, k: &[Lanes]) {
        for ((out, x), k) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()).zip(k.as_flattened()) {
            *out = x + h * k;
        }
    }
}

wide! {
    /// x += h k.
    fn add(x: &mut [Lanes], h: f64, k: &[Lanes]) {
        for (x, k) in x.as_flattened_mut().iter_mut().zip(k.as_flattened()) {
            *x += h * k;
        }
    }
}

/// A scheme that steps constant noise only, asked for more.
fn only_constant_noise(name: &str, sde: &dyn Sde) -> Result<()> {
    match (sde.noise().is_constant(), sde.calculus()) {
        (true, _) => Ok(()),
        (false, Calculus::Ito) => Err(unsupported(name, "multiplicative noise", "euler_maruyama")),
        (false, Calculus::Stratonovich) => Err(unsupported(name, "multiplicative noise", "heun")),
    }
}

fn unsupported(name: &str, what: &str, remedy: &str) -> Error {
    Error::Unsupported(format!("the integrator `{name}` cannot step an equation with {what}; use `{remedy}`"))
}
