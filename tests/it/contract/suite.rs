//! A suite of experiments: one table over all, what is finished is kept, and the presets of the contest.

use std::path::Path;

use scorecast::failure::FailureKind;
use scorecast::forecast::{Cost, FitSize};
use scorecast::progress::Quiet;
use scorecast::spec::suites::{SUITES, suite};
use scorecast::spec::{self, PRESETS, Plan};
use scorecast::stage::{self, Finished, Options};
use scorecast::systems::Value as Setting;
use serde_json::Value;

/// An experiment of two closed forms in a filter.
fn plan(name: &str, dim: usize, seed: u64) -> Plan {
    let text = format!(
        "seed = {seed}\n[system]\nname = \"ou\"\ndim = {dim}\n[data]\ntrajectories = 30\nsteps = 60\ndt = 0.3\n\
         [[forecaster]]\nkind = \"linear\"\n[[forecaster]]\nkind = \"persistence\"\n\
         [observe]\nsteps = 30\nburn_in = 5\nreplicates = 2\n\
         [[assimilate]]\nmethod = \"etkf\"\nmembers = 12\nforecaster = [\"perfect\", \"linear\"]\n\
         [score]\nmetrics = [\"crps_fair\", \"rmse\", \"excess_kurtosis\"]\nlead_steps = 2\nmembers = 6\nstarts = 20\n"
    );
    spec::check(&text, name, &[]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn run(plans: &[Plan], out: &Path, resume: bool) -> scorecast::failure::Result<Finished> {
    let options = Options { out: Some(out.to_path_buf()), resume, ..Options::new(1 << 30) };
    stage::suite::run("two", plans, &options, &Quiet)
}

fn refused(result: scorecast::failure::Result<Finished>) -> (FailureKind, String) {
    match result {
        Ok(_) => panic!("it was run"),
        Err(failure) => (failure.kind, failure.message),
    }
}

#[test]
fn a_suite_has_one_table_over_all_and_keeps_what_is_finished_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("two");
    let plans = [plan("two_small.toml", 2, 1), plan("two_large.toml", 5, 1)];
    let found = run(&plans, &out, false).unwrap();
    let table = |metric: &str, of: &str| -> Value {
        let all = found.result["tables"].as_array().unwrap().iter();
        all.clone().find(|table| table["metric"] == metric && table["table"] == of).unwrap().clone()
    };
    // the cells are those of the runs
    let crps = table("crps_fair", "forecast");
    assert_eq!(crps["columns"].to_string(), "[[\"two_small\",null],[\"two_large\",null]]");
    for (column, name) in ["two_small", "two_large"].iter().enumerate() {
        let metrics = std::fs::read(out.join(name).join("metrics.json")).unwrap();
        let metrics: Value = serde_json::from_slice(&metrics).unwrap();
        for row in crps["rows"].as_array().unwrap() {
            let own = metrics["forecast"].as_array().unwrap().iter().find(|own| {
                own["forecaster"] == row["forecaster"] && own["metric"] == "crps_fair" && own["lead_step"] == 1
            });
            assert_eq!(own.unwrap()["value"], row["cells"][column]["value"], "{row}");
            assert_eq!(own.unwrap()["se"], row["cells"][column]["se"], "{row}");
        }
        let labels: Vec<&str> =
            crps["rows"].as_array().unwrap().iter().filter_map(|row| row["forecaster"].as_str()).collect();
        assert!(["perfect", "linear", "persistence"].iter().all(|label| labels.contains(label)), "{labels:?}");
    }
    // persistence is told from the best; what judges nothing has no best
    let best = |table: &Value, label: &str| -> Vec<bool> {
        let row = table["rows"].as_array().unwrap().iter().find(|row| row["forecaster"] == label).unwrap().clone();
        row["cells"].as_array().unwrap().iter().map(|cell| cell["verdict"] == "alike").collect()
    };
    assert_eq!(best(&crps, "persistence"), [false, false]);
    assert_eq!(best(&table("excess_kurtosis", "forecast"), "perfect"), [false, false]);
    let analyses = table("rmse", "assimilation");
    assert_eq!(analyses["columns"].to_string(), "[[\"two_small\",\"etkf\"],[\"two_large\",\"etkf\"]]");
    assert_eq!(best(&analyses, "perfect").len(), 2);
    assert_eq!(table("milliseconds", "cost")["rows"].as_array().unwrap().len(), crps["rows"].as_array().unwrap().len());
    let text = std::fs::read_to_string(out.join("suite.md")).unwrap();
    assert!(
        text.contains("| crps_fair | small | large |") && text.contains("| rmse of analyses | small: etkf |"),
        "{text}"
    );

    // kept: the same bytes at once
    assert_eq!(refused(run(&plans, &out, false)).0, FailureKind::Exists);
    let before = std::fs::read(out.join("suite.json")).unwrap();
    run(&plans, &out, true).unwrap();
    assert_eq!(std::fs::read(out.join("suite.json")).unwrap(), before);
    let other = [plan("two_small.toml", 2, 1), plan("two_large.toml", 5, 2)];
    assert!(refused(run(&other, &out, true)).1.contains("another experiment"));
    std::fs::write(out.join("two_large").join("metrics.csv"), "changed").unwrap();
    let (kind, message) = refused(run(&plans, &out, true));
    assert!(
        kind == FailureKind::Exists && message.contains("metrics.csv") && message.contains("changed since"),
        "{message}"
    );
}

/// Methods of one forecaster, more of them than forecasters.
fn methods(against: &str) -> Result<Plan, String> {
    let text = format!(
        "seed = 4\n[system]\nname = \"ou\"\ndim = 3\n[data]\ntrajectories = 30\nsteps = 60\ndt = 0.3\n\
         [observe]\nsteps = 200\nburn_in = 5\nreplicates = 2\n\
         [[assimilate]]\nmethod = \"etkf\"\nlabel = \"etkf 4\"\nmembers = 4\n\
         [[assimilate]]\nmethod = \"etkf\"\nlabel = \"etkf 40\"\nmembers = 40\n\
         [[assimilate]]\nmethod = \"bootstrap\"\nlabel = \"bootstrap 4\"\nmembers = 4\n\
         [score]\nmetrics = [\"rmse\", \"spread\"]\nagainst = [{against}]\n"
    );
    let told = |mistakes: Vec<_>| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    spec::check(&text, "methods.toml", &[]).map_err(told)
}

#[test]
fn rows_are_compared_with_the_one_that_is_asked_for_and_are_the_lines_of_a_suite_where_they_are_many() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("two");
    let found = run(&[methods("\"etkf 4\"").unwrap()], &out, false).unwrap();
    let report = std::fs::read(out.join("methods").join("report.json")).unwrap();
    let report: scorecast::results::Report = serde_json::from_slice(&report).unwrap();
    let rmse = |label: &str| {
        let own = |row: &&scorecast::results::AssimilationRow| row.label == label && row.metric == "rmse";
        report.assimilation.iter().find(own).unwrap().value.unwrap()
    };
    // both others, by every metric that ranks
    let by_rmse: Vec<_> = report.against.iter().filter(|pair| pair.metric == "rmse").collect();
    assert_eq!(by_rmse.iter().map(|pair| pair.other.as_str()).collect::<Vec<_>>(), ["etkf 40", "bootstrap 4"]);
    assert!(report.against.iter().all(|pair| pair.best == "etkf 4" && pair.metric != "spread"));
    for pair in &by_rmse {
        let difference = rmse(&pair.other) - rmse("etkf 4");
        assert!((pair.difference - difference).abs() < 1e-12, "{} for {difference}", pair.difference);
        assert!(pair.p <= pair.p_holm && pair.p_holm <= 2.0 * pair.p, "{pair:?}");
    }
    // more members are better, and that is told as such
    let better = by_rmse[0];
    assert!(better.difference < 0.0 && better.verdict == scorecast::results::Verdict::Better, "{better:?}");
    let tables = found.result["tables"].as_array().unwrap();
    let lines = |metric: &str| -> Vec<String> {
        let table = tables.iter().find(|table| table["metric"] == metric).unwrap();
        assert_eq!(table["columns"].to_string(), "[[\"methods\",null]]");
        table["rows"].as_array().unwrap().iter().map(|row| row["forecaster"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(lines("rmse"), ["etkf 4", "etkf 40", "bootstrap 4"]);
    assert_eq!(lines("rmse less that of etkf 4"), ["etkf 40", "bootstrap 4"]);
    assert_eq!(lines("milliseconds of an analysis"), ["etkf 4", "etkf 40", "bootstrap 4"]);
    assert!(found.text.contains("| etkf 40 | -0."), "{}", found.text);
    let Err(message) = methods("\"etkf 5\"") else { panic!("it was taken") };
    assert!(message.contains("`against` names `etkf 5`") && message.contains("did you mean `etkf 4"), "{message}");
}

#[test]
fn all_forecasters_of_a_contest_cost_alike_and_the_long_form_has_three_seeds() {
    for suite in SUITES.iter().filter(|suite| suite.name.starts_with("contest")) {
        for member in suite.members {
            let preset = PRESETS.iter().find(|preset| preset.name == member.preset).unwrap();
            let set: Vec<String> = suite.set_in(member).into_iter().map(str::to_owned).collect();
            let plan = spec::check(preset.text, preset.name, &set).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
            let learned: Vec<_> = plan.forecasters.iter().filter(|one| one.cost_of().is_some()).collect();
            let seeds = if suite.name == "contest_full" { 3 } else { 1 };
            assert_eq!(learned.len(), 12 * seeds, "{} of {}", preset.name, suite.name);
            let system = &plan.system.as_ref().unwrap().system;
            let size = FitSize::of_states(system.geometry(), system.dim());
            let per_lead_step = preset.name.ends_with("_inference");
            let cost = |cost: Cost| if per_lead_step { cost.inference } else { cost.training };
            let costs = learned.iter().map(|one| cost(one.cost_of().unwrap()(&one.settings, &size).unwrap()));
            let (low, high) =
                costs.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), cost| (low.min(cost), high.max(cost)));
            // steps fill a budget as near as one likes, a width is one of a few
            assert!(high / low < if per_lead_step { 1.15 } else { 1.04 }, "{}: {low:e} to {high:e}", preset.name);
            // what has a memory of the system has the same in all
            let histories: Vec<usize> = learned.iter().map(|one| one.history()).collect();
            assert!(histories.iter().all(|w| *w == histories[0]), "{histories:?}");
            let batches = learned.iter().filter_map(|one| match one.settings.values().get("batch") {
                Some(Setting::Int(batch)) => Some(*batch),
                _ => None,
            });
            assert!(
                batches.clone().count() == learned.len() && batches.into_iter().all(|batch| [32, 128].contains(&batch))
            );
        }
    }
    assert!(suite("contest").is_some() && suite("contst").is_none());
}
