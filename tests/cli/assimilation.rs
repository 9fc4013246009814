//! What the assimilation table and the resolved experiment say of smoothers, noise laws and grids.

use serde_json::Value;

use crate::{json, scorecast, write};

/// The rows of a comparison, as label, metric and value.
fn rows(text: &str) -> Vec<(String, String, f64)> {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("run");
    let result = json(&scorecast(&["compare", path.to_str().unwrap(), "--json", "--out", out.to_str().unwrap()]));
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = result["result"]["assimilation"].as_array().unwrap();
    rows.iter().filter_map(|row| Some((word(row, "label"), word(row, "metric"), row["value"].as_f64()?))).collect()
}

fn value(rows: &[(String, String, f64)], label: &str, metric: &str) -> Option<f64> {
    rows.iter().find(|row| row.0 == label && row.1 == metric).map(|row| row.2)
}

const LINEAR: &str = "seed = 4\n[system]\nname = \"ou\"\ndim = 3\n[data]\ntrajectories = 8\nsteps = 50\ndt = 0.3\n";

#[test]
fn a_smoother_is_scored_beside_its_filter_and_is_better() {
    let text = format!(
        "{LINEAR}[observe]\nsteps = 400\nburn_in = 20\n\
         [[assimilate]]\nmethod = \"etkf\"\nlabel = \"filter\"\nmembers = 40\n\
         [[assimilate]]\nmethod = \"etkf\"\nlabel = \"smoother\"\nmembers = 40\nlag = 4\n"
    );
    let rows = rows(&text);
    assert_eq!(value(&rows, "filter", "rmse_smoothed"), None);
    let [filter, smoother] = ["filter", "smoother"].map(|label| value(&rows, label, "rmse").unwrap());
    assert!((filter - smoother).abs() < 1e-9, "the smoother's analysis is its filter's: {filter} {smoother}");
    let smoothed = value(&rows, "smoother", "rmse_smoothed").unwrap();
    assert!(smoothed < 0.97 * filter, "{smoothed} {filter}");
    let honest = value(&rows, "smoother", "spread_skill_smoothed").unwrap();
    assert!((honest - 1.0).abs() < 0.12, "{honest}");
}

#[test]
fn a_noise_law_reaches_the_observations_and_the_methods() {
    let text = |noise: &str| {
        format!(
            "{LINEAR}[observe]\nnoise = {noise}\nsteps = 300\nburn_in = 20\n\
             [[assimilate]]\nmethod = \"bootstrap\"\nmembers = 400\n"
        )
    };
    // errors of the same standard deviation; the weights of the particle filter are those of the law
    let by_law =
        ["0.5", "{ name = \"laplace\", scale = 0.35355 }", "{ name = \"student_t\", scale = 0.35355, dof = 4 }"]
            .map(|noise| value(&rows(&text(noise)), "bootstrap / perfect", "rmse").unwrap());
    assert!(by_law.iter().all(|rmse| (0.2..0.5).contains(rmse)), "{by_law:?}");
    assert!(by_law[1] < by_law[0] && by_law[2] < by_law[0], "sharp laws tell more: {by_law:?}");
}

#[test]
fn the_resolved_experiment_names_the_law_and_the_grid_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[system]\nname = \"navier_stokes\"\ngrid = 16\n[observe]\nnoise = { name = \"correlated\", sd = 1, length \
                = 2 }\n[[assimilate]]\nmethod = \"letkf\"\nradius = 3\nobserve = \"observe\"\n";
    let text = text.replace("name = \"correlated\", sd = 1, length = 2", "name = \"gaussian\", sd = 0.5");
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let show = |path: &str| String::from_utf8(scorecast(&["config", "show", path]).stdout).unwrap();
    let resolved = show(path.to_str().unwrap());
    for line in ["geometry = \"torus\"", "columns = 16", "noise = { name = \"gaussian\", sd = "] {
        assert!(resolved.contains(line), "{line} in\n{resolved}");
    }
    let again = write(folder.path(), "again.toml", resolved.as_bytes());
    let strip = |text: String| text.replace("name = \"x\"\n", "").replace("name = \"again\"\n", "");
    assert_eq!(strip(show(again.to_str().unwrap())), strip(resolved));
}
