//! From the value that is given for a setting to the value that it has, or a phrase that says what is wrong.

use std::collections::BTreeMap;

use super::param::{DefaultValue, Param, ParamKind, Value};
use crate::error::{Error, Result};

/// The value of a default, where it has one.
pub(super) fn default_value(default: DefaultValue) -> Option<Value> {
    match default {
        DefaultValue::Required | DefaultValue::Unset => None,
        DefaultValue::Bool(value) => Some(Value::Bool(value)),
        DefaultValue::Int(value) => Some(Value::Int(value)),
        DefaultValue::Float(value) => Some(Value::Float(value)),
        DefaultValue::Text(value) => Some(Value::Text(value.to_owned())),
        DefaultValue::Floats(values) => Some(Value::Floats(values.to_vec())),
    }
}

/// All settings of the system of a name, from those that are given.
type SystemSettings<'a> = dyn Fn(&str, &BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, Vec<Error>> + 'a;

static NO_SETTINGS: BTreeMap<String, Value> = BTreeMap::new();

/// The name and the settings that a value gives a system; a word is a name without settings.
pub(super) fn named_system(value: &Value) -> Option<(&str, &BTreeMap<String, Value>)> {
    match value {
        Value::System { name, settings } => Some((name, settings)),
        Value::Text(name) => Some((name, &NO_SETTINGS)),
        _ => None,
    }
}

/// The value of a setting, with the defaults of a system inside filled in by `known`; or what is wrong, with key paths.
pub(super) fn accept(owner: &str, param: &Param, value: &Value, known: &SystemSettings) -> Result<Value, Vec<Error>> {
    if let (ParamKind::System, Some((name, given))) = (param.kind, named_system(value)) {
        return match known(name, given) {
            Ok(settings) => Ok(Value::System { name: name.to_owned(), settings }),
            Err(wrong) => Err(wrong.into_iter().map(|error| error.within(param.key)).collect()),
        };
    }
    let mistake = |problem| Error::Setting { owner: owner.to_owned(), key: param.key.to_owned(), problem };
    convert(param.kind, value).map_err(|problem| vec![mistake(problem)])
}

/// Converts a given value to the kind that a setting has, or says what is wrong with it.
fn convert(kind: ParamKind, value: &Value) -> Result<Value, String> {
    let wrong = |expected: &str| Err(format!("is {}, but must be {expected}", describe(value)));
    match (kind, value) {
        (ParamKind::Bool, Value::Bool(_)) | (ParamKind::Text, Value::Text(_)) => Ok(value.clone()),
        (ParamKind::Bool, _) => wrong("true or false"),
        (ParamKind::Text, _) => wrong("text"),
        (ParamKind::Int { min, max }, Value::Int(given)) if (min..=max).contains(given) => Ok(value.clone()),
        (ParamKind::Int { min, max: i64::MAX }, _) => wrong(&format!("an integer of at least {min}")),
        (ParamKind::Int { min, max }, _) => wrong(&format!("an integer from {min} to {max}")),
        (ParamKind::Float { min, max }, _) => match as_number(value) {
            Some(given) if given.is_finite() && given >= min && given <= max => Ok(Value::Float(given)),
            _ => wrong(&float_range(min, max)),
        },
        (ParamKind::Choice(words), Value::Text(given)) if words.contains(&given.as_str()) => Ok(value.clone()),
        (ParamKind::Choice(words), _) => wrong(&format!("one of {}", words.join(", "))),
        (ParamKind::Floats, Value::Floats(values)) if values.iter().all(|v| v.is_finite()) => Ok(value.clone()),
        (ParamKind::Floats, _) => match as_number(value) {
            Some(given) if given.is_finite() => Ok(Value::Floats(vec![given])),
            _ => wrong("a list of finite numbers"),
        },
        (ParamKind::Rows, Value::Rows(rows))
            if rows.iter().all(|row| row.len() == rows[0].len() && row.iter().all(|v| v.is_finite())) =>
        {
            Ok(value.clone())
        }
        (ParamKind::Rows, _) => wrong("a list of rows of equal length, of finite numbers"),
        (ParamKind::Words, Value::Words(_)) => Ok(value.clone()),
        (ParamKind::Words, Value::Text(word)) => Ok(Value::Words(vec![word.clone()])),
        (ParamKind::Words, Value::Floats(none)) if none.is_empty() => Ok(Value::Words(Vec::new())),
        (ParamKind::Words, _) => wrong("a word or a list of words"),
        (ParamKind::Indices, _) => indices(value).map_or_else(|| wrong("a list of integers of at least 0"), Ok),
        (ParamKind::System, _) => wrong("a system: its name, or a table with its `name` and settings"),
    }
}

fn indices(value: &Value) -> Option<Value> {
    // 2^53: beyond it not every integer is an f64
    let index = |value: f64| (value >= 0.0 && value.fract() == 0.0 && value < 9e15).then_some(value as usize);
    let list = match value {
        Value::Indices(list) => return Some(Value::Indices(list.clone())),
        Value::Floats(values) => values.iter().map(|value| index(*value)).collect(),
        other => as_number(other).and_then(index).map(|index| vec![index]),
    };
    list.map(Value::Indices)
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(given) => Some(*given),
        Value::Int(given) => Some(*given as f64),
        _ => None,
    }
}

fn float_range(min: f64, max: f64) -> String {
    match (min == f64::NEG_INFINITY, max == f64::INFINITY) {
        (true, true) => "a finite number".to_owned(),
        (false, true) if min == f64::MIN_POSITIVE => "a number above 0".to_owned(),
        (false, true) => format!("a number of at least {min}"),
        (true, false) => format!("a number of at most {max}"),
        (false, false) if min == f64::MIN_POSITIVE => format!("a number above 0 and at most {max}"),
        (false, false) => format!("a number from {min} to {max}"),
    }
}

/// The first of the numbers that is none that can be taken, in words.
fn not_finite<'a>(mut numbers: impl Iterator<Item = &'a f64>) -> String {
    numbers.find(|number| !number.is_finite()).map_or_else(String::new, |number| format!(" with {number} among them"))
}

fn describe(value: &Value) -> String {
    match value {
        Value::Bool(given) => given.to_string(),
        Value::Int(given) => given.to_string(),
        Value::Float(given) => given.to_string(),
        Value::Text(given) => format!("\"{given}\""),
        Value::Floats(values) => format!("a list of {} numbers{}", values.len(), not_finite(values.iter())),
        Value::Rows(rows) => format!("a matrix of {} rows{}", rows.len(), not_finite(rows.iter().flatten())),
        Value::Words(words) => format!("a list of {} words", words.len()),
        Value::Indices(indices) => format!("a list of {} indices", indices.len()),
        Value::System { name, .. } => format!("the system `{name}`"),
    }
}
