//! Forecasts and analyses beside their truths, to be scored: of this program, or of anyone who writes such variables.

use std::path::Path;

use ndarray::{Array, Array3, Array4, Array5, Dimension as Axes};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::arrange::{self, CASE, COMPONENT, LEAD_TIME, NUMBER, Roles, TIME};
use super::forecasts::{self, START};
use super::read::Reader;

/// What a file holds that can be scored.
#[derive(Clone, Debug, PartialEq)]
pub enum Scored {
    /// The variables `forecast` and `truth`.
    Forecasts(ScoredForecasts),
    /// The variables `analysis` and `truth`, and `weight` if it is there.
    Analyses(ScoredAnalyses),
}

/// Forecasts and what happened.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredForecasts {
    /// The attribute `label` of the file.
    pub label: Option<String>,
    /// `[case, start, member, lead, component]`; NaN is missing.
    pub values: Array5<f64>,
    /// `[case, start, member]`, each ensemble's summing to 1; none where the file has no `weight`.
    pub weights: Option<Array3<f64>>,
    /// `[case, start, lead, component]`; NaN is missing.
    pub truth: Array4<f64>,
    /// The times of the starts, in the file's own unit, where it has any.
    pub time: Option<Vec<f64>>,
    /// The lead times, in the file's own unit, where it has any.
    pub lead: Option<Vec<f64>>,
    /// What the file says of the units of both.
    pub units: [Option<String>; 2],
}

/// Analyses and what happened.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredAnalyses {
    /// The attribute `label` of the file.
    pub label: Option<String>,
    /// `[case, time, member, component]`; NaN is missing.
    pub values: Array4<f64>,
    /// `[case, time, member]`, each ensemble's summing to 1; none where the file has no `weight`.
    pub weights: Option<Array3<f64>>,
    /// `[case, time, component]`; NaN is missing.
    pub truth: Array3<f64>,
    /// The times, in the file's own unit, where it has any.
    pub time: Option<Vec<f64>>,
    /// What the file says of their unit.
    pub units: Option<String>,
}

const ANALYSIS: Roles = &[&CASE, &TIME, &NUMBER, &COMPONENT];
const WEIGHT: Roles = &[&CASE, &TIME, &NUMBER];

/// Reads a file of forecasts or analyses with their truth.
///
/// # Errors
/// As [`super::read`]; and [`Error::Data`] when it holds neither, has no truth, its arrays do not fit together, or weights are
/// none.
pub fn read_scored(path: &Path, limits: &Limits) -> Result<Scored> {
    let mut reader = Reader::open(path, limits)?;
    let has = |name: &str| reader.headers().iter().any(|header| header.name == name);
    let (forecast, analysis, weighted) = (has("forecast"), has("analysis"), has("weight"));
    if (forecast || analysis) && !has("truth") {
        let remedy = "without a truth only the innovation statistics of `scorecast assimilate` can be scored";
        return Err(Error::data(path, "has no variable `truth`".to_owned(), remedy));
    }
    let attributes = reader.attributes()?;
    let label =
        attributes.iter().find(|(name, _)| name == "label").and_then(|(_, label)| label.text()).map(str::to_owned);
    if forecast {
        let forecasts::Stored { values, time, lead } = forecasts::load(path, &mut reader, Some("forecast"))?;
        let ((time, unit), (lead, lead_unit)) = (with_unit(time), with_unit(lead));
        let truth = arrange::load(path, &mut reader, Some("truth"), &[&[&CASE, &START, &LEAD_TIME, &COMPONENT]])?;
        let truth: Array4<f64> = shaped(path, truth.values)?;
        let (cases, starts, members, leads, components) = values.dim();
        same(path, "truth", truth.shape(), &[cases, starts, leads, components])?;
        let roles: Roles = &[&CASE, &START, &NUMBER];
        let weights = if weighted { Some(weights(path, &mut reader, roles, [cases, starts, members])?) } else { None };
        return Ok(Scored::Forecasts(ScoredForecasts {
            label,
            values,
            weights,
            truth,
            time,
            lead,
            units: [unit, lead_unit],
        }));
    }
    if analysis {
        let found = arrange::load(path, &mut reader, Some("analysis"), &[ANALYSIS])?;
        let (time, units) = with_unit(arrange::coordinate(&mut reader, found.dimensions[1].as_ref())?);
        let values: Array4<f64> = shaped(path, found.values)?;
        let (cases, times, members, components) = values.dim();
        let truth = arrange::load(path, &mut reader, Some("truth"), &[&[&CASE, &TIME, &COMPONENT]])?;
        let truth: Array3<f64> = shaped(path, truth.values)?;
        same(path, "truth", truth.shape(), &[cases, times, components])?;
        let weights = if weighted { Some(weights(path, &mut reader, WEIGHT, [cases, times, members])?) } else { None };
        return Ok(Scored::Analyses(ScoredAnalyses { label, values, weights, truth, time, units }));
    }
    let message = "has neither a variable `forecast` nor `analysis`, so there is nothing to score".to_owned();
    Err(Error::data(path, message, "give a file that `scorecast forecast` or `scorecast assimilate` wrote"))
}

/// Values and their unit.
fn with_unit(found: Option<(Vec<f64>, Option<String>)>) -> (Option<Vec<f64>>, Option<String>) {
    found.map_or((None, None), |(values, units)| (Some(values), units))
}

/// The variable `weight`, in the order of `roles` and of this shape.
fn weights(path: &Path, reader: &mut Reader, roles: Roles, shape: [usize; 3]) -> Result<Array3<f64>> {
    let found = arrange::load(path, reader, Some("weight"), &[roles])?;
    let found: Array3<f64> = shaped(path, found.values)?;
    same(path, "weight", found.shape(), &shape)?;
    normalised(path, found)
}

/// Weights, `[case, time, member]`, so that those of each ensemble sum to 1.
fn normalised(path: &Path, mut weights: Array3<f64>) -> Result<Array3<f64>> {
    if let Some((at, weight)) = weights.indexed_iter().find(|(_, weight)| !(**weight >= 0.0 && weight.is_finite())) {
        let message = format!("`weight` is {weight} for case {}, time {}, member {}", at.0, at.1, at.2);
        return Err(Error::data(path, message, "give weights of 0 or more, 0 for a member that does not count"));
    }
    for (at, mut of_one) in weights.rows_mut().into_iter().enumerate() {
        let largest = of_one.fold(0.0f64, |largest, weight| largest.max(*weight));
        // sums of very large ones would overflow
        if largest > 1e100 {
            of_one /= largest;
        }
        let sum = of_one.sum();
        if sum <= 0.0 {
            let message = format!("all weights of ensemble {at} (of all cases and times) are 0");
            return Err(Error::data(
                path,
                message,
                "give weights of which one at least is above 0, or leave `weight` out",
            ));
        }
        // those that sum to 1 but for round-off stay as they are
        if (sum - 1.0).abs() > 1e-9 {
            of_one /= sum;
        }
    }
    Ok(weights)
}

fn same(path: &Path, name: &str, found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let message = format!("`{name}` has the sizes {found:?}, but its ensembles ask for {expected:?}");
    Err(Error::data(path, message, "store both along the same dimensions"))
}

fn shaped<D: Axes>(path: &Path, values: ndarray::ArrayD<f64>) -> Result<Array<f64, D>> {
    values.into_dimensionality::<D>().map_err(|error| Error::content(path, error.to_string()))
}
