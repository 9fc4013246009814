//! The classical Runge-Kutta scheme of order 4 for the drift (Kutta 1901); constant noise g dW is added once at the end
//! of the step, which is what stochastic experiments with Lorenz-96 commonly mean. Strong order 1 with constant noise,
//! order 4 without; weak order 1, so that the law of many steps is off by a multiple of the integration step (the double well
//! has figures); its one-step law is Gaussian around the deterministic step.

use super::runge_kutta::{Kick, Tableau};
use super::{AdjointStep, BuildIntegrator, Integrator, Lanes, RungeKutta, Workspace, add, only_constant_noise, stage};
use crate::fast::SlopeUse;
use crate::increment::Increment;
use crate::registry::Entry;
use crate::sde::Noise;

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "rk4",
    about: "fourth-order Runge-Kutta for the drift, constant noise g dW once a step (weak order 1 with it)",
    reference: "Kutta (1901)",
    params: &[],
    build: |sde, dt| {
        only_constant_noise("rk4", &*sde)?;
        Ok(Box::new(Rk4 { scheme: RungeKutta::new(sde, dt, &CLASSICAL) }))
    },
};

/// The classical coefficients, the noise once at the end.
pub const CLASSICAL: Tableau = Tableau {
    a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    c: &[0.0, 0.5, 0.5, 1.0],
    stage_noise: &[],
    noise: &[Kick { at: 0.0, dw: 1.0, dz: 0.0 }],
};

/// Runge-Kutta of order 4 with constant noise once a step. The step is written out, in fewer passes over memory than the
/// tableau gives; the tableau gives its adjoint.
pub struct Rk4 {
    scheme: RungeKutta,
}

impl Integrator for Rk4 {
    fn arrays(&self) -> usize {
        4
    }

    fn depth(&self) -> Option<usize> {
        Some(4)
    }

    fn gaussian_one_step(&self) -> bool {
        self.scheme.sde.noise() != Noise::None
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let (sde, dt) = (&*self.scheme.sde, self.scheme.dt);
        let [first, second, third, slope] = work.arrays();
        let half = 0.5 * dt;
        stage(sde, t, x, slope, SlopeUse::Next { x, ahead: half, next: first });
        stage(sde, t + half, first, slope, SlopeUse::Next { x, ahead: half, next: second });
        stage(sde, t + half, second, slope, SlopeUse::Next { x, ahead: dt, next: third });
        stage(sde, t + dt, third, slope, SlopeUse::End { x, stages: [first, second], sixth: dt / 6.0 });
        if !increment.dw.is_empty() {
            sde.diffuse_block(t, x, &increment.dw, slope);
            add(x, 1.0, slope);
        }
    }

    fn adjoint(&self) -> Option<&dyn AdjointStep> {
        self.scheme.adjoint()
    }
}
