//! Scores of stored forecasts and analyses: of this program, or of anyone who writes the same layout.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::{Array3, Array4, Array5, s};
use serde_json::json;

use super::forecast::lead_tables::{LeadTables, compare};
use super::options::{Finished, Options};
use super::rows::{self, Labelled};
use super::score_table::ScoreTable;
use super::stored::{Stored, read_stored};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::{AssimilationRow, Report};
use crate::score::{Column, Context, Ensemble, Input, Of, Pool, default_names};
use crate::spec::Plan;

/// Scores the files by the metrics of the plan (those scored by default without one), forecasts and analyses apart,
/// and compares the files of each kind with each other.
///
/// # Errors
/// When a file is neither forecasts nor analyses with their truth.
pub fn run(inputs: &[PathBuf], plan: Option<&Plan>, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    if inputs.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "no file to score was given")
            .hint("give the .nc files that `scorecast forecast` or `scorecast assimilate` wrote"));
    }
    let names = plan.map_or_else(default_names, |plan| plan.score.metrics.clone());
    progress.start("scoring", inputs.len() as u64);
    let (mut report, mut forecasts, mut analyses) = (Report::default(), Vec::new(), Vec::new());
    let by_lead = columns(&names, Pool::All)?;
    let by_time = columns(&names, Pool::EachTime)?;
    for (index, input) in inputs.iter().enumerate() {
        match read_stored(input, options)? {
            Stored::Forecasts(label, values, truth) => {
                let tables = score_forecasts(&by_lead, &values, &truth);
                report.forecast.extend(tables.rows(&label));
                forecasts.push((label, tables));
            }
            Stored::Analyses(label, values, weights, truth) => {
                let table = score_analyses(&by_time, &values, &weights, &truth);
                let named =
                    AssimilationRow { label: label.clone(), replicates: values.dim().0, ..AssimilationRow::default() };
                report.assimilation.extend(rows::assimilation(&named, &table));
                analyses.push((label, table));
            }
        }
        progress.at(index as u64 + 1, "");
    }
    progress.finish();
    let leads = forecasts.iter().map(|(_, tables)| tables.len()).min().unwrap_or(0);
    let forecasts: Vec<(String, &LeadTables)> =
        forecasts.iter().map(|(label, tables)| (label.clone(), tables)).collect();
    let analyses: Vec<Labelled> = analyses.iter().map(|(label, table)| (label.clone(), table)).collect();
    report.paired = compare(&forecasts, leads);
    report.paired.extend(rows::all_against_best(&analyses, "assimilation"));
    report.title = "evaluation".into();
    let text = crate::report::text(&report);
    let result = json!({
        "forecast": report.forecast, "assimilation": report.assimilation, "paired": report.paired,
    });
    Ok(Finished { result, text })
}

/// The metrics among `names` that measure ensembles.
fn columns(names: &[String], pool: Pool) -> Result<Arc<[Column]>> {
    let context = Context { pool, dt: 1.0, lyapunov_time: None };
    let mut out = Vec::new();
    for name in names {
        let column = Column::registered(Of::Analysis, name, &context)?;
        if column.metric.input() == Input::Ensemble {
            out.push(column);
        }
    }
    Ok(out.into())
}

/// Forecasts `[case, start, member, lead, component]` against the truth `[case, start, lead, component]`.
fn score_forecasts(columns: &Arc<[Column]>, values: &Array5<f64>, truth: &Array4<f64>) -> LeadTables {
    let (cases, starts, _, leads, _) = values.dim();
    let mut tables = LeadTables::new(columns, leads);
    for case in 0..cases {
        for start in 0..starts {
            for lead in 0..leads {
                let truth = truth.slice(s![case, start, lead, ..]);
                let members = values.slice(s![case, start, .., lead, ..]);
                tables.measure(lead + 1, case, start, &Ensemble::new(truth, members, None));
            }
        }
    }
    tables
}

/// Analyses `[case, time, member, component]` with weights `[case, time, member]` against the truth `[case, time, component]`.
fn score_analyses(
    columns: &Arc<[Column]>,
    values: &Array4<f64>,
    weights: &Array3<f64>,
    truth: &Array3<f64>,
) -> ScoreTable {
    let (cases, times, _, _) = values.dim();
    let mut table = ScoreTable::new(columns);
    for case in 0..cases {
        for time in 0..times {
            let truth = truth.slice(s![case, time, ..]);
            let members = values.slice(s![case, time, .., ..]);
            let weights = weights.slice(s![case, time, ..]);
            let equal = weights.iter().all(|w| *w == weights[0]);
            table.ensemble(Of::Analysis, case, time, &Ensemble::new(truth, members, (!equal).then_some(weights)));
        }
    }
    table
}
