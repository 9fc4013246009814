//! Trajectories of a small system: the analysis mean with a band of two ensemble standard deviations either side, the
//! truth and the observations; a row of charts a component, a chart a method.

use super::chart::Chart;
use super::colour::Style;
use super::heatmap::values;
use super::hovmoeller::components;
use super::legend::Styles;
use super::markup::escape;
use super::scale::Axis;
use super::verdict::short_label;
use crate::results::{Field, Panel, PanelRow};

/// The most components that are shown.
const COMPONENTS: usize = 3;

/// One network's charts.
pub(super) fn section(panel: &Panel, styles: &Styles) -> String {
    let shown = components(panel).min(COMPONENTS);
    let left_out = match panel.dim.max(components(panel)) - shown {
        0 => String::new(),
        rest => format!(" The other {rest} components are not shown."),
    };
    let mut out = format!(
        r#"<h4>Observing network {}</h4><p class="note">Coloured line and band: analysis mean ± 2 ensemble standard deviations. Thin black line: the truth. Dots: observations.{left_out}</p>"#,
        escape(&panel.observe)
    );
    for component in 0..shown {
        let draw = |row| chart(panel, row, component, styles, 320.0, 165.0).svg();
        let charts: String = panel.rows.iter().map(draw).collect();
        out.push_str(&format!(r#"<h5>Component {}</h5><div class="charts">{charts}</div>"#, component + 1));
    }
    out
}

/// A time and the value there.
type Point = (f64, Option<f64>);

/// The values of one component in time.
fn column(times: &[f64], field: &Field, component: usize) -> Vec<Point> {
    times.iter().zip(field).map(|(&time, row)| (time, row.get(component).copied().flatten())).collect()
}

/// One method's chart of one component.
pub(super) fn chart(
    panel: &Panel,
    row: &PanelRow,
    component: usize,
    styles: &Styles,
    width: f64,
    height: f64,
) -> Chart {
    let one =
        |field: &Field| -> Field { field.iter().map(|row| vec![row.get(component).copied().flatten()]).collect() };
    let (truth, seen, mean) = (one(&panel.truth), one(&panel.observations), one(&row.mean));
    let shown = values(&truth).chain(values(&seen)).chain(values(&mean));
    let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let ends = (panel.times.first().copied().unwrap_or(0.0), panel.times.last().copied().unwrap_or(1.0));
    let (x, y) = (Axis::linear(ends.0, ends.1, 5, "model time"), Axis::rounded(low, high, 4, ""));
    let label = short_label(&row.label, &panel.observe);
    // The truth is black, so the true system's rows take the first colour here.
    let style = Style { colour: Some(styles.row(&row.label, &panel.observe).colour.unwrap_or(0)), dash: 0 };
    let mut chart = Chart::new(width, height, &label, x, y);
    let (means, sds) = (column(&panel.times, &row.mean, component), column(&panel.times, &row.sd, component));
    let band =
        |((time, mean), (_, sd)): (Point, Point)| (time, mean.zip(sd).map(|(m, sd)| (m - 2.0 * sd, m + 2.0 * sd)));
    chart.band(style, 0.3, &means.iter().copied().zip(sds).map(band).collect::<Vec<_>>());
    for (time, value) in column(&panel.times, &panel.observations, component) {
        if let Some(value) = value {
            chart.dot(Style::TRUTH, 1.7, time, value, "");
        }
    }
    chart.line(style, 2.4, &means, &label);
    chart.line(Style::TRUTH, 1.0, &column(&panel.times, &panel.truth, component), "truth");
    chart
}
