//! Between `f64` arrays outside and tensors inside.

use candle_core::{DType, Device, Tensor};
use ndarray::{Array2, Array3, ArrayView2};

use super::Result;

/// Fields of `[row, component]` each, interleaved to `[row, component, field]`.
///
/// # Errors
/// When Candle fails.
pub fn interleave(fields: &[ArrayView2<f64>], dtype: DType) -> Result<Tensor> {
    let (rows, components) = fields[0].dim();
    assert!(fields.iter().all(|field| field.dim() == (rows, components)), "fields of one shape");
    let shape = (rows, components, fields.len());
    let values = (0..rows).flat_map(|i| (0..components).flat_map(move |c| fields.iter().map(move |f| f[[i, c]])));
    if dtype == DType::F64 {
        return Ok(Tensor::from_vec(values.collect::<Vec<f64>>(), shape, &Device::Cpu)?);
    }
    let mut single = Vec::with_capacity(rows * components * fields.len());
    single.extend(values.map(|value| value as f32));
    Ok(Tensor::from_vec(single, shape, &Device::Cpu)?.to_dtype(dtype)?)
}

/// Field `field` of `[row, component, field]`, as an array `[row, component]`.
///
/// # Errors
/// When Candle fails.
pub fn field(tensor: &Tensor, field: usize) -> Result<Array2<f64>> {
    let (rows, components, fields) = tensor.dims3()?;
    let flat = tensor.flatten_all()?;
    let pick = |i: usize, c: usize| (i * components + c) * fields + field;
    Ok(match flat.dtype() {
        DType::F64 => {
            let values = flat.to_vec1::<f64>()?;
            Array2::from_shape_fn((rows, components), |(i, c)| values[pick(i, c)])
        }
        _ => {
            let values = flat.to_vec1::<f32>()?;
            Array2::from_shape_fn((rows, components), |(i, c)| f64::from(values[pick(i, c)]))
        }
    })
}

/// A matrix as a tensor.
///
/// # Errors
/// When Candle fails.
pub fn matrix(values: ArrayView2<f64>, dtype: DType) -> Result<Tensor> {
    Ok(interleave(&[values], dtype)?.squeeze(2)?)
}

/// A matrix from a tensor.
///
/// # Errors
/// When Candle fails.
pub fn to_matrix(tensor: &Tensor) -> Result<Array2<f64>> {
    field(&tensor.unsqueeze(2)?, 0)
}

/// A tensor `[row, component, field]` as an array.
///
/// # Errors
/// When Candle fails.
pub fn all_fields(tensor: &Tensor) -> Result<Array3<f64>> {
    let shape = tensor.dims3()?;
    let values = tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    Ok(Array3::from_shape_fn(shape, |(i, c, f)| values[(i * shape.1 + c) * shape.2 + f]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_both_precisions() {
        let a = Array2::from_shape_fn((3, 2), |(i, c)| (i * 2 + c) as f64);
        let b = a.mapv(|value| -value);
        for dtype in [DType::F32, DType::F64] {
            let both = interleave(&[a.view(), b.view()], dtype).unwrap();
            assert_eq!(both.dims(), [3, 2, 2]);
            assert_eq!(field(&both, 0).unwrap(), a);
            assert_eq!(field(&both, 1).unwrap(), b);
            assert_eq!(all_fields(&both).unwrap().index_axis(ndarray::Axis(2), 1), b);
            assert_eq!(to_matrix(&matrix(b.view(), dtype).unwrap()).unwrap(), b);
        }
    }
}
