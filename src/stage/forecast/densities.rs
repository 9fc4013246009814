//! One-step log densities along a whole test trajectory.

use ndarray::{Array1, Array2, Axis, s};

use super::start_blocks::lead_step;
use crate::failure::Result;
use crate::score::{Case, Input, Of};
use crate::stage::data::SplitTrajectories;
use crate::stage::score_table::ScoreTable;
use crate::systems::{Density, Forecaster};

/// Adds the log density of every lead step of test trajectory `case` to the column that takes densities, where there is such
/// a column and the forecaster has a density.
///
/// # Errors
/// When the forecaster itself cannot run.
pub fn measure(model: &dyn Forecaster, table: &mut ScoreTable, data: &SplitTrajectories, case: usize) -> Result<()> {
    let wanted = table.columns().iter().find(|column| column.metric.input() == Input::StateDensity);
    let (Some(name), Some(density)) = (wanted.map(|column| column.measured()), model.density()) else { return Ok(()) };
    let trajectory = data.test.index_axis(Axis(0), case);
    let found = log_densities(model, density, data, case)?;
    for (time, &log_density) in (model.history() - 1..).zip(&found) {
        let case_density = Case::LogDensity { log_density, values: trajectory.ncols() };
        table.case(Of::Analysis, name, case, time, &case_density);
    }
    Ok(())
}

/// log p(x_{k+1} | x_k) for every time of test trajectory `case` but the last, and but those whose history is not
/// there: all at once where the law is the same at
/// every lead step, else each at its own.
fn log_densities(
    model: &dyn Forecaster,
    density: &dyn Density,
    data: &SplitTrajectories,
    case: usize,
) -> Result<Array1<f64>> {
    let trajectory = data.test.index_axis(Axis(0), case);
    let (history, last) = (model.history(), trajectory.nrows().saturating_sub(1));
    let first = (history - 1).min(last);
    let mut states = Array2::zeros((last - first, model.dim()));
    states.outer_iter_mut().zip(first..).for_each(|(mut row, time)| row.assign(&data.test_state(model, case, time)));
    if model.autonomous() {
        return Ok(density.log_prob(0, states.view(), trajectory.slice(s![first + 1.., ..]))?);
    }
    let at = |time: usize| -> Result<f64> {
        let (x, next) =
            (states.slice(s![time - first..=time - first, ..]), trajectory.slice(s![time + 1..=time + 1, ..]));
        Ok(density.log_prob(lead_step(model, data, time), x, next)?[0])
    };
    (first..last).map(at).collect()
}
