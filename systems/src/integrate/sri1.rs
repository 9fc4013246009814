//! SRI1 (the SRIW1 of Roessler 2010) for Ito equations whose noise is diagonal or driven by one Brownian motion. With
//! k_1 = f(x, t), G_i = g(H_i, t + c_i dt) and c = (0, 1/4, 1, 1/4),
//!
//! k_2 = f(x + 3/4 k_1 dt + 3/2 G_1 dZ / dt, t + 3/4 dt),
//! H_1 = x, H_2 = x + k_1 dt / 4 + G_1 sqrt(dt) / 2, H_3 = x + k_1 dt - G_1 sqrt(dt),
//! H_4 = x + k_1 dt / 4 + (-5 G_1 + 3 G_2 + G_3 / 2) sqrt(dt),
//! x + (k_1 + 2 k_2) dt / 3 + sum_i G_i (beta1_i I_1 + beta2_i I_11 / sqrt(dt) + beta3_i I_10 / dt + beta4_i I_111 / dt),
//!
//! where I_1 = dW, I_11 = (dW^2 - dt) / 2, I_111 = (dW^3 - 3 dt dW) / 6 and I_10 = dZ. Strong order 3/2, deterministic
//! and weak order 2. For constant noise it is SRA1.

use std::sync::Arc;

use super::{BuildIntegrator, Integrator, Lanes, RungeKutta, Workspace, add, refuse, sra1::SRA1};
use crate::fast::shift;
use crate::increment::Increment;
use crate::lanes::LANES;
use crate::registry::Entry;
use crate::sde::{Calculus, Sde};

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "sri1",
    about: "stochastic Runge-Kutta, the Ito scheme of strong order 3/2 for diagonal noise or a single Brownian motion \
            (deterministic and weak order 2)",
    reference: "Roessler (2010), doi:10.1137/09076636X",
    params: &[],
    build: |sde, dt| match (sde.noise(), sde.calculus()) {
        (noise, _) if noise.is_constant() => Ok(Box::new(RungeKutta::new(sde, dt, &SRA1))),
        (noise, Calculus::Ito) if noise.is_diagonal() || sde.wiener_dim() == 1 => Ok(Box::new(Sri1::new(sde, dt))),
        _ => Err(refuse("sri1", &*sde)),
    },
};

const BETA: [[f64; 4]; 4] = [
    [-1.0, 4.0 / 3.0, 2.0 / 3.0, 0.0],
    [-1.0, 4.0 / 3.0, -1.0 / 3.0, 0.0],
    [2.0, -4.0 / 3.0, -2.0 / 3.0, 0.0],
    [-2.0, 5.0 / 3.0, -2.0 / 3.0, 1.0],
];

/// SRI1.
pub struct Sri1 {
    sde: Arc<dyn Sde>,
    dt: f64,
    /// One for each Brownian motion: G_i is g times it.
    ones: Vec<Lanes>,
}

impl Sri1 {
    fn new(sde: Arc<dyn Sde>, dt: f64) -> Self {
        let ones = vec![[1.0; LANES]; sde.wiener_dim()];
        Self { sde, dt, ones }
    }

    /// The increments of the path that component `i` sees.
    fn path<'a>(&self, i: usize, increment: &'a Increment) -> (&'a Lanes, &'a Lanes) {
        let j = if self.ones.len() == 1 { 0 } else { i };
        (&increment.dw[j], &increment.dz[j])
    }
}

impl Integrator for Sri1 {
    fn arrays(&self) -> usize {
        7
    }

    fn reads_integrals(&self) -> bool {
        true
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let (sde, dt, root) = (&*self.sde, self.dt, self.dt.sqrt());
        let [slope, slope_end, stage, g1, g2, g3, g4] = work.arrays();
        sde.drift_block(t, x, slope);
        sde.diffuse_block(t, x, &self.ones, g1);
        shift(stage, x, 0.75 * dt, slope);
        for (i, (stage, g)) in stage.iter_mut().zip(&*g1).enumerate() {
            let (_, dz) = self.path(i, increment);
            (0..LANES).for_each(|lane| stage[lane] += 1.5 / dt * g[lane] * dz[lane]);
        }
        sde.drift_block(t + 0.75 * dt, stage, slope_end);
        shift(stage, x, 0.25 * dt, slope);
        add(stage, 0.5 * root, g1);
        sde.diffuse_block(t + 0.25 * dt, stage, &self.ones, g2);
        shift(stage, x, dt, slope);
        add(stage, -root, g1);
        sde.diffuse_block(t + dt, stage, &self.ones, g3);
        shift(stage, x, 0.25 * dt, slope);
        [(-5.0, &*g1), (3.0, &*g2), (0.5, &*g3)].into_iter().for_each(|(weight, g)| add(stage, weight * root, g));
        sde.diffuse_block(t + 0.25 * dt, stage, &self.ones, g4);
        for (i, x) in x.iter_mut().enumerate() {
            let (dw, dz) = self.path(i, increment);
            for lane in 0..LANES {
                let weights = weights(dt, dw[lane], dz[lane]);
                let g = [g1[i][lane], g2[i][lane], g3[i][lane], g4[i][lane]];
                x[lane] += (0..4).map(|stage| weights[stage] * g[stage]).sum::<f64>();
            }
        }
        add(x, dt / 3.0, slope);
        add(x, 2.0 / 3.0 * dt, slope_end);
    }
}

/// The weights of G_1 .. G_4.
#[inline]
fn weights(dt: f64, dw: f64, dz: f64) -> [f64; 4] {
    let (i11, i111) = ((dw * dw - dt) / 2.0, (dw * dw - 3.0 * dt) * dw / 6.0);
    let integrals = [dw, i11 / dt.sqrt(), dz / dt, i111 / dt];
    std::array::from_fn(|stage| (0..4).map(|which| BETA[which][stage] * integrals[which]).sum())
}
