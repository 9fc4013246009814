//! Twin experiments of the methods of a window, at settings whose scores DAPPER's own run gave for this project: analysis,
//! forecast and smoother rmse and spread, and the seconds of a run. `cargo run --release --example window`.
//!
//! Lorenz-63: dt .01, all components observed each 25 steps, R = 2 I. Lorenz-96: 40 components, F = 8, dt .05, all
//! observed each 4 or 12 steps, R = I. Root mean squared errors at the times of the sets after the burn-in, averaged.

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::observe::{GaussianError, Identity, NoiseLaw};
use scorecast_assimilation::{METHODS, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::registry::find;
use scorecast_systems::{Domain, Key, Purpose, Settings, Stepping, Value};

type Failure = Box<dyn std::error::Error>;

/// One row of the table.
struct TableRow {
    system: &'static str,
    every: usize,
    cycles: usize,
    method: &'static str,
    settings: &'static [(&'static str, f64)],
    /// DAPPER's rmse of analysis and smoother, spread of the analysis, and seconds.
    expected: &'static str,
}

const fn row(
    system: &'static str,
    every: usize,
    cycles: usize,
    method: &'static str,
    settings: &'static [(&'static str, f64)],
    expected: &'static str,
) -> TableRow {
    TableRow { system, every, cycles, method, settings, expected }
}

const ROWS: &[TableRow] = &[
    row(
        "lorenz63",
        25,
        1000,
        "ienks",
        &[("members", 10.0), ("inflation", 1.02), ("rotate", 1.0)],
        "a .2885 +- .0158, s .2363, spread .4154, 65.6 s",
    ),
    row(
        "lorenz96",
        12,
        500,
        "ienks",
        &[("members", 25.0), ("inflation", 1.2), ("rotate", 1.0)],
        "a .4679 +- .0079, s .3544, spread .4660, 28.5 s",
    ),
    row(
        "lorenz96",
        12,
        500,
        "ienks",
        &[("members", 25.0), ("finite_size", 2.0), ("rotate", 1.0)],
        "a .4497 +- .0112, s .3254, spread .4321, 29.5 s",
    ),
    row(
        "lorenz96",
        4,
        600,
        "ienks",
        &[("members", 20.0), ("finite_size", 2.0), ("lag", 4.0)],
        "a .2975 +- .0074, s .1602, spread .3176, 38.1 s",
    ),
    row(
        "lorenz96",
        4,
        600,
        "ienks",
        &[("members", 20.0), ("finite_size", 2.0), ("lag", 4.0), ("mda", 1.0)],
        "(DAPPER's MDA is another scheme: a .3187, s .1722)",
    ),
    row(
        "lorenz96",
        4,
        200,
        "four_d_var",
        &[("scale", 0.2), ("lag", 1.0)],
        "a .6599 +- .0137, s .6777, spread .7394, 17.6 s",
    ),
    row(
        "lorenz96",
        4,
        150,
        "four_d_var",
        &[("scale", 0.1), ("lag", 2.0)],
        "a .5934 +- .0127, s .5837, spread .6445, 24.2 s",
    ),
    row("lorenz96", 1, 1000, "etkf", &[("members", 24.0), ("inflation", 1.013), ("rotate", 1.0)], "for comparison"),
    row(
        "lorenz96",
        1,
        1000,
        "letkf",
        &[("members", 10.0), ("inflation", 1.03), ("radius", 4.0), ("rotate", 1.0)],
        "for comparison",
    ),
    row(
        "lorenz96",
        1,
        1000,
        "hybrid",
        &[("members", 10.0), ("inflation", 1.03), ("radius", 4.0), ("static_weight", 0.0)],
        "none",
    ),
    row(
        "lorenz96",
        1,
        1000,
        "hybrid",
        &[("members", 10.0), ("inflation", 1.02), ("radius", 4.0), ("static_weight", 0.1), ("scale", 0.02)],
        "none",
    ),
    row(
        "lorenz96",
        1,
        1000,
        "hybrid",
        &[("members", 10.0), ("inflation", 1.0), ("radius", 4.0), ("static_weight", 0.3), ("scale", 0.02)],
        "none",
    ),
    row("lorenz96", 1, 1000, "four_d_envar", &[("members", 10.0), ("inflation", 1.03), ("radius", 4.0)], "none"),
    row(
        "lorenz96",
        1,
        1000,
        "four_d_envar",
        &[("members", 10.0), ("inflation", 1.03), ("radius", 4.0), ("lag", 4.0)],
        "none",
    ),
    row("lorenz96", 1, 1000, "four_d_envar", &[("members", 24.0), ("inflation", 1.02), ("lag", 4.0)], "none"),
];

fn main() -> Result<(), Failure> {
    let only: Vec<String> = std::env::args().skip(1).collect();
    for row in ROWS.iter().filter(|row| only.is_empty() || only.iter().any(|name| name == row.method)) {
        for seed in [3000, 1, 2] {
            let [a, f, s, spread, seconds] = with_known_truth(row, seed)?;
            println!(
                "{} every {} {} {:?} seed {seed}: a {a:.4}, f {f:.4}, s {s:.4}, spread {spread:.4}, {seconds:.3} s",
                row.system, row.every, row.method, row.settings
            );
        }
        println!("    DAPPER: {}", row.expected);
    }
    Ok(())
}

fn value(key: &str, number: f64) -> Value {
    match key {
        "rotate" | "mda" => Value::Bool(number != 0.0),
        "members" | "lag" | "iterations" => Value::Int(number as i64),
        _ => Value::Float(number),
    }
}

/// Mean rmse of analysis, forecast and smoother after the burn-in, mean analysis spread, and the seconds of the method.
fn with_known_truth(row: &TableRow, seed: u64) -> Result<[f64; 5], Failure> {
    let (dt, start, variance, prior_variance, burn_in) = match row.system {
        "lorenz63" => (0.01, vec![1.508870, -1.531271, 25.46091], 2.0, 2.0, 16.0),
        _ => (0.05, (0..40).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect(), 1.0, 0.001, 20.0),
    };
    let burn_in = if row.method == "four_d_var" { 8.0 } else { burn_in };
    let start = Array1::from_vec(start);
    let dim = start.len();
    let given = BTreeMap::from([("noise".to_owned(), Value::Float(0.0))]);
    let system = build(row.system, &given).map_err(|mut all| all.remove(0))?;
    let model = system.forecaster(&Stepping { dt, substeps: 1, integrator: "rk4".to_owned() })?;
    let error = |dim| Ok(Box::new(GaussianError::new(&[f64::sqrt(variance)], dim)?) as Box<dyn NoiseLaw>);
    let operator = Identity::new(dim, &error)?;
    let (hidden, key) = (Key::new(seed, Domain::Truth), Key::new(seed + 1, Domain::Method));
    let mut truth = hidden.normals(1, dim) * f64::sqrt(prior_variance) + &start;
    let mut filter = {
        let entry = find(METHODS, "method", row.method)?;
        let given = row.settings.iter().map(|(key, number)| ((*key).to_owned(), value(key, *number))).collect();
        let settings = Settings::check(row.method, entry.params, &given).map_err(|mut all| all.remove(0))?;
        (entry.build.make)(&settings)?
    };
    let covariance = match row.method {
        "four_d_var" | "hybrid" => climate(&*model, &start)?,
        _ => Array2::from_diag_elem(dim, prior_variance),
    };
    filter.start(&Prior::Gaussian { mean: start, covariance }, 0, key)?;
    let rms = |error: Array1<f64>| (error.dot(&error) / dim as f64).sqrt();
    let first = (burn_in / (dt * row.every as f64)).ceil() as usize;
    let (mut truths, mut seconds) = (BTreeMap::new(), 0.0);
    let (mut sums, mut smoothed) = ([0.0; 3], Vec::new());
    for cycle in 1..=row.cycles {
        let step = cycle * row.every;
        model.advance(step - row.every, row.every, &mut truth, hidden)?;
        let noise = hidden.purpose(Purpose::ObservationNoise).at(step as u64).normals(1, dim) * f64::sqrt(variance);
        let values = (&truth + &noise).remove_axis(Axis(0));
        truths.insert(step, truth.row(0).to_owned());
        let observed = ObservationSet { step, time: dt * step as f64, values: values.view(), operator: &operator };
        let begun = Instant::now();
        let outcome = filter.step(&*model, &observed, key)?;
        seconds += begun.elapsed().as_secs_f64();
        if cycle > first {
            let forecast = outcome
                .forecast_gaussian
                .as_ref()
                .map_or_else(|| outcome.forecast.mean_axis(Axis(0)).unwrap_or_default(), |(mean, _)| mean.clone());
            sums[0] += rms(outcome.mean() - truth.row(0));
            sums[1] += rms(forecast - truth.row(0));
            sums[2] += outcome.variance().mean().unwrap_or(f64::NAN).sqrt();
        }
        smoothed.extend(outcome.smoothed);
    }
    smoothed.extend(filter.finish(&*model, None, key)?);
    let errors: Vec<f64> = smoothed
        .iter()
        .filter(|posterior| posterior.step > first * row.every)
        .map(|posterior| rms(posterior.mean() - &truths[&posterior.step]))
        .collect();
    let count = (row.cycles - first) as f64;
    let [a, f, spread] = sums.map(|sum| sum / count);
    Ok([a, f, errors.iter().sum::<f64>() / errors.len() as f64, spread, seconds])
}

/// The covariance of a long run, as a background.
fn climate(model: &dyn scorecast_systems::Forecaster, start: &Array1<f64>) -> Result<Array2<f64>, Failure> {
    let mut x = start.clone().insert_axis(Axis(0));
    let key = Key::new(5, Domain::Data);
    model.advance(0, 1000, &mut x, key)?;
    let mut states = Array2::zeros((5000, start.len()));
    for mut state in states.outer_iter_mut() {
        model.advance(0, 4, &mut x, key)?;
        state.assign(&x.row(0));
    }
    Ok(scorecast_assimilation::ensemble::covariance(states.view(), None))
}
