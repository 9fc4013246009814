//! out = a(x W^T + b), row by row: x `[..., inputs]`, W `[outputs, inputs]`, b `[outputs]`, a the activation.
//!
//! With g the gradient before the activation: dx = g W, dW = g^T x, db = the sum of the rows of g.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::matrix::{Strided, product, row_sum};
use super::real::Real;
use super::{Activation, Output, Slope, elements, in_precision, precision, shaped, with};

/// a(x W^T + b).
///
/// # Errors
/// When the shapes do not fit, or a tensor is neither f32 nor f64.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    let slope = Slope::new(activation, &[x, weight, bias]);
    x.contiguous()?.apply_op3(weight, bias, Linear { slope })
}

struct Linear {
    slope: Slope,
}

/// (rows, inputs, outputs).
fn sizes(x: &Shape, weight: &Shape) -> Result<(usize, usize, usize)> {
    let (outputs, inputs) = weight.dims2()?;
    match x.dims().split_last() {
        Some((last, leading)) if *last == inputs => Ok((leading.iter().product(), inputs, outputs)),
        _ => candle_core::bail!("linear: x is {x:?} but the weight is {weight:?}"),
    }
}

fn forward<T: Real>(
    op: &Linear,
    x: (&CpuStorage, &Layout),
    w: (&CpuStorage, &Layout),
    b: (&CpuStorage, &Layout),
) -> Output {
    let (rows, inputs, outputs) = sizes(x.1.shape(), w.1.shape())?;
    let bias: &[T] = elements(b.0, b.1)?;
    let mut z = vec![T::zero(); rows * outputs];
    let weight = Strided::rows(elements::<T>(w.0, w.1)?, outputs, inputs, inputs).transposed();
    product(&mut z, Strided::rows(elements::<T>(x.0, x.1)?, rows, inputs, inputs), weight);
    for row in z.chunks_exact_mut(outputs) {
        row.iter_mut().zip(bias).for_each(|(z, b)| *z += *b);
    }
    op.slope.activate(&mut z)?;
    let mut shape = x.1.dims().to_vec();
    shape.pop();
    shape.push(outputs);
    Ok((T::to_cpu_storage_owned(z), shape.into()))
}

type Gradients = Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)>;

fn backward<T: Real>(op: &Linear, x: &Tensor, weight: &Tensor, bias: &Tensor, gradient: &Tensor) -> Gradients {
    let (rows, inputs, outputs) = sizes(x.shape(), weight.shape())?;
    let g: Vec<T> = with(&gradient.contiguous()?, |gradient| op.slope.pull(gradient))?;
    let g_matrix = Strided::rows(&g, rows, outputs, outputs);
    let dx = x.track_op().then(|| {
        let mut dx = vec![T::zero(); rows * inputs];
        with(weight, |w: &[T]| {
            product(&mut dx, g_matrix, Strided::rows(w, outputs, inputs, inputs));
            Ok(())
        })?;
        shaped(dx, x)
    });
    let dw = weight.track_op().then(|| {
        let mut dw = vec![T::zero(); outputs * inputs];
        with(x, |x: &[T]| {
            product(&mut dw, g_matrix.transposed(), Strided::rows(x, rows, inputs, inputs));
            Ok(())
        })?;
        shaped(dw, weight)
    });
    let db = bias.track_op().then(|| shaped(row_sum(&g, outputs), bias));
    Ok((dx.transpose()?, dw.transpose()?, db.transpose()?))
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        in_precision!(precision(s1), forward(self, (s1, l1), (s2, l2), (s3, l3)))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, _res: &Tensor, gradient: &Tensor) -> Gradients {
        in_precision!(x.dtype(), backward(self, x, weight, bias, gradient))
    }
}

#[cfg(test)]
mod tests {
    use candle_nn::Module;

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
        let op = Linear { slope: Slope::new(Activation::Identity, &[x.as_tensor()]) };
        let (dx, dw, db) = op.bwd(x.as_tensor(), &w, &b, &out, &out.detach()).unwrap();
        assert!(dx.is_some() && dw.is_none() && db.is_none());
        let gradients = out.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(x.as_tensor()).is_some() && gradients.get(&w).is_none());
    }
}
