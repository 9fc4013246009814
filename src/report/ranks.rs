//! Rank histograms as small multiples, with the level that a perfect ensemble would have.

use super::chart::Chart;
use super::colour::Style;
use super::legend::Styles;
use super::markup::escape;
use super::number;
use super::scale::Axis;
use super::verdict::{distinct, short_label};
use crate::results::{RankHistogram, Report};

/// The section: a group for forecasts and for each observing network.
pub(super) fn section(report: &Report, styles: &Styles) -> String {
    let groups = distinct(report.ranks.iter().map(|ranks| (ranks.table.as_str(), ranks.observe.as_str())));
    let group = |(table, observe): (&str, &str)| {
        let members = report.ranks.iter().filter(|ranks| ranks.table == table && ranks.observe == observe);
        let charts: String = members.map(|ranks| chart(ranks, styles)).collect();
        let name = match (table, observe) {
            ("forecast", _) => "Forecasts".to_string(),
            (_, observe) => format!("Analyses, observing network {}", escape(observe)),
        };
        format!(r#"<h4>{name}</h4><div class="smalls">{charts}</div>"#)
    };
    groups.into_iter().map(group).collect()
}

fn chart(ranks: &RankHistogram, styles: &Styles) -> String {
    let total: f64 = ranks.counts.iter().sum();
    let bins = ranks.counts.len() as f64;
    let level = 1.0 / bins.max(1.0);
    let shares: Vec<f64> = ranks.counts.iter().map(|count| count / total.max(1e-300)).collect();
    // Relative to the level: 1 is what a perfect ensemble has in every bin.
    let highest = shares.iter().fold(2.0 * level, |a, &b| a.max(b)) / level;
    let y = Axis { ticks: vec![0.0, 1.0, highest.floor()], ..Axis::linear(0.0, highest * 1.05, 3, "") };
    let x = Axis { ticks: vec![0.0, bins], ..Axis::linear(0.0, bins, 2, "") };
    let style = if ranks.table == "forecast" {
        styles.forecaster(&ranks.label)
    } else {
        styles.row(&ranks.label, &ranks.observe)
    };
    let mut chart = Chart::new(200.0, 122.0, "", x, y);
    for (index, share) in shares.iter().enumerate() {
        let title = format!("bin {} of {bins}: {:.2} times the level", index + 1, share / level);
        chart.bar(Style { dash: 0, ..style }, index as f64, index as f64 + 1.0, share / level, &title);
    }
    chart.level(1.0, "");
    let p = match ranks.p {
        Some(p) if p < 0.001 => "p &lt; 0.001".to_string(),
        Some(p) => format!("p = {}", number::significant(p, 2)),
        None => "p unknown".into(),
    };
    let label = escape(&short_label(&ranks.label, &ranks.observe));
    format!(r#"<figure><figcaption>{label} <small>{p}</small></figcaption>{}</figure>"#, chart.svg())
}
