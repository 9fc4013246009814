//! The reference pages are the registries, as `scorecast list --json` tells them: a line for every entry, in their order, and
//! every setting. A kind of entry that `list` learns needs a page too.

use scorecast::systems::integrate::INTEGRATORS;
use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use super::page::root;
use super::schema;

/// A setting that so many entries of a kind have in the same words is told once.
const SHARED_BY: usize = 4;

/// The result of a command of the program.
pub(crate) fn result(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_scorecast")).args(args).arg("--json").output().unwrap();
    assert!(output.status.success(), "{args:?}");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    object["result"].clone()
}

/// Text for a cell; a bar would end it.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A default for a cell.
pub(crate) fn default(value: &Value) -> String {
    match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => format!("`\"{}\"`", cell(text)),
        other => format!("`{other}`"),
    }
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn setting(param: &Value) -> String {
    let default = if param["required"] == true { "must be set".to_owned() } else { default(&param["default"]) };
    let (key, about, kind) = (text(param, "key"), cell(text(param, "about")), cell(text(param, "type")));
    format!("| `{key}` | {default} | {kind} | {about} |\n")
}

fn settings<'a>(params: impl Iterator<Item = &'a Value>) -> String {
    let rows: String = params.map(setting).collect();
    if rows.is_empty() { rows } else { format!("| setting | default | type | meaning |\n|---|---|---|---|\n{rows}\n") }
}

/// The settings that many entries have, in the order in which they first come; of a key with several meanings the most
/// usual one.
fn shared(entries: &[Value]) -> Vec<&Value> {
    let all = || entries.iter().flat_map(|entry| list(&entry["params"]));
    let count = |param: &Value| all().filter(|other| *other == param).count();
    let usual =
        |param: &Value| all().filter(|other| other["key"] == param["key"]).all(|other| count(other) <= count(param));
    let mut out: Vec<&Value> = Vec::new();
    for param in all() {
        if !out.contains(&param) && count(param) >= SHARED_BY && usual(param) {
            out.push(param);
        }
    }
    out
}

/// What else is known of an entry, a sentence each.
fn facts(entry: &Value) -> String {
    let mut out = String::new();
    let usual = &entry["usual"];
    if entry["stepped_as_inside"] == true {
        out.push_str("It is stepped as the system inside. ");
    } else if usual.is_object() {
        let [dt, substeps, spin_up] = ["dt", "substeps", "spin_up"].map(|key| &usual[key]);
        let integrator = text(usual, "integrator");
        let about = INTEGRATORS.iter().find(|entry| entry.name == integrator).map_or("", |entry| entry.about);
        let integrator = format!("integrator `{integrator}` ({about})");
        write!(out, "Usual stepping: dt {dt}, substeps {substeps}, {integrator}, spin-up {spin_up}. ").unwrap();
    }
    if entry["dim"].is_number() {
        write!(out, "Components at the defaults: {}. ", entry["dim"]).unwrap();
    }
    let needs: Vec<&str> = list(&entry["needs"]).iter().map(|need| text(need, "about")).collect();
    if !needs.is_empty() {
        write!(out, "It needs {}. ", needs.join(", ")).unwrap();
    }
    if entry["linear_operator"] == true {
        out.push_str("It is for linear operators only. ");
    }
    if out.is_empty() { out } else { format!("{}\n\n", out.trim_end()) }
}

/// The section of an entry: its facts and its settings; those that it shares by their keys.
fn section(entry: &Value, shared: &[&Value]) -> String {
    let (common, own): (Vec<&Value>, Vec<&Value>) =
        list(&entry["params"]).iter().partition(|param| shared.contains(param));
    let keys: Vec<String> = common.iter().map(|param| format!("`{}`", text(param, "key"))).collect();
    let mut out = format!("### `{}`\n\n{}{}", text(entry, "name"), facts(entry), settings(own.into_iter()));
    if !keys.is_empty() {
        write!(out, "Shared settings: {}.\n\n", keys.join(", ")).unwrap();
    }
    out
}

/// Everything that a reference page says of a kind.
fn tables(entries: &[Value]) -> String {
    let has_source = entries.iter().any(|entry| !text(entry, "reference").is_empty());
    let mut out = match has_source {
        true => "| name | what it is | source |\n|---|---|---|\n".to_owned(),
        false => "| name | what it is |\n|---|---|\n".to_owned(),
    };
    for entry in entries {
        let (name, about) = (text(entry, "name"), cell(text(entry, "about")));
        match has_source {
            true => writeln!(out, "| `{name}` | {about} | {} |", cell(text(entry, "reference"))).unwrap(),
            false => writeln!(out, "| `{name}` | {about} |").unwrap(),
        }
    }
    let with_settings = || entries.iter().filter(|entry| !list(&entry["params"]).is_empty());
    if with_settings().next().is_none() {
        return out;
    }
    let shared = shared(entries);
    out.push_str("\n## Settings\n\n");
    if !shared.is_empty() {
        write!(out, "### Shared settings\n\n{}", settings(shared.iter().copied())).unwrap();
    }
    out.extend(
        entries
            .iter()
            .filter(|entry| !list(&entry["params"]).is_empty() || !facts(entry).is_empty())
            .map(|entry| section(entry, &shared)),
    );
    format!("{}\n", out.trim_end())
}

/// Compares what stands between the marks of a page with `wanted`, or writes it there.
pub(crate) fn holds(page: &str, name: &str, wanted: &str) {
    let path = root().join("docs/src/reference").join(format!("{page}.md"));
    let mut text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("there is no {}", path.display()));
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("{page}.md has no {begin}")) + begin.len();
    let to = from + text[from..].find(&end).unwrap_or_else(|| panic!("{page}.md has no {end}"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        text.replace_range(from..to, wanted);
        std::fs::write(&path, text).unwrap();
    } else {
        assert!(text[from..to] == *wanted, "{page}.md is not what the program says; write it with UPDATE_DOCS=1");
    }
}

#[test]
fn the_reference_pages_are_the_registries() {
    let kinds = result(&["list"]);
    for (kind, entries) in kinds.as_object().unwrap() {
        let page = kind.replace('-', "_");
        holds(&page, &page.replace('_', " "), &tables(list(entries)));
    }
}

#[test]
fn the_page_of_the_experiment_file_is_its_schema() {
    holds("experiment", "keys", &schema::keys(&result(&["config", "schema"])));
}
