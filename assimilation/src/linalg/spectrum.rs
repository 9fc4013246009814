//! Symmetric eigenproblems one after the other in the same room: A = V diag(values) V^T, and functions of A.
//!
//! Up to order 55 by Householder's reduction and QL steps, whose loops run along rows and which allocate nothing; faer's
//! divide and conquer overtakes them between 56 (191 us for 170) and 64 (260 us for 289). The order alone decides.

use faer::{Mat, Side};
use scorecast_systems::wide;

use super::implicit_ql::diagonalise;
use super::lanes::{Lanes, ZEROS, groups};
use super::tridiagonal::Tridiagonal;
use super::{add_scaled, dot};

/// The smallest order that faer solves.
const FAER_FROM: usize = 56;

/// The eigenvalues and eigenvectors of one symmetric matrix after the other, in no particular order.
#[derive(Clone, Debug)]
pub struct Spectrum {
    /// Of the last matrix.
    order: usize,
    values: Vec<f64>,
    /// V^T row by row, each in whole groups.
    vectors: Vec<Lanes>,
    /// The lower triangle of the matrix, made symmetric and of order 1.
    scaled: Vec<f64>,
    beside: Vec<f64>,
    basis: Vec<Lanes>,
    tridiagonal: Tridiagonal,
}

impl Spectrum {
    /// Room for matrices up to `order`; larger ones make room for themselves.
    pub fn new(order: usize) -> Self {
        let (size, small) = (order * groups(order), order.min(FAER_FROM - 1));
        Self {
            order: 0,
            values: vec![0.0; order],
            vectors: vec![ZEROS; size],
            scaled: vec![0.0; small * small],
            beside: vec![0.0; small],
            basis: vec![ZEROS; small * groups(small)],
            tridiagonal: Tridiagonal::new(small),
        }
    }

    /// Decomposes the symmetric matrix `matrix`, `n` rows one after the other, of which the lower triangle is read. False
    /// where the iteration does not converge, as that of a matrix that is not finite.
    pub fn decompose(&mut self, n: usize, matrix: &[f64]) -> bool {
        assert_eq!(matrix.len(), n * n, "a square matrix");
        if n * groups(n) > self.vectors.len() {
            *self = Self::new(n);
        }
        self.order = n;
        if n < FAER_FROM { self.by_ql(n, matrix) } else { self.by_faer(n, matrix) }
    }

    /// The eigenvalues, `[k]`.
    pub fn values(&self) -> &[f64] {
        &self.values[..self.order]
    }

    /// The unit eigenvector of value `k`.
    pub fn vector(&self, k: usize) -> &[f64] {
        let width = groups(self.order);
        &self.vectors[k * width..(k + 1) * width].as_flattened()[..self.order]
    }

    /// f(A) x into `out`.
    pub fn times(&self, f: impl Fn(f64) -> f64, x: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (k, value) in self.values().iter().enumerate() {
            let vector = self.vector(k);
            add_scaled(out, f(*value) * dot(vector, x), vector);
        }
    }

    /// Column `i` of f(A) into `out`.
    pub fn column(&self, f: impl Fn(f64) -> f64, i: usize, out: &mut [f64]) {
        out.fill(0.0);
        for (k, value) in self.values().iter().enumerate() {
            let vector = self.vector(k);
            add_scaled(out, f(*value) * vector[i], vector);
        }
    }

    fn by_ql(&mut self, n: usize, matrix: &[f64]) -> bool {
        let largest = matrix.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        // above the smallest number with an inverse
        let scale = largest.max(1e-300);
        for i in 0..n {
            for j in 0..=i {
                let value = matrix[i * n + j] / scale;
                self.scaled[i * n + j] = value;
                self.scaled[j * n + i] = value;
            }
        }
        let mut converged = false;
        solve(n, self, &mut converged);
        self.values[..n].iter_mut().for_each(|value| *value *= scale);
        converged
    }

    fn by_faer(&mut self, n: usize, matrix: &[f64]) -> bool {
        let Ok(eigen) = Mat::from_fn(n, n, |i, j| matrix[i * n + j]).self_adjoint_eigen(Side::Lower) else {
            return false;
        };
        let values = eigen.S().column_vector();
        let width = groups(n);
        for (k, row) in self.vectors.chunks_exact_mut(width).take(n).enumerate() {
            self.values[k] = values[k];
            row.as_flattened_mut()[..n].iter_mut().enumerate().for_each(|(i, value)| *value = eigen.U()[(i, k)]);
        }
        true
    }
}

wide! {
    /// The eigenvalues of the scaled matrix, where they converge, and V^T, row by row in whole groups.
    fn solve(n: usize, of: &mut Spectrum, converged: &mut bool) {
        let Spectrum { values, vectors, scaled, beside, basis, tridiagonal, .. } = of;
        let width = groups(n);
        let (basis, vectors) = (&mut basis[..n * width], &mut vectors[..n * width]);
        tridiagonal.reduce(n, |i| &scaled[i * n..(i + 1) * n], None);
        tridiagonal.basis(n, basis);
        vectors.fill(ZEROS);
        // the reduction leaves what is large at its beginning, and QL steps want it at the end
        for (i, row) in basis.chunks_exact(width.max(1)).enumerate() {
            for (j, value) in row.as_flattened()[..n].iter().enumerate() {
                vectors[(n - 1 - j) * width + i / 8][i % 8] = *value;
            }
        }
        for k in 0..n {
            values[k] = tridiagonal.diagonal[n - 1 - k];
            beside[k] = if k + 1 < n { tridiagonal.beside[n - 2 - k] } else { 0.0 };
        }
        *converged = diagonalise(&mut values[..n], &mut beside[..n], vectors, width);
    }
}
