//! The rows of a result that score tables become, and their comparison with the best.

use super::score_table::ScoreTable;
use crate::results::{AssimilationRow, ForecastRow, PairedRow, RankHistogram, Verdict};
use crate::score::series::ENERGY_SCORE_LAW;
use crate::score::{Of, Orientation, holm};

/// The level under which a difference is significant after Holm's correction; the intervals cover with 1 minus this.
pub const LEVEL: f64 = 0.05;

/// The rows of one forecaster at one lead step; without one, those of a whole forecast.
pub fn forecast(label: &str, table: &ScoreTable, lead_step: Option<usize>) -> Vec<ForecastRow> {
    let mut out = Vec::new();
    for (index, column) in table.columns().iter().enumerate() {
        let Some(summary) = table.summary(index) else { continue };
        let of_law = column.measures(Of::Analysis, ENERGY_SCORE_LAW.name);
        let estimator = if of_law { "fair, fresh draws" } else { table.estimator(index) };
        out.push(ForecastRow {
            forecaster: label.to_owned(),
            metric: column.name(),
            estimator: estimator.to_owned(),
            pool: column.metric.pool().name().to_owned(),
            lead_step,
            value: summary.value,
            se: summary.se,
            n: summary.n,
            n_effective: summary.effective,
            skew: summary.skew,
            n_diverged: table.lost_cases(index),
            seeds: several(table.seeds()),
            censored: column.metric.censored(table.terms(index)),
        });
    }
    out
}

/// How many seeds there are, where there are several; 0 otherwise.
fn several(seeds: usize) -> usize {
    if seeds > 1 { seeds } else { 0 }
}

/// The rows of one method: `named` with the names of method, forecaster, network and label, and the number of replicates.
pub fn assimilation(named: &AssimilationRow, table: &ScoreTable) -> Vec<AssimilationRow> {
    let mut out = Vec::new();
    for (index, column) in table.columns().iter().enumerate() {
        let Some(summary) = table.summary(index) else { continue };
        out.push(AssimilationRow {
            metric: column.name(),
            estimator: table.estimator(index).to_owned(),
            pool: column.metric.pool().name().to_owned(),
            value: summary.value,
            se: summary.se,
            n: summary.n,
            n_effective: summary.effective,
            skew: summary.skew,
            // a number that cannot be had is not a run that has diverged: that the alarm says
            diverged: table.marked_clusters(index),
            seeds: several(table.seeds()),
            ..named.clone()
        });
    }
    out
}

/// The rank histogram of a row, where it has one; `kind` is `forecast` or `assimilation`.
pub fn rank_histogram(table: &ScoreTable, kind: &str, label: &str, observe: &str) -> Option<RankHistogram> {
    let index = table.index(Of::Analysis, "rank_histogram")?;
    if table.terms(index).is_empty() || table.terms(index).diverged() {
        return None;
    }
    Some(RankHistogram {
        table: kind.to_owned(),
        label: label.to_owned(),
        observe: observe.to_owned(),
        counts: table.columns()[index].metric.histogram(table.terms(index))?,
        p: table.summary(index).and_then(|summary| summary.value),
    })
}

/// A labelled row of a table.
pub type Labelled<'a> = (String, &'a ScoreTable);

/// Compares the rows of every column with its best one.
pub fn all_against_best(rows: &[Labelled], kind: &str) -> Vec<PairedRow> {
    let columns = rows.first().map_or(0, |(_, table)| table.columns().len());
    (0..columns).flat_map(|column| against_best(column, rows, kind)).collect()
}

/// Compares the rows of every column with its best one, at a lead step.
pub fn all_against_best_at(lead_step: usize, rows: &[Labelled]) -> Vec<PairedRow> {
    let mut found = all_against_best(rows, "forecast");
    found.iter_mut().for_each(|row| row.lead_step = Some(lead_step));
    found
}

/// Compares every row of column `index` with the best.
///
/// The best row is the one with the least loss among those that did not diverge.
fn against_best(index: usize, rows: &[Labelled], kind: &str) -> Vec<PairedRow> {
    let Some((_, first)) = rows.first() else { return Vec::new() };
    let column = &first.columns()[index];
    let orientation = column.about.orientation;
    let losses: Vec<Option<f64>> =
        rows.iter().map(|(_, table)| table.summary(index)?.value.map(|value| orientation.loss(value))).collect();
    let best = (0..rows.len())
        .filter(|&i| losses[i].is_some_and(f64::is_finite))
        .min_by(|&a, &b| losses[a].unwrap_or(f64::NAN).total_cmp(&losses[b].unwrap_or(f64::NAN)));
    best.map_or_else(Vec::new, |best| against(index, rows, best, kind))
}

/// Compares the rows of every column with the one of this label, where it is among them.
pub fn all_against(reference: &str, rows: &[Labelled], kind: &str) -> Vec<PairedRow> {
    let Some(place) = rows.iter().position(|(label, _)| label == reference) else { return Vec::new() };
    let columns = rows[place].1.columns();
    let ranked = (0..columns.len()).filter(|&column| columns[column].about.orientation != Orientation::None);
    ranked.flat_map(|column| against(column, rows, place, kind)).collect()
}

/// Compares every row of column `index` with that at `best`. P-values carry Holm's correction over the comparisons of the
/// column.
fn against(index: usize, rows: &[Labelled], best: usize, kind: &str) -> Vec<PairedRow> {
    let column = &rows[best].1.columns()[index];
    let alike = rows[best].1.summary(index).and_then(|summary| summary.value).map(|value| column.about.alike(value));
    let mut out: Vec<PairedRow> = Vec::new();
    for (other, (label, table)) in rows.iter().enumerate() {
        if other == best {
            continue;
        }
        if let Some(paired) = table.compare(rows[best].1, index) {
            out.push(PairedRow {
                table: kind.to_owned(),
                metric: column.name(),
                lead_step: None,
                best: rows[best].0.clone(),
                other: label.clone(),
                difference: paired.difference,
                se: paired.se,
                p: paired.p,
                p_holm: paired.p,
                interval: paired.interval(1.0 - LEVEL),
                verdict: Verdict::CannotTell,
            });
        }
    }
    let corrected = holm(&out.iter().map(|row| row.p).collect::<Vec<_>>());
    for (row, p) in out.iter_mut().zip(corrected) {
        row.p_holm = p;
        row.verdict = verdict(row, alike.unwrap_or(0.0));
    }
    out
}

/// What a comparison says, where rows are alike whose losses differ by no more than `alike`.
fn verdict(row: &PairedRow, alike: f64) -> Verdict {
    let surely_alike = row.difference == 0.0 || row.interval.is_some_and(|[_, most]| most <= alike);
    match () {
        () if row.p_holm < LEVEL && row.difference > 0.0 => Verdict::Worse,
        () if row.p_holm < LEVEL => Verdict::Better,
        () if surely_alike => Verdict::Alike,
        () => Verdict::CannotTell,
    }
}
