//! What the trained forecasters are, and how their training went.

use super::chart::Chart;
use super::colour::Style;
use super::gallery::standalone;
use super::legend::Styles;
use super::markup::escape;
use super::number::{count, significant};
use super::scale::Axis;
use super::tables::wrap;
use crate::results::{Curve, CurvePoint, Report, RolloutRow, TrainingRow};

/// The size of a chart.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 219.0;

/// Widths of the lines of both losses.
const THIN: f64 = 0.8;
const THICK: f64 = 2.0;

/// The table and the curves.
pub(super) fn section(report: &Report, styles: &Styles) -> String {
    let charts: String = report.curves.iter().filter_map(|curve| Some(chart(report, curve, styles)?.svg())).collect();
    let charts = match charts.is_empty() {
        true => String::new(),
        false => format!(
            r#"<div class="charts">{charts}</div><p class="note">Thin: training loss; thick: validation loss of the averaged weights, which decides which weights are kept. Losses of different kinds of forecaster, and of two trainings of one, are not comparable.</p>"#
        ),
    };
    format!("{}{charts}", table(report))
}

/// The curves of all trainings as an SVG file.
pub(super) fn svg(training: &[TrainingRow], curves: &[Curve]) -> String {
    let report = Report { training: training.to_vec(), curves: curves.to_vec(), ..Report::default() };
    let styles = Styles::of(&report);
    let charts = curves.iter().filter_map(|curve| chart(&report, curve, &styles));
    let panels: Vec<String> = charts.enumerate().map(|(i, chart)| chart.group(0.0, HEIGHT * i as f64)).collect();
    standalone("Training", WIDTH, HEIGHT * panels.len().max(1) as f64, &panels.concat())
}

fn table(report: &Report) -> String {
    if report.training.is_empty() {
        return String::new();
    }
    let row = |row: &TrainingRow| {
        let valid = row.best_valid.filter(|v| v.is_finite()).map_or_else(|| "–".into(), |v| significant(v, 3));
        format!(
            r#"<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{valid}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"#,
            escape(&row.forecaster),
            escape(&row.kind),
            count(row.parameters as u64),
            count(row.pairs as u64),
            count(row.steps),
            count(row.best_step),
            row.evaluations,
            operations(row.training_flops),
            operations(row.inference_flops),
            row.rollout.as_ref().map_or_else(|| "–".into(), rollout),
            row.rollout.as_ref().map_or_else(|| "–".into(), left)
        )
    };
    let names = [
        "forecaster",
        "kind",
        "parameters",
        "pairs",
        "steps",
        "kept step",
        "validation loss",
        "evaluations a lead step",
        "flops of the training",
        "flops a member and lead step",
        "sd of free rollouts / of data",
        "members that leave the range of the data",
    ];
    let head: String = names.iter().map(|name| format!(r#"<th scope="col">{name}</th>"#)).collect();
    wrap("", &head, &report.training.iter().map(row).collect::<String>())
}

/// Floating-point operations with the prefix of their size.
fn operations(flops: Option<f64>) -> String {
    let Some(flops) = flops.filter(|flops| flops.is_finite()) else { return "–".into() };
    let steps = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (unit, prefix) = steps.into_iter().find(|(unit, _)| flops >= *unit).unwrap_or((1.0, ""));
    format!("{}{prefix}", significant(flops / unit, 3))
}

/// The worst component's standard deviation in long rollouts over that of the training data.
fn rollout(row: &RolloutRow) -> String {
    row.sd_ratio.map_or_else(|| "not finite".into(), |ratio| significant(ratio, 3))
}

/// How many members of long rollouts leave the range of the training data, and when.
fn left(row: &RolloutRow) -> String {
    let all = format!("{} of {}", row.left, row.members);
    row.left_by.map_or_else(|| all.clone(), |by| format!("{all}, half of these by lead step {by}"))
}

fn chart(report: &Report, curve: &Curve, styles: &Styles) -> Option<Chart> {
    let (first, last) = (curve.points.first()?, curve.points.last()?);
    let values: Vec<f64> = curve.points.iter().flat_map(|point| [point.train, point.valid]).collect();
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let y = if low > 0.0 { Axis::log(low, high, "") } else { Axis::rounded(low, high, 5, "") };
    let x = Axis::linear(first.step.min(last.step) as f64, last.step as f64, 4, "training step");
    let style = Style { dash: 0, ..styles.forecaster(&curve.label) };
    let validated = curve.points.iter().any(|point| point.valid.is_finite());
    let lines = [(style, THIN, "training"), (style, THICK, "validation")];
    let chart = Chart::new(WIDTH, HEIGHT, &format!("{}: loss", curve.title()), x, y);
    let mut chart = chart.with_legend(&lines[..if validated { 2 } else { 1 }]);
    let line = |value: fn(&CurvePoint) -> f64| -> Vec<(f64, Option<f64>)> {
        curve.points.iter().map(|point| (point.step as f64, Some(value(point)))).collect()
    };
    chart.line(style, THIN, &line(|point| point.train), "training loss");
    chart.line(style, THICK, &line(|point| point.valid), "validation loss");
    let own = |row: &&TrainingRow| curve.of.is_none() && row.forecaster == curve.label && row.best_step > 0;
    if let Some(row) = report.training.iter().find(own) {
        chart.mark(row.best_step as f64, "kept");
    }
    Some(chart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_trainings_of_a_fit_have_a_panel_that_says_which_and_what_its_lines_are() {
        let points = |from: u64, valid: f64| {
            (1..=4).map(|i| CurvePoint { step: from + 10 * i, train: 1.0 / i as f64, valid }).collect::<Vec<_>>()
        };
        let curve = |of: Option<&str>, from, valid| Curve {
            label: "net".to_owned(),
            of: of.map(str::to_owned),
            points: points(from, valid),
        };
        let drawn = svg(&[], &[curve(Some("teacher"), 0, 0.5), curve(None, 40, f64::NAN)]);
        assert!(drawn.contains(">net (teacher): loss</text>") && drawn.contains(">net: loss</text>"), "{drawn}");
        // the second was not validated
        let words = |word: &str| drawn.matches(&format!(">{word}</text>")).count();
        assert_eq!((words("training"), words("validation")), (2, 1));
        assert!(drawn.contains(&format!("viewBox=\"0 0 320 {}\"", 2.0 * HEIGHT)), "{drawn}");
    }
}
