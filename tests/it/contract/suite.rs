//! A suite of experiments through the command line: one table over all, and what is finished is kept.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// What makes each preset of the contest small.
const SMALL: &[&str] = &[
    "data.trajectories=6",
    "data.steps=40",
    "data.spin_up=20",
    "data.split=[0.6, 0.2, 0.2]",
    "forecaster.gaussian.steps=200",
    "observe.steps=12",
    "observe.burn_in=2",
    "observe.replicates=1",
    "score.members=4",
    "score.lead_steps=2",
    "score.starts=2",
];

fn contest(out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.args(["compare", "contest", "--quiet", "--json", "--out"]).arg(out);
    SMALL.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    command.args(more).output().unwrap()
}

#[test]
#[ignore = "a measurement: all presets of the contest, ten minutes and more"]
fn a_suite_has_one_table_over_all_and_keeps_what_is_finished_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("contest");
    let first = contest(&out, &[]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{said}");
    let result = serde_json::from_slice::<Value>(&first.stdout).unwrap()["result"].take();
    assert_eq!(result["runs"].as_array().unwrap().len(), 10);
    let table =
        result["tables"].as_array().unwrap().iter().find(|table| table["metric"] == "energy_score_fair").unwrap();
    // every family has a value on every system
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.len() >= 18, "{}", rows.len());
    for row in rows {
        assert!(row["cells"].as_array().unwrap().iter().all(|cell| cell["value"].is_f64()), "{row}");
    }
    // the cells are those of the runs
    let metrics = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(out.join(name).join("metrics.json")).unwrap()).unwrap()
    };
    let run = metrics("contest_lorenz63_step");
    let of_run = run["forecast"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["forecaster"] == "crps" && row["metric"] == "energy_score_fair" && row["lead_step"] == 1);
    let column =
        table["experiments"].as_array().unwrap().iter().position(|name| name == "contest_lorenz63_step").unwrap();
    let crps = rows.iter().find(|row| row["forecaster"] == "crps").unwrap();
    assert_eq!(of_run.unwrap()["value"], crps["cells"][column]["value"]);
    assert!(
        std::fs::read_to_string(out.join("suite.md")).unwrap().contains("| energy_score_fair | contest_lorenz96 |")
    );

    let refused = contest(&out, &[]);
    assert_eq!(refused.status.code(), Some(7), "{}", String::from_utf8_lossy(&refused.stderr));
    // kept: the same bytes at once
    let before = std::fs::read(out.join("suite.json")).unwrap();
    let again = contest(&out, &["--resume"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(std::fs::read(out.join("suite.json")).unwrap(), before);
    let other = contest(&out, &["--resume", "--seed", "5"]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("another experiment"));
    let file = out.join("contest_lorenz63").join("metrics.csv");
    std::fs::write(&file, "changed").unwrap();
    let changed = contest(&out, &["--resume"]);
    let said = String::from_utf8_lossy(&changed.stderr).into_owned();
    assert!(said.contains("metrics.csv") && said.contains("changed since"), "{said}");
}
