//! Integrators, one a file. An integrator is built for one equation and one step length; it is handed the Brownian
//! increments and never draws.

mod adjoint;
mod cells;
mod etdrk4;
mod euler_maruyama;
pub mod forecaster;
mod milstein;
mod one_step;
mod rk4;
pub mod runge_kutta;
mod sra1;
mod sri1;
pub mod step;
mod stepper;
mod stochastic_heun;
mod stretch;
mod stretches;
mod tangent;
mod tsit5;

use std::sync::Arc;

pub use etdrk4::Etdrk4;
pub use euler_maruyama::{EULER, EulerMaruyama};
pub use forecaster::SdeForecaster;
pub use milstein::Milstein;
pub use one_step::OneStep;
pub use rk4::{CLASSICAL, Rk4};
pub use runge_kutta::{RungeKutta, Tableau};
pub use sra1::SRA1;
pub use sri1::Sri1;
pub use step::{AdjointStep, BuildIntegrator, Integrator, Lanes, Workspace};
pub(crate) use step::{add, only_constant_noise, refuse, stage, unsupported};
pub use stochastic_heun::{HEUN, StochasticHeun};
pub use tangent::Tangent;
pub use tsit5::{ATOL, RTOL, TSITOURAS, TSITOURAS_ERROR, Tsit5};

use crate::error::Result;
use crate::registry::{Entry, find};
use crate::sde::Sde;

/// Every integrator, in the order in which they are listed.
pub const INTEGRATORS: &[Entry<BuildIntegrator>] = &[
    rk4::ENTRY,
    tsit5::ENTRY,
    euler_maruyama::ENTRY,
    stochastic_heun::ENTRY,
    milstein::ENTRY,
    sra1::ENTRY,
    sri1::ENTRY,
    etdrk4::ENTRY,
];

/// The integrator of that name for an equation and a step of `dt`.
///
/// # Errors
/// [`Error::UnknownName`](crate::Error::UnknownName) with the nearest name; a sentence that names another integrator where this one does not
/// converge to the equation's solution.
pub fn integrator(name: &str, sde: Arc<dyn Sde>, dt: f64) -> Result<Box<dyn Integrator>> {
    (find(INTEGRATORS, "integrator", name)?.build)(sde, dt)
}
