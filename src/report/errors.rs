//! Analysis error in time: a chart an observing network, a line a row.

use super::chart::{Chart, thin};
use super::legend::{self, Styles};
use super::markup::escape;
use super::scale::Axis;
use super::verdict::{distinct, short_label};
use crate::results::{Report, Series};

/// The most points that a line has; longer series are shown as means over blocks.
const POINTS: usize = 300;

/// The section: for each network a wide and a narrow drawing, of which the screen shows the one that fits.
pub(super) fn section(report: &Report, styles: &Styles) -> String {
    let networks = distinct(report.errors.iter().map(|series| series.observe.as_str()));
    networks.into_iter().map(|network| one(report, styles, network)).collect()
}

fn one(report: &Report, styles: &Styles, network: &str) -> String {
    let series = || report.errors.iter().filter(|series| series.observe == network);
    let entry = |series: &Series| (short_label(&series.label, network), styles.row(&series.label, network));
    let legend = legend::html(&series().map(entry).collect::<Vec<_>>());
    let block = series().map(|series| thin(&series.times, &series.values, POINTS).1).max().unwrap_or(1);
    let thinned = match block {
        1 => String::new(),
        _ => format!(r#" <small>means over blocks of {block} analysis times</small>"#),
    };
    let (wide, narrow) =
        (chart(report, styles, network, "", 1160.0, 270.0), chart(report, styles, network, "", 380.0, 260.0));
    format!(
        r#"<h4>Observing network {}{thinned}</h4>{legend}<div class="wide">{}</div><div class="narrow">{}</div>"#,
        escape(network),
        wide.svg(),
        narrow.svg()
    )
}

/// One network's chart.
pub(super) fn chart(report: &Report, styles: &Styles, network: &str, title: &str, width: f64, height: f64) -> Chart {
    let series: Vec<&Series> = report.errors.iter().filter(|series| series.observe == network).collect();
    let times = || series.iter().flat_map(|series| series.times.iter().copied());
    let (first, last) = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
    let limit = if width < 500.0 { POINTS / 2 } else { POINTS };
    let lines: Vec<_> = series.iter().map(|series| (series, thin(&series.times, &series.values, limit).0)).collect();
    let values: Vec<f64> = lines.iter().flat_map(|(_, points)| points.iter().filter_map(|point| point.1)).collect();
    let x = Axis::linear(first, last, if width < 500.0 { 5 } else { 10 }, "model time");
    let mut chart = Chart::new(width, height, title, x, Axis::fitting(&values, 20.0, ""));
    for (series, points) in &lines {
        let label = short_label(&series.label, network);
        chart.line(styles.row(&series.label, network), 1.3, points, &label);
    }
    chart
}
