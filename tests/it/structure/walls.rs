//! What each part of the workspace is built from, as `cargo tree` says it.

use std::process::Command;

/// Names of all packages that one is built from, with the features that `arguments` select.
fn packages(arguments: &[&str]) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = ["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(tree.iter().chain(arguments))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<String> = text.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

#[track_caller]
fn built_from(arguments: &[&str], with: &[&str], without: &[&str]) {
    let found = packages(arguments);
    let has = |name: &&&str| found.iter().any(|package| package == **name);
    let (absent, present): (Vec<_>, Vec<_>) =
        (with.iter().filter(|name| !has(name)).collect(), without.iter().filter(has).collect());
    assert!(absent.is_empty(), "{arguments:?} is built without {absent:?}");
    assert!(present.is_empty(), "{arguments:?} is built with {present:?}");
}

const CANDLE: [&str; 2] = ["candle-core", "candle-nn"];
const FILES: [&str; 3] = ["hdf5-metno", "hdf5-metno-sys", "safetensors"];
const COMMAND: [&str; 5] = ["clap", "clap_complete", "indicatif", "signal-hook", "tracing-subscriber"];

fn all(groups: &[&[&'static str]]) -> Vec<&'static str> {
    groups.concat()
}

#[test]
fn dynamics_and_assimilation_need_neither_networks_nor_files_nor_a_command_line() {
    let far = all(&[&CANDLE, &FILES, &COMMAND, &["scorecast"]]);
    built_from(
        &["-p", "scorecast-systems"],
        &["ndarray", "rand"],
        &[far.as_slice(), &["scorecast-assimilation"]].concat(),
    );
    built_from(&["-p", "scorecast-assimilation"], &["scorecast-systems", "faer"], &far);
}

#[test]
fn the_library_without_the_command_pulls_in_nothing_of_a_command_line() {
    let library = ["-p", "scorecast", "--no-default-features"];
    built_from(&library, &["scorecast-assimilation"], &all(&[&CANDLE, &FILES, &COMMAND]));
    let with = |features: &'static str| [library.as_slice(), &["--features", features]].concat();
    built_from(&with("learned"), &CANDLE, &all(&[&FILES[..2], &COMMAND]));
    built_from(&with("files"), &FILES, &all(&[&CANDLE, &COMMAND]));
    built_from(&with("experiments"), &all(&[&CANDLE, &FILES]), &COMMAND);
    built_from(&["-p", "scorecast"], &all(&[&CANDLE, &FILES, &COMMAND]), &[]);
}
