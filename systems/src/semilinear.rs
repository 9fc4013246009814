//! Equations du/dt = L u + N(u, t) with L diagonal in some coefficients: the form that exponential integrators step.

pub use rustfft::num_complex::Complex64;

/// du/dt = L u + N(u, t) for one member: real fields on a grid, and complex coefficients in which L is diagonal.
///
/// Every method fills the whole of its output.
pub trait Semilinear: Send + Sync {
    /// The diagonal of L, one number a coefficient, per unit of model time.
    fn linear(&self) -> Vec<Complex64>;

    /// Scratch for the other methods.
    fn workspace(&self) -> SpectralWorkspace;

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
