//! Stored forecasts and analyses, to be scored: of this program, or of anyone who writes the same layout.

use std::path::Path;

use ndarray::{Array3, Array4, Array5, ArrayD};

use crate::failure::{Failure, FailureKind, Result};
use crate::stage::options::Options;
use crate::store::netcdf::{self, Dataset};

/// A stored file that can be scored: its label, its ensembles, and the truth.
pub enum Stored {
    /// `[case, time, member, lead, component]` and `[case, time, lead, component]`.
    Forecasts(String, Array5<f64>, Array4<f64>),
    /// `[case, time, member, component]`, weights `[case, time, member]`, truth `[case, time, component]`.
    Analyses(String, Array4<f64>, Array3<f64>, Array3<f64>),
}

/// Reads a file of forecasts or analyses.
///
/// # Errors
/// When it is neither, has no truth, or its arrays do not fit together.
pub fn read_stored(path: &Path, options: &Options) -> Result<Stored> {
    let dataset = netcdf::read(path, &options.limits())?;
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let label = dataset.attribute("label").and_then(|label| label.text()).map_or(stem, str::to_owned);
    if dataset.get("forecast").is_some() {
        let dims = ["case", "time", "number", "lead_time", "component"];
        let values = array(path, &dataset, "forecast", &dims)?;
        let truth = array(path, &dataset, "truth", &["case", "time", "lead_time", "component"])?;
        return Ok(Stored::Forecasts(label, shaped(path, values)?, shaped(path, truth)?));
    }
    if dataset.get("analysis").is_some() {
        let values = array(path, &dataset, "analysis", &["case", "time", "number", "component"])?;
        let values: Array4<f64> = shaped(path, values)?;
        let truth = array(path, &dataset, "truth", &["case", "time", "component"])?;
        let (cases, times, members, _) = values.dim();
        let weights = match dataset.get("weight") {
            Some(_) => shaped(path, array(path, &dataset, "weight", &["case", "time", "number"])?)?,
            None => Array3::from_elem((cases, times, members), 1.0 / members as f64),
        };
        return Ok(Stored::Analyses(label, values, weights, shaped(path, truth)?));
    }
    Err(Failure::new(
        FailureKind::Data,
        "has neither a variable `forecast` nor `analysis`, so there is nothing to score",
    )
    .at(path.display().to_string())
    .hint("give a file that `scorecast forecast` or `scorecast assimilate` wrote"))
}

/// A variable as an array, its dimensions in the order that is asked for.
fn array(path: &Path, dataset: &Dataset, name: &str, dimensions: &[&str]) -> Result<ArrayD<f64>> {
    let at = |message: String| Failure::new(FailureKind::Data, message).at(path.display().to_string());
    let Some(variable) = dataset.get(name) else {
        return Err(at(format!("has no variable `{name}`"))
            .hint("without a truth only the innovation statistics of `scorecast assimilate` can be scored"));
    };
    if variable.dimensions != dimensions {
        let given = variable.dimensions.join(", ");
        return Err(at(format!(
            "variable `{name}` has dimensions ({given}), but must have ({})",
            dimensions.join(", ")
        )));
    }
    let size = |name: &&str| dataset.dimensions.iter().find(|d| d.name == **name).map_or(0, |d| d.size);
    let shape: Vec<usize> = dimensions.iter().map(size).collect();
    let Some(values) = variable.values.to_f64() else {
        return Err(at(format!("variable `{name}` is not numbers")));
    };
    ArrayD::from_shape_vec(shape, values).map_err(|error| at(format!("variable `{name}`: {error}")))
}

fn shaped<D: ndarray::Dimension>(path: &Path, values: ArrayD<f64>) -> Result<ndarray::Array<f64, D>> {
    values
        .into_dimensionality::<D>()
        .map_err(|error| Failure::new(FailureKind::Data, error.to_string()).at(path.display().to_string()))
}
