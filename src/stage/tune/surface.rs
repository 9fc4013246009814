//! The surface of a row: what each point of its grid is worth, and which is best.

use serde::Serialize;

use super::grid::{Variant, as_json};
use crate::failure::{Failure, FailureKind, Result};
use crate::results::{AssimilationRow, Report};
use crate::score::{measured, orientation};
use crate::spec::AssimilatePlan;
use crate::stage::rows::LEVEL;

/// One point of a row's grid.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Point {
    /// Key and value of each axis.
    pub(super) settings: Vec<(String, serde_json::Value)>,
    pub(super) value: Option<f64>,
    pub(super) se: Option<f64>,
    pub(super) n: usize,
    pub(super) diverged: usize,
    pub(super) replicates: usize,
    /// Difference from the best point, its standard error, and the corrected p-value; none for the best.
    difference: Option<(f64, f64, f64)>,
    pub(super) best: bool,
    /// Not told from the best by the test.
    pub(super) tied: bool,
}

/// One row of the experiment with its surface.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tuned {
    pub(super) row: String,
    pub(super) metric: String,
    pub(super) axes: Vec<String>,
    pub(super) points: Vec<Point>,
}

/// The surface of `row` over its variants, by a column of their scores.
///
/// # Errors
/// When the row has no such column.
pub(super) fn surface(row: &AssimilatePlan, variants: &[Variant], metric: &str, scores: &Report) -> Result<Tuned> {
    let (rows, paired): (&[AssimilationRow], _) = (&scores.assimilation, &scores.paired);
    let mut points = Vec::new();
    for Variant { row: variant, point } in variants {
        let found = rows.iter().find(|row| row.label == variant.label && row.metric == metric).ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("row `{}` has no metric `{metric}`", row.label))
                .hint("name one that its table has, such as rmse or crps_fair")
        })?;
        let against = paired.iter().find(|pair| pair.metric == metric && pair.other == variant.label);
        points.push(Point {
            settings: point.iter().map(|(key, value)| (key.clone(), as_json(value))).collect(),
            value: found.value,
            se: found.se,
            n: found.n,
            diverged: found.diverged,
            replicates: found.replicates,
            difference: against.map(|pair| (pair.difference, pair.se, pair.p_holm)),
            best: false,
            tied: against.is_some_and(|pair| pair.p_holm >= LEVEL),
        });
    }
    // the pairs name the best where a test could be made; else it is the one with the least loss
    let named = paired.iter().find(|pair| pair.metric == metric).map(|pair| pair.best.as_str());
    let named = variants.iter().position(|variant| Some(variant.row.label.as_str()) == named);
    let orientation = orientation(measured(metric));
    let loss = |i: &usize| points[*i].value.map_or(f64::INFINITY, |value| orientation.loss(value));
    let alive = (0..points.len()).filter(|&i| points[i].value.is_some());
    if let Some(best) = named.or_else(|| alive.min_by(|a, b| loss(a).total_cmp(&loss(b)))) {
        points[best].best = true;
    }
    let axes = variants.first().map_or_else(Vec::new, |first| first.point.iter().map(|(key, _)| key.clone()).collect());
    Ok(Tuned { row: row.label.clone(), metric: metric.to_owned(), axes, points })
}
