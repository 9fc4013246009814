//! What one row, one label or one number does wrong stays with it: the rest of a run is told as it is.

use serde_json::Value;

use super::{json, scorecast, stderr, write};

const NEARLY_EXACT: &str = "seed = 1\n[system]\nname = \"lorenz96\"\ndim = 6\nnoise = 0.2\n[data]\ntrajectories = 10\n\
    steps = 40\ndt = 0.05\nspin_up = 50\nsplit = [0.6, 0.2, 0.2]\n[observe]\nnoise = 1e-12\ninitial = \"climatology\"\n\
    steps = 60\nburn_in = 10\n";

fn row<'a>(found: &'a Value, label: &str, metric: &str) -> &'a Value {
    let rows = found["result"]["assimilation"].as_array().unwrap();
    rows.iter().find(|row| row["label"] == label && row["metric"] == metric).unwrap()
}

#[test]
fn a_row_whose_numbers_fail_is_that_rows_and_a_score_that_cannot_be_had_is_no_divergence() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "[[assimilate]]\nmethod = \"climatology\"\nlabel = \"climate\"\nmembers = 6\n\
                [[assimilate]]\nmethod = \"four_d_envar\"\nlabel = \"fails\"\nmembers = 6\n";
    let path = write(folder.path(), "x.toml", format!("{NEARLY_EXACT}{rows}").as_bytes());
    let out = folder.path().join("run");
    let output = scorecast(&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = json(&output);
    assert_eq!(
        (&row(&found, "fails", "rmse")["diverged"], &row(&found, "fails", "rmse")["value"]),
        (&1.into(), &Value::Null)
    );
    let told = found["result"]["warnings"].to_string();
    assert!(told.contains("`fails` could not go on at lead step 1"), "{told}");
    assert!(row(&found, "climate", "rmse")["value"].as_f64().unwrap() > 1.0);
    // errors of 1e-12 are lost beside a forecast 3 wide, and with them this score
    let score = row(&found, "climate", "innovation_log_score");
    assert_eq!((&score["diverged"], &score["value"]), (&0.into(), &Value::Null));
}

#[test]
fn a_training_that_diverges_leaves_rows_without_values_and_the_others_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let network = |name: &str, more: &str| {
        format!(
            "[[forecaster]]\nname = \"{name}\"\nkind = \"gaussian\"\nwidth = 4\nblocks = 1\nsteps = 20\nwarm_up = 0\n{more}"
        )
    };
    let method = "[[assimilate]]\nmethod = \"etkf\"\nmembers = 10\nforecaster = [\"perfect\", \"well\", \"stuck\"]\n";
    let rows = |found: &Value, table: &str, label: &str| -> Vec<Value> {
        let of = |row: &&Value| row["forecaster"] == label;
        found["result"][table].as_array().unwrap().iter().filter(of).cloned().collect()
    };
    let run = |name: &str, networks: &str, method: &str| {
        let head = NEARLY_EXACT.replace("1e-12", "1.0");
        let scores = "[score]\nlead_steps = 2\nmembers = 6\nstarts = 4\n";
        let path = write(folder.path(), "x.toml", format!("{head}{networks}{method}{scores}").as_bytes());
        let out = folder.path().join(name);
        scorecast(&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"])
    };
    let stuck = "learning_rate = 1e30\nclip = 1e30\nseeds = 2\npool = true\n";
    let output = run("both", &[network("well", ""), network("stuck", stuck)].concat(), method);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = json(&output);
    let told = found["result"]["warnings"].to_string();
    assert!(told.contains("forecaster `stuck-seed-1`: training diverged at step"), "{told}");
    assert!(told.contains("its rows have no values"), "{told}");
    // each score that all others have, at each lead step, and no number
    let (lost, exact) = (rows(&found, "forecast", "stuck"), rows(&found, "forecast", "perfect"));
    assert!(!lost.is_empty() && lost.len() <= exact.len());
    for row in &lost {
        assert_eq!((&row["value"], &row["n_diverged"]), (&Value::Null, &row["n"]), "{row}");
    }
    assert!(lost.iter().any(|row| row["metric"] == "crps_fair" && row["lead_step"] == 2));
    let row = row(&found, "etkf / stuck", "rmse");
    assert_eq!((&row["value"], &row["diverged"]), (&Value::Null, &row["replicates"]));
    // the others are what they are without it
    let alone = json(&run("one", &network("well", ""), &method.replace(", \"stuck\"", "")));
    for (table, label) in [("forecast", "well"), ("forecast", "perfect"), ("assimilation", "well")] {
        let known = |rows: Vec<Value>| -> Vec<Value> {
            let values =
                rows.iter().map(|row| serde_json::json!([row["metric"], row["lead_step"], row["value"], row["se"]]));
            values.collect()
        };
        assert_eq!(known(rows(&found, table, label)), known(rows(&alone, table, label)), "{table} of {label}");
    }
}

#[test]
fn labels_have_a_file_each_are_no_formulas_and_do_not_act_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let labels = ["a b", "a/b", "A b", "日本", "本日", "=1+1", "\\u001b[2Jx", &"l".repeat(300)];
    let mut text = "seed = 1\n[system]\nname = \"ou\"\n[data]\ntrajectories = 8\nsteps = 20\n".to_owned();
    labels.iter().for_each(|label| text += &format!("[[forecaster]]\nkind = \"linear\"\nname = \"{label}\"\n"));
    text += "[score]\nlead_steps = 2\nmembers = 4\nstarts = 2\n";
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("run");
    let output = scorecast(&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // and those of the baselines persistence and climatology
    assert_eq!(std::fs::read_dir(out.join("models")).unwrap().count(), labels.len() + 2);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("\\u{1b}[2Jx") && !told.contains('\u{1b}'), "{told}");
    let table = std::fs::read_to_string(out.join("metrics.csv")).unwrap();
    assert!(table.contains(",'=1+1,") && !table.contains(",=1+1,"), "{table}");
}

#[test]
fn systems_that_cut_the_state_of_another_are_written_too() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.nc");
    let system = "[system]\nname = \"observe_partially\"\ncomponents = [0, 2]\n[system.of]\nname = \"lorenz63\"\n\
                  [data]\ntrajectories = 4\nsteps = 10\n";
    let path = write(folder.path(), "x.toml", system.as_bytes());
    let output = scorecast(&["simulate", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let limits = scorecast::store::Limits::bytes(1 << 30);
    let read = scorecast::store::netcdf::read_trajectories(&out, None, &limits).unwrap();
    assert_eq!(read.values.dim(), (4, 11, 2));
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_a_write_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.nc");
    let command = format!(
        "ulimit -f 16; exec '{}' simulate lorenz96 --set data.trajectories=16 --set data.steps=500 --out '{}'",
        env!("CARGO_BIN_EXE_scorecast"),
        out.display()
    );
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{:?} {}", output.status, stderr(&output));
    assert!(stderr(&output).contains("x.nc"), "{}", stderr(&output));
    assert!(!out.exists(), "what is finished can be resumed, and nothing half-written bears the name");
}

#[test]
fn neither_language_nor_clock_nor_home_changes_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[system]\nname = \"ou\"\n[data]\ntrajectories = 3\nsteps = 5\ndt = 0.1\n";
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let made = |variables: &[(&str, &str)], name: &str| {
        let out = folder.path().join(name);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scorecast"));
        command.arg("simulate").arg(&path).arg("--out").arg(&out).env_clear().envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{variables:?}: {}", stderr(&output));
        std::fs::read(out).unwrap()
    };
    let plain = made(&[], "plain.nc");
    // a comma for the decimal point, dotless i, the date of tomorrow, a home that is none
    for (i, variables) in [
        [("LC_ALL", "de_DE.UTF-8"), ("LANG", "de_DE.UTF-8")],
        [("LC_ALL", "tr_TR.ISO-8859-9"), ("TZ", "Pacific/Kiritimati")],
        [("HOME", "/nowhere/at/all"), ("TMPDIR", "/nowhere/at/all")],
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(made(variables, &format!("{i}.nc")), plain, "{variables:?}");
    }
}
