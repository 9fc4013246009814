//! Numbers that mean what they are called: scores over the same values in every row, a climate that is the climate, bounds that
//! are marked as such, and what is dropped or made up is said.

use serde_json::Value;

use super::{json, scorecast, stderr, write};

/// The result of `compare` on an experiment, and the words that a terminal shows.
fn compared(text: &str) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let output = scorecast(&[&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap()], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        output
    };
    let text = String::from_utf8(run("b", &[]).stdout).unwrap();
    (json(&run("a", &["--json"]))["result"].take(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The value of a row; none where there is no such row.
fn value(result: &Value, label: &str, metric: &str) -> Option<f64> {
    let rows = result["assimilation"].as_array().unwrap();
    rows.iter().find(|row| row["label"] == label && row["metric"] == metric)?["value"].as_f64()
}

const QUALITY: &str = "seed = 3\n[system]\nname = \"ou\"\ndim = 3\n[data]\ndt = 0.1\ntrajectories = 6\nsteps = 50\n\
    split = [0.5, 0.25, 0.25]\n[observe]\nnoise = 0.5\nsteps = 800\nburn_in = 50\n\
    initial = { mean = [0.0], sd = [0.7] }\n[[assimilate]]\nmethod = \"kalman\"\nlabel = \"all\"\n\
    [[assimilate]]\nmethod = \"kalman\"\nlabel = \"rejects\"\noutlier_threshold = 0.3\n";

/// A filter that rejects four of five values is worse, and its innovation score says so: over all values, those that it
/// rejected among them, as an independent computation has it.
#[test]
fn a_row_that_rejects_values_is_scored_over_all_of_them() {
    let (result, text) = compared(QUALITY);
    let score = |label| value(&result, label, "innovation_log_score").unwrap();
    assert!((score("rejects") - 1.407).abs() < 0.002 && score("all") < score("rejects"), "{}", score("rejects"));
    assert!(
        value(&result, "rejects", "innovation_chi_square").unwrap()
            > value(&result, "all", "innovation_chi_square").unwrap()
    );
    assert!(value(&result, "all", "log_evidence").is_some() && value(&result, "rejects", "log_evidence").is_none());
    assert!(text.contains("`rejects` rejects values"), "{text}");
}

/// Filters that start around the truth know the climate from elsewhere.
#[test]
fn climatology_and_static_backgrounds_are_the_climate_wherever_filters_start() {
    let rows: String = ["climatology", "optimal_interpolation", "three_d_var", "hybrid"]
        .map(|name| format!("[[assimilate]]\nmethod = \"{name}\"\nlabel = \"{name}\"\nmembers = 10\n"))
        .concat();
    let text = |initial: &str| {
        format!(
            "seed = 5\n[system]\nname = \"ou\"\ndim = 3\n[data]\ndt = 0.5\ntrajectories = 40\nsteps = 100\n[observe]\n\
             noise = 0.5\nsteps = 1500\nburn_in = 100\ninitial = {initial}\n{rows}"
        )
    };
    let (near, _) = compared(&text("{ truth_sd = 1e-3 }"));
    let (far, _) = compared(&text("\"climatology\""));
    for label in ["climatology", "optimal_interpolation", "three_d_var", "hybrid"] {
        let (found, exact) = (value(&near, label, "rmse").unwrap(), value(&far, label, "rmse").unwrap());
        // other draws of the same climate: 1 / sqrt(2 x 500) of a variance with memory, and the members of the hybrid
        assert!((found / exact - 1.0).abs() < 0.06, "{label}: {found} for {exact}");
        let spread = value(&near, label, "spread").unwrap() / value(&far, label, "spread").unwrap();
        assert!((spread - 1.0).abs() < 0.15, "{label}: spread {spread}");
    }
}

#[test]
fn valid_times_that_are_lower_bounds_are_marked_and_counted() {
    let (result, text) = compared(
        "seed = 2\n[system]\nname = \"lorenz63\"\n[data]\ntrajectories = 8\nsteps = 60\ndt = 0.05\n\
         [[forecaster]]\nname = \"linear\"\nkind = \"linear\"\n[score]\nmetrics = [\"valid_time\"]\nlead_steps = 8\n\
         members = 2\nstarts = 4\n",
    );
    let rows = result["forecast"].as_array().unwrap();
    let row =
        |label: &str| rows.iter().find(|row| row["forecaster"] == label && row["metric"] == "valid_time").unwrap();
    let perfect = row("perfect");
    assert!(
        (perfect["value"].as_f64().unwrap() - 0.4).abs() < 1e-12 && perfect["censored"] == perfect["n"],
        "{perfect}"
    );
    assert!(row("linear")["censored"].as_u64().unwrap_or(0) < row("linear")["n"].as_u64().unwrap());
    assert!(text.contains(">= 0.4"), "{text}");
}

#[test]
fn values_that_no_law_can_draw_and_states_outside_their_bounds_are_said() {
    let (_, text) = compared(
        "seed = 2\n[system]\nname = \"ou\"\ndim = 2\n[data]\ntrajectories = 8\nsteps = 20\n[observe]\nsteps = 60\n\
         burn_in = 5\ninitial = \"climatology\"\nnoise = \"poisson\"\n[[assimilate]]\nmethod = \"bootstrap\"\nmembers = 50\n",
    );
    assert!(text.contains("are missing because the error law `poisson` has no draw"), "{text}");
    let bounded = |method: &str| {
        compared(&format!(
            "seed = 2\n[system]\nname = \"geometric_brownian\"\n[data]\ntrajectories = 8\nsteps = 20\n[observe]\nsteps = 60\n\
             burn_in = 5\ninitial = {{ mean = [1.0], sd = [0.3] }}\nnoise = 3.0\n[[assimilate]]\nmethod = \"{method}\"\n\
             members = 40\ninflation = 1.2\n"
        ))
        .1
    };
    let text = bounded("eakf");
    assert!(text.contains("makes states that the system does not have"), "{text}");
}

/// Many more members than components, transformed without rotations: Sakov and Oke 2008.
#[test]
fn a_spread_that_sits_in_few_members_is_said() {
    let told = |rotate: bool| {
        compared(&format!(
            "seed = 2\n[system]\nname = \"lorenz96\"\ndim = 8\n[data]\ntrajectories = 8\nsteps = 20\n[observe]\nsteps = 2000\n\
             burn_in = 500\ninitial = {{ truth_sd = 1.0 }}\nnoise = 1.0\n[[assimilate]]\nmethod = \"etkf\"\nmembers = 200\n\
             inflation = 1.02\nrotate = {rotate}\n"
        ))
        .1
        .contains("sits in few of its members")
    };
    assert!(told(false) && !told(true));
}
