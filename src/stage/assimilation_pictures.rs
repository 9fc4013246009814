//! What is shown of each network's first replicate: error curves, a stretch of states, and the analyses for the files.

use ndarray::{Array2, Array3, Axis, stack};

use crate::results::{Panel, PanelRow, Series};
use crate::spec::Plan;
use crate::stage::assimilation_scores::Scored;
use crate::stage::parameters::Track;
use crate::stage::twin::{Network, as_field, placed};

/// Analyses that a picture shows, and points of an error curve.
const PICTURED: usize = 150;

/// Components that a picture shows: of more, so many would be averaged into a pixel that waves would vanish.
const PICTURED_COMPONENTS: usize = 400;

/// The analyses of one network's first replicate.
pub struct Analyses {
    /// The network's name.
    pub observe: String,
    /// Model time of each analysis.
    pub times: Vec<f64>,
    /// The truth at those times, `[time, component]`, where there is one.
    pub truth: Option<Array2<f64>>,
    /// The observations, those that methods do not see among them, `[time, observed]`.
    pub observations: Array2<f64>,
    /// Label, analysis mean and standard deviation of each row, `[time, component]`; NaN where a row was not run.
    pub rows: Vec<(String, Array2<f64>, Array2<f64>)>,
    /// What each row says of its parameters.
    pub tracks: Vec<Track>,
    /// What became of each value in each row, `[row, time, observed]`, by DART's codes, where a method has quality control or
    /// the network keeps values from it; -1 where nothing is known.
    pub quality: Array3<i8>,
}

/// The run of one row on the first replicate.
pub struct First<'a> {
    /// The row's label.
    pub label: &'a str,
    /// The analysis mean, `[time, component]`; NaN where the row was not run.
    pub mean: &'a Array2<f64>,
    /// The analysis standard deviation, `[time, component]`.
    pub sd: &'a Array2<f64>,
    /// Root mean square error of each analysis, where there is a truth.
    pub rmse: &'a [Option<f64>],
    /// What the row says of its parameters.
    pub track: &'a Track,
    /// What became of each value, `[time, observed]`, as in [`Analyses`].
    pub quality: &'a Array2<i8>,
}

/// Adds curves, panel and analyses of a network's first replicate.
pub fn picture(plan: &Plan, network: &Network, runs: &[First], scored: &mut Scored) {
    let Some(twin) = network.twins.first() else { return };
    let dt = plan.data.stepping.dt;
    let times: Vec<f64> = twin.steps.iter().map(|&step| step as f64 * dt).collect();
    let truth = twin.truth.as_ref().map(|truth| {
        let mut at = Array2::zeros((twin.steps.len(), truth.ncols()));
        at.outer_iter_mut().zip(&twin.steps).for_each(|(mut row, &step)| row.assign(&truth.row(step)));
        at
    });
    for run in runs.iter().filter(|run| run.rmse.iter().any(Option::is_some)) {
        let stride = run.rmse.len().div_ceil(2 * PICTURED).max(1);
        let (curve_times, values): (Vec<f64>, Vec<Option<f64>>) =
            times.iter().copied().zip(run.rmse.iter().copied()).step_by(stride).unzip();
        scored.errors.push(Series {
            label: run.label.to_owned(),
            observe: network.plan.name.clone(),
            times: curve_times,
            values,
        });
    }
    for run in runs {
        let stride = run.track.mean.nrows().div_ceil(2 * PICTURED).max(1);
        scored.parameters.extend(run.track.series(run.label, &network.plan.name, &times, stride));
    }
    let first = twin.steps.iter().take_while(|&&step| step <= network.plan.burn_in).count();
    let shown = first..(first + PICTURED).min(times.len());
    if let Some(truth) = &truth {
        let components = ..truth.ncols().min(PICTURED_COMPONENTS);
        let cut = |x: &Array2<f64>| as_field(x.slice(ndarray::s![shown.clone(), components]));
        let observations: Option<Vec<_>> =
            shown.clone().map(|index| placed(twin.observations.row(index), network.operator.as_ref())).collect();
        let observations = observations.unwrap_or_default();
        scored.panels.push(Panel {
            observe: network.plan.name.clone(),
            grid: plan.data.layout.is_ring(),
            dim: truth.ncols(),
            times: times[shown.clone()].to_vec(),
            truth: cut(truth),
            observations: observations
                .iter()
                .map(|row| row.iter().take(components.end).map(|v| v.is_finite().then_some(*v)).collect())
                .collect(),
            rows: runs
                .iter()
                .map(|run| PanelRow { label: run.label.to_owned(), mean: cut(run.mean), sd: cut(run.sd) })
                .collect(),
        });
    }
    let codes: Vec<_> = runs.iter().map(|run| run.quality.view()).collect();
    let quality = stack(Axis(0), &codes).unwrap_or_default();
    scored.analyses.push(Analyses {
        observe: network.plan.name.clone(),
        times,
        truth,
        observations: twin.all_observations(),
        rows: runs.iter().map(|run| (run.label.to_owned(), run.mean.clone(), run.sd.clone())).collect(),
        tracks: runs.iter().map(|run| run.track.clone()).collect(),
        quality,
    });
}
