//! How well the learned forecasters represent one lead step of stochastic Lorenz-96, whose exact law is Gaussian: not a
//! test but a measurement, `cargo test --release --test it learned_on_lorenz96 -- --ignored --nocapture`. Settings may be
//! tried by `SCORECAST_TRY="diffusion learning_rate=0.002 steps=2500"`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array2, s};
use scorecast::forecast::{FORECASTERS, FitContext};
use scorecast::progress::Quiet;
use scorecast::systems::simulate::simulate;
use scorecast::systems::{Domain, Key, Settings, Stepping, Value, catalogue, registry};

const STEP_NOISE: f64 = 0.1;
const DT: f64 = 0.05;

#[test]
#[ignore = "a measurement"]
fn one_step_law() {
    let wanted = std::env::var("SCORECAST_TRY").unwrap_or_else(|_| "gaussian;diffusion".to_owned());
    let noise = Value::Float(STEP_NOISE / DT.sqrt());
    let system = catalogue::build("lorenz96", &BTreeMap::from([("noise".to_owned(), noise)])).unwrap();
    let silent = catalogue::build("lorenz96", &BTreeMap::new()).unwrap();
    let stepping = Stepping { dt: DT, substeps: 1, integrator: "rk4".to_owned() };
    let data = simulate(system.clone(), &stepping, 72, 512, 300, Key::new(1, Domain::Data), |_, _| {}).unwrap().states;
    let mean = silent.forecaster(&stepping).unwrap();
    for line in wanted.split(';') {
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap();
        let given = words.map(|word| {
            let (key, value) = word.split_once('=').unwrap();
            let number = value.parse::<i64>().map(Value::Int).or_else(|_| value.parse::<f64>().map(Value::Float));
            (key.to_owned(), number.unwrap_or_else(|_| Value::Text(value.to_owned())))
        });
        let entry = registry::find(FORECASTERS, "forecaster", kind).unwrap();
        let settings = Settings::check(kind, entry.params, &given.collect()).unwrap();
        let situation = FitContext {
            system: None,
            geometry: system.geometry(),
            train: data.slice(s![..64, .., ..]),
            valid: data.slice(s![64..68, .., ..]),
            held_by: None,
            parameters: None,
            key: Key::new(5, Domain::Training),
            progress: &Quiet,
            checkpoints: None,
            start: None,
            processor: &scorecast::nn::ops::Processor::Cpu,
        };
        let start = Instant::now();
        let fitted = (entry.build.fit)(&settings, &situation).unwrap();
        let elapsed = start.elapsed().as_secs_f64();
        // many draws from each of a few test states
        let (states, draws) = (32, 200);
        let test = data.slice(s![68..72, ..;64, ..]);
        let test = test.to_shape((test.dim().0 * test.dim().1, 40)).unwrap();
        let (mut bias2, mut variance) = (0.0, 0.0);
        for i in 0..states {
            let x = test.slice(s![i..i + 1, ..]);
            let mut exact = x.to_owned();
            mean.advance(0, 1, &mut exact, Key::new(2, Domain::Method)).unwrap();
            let mut drawn: Array2<f64> = x.broadcast((draws, 40)).unwrap().to_owned();
            fitted.as_forecaster().advance(i, 1, &mut drawn, Key::new(3, Domain::Method)).unwrap();
            let found = drawn.mean_axis(ndarray::Axis(0)).unwrap();
            let spread = drawn.var_axis(ndarray::Axis(0), 1.0).mean().unwrap();
            bias2 += (found - exact.row(0)).mapv(|e| e * e).mean().unwrap() - spread / draws as f64;
            variance += spread;
        }
        println!(
            "{line}: {elapsed:.0} s, best step {} valid {:.4}; rms error of the mean {:.3} sd, sd ratio {:.3}",
            fitted.training().best_step,
            fitted.training().best_valid,
            (bias2 / states as f64).max(0.0).sqrt() / STEP_NOISE,
            (variance / states as f64).sqrt() / STEP_NOISE,
        );
    }
}
