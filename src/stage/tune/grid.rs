//! The grid of settings that are tried, and the rows of its points.

use std::collections::BTreeMap;

use serde_json::json;

use crate::assimilation::METHODS;
use crate::failure::{Failure, FailureKind, Result};
use crate::score::{METRICS, Orientation, measured, orientation};
use crate::spec::{AssimilatePlan, Plan};
use crate::systems::registry::{find, nearest};
use crate::systems::{Settings, Value};

/// One setting and the values that are tried.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The setting's key.
    pub key: String,
    /// The values, in order.
    pub values: Vec<Value>,
}

/// One point of a row's grid.
pub(super) struct Variant {
    /// The row with the settings of the point, under a label of its own.
    pub(super) row: AssimilatePlan,
    /// Key and value of each axis.
    pub(super) point: Vec<(String, Value)>,
}

/// The most points of a row's grid.
const MOST: usize = 10_000;

/// Refuses axes that no row has, that come twice or that are too many, and a metric that does not judge.
pub(super) fn check(plan: &Plan, axes: &[Axis], metric: &str) -> Result<()> {
    let usage = |message: String, hint: String| Err(Failure::new(FailureKind::Usage, message).hint(hint));
    let mut known: Vec<&str> = Vec::new();
    for row in &plan.assimilate {
        known.extend(find(METHODS, "method", &row.method)?.params.iter().map(|param| param.key));
    }
    for (at, axis) in axes.iter().enumerate() {
        let key = &axis.key;
        if !known.contains(&key.as_str()) {
            let hint = nearest(key, known.iter().copied()).map_or_else(
                || "`scorecast list methods` shows the settings of each".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return usage(format!("no row of `{}` has the setting `{key}`", plan.name), hint);
        }
        let twice = (1..axis.values.len()).find(|&i| axis.values[..i].contains(&axis.values[i]));
        if let Some(i) = twice {
            let what = word(&axis.values[i]);
            return usage(format!("--grid has the value {what} of `{key}` twice"), "give it once".to_owned());
        }
        if axes[..at].iter().any(|other| other.key == *key) {
            return usage(format!("--grid is given twice for `{key}`"), "give all its values at once".to_owned());
        }
    }
    let points = axes.iter().fold(1usize, |product, axis| product.saturating_mul(axis.values.len()));
    if points > MOST {
        return usage(format!("the grid has {points} points, more than {MOST}"), "take fewer values".to_owned());
    }
    let base = measured(metric);
    let judging = METRICS.iter().map(|entry| entry.name).filter(|name| orientation(name) != Orientation::None);
    if !judging.clone().any(|name| name == base) {
        let hint = format!("take one of {}", judging.collect::<Vec<_>>().join(", "));
        return usage(format!("`{metric}` is no metric that tells better from worse"), hint);
    }
    Ok(())
}

/// The points of a row's grid as rows of their own: those axes count whose setting the method has.
pub(super) fn variants(row: &AssimilatePlan, axes: &[Axis]) -> Result<Vec<Variant>> {
    let entry = find(METHODS, "method", &row.method)?;
    let own: Vec<&Axis> = axes.iter().filter(|axis| entry.params.iter().any(|param| param.key == axis.key)).collect();
    let mut points: Vec<Vec<(String, Value)>> = vec![Vec::new()];
    for axis in own {
        points = points
            .iter()
            .flat_map(|point| {
                axis.values.iter().map(|value| [point.clone(), vec![(axis.key.clone(), value.clone())]].concat())
            })
            .collect();
    }
    let variant = |point: Vec<(String, Value)>| {
        let mut given: BTreeMap<String, Value> =
            row.settings.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        given.extend(point.iter().cloned());
        let settings = Settings::check(&format!("row `{}`", row.label), entry.params, &given).map_err(|mistakes| {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Failure::new(FailureKind::Usage, all.join("; "))
        })?;
        (entry.build.make)(&settings)?;
        let words: Vec<String> = point.iter().map(|(key, value)| format!("{key} = {}", word(value))).collect();
        let label = format!("{}, {}", row.label, words.join(", "));
        Ok(Variant { row: AssimilatePlan { label, settings, ..row.clone() }, point })
    };
    points.into_iter().map(variant).collect()
}

/// A value in words.
pub(super) fn word(value: &Value) -> String {
    as_json(value).to_string().trim_matches('"').to_owned()
}

/// A value as JSON.
pub(super) fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(text) => json!(text),
        other => json!(format!("{other:?}")),
    }
}
