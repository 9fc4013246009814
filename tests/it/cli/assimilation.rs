//! What the assimilation table and the resolved experiment say of smoothers, noise laws and grids.

use std::path::Path;

use scorecast::assimilation::METHODS;
use serde_json::Value;

use super::{json, scorecast, write};

/// The rows of a comparison, as label, metric and value.
fn rows(text: &str) -> Vec<(String, String, f64)> {
    rows_in(tempfile::tempdir().unwrap().path(), text)
}

/// The same, of a run in the folder `run` inside of this one.
fn rows_in(folder: &Path, text: &str) -> Vec<(String, String, f64)> {
    let path = write(folder, "x.toml", text.as_bytes());
    let out = folder.join("run");
    let result = json(&scorecast(&["compare", path.to_str().unwrap(), "--json", "--out", out.to_str().unwrap()]));
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = result["result"]["assimilation"].as_array().unwrap();
    rows.iter().filter_map(|row| Some((word(row, "label"), word(row, "metric"), row["value"].as_f64()?))).collect()
}

fn value(rows: &[(String, String, f64)], label: &str, metric: &str) -> Option<f64> {
    rows.iter().find(|row| row.0 == label && row.1 == metric).map(|row| row.2)
}

/// The rows of methods on a short linear twin.
fn rows_of(methods: &str) -> Vec<(String, String, f64)> {
    rows(&format!("{LINEAR}[observe]\nsteps = 100\nburn_in = 20\n{methods}"))
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
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let show = |path: &str| String::from_utf8(scorecast(&["config", "show", path]).stdout).unwrap();
    let resolved = show(path.to_str().unwrap());
    for line in ["geometry = \"torus\"", "columns = 16", "noise = { name = \"correlated\", "] {
        assert!(resolved.contains(line), "{line} in\n{resolved}");
    }
    let again = write(folder.path(), "again.toml", resolved.as_bytes());
    let strip = |text: String| text.replace("name = \"x\"\n", "").replace("name = \"again\"\n", "");
    assert_eq!(strip(show(again.to_str().unwrap())), strip(resolved));
}

/// Nothing of the order of the square of a state is made, and what is drawn of it is bounded.
#[test]
fn a_large_state_is_assimilated_and_reported_in_little_room() {
    let folder = tempfile::tempdir().unwrap();
    let text = "seed = 5\n[system]\nname = \"lorenz96\"\ndim = 20000\n[data]\ntrajectories = 3\nsteps = 2\ndt = 0.01\nsubsteps = \
                1\nspin_up = 100\n[observe]\nevery = 5\nsteps = 20\ninitial = { mean = 2, sd = 3 }\n[[assimilate]]\nmethod = \
                \"letkf\"\nmembers = 12\nradius = 2\ninflation = 1.05\n";
    let rows = rows_in(folder.path(), text);
    let of = |metric: &str| value(&rows, "letkf / perfect", metric).unwrap();
    assert!(
        of("rmse") < 1.5 && of("innovation_log_score").is_finite(),
        "{} {}",
        of("rmse"),
        of("innovation_log_score")
    );
    let size = std::fs::metadata(folder.path().join("run/report.json")).unwrap().len();
    assert!(size < 2_000_000, "{size} bytes of report.json");
}

#[test]
fn gaps_and_irregular_times_are_part_of_the_experiment() {
    let text = |network: &str| {
        format!(
            "{LINEAR}[observe]\nevery = 4\n{network}steps = 2400\nburn_in = 40\n[[assimilate]]\nmethod = \"kalman\"\n"
        )
    };
    let columns = |network: &str| {
        let rows = rows(&text(network));
        ["rmse", "innovation_chi_square", "spread_skill"]
            .map(|metric| value(&rows, "kalman / perfect", metric).unwrap())
    };
    let [plain, gaps, irregular] = ["", "missing = 0.6\n", "irregular = true\n"].map(columns);
    // the exact filter knows its own error, whatever is missing and whenever the sets come
    for [_, chi_square, spread_skill] in [plain, gaps, irregular] {
        assert!((chi_square - 1.0).abs() < 0.12 && (spread_skill - 1.0).abs() < 0.08, "{chi_square} {spread_skill}");
    }
    assert!(gaps[0] > 1.1 * plain[0], "{gaps:?} {plain:?}");
    assert!(irregular[0] != plain[0]);
    // shocks that the filter does not know: it is worse, and overconfident
    let [shocked, chi_square, spread_skill] = columns("jumps = [[0.2, 1.5], [0.1, 0.5]]\n");
    assert!(
        shocked > 1.2 * plain[0] && chi_square > 1.3 && spread_skill < 0.9,
        "{shocked} {chi_square} {spread_skill}"
    );
}

/// A linear experiment whose figures are those of the Kalman filter, and what `reproduce` makes of them.
#[test]
fn rows_are_held_against_known_figures() {
    let folder = tempfile::tempdir().unwrap();
    let run = |expected: &str| {
        let text = format!(
            "{LINEAR}[observe]\nsteps = 400\nburn_in = 20\nreplicates = 2\n[[assimilate]]\nmethod = \"kalman\"\nlabel = \
             \"k\"\n[[assimilate]]\nmethod = \"kalman\"\nlabel = \"free\"\n{expected}"
        );
        let path = write(folder.path(), "x.toml", text.as_bytes());
        let path = path.to_str().unwrap();
        (scorecast(&["reproduce", path, "--json"]), scorecast(&["reproduce", path]))
    };
    let row = |rmse: f64, more: &str| format!("[[expected]]\nrow = \"k\"\nrmse = {rmse}\nse = 0.01\n{more}");
    let (first, _) = run(&row(0.5, ""));
    let found = json(&first);
    let rows = if first.status.success() { &found["result"]["rows"] } else { &found["error"]["report"]["rows"] };
    let ours = rows[0]["rmse"].as_f64().unwrap();
    let (agrees, text) = run(&row(ours + 0.005, ""));
    let rows = json(&agrees)["result"]["rows"].clone();
    assert!(agrees.status.success() && text.status.success());
    assert_eq!((rows[0]["verdict"].as_str(), rows[1]["verdict"].as_str()), (Some("agrees"), Some("shown")));
    let shown = String::from_utf8(text.stdout).unwrap();
    assert!(shown.contains("1 of 1 judged rows agree"), "{shown}");
    let (differs, text) = run(&row(ours + 0.2, ""));
    assert_eq!((differs.status.code(), text.status.code()), (Some(4), Some(4)));
    assert_eq!(json(&differs)["error"]["report"]["rows"][0]["verdict"].as_str(), Some("differs"));
    assert!(String::from_utf8(text.stdout).unwrap().contains("DIFFERS"));
    let (explained, text) = run(&row(ours + 0.2, "explained = \"another law\"\n"));
    assert_eq!(json(&explained)["result"]["rows"][0]["verdict"].as_str(), Some("explained"));
    assert!(String::from_utf8(text.stdout).unwrap().contains("another law"));
    // a reference that diverged is judged by rates: 39 of 40 there and 0 of 2 here are too far apart
    let (rates, _) = run(&row(ours, "diverged = 39\nruns = 40\n"));
    let report = json(&rates)["error"]["report"].clone();
    assert!(report["rows"][0]["p_diverged"].as_f64().unwrap() < 0.0124, "{report}");
    // one run there tells nothing
    let (few, text) = run(&row(ours, "diverged = 1\n"));
    assert_eq!(json(&few)["result"]["rows"][0]["verdict"].as_str(), Some("undecided"));
    assert!(
        String::from_utf8(text.stdout).unwrap().contains("0 of 0 judged rows agree with their reference; 1 could not")
    );
}

#[test]
fn the_table_says_what_needs_no_truth() {
    let text = format!(
        "{LINEAR}[observe]\nsteps = 1000\nburn_in = 20\n[[assimilate]]\nmethod = \"kalman\"\nlabel = \"exact\"\n\
         [[assimilate]]\nmethod = \"etkf\"\nlabel = \"checked\"\nmembers = 40\noutlier_threshold = 3\nadaptive = \
         \"miyoshi\"\n"
    );
    let rows = rows(&text);
    let of = |label: &str, metric: &str| value(&rows, label, metric);
    // a method's own inflation and an adaptive one around it are one number
    let both = rows_of("[[assimilate]]\nmethod = \"enkf_n\"\nadaptive = \"miyoshi\"\n");
    assert!(value(&both, "enkf_n / perfect", "inflation").is_some());
    // of an exact filter whose R is right
    assert!((of("exact", "observation_error_ratio").unwrap() - 1.0).abs() < 0.25);
    assert!(of("exact", "log_evidence").unwrap() < 0.0);
    assert_eq!((of("exact", "effective_dimension"), of("exact", "rejected")), (None, None));
    let dimension = of("checked", "effective_dimension").unwrap();
    assert!((1.0..=3.0).contains(&dimension), "{dimension}");
    // 2 (1 - Phi(3)) = .0027 of honest values
    assert!(of("checked", "rejected").unwrap() < 0.02);
    assert!((of("checked", "inflation").unwrap() - 1.0).abs() < 0.2);
}

#[test]
fn a_row_that_diverges_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let text = "seed = 4\n[system]\nname = \"lorenz96\"\n[data]\ntrajectories = 4\nsteps = 200\ndt = 0.05\n[observe]\n\
                steps = 600\nburn_in = 50\ninitial = { truth_sd = 1 }\n[[assimilate]]\nmethod = \"etkf\"\nmembers = 8\n";
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("run");
    let args = ["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let found = json(&scorecast(&[&args[..], &["--json"]].concat()));
    let told = if found["ok"].as_bool().unwrap() {
        &found["result"]["warnings"]
    } else {
        &found["error"]["report"]["warnings"]
    };
    let told = told.to_string();
    assert!(told.contains("`etkf / perfect` diverged at lead step"), "{found}");
    assert!(told.contains("inflation") || told.contains("members"), "a remedy: {told}");
}

/// Every method runs on a user's own observations, of which no truth is known: a simulated trajectory stands for them.
#[test]
fn every_method_runs_without_a_truth() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let observed = write(folder.path(), "seen.toml", LINEAR.replace("trajectories = 8", "trajectories = 1").as_bytes());
    let made = scorecast(&["simulate", observed.to_str().unwrap(), "--out", &file("seen.nc"), "--json"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let methods: Vec<&str> = METHODS.iter().map(|entry| entry.name).collect();
    let rows: String = methods
        .iter()
        .map(|method| format!("[[assimilate]]\nmethod = \"{method}\"\nlabel = \"{method}\"\nmembers = 12\n"))
        .collect();
    let text = format!(
        "{}integrator = \"euler_maruyama\"\nsubsteps = 1\n[observe]\nfile = \"{}\"\nnoise = 0.5\ninitial = {{ mean = 0, sd = 1 \
         }}\n{rows}[score]\nmetrics = [\"rmse\"]\n",
        LINEAR,
        file("seen.nc")
    );
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let result = json(&scorecast(&["compare", path.to_str().unwrap(), "--json", "--out", &file("run")]));
    assert!(result["ok"].as_bool().unwrap(), "{result}");
    let rows = result["result"]["assimilation"].as_array().unwrap();
    for method in methods {
        let of = |metric: &str| rows.iter().find(|row| row["label"] == method && row["metric"] == metric);
        assert!(of("rmse").is_none(), "{method}");
        let chi_square = of("innovation_chi_square").unwrap_or_else(|| panic!("{method}: {rows:?}"));
        assert!(chi_square["value"].as_f64().is_some_and(|value| value > 0.0), "{method}: {chi_square}");
    }
}

/// Withheld values act on nothing: what a method makes of the others is, bit for bit, what it makes of them where the
/// withheld ones are missing. The file of analyses says what became of each.
#[test]
fn withheld_values_verify_and_do_not_act() {
    use scorecast::store::{Limits, netcdf};
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let limits = Limits::bytes(1 << 30);
    let mut values = ndarray::Array3::from_shape_fn((1, 12, 3), |(_, j, i)| ((3 * j + i) as f64 * 0.7).sin());
    values[[0, 4, 0]] = f64::NAN;
    let write_file = |name: &str, values: &ndarray::Array3<f64>| {
        let observations = netcdf::Observations { values: values.clone(), time: None, unit: Default::default() };
        netcdf::write_observations(file(name).as_ref(), &observations, &Default::default()).unwrap();
    };
    write_file("all.nc", &values);
    let mut left = values.clone();
    left.slice_mut(ndarray::s![.., .., 1..]).fill(f64::NAN);
    write_file("left.nc", &left);
    let run = |name: &str, network: &str| {
        let text = format!(
            "{LINEAR}[observe]\nfile = \"{}\"\nnoise = 0.5\ninitial = {{ mean = 0, sd = 1 }}\n{network}[[assimilate]]\n\
             method = \"etkf\"\nlabel = \"a\"\nmembers = 10\noutlier_threshold = 40\n",
            file(&format!("{name}.nc"))
        );
        let path = write(folder.path(), &format!("{name}.toml"), text.as_bytes());
        let out = file(&format!("run-{name}{}", network.len()));
        let result = json(&scorecast(&["compare", path.to_str().unwrap(), "--json", "--out", &out]));
        let rows = result["result"]["assimilation"].as_array().unwrap_or_else(|| panic!("{result}")).clone();
        let find = |metric: &str| rows.iter().find(|row| row["metric"] == metric).and_then(|row| row["value"].as_f64());
        let mut analyses = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
        let analyses = analyses.find(|path| path.to_str().unwrap().contains("analysis_")).unwrap();
        let data = netcdf::read(&analyses, &limits).unwrap();
        let of = |name: &str| data.variables.iter().find(|variable| variable.name == name).map(|v| v.values.clone());
        if name == "all" {
            // what the method does not see is in the file all the same
            let kept = of("observation").unwrap().to_f64().unwrap();
            let same = |(kept, y): (&f64, &f64)| kept == y || kept.is_nan() && y.is_nan();
            assert!(kept.len() == 36 && kept.iter().zip(&values).all(same), "{kept:?}");
        }
        (of("analysis_mean"), of("quality"), ["rmse_withheld", "chi_square_withheld"].map(find))
    };
    let (mean, quality, verified) = run("all", "evaluate_only = [1]\nnot_used = [2]\n");
    let (plain, _, none) = run("left", "");
    let netcdf::Values::F64(means) = mean.unwrap() else { panic!("means are numbers") };
    assert_eq!(plain, Some(netcdf::Values::F64(means.clone())), "withheld values are as if missing");
    assert_eq!(none, [None, None]);
    let netcdf::Values::I8(codes) = quality.unwrap() else { panic!("codes are flags") };
    let expected: Vec<i8> = (0..12).flat_map(|j| [if j == 4 { 6 } else { 0 }, 1, 5]).collect();
    assert_eq!(codes, expected);
    // the mean over times of |m - y| of the one value that is withheld
    let by_hand = (0..12).map(|j| (means[3 * j + 1] - values[[0, j, 1]]).abs()).sum::<f64>() / 12.0;
    assert!((verified[0].unwrap() - by_hand).abs() < 1e-12, "{verified:?} {by_hand}");
    assert!(verified[1].unwrap() > 0.0);
}

/// Sets at irregular times of a file are where their times say: the same as sets at each time of which some are missing.
#[test]
fn a_files_own_times_say_where_its_sets_are() {
    use scorecast::store::netcdf;
    let folder = tempfile::tempdir().unwrap();
    let all = ndarray::Array3::from_shape_fn((1, 12, 3), |(_, j, i)| ((3 * j + i) as f64 * 0.7).sin());
    let kept = [0usize, 1, 4, 5, 9, 11];
    let run = |name: &str, values: ndarray::Array3<f64>, time: Option<Vec<f64>>| {
        let file = folder.path().join(format!("{name}.nc"));
        let observations = netcdf::Observations { values, time, unit: Default::default() };
        netcdf::write_observations(&file, &observations, &Default::default()).unwrap();
        let text = format!(
            "{LINEAR}[observe]\nfile = \"{}\"\nnoise = 0.5\ninitial = {{ mean = 0, sd = 1 }}\n[[assimilate]]\nmethod = \
             \"kalman\"\n",
            file.display()
        );
        let path = write(folder.path(), &format!("{name}.toml"), text.as_bytes());
        let out = folder.path().join(name);
        scorecast(&["compare", path.to_str().unwrap(), "--json", "--out", out.to_str().unwrap()])
    };
    let score = |output: &std::process::Output| {
        let rows = json(output)["result"]["assimilation"].as_array().unwrap().clone();
        rows.iter().find(|row| row["metric"] == "innovation_log_score").unwrap()["value"].as_f64().unwrap()
    };
    let some = all.select(ndarray::Axis(1), &kept);
    let mut padded = all.clone();
    (0..12).filter(|j| !kept.contains(j)).for_each(|j| padded.slice_mut(ndarray::s![.., j, ..]).fill(f64::NAN));
    let times: Vec<f64> = kept.iter().map(|&j| 100.0 + 0.3 * j as f64).collect();
    let [irregular, padded, blind] = [
        run("irregular", some.clone(), Some(times.clone())),
        run("padded", padded, None),
        run("blind", some.clone(), None),
    ];
    let exact = score(&padded);
    assert!((score(&irregular) - exact).abs() < 1e-12, "{} {exact}", score(&irregular));
    assert!((score(&blind) - exact).abs() > 1e-3, "the gaps matter");
    // no times of this model, and no values
    for (name, values, time, words) in [
        ("hours", some.clone(), times.iter().map(|t| 600.0 * t).collect(), "apart in `time`"),
        ("back", some.clone(), times.iter().rev().copied().collect(), "does not ascend"),
        ("empty", some * f64::NAN, times.clone(), "no value that is not missing"),
    ] {
        let output = run(name, values, Some(time));
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert!(json(&output)["error"].to_string().contains(words), "{name}: {}", json(&output));
    }
}

/// An exact filter is honest about the values that it does not see, whose share is drawn; the draws do not move with the
/// method, and the same experiment gives the same again.
#[test]
fn a_share_of_the_values_verifies_an_exact_filter() {
    let text = format!(
        "{LINEAR}[observe]\nnoise = 0.5\nwithhold = 0.3\nsteps = 1500\nburn_in = 20\n[[assimilate]]\nmethod = \
         \"kalman\"\nlabel = \"a\"\n[[assimilate]]\nmethod = \"climatology\"\nlabel = \"b\"\n"
    );
    let rows_once = rows(&text);
    let of = |label: &str, metric: &str| value(&rows_once, label, metric).unwrap();
    // 1500 x .9 squared normals: sd .038 of their mean, and more where neighbours in time are alike
    assert!((of("a", "chi_square_withheld") - 1.0).abs() < 0.15, "{}", of("a", "chi_square_withheld"));
    assert!(of("a", "rmse_withheld") < of("b", "rmse_withheld"));
    // it cannot be below the errors of the observations, nor above with those of the forecast added
    assert!(of("a", "rmse_withheld") > 0.4, "{}", of("a", "rmse_withheld"));
    assert_eq!(rows(&text), rows_once);
    let shown = rows(&text.replace("withhold = 0.3\n", ""));
    assert_eq!(value(&shown, "a", "rmse_withheld"), None);
    assert!(value(&shown, "a", "rmse").unwrap() < of("a", "rmse"), "fewer values tell less");
}
