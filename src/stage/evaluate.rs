//! Scores of stored forecasts and analyses: of this program, or of anyone who writes the same layout.

use std::path::PathBuf;

use serde_json::json;

use super::assimilation_scores::{Names, rows};
use super::board::{Board, Column, against_best};
use super::files::{self, Stored};
use super::{Finished, Options, forecast_scores};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::Report;
use crate::score::{Context, Ensemble, Input, METRICS, Pool};
use crate::spec::Plan;

/// Scores the files by the metrics of the plan (all metrics of ensembles without one), forecasts and analyses apart,
/// and compares the files of each kind with each other.
///
/// # Errors
/// When a file is neither forecasts nor analyses with their truth.
pub fn run(inputs: &[PathBuf], plan: Option<&Plan>, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    if inputs.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "no file to score was given")
            .hint("give the .nc files that `scorecast forecast` or `scorecast assimilate` wrote"));
    }
    let names: Vec<String> = match plan {
        Some(plan) => plan.score.metrics.clone(),
        None => METRICS.iter().map(|entry| entry.name.to_owned()).collect(),
    };
    progress.start("scoring", inputs.len() as u64);
    let (mut report, mut forecasts, mut analyses) = (Report::default(), Vec::new(), Vec::new());
    let by_lead = columns(&names, Pool::All)?;
    let by_time = columns(&names, Pool::EachTime)?;
    for (index, input) in inputs.iter().enumerate() {
        match files::read_stored(input, options)? {
            Stored::Forecasts(label, values, truth) => {
                let boards = score_forecasts(&by_lead, &values, &truth);
                for (lead, board) in boards.iter().enumerate() {
                    report.forecast.extend(forecast_scores::rows(&label, &by_lead, board, Some(lead + 1)));
                }
                forecasts.push((label, boards));
            }
            Stored::Analyses(label, values, weights, truth) => {
                let board = score_analyses(&by_time, &values, &weights, &truth);
                let names = Names { label: &label, ..Names::default() };
                report.assimilation.extend(rows(names, &by_time, &board, values.dim().0));
                analyses.push((label, board));
            }
        }
        progress.at(index as u64 + 1, "");
    }
    progress.finish();
    let leads = forecasts.iter().map(|(_, boards)| boards.len()).min().unwrap_or(0);
    for lead in forecast_scores::shown_leads(leads) {
        let boards: Vec<(String, &Board)> =
            forecasts.iter().map(|(label, boards)| (label.clone(), &boards[lead - 1])).collect();
        for column in 0..by_lead.len() {
            let mut found = against_best(&by_lead, column, &boards, "forecast");
            found.iter_mut().for_each(|row| row.lead_step = Some(lead));
            report.paired.extend(found);
        }
    }
    let boards: Vec<(String, &Board)> = analyses.iter().map(|(label, board)| (label.clone(), board)).collect();
    for column in 0..by_time.len() {
        report.paired.extend(against_best(&by_time, column, &boards, "assimilation"));
    }
    report.title = "evaluation".into();
    let text = crate::report::text(&report);
    let result = json!({
        "forecast": report.forecast, "assimilation": report.assimilation, "paired": report.paired,
    });
    Ok(Finished { result, text })
}

/// The metrics among `names` that measure ensembles.
fn columns(names: &[String], pool: Pool) -> Result<Vec<Column>> {
    let context = Context { pool, dt: 1.0, lyapunov_time: None };
    let mut out = Vec::new();
    for name in names {
        let column = Column::registered(name, name, &context)?;
        if column.metric.input() == Input::Ensemble {
            out.push(column);
        }
    }
    Ok(out)
}

fn score_forecasts(columns: &[Column], values: &ndarray::Array5<f64>, truth: &ndarray::Array4<f64>) -> Vec<Board> {
    let (cases, starts, _, leads, _) = values.dim();
    let mut boards: Vec<Board> = (0..leads).map(|_| Board::new(columns)).collect();
    for case in 0..cases {
        for start in 0..starts {
            for (lead, board) in boards.iter_mut().enumerate() {
                let truth = truth.slice(ndarray::s![case, start, lead, ..]);
                let members = values.slice(ndarray::s![case, start, .., lead, ..]);
                board.ensemble(columns, case, start, &Ensemble::new(truth, members, None), |_| true);
            }
        }
    }
    boards
}

fn score_analyses(
    columns: &[Column],
    values: &ndarray::Array4<f64>,
    weights: &ndarray::Array3<f64>,
    truth: &ndarray::Array3<f64>,
) -> Board {
    let (cases, times, _, _) = values.dim();
    let mut board = Board::new(columns);
    for case in 0..cases {
        for time in 0..times {
            let truth = truth.slice(ndarray::s![case, time, ..]);
            let members = values.slice(ndarray::s![case, time, .., ..]);
            let weights = weights.slice(ndarray::s![case, time, ..]);
            let equal = weights.iter().all(|w| *w == weights[0]);
            let ensemble = Ensemble::new(truth, members, (!equal).then_some(weights));
            board.ensemble(columns, case, time, &ensemble, |_| true);
        }
    }
    board
}
