//! A binary of its own: it stops runs in the midst of a few tenths of a second of work, so nothing else may run beside it.
//!
//! `scorecast simulate` and `scorecast data validate` as a user meets them: streaming, kills, the layout of The Well.
//!
//! The Well's own rules are checked a second time through h5py where a Python that has it is there
//! (`SCORECAST_PYTHON` names the interpreter, default `python3`); without it that test says so and passes.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use scorecast::store::netcdf::SplitPart;
use scorecast::store::{Limits, read_trajectories};
use serde_json::Value;

#[path = "data/python.rs"]
mod python;

const ENOUGH: Limits = Limits::bytes(1 << 30);

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.current_dir(folder).args(words.split_whitespace());
    command
}

fn scorecast(folder: &Path, words: &str) -> Output {
    command(folder, words).output().unwrap()
}

fn good(folder: &Path, words: &str) -> Value {
    let output = scorecast(folder, &format!("{words} --json"));
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["result"].take()
}

fn refused(folder: &Path, words: &str, code: i32, says: &str) -> Value {
    let output = scorecast(folder, &format!("{words} --json"));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words}: {value}");
    assert!(value["error"]["message"].as_str().unwrap().contains(says), "{words}: {value}");
    value
}

/// Starts a run, and waits until its log has so many bytes.
fn started(folder: &Path, words: &str, log: &str, bytes: u64) -> Child {
    let child = command(folder, words).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while std::fs::metadata(folder.join(log)).map_or(0, |about| about.len()) < bytes {
        assert!(begun.elapsed() < Duration::from_secs(60), "the log never grew");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// 6 x 12,001 x 40 values with noise: 23 MB, a few tenths of a second of work.
const LONG: &str = "[system]\nname = \"lorenz96\"\nnoise = 0.5\n[data]\ntrajectories = 6\nsteps = 12000\ndt = 0.05\n\
                    spin_up = 50\nsplit = [0.5, 0.25, 0.25]\n";

#[cfg(unix)]
#[test]
fn a_killed_and_an_interrupted_run_go_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("x.toml"), LONG).unwrap();
    let mut killed = started(at, "simulate x.toml --out a.nc", "a.nc.partial", 2_000_000);
    killed.kill().unwrap();
    assert!(!killed.wait().unwrap().success() && !at.join("a.nc").exists());
    refused(at, "simulate x.toml --out a.nc", 7, "unfinished simulation");
    refused(at, "simulate x.toml --out a.nc --resume --seed 2", 7, "not an unfinished simulation of this experiment");
    let mut stopped = started(at, "simulate x.toml --out a.nc --resume", "a.nc.partial", 6_000_000);
    let signal = Command::new("kill").args(["-INT", &stopped.id().to_string()]).status().unwrap();
    assert!(signal.success());
    assert_eq!(stopped.wait().unwrap().code(), Some(130));
    good(at, "simulate x.toml --out a.nc --resume");
    assert!(!at.join("a.nc.partial").exists());
    // Another number of threads and another size of the blocks change nothing either.
    good(at, "simulate x.toml --out b.nc --threads 1 --max-memory 8MiB");
    assert!(std::fs::read(at.join("a.nc")).unwrap() == std::fs::read(at.join("b.nc")).unwrap());
    let read = read_trajectories(&at.join("a.nc"), None, &ENOUGH).unwrap();
    assert_eq!(read.values.dim(), (6, 12001, 40));
    assert_eq!(read.split.unwrap(), [[SplitPart::Train; 2], [SplitPart::Valid; 2], [SplitPart::Test; 2]].concat());
}

const SHORT: &str = "[system]\nname = \"lorenz96\"\ndim = 8\nnoise = 0.5\n[data]\ntrajectories = 5\nsteps = 40\ndt = 0.05\n\
                     spin_up = 20\nsplit = [0.6, 0.2, 0.2]\n";

#[test]
fn the_well_holds_what_netcdf_holds_and_both_train() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("short.toml"), SHORT).unwrap();
    good(at, "simulate short.toml --out data.nc");
    let made = good(at, "simulate short.toml --format the_well --out well");
    assert_eq!(made["split"], serde_json::json!([3, 1, 1]));
    let (ours, well) = (at.join("data.nc"), at.join("well"));
    let [ours, well] = [ours, well].map(|path| read_trajectories(&path, None, &ENOUGH).unwrap());
    assert_eq!(ours.values.mapv(|value| f64::from(value as f32)), well.values);
    assert_eq!((ours.split, ours.geometry), (well.split, well.geometry));
    for data in ["data.nc", "well", "well/short", "well/short/data/train/short.hdf5"] {
        let told = good(at, &format!("data validate {data}"));
        assert_eq!((&told["usable"], &told["geometry"]), (&true.into(), &"ring".into()), "{data}");
        assert!((told["dt"].as_f64().unwrap() - 0.05).abs() < 1e-7, "{data}: {told}");
    }
    let own =
        "[data]\nfile = \"well\"\n[[forecaster]]\nname = \"linear\"\nkind = \"linear\"\n[score]\nlead_steps = 2\n";
    std::fs::write(at.join("own.toml"), own).unwrap();
    good(at, "train own.toml --out models");
    good(at, "train short.toml --set forecaster=[] --data well --dry-run");
    refused(at, "simulate short.toml --format the_well --out well", 7, "exists already");
    refused(at, "simulate ou --format the_well --out other --set system.dim=3", 2, "fields on grids");
    good(at, "simulate short.toml --format the_well --out well --force");
    // the same files through h5py, if there is one
    python::ran("the_well.py", &at.join("well/short"));
}

#[test]
fn validate_tells_what_is_wrong_with_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("short.toml"), SHORT).unwrap();
    good(at, "simulate short.toml --out data.nc");
    let read = read_trajectories(&at.join("data.nc"), None, &ENOUGH).unwrap();
    let mut holed = read.clone();
    holed.values[[1, 2, 3]] = f64::NAN;
    scorecast::store::netcdf::write_trajectories(&at.join("hole.nc"), &holed, &Default::default()).unwrap();
    let told = refused(at, "data validate hole.nc", 3, "1 of 1640 values");
    let report = &told["error"]["report"];
    assert_eq!((&report["missing"], &report["usable"]), (&1.into(), &false.into()), "{told}");
    assert_eq!(report["problems"][0]["place"], "case 1, time 2, component 3");
    let bytes = std::fs::read(at.join("data.nc")).unwrap();
    std::fs::write(at.join("torn.nc"), &bytes[..bytes.len() / 2]).unwrap();
    refused(at, "data validate torn.nc", 3, "cut short");
    std::fs::write(at.join("text.nc"), "no array").unwrap();
    refused(at, "data validate text.nc", 3, "is not an HDF5");
    refused(at, "data validate missing.nc", 74, "could not open it");
    refused(at, "data validate .", 3, "is not a file");
}

#[test]
fn a_divergence_is_told_with_trajectory_and_step_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("short.toml"), SHORT).unwrap();
    refused(at, "simulate short.toml --out x.nc --set data.dt=5.0 --set data.substeps=1", 4, "diverged at lead step");
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 1);
}
