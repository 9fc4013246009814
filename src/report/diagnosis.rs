//! The page and the figures of a diagnosed system.

use super::chart::Chart;
use super::colour::Style;
use super::gallery::standalone;
use super::markup::escape;
use super::number;
use super::page;
use super::portrait::Portrait;
use super::scale::Axis;
use super::tables;
use crate::systems::Estimate;
use crate::systems::diagnose::{Autocorrelation, Diagnosis, Histogram, PowerSpectrum, SpatialSpectrum};

/// A diagnosed system, or the trajectories of a file.
pub struct Diagnosed<'a> {
    /// The name of the system or the file.
    pub title: &'a str,
    /// What it is and how it was stepped: names and values.
    pub setting: Vec<(String, String)>,
    /// The numbers of the table: what, its value, its unit.
    pub numbers: Vec<(&'static str, Option<Estimate>, &'static str)>,
    /// Lyapunov exponents, largest first; empty where they are not known.
    pub exponents: Vec<Estimate>,
    /// Everything else.
    pub diagnosis: &'a Diagnosis,
    /// Pictures of states, each with what it shows.
    pub portraits: Vec<(&'static str, Portrait<'a>)>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
/// Two standard errors, about 95 %.
const BAND: f64 = 2.0;
const FIRST: Style = Style { colour: Some(0), dash: 0 };
/// Histograms shown.
const HISTOGRAMS: usize = 3;

/// The charts: a file's stem, and the chart.
fn charts(of: &Diagnosed) -> Vec<(String, Chart)> {
    let mut charts = Vec::new();
    for (index, (title, portrait)) in of.portraits.iter().enumerate() {
        let name = if index == 0 { "sample".to_owned() } else { format!("sample_{}", index + 1) };
        charts.push((name, portrait.chart(WIDTH, HEIGHT, title, true)));
    }
    if !of.exponents.is_empty() {
        charts.push(("exponents".into(), exponents(&of.exponents)));
    }
    for histogram in of.diagnosis.histograms.iter().take(HISTOGRAMS) {
        let name = histogram.component.map_or("histogram".to_owned(), |i| format!("histogram_{}", i + 1));
        charts.push((name, self::histogram(histogram)));
    }
    charts.push(("autocorrelation".into(), autocorrelation(&of.diagnosis.autocorrelation)));
    charts.extend(of.diagnosis.power.as_ref().map(|spectrum| ("power_spectrum".into(), power(spectrum))));
    charts.extend(of.diagnosis.spatial.as_ref().map(|spectrum| ("spatial_spectrum".into(), spatial(spectrum))));
    charts
}

/// Each chart as an SVG file: its name, and its text.
pub(super) fn figures(of: &Diagnosed) -> Vec<(String, String)> {
    let file = |(name, chart): (String, Chart)| {
        let title = format!("{}: {name}", of.title);
        (format!("{name}.svg"), standalone(&title, WIDTH, HEIGHT, &chart.group(0.0, 0.0)))
    };
    charts(of).into_iter().map(file).collect()
}

/// The page.
pub(super) fn html(of: &Diagnosed) -> String {
    let row = |(what, estimate, unit): &(&str, Option<Estimate>, &str)| {
        let (value, n) = match estimate {
            Some(estimate) => (shown(estimate), estimate.n.to_string()),
            None => ("not known".to_owned(), String::new()),
        };
        format!(r#"<tr><th scope="row">{what}</th><td>{value}</td><td>{n}</td><td>{unit}</td></tr>"#)
    };
    let rows: String = of.numbers.iter().map(row).collect();
    let head = r#"<th scope="col"></th><th scope="col">value</th><th scope="col">n</th><th scope="col">unit</th>"#;
    let numbers = tables::wrap("± one standard error over n independent samples.", head, &rows);
    let figure = |(_, chart): &(String, Chart)| format!("<figure>{}</figure>", chart.svg());
    let drawn: String = charts(of).iter().map(figure).collect();
    let pictures =
        format!(r#"<p class="note">Bands and bars: ± 2 standard errors.</p><div class="pair">{drawn}</div>"#);
    let header = format!("<h1>{}</h1>{}", escape(of.title), page::pairs(&of.setting));
    page::document(of.title, &header, &[("numbers", "Numbers", numbers), ("pictures", "Pictures", pictures)])
}

/// A value with its standard error.
pub(super) fn shown(estimate: &Estimate) -> String {
    match number::value_se(estimate.value, estimate.se) {
        (value, Some(se)) => format!("{value} ± {se}"),
        (value, None) => value,
    }
}

fn exponents(exponents: &[Estimate]) -> Chart {
    let finite = || exponents.iter().map(|estimate| estimate.value).filter(|value| value.is_finite());
    let (min, max) = finite().fold((0.0f64, 0.0f64), |(min, max), value| (min.min(value), max.max(value)));
    let x = Axis::linear(0.5, exponents.len() as f64 + 0.5, 6, "number");
    let mut chart = Chart::new(WIDTH, HEIGHT, "Lyapunov exponents, per model time", x, Axis::rounded(min, max, 5, ""));
    chart.level(0.0, "");
    for (index, estimate) in exponents.iter().enumerate().filter(|(_, estimate)| estimate.value.is_finite()) {
        let (x, value) = (index as f64 + 1.0, estimate.value);
        let reach = BAND * estimate.se.unwrap_or(0.0);
        chart.line(FIRST, 1.0, &[(x, Some(value - reach)), (x, Some(value + reach))], "");
        chart.dot(FIRST, 2.2, x, value, &format!("{}: {}", index + 1, shown(estimate)));
    }
    chart
}

fn histogram(histogram: &Histogram) -> Chart {
    let title = match histogram.component {
        Some(component) => format!("Density of component {}", component + 1),
        None => "Density of the values of all components".to_owned(),
    };
    let top = histogram.density.iter().map(|density| density.value).fold(0.0, f64::max);
    let (first, last) = (histogram.edges[0], histogram.edges[histogram.edges.len() - 1]);
    let mut chart =
        Chart::new(WIDTH, HEIGHT, &title, Axis::linear(first, last, 6, "value"), Axis::rounded(0.0, top, 4, ""));
    for (edges, density) in histogram.edges.windows(2).zip(&histogram.density) {
        chart.bar(FIRST, edges[0], edges[1], density.value, &shown(density));
    }
    chart
}

fn autocorrelation(of: &Autocorrelation) -> Chart {
    let last = of.lags.last().copied().unwrap_or(1.0);
    let until = of.decorrelation_time.map_or(last, |time| (8.0 * time.value).min(last));
    let shown = of.lags.iter().zip(&of.values).filter(|(lag, _)| **lag <= until);
    let points: Vec<(f64, Estimate)> = shown.map(|(lag, value)| (*lag, *value)).collect();
    let least = points.iter().map(|(_, estimate)| estimate.value).fold(0.0, f64::min);
    let (x, y) = (Axis::linear(0.0, until, 6, "lag, model time"), Axis::rounded(least, 1.0, 5, ""));
    let mut chart = Chart::new(WIDTH, HEIGHT, "Autocorrelation", x, y);
    chart.level(1.0 / std::f64::consts::E, "1/e");
    curve(&mut chart, &points);
    chart
}

fn power(of: &PowerSpectrum) -> Chart {
    let points = of.frequency.iter().zip(&of.density).skip(1).map(|(f, density)| (*f, *density)).collect();
    logarithmic("Power spectrum in time, mean over components", "frequency, cycles per model time", points)
}

fn spatial(of: &SpatialSpectrum) -> Chart {
    let points = of.wavenumber.iter().zip(&of.variance).skip(1).map(|(k, variance)| (*k, *variance)).collect();
    logarithmic("Variance by wavenumber", "wavenumber, cycles around the domain", points)
}

/// A curve of positive numbers on logarithmic axes, cut at twelve decades below its top.
fn logarithmic(title: &str, label: &str, points: Vec<(f64, Estimate)>) -> Chart {
    let top = points.iter().map(|(_, estimate)| estimate.value).fold(0.0, f64::max);
    let points: Vec<_> = points.into_iter().filter(|(_, estimate)| estimate.value > 1e-12 * top).collect();
    let least = points.iter().map(|(_, estimate)| estimate.value).fold(top, f64::min);
    let ends = (points.first().map_or(1.0, |point| point.0), points.last().map_or(10.0, |point| point.0));
    let mut x = Axis::log(ends.0, ends.1, label);
    (x.min, x.max) = (ends.0, if ends.1 > ends.0 { ends.1 } else { 2.0 * ends.0 });
    x.ticks.retain(|tick| (x.min..=x.max).contains(tick));
    let mut chart = Chart::new(WIDTH, HEIGHT, title, x, Axis::log(least, top, ""));
    curve(&mut chart, &points);
    chart
}

/// A line with a band of two standard errors.
fn curve(chart: &mut Chart, points: &[(f64, Estimate)]) {
    let reach = |estimate: &Estimate| BAND * estimate.se.unwrap_or(0.0);
    let band: Vec<_> = points.iter().map(|(x, y)| (*x, Some((y.value - reach(y), y.value + reach(y))))).collect();
    chart.band(FIRST, 0.25, &band);
    let line: Vec<_> = points.iter().map(|(x, y)| (*x, Some(y.value))).collect();
    chart.line(FIRST, 1.4, &line, "");
}
