//! The residual trunk composed of Candle's operations, layer by layer: what [`trunk`](crate::nn::ops::trunk) has as one
//! operation for the CPU, for all devices.

use candle_core::{Result, Tensor};

use super::residual::Layer;
use crate::nn::level::{FEATURES, features};
use crate::nn::ops::trunk::Shape;
use crate::nn::ops::{Activation, composed};

/// out of x, `[example, ...]` with as many elements as the shape says, on the device of the layers, as
/// `[example, row, column, output]`. `levels` are one row for each example, one for all, or none.
///
/// # Errors
/// When the shapes do not fit.
pub(super) fn forward(shape: Shape, layers: &[Layer], x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
    let mut layers = layers.iter();
    let mut next = || layers.next().ok_or_else(|| candle_core::Error::Msg("a trunk has too few layers".to_owned()));
    let at_place = |layer: &Layer, x: &Tensor, activation| composed::linear(x, &layer.weight, &layer.bias, activation);
    let mixing = |layer: &Layer, x: &Tensor| {
        let [rows, columns] = shape.field.kernel;
        let weight = layer.weight.reshape((layer.weight.dim(0)?, rows, columns, ()))?;
        composed::convolution(x, &weight, &layer.bias, shape.field.boundary)
    };
    let embedding = match levels {
        Some(levels) => {
            let (first, second) = (next()?, next()?);
            let of_levels = (levels.len() / shape.levels.max(1), shape.levels * FEATURES);
            let features = Tensor::from_vec(features(levels), of_levels, x.device())?.to_dtype(x.dtype())?;
            Some(at_place(second, &at_place(first, &features, Activation::Silu)?, Activation::Silu)?)
        }
        None => None,
    };
    let x = x.contiguous()?.reshape(((), shape.field.rows, shape.field.columns, shape.inputs))?;
    let mut h = mixing(next()?, &x)?;
    for _ in 0..shape.blocks {
        let z = mixing(next()?, &h)?;
        let inner = match &embedding {
            Some(embedding) => composed::modulate(&z, &at_place(next()?, embedding, Activation::Identity)?)?,
            None => z.silu()?,
        };
        h = (h + mixing(next()?, &inner)?)?;
    }
    at_place(next()?, &h, Activation::Identity)
}
