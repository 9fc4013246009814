//! Milstein (1974) without derivatives (Kloeden and Platen 1992, 11.1), for noise that is diagonal or commutes: to
//! Euler-Maruyama it adds sum_{j,l} L^j g_l I_(j,l), which for commuting noise is
//!
//! C / 2, with C = Dg[g dW] dW in Stratonovich and C = Dg[g dW] dW - dt sum_j Dg[g e_j] e_j in Ito form,
//!
//! where Dg[u] w is the derivative along u of the product g w. Differences stand in for derivatives. Their errors must
//! have mean 0 at order dt^{3/2}: Dg[g dW] dW ~ (g(x + g dW) - g(x)) dW has an error odd in dW; the second sum, which
//! has no factor of mean 0, needs centred differences over sqrt(dt) g e_j; and with diagonal noise both join in one,
//! C = (g(x + g 1 sqrt(dt)) - g(x)) (dW^2 - dt) / sqrt(dt). Strong order 1; with constant noise it is Euler-Maruyama.

use super::euler_maruyama::EULER;
use super::{AdjointStep, BuildIntegrator, Integrator, Lanes, RungeKutta, Workspace, add, refuse};
use crate::fast::shift;
use crate::increment::Increment;
use crate::lanes::LANES;
use crate::registry::Entry;
use crate::sde::{Calculus, Noise};

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "milstein",
    about: "Milstein without derivatives, of strong order 1 in either calculus where the noise is diagonal or commutes, weak order 1",
    reference: "Milstein (1974); Kloeden and Platen (1992), section 11.1",
    params: &[],
    build: |sde, dt| {
        let correction = match (sde.noise(), sde.calculus()) {
            (noise, _) if noise.is_constant() => Correction::None,
            (Noise::Diagonal | Noise::Commutative(_), Calculus::Stratonovich) => Correction::Stratonovich,
            (Noise::Diagonal, Calculus::Ito) => Correction::Diagonal { ones: vec![[1.0; LANES]; sde.dim()] },
            (Noise::Commutative(m), Calculus::Ito) => Correction::Commutative(Units::new(m)),
            _ => return Err(refuse("milstein", &*sde)),
        };
        Ok(Box::new(Milstein { scheme: RungeKutta::new(sde, dt, &EULER), correction }))
    },
};

/// Which form C takes.
enum Correction {
    None,
    Stratonovich,
    /// Diagonal Ito noise.
    Diagonal {
        /// One for each Brownian motion.
        ones: Vec<Lanes>,
    },
    /// Commuting Ito noise.
    Commutative(Units),
}

/// The unit vectors e_j, as windows of zeros around a single one.
struct Units {
    row: Vec<Lanes>,
}

impl Units {
    fn new(wiener: usize) -> Self {
        let mut row = vec![[0.0; LANES]; (2 * wiener).saturating_sub(1)];
        row.iter_mut().skip(wiener.saturating_sub(1)).take(1).for_each(|cell| *cell = [1.0; LANES]);
        Self { row }
    }

    fn iter(&self) -> impl Iterator<Item = &[Lanes]> {
        self.row.windows(self.row.len() / 2 + 1).rev()
    }
}

/// Milstein without derivatives.
pub struct Milstein {
    scheme: RungeKutta,
    correction: Correction,
}

impl Milstein {
    /// g(x + h u) w into `out`; `shifted` is scratch.
    fn along(&self, t: f64, x: &[Lanes], (h, u): (f64, &[Lanes]), w: &[Lanes], [shifted, out]: [&mut [Lanes]; 2]) {
        shift(shifted, x, h, u);
        self.scheme.sde.diffuse_block(t, shifted, w, out);
    }

    /// Adds C / 2 to `sum`; `noise` = g dW.
    fn correct(&self, t: f64, x: &[Lanes], dw: &[Lanes], sum: &mut [Lanes], noise: &[Lanes], work: [&mut [Lanes]; 3]) {
        match &self.correction {
            Correction::None => {}
            Correction::Diagonal { ones } => self.diagonal(t, x, dw, ones, sum, work),
            Correction::Stratonovich => self.forward(t, x, dw, sum, noise, work),
            Correction::Commutative(units) => {
                let [direction, shifted, out] = work;
                self.forward(t, x, dw, sum, noise, [direction, shifted, out]);
                self.ito(t, x, units, sum, [direction, shifted, out]);
            }
        }
    }

    /// Adds (g(x + g 1 sqrt(dt)) - g(x)) (dW^2 - dt) / (2 sqrt(dt)).
    fn diagonal(&self, t: f64, x: &[Lanes], dw: &[Lanes], ones: &[Lanes], sum: &mut [Lanes], work: [&mut [Lanes]; 3]) {
        let ([direction, shifted, out], dt) = (work, self.scheme.dt);
        self.scheme.sde.diffuse_block(t, x, ones, direction);
        self.along(t, x, (dt.sqrt(), direction), ones, [shifted, out]);
        add(out, -1.0, direction);
        let integrals = dw.as_flattened().iter().map(|dw| 0.5 * (dw * dw - dt) / dt.sqrt());
        for ((sum, out), integral) in sum.as_flattened_mut().iter_mut().zip(out.as_flattened()).zip(integrals) {
            *sum += integral * out;
        }
    }

    /// Adds (g(x + g dW) - g(x)) dW / 2.
    fn forward(&self, t: f64, x: &[Lanes], dw: &[Lanes], sum: &mut [Lanes], noise: &[Lanes], work: [&mut [Lanes]; 3]) {
        let [_, shifted, out] = work;
        self.along(t, x, (1.0, noise), dw, [shifted, out]);
        add(sum, 0.5, out);
        add(sum, -0.5, noise);
    }

    /// Subtracts dt sum_j Dg[g e_j] e_j / 2.
    fn ito(&self, t: f64, x: &[Lanes], units: &Units, sum: &mut [Lanes], work: [&mut [Lanes]; 3]) {
        let ([direction, shifted, out], root) = (work, self.scheme.dt.sqrt());
        for unit in units.iter() {
            self.scheme.sde.diffuse_block(t, x, unit, direction);
            for side in [root, -root] {
                self.along(t, x, (side, direction), unit, [shifted, out]);
                add(sum, -0.25 * side, out);
            }
        }
    }
}

impl Integrator for Milstein {
    fn arrays(&self) -> usize {
        6
    }

    fn gaussian_one_step(&self) -> bool {
        matches!(self.scheme.sde.noise(), Noise::Additive | Noise::Constant(_))
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let RungeKutta { sde, dt, .. } = &self.scheme;
        let [sum, slope, noise, direction, shifted, out] = work.arrays();
        sde.drift_block(t, x, slope);
        if !increment.dw.is_empty() {
            sde.diffuse_block(t, x, &increment.dw, noise);
            sum.copy_from_slice(noise);
            self.correct(t, x, &increment.dw, sum, noise, [direction, shifted, out]);
            add(x, 1.0, sum);
        }
        add(x, *dt, slope);
    }

    fn adjoint(&self) -> Option<&dyn AdjointStep> {
        self.scheme.adjoint()
    }
}
