//! How fast the default networks train and run. Not a test of anything: `cargo test --release --test it network_speed --
//! --ignored --nocapture` prints the numbers.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array2, Array3};
use scorecast::forecast::{FORECASTERS, FitContext, Fitted};
use scorecast::progress::Quiet;
use scorecast::systems::{Domain, Geometry, Key, Level, Settings, Value, registry};

const LENGTH: usize = 40;

fn fit(kind: &str, steps: i64) -> Fitted {
    let entry = registry::find(FORECASTERS, "forecaster", kind).unwrap();
    let given =
        BTreeMap::from([("steps".to_owned(), Value::Int(steps)), ("validate_every".to_owned(), Value::Int(9999))]);
    let settings = Settings::check(kind, entry.params, &given).unwrap();
    let noise = Key::new(1, Domain::Data).normals(64 * 129, LENGTH);
    let data = Array3::from_shape_vec((64, 129, LENGTH), noise.into_raw_vec_and_offset().0).unwrap();
    let situation = FitContext {
        system: None,
        geometry: Geometry::Ring,
        train: data.view(),
        valid: data.slice(ndarray::s![..0, .., ..]),
        key: Key::new(5, Domain::Training),
        progress: &Quiet,
        checkpoints: None,
        start: None,
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
