//! Analyses as files: of a network's first replicate, and the ensembles of a row.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, Axis, stack};

use super::network::ObservingNetwork;
use super::parameters::Track;
use super::pictures::truth_at_analyses;
use super::row_run::RowRun;
use crate::failure::Result;
use crate::spec::Plan;
use crate::stage::output::{numbers, origin, truth};
use crate::store::netcdf::{self, Attribute, Dataset, Values, Variable, Wording};

/// Writes the analyses of a network's first replicate: mean and standard deviation of every row, truth, observations.
/// `runs` are those of its rows on that replicate.
///
/// # Errors
/// When the system refuses.
pub fn write_analyses(path: &Path, network: &ObservingNetwork, runs: &[&RowRun], plan: &Plan) -> Result<()> {
    let Some(replicate) = network.replicates.first() else { return Ok(()) };
    let observations = replicate.all_observations();
    let (clock, states) = (&network.wording, &network.states);
    let codes: Vec<_> = runs.iter().map(|run| run.quality.view()).collect();
    let quality = stack(Axis(0), &codes).unwrap_or_default();
    let components = runs.first().map_or(0, |run| run.mean.ncols());
    let labels = Values::Text(runs.iter().map(|run| run.row.label.clone()).collect());
    let means = runs.iter().flat_map(|run| run.mean.iter().copied()).collect();
    let sds = runs.iter().flat_map(|run| run.sd.iter().copied()).collect();
    let row_dims = ["row", "time", "component"];
    let mut dataset = Dataset::default()
        .dimension("row", runs.len())
        .coordinate(time_axis(clock, network.times.clone()))
        .dimension("component", components)
        .dimension("observed", observations.ncols())
        .variable(Variable::new("label", &["row"], labels).with("long_name", "method and forecaster"))
        .variable(
            states.of_states(
                Variable::new("analysis_mean", &row_dims, Values::F64(means))
                    .with("long_name", "mean of the analysis ensemble; NaN where a row was not run")
                    .with("units", "1"),
            ),
        )
        .variable(
            states.of_states(
                Variable::new("analysis_sd", &row_dims, Values::F64(sds))
                    .with("long_name", "standard deviation of the analysis ensemble")
                    .with("units", "1"),
            ),
        );
    let seen = Variable::new("observation", &["time", "observed"], Values::F64(observations.iter().copied().collect()))
        .with("long_name", "observations, those that no method saw among them (see quality); NaN is missing")
        .with("units", "1");
    let own_file = network.plan.file.is_some();
    dataset = dataset.variable(if own_file { clock.of_states(seen) } else { seen });
    if quality.iter().any(|code| *code >= 0) {
        dataset = dataset.variable(
            Variable::new(
                "quality",
                &["row", "time", "observed"],
                Values::I8(quality.iter().copied().collect()),
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
    let truth = truth_at_analyses(replicate);
    if let Some(truth) = &truth {
        dataset = dataset.variable(
            states.of_states(
                Variable::new("truth", &["time", "component"], Values::F64(truth.iter().copied().collect()))
                    .with("long_name", "the hidden truth of the twin experiment")
                    .with("units", "1"),
            ),
        );
    }
    dataset = states.with_places(dataset, "component");
    if own_file {
        dataset = clock.with_places(dataset, "observed");
    }
    dataset = with_tracks(dataset, runs, replicate.steps.len(), truth.is_some());
    let title = format!("analyses of network {}", network.plan.name);
    Ok(netcdf::write(path, &dataset.from_experiment(&origin(plan, &title)?))?)
}

/// The coordinate of the times of analyses.
fn time_axis(clock: &Wording, times: Vec<f64>) -> Variable {
    if clock.time.is_empty() {
        let coordinate = Variable::coordinate("time", Values::F64(times)).with("units", "1");
        return coordinate.with("time_unit", "model time unit").with("axis", "T");
    }
    clock.clock("time", times, "time").with("axis", "T")
}

/// Adds what rows say of the parameters that they estimate, where some do; NaN where a row does not.
fn with_tracks(dataset: Dataset, runs: &[&RowRun], times: usize, has_truth: bool) -> Dataset {
    let mut names: Vec<(String, Option<f64>)> = Vec::new();
    for known in runs.iter().flat_map(|run| run.track.known()) {
        if !names.contains(known) {
            names.push(known.clone());
        }
    }
    if names.is_empty() {
        return dataset;
    }
    let values = |of: fn(&Track) -> &Array2<f64>| {
        let mut out = Array3::from_elem((runs.len(), times, names.len()), f64::NAN);
        for (mut row, track) in out.outer_iter_mut().zip(runs.iter().map(|run| &run.track)) {
            for (at, name) in names.iter().enumerate() {
                if let Some(own) = track.known().iter().position(|known| known == name) {
                    row.column_mut(at).assign(&of(track).column(own));
                }
            }
        }
        Values::F64(out.into_raw_vec_and_offset().0)
    };
    let dims = ["row", "time", "parameter"];
    let dataset = with_parameters(dataset, &names, has_truth);
    let moment = |name: &str, long_name: &str, values: Values| {
        Variable::new(name, &dims, values).with("long_name", long_name).with("units", "1")
    };
    dataset
        .variable(moment("parameter_mean", "posterior mean of the parameter", values(|track| &track.mean)))
        .variable(moment("parameter_sd", "posterior standard deviation of the parameter", values(|track| &track.sd)))
}

/// Adds the names of parameters and, where there is a truth, their values in it.
fn with_parameters(dataset: Dataset, parameters: &[(String, Option<f64>)], has_truth: bool) -> Dataset {
    let names = Values::Text(parameters.iter().map(|(name, _)| name.clone()).collect());
    let dataset = dataset
        .dimension("parameter", parameters.len())
        .variable(Variable::new("parameter_name", &["parameter"], names).with("long_name", "setting of the system"));
    if !has_truth {
        return dataset;
    }
    let truth = Values::F64(parameters.iter().map(|(_, truth)| truth.unwrap_or(f64::NAN)).collect());
    dataset.variable(
        Variable::new("parameter_truth", &["parameter"], truth)
            .with("long_name", "the parameter of the truth")
            .with("units", "1"),
    )
}

/// Analysis ensembles of one row over all replicates, beside their truths.
pub struct Ensembles<'a> {
    /// The network whose observations they are of.
    pub network: &'a ObservingNetwork,
    /// The row's label.
    pub label: String,
    /// The time of each analysis.
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
    let states = &analyses.network.states;
    let mut dataset = Dataset::default()
        .dimension("case", cases)
        .coordinate(analyses.network.wording.clock("time", analyses.times.clone(), "time"))
        .coordinate(numbers(members))
        .dimension("component", components)
        .variable(
            states.of_states(
                Variable::new("analysis", &dims, Values::F64(analyses.values.iter().copied().collect()))
                    .with("long_name", "analysis ensemble")
                    .with("units", "1"),
            ),
        )
        .variable(
            Variable::new("weight", &dims[..3], Values::F64(analyses.weights.iter().copied().collect()))
                .with("long_name", "weight of the member")
                .with("units", "1"),
        )
        .with("label", analyses.label.as_str());
    if let Some(truths) = &analyses.truth {
        let happened = truth(&["case", "time", "component"], truths.iter().copied().collect());
        dataset = dataset.variable(states.of_states(happened));
    }
    dataset = states.with_places(dataset, "component");
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
