//! The long forms of suites, one preset at a time, each in an hour or less on two cores:
//! `SCORECAST_ONLY=contest_lorenz63 cargo test --release --workspace --test it measured::long_form -- --ignored --nocapture`.
//! What is found is kept in a folder beside the suite's page in docs/src/results, from where `UPDATE_DOCS=1 cargo test --release --workspace --test docs`
//! makes the tables of the page. `SCORECAST_RUNS` names a folder for the runs, where a run that was stopped goes on.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use scorecast::results::Report;
use scorecast::spec::suites::{Member, SUITES, Suite};
use scorecast::stage::suite::SuiteResult;

use super::kept_results::{Kept, kept, preset_digest, result_digest};

#[test]
#[ignore = "a measurement"]
fn the_long_forms_of_suites() {
    let only = std::env::var("SCORECAST_ONLY").unwrap_or_default();
    let own = tempfile::tempdir().unwrap();
    let folder = std::env::var("SCORECAST_RUNS").map_or_else(|_| own.path().to_path_buf(), PathBuf::from);
    let long = SUITES.iter().filter(|suite| suite.name.ends_with("_full"));
    let all = long.flat_map(|suite| suite.members.iter().map(move |member| (suite, member)));
    for (suite, member) in all.filter(|(_, member)| only.is_empty() || member.preset == only) {
        if is_kept(suite, member) {
            println!("{} is kept already", member.preset);
            continue;
        }
        run(member.preset, &suite.set_in(member), &folder);
        let report = std::fs::read_to_string(folder.join(member.preset).join("report.json")).unwrap();
        let report: Report = serde_json::from_str(&report).unwrap();
        let result = SuiteResult::of(&report);
        let result = Kept {
            suite: suite.name.to_owned(),
            set: suite.set_in(member).into_iter().map(str::to_owned).collect(),
            preset_sha256: preset_digest(suite, member),
            result_sha256: result_digest(&result),
            result,
        };
        std::fs::create_dir_all(kept(suite, member).parent().unwrap()).unwrap();
        std::fs::write(kept(suite, member), serde_json::to_string(&result).unwrap() + "\n").unwrap();
        println!("{}: kept", member.preset);
    }
}

/// Whether the result of a preset is there, unchanged and of the preset as it is.
fn is_kept(suite: &Suite, member: &Member) -> bool {
    let Ok(text) = std::fs::read_to_string(kept(suite, member)) else { return false };
    serde_json::from_str(&text).is_ok_and(|kept: Kept| kept.doubts(suite, member).is_empty())
}

fn run(preset: &str, set: &[&str], folder: &Path) {
    let out = folder.join(preset);
    if out.join("DONE").exists() {
        return println!("{preset} was run before");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.args(["compare", preset, "--out"]).arg(out).args(set.iter().flat_map(|set| ["--set", set]));
    // a run that was begun goes on
    assert!(command.arg("--resume").status().unwrap().success(), "{preset}");
}
