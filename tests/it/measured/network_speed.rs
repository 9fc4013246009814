//! How fast the default networks train and run. Not a test of anything: `cargo test --release --test it network_speed --
//! --ignored --nocapture` prints the numbers.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Instant;

use ndarray::{Array2, Array3};
use scorecast::forecast::{FORECASTERS, FitContext, Fitted};
use scorecast::progress::Quiet;
use scorecast::systems::{Domain, Geometry, Key, Level, Settings, Value, registry};

const LENGTH: usize = 40;

fn fit(kind: &str, steps: i64) -> Fitted {
    fit_with(kind, steps, &[], Geometry::Ring)
}

fn fit_with(kind: &str, steps: i64, words: &[(&str, &str)], geometry: Geometry) -> Fitted {
    let entry = registry::find(FORECASTERS, "forecaster", kind).unwrap();
    let numbers = [("steps", steps), ("validate_every", 9999)].map(|(key, count)| (key.to_owned(), Value::Int(count)));
    let words = words.iter().map(|(key, word)| ((*key).to_owned(), Value::Text((*word).to_owned())));
    let given = numbers.into_iter().chain(words).collect();
    let settings = Settings::check(kind, entry.params, &given).unwrap();
    let noise = Key::new(1, Domain::Data).normals(64 * 129, LENGTH);
    let data = Array3::from_shape_vec((64, 129, LENGTH), noise.into_raw_vec_and_offset().0).unwrap();
    let situation = FitContext {
        system: None,
        geometry,
        train: data.view(),
        valid: data.slice(ndarray::s![..0, .., ..]),
        held_by: None,
        parameters: None,
        key: Key::new(5, Domain::Training),
        progress: &Quiet,
        checkpoints: None,
        start: None,
        processor: &scorecast::nn::ops::Processor::Cpu,
    };
    (entry.build.fit)(&settings, &situation).unwrap()
}

/// Seconds for one of `count` runs.
fn seconds(count: usize, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..count).for_each(|_| f());
    start.elapsed().as_secs_f64() / count as f64
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            for kind in ["gaussian", "diffusion"] {
                let (few, many) = (seconds(1, || drop(fit(kind, 20))), seconds(1, || drop(fit(kind, 120))));
                let step = (many - few) / 100.0;
                let fitted = fit(kind, 1);
                let parameters = fitted.training().parameters;
                // a multiplication and an addition for each weight of a convolution and position, forward and twice back
                let flops = 6.0 * 31_000.0 * (LENGTH * 128) as f64;
                println!(
                    "{kind}, {threads} threads, {parameters} parameters: {:.1} ms a training step, {:.0} GFLOP/s",
                    1e3 * step,
                    flops / step / 1e9
                );
                let mut x: Array2<f64> = Key::new(2, Domain::Method).normals(40, LENGTH);
                let key = Key::new(3, Domain::Method);
                let advance = seconds(50, || fitted.as_forecaster().advance(0, 1, &mut x, key).unwrap());
                println!("{kind}, {threads} threads: {:.2} ms a lead step of 40 members", 1e3 * advance);
                if kind == "diffusion" {
                    let bound = fitted.as_forecaster().denoiser().unwrap().bind(0, x.view()).unwrap();
                    let level = Level::exploding(0.5);
                    let once = seconds(50, || drop(bound.denoiser.denoise(x.view(), level).unwrap()));
                    println!("diffusion, {threads} threads: {:.2} ms an evaluation of 40 members", 1e3 * once);
                    let (_, pullback) = bound.denoiser.denoise_vjp(x.view(), level).unwrap();
                    let pull = seconds(50, || drop(pullback.pull(x.view()).unwrap()));
                    println!("diffusion, {threads} threads: {:.2} ms a pull-back of 40 members", 1e3 * pull);
                }
            }
        });
    }
}

/// Networks of one size, side by side: milliseconds of a training step, and of a lead step of 40 members, and both beside
/// the first of their layout; the medians of five runs in turn.
#[test]
#[ignore = "a measurement"]
fn measure_networks_of_one_size() {
    let torus = Geometry::Torus { rows: 5, columns: 8 };
    let ring = ["conv", "mlp", "unet", "transformer"].map(|network| (network, Geometry::Ring));
    let grid = ["conv2d", "unet2d", "transformer"].map(|network| (network, torus));
    for (size, threads) in ["small", "medium"].into_iter().flat_map(|size| [1, 2].map(|threads| (size, threads))) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            for (kind, networks) in
                ["gaussian", "diffusion"].iter().flat_map(|kind| [ring.as_slice(), &grid].map(|all| (kind, all)))
            {
                let words = |network| [("network", network), ("size", size)];
                let mut times = vec![[const { Vec::new() }; 2]; networks.len()];
                for _ in 0..5 {
                    for (times, (network, geometry)) in times.iter_mut().zip(networks) {
                        let of = |steps| seconds(1, || drop(fit_with(kind, steps, &words(network), *geometry)));
                        let (few, many) = (of(2), of(22));
                        times[0].push((many - few) / 20.0);
                        let fitted = fit_with(kind, 1, &words(network), *geometry);
                        let mut x: Array2<f64> = Key::new(2, Domain::Method).normals(40, LENGTH);
                        let key = Key::new(3, Domain::Method);
                        let mut advance = || fitted.as_forecaster().advance(0, 1, &mut x, key).unwrap();
                        advance();
                        times[1].push(seconds(10, advance));
                    }
                }
                let median = |times: &mut Vec<f64>| {
                    times.sort_by(f64::total_cmp);
                    1e3 * times[times.len() / 2]
                };
                let all: Vec<[f64; 2]> = times.iter_mut().map(|[a, b]| [median(a), median(b)]).collect();
                for ((network, geometry), [training, lead]) in networks.iter().zip(&all) {
                    println!(
                        "{size}, {kind}, {threads} threads, {network}, {geometry:?}: a training step {training:.2} ms \
                         ({:.2}), a lead step {lead:.2} ms ({:.2})",
                        training / all[0][0],
                        lead / all[0][1]
                    );
                }
            }
        });
    }
}
