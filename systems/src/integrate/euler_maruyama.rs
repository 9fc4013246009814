//! Euler-Maruyama: x + f(x, t) dt + g(x, t) dW, the Ito scheme (Maruyama 1955). Strong order 1/2, and 1 where the noise
//! is additive. Its one-step law is Gaussian.

use super::{Integrator, Lanes, Workspace, add, unsupported};
use crate::law::Result;
use crate::sde::{Calculus, Increment, Noise, Sde};

/// Euler-Maruyama.
#[derive(Clone, Copy, Debug)]
pub struct EulerMaruyama;

impl Integrator for EulerMaruyama {
    fn name(&self) -> &'static str {
        "euler_maruyama"
    }

    fn supports(&self, noise: Noise, calculus: Calculus) -> Result<()> {
        match (noise, calculus) {
            (Noise::None | Noise::Additive, _) | (_, Calculus::Ito) => Ok(()),
            _ => Err(unsupported(self.name(), "multiplicative Stratonovich noise", "heun")),
        }
    }

    fn gaussian_one_step(&self, noise: Noise) -> bool {
        matches!(noise, Noise::Additive | Noise::Diagonal)
    }

    fn step_block(&self, sde: &dyn Sde, t: f64, dt: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        sde.drift_block(t, x, &mut work.slope);
        if !increment.dw.is_empty() {
            sde.diffuse_block(t, x, &increment.dw, &mut work.noise);
            add(x, 1.0, &work.noise);
        }
        add(x, dt, &work.slope);
    }
}
