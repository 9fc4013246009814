//! Fields on regular grids: real Fourier transforms in one and two dimensions, products without aliasing, and the form
//! du/dt = L u + N(u) with L diagonal in Fourier coefficients, which [`crate::integrate::Etdrk4`] steps.
//!
//! A periodic field of n points has coefficients c_k with u(x_j) = sum_k c_k exp(i k x_j); those of negative k are
//! conjugates and are not stored. A quadratic product keeps the wavenumbers |k| <= K with 3 K < n, of its factors and
//! of itself (Orszag 1971): none of them is then aliased, and the kept part is the Galerkin projection, which conserves
//! what the equation conserves.
//!
//! Everything here works on one member at a time, in contiguous scratch; blocks of members are gathered lane by lane.

mod advection;
mod basin;
mod helmholtz;
mod line;
mod modes;
mod pool;
mod sde;
mod sine;
mod square;
mod vorticity;

pub use advection::Advection;
pub use basin::Basin;
pub use helmholtz::Helmholtz;
pub use line::Line;
pub use modes::{Mode, RandomModes};
pub use rustfft::num_complex::Complex64;
pub use sde::{Forcing, SpectralSde};
pub use sine::SineTransform;
pub use square::Square;
pub use vorticity::Vorticity;

pub(crate) use crate::lanes::{distinct, gather, scatter};
pub(crate) use pool::Pool;

/// du/dt = L u + N(u, t) for one member: real fields on a grid, and complex coefficients in which L is diagonal.
///
/// Every method fills the whole of its output.
pub trait Semilinear: Send + Sync {
    /// The diagonal of L, one number a coefficient, per unit of model time.
    fn linear(&self) -> Vec<Complex64>;

    /// Scratch for the other methods.
    fn scratch(&self) -> SpectralWorkspace;

    /// From the field on the grid to its coefficients; `x` is left overwritten.
    fn to_coefficients(&self, x: &mut [f64], c: &mut [Complex64], scratch: &mut SpectralWorkspace);

    /// From coefficients to the field on the grid; `c` is left overwritten.
    fn to_grid(&self, c: &mut [Complex64], x: &mut [f64], scratch: &mut SpectralWorkspace);

    /// N(c, t) into `out`.
    fn nonlinear(&self, t: f64, c: &[Complex64], out: &mut [Complex64], scratch: &mut SpectralWorkspace);

    /// The derivatives of N, where they are written.
    fn derivatives(&self) -> Option<&dyn Derivatives> {
        None
    }
}

/// The derivatives of the N of a [`Semilinear`] equation as products with a vector. They are those of the real map from
/// field to field, the transpose in the inner product sum_j u_j v_j of the grid; all are expressed in coefficients.
pub trait Derivatives: Send + Sync {
    /// N'(c, t) d into `out`.
    fn tangent(&self, t: f64, c: &[Complex64], d: &[Complex64], out: &mut [Complex64], scratch: &mut SpectralWorkspace);

    /// N'(c, t)^T v into `out`.
    fn adjoint(&self, t: f64, c: &[Complex64], v: &[Complex64], out: &mut [Complex64], scratch: &mut SpectralWorkspace);
}

/// What one thread needs to evaluate one member; made once and reused.
#[derive(Clone, Debug, Default)]
pub struct SpectralWorkspace {
    fields: Vec<Vec<f64>>,
    spectra: Vec<Vec<Complex64>>,
    transform: Vec<Complex64>,
}

impl SpectralWorkspace {
    /// (count, length) of real fields and of complex spectra, and the length of what a transform needs.
    pub fn new(fields: (usize, usize), spectra: (usize, usize), transform: usize) -> Self {
        let zero = Complex64::default();
        Self {
            fields: vec![vec![0.0; fields.1]; fields.0],
            spectra: vec![vec![zero; spectra.1]; spectra.0],
            transform: vec![zero; transform],
        }
    }

    /// The first `F` fields, the first `S` spectra, and what a transform needs.
    pub fn parts<const F: usize, const S: usize>(
        &mut self,
    ) -> ([&mut [f64]; F], [&mut [Complex64]; S], &mut [Complex64]) {
        let mut fields = self.fields.iter_mut();
        let mut spectra = self.spectra.iter_mut();
        (
            std::array::from_fn(|_| fields.next().map(Vec::as_mut_slice).unwrap_or_default()),
            std::array::from_fn(|_| spectra.next().map(Vec::as_mut_slice).unwrap_or_default()),
            &mut self.transform,
        )
    }
}

/// The largest wavenumber K of `n` points with 3 K < n: products of two fields cut off there are not aliased.
pub fn cut(n: usize) -> usize {
    n.saturating_sub(1) / 3
}
