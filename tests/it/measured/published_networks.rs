//! The networks of FlowDAS and of score-based data assimilation for Lorenz-63, with their settings, beside the same ones in
//! PyTorch (`benches/published/pytorch.py`). `SCORECAST_FOLDER=published cargo test --release --workspace --test it
//! measured::published_networks -- --ignored --nocapture` leaves the files that the script reads in that folder.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use scorecast::model::CurvePoint;
use scorecast::nn::data::{Data, Subset};
use scorecast::nn::network::{HEADS, RESOLUTIONS};
use scorecast::nn::objective::{WindowNoise, one_level_fields, windows_of};
use scorecast::nn::ops::Processor;
use scorecast::nn::optimizer::Decay;
use scorecast::nn::train::{Keep, TrainConfig, Trainer};
use scorecast::nn::{NetworkConfig, NeuralNetwork, array};
use scorecast::progress::Quiet;
use scorecast::store::Limits;
use scorecast::store::netcdf::{SplitPart, read_trajectories};
use scorecast::systems::noising::Schedule;
use scorecast::systems::noising::schedule::VpSquaredCosine;
use scorecast::systems::{Domain, Key, Stepping, catalogue};

/// Variance of the noise of a lead step.
const NOISE: f64 = 0.025;

/// Frames of a window.
const FRAMES: usize = 5;

fn folder() -> (Option<tempfile::TempDir>, PathBuf) {
    match std::env::var("SCORECAST_FOLDER") {
        Ok(folder) => (None, PathBuf::from(folder)),
        Err(_) => {
            let own = tempfile::tempdir().unwrap();
            let path = own.path().to_path_buf();
            (Some(own), path)
        }
    }
}

/// Runs the program on an experiment of `benches/published`.
fn scorecast(command: &str, experiment: &str, rest: &[&str]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/published").join(experiment);
    let mut run = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    let output = run.arg(command).arg(file).args(rest).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "a measurement"]
fn flowdas() {
    let (_own, folder) = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let [data, models, forecasts] = ["flowdas.nc", "models", "forecasts"].map(|name| folder.join(name));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    scorecast("simulate", "flowdas_lorenz63.toml", &["--out", &text(&data), "--force"]);
    let begun = Instant::now();
    scorecast("train", "flowdas_lorenz63.toml", &["--out", &text(&models), "--force"]);
    println!("{:.0} s", begun.elapsed().as_secs_f64());
    let model = |seed: usize| {
        let label = format!("flowdas-seed-{seed}");
        format!("{label}={}", text(&models.join(format!("{label}.safetensors"))))
    };
    let models: Vec<String> = (1..=3).map(model).collect();
    let given: Vec<&str> = models.iter().flat_map(|model| ["--model", model]).collect();
    let out = text(&forecasts);
    scorecast("forecast", "flowdas_lorenz63.toml", &[given.as_slice(), &["--out", &out, "--force"]].concat());
}

/// Training and validation trajectories of the file that the program simulated.
fn trajectories(folder: &Path) -> [Array3<f64>; 2] {
    let path = folder.join("sda.nc");
    scorecast("simulate", "sda_lorenz63.toml", &["--out", path.to_str().unwrap(), "--force"]);
    let stored = read_trajectories(&path, None, &Limits::bytes(1 << 32)).unwrap();
    let split = stored.split.unwrap();
    let part = |wanted: SplitPart| {
        let cases: Vec<usize> = (0..split.len()).filter(|case| split[*case] == wanted).collect();
        stored.values.select(Axis(0), &cases)
    };
    [part(SplitPart::Train), part(SplitPart::Valid)]
}

#[test]
#[ignore = "a measurement"]
fn sda() {
    let (_own, folder) = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let [train, valid] = trajectories(&folder);
    let data = Data::new(train.view(), valid.view(), false, FRAMES - 1).unwrap();
    let network = network();
    println!("{} weights", network.parameters().unwrap());
    for seed in 1..=3 {
        let begun = Instant::now();
        let objective = WindowNoise { scales: data.scales() };
        let trainer = Trainer {
            network: &network,
            config: &training(),
            objective: &objective,
            named: "windows at one level",
            data: &data,
            key: Key::new(seed, Domain::Training),
            start: None,
            processor: &Processor::Cpu,
            before: 0,
            progress: &Quiet,
            checkpoints: None,
        };
        let trained = trainer.run().unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let net = network.frozen(&trained.weights).unwrap();
        let last: Option<&CurvePoint> = trained.curve.last();
        let losses: Vec<String> = [0.1, 0.3, 0.5, 0.7, 0.9]
            .iter()
            .map(|t| format!("{:.5}", loss_at(net.as_ref(), &data, *t, Key::new(seed, Domain::Method))))
            .collect();
        let [rms, median, log] = one_step(&draws(net.as_ref(), Key::new(seed, Domain::Truth)), &data);
        println!(
            "ours {seed}: losses {}, rms of a step {rms:.3} of the exact, median {median:.3}, log p {log:.2}, {seconds:.0} s, last {last:?}",
            losses.join(" ")
        );
    }
}

/// The published network.
fn network() -> NetworkConfig {
    let like = NetworkConfig {
        kind: "normed_mlp".to_owned(),
        components: 3,
        inputs: FRAMES,
        outputs: FRAMES,
        width: 128,
        blocks: 5,
        kernel: 1,
        resolutions: RESOLUTIONS,
        heads: HEADS,
        patch: None,
        frequency: None,
        time_features: true,
        levels: 1,
        film: None,
        grid: None,
        copies: 1,
        causal: None,
    };
    one_level_fields(FRAMES).given(&like)
}

/// The published training, but for its length.
fn training() -> TrainConfig {
    TrainConfig {
        steps: 20_000,
        batch: 64,
        learning_rate: 1e-3,
        warm_up: 0,
        decay: Decay::Linear,
        beta2: 0.999,
        weight_decay: 1e-3,
        clip: 1e6,
        ema: 0.0,
        validate_every: 5000,
        checkpoint_every: u64::MAX,
        keep: Keep::Last,
    }
}

/// The mean squared error of the noise at a time, over validation windows.
fn loss_at(net: &dyn NeuralNetwork, data: &Data, t: f64, key: Key) -> f64 {
    let all = data.pairs(Subset::Valid);
    let count = 16_384.min(all);
    let rows: Vec<usize> = (0..count).map(|i| i * all / count).collect();
    let z = windows_of(&data.batch(Subset::Valid, &rows), data.scales());
    let (level, eps) = (VpSquaredCosine::PUBLISHED.level(t), key.normals(count, z.ncols()));
    let x_t = &z * level.alpha + &eps * level.sigma;
    let found = noise(net, x_t.view(), t);
    (found - eps).mapv(|gap| gap * gap).mean().unwrap()
}

/// F of windows at a time, `[row, frame x component]`.
fn noise(net: &dyn NeuralNetwork, x_t: ArrayView2<f64>, t: f64) -> Array2<f64> {
    let found = WindowNoise::noise(net, x_t, &[VpSquaredCosine::PUBLISHED.level(t)]).unwrap();
    let fields = array::all_fields(&found).unwrap();
    Array2::from_shape_fn(x_t.dim(), |(i, at)| fields[[i, at % 3, at / 3]])
}

/// 4,096 windows, drawn in 256 steps of the published predictor.
fn draws(net: &dyn NeuralNetwork, key: Key) -> Array2<f64> {
    let (schedule, steps) = (VpSquaredCosine::PUBLISHED, 256);
    let mut x = key.normals(4096, 3 * FRAMES);
    for k in (1..=steps).rev() {
        let [from, to] = [k, k - 1].map(|k| schedule.level(f64::from(k) / f64::from(steps)));
        let ratio = to.alpha / from.alpha;
        let noise = noise(net, x.view(), f64::from(k) / f64::from(steps));
        x = &x * ratio + noise * (to.sigma - ratio * from.sigma);
    }
    x
}

/// How far states of windows are from a step of the system after the states before them, in the sd that its noise has: root of
/// the mean square, and of the median square over that of a normal; and the mean log density of a step by the exact law.
fn one_step(windows: &Array2<f64>, data: &Data) -> [f64; 3] {
    let scale = &data.scales().states;
    let stepping = Stepping { dt: 0.025, substeps: 1, integrator: "rk4".to_owned() };
    let system = catalogue::build("lorenz63", &std::collections::BTreeMap::new()).unwrap();
    let silent = system.forecaster(&stepping).unwrap();
    let mut squares = Vec::new();
    for frame in 1..FRAMES {
        let state = |frame: usize| &windows.slice(s![.., 3 * frame..3 * frame + 3]) * &scale.sd + &scale.mean;
        let mut x = state(frame - 1);
        silent.advance(0, 1, &mut x, Key::new(1, Domain::Method)).unwrap();
        squares.extend((state(frame) - x).iter().map(|off| off * off / NOISE));
    }
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    squares.sort_by(f64::total_cmp);
    let median = squares[squares.len() / 2].sqrt() / 0.674_49;
    [mean.sqrt(), median, -1.5 * (mean + (std::f64::consts::TAU * NOISE).ln())]
}
