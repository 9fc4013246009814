//! Names that the house gave up, because they were a dialect of its own or stood for several things: docs/src/glossary.md
//! has the words in their place.

use std::path::Path;

use super::every_file;

/// Types and variants of no crate.
const TYPES: &[&str] = &[
    "Apart",
    "Asks",
    "Board",
    "Bound",
    "Build",
    "Climate",
    "Default",
    "Guidable",
    "Footprint",
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

/// Functions, fields, modules and, in capitals, constants of no crate.
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
    for folder in ["systems", "assimilation", "src", "tests", "benches"] {
        every_file(&top.join(folder), &mut |path, code| {
            found.extend(given_up(code).into_iter().map(|(line, name)| format!("{}:{line}: {name}", path.display())));
        });
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The names of a file that were given up, with their lines.
fn given_up(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // the indentation and the kind of the structure or enumeration that a line is inside of
    let mut inside: Option<(usize, &str)> = None;
    for (line, text) in code.lines().enumerate().filter(|(_, text)| !text.trim_start().starts_with("//")) {
        let indent = text.len() - text.trim_start().len();
        let opens = ["struct", "enum"].into_iter().find(|kind| text.ends_with('{') && kind_of(text) == Some(*kind));
        let bad = match inside {
            Some((outer, _)) if text.starts_with(&format!("{}}}", " ".repeat(outer))) => {
                inside = None;
                None
            }
            Some((outer, "enum")) if indent == outer + 4 => variant(text),
            Some(_) => field(text),
            None => defined(text),
        };
        inside = inside.or(opens.map(|kind| (indent, kind)));
        found.extend(bad.map(|name| (line + 1, name.to_owned())));
    }
    found
}

/// The words of a line from the kind of its definition on.
fn definition(line: &str) -> impl Iterator<Item = &str> {
    let visibility = ["pub", "crate", "super", "in", "self", "async", "unsafe"];
    let is_code = line.trim_start().starts_with(char::is_alphabetic);
    let words =
        line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(move |word| is_code && !word.is_empty());
    words.skip_while(move |word| visibility.contains(word))
}

/// Such as `struct`, for a line that defines one.
fn kind_of(line: &str) -> Option<&str> {
    definition(line).next()
}

/// The name that a line defines, where it was given up.
fn defined(line: &str) -> Option<&str> {
    let mut words = definition(line).filter(|word| *word != "mut").peekable();
    if words.peek() == Some(&"const") && line.contains(" fn ") {
        words.next();
    }
    let (kind, name) = (words.next()?, words.next()?);
    let bad = match kind {
        "struct" | "enum" | "trait" | "type" => TYPES.contains(&name),
        "fn" | "mod" => VALUES.contains(&name),
        "const" | "static" => VALUES.contains(&name.to_lowercase().as_str()),
        _ => false,
    };
    bad.then_some(name)
}

/// The field that a line of a structure declares, where its name was given up.
fn field(line: &str) -> Option<&str> {
    let declared = line.trim_start().split(':').next()?;
    let name = declared.rsplit(' ').next()?;
    VALUES.contains(&name).then_some(name)
}

/// The variant that a line of an enumeration declares, where its name was given up.
fn variant(line: &str) -> Option<&str> {
    let name = line.trim_start().split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    TYPES.contains(&name).then_some(name)
}

#[test]
fn given_up_names_are_found() {
    for bad in [
        "pub struct Seen<'a> {",
        "    pub(crate) fn settle(&mut self) {",
        "    pub const fn told() -> u8 {",
        "pub mod set_times;",
        "trait Guidable: Denoiser {",
        "pub(super) const APART: u64 = 1;",
        "static TWIN: u8 = 0;",
        "pub struct A {\n    pub(super) front: Array2<f64>,\n}",
        "    enum A {\n        Row(u8),\n    }",
        "enum A {\n    One {\n        twin: u8,\n    },\n}",
    ] {
        assert_eq!(given_up(bad).len(), 1, "{bad}");
    }
    for good in [
        "pub struct SeenBefore;",
        "// fn seen()",
        "let seen = 1;",
        "pub fn settled() {",
        "struct A {\n    at_present: Array2<f64>,\n}\nmatch a {\n    Row => 1,\n}",
        "enum A {\n    One,\n}",
    ] {
        assert!(given_up(good).is_empty(), "{good}");
    }
}
