//! Integrators, one a file. They are handed the Brownian increments and never draw.

mod euler_maruyama;
pub mod forecaster;
mod one_step;
mod rk4;
mod stochastic_heun;

pub use euler_maruyama::EulerMaruyama;
pub use forecaster::SdeForecaster;
pub use one_step::OneStep;
pub use rk4::Rk4;
pub use stochastic_heun::StochasticHeun;

use crate::law::{Error, Result};
use crate::registry::{Entry, find};
use crate::sde::{Calculus, Increment, LANES, Noise, Sde};

/// One component of [`LANES`] members.
pub type Lanes = [f64; LANES];

/// One integration step of a stochastic differential equation.
pub trait Integrator: Send + Sync {
    /// Its name in [`INTEGRATORS`].
    fn name(&self) -> &'static str;

    /// Whether it converges to the solution of an equation with this noise and this calculus.
    ///
    /// # Errors
    /// A sentence that names an integrator which does.
    fn supports(&self, noise: Noise, calculus: Calculus) -> Result<()>;

    /// Whether x(t + dt) given x(t) is Gaussian with independent components for this noise: then the step with dw = 0
    /// is its mean and g(x, t) dw the deviation from it.
    fn gaussian_one_step(&self, noise: Noise) -> bool;

    /// Advances `x` (`[component][lane]`) from `t` by `dt`. `increment.dw` is empty where the noise is [`Noise::None`].
    fn step_block(&self, sde: &dyn Sde, t: f64, dt: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace);
}

/// The scratch arrays of an integrator, each `[component][lane]`; made once and reused for every step.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The latest slope f(x, t).
    pub slope: Vec<Lanes>,
    /// A weighted sum of slopes.
    pub sum: Vec<Lanes>,
    /// The state at which a stage is evaluated.
    pub stage: Vec<Lanes>,
    /// The product g(x, t) dw.
    pub noise: Vec<Lanes>,
    /// A second product g(x, t) dw.
    pub noise_end: Vec<Lanes>,
}

impl Workspace {
    /// For a state of `dim` components.
    pub fn new(dim: usize) -> Self {
        let zeros = || vec![[0.0; LANES]; dim];
        Self { slope: zeros(), sum: zeros(), stage: zeros(), noise: zeros(), noise_end: zeros() }
    }
}

/// How an integrator is built.
pub type Build = fn() -> Box<dyn Integrator>;

/// Every integrator, in the order in which they are listed.
pub const INTEGRATORS: &[Entry<Build>] = &[
    Entry {
        name: "rk4",
        about: "fourth-order Runge-Kutta for the drift, additive noise g dW once a step",
        reference: "Kutta (1901)",
        params: &[],
        build: || Box::new(Rk4),
    },
    Entry {
        name: "euler_maruyama",
        about: "Euler-Maruyama, the Ito scheme of strong order 1/2 (1 with additive noise)",
        reference: "Maruyama (1955)",
        params: &[],
        build: || Box::new(EulerMaruyama),
    },
    Entry {
        name: "heun",
        about: "stochastic Heun, the Stratonovich scheme (deterministic order 2, strong order 1 with additive noise)",
        reference: "Ruemelin (1982)",
        params: &[],
        build: || Box::new(StochasticHeun),
    },
];

/// The integrator of that name.
///
/// # Errors
/// [`Error::UnknownName`] with the nearest name.
pub fn integrator(name: &str) -> Result<Box<dyn Integrator>> {
    Ok((find(INTEGRATORS, "integrator", name)?.build)())
}

/// out = x + h k. Cells are taken as one flat slice: nested loops over lanes were left scalar by the compiler.
#[inline]
fn shift(out: &mut [Lanes], x: &[Lanes], h: f64, k: &[Lanes]) {
    for ((out, x), k) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()).zip(k.as_flattened()) {
        *out = x + h * k;
    }
}

/// x += h k.
#[inline]
fn add(x: &mut [Lanes], h: f64, k: &[Lanes]) {
    for (x, k) in x.as_flattened_mut().iter_mut().zip(k.as_flattened()) {
        *x += h * k;
    }
}

fn unsupported(name: &str, what: &str, remedy: &str) -> Error {
    Error::Unsupported(format!("the integrator `{name}` cannot step an equation with {what}; use `{remedy}`"))
}
