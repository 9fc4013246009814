//! One wide figure that stands alone: what a README shows of a report.
//!
//! The pictures are paths and the background is drawn, so that the file reads the same on light and dark pages and in
//! viewers that refuse pictures inside pictures.

use super::chart::{Chart, LETTER};
use super::colour::{Style, hex};
use super::heatmap::{self, Scale, coarsen, difference};
use super::legend::Styles;
use super::markup::escape;
use super::number;
use super::scale::Axis;
use super::verdict::{distinct, short_label};
use super::{bands, errors, hovmoeller, skill};
use crate::results::{AssimilationRow, Field, Panel, PanelRow, Report};

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 20.0;

/// The figure as an SVG file.
pub(super) fn svg(report: &Report) -> String {
    let styles = Styles::of(report);
    let mut parts = Vec::new();
    let mut y = 14.0;
    let shown = panel_to_show(report);
    if let Some(panel) = shown {
        let (part, height) = if panel.grid { fields(report, panel) } else { trajectories(report, panel, &styles) };
        parts.push(format!(r#"<g transform="translate(0 {y:.0})">{part}</g>"#));
        y += height + 12.0;
    }
    let network = shown.map(|panel| panel.observe.clone()).or_else(|| report.errors.first().map(|s| s.observe.clone()));
    let network = network.filter(|network| report.errors.iter().any(|series| series.observe == *network));
    let (part, height) = match network {
        Some(network) => error_chart(report, &styles, &network),
        None => skill_charts(report, &styles),
    };
    parts.push(format!(r#"<g transform="translate(0 {y:.0})">{part}</g>"#));
    y += height + 12.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {y:.0}\" width=\"{WIDTH:.0}\" height=\"{y:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\"><title>{}</title><rect width=\"{WIDTH:.0}\" height=\"{y:.0}\" fill=\"#ffffff\"/>{}</svg>\n",
        escape(&report.title),
        parts.concat()
    )
}

/// The panel to show: of those on a grid (else of all) the one with the fewest observations, which asks the most.
fn panel_to_show(report: &Report) -> Option<&Panel> {
    let seen = |panel: &&Panel| heatmap::values(&panel.observations).count();
    let drawn = || report.panels.iter().filter(|panel| !panel.rows.is_empty());
    drawn().filter(|panel| panel.grid).min_by_key(seen).or_else(|| drawn().min_by_key(seen))
}

/// The two rows to show: the best with the true system, and the best of the others, by another method if there is one; else
/// the first two, of those that have a score if there are.
fn two_rows<'a>(report: &Report, panel: &'a Panel) -> Vec<&'a PanelRow> {
    let of = |row: &PanelRow| report.assimilation.iter().find(|r| r.label == row.label && r.metric == "rmse");
    let best = |perfect: bool, but: Option<&str>| {
        let fits = |r: &AssimilationRow| (r.forecaster == "perfect") == perfect && but != Some(&r.method);
        let rows = panel.rows.iter().filter(|row| of(row).is_some_and(fits));
        let scored = rows.filter_map(|row| Some((row, of(row)?.value?)));
        scored.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
    };
    let first = best(true, None);
    let method = first.and_then(of).map(|row| row.method.as_str());
    let other = best(false, method).or_else(|| best(false, None));
    let mut chosen: Vec<&PanelRow> = [first, other].into_iter().flatten().collect();
    let (scored, diverged): (Vec<_>, Vec<_>) =
        panel.rows.iter().partition(|row| of(row).is_some_and(|found| found.value.is_some()));
    for row in scored.into_iter().chain(diverged) {
        if chosen.len() < 2 && !chosen.iter().any(|known| known.label == row.label) {
            chosen.push(row);
        }
    }
    chosen
}

/// Truth above observations, then each of two analyses above its error.
fn fields(report: &Report, panel: &Panel) -> (String, f64) {
    let (field, error) = hovmoeller::scales(panel);
    let (width, height) = ((WIDTH - 2.0 * MARGIN) / 3.0, 158.0);
    let mut out = String::new();
    let mut place = |column: usize, row: usize, title: &str, data: &Field, scale: &Scale| {
        let (x, y) = (MARGIN + column as f64 * width, row as f64 * (height + 8.0));
        out.push_str(&picture(panel, title, data, scale, (width, height)).group(x, y));
    };
    place(0, 0, "truth", &panel.truth, &field);
    place(0, 1, &format!("observations, network {}", panel.observe), &panel.observations, &field);
    for (index, row) in two_rows(report, panel).into_iter().enumerate() {
        let wrong = difference(&row.mean, &panel.truth);
        let label = short_label(&row.label, &panel.observe);
        let rmse = hovmoeller::root_mean_square(&wrong).map_or_else(String::new, |v| number::significant(v, 2));
        place(index + 1, 0, &format!("{label}: analysis mean"), &row.mean, &field);
        place(index + 1, 1, &format!("{label}: error, rmse {rmse} here"), &wrong, &error);
    }
    let below = 2.0 * (height + 8.0) + 12.0;
    out.push_str(&bar("field", &field, MARGIN + 22.0, below));
    out.push_str(&bar("error", &error, MARGIN + width + 22.0, below));
    (out, below + 8.0)
}

fn picture(panel: &Panel, title: &str, field: &Field, scale: &Scale, (width, height): (f64, f64)) -> Chart {
    let ends = (panel.times.first().copied().unwrap_or(0.0), panel.times.last().copied().unwrap_or(1.0));
    let components = hovmoeller::components(panel) as f64;
    let y = Axis { ticks: vec![1.0, components], ..Axis::linear(0.5, components + 0.5, 2, "") };
    let mut chart = Chart::new(width, height, title, Axis::linear(ends.0, ends.1, 6, ""), y);
    let field = coarsen(field, 12_000);
    chart.picture(|w, h| heatmap::paths(&field, scale, w, h));
    chart
}

/// A colour bar as a row of rectangles.
fn bar(name: &str, scale: &Scale, x: f64, y: f64) -> String {
    let (min, max) = (number::significant(scale.min, 2), number::significant(scale.max, 2));
    let before = (name.len() + min.chars().count() + 2) as f64 * LETTER;
    let step = |i: usize| {
        let (left, colour) = (x + before + 5.0 * i as f64, hex(scale.map.at(i as f64 / 23.0)));
        format!(r#"<rect x="{left:.1}" y="{:.1}" width="5.2" height="9" fill="{colour}"/>"#, y - 8.5)
    };
    let steps: String = (0..24).map(step).collect();
    let after = x + before + 126.0;
    format!(
        r##"<text fill="#444" font-size="11" x="{x:.1}" y="{y:.1}">{name} {min}</text>{steps}<text fill="#444" font-size="11" x="{after:.1}" y="{y:.1}">{max}</text>"##
    )
}

/// For a small system: the first component of two analyses.
fn trajectories(report: &Report, panel: &Panel, styles: &Styles) -> (String, f64) {
    let (width, height) = ((WIDTH - 2.0 * MARGIN) / 2.0, 230.0);
    let rows = two_rows(report, panel).into_iter().enumerate();
    let draw = |(index, row): (usize, &PanelRow)| {
        bands::chart(panel, row, 0, styles, width, height).group(MARGIN + index as f64 * width, 0.0)
    };
    (rows.map(draw).collect(), height)
}

fn error_chart(report: &Report, styles: &Styles, network: &str) -> (String, f64) {
    let title = format!("Analysis error in time (rmse), observing network {network}");
    let chart = errors::chart(report, styles, network, &title, WIDTH - 2.0 * MARGIN, 220.0);
    let series = report.errors.iter().filter(|series| series.observe == network);
    let entries: Vec<_> = series.map(|s| (short_label(&s.label, network), styles.row(&s.label, network))).collect();
    let (legend, height) = legend(&entries, 238.0);
    (format!("{}{legend}", chart.group(MARGIN, 0.0)), height)
}

fn skill_charts(report: &Report, styles: &Styles) -> (String, f64) {
    let metrics: Vec<String> = skill::metrics(report).into_iter().take(3).collect();
    let width = (WIDTH - 2.0 * MARGIN) / metrics.len().max(1) as f64;
    let draw = |(index, metric): (usize, &String)| {
        skill::chart(report, styles, metric, width, 260.0).group(MARGIN + index as f64 * width, 0.0)
    };
    let charts: String = metrics.iter().enumerate().map(draw).collect();
    let labels = distinct(report.forecast.iter().map(|row| row.forecaster.clone()));
    let entries: Vec<_> = labels.into_iter().map(|label| (label.clone(), styles.forecaster(&label))).collect();
    let (legend, height) = legend(&entries, 278.0);
    (format!("{charts}{legend}"), height)
}

/// A legend in as many lines as it needs, and where it ends.
fn legend(entries: &[(String, Style)], top: f64) -> (String, f64) {
    let (mut x, mut y) = (MARGIN + 22.0, top);
    let mut out = String::new();
    for (label, style) in entries {
        let width = 32.0 + label.chars().count() as f64 * LETTER + 14.0;
        if x + width > WIDTH - MARGIN && x > MARGIN + 22.0 {
            (x, y) = (MARGIN + 22.0, y + 18.0);
        }
        let (middle, end, text) = (y - 4.0, x + 26.0, x + 32.0);
        out.push_str(&format!(
            r##"<path {} stroke-width="2" d="M{x:.1} {middle:.1}H{end:.1}"/><text fill="#222" x="{text:.1}" y="{y:.1}">{}</text>"##,
            style.stroke(),
            escape(label)
        ));
        x += width;
    }
    (out, y + 2.0)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_figure_stands_alone() {
        for report in [sample::small(), sample::rich(), Report::default()] {
            let svg = svg(&report);
            assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
            assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
            assert!(!svg.contains("href") && !svg.contains("var(") && !svg.contains("NaN"), "needs something outside");
            assert!(svg.len() < 1_500_000, "{} bytes", svg.len());
        }
    }

    #[test]
    fn it_shows_the_best_row_of_the_true_system_and_the_best_of_the_others() {
        let report = sample::small();
        let labels: Vec<&str> = two_rows(&report, &report.panels[0]).iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["etkf / perfect", "etkf / ar"]);
    }

    #[test]
    fn rows_without_a_score_are_the_last_to_be_shown() {
        let mut report = sample::small();
        let mut third = report.panels[0].rows[1].clone();
        third.label = "enkf / perfect".into();
        report.panels[0].rows.push(third);
        let mut row = report
            .assimilation
            .iter()
            .find(|row| row.label == "etkf / perfect" && row.metric == "rmse")
            .unwrap()
            .clone();
        row.label = "enkf / perfect".into();
        report.assimilation.iter_mut().filter(|row| row.label == "etkf / ar").for_each(|row| row.value = None);
        report.assimilation.push(row);
        let labels: Vec<&str> = two_rows(&report, &report.panels[0]).iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["etkf / perfect", "enkf / perfect"]);
    }
}
