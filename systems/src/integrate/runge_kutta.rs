//! Explicit Runge-Kutta schemes of s stages for equations whose noise does not depend on the state,
//!
//! X_i = x + dt sum_{j<i} a_ij k_j + xi_i, k_i = f(X_i, t + c_i dt), x(t + dt) = x + dt sum_i b_i k_i + xi,
//!
//! where each xi is a sum of kicks g(t + c dt) (p dW + q dZ / dt), and the adjoint of such a step: because no xi depends
//! on x, v(t) = v + sum_i mu_i with mu_i = f'(X_i)^T dt (b_i v + sum_{j>i} a_ji mu_j), from the last stage to the first
//! (Hager 2000, doi:10.1007/s002110000178). The tableau alone says both, so no scheme's adjoint is written by hand.

use std::sync::Arc;

use super::cells::Cells;
use super::{AdjointStep, Integrator, Lanes, Workspace, add};
use crate::increment::Increment;
use crate::sde::Sde;

/// g(t + at dt) (dw dW + dz dZ / dt): how the noise enters a stage or the end of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kick {
    /// Where in the step g is evaluated, as a fraction of it.
    pub at: f64,
    /// The weight p of dW.
    pub dw: f64,
    /// The weight q of dZ / dt.
    pub dz: f64,
}

/// The coefficients of a scheme, in the letters of Butcher (1964).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tableau {
    /// Row i holds a_i1 .. a_i,i-1; the first is empty.
    pub a: &'static [&'static [f64]],
    /// The weights of the stages' slopes.
    pub b: &'static [f64],
    /// Where the stages are, as fractions of the step.
    pub c: &'static [f64],
    /// The kicks xi_i of the stages; stages past the end have none.
    pub stage_noise: &'static [&'static [Kick]],
    /// The kicks xi of the end.
    pub noise: &'static [Kick],
}

impl Tableau {
    fn stages(&self) -> usize {
        self.b.len()
    }

    fn kicks(&self) -> impl Iterator<Item = &Kick> {
        self.stage_noise.iter().copied().flatten().chain(self.noise)
    }
}

/// A scheme, bound to an equation whose noise is constant and to a step length.
pub struct RungeKutta {
    pub(super) sde: Arc<dyn Sde>,
    pub(super) dt: f64,
    tableau: &'static Tableau,
}

impl RungeKutta {
    /// Steps of `dt`. The step itself needs noise that does not depend on the state ([`crate::Noise::is_constant`]).
    pub fn new(sde: Arc<dyn Sde>, dt: f64, tableau: &'static Tableau) -> Self {
        Self { sde, dt, tableau }
    }

    /// X_i into `stage`, from the slopes of the stages before it.
    fn stage(&self, i: usize, at: (f64, &[Lanes]), inc: &Increment, k: &[Cells], out: (&mut [Lanes], &mut [Lanes])) {
        let ((t, x), (stage, noise)) = (at, out);
        stage.copy_from_slice(x);
        for (a, k) in self.tableau.a[i].iter().zip(k).filter(|(a, _)| **a != 0.0) {
            add(stage, a * self.dt, k);
        }
        if let Some(kicks) = self.tableau.stage_noise.get(i) {
            self.kick(kicks, t, inc, stage, noise);
        }
    }

    /// Adds kicks to `x`.
    fn kick(&self, kicks: &[Kick], t: f64, increment: &Increment, x: &mut [Lanes], noise: &mut [Lanes]) {
        if increment.dw.is_empty() {
            return;
        }
        for Kick { at, dw, dz } in kicks {
            for (weight, path) in [(*dw, &increment.dw), (dz / self.dt, &increment.dz)] {
                if weight != 0.0 {
                    self.sde.diffuse_block(t + at * self.dt, x, path, noise);
                    add(x, weight, noise);
                }
            }
        }
    }
}

impl Integrator for RungeKutta {
    fn arrays(&self) -> usize {
        self.tableau.stages() + 2
    }

    fn depth(&self) -> Option<usize> {
        Some(self.tableau.stages())
    }

    fn reads_integrals(&self) -> bool {
        self.tableau.kicks().any(|kick| kick.dz != 0.0)
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let (slopes, rest) = work.all().split_at_mut(self.tableau.stages());
        let [stage, noise] = rest else { return };
        for i in 0..self.tableau.stages() {
            self.stage(i, (t, x), increment, &slopes[..i], (stage, noise));
            self.sde.drift_block(t + self.tableau.c[i] * self.dt, stage, &mut slopes[i]);
        }
        for (b, slope) in self.tableau.b.iter().zip(slopes).filter(|(b, _)| **b != 0.0) {
            add(x, b * self.dt, slope);
        }
        self.kick(self.tableau.noise, t, increment, x, noise);
    }

    fn adjoint(&self) -> Option<&dyn AdjointStep> {
        (self.sde.noise().is_constant() && self.sde.linearized().is_some()).then_some(self)
    }
}

impl AdjointStep for RungeKutta {
    fn arrays(&self) -> usize {
        2 * self.tableau.stages() + 2
    }

    fn adjoint_block(&self, t: f64, x: &[Lanes], v: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let Tableau { a, b, c, .. } = self.tableau;
        let (slopes, rest) = work.all().split_at_mut(b.len());
        let (stages, rest) = rest.split_at_mut(b.len());
        let ([covector, noise], Some(linearized)) = (rest, self.sde.linearized()) else { return };
        for i in 0..b.len() {
            self.stage(i, (t, x), increment, &slopes[..i], (&mut stages[i], noise));
            if i + 1 < b.len() {
                self.sde.drift_block(t + c[i] * self.dt, &stages[i], &mut slopes[i]);
            }
        }
        // the slopes have served, so mu_i takes the place of k_i
        for i in (0..b.len()).rev() {
            let (here, later) = slopes[i..].split_at_mut(1);
            covector.fill([0.0; crate::lanes::LANES]);
            add(covector, b[i] * self.dt, v);
            for (row, mu) in a[i + 1..].iter().zip(later) {
                add(covector, row[i] * self.dt, mu);
            }
            linearized.adjoint_block(t + c[i] * self.dt, &stages[i], covector, &mut here[0]);
        }
        slopes.iter().for_each(|mu| add(v, 1.0, mu));
    }
}
