//! Which colour and which dashes a row has, the same in every chart of a report.
//!
//! Forecasters have colours (the true system has the truth's ink); an assimilation row takes its forecaster's colour and
//! its method's dashes, unless two rows would then look alike: then every row has a colour of its own.

use super::colour::Style;
use super::markup::escape;
use super::verdict::{distinct, short_label};
use crate::results::Report;

/// The styles of a report's labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Styles {
    forecasters: Vec<(String, Style)>,
    rows: Vec<(String, Style)>,
}

impl Styles {
    /// Styles for everything that a report draws.
    pub fn of(report: &Report) -> Self {
        let forecasters = forecaster_styles(report);
        let rows = row_styles(report, &forecasters);
        Self { forecasters, rows }
    }

    /// A forecaster's style.
    pub fn forecaster(&self, label: &str) -> Style {
        find(&self.forecasters, label)
    }

    /// An assimilation row's style; the label may carry its network's name.
    pub fn row(&self, label: &str, observe: &str) -> Style {
        find(&self.rows, &short_label(label, observe))
    }
}

fn find(styles: &[(String, Style)], label: &str) -> Style {
    styles.iter().find(|(known, _)| known == label).map_or(Style { colour: Some(0), dash: 0 }, |(_, style)| *style)
}

/// The style of the index-th of many: all colours solid, then all dashed.
fn nth(index: usize) -> Style {
    Style { colour: Some(index % Style::COLOURS), dash: index / Style::COLOURS % Style::DASHES }
}

fn forecaster_styles(report: &Report) -> Vec<(String, Style)> {
    // What is learned comes first, so that the forecasters a reader came for have the most distinct colours.
    let trained = report.training.iter().map(|row| row.forecaster.as_str());
    let laws = report.laws.iter().flat_map(|law| law.draws.iter().skip(1).map(|(label, _)| label.as_str()));
    let scored = report.forecast.iter().map(|row| row.forecaster.as_str());
    let used = report.assimilation.iter().map(|row| row.forecaster.as_str());
    let truth = report.laws.first().and_then(|law| law.draws.first()).map(|(label, _)| label.as_str());
    let is_truth = |label: &str| label == "perfect" || Some(label) == truth;
    let curves = report.curves.iter().map(|curve| curve.label.as_str());
    let all = distinct(trained.chain(curves).chain(scored).chain(used).chain(laws));
    let mut styles: Vec<(String, Style)> =
        ["perfect"].into_iter().chain(truth).map(|label| (label.to_string(), Style::TRUTH)).collect();
    let others = all.into_iter().filter(|label| !is_truth(label)).enumerate();
    styles.extend(others.map(|(index, label)| (label.to_string(), nth(index))));
    styles
}

fn row_styles(report: &Report, forecasters: &[(String, Style)]) -> Vec<(String, Style)> {
    let named = report.assimilation.iter().map(|row| (short_label(&row.label, &row.observe), row));
    let mut rows: Vec<(String, &str, &str)> = Vec::new();
    for (label, row) in named {
        if !rows.iter().any(|(known, ..)| *known == label) {
            rows.push((label, &row.method, &row.forecaster));
        }
    }
    let methods = distinct(rows.iter().map(|(_, method, _)| *method));
    let combined = |(label, method, forecaster): &(String, &str, &str)| {
        let dash = methods.iter().position(|known| known == method).unwrap_or(0);
        (label.clone(), Style { colour: find(forecasters, forecaster).colour, dash })
    };
    let styles: Vec<(String, Style)> = rows.iter().map(combined).collect();
    let alike = distinct(styles.iter().map(|(_, style)| *style)).len() < styles.len();
    let one_colour = distinct(styles.iter().map(|(_, style)| style.colour)).len() == 1;
    if alike || one_colour || methods.len() > Style::DASHES {
        return rows.into_iter().enumerate().map(|(index, (label, ..))| (label, nth(index))).collect();
    }
    styles
}

/// A legend for the page.
pub(super) fn html(entries: &[(String, Style)]) -> String {
    let entry = |(label, style): &(String, Style)| {
        format!(
            r#"<li><svg width="30" height="10" aria-hidden="true"><path {} stroke-width="2" d="M1 5H29"/></svg>{}</li>"#,
            style.stroke(),
            escape(label)
        )
    };
    format!(r#"<ul class="legend">{}</ul>"#, entries.iter().map(entry).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_true_system_is_ink_and_rows_follow_their_forecasters() {
        let report = sample::small();
        let styles = Styles::of(&report);
        assert_eq!(styles.forecaster("perfect"), Style::TRUTH);
        assert_eq!(styles.row("etkf / perfect", "full"), Style::TRUTH);
        assert_eq!(styles.row("etkf / ar", "full").colour, styles.forecaster("ar").colour);
        assert_eq!(styles.row("ensf / perfect", "full"), Style { colour: None, dash: 1 });
    }

    #[test]
    fn rows_that_would_look_alike_get_colours_of_their_own() {
        let mut report = sample::small();
        report.assimilation.iter_mut().for_each(|row| row.method = "etkf".into());
        let styles = Styles::of(&report);
        let rows = ["etkf / perfect", "etkf / ar", "ensf / perfect"].map(|label| styles.row(label, "full"));
        assert_eq!(distinct(rows.iter()).len(), 3);
    }
}
