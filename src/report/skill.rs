//! Skill against lead time: a chart a metric, a line a forecaster, bands of two standard errors either side.

use super::chart::Chart;
use super::legend::{self, Styles};
use super::number;
use super::scale::Axis;
use super::verdict::{distinct, shown_leads};
use crate::results::{ForecastRow, Lead, Report};
use crate::score::{Orientation, orientation, title};

/// The section's charts under one legend; empty without at least two lead steps.
pub(super) fn section(report: &Report, styles: &Styles) -> String {
    let charts: String =
        metrics(report).iter().map(|metric| chart(report, styles, metric, 320.0, 215.0).svg()).collect();
    if charts.is_empty() {
        return String::new();
    }
    let labels = distinct(report.forecast.iter().map(|row| row.forecaster.clone()));
    let entries: Vec<_> = labels.into_iter().map(|label| (label.clone(), styles.forecaster(&label))).collect();
    format!(
        r#"<h3>Skill against lead time</h3>{}<div class="charts">{charts}</div><p class="note">Bands: ± 2 standard errors. Dots: the lead steps of the tables.</p>"#,
        legend::html(&entries)
    )
}

/// The metrics that are known at two lead steps or more.
pub(super) fn metrics(report: &Report) -> Vec<String> {
    let known = |metric: &str| {
        let leads = report.forecast.iter().filter(|row| row.metric == metric && row.value.is_some());
        distinct(leads.filter_map(|row| row.lead_step)).len() > 1
    };
    distinct(report.forecast.iter().map(|row| row.metric.clone())).into_iter().filter(|metric| known(metric)).collect()
}

/// One metric's chart.
pub(super) fn chart(report: &Report, styles: &Styles, metric: &str, width: f64, height: f64) -> Chart {
    let mut rows: Vec<&ForecastRow> =
        report.forecast.iter().filter(|row| row.metric == metric && row.lead_step.is_some()).collect();
    rows.sort_by_key(|row| row.lead_step);
    let lead = |row: &ForecastRow| report.lead(row.lead_step.unwrap_or(0));
    let time = |row: &ForecastRow| lead(row).time.unwrap_or(f64::NAN);
    let last = rows.iter().map(|row| time(row)).fold(0.0, f64::max);
    let values: Vec<f64> = rows.iter().filter_map(|row| row.value).collect();
    let unit = rows.first().and_then(|row| lead(row).unit);
    let name = unit.map_or_else(|| "lead time".to_owned(), |unit| format!("lead time ({unit})"));
    let x = Axis::linear(0.0, last, 5, &name);
    let y = Axis::fitting(&around(orientation(metric), values), 40.0, "");
    let low = y.min;
    let mut chart = Chart::new(width, height, &chart_title(metric, &rows), x, y);
    if let Orientation::Near(best) = orientation(metric) {
        chart.level(f64::from(best), "");
    }
    let labels = distinct(rows.iter().map(|row| row.forecaster.as_str()));
    let of = |label: &str| rows.iter().copied().filter(|row| row.forecaster == label).collect::<Vec<_>>();
    for label in &labels {
        let band = |row: &&ForecastRow| {
            let se = row.se.unwrap_or(0.0);
            (time(row), row.value.map(|v| ((v - 2.0 * se).max(low), v + 2.0 * se)))
        };
        let points: Vec<_> = of(label).iter().map(band).collect();
        chart.band(styles.forecaster(label), 0.16, &points);
    }
    let few = shown_leads(&rows);
    for label in &labels {
        let style = styles.forecaster(label);
        let points: Vec<_> = of(label).iter().map(|row| (time(row), row.value)).collect();
        chart.line(style, 1.6, &points, label);
        for row in of(label).into_iter().filter(|row| few.contains(&row.lead_step)) {
            if let Some(value) = row.value {
                chart.dot(style, 2.2, time(row), value, &tooltip(row, &lead(row)));
            }
        }
    }
    chart
}

/// The values, and for a metric with a goal a stretch either side of it, so that its level does not lie on the edge.
fn around(orientation: Orientation, mut values: Vec<f64>) -> Vec<f64> {
    if let Orientation::Near(best) = orientation {
        let goal = f64::from(best);
        let far = values.iter().map(|value| (value - goal).abs()).fold(0.0, f64::max);
        values.extend([goal - 0.2 * far, goal + 0.2 * far]);
    }
    values
}

fn chart_title(metric: &str, rows: &[&ForecastRow]) -> String {
    let estimators =
        distinct(rows.iter().map(|row| row.estimator.as_str()).filter(|name| !name.is_empty())).join(" / ");
    let title = title(metric);
    if estimators.is_empty() || title.contains(&estimators) { title } else { format!("{title} ({estimators})") }
}

fn tooltip(row: &ForecastRow, lead: &Lead) -> String {
    let (value, se) = row.value.map_or(("–".into(), None), |value| number::value_se(value, row.se));
    let se = se.map_or_else(String::new, |se| format!(" ± {se}"));
    let time = number::lead_time(lead).map_or_else(String::new, |time| format!(" ({time})"));
    format!("{}, lead {}{time}: {value}{se}, n = {}", row.forecaster, lead.lead_step, row.n)
}
