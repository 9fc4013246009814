//! The whole program on small experiments: same bytes for any number of threads, a killed training that goes on as if
//! nothing had happened, stages that take each other's files, and the user's own trajectories and observations.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

const SMALL: &str = r#"
seed = 11
[system]
name = "lorenz96"
dim = 8
noise = 0.5
[data]
trajectories = 6
steps = 60
dt = 0.05
spin_up = 100
split = [0.5, 0.25, 0.25]
[[forecaster]]
name = "ar"
kind = "gaussian"
width = 8
blocks = 1
steps = 60
validate_every = 20
checkpoint_every = 10
[[forecaster]]
name = "diffusion"
kind = "diffusion"
width = 8
blocks = 1
steps = 60
validate_every = 20
checkpoint_every = 10
[[forecaster]]
name = "linear"
kind = "linear"
[observe]
operator = { name = "stride", stride = 2 }
steps = 40
burn_in = 10
replicates = 3
[[assimilate]]
method = "etkf"
forecaster = ["perfect", "ar", "diffusion", "linear"]
members = 10
inflation = 1.05
[[assimilate]]
method = "bootstrap"
forecaster = "perfect"
members = 200
[[assimilate]]
method = "four_d_var"
forecaster = "ar"
members = 6
lag = 2
scale = 0.1
run_steps = 14
[[assimilate]]
method = "guided"
forecaster = "diffusion"
members = 6
run_steps = 14
replicates = 1
[score]
lead_steps = 8
members = 8
starts = 3
"#;

fn scorecast() -> Command {
    Command::new(env!("CARGO_BIN_EXE_scorecast"))
}

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn small(folder: &Path) -> PathBuf {
    let path = folder.join("small.toml");
    std::fs::write(&path, SMALL).unwrap();
    path
}

fn metrics(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("metrics.json")).unwrap()
}

#[test]
fn one_and_two_threads_give_the_same_bytes_and_a_whole_run_folder() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = small(folder.path());
    for threads in ["1", "2"] {
        let out = folder.path().join(threads);
        ran(scorecast().arg("compare").arg(&experiment).args(["--threads", threads, "--quiet", "--out"]).arg(&out));
    }
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    assert_eq!(metrics(&one), metrics(&two), "metrics.json depends on the number of threads");
    for file in
        ["models/ar.safetensors", "models/diffusion.safetensors", "metrics.csv", "analysis_observe.nc", "data.nc"]
    {
        assert_eq!(std::fs::read(one.join(file)).unwrap(), std::fs::read(two.join(file)).unwrap(), "{file}");
    }
    for file in ["experiment.toml", "manifest.json", "report.html", "figure.svg", "DONE"] {
        assert!(one.join(file).is_file(), "{file} is missing");
    }
    let tables: Value = serde_json::from_slice(&metrics(&one)).unwrap();
    let value = |table: &str, keys: &[(&str, &str)]| {
        tables[table]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| keys.iter().all(|(key, wanted)| row[*key] == *wanted))
            .unwrap_or_else(|| panic!("no row {keys:?}"))["value"]
            .as_f64()
            .unwrap()
    };
    let perfect = value("forecast", &[("forecaster", "perfect"), ("metric", "crps_fair")]);
    let persistence = value("forecast", &[("forecaster", "persistence"), ("metric", "crps_fair")]);
    assert!(perfect < persistence, "the true system ({perfect}) must beat persistence ({persistence})");
    let filtered = value("assimilation", &[("forecaster", "perfect"), ("metric", "rmse"), ("method", "etkf")]);
    assert!(filtered < 1.0, "etkf on the true system must beat the observations' error of 1, but has {filtered}");
}

#[test]
fn a_killed_training_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = small(folder.path());
    let train = |out: &Path| {
        let mut command = scorecast();
        command.arg("train").arg(&experiment).args([
            "--forecaster",
            "diffusion",
            "--set",
            "forecaster.diffusion.steps=4000",
        ]);
        command.args(["--set", "forecaster.diffusion.width=24", "--quiet", "--threads", "1", "--out"]).arg(out);
        command
    };
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    ran(&mut train(&whole));
    let mut child = train(&killed).spawn().unwrap();
    let checkpoint = killed.join("diffusion.checkpoint");
    let begun = Instant::now();
    while !checkpoint.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint was written");
        assert!(child.try_wait().unwrap().is_none(), "the training ended before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(!killed.join("diffusion.safetensors").exists(), "killed too late to show anything");
    ran(train(&killed).arg("--resume"));
    let model = |folder: &Path| std::fs::read(folder.join("diffusion.safetensors")).unwrap();
    assert_eq!(model(&whole), model(&killed), "the resumed model differs from the uninterrupted one");
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_checkpoint_and_exits_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = small(folder.path());
    let out = folder.path().join("models");
    let mut command = scorecast();
    command.arg("train").arg(&experiment).args(["--forecaster", "ar", "--set", "forecaster.ar.steps=100000"]);
    let mut child = command.args(["--quiet", "--out"]).arg(&out).spawn().unwrap();
    let checkpoint = out.join("ar.checkpoint");
    let begun = Instant::now();
    while !checkpoint.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint was written");
        assert!(child.try_wait().unwrap().is_none(), "the training ended before it could be interrupted");
        std::thread::sleep(Duration::from_millis(5));
    }
    ran(Command::new("kill").args(["-INT", &child.id().to_string()]));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(checkpoint.exists());
}

#[test]
fn stages_take_each_others_files() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = small(folder.path());
    let at = |name: &str| folder.path().join(name);
    ran(scorecast().arg("simulate").arg(&experiment).arg("--out").arg(at("data.nc")));
    ran(scorecast()
        .arg("train")
        .arg(&experiment)
        .args(["--forecaster", "linear", "--data"])
        .arg(at("data.nc"))
        .arg("--out")
        .arg(at("models")));
    let model = format!("linear={}", at("models").join("linear.safetensors").display());
    let fast = ["--set", "forecaster.ar.steps=10", "--set", "forecaster.diffusion.steps=10"];
    ran(scorecast()
        .arg("forecast")
        .arg(&experiment)
        .args(["--model", &model])
        .args(fast)
        .arg("--data")
        .arg(at("data.nc"))
        .arg("--out")
        .arg(at("forecasts")));
    ran(scorecast()
        .arg("assimilate")
        .arg(&experiment)
        .args(["--model", &model])
        .args(fast)
        .arg("--out")
        .arg(at("analyses")));
    let output = ran(scorecast()
        .args(["evaluate", "--json"])
        .arg(at("forecasts").join("perfect.nc"))
        .arg(at("forecasts").join("linear.nc")));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["ok"], true);
    let rows = result["result"]["forecast"].as_array().unwrap();
    let crps = |label: &str| {
        let row = rows.iter().find(|r| r["forecaster"] == label && r["metric"] == "crps_fair" && r["lead_step"] == 1);
        row.unwrap()["value"].as_f64().unwrap()
    };
    assert!(crps("perfect") < crps("linear"));
}

#[test]
fn the_users_own_trajectories_and_observations_need_no_system() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = small(folder.path());
    let at = |name: &str| folder.path().join(name);
    ran(scorecast().arg("simulate").arg(&experiment).arg("--out").arg(at("mine.nc")));
    // every second component of the first test trajectory, with one value missing
    let limits = scorecast::store::Limits::bytes(1 << 30);
    let states = scorecast::store::netcdf::read_trajectories(&at("mine.nc"), None, &limits).unwrap().values;
    let mut values = states.slice(ndarray::s![5..6, 1..31, ..;2]).to_owned();
    values[[0, 3, 1]] = f64::NAN;
    let observations = scorecast::store::netcdf::Observations { values, time: None, unit: Default::default() };
    scorecast::store::netcdf::write_observations(&at("seen.nc"), &observations, &Default::default()).unwrap();
    let own = format!(
        r#"
seed = 5
[data]
file = "{}"
dt = 0.05
split = [0.5, 0.25, 0.25]
[[forecaster]]
name = "linear"
kind = "linear"
[observe]
file = "{}"
operator = {{ name = "stride", stride = 2 }}
noise = 0.1
[[assimilate]]
method = "etkf"
forecaster = "linear"
members = 20
[score]
lead_steps = 5
members = 8
starts = 3
"#,
        at("mine.nc").display(),
        at("seen.nc").display()
    );
    std::fs::write(at("own.toml"), own).unwrap();
    let output =
        ran(scorecast().args(["compare", "--json", "--quiet"]).arg(at("own.toml")).arg("--out").arg(at("run")));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = result["result"]["assimilation"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().filter_map(|row| row["metric"].as_str()).collect();
    assert!(names.contains(&"innovation_log_score"), "{names:?}");
    assert!(!names.contains(&"rmse"), "there is no truth to have an rmse against");
    let score = rows.iter().find(|row| row["metric"] == "innovation_log_score").unwrap();
    assert!(score["value"].as_f64().unwrap().is_finite());
}
