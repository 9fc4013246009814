//! du = (L u + N(u)) dt + forcing, as an equation for the field on the grid, with the derivatives of its drift.

use std::sync::Arc;

use ndarray::Array2;

use super::{Complex64, Derivatives, Pool, RandomModes, Semilinear, SpectralWorkspace, distinct, gather, scatter};
use crate::key::Key;
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::sde::{Noise, Sde};

/// Noise that does not depend on the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Forcing {
    /// None.
    None,
    /// Independent at every grid point, with this sd per square root of model time.
    White(f64),
    /// White in time, in some Fourier modes.
    Modes(RandomModes),
}

/// A semilinear equation on its grid.
pub struct SpectralSde<E> {
    equation: Arc<E>,
    dim: usize,
    linear: Vec<Complex64>,
    forcing: Forcing,
    pool: Pool<Member>,
}

/// Scratch for the members of a block, one of which is evaluated at a time.
struct Member {
    /// The members of two inputs, `[member][component]`; results overwrite those of the first.
    fields: [Vec<f64>; 2],
    spectra: [Vec<Complex64>; 3],
    scratch: SpectralWorkspace,
}

impl<E: Semilinear + Derivatives + 'static> SpectralSde<E> {
    /// Of a field of `dim` grid points.
    pub fn new(equation: E, dim: usize, forcing: Forcing) -> Self {
        let (linear, equation) = (equation.linear(), Arc::new(equation));
        let (modes, shared) = (linear.len(), Arc::clone(&equation));
        let member = move || Member {
            fields: std::array::from_fn(|_| vec![0.0; LANES * dim]),
            spectra: std::array::from_fn(|_| vec![Complex64::default(); modes]),
            scratch: shared.workspace(),
        };
        Self { equation, dim, linear, forcing, pool: Pool::new(member) }
    }

    /// Random fields, one a member, `[member, component]`: row i from stream i of `key`.
    pub fn draw(&self, field: &RandomModes, members: usize, key: Key) -> Array2<f64> {
        let z = key.normals(members, field.columns());
        let mut out = Array2::zeros((members, self.dim));
        self.pool.with(|Member { fields: [x, _], spectra: [c, ..], scratch }| {
            let x = &mut x[..self.dim];
            for (z, mut row) in z.outer_iter().zip(out.outer_iter_mut()) {
                field.coefficients(|i| z[i], c);
                self.equation.to_grid(c, x, scratch);
                row.iter_mut().zip(&*x).for_each(|(cell, x)| *cell = *x);
            }
        });
        out
    }

    /// One product of coefficients for each distinct lane: `work` fills `spectra[2]` from the coefficients of the
    /// `inputs`, of which there are at most two.
    fn each_lane<const I: usize>(
        &self,
        inputs: [&[[f64; LANES]]; I],
        out: &mut [[f64; LANES]],
        work: impl Fn(&mut [Vec<Complex64>; 3], &mut SpectralWorkspace),
    ) {
        let lanes = inputs.iter().map(|block| distinct(block)).max().unwrap_or(LANES);
        self.pool.with(|Member { fields, spectra, scratch }| {
            for (block, fields) in inputs.iter().zip(fields.iter_mut()) {
                gather(block, lanes, fields);
            }
            for lane in 0..lanes {
                let member = lane * self.dim..(lane + 1) * self.dim;
                for (fields, c) in fields.iter_mut().zip(spectra.iter_mut()).take(I) {
                    self.equation.to_coefficients(&mut fields[member.clone()], c, scratch);
                }
                work(spectra, scratch);
                self.equation.to_grid(&mut spectra[2], &mut fields[0][member], scratch);
            }
            scatter(&fields[0], lanes, out);
        });
    }
}

/// out += l c, coefficient by coefficient.
fn add_product(out: &mut [Complex64], l: impl Iterator<Item = Complex64>, c: &[Complex64]) {
    for ((out, l), c) in out.iter_mut().zip(l).zip(c) {
        *out += l * c;
    }
}

impl<E: Semilinear + Derivatives + 'static> Sde for SpectralSde<E> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn noise(&self) -> Noise {
        match &self.forcing {
            Forcing::None => Noise::None,
            Forcing::White(_) => Noise::Additive,
            Forcing::Modes(modes) => Noise::Constant(modes.columns()),
        }
    }

    fn drift_block(&self, t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.each_lane([x], out, |[c, _, slope], scratch| {
            self.equation.nonlinear(t, c, slope, scratch);
            add_product(slope, self.linear.iter().copied(), c);
        });
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        match &self.forcing {
            Forcing::None => out.fill([0.0; LANES]),
            Forcing::White(sd) => {
                for (out, dw) in out.as_flattened_mut().iter_mut().zip(dw.as_flattened()) {
                    *out = sd * dw;
                }
            }
            Forcing::Modes(modes) => {
                let lanes = distinct(dw);
                self.pool.with(|Member { fields: [fields, _], spectra: [c, ..], scratch }| {
                    for (lane, x) in fields.chunks_exact_mut(self.dim).enumerate().take(lanes) {
                        modes.coefficients(|column| dw[column][lane], c);
                        self.equation.to_grid(c, x, scratch);
                    }
                    scatter(fields, lanes, out);
                });
            }
        }
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        match self.forcing {
            Forcing::None => Some(vec![0.0; self.dim]),
            Forcing::White(sd) => Some(vec![sd; self.dim]),
            Forcing::Modes(_) => None,
        }
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }

    fn semilinear(&self) -> Option<&dyn Semilinear> {
        Some(&*self.equation)
    }
}

impl<E: Semilinear + Derivatives + 'static> Linearized for SpectralSde<E> {
    fn tangent_block(&self, t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.each_lane([x, dx], out, |[c, d, slope], scratch| {
            self.equation.tangent(t, c, d, slope, scratch);
            add_product(slope, self.linear.iter().copied(), d);
        });
    }

    fn adjoint_block(&self, t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.each_lane([x, v], out, |[c, v, slope], scratch| {
            self.equation.adjoint(t, c, v, slope, scratch);
            // L is a real operator on the grid with the symbol l, its transpose has the symbol conj(l)
            add_product(slope, self.linear.iter().map(|l| l.conj()), v);
        });
    }
}
