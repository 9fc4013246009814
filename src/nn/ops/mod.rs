//! Fused operations with gradients of their own, on the CPU, on one thread each: parallelism is over shards of a batch.
//!
//! Networks of residual blocks run as one operation ([`trunk`]); the operations of single layers are what it is held
//! against, and what other layers are made of. On other devices all of them are [`composed`] of Candle's operations; a
//! [`Processor`] says which.
//!
//! A gradient is computed only for arguments that Candle tracks: with weights that are plain tensors a backward pass is
//! a vector-Jacobian product and costs no weight gradient. Each operation keeps the slope of its activation from the
//! forward pass, and may be pulled back many times.

mod affine;
pub mod attention;
pub mod circular_conv;
pub mod composed;
pub mod conv2d;
pub mod linear;
pub mod matrix;
pub mod modulate;
pub mod normalize;
pub mod processor;
pub mod real;
pub mod resize;
pub mod tile;
pub mod trunk;

pub use attention::attention;
pub use circular_conv::circular_conv;
pub use conv2d::conv2d;
pub use linear::linear;
pub use modulate::modulate;
pub use normalize::normalize;
pub use processor::{Processor, ProcessorError};
pub use resize::{Cells, coarser, finer};
pub use trunk::Boundary;

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Tensor};
use real::Real;
use std::sync::OnceLock;

/// What follows an affine map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// silu(z) = z / (1 + exp(-z)).
    Silu,
}

/// The slope of an activation, kept from the forward pass if any argument is tracked.
struct Slope {
    activation: Activation,
    wanted: bool,
    kept: OnceLock<Tensor>,
}

impl Slope {
    fn new(activation: Activation, arguments: &[&Tensor]) -> Self {
        Self { activation, wanted: arguments.iter().any(|tensor| tensor.track_op()), kept: OnceLock::new() }
    }

    /// Applies the activation to `z` in place, and keeps its slope.
    fn activate<T: Real>(&self, z: &mut [T]) -> Result<()> {
        match (self.activation, self.wanted) {
            (Activation::Identity, _) => {}
            (Activation::Silu, false) => T::silu(z, None),
            (Activation::Silu, true) => {
                let mut slope = vec![T::zero(); z.len()];
                T::silu(z, Some(&mut slope));
                let length = slope.len();
                // a second forward pass of the same operation would be the same slope
                let _ = self.kept.set(Tensor::from_vec(slope, length, &Device::Cpu)?);
            }
        }
        Ok(())
    }

    /// The gradient before the activation, from the one after it (contiguous).
    fn pull<T: Real>(&self, gradient: &[T]) -> Result<Vec<T>> {
        match (self.activation, self.kept.get()) {
            (Activation::Identity, _) => Ok(gradient.to_vec()),
            (Activation::Silu, Some(slope)) => {
                with(slope, |slope: &[T]| Ok(gradient.iter().zip(slope).map(|(g, s)| *g * *s).collect()))
            }
            (Activation::Silu, None) => candle_core::bail!("an activation was pulled back without its slope"),
        }
    }
}

/// Runs `f` on the elements of a contiguous tensor.
fn with<T: Real, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(storage) => f(elements(storage, layout)?),
        _ => candle_core::bail!("fused operations run on the CPU only"),
    }
}

/// The elements of a contiguous storage.
fn elements<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => candle_core::bail!("a fused operation needs contiguous arguments"),
    }
}

/// A tensor of the shape of `like`.
fn shaped<T: Real>(values: Vec<T>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.shape(), &Device::Cpu)
}

/// Hands a generic function the precision of a storage.
macro_rules! in_precision {
    ($dtype:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $dtype {
            candle_core::DType::F32 => $function::<f32>($($argument),*),
            candle_core::DType::F64 => $function::<f64>($($argument),*),
            other => candle_core::bail!("fused operations know f32 and f64, not {other:?}"),
        }
    };
}
use in_precision;

/// A storage and its shape, as a forward pass gives them.
type Output = Result<(CpuStorage, Shape)>;

/// The precision of a storage.
fn precision(storage: &CpuStorage) -> DType {
    use candle_core::backend::BackendStorage;
    storage.dtype()
}

#[cfg(test)]
pub mod differences {
    //! Finite differences for the tests of this room.

    use candle_core::{Device, Result, Tensor, Var};
    use scorecast_systems::{Domain, Key};

    /// A tensor of standard normals in f64.
    pub fn normals(seed: u64, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        let values = Key::new(seed, Domain::Training).normals(1, count).into_raw_vec_and_offset().0;
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// Holds the gradient of `f` (whose result is weighted by fixed normals and summed) with regard to every element
    /// of every argument against central differences, in f64.
    ///
    /// A step of 1e-5 has a truncation error of h^2/6 f''' ~ 1e-10 and a rounding error of 1e-16 |f| / h ~ 1e-10 for
    /// sums of size 10 to 100; the bound of 1e-7 relative to 1 + |gradient| is above both and far below any wrong term.
    pub fn check(arguments: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
        let vars: Vec<Var> = arguments.iter().map(|a| Var::from_tensor(a).unwrap()).collect();
        let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let shape = f(arguments).unwrap().dims().to_vec();
        let weights = normals(99, &shape);
        let value = |args: &[Tensor]| (f(args).unwrap() * &weights).unwrap().sum_all().unwrap();
        let gradients = value(&tracked).backward().unwrap();
        let h = 1e-5;
        for (index, argument) in arguments.iter().enumerate() {
            let base: Vec<f64> = argument.flatten_all().unwrap().to_vec1().unwrap();
            let gradient = gradients.get(vars[index].as_tensor()).expect("a gradient for every argument");
            let gradient: Vec<f64> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            for element in 0..base.len() {
                let at = |shift: f64| {
                    let mut moved = base.clone();
                    moved[element] += shift;
                    let mut args = arguments.to_vec();
                    args[index] = Tensor::from_vec(moved, argument.shape(), &Device::Cpu).unwrap();
                    value(&args).to_scalar::<f64>().unwrap()
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                let error = (difference - gradient[element]).abs();
                assert!(
                    error <= 1e-7 * (1.0 + difference.abs()),
                    "argument {index}, element {element}: difference {difference}, gradient {}",
                    gradient[element]
                );
            }
        }
    }
}
