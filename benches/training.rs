//! Milliseconds a training step and an evaluation of 256 members, on one thread and on two, beside JAX and PyTorch in the same run.
//!
//! `cargo bench --bench training`. A training step is all of it: the batch, noise, loss, gradient, clipping, AdamW and the
//! average of the weights. The share of the peak is that of the floating-point operations of the network
//! ([`NetworkConfig::operations`]) in the rate of a product of two matrices of order 512 on as many threads, measured at
//! the same time. JAX runs where the Python named by SCORECAST_PYTHON (default `python3`) has it. Machines are noisy:
//! compare ratios, not milliseconds.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use ndarray::Array3;
use rayon::prelude::*;
use scorecast::nn::data::Data;
use scorecast::nn::network::{HEADS, RESOLUTIONS};
use scorecast::nn::objective::OBJECTIVES;
use scorecast::nn::optimizer::Decay;
use scorecast::nn::train::{Keep, TrainConfig, Trainer, USUAL_BETA2};
use scorecast::nn::{NetworkConfig, Objective};
use scorecast::progress::Progress;
use scorecast::systems::{Domain, Key, Settings, registry};

const REPEATS: usize = 9;
const MEMBERS: usize = 256;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The peers: a name and its script.
const PEERS: [(&str, &str); 2] = [("JAX", "training_jax.py"), ("PyTorch", "training_torch.py")];

/// What a peer finds of each net, or why it was not run.
type Found = Result<serde_json::Value, Failure>;

/// A net of this bench.
struct Case {
    /// As in the scripts of the peers.
    name: &'static str,
    network: NetworkConfig,
    objective: &'static str,
    batch: usize,
}

fn cases() -> Vec<Case> {
    let network = |kind: &str, components, width, blocks, [inputs, outputs, levels]: [usize; 3]| NetworkConfig {
        kind: kind.to_owned(),
        components,
        inputs,
        outputs,
        width,
        blocks,
        kernel: 5,
        resolutions: RESOLUTIONS,
        heads: HEADS,
        patch: None,
        frequency: None,
        time_features: levels > 0,
        levels: 1,
        film: None,
        grid: None,
        copies: 1,
        causal: None,
    };
    let (denoising, likelihood, regression) = ([2, 1, 1], [1, 2, 0], [1, 1, 0]);
    let case = |name, network, objective, batch| Case { name, network, objective, batch };
    vec![
        case("conv, default, denoising", network("conv", 40, 32, 3, denoising), "denoising", 128),
        case("conv, default, likelihood", network("conv", 40, 35, 3, likelihood), "likelihood", 128),
        case("conv of 64 channels", network("conv", 40, 64, 4, regression), "regression", 64),
        case("mlp of 256 channels", network("mlp", 40, 256, 4, denoising), "denoising", 256),
        case("mlp, default, denoising", network("mlp", 3, 128, 3, denoising), "denoising", 128),
        case("mlp, tiny", network("mlp", 3, 54, 3, denoising), "denoising", 128),
    ]
}

fn main() -> Result<(), Failure> {
    let only = std::env::args().nth(1).filter(|name| !name.starts_with('-'));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let theirs = PEERS.map(|(_, script)| peer(script, threads, only.as_deref()));
        println!("{threads} thread(s), median of {REPEATS}");
        for case in cases().iter().filter(|case| only.as_deref().is_none_or(|name| name == case.name)) {
            pool.install(|| report(case, threads, &theirs))?;
        }
    }
    Ok(())
}

/// Measures a net, and prints what was found.
fn report(case: &Case, threads: usize, theirs: &[Found]) -> Result<(), Failure> {
    let operations = case.network.operations()?;
    let peak = peak(threads);
    let found = [
        ("training", training(case)?, operations.training * case.batch as f64),
        ("sampling", sampling(case)?, operations.evaluation * MEMBERS as f64 + operations.level),
    ];
    println!("{}: {} parameters, peak {:.0} GFLOP/s", case.name, case.network.parameters()?, peak / 1e9);
    for (what, seconds, operations) in found {
        let share = operations / seconds / peak;
        print!("  {what} {:>8.3} ms, {:.2} GFLOP, {share:.2} of the peak", seconds * 1e3, operations / 1e9);
        for ((name, _), theirs) in PEERS.iter().zip(theirs) {
            match theirs.as_ref().map(|theirs| theirs[case.name][what].as_f64().unwrap_or(f64::NAN)) {
                Ok(theirs) => print!("; {name} {theirs:.3} ms, {:.2} times ours", theirs / seconds / 1e3),
                Err(why) => print!("; {name} skipped: {why}"),
            }
        }
        println!();
    }
    Ok(())
}

/// Keeps the time of each report.
#[derive(Default)]
struct Clock(Mutex<Vec<Instant>>);

impl Progress for Clock {
    fn start(&self, _what: &str, _total: u64) {}
    fn at(&self, _done: u64, _note: &str) {
        if let Ok(mut times) = self.0.lock() {
            times.push(Instant::now());
        }
    }
    fn finish(&self) {}
}

/// Median seconds of a training step: a trainer reports every ten.
fn training(case: &Case) -> Result<f64, Failure> {
    let entry = registry::find(OBJECTIVES, "objective", case.objective)?;
    let settings = Settings::check(case.objective, entry.params, &Default::default()).map_err(|_| "settings")?;
    let objective: Box<dyn Objective> = (entry.build.make)(&settings);
    let (trajectories, times, components) = (32, 64, case.network.components);
    let states = Key::new(1, Domain::Data).normals(trajectories * times, components);
    let states = Array3::from_shape_vec((trajectories, times, components), states.into_iter().collect())?;
    let nothing = Array3::zeros((0, times, components));
    let data = Data::new(states.view(), nothing.view(), false, 1)?;
    let steps = 10 * (REPEATS as u64 + 3);
    let config = TrainConfig {
        steps,
        batch: case.batch,
        learning_rate: 1e-3,
        warm_up: 10,
        decay: Decay::Cosine,
        beta2: USUAL_BETA2,
        weight_decay: 1e-3,
        clip: 1.0,
        ema: 0.99,
        validate_every: steps,
        checkpoint_every: steps,
        keep: Keep::Best,
    };
    let clock = Clock::default();
    let trainer = Trainer {
        network: &case.network,
        config: &config,
        objective: objective.as_ref(),
        named: case.objective,
        data: &data,
        key: Key::new(2, Domain::Training),
        start: None,
        processor: &scorecast::nn::ops::Processor::Cpu,
        before: 0,
        progress: &clock,
        checkpoints: None,
    };
    trainer.run()?;
    let times = clock.0.into_inner()?;
    let mut seconds: Vec<f64> = times.windows(2).skip(1).map(|pair| (pair[1] - pair[0]).as_secs_f64() / 10.0).collect();
    Ok(median(&mut seconds))
}

/// Median seconds of one evaluation of all members, in passes as forecasters make them.
fn sampling(case: &Case) -> Result<f64, Failure> {
    let config = &case.network;
    let network = config.frozen(&config.seeded(Key::new(3, Domain::Training))?)?;
    let x = Key::new(4, Domain::Method).normals(MEMBERS, config.components * config.inputs).mapv(|x| x as f32);
    let x = Tensor::from_vec(x.into_iter().collect(), (MEMBERS, config.components, config.inputs), &Device::Cpu)?;
    assert_eq!(network.dtype(), DType::F32);
    let evaluate = |level: f64| -> Result<(), Failure> {
        let levels = [level];
        let starts: Vec<usize> = (0..MEMBERS).step_by(network.chunk()).collect();
        starts.into_par_iter().try_for_each(|from| {
            let part = x.narrow(0, from, network.chunk().min(MEMBERS - from))?;
            network.forward(&part, config.time_features.then_some(&levels))?;
            Ok(())
        })
    };
    // levels return from sample to sample, as those of a schedule do
    let count = 18;
    let all = || (0..count).try_for_each(|step| evaluate(0.1 * f64::from(step)));
    all()?;
    let mut seconds = Vec::new();
    for _ in 0..REPEATS {
        let begun = Instant::now();
        all()?;
        seconds.push(begun.elapsed().as_secs_f64() / f64::from(count));
    }
    Ok(median(&mut seconds))
}

/// Floating-point operations a second of products of two matrices of order 512, one on each thread.
fn peak(threads: usize) -> f64 {
    use scorecast::nn::ops::matrix::{Strided, product};
    const ORDER: usize = 512;
    const PRODUCTS: usize = 8;
    let (a, b) = (vec![0.5f32; ORDER * ORDER], vec![0.25f32; ORDER * ORDER]);
    let best = (0..REPEATS).map(|_| {
        let begun = Instant::now();
        (0..threads).into_par_iter().for_each(|_| {
            let mut out = vec![0.0f32; ORDER * ORDER];
            for _ in 0..PRODUCTS {
                let rows = |data| Strided::rows(data, ORDER, ORDER, ORDER);
                product(&mut out, rows(&a), rows(&b));
            }
            std::hint::black_box(&out);
        });
        2.0 * (threads * PRODUCTS) as f64 * (ORDER as f64).powi(3) / begun.elapsed().as_secs_f64()
    });
    best.fold(0.0, f64::max)
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// What the script of a peer finds.
fn peer(script: &str, threads: usize, only: Option<&str>) -> Found {
    let python = std::env::var("SCORECAST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(script);
    let output = Command::new(&python).arg(script).arg(threads.to_string()).args(only).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
        return Err(format!("{python}: {said}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
