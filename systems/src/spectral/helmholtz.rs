//! (laplace - F) psi = r on the unit square with psi = 0 on its boundary, for the five-point Laplacian of [`Basin`],
//! solved exactly: a sine transform along x turns the equation into one tridiagonal system along y for each wavenumber
//! (Hockney 1965),
//!
//! psi_{j+1} + b_k psi_j + psi_{j-1} = h^2 r_j,   b_k = -2 - 4 sin^2(pi k / 2 N) - h^2 F,   N = 1 / h,
//!
//! and elimination from the south with pivots 1 / m_j = b_k - m_{j-1} needs no pivoting, because |b_k| > 2.

use super::{Basin, Complex64, SineTransform};

/// A solver for one grid and one F >= 0.
pub struct Helmholtz {
    basin: Basin,
    sine: SineTransform,
    /// m_j for each wavenumber, `[j][k]`, inner points only.
    pivots: Vec<f64>,
}

impl Helmholtz {
    /// For `basin` and F = `shift`.
    pub fn new(basin: Basin, shift: f64) -> Self {
        let (intervals, h) = (basin.points - 1, basin.spacing());
        let inner = intervals - 1;
        let half_angle = |k: usize| 0.5 * std::f64::consts::PI * (k + 1) as f64 / intervals as f64;
        let mut pivots = vec![0.0; inner * inner];
        for at in 0..pivots.len() {
            let b = -2.0 - 4.0 * half_angle(at % inner).sin().powi(2) - h * h * shift;
            let before = if at < inner { 0.0 } else { pivots[at - inner] };
            pivots[at] = 1.0 / (b - before);
        }
        Self { basin, sine: SineTransform::new(intervals), pivots }
    }

    /// The lengths of the real and of the complex scratch of [`Helmholtz::solve`].
    pub fn scratch_len(&self) -> (usize, usize) {
        self.sine.scratch_len()
    }

    /// psi over r; the boundary becomes 0.
    pub fn solve(&self, f: &mut [f64], fields: &mut [f64], spectra: &mut [Complex64]) {
        let (n, inner) = (self.basin.points, self.basin.points - 2);
        self.basin.clear_boundary(f);
        self.transform(f, fields, spectra);
        // the sine transform and its inverse together multiply by N / 2
        let scale = 2.0 * self.basin.spacing().powi(3);
        for (j, pivots) in self.pivots.chunks_exact(inner).enumerate() {
            let (before, here) = f.split_at_mut((j + 1) * n);
            let before = &before[j * n..];
            for (k, m) in pivots.iter().enumerate() {
                here[k + 1] = (scale * here[k + 1] - before[k + 1]) * m;
            }
        }
        for (j, pivots) in self.pivots.chunks_exact(inner).enumerate().rev() {
            let (here, after) = f[(j + 1) * n..].split_at_mut(n);
            for (k, m) in pivots.iter().enumerate() {
                here[k + 1] -= m * after[k + 1];
            }
        }
        self.transform(f, fields, spectra);
    }

    fn transform(&self, f: &mut [f64], fields: &mut [f64], spectra: &mut [Complex64]) {
        let n = self.basin.points;
        for row in f.chunks_exact_mut(n).take(n - 1).skip(1) {
            self.sine.transform(&mut row[1..n - 1], fields, spectra);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Domain, Key};

    fn solve(basin: Basin, shift: f64, r: &[f64]) -> Vec<f64> {
        let solver = Helmholtz::new(basin, shift);
        let (real, complex) = solver.scratch_len();
        let mut psi = r.to_vec();
        solver.solve(&mut psi, &mut vec![0.0; real], &mut vec![Complex64::default(); complex]);
        psi
    }

    #[test]
    fn the_operator_returns_the_right_hand_side() {
        for (points, shift) in [(9, 0.0), (65, 0.0), (129, 1600.0)] {
            let basin = Basin { points };
            let mut r = vec![0.0; points * points];
            Key::new(8, Domain::Score).stream(0).fill_normal(&mut r);
            basin.clear_boundary(&mut r);
            let psi = solve(basin, shift, &r);
            let mut back = vec![0.0; r.len()];
            basin.laplacian(&psi, &mut back);
            let gap = back.iter().zip(&psi).zip(&r).map(|((l, psi), r)| (l - shift * psi - r).abs());
            let gap = gap.fold(0.0, f64::max);
            assert!(gap < 1e-10, "{points}, F = {shift}: {gap}");
        }
    }

    /// psi = sin(pi x) y (1 - y) exp(y), with its Laplacian by hand.
    #[test]
    fn a_manufactured_solution_is_met_at_second_order() {
        use std::f64::consts::PI;
        let shift = 40.0;
        let errors = [17usize, 33, 65].map(|points| {
            let h = 1.0 / (points - 1) as f64;
            let at = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
                (0..points * points).map(|i| f((i % points) as f64 * h, (i / points) as f64 * h)).collect()
            };
            let psi = at(&|x, y| (PI * x).sin() * y * (1.0 - y) * y.exp());
            // (y - y^2) e^y has the second derivative -(3 y + y^2) e^y
            let r = at(&|x, y| (PI * x).sin() * y.exp() * (-(3.0 * y + y * y) - (PI * PI + shift) * y * (1.0 - y)));
            let found = solve(Basin { points }, shift, &r);
            found.iter().zip(&psi).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        });
        for pair in errors.windows(2) {
            let order = (pair[0] / pair[1]).log2();
            assert!((order - 2.0).abs() < 0.1, "{order}");
        }
    }
}
