//! The JSON Schema of an experiment, from the same tables as its checks: editors complete and validate with it.

use serde_json::{Map, Value, json};

use super::check::{ESTIMATE, INITIAL, NOISE, OPERATOR};
use super::keys::{
    ASSIMILATE, BUDGET, DATA, EXPECTED, FORECASTER, Form, OBSERVE, SCORE, SYSTEM, Section, Special, TOP,
};
use super::presets::PRESETS;
use crate::assimilation::{METHODS, NOISE_LAWS, OPERATORS};
use crate::forecast::FORECASTERS;
use crate::score::METRICS;
use crate::systems::Entry;
use crate::systems::catalogue::SYSTEMS;
use crate::systems::integrate::INTEGRATORS;
use crate::systems::registry::{DefaultValue, Param, ParamKind};

/// Where the schema holds that of a system.
const A_SYSTEM: &str = "#/$defs/system";

/// The schema (draft 2020-12).
pub fn schema() -> Value {
    let mut properties = section_properties(&TOP);
    properties.insert("preset".into(), json!({"enum": names(PRESETS.iter().map(|preset| preset.name))}));
    let mut data = section_properties(&DATA);
    data["integrator"]["enum"] = entry_names(INTEGRATORS);
    let mut score = section_properties(&SCORE);
    score.insert("metrics".into(), words(&SCORE, "metrics", json!({"enum": entry_names(METRICS)})));
    properties.insert("system".into(), json!({"$ref": A_SYSTEM}));
    properties.insert("data".into(), closed(&DATA, data));
    properties.insert("forecaster".into(), many(forecaster()));
    properties.insert("budget".into(), closed(&BUDGET, section_properties(&BUDGET)));
    properties.insert("observe".into(), one_or_many(closed(&OBSERVE, section_properties(&OBSERVE))));
    properties.insert("assimilate".into(), many(named(&ASSIMILATE, "method", METHODS)));
    properties.insert("expected".into(), many(closed(&EXPECTED, section_properties(&EXPECTED))));
    properties.insert("score".into(), closed(&SCORE, score));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "scorecast experiment",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        // systems may hold systems
        "$defs": {"system": named(&SYSTEM, "name", SYSTEMS)},
    })
}

/// A section whose `key` names an entry, and whose other keys are that entry's settings.
fn named<B>(section: &Section, key: &str, entries: &'static [Entry<B>]) -> Value {
    let shapes: Vec<Value> = entries.iter().map(|entry| shape(section, key, entry)).collect();
    json!({"description": section.about, "oneOf": shapes})
}

/// One entry's shape of such a section.
fn shape<B>(section: &Section, key: &str, entry: &Entry<B>) -> Value {
    let mut properties = section_properties(section);
    properties.insert(key.into(), json!({"const": entry.name, "description": entry.about}));
    for param in entry.params {
        properties.insert(param.key.into(), param_schema(param));
    }
    let mut required = vec![key];
    required.extend(entry.params.iter().filter(|param| param.default == DefaultValue::Required).map(|param| param.key));
    json!({
        "type": "object", "title": entry.name, "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

/// A forecaster: of one of the kinds, or a model, or a label that is itself a kind.
fn forecaster() -> Value {
    let mut shapes: Vec<Value> = FORECASTERS.iter().map(|entry| shape(&FORECASTER, "kind", entry)).collect();
    for entry in FORECASTERS {
        let mut by_label = shape(&FORECASTER, "name", entry);
        if let Some(properties) = by_label["properties"].as_object_mut() {
            properties.remove("kind");
            properties.remove("model");
        }
        shapes.push(by_label);
    }
    let mut of_model = section_properties(&FORECASTER);
    for param in FORECASTERS.iter().flat_map(|entry| entry.params) {
        of_model.insert(param.key.into(), json!({"description": "held against the model"}));
    }
    let mut model = closed(&FORECASTER, of_model);
    model["required"] = json!(["model"]);
    shapes.push(model);
    json!({"description": FORECASTER.about, "anyOf": shapes})
}

fn closed(section: &Section, properties: Map<String, Value>) -> Value {
    let required: Vec<&str> =
        section.params.iter().filter(|param| param.default == DefaultValue::Required).map(|param| param.key).collect();
    json!({
        "type": "object", "description": section.about, "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn many(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

fn one_or_many(item: Value) -> Value {
    json!({"oneOf": [item.clone(), {"type": "array", "items": item}]})
}

fn section_properties(section: &Section) -> Map<String, Value> {
    let plain = section.params.iter().map(|param| (param.key.to_owned(), param_schema(param)));
    let special = section.special.iter().map(|special| (special.key.to_owned(), special_schema(special)));
    plain.chain(special).collect()
}

fn words(section: &Section, key: &str, word: Value) -> Value {
    let about = section.special.iter().find(|special| special.key == key).map_or("", |special| special.about);
    json!({"description": about, "oneOf": [word.clone(), {"type": "array", "items": word}]})
}

fn special_schema(special: &Special) -> Value {
    let numbers = || json!({"type": "array", "items": {"type": "number"}});
    let forms = match special.form {
        Form::Words => vec![json!({"type": "string"}), json!({"type": "array", "items": {"type": "string"}})],
        Form::Operator => vec![json!({"enum": entry_names(OPERATORS)}), named(&OPERATOR, "name", OPERATORS)],
        Form::Noise => {
            let mut laws = named(&NOISE, "name", NOISE_LAWS);
            // a table without a name is of the first law
            laws["oneOf"][0]["required"] = json!([]);
            vec![json!({"type": "number"}), numbers(), json!({"enum": entry_names(NOISE_LAWS)}), laws]
        }
        Form::Estimate => {
            let one = closed(&ESTIMATE, section_properties(&ESTIMATE));
            vec![one.clone(), many(one)]
        }
        Form::Initial => vec![json!({"const": "climatology"}), closed(&INITIAL, section_properties(&INITIAL))],
    };
    json!({"description": special.about, "oneOf": forms})
}

fn param_schema(param: &Param) -> Value {
    let mut schema = kind_schema(param.kind);
    schema["description"] = json!(param.about);
    match param.default {
        DefaultValue::Required | DefaultValue::Unset => {}
        DefaultValue::Bool(value) => schema["default"] = json!(value),
        DefaultValue::Int(value) => schema["default"] = json!(value),
        DefaultValue::Float(value) => schema["default"] = json!(value),
        DefaultValue::Text(value) => schema["default"] = json!(value),
        DefaultValue::Floats(values) => schema["default"] = json!(values),
    }
    schema
}

fn kind_schema(kind: ParamKind) -> Value {
    let numbers = json!({"type": "array", "items": {"type": "number"}});
    match kind {
        ParamKind::Bool => json!({"type": "boolean"}),
        ParamKind::Int { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        ParamKind::Float { min, max } => {
            let mut schema = json!({"type": "number"});
            match min {
                f64::MIN_POSITIVE => schema["exclusiveMinimum"] = json!(0),
                _ if min.is_finite() => schema["minimum"] = json!(min),
                _ => {}
            }
            if max.is_finite() {
                schema["maximum"] = json!(max);
            }
            schema
        }
        ParamKind::Text => json!({"type": "string"}),
        ParamKind::Choice(words) => json!({"enum": words}),
        ParamKind::Floats => json!({"oneOf": [{"type": "number"}, numbers]}),
        ParamKind::Rows => json!({"type": "array", "items": numbers}),
        ParamKind::Words => {
            let word = json!({"type": "string"});
            json!({"oneOf": [word, {"type": "array", "items": word}]})
        }
        ParamKind::Indices => {
            let index = json!({"type": "integer", "minimum": 0});
            json!({"oneOf": [index, {"type": "array", "items": index}]})
        }
        ParamKind::System => json!({"oneOf": [{"enum": entry_names(SYSTEMS)}, {"$ref": A_SYSTEM}]}),
    }
}

fn entry_names<B>(entries: &'static [Entry<B>]) -> Value {
    names(entries.iter().map(|entry| entry.name))
}

fn names(names: impl Iterator<Item = &'static str>) -> Value {
    names.collect()
}
