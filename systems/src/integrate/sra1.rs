//! SRA1 of Roessler (2010) for noise that does not depend on the state: with dZ the time integral of W(s) - W(t),
//! k_1 = f(x, t), k_2 = f(x + 3/4 k_1 dt + 3/2 g(t + dt) dZ / dt, t + 3/4 dt) and
//! x + (k_1 + 2 k_2) dt / 3 + g(t + dt) dW + (g(t) - g(t + dt)) dZ / dt.
//! Strong order 3/2, deterministic and weak order 2.

use super::{BuildIntegrator, RungeKutta, only_constant_noise, runge_kutta::Kick, runge_kutta::Tableau};
use crate::registry::Entry;

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "sra1",
    about: "stochastic Runge-Kutta of strong order 3/2 for constant noise (deterministic and weak order 2)",
    reference: "Roessler (2010), doi:10.1137/09076636X",
    params: &[],
    build: |sde, dt| {
        only_constant_noise("sra1", &*sde)?;
        Ok(Box::new(RungeKutta::new(sde, dt, &SRA1)))
    },
};

/// The coefficients of SRA1.
pub const SRA1: Tableau = Tableau {
    a: &[&[], &[0.75]],
    b: &[1.0 / 3.0, 2.0 / 3.0],
    c: &[0.0, 0.75],
    stage_noise: &[&[], &[Kick { at: 1.0, dw: 0.0, dz: 1.5 }]],
    noise: &[Kick { at: 1.0, dw: 1.0, dz: -1.0 }, Kick { at: 0.0, dw: 0.0, dz: 1.0 }],
};
