//! A crate's files and the arrows between them, read from its paths `crate::a::b::Item` and `super::Item`.
//!
//! An arrow goes to the file in which the path ends: as many of its segments as are modules with a file. What a file only
//! re-exports (`pub use`) is looked up where it comes from, and `mod` is no arrow. Test modules and comments do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of one crate by their module paths, such as `method::ensemble::etkf`; the crate itself is the empty path.
pub struct Modules {
    code: BTreeMap<String, String>,
}

impl Modules {
    /// Of the crate whose sources are in `folder`.
    pub fn read(folder: &Path) -> Self {
        let mut code = BTreeMap::new();
        read_into(&mut code, folder, "");
        code.retain(|name, _| !name.split("::").any(|part| part == "tests" || part.ends_with("_tests")));
        Self { code }
    }

    /// Which file names which, by module paths.
    pub fn arrows(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let targets = |(name, code): (&'_ String, &'_ String)| {
            let found = paths(code).into_iter().filter_map(|path| self.resolve(name, &path));
            found.filter(|target| target != name).collect::<BTreeSet<_>>()
        };
        self.code.iter().map(|entry| (entry.0.as_str(), targets(entry))).collect()
    }

    /// The file in which `path`, written in the file `from`, ends.
    fn resolve(&self, from: &str, path: &str) -> Option<&str> {
        let absolute = self.absolute(from, path)?;
        let mut segments: Vec<&str> = absolute.split("::").filter(|segment| !segment.is_empty()).collect();
        let mut module = String::new();
        while let Some(next) = segments.first() {
            let deeper = joined(&module, next);
            if !self.code.contains_key(&deeper) {
                break;
            }
            module = deeper;
            segments.remove(0);
        }
        let (name, code) = self.code.get_key_value(&module)?;
        let Some(item) = segments.first() else { return Some(name) };
        match re_exported(code, item) {
            Some(source) if source != path => self.resolve(name, &source).or(Some(name)),
            _ => Some(name),
        }
    }

    /// `path` from the crate's root; none of another crate's.
    fn absolute(&self, from: &str, path: &str) -> Option<String> {
        if let Some(rest) = path.strip_prefix("crate::") {
            return Some(rest.to_owned());
        }
        let (mut at, mut rest) = (from, path);
        if let Some(inside) = rest.strip_prefix("self::") {
            rest = inside;
        }
        while let Some(above) = rest.strip_prefix("super::") {
            (at, rest) = (at.rsplit_once("::").map_or("", |(parent, _)| parent), above);
        }
        let whole = joined(at, rest);
        let inside = rest.split("::").next().is_some_and(|first| self.code.contains_key(&joined(at, first)));
        (inside || path.starts_with("super::")).then_some(whole)
    }
}

/// Largest sets of files each of which reaches the others, those of one file left out.
pub fn circles<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<BTreeSet<&'a str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|file| (*file, reached(arrows, file))).collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for (file, others) in &reach {
        let circle: BTreeSet<&str> = others.iter().copied().filter(|other| reach[other].contains(file)).collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

fn reached<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = arrows[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(&arrows[file]);
        }
    }
    found
}

fn joined(module: &str, next: &str) -> String {
    if module.is_empty() { next.to_owned() } else { format!("{module}::{next}") }
}

fn read_into(code: &mut BTreeMap<String, String>, folder: &Path, module: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            read_into(code, &path, &joined(module, &stem));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = if ["mod", "lib"].contains(&stem.as_str()) { module.to_owned() } else { joined(module, &stem) };
            code.insert(name, without_tests(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Code without comments, and up to the first module of tests that stands in the file.
pub fn without_tests(code: &str) -> String {
    const TESTS: &str = "#[cfg(test)]\nmod ";
    let stands_here = |at: &usize| code[at + TESTS.len()..].lines().next().is_some_and(|line| line.ends_with('{'));
    let end = code.match_indices(TESTS).map(|(at, _)| at).find(stands_here).unwrap_or(code.len());
    let code = code[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    // a visibility names a module but needs nothing of it
    code.replace("pub(in crate", "pub(in_crate")
}

/// Every path of modules in a file: those of `use`, one by one, and those that begin with `crate::` or `super::` elsewhere.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        let Some((public, tree)) = use_tree(statement) else { continue };
        if !public {
            expand(tree, "", &mut found);
        }
    }
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for piece in code.split(|c: char| !word(c)) {
        if piece.starts_with("crate::") || piece.starts_with("super::") {
            found.push(piece.trim_end_matches(':').to_owned());
        }
    }
    let registered =
        code.split(|c: char| !word(c)).filter(|piece| piece.ends_with("::ENTRY") && !piece.starts_with(':'));
    found.extend(registered.map(str::to_owned));
    found
}

/// The tree of a statement that is a `use`, and whether it only re-exports.
fn use_tree(statement: &str) -> Option<(bool, &str)> {
    let line = statement.trim_start();
    let at = if line.starts_with("use ") { 0 } else { line.find("\nuse ").or_else(|| line.find(" use "))? + 1 };
    let before = line[..at].rsplit('\n').next().unwrap_or("").trim();
    if !(before.is_empty() || before.starts_with("pub")) {
        return None;
    }
    Some((before.starts_with("pub"), line[at..].strip_prefix("use ")?.trim()))
}

/// Writes `a::{b, c::D}` as `a::b` and `a::c::D`.
fn expand(tree: &str, prefix: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree).trim();
        let name = name.strip_suffix("::*").or(name.strip_suffix("self")).unwrap_or(name).trim_end_matches(':');
        found.push(format!("{prefix}{name}").trim_end_matches(':').to_owned());
        return;
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut start) = (0, 0);
    for (i, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..i].trim().is_empty() {
                    expand(&inner[start..i], &format!("{prefix}{}", head.trim()), found);
                }
                start = i + 1;
            }
            _ => {}
        }
    }
}

/// The path that a file re-exports under the name `item`.
fn re_exported(code: &str, item: &str) -> Option<String> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        if let Some((true, tree)) = use_tree(statement) {
            expand(tree, "", &mut found);
        }
    }
    found.into_iter().find(|path| path.rsplit("::").next() == Some(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Modules {
        Modules { code: files.iter().map(|(name, code)| ((*name).to_owned(), without_tests(code))).collect() }
    }

    #[test]
    fn arrows_follow_lists_parents_and_re_exports() {
        let modules = crate_of(&[
            ("", "pub mod a;\npub mod b;\npub use a::deep::Thing;"),
            (
                "a",
                "#[cfg(test)]\nmod tests;\npub mod deep;\npub use deep::Thing;\npub const ALL: &[E] = &[deep::ENTRY];",
            ),
            ("a::deep", "// use crate::b::No;\nuse crate::b::{self, Other};\nuse super::missing;"),
            (
                "b",
                "use crate::{a::{Thing, deep::More}};\nfn f() { crate::a::go() }\n#[cfg(test)]\nmod tests {\n    use crate::c;\n}",
            ),
        ]);
        let arrows = modules.arrows();
        assert_eq!(arrows["a"], BTreeSet::from(["a::deep"]));
        assert_eq!(arrows["a::deep"], BTreeSet::from(["a", "b"]));
        assert_eq!(arrows["b"], BTreeSet::from(["a", "a::deep"]));
        assert_eq!(circles(&arrows), [BTreeSet::from(["a", "a::deep", "b"])]);
    }
}
