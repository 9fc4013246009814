//! Names that the house gave up, because they were a dialect of its own or stood for several things: docs/src/glossary.md
//! has the words in their place.

use std::path::Path;

/// Types of no crate.
const TYPES: &[&str] = &[
    "Apart",
    "Asks",
    "Board",
    "Bound",
    "Build",
    "Climate",
    "Default",
    "Guidable",
    "Held",
    "Job",
    "Keeper",
    "Kind",
    "Network",
    "Observation",
    "Part",
    "Pass",
    "Ready",
    "Recipe",
    "Room",
    "Row",
    "Scratch",
    "Seen",
    "Shelf",
    "Situation",
    "Stage",
    "Trajectories",
    "Twin",
];

/// Functions, fields and modules of no crate.
const VALUES: &[&str] = &[
    "apart",
    "carry_on",
    "drain",
    "front",
    "leave",
    "look_at",
    "move_on",
    "passes",
    "seen",
    "set_times",
    "settle",
    "told",
    "trail",
    "twin",
    "whole",
];

#[test]
fn no_definition_bears_a_name_that_was_given_up() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["systems/src", "assimilation/src", "src"] {
        every_file(&top.join(folder), &mut |path, code| {
            let mut inside = false;
            for (line, text) in code.lines().enumerate() {
                inside = if text.contains("struct ") && text.ends_with('{') {
                    true
                } else {
                    inside && !text.starts_with('}')
                };
                let bad = defined(text).or_else(|| if inside { field(text) } else { None });
                found.extend(bad.map(|name| format!("{}:{}: {name}", path.display(), line + 1)));
            }
        });
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn every_file(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            every_file(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The name that a line defines, where it was given up.
fn defined(line: &str) -> Option<&str> {
    let words: Vec<&str> =
        line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let visibility = ["pub", "crate", "super", "in", "self", "async", "const", "unsafe"];
    let at = words.iter().position(|word| !visibility.contains(word))?;
    let (kind, name) = (*words.get(at)?, *words.get(at + 1)?);
    let given_up = match kind {
        "struct" | "enum" | "trait" | "type" => TYPES,
        "fn" | "mod" => VALUES,
        _ => return None,
    };
    (!line.trim_start().starts_with("//") && given_up.contains(&name)).then_some(name)
}

/// The field that a line of a structure declares, where its name was given up.
fn field(line: &str) -> Option<&str> {
    let declared = line.trim_start().split(':').next()?;
    let name = declared.rsplit(' ').next()?;
    VALUES.contains(&name).then_some(name)
}

#[test]
fn given_up_names_are_found() {
    for bad in [
        "pub struct Seen<'a> {",
        "    pub(crate) fn settle(&mut self) {",
        "pub mod set_times;",
        "trait Guidable: Denoiser {",
    ] {
        assert!(defined(bad).is_some(), "{bad}");
    }
    for good in ["pub struct SeenBefore;", "// fn seen()", "let seen = 1;", "pub fn settled() {"] {
        assert!(defined(good).is_none(), "{good}");
    }
    assert_eq!(field("    pub(super) front: Array2<f64>,"), Some("front"));
    assert_eq!(field("    at_present: Array2<f64>,"), None);
}
