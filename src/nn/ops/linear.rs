//! out = a(x W^T + b), row by row: x `[..., inputs]`, W `[outputs, inputs]`, b `[outputs]`, a the activation.
//!
//! With g the gradient before the activation: dx = g W, dW = g^T x, db = the sum of the rows of g.

use candle_core::{Result, Shape, Tensor};

use super::Activation;
use super::affine::{Affine, apply};
use super::matrix::{Strided, product};
use super::real::Real;

/// a(x W^T + b).
///
/// # Errors
/// When the shapes do not fit, or a tensor is neither f32 nor f64.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    apply(Sizes::new(x.shape(), weight.shape())?, [x, weight, bias], activation)
}

struct Sizes {
    /// Of out without its last dimension.
    leading: Vec<usize>,
    rows: usize,
    inputs: usize,
    outputs: usize,
}

impl Sizes {
    fn new(x: &Shape, weight: &Shape) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        match x.dims().split_last() {
            Some((last, leading)) if *last == inputs => {
                Ok(Self { leading: leading.to_vec(), rows: leading.iter().product(), inputs, outputs })
            }
            _ => candle_core::bail!("linear: x is {x:?} but the weight is {weight:?}"),
        }
    }
}

impl Affine for Sizes {
    const NAME: &'static str = "linear";

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn shape(&self) -> Shape {
        [self.leading.as_slice(), &[self.outputs]].concat().into()
    }

    fn product<T: Real>(&self, x: &[T], weight: &[T]) -> Vec<T> {
        let mut z = vec![T::zero(); self.rows * self.outputs];
        let weight = Strided::rows(weight, self.outputs, self.inputs, self.inputs).transposed();
        product(&mut z, Strided::rows(x, self.rows, self.inputs, self.inputs), weight);
        z
    }

    fn input_gradient<T: Real>(&self, g: &[T], weight: &[T]) -> Vec<T> {
        let mut dx = vec![T::zero(); self.rows * self.inputs];
        let g = Strided::rows(g, self.rows, self.outputs, self.outputs);
        product(&mut dx, g, Strided::rows(weight, self.outputs, self.inputs, self.inputs));
        dx
    }

    fn weight_gradient<T: Real>(&self, x: &[T], g: &[T]) -> Vec<T> {
        let mut dw = vec![T::zero(); self.outputs * self.inputs];
        let g = Strided::rows(g, self.rows, self.outputs, self.outputs).transposed();
        product(&mut dw, g, Strided::rows(x, self.rows, self.inputs, self.inputs));
        dw
    }
}

#[cfg(test)]
mod tests {
    use candle_core::CustomOp3;
    use candle_nn::Module;

    use super::super::Slope;
    use super::super::affine::Operation;
    use super::super::differences::{check, normals};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        for activation in [Activation::Identity, Activation::Silu] {
            let arguments = [normals(1, &[3, 2, 4]), normals(2, &[5, 4]), normals(3, &[5])];
            check(&arguments, |a| linear(&a[0], &a[1], &a[2], activation));
        }
    }

    #[test]
    fn agrees_with_candle() {
        let (x, w, b) = (normals(1, &[7, 4]), normals(2, &[5, 4]), normals(3, &[5]));
        let ours = linear(&x, &w, &b, Activation::Silu).unwrap();
        let theirs = candle_nn::Linear::new(w, Some(b)).forward(&x).unwrap().silu().unwrap();
        let error = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(error < 1e-14, "{error}");
    }

    #[test]
    fn plain_weights_get_no_gradient() {
        let x = candle_core::Var::from_tensor(&normals(1, &[3, 4])).unwrap();
        let (w, b) = (normals(2, &[5, 4]), normals(3, &[5]));
        let out = linear(x.as_tensor(), &w, &b, Activation::Silu).unwrap();
        let slope = Slope::new(Activation::Identity, &[x.as_tensor()]);
        let op = Operation { sizes: Sizes::new(x.shape(), w.shape()).unwrap(), slope };
        let (dx, dw, db) = op.bwd(x.as_tensor(), &w, &b, &out, &out.detach()).unwrap();
        assert!(dx.is_some() && dw.is_none() && db.is_none());
        let gradients = out.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(x.as_tensor()).is_some() && gradients.get(&w).is_none());
    }
}
