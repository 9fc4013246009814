//! Convolution over a grid, channels last: `z[i, j, o] = b[o] + sum_{k, l, c} w[o, k, l, c] x[i + k - p, j + l - p, c]`,
//! kernel K = 2 p + 1 in both directions; x `[batch, rows, columns, inputs]`, w `[outputs, K, K, inputs]`,
//! b `[outputs]`. Beyond the grid, x is what its [`Boundary`] says.
//!
//! One example at a time is copied into a buffer with a halo of p positions, `[rows + 2 p, columns + 2 p, inputs]`. There
//! the K * inputs values of x that one output needs from one row are contiguous, and start `inputs` values after those of
//! the output before: the convolution is the sum over k of K matrix products with overlapping rows (the 2 p products
//! between the end of a row and the start of the next are computed and dropped). No matrix of patches is made.
//! With g the gradient before the activation, dx is the convolution of g, with the same boundary, with the kernel reversed
//! in both directions and transposed, and dw`[., k]` is the sum over examples of (g with zeros between its rows)^T
//! (overlapping rows of x).

use candle_core::{Result, Shape, Tensor};

use super::affine::{Affine, apply};
use super::matrix::{Strided, add_product, product};
use super::real::Real;
use super::{Activation, Boundary};

/// a(x * w + b) on a grid.
///
/// # Errors
/// When the shapes do not fit, the kernel is not square and odd, or a tensor is neither f32 nor f64.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    boundary: Boundary,
    activation: Activation,
) -> Result<Tensor> {
    apply(Sizes::new(x.shape(), weight.shape(), boundary)?, [x, weight, bias], activation)
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    rows: usize,
    columns: usize,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    boundary: Boundary,
}

impl Sizes {
    fn new(x: &Shape, weight: &Shape, boundary: Boundary) -> Result<Self> {
        let (batch, rows, columns, channels) = x.dims4()?;
        let (outputs, kernel, other, inputs) = weight.dims4()?;
        if channels != inputs || kernel != other || kernel % 2 == 0 {
            candle_core::bail!(
                "convolution on a grid: x is {x:?} but the weight is {weight:?} (its kernel must be square and odd)"
            );
        }
        Ok(Self { batch, rows, columns, inputs, outputs, kernel, boundary })
    }

    /// The columns of a padded example.
    fn width(self) -> usize {
        self.columns + self.kernel - 1
    }

    /// The values of a padded example.
    fn padded(self) -> usize {
        (self.rows + self.kernel - 1) * self.width() * self.inputs
    }

    /// The rows of each product: all outputs of an example, and those between its rows.
    fn windows(self) -> usize {
        (self.rows * self.width()).saturating_sub(self.kernel - 1)
    }

    /// The values of x that an output needs from one row.
    fn reach(self) -> usize {
        self.kernel * self.inputs
    }

    /// What the outputs need from the row k - p below their own.
    fn overlapping<T: Real>(self, padded: &[T], k: usize) -> Strided<'_, T> {
        Strided::rows(&padded[k * self.width() * self.inputs..], self.windows(), self.reach(), self.inputs)
    }

    /// `w[., k]` as a matrix from what is needed of a row to outputs.
    fn weight_row<T: Real>(self, weight: &[T], k: usize) -> Strided<'_, T> {
        Strided::rows(&weight[k * self.reach()..], self.outputs, self.reach(), self.kernel * self.reach()).transposed()
    }

    /// The position in the grid of position `at` of a padded direction of `length`, if the boundary has one.
    fn source(self, at: usize, length: usize) -> Option<usize> {
        let p = self.kernel / 2;
        match self.boundary {
            Boundary::Periodic => Some((at + length * p - p) % length),
            Boundary::Zero => at.checked_sub(p).filter(|at| *at < length),
        }
    }
}

/// Copies an example `[rows, columns, inputs]` into `out`, `[rows + 2 p, columns + 2 p, inputs]`, with its halo.
fn pad<T: Real>(example: &[T], out: &mut [T], s: Sizes) {
    let (c, p) = (s.inputs, s.kernel / 2);
    for (i, out) in out.chunks_exact_mut(s.width() * c).enumerate() {
        let Some(row) = s.source(i, s.rows) else { continue };
        let row = &example[row * s.columns * c..(row + 1) * s.columns * c];
        out[p * c..(p + s.columns) * c].copy_from_slice(row);
        for j in (0..p).chain(p + s.columns..s.width()) {
            if let Some(from) = s.source(j, s.columns) {
                out[j * c..(j + 1) * c].copy_from_slice(&row[from * c..(from + 1) * c]);
            }
        }
    }
}

/// w[o, k, l, c] -> w[c, K - 1 - k, K - 1 - l, o].
fn reverse<T: Real>(weight: &[T], s: Sizes) -> Vec<T> {
    let places = s.kernel * s.kernel;
    let mut out = vec![T::zero(); weight.len()];
    for o in 0..s.outputs {
        for k in 0..places {
            for c in 0..s.inputs {
                out[(c * places + places - 1 - k) * s.outputs + o] = weight[(o * places + k) * s.inputs + c];
            }
        }
    }
    out
}

impl Affine for Sizes {
    const NAME: &'static str = "convolution on a grid";

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn shape(&self) -> Shape {
        (self.batch, self.rows, self.columns, self.outputs).into()
    }

    fn product<T: Real>(&self, x: &[T], weight: &[T]) -> Vec<T> {
        let s = *self;
        let mut padded = vec![T::zero(); s.padded()];
        let mut windows = vec![T::zero(); s.windows() * s.outputs];
        let row = s.columns * s.outputs;
        let mut out = Vec::with_capacity(s.batch * s.rows * row);
        for example in x.chunks_exact((s.rows * s.columns * s.inputs).max(1)) {
            pad(example, &mut padded, s);
            product(&mut windows, s.overlapping(&padded, 0), s.weight_row(weight, 0));
            for k in 1..s.kernel {
                add_product(&mut windows, s.overlapping(&padded, k), s.weight_row(weight, k));
            }
            windows.chunks(s.width() * s.outputs).for_each(|windows| out.extend_from_slice(&windows[..row]));
        }
        out
    }

    /// The convolution of g with the kernel reversed.
    fn input_gradient<T: Real>(&self, g: &[T], weight: &[T]) -> Vec<T> {
        let reversed = Self { inputs: self.outputs, outputs: self.inputs, ..*self };
        reversed.product(g, &reverse(weight, *self))
    }

    fn weight_gradient<T: Real>(&self, x: &[T], g: &[T]) -> Vec<T> {
        let s = *self;
        let (row, block) = (s.columns * s.outputs, s.outputs * s.reach());
        let mut padded = vec![T::zero(); s.padded()];
        let mut spaced = vec![T::zero(); s.windows() * s.outputs];
        // [k, output, what is needed of a row], summed over examples in order
        let mut sums = vec![T::zero(); s.kernel * block];
        let examples = x.chunks_exact((s.rows * s.columns * s.inputs).max(1));
        for (example, g) in examples.zip(g.chunks_exact((s.rows * row).max(1))) {
            pad(example, &mut padded, s);
            for (spaced, g) in spaced.chunks_mut(s.width() * s.outputs).zip(g.chunks_exact(row)) {
                spaced[..row].copy_from_slice(g);
            }
            let spaced = Strided::rows(&spaced, s.windows(), s.outputs, s.outputs).transposed();
            for (k, sum) in sums.chunks_exact_mut(block).enumerate() {
                add_product(sum, spaced, s.overlapping(&padded, k));
            }
        }
        let mut out = Vec::with_capacity(sums.len());
        for o in 0..s.outputs {
            for k in 0..s.kernel {
                out.extend_from_slice(&sums[k * block + o * s.reach()..][..s.reach()]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use candle_core::CustomOp3;

    use super::super::Slope;
    use super::super::affine::Operation;
    use super::super::differences::{check, normals};
    use super::*;

    const BOUNDARIES: [Boundary; 2] = [Boundary::Periodic, Boundary::Zero];

    #[test]
    fn gradients_agree_with_finite_differences() {
        for boundary in BOUNDARIES {
            for (activation, rows, columns, kernel) in [
                (Activation::Identity, 4, 3, 3),
                (Activation::Silu, 3, 5, 3),
                (Activation::Silu, 2, 1, 5),
                (Activation::Silu, 2, 3, 1),
            ] {
                let arguments =
                    [normals(1, &[2, rows, columns, 2]), normals(2, &[3, kernel, kernel, 2]), normals(3, &[3])];
                check(&arguments, |a| conv2d(&a[0], &a[1], &a[2], boundary, activation));
            }
        }
    }

    /// x at a place that may lie beyond the grid.
    fn at(x: &[Vec<Vec<f64>>], i: isize, j: isize, c: usize, boundary: Boundary) -> f64 {
        let (rows, columns) = (x.len() as isize, x[0].len() as isize);
        let inside = (0..rows).contains(&i) && (0..columns).contains(&j);
        match boundary {
            Boundary::Zero if !inside => 0.0,
            _ => x[i.rem_euclid(rows) as usize][j.rem_euclid(columns) as usize][c],
        }
    }

    #[test]
    fn agrees_with_the_sum_in_its_definition() {
        // grids of one and two positions are smaller than the halo: positions wrap more than once
        let shapes = [(5, 4, 3), (4, 7, 5), (1, 1, 5), (2, 1, 7), (1, 3, 3), (3, 2, 1)];
        for (boundary, (rows, columns, kernel)) in
            BOUNDARIES.into_iter().flat_map(|boundary| shapes.map(|s| (boundary, s)))
        {
            let (batch, inputs, outputs) = (3, 2, 4);
            let x = normals(1, &[batch, rows, columns, inputs]);
            let (w, b) = (normals(2, &[outputs, kernel, kernel, inputs]), normals(3, &[outputs]));
            let ours = conv2d(&x, &w, &b, boundary, Activation::Identity).unwrap();
            assert_eq!(ours.dims(), [batch, rows, columns, outputs]);
            let (w, b) = (w.flatten_all().unwrap().to_vec1::<f64>().unwrap(), b.to_vec1::<f64>().unwrap());
            let p = (kernel / 2) as isize;
            for n in 0..batch {
                let x = x.get(n).unwrap().to_vec3::<f64>().unwrap();
                let ours = ours.get(n).unwrap().to_vec3::<f64>().unwrap();
                for (i, j, o) in (0..rows * columns * outputs)
                    .map(|at| (at / (columns * outputs), at / outputs % columns, at % outputs))
                {
                    let mut sum = b[o];
                    for (k, l, c) in (0..kernel * kernel * inputs)
                        .map(|at| (at / (kernel * inputs), at / inputs % kernel, at % inputs))
                    {
                        let w = w[((o * kernel + k) * kernel + l) * inputs + c];
                        sum += w * at(&x, i as isize + k as isize - p, j as isize + l as isize - p, c, boundary);
                    }
                    assert!((ours[i][j][o] - sum).abs() < 1e-13, "{boundary:?}, {rows} x {columns}, kernel {kernel}");
                }
            }
        }
    }

    #[test]
    fn plain_weights_get_no_gradient() {
        let x = candle_core::Var::from_tensor(&normals(1, &[2, 4, 3, 2])).unwrap();
        let (w, b) = (normals(2, &[4, 3, 3, 2]), normals(3, &[4]));
        let out = conv2d(x.as_tensor(), &w, &b, Boundary::Periodic, Activation::Identity).unwrap();
        let slope = Slope::new(Activation::Identity, &[x.as_tensor()]);
        let op = Operation { sizes: Sizes::new(x.shape(), w.shape(), Boundary::Periodic).unwrap(), slope };
        let (dx, dw, db) = op.bwd(x.as_tensor(), &w, &b, &out, &out.detach()).unwrap();
        assert!(dx.is_some() && dw.is_none() && db.is_none());
    }
}
