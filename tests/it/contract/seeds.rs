//! Forecasters of several seeds, pools of them, and forecasters of several states, through the command line.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const BASE: &str = r#"
seed = 11
[system]
name = "observe_partially"
of = { name = "lorenz63", noise = 1.0 }
components = [0, 1]
[data]
trajectories = 10
steps = 60
dt = 0.05
split = [0.6, 0.2, 0.2]
[observe]
steps = 40
burn_in = 10
replicates = 3
[[assimilate]]
method = "etkf"
forecaster = ["NAMES"]
members = 12
[score]
metrics = ["crps_fair", "log_score", "rmse"]
forecasters = ["NAMES"]
lead_steps = 3
members = 8
starts = 4
"#;

fn run(folder: &Path, name: &str, names: &[&str], forecasters: &str) -> Output {
    let file = folder.join(format!("{name}.toml"));
    std::fs::write(&file, BASE.replace("NAMES", &names.join("\", \"")) + forecasters).unwrap();
    let out = folder.join(name);
    Command::new(env!("CARGO_BIN_EXE_scorecast"))
        .args(["compare", "--quiet", "--json", "--out"])
        .args([&out, &file])
        .output()
        .unwrap()
}

fn compared(folder: &Path, name: &str, names: &[&str], forecasters: &str) -> Value {
    let output = run(folder, name, names, forecasters);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["result"].take()
}

fn section(name: &str, more: &str) -> String {
    format!(
        "[[forecaster]]\nname = \"{name}\"\nkind = \"gaussian\"\nwidth = 8\nblocks = 1\nsteps = 60\nvalidate_every = 20\n{more}\n"
    )
}

/// The rows of a table with this label, of a metric.
fn rows<'a>(result: &'a Value, table: &str, key: &str, label: &str, metric: &str) -> Vec<&'a Value> {
    result[table].as_array().unwrap().iter().filter(|row| row[key] == label && row["metric"] == metric).collect()
}

#[test]
fn a_row_of_seeds_is_the_mean_of_those_of_each_and_a_pool_is_one_forecaster() {
    let folder = tempfile::tempdir().unwrap();
    let several = compared(folder.path(), "several", &["ar"], &section("ar", "seeds = 2"));
    let model = |index: usize| {
        let file = folder.path().join(format!("several/models/ar-seed-{index}.safetensors"));
        format!("[[forecaster]]\nname = \"ar{index}\"\nmodel = \"{}\"\n", file.display())
    };
    let each = compared(folder.path(), "each", &["ar1", "ar2"], &(model(1) + &model(2)));
    for (table, key, of) in [
        ("forecast", "forecaster", ["ar", "ar1", "ar2"]),
        ("assimilation", "label", ["etkf / ar", "etkf / ar1", "etkf / ar2"]),
    ] {
        for metric in ["crps_fair", "rmse"] {
            let [mean, first, second] =
                of.map(|label| rows(if label.ends_with("ar") { &several } else { &each }, table, key, label, metric));
            assert!(!mean.is_empty() && mean.len() == first.len() && first.len() == second.len());
            for ((mean, first), second) in mean.iter().zip(first).zip(second) {
                let [m, a, b] = [mean, first, second].map(|row| row["value"].as_f64().unwrap());
                assert!((m - 0.5 * (a + b)).abs() < 1e-9 * m, "{table} {metric}: {m} of {a} and {b}");
                assert!(a != b, "two seeds are one");
                assert_eq!((mean["seeds"].as_u64(), mean["n"].clone()), (Some(2), first["n"].clone()));
                // half the variance of two values, and that over the truths
                let [se, over_truths] = [
                    mean["se"].as_f64().unwrap(),
                    0.5 * (first["se"].as_f64().unwrap() + second["se"].as_f64().unwrap()),
                ];
                let expected = (over_truths * over_truths + 0.25 * (a - b) * (a - b)).sqrt();
                assert!((se / expected - 1.0).abs() < 1e-6, "{table} {metric}: {se} {expected}");
            }
        }
    }
    let pooled = compared(folder.path(), "pooled", &["ar"], &section("ar", "seeds = 2\npool = true"));
    let score = |result: &Value, label: &str| {
        rows(result, "forecast", "forecaster", label, "log_score")[0]["value"].as_f64().unwrap()
    };
    // -ln of a mean is below the mean of -ln
    assert!(score(&pooled, "ar") < score(&several, "ar"));
    assert!(rows(&pooled, "forecast", "forecaster", "ar", "crps_fair")[0].get("seeds").is_none());
    assert_eq!(pooled["training"].as_array().unwrap().len(), 2);
}

#[test]
fn several_states_are_forecast_and_assimilated_and_what_needs_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let result =
        compared(folder.path(), "history", &["ar", "wide"], &(section("ar", "") + &section("wide", "history = 4")));
    for (table, key, label) in [("forecast", "forecaster", "wide"), ("assimilation", "label", "etkf / wide")] {
        for metric in ["crps_fair", "rmse"] {
            let rows = rows(&result, table, key, label, metric);
            assert!(
                !rows.is_empty() && rows.iter().all(|row| row["value"].as_f64().is_some_and(f64::is_finite)),
                "{table}"
            );
        }
    }
    // all start where the longest history is there, and are compared on the same cases
    let n = |label: &str| rows(&result, "forecast", "forecaster", label, "crps_fair")[0]["n"].clone();
    assert_eq!(n("ar"), n("wide"));
    let guided = "[[assimilate]]\nmethod = \"guided\"\nforecaster = \"wide\"\n";
    let refused = run(folder.path(), "refused", &["wide"], &(section("wide", "history = 4") + guided));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains("does not offer with a `history` of 4"), "{message}");
}

#[test]
fn a_stored_model_of_several_states_forecasts_from_where_they_are_and_on_the_states_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let long = "[[forecaster]]\nname = \"long\"\nkind = \"gaussian\"\nhistory = 5\nsteps = 30\nwidth = 8\nblocks = 1\n";
    let short = long.replace("long", "short").replace("history = 5", "history = 1");
    let compared = run(folder.path(), "both", &["long", "short"], &format!("{long}{short}"));
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
    let metrics = std::fs::read(folder.path().join("both").join("metrics.json")).unwrap();
    let metrics: Value = serde_json::from_slice(&metrics).unwrap();
    let states = |label: &str| {
        let rows = metrics["forecast"].as_array().unwrap().iter();
        let mut own = rows.filter(|row| row["forecaster"] == label && row["metric"] == "log_score");
        own.next().unwrap()["n"].as_u64()
    };
    // densities too are of the states where all histories are there
    assert!(states("long").is_some() && states("long") == states("short"));
    let model = folder.path().join("both/models/long.safetensors");
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.args(["forecast", "--quiet", "--model"]).arg(format!("long={}", model.display()));
    command.arg(folder.path().join("both.toml")).arg("--out").arg(folder.path().join("files"));
    let written = command.args(["--set", "score.forecasters=[\"long\"]"]).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    assert!(folder.path().join("files/long.nc").exists());
}
