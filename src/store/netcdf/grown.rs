//! Variables that are shorter than a dimension that grew: NetCDF fills the rest, which is missing.

use std::path::Path;

use ndarray::{ArrayD, IxDyn, Slice};

use super::super::error::{Error, Result};
use super::cf;
use super::dataset::{Values, Variable};
use super::source::{Integer, Slab};

/// A variable that lies in `shape` in its file, in the sizes of its dimensions, none of which is smaller; the rest is what stands
/// for values that were never written, and empty text.
///
/// # Errors
/// [`Error::Data`] where nothing stands for them: bytes have no such value of their own. [`Error::Resource`] without the memory.
pub(super) fn filled(
    path: &Path,
    variable: Variable,
    integer: Option<Integer>,
    shape: &[usize],
    dimensions: &[(String, usize)],
) -> Result<Variable> {
    let name = &variable.name;
    let Some(fill) = fill(path, &variable, integer, shape, dimensions)? else { return Ok(variable) };
    let sides: Vec<usize> = dimensions.iter().map(|(_, size)| *size).collect();
    let of = (path, name.as_str(), shape, sides.as_slice());
    let values = match (variable.values, fill) {
        (Values::F64(values), Values::F64(fill)) => Values::F64(grown(of, values, fill)?),
        (Values::F32(values), Values::F32(fill)) => Values::F32(grown(of, values, fill)?),
        (Values::I32(values), Values::I32(fill)) => Values::I32(grown(of, values, fill)?),
        (Values::I64(values), Values::I64(fill)) => Values::I64(grown(of, values, fill)?),
        (Values::U64(values), Values::U64(fill)) => Values::U64(grown(of, values, fill)?),
        (Values::I8(values), Values::I8(fill)) => Values::I8(grown(of, values, fill)?),
        (Values::Text(texts), Values::Text(fill)) => Values::Text(grown(of, texts, fill)?),
        (values, _) => values,
    };
    Ok(Variable { values, ..variable })
}

/// The one value that stands for what a variable lacks; none where it lacks nothing.
///
/// # Errors
/// As [`filled`].
pub(super) fn fill(
    path: &Path,
    variable: &Variable,
    integer: Option<Integer>,
    shape: &[usize],
    dimensions: &[(String, usize)],
) -> Result<Option<Values>> {
    let short = shape.iter().zip(dimensions).find(|(own, (_, size))| own < &size);
    let Some((own, (along, size))) = short else { return Ok(None) };
    let lacks = format!("`{}` has {own} values along `{along}`, which has {size}", variable.name);
    let mut fill = cf::Fill::default();
    if !matches!(variable.values, Values::Text(_)) {
        fill = cf::fill(variable, integer).ok_or_else(|| {
            let message = format!("{lacks}, and no `_FillValue` says what stands for the others");
            Error::data(path, message, "write all of them, or give the variable a `_FillValue`")
        })?;
        tracing::warn!("{}: {lacks}: the others are missing", path.display());
    }
    Ok(Some(match variable.values {
        Values::F64(_) => Values::F64(vec![fill.number]),
        Values::F32(_) => Values::F32(vec![fill.number as f32]),
        Values::I32(_) => Values::I32(vec![fill.bits as i32]),
        Values::I64(_) => Values::I64(vec![fill.bits as i64]),
        Values::U64(_) => Values::U64(vec![fill.bits]),
        Values::I8(_) => Values::I8(vec![fill.bits as i8]),
        Values::Text(_) => Values::Text(vec![String::new()]),
    }))
}

/// The parts of an array of sizes `sides` that one of `shape`, at its start, does not cover.
pub(super) fn rest(shape: &[usize], sides: &[usize]) -> Vec<Slab> {
    let beyond = |axis: usize| {
        let mut slab = Slab { offset: vec![0; sides.len()], count: [&shape[..axis], &sides[axis..]].concat() };
        (slab.offset[axis], slab.count[axis]) = (shape[axis], sides[axis] - shape[axis]);
        slab
    };
    (0..sides.len()).map(beyond).filter(|slab| slab.len() > 0).collect()
}

/// Values of an array of `shape` in one of `sides`, with `fill` in the rest.
fn grown<T: Clone>(
    (path, name, shape, sides): (&Path, &str, &[usize], &[usize]),
    values: Vec<T>,
    fill: Vec<T>,
) -> Result<Vec<T>> {
    let Some(fill) = fill.into_iter().next() else { return Ok(values) };
    let count = sides.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
    let mut whole = Vec::new();
    let room = count.is_some_and(|count| whole.try_reserve_exact(count).is_ok());
    let (Some(count), true) = (count, room) else {
        let message = format!("variable `{name}` needs memory for {sides:?} values");
        return Err(Error::resource(path, message, "free some memory, or store less in the file"));
    };
    whole.resize(count, fill);
    let wrong = |error: ndarray::ShapeError| Error::content(path, error.to_string());
    let values = ArrayD::from_shape_vec(IxDyn(shape), values).map_err(wrong)?;
    let mut whole = ArrayD::from_shape_vec(IxDyn(sides), whole).map_err(wrong)?;
    whole.slice_each_axis_mut(|axis| Slice::from(..shape[axis.axis.index()])).assign(&values);
    Ok(whole.into_raw_vec_and_offset().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_array_does_not_cover_is_covered_once() {
        for (shape, sides) in
            [([2, 3, 4], [2, 3, 4]), ([2, 3, 4], [2, 5, 4]), ([1, 3, 0], [3, 4, 2]), ([0, 1, 1], [2, 1, 1])]
        {
            let mut seen = ArrayD::<u8>::zeros(IxDyn(&sides));
            seen.slice_each_axis_mut(|axis| Slice::from(..shape[axis.axis.index()])).fill(1);
            for slab in rest(&shape, &sides) {
                let along = |axis: usize| Slice::from(slab.offset[axis]..slab.offset[axis] + slab.count[axis]);
                seen.slice_each_axis_mut(|axis| along(axis.axis.index())).mapv_inplace(|count| count + 1);
            }
            assert!(seen.iter().all(|&count| count == 1), "{shape:?} {sides:?}");
        }
    }
}
