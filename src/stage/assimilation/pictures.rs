//! What is shown of a network's first replicate: error curves, parameters in time, and a stretch of states.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use super::network::ObservingNetwork;
use super::replicate::Replicate;
use super::row_run::RowRun;
use crate::assimilation::ObservationOperator;
use crate::results::{Field, Panel, PanelRow, Report, Series};
use crate::spec::Plan;

/// Analyses that a picture shows; a curve in time has up to twice as many points.
const PICTURED: usize = 150;

/// Components that a picture shows: of more, so many would be averaged into a pixel that waves would vanish.
const PICTURED_COMPONENTS: usize = 400;

/// Curves, parameters and the panel of a network's first replicate, of the rows that were run on it.
pub fn picture(plan: &Plan, network: &ObservingNetwork, runs: &[&RowRun]) -> Report {
    let Some(replicate) = network.replicates.first() else { return Report::default() };
    let dt = plan.data.stepping.dt;
    let times: Vec<f64> = replicate.steps.iter().map(|&step| step as f64 * dt).collect();
    let mut report = Report::default();
    for run in runs.iter().filter(|run| run.rmse.iter().any(Option::is_some)) {
        report.errors.push(error_curve(network, run, &times));
    }
    for run in runs {
        let stride = run.track.mean.nrows().div_ceil(2 * PICTURED).max(1);
        report.parameters.extend(run.track.series(run.row.reported(), &network.plan.name, &times, stride));
    }
    report.panels.extend(panel(plan, network, replicate, runs, &times));
    report
}

fn error_curve(network: &ObservingNetwork, run: &RowRun, times: &[f64]) -> Series {
    let stride = run.rmse.len().div_ceil(2 * PICTURED).max(1);
    let (times, values) = times.iter().copied().zip(run.rmse.iter().copied()).step_by(stride).unzip();
    Series { label: run.row.reported().to_owned(), observe: network.plan.name.clone(), times, values }
}

/// A stretch of states after the burn-in, where there is a truth.
fn panel(
    plan: &Plan,
    network: &ObservingNetwork,
    replicate: &Replicate,
    runs: &[&RowRun],
    times: &[f64],
) -> Option<Panel> {
    let truth = truth_at_analyses(replicate)?;
    let first = replicate.steps.iter().take_while(|&&step| step <= network.plan.burn_in).count();
    let shown = first..(first + PICTURED).min(times.len());
    let components = truth.ncols().min(PICTURED_COMPONENTS);
    let cut = |x: &Array2<f64>| as_field(x.slice(s![shown.clone(), ..components]));
    let row = |run: &&RowRun| PanelRow { label: run.row.reported().to_owned(), mean: cut(&run.mean), sd: cut(&run.sd) };
    Some(Panel {
        observe: network.plan.name.clone(),
        grid: plan.data.layout.is_ring(),
        dim: truth.ncols(),
        times: times[shown.clone()].to_vec(),
        truth: cut(&truth),
        observations: observed_field(network, replicate, shown.clone(), components),
        rows: runs.iter().map(row).collect(),
    })
}

/// The truth at the times of the analyses, `[time, component]`, where there is one.
pub fn truth_at_analyses(replicate: &Replicate) -> Option<Array2<f64>> {
    let truth = replicate.truth.as_ref()?;
    let mut at = Array2::zeros((replicate.steps.len(), truth.ncols()));
    at.outer_iter_mut().zip(&replicate.steps).for_each(|(mut row, &step)| row.assign(&truth.row(step)));
    Some(at)
}

/// The observations of some analyses at the components where they sit; empty where they sit nowhere.
fn observed_field(network: &ObservingNetwork, replicate: &Replicate, shown: Range<usize>, components: usize) -> Field {
    let at = |index: usize| placed(replicate.observations.row(index), network.operator.as_ref());
    let rows: Vec<Array1<f64>> = shown.map(at).collect::<Option<_>>().unwrap_or_default();
    let shown = |row: &Array1<f64>| row.iter().take(components).map(|v| v.is_finite().then_some(*v)).collect();
    rows.iter().map(shown).collect()
}

/// The observations put at the components where they sit, `[component]`, NaN elsewhere; none where they sit nowhere.
fn placed(observation: ArrayView1<f64>, operator: &dyn ObservationOperator) -> Option<Array1<f64>> {
    let location = operator.location()?;
    let mut row = Array1::from_elem(operator.state_dim(), f64::NAN);
    for (place, &value) in location.iter().zip(observation) {
        row[place.component] = value;
    }
    Some(row)
}

/// The rows of `x` as nested options, for the report: NaN becomes null.
fn as_field(x: ArrayView2<f64>) -> Field {
    x.outer_iter().map(|row| row.iter().map(|&value| value.is_finite().then_some(value)).collect()).collect()
}
