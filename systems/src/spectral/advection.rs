//! du/dt = L u - u u_x on a periodic line, with L diagonal in Fourier coefficients: the equations of Burgers and of
//! Kuramoto and Sivashinsky. N(u) = -D (P u)^2 / 2 with P the cut at K and D = P d/dx.
//!
//! N conserves the mean of u, and sum_j u_j N_j = 0. Its derivative is N'(u) v = -D (P u P v), the transpose
//! N'(u)^T w = P (P u D w), because D^T = -D.

use super::{Complex64, Derivatives, Line, Semilinear, SpectralWorkspace};

/// du/dt = L u - u u_x on a periodic line.
pub struct Advection {
    line: Line,
    linear: Vec<f64>,
    /// k of the coefficients up to K, 2 pi j / length.
    wavenumbers: Vec<f64>,
}

impl Advection {
    /// On a line of `length` with `points` points; `linear` gives the eigenvalue of L from the wavenumber k.
    pub fn new(points: usize, length: f64, linear: impl Fn(f64) -> f64) -> Self {
        let line = Line::new(points);
        let wavenumber = |j: usize| std::f64::consts::TAU * j as f64 / length;
        let linear = (0..line.modes()).map(|j| linear(wavenumber(j))).collect();
        let wavenumbers = (0..=line.cut()).map(wavenumber).collect();
        Self { line, linear, wavenumbers }
    }

    /// P u on the grid, from the coefficients of u times `symbol(k)`.
    fn grid(
        &self,
        c: &[Complex64],
        symbol: impl Fn(f64) -> Complex64,
        field: &mut [f64],
        spectrum: &mut [Complex64],
        transform: &mut [Complex64],
    ) {
        for ((cell, c), k) in spectrum.iter_mut().zip(c).zip(&self.wavenumbers) {
            *cell = symbol(*k) * c;
        }
        spectrum[self.wavenumbers.len()..].fill(Complex64::default());
        self.line.inverse(spectrum, field, transform);
    }

    /// P of the field times `symbol(k)`, in coefficients.
    fn spectrum(
        &self,
        field: &mut [f64],
        symbol: impl Fn(f64) -> Complex64,
        out: &mut [Complex64],
        transform: &mut [Complex64],
    ) {
        self.line.forward(field, out, transform);
        let scale = 1.0 / self.line.points() as f64;
        for (out, k) in out.iter_mut().zip(&self.wavenumbers) {
            *out *= symbol(*k) * scale;
        }
        out[self.wavenumbers.len()..].fill(Complex64::default());
    }
}

fn one(_k: f64) -> Complex64 {
    Complex64::ONE
}

impl Semilinear for Advection {
    fn linear(&self) -> Vec<Complex64> {
        self.linear.iter().map(|l| Complex64::from(*l)).collect()
    }

    fn workspace(&self) -> SpectralWorkspace {
        SpectralWorkspace::new((2, self.line.points()), (1, self.line.modes()), self.line.scratch_len())
    }

    fn to_coefficients(&self, x: &mut [f64], c: &mut [Complex64], scratch: &mut SpectralWorkspace) {
        let ([], [], transform) = scratch.parts();
        self.line.forward(x, c, transform);
        let scale = 1.0 / self.line.points() as f64;
        c.iter_mut().for_each(|c| *c *= scale);
    }

    fn to_grid(&self, c: &mut [Complex64], x: &mut [f64], scratch: &mut SpectralWorkspace) {
        let ([], [], transform) = scratch.parts();
        self.line.inverse(c, x, transform);
    }

    fn nonlinear(&self, _t: f64, c: &[Complex64], out: &mut [Complex64], scratch: &mut SpectralWorkspace) {
        let ([u], [spectrum], transform) = scratch.parts();
        self.grid(c, one, u, spectrum, transform);
        u.iter_mut().for_each(|u| *u *= *u);
        self.spectrum(u, |k| Complex64::new(0.0, -0.5 * k), out, transform);
    }

    fn derivatives(&self) -> Option<&dyn Derivatives> {
        Some(self)
    }
}

impl Derivatives for Advection {
    fn tangent(
        &self,
        _t: f64,
        c: &[Complex64],
        d: &[Complex64],
        out: &mut [Complex64],
        scratch: &mut SpectralWorkspace,
    ) {
        let ([u, v], [spectrum], transform) = scratch.parts();
        self.grid(c, one, u, spectrum, transform);
        self.grid(d, one, v, spectrum, transform);
        u.iter_mut().zip(v).for_each(|(u, v)| *u *= *v);
        self.spectrum(u, |k| Complex64::new(0.0, -k), out, transform);
    }

    fn adjoint(
        &self,
        _t: f64,
        c: &[Complex64],
        v: &[Complex64],
        out: &mut [Complex64],
        scratch: &mut SpectralWorkspace,
    ) {
        let ([u, w], [spectrum], transform) = scratch.parts();
        self.grid(c, one, u, spectrum, transform);
        self.grid(v, |k| Complex64::new(0.0, k), w, spectrum, transform);
        u.iter_mut().zip(w).for_each(|(u, w)| *u *= *w);
        self.spectrum(u, one, out, transform);
    }
}
