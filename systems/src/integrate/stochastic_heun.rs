//! Stochastic Heun: with the predictor p = x + f(x, t) dt + g(x, t) dW,
//! x + (f(x, t) + f(p, t + dt)) dt / 2 + (g(x, t) + g(p, t + dt)) dW / 2, the Stratonovich scheme (Ruemelin 1982).
//! Deterministic order 2; strong order 1 where the noise is constant or commutes, 1/2 otherwise.

use std::sync::Arc;

use super::{Build, Integrator, Lanes, Workspace, add, shift, unsupported};
use crate::registry::Entry;
use crate::sde::{Calculus, Increment, Sde};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "heun",
    about: "stochastic Heun, the Stratonovich scheme (deterministic order 2, strong order 1 where the noise commutes)",
    reference: "Ruemelin (1982)",
    params: &[],
    build: |sde, dt| match (sde.noise().is_constant(), sde.calculus()) {
        (true, _) | (_, Calculus::Stratonovich) => Ok(Box::new(StochasticHeun { sde, dt })),
        _ => Err(unsupported("heun", "multiplicative Ito noise", "euler_maruyama")),
    },
};

/// Stochastic Heun.
pub struct StochasticHeun {
    sde: Arc<dyn Sde>,
    dt: f64,
}

impl Integrator for StochasticHeun {
    fn arrays(&self) -> usize {
        5
    }

    fn depth(&self) -> Option<usize> {
        Some(2)
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let (sde, dt) = (&*self.sde, self.dt);
        let [slope, slope_end, predictor, noise, noise_end] = work.arrays();
        let noisy = !increment.dw.is_empty();
        sde.drift_block(t, x, slope);
        shift(predictor, x, dt, slope);
        if noisy {
            sde.diffuse_block(t, x, &increment.dw, noise);
            add(predictor, 1.0, noise);
        }
        sde.drift_block(t + dt, predictor, slope_end);
        if noisy {
            sde.diffuse_block(t + dt, predictor, &increment.dw, noise_end);
            add(x, 0.5, noise);
            add(x, 0.5, noise_end);
        }
        add(x, 0.5 * dt, slope);
        add(x, 0.5 * dt, slope_end);
    }
}
