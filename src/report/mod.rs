//! What a reader gets: one page, one figure, one text, all made from the plain data of a [`Report`] (or of a diagnosis).
//!
//! Nothing here computes a score. A value is shown with the digits that its standard error supports; the best value of
//! each column is marked, and so is every value that the paired tests cannot tell from it.

mod against;
mod bands;
mod chart;
mod colour;
mod cost;
mod csv;
mod diagnosis;
mod errors;
mod figure;
mod gallery;
mod heatmap;
mod hovmoeller;
mod laws;
mod legend;
mod markup;
mod number;
mod page;
mod panels;
mod parameters;
mod png;
mod portrait;
mod ranks;
#[cfg(test)]
#[path = "../../tests/data/report/mod.rs"]
mod sample;
mod scale;
mod skill;
mod tables;
mod text;
mod training;
mod verdict;

pub use csv::csv_line;
pub use diagnosis::Diagnosed;
pub use gallery::Exhibit;
pub use panels::Panel;
pub use portrait::{Portrait, View};

use crate::results::{Curve, ForecastRow, Report, TrainingRow};
use crate::systems::Estimate;

/// The report as one HTML file that needs nothing outside itself: no network, no scripts, no other files.
///
/// It reads on light and dark screens from 380 px of width on, and prints.
pub fn html(report: &Report) -> String {
    page::html(report)
}

/// The figure of a report for a README: a stand-alone SVG, 1200 px wide, on a white ground.
///
/// It shows truth, observations, two analyses and their errors in space and time (or, for a small system, trajectories
/// with the ensemble's band), and the analysis error in time; without assimilation, skill against lead time.
pub fn figure_svg(report: &Report) -> String {
    figure::svg(report)
}

/// The curves of trainings, one below the other, as a stand-alone SVG.
pub fn training_svg(training: &[TrainingRow], curves: &[Curve]) -> String {
    training::svg(training, curves)
}

/// The report for a terminal, cut to the headline metrics: what `compare` prints, with the rest in the page.
pub fn headline(report: &Report) -> String {
    text::headline(report)
}

/// The headline tables for a terminal, at most 110 columns wide, ending with a line break.
pub fn text(report: &Report) -> String {
    text::text(report)
}

/// The lead steps that the forecast tables show, in order: those at which forecasters are to be compared.
pub fn shown_leads(rows: &[ForecastRow]) -> Vec<usize> {
    let metrics = verdict::distinct(rows.iter().map(|row| row.metric.as_str()));
    let shown =
        |metric: &str| verdict::shown_leads(&rows.iter().filter(|row| row.metric == metric).collect::<Vec<_>>());
    let mut leads: Vec<usize> = metrics.into_iter().flat_map(shown).flatten().collect();
    leads.sort_unstable();
    leads.dedup();
    leads
}

/// Aligned columns under their heads, at most 110 wide, a line a row: columns that do not fit go to a further block.
pub fn aligned(head: &[String], rows: &[Vec<String>]) -> String {
    text::grid(head, rows).iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A value with its standard error, both with as many digits as that supports.
pub fn with_se(value: f64, se: Option<f64>) -> String {
    let (value, se) = number::value_se(value, se);
    se.map_or_else(|| value.clone(), |se| format!("{value} ± {se}")).replace('−', "-")
}

/// The page of a diagnosed system: numbers and charts in one HTML file that needs nothing outside itself.
pub fn diagnosis_html(of: &Diagnosed) -> String {
    diagnosis::html(of)
}

/// The charts of a diagnosed system as stand-alone SVG files: name and text of each.
pub fn diagnosis_figures(of: &Diagnosed) -> Vec<(String, String)> {
    diagnosis::figures(of)
}

/// Panels of curves side by side: a stand-alone SVG on a white ground.
pub fn panels_svg(title: &str, panels: &[Panel]) -> String {
    panels::svg(title, panels)
}

/// The points of the curves of panels as CSV: `panel,curve,x,y`.
pub fn panels_csv(panels: &[Panel]) -> String {
    panels::csv(panels)
}

/// One sheet with a small picture of each system: a stand-alone SVG on a white ground.
pub fn gallery_svg(exhibits: &[Exhibit]) -> String {
    gallery::svg(exhibits)
}

/// A value with its standard error, both with as many digits as that supports.
pub fn estimate(estimate: &Estimate) -> String {
    diagnosis::shown(estimate)
}
