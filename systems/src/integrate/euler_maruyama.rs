//! Euler-Maruyama: x + f(x, t) dt + g(x, t) dW, the Ito scheme (Maruyama 1955). Strong order 1/2, and 1 where the noise
//! is constant. Its one-step law is Gaussian.

use std::sync::Arc;

use super::{Build, Integrator, Lanes, Workspace, add, unsupported};
use crate::registry::Entry;
use crate::sde::{Calculus, Increment, Noise, Sde};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "euler_maruyama",
    about: "Euler-Maruyama, the Ito scheme of strong order 1/2 (1 with constant noise)",
    reference: "Maruyama (1955)",
    params: &[],
    build: |sde, dt| match (sde.noise().is_constant(), sde.calculus()) {
        (true, _) | (_, Calculus::Ito) => Ok(Box::new(EulerMaruyama { sde, dt })),
        _ => Err(unsupported("euler_maruyama", "multiplicative Stratonovich noise", "heun")),
    },
};

/// Euler-Maruyama.
pub struct EulerMaruyama {
    sde: Arc<dyn Sde>,
    dt: f64,
}

impl Integrator for EulerMaruyama {
    fn arrays(&self) -> usize {
        2
    }

    fn depth(&self) -> Option<usize> {
        Some(1)
    }

    fn gaussian_one_step(&self) -> bool {
        matches!(self.sde.noise(), Noise::Additive | Noise::Constant(_) | Noise::Diagonal)
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let [slope, noise] = work.arrays();
        self.sde.drift_block(t, x, slope);
        if !increment.dw.is_empty() {
            self.sde.diffuse_block(t, x, &increment.dw, noise);
            add(x, 1.0, noise);
        }
        add(x, self.dt, slope);
    }
}
