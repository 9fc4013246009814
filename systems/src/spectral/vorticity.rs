//! The vorticity equation on the periodic square, dw/dt = L w - u . grad w + f with a steady f. The velocity is
//! (u, v) = (-psi_y, psi_x) with laplace psi = w, so that u^ = i ky w^ / k^2 and v^ = -i kx w^ / k^2.
//!
//! With p = u v and q = v^2 - u^2 the advection is u . grad w = (d_xx - d_yy) p + d_xy q (Basdevant 1983), which costs
//! four transforms instead of five: N^ = P ((kx^2 - ky^2) p^ + kx ky q^) + f^, where P cuts kx and ky off at K and the
//! velocity is that of P w. It conserves energy sum psi N and enstrophy sum w N without f.
//!
//! The derivative has p' = u v' + v u' and q' = 2 (v v' - u u'). Its transpose, on a field w: with a^ = (kx^2 - ky^2) w^
//! and b^ = kx ky w^, N'^T w = U^T (v a - 2 u b) + V^T (u a + 2 v b), where U and V map vorticity to velocity; their
//! symbols are imaginary, so that U^T = -U and V^T = -V.

use super::{Complex64, Derivatives, Semilinear, SpectralWorkspace, Square};

/// dw/dt = L w - u . grad w + f on [0, 2 pi)^2.
pub struct Vorticity {
    square: Square,
    /// The symbol of L.
    linear: Vec<f64>,
    /// Coefficients up to kx = K, cut at |ky| = K: the symbols of the equation.
    symbols: Vec<Symbol>,
    /// f, as (index, coefficient).
    steady: Vec<(usize, Complex64)>,
}

/// What one coefficient is multiplied by; all 0 beyond the cut.
#[derive(Clone, Copy, Default)]
struct Symbol {
    /// ky / k^2 and -kx / k^2: velocity from vorticity, times i.
    velocity: [f64; 2],
    /// kx^2 - ky^2 and kx ky: tendency of vorticity from p and q.
    stress: [f64; 2],
}

impl Symbol {
    fn new((kx, ky): (f64, f64)) -> Self {
        let squared = kx * kx + ky * ky;
        let inverse = if squared > 0.0 { 1.0 / squared } else { 0.0 };
        Self { velocity: [ky * inverse, -kx * inverse], stress: [kx * kx - ky * ky, kx * ky] }
    }
}

/// i b z.
#[inline(always)]
fn times_i(b: f64, z: Complex64) -> Complex64 {
    Complex64::new(-b * z.im, b * z.re)
}

impl Vorticity {
    /// On `square`; `linear` gives the eigenvalue of L from k^2, `steady` the coefficients of f.
    pub fn new(square: Square, linear: impl Fn(f64) -> f64, steady: Vec<(usize, Complex64)>) -> Self {
        let squared = |(kx, ky): (f64, f64)| kx * kx + ky * ky;
        let linear = (0..square.modes()).map(|i| linear(squared(square.wavenumbers(i)))).collect();
        let cut = square.cut() as f64;
        let symbol = |index: usize| match square.wavenumbers(index) {
            k if k.1.abs() <= cut => Symbol::new(k),
            _ => Symbol::default(),
        };
        let symbols = (0..(square.cut() + 1) * square.points()).map(symbol).collect();
        Self { square, linear, symbols, steady }
    }

    /// The grid.
    pub fn square(&self) -> &Square {
        &self.square
    }

    /// The columns of coefficients up to K.
    fn columns(&self) -> usize {
        self.square.cut() + 1
    }

    /// Two fields from the coefficients of one.
    fn pair(
        &self,
        c: &[Complex64],
        symbols: impl Fn(&Symbol, Complex64) -> [Complex64; 2],
        fields: [&mut [f64]; 2],
        spectra: [&mut [Complex64]; 2],
        transform: &mut [Complex64],
    ) {
        let [first, second] = spectra;
        for (((first, second), c), symbol) in first.iter_mut().zip(&mut *second).zip(c).zip(&self.symbols) {
            [*first, *second] = symbols(symbol, *c);
        }
        for (spectrum, field) in [first, second].into_iter().zip(fields) {
            self.square.inverse(spectrum, self.columns(), field, transform);
        }
    }

    /// u and v of P w.
    fn velocity(
        &self,
        c: &[Complex64],
        fields: [&mut [f64]; 2],
        spectra: [&mut [Complex64]; 2],
        transform: &mut [Complex64],
    ) {
        let symbols = |s: &Symbol, c| [times_i(s.velocity[0], c), times_i(s.velocity[1], c)];
        self.pair(c, symbols, fields, spectra, transform);
    }

    /// The coefficients of two fields, combined into those of one.
    fn combine(
        &self,
        fields: [&mut [f64]; 2],
        symbols: impl Fn(&Symbol, Complex64, Complex64) -> Complex64,
        out: &mut [Complex64],
        spectrum: &mut [Complex64],
        transform: &mut [Complex64],
    ) {
        let [first, second] = fields;
        self.square.forward(first, out, self.columns(), transform);
        self.square.forward(second, spectrum, self.columns(), transform);
        let (kept, beyond) = out.split_at_mut(self.symbols.len());
        let scale = 1.0 / first.len() as f64;
        for ((out, second), symbol) in kept.iter_mut().zip(spectrum).zip(&self.symbols) {
            *out = symbols(symbol, *out, *second) * scale;
        }
        beyond.fill(Complex64::default());
    }
}

/// The tendency of vorticity from p and q.
#[inline(always)]
fn stress(symbol: &Symbol, p: Complex64, q: Complex64) -> Complex64 {
    p * symbol.stress[0] + q * symbol.stress[1]
}

impl Semilinear for Vorticity {
    fn linear(&self) -> Vec<Complex64> {
        self.linear.iter().map(|l| Complex64::from(*l)).collect()
    }

    fn workspace(&self) -> SpectralWorkspace {
        let points = self.square.points();
        SpectralWorkspace::new((4, points * points), (2, self.symbols.len()), self.square.scratch_len())
    }

    fn to_coefficients(&self, x: &mut [f64], c: &mut [Complex64], scratch: &mut SpectralWorkspace) {
        let ([], [], transform) = scratch.parts();
        self.square.forward(x, c, self.square.columns(), transform);
        let scale = 1.0 / x.len() as f64;
        c.iter_mut().for_each(|c| *c *= scale);
    }

    fn to_grid(&self, c: &mut [Complex64], x: &mut [f64], scratch: &mut SpectralWorkspace) {
        let ([], [], transform) = scratch.parts();
        self.square.inverse(c, self.square.columns(), x, transform);
    }

    fn nonlinear(&self, _t: f64, c: &[Complex64], out: &mut [Complex64], scratch: &mut SpectralWorkspace) {
        let ([u, v], [first, second], transform) = scratch.parts();
        self.velocity(c, [&mut *u, &mut *v], [&mut *first, second], transform);
        for (u, v) in u.iter_mut().zip(&mut *v) {
            (*u, *v) = (*u * *v, (*v - *u) * (*v + *u));
        }
        self.combine([u, v], stress, out, first, transform);
        self.steady.iter().for_each(|(index, f)| out[*index] += f);
    }

    fn derivatives(&self) -> Option<&dyn Derivatives> {
        Some(self)
    }
}

impl Derivatives for Vorticity {
    fn tangent(
        &self,
        _t: f64,
        c: &[Complex64],
        d: &[Complex64],
        out: &mut [Complex64],
        scratch: &mut SpectralWorkspace,
    ) {
        let ([u, v, du, dv], [first, second], transform) = scratch.parts();
        self.velocity(c, [&mut *u, &mut *v], [&mut *first, &mut *second], transform);
        self.velocity(d, [&mut *du, &mut *dv], [&mut *first, second], transform);
        for ((u, v), (du, dv)) in u.iter_mut().zip(&mut *v).zip(du.iter().zip(dv)) {
            (*u, *v) = (*u * *dv + *v * du, 2.0 * (*v * *dv - *u * du));
        }
        self.combine([u, v], stress, out, first, transform);
    }

    fn adjoint(
        &self,
        _t: f64,
        c: &[Complex64],
        w: &[Complex64],
        out: &mut [Complex64],
        scratch: &mut SpectralWorkspace,
    ) {
        let ([u, v, a, b], [first, second], transform) = scratch.parts();
        self.velocity(c, [&mut *u, &mut *v], [&mut *first, &mut *second], transform);
        let symbols = |s: &Symbol, w| [w * s.stress[0], w * s.stress[1]];
        self.pair(w, symbols, [&mut *a, &mut *b], [&mut *first, second], transform);
        for ((u, v), (a, b)) in u.iter_mut().zip(&mut *v).zip(a.iter().zip(b)) {
            (*u, *v) = (*v * a - 2.0 * *u * *b, *u * a + 2.0 * *v * *b);
        }
        let transposed = |s: &Symbol, x, y| -times_i(s.velocity[0], x) - times_i(s.velocity[1], y);
        self.combine([u, v], transposed, out, first, transform);
    }
}
