//! Euler-Maruyama: x + f(x, t) dt + g(x, t) dW, the Ito scheme (Maruyama 1955). Strong order 1/2, and 1 where the noise
//! is constant; weak order 1. Its one-step law is Gaussian.

use super::runge_kutta::{Kick, Tableau};
use super::{AdjointStep, BuildIntegrator, Integrator, Lanes, RungeKutta, Workspace, add, refuse};
use crate::increment::Increment;
use crate::registry::Entry;
use crate::sde::{Calculus, Noise};

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "euler_maruyama",
    about: "Euler-Maruyama, the Ito scheme of strong order 1/2 (1 with constant noise), weak order 1",
    reference: "Maruyama (1955)",
    params: &[],
    build: |sde, dt| match (sde.noise().is_constant(), sde.calculus()) {
        (true, _) | (_, Calculus::Ito) => Ok(Box::new(EulerMaruyama { scheme: RungeKutta::new(sde, dt, &EULER) })),
        _ => Err(refuse("euler_maruyama", &*sde)),
    },
};

/// The coefficients for constant noise.
pub const EULER: Tableau =
    Tableau { a: &[&[]], b: &[1.0], c: &[0.0], stage_noise: &[], noise: &[Kick { at: 0.0, dw: 1.0, dz: 0.0 }] };

/// Euler-Maruyama.
pub struct EulerMaruyama {
    scheme: RungeKutta,
}

impl Integrator for EulerMaruyama {
    fn arrays(&self) -> usize {
        2
    }

    fn depth(&self) -> Option<usize> {
        Some(1)
    }

    fn gaussian_one_step(&self) -> bool {
        matches!(self.scheme.sde.noise(), Noise::Additive | Noise::Constant(_) | Noise::Diagonal)
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let RungeKutta { sde, dt, .. } = &self.scheme;
        let [slope, noise] = work.arrays();
        sde.drift_block(t, x, slope);
        if !increment.dw.is_empty() {
            sde.diffuse_block(t, x, &increment.dw, noise);
            add(x, 1.0, noise);
        }
        add(x, *dt, slope);
    }

    fn adjoint(&self) -> Option<&dyn AdjointStep> {
        self.scheme.adjoint()
    }
}
