//! Outputs are tied to what made them: models to their system, step, settings and data; unfinished runs to their
//! experiment and its files; places of output to one process.

use std::path::Path;
use std::process::{Command, Output};

use scorecast::store::state_log::{LogPlan, StateLog};
use scorecast::store::{Claim, RunFolder, model};
use scorecast::systems::{Domain, Key};
use serde_json::Value;

const BASE: &str = r#"
seed = 5
[system]
name = "lorenz96"
dim = 8
noise = 0.5
[data]
trajectories = 6
steps = 40
dt = 0.1
spin_up = 50
split = [0.5, 0.25, 0.25]
[observe]
steps = 20
burn_in = 2
[[assimilate]]
method = "etkf"
forecaster = "perfect"
members = 6
[score]
lead_steps = 2
starts = 2
members = 4
"#;

const FITTED: &str = "[[forecaster]]\nname = \"ar\"\nkind = \"gaussian\"\nwidth = 4\nblocks = 1\nsteps = 6\n\
                      [[forecaster]]\nname = \"linear\"\n";

/// A folder with `base.toml` (no forecaster), `fitted.toml` (two), and their models in `models/`.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "base.toml", BASE);
    write(&folder, "fitted.toml", &format!("{BASE}{FITTED}"));
    done(&folder, &["train", "fitted.toml", "--out", "models"]);
    folder
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).unwrap();
}

fn scorecast(folder: &tempfile::TempDir, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.current_dir(folder.path()).args(words).arg("--quiet").output().unwrap()
}

fn done(folder: &tempfile::TempDir, words: &[&str]) -> Output {
    let output = scorecast(folder, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The words must fail with this code and say all of this; what they said.
fn refused(folder: &tempfile::TempDir, words: &[&str], code: i32, says: &[&str]) -> String {
    let output = scorecast(folder, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    says.iter().for_each(|phrase| assert!(said.contains(phrase), "{words:?} should say: {phrase}\nsays: {said}"));
    said
}

fn json(folder: &tempfile::TempDir, words: &[&str]) -> Value {
    let output = done(folder, &[words, &["--json"]].concat());
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["result"].clone()
}

fn listing(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_model_file_alone_is_a_forecaster_and_says_its_kind_and_settings() {
    let folder = prepared();
    let with = |name: &str, section: &str| write(&folder, name, &format!("{BASE}[[forecaster]]\n{section}\n"));
    with("alone.toml", "model = \"models/ar.safetensors\"");
    let shown = json(&folder, &["config", "show", "alone.toml"]);
    let section = &shown["experiment"]["forecaster"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&section["name"], &section["kind"]), (&Value::from("ar"), &Value::from("gaussian")));
    // the bytes of the forecasts are those of the forecaster that was trained
    done(&folder, &["forecast", "alone.toml", "--out", "a", "--set", "score.forecasters=[\"ar\"]"]);
    done(&folder, &["forecast", "fitted.toml", "--out", "b", "--set", "score.forecasters=[\"ar\"]"]);
    let values = |path: &str| {
        let limits = scorecast::store::Limits::bytes(1 << 30);
        match scorecast::store::netcdf::read_scored(&folder.path().join(path), &limits).unwrap() {
            scorecast::store::netcdf::Scored::Forecasts(found) => found.values,
            scorecast::store::netcdf::Scored::Analyses(_) => panic!("no forecasts"),
        }
    };
    assert_eq!(values("a/ar.nc"), values("b/ar.nc"));
    // keys that agree, and keys that do not
    with("agrees.toml", "model = \"models/ar.safetensors\"\nkind = \"gaussian\"\nwidth = 4\nlearning_rate = 3e-3");
    done(&folder, &["forecast", "agrees.toml", "--out", "c"]);
    for (section, says) in [
        ("width = 16", ["`width = 4`", "`width = 16`"]),
        ("learning_rate = 1e-2", ["`learning_rate = 0.003`", "`learning_rate = 0.01`"]),
        ("network = \"conv\"", ["`network = \"auto\"`", "`network = \"conv\"`"]),
        ("kind = \"diffusion\"", ["`gaussian`", "`diffusion`"]),
    ] {
        with("other.toml", &format!("model = \"models/ar.safetensors\"\n{section}"));
        refused(&folder, &["forecast", "other.toml", "--out", "d"], 3, &says);
        refused(&folder, &["forecast", "other.toml", "--dry-run"], 3, &says);
    }
    // what the kind does not offer is known before anything runs
    write(
        &folder,
        "needs.toml",
        &format!(
            "{}[[forecaster]]\nmodel = \"models/ar.safetensors\"\n",
            BASE.replace("\"etkf\"", "\"kalman\"").replace("\"perfect\"", "\"ar\"")
        ),
    );
    refused(&folder, &["assimilate", "needs.toml"], 2, &["`kalman` needs", "`ar` does not offer"]);
    with("typo.toml", "model = \"models/ar.safetensors\"\nwidht = 4");
    refused(&folder, &["config", "show", "typo.toml"], 2, &["did you mean `width`?"]);
}

#[test]
fn a_model_serves_its_own_step_and_shape_alone_and_another_system_or_data_are_noted() {
    let folder = prepared();
    let text = format!("{BASE}[[forecaster]]\nmodel = \"models/linear.safetensors\"\n");
    write(&folder, "x.toml", &text);
    write(&folder, "rows.toml", &text.replace("\"perfect\"", "\"linear\""));
    let run = |set: &[&'static str]| {
        let mut words = vec!["forecast", "x.toml", "--out", "f"];
        set.iter().for_each(|set| words.extend(["--set", set]));
        words
    };
    for (set, says) in [
        (&["data.dt=0.01"][..], &["lead steps of 0.1 (model time)", "0.01 (model time)"][..]),
        (&["system.dim=9"], &["forecasts 8 components", "state has 9"]),
    ] {
        refused(&folder, &run(set), 3, says);
        refused(&folder, &[&run(set)[..], &["--dry-run"]].concat(), 3, says);
    }
    assert!(!folder.path().join("f").exists());
    let same = json(&folder, &run(&[]));
    assert_eq!(same["warnings"].as_array().unwrap().len(), 0, "{same}");
    for (set, says) in [
        ("system.forcing=10", ["system `lorenz96` with forcing = 8.0", "forcing = 10.0"]),
        ("seed=6", ["trained on other trajectories", "SHA-256"]),
    ] {
        let out = format!("run-{}", &set[..4]);
        let ran = done(&folder, &["compare", "x.toml", "--out", &out, "--set", set]);
        let text = String::from_utf8_lossy(&ran.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        let metrics: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join(&out).join("metrics.json")).unwrap()).unwrap();
        let noted =
            metrics["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
        for phrase in says {
            assert!(text.contains(phrase) && noted.contains(phrase), "{phrase}: {text}\n{noted}");
        }
        let wanted = |result: &Value| result["warnings"].to_string().contains(says[0]);
        let forced = ["--set", set, "--out", "g", "--force"];
        assert!(wanted(&json(&folder, &[&["forecast", "x.toml"][..], &forced].concat())), "{set}");
        assert!(wanted(&json(&folder, &[&["assimilate", "rows.toml"][..], &forced].concat())), "{set}");
        // a model that no row has is not read
        assert!(!wanted(&json(&folder, &[&["assimilate", "x.toml"][..], &forced].concat())), "{set}");
    }
}

#[test]
fn a_flipped_bit_of_a_model_is_never_forecast_with() {
    let folder = prepared();
    let limits = scorecast::store::Limits::bytes(1 << 30);
    let mut stream = Key::new(20, Domain::Method).stream(0);
    for name in ["ar", "linear"] {
        let path = folder.path().join(format!("models/{name}.safetensors"));
        let good = std::fs::read(&path).unwrap();
        let header = 8 + usize::try_from(u64::from_le_bytes(good[..8].try_into().unwrap())).unwrap();
        let bad = folder.path().join("bad.safetensors");
        for trial in 0..400 {
            let within = if trial % 2 == 0 { 0..header } else { header..good.len() };
            let mut bytes = good.clone();
            bytes[within.start + stream.below(within.len())] ^= 1 << stream.below(8);
            std::fs::write(&bad, &bytes).unwrap();
            assert!(model::read(&bad, &limits).is_err(), "{name}, trial {trial}");
            if trial < 4 {
                let words = ["forecast", "fitted.toml", "--model", &format!("{name}=bad.safetensors"), "--out", "f"];
                refused(&folder, &words, 3, &["bad.safetensors"]);
            }
        }
    }
    write(&folder, "weights.pt", "\u{0}");
    std::fs::write(folder.path().join("weights.pt"), b"PK\x03\x04\0\0archive/data.pkl").unwrap();
    refused(&folder, &["forecast", "fitted.toml", "--model", "ar=weights.pt"], 3, &["pickle", "never read"]);
    assert!(!folder.path().join("f").exists() && !folder.path().join("forecasts").exists());
}

#[test]
fn a_run_is_gone_on_with_on_its_own_experiment_and_files_alone() {
    let folder = prepared();
    done(&folder, &["simulate", "base.toml", "--out", "data.nc"]);
    // the second forecaster cannot be made, so that the run is left half done
    let stuck = "[[forecaster]]\nname = \"linear\"\n[[forecaster]]\nname = \"stuck\"\nkind = \"analog\"\n\
                 neighbours = 10000\n";
    let own = BASE.split("[data]").next().unwrap().to_owned()
        + "[data]\nfile = \"data.nc\"\n[observe]"
        + BASE.split("[observe]").nth(1).unwrap();
    write(&folder, "own.toml", &format!("{own}{stuck}"));
    refused(&folder, &["compare", "own.toml", "--out", "run"], 3, &["needs at least 10000 pairs"]);
    assert!(folder.path().join("run.partial/models/linear.safetensors").exists());
    refused(&folder, &["compare", "own.toml", "--out", "run"], 7, &["--resume"]);
    let resume = ["compare", "own.toml", "--out", "run", "--resume"];
    refused(&folder, &[&resume[..], &["--seed", "6"]].concat(), 7, &["`seed = 5`", "`seed = 6`"]);
    let longer = [&resume[..], &["--set", "score.members=5"]].concat();
    refused(&folder, &longer, 7, &["`members = 4` in [score]", "`members = 5` in [score]"]);
    let kept = std::fs::read(folder.path().join("run.partial/models/linear.safetensors")).unwrap();
    done(&folder, &["simulate", "base.toml", "--seed", "9", "--out", "data.nc", "--force"]);
    let said = refused(&folder, &resume, 7, &["data.nc had the SHA-256 ", "and has "]);
    let digests = said.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 64).count();
    assert_eq!(digests, 2, "{said}");
    assert_eq!(std::fs::read(folder.path().join("run.partial/models/linear.safetensors")).unwrap(), kept);
    done(&folder, &["simulate", "base.toml", "--out", "data.nc", "--force"]);
    refused(&folder, &resume, 3, &["needs at least 10000 pairs"]);
}

#[test]
fn a_finished_model_is_taken_by_its_own_training_alone() {
    let folder = prepared();
    let resume = ["train", "fitted.toml", "--out", "models", "--resume"];
    let before = std::fs::read(folder.path().join("models/ar.safetensors")).unwrap();
    done(&folder, &resume);
    for (set, says) in [
        ("seed=6", ["seed is 5", "here 6"]),
        ("forecaster.ar.width=5", ["`width` is 4", "here 5"]),
        ("forecaster.ar.steps=7", ["`steps` is 6", "here 7"]),
        ("system.forcing=9", ["forcing = 8.0", "forcing = 9.0"]),
        ("data.steps=41", ["SHA-256 is ", "here "]),
        ("data.dt=0.05", ["lead step is 0.1", "here 0.05"]),
    ] {
        refused(&folder, &[&resume[..], &["--set", set]].concat(), 7, &says);
    }
    assert_eq!(std::fs::read(folder.path().join("models/ar.safetensors")).unwrap(), before);
    let models = ["ar", "climatology", "linear", "persistence"].map(|label| format!("{label}.safetensors"));
    let models = [&models[..], &["training", "training.json", "training.svg"].map(str::to_owned)].concat();
    assert_eq!(listing(&folder.path().join("models")), models);
    let said = refused(&folder, &["evaluate", "models/ar.safetensors", "--resume"], 2, &["keeps nothing"]);
    assert!(said.contains("without --resume"), "{said}");
}

#[test]
fn forecasts_and_tunings_are_gone_on_with_on_their_own_experiment_alone() {
    let folder = prepared();
    let of = |seed: &str| ["forecast", "fitted.toml", "--out", "f", "--resume", "--seed", seed].map(str::to_owned);
    // as a kill leaves it
    let mut claim = Claim::folder(&folder.path().join("f")).unwrap();
    let resolved = done(&folder, &["config", "show", "fitted.toml"]).stdout;
    let resolved = String::from_utf8(resolved).unwrap();
    claim.begin(scorecast::store::Record::new(&resolved, Default::default())).unwrap();
    std::fs::write(folder.path().join("f/linear.nc"), b"half").unwrap();
    claim.wrote(&folder.path().join("f/linear.nc")).unwrap();
    drop(claim);
    let words = of("6");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    refused(&folder, &words, 7, &["`seed = 5`", "`seed = 6`"]);
    refused(&folder, &["forecast", "fitted.toml", "--out", "f"], 7, &["exists already", "--resume"]);
    let words = of("5");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    done(&folder, &words);
    // what was whole is not made again
    assert_eq!(std::fs::read(folder.path().join("f/linear.nc")).unwrap(), b"half");
    assert_eq!(listing(&folder.path().join("f")).iter().filter(|name| !name.ends_with(".nc")).count(), 0);
}

#[test]
fn two_processes_never_write_one_place() {
    let folder = prepared();
    let at = |name: &str| folder.path().join(name);
    let says = &["is being written by another process"];
    let held =
        [Claim::folder(&at("models")), Claim::folder(&at("f")), Claim::folder(&at("a")), Claim::file(&at("t.toml"))];
    let held: Vec<Claim> = held.into_iter().map(Result::unwrap).collect();
    let run = RunFolder::create(&at("run"), false, false).unwrap();
    let plan = LogPlan { experiment: String::new(), cases: 1, components: 1, spin_up: 0 };
    let log = StateLog::open(&at("data.nc"), plan, false, false).unwrap();
    let tune = ["tune", "base.toml", "--grid", "inflation=1.0,1.1", "--out", "t.toml"];
    for words in [
        &["train", "fitted.toml", "--out", "models", "--force"][..],
        &["train", "fitted.toml", "--out", "models", "--resume"],
        &["forecast", "fitted.toml", "--out", "f"],
        &["assimilate", "base.toml", "--out", "a"],
        &tune,
        &["compare", "base.toml", "--out", "run"],
        &["compare", "base.toml", "--out", "run", "--force"],
        &["simulate", "base.toml", "--out", "data.nc", "--resume"],
    ] {
        refused(&folder, words, 7, says);
    }
    drop((held, run, log));
    done(&folder, &["assimilate", "base.toml", "--out", "a"]);
    done(&folder, &["forecast", "fitted.toml", "--out", "f"]);
    done(&folder, &tune);
    assert!(listing(folder.path()).iter().all(|name| !name.starts_with('.')), "{:?}", listing(folder.path()));
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next_there() {
    let folder = prepared();
    let left = |name: &&str| {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
        write(&folder, &format!("{name}/new"), "half");
        write(&folder, &format!("{name}/lock"), "");
    };
    std::fs::create_dir(folder.path().join("f")).unwrap();
    ["models/.ar.safetensors.1-0.partial", "f/.linear.nc.1-7.partial", ".t.toml.1-3.partial"].iter().for_each(left);
    done(&folder, &["train", "fitted.toml", "--out", "models", "--resume"]);
    done(&folder, &["forecast", "fitted.toml", "--out", "f"]);
    done(&folder, &["tune", "base.toml", "--grid", "inflation=1.0,1.1", "--out", "t.toml"]);
    for place in [folder.path().to_path_buf(), folder.path().join("models"), folder.path().join("f")] {
        assert!(listing(&place).iter().all(|name| !name.starts_with('.')), "{:?}", listing(&place));
    }
}

#[test]
fn a_dry_run_opens_what_the_run_would_read() {
    let folder = prepared();
    done(&folder, &["simulate", "base.toml", "--out", "data.nc"]);
    let values = ndarray::Array3::zeros((1, 5, 8));
    let observations = scorecast::store::netcdf::Observations { values, time: None, unit: Default::default() };
    scorecast::store::netcdf::write_observations(&folder.path().join("seen.nc"), &observations, &Default::default())
        .unwrap();
    write(&folder, "x.toml", &format!("{BASE}[[forecaster]]\nmodel = \"models/linear.safetensors\"\n"));
    write(&folder, "text.nc", "this is no array");
    let own = ["--set", "observe.file=seen.nc", "--set", "data.file=data.nc"];
    let cleared = |words: &[&'static str]| [words, &["--dry-run"], &own].concat();
    let text = BASE.replace("trajectories = 6\nsteps = 40\n", "").replace("spin_up = 50\n", "");
    write(&folder, "x.toml", &format!("{text}[[forecaster]]\nmodel = \"models/linear.safetensors\"\n"));
    let opened = json(&folder, &cleared(&["compare", "x.toml"]));
    let inputs = opened["inputs"].to_string();
    for phrase in [
        "data.nc: 2 + 2 + 2",
        "0.1 (model time), 8 components",
        "linear.safetensors: `linear`",
        "seen.nc: 1 x 5 sets of 8",
    ] {
        assert!(inputs.contains(phrase), "{phrase}: {inputs}");
    }
    assert_eq!(opened["warnings"].as_array().unwrap().len(), 0, "{opened}");
    for (set, code, says) in [
        ("observe.file=text.nc", 3, "text.nc"),
        ("observe.file=none.nc", 74, "none.nc"),
        ("data.file=text.nc", 3, "text.nc"),
        ("forecaster.0.model=text.nc", 3, "text.nc"),
        ("forecaster.0.model=none.safetensors", 74, "none.safetensors"),
    ] {
        refused(&folder, &[&cleared(&["compare", "x.toml"])[..], &["--set", set]].concat(), code, &[says]);
    }
    refused(&folder, &["train", "fitted.toml", "--data", "text.nc", "--dry-run"], 3, &["text.nc"]);
    refused(&folder, &["forecast", "fitted.toml", "--model", "ar=text.nc", "--dry-run"], 3, &["text.nc"]);
    refused(&folder, &["evaluate", "text.nc", "--dry-run"], 3, &["text.nc"]);
}

#[test]
fn a_failed_read_leaves_nothing_and_a_bad_place_is_refused_before_the_work() {
    let folder = prepared();
    write(&folder, "text.nc", "this is no array");
    let before = listing(folder.path());
    let text = BASE.replace("trajectories = 6\nsteps = 40\n", "file = \"text.nc\"\n").replace("spin_up = 50\n", "");
    write(&folder, "bad.toml", &text);
    for words in [
        &["compare", "bad.toml"][..],
        &["compare", "bad.toml", "--out", "deep/run"],
        &["train", "fitted.toml", "--data", "text.nc", "--out", "new"],
    ] {
        let said = refused(&folder, words, 3, &["text.nc"]);
        assert!(!said.contains("--resume"), "{said}");
    }
    std::fs::remove_file(folder.path().join("bad.toml")).unwrap();
    assert_eq!(listing(folder.path()), before);
    // work that takes hours, so that a refusal after it would never come
    let long = ["--set", "observe.steps=100000000"];
    let inside = "text.nc/deeper";
    let tune = ["tune", "base.toml", "--grid", "inflation=1.0,1.1", "--max-memory", "100GiB"];
    for (words, out, code) in [
        (&["compare", "base.toml"][..], inside, 74),
        (&["assimilate", "base.toml"], inside, 74),
        (&["assimilate", "base.toml"], "text.nc", 7),
        (&tune, inside, 74),
        (&tune, "none/t.toml", 74),
        (&tune, "models", 74),
        (&["forecast", "fitted.toml", "--set", "score.members=100000"], "text.nc", 7),
        (&["train", "fitted.toml", "--set", "forecaster.ar.steps=100000000"], "text.nc", 7),
        (&["train", "fitted.toml", "--set", "forecaster.ar.steps=100000000"], inside, 74),
        (&["simulate", "base.toml", "--set", "data.steps=1000000", "--force"], "models", 74),
        (&["simulate", "base.toml", "--set", "data.steps=1000000"], "none/data.nc", 74),
        (&["diagnose", "lorenz96"], inside, 74),
        (&["diagnose", "lorenz96"], "text.nc", 7),
    ] {
        let words = match words[0] {
            "compare" | "assimilate" | "tune" => [words, &long, &["--max-memory", "1000GiB", "--out", out]].concat(),
            _ => [words, &["--out", out]].concat(),
        };
        let words: Vec<&str> = match words[0] {
            "tune" => words
                .iter()
                .copied()
                .filter(|word| *word != "100GiB" && *word != "--max-memory" && *word != "1000GiB")
                .chain(["--max-memory", "1000GiB"])
                .collect(),
            _ => words,
        };
        let name = if out == "models" { "models" } else { out.split('/').next().unwrap() };
        refused(&folder, &words, code, &[name]);
    }
    assert_eq!(listing(folder.path()), before);
}

#[test]
fn the_well_holds_no_clock() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "base.toml", BASE);
    done(&folder, &["simulate", "base.toml", "--format", "the_well", "--out", "a"]);
    // HDF5 counts whole seconds
    std::thread::sleep(std::time::Duration::from_millis(1100));
    done(&folder, &["simulate", "base.toml", "--format", "the_well", "--out", "b"]);
    for part in ["train", "valid", "test"] {
        let bytes = |out: &str| {
            let of_part = folder.path().join(out).join("base/data").join(part);
            let file = std::fs::read_dir(of_part).unwrap().next().unwrap().unwrap().path();
            std::fs::read(file).unwrap()
        };
        assert!(bytes("a") == bytes("b"), "{part}");
    }
}

#[test]
fn a_report_is_rendered_of_what_the_run_wrote_alone() {
    let folder = prepared();
    done(&folder, &["compare", "base.toml", "--out", "run"]);
    let as_it_was = json(&folder, &["report", "run", "--force"]);
    assert_eq!(as_it_was["warnings"].as_array().unwrap().len(), 0, "{as_it_was}");
    write(&folder, "run/metrics.csv", "better numbers");
    let said = json(&folder, &["report", "run", "--force"])["warnings"].to_string();
    assert!(said.contains("`metrics.csv` of the run is missing or was changed"), "{said}");
    let report = std::fs::read_to_string(folder.path().join("run/report.json")).unwrap();
    write(&folder, "run/report.json", &report.replacen("0.", "1.", 1));
    refused(&folder, &["report", "run", "--force"], 3, &["report.json", "was changed after the run was written"]);
}
