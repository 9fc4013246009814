//! The log score by the probability flow beside the exact one, of laws that have both, and of a trained denoiser.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Of each forecaster `log_score` and `log_score_flow` at the first lead step.
fn scores(folder: &Path, dim: usize) -> Vec<(String, Option<f64>, Option<f64>)> {
    let text = format!(
        "seed = 6\n[system]\nname = \"ou\"\ndim = {dim}\n[data]\ntrajectories = 40\nsteps = 40\ndt = 0.5\n\
         [[forecaster]]\nkind = \"linear\"\n[[forecaster]]\nkind = \"crps\"\nsteps = 5\n\
         [[forecaster]]\nkind = \"diffusion\"\nsteps = 1500\nwidth = 32\nblocks = 2\n\
         [score]\nmetrics = [\"log_score\", \"log_score_flow\"]\nlead_steps = 1\nmembers = 4\nstarts = 2\n"
    );
    let file = folder.join(format!("ou{dim}.toml"));
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    let output = command
        .args(["compare", "--json", "--quiet", "--out"])
        .arg(folder.join(format!("run{dim}")))
        .arg(&file)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = result["result"]["forecast"].as_array().unwrap();
    let value = |forecaster: &str, metric: &str| {
        let row =
            rows.iter().find(|row| row["forecaster"] == forecaster && row["metric"] == metric && row["lead_step"] == 1);
        row.and_then(|row| row["value"].as_f64())
    };
    let estimator = rows.iter().find(|row| row["metric"] == "log_score_flow").unwrap()["estimator"].as_str().unwrap();
    assert_eq!(estimator, "probability flow");
    ["perfect", "linear", "diffusion", "crps"]
        .iter()
        .map(|label| ((*label).to_owned(), value(label, "log_score"), value(label, "log_score_flow")))
        .collect()
}

#[test]
fn the_flow_has_the_density_of_laws_that_have_one_and_that_of_a_trained_denoiser_is_near() {
    let folder = tempfile::tempdir().unwrap();
    // the trace is exact up to 8 components; of 12 it has the error of 4 random vectors at each of 160 states
    for (dim, near) in [(3, 1e-3), (12, 1e-2)] {
        let found = scores(folder.path(), dim);
        for (label, exact, by_flow) in &found[..2] {
            let (exact, by_flow) = (exact.unwrap(), by_flow.unwrap());
            assert!((exact - by_flow).abs() < near, "{label}, {dim}: {exact} {by_flow}");
        }
        let (true_law, learned) = (found[0].1.unwrap(), &found[2]);
        assert_eq!(learned.1, None, "a diffusion has no exact density");
        // 1,300 pairs cost some hundredths of a nat; a diffusion of the wrong law tenths
        let lost = learned.2.unwrap() - true_law;
        assert!((-0.02..0.1).contains(&lost), "{dim}: {lost}");
        assert_eq!((found[3].1, found[3].2), (None, None), "a score rule has neither");
    }
}
