//! Stochastic Heun: with the predictor p = x + f(x, t) dt + g(x, t) dW,
//! x + (f(x, t) + f(p, t + dt)) dt / 2 + (g(x, t) + g(p, t + dt)) dW / 2, the Stratonovich scheme (Ruemelin 1982).
//! Deterministic order 2; strong order 1 where the noise is additive or commutes.

use super::{Integrator, Lanes, Workspace, add, shift, unsupported};
use crate::law::Result;
use crate::sde::{Calculus, Increment, Noise, Sde};

/// Stochastic Heun.
#[derive(Clone, Copy, Debug)]
pub struct StochasticHeun;

impl Integrator for StochasticHeun {
    fn name(&self) -> &'static str {
        "heun"
    }

    fn supports(&self, noise: Noise, calculus: Calculus) -> Result<()> {
        match (noise, calculus) {
            (Noise::None | Noise::Additive, _) | (_, Calculus::Stratonovich) => Ok(()),
            _ => Err(unsupported(self.name(), "multiplicative Ito noise", "euler_maruyama")),
        }
    }

    fn gaussian_one_step(&self, _noise: Noise) -> bool {
        false
    }

    fn step_block(&self, sde: &dyn Sde, t: f64, dt: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let noisy = !increment.dw.is_empty();
        sde.drift_block(t, x, &mut work.slope);
        shift(&mut work.stage, x, dt, &work.slope);
        if noisy {
            sde.diffuse_block(t, x, &increment.dw, &mut work.noise);
            add(&mut work.stage, 1.0, &work.noise);
        }
        sde.drift_block(t + dt, &work.stage, &mut work.sum);
        if noisy {
            sde.diffuse_block(t + dt, &work.stage, &increment.dw, &mut work.noise_end);
            add(x, 0.5, &work.noise);
            add(x, 0.5, &work.noise_end);
        }
        add(x, 0.5 * dt, &work.slope);
        add(x, 0.5 * dt, &work.sum);
    }
}
