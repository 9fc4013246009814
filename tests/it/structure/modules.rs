//! A crate's files and the arrows between them, read from its paths: those of `use`, and those that begin with `crate`,
//! `super`, a child or an imported name anywhere else.
//!
//! An arrow goes to the file in which the path ends: as many of its segments as are modules with a file. What a file
//! re-exports (`pub use`) is looked up where it comes from; to re-export from a child, and `mod`, is no arrow. Test modules
//! and comments do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of one crate by their module paths, such as `method::ensemble::etkf`; the crate itself is the empty path.
pub struct Modules {
    files: BTreeMap<String, File>,
}

/// What a file names.
struct File {
    imports: Vec<Import>,
    /// Paths of two segments or more that stand outside `use`.
    paths: Vec<String>,
}

/// One path of a `use` and the name that it has in the file.
struct Import {
    public: bool,
    path: String,
    name: String,
}

impl Modules {
    /// Of the crate whose sources are in `folder`.
    pub fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        read_into(&mut files, folder, "");
        files.retain(|name, _| !name.split("::").any(|part| part == "tests" || part.ends_with("_tests")));
        Self { files }
    }

    /// Which file names which, by module paths.
    pub fn arrows(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let targets = |(name, file): (&'_ String, &'_ File)| {
            let used = file.imports.iter().filter(|import| !import.public || outside(&import.path));
            let paths = used.map(|import| &import.path).chain(&file.paths);
            let found = paths.filter_map(|path| self.resolve(name, path));
            found.filter(|target| target != name).collect::<BTreeSet<_>>()
        };
        self.files.iter().map(|entry| (entry.0.as_str(), targets(entry))).collect()
    }

    /// The file in which `path`, written in the file `from`, ends.
    fn resolve(&self, from: &str, path: &str) -> Option<&str> {
        let absolute = self.absolute(from, path)?;
        let mut segments: Vec<&str> = absolute.split("::").filter(|segment| !segment.is_empty()).collect();
        let mut module = String::new();
        while let Some(next) = segments.first() {
            let deeper = joined(&module, next);
            if !self.files.contains_key(&deeper) {
                break;
            }
            module = deeper;
            segments.remove(0);
        }
        let (name, file) = self.files.get_key_value(&module)?;
        let Some((item, beyond)) = segments.split_first() else { return Some(name) };
        match file.imports.iter().find(|import| import.public && import.name == *item) {
            Some(source) if source.path != path => {
                self.resolve(name, &joined(&source.path, &beyond.join("::"))).or(Some(name))
            }
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
        let (first, beyond) = rest.split_once("::").unwrap_or((rest, ""));
        if path.starts_with("super::") || self.files.contains_key(&joined(at, first)) {
            return Some(joined(at, rest));
        }
        let named = |import: &&Import| import.name == first && import.path != path;
        let import = self.files.get(from)?.imports.iter().find(named)?;
        let chained = |import: &Import| import.path.split("::").next() == Some(first);
        (!chained(import)).then(|| self.absolute(from, &import.path)).flatten().map(|start| joined(&start, beyond))
    }
}

/// Whether a path leaves the folder of its file.
fn outside(path: &str) -> bool {
    path.starts_with("crate::") || path.starts_with("super::")
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
    let parts = [module, next];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::")
}

fn read_into(files: &mut BTreeMap<String, File>, folder: &Path, module: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            read_into(files, &path, &joined(module, &stem));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = if ["mod", "lib"].contains(&stem.as_str()) { module.to_owned() } else { joined(module, &stem) };
            files.insert(name, File::of(&without_tests(&std::fs::read_to_string(&path).unwrap())));
        }
    }
}

/// Code without comments, and up to the first module of tests that stands in the file.
pub fn without_tests(code: &str) -> String {
    const TESTS: &str = "#[cfg(test)]\n";
    let stands_here = |at: &usize| {
        let line = code[at + TESTS.len()..].lines().next().unwrap_or_default();
        (line.starts_with("mod ") || line.starts_with("pub(")) && line.contains("mod ") && line.ends_with('{')
    };
    let end = code.match_indices(TESTS).map(|(at, _)| at).find(stands_here).unwrap_or(code.len());
    let code = code[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    // a visibility names a module but needs nothing of it
    code.replace("pub(in ", "pub(in_")
}

impl File {
    /// Of a file's code without tests and comments.
    fn of(code: &str) -> Self {
        let (mut imports, mut paths) = (Vec::new(), Vec::new());
        for statement in code.split(';') {
            let found = use_tree(statement);
            let before = found.map_or(statement, |(before, ..)| before);
            paths.extend(before.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')));
            if let Some((_, public, tree)) = found {
                expand(tree, "", public, &mut imports);
            }
        }
        let paths = paths.into_iter().map(|path| path.trim_end_matches(':')).filter(|path| path.contains("::"));
        let paths = paths.filter(|path| !path.starts_with(':')).map(str::to_owned).collect();
        Self { imports, paths }
    }
}

/// What stands before the `use` that ends a statement, whether it is public, and its tree.
fn use_tree(statement: &str) -> Option<(&str, bool, &str)> {
    statement.match_indices("use ").find_map(|(at, word)| {
        let (before, tree) = (&statement[..at], statement[at + word.len()..].trim());
        let visibility = before.rsplit('\n').next().unwrap_or("").trim();
        let public = visibility == "pub" || (visibility.starts_with("pub(") && visibility.ends_with(')'));
        (public || visibility.is_empty()).then_some((before, public, tree))
    })
}

/// Writes `a::{b, c::D}` as `a::b` and `a::c::D`.
fn expand(tree: &str, prefix: &str, public: bool, found: &mut Vec<Import>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
        let path = path.trim();
        let path = path.strip_suffix("::*").or(path.strip_suffix("self")).unwrap_or(path);
        let path = format!("{prefix}{path}").trim_end_matches(':').to_owned();
        let name = alias.or(path.rsplit("::").next()).unwrap_or_default().to_owned();
        found.push(Import { public, path, name });
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
                    expand(&inner[start..i], &format!("{prefix}{}", head.trim()), public, found);
                }
                start = i + 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Modules {
        let file = |code| File::of(&without_tests(code));
        Modules { files: files.iter().map(|(name, code)| ((*name).to_owned(), file(code))).collect() }
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
                "use crate::{a::{Thing, deep::More}};\nfn f() { crate::a::go() }\n#[cfg(test)]\npub(super) mod tests {\n    use crate::c;\n}",
            ),
        ]);
        let arrows = modules.arrows();
        assert_eq!(arrows["a"], BTreeSet::from(["a::deep"]));
        assert_eq!(arrows["a::deep"], BTreeSet::from(["a", "b"]));
        assert_eq!(arrows["b"], BTreeSet::from(["a", "a::deep"]));
        assert_eq!(circles(&arrows), [BTreeSet::from(["a", "a::deep", "b"])]);
    }

    #[test]
    fn arrows_follow_children_imported_modules_and_other_names() {
        let modules = crate_of(&[
            ("", "pub use a::one::Thing as Renamed;"),
            ("a", "mod one;\nmod two;\npub use one::go as start;\nfn f() -> u8 { two::deep::g() }"),
            ("a::one", "use super::super::b::{self, c as other};\nfn f() { let x = b::go();\n    other::go(x) }"),
            ("a::two", "pub use crate::{b::c::Deep, b::plain as simple};"),
            ("a::two::deep", "use std::fmt as a;\nfn f() { a::one(); one::two() }"),
            (
                "b",
                "pub(crate) use crate::a::two;\nfn f() -> &'static str { let quote = '\"'; \"use it\" }\nuse c::Deep;",
            ),
            ("b::c", "use crate::a::start;\nuse crate::Renamed;\nuse crate::b::two;\nfn f() { two::deep::g() }"),
        ]);
        let arrows = modules.arrows();
        assert_eq!(arrows["a"], BTreeSet::from(["a::two::deep"]));
        assert_eq!(arrows["a::one"], BTreeSet::from(["b", "b::c"]));
        assert_eq!(arrows["a::two"], BTreeSet::from(["b", "b::c"]));
        assert_eq!(arrows["a::two::deep"], BTreeSet::new());
        assert_eq!(arrows["b"], BTreeSet::from(["a::two", "b::c"]));
        assert_eq!(arrows["b::c"], BTreeSet::from(["a::one", "a::two", "a::two::deep"]));
    }
}
