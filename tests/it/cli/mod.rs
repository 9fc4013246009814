//! The command line as a user meets it: what each good and each bad input prints, and with which exit code.
//!
//! To add a bad input, add a row to one of the tables.

// Clippy's leave to unwrap in tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

mod assimilation;
mod bad_experiments;
mod budgets;
mod contained;
mod devices;
mod diagnose;
mod dimension;
mod foreign;
mod honest_numbers;
mod killed;
mod limits;
mod out_of_core;
mod parameters;
mod provenance;
mod tuning;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bad_experiments::{BAD_EXPERIMENTS, Bad, OU, after_ou};
use serde_json::Value;

/// Bad arguments: what stderr must say; the exit code is 2.
const BAD_ARGUMENTS: &[(&[&str], &str)] = &[
    (&[], "Usage: scorecast"),
    (&["comparr"], "unrecognized subcommand 'comparr'"),
    (&["compare", "--bogus"], "unexpected argument '--bogus'"),
    (&["compare", "lorez96"], "did you mean `lorenz96`?"),
    (&["compare", "no/such/file.toml"], "no such file"),
    (&["compare", "."], "is a folder, not an experiment file"),
    (&["config", "show", "linear", "--threads", "0"], "--threads"),
    (&["config", "show", "linear", "--seed", "-3"], "--seed"),
    (&["config", "show", "linear", "--max-memory", "much"], "such as 4GiB"),
    (&["config", "show", "linear", "--max-memory", "0"], "such as 4GiB"),
    (&["config", "show", "linear", "--log-format", "xml"], "xml"),
    (&["compare", "linear", "--force", "--resume"], "cannot be used with"),
    (&["forecast", "linear"], "no forecaster whose forecasts are scored"),
    (&["forecast", "linear", "--model", "x"], "LABEL=FILE"),
    (&["forecast", "linear", "--model", "x=y.safetensors"], "`x` is no forecaster of `linear`"),
    (&["train", "lorenz96", "--forecaster", "difusion"], "did you mean `diffusion`?"),
    (&["list", "weather"], "weather"),
    (&["evaluate"], "required arguments"),
    (&["reproduce"], "required arguments"),
    (&["reproduce", "src"], "holds no TOML file"),
    (&["reproduce", "no/such"], "no such file"),
    (&["reproduce", "benches/presets/sakov2008.toml"], "has no [[expected]] figures"),
    (&["tune", "sakov2008"], "required arguments"),
    (&["tune", "sakov2008", "--grid", "inflation"], "write KEY=a,b,c or KEY=from:to:step"),
    (&["tune", "sakov2008", "--grid", "inflation=1:2:0"], "set a step above 0"),
    (
        &["tune", "sakov2008", "--grid", "inflaton=1,2", "--set", "data.trajectories=4"],
        "no row of `sakov2008` has the setting `inflaton`",
    ),
    (&["tune", "sakov2008", "--grid", "inflation=1,2", "--row", "etfk"], "did you mean `etkf`?"),
    (&["tune", "sakov2008", "--grid", "inflation=1,1"], "the value 1 of `inflation` twice"),
    (&["tune", "sakov2008", "--grid", "inflation=1,2", "--grid", "inflation=3"], "given twice for `inflation`"),
    (&["tune", "sakov2008", "--grid", "inflation=1,2", "--metric", "spread"], "no metric that tells better from worse"),
    (&["tune", "lorenz96", "--grid", "learning_rate=1,2", "--forecaster", "difusion"], "did you mean `diffusion`?"),
    (
        &["tune", "lorenz96", "--grid", "inflation=1,2", "--forecaster", "*"],
        "no forecaster of `lorenz96` has the setting `inflation`",
    ),
    (&["tune", "lorenz96", "--grid", "learning_rate=-1,2", "--forecaster", "diffusion"], "learning_rate"),
    (
        &["tune", "lorenz96", "--grid", "learning_rate=1,2", "--forecaster", "gaussian", "--metric", "valid_time"],
        "forecasts of one lead step, which `valid_time` says nothing of",
    ),
    (
        &["tune", "lorenz96", "--grid", "learning_rate=1,2", "--forecaster", "*", "--row", "letkf"],
        "cannot be used with",
    ),
    (&["diagnose"], "required arguments"),
    (&["diagnose", "lorez96"], "unknown system `lorez96`; did you mean `lorenz96`?"),
    (&["diagnose", "lorenz96", "--set", "system.forcng=1"], "did you mean `forcing`?"),
    (&["diagnose", "lorenz96", "--gallery", "x.svg"], "cannot be used with"),
    (&["dimension"], "required arguments"),
    (&["dimension", "lorez96"], "did you mean `lorenz96`?"),
    (&["dimension", "lorenz96", "--points", "10"], "--points"),
    (&["dimension", "lorenz96", "--data", "lorenz63"], "--data goes with a model"),
];

fn scorecast(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scorecast")).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "stdout is not one line: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Runs with and without `--json`: both fail alike, and stdout holds nothing or one JSON object.
fn refused(args: &[&str], code: i32, kind: &str) -> (String, Value) {
    let plain = scorecast(args);
    assert_eq!(plain.status.code(), Some(code), "{args:?}: {}", stderr(&plain));
    assert!(plain.stdout.is_empty(), "{args:?} wrote to stdout");
    let as_json = scorecast(&[args, &["--json"]].concat());
    assert_eq!(as_json.status.code(), Some(code), "{args:?}");
    let object = json(&as_json);
    assert_eq!(object["ok"], false, "{args:?}");
    let error = &object["error"];
    assert_eq!((error["code"].as_i64(), error["kind"].as_str()), (Some(i64::from(code)), Some(kind)), "{args:?}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{args:?}");
    for key in ["hint", "location"] {
        assert!(error.get(key).is_some_and(|value| value.is_null() || value.is_string()), "{args:?}: {key}");
    }
    (stderr(&plain), object)
}

/// The names in a folder, sorted.
pub(crate) fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn every_mistake_in_an_experiment_is_told_with_its_line_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    for Bad { text, set, says } in BAD_EXPERIMENTS {
        let (text, set) = match set {
            ["in_ou"] => (after_ou(text), &[][..]),
            ["estimate"] => {
                let row = "system = { name = \"lorenz63\" }\n[observe]\n[[assimilate]]\nmethod = \"etkf\"\nestimate = ";
                (format!("{row}{text}"), &[][..])
            }
            ["inside"] => (format!("[system]\nname = \"embed\"\n[system.of]\n{text}"), &[][..]),
            _ => ((*text).to_owned(), *set),
        };
        let path = write(folder.path(), "x.toml", text.as_bytes());
        let mut args = vec!["config", "show", path.to_str().unwrap()];
        set.iter().for_each(|set| args.extend(["--set", set]));
        let (said, object) = refused(&args, 2, "usage");
        let said = said.replace(&format!("{}/", folder.path().display()), "");
        for phrase in *says {
            assert!(said.contains(phrase), "{text}\n{set:?}\nshould say: {phrase}\nsays: {said}");
        }
        assert!(object["error"]["location"].is_string(), "{text}: no location");
    }
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{OU}sed = 1\n[observe]\nnoise = -1\n[score]\nmember = 3\nstarts = 0\n");
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let (said, object) = refused(&["config", "show", path.to_str().unwrap()], 2, "usage");
    assert!(said.contains("4 mistakes"), "{said}");
    let lines: Vec<&str> = said.lines().filter_map(|line| line.split_once("x.toml:")).map(|(_, rest)| rest).collect();
    let numbers: Vec<&str> = lines.iter().skip(1).filter_map(|rest| rest.split(':').next()).collect();
    assert_eq!(numbers, ["5", "7", "9", "10"], "{said}");
    assert!(object["error"]["message"].as_str().unwrap().contains("x.toml:10"));
}

#[test]
fn bad_arguments_are_refused() {
    for (args, phrase) in BAD_ARGUMENTS {
        let (said, _) = refused(args, 2, "usage");
        assert!(said.contains(phrase), "{args:?} should say: {phrase}\nsays: {said}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.toml", b"seed = 1\nname = \"\xff\xfe\"\n");
    let (said, object) = refused(&["compare", path.to_str().unwrap()], 2, "usage");
    assert!(said.contains("not UTF-8 text from line 2 on"), "{said}");
    assert!(object["error"]["location"].as_str().unwrap().ends_with("x.toml:2"));
}

#[test]
fn an_experiment_beyond_the_memory_limit_is_refused_before_anything_is_allocated() {
    let args = ["compare", "lorenz96", "--set", "data.trajectories=1000000000", "--max-memory", "1GiB"];
    let (said, _) = refused(&args, 5, "resource");
    assert!(
        said.contains("--max-memory is 1.0 GiB") && said.contains("trajectories (1000000000 x 1024 x 40)"),
        "{said}"
    );
}

#[test]
fn results_are_one_json_object() {
    let good: &[(&[&str], &str)] = &[
        (&["list"], "list"),
        (&["list", "systems"], "list"),
        (&["config", "show", "linear"], "config"),
        (&["config", "schema"], "config"),
        (&["completions", "bash"], "completions"),
        (&["compare", "--dry-run"], "compare"),
        (&["train", "lorenz63", "--dry-run"], "train"),
        (&["assimilate", "sakov2008", "--dry-run"], "assimilate"),
        (&["diagnose", "lorenz63", "--dry-run"], "diagnose"),
        (&["--help"], "help"),
        (&["compare", "--help"], "help"),
        (&["--version"], "version"),
    ];
    for (args, command) in good {
        let plain = scorecast(args);
        assert!(plain.status.success(), "{args:?}: {}", stderr(&plain));
        assert!(!plain.stdout.is_empty() && plain.stderr.is_empty(), "{args:?}: {}", stderr(&plain));
        let output = scorecast(&[*args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}");
        let object = json(&output);
        assert_eq!(
            (&object["ok"], object["schema"].as_str()),
            (&Value::Bool(true), Some(&*format!("scorecast/{command}/v1")))
        );
        assert!(!object["result"].is_null(), "{args:?}");
    }
}

#[test]
fn every_preset_can_be_run_dry_and_shown_and_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let presets = json(&scorecast(&["list", "presets", "--json"]));
    for preset in presets["result"]["presets"].as_array().unwrap() {
        let name = preset["name"].as_str().unwrap();
        let dry = scorecast(&["compare", name, "--dry-run"]);
        assert!(dry.status.success(), "{name}: {}", stderr(&dry));
        let shown = scorecast(&["config", "show", name]);
        let path = write(folder.path(), "experiment.toml", &shown.stdout);
        let again = scorecast(&["config", "show", path.to_str().unwrap()]);
        assert_eq!(String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&again.stdout), "{name}");
    }
}

#[test]
fn overrides_and_the_seed_reach_the_plan() {
    let args = ["config", "show", "sakov2008", "--seed", "11", "--set", "assimilate.enkf.members=17", "--json"];
    let shown = json(&scorecast(&args));
    let experiment = &shown["result"]["experiment"];
    assert_eq!(experiment["seed"], 11);
    assert_eq!(experiment["assimilate"][1]["members"], 17);
    assert_eq!(experiment["assimilate"][0]["members"], 24);
}

#[test]
fn the_usual_stepping_is_in_the_resolved_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |text: &str, set: &[&str]| {
        let path = write(folder.path(), "x.toml", text.as_bytes());
        let mut args = vec!["config", "show", path.to_str().unwrap(), "--json"];
        set.iter().for_each(|set| args.extend(["--set", set]));
        json(&scorecast(&args))["result"]["experiment"].clone()
    };
    let stepping = |experiment: &Value| {
        let data = &experiment["data"];
        (data["dt"].as_f64(), data["substeps"].as_i64(), data["spin_up"].as_i64())
    };
    let systems = json(&scorecast(&["list", "systems", "--json"]));
    for system in systems["result"]["systems"].as_array().unwrap() {
        let name = system["name"].as_str().unwrap();
        let found = shown(&format!("[system]\nname = \"{name}\"\n"), &[]);
        let usual = &system["usual"];
        let expected = (usual["dt"].as_f64(), usual["substeps"].as_i64(), usual["spin_up"].as_i64());
        assert_eq!(stepping(&found), expected, "{name}");
        assert_eq!(found["data"]["integrator"], usual["integrator"], "{name}");
    }
    // what is set stays; another lead step keeps the usual integration step and spin-up time
    let wrapped = "[system]\nname = \"embed\"\nof = \"lorenz96\"\n";
    assert_eq!(stepping(&shown(wrapped, &[])), (Some(0.05), Some(1), Some(1000)));
    assert_eq!(stepping(&shown(wrapped, &["data.dt=0.2"])), (Some(0.2), Some(4), Some(250)));
    assert_eq!(
        stepping(&shown(wrapped, &["data.dt=0.2", "data.substeps=1", "data.spin_up=7"])),
        (Some(0.2), Some(1), Some(7))
    );
    let file = "[data]\nfile = \"a.nc\"\n";
    assert_eq!(stepping(&shown(file, &[])), (Some(1.0), Some(1), None));
}

#[test]
fn systems_in_systems_reach_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[system]\nname = \"embed\"\nnoise = 0.1\n[system.of]\nname = \"perturb_parameters\"\n\
                parameters = [\"rho\"]\nof = { name = \"lorenz63\", rho = 27.0 }\n";
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let args =
        ["config", "show", path.to_str().unwrap(), "--set", "system.of.of.rho=30", "--set", "system.of.spread=0.1"];
    let shown = scorecast(&args);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let object = json(&scorecast(&[&args[..], &["--json"]].concat()));
    let inside = &object["result"]["experiment"]["system"]["of"];
    assert_eq!((&inside["name"], &inside["spread"]), (&Value::from("perturb_parameters"), &Value::from(0.1)));
    assert_eq!((&inside["parameters"][0], &inside["of"]["rho"]), (&Value::from("rho"), &Value::from(30.0)));
    assert_eq!(inside["of"]["sigma"], 10.0, "defaults are filled in");
    let again = write(folder.path(), "again.toml", &shown.stdout);
    let again = scorecast(&["config", "show", again.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&again.stdout));
}

/// Forecasters that learn from what is seen, a twin of what is seen, and no forecaster that knows the rest.
#[test]
fn a_partly_hidden_system_serves_learned_forecasters() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[system]\nname = \"observe_partially\"\n[system.of]\nname = \"embed\"\nof = \"perturb_parameters\"\n\
                [data]\ntrajectories = 8\nsteps = 60\n[score]\nlead_steps = 5\nstarts = 2\nmembers = 8\n\
                [[forecaster]]\nname = \"linear\"\n[observe]\nsteps = 40\n\
                [[assimilate]]\nmethod = \"enkf\"\nforecaster = \"linear\"\nmembers = 10\n";
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("run");
    let ran = scorecast(&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"]);
    assert!(ran.status.success(), "{}", stderr(&ran));
    let metrics: Value = serde_json::from_slice(&std::fs::read(out.join("metrics.json")).unwrap()).unwrap();
    let text = metrics.to_string();
    assert!(text.contains("persistence") && !text.contains("perfect"), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let shell = format!("'{}' config schema | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_scorecast"));
    let output = Command::new("bash").args(["-c", &shell]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{}", stderr(&output));
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn an_output_that_exists_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.nc");
    let args = [
        "simulate",
        "linear",
        "--set",
        "data.trajectories=4",
        "--set",
        "data.steps=50",
        "--out",
        out.to_str().unwrap(),
    ];
    assert!(scorecast(&args).status.success());
    let (said, _) = refused(&args, 7, "exists");
    assert!(said.contains("--force"), "{said}");
    assert!(scorecast(&[&args[..], &["--force"]].concat()).status.success());
    let foreign = write(folder.path(), "notes.txt", b"mine");
    let run = ["compare", "sakov2008", "--force", "--out", folder.path().to_str().unwrap()];
    refused(&run, 7, "exists");
    assert!(foreign.exists(), "a folder that is not ours was emptied");
}

/// Bad data files: the arguments, with `FILE` for a file that is not HDF5 and `NOWHERE` for one that does not exist.
const BAD_DATA: &[(&[&str], i32, &str)] = &[
    (&["train", "lorenz63", "--data", "FILE", "--out", "NOWHERE"], 3, "is not an HDF5 (NetCDF-4) file"),
    (&["evaluate", "FILE"], 3, "is not an HDF5 (NetCDF-4) file"),
    (&["diagnose", "FILE"], 3, "is not an HDF5 (NetCDF-4) file"),
    (&["report", "NOWHERE"], 3, "not the folder of a finished run"),
];

#[test]
fn bad_data_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "bad.nc", b"not HDF5");
    let nowhere = folder.path().join("nowhere");
    for (args, code, phrase) in BAD_DATA {
        let fill = |arg: &&'static str| match *arg {
            "FILE" => file.to_str().unwrap().to_owned(),
            "NOWHERE" => nowhere.to_str().unwrap().to_owned(),
            other => other.to_owned(),
        };
        let args: Vec<String> = args.iter().map(fill).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let kind = if *code == 3 { "data" } else { "io" };
        let (said, _) = refused(&args, *code, kind);
        assert!(said.contains(phrase), "{args:?} should say: {phrase}\nsays: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_stops_the_work_with_its_own_exit_code() {
    for (signal, code, kind) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let long = ["compare", "sakov2008", "--set", "observe.steps=300000", "--json", "--out", out.to_str().unwrap()];
        let child = Command::new(env!("CARGO_BIN_EXE_scorecast"))
            .args(long)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let sent = Command::new("bash").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(json(&output)["error"]["kind"], kind);
    }
}
