//! Forecasts and analyses beside their truths, to be scored: of this program, or of anyone who writes such variables.

use std::path::Path;

use ndarray::{Array, Array3, Array4, Array5, Dimension as Axes};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::arrange::{self, CASE, COMPONENT, LEAD_TIME, NUMBER, Role, Roles, TIME};
use super::clock::{self, Clock};
use super::forecasts::{self, START, STARTS};
use super::read::Reader;
use super::resolution::Resolution;
use super::units;

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
    /// How finely the truth is stored.
    pub resolution: Resolution,
    /// The times of the starts, where it has any.
    pub time: Option<Clock>,
    /// Whether those are times of the cases, each of which is a start.
    pub timed_cases: bool,
    /// The lead times, where it has any: finite, and each of them once.
    pub lead: Option<Clock>,
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
    /// How finely the truth is stored.
    pub resolution: Resolution,
    /// The times, where it has any.
    pub time: Option<Clock>,
}

const ANALYSIS: Roles = &[&CASE, &TIME, &NUMBER, &COMPONENT];
const WEIGHT: Roles = &[&CASE, &TIME, &NUMBER];
const TRUTH_OF_FORECASTS: Roles = &[&CASE, &START, &LEAD_TIME, &COMPONENT];
const TRUTH_OF_ANALYSES: Roles = &[&CASE, &TIME, &COMPONENT];

/// Reads a file of forecasts or analyses with their truth.
///
/// # Errors
/// As [`super::read`]; and [`Error::Data`] when it holds neither, has no truth or an infinite one, its arrays do not fit
/// together or are in other units, lead times are missing or come twice, or weights are none.
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
        same_units(path, &reader, "forecast")?;
        let forecasts::Stored { values, time, timed_cases, lead } =
            forecasts::load(path, &mut reader, Some("forecast"))?;
        distinct(path, lead.as_ref())?;
        let (cases, starts, members, leads, components) = values.dim();
        let truth: Array4<f64> = truth(path, &mut reader, TRUTH_OF_FORECASTS)?;
        same(path, "truth", truth.shape(), &[cases, starts, leads, components])?;
        let roles: Roles = &[&CASE, &START, &NUMBER];
        let weights = if weighted { Some(weights(path, &mut reader, roles, [cases, starts, members])?) } else { None };
        let resolution = reader.resolution("truth");
        let found = ScoredForecasts { label, values, weights, truth, resolution, time, timed_cases, lead };
        return Ok(Scored::Forecasts(found));
    }
    if analysis {
        same_units(path, &reader, "analysis")?;
        let found = arrange::load(path, &mut reader, Some("analysis"), &[ANALYSIS])?;
        let time = clock::along(path, &mut reader, found.dimensions[1].as_ref(), STARTS)?;
        let values: Array4<f64> = shaped(path, found.values)?;
        let (cases, times, members, components) = values.dim();
        let truth: Array3<f64> = truth(path, &mut reader, TRUTH_OF_ANALYSES)?;
        same(path, "truth", truth.shape(), &[cases, times, components])?;
        let weights = if weighted { Some(weights(path, &mut reader, WEIGHT, [cases, times, members])?) } else { None };
        let resolution = reader.resolution("truth");
        return Ok(Scored::Analyses(ScoredAnalyses { label, values, weights, truth, resolution, time }));
    }
    let message = "has neither a variable `forecast` nor `analysis`, so there is nothing to score".to_owned();
    Err(Error::data(path, message, "give a file that `scorecast forecast` or `scorecast assimilate` wrote"))
}

/// The variable `truth`, in the order of `roles`: NaN where it is not known what happened, and never infinite.
fn truth<D: Axes>(path: &Path, reader: &mut Reader, roles: Roles) -> Result<Array<f64, D>> {
    let truth = arrange::load(path, reader, Some("truth"), &[roles])?.values;
    if let Some((at, value)) = truth.indexed_iter().find(|(_, value)| value.is_infinite()) {
        let place = |(axis, role): (usize, &&Role)| format!("{} {}", role.name, at[axis]);
        let place = roles.iter().enumerate().map(place).collect::<Vec<_>>().join(", ");
        let message = format!("`truth` is {value} at {place}");
        return Err(Error::data(path, message, "give NaN where it is not known what happened"));
    }
    shaped(path, truth)
}

/// Refuses a truth in another unit than what is scored against it.
fn same_units(path: &Path, reader: &Reader, name: &str) -> Result<()> {
    let (own, truth) = (reader.text_of(name, "units")?, reader.text_of("truth", "units")?);
    if !units::differ(own.as_deref(), truth.as_deref()) {
        return Ok(());
    }
    let [own, truth] = [own, truth].map(Option::unwrap_or_default);
    let message = format!("`{name}` is in `{}` but `truth` is in `{}` (attribute `units`)", own.trim(), truth.trim());
    Err(Error::data(path, message, "give both in one unit, or correct the attribute"))
}

/// Refuses lead times that are missing or infinite, and one that comes twice.
fn distinct(path: &Path, lead: Option<&Clock>) -> Result<()> {
    let Some(lead) = lead else { return Ok(()) };
    if let Some((at, time)) = lead.values.iter().enumerate().find(|(_, time)| !time.is_finite()) {
        let message = format!("lead time {at} (`lead_time`) is {time}");
        return Err(Error::data(path, message, "give finite lead times, each of them once"));
    }
    for (at, time) in lead.values.iter().enumerate() {
        if let Some(before) = lead.values[..at].iter().position(|other| clock::same_lead(*other, *time)) {
            let message = format!("lead times {before} and {at} (`lead_time`) are both {time}");
            return Err(Error::data(path, message, "give each lead time once"));
        }
    }
    Ok(())
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
