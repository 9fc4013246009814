//! Documentation reads alone on a page: none begins by pointing at what another page says.

use std::path::{Path, PathBuf};

use super::page::root;

/// How a public doc never begins.
const POINTING: [&str; 3] = ["The same", "Those", "That of"];

fn sources(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The text of a line of documentation.
fn doc(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("///").or(line.strip_prefix("//!")).map(str::trim)
}

fn points(text: &str) -> bool {
    let follows = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
    POINTING.iter().any(|start| text.strip_prefix(start).is_some_and(follows))
}

#[test]
fn no_doc_begins_by_pointing_elsewhere() {
    let mut paths = Vec::new();
    ["src", "systems/src", "assimilation/src"].iter().for_each(|folder| sources(&root().join(folder), &mut paths));
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut before = None;
        for (index, line) in text.lines().enumerate() {
            let this = doc(line);
            if let (None, Some(first)) = (before, this)
                && points(first)
            {
                found.push(format!("{}:{}: {first}", path.strip_prefix(root()).unwrap().display(), index + 1));
            }
            before = this;
        }
    }
    found.sort();
    assert!(found.is_empty(), "{} docs begin by pointing elsewhere:\n{}", found.len(), found.join("\n"));
}
