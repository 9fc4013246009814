//! Circular convolution over channels-last data: `z[j, o] = b[o] + sum_{k, c} w[o, k, c] x[j + k - p, c]`, positions
//! modulo the length, kernel K = 2 p + 1; x `[batch, length, inputs]`, w `[outputs, K, inputs]`, b `[outputs]`.
//!
//! The halo of p positions is written once. In the padded buffer the K * inputs values that one output needs are
//! contiguous, and start `inputs` values after those of the output before: the convolution of the whole batch is one
//! matrix product with overlapping rows (the 2 p rows between two examples are computed and dropped).
//! With g the gradient before the activation, dx is the circular convolution of g with the kernel reversed and
//! transposed, and dw = (g with zeros in the rows between)^T (overlapping rows of x).

use candle_core::{Result, Shape, Tensor};

use super::Activation;
use super::affine::{Affine, apply};
use super::matrix::{Strided, product};
use super::real::Real;

/// a(x * w + b) on a ring.
///
/// # Errors
/// When the shapes do not fit, the kernel is even, or a tensor is neither f32 nor f64.
pub fn circular_conv(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    apply(Sizes::new(x.shape(), weight.shape())?, [x, weight, bias], activation)
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    length: usize,
    inputs: usize,
    outputs: usize,
    kernel: usize,
}

impl Sizes {
    fn new(x: &Shape, weight: &Shape) -> Result<Self> {
        let (batch, length, channels) = x.dims3()?;
        let (outputs, kernel, inputs) = weight.dims3()?;
        if channels != inputs || kernel % 2 == 0 {
            candle_core::bail!(
                "circular convolution: x is {x:?} but the weight is {weight:?} (its kernel must be odd)"
            );
        }
        Ok(Self { batch, length, inputs, outputs, kernel })
    }

    /// The length of one padded example.
    fn padded(self) -> usize {
        self.length + self.kernel - 1
    }

    /// The rows of the product: all windows of the padded buffer.
    fn windows(self) -> usize {
        (self.batch * self.padded()).saturating_sub(self.kernel - 1)
    }

    /// The overlapping rows of a padded buffer.
    fn overlapping<T: Real>(self, padded: &[T]) -> Strided<'_, T> {
        Strided::rows(padded, self.windows(), self.kernel * self.inputs, self.inputs)
    }
}

/// Copies `[batch, length, inputs]` into `[batch, padded, inputs]` with the halo of the ring.
fn pad<T: Real>(x: &[T], s: Sizes) -> Vec<T> {
    let (p, c) = (s.kernel / 2, s.inputs);
    let mut out = Vec::with_capacity(s.batch * s.padded() * c);
    for example in x.chunks_exact((s.length * c).max(1)) {
        for i in 0..p {
            let from = (i + s.length * p - p) % s.length * c;
            out.extend_from_slice(&example[from..from + c]);
        }
        out.extend_from_slice(example);
        for i in 0..p {
            let from = i % s.length * c;
            out.extend_from_slice(&example[from..from + c]);
        }
    }
    out
}

/// w[o, k, c] -> w[c, K - 1 - k, o].
fn reverse<T: Real>(weight: &[T], s: Sizes) -> Vec<T> {
    let mut out = vec![T::zero(); weight.len()];
    for o in 0..s.outputs {
        for k in 0..s.kernel {
            for c in 0..s.inputs {
                out[(c * s.kernel + s.kernel - 1 - k) * s.outputs + o] = weight[(o * s.kernel + k) * s.inputs + c];
            }
        }
    }
    out
}

impl Affine for Sizes {
    const NAME: &'static str = "circular convolution";

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn shape(&self) -> Shape {
        (self.batch, self.length, self.outputs).into()
    }

    fn product<T: Real>(&self, x: &[T], weight: &[T]) -> Vec<T> {
        let s = *self;
        let padded = pad(x, s);
        let mut windows = vec![T::zero(); s.windows() * s.outputs];
        let columns = s.kernel * s.inputs;
        let weight = Strided::rows(weight, s.outputs, columns, columns).transposed();
        product(&mut windows, s.overlapping(&padded), weight);
        let mut out = Vec::with_capacity(s.batch * s.length * s.outputs);
        for example in windows.chunks(s.padded() * s.outputs) {
            out.extend_from_slice(&example[..s.length * s.outputs]);
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
        let row = s.padded() * s.outputs;
        let mut spaced = vec![T::zero(); s.batch * row];
        for (out, g) in spaced.chunks_exact_mut(row).zip(g.chunks_exact(s.length * s.outputs)) {
            out[..g.len()].copy_from_slice(g);
        }
        let padded = pad(x, s);
        let mut out = vec![T::zero(); s.outputs * s.kernel * s.inputs];
        let spaced = Strided::rows(&spaced, s.windows(), s.outputs, s.outputs);
        product(&mut out, spaced.transposed(), s.overlapping(&padded));
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

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (activation, length, kernel) in
            [(Activation::Identity, 6, 3), (Activation::Silu, 7, 5), (Activation::Silu, 2, 5)]
        {
            let arguments = [normals(1, &[3, length, 2]), normals(2, &[4, kernel, 2]), normals(3, &[4])];
            check(&arguments, |a| circular_conv(&a[0], &a[1], &a[2], activation));
        }
    }

    #[test]
    fn agrees_with_the_sum_in_its_definition() {
        // length 1 and 2 are shorter than the halo: positions wrap more than once
        for (length, kernel) in [(9, 5), (4, 3), (2, 7), (1, 5), (5, 1)] {
            let (batch, inputs, outputs) = (3, 2, 4);
            let (x, w, b) =
                (normals(1, &[batch, length, inputs]), normals(2, &[outputs, kernel, inputs]), normals(3, &[outputs]));
            let ours = circular_conv(&x, &w, &b, Activation::Identity).unwrap().to_vec3::<f64>().unwrap();
            let (x, w, b) = (x.to_vec3::<f64>().unwrap(), w.to_vec3::<f64>().unwrap(), b.to_vec1::<f64>().unwrap());
            for (n, j, o) in
                (0..batch * length * outputs).map(|i| (i / (length * outputs), i / outputs % length, i % outputs))
            {
                let mut sum = b[o];
                for (k, w) in w[o].iter().enumerate() {
                    let from = (j + k + kernel * length - kernel / 2) % length;
                    sum += w.iter().zip(&x[n][from]).map(|(w, x)| w * x).sum::<f64>();
                }
                assert!((ours[n][j][o] - sum).abs() < 1e-13, "length {length}, kernel {kernel}");
            }
        }
    }

    #[test]
    fn plain_weights_get_no_gradient() {
        let x = candle_core::Var::from_tensor(&normals(1, &[3, 6, 2])).unwrap();
        let (w, b) = (normals(2, &[4, 3, 2]), normals(3, &[4]));
        let out = circular_conv(x.as_tensor(), &w, &b, Activation::Identity).unwrap();
        let slope = Slope::new(Activation::Identity, &[x.as_tensor()]);
        let op = Operation { sizes: Sizes::new(x.shape(), w.shape()).unwrap(), slope };
        let (dx, dw, db) = op.bwd(x.as_tensor(), &w, &b, &out, &out.detach()).unwrap();
        assert!(dx.is_some() && dw.is_none() && db.is_none());
    }
}
