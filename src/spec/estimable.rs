//! Numbers among a system's settings: those that can be estimated.

use std::collections::BTreeMap;

use super::read::remedy;
use crate::systems::catalogue::SYSTEMS;
use crate::systems::registry::{Param, ParamKind, Value};

/// The range of a system's setting that is a number ([`ParamKind::Float`]), and its value, by its path through the systems
/// inside.
///
/// # Errors
/// A sentence, where there is no such setting, or it is no number, or it has no value.
pub(super) fn setting(name: &str, settings: &BTreeMap<String, Value>, path: &str) -> Result<(ParamKind, f64), String> {
    let params = SYSTEMS.iter().find(|entry| entry.name == name).map_or(&[][..], |entry| entry.params);
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    let Some(param) = params.iter().find(|param| param.key == key) else {
        let known: Vec<&str> = params.iter().map(|param| param.key).collect();
        return Err(format!("system `{name}` has no setting `{key}`; {}", remedy(key, &known)));
    };
    match (param.kind, rest, settings.get(key)) {
        (ParamKind::System, Some(rest), Some(Value::System { name, settings })) => setting(name, settings, rest),
        (ParamKind::Float { .. }, None, Some(Value::Float(value))) => Ok((param.kind, *value)),
        (ParamKind::Floats, None, Some(Value::Floats(values))) if values.len() == 1 => Ok((ParamKind::ANY, values[0])),
        (ParamKind::Float { .. }, None, None) => {
            Err(format!("`{key}` of system `{name}` has no value; set it in [system], for the truth has one"))
        }
        _ => Err(format!("`{path}` of system `{name}` is no single real number; {}", instead(params))),
    }
}

/// The settings that can be estimated.
fn instead(params: &[Param]) -> String {
    let known = params.iter().filter_map(|param| match param.kind {
        ParamKind::Float { .. } => Some(format!("`{}`", param.key)),
        ParamKind::System => Some(format!("a number of the system inside, `{}.<key>`", param.key)),
        _ => None,
    });
    match known.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "it has none".to_owned(),
        some => format!("take one of {some}"),
    }
}
