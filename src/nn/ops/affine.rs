//! What affine maps share: z = W x + b and a(z), channels last, in one operation of three arguments.
//!
//! With g the gradient before the activation, the gradient of b is the sum of the rows of g; those of x and W are products
//! that each map has in its own way. Only the gradients of tracked arguments are made.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::matrix::row_sum;
use super::real::Real;
use super::{Activation, Output, Slope, elements, in_precision, precision, shaped, with};

/// The sizes of a map, and what it does on plain slices.
pub(super) trait Affine: Send + Sync + 'static {
    /// What it is called in messages.
    const NAME: &'static str;

    /// Output channels.
    fn outputs(&self) -> usize;

    /// The shape of z, output channels last.
    fn shape(&self) -> Shape;

    /// W x.
    fn product<T: Real>(&self, x: &[T], weight: &[T]) -> Vec<T>;

    /// The gradient of x, from g.
    fn input_gradient<T: Real>(&self, g: &[T], weight: &[T]) -> Vec<T>;

    /// The gradient of W, from x and g.
    fn weight_gradient<T: Real>(&self, x: &[T], g: &[T]) -> Vec<T>;
}

/// a(W x + b).
///
/// # Errors
/// When a tensor is neither f32 nor f64, or not on the CPU.
pub(super) fn apply<S: Affine>(sizes: S, [x, weight, bias]: [&Tensor; 3], activation: Activation) -> Result<Tensor> {
    let slope = Slope::new(activation, &[x, weight, bias]);
    x.contiguous()?.apply_op3(weight, bias, Operation { sizes, slope })
}

/// The operation.
pub(super) struct Operation<S> {
    pub(super) sizes: S,
    pub(super) slope: Slope,
}

fn forward<T: Real>(
    op: &Operation<impl Affine>,
    x: (&CpuStorage, &Layout),
    w: (&CpuStorage, &Layout),
    b: (&CpuStorage, &Layout),
) -> Output {
    let s = &op.sizes;
    let bias: &[T] = elements(b.0, b.1)?;
    let mut z = s.product(elements::<T>(x.0, x.1)?, elements(w.0, w.1)?);
    for row in z.chunks_exact_mut(s.outputs()) {
        row.iter_mut().zip(bias).for_each(|(z, b)| *z += *b);
    }
    op.slope.activate(&mut z)?;
    Ok((T::to_cpu_storage_owned(z), s.shape()))
}

type Gradients = Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)>;

fn backward<T: Real>(
    op: &Operation<impl Affine>,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    gradient: &Tensor,
) -> Gradients {
    let s = &op.sizes;
    let g: Vec<T> = with(&gradient.contiguous()?, |gradient| op.slope.pull(gradient))?;
    let dx = x.track_op().then(|| with(weight, |w: &[T]| Ok(s.input_gradient(&g, w))).and_then(|dx| shaped(dx, x)));
    let dw =
        weight.track_op().then(|| with(x, |x: &[T]| Ok(s.weight_gradient(x, &g))).and_then(|dw| shaped(dw, weight)));
    let db = bias.track_op().then(|| shaped(row_sum(&g, s.outputs()), bias));
    Ok((dx.transpose()?, dw.transpose()?, db.transpose()?))
}

impl<S: Affine> CustomOp3 for Operation<S> {
    fn name(&self) -> &'static str {
        S::NAME
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
