//! Householder's reduction of a symmetric matrix to tridiagonal form, S = V T V^T.
//!
//! V = H_0 H_1 ... H_{n-1} with H_k = I - f_k v_k v_k^T, whose v_k has zeros before coordinate k: H_0 maps a given vector to
//! a multiple of e_1 (or is the identity), and H_k the part of column k - 1 below the diagonal.

use super::lanes::{Lanes, ZEROS, add_scaled, combine, dot, fill, groups};

/// Squares below this are lost beside entries of about 1.
const NOTHING: f64 = 1e-290;

/// The reduction of one matrix after the other, up to an order.
#[derive(Clone, Debug)]
pub(super) struct Tridiagonal {
    /// The diagonal of T; of the last matrix, as all here.
    pub(super) diagonal: Vec<f64>,
    /// What is beside it: element k is T_{k, k+1}; the last is 0.
    pub(super) beside: Vec<f64>,
    /// S row by row, and what has become of it.
    rows: Vec<Lanes>,
    /// v_k row by row.
    vectors: Vec<Lanes>,
    /// f_k.
    factors: Vec<f64>,
    work: Vec<Lanes>,
}

impl Tridiagonal {
    /// Room for an order.
    pub(super) fn new(order: usize) -> Self {
        let size = order * groups(order);
        Self {
            diagonal: vec![0.0; order],
            beside: vec![0.0; order],
            rows: vec![ZEROS; size],
            vectors: vec![ZEROS; size],
            factors: vec![0.0; order],
            work: vec![ZEROS; groups(order)],
        }
    }

    /// Reduces the symmetric matrix whose row i is `row(i)`, of which both triangles are read and which has about the order
    /// of magnitude 1. Where there is a `first`, V e_1 is that vector over its length (with a sign); returns that length.
    #[inline(always)]
    pub(super) fn reduce<'a>(&mut self, n: usize, row: impl Fn(usize) -> &'a [f64], first: Option<&[f64]>) -> f64 {
        let width = groups(n);
        for i in 0..n {
            fill(&mut self.rows[i * width..(i + 1) * width], row(i));
        }
        let mut length = 0.0;
        let work = &mut self.work[..width];
        for k in 0..n {
            let v = &mut self.vectors[k * width..(k + 1) * width];
            match (k, first) {
                (0, None) => v.fill(ZEROS),
                (0, Some(first)) => fill(v, first),
                _ => {
                    v.copy_from_slice(&self.rows[(k - 1) * width..k * width]);
                    v.as_flattened_mut()[..k].fill(0.0);
                }
            }
            let (image, factor) = reflector(v, k, n);
            self.factors[k] = factor;
            *(if k == 0 { &mut length } else { &mut self.beside[k - 1] }) = image;
            if factor != 0.0 {
                conjugate(&mut self.rows[k * width..n * width], k, v, factor, work);
            }
            self.diagonal[k] = self.rows[k * width..(k + 1) * width].as_flattened()[k];
        }
        if n > 0 {
            self.beside[n - 1] = 0.0;
        }
        length
    }

    /// V into `out`, row by row.
    #[inline(always)]
    pub(super) fn basis(&mut self, n: usize, out: &mut [Lanes]) {
        let width = groups(n);
        out.fill(ZEROS);
        let sum = &mut self.work;
        for k in (0..n).rev() {
            out[k * width..(k + 1) * width].as_flattened_mut()[k] = 1.0;
            let first = k / 8;
            let v = &self.vectors[k * width..(k + 1) * width];
            let rows = &mut out[k * width..n * width];
            let sum = &mut sum[first..width];
            let weights = &v.as_flattened()[k..n];
            weigh_rows(sum, rows, width, first, -self.factors[k], weights);
            for (row, weight) in rows.chunks_exact_mut(width).zip(weights) {
                add_scaled(&mut row[first..], *weight, sum);
            }
        }
    }

    /// x <- V x; x has the order of the last matrix.
    pub(super) fn apply(&self, x: &mut [f64]) {
        let n = x.len();
        let width = groups(n);
        for k in (0..n).rev() {
            let v = &self.vectors[k * width..(k + 1) * width].as_flattened()[k..n];
            let x = &mut x[k..];
            let along = self.factors[k] * x.iter().zip(v).map(|(x, v)| x * v).sum::<f64>();
            x.iter_mut().zip(v).for_each(|(x, v)| *x -= along * v);
        }
    }
}

/// Turns a vector with zeros before coordinate `k` into the v of the reflection I - f v v^T that maps it to the returned
/// multiple of unit vector `k`; also f.
#[inline(always)]
fn reflector(v: &mut [Lanes], k: usize, n: usize) -> (f64, f64) {
    let square = dot(v, v);
    let first = &mut v.as_flattened_mut()[k];
    if k + 1 == n {
        return (*first, 0.0);
    }
    if square < NOTHING {
        return (0.0, 0.0);
    }
    let length = square.sqrt();
    let image = -length.copysign(*first);
    *first -= image;
    // v^T v = 2 (square + length |first|)
    (image, 1.0 / (length * first.abs()))
}

/// factor sum_i weights_i row_i, of the groups of the rows from `first` on.
#[inline(always)]
fn weigh_rows(out: &mut [Lanes], rows: &[Lanes], width: usize, first: usize, factor: f64, weights: &[f64]) {
    for (group, out) in (first..width).zip(out) {
        let mut sum = ZEROS;
        for (row, weight) in rows.chunks_exact(width).zip(weights) {
            sum = combine(sum, row[group], |sum, value| sum + weight * value);
        }
        *out = sum.map(
            #[inline(always)]
            |value| factor * value,
        );
    }
}

/// S <- H S H, H = I - f v v^T, on rows and columns from `k` on: S - v q^T - q v^T with p = f S v, q = p - f/2 (p^T v) v.
/// `rows` are the rows of S from `k` on.
#[inline(always)]
fn conjugate(rows: &mut [Lanes], k: usize, v: &[Lanes], factor: f64, q: &mut [Lanes]) {
    let width = v.len();
    let first = k / 8;
    let (v, q) = (&v[first..], &mut q[first..]);
    // S is symmetric, so its rows serve as columns and the sum runs along the fast axis
    weigh_rows(q, rows, width, first, factor, &v.as_flattened()[k - 8 * first..]);
    // the group of coordinate k may hold others before it, which are done
    q.as_flattened_mut()[..k - 8 * first].fill(0.0);
    let half = -0.5 * factor * dot(q, v);
    add_scaled(q, half, v);
    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
        let at = k - 8 * first + i;
        let (vi, qi) = (v.as_flattened()[at], q.as_flattened()[at]);
        for ((s, v), q) in row[first..].iter_mut().zip(v).zip(q.iter()) {
            let change = combine(*v, *q, |v, q| vi * q + qi * v);
            *s = combine(*s, change, |s, change| s - change);
        }
    }
}
