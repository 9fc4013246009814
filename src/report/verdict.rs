//! The headline tables as a page and a terminal both print them: which value is best, which others are not
//! significantly different from it, and which rows diverged.

use crate::results::{AssimilationRow, ForecastRow, Lead, PairedRow, Report, Verdict};
use crate::score::{Orientation, orientation};

/// What the paired tests say of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    /// Significantly worse than the best, or of a metric that does not rank.
    #[default]
    Plain,
    /// The best.
    Best,
    /// Not significantly worse than the best, and surely by no more than a tenth.
    Tie,
    /// The runs cannot tell it from the best.
    CannotTell,
}

/// One value of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    /// The value, unless it diverged or is undefined.
    pub value: Option<f64>,
    /// Its standard error.
    pub se: Option<f64>,
    /// Times or cases behind it.
    pub n: usize,
    /// Runs that diverged.
    pub diverged: usize,
    /// Runs in all.
    pub of: usize,
    /// Cases that are lower bounds, as the value then is.
    pub censored: usize,
    /// How it compares.
    pub mark: Mark,
    /// The 95 % interval of its loss less that of the best, where they were compared.
    pub interval: Option<[f64; 2]>,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// The metric's name in result files.
    pub metric: String,
    /// How its rows estimate it; several where rows differ.
    pub estimators: Vec<String>,
    /// What is pooled before the final function.
    pub pool: String,
    /// The lead step, for forecasts.
    pub lead: Option<Lead>,
}

impl Column {
    /// The number of its lead step.
    pub fn lead_step(&self) -> Option<usize> {
        self.lead.as_ref().map(|lead| lead.lead_step)
    }
}

/// One row: label, then a cell a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TableRow {
    /// The row's label.
    pub label: String,
    /// What else a reader may need to tell it from others, such as method and forecaster where the label hides them.
    pub note: String,
    /// Its cells, in the order of the columns.
    pub cells: Vec<Option<Cell>>,
}

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// The observing network, or the metric.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<TableRow>,
}

impl Table {
    /// Whether any value is marked so.
    pub fn has(&self, mark: Mark) -> bool {
        self.rows.iter().flat_map(|row| row.cells.iter().flatten()).any(|cell| cell.mark == mark)
    }

    /// The unit of the lead times of all columns, where it is one; none of model time.
    pub fn lead_unit(&self) -> Option<&str> {
        match distinct(self.columns.iter().filter_map(|column| Some(column.lead.as_ref()?.unit.as_deref()))).as_slice()
        {
            [only] => *only,
            _ => None,
        }
    }
}

/// The distinct values of a sequence, in the order of their first appearance.
pub(super) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut out = Vec::new();
    for item in items {
        if !out.contains(&item) {
            out.push(item);
        }
    }
    out
}

/// A row's label without the network's name at its end, which stands above the table.
pub(super) fn short_label(label: &str, observe: &str) -> String {
    let stripped = label.strip_suffix(observe).filter(|_| !observe.is_empty()).map(|rest| rest.trim_end());
    match stripped.and_then(|rest| rest.strip_suffix(['/', '@', ',', '·', '-'])) {
        Some(rest) if !rest.trim().is_empty() => rest.trim_end().to_string(),
        _ => label.to_string(),
    }
}

/// The assimilation tables, one for each observing network.
pub(super) fn assimilation(report: &Report) -> Vec<Table> {
    let networks = distinct(report.assimilation.iter().map(|row| row.observe.as_str()));
    networks.into_iter().map(|name| network(report, name)).collect()
}

fn network(report: &Report, name: &str) -> Table {
    let rows: Vec<&AssimilationRow> = report.assimilation.iter().filter(|row| row.observe == name).collect();
    let column = |metric: &str| Column {
        metric: metric.into(),
        estimators: distinct(rows.iter().filter(|r| r.metric == metric).map(|r| r.estimator.clone())),
        pool: rows.iter().find(|r| r.metric == metric).map(|r| r.pool.clone()).unwrap_or_default(),
        lead: None,
    };
    let columns: Vec<Column> = distinct(rows.iter().map(|row| row.metric.as_str())).into_iter().map(column).collect();
    let cell = |label: &str, column: &Column| {
        let row = rows.iter().find(|row| row.label == label && row.metric == column.metric)?;
        let (value, se, n) = (row.value.filter(|v| v.is_finite()), row.se, row.n);
        Some(Cell { value, se, n, diverged: row.diverged, of: row.replicates, ..Cell::default() })
    };
    let row = |first: &&AssimilationRow| TableRow {
        label: first.label.clone(),
        note: note(first),
        cells: columns.iter().map(|column| cell(&first.label, column)).collect(),
    };
    let labels = distinct(rows.iter().map(|row| row.label.as_str()));
    let first = labels.iter().filter_map(|label| rows.iter().find(|row| row.label == *label));
    let mut table = Table { name: name.into(), rows: first.map(row).collect(), columns };
    mark(&mut table, "assimilation", &report.paired);
    table
}

/// Method and forecaster, where the label does not say them.
fn note(row: &AssimilationRow) -> String {
    let says =
        |word: &str| row.label.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).any(|w| w == word);
    match (says(&row.method), says(&row.forecaster)) {
        (true, true) => String::new(),
        (true, false) => row.forecaster.clone(),
        (false, true) => row.method.clone(),
        (false, false) => format!("{} / {}", row.method, row.forecaster),
    }
}

/// The forecast tables, one for each metric, at a few lead steps.
pub(super) fn forecast(report: &Report) -> Vec<Table> {
    let metrics = distinct(report.forecast.iter().map(|row| row.metric.as_str()));
    metrics.into_iter().map(|metric| forecast_metric(report, metric)).collect()
}

fn forecast_metric(report: &Report, metric: &str) -> Table {
    let rows = || report.forecast.iter().filter(|row| row.metric == metric);
    let labels = distinct(rows().map(|row| row.forecaster.as_str()));
    let column = |lead: Option<usize>| Column {
        metric: metric.into(),
        estimators: distinct(rows().map(|row| row.estimator.clone())),
        pool: rows().next().map(|row| row.pool.clone()).unwrap_or_default(),
        lead: lead.map(|lead| report.lead(lead)),
    };
    let shown = shown_leads(&rows().collect::<Vec<_>>());
    let columns: Vec<Column> = shown.into_iter().map(column).collect();
    let cell = |label: &str, lead: Option<usize>| {
        let row = rows().find(|row| row.forecaster == label && row.lead_step == lead)?;
        let value = row.value.filter(|v| v.is_finite());
        let (n, diverged, censored) = (row.n, row.n_diverged, row.censored);
        Some(Cell { value, se: row.se, n, diverged, of: n, censored, ..Cell::default() })
    };
    let row = |label: &str| TableRow {
        label: label.into(),
        note: String::new(),
        cells: columns.iter().map(|column| cell(label, column.lead_step())).collect(),
    };
    let mut table = Table { name: metric.into(), rows: labels.into_iter().map(row).collect(), columns };
    mark(&mut table, "forecast", &report.paired);
    table
}

/// The lead steps that the table of one metric shows: a few of all, and a few of those of each forecaster, for forecasters of
/// other files may have lead times of their own. Rows of no lead step come last.
pub(super) fn shown_leads(rows: &[&ForecastRow]) -> Vec<Option<usize>> {
    let labels = distinct(rows.iter().map(|row| row.forecaster.as_str()));
    let of =
        |label: &str| few_leads(rows.iter().filter(|row| row.forecaster == label).map(|row| row.lead_step)).into_iter();
    let mut shown = few_leads(rows.iter().map(|row| row.lead_step));
    shown.extend(labels.into_iter().flat_map(of));
    shown.sort_unstable_by_key(|lead| (lead.is_none(), *lead));
    shown.dedup();
    shown
}

/// The first and the last lead step, and those nearest to an eighth, a quarter and a half of the last.
pub(super) fn few_leads(leads: impl Iterator<Item = Option<usize>>) -> Vec<Option<usize>> {
    let mut all: Vec<Option<usize>> = distinct(leads);
    all.sort_unstable();
    let known: Vec<usize> = all.iter().flatten().copied().collect();
    let Some(&last) = known.last() else { return all };
    let nearest = |goal: f64| known.iter().copied().min_by(|a, b| far(*a, goal).total_cmp(&far(*b, goal)));
    let mut few: Vec<Option<usize>> =
        [0.0, 0.125, 0.25, 0.5, 1.0].iter().map(|share| nearest(share * last as f64)).collect();
    few.dedup();
    if all.contains(&None) {
        few.push(None);
    }
    few
}

fn far(lead: usize, goal: f64) -> f64 {
    (lead as f64 - goal).abs()
}

/// Marks the best value of each column, and those that the paired tests cannot tell from it.
fn mark(table: &mut Table, name: &str, paired: &[PairedRow]) {
    for index in 0..table.columns.len() {
        let column = table.columns[index].clone();
        let pairs: Vec<&PairedRow> = paired
            .iter()
            .filter(|pair| pair.table == name && pair.metric == column.metric && pair.lead_step == column.lead_step())
            .collect();
        let Some(best) = best(table, index, orientation(&column.metric), &pairs) else { continue };
        for row in &mut table.rows {
            let pair = pairs.iter().find(|pair| best.contains(&pair.best) && pair.other == row.label);
            let Some(Some(cell)) = row.cells.get_mut(index) else { continue };
            cell.interval = pair.and_then(|pair| pair.interval);
            cell.mark = match pair.map(|pair| pair.verdict) {
                _ if best.contains(&row.label) => Mark::Best,
                _ if cell.value.is_none() => Mark::Plain,
                Some(Verdict::Alike) => Mark::Tie,
                Some(Verdict::CannotTell) => Mark::CannotTell,
                Some(Verdict::Worse | Verdict::Better) | None => Mark::Plain,
            };
        }
    }
}

/// The labels of the best rows of a column: the one that the tests compared with, else all that have the best value.
fn best(table: &Table, index: usize, orientation: Orientation, pairs: &[&PairedRow]) -> Option<Vec<String>> {
    let loss =
        |row: &TableRow| Some(orientation.loss(row.cells.get(index)?.as_ref()?.value?)).filter(|loss| loss.is_finite());
    let tested = table.rows.iter().find(|row| loss(row).is_some() && pairs.iter().any(|pair| pair.best == row.label));
    if let Some(row) = tested {
        return Some(vec![row.label.clone()]);
    }
    let least = table.rows.iter().filter_map(loss).min_by(f64::total_cmp)?;
    let ranked = table.rows.iter().filter(|row| loss(row).is_some()).count();
    let labels = table.rows.iter().filter(|row| loss(row) == Some(least)).map(|row| row.label.clone());
    (ranked > 1).then(|| labels.collect())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn marks(table: &Table, metric: &str) -> Vec<(String, Mark)> {
        let index = table.columns.iter().position(|column| column.metric == metric).unwrap();
        let mark = |row: &TableRow| (row.label.clone(), row.cells[index].as_ref().unwrap().mark);
        table.rows.iter().map(mark).collect()
    }

    #[test]
    fn the_best_and_those_that_tests_cannot_tell_from_it_are_marked() {
        let report = sample::small();
        let table = &assimilation(&report)[0];
        let expected = [("etkf / perfect", Mark::Best), ("etkf / ar", Mark::Tie), ("ensf / perfect", Mark::Plain)];
        assert_eq!(marks(table, "rmse"), expected.map(|(label, mark)| (label.to_string(), mark)));
        assert!(marks(table, "spread").iter().all(|(_, mark)| *mark == Mark::Plain), "spread does not rank");
    }

    #[test]
    fn without_tests_the_values_decide_and_equal_values_share_the_mark() {
        let mut report = sample::small();
        report.paired.clear();
        let rmse = marks(&assimilation(&report)[0], "rmse");
        assert_eq!(rmse.iter().map(|(_, mark)| *mark).collect::<Vec<_>>(), [Mark::Best, Mark::Plain, Mark::Plain]);
        let ratio = marks(&assimilation(&report)[0], "spread_skill"); // .98 and 1.02 are equally far from 1
        assert_eq!(ratio[0].1, Mark::Best);
        report.assimilation.iter_mut().for_each(|row| row.value = row.value.map(|_| 0.5));
        let equal = marks(&assimilation(&report)[0], "rmse");
        assert_eq!(equal.iter().map(|(_, mark)| *mark).collect::<Vec<_>>(), [Mark::Best, Mark::Best, Mark::Plain]);
    }

    #[test]
    fn a_diverged_value_is_never_best() {
        let report = sample::small();
        let table = &assimilation(&report)[0];
        let cell = table.rows[2].cells[0].as_ref().unwrap();
        assert_eq!((cell.value, cell.diverged, cell.of, cell.mark), (None, 3, 20, Mark::Plain));
    }

    #[test]
    fn a_few_lead_steps_span_the_forecast() {
        let few = few_leads((1..=40).map(Some));
        assert_eq!(few, [1, 5, 10, 20, 40].map(Some));
        assert_eq!(few_leads([Some(1), Some(2)].into_iter()), [Some(1), Some(2)]);
        assert_eq!(few_leads([None, None].into_iter()), [None]);
    }

    #[test]
    fn lead_steps_of_one_forecaster_alone_are_shown() {
        let row = |label: &str, lead: usize| {
            let first = &sample::small().forecast[0];
            ForecastRow { forecaster: label.into(), lead_step: Some(lead), ..first.clone() }
        };
        let rows: Vec<ForecastRow> = (1..=3).map(|lead| row("a", lead)).chain([row("b", 2)]).collect();
        assert_eq!(shown_leads(&rows.iter().collect::<Vec<_>>()), [1, 2, 3].map(Some));
        assert_eq!(super::super::shown_leads(&rows[..3]), [1, 3]);
    }

    #[test]
    fn the_networks_name_is_not_repeated_in_labels() {
        assert_eq!(short_label("etkf / ar / sparse", "sparse"), "etkf / ar");
        assert_eq!(short_label("etkf / ar", "sparse"), "etkf / ar");
        assert_eq!(short_label("sparse", "sparse"), "sparse");
        assert_eq!(short_label("etkf @ sparse", "sparse"), "etkf");
    }
}
