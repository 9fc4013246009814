//! The headline tables for a terminal: aligned, at most 110 columns wide.

use super::against::{self, Difference, Differences};
use super::number;
use super::verdict::{self, Cell, Mark, Table, TableRow, short_label};
use crate::results::{Lead, Report};
use crate::score;

/// The widest line of a table.
const WIDTH: usize = 110;

/// Title, findings, warnings and the tables of the headline metrics; all metrics where none of them is there.
pub(super) fn headline(report: &Report) -> String {
    let mut short = report.clone();
    let of_parameter = |name: &str| {
        let ends = ["_mean", "_sd", "_error"];
        report
            .parameters
            .iter()
            .any(|of| name.strip_prefix(of.parameter.as_str()).is_some_and(|end| ends.contains(&end)))
    };
    let kept = |name: &str| score::describe(name).is_some_and(|known| known.is_headline()) || of_parameter(name);
    if short.forecast.iter().any(|row| kept(&row.metric)) {
        short.forecast.retain(|row| kept(&row.metric));
    }
    if short.assimilation.iter().any(|row| kept(&row.metric)) {
        short.assimilation.retain(|row| kept(&row.metric));
        short.against.retain(|pair| kept(&pair.metric));
    }
    text(&short)
}

/// Title, findings, warnings and the tables of all metrics.
pub(super) fn text(report: &Report) -> String {
    let mut out = vec![report.title.clone()];
    out.extend(report.findings.iter().flat_map(|finding| wrapped(finding, "  ")));
    for warning in &report.warnings {
        out.extend(wrapped(&format!("warning: {warning}"), "  "));
    }
    let (assimilation, forecast) = (verdict::assimilation(report), verdict::forecast(report));
    for table in &assimilation {
        out.push(String::new());
        out.push(format!("Assimilation, observing network {}{}", table.name, common(table)));
        out.extend(assimilation_lines(table));
    }
    for all in against::differences(report) {
        out.push(String::new());
        out.push(format!(
            "Loss of every row less that of {} (paired, ± one standard error, p by Holm over the rows)",
            all.reference
        ));
        out.extend(difference_lines(&all));
    }
    for table in &forecast {
        out.push(String::new());
        out.push(format!("Forecast, {}", heading(table)));
        out.extend(forecast_lines(table));
    }
    let tables = || assimilation.iter().chain(&forecast);
    if tables().any(|table| table.has(Mark::Best)) {
        let key = |mark: Mark, meaning: &'static str| if tables().any(|table| table.has(mark)) { meaning } else { "" };
        let tie = key(Mark::Tie, "   ~ as good (within a tenth)");
        let unclear = key(Mark::CannotTell, "   ? cannot tell from the best");
        out.push(String::new());
        out.push(format!("* best of its column{tie}{unclear}   ± one standard error"));
    }
    out.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The metric with its estimator, the number of cases, which way is better, and the unit of lead times.
fn heading(table: &Table) -> String {
    let column = table.columns.first();
    let estimator = column.map(|column| column.estimators.join(" / ")).filter(|names| !names.is_empty());
    let n = table.rows.iter().flat_map(|row| row.cells.iter().flatten()).map(|cell| cell.n).max().unwrap_or(0);
    let estimator = estimator.map_or_else(String::new, |name| format!(", estimator {name}"));
    let unit = table.lead_unit().map_or_else(String::new, |unit| format!(", lead times in {unit}"));
    format!("{}{estimator}, n = {n} ({}){unit}", score::title(&table.name), score::orientation(&table.name).phrase())
}

/// What all rows share: the number of times, and that none diverged. Then they need no columns of their own.
fn common(table: &Table) -> String {
    match shared(table) {
        Some((n, runs)) => format!(", n = {n}, none of {runs} runs diverged"),
        None => String::new(),
    }
}

fn shared(table: &Table) -> Option<(usize, usize)> {
    let mut cells = table.rows.iter().flat_map(|row| row.cells.iter().flatten());
    let first = cells.next()?;
    let alike = |cell: &Cell| cell.n == first.n && cell.of == first.of && cell.diverged == 0;
    (first.diverged == 0 && cells.all(alike)).then_some((first.n, first.of))
}

fn assimilation_lines(table: &Table) -> Vec<String> {
    let alike = shared(table).is_some();
    let mut head: Vec<String> = vec!["row".into()];
    head.extend(table.columns.iter().map(|column| format!("{}  ", column.metric)));
    if !alike {
        head.extend(["n".into(), "diverged".into()]);
    }
    let row = |row: &TableRow| {
        let first = row.cells.iter().flatten().next();
        let mut cells = vec![short_label(&row.label, &table.name)];
        cells.extend(row.cells.iter().map(cell));
        if !alike {
            cells.push(first.map_or_else(String::new, |cell| cell.n.to_string()));
            cells.push(first.map_or_else(String::new, |cell| format!("{}/{}", cell.diverged, cell.of)));
        }
        cells
    };
    grid(&head, &table.rows.iter().map(row).collect::<Vec<_>>())
}

fn difference_lines(all: &Differences) -> Vec<String> {
    let head: Vec<String> = std::iter::once("row").chain(all.metrics.iter().copied()).map(str::to_owned).collect();
    let cell =
        |cell: &Option<Difference>| cell.map_or_else(String::new, |of| of.text().replace('−', "-").replace('×', "x"));
    let row = |(label, cells): &(&str, Vec<Option<Difference>>)| {
        std::iter::once((*label).to_owned()).chain(cells.iter().map(cell)).collect()
    };
    grid(&head, &all.rows.iter().map(row).collect::<Vec<Vec<String>>>())
}

/// The number of a lead step and its lead time, with the unit where not all columns have one.
fn lead_head(lead: &Lead, of_all: Option<&str>) -> String {
    let unit = lead.unit.as_deref().filter(|_| of_all.is_none()).map_or_else(String::new, |unit| format!(" {unit}"));
    let time = lead.time.map_or_else(String::new, |time| format!(" ({}{unit})", number::time(time)));
    format!("lead {}{time}  ", lead.lead_step)
}

fn forecast_lines(table: &Table) -> Vec<String> {
    let unit = table.lead_unit();
    let mut head: Vec<String> = vec!["forecaster".into()];
    let columns = table.columns.iter().map(|column| column.lead.as_ref());
    head.extend(columns.map(|lead| lead.map_or_else(|| "whole forecast  ".into(), |lead| lead_head(lead, unit))));
    let row = |row: &TableRow| std::iter::once(row.label.clone()).chain(row.cells.iter().map(cell)).collect();
    grid(&head, &table.rows.iter().map(row).collect::<Vec<Vec<String>>>())
}

/// A cell, with two places at its end for the mark.
fn cell(cell: &Option<Cell>) -> String {
    let Some(cell) = cell else { return String::new() };
    let Some(value) = cell.value else {
        return if cell.diverged > 0 {
            format!("diverged {}/{}  ", cell.diverged, cell.of)
        } else {
            "undefined  ".into()
        };
    };
    let (value, se) = number::value_se(value, cell.se);
    let mut se = se.map_or_else(String::new, |se| format!(" ± {se}"));
    let mut at_least = "";
    if cell.censored > 0 {
        at_least = ">= ";
        se.push_str(&format!(" ({} of {} to the end)", cell.censored, cell.n));
    }
    let mark = match cell.mark {
        Mark::Best => " *",
        Mark::Tie => " ~",
        Mark::CannotTell => " ?",
        Mark::Plain => "  ",
    };
    format!("{at_least}{value}{se}{mark}").replace('−', "-")
}

/// Aligned lines; columns that do not fit go to a further block under the same row names.
pub(super) fn grid(head: &[String], rows: &[Vec<String>]) -> Vec<String> {
    let length = |text: &String| text.chars().count();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).chain(head.get(column)).map(length).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut blocks: Vec<Vec<usize>> = vec![Vec::new()];
    let mut used = widths.first().copied().unwrap_or(0) + 2;
    let start = used;
    for (column, width) in widths.iter().enumerate().skip(1) {
        if used + width + 2 > WIDTH && blocks.last().is_some_and(|block| !block.is_empty()) {
            blocks.push(Vec::new());
            used = start;
        }
        used += width + 2;
        if let Some(block) = blocks.last_mut() {
            block.push(column);
        }
    }
    let line = |cells: &[String], block: &[usize]| {
        let first = cells.first().map(String::as_str).unwrap_or_default();
        let mut out = format!("  {first:<0$}", widths[0]);
        for &column in block {
            let text = cells.get(column).map(String::as_str).unwrap_or_default();
            out.push_str(&format!("  {text:>0$}", widths[column]));
        }
        out
    };
    blocks
        .iter()
        .flat_map(|block| {
            std::iter::once(line(head, block)).chain(rows.iter().map(|row| line(row, block))).collect::<Vec<_>>()
        })
        .collect()
}

/// A paragraph in lines of at most [`WIDTH`] letters.
fn wrapped(paragraph: &str, indent: &str) -> Vec<String> {
    let mut lines = vec![indent.to_string()];
    for word in paragraph.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|line| line.chars().count() + word.chars().count() < WIDTH || line.trim().is_empty());
        match line {
            Some(line) => {
                if !line.trim().is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_text_is_this() {
        let expected = "\
a <small> twin experiment
  `etkf` with the true system is best: rmse 0.189.
  warning: ensf diverged.

Assimilation, observing network full
  row                      rmse           spread     spread_skill        n  diverged
  etkf / perfect  0.189 ± 0.004 *  0.180 ± 0.002    0.980 ± 0.010 *  13000      0/20
  etkf / ar       0.192 ± 0.004 ~  0.180 ± 0.002    1.020 ± 0.010 *  13000      0/20
  ensf / perfect  diverged 3/20    diverged 3/20    diverged 3/20    13000      3/20

Forecast, RMSE, estimator mean, n = 512 (less is better)
  forecaster  lead 1 (0.05)     lead 2 (0.1)     lead 4 (0.2)
  perfect     0.110 ± 0.002 *  0.120 ± 0.002 *  0.140 ± 0.002 *
  ar          0.113 ± 0.002    0.126 ± 0.002    0.152 ± 0.002

* best of its column   ~ as good (within a tenth)   ± one standard error
";
        let got = text(&sample::small());
        assert_eq!(got, expected, "\n{got}");
    }

    #[test]
    fn lead_times_have_their_unit() {
        let hours = Report { leads: Lead::steps(4, 6.0, Some("hours")), ..sample::small() };
        let got = text(&hours);
        assert!(got.contains("n = 512 (less is better), lead times in hours\n"), "{got}");
        assert!(got.contains("lead 1 (6)") && got.contains("lead 4 (24)"), "{got}");
        // of two units each column says its own
        let mut mixed = hours;
        mixed.leads[0] = Lead { lead_step: 1, time: Some(0.05), unit: None };
        mixed.leads[3] = Lead { lead_step: 4, time: None, unit: None };
        let got = text(&mixed);
        assert!(
            got.contains("lead 1 (0.05)") && got.contains("lead 2 (12 hours)") && got.contains("lead 4\n"),
            "{got}"
        );
        assert!(!got.contains("lead times in") && !got.contains("lead 4 ("), "{got}");
    }

    #[test]
    fn wide_tables_are_broken_into_blocks() {
        let head: Vec<String> = (0..12).map(|column| format!("column number {column}")).collect();
        let lines = grid(&head, std::slice::from_ref(&head));
        assert_eq!(lines.len(), 6, "three blocks of a heading and a row");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH + 2 && line.contains("column number 0")));
    }

    #[test]
    fn paragraphs_are_wrapped_between_words() {
        let lines = wrapped(&"word ".repeat(50), "  ");
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
    }
}
