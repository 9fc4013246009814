//! What a window that moves by several sets at once costs and gives: `cargo run --release --example shift`.
//!
//! Lorenz-96 without noise: 40 components, F = 8, all observed with R = I each lead step of .05 (1000 sets after 200 more)
//! or each fourth one (160 sets after 40 more), in windows of 4 sets (`lag`). Root mean squared errors of the smoothed
//! states, and of the analyses at the sets that are not left to wait, the mean of 6 seeds and its standard error;
//! milliseconds for each set, and for each minimisation, which serves `shift` sets.

use std::time::Instant;

use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::observe::{GaussianError, Identity, NoiseLaw};
use scorecast_assimilation::{METHODS, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::registry::find;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Settings, Stepping, Value};

type Failure = Box<dyn std::error::Error>;

const LAG: i64 = 4;
const SEEDS: u64 = 6;
/// Lead steps between sets, sets before the first that counts, and all sets.
const OFTEN: [usize; 3] = [1, 200, 1200];
const SELDOM: [usize; 3] = [4, 40, 200];

fn main() -> Result<(), Failure> {
    let noise = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let model = build("lorenz96", &noise).map_err(|mut all| all.remove(0))?.forecaster(&stepping)?;
    let climate = climate(&*model)?;
    let ensemble = || vec![("members", Value::Int(20)), ("finite_size", Value::Float(2.0))];
    let mda = || [ensemble(), vec![("mda", Value::Bool(true))]].concat();
    let static_b = |scale| vec![("members", Value::Int(2)), ("scale", Value::Float(scale))];
    println!(
        "every  method        shift  settings                      smoothed          analysis          a set  a minimisation"
    );
    let mut rows = Vec::new();
    for sets in [OFTEN, SELDOM] {
        rows.extend([1, 2, 4].map(|shift| (sets, "ienks", shift, ensemble())));
    }
    rows.extend([1, 2].map(|shift| (OFTEN, "ienks", shift, mda())));
    for shift in [1, 2, 4] {
        rows.extend([0.002, 0.005, 0.01, 0.02].map(|scale| (OFTEN, "four_d_var", shift, static_b(scale))));
    }
    for shift in [1, 4] {
        rows.extend([0.0025, 0.005, 0.01, 0.02, 0.05, 0.1].map(|scale| (SELDOM, "four_d_var", shift, static_b(scale))));
    }
    for (sets, method, shift, settings) in rows {
        let shown: Vec<String> = settings
            .iter()
            .skip(1)
            .map(|(key, value)| match value {
                Value::Float(number) => format!("{key} {number}"),
                Value::Bool(flag) => format!("{key} {flag}"),
                other => format!("{key} {other:?}"),
            })
            .collect();
        let shown = shown.join(", ");
        let mut given = settings;
        given.extend([("lag", Value::Int(LAG)), ("shift", Value::Int(shift))]);
        let given = given.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let entry = find(METHODS, "method", method)?;
        let settings = Settings::check("method", entry.params, &given).map_err(|mut all| all.remove(0))?;
        let mut runs = Vec::new();
        for seed in 0..SEEDS {
            runs.push(run(&*model, entry.build.make, &settings, &climate, shift as usize, sets, seed)?);
        }
        let column = |i: usize| {
            let values: Vec<f64> = runs.iter().map(|run| run[i]).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let square = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0) / n;
            format!("{mean:.4} +- {:.4}", square.sqrt())
        };
        let seconds: f64 = runs.iter().map(|run| run[2]).sum();
        let each = 1e3 * seconds / (SEEDS as f64 * sets[2] as f64);
        let (smoothed, analysis) = (column(0), column(1));
        println!(
            "{:>5}  {method:<12} {shift:>6}  {shown:<28}  {smoothed}  {analysis}  {each:>6.2} ms  {:>6.2} ms",
            sets[0],
            each * shift as f64
        );
    }
    Ok(())
}

/// Rmse of the smoothed states and of the analyses, and seconds.
fn run(
    model: &dyn Forecaster,
    make: scorecast_assimilation::method::Make,
    settings: &Settings,
    climate: &Array2<f64>,
    shift: usize,
    [every, burn_in, cycles]: [usize; 3],
    seed: u64,
) -> Result<[f64; 3], Failure> {
    let (hidden, key) = (Key::new(seed, Domain::Truth), Key::new(seed, Domain::Method));
    let error = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
    let operator = Identity::new(40, &error)?;
    let mut truth = hidden.normals(1, 40) + 2.0;
    model.advance(0, 1000, &mut truth, hidden)?;
    let mut filter = make(settings)?;
    let covariance = if settings.has("scale") { climate.clone() } else { Array2::eye(40) };
    let first = &truth.row(0) + &hidden.purpose(Purpose::InitialState).normals(1, 40).row(0);
    filter.start(&Prior::Gaussian { mean: first, covariance }, 0, key)?;
    let rms = |error: Array1<f64>| (error.dot(&error) / 40.0).sqrt();
    let (mut truths, mut smoothed, mut analyses, mut seconds) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for set in 1..=cycles {
        let step = set * every;
        model.advance(step - every, every, &mut truth, hidden)?;
        let noise = hidden.purpose(Purpose::ObservationNoise).at(step as u64).normals(1, 40);
        let values = (&truth + &noise).remove_axis(Axis(0));
        truths.push(truth.row(0).to_owned());
        let observed = ObservationSet { step, time: 0.05 * step as f64, values: values.view(), operator: &operator };
        let begun = Instant::now();
        let outcome = filter.step(model, &observed, key)?;
        seconds += begun.elapsed().as_secs_f64();
        if set > burn_in && set % shift == 0 {
            analyses.push(rms(outcome.mean() - truth.row(0)));
        }
        smoothed.extend(outcome.smoothed);
    }
    smoothed.extend(filter.finish(model, Some(&operator), key)?);
    let errors: Vec<f64> = smoothed
        .iter()
        .filter(|posterior| posterior.step > burn_in * every)
        .map(|posterior| rms(posterior.mean() - &truths[posterior.step / every - 1]))
        .collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Ok([mean(&errors), mean(&analyses), seconds])
}

/// The covariance of a long run, as a background.
fn climate(model: &dyn Forecaster) -> Result<Array2<f64>, Failure> {
    let key = Key::new(5, Domain::Data);
    let mut x = key.normals(1, 40) + 2.0;
    model.advance(0, 1000, &mut x, key)?;
    let mut states = Array2::zeros((5000, 40));
    for mut state in states.outer_iter_mut() {
        model.advance(0, 4, &mut x, key)?;
        state.assign(&x.row(0));
    }
    Ok(scorecast_assimilation::ensemble::covariance(states.view(), None))
}
