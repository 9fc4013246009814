//! Settings for tests from what a registry says of them: values that are allowed and are not the default, and values
//! that must be refused. So a new entry, or a new setting, is tested without a line in the tests.

use std::collections::BTreeMap;

use scorecast_systems::{Entry, Param, ParamKind, Settings, Value};

/// Settings by their keys; the last of a key counts.
pub type Given = Vec<(&'static str, Value)>;

pub fn by_key(given: &[(&str, Value)]) -> BTreeMap<String, Value> {
    given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// The default of a setting; none where it is required or unset.
pub fn default_value(param: &Param) -> Option<Value> {
    let settings = Settings::check("entry", std::slice::from_ref(param), &BTreeMap::new()).ok()?;
    settings.values().get(param.key).cloned()
}

/// Whether a setting must be given.
pub fn is_required(param: &Param) -> bool {
    Settings::check("entry", std::slice::from_ref(param), &BTreeMap::new()).is_err()
}

/// Allowed values that are not the default: the other words, the other truth value, a number a little beyond the
/// default and those at the ends of a short range. None of settings whose values only the entry knows (matrices, texts).
pub fn others(param: &Param) -> Vec<Value> {
    let default = default_value(param);
    let values = match (param.kind, &default) {
        (ParamKind::Bool, Some(Value::Bool(default))) => vec![Value::Bool(!default)],
        (ParamKind::Bool, _) => vec![Value::Bool(true), Value::Bool(false)],
        (ParamKind::Choice(words), _) => words.iter().map(|word| Value::Text((*word).to_owned())).collect(),
        (ParamKind::Int { min, max }, Some(Value::Int(default))) if default + 2 > max => vec![Value::Int(min)],
        (ParamKind::Int { .. }, Some(Value::Int(default))) => vec![Value::Int(default + 2)],
        (ParamKind::Int { min, max }, _) => (0..4).map(|step| Value::Int((min.max(0) + step).min(max))).collect(),
        (ParamKind::Float { min, max }, _) => reals(&default, min, max).into_iter().map(Value::Float).collect(),
        (ParamKind::Floats, Some(Value::Floats(list))) => {
            vec![Value::Floats(list.iter().map(|value| beyond(*value)).collect())]
        }
        (ParamKind::Floats, _) => vec![Value::Floats(vec![1.0])],
        (ParamKind::Text | ParamKind::Rows | ParamKind::Words | ParamKind::Indices | ParamKind::System, _) => vec![],
    };
    values.into_iter().filter(|value| default.as_ref() != Some(value)).collect()
}

/// A tenth more, or 0.3 where there is nothing.
fn beyond(value: f64) -> f64 {
    if value == 0.0 { 0.3 } else { 1.1 * value }
}

/// A number beside the default, and the ends of the range that are ordinary numbers.
fn reals(default: &Option<Value>, min: f64, max: f64) -> Vec<f64> {
    let allowed = |value: &f64| (min..=max).contains(value);
    let beside = match default {
        Some(Value::Float(default)) => Some(beyond(*default)).filter(allowed).unwrap_or(0.9 * default),
        _ if max <= 1.0 => 0.6 * max,
        _ => min.max(1.0),
    };
    let lowest = Some(min).filter(|min| min.is_finite() && *min != f64::MIN_POSITIVE);
    let highest = Some(max).filter(|max| *max <= 1.0);
    [beside].into_iter().chain(lowest).chain(highest).collect()
}

/// Values that no entry may take for such a setting: of another type, outside of the range, no number at all.
pub fn wrong(param: &Param) -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    match param.kind {
        ParamKind::Bool => vec![text("true"), Value::Int(1)],
        ParamKind::Text => vec![Value::Int(1), Value::Bool(true)],
        ParamKind::Choice(_) => vec![text("no such word"), text(""), Value::Int(1)],
        ParamKind::Int { min, max } => {
            let outside = [min.checked_sub(1), max.checked_add(1)].into_iter().flatten().map(Value::Int);
            outside.chain([Value::Float(1.5), text("1"), Value::Bool(true)]).collect()
        }
        ParamKind::Float { min, max } => {
            let outside = [min - 1.0, max + 1.0].into_iter().filter(|value| !(min..=max).contains(value));
            let none = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
            outside.chain(none).map(Value::Float).chain([text("1"), Value::Bool(true)]).collect()
        }
        ParamKind::Floats => vec![Value::Floats(vec![1.0, f64::NAN]), Value::Float(f64::INFINITY), text("1")],
        ParamKind::Rows => {
            vec![Value::Rows(vec![vec![1.0], vec![1.0, 2.0]]), Value::Rows(vec![vec![f64::NAN]]), text("1")]
        }
        ParamKind::Words => vec![Value::Int(1), Value::Floats(vec![1.0])],
        ParamKind::Indices => vec![Value::Float(0.5), Value::Int(-1), Value::Floats(vec![f64::NAN]), text("1")],
        ParamKind::System => vec![text("no such system"), Value::Int(1), Value::Bool(true)],
    }
}

/// Variants of an entry that are accepted, and what was refused, with the words of the refusal.
pub struct Variants {
    pub accepted: Vec<Given>,
    pub refused: Vec<(Given, String)>,
}

/// Each value of [`others`] once, beside what `base` has settled: alone, or with one other setting where it is refused
/// alone; and last as many settings at once as go together.
pub fn variants(
    params: &'static [Param],
    base: &[(&'static str, Value)],
    accepts: impl Fn(&Given) -> Result<(), String>,
) -> Variants {
    let free = params.iter().filter(|param| base.iter().all(|(settled, _)| *settled != param.key));
    let all: Given = free.flat_map(|param| others(param).into_iter().map(|value| (param.key, value))).collect();
    let with =
        |more: &[&(&'static str, Value)]| -> Given { base.iter().chain(more.iter().copied()).cloned().collect() };
    let mut out = Variants { accepted: vec![], refused: vec![] };
    for one in &all {
        let alone = with(&[one]);
        let Err(said) = accepts(&alone) else {
            out.accepted.push(alone);
            continue;
        };
        let mut pairs = all.iter().filter(|other| other.0 != one.0).map(|other| with(&[other, one]));
        match pairs.find(|pair| accepts(pair).is_ok()) {
            Some(pair) => out.accepted.push(pair),
            None => out.refused.push((alone, said)),
        }
    }
    let together = all.iter().fold(base.to_vec(), |so_far, (key, value)| {
        let more: Given = so_far.iter().cloned().chain([(*key, value.clone())]).collect();
        if so_far.iter().all(|(taken, _)| taken != key) && accepts(&more).is_ok() { more } else { so_far }
    });
    if together.len() > base.len() + 1 {
        out.accepted.push(together);
    }
    out
}

/// Each wrong value of each setting, and a mistyped key, is a mistake that names the setting.
pub fn assert_wrong_settings_are_refused<B>(registry: &[Entry<B>]) {
    for entry in registry {
        let mistakes = |key: &str, value: Value| -> Vec<String> {
            let found = Settings::check(entry.name, entry.params, &by_key(&[(key, value)])).err();
            found.into_iter().flatten().map(|mistake| mistake.to_string()).collect()
        };
        for param in entry.params {
            for value in wrong(param) {
                let said = mistakes(param.key, value.clone());
                let named = format!("`{}` is ", param.key);
                let told = |said: &String| said.contains(&named) || said.contains("unknown system `no such system`");
                assert!(said.iter().any(told), "{}: {} = {value:?}: {said:?}", entry.name, param.key);
            }
            let mistyped = format!("{}_", param.key);
            let said = mistakes(&mistyped, Value::Bool(true));
            // a hint is sought in small letters
            let hint = if param.key == param.key.to_lowercase() { param.key } else { "" };
            let told = |said: &String| said.contains(&format!("has no setting `{mistyped}`")) && said.contains(hint);
            assert!(said.iter().any(told), "{}: {said:?}", entry.name);
        }
    }
}
