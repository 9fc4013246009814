//! The arrays that stages write: trajectories, forecasts and analyses, each with the experiment that made it.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, Array5, ArrayD};

use crate::failure::{Failure, FailureKind, Result};
use crate::spec::Plan;
use crate::stage::Options;
use crate::stage::assimilation_scores::Analyses;
use crate::stage::data::Trajectories;
use crate::stage::parameters::Track;
use crate::store::netcdf::{self, Attribute, Dataset, Origin, SplitPart, Values, Variable};

/// Where a file comes from: the experiment, as JSON.
///
/// # Errors
/// Never in practice: the resolved experiment is our own TOML.
pub fn origin(plan: &Plan, title: &str) -> Result<Origin> {
    let value: serde_json::Value = toml::from_str(&plan.resolved)
        .map_err(|error| Failure::new(FailureKind::Bug, format!("the resolved experiment is not TOML: {error}")))?;
    Ok(Origin { title: title.to_owned(), seed: plan.seed, config_json: value.to_string() })
}

/// Writes all trajectories in the order train, valid, test, with the part of each.
///
/// # Errors
/// When the system refuses.
pub fn write_trajectories(path: &Path, data: &Trajectories, plan: &Plan) -> Result<()> {
    let values = data.joined();
    let time = times(plan, values.dim().1);
    let split = SplitPart::of_counts([data.train.dim().0, data.valid.dim().0, data.test.dim().0]);
    let trajectories = netcdf::StoredTrajectories {
        split: Some(split),
        geometry: Some(data.geometry),
        ..netcdf::StoredTrajectories::new(values, Some(time))
    };
    Ok(netcdf::write_trajectories(path, &trajectories, &origin(plan, "trajectories")?)?)
}

/// The model times of so many lead steps from 0 on.
pub fn times(plan: &Plan, count: usize) -> Vec<f64> {
    (0..count).map(|k| k as f64 * plan.data.stepping.dt).collect()
}

/// Writes the analyses of a network's first replicate: mean and standard deviation of every row, truth, observations.
///
/// # Errors
/// When the system refuses.
pub fn write_analyses(path: &Path, analyses: &Analyses, plan: &Plan) -> Result<()> {
    let (times, observed) = analyses.observations.dim();
    let components = analyses.rows.first().map_or(0, |(_, mean, _)| mean.ncols());
    let labels = Values::Text(analyses.rows.iter().map(|(label, _, _)| label.clone()).collect());
    let means = analyses.rows.iter().flat_map(|(_, mean, _)| mean.iter().copied()).collect();
    let sds = analyses.rows.iter().flat_map(|(_, _, sd)| sd.iter().copied()).collect();
    let row_dims = ["row", "time", "component"];
    let mut dataset = Dataset::default()
        .dimension("row", analyses.rows.len())
        .coordinate(
            Variable::coordinate("time", Values::F64(analyses.times.clone()))
                .with("units", "1")
                .with("time_unit", "model time unit")
                .with("axis", "T"),
        )
        .dimension("component", components)
        .dimension("observed", observed)
        .variable(Variable::new("label", &["row"], labels).with("long_name", "method and forecaster"))
        .variable(
            Variable::new("analysis_mean", &row_dims, Values::F64(means))
                .with("long_name", "mean of the analysis ensemble; NaN where a row was not run")
                .with("units", "1"),
        )
        .variable(
            Variable::new("analysis_sd", &row_dims, Values::F64(sds))
                .with("long_name", "standard deviation of the analysis ensemble")
                .with("units", "1"),
        )
        .variable(
            Variable::new(
                "observation",
                &["time", "observed"],
                Values::F64(analyses.observations.iter().copied().collect()),
            )
            .with("long_name", "observations, those that no method saw among them (see quality); NaN is missing")
            .with("units", "1"),
        );
    if analyses.quality.iter().any(|code| *code >= 0) {
        dataset = dataset.variable(
            Variable::new(
                "quality",
                &["row", "time", "observed"],
                Values::I8(analyses.quality.iter().copied().collect()),
            )
            .with("long_name", "what became of each observation, by the codes of DART; -1 where nothing is known")
            .with("flag_values", Attribute::I8(vec![0, 1, 2, 3, 4, 5, 6, 7]))
            .with(
                "flag_meanings",
                "assimilated evaluated assimilated_posterior_failed evaluated_posterior_failed prior_failed not_used \
                 rejected outlier",
            ),
        );
    }
    if let Some(truth) = &analyses.truth {
        debug_assert_eq!(truth.nrows(), times);
        dataset = dataset.variable(
            Variable::new("truth", &["time", "component"], Values::F64(truth.iter().copied().collect()))
                .with("long_name", "the hidden truth of the twin experiment")
                .with("units", "1"),
        );
    }
    dataset = with_tracks(dataset, analyses);
    let title = format!("analyses of network {}", analyses.observe);
    Ok(netcdf::write(path, &dataset.from_experiment(&origin(plan, &title)?))?)
}

/// Adds what rows say of the parameters that they estimate, where some do; NaN where a row does not.
fn with_tracks(dataset: Dataset, analyses: &Analyses) -> Dataset {
    let mut names: Vec<(String, Option<f64>)> = Vec::new();
    for known in analyses.tracks.iter().flat_map(Track::known) {
        if !names.contains(known) {
            names.push(known.clone());
        }
    }
    if names.is_empty() {
        return dataset;
    }
    let values = |of: fn(&Track) -> &Array2<f64>| {
        let mut out = Array3::from_elem((analyses.tracks.len(), analyses.times.len(), names.len()), f64::NAN);
        for (mut row, track) in out.outer_iter_mut().zip(&analyses.tracks) {
            for (at, name) in names.iter().enumerate() {
                if let Some(own) = track.known().iter().position(|known| known == name) {
                    row.column_mut(at).assign(&of(track).column(own));
                }
            }
        }
        Values::F64(out.into_raw_vec_and_offset().0)
    };
    let dims = ["row", "time", "parameter"];
    let dataset = with_parameters(dataset, &names, analyses.truth.is_some());
    let moment = |name: &str, long_name: &str, values: Values| {
        Variable::new(name, &dims, values).with("long_name", long_name).with("units", "1")
    };
    dataset
        .variable(moment("parameter_mean", "posterior mean of the parameter", values(|track| &track.mean)))
        .variable(moment("parameter_sd", "posterior standard deviation of the parameter", values(|track| &track.sd)))
}

/// Adds the names of parameters and, where there is a truth, their values in it.
fn with_parameters(dataset: Dataset, parameters: &[(String, Option<f64>)], twin: bool) -> Dataset {
    let names = Values::Text(parameters.iter().map(|(name, _)| name.clone()).collect());
    let dataset = dataset
        .dimension("parameter", parameters.len())
        .variable(Variable::new("parameter_name", &["parameter"], names).with("long_name", "setting of the system"));
    if !twin {
        return dataset;
    }
    let truth = Values::F64(parameters.iter().map(|(_, truth)| truth.unwrap_or(f64::NAN)).collect());
    dataset.variable(
        Variable::new("parameter_truth", &["parameter"], truth)
            .with("long_name", "the parameter of the truth")
            .with("units", "1"),
    )
}

/// Refuses an output that exists, unless `--force` is given.
///
/// # Errors
/// [`FailureKind::Exists`].
pub fn claim(path: &Path, options: &Options) -> Result<()> {
    if path.exists() && !options.force {
        return Err(Failure::new(FailureKind::Exists, "the output exists already")
            .at(path.display().to_string())
            .hint("give another --out, or --force to replace it"));
    }
    Ok(())
}

/// Makes a folder and its parents.
///
/// # Errors
/// [`FailureKind::Io`].
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| {
        Failure::new(FailureKind::Io, format!("cannot make the folder: {error}")).at(path.display().to_string())
    })
}

/// The plan with the models of some labels taken from files.
pub fn with_models(plan: &Plan, models: &[(String, PathBuf)]) -> Plan {
    let mut plan = plan.clone();
    for (label, path) in models {
        if let Some(forecaster) = plan.forecasters.iter_mut().find(|forecaster| &forecaster.label == label) {
            forecaster.model = Some(path.clone());
        }
    }
    plan
}

/// Forecasts of one forecaster beside what followed.
pub struct Forecasts<'a> {
    /// The forecaster's label.
    pub label: &'a str,
    /// `[case, time, member, lead, component]`.
    pub values: &'a Array5<f64>,
    /// `[case, time, lead, component]`.
    pub truth: &'a Array4<f64>,
    /// The lead step of each start in its trajectory.
    pub starts: &'a [usize],
    /// The length of a lead step.
    pub dt: f64,
}

/// Writes forecasts and their truth.
///
/// # Errors
/// When the system refuses.
pub fn write_forecasts(path: &Path, forecasts: &Forecasts, plan: &Plan) -> Result<()> {
    let (cases, _, members, leads, components) = forecasts.values.dim();
    let start_times = forecasts.starts.iter().map(|&start| start as f64 * forecasts.dt).collect();
    let lead_times = (1..=leads).map(|lead| lead as f64 * forecasts.dt).collect();
    let dataset = Dataset::default()
        .dimension("case", cases)
        .coordinate(model_time("time", start_times, "forecast_reference_time"))
        .coordinate(numbers(members))
        .coordinate(model_time("lead_time", lead_times, "forecast_period"))
        .dimension("component", components)
        .variable(
            Variable::new(
                "forecast",
                &["case", "time", "number", "lead_time", "component"],
                Values::F64(forecasts.values.iter().copied().collect()),
            )
            .with("long_name", "ensemble forecast of the state")
            .with("units", "1"),
        )
        .variable(truth(&["case", "time", "lead_time", "component"], forecasts.truth.iter().copied().collect()))
        .with("label", forecasts.label);
    Ok(netcdf::write(path, &dataset.from_experiment(&origin(plan, "forecasts")?))?)
}

/// Analysis ensembles of one row.
pub struct Ensembles {
    /// The row's label.
    pub label: String,
    /// Model time of each analysis.
    pub times: Vec<f64>,
    /// `[case, time, member, component]`; NaN from a divergence on.
    pub values: Array4<f64>,
    /// `[case, time, member]`.
    pub weights: Array3<f64>,
    /// `[case, time, component]`, where there is a truth.
    pub truth: Option<Array3<f64>>,
    /// Name, and value in the truth, of each parameter that the row estimates.
    pub parameters: Vec<(String, Option<f64>)>,
    /// The parameters of the members, `[case, time, member, parameter]`.
    pub estimates: Array4<f64>,
}

/// Writes the analysis ensembles of one row.
///
/// # Errors
/// When the system refuses.
pub fn write_ensembles(path: &Path, analyses: &Ensembles, plan: &Plan) -> Result<()> {
    let (cases, _, members, components) = analyses.values.dim();
    let dims = ["case", "time", "number", "component"];
    let mut dataset = Dataset::default()
        .dimension("case", cases)
        .coordinate(model_time("time", analyses.times.clone(), "time"))
        .coordinate(numbers(members))
        .dimension("component", components)
        .variable(
            Variable::new("analysis", &dims, Values::F64(analyses.values.iter().copied().collect()))
                .with("long_name", "analysis ensemble")
                .with("units", "1"),
        )
        .variable(
            Variable::new("weight", &dims[..3], Values::F64(analyses.weights.iter().copied().collect()))
                .with("long_name", "weight of the member")
                .with("units", "1"),
        )
        .with("label", analyses.label.as_str());
    if let Some(states) = &analyses.truth {
        dataset = dataset.variable(truth(&["case", "time", "component"], states.iter().copied().collect()));
    }
    if !analyses.parameters.is_empty() {
        let values = Values::F64(analyses.estimates.iter().copied().collect());
        dataset = with_parameters(dataset, &analyses.parameters, analyses.truth.is_some()).variable(
            Variable::new("parameter_members", &["case", "time", "number", "parameter"], values)
                .with("long_name", "the parameter of the member")
                .with("units", "1"),
        );
    }
    Ok(netcdf::write(path, &dataset.from_experiment(&origin(plan, "analyses")?))?)
}

fn model_time(name: &str, values: Vec<f64>, standard_name: &str) -> Variable {
    Variable::coordinate(name, Values::F64(values))
        .with("standard_name", standard_name)
        .with("units", "1")
        .with("time_unit", "model time unit")
}

fn numbers(members: usize) -> Variable {
    let numbers = (0..members).map(|member| i32::try_from(member).unwrap_or(i32::MAX)).collect();
    Variable::coordinate("number", Values::I32(numbers)).with("standard_name", "realization").with("units", "1")
}

fn truth(dimensions: &[&str], values: Vec<f64>) -> Variable {
    Variable::new("truth", dimensions, Values::F64(values)).with("long_name", "what happened").with("units", "1")
}

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
