//! The parameters of the system in each trajectory of a file: `parameters` (case, parameter), with their names as `parameter_name`.

use std::path::Path;

use ndarray::Array2;

use super::super::error::{Error, Result};
use super::dataset::{Dataset, Values, Variable};
use super::read::Reader;

/// The variable of the values.
const VALUES: &str = "parameters";
/// The variable of the names.
const NAMES: &str = "parameter_name";

/// What the system of each trajectory was.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseParameters {
    /// The names, in the order of the columns.
    pub names: Vec<String>,
    /// `[case, parameter]`.
    pub values: Array2<f64>,
}

/// Adds them to a file whose cases they are of.
pub(super) fn with(dataset: Dataset, parameters: &CaseParameters) -> Dataset {
    let values = Values::F64(parameters.values.iter().copied().collect());
    dataset
        .dimension("parameter", parameters.names.len())
        .variable(
            Variable::new(NAMES, &["parameter"], Values::Text(parameters.names.clone()))
                .with("long_name", "setting of the system"),
        )
        .variable(
            Variable::new(VALUES, &["case", "parameter"], values)
                .with("long_name", "parameter of the system in the trajectory")
                .with("units", "1"),
        )
}

/// The parameters of a file along its dimension of cases; none where it has no such variables along them.
///
/// # Errors
/// [`Error::Data`] where there are other numbers of values than of names and cases, or a value is not finite.
pub(super) fn read(path: &Path, reader: &mut Reader, along: Option<&str>) -> Result<Option<CaseParameters>> {
    let lies = |header: &super::read::Header| -> Option<(usize, usize)> {
        let [(first, cases), (_, count)] = header.dimensions.as_slice() else { return None };
        (header.name == VALUES && Some(first.as_str()) == along).then_some((*cases, *count))
    };
    let Some(shape) = reader.headers().iter().find_map(lies) else { return Ok(None) };
    if !reader.headers().iter().any(|header| header.name == NAMES) {
        return Ok(None);
    }
    let Values::Text(names) = reader.load(NAMES)?.values else { return Ok(None) };
    let wrong = |message: String| Error::data(path, message, "give a finite number for each case and name");
    if names.len() != shape.1 {
        return Err(wrong(format!("`{NAMES}` has {} names for {} `{VALUES}`", names.len(), shape.1)));
    }
    let values = reader.numbers(VALUES)?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (case, name) = (at / shape.1, &names[at % shape.1]);
        return Err(wrong(format!("`{VALUES}` is {} for case {case} and `{name}`", values[at])));
    }
    let values = Array2::from_shape_vec(shape, values).map_err(|e| Error::content(path, e.to_string()))?;
    Ok(Some(CaseParameters { names, values }))
}
