//! Networks of several layers on a law that is known: x_{k+1} = a T x_k + q xi over 16 components, where T moves a ring by one
//! position, or a torus of 4 x 4 by one row and one column, and xi is white.
//!
//! The stationary field is white with variance s^2 = q^2 / (1 - a^2), and T x_k is independent of x_k at each position, so
//! that an increment has variance 2 s^2, and given x_k its scaled noise has sd c = q / (2 s^2)^(1/2). The least loss of
//! `likelihood` is (ln c^2 + 1) / 2 = -.67, where nothing learned is 1/2.

#![allow(clippy::unwrap_used, clippy::panic)]

use ndarray::{Array2, Array3, s};
use scorecast::forecast::Fitted;
use scorecast::systems::{Domain, Geometry, Key, Purpose, Value};

const DIM: usize = 16;
const A: f64 = 0.9;
const Q: f64 = 0.5;
const TORUS: Geometry = Geometry::Torus { rows: 4, columns: 4 };

/// The networks, with where they stand and how long they learn.
const NETWORKS: [(&str, Geometry, i64); 4] = [
    ("unet", Geometry::Ring, 400),
    ("unet2d", TORUS, 400),
    ("transformer", Geometry::Ring, 1500),
    ("transformer", Geometry::Unstructured, 1500),
];

/// Where a component comes from.
fn from(geometry: Geometry, i: usize) -> usize {
    match geometry {
        Geometry::Torus { .. } => (i / 4 + 3) % 4 * 4 + (i % 4 + 3) % 4,
        _ => (i + DIM - 1) % DIM,
    }
}

/// Stationary trajectories `[case, time, component]`.
fn trajectories(geometry: Geometry, seed: u64, cases: usize, times: usize) -> Array3<f64> {
    let key = Key::new(seed, Domain::Data).purpose(Purpose::ProcessNoise);
    let mut x = key.case(1).normals(cases, DIM) * (Q / (1.0 - A * A).sqrt());
    let mut out = Array3::zeros((cases, times, DIM));
    for time in 0..times {
        out.slice_mut(s![.., time, ..]).assign(&x);
        let moved = Array2::from_shape_fn(x.dim(), |(case, i)| A * x[[case, from(geometry, i)]]);
        x = moved + key.at(time as u64).normals(cases, DIM) * Q;
    }
    out
}

fn fit(kind: &str, network: &str, geometry: Geometry, steps: i64) -> Fitted {
    let numbers = [("steps", steps), ("blocks", 1), ("kernel", 3), ("warm_up", 20), ("resolutions", 2)];
    let numbers = numbers.into_iter().map(|(key, value)| (key, Value::Int(value)));
    let texts = [("network", network), ("size", "tiny")].map(|(key, word)| (key, Value::Text(word.to_owned())));
    let given: Vec<_> = numbers.chain(texts).collect();
    let [train, valid] = [(1, 32), (2, 16)].map(|(seed, cases)| trajectories(geometry, seed, cases, 65));
    super::try_fit(kind, &given, (geometry, 5), [train.view(), valid.view()]).unwrap()
}

#[test]
fn the_likelihood_falls_to_its_known_least_loss() {
    let share = ((1.0 - A * A) / 2.0).sqrt();
    let least = 0.5 * ((share * share).ln() + 1.0);
    for (network, geometry, steps) in NETWORKS {
        let start = std::time::Instant::now();
        let training = fit("gaussian", network, geometry, steps).training().clone();
        let (found, parameters) = (training.best_valid, training.parameters);
        println!(
            "{network}, {geometry:?}: {found:.4}, least {least:.4}; {parameters} parameters, {:?}",
            start.elapsed()
        );
        assert!(parameters.abs_diff(10_000) < 1500);
        // 1024 validation pairs of 16 components: the standard error is (.5 / 16384)^(1/2) = .0055; learning adds .02
        assert!((found - least).abs() < 0.04, "{network}, {geometry:?}: {found:.4} where the least loss is {least:.4}");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte_and_a_stored_network_gives_the_same() {
    for (kind, (network, geometry, _)) in
        ["gaussian", "diffusion"].iter().flat_map(|kind| NETWORKS.map(|of| (kind, of)))
    {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let fitted = fit(kind, network, geometry, 6);
                let mut x = Key::new(2, Domain::Method).normals(40, DIM);
                let mut again = x.clone();
                fitted.advance(3, 2, &mut x, Key::new(3, Domain::Method)).unwrap();
                let entry = scorecast::systems::registry::find(scorecast::forecast::FORECASTERS, "forecaster", kind);
                let stored = entry.unwrap().build.rebuild(&fitted.model()).unwrap().unwrap();
                stored.advance(3, 2, &mut again, Key::new(3, Domain::Method)).unwrap();
                assert_eq!(x, again, "{kind}, {network}");
                (fitted.model(), x)
            })
        };
        let one = run(1);
        assert_eq!(one, run(2), "{kind}, {network} on 2 threads");
        assert_eq!(one, run(3), "{kind}, {network} on 3 threads");
    }
}
