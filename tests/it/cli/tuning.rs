//! Tuning: of methods, and of forecasters.

use ndarray::{Array3, Axis};
use scorecast::store::netcdf::{self, StoredTrajectories};
use scorecast::systems::{Domain, Key};
use serde_json::Value;

use super::{json, scorecast, write};

const LINEAR: &str = "seed = 4\n[system]\nname = \"ou\"\ndim = 3\n[data]\ntrajectories = 8\nsteps = 50\ndt = 0.3\n";

#[test]
fn tuning_finds_the_best_of_a_grid_and_writes_the_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{LINEAR}[observe]\nsteps = 300\nburn_in = 20\n[[assimilate]]\nmethod = \"etkf\"\nmembers = 20\n\
         [[assimilate]]\nmethod = \"kalman\"\n"
    );
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("tuned.toml");
    let args = ["tune", path.to_str().unwrap(), "--grid", "inflation=0.5,1.02,2.0", "--grid", "rotate=true,false"];
    let found = json(&scorecast(&[&args[..], &["--out", out.to_str().unwrap(), "--json"]].concat()));
    let tuned = found["result"]["tuned"].as_array().unwrap();
    assert_eq!(tuned.len(), 1, "the exact filter has nothing to tune");
    let points = tuned[0]["points"].as_array().unwrap();
    let best: Vec<_> = points.iter().filter(|point| point["best"].as_bool().unwrap()).collect();
    assert_eq!((points.len(), best.len()), (6, 1));
    assert_eq!(best[0]["settings"][0][1].as_f64(), Some(1.02));
    let least = best[0]["value"].as_f64().unwrap();
    assert!(points.iter().filter_map(|point| point["value"].as_f64()).all(|value| value >= least));
    assert!(found["result"]["seed"].as_u64() != Some(4), "the truths of the tuning are its own");
    let shown = String::from_utf8(scorecast(&["config", "show", out.to_str().unwrap()]).stdout).unwrap();
    assert!(shown.contains("inflation = 1.02"), "{shown}");
    let table = String::from_utf8(scorecast(&args).stdout).unwrap();
    assert!(table.contains("best: inflation = 1.02") && table.contains("not told from it"), "{table}");
}

#[test]
fn only_the_rows_that_are_named_are_tuned_and_all_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let row = |label: &str| format!("[[assimilate]]\nmethod = \"etkf\"\nlabel = \"{label}\"\nmembers = 10\n");
    let network = |name: &str| format!("[[observe]]\nname = \"{name}\"\nsteps = 60\nburn_in = 20\n");
    let rows = [row("first"), "observe = \"far\"\n".to_owned(), row("second"), "observe = \"near\"\n".to_owned()];
    let text = format!("{LINEAR}{}{}{}", network("near"), network("far"), rows.concat());
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("tuned.toml");
    let args = ["tune", path.to_str().unwrap(), "--grid", "inflation=1.3,1.6", "--row", "second", "--json"];
    let would = json(&scorecast(&[&args[..], &["--dry-run"]].concat()))["result"].to_string();
    assert!(would.contains("second") && would.contains("`near`"), "{would}");
    assert!(!would.contains("first") && !would.contains("`far`"), "{would}");
    let found = json(&scorecast(&[&args[..], &["--out", out.to_str().unwrap()]].concat()));
    let tuned: Vec<_> = found["result"]["tuned"].as_array().unwrap().iter().map(|row| row["row"].as_str()).collect();
    assert_eq!(tuned, [Some("second")]);
    let shown = String::from_utf8(scorecast(&["config", "show", out.to_str().unwrap()]).stdout).unwrap();
    let (first, second) = shown.split_once("label = \"second\"").unwrap();
    let tried = |text: &str| ["1.3", "1.6"].iter().any(|value| text.contains(&format!("inflation = {value}")));
    assert!(first.contains("label = \"first\"") && !tried(first) && tried(second), "{shown}");
}

/// Small networks on a budget that is counted.
const LEARNED: &str = "[budget]\nby = \"training_flops\"\nvalue = 5e8\n\
     [[forecaster]]\nname = \"one\"\nkind = \"gaussian\"\nwidth = 8\nblocks = 1\nseeds = 2\n\
     [[forecaster]]\nname = \"other\"\nkind = \"diffusion\"\nwidth = 8\nblocks = 1\n";

/// The forecasters of a resolved experiment: label, steps, batch and learning rate.
fn forecasters(resolved: &str) -> Vec<(String, i64, i64, f64)> {
    let parsed: toml::Value = toml::from_str(resolved).unwrap();
    let all = parsed["forecaster"].as_array().unwrap().iter().filter(|one| one.get("steps").is_some());
    all.map(|one| {
        let count = |key: &str| one[key].as_integer().unwrap();
        (
            one["name"].as_str().unwrap().to_owned(),
            count("steps"),
            count("batch"),
            one["learning_rate"].as_float().unwrap(),
        )
    })
    .collect()
}

#[test]
fn forecasters_are_tuned_each_point_at_the_cost_of_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let data = "seed = 4\n[system]\nname = \"ou\"\ndim = 3\n[data]\ntrajectories = 40\nsteps = 50\ndt = 1.0\n";
    let path = write(folder.path(), "x.toml", format!("{data}{LEARNED}").as_bytes());
    let out = folder.path().join("tuned.toml");
    let args = [
        "tune",
        path.to_str().unwrap(),
        "--forecaster",
        "one",
        "--grid",
        "learning_rate=1e-6,1e-2",
        "--grid",
        "batch=16,64",
        "--json",
    ];
    let found = json(&scorecast(&[&args[..], &["--out", out.to_str().unwrap()]].concat()));
    let tuned = found["result"]["tuned"].as_array().unwrap();
    assert_eq!(tuned.len(), 1, "only what is named");
    assert_eq!((tuned[0]["row"].as_str(), tuned[0]["metric"].as_str()), (Some("one"), Some("energy_score_fair")));
    let points = tuned[0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 4);
    // four test trajectories of 50 lead steps: all their starts
    assert!(points.iter().all(|point| point["n"].as_u64() == Some(200)), "{points:?}");
    let best = points.iter().find(|point| point["best"] == true).unwrap();
    assert_eq!(best["settings"][0][1].as_f64(), Some(1e-2));
    let slow = points.iter().filter(|point| point["settings"][0][1].as_f64() == Some(1e-6));
    assert!(slow.clone().count() == 2 && slow.into_iter().all(|point| point["tied"] == false), "{points:?}");
    // the experiment has the best settings with the steps that they leave of the budget, and all else as it was
    let resolved = String::from_utf8(scorecast(&["config", "show", path.to_str().unwrap()]).stdout).unwrap();
    let (before, after) = (forecasters(&resolved), forecasters(&std::fs::read_to_string(&out).unwrap()));
    assert_eq!(before[1], after[1], "what is not named stays");
    let (batch, steps) = (best["settings"][1][1].as_i64().unwrap(), after[0].1);
    assert_eq!((after[0].2, after[0].3), (batch, 1e-2));
    let [was, is] = [(before[0].1, before[0].2), (steps, batch)].map(|(steps, batch)| (steps * batch) as f64);
    assert!((is / was - 1.0).abs() < 0.02, "{before:?} {after:?}");
    // and a forecaster that nobody tunes changes nothing of the tuning
    let all = [&args[..2], &["--forecaster", "*"], &args[4..]].concat();
    let both = json(&scorecast(&all))["result"]["tuned"].take();
    assert_eq!(both.as_array().unwrap().len(), 2);
    assert_eq!(both[0], tuned[0]);
}

#[test]
fn a_grid_of_which_every_point_diverges_has_no_best_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.toml", format!("{LINEAR}{LEARNED}").as_bytes());
    let out = folder.path().join("tuned.toml");
    let tune = |label: &str, rates: &str| {
        let grid = format!("learning_rate={rates}");
        let args = ["tune", path.to_str().unwrap(), "--forecaster", label, "--grid", &grid, "--json", "--out"];
        scorecast(&[&args[..], &[out.to_str().unwrap()]].concat())
    };
    let lost = tune("one", "1e30,1e35");
    assert_eq!(lost.status.code(), Some(4), "{lost:?}");
    let said: Value = serde_json::from_slice(&lost.stdout).unwrap();
    let message = said["error"]["message"].as_str().unwrap();
    assert!(message.contains("every point of the grid diverged, of one"), "{said}");
    assert_eq!(said["error"]["report"]["tuned"][0]["points"].as_array().unwrap().len(), 2, "{said}");
    assert!(!out.exists());
    // one that is left is the best
    let found = json(&tune("one", "1e-2,1e35"));
    assert_eq!(found["result"]["tuned"][0]["points"][1]["diverged"].as_u64(), Some(1), "{found}");
    assert!(std::fs::read_to_string(&out).unwrap().contains("learning_rate = 0.01"));
}

#[test]
fn a_dry_run_looks_at_the_grid() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{LINEAR}{LEARNED}[observe]\nsteps = 60\n[[assimilate]]\nmethod = \"etkf\"\nmembers = 10\n");
    let path = write(folder.path(), "x.toml", text.as_bytes());
    for (of, grid, says) in [
        (["--row", "etkf / perfect"], "inflation=1.0,-3.0", "inflation"),
        (["--forecaster", "one"], "learning_rate=0.1,-1.0", "learning_rate"),
        (["--forecaster", "one"], "members=2,3", "has the setting `members`"),
    ] {
        let args = ["tune", path.to_str().unwrap(), "--grid", grid, "--dry-run", of[0], of[1]];
        let refused = scorecast(&args);
        let message = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(2) && message.contains(says), "{message}");
    }
}

/// What tuning finds of a file of so many trajectories, one of them scaled.
fn tuned_on_file(states: &Array3<f64>, scaled: Option<usize>) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut states = states.clone();
    if let Some(case) = scaled {
        states.index_axis_mut(Axis(0), case).mapv_inplace(|x| 1.5 * x);
    }
    let file = folder.path().join("data.nc");
    netcdf::write_trajectories(&file, &StoredTrajectories::new(states, None), &Default::default()).unwrap();
    let text = format!(
        "[data]\nfile = \"{}\"\ndt = 1.0\nsplit = [0.5, 0.25, 0.25]\n[[forecaster]]\nkind = \"analog\"\n",
        file.display()
    );
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let args = ["tune", path.to_str().unwrap(), "--forecaster", "analog", "--grid", "neighbours=2,20", "--json"];
    json(&scorecast(&args))["result"]["tuned"].take()
}

#[test]
fn the_test_part_of_a_file_is_not_seen_by_a_tuning() {
    let noise = Key::new(1, Domain::Method).normals(8 * 40, 2);
    let mut states = noise.into_shape_with_order((8, 40, 2)).unwrap();
    for k in 1..40 {
        let before = states.index_axis(Axis(1), k - 1).mapv(|x| 0.9 * x);
        let mut now = states.index_axis_mut(Axis(1), k);
        now += &before;
    }
    let plain = tuned_on_file(&states, None);
    assert_eq!(plain[0]["points"].as_array().unwrap().len(), 2);
    let unseen = (0..8).filter(|case| tuned_on_file(&states, Some(*case)) == plain).count();
    assert_eq!(unseen, 2, "a quarter of eight trajectories is for testing");
}
