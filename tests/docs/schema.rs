//! The keys of an experiment, section by section, from its JSON Schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::reference::{cell, default};

/// Sections, how each is written, and the page of the entries whose settings are its other keys.
const SECTIONS: [(&str, &str, Option<&str>); 7] = [
    ("system", "[system]", Some("systems")),
    ("data", "[data]", None),
    ("forecaster", "[[forecaster]]", Some("forecasters")),
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
    let own = Some(section).filter(tables);
    own.into_iter().chain(forms(section).into_iter().filter(tables)).collect()
}

/// What a section is for.
fn about<'a>(root: &'a Value, section: &'a Value) -> &'a str {
    let section = resolved(root, section);
    let inside = [&section["items"]].into_iter().chain(forms(section)).chain([section]);
    inside.filter_map(|schema| schema["description"].as_str()).next().unwrap_or_default()
}

fn row(key: &str, schema: &Value) -> String {
    let about = schema["description"].as_str().unwrap_or_default();
    let of_entries = schema.get("const").is_some();
    let about = if of_entries { "which entry it is" } else { about };
    format!("| `{key}` | {} | {} |\n", default(&schema["default"]), cell(about))
}

/// The rows of a key: its own, and those of a table that it may be.
fn rows(key: &str, schema: &Value) -> String {
    let mut out = row(key, schema);
    let table = forms(schema).into_iter().find(|form| form["properties"].is_object());
    for (inner, schema) in table.and_then(|table| table["properties"].as_object()).into_iter().flatten() {
        out.push_str(&row(&format!("{key}.{inner}"), schema));
    }
    out
}

/// The keys that all shapes have.
fn common(shapes: &[&Value]) -> Map<String, Value> {
    let first = shapes.first().and_then(|shape| shape["properties"].as_object()).cloned().unwrap_or_default();
    first.into_iter().filter(|(key, _)| shapes.iter().all(|shape| shape["properties"].get(key).is_some())).collect()
}

fn table(rows: &str) -> String {
    format!("| key | default | meaning |\n|---|---|---|\n{rows}\n")
}

/// All keys, a table for each section.
pub(crate) fn keys(root: &Value) -> String {
    let properties = root["properties"].as_object().unwrap();
    let known = |key: &str| SECTIONS.iter().any(|(name, ..)| *name == key);
    let top: String = properties
        .iter()
        .filter(|(_, schema)| schema["type"] == "string" || schema["type"] == "integer" || schema.get("enum").is_some())
        .map(|(key, schema)| row(key, schema))
        .collect();
    for (key, schema) in properties {
        assert!(known(key) || row(key, schema).len() < top.len() + 1, "the section `{key}` has no place on the page");
    }
    let mut out = format!("## Outside any section\n\n{}", table(&top));
    for (name, title, entries) in SECTIONS {
        let shapes = shapes(root, &properties[name]);
        let rows: String = common(&shapes).iter().map(|(key, schema)| rows(key, schema)).collect();
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
