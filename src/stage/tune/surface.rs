//! The surface of a row: what each point of its grid is worth, and which is best.

use serde::Serialize;

use super::grid::{Point, as_json};
use crate::failure::{Failure, FailureKind, Result};
use crate::results::PairedRow;
use crate::score::{measured, orientation};
use crate::stage::rows::LEVEL;

/// One point of a surface.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tried {
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
    pub(super) points: Vec<Tried>,
}

impl Tuned {
    /// Whether a point is the best one: where all diverged, none is.
    pub(super) fn has_best(&self) -> bool {
        self.points.iter().any(|point| point.best)
    }
}

/// What a point was measured to be worth.
pub(super) struct Worth {
    pub(super) value: Option<f64>,
    pub(super) se: Option<f64>,
    pub(super) n: usize,
    pub(super) diverged: usize,
    /// How many runs or forecasts there were.
    pub(super) replicates: usize,
}

/// The surface of a row over the points of its grid, by a metric: what each is worth, and their comparison with the best.
///
/// # Errors
/// When a point has no such metric.
pub(super) fn surface<T>(
    row: &str,
    grid: &[Point<T>],
    metric: &str,
    worth: impl Fn(&str) -> Option<Worth>,
    paired: &[&PairedRow],
) -> Result<Tuned> {
    let mut points = Vec::new();
    for Point { label, settings, .. } in grid {
        let found = worth(label).ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("row `{row}` has no metric `{metric}`"))
                .hint("name one that its table has, such as rmse or crps_fair")
        })?;
        let against = paired.iter().find(|pair| pair.other == *label);
        points.push(Tried {
            settings: settings.iter().map(|(key, value)| (key.clone(), as_json(value))).collect(),
            value: found.value,
            se: found.se,
            n: found.n,
            diverged: found.diverged,
            replicates: found.replicates,
            difference: against.map(|pair| (pair.difference, pair.se, pair.p_holm)),
            best: false,
            // without a test nothing is told from anything
            tied: found.value.is_some() && against.is_none_or(|pair| pair.p_holm >= LEVEL),
        });
    }
    // the pairs name the best where a test could be made; else it is the one with the least loss
    let named = paired.first().map(|pair| pair.best.as_str());
    let named = grid.iter().position(|point| Some(point.label.as_str()) == named);
    let orientation = orientation(measured(metric));
    let loss = |i: &usize| points[*i].value.map_or(f64::INFINITY, |value| orientation.loss(value));
    let alive = (0..points.len()).filter(|&i| points[i].value.is_some());
    if let Some(best) = named.or_else(|| alive.min_by(|a, b| loss(a).total_cmp(&loss(b)))) {
        (points[best].best, points[best].tied) = (true, false);
    }
    let axes = grid.first().map_or_else(Vec::new, |first| first.settings.iter().map(|(key, _)| key.clone()).collect());
    Ok(Tuned { row: row.to_owned(), metric: metric.to_owned(), axes, points })
}
