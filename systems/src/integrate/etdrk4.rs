//! Exponential time differencing of order 4 for du/dt = L u + N(u, t) with L diagonal (Cox and Matthews 2002):
//!
//! a = e^{Lh/2} c + Q N(c),   b = e^{Lh/2} c + Q N(a),   d = e^{Lh/2} a + Q (2 N(b) - N(c)),
//! c' = e^{Lh} c + f_1 N(c) + 2 f_2 (N(a) + N(b)) + f_3 N(d),
//!
//! with Q and f_i the functions of z = h L below. They are means over a circle around z, which is free of the
//! cancellation at small z (Kassam and Trefethen 2005). L may be as stiff as it likes: steps are stable, and of order 4
//! once h L is small on the waves that carry energy; before that the order is between 3 and 4.
//!
//! Constant noise g dW is added once at the end of the step, on the grid: strong order 1 where h L is small on the
//! components that g moves, order 4 without noise; its one-step law is Gaussian around the deterministic step.

use std::f64::consts::TAU;
use std::ops::Mul;
use std::sync::Arc;

use super::{BuildIntegrator, Integrator, Lanes, Workspace, add, only_constant_noise};
use crate::error::Error;
use crate::increment::Increment;
use crate::registry::Entry;
use crate::sde::{Noise, Sde};
use crate::spectral::{Complex64, Pool, Semilinear, SpectralWorkspace, distinct, gather, scatter};

pub(super) const ENTRY: Entry<BuildIntegrator> = Entry {
    name: "etdrk4",
    about: "exponential Runge-Kutta of order 4 for stiff semilinear fields, constant noise g dW once a step (weak order 1 with it)",
    reference: "Cox and Matthews (2002), doi:10.1006/jcph.2002.6995; Kassam and Trefethen (2005), doi:10.1137/S1064827502410633",
    params: &[],
    build: |sde, dt| {
        only_constant_noise("etdrk4", &*sde)?;
        let Some(equation) = sde.semilinear() else {
            return Err(Error::Unsupported(
                "the integrator `etdrk4` needs a drift written as L u + N(u) with L diagonal, which this system's is \
                 not; use `rk4`"
                    .into(),
            ));
        };
        let linear = equation.linear();
        // factors that are real are half of what a step reads from memory
        Ok(if linear.iter().all(|l| l.im == 0.0) {
            Box::new(Etdrk4::<f64>::new(sde, dt, &linear, |factor| factor.re))
        } else {
            Box::new(Etdrk4::<Complex64>::new(sde, dt, &linear, |factor| factor))
        })
    },
};

/// Points on the circle; the trapezoidal rule there errs by about 1 / 32!.
const CONTOUR: usize = 32;

/// Exponential Runge-Kutta of order 4; `T` is the type of its factors, real where L is.
pub struct Etdrk4<T> {
    sde: Arc<dyn Sde>,
    dt: f64,
    factors: Vec<Factors<T>>,
    pool: Pool<Member>,
}

/// What one coefficient is multiplied by.
#[derive(Clone, Copy)]
struct Factors<T> {
    full: T,
    half: T,
    q: T,
    f1: T,
    f2: T,
    f3: T,
}

/// Scratch for one member.
struct Member {
    spectra: [Vec<Complex64>; 6],
    scratch: SpectralWorkspace,
}

/// e^z, e^{z/2} and the contour means of Q / h, f_1 / h, 2 f_2 / h, f_3 / h.
fn functions(z: Complex64) -> [Complex64; 6] {
    let mut means = [Complex64::default(); 4];
    for point in 0..CONTOUR {
        let r = z + Complex64::from_polar(1.0, TAU * (point as f64 + 0.5) / CONTOUR as f64);
        let (e, cube) = (r.exp(), r * r * r);
        let values = [
            ((0.5 * r).exp() - 1.0) / r,
            (-4.0 - r + e * (4.0 - 3.0 * r + r * r)) / cube,
            2.0 * (2.0 + r + e * (r - 2.0)) / cube,
            (-4.0 - 3.0 * r - r * r + e * (4.0 - r)) / cube,
        ];
        means.iter_mut().zip(values).for_each(|(mean, value)| *mean += value / CONTOUR as f64);
    }
    let [q, f1, f2, f3] = means;
    [z.exp(), (0.5 * z).exp(), q, f1, f2, f3]
}

impl<T: Copy + Send + Sync> Etdrk4<T> {
    fn new(sde: Arc<dyn Sde>, dt: f64, linear: &[Complex64], convert: impl Fn(Complex64) -> T) -> Self {
        let factors = |l: &Complex64| {
            let [full, half, q, f1, f2, f3] = functions(dt * l);
            let [q, f1, f2, f3] = [q, f1, f2, f3].map(|mean| convert(mean * dt));
            Factors { full: convert(full), half: convert(half), q, f1, f2, f3 }
        };
        let (shared, modes) = (Arc::clone(&sde), linear.len());
        let member = move || Member {
            spectra: std::array::from_fn(|_| vec![Complex64::default(); modes]),
            scratch: shared.semilinear().map(Semilinear::workspace).unwrap_or_default(),
        };
        Self { factors: linear.iter().map(factors).collect(), sde, dt, pool: Pool::new(member) }
    }
}

impl<T: Copy + Mul<Complex64, Output = Complex64>> Etdrk4<T> {
    /// One step of the coefficients `spectra[0]`, in place.
    fn step(
        &self,
        equation: &dyn Semilinear,
        t: f64,
        spectra: &mut [Vec<Complex64>; 6],
        scratch: &mut SpectralWorkspace,
    ) {
        let [c, a, b, n1, na, nb] = spectra;
        let half = t + 0.5 * self.dt;
        equation.nonlinear(t, c, n1, scratch);
        self.stage(a, c, |f, i| f.q * n1[i]);
        equation.nonlinear(half, a, na, scratch);
        self.stage(b, c, |f, i| f.q * na[i]);
        equation.nonlinear(half, b, nb, scratch);
        self.stage(b, a, |f, i| f.q * (nb[i] * 2.0 - n1[i]));
        na.iter_mut().zip(&*nb).for_each(|(na, nb)| *na += nb);
        equation.nonlinear(t + self.dt, b, nb, scratch);
        for ((i, c), f) in c.iter_mut().enumerate().zip(&self.factors) {
            *c = f.full * *c + f.f1 * n1[i] + f.f2 * na[i] + f.f3 * nb[i];
        }
    }

    /// out = e^{Lh/2} c + more.
    #[inline(always)]
    fn stage(&self, out: &mut [Complex64], c: &[Complex64], more: impl Fn(&Factors<T>, usize) -> Complex64) {
        for (i, ((out, c), f)) in out.iter_mut().zip(c).zip(&self.factors).enumerate() {
            *out = f.half * *c + more(f, i);
        }
    }
}

impl<T: Copy + Send + Sync + Mul<Complex64, Output = Complex64>> Integrator for Etdrk4<T> {
    fn arrays(&self) -> usize {
        2
    }

    fn gaussian_one_step(&self) -> bool {
        self.sde.noise() != Noise::None
    }

    fn step_block(&self, t: f64, x: &mut [Lanes], increment: &Increment, work: &mut Workspace) {
        let [noise, members] = work.arrays();
        if !increment.dw.is_empty() {
            self.sde.diffuse_block(t, x, &increment.dw, noise);
        }
        // the builder refused equations without this form
        let Some(equation) = self.sde.semilinear() else { return };
        let (lanes, members) = (distinct(x), members.as_flattened_mut());
        gather(x, lanes, members);
        self.pool.with(|Member { spectra, scratch }| {
            for field in members.chunks_exact_mut(x.len()).take(lanes) {
                equation.to_coefficients(field, &mut spectra[0], scratch);
                self.step(equation, t, spectra, scratch);
                equation.to_grid(&mut spectra[0], field, scratch);
            }
        });
        scatter(members, lanes, x);
        if !increment.dw.is_empty() {
            add(x, 1.0, noise);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the closed forms where they do not cancel, and against their limits Q -> 1/2, f_1 -> 1/6, 2 f_2 -> 1/3,
    /// f_3 -> 1/6 at 0.
    #[test]
    fn contour_means_are_the_functions() {
        let limits = [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 3.0, 1.0 / 6.0];
        for (found, limit) in functions(Complex64::default()).into_iter().zip(limits) {
            assert!((found - limit).norm() < 1e-14, "{found} {limit}");
        }
        for z in [Complex64::new(-3.0, 1.0), Complex64::new(-40.0, 0.0), Complex64::new(0.0, 7.0)] {
            let (e, cube) = (z.exp(), z * z * z);
            let exact = [
                ((0.5 * z).exp() - 1.0) / z,
                (-4.0 - z + e * (4.0 - 3.0 * z + z * z)) / cube,
                2.0 * (2.0 + z + e * (z - 2.0)) / cube,
                (-4.0 - 3.0 * z - z * z + e * (4.0 - z)) / cube,
            ];
            for (found, exact) in functions(z)[2..].iter().zip(exact) {
                assert!((found - exact).norm() < 1e-13, "{z}: {found} {exact}");
            }
        }
    }
}
