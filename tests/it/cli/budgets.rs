//! Budgets on the command line: what they set is said, and seconds are measured once.

use std::path::Path;
use std::process::{Command, Output};

const EXPERIMENT: &str = r#"
[system]
name = "lorenz63"
[data]
trajectories = 8
steps = 30
spin_up = 20
[[forecaster]]
kind = "gaussian"
width = 4
blocks = 1
batch = 8
[[forecaster]]
kind = "consistency"
width = 4
blocks = 1
batch = 8
"#;

const SECONDS: &str = "[budget]\nby = \"seconds\"\nvalue = 0.3\n";

const SCORE: &str = "[score]\nlead_steps = 2\nmembers = 4\nstarts = 2\n";

fn scorecast(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.current_dir(folder).args(words).arg("--quiet").output().unwrap()
}

/// What a command that ends well says.
fn says(folder: &Path, words: &[&str]) -> String {
    let output = scorecast(folder, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The steps of each forecaster in an experiment.
fn steps(experiment: &str) -> Vec<i64> {
    let parsed: toml::Value = toml::from_str(experiment).unwrap();
    parsed["forecaster"].as_array().unwrap().iter().filter_map(|one| one.get("steps")?.as_integer()).collect()
}

#[test]
fn seconds_are_measured_once_and_the_steps_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("x.toml"), format!("{EXPERIMENT}{SECONDS}")).unwrap();
    // of which nothing will be scored: that the trajectories are shorter than 40 lead steps is no mistake
    let would = says(folder, &["train", "x.toml", "--dry-run"]);
    assert!(
        would
            .contains("measure a training step of `gaussian`, `consistency` and give each training the steps of 0.3 s")
    );
    assert!(!would.contains("budget:"), "{would}");
    let trained = says(folder, &["train", "x.toml", "--out", "models"]);
    let kept = read(folder, "models/experiment.toml");
    let found = steps(&kept);
    assert!(found.len() == 2 && found.iter().all(|steps| *steps > 1) && !kept.contains("budget"), "{kept}");
    for (label, steps) in ["gaussian", "consistency"].iter().zip(&found) {
        let note = format!("budget: `{label}` gets steps = {steps} for 0.3000 s: a step takes ");
        assert!(trained.contains(&note), "{trained}");
    }
    assert!(trained.contains("ms as measured on this machine") && trained.contains("and, of the second training, "));
    // both trainings of the second
    let told: serde_json::Value = serde_json::from_str(&read(folder, "models/training.json")).unwrap();
    let of: Vec<_> = told["curves"].as_array().unwrap().iter().map(|curve| (&curve["label"], &curve["of"])).collect();
    let known = |label: &'static str| serde_json::Value::from(label);
    assert_eq!(of[0], (&known("gaussian"), &serde_json::Value::Null));
    assert_eq!(
        of[1..],
        [(&known("consistency"), &known("teacher")), (&known("consistency"), &serde_json::Value::Null)]
    );
    assert!(read(folder, "models/training.svg").contains("consistency (teacher): loss"));

    // what goes on has the steps that are there, and so has what is made anew from them
    let resumed = says(folder, &["train", "x.toml", "--out", "models", "--resume"]);
    assert!(!resumed.contains("budget:") && !resumed.contains("measured"), "{resumed}");
    assert_eq!(read(folder, "models/experiment.toml"), kept);
    let again = says(folder, &["train", "models/experiment.toml", "--out", "again"]);
    assert!(!again.contains("budget:"), "{again}");
    for model in ["gaussian.safetensors", "consistency.safetensors"] {
        let bytes = |of: &str| std::fs::read(folder.join(of).join(model)).unwrap();
        assert_eq!(bytes("models"), bytes("again"), "{model}");
    }
}

#[test]
fn a_run_has_the_steps_in_its_experiment_and_what_keeps_none_does_not_measure() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("x.toml"), format!("{EXPERIMENT}{SECONDS}{SCORE}")).unwrap();
    let compared = says(folder, &["compare", "x.toml", "--out", "run", "--set", "data.steps=12"]);
    let kept = read(folder, "run/experiment.toml");
    assert!(steps(&kept).len() == 2 && !kept.contains("budget"), "{kept}");
    assert!(compared.contains(&format!("budget: `gaussian` gets steps = {} for ", steps(&kept)[0])), "{compared}");
    let output = scorecast(folder, &["forecast", "x.toml", "--out", "forecasts"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("the steps of `gaussian` are not known") && said.contains("take the experiment.toml"),
        "{said}"
    );
}

#[test]
fn what_a_budget_sets_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let like = "[budget]\nby = \"training_flops\"\nlike = \"gaussian\"\n";
    let few = EXPERIMENT.replacen("width = 4", "width = 4\nsteps = 200", 1);
    std::fs::write(folder.join("x.toml"), format!("{few}{like}")).unwrap();
    for words in [&["train", "x.toml", "--dry-run"][..], &["train", "x.toml", "--out", "models"]] {
        let said = says(folder, words);
        assert!(said.starts_with("budget: `consistency` gets steps = "), "{said}");
        assert!(said.contains(" operations of its training, ") && said.contains(" % off the budget"), "{said}");
    }
}
