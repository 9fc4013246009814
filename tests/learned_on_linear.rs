//! The learned forecasters on a law that is known: x_{k+1} = A x_k + xi, xi ~ N(0, Q), in two dimensions.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis, array, s};
use scorecast::forecast::{FORECASTERS, Fitted, Situation};
use scorecast::progress::Quiet;
use scorecast::systems::{Domain, Geometry, Key, Purpose, Settings, Value, registry};

const Q: [[f64; 2]; 2] = [[0.04, 0.018], [0.018, 0.09]];

fn transition() -> Array2<f64> {
    array![[0.9, 0.2], [-0.2, 0.8]]
}

/// Trajectories `[case, time, component]`, started from a wide normal and run into their stationary law.
fn trajectories(seed: u64, cases: usize, times: usize) -> Array3<f64> {
    let (a, key) = (transition(), Key::new(seed, Domain::Data).purpose(Purpose::ProcessNoise));
    // the Cholesky factor of Q
    let l11 = Q[0][0].sqrt();
    let l21 = Q[0][1] / l11;
    let root = array![[l11, 0.0], [l21, (Q[1][1] - l21 * l21).sqrt()]];
    let (spin_up, mut x) = (50, Array2::zeros((cases, 2)));
    let mut out = Array3::zeros((cases, times, 2));
    for time in 0..spin_up + times {
        x = x.dot(&a.t()) + key.at(time as u64).normals(cases, 2).dot(&root.t());
        if time >= spin_up {
            out.slice_mut(s![.., time - spin_up, ..]).assign(&x);
        }
    }
    out
}

fn fit(kind: &str, given: &[(&str, Value)]) -> Box<dyn Fitted> {
    let entry = registry::find(FORECASTERS, "forecaster", kind).unwrap();
    let given: BTreeMap<_, _> = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let settings = Settings::check(kind, entry.params, &given).unwrap();
    let (train, valid) = (trajectories(1, 64, 257), trajectories(2, 8, 257));
    let situation = Situation {
        system: None,
        geometry: Geometry::Unstructured,
        train: train.view(),
        valid: valid.view(),
        key: Key::new(5, Domain::Training),
        progress: &Quiet,
        checkpoints: None,
    };
    (entry.build.fit)(&settings, &situation).unwrap()
}

#[test]
fn gaussian_learns_the_exact_moments() {
    let fitted = fit("gaussian", &[("steps", Value::Int(1000)), ("width", Value::Int(64))]);
    println!("{:?}", fitted.training().best_valid);
    let points = array![[0.0, 0.0], [0.5, -0.4], [-0.6, 0.5], [0.3, 0.6]];
    let kernel = fitted.as_forecaster().gaussian().unwrap();
    let (mean, covariance) = kernel.moments(0, points.view()).unwrap();
    println!("{:?} {:?}", (mean - points.dot(&transition().t())), covariance);
}

#[test]
fn diffusion_draws_from_the_exact_law() {
    let fitted = fit("diffusion", &[("steps", Value::Int(1000)), ("width", Value::Int(64))]);
    println!("{:?}", fitted.training().best_valid);
    let draws = 20_000;
    for point in [[0.0, 0.0], [0.5, -0.4], [-0.6, 0.5], [0.3, 0.6]] {
        let mut x = Array2::from_shape_fn((draws, 2), |(_, c)| point[c]);
        fitted.as_forecaster().advance(0, 1, &mut x, Key::new(9, Domain::Method)).unwrap();
        let mean = x.mean_axis(Axis(0)).unwrap();
        let centred = &x - &mean;
        let covariance = centred.t().dot(&centred) / draws as f64;
        println!("{} {}", mean - transition().dot(&array![point[0], point[1]]), covariance);
    }
}
