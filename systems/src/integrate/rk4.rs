//! The classical Runge-Kutta scheme of order 4 for the drift (Kutta 1901); additive noise g dW is added once at the end
//! of the step, which is what stochastic experiments with Lorenz-96 commonly mean. Strong order 1 with additive noise,
//! order 4 without; its one-step law is Gaussian around the deterministic step.

use super::{Integrator, Lanes, Workspace, add, shift, unsupported};
use crate::law::Result;
use crate::sde::{Calculus, Increment, Noise, Sde};

/// Runge-Kutta of order 4 with additive noise once a step.
#[derive(Clone, Copy, Debug)]
pub struct Rk4;

impl Integrator for Rk4 {
    fn name(&self) -> &'static str {
        "rk4"
    }

    fn supports(&self, noise: Noise, calculus: Calculus) -> Result<()> {
        match (noise, calculus) {
            (Noise::None | Noise::Additive, _) => Ok(()),
            (_, Calculus::Ito) => Err(unsupported(self.name(), "multiplicative noise", "euler_maruyama")),
            (_, Calculus::Stratonovich) => Err(unsupported(self.name(), "multiplicative noise", "heun")),
        }
    }

    fn gaussian_one_step(&self, noise: Noise) -> bool {
        noise == Noise::Additive
    }

    fn step_block(&self, sde: &dyn Sde, t: f64, dt: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let Workspace { slope, sum, stage, noise, .. } = work;
        let half = 0.5 * dt;
        sde.drift_block(t, x, sum);
        shift(stage, x, half, sum);
        for (weight, ahead) in [(2.0, half), (2.0, dt)] {
            sde.drift_block(t + half, stage, slope);
            accumulate(sum, weight, slope, stage, x, ahead);
        }
        sde.drift_block(t + dt, stage, slope);
        if !increment.dw.is_empty() {
            sde.diffuse_block(t, x, &increment.dw, noise);
            add(x, 1.0, noise);
        }
        finish(x, dt / 6.0, sum, slope);
    }
}

/// sum += weight k and stage = x + ahead k in one pass.
#[inline]
fn accumulate(sum: &mut [Lanes], weight: f64, k: &[Lanes], stage: &mut [Lanes], x: &[Lanes], ahead: f64) {
    let targets = sum.as_flattened_mut().iter_mut().zip(stage.as_flattened_mut());
    for (((sum, stage), k), x) in targets.zip(k.as_flattened()).zip(x.as_flattened()) {
        *sum += weight * k;
        *stage = x + ahead * k;
    }
}

/// x += h (sum + k).
#[inline]
fn finish(x: &mut [Lanes], h: f64, sum: &[Lanes], k: &[Lanes]) {
    for ((x, sum), k) in x.as_flattened_mut().iter_mut().zip(sum.as_flattened()).zip(k.as_flattened()) {
        *x += h * (sum + k);
    }
}
