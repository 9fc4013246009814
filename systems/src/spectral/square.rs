//! Real Fourier transforms on the periodic square [0, 2 pi)^2 of n x n points, row by row: row r is y = 2 pi r / n,
//! column s is x = 2 pi s / n, and u(x, y) = sum c(kx, ky) exp(i (kx x + ky y)).
//!
//! The coefficients with kx = 0 ... n/2 are kept, in columns of n: c(kx, ky) stands at kx n + (ky mod n). Transforms
//! skip the columns beyond `columns`, which is a third of their work where products are cut off.

use std::sync::Arc;

use rustfft::{Fft, FftPlanner};

use super::{Complex64, Line};

/// Rows transformed together, so that the transposition to columns writes whole cache lines.
const BATCH: usize = 8;

/// The periodic square of n x n points.
pub struct Square {
    row: Line,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

impl Square {
    /// Of `points` x `points` points.
    pub fn new(points: usize) -> Self {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(points), planner.plan_fft_inverse(points));
        Self { row: Line::new(points), forward, inverse }
    }

    /// n.
    pub fn points(&self) -> usize {
        self.row.points()
    }

    /// Columns of coefficients: kx = 0 ... n / 2.
    pub fn columns(&self) -> usize {
        self.row.modes()
    }

    /// How many coefficients are kept.
    pub fn modes(&self) -> usize {
        self.points() * self.columns()
    }

    /// The largest wavenumber, of kx and of ky, of products without aliasing.
    pub fn cut(&self) -> usize {
        self.row.cut()
    }

    /// (kx, ky) of the coefficient at `index`.
    pub fn wavenumbers(&self, index: usize) -> (f64, f64) {
        let n = self.points();
        let (kx, ky) = (index / n, index % n);
        (kx as f64, if 2 * ky <= n { ky as f64 } else { ky as f64 - n as f64 })
    }

    /// Where c(kx, ky) stands, for kx >= 0.
    pub fn index(&self, kx: usize, ky: i64) -> usize {
        let n = self.points();
        kx * n + ky.rem_euclid(n as i64) as usize
    }

    /// The length of `scratch` below.
    pub fn scratch_len(&self) -> usize {
        let columns = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        BATCH * self.columns() + columns.max(self.row.scratch_len())
    }

    /// n^2 c(kx, ky) of the first `columns` columns into `c`; `x` is left overwritten.
    pub fn forward(&self, x: &mut [f64], c: &mut [Complex64], columns: usize, scratch: &mut [Complex64]) {
        let (n, modes) = (self.points(), self.columns());
        assert!(x.len() == n * n && columns <= modes, "{} values for a square of {n}", x.len());
        let c = &mut c[..columns * n];
        let (rows, scratch) = scratch.split_at_mut(BATCH * modes);
        for (batch, x) in x.chunks_mut(BATCH * n).enumerate() {
            let count = x.len() / n;
            for (x, row) in x.chunks_mut(n).zip(rows.chunks_mut(modes)) {
                let needed = self.row.scratch_len();
                self.row.forward(x, row, &mut scratch[..needed]);
            }
            for (kx, column) in c.chunks_mut(n).enumerate() {
                for (r, cell) in column[batch * BATCH..][..count].iter_mut().enumerate() {
                    *cell = rows[r * modes + kx];
                }
            }
        }
        self.forward.process_with_scratch(c, scratch);
    }

    /// u from c, whose columns from `columns` on are taken as 0; `c` is left overwritten.
    pub fn inverse(&self, c: &mut [Complex64], columns: usize, x: &mut [f64], scratch: &mut [Complex64]) {
        let (n, modes) = (self.points(), self.columns());
        assert!(x.len() == n * n && columns <= modes, "{} values for a square of {n}", x.len());
        let c = &mut c[..columns * n];
        let (rows, scratch) = scratch.split_at_mut(BATCH * modes);
        self.inverse.process_with_scratch(c, scratch);
        for (batch, x) in x.chunks_mut(BATCH * n).enumerate() {
            let count = x.len() / n;
            for (kx, column) in c.chunks(n).enumerate() {
                for (r, cell) in column[batch * BATCH..][..count].iter().enumerate() {
                    rows[r * modes + kx] = *cell;
                }
            }
            for (x, row) in x.chunks_mut(n).zip(rows.chunks_mut(modes)) {
                row[columns..].fill(Complex64::default());
                let needed = self.row.scratch_len();
                self.row.inverse(row, x, &mut scratch[..needed]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cos(2 x - 3 y + 0.4) has c(2, -3) = exp(0.4 i) / 2 and no other coefficient with kx > 0.
    #[test]
    fn a_wave_has_one_coefficient_and_comes_back() {
        for n in [8usize, 12, 15] {
            let square = Square::new(n);
            let h = std::f64::consts::TAU / n as f64;
            let wave = |r: usize, s: usize| (2.0 * h * s as f64 - 3.0 * h * r as f64 + 0.4).cos();
            let field: Vec<f64> = (0..n * n).map(|i| wave(i / n, i % n)).collect();
            let (mut x, mut c) = (field.clone(), vec![Complex64::default(); square.modes()]);
            let mut scratch = vec![Complex64::default(); square.scratch_len()];
            square.forward(&mut x, &mut c, square.columns(), &mut scratch);
            let expected = Complex64::from_polar(0.5 * (n * n) as f64, 0.4);
            for (index, c) in c.iter().enumerate() {
                let expected = if index == square.index(2, -3) { expected } else { Complex64::default() };
                assert!((c - expected).norm() < 1e-12 * (n * n) as f64, "{n}: {index}");
            }
            assert_eq!(square.wavenumbers(square.index(2, -3)), (2.0, -3.0));
            c.iter_mut().for_each(|c| *c /= (n * n) as f64);
            square.inverse(&mut c, 3, &mut x, &mut scratch);
            assert!(x.iter().zip(&field).all(|(a, b)| (a - b).abs() < 1e-14), "{n}");
        }
    }
}
