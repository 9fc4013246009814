//! Seconds a cycle on Sakov & Oke's Lorenz-96 (n = 40, all observed, R = I), beside DAPPER in the same run.
//!
//! `cargo bench --bench cycle`. Two figures for each filter: the bare forecast + analysis on one thread, and a whole
//! run with all scores as `compare` computes them. DAPPER runs where the Python named by SCORECAST_PYTHON (default
//! `python3`) has it. Machines are noisy: compare ratios, not milliseconds.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

use scorecast::assimilation::{METHODS, ObservationSet, Prior, observe};
use scorecast::systems::catalogue::SYSTEMS;
use scorecast::systems::{Domain, Forecaster, Key, Purpose, Settings, Stepping, Value, registry};

const CYCLES: usize = 2000;
const REPEATS: usize = 5;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let ours = pool.install(|| -> Result<_, Failure> {
        Ok([
            (
                "etkf",
                bare(
                    "etkf",
                    &[("members", Value::Int(24)), ("inflation", Value::Float(1.013)), ("rotate", Value::Bool(true))],
                )?,
            ),
            ("enkf", bare("enkf", &[("members", Value::Int(40)), ("inflation", Value::Float(1.06))])?),
        ])
    })?;
    println!("{CYCLES} cycles, median of {REPEATS} runs, one thread");
    for (method, (seconds, rmse)) in ours {
        println!("{method:<6} bare forecast + analysis {:>8.4} ms a cycle   rmse {rmse:.3}", seconds * 1e3);
    }
    let whole = whole_run()?;
    let peer = dapper();
    for (method, seconds) in &whole {
        println!("{method:<6} whole run with scores     {:>8.4} ms a cycle", seconds * 1e3);
        match &peer {
            Ok(peer) => {
                let theirs = peer[*method]["seconds_per_cycle"].as_f64().unwrap_or(f64::NAN);
                println!(
                    "{method:<6} DAPPER, whole run         {:>8.4} ms a cycle   {:.1} times ours",
                    theirs * 1e3,
                    theirs / seconds
                );
            }
            Err(why) => println!("{method:<6} DAPPER skipped: {why}"),
        }
    }
    Ok(())
}

/// Median seconds a cycle of forecast and analysis alone, and the rmse of the second half of the run.
fn bare(method: &str, given: &[(&str, Value)]) -> Result<(f64, f64), Failure> {
    let model = model()?;
    let network = observe::OPERATORS.iter().find(|entry| entry.name == "identity").ok_or("no identity operator")?;
    let settings = Settings::check("operator `identity`", network.params, &BTreeMap::new()).map_err(|_| "settings")?;
    let operator = (network.build)(&settings, 40, &|count| Ok(Box::new(observe::GaussianError::new(&[1.0], count)?)))?;
    let truth_key = Key::new(3000, Domain::Truth);
    let mut truth = truth_key.normals(1, 40) * 1e-3;
    truth[[0, 0]] += 1.0;
    model.advance(0, 400, &mut truth, truth_key)?;
    let start = truth.row(0).to_owned();
    let (mut truths, mut observations) = (Vec::new(), Vec::new());
    for step in 1..=CYCLES {
        model.advance(step, 1, &mut truth, truth_key)?;
        let error = operator.error().sample(1, truth_key.purpose(Purpose::ObservationNoise).at(step as u64));
        observations.push(&truth.row(0) + &error.row(0));
        truths.push(truth.row(0).to_owned());
    }
    let entry = registry::find(METHODS, "method", method)?;
    let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let settings = Settings::check(method, entry.params, &given).map_err(|_| "settings")?;
    let key = Key::new(3001, Domain::Method);
    let covariance = ndarray::Array2::eye(40);
    let mut times = Vec::new();
    let mut rmse = 0.0;
    for _ in 0..REPEATS {
        let mut filter = (entry.build.make)(&settings)?;
        filter.start(&Prior::Gaussian { mean: start.clone(), covariance: covariance.clone() }, 0, key)?;
        rmse = 0.0;
        let begun = Instant::now();
        for (index, values) in observations.iter().enumerate() {
            let step = index + 1;
            let seen =
                ObservationSet { step, time: step as f64 * 0.05, values: values.view(), operator: operator.as_ref() };
            let outcome = filter.step(model.as_ref(), &seen, key)?;
            if step > CYCLES / 2 {
                let error = &outcome.mean() - &truths[index];
                rmse += (error.mapv(|e| e * e).sum() / 40.0).sqrt() / (CYCLES / 2) as f64;
            }
        }
        times.push(begun.elapsed().as_secs_f64() / CYCLES as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[REPEATS / 2], rmse))
}

fn model() -> Result<Box<dyn Forecaster>, Failure> {
    let entry = registry::find(SYSTEMS, "system", "lorenz96")?;
    let settings = Settings::check("system `lorenz96`", entry.params, &BTreeMap::new()).map_err(|_| "settings")?;
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".into() };
    Ok((entry.build.make)(&settings)?.forecaster(&stepping)?)
}

/// The rows of `benches/cycle.toml`.
const ROWS: [&str; 6] = ["etkf", "enkf", "enkf_n", "letkf", "eakf", "ienks"];

/// Median seconds a cycle of each row: forecast, analysis and every score.
fn whole_run() -> Result<Vec<(&'static str, f64)>, Failure> {
    let runs = (0..REPEATS).map(|_| one_run()).collect::<Result<Vec<_>, _>>()?;
    let median = |row: usize| {
        let mut seconds: Vec<f64> = runs.iter().map(|run| run[row]).collect();
        seconds.sort_by(f64::total_cmp);
        (ROWS[row], seconds[REPEATS / 2])
    };
    Ok((0..ROWS.len()).map(median).collect())
}

/// Seconds a cycle of each row, in one run of the program.
fn one_run() -> Result<Vec<f64>, Failure> {
    const STEPS: f64 = 2000.0;
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("run");
    let experiment = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/cycle.toml");
    let status = Command::new(env!("CARGO_BIN_EXE_scorecast"))
        .args(["compare", experiment, "--threads", "1", "--quiet", "--out"])
        .arg(&out)
        .stdout(std::process::Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("compare {experiment} ended with {status}").into());
    }
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("manifest.json"))?)?;
    let row = |method: &&str| {
        let seconds = manifest["seconds"][format!("assimilate {method}")].as_f64();
        Ok(seconds.ok_or("the manifest has no time of a row")? / STEPS)
    };
    ROWS.iter().map(row).collect()
}

fn dapper() -> Result<serde_json::Value, Failure> {
    let python = std::env::var("SCORECAST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/cycle_dapper.py");
    let output = Command::new(&python).arg(script).env("OMP_NUM_THREADS", "1").output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().last().unwrap_or_default();
    if !output.status.success() {
        return Err(line.to_owned().into());
    }
    Ok(serde_json::from_str(line)?)
}
