//! The keys of an experiment, section by section, from its JSON Schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::reference::{cell, default};

/// Sections, how each is written, and the page of the entries whose settings are its other keys.
const SECTIONS: [(&str, &str, Option<&str>); 8] = [
    ("system", "[system]", Some("systems")),
    ("data", "[data]", None),
    ("forecaster", "[[forecaster]]", Some("forecasters")),
    ("budget", "[budget]", None),
    ("observe", "[observe] or [[observe]]", None),
    ("assimilate", "[[assimilate]]", Some("methods")),
    ("expected", "[[expected]]", None),
    ("score", "[score]", None),
];

/// The forms that a value may have.
fn forms(schema: &Value) -> Vec<&Value> {
    ["oneOf", "anyOf"].iter().filter_map(|key| schema[key].as_array()).flatten().collect()
}

/// A schema itself, where it only names another.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let path = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

/// The shapes of one table of a section.
fn shapes<'a>(root: &'a Value, section: &'a Value) -> Vec<&'a Value> {
    let section = resolved(root, section);
    if section["type"] == "array" {
        return shapes(root, &section["items"]);
    }
    let tables = |schema: &&'a Value| schema["properties"].is_object();
    let all: Vec<&Value> = [section].into_iter().chain(forms(section)).filter(tables).collect();
    // a label may stand for the kind, and then those tables have no `kind`
    let kinds: Vec<&Value> = all.iter().filter(|shape| shape["properties"].get("kind").is_some()).copied().collect();
    if kinds.is_empty() { all } else { kinds }
}

/// What a section is for.
fn about<'a>(root: &'a Value, section: &'a Value) -> &'a str {
    let section = resolved(root, section);
    let inside = [&section["items"]].into_iter().chain(forms(section)).chain([section]);
    inside.filter_map(|schema| schema["description"].as_str()).next().unwrap_or_default()
}

/// A row of a key; `required` are the keys of its table that must be set.
fn row(key: &str, schema: &Value, required: &Value) -> String {
    let words = || schema["enum"].as_array().map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let about = match (schema.get("const"), schema["description"].as_str()) {
        (Some(_), _) => "the entry's name".to_owned(),
        (None, Some(about)) => about.to_owned(),
        (None, None) => format!("one of {}", words().unwrap_or_default().join(", ")),
    };
    let must = required.as_array().is_some_and(|keys| keys.iter().any(|known| known == key));
    let default = if must { "must be set".to_owned() } else { default(&schema["default"]) };
    format!("| `{key}` | {default} | {} |\n", cell(&about))
}

/// The rows of a key: its own, and those of a table that it may be.
fn rows(key: &str, schema: &Value, required: &Value) -> String {
    let mut out = row(key, schema, required);
    let table = forms(schema).into_iter().find(|form| form["properties"].is_object());
    for (inner, schema) in table.and_then(|table| table["properties"].as_object()).into_iter().flatten() {
        out.push_str(&row(&format!("{key}.{inner}"), schema, &Value::Null));
    }
    out
}

/// The keys that all shapes have with one meaning: those of the section, not of an entry.
fn common(shapes: &[&Value]) -> Map<String, Value> {
    let first = shapes.first().and_then(|shape| shape["properties"].as_object()).cloned().unwrap_or_default();
    let everywhere = |key: &str, schema: &Value| {
        shapes.iter().all(|shape| {
            let other = &shape["properties"][key];
            other == schema || (other.get("const").is_some() || schema.get("const").is_some()) && !other.is_null()
        })
    };
    first.into_iter().filter(|(key, schema)| everywhere(key, schema)).collect()
}

fn table(rows: &str) -> String {
    format!("| key | default | meaning |\n|---|---|---|\n{rows}\n")
}

/// All keys, a table for each section.
pub(crate) fn keys(root: &Value) -> String {
    let properties = root["properties"].as_object().unwrap();
    let known = |key: &str| SECTIONS.iter().any(|(name, ..)| *name == key);
    let outside = properties.iter().filter(|(key, _)| !known(key));
    let top: String = outside.map(|(key, schema)| row(key, schema, &Value::Null)).collect();
    let mut out = format!("## Outside any section\n\n{}", table(&top));
    for (name, title, entries) in SECTIONS {
        let shapes = shapes(root, &properties[name]);
        let rows: String =
            common(&shapes).iter().map(|(key, schema)| rows(key, schema, &shapes[0]["required"])).collect();
        let about = about(root, &properties[name]);
        write!(out, "## `{title}`\n\n{}{}.", about[..1].to_uppercase(), &about[1..]).unwrap();
        if let Some(page) = entries {
            write!(out, " Its other keys are the settings of the entry that it names: see [{page}]({page}.md).")
                .unwrap();
        }
        write!(out, "\n\n{}", table(&rows)).unwrap();
    }
    format!("{}\n", out.trim_end())
}
