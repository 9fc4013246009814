//! One-step log densities along a whole test trajectory.

use ndarray::{Array1, ArrayView2, Axis, s};

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
    let found = log_densities(model, density, data, trajectory)?;
    for (time, &log_density) in found.iter().enumerate() {
        let case_density = Case::LogDensity { log_density, values: trajectory.ncols() };
        table.case(Of::Analysis, name, case, time, &case_density);
    }
    Ok(())
}

/// log p(x_{k+1} | x_k) for every time of a trajectory `[time, component]` but the last: all at once where the law is the same at
/// every lead step, else each at its own.
fn log_densities(
    model: &dyn Forecaster,
    density: &dyn Density,
    data: &SplitTrajectories,
    trajectory: ArrayView2<f64>,
) -> Result<Array1<f64>> {
    let last = trajectory.nrows() - 1;
    if model.autonomous() {
        return Ok(density.log_prob(0, trajectory.slice(s![..last, ..]), trajectory.slice(s![1.., ..]))?);
    }
    let at = |time: usize| -> Result<f64> {
        let [x, next] = [time, time + 1].map(|row| trajectory.slice(s![row..=row, ..]));
        Ok(density.log_prob(lead_step(model, data, time), x, next)?[0])
    };
    (0..last).map(at).collect()
}
