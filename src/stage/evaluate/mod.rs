//! Scores of stored forecasts and analyses: of this program, or of anyone who writes the same layout.

mod compared;
mod leads;
mod measured;
mod missing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Axis;
use serde_json::json;

use self::compared::{Files, labelled};
use self::leads::LeadSteps;
use self::missing::Missing;
use super::forecast::lead_tables::LeadTables;
use super::options::{Finished, Options};
use super::pairing::Ground;
use super::rows;
use super::score_table::ScoreTable;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::report::shown_leads;
use crate::results::{AssimilationRow, Report};
use crate::score::{Column, Context, Input, Of, Pool, default_names};
use crate::spec::Plan;
use crate::store::netcdf::{Clock, Scored, ScoredAnalyses, ScoredForecasts, read_scored};
use crate::systems::Geometry;

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
    let system = plan.and_then(|plan| plan.system.as_ref());
    let geometry = system.map_or(Geometry::Unstructured, |system| system.system.geometry());
    let by_lead = columns(&names, Pool::All, geometry)?;
    let by_time = columns(&names, Pool::EachTime, geometry)?;
    let mut report = Report { title: "evaluation".into(), ..Report::default() };
    let (mut forecasts, mut analyses) = (Vec::new(), Vec::new());
    for (index, input) in inputs.iter().enumerate() {
        let mut missing = Missing::default();
        match read_scored(input, &options.limits())? {
            Scored::Forecasts(found) => {
                forecasts.push(Forecasts::score(input, found, &by_lead, &mut missing, &forecasts)?)
            }
            Scored::Analyses(found) => analyses.push(Analyses::score(input, found, &by_time, &mut missing, &analyses)?),
        }
        report.warnings.extend(missing.sentence(input));
        progress.at(index as u64 + 1, "");
    }
    progress.finish();
    add_forecasts(&mut report, &forecasts);
    add_analyses(&mut report, &analyses);
    let text = crate::report::text(&report);
    let result = json!({
        "forecast": report.forecast, "assimilation": report.assimilation, "paired": report.paired,
        "leads": report.leads, "warnings": report.warnings,
    });
    Ok(Finished { result, text })
}

/// The metrics among `names` that measure ensembles.
fn columns(names: &[String], pool: Pool, geometry: Geometry) -> Result<Arc<[Column]>> {
    let context = Context { geometry, ..Context::plain(pool) };
    let mut out = Vec::new();
    for name in names {
        let column = Column::registered(Of::Analysis, name, &context)?;
        if column.metric.input() == Input::Ensemble {
            out.push(column);
        }
    }
    Ok(out.into())
}

/// The label of a file: its own, or its name; with its path where one of the `others` has that label already.
fn named<'a>(label: Option<&str>, path: &Path, mut others: impl Iterator<Item = &'a String>) -> String {
    let name = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let label = label.map_or_else(name, str::to_owned);
    match others.any(|other| *other == label) {
        true => format!("{label} ({})", path.display()),
        false => label,
    }
}

/// A file of forecasts that was scored.
struct Forecasts {
    label: String,
    /// A table a lead, in the order of the file.
    tables: LeadTables,
    lead: Option<Clock>,
    ground: Ground,
}

impl Forecasts {
    fn score(
        path: &Path,
        found: ScoredForecasts,
        columns: &Arc<[Column]>,
        missing: &mut Missing,
        others: &[Self],
    ) -> Result<Self> {
        let tables = measured::forecasts(columns, &found, missing);
        missing.is_not_all(path, found.truth.dim())?;
        let label = named(found.label.as_deref(), path, others.iter().map(|other| &other.label));
        let ScoredForecasts { truth, resolution, time, timed_cases, lead, .. } = found;
        Ok(Self { label, tables, lead, ground: Ground { truth, resolution, time, timed_cases } })
    }
}

/// Adds the rows of forecasts, and their comparisons at the lead steps that tables show.
fn add_forecasts(report: &mut Report, forecasts: &[Forecasts]) {
    let clocks: Vec<_> = forecasts.iter().map(|file| (file.ground.truth.dim().2, file.lead.as_ref())).collect();
    let steps = LeadSteps::new(&clocks);
    for (file, numbers) in forecasts.iter().zip(&steps.of) {
        let mut rows = file.tables.rows_at(&file.label, numbers);
        rows.sort_by_key(|row| row.lead_step);
        report.forecast.extend(rows);
    }
    let grounds = forecasts.iter().map(|file| (file.label.as_str(), &file.ground)).collect();
    let files = Files::new(grounds, |first, second| steps.shared(first, second));
    for lead in shown_leads(&report.forecast) {
        let place = |file: usize| steps.of[file].iter().position(|number| *number == lead);
        let having: Vec<usize> = (0..forecasts.len()).filter(|file| place(*file).is_some()).collect();
        for group in files.groups(&having) {
            let table = |&file: &usize| Some(forecasts[file].tables.at(place(file)? + 1));
            let tables: Vec<&ScoreTable> = group.iter().filter_map(table).collect();
            let placed = files.placed(&group, &tables);
            report.paired.extend(rows::all_against_best_at(lead, &labelled(&placed)));
        }
    }
    report.warnings.extend(files.warnings());
    report.leads.clone_from(&steps.all);
}

/// A file of analyses that was scored.
struct Analyses {
    label: String,
    table: ScoreTable,
    ground: Ground,
}

impl Analyses {
    fn score(
        path: &Path,
        found: ScoredAnalyses,
        columns: &Arc<[Column]>,
        missing: &mut Missing,
        others: &[Self],
    ) -> Result<Self> {
        let table = measured::analyses(columns, &found, missing);
        let (cases, times, width) = found.truth.dim();
        missing.is_not_all(path, (cases, times, 1, width))?;
        let label = named(found.label.as_deref(), path, others.iter().map(|other| &other.label));
        let ScoredAnalyses { truth, resolution, time, .. } = found;
        let ground = Ground { truth: truth.insert_axis(Axis(2)), resolution, time, timed_cases: false };
        Ok(Self { label, table, ground })
    }
}

/// Adds the rows of analyses, and their comparisons.
fn add_analyses(report: &mut Report, analyses: &[Analyses]) {
    for Analyses { label, table, ground } in analyses {
        let replicates = ground.truth.dim().0;
        let named = AssimilationRow { label: label.clone(), replicates, ..AssimilationRow::default() };
        report.assimilation.extend(rows::assimilation(&named, table));
    }
    let grounds = analyses.iter().map(|file| (file.label.as_str(), &file.ground)).collect();
    let files = Files::new(grounds, |_, _| vec![(0, 0)]);
    let all: Vec<usize> = (0..analyses.len()).collect();
    for group in files.groups(&all) {
        let tables: Vec<&ScoreTable> = group.iter().map(|&file| &analyses[file].table).collect();
        report.paired.extend(rows::all_against_best(&labelled(&files.placed(&group, &tables)), "assimilation"));
    }
    report.warnings.extend(files.warnings());
}
