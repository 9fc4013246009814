//! The classical Runge-Kutta scheme of order 4 for the drift (Kutta 1901); constant noise g dW is added once at the end
//! of the step, which is what stochastic experiments with Lorenz-96 commonly mean. Strong order 1 with constant noise,
//! order 4 without; its one-step law is Gaussian around the deterministic step.

use std::sync::Arc;

use super::{Build, Integrator, Lanes, Workspace, add, only_constant_noise, shift};
use crate::registry::Entry;
use crate::sde::{Increment, Noise, Sde};
use crate::wide::wide;

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "rk4",
    about: "fourth-order Runge-Kutta for the drift, constant noise g dW once a step",
    reference: "Kutta (1901)",
    params: &[],
    build: |sde, dt| {
        only_constant_noise("rk4", &*sde)?;
        Ok(Box::new(Rk4 { sde, dt }))
    },
};

/// Runge-Kutta of order 4 with constant noise once a step.
pub struct Rk4 {
    sde: Arc<dyn Sde>,
    dt: f64,
}

impl Integrator for Rk4 {
    fn arrays(&self) -> usize {
        4
    }

    fn depth(&self) -> Option<usize> {
        Some(4)
    }

    fn gaussian_one_step(&self) -> bool {
        self.sde.noise() != Noise::None
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let (sde, dt) = (&*self.sde, self.dt);
        let [slope, sum, stage, noise] = work.arrays();
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

wide! {
    /// sum += weight k and stage = x + ahead k in one pass.
    fn accumulate(sum: &mut [Lanes], weight: f64, k: &[Lanes], stage: &mut [Lanes], x: &[Lanes], ahead: f64) {
        let targets = sum.as_flattened_mut().iter_mut().zip(stage.as_flattened_mut());
        for (((sum, stage), k), x) in targets.zip(k.as_flattened()).zip(x.as_flattened()) {
            *sum += weight * k;
            *stage = x + ahead * k;
        }
    }
}

wide! {
    /// x += h (sum + k).
    fn finish(x: &mut [Lanes], h: f64, sum: &[Lanes], k: &[Lanes]) {
        for ((x, sum), k) in x.as_flattened_mut().iter_mut().zip(sum.as_flattened()).zip(k.as_flattened()) {
            *x += h * (sum + k);
        }
    }
}
