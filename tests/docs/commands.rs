//! Every command that a page shows: run in the page's order in a folder of its own, or with `--dry-run` where it is slow.
//! Every experiment that a page shows: parsed by `config show`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use super::exists;
use super::page::{Block, Page, pages, root};

/// How a command line of the program begins.
const OURS: [&str; 2] = ["scorecast ", "cargo run --release -- "];

/// The commands of a block: one a line, or several lines that end in a backslash.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A folder where `scorecast` is the program, and `benches` and `data` are those of the repository.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = format!("#!/bin/sh\nexec '{}' \"$@\" $DRY_RUN\n", env!("CARGO_BIN_EXE_scorecast"));
    let program = bin.join("scorecast");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["benches", "data"] {
        symlink(root().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Runs a line of a shell in `folder`.
fn shell(folder: &Path, line: &str, dry: bool) -> Output {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let dry = if dry { "--dry-run" } else { "" };
    Command::new("sh").args(["-c", line]).current_dir(folder).env("PATH", path).env("DRY_RUN", dry).output().unwrap()
}

fn must_succeed(page: &Page, block: &Block, line: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:{}: `{line}` says:\n{said}", page.name, block.line);
}

/// Saves an experiment as its page says, and parses it.
fn experiment(page: &Page, block: &Block, folder: &Path) {
    let name = block.mark("file").unwrap_or("shown.toml");
    std::fs::write(folder.join(name), &block.text).unwrap();
    let line = format!("scorecast config show {name}");
    must_succeed(page, block, &line, &shell(folder, &line, false));
}

/// Runs the commands of a block; those of Cargo's other targets must name targets that exist.
fn script(page: &Page, block: &Block, folder: &Path) {
    for line in commands(&block.text) {
        if let Some(words) = OURS.iter().find_map(|start| line.strip_prefix(start)) {
            let start = Instant::now();
            let output = shell(folder, &format!("scorecast {words}"), block.is_slow());
            println!("{:6.1} s {} {line}", start.elapsed().as_secs_f64(), if block.is_slow() { "dry" } else { "run" });
            must_succeed(page, block, &line, &output);
        } else if line.starts_with("cargo ") {
            has_its_target(page, block, &line);
        }
    }
}

/// `cargo test -p x --test y` needs a package x with a test y.
fn has_its_target(page: &Page, block: &Block, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
    let folder = after("-p").map_or("", |package| package.strip_prefix("scorecast-").unwrap_or("no package"));
    let targets = words.windows(2).filter_map(|pair| match pair[0] {
        "--test" => Some(("tests", pair[1])),
        "--bench" => Some(("benches", pair[1])),
        "--example" => Some(("examples", pair[1])),
        _ => None,
    });
    for (kind, name) in targets {
        let paths = [".rs", "/main.rs"].map(|end| Path::new(folder).join(kind).join(format!("{name}{end}")));
        assert!(paths.iter().any(exists), "{}:{}: `{line}`: there is no {}", page.name, block.line, paths[0].display());
    }
}

#[test]
fn every_command_runs_and_every_experiment_parses_page_by_page() {
    let only = std::env::var("DOCS_PAGE").unwrap_or_default();
    for page in pages().into_iter().filter(|page| page.name.contains(&only)) {
        let folder = workplace();
        for block in &page.blocks {
            match block.tag.as_str() {
                "toml" => experiment(&page, block, folder.path()),
                "sh" => script(&page, block, folder.path()),
                _ => {}
            }
        }
    }
}
