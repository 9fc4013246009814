//! How often two standard errors cover, and how often tests reject what is the same, on whole experiments whose errors
//! persist: `cargo test --release -p scorecast --test it measured::coverage -- --ignored --nocapture`. Each file of
//! `benches/coverage` is run with as many seeds as it says, or as `SCORECAST_SEEDS` does; `SCORECAST_PROGRAM` names another
//! build of the program to be measured.
//!
//! The mean over all seeds stands for the value that a run of any length would have. Rows `a` and `b` differ by one member:
//! the paired test, in runs of these two alone, should call them different in 5 % of seeds. A coverage of .95 over 1,000 seeds has a standard error of
//! .007.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A value with its standard error, by seed; none where the row diverged.
type Found = Vec<Option<(f64, f64)>>;

#[test]
#[ignore = "a measurement"]
fn standard_errors_cover_and_tests_keep_their_size() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/coverage");
    let only = std::env::var("SCORECAST_ONLY").unwrap_or_default();
    for name in ["slow_ou", "lorenz63", "lorenz96"].into_iter().filter(|name| name.contains(&only)) {
        let file = folder.join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let said = text.lines().find_map(|line| line.strip_prefix("# seeds = ")).unwrap().to_owned();
        let seeds: u64 = std::env::var("SCORECAST_SEEDS").unwrap_or(said).parse().unwrap();
        let results: Vec<Value> = (1..=seeds).map(|seed| run(&file, seed)).collect();
        let pair_folder = tempfile::tempdir().unwrap();
        let pair = pair_folder.path().join("pair.toml");
        std::fs::write(&pair, pair_of(&text)).unwrap();
        let of_pairs: Vec<Value> = (1..=seeds).map(|seed| run(&pair, seed)).collect();
        println!("{name}, {seeds} seeds");
        for label in ["a", "b", "c", "d"] {
            println!("  {label}: {}", row(&results, label));
        }
        for metric in ["rmse", "crps_fair"] {
            let p: Vec<f64> = of_pairs.iter().filter_map(|result| paired(result, metric)).collect();
            println!("  {metric}: a and b differ, by a test of 5 %, in {:.3} of {}", below(&p), p.len());
        }
    }
}

/// The experiment with rows `a` and `b` alone, of which one is always the best.
fn pair_of(text: &str) -> String {
    let mut experiment: toml::Table = text.parse().unwrap();
    let rows = experiment["assimilate"].as_array_mut().unwrap();
    rows.retain(|row| ["a", "b"].contains(&row["label"].as_str().unwrap()));
    experiment.to_string()
}

fn run(file: &Path, seed: u64) -> Value {
    let program = std::env::var("SCORECAST_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_scorecast").to_owned());
    let out = tempfile::tempdir().unwrap();
    let ran = Command::new(program)
        .arg("compare")
        .arg(file)
        .args(["--seed", &seed.to_string(), "--json", "--quiet", "--threads", "1", "--out"])
        .arg(out.path().join("run"))
        .output()
        .unwrap();
    assert!(ran.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The rows of a table of a result.
fn rows<'a>(result: &'a Value, table: &str) -> &'a [Value] {
    let whole = result.get("result").unwrap_or(result);
    whole[table].as_array().unwrap()
}

/// What is found of one row: coverage of two standard errors by metric, size of the test of flat ranks, divergences.
fn row(results: &[Value], label: &str) -> String {
    let of = |result: &Value, metric: &str| {
        rows(result, "assimilation").iter().find(|row| row["label"] == label && row["metric"] == metric).cloned()
    };
    let found = |metric: &str| -> Found {
        let one = |result: &Value| {
            let row = of(result, metric)?;
            Some((row["value"].as_f64()?, row["se"].as_f64()?))
        };
        results.iter().map(one).collect()
    };
    let ranks: Vec<f64> = results.iter().filter_map(|result| of(result, "rank_histogram")?["value"].as_f64()).collect();
    let diverged = results.iter().filter(|result| of(result, "rmse").is_some_and(|row| row["diverged"] != 0)).count();
    let covered: Vec<String> = ["rmse", "crps_fair", "spread_skill", "innovation_log_score"]
        .map(|metric| format!("{metric} {:.3}", coverage(&found(metric))))
        .to_vec();
    format!(
        "two standard errors cover {}; flat ranks rejected {:.3}; diverged {diverged}",
        covered.join(", "),
        below(&ranks)
    )
}

/// The share of seeds whose value is within two standard errors of the mean over seeds.
fn coverage(found: &[Option<(f64, f64)>]) -> f64 {
    let there: Vec<(f64, f64)> = found.iter().flatten().copied().collect();
    let mean = there.iter().map(|(value, _)| value).sum::<f64>() / there.len() as f64;
    there.iter().filter(|(value, se)| (value - mean).abs() <= 2.0 * se).count() as f64 / there.len() as f64
}

/// The p-value of rows `a` and `b`, where one of them is the best.
fn paired(result: &Value, metric: &str) -> Option<f64> {
    let is = |row: &Value, one: &str, other: &str| row["best"] == one && row["other"] == other;
    let pair = |row: &&Value| row["metric"] == metric && (is(row, "a", "b") || is(row, "b", "a"));
    rows(result, "paired").iter().find(pair)?["p"].as_f64()
}

fn below(p: &[f64]) -> f64 {
    p.iter().filter(|p| **p < 0.05).count() as f64 / p.len() as f64
}
