//! Stochastic Heun: with the predictor p = x + f(x, t) dt + g(x, t) dW,
//! x + (f(x, t) + f(p, t + dt)) dt / 2 + (g(x, t) + g(p, t + dt)) dW / 2, the Stratonovich scheme (Ruemelin 1982).
//! Deterministic order 2; strong order 1 where the noise is constant or commutes, 1/2 otherwise.

use super::runge_kutta::{Kick, Tableau};
use super::{AdjointStep, BuildIntegrator, Integrator, Lanes, RungeKutta, Workspace, add, refuse};
use crate::fast::shift;
use crate::increment::Increment;
use crate::registry::Entry;
use crate::sde::Calculus;

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "heun",
    about: "stochastic Heun, the Stratonovich scheme (deterministic order 2, strong order 1 where the noise commutes, weak order 1)",
    reference: "Ruemelin (1982)",
    params: &[],
    build: |sde, dt| match (sde.noise().is_constant(), sde.calculus()) {
        (true, _) | (_, Calculus::Stratonovich) => {
            Ok(Box::new(StochasticHeun { scheme: RungeKutta::new(sde, dt, &HEUN) }))
        }
        _ => Err(refuse("heun", &*sde)),
    },
};

/// The coefficients for constant noise.
pub const HEUN: Tableau = Tableau {
    a: &[&[], &[1.0]],
    b: &[0.5, 0.5],
    c: &[0.0, 1.0],
    stage_noise: &[&[], &[Kick { at: 0.0, dw: 1.0, dz: 0.0 }]],
    noise: &[Kick { at: 0.0, dw: 0.5, dz: 0.0 }, Kick { at: 1.0, dw: 0.5, dz: 0.0 }],
};

/// Stochastic Heun.
pub struct StochasticHeun {
    scheme: RungeKutta,
}

impl Integrator for StochasticHeun {
    fn arrays(&self) -> usize {
        5
    }

    fn depth(&self) -> Option<usize> {
        Some(2)
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let (sde, dt) = (&*self.scheme.sde, self.scheme.dt);
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

    fn adjoint(&self) -> Option<&dyn AdjointStep> {
        self.scheme.adjoint()
    }
}
