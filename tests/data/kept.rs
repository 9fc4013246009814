//! Results of presets of a suite that took hours, kept beside the book: each is tied to the preset that it is of.

use std::path::{Path, PathBuf};

use scorecast::spec::PRESETS;
use scorecast::spec::suites::{Member, Suite};
use scorecast::stage::suite::SuiteResult;
use scorecast::store::digest::text_digest;
use serde::{Deserialize, Serialize};

/// A result that is kept.
#[derive(Debug, Deserialize, Serialize)]
pub struct Kept {
    /// The suite.
    pub suite: String,
    /// What was set in the preset.
    pub set: Vec<String>,
    /// The SHA-256 of what the preset says with those that it starts from, and of what was set.
    pub preset_sha256: String,
    /// The SHA-256 of the result as JSON.
    pub result_sha256: String,
    /// What was found.
    pub result: SuiteResult,
}

impl Kept {
    /// What is wrong with a kept result: that it was changed, or that the preset was since.
    pub fn doubts(&self, suite: &Suite, member: &Member) -> Vec<&'static str> {
        let mut doubts = Vec::new();
        if result_digest(&self.result) != self.result_sha256 {
            doubts.push("the result is not what was measured");
        }
        if preset_digest(suite, member) != self.preset_sha256 {
            doubts.push("the preset has changed since: measure it again, or take the file away");
        }
        doubts
    }
}

/// The digest of a result.
pub fn result_digest(result: &SuiteResult) -> String {
    text_digest(&serde_json::to_string(result).unwrap())
}

/// Where the result of a preset is kept: in a folder beside the suite's page, both with the name of its short form.
pub fn kept(suite: &Suite, member: &Member) -> PathBuf {
    page(suite).with_extension("").join(format!("{}.json", member.preset))
}

/// The page of the long form of a suite.
pub fn page(suite: &Suite) -> PathBuf {
    let short = suite.name.strip_suffix("_full").unwrap();
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/results").join(format!("{short}.md"))
}

/// The digest of what a preset says with those that it starts from, comments aside, and of what is set in it.
pub fn preset_digest(suite: &Suite, member: &Member) -> String {
    let said = toml::to_string(&said_by(member.preset)).unwrap();
    text_digest(&format!("{}\n{said}", suite.set_in(member).join("\n")))
}

/// A preset over the one that it starts from.
fn said_by(name: &str) -> toml::Table {
    let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
    let own: toml::Table = toml::from_str(preset.text).unwrap();
    match own.get("preset").and_then(|base| base.as_str()) {
        Some(base) => over(said_by(base), own.clone()),
        None => own,
    }
}

/// Tables key by key, all else replaced.
fn over(mut base: toml::Table, own: toml::Table) -> toml::Table {
    for (key, value) in own {
        let merged = match (base.remove(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => toml::Value::Table(over(below, above)),
            (_, value) => value,
        };
        base.insert(key, merged);
    }
    base
}
