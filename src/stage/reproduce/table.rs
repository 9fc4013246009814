//! Compared rows as text.

use super::comparison::{Comparison, Verdict};
use crate::report::aligned;

/// The rows as an aligned table, one block an experiment, with the notes below.
pub(super) fn table(rows: &[Comparison]) -> String {
    let mut out = String::new();
    let mut blocks: Vec<&str> = rows.iter().map(|row| row.experiment.as_str()).collect();
    blocks.dedup();
    for block in blocks {
        let own: Vec<&Comparison> = rows.iter().filter(|row| row.experiment == block).collect();
        let head = ["row", "rmse", "reference", "z", "published", "diverged", "their", "beside: ours / theirs", ""];
        let lines: Vec<Vec<String>> = own.iter().map(|row| cells(row)).collect();
        out.push_str(&format!("{block}\n{}", aligned(&head.map(str::to_owned), &lines)));
        for row in own {
            if let (Verdict::Explained, Some(known)) = (row.verdict, &row.expected) {
                out.push_str(&format!("  {} and {}: {}\n", row.row, known.source, known.explained));
            }
        }
        out.push('\n');
    }
    out
}

fn cells(row: &Comparison) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let with_se = |value: Option<f64>, se: Option<f64>| match (value, se) {
        (Some(value), Some(se)) => format!("{value:.4} ± {se:.4}"),
        (value, _) => number(value),
    };
    let known = row.expected.as_ref();
    let short = |name: &str| {
        match name {
            "rmse_forecast" => "forecast",
            "rmse_smoothed" => "smoothed",
            other => other,
        }
        .to_owned()
    };
    let beside = row.beside.iter().map(|(name, a, b)| format!("{} {} / {}", short(name), number(*a), number(*b)));
    let rate = |diverged: usize, runs: usize| format!("{diverged}/{runs}");
    vec![
        row.row.clone(),
        match row.diverged {
            0 => with_se(row.rmse, row.se),
            diverged => format!("{} of {}", with_se(row.rmse, row.se), row.replicates - diverged),
        },
        known.map_or_else(|| "-".to_owned(), |known| with_se(known.rmse, known.se)),
        row.z.map_or_else(|| "-".to_owned(), |z| format!("{z:+.1}")),
        known.and_then(|known| known.published).map_or_else(|| "-".to_owned(), |value| value.to_string()),
        rate(row.diverged, row.replicates),
        known.map_or_else(|| "-".to_owned(), |known| rate(known.diverged, known.runs)),
        beside.collect::<Vec<_>>().join(", "),
        match row.verdict {
            Verdict::Agrees => "agrees",
            Verdict::Differs => "DIFFERS",
            Verdict::Undecided => "undecided",
            Verdict::Explained => "explained",
            Verdict::Shown => "",
        }
        .to_owned(),
    ]
}
