//! Variables that are shorter than a dimension that grew: NetCDF fills the rest, which is missing.

use std::path::Path;

use ndarray::{ArrayD, IxDyn, Slice};

use super::super::error::{Error, Result};
use super::cf;
use super::dataset::{Values, Variable};
use super::source::Integer;

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
    let short = shape.iter().zip(dimensions).find(|(own, (_, size))| own < &size);
    let Some((own, (along, size))) = short else { return Ok(variable) };
    let sides: Vec<usize> = dimensions.iter().map(|(_, size)| *size).collect();
    let of = (path, name.as_str(), shape, sides.as_slice());
    let lacks = format!("`{name}` has {own} values along `{along}`, which has {size}");
    let mut fill = cf::Fill::default();
    if !matches!(variable.values, Values::Text(_)) {
        fill = cf::fill(&variable, integer).ok_or_else(|| {
            let message = format!("{lacks}, and no `_FillValue` says what stands for the others");
            Error::data(path, message, "write all of them, or give the variable a `_FillValue`")
        })?;
        tracing::warn!("{}: {lacks}: the others are missing", path.display());
    }
    let values = match variable.values {
        Values::F64(values) => Values::F64(grown(of, values, fill.number)?),
        Values::F32(values) => Values::F32(grown(of, values, fill.number as f32)?),
        Values::I32(values) => Values::I32(grown(of, values, fill.bits as i32)?),
        Values::I64(values) => Values::I64(grown(of, values, fill.bits as i64)?),
        Values::U64(values) => Values::U64(grown(of, values, fill.bits)?),
        Values::I8(values) => Values::I8(grown(of, values, fill.bits as i8)?),
        Values::Text(texts) => Values::Text(grown(of, texts, String::new())?),
    };
    Ok(Variable { values, ..variable })
}

/// Values of an array of `shape` in one of `sides`, with `fill` in the rest.
fn grown<T: Clone>(
    (path, name, shape, sides): (&Path, &str, &[usize], &[usize]),
    values: Vec<T>,
    fill: T,
) -> Result<Vec<T>> {
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
