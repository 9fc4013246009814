//! One-step log densities along a whole test trajectory: exact ones, and those of denoisers by the probability flow.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::start_blocks::lead_step;
use crate::failure::Result;
use crate::nn::windows::evenly;
use crate::score::{Case, Input, Of};
use crate::stage::data::SplitTrajectories;
use crate::stage::score_table::ScoreTable;
use crate::systems::{self, Domain, Forecaster, Key, Purpose, Trace, flow_log_prob};

/// States of a trajectory whose density the probability flow is asked for, at most: each costs hundreds of evaluations.
const FLOW_STATES: usize = 48;
/// Components up to which the trace of a Jacobian is exact.
const EXACT_TRACE: usize = 8;
/// Random vectors that it is estimated by otherwise.
const PROBES: usize = 4;

/// Adds log densities of lead steps of test trajectory `case` to the columns that take them: at every time from `first` on,
/// which is the same for all forecasters, where the forecaster has a density; at evenly spaced ones by the flow where it has a
/// denoiser of a law with variance in all components.
///
/// # Errors
/// When the forecaster itself cannot run.
pub fn measure(
    model: &dyn Forecaster,
    table: &mut ScoreTable,
    data: &SplitTrajectories,
    case: usize,
    (first, seed): (usize, u64),
) -> Result<()> {
    let wanted = |input: Input| {
        let column = table.columns().iter().find(|column| column.metric.input() == input);
        column.map(|column| column.measured().to_owned())
    };
    let (exact, by_flow) = (wanted(Input::StateDensity), wanted(Input::FlowDensity));
    let trajectory = data.test.view().index_axis_move(Axis(0), case);
    let last = trajectory.nrows().saturating_sub(1);
    let all: Vec<usize> = (first.min(last)..last).collect();
    if let (Some(name), Some(density)) = (exact, model.density()) {
        let log_prob = |k, x: ArrayView2<f64>, next: ArrayView2<f64>| density.log_prob(k, x, next);
        add(table, &name, case, &all, log_densities(model, data, case, &all, &log_prob)?, trajectory.ncols());
    }
    if let (Some(name), Some(denoiser)) = (by_flow, model.denoiser()) {
        let key = Key::new(seed, Domain::Score).purpose(Purpose::Statistic).case(case as u64);
        let trace = if trajectory.ncols() <= EXACT_TRACE { Trace::Exact } else { Trace::Probes(PROBES, key) };
        let some: Vec<usize> = evenly(all.len(), FLOW_STATES.min(all.len())).map(|place| all[place]).collect();
        let log_prob = |k, x: ArrayView2<f64>, next: ArrayView2<f64>| flow_log_prob(denoiser, k, x, next, trace);
        let found = log_densities(model, data, case, &some, &log_prob)?;
        if found.iter().all(|log_density| !log_density.is_nan()) {
            add(table, &name, case, &some, found, trajectory.ncols());
        }
    }
    Ok(())
}

fn add(table: &mut ScoreTable, name: &str, case: usize, times: &[usize], found: Array1<f64>, values: usize) {
    for (&time, &log_density) in times.iter().zip(&found) {
        table.case(Of::Analysis, name, case, time, &Case::LogDensity { log_density, values });
    }
}

/// A log density at a lead step, of states and what follows them.
type LogProb<'a> = &'a dyn Fn(usize, ArrayView2<f64>, ArrayView2<f64>) -> systems::Result<Array1<f64>>;

/// log p(x_{k+1} | x_k) at these times of test trajectory `case`: all at once where the law is the same at every lead step,
/// else each at its own.
fn log_densities(
    model: &dyn Forecaster,
    data: &SplitTrajectories,
    case: usize,
    times: &[usize],
    log_prob: LogProb,
) -> Result<Array1<f64>> {
    let mut states = Array2::zeros((times.len(), model.dim()));
    states.outer_iter_mut().zip(times).for_each(|(mut row, time)| row.assign(&data.test_state(model, case, *time)));
    let next: Vec<usize> = times.iter().map(|time| time + 1).collect();
    let next = data.test.view().index_axis_move(Axis(0), case).select(Axis(0), &next);
    if model.autonomous() {
        return Ok(log_prob(0, states.view(), next.view())?);
    }
    let row = |array: &Array2<f64>, row: usize| array.select(Axis(0), &[row]);
    let at = |(index, &time): (usize, &usize)| -> Result<f64> {
        Ok(log_prob(lead_step(model, data, time), row(&states, index).view(), row(&next, index).view())?[0])
    };
    times.iter().enumerate().map(at).collect()
}
