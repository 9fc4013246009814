//! Rows that estimate parameters of the system with the state.

use serde_json::Value;

use super::{json, scorecast, stderr, write};

/// Lorenz-63 whose rho is 28, and a row that thinks 27 give or take 2.
const LORENZ63: &str = "seed = 6\n[system]\nname = \"lorenz63\"\nrho = 28.0\n[data]\ntrajectories = 8\nsteps = 200\ndt = \
                        0.01\nsubsteps = 1\n[observe]\nevery = 10\nsteps = 2000\nburn_in = 1500\ninitial = { truth_sd = 1 }\n";
const UNKNOWN: &str = "[[assimilate]]\nmethod = \"etkf\"\nlabel = \"unknown\"\nmembers = 40\ninflation = 1.005\nestimate = \
                       { parameter = \"rho\", mean = 27, sd = 2 }\n";

/// The result of a comparison, and what it wrote to metrics.csv.
fn compare(text: &str, more: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("run");
    let args = ["compare", path.to_str().unwrap(), "--json", "--out", out.to_str().unwrap()];
    let output = scorecast(&[&args[..], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    (json(&output)["result"].clone(), std::fs::read_to_string(out.join("metrics.csv")).unwrap())
}

fn value(result: &Value, label: &str, metric: &str) -> Option<f64> {
    let rows = result["assimilation"].as_array().unwrap();
    rows.iter().find(|row| row["label"] == label && row["metric"] == metric)?["value"].as_f64()
}

#[test]
fn an_unknown_parameter_is_found_within_its_posterior_spread() {
    let replicates = 8;
    let text = format!(
        "{LORENZ63}replicates = {replicates}\n{UNKNOWN}[[assimilate]]\nmethod = \"etkf\"\nlabel = \"known\"\nmembers = \
         40\ninflation = 1.005\n"
    );
    let (result, csv) = compare(&text, &[]);
    let of = |metric: &str| value(&result, "unknown", metric).unwrap();
    let (mean, sd, error, square) = (of("rho_mean"), of("rho_sd"), of("rho_error"), of("rho_chi_square"));
    println!("rho {mean:.3}, sd {sd:.3}, error {error:.3}, chi-square {square:.2}");
    assert!(sd < 0.1 * 2.0 && error < 0.1 * 2.0, "the prior's sd is 2: {sd} {error}");
    // times of one truth are far from independent, truths are: five standard errors over these
    let n = f64::from(replicates);
    assert!((mean - 28.0).abs() < 5.0 * sd / n.sqrt(), "{mean} {sd}");
    assert!(square < 1.0 + 5.0 * (2.0 / n).sqrt(), "{square}");
    // the state is scored as if the parameter were known
    assert!(of("rmse") < 1.15 * value(&result, "known", "rmse").unwrap());
    assert_eq!(value(&result, "known", "rho_mean"), None);
    assert!(csv.contains(",unknown,rho_error,"), "{csv}");
    assert!(!result["warnings"].to_string().contains("learned nothing"), "{}", result["warnings"]);
    let told = result["findings"].to_string();
    assert!(told.contains("`unknown` estimates `rho` as 2") && told.contains("the truth has 28"), "{told}");
    // the same bytes on one thread
    assert_eq!(compare(&text, &["--threads", "1"]).1, csv);
}

#[test]
fn without_observations_a_parameter_stays_at_its_prior() {
    let members = 1000.0f64;
    let text = format!(
        "{LORENZ63}missing = 1.0\nreplicates = 2\n[[assimilate]]\nmethod = \"etkf\"\nlabel = \"blind\"\nmembers = {members}\n\
         estimate = [{{ parameter = \"rho\", mean = 27, sd = 2 }}, {{ parameter = \"sigma\", mean = 9, sd = 0.1 }}]\n"
    )
    .replace("steps = 2000\nburn_in = 1500", "steps = 200\nburn_in = 100");
    let (result, _) = compare(&text, &[]);
    let of = |metric: &str| value(&result, "blind", metric).unwrap();
    // five standard errors of moments of so many draws in each of two replicates
    let (of_mean, of_sd) = (5.0 / (2.0 * members).sqrt(), 5.0 / (4.0 * members).sqrt());
    assert!((of("rho_mean") - 27.0).abs() < 2.0 * of_mean && (of("rho_sd") / 2.0 - 1.0).abs() < of_sd, "{result}");
    let told = result["warnings"].to_string();
    assert!(told.contains("`blind` has learned nothing of `rho`") && told.contains("nothing of `sigma`"), "{told}");
    // sigma must be above 0, so that its scale is the logarithm: a lognormal law of median 9
    let (mean, relative) = (9.0 * 0.005f64.exp(), 0.01f64.exp_m1().sqrt());
    assert!((of("sigma_mean") - mean).abs() < mean * relative * of_mean, "{}", of("sigma_mean"));
    assert!((of("sigma_sd") / (mean * relative) - 1.0).abs() < 1.2 * of_sd, "{}", of("sigma_sd"));
}

#[test]
fn an_estimate_is_resolved_tuned_reproduced_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let short = LORENZ63.replace("steps = 2000\nburn_in = 1500", "steps = 300\nburn_in = 100");
    let text = format!("{short}{UNKNOWN}[[expected]]\nrow = \"unknown\"\nrmse = 1\nse = 10\n");
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let path = path.to_str().unwrap();
    // resolved, changed by its name, and read again
    let show = ["config", "show", path, "--set", "assimilate.unknown.estimate.walk=0.01"];
    let shown = String::from_utf8(scorecast(&show).stdout).unwrap();
    let line = "estimate = [{ parameter = \"rho\", mean = 27.0, sd = 2.0, scale = \"linear\", walk = 0.01 }]";
    assert!(shown.contains(line), "{shown}");
    let again = write(folder.path(), "experiment.toml", shown.as_bytes());
    let again = String::from_utf8(scorecast(&["config", "show", again.to_str().unwrap()]).stdout).unwrap();
    assert_eq!(again, shown);
    let tuned =
        scorecast(&["tune", path, "--grid", "inflation=1.0,1.01", "--metric", "rmse", "--out", &file("tuned.toml")]);
    assert!(tuned.status.success(), "{}", stderr(&tuned));
    assert!(std::fs::read_to_string(file("tuned.toml")).unwrap().contains("parameter = \"rho\""));
    let held = json(&scorecast(&["reproduce", path, "--json"]));
    assert_eq!(held["result"]["rows"][0]["verdict"], "agrees");
    // analyses of the state alone, with the parameters beside; a run again goes on to the same
    let made = scorecast(&["assimilate", path, "--out", &file("analyses"), "--json"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let scored = json(&scorecast(&["evaluate", &file("analyses/unknown.nc"), "--json"]));
    assert!(scored["result"]["assimilation"].as_array().is_some_and(|rows| !rows.is_empty()), "{scored}");
    let read = |name: &str| {
        let limits = scorecast::store::Limits::bytes(1 << 30);
        scorecast::store::netcdf::read(std::path::Path::new(&file(name)), &limits).unwrap()
    };
    let dataset = read("analyses/unknown.nc");
    let members = dataset.get("parameter_members").unwrap().values.to_f64().unwrap();
    assert_eq!(members.len(), 30 * 40);
    assert!(members.iter().all(|rho| (15.0..40.0).contains(rho)));
    assert_eq!(dataset.get("parameter_truth").unwrap().values.to_f64().unwrap(), [28.0]);
    let states = dataset.dimensions.iter().find(|dimension| dimension.name == "component").unwrap().size;
    assert_eq!(states, 3);
    let page = |out: &str| std::fs::read_to_string(folder.path().join(out).join("report.html")).unwrap();
    assert!(scorecast(&["compare", path, "--out", &file("run")]).status.success());
    assert!(page("run").contains("Estimated parameters") && page("run").contains("<code>rho</code>"));
    let dataset = read("run/analysis_observe.nc");
    let of = |name: &str| dataset.get(name).unwrap().values.to_f64().unwrap();
    assert_eq!((of("parameter_mean").len(), of("parameter_sd").len(), of("parameter_truth")), (30, 30, vec![28.0]));
    assert!(of("parameter_sd").first() > of("parameter_sd").last());
}

/// A localized filter moves the parameter by all observations.
#[test]
fn a_localized_filter_finds_an_unknown_forcing_within_its_posterior_spread() {
    let replicates = 4;
    let text = format!(
        "seed = 7\n[system]\nname = \"lorenz96\"\n[data]\ntrajectories = 4\nsteps = 50\ndt = 0.05\nsubsteps = 1\n[observe]\nsteps \
         = 800\nburn_in = 400\nreplicates = {replicates}\ninitial = {{ truth_sd = 1 }}\n[[assimilate]]\nmethod = \
         \"letkf\"\nlabel = \"local\"\nmembers = 20\nradius = 3\ninflation = 1.02\nestimate = {{ parameter = \"forcing\", mean = \
         7, sd = 1, walk = 0.01 }}\n"
    );
    let (result, _) = compare(&text, &[]);
    let of = |metric: &str| value(&result, "local", metric).unwrap();
    let (sd, error, square) = (of("forcing_sd"), of("forcing_error"), of("forcing_chi_square"));
    println!("forcing {:.3}, sd {sd:.3}, error {error:.3}, chi-square {square:.2}", of("forcing_mean"));
    assert!(sd < 0.1 && error < 0.1, "the prior's sd is 1: {sd} {error}");
    // truths are independent, times of one are not: five standard errors of a chi-square of one degree over these
    assert!(square < 1.0 + 5.0 * (2.0 / f64::from(replicates)).sqrt(), "{square}");
    assert!(of("rmse") < 0.3, "{}", of("rmse"));
}

/// Of a user's own observations there is no truth of a parameter either.
#[test]
fn without_a_truth_there_is_an_estimate_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let system = "seed = 4\n[system]\nname = \"ou\"\n[data]\ntrajectories = 1\nsteps = 50\ndt = 0.3\n";
    let seen = folder.path().join("seen.nc").to_str().unwrap().to_owned();
    let path = write(folder.path(), "seen.toml", system.as_bytes());
    assert!(scorecast(&["simulate", path.to_str().unwrap(), "--out", &seen]).status.success());
    let text = format!(
        "{}[observe]\nfile = \"{seen}\"\nnoise = 0.5\ninitial = {{ mean = 0, sd = 1 }}\n[[assimilate]]\nmethod = \
         \"etkf\"\nestimate = [{{ parameter = \"rate\", mean = 1, sd = 0.1, scale = \"log\" }}, {{ parameter = \"coupling\", \
         mean = 1, sd = 0.2 }}]\n",
        system.replace("trajectories = 1", "trajectories = 8")
    );
    let (result, _) = compare(&text, &[]);
    let label = "etkf + rate + coupling / perfect";
    for parameter in ["rate", "coupling"] {
        let of = |end: &str| value(&result, label, &format!("{parameter}_{end}"));
        assert!(of("mean").is_some_and(|mean| (0.3..2.0).contains(&mean)), "{result}");
        assert!(of("sd").is_some() && of("error").is_none() && of("chi_square").is_none(), "{result}");
    }
}

/// Trajectories each of which has a rate of its own, and a forecaster that is given it beside one that is not.
const OWN_RATES: &str = "seed = 4\n[system]\nname = \"perturb_parameters\"\nof = { name = \"ou\", dim = 2, rate = 1.0, coupling \
                         = 0 }\nparameters = [\"rate\"]\nspread = 0.4\n[data]\ntrajectories = 400\nsteps = 30\ndt = 0.5\n\
                         [score]\nlead_steps = 4\nstarts = 10\nmembers = 20\n[[forecaster]]\nname = \"given\"\nkind = \"gaussian\"\ncondition_on = \"parameters\"\nsteps = 400\nwidth = \
                         16\n[[forecaster]]\nname = \"unaware\"\nkind = \"gaussian\"\nsteps = 400\nwidth = 16\n";
const ESTIMATED: &str = "[[assimilate]]\nmethod = \"enkf\"\nlabel = \"estimated\"\nforecaster = \"given\"\nmembers = 20\nestimate \
                         = { parameter = \"of.rate\", mean = 1, sd = 0.4 }\n";
const UNAWARE: &str =
    "[[assimilate]]\nmethod = \"enkf\"\nlabel = \"unaware\"\nforecaster = \"unaware\"\nmembers = 20\n";

fn values_in(path: &std::path::Path, name: &str) -> Vec<f64> {
    let dataset = scorecast::store::netcdf::read(path, &scorecast::store::Limits::bytes(1 << 30)).unwrap();
    dataset.get(name).unwrap().values.to_f64().unwrap()
}

/// The truth has a rate of its own. Analyses of its observations are, bit for bit, those of the same observations in a file, of
/// which there is no truth: neither its states nor its rate have reached a filter.
#[test]
fn no_filter_is_told_the_parameters_of_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let rows = format!("{ESTIMATED}{UNAWARE}");
    let twin = format!("{OWN_RATES}[observe]\nnoise = 0.3\nsteps = 40\ninitial = {{ mean = 0, sd = 1 }}\n{rows}");
    let run = |name: &str, text: &str, command: &str| {
        let path = write(folder.path(), &format!("{name}.toml"), text.as_bytes());
        let out = folder.path().join(name);
        let output = scorecast(&[command, path.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        (out, json(&output)["result"].clone())
    };
    let (compared, result) = run("compared", &twin, "compare");
    let seen = compared.join("analysis_observe.nc");
    let own = values_in(&seen, "parameter_truth");
    assert!(own.len() == 1 && (own[0] - 1.0).abs() > 0.01, "the truth has a rate of its own: {own:?}");
    let recorded = format!(
        "{OWN_RATES}[observe]\nfile = \"{}\"\nvariable = \"observation\"\nnoise = 0.3\ninitial = {{ mean = 0, sd = 1 }}\n{rows}",
        seen.to_str().unwrap()
    );
    let ((of_twin, _), (of_file, _)) = (run("twin", &twin, "assimilate"), run("recorded", &recorded, "assimilate"));
    for (row, name) in [("estimated", "analysis"), ("estimated", "parameter_members"), ("unaware", "analysis")] {
        let of = |folder: &std::path::Path| values_in(&folder.join(format!("{row}.nc")), name);
        assert_eq!(of(&of_twin), of(&of_file), "{row}, {name}");
    }
    // the members' own rates do act: they move, and with them the forecasts
    let rates = values_in(&of_twin.join("estimated.nc"), "parameter_members");
    assert!(rates.len() == 40 * 20 && rates[..20] != rates[39 * 20..]);
    // each trajectory's forecasts are better where its rate is known
    let score = |label: &str| {
        let rows = result["forecast"].as_array().unwrap();
        let is = |row: &&Value| row["forecaster"] == label && row["metric"] == "log_score" && row["lead_step"] == 1;
        rows.iter().find(is).unwrap()["value"].as_f64().unwrap()
    };
    println!("log scores: given {:.4}, unaware {:.4}", score("given"), score("unaware"));
    assert!(score("given") < score("unaware"));
}

/// Where nothing is observed, errors of the prior's mean are the spread of the rates of the truths: those of each replicate.
#[test]
fn errors_of_parameters_are_against_the_truth_of_each_replicate() {
    let (replicates, row) = (100, ESTIMATED.replace("members = 20", "members = 400"));
    let text = format!(
        "{OWN_RATES}[observe]\nmissing = 1.0\nsteps = 2\nevery = 2\nreplicates = {replicates}\ninitial = {{ mean = 0, sd = 1 \
         }}\n{row}"
    );
    let (result, _) = compare(&text, &[]);
    let square = value(&result, "estimated", "of.rate_chi_square").unwrap();
    println!("chi-square {square:.3}");
    // the prior is the law that the truths' rates are from: a chi-square of one degree over so many, five standard errors
    assert!((square - 1.0).abs() < 5.0 * (2.0 / f64::from(replicates)).sqrt(), "{square}");
    let told = result["findings"].to_string();
    assert!(told.contains("each truth has its own"), "{told}");
}

#[test]
fn what_a_conditioned_forecaster_cannot_do_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let observe = "[observe]\nsteps = 4\n";
    let said = |text: &str, more: &[&str]| {
        let path = write(folder.path(), "x.toml", text.as_bytes());
        let output = scorecast(&[&["compare", path.to_str().unwrap(), "--out"], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    };
    let out = folder.path().join("out").to_str().unwrap().to_owned();
    let row = |forecaster: &str, estimate: &str| {
        format!("{OWN_RATES}{observe}[[assimilate]]\nmethod = \"enkf\"\nforecaster = \"{forecaster}\"\n{estimate}")
    };
    for (text, says) in [
        (row("given", ""), "`given` is conditioned on `of.rate`, which a filter does not know; add it to `estimate`"),
        (
            row("given", "estimate = { parameter = \"of.coupling\", mean = 1, sd = 0.1 }\n"),
            "`given` is conditioned on `of.rate`, which a filter does not know",
        ),
        (
            row(
                "given",
                "estimate = [{ parameter = \"of.rate\", mean = 1, sd = 0.1 }, { parameter = \"of.coupling\", mean = 1, sd = 0.1 }]\n",
            ),
            "`given` is not conditioned on `of.coupling`; leave it out of `estimate`",
        ),
        (
            row("unaware", "estimate = { parameter = \"of.rate\", mean = 1, sd = 0.1 }\n"),
            "or to one with `condition_on` = \"parameters\"",
        ),
        (
            format!("{}{observe}", OWN_RATES.replace("width = 16\n[[f", "width = 16\nhistory = 2\n[[f")) + ESTIMATED,
            "has a `history` of 2, beside which parameters are not estimated",
        ),
        (
            "[system]\nname = \"ou\"\n[[forecaster]]\nkind = \"gaussian\"\ncondition_on = \"parameters\"\n".to_owned(),
            "`condition_on` is \"parameters\", but no system draws any for these trajectories",
        ),
    ] {
        let found = said(&text, &[&out]);
        assert!(found.contains(says), "{found}");
    }
    // a stored model says itself what it was conditioned on
    let path = write(folder.path(), "train.toml", OWN_RATES.as_bytes());
    let models = folder.path().join("models").to_str().unwrap().to_owned();
    assert!(scorecast(&["train", path.to_str().unwrap(), "--out", &models]).status.success());
    let stored = format!("[[forecaster]]\nname = \"given\"\nmodel = \"{models}/given.safetensors\"\n");
    let system = &OWN_RATES[..OWN_RATES.find("[[forecaster]]").unwrap()];
    let plain =
        "[system]\nname = \"ou\"\ndim = 2\n[data]\ntrajectories = 8\nsteps = 30\ndt = 0.5\n[score]\nlead_steps = 4\n";
    for (text, says) in [
        (format!("{plain}{stored}"), "`given` is conditioned on `of.rate`, which is not known of these trajectories"),
        (
            format!("{system}{stored}{observe}[[assimilate]]\nmethod = \"enkf\"\nforecaster = \"given\"\n"),
            "the forecaster is conditioned on `of.rate`, and none are estimated",
        ),
    ] {
        let found = said(&text, &[&out, "--force"]);
        assert!(found.contains(says), "{found}");
    }
    let served = format!("{system}{stored}{observe}{ESTIMATED}");
    let (result, _) = compare(&served, &[]);
    assert!(value(&result, "estimated", "of.rate_mean").is_some_and(|mean| (0.3..2.0).contains(&mean)), "{result}");
}

/// A file of simulated trajectories says the parameters of each, and forecasters learn the same from it.
#[test]
fn parameters_of_a_file_are_those_of_its_simulation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.nc");
    let path = write(folder.path(), "x.toml", OWN_RATES.as_bytes());
    let simulated = scorecast(&["simulate", path.to_str().unwrap(), "--out", file.to_str().unwrap()]);
    assert!(simulated.status.success(), "{}", stderr(&simulated));
    let rates = values_in(&file, "parameters");
    let (mean, sd) = (ndarray::arr1(&rates).mean().unwrap(), ndarray::arr1(&rates).std(1.0));
    // 400 draws of N(1, .4^2): five standard errors
    assert!(rates.len() == 400 && (mean - 1.0).abs() < 0.1 && (sd / 0.4 - 1.0).abs() < 0.18, "{mean} {sd}");
    let forecasters = &OWN_RATES[OWN_RATES.find("[[forecaster]]").unwrap()..];
    let scored = "[score]\nlead_steps = 4\nstarts = 10\nmembers = 20\n";
    let from_file = format!("seed = 4\n[data]\nfile = \"{}\"\ndt = 0.5\n{scored}{forecasters}", file.to_str().unwrap());
    let scores = |text: &str| -> Vec<Value> {
        let (result, _) = compare(text, &[]);
        let rows = result["forecast"].as_array().unwrap().clone();
        rows.into_iter().filter(|row| row["forecaster"] == "given" && row["metric"] == "log_score").collect()
    };
    let (own, of_file) = (scores(OWN_RATES), scores(&from_file));
    assert!(!own.is_empty() && own == of_file, "{own:?} {of_file:?}");
}
