//! A member of a registry is one file and one line of its registry, beside its `mod` and what is public of it.

use std::path::{Path, PathBuf};

/// A registry's folder and the members of it that pages `to add ...` show.
const MEMBERS: &[(&str, &str)] = &[
    ("systems/src/catalogue", "lorenz84"),
    ("systems/src/noising/schedule", "vp_cosine"),
    ("systems/src/noising/sampler", "euler"),
    ("assimilation/src/method/ensemble", "denkf"),
    ("assimilation/src/method/diffusion/guidance", "dps"),
    ("assimilation/src/method/variational", "four_d_envar"),
    ("src/forecast", "persistence"),
    ("src/nn/network", "conv2d"),
    ("src/nn/objective", "velocity"),
    ("src/score", "mae_median"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Lines of code outside tests in which `name` is a module's name: `mod name`, `name::...` or `{..., name}`.
fn lines_that_name(file: &Path, name: &str) -> Vec<String> {
    let code = std::fs::read_to_string(file).unwrap();
    let end = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '`';
    let names = |line: &&str| {
        !line.trim_start().starts_with("//")
            && line.match_indices(name).any(|(at, _)| {
                let (before, after) = (&line[..at], &line[at + name.len()..]);
                !before.ends_with(is_word) && !after.starts_with(is_word)
            })
    };
    code[..end].lines().filter(names).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn an_example_of_each_page_is_named_by_its_registry_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "systems/src", "assimilation/src"] {
        sources(&root.join(folder), &mut files);
    }
    for (folder, member) in MEMBERS {
        let own = root.join(folder).join(format!("{member}.rs"));
        assert!(own.is_file(), "{}", own.display());
        let mut found = Vec::new();
        for file in files.iter().filter(|file| **file != own && !file.ends_with("tests.rs")) {
            let lines = lines_that_name(file, member);
            found.extend(lines.into_iter().map(|line| (file.strip_prefix(root).unwrap().to_owned(), line)));
        }
        let entries = found.iter().filter(|(_, line)| line.contains("ENTRY")).count();
        let others = found.iter().filter(|(_, line)| !line.contains("ENTRY"));
        assert_eq!(entries, 1, "{member}: {found:#?}");
        for (_, line) in others {
            let public = line.starts_with("pub use ") && line.contains(&format!("{member}::"));
            let declares = public || line.ends_with(&format!("mod {member};"));
            assert!(declares, "{member}: {line}");
        }
    }
}
