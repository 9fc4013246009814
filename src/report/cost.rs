//! What each row cost.

use super::markup::escape;
use super::number::{count, seconds};
use super::tables::wrap;
use crate::results::{CostRow, Report};

/// The table.
pub(super) fn section(report: &Report) -> String {
    let number = |value: Option<usize>| value.map_or_else(|| "–".into(), |value| count(value as u64));
    let row = |row: &CostRow| {
        let unit = if row.units > 0 { seconds(row.seconds / row.units as f64) } else { "–".into() };
        format!(
            r#"<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{} {}</td><td>{unit}</td><td>{}</td><td>{}</td></tr>"#,
            escape(&row.label),
            escape(&row.stage),
            seconds(row.seconds),
            count(row.units),
            unit_name(&row.stage),
            number(row.parameters),
            number(row.evaluations)
        )
    };
    let names = ["row", "stage", "wall clock", "work", "a unit", "parameters", "evaluations a lead step"];
    let head: String = names.iter().map(|name| format!(r#"<th scope="col">{name}</th>"#)).collect();
    wrap("", &head, &report.cost.iter().map(row).collect::<String>())
}

/// What the units of a stage are.
fn unit_name(stage: &str) -> &'static str {
    match stage {
        "train" => "training steps",
        "forecast" => "member steps",
        "assimilate" => "cycles",
        _ => "units",
    }
}
