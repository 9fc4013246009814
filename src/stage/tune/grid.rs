//! The grid of settings that are tried, and the rows of its points.

use serde_json::json;

use crate::failure::{Failure, FailureKind, Result};
use crate::score::{METRICS, Orientation, measured, orientation};
use crate::systems::registry::nearest;
use crate::systems::{Param, Value};

/// One setting and the values that are tried.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The setting's key.
    pub key: String,
    /// The values, in order.
    pub values: Vec<Value>,
}

/// What is asked of a tuning.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The grid.
    pub axes: &'a [Axis],
    /// The metric that judges.
    pub metric: &'a str,
}

/// Key and value of each axis.
pub(super) type Settings = Vec<(String, Value)>;

/// One point of a grid.
pub(super) struct Point<T> {
    /// What is run there, under a label of its own.
    pub(super) tried: T,
    /// That label.
    pub(super) label: String,
    /// Its settings.
    pub(super) settings: Settings,
}

/// The most points of a row's grid.
const MOST: usize = 10_000;

/// What a grid is of.
pub(super) struct Tunable<'a> {
    /// The name of the experiment.
    pub(super) experiment: &'a str,
    /// What its entries are called.
    pub(super) entry: &'static str,
    /// The command that lists their settings.
    pub(super) listed: &'static str,
    /// The settings that any of them has.
    pub(super) known: Vec<&'static str>,
}

impl Tunable<'_> {
    /// Refuses axes that none of the entries has, that come twice or that are too many, and a metric that does not judge.
    pub(super) fn check(&self, Asked { axes, metric }: Asked) -> Result<()> {
        axes.iter().enumerate().try_for_each(|(at, axis)| self.check_axis(axis, &axes[..at]))?;
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

    fn check_axis(&self, axis: &Axis, before: &[Axis]) -> Result<()> {
        let key = &axis.key;
        if !self.known.contains(&key.as_str()) {
            let hint = nearest(key, self.known.iter().copied())
                .map_or_else(|| self.hint(), |near| format!("did you mean `{near}`?"));
            return usage(format!("no {} of `{}` has the setting `{key}`", self.entry, self.experiment), hint);
        }
        let twice = (1..axis.values.len()).find(|&i| axis.values[..i].contains(&axis.values[i]));
        if let Some(i) = twice {
            let what = word(&axis.values[i]);
            return usage(format!("--grid has the value {what} of `{key}` twice"), "give it once".to_owned());
        }
        if before.iter().any(|other| other.key == *key) {
            return usage(format!("--grid is given twice for `{key}`"), "give all its values at once".to_owned());
        }
        Ok(())
    }

    /// Refuses grids of these sizes, where each is one point.
    pub(super) fn check_points(&self, axes: &[Axis], mut sizes: impl Iterator<Item = usize>) -> Result<()> {
        if sizes.any(|points| points > 1) {
            return Ok(());
        }
        let keys: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        let entry = self.entry;
        let message =
            format!("no {entry} of `{}` has a grid of more than one point in {}", self.experiment, keys.join(", "));
        usage(message, self.hint())
    }

    fn hint(&self) -> String {
        format!("`{}` shows the settings of each", self.listed)
    }
}

fn usage<T>(message: String, hint: String) -> Result<T> {
    Err(Failure::new(FailureKind::Usage, message).hint(hint))
}

/// The points of an entry's grid: those axes count whose setting is among `params`. `make` gives what is run at a point from
/// its label and its settings.
pub(super) fn points<T>(
    label: &str,
    params: &[Param],
    axes: &[Axis],
    make: impl Fn(&str, &Settings) -> Result<T>,
) -> Result<Vec<Point<T>>> {
    let mut all: Vec<Settings> = vec![Vec::new()];
    for axis in axes.iter().filter(|axis| params.iter().any(|param| param.key == axis.key)) {
        let longer = |point: &Settings, value: &Value| [&point[..], &[(axis.key.clone(), value.clone())]].concat();
        all = all.iter().flat_map(|point| axis.values.iter().map(|value| longer(point, value))).collect();
    }
    let point = |settings: Settings| {
        let words: Vec<String> = settings.iter().map(|(key, value)| format!("{key} = {}", word(value))).collect();
        let label = format!("{label}, {}", words.join(", "));
        Ok(Point { tried: make(&label, &settings)?, label, settings })
    };
    all.into_iter().map(point).collect()
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
