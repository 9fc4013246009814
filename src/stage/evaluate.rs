//! Scores of stored forecasts and analyses: of this program, or of anyone who writes the same layout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayView1, ArrayView2, Axis, CowArray, Ix1, Ix2, s};
use serde_json::json;

use super::forecast::lead_tables::{LeadTables, compare};
use super::options::{Finished, Options};
use super::pairing::{Ground, Pairs};
use super::rows::{self, Labelled};
use super::score_table::ScoreTable;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::{AssimilationRow, Report};
use crate::score::{Column, Context, Ensemble, Input, Of, Pool, default_names};
use crate::spec::Plan;
use crate::store::netcdf::{Scored, ScoredAnalyses, ScoredForecasts, read_scored};

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
    let (mut report, mut forecasts, mut analyses) = (Report::default(), Files::new(), Files::new());
    let by_lead = columns(&names, Pool::All)?;
    let by_time = columns(&names, Pool::EachTime)?;
    for (index, input) in inputs.iter().enumerate() {
        let mut missing = Missing::default();
        match read_scored(input, &options.limits())? {
            Scored::Forecasts(found) => {
                let label = named(found.label.as_deref(), input, &report.forecast, |row| &row.forecaster);
                let tables = score_forecasts(&by_lead, &found, &mut missing);
                missing.is_not_all(input, found.truth.dim())?;
                report.forecast.extend(tables.rows(&label));
                let ground = ground(&found);
                let told = forecasts.push(&label, tables, ground, |pairs, first| {
                    score_pairs(&by_lead, &found, pairs, first.truth.dim().2)
                });
                report.warnings.extend(told);
            }
            Scored::Analyses(found) => {
                let label = named(found.label.as_deref(), input, &report.assimilation, |row| &row.label);
                let table = score_analyses(&by_time, &found, &mut missing);
                let (cases, times, width) = found.truth.dim();
                missing.is_not_all(input, (cases, times, 1, width))?;
                let replicates = found.values.dim().0;
                let named = AssimilationRow { label: label.clone(), replicates, ..AssimilationRow::default() };
                report.assimilation.extend(rows::assimilation(&named, &table));
                let ground = Ground {
                    truth: found.truth.clone().insert_axis(Axis(2)),
                    times: [found.time.clone(), None],
                    units: [found.units.clone(), None],
                };
                let told =
                    analyses.push(&label, table, ground, |pairs, _| score_analysis_pairs(&by_time, &found, pairs));
                report.warnings.extend(told);
            }
        }
        report.warnings.extend(missing.sentence(input));
        progress.at(index as u64 + 1, "");
    }
    progress.finish();
    let forecasts: Vec<(String, &LeadTables)> = forecasts.comparable().collect();
    let leads = forecasts.first().map_or(0, |(_, tables)| tables.len());
    let analyses: Vec<Labelled> = analyses.comparable().collect();
    report.paired = compare(&forecasts, leads);
    report.paired.extend(rows::all_against_best(&analyses, "assimilation"));
    report.title = "evaluation".into();
    let text = crate::report::text(&report);
    let result = json!({
        "forecast": report.forecast, "assimilation": report.assimilation, "paired": report.paired,
        "warnings": report.warnings,
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

/// The label of a file: its own, or its name; with its path where `rows` have that label already.
fn named<R>(label: Option<&str>, path: &Path, rows: &[R], of: impl Fn(&R) -> &String) -> String {
    let name = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let label = label.map_or_else(name, str::to_owned);
    match rows.iter().any(|row| *of(row) == label) {
        true => format!("{label} ({})", path.display()),
        false => label,
    }
}

/// Files of one kind that are compared: their labels and tables, in the cases of the first.
struct Files<T> {
    /// Label, and what the first is of.
    first: Option<(String, Ground)>,
    comparable: Vec<(String, T)>,
}

impl<T> Files<T> {
    fn new() -> Self {
        Self { first: None, comparable: Vec::new() }
    }

    /// Takes one in, with its own `table` or, where its cases lie elsewhere than those of the first file, with that of its pairs.
    /// A warning where some or all cases are not in the first file.
    fn push(
        &mut self,
        label: &str,
        table: T,
        ground: Ground,
        of_pairs: impl FnOnce(&Pairs, &Ground) -> T,
    ) -> Option<String> {
        let Some((name, first)) = &self.first else {
            self.first = Some((label.to_owned(), ground));
            self.comparable.push((label.to_owned(), table));
            return None;
        };
        let pairs = ground.pairs(first);
        if pairs.cases.is_empty() || pairs.leads.is_empty() {
            return Some(format!(
                "`{label}` is unpaired: it is of other times, lead times or truths than `{name}`, and so is not compared with it."
            ));
        }
        let table = if pairs.are_in_place() { table } else { of_pairs(&pairs, first) };
        self.comparable.push((label.to_owned(), table));
        let [cases, leads] = pairs.left_out;
        let kept = pairs.cases.len();
        (pairs.left_out != [0, 0]).then(|| {
            format!(
                "`{label}` is compared with `{name}` on the {kept} cases of the same times and truths: {cases} of its cases \
                 and {leads} of its lead times are not there and were left out."
            )
        })
    }

    fn comparable(&self) -> impl Iterator<Item = (String, &T)> {
        self.comparable.iter().map(|(label, table)| (label.clone(), table))
    }
}

/// What was missing in a file.
#[derive(Default)]
struct Missing {
    /// Members left out of their ensembles.
    members: usize,
    /// Components without a truth.
    truths: usize,
    /// Cases of which nothing is known that happened.
    cases: usize,
}

/// One ensemble and its truth, of what is there.
struct There<'a> {
    truth: CowArray<'a, f64, Ix1>,
    members: CowArray<'a, f64, Ix2>,
    weights: Option<CowArray<'a, f64, Ix1>>,
}

impl Missing {
    /// What there is of `members` (`[member, component]`) and `truth` (`[component]`): components of which it is known what
    /// happened, and members that are not missing, whose weights sum to 1 again. A member of weight 0 does not count. Where
    /// no member is left all stay: such an ensemble has diverged. None where nothing is known of what happened.
    fn take_out<'a>(
        &mut self,
        truth: ArrayView1<'a, f64>,
        members: ArrayView2<'a, f64>,
        weights: Option<ArrayView1<'a, f64>>,
    ) -> Option<There<'a>> {
        let indices = |keep: &dyn Fn(usize) -> bool, count: usize| (0..count).filter(|i| keep(*i)).collect::<Vec<_>>();
        let known = indices(&|component| !truth[component].is_nan(), truth.len());
        self.truths += truth.len() - known.len();
        if known.is_empty() {
            self.cases += 1;
            return None;
        }
        let counts = |member: usize| weights.is_none_or(|weights| weights[member] > 0.0);
        let is_there = |member: usize| known.iter().all(|&component| !members[(member, component)].is_nan());
        let counted = indices(&counts, members.nrows());
        let mut there = indices(&|member| counts(member) && is_there(member), members.nrows());
        if there.is_empty() {
            there.clone_from(&counted);
        }
        self.members += counted.len() - there.len();
        if known.len() == truth.len() && there.len() == members.nrows() {
            let weights = weights.map(CowArray::from);
            return Some(There { truth: truth.into(), members: members.into(), weights });
        }
        let weights = weights.map(|weights| {
            let kept = weights.select(Axis(0), &there);
            let sum = kept.sum();
            CowArray::from(if there.len() < counted.len() { kept / sum } else { kept })
        });
        let members = members.select(Axis(0), &there).select(Axis(1), &known).into();
        Some(There { truth: truth.select(Axis(0), &known).into(), members, weights })
    }

    /// Refuses a file of which, in none of so many cases, it is known what happened.
    fn is_not_all(&self, path: &Path, (cases, starts, leads, _): (usize, usize, usize, usize)) -> Result<()> {
        if self.cases < cases * starts * leads {
            return Ok(());
        }
        let message = "nothing is known of what happened: every value of `truth` is missing, or there is none";
        Err(Failure::new(FailureKind::Data, message)
            .at(path.display().to_string())
            .hint("give a file whose `truth` has values"))
    }

    fn sentence(&self, path: &Path) -> Option<String> {
        let counts = [
            (self.members, "members that are missing were left out of their ensembles"),
            (self.truths, "components were left out where it is not known what happened"),
            (self.cases, "cases were left out of which nothing is known that happened"),
        ];
        let said = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let said = said.collect::<Vec<_>>().join("; ");
        (!said.is_empty()).then(|| format!("`{}`: {said}.", path.display()))
    }
}

/// Weights that are not all equal.
fn uneven(weights: Option<ArrayView1<f64>>) -> Option<ArrayView1<f64>> {
    weights.filter(|weights| weights.iter().any(|w| *w != weights[0]))
}

fn ground(found: &ScoredForecasts) -> Ground {
    let times = [found.time.clone(), found.lead.clone()];
    Ground { truth: found.truth.clone(), times, units: found.units.clone() }
}

/// A case of a file that is scored: trajectory, start and lead in the file, and those under which it is counted.
type Counted = [(usize, usize, usize); 2];

fn score_forecasts(columns: &Arc<[Column]>, found: &ScoredForecasts, missing: &mut Missing) -> LeadTables {
    let (cases, starts, _, leads, _) = found.values.dim();
    let places = (0..cases).flat_map(|case| (0..starts).map(move |start| (case, start)));
    let all = places.flat_map(|(case, start)| (0..leads).map(move |lead| [(case, start, lead); 2]));
    measured(LeadTables::new(columns, leads), found, missing, all)
}

/// The scores of the cases that another file has too, counted as that one does, which has so many leads.
fn score_pairs(columns: &Arc<[Column]>, found: &ScoredForecasts, pairs: &Pairs, leads: usize) -> LeadTables {
    let lead = |&(other, own): &(usize, usize)| {
        pairs.cases.iter().map(move |&((case, start), (a, b))| [(a, b, own), (case, start, other)])
    };
    // what is missing is told of the whole file
    measured(LeadTables::new(columns, leads), found, &mut Missing::default(), pairs.leads.iter().flat_map(lead))
}

fn measured(
    mut tables: LeadTables,
    found: &ScoredForecasts,
    missing: &mut Missing,
    cases: impl Iterator<Item = Counted>,
) -> LeadTables {
    for [(case, start, lead), (as_case, as_start, as_lead)] in cases {
        let truth = found.truth.slice(s![case, start, lead, ..]);
        let members = found.values.slice(s![case, start, .., lead, ..]);
        let weights = uneven(found.weights.as_ref().map(|weights| weights.slice(s![case, start, ..])));
        if let Some(there) = missing.take_out(truth, members, weights) {
            let weights = there.weights.as_ref().map(|weights| weights.view());
            let ensemble = Ensemble::new(there.truth.view(), there.members.view(), weights);
            tables.measure(as_lead + 1, as_case, as_start, &ensemble);
        }
    }
    tables
}

fn score_analyses(columns: &Arc<[Column]>, found: &ScoredAnalyses, missing: &mut Missing) -> ScoreTable {
    let (cases, times, _, _) = found.values.dim();
    let all = (0..cases).flat_map(|case| (0..times).map(move |time| [(case, time, 0); 2]));
    measured_analyses(columns, found, missing, all)
}

/// The scores of the analyses that another file has too, counted as that one does.
fn score_analysis_pairs(columns: &Arc<[Column]>, found: &ScoredAnalyses, pairs: &Pairs) -> ScoreTable {
    let cases = pairs.cases.iter().map(|&((case, time), (a, b))| [(a, b, 0), (case, time, 0)]);
    measured_analyses(columns, found, &mut Missing::default(), cases)
}

fn measured_analyses(
    columns: &Arc<[Column]>,
    found: &ScoredAnalyses,
    missing: &mut Missing,
    cases: impl Iterator<Item = Counted>,
) -> ScoreTable {
    let mut table = ScoreTable::new(columns);
    for [(case, time, _), (as_case, as_time, _)] in cases {
        let truth = found.truth.slice(s![case, time, ..]);
        let members = found.values.slice(s![case, time, .., ..]);
        let weights = uneven(found.weights.as_ref().map(|weights| weights.slice(s![case, time, ..])));
        if let Some(there) = missing.take_out(truth, members, weights) {
            if there.members.iter().any(|value| !value.is_finite()) {
                table.mark_diverged(as_case);
            }
            let weights = there.weights.as_ref().map(|weights| weights.view());
            let ensemble = Ensemble::new(there.truth.view(), there.members.view(), weights);
            table.ensemble(Of::Analysis, as_case, as_time, &ensemble);
        }
    }
    table
}
