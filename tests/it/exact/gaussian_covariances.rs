//! `gaussian` with each form of covariance on a linear law with correlated noise, x_{k+1} = .8 x_k + xi, xi ~ N(0, Q) with
//! Q = .01 I + W W^T.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis, array, s};
use scorecast::forecast::{FORECASTERS, Fitted, Result};
use scorecast::systems::{
    Covariance, Domain, Forecaster, Geometry, Key, LinearForecaster, LinearGaussian, Purpose, Value, registry,
};

type Given<'a> = &'a [(&'a str, Value)];

fn directions(dim: usize) -> Array2<f64> {
    let all = array![[0.4, 0.0], [-0.4, 0.2], [0.3, 0.3], [0.0, -0.3], [0.2, 0.4]];
    all.slice(s![..dim, ..]).to_owned()
}

fn exact(dim: usize) -> LinearForecaster {
    let w = directions(dim);
    let covariance = w.dot(&w.t()) + Array2::<f64>::eye(dim) * 0.01;
    LinearForecaster::new(LinearGaussian {
        matrix: Array2::eye(dim) * 0.8,
        offset: ndarray::Array1::zeros(dim),
        covariance,
    })
    .unwrap()
}

/// Trajectories `[case, time, component]` from the stationary law.
fn trajectories(dim: usize, seed: u64, cases: usize, times: usize) -> Array3<f64> {
    let (model, key) = (exact(dim), Key::new(seed, Domain::Data).purpose(Purpose::ProcessNoise));
    let mut x = Array2::zeros((cases, dim));
    model.advance(0, 50, &mut x, key).unwrap();
    let mut out = Array3::zeros((cases, times, dim));
    for time in 0..times {
        out.slice_mut(s![.., time, ..]).assign(&x);
        model.step(50 + time, &mut x, key).unwrap();
    }
    out
}

fn fit_to(train: &Array3<f64>, valid: &Array3<f64>, given: Given) -> Result<Fitted> {
    super::try_fit("gaussian", given, (Geometry::Unstructured, 5), [train.view(), valid.view()])
}

fn given(form: &str, steps: i64) -> [(&'static str, Value); 3] {
    [("covariance", Value::Text(form.to_owned())), ("steps", Value::Int(steps)), ("width", Value::Int(32))]
}

const FORMS: [&str; 3] = ["diagonal", "low_rank", "full"];

#[test]
fn correlated_forms_reach_the_exact_log_density_and_a_diagonal_does_not() {
    let dim = 5;
    let (train, valid) = (trajectories(dim, 1, 64, 257), trajectories(dim, 2, 8, 257));
    let test = trajectories(dim, 3, 64, 65);
    let pairs =
        |time: usize| test.slice(s![.., time..time + 64, ..]).to_owned().into_shape_with_order((64 * 64, dim)).unwrap();
    let (x, next) = (pairs(0), pairs(1));
    let truth = exact(dim);
    let best = truth.density().unwrap().log_prob(0, x.view(), next.view()).unwrap();
    let mut lost = BTreeMap::new();
    for form in FORMS {
        let fitted = fit_to(&train, &valid, &given(form, 1500)).unwrap();
        let found = fitted.density().unwrap().log_prob(0, x.view(), next.view()).unwrap();
        let differences = &best - &found;
        let mean = differences.mean().unwrap();
        let se = differences.std(1.0) / (differences.len() as f64).sqrt();
        println!("{form}: {mean:.4} +- {se:.4} nats lost");
        lost.insert(form, (mean, se));
    }
    // what the form itself cannot say: half of sum log Q_ii - log det Q
    let covariance = truth.linear_gaussian().unwrap().covariance;
    let at_zero = Array2::zeros((1, dim));
    let constant = -2.0 * truth.density().unwrap().log_prob(0, at_zero.view(), at_zero.view()).unwrap()[0];
    let floor = 0.5 * (covariance.diag().mapv(|v| (std::f64::consts::TAU * v).ln()).sum() - constant);
    println!("a diagonal must lose {floor:.4}");
    for form in ["low_rank", "full"] {
        let (mean, se) = lost[form];
        assert!(mean - 4.0 * se < LOST && mean > -4.0 * se, "{form} loses {mean} +- {se}");
    }
    let (mean, se) = lost["diagonal"];
    assert!(mean > floor - 4.0 * se, "diagonal loses {mean} +- {se}, at least {floor}");
    assert!(floor > 10.0 * LOST, "{floor}");
}

/// About four times what the two lose here, in nats of five components.
const LOST: f64 = 0.03;

#[test]
fn densities_integrate_to_one_and_scale_with_the_data() {
    let dim = 2;
    let (train, valid) = (trajectories(dim, 1, 16, 65), trajectories(dim, 2, 4, 65));
    for form in FORMS {
        let settings = given(form, 60);
        let fitted = fit_to(&train, &valid, &settings).unwrap();
        let x = array![0.3, -0.2];
        let (mean, covariance) = fitted.gaussian().unwrap().moments(0, x.view().insert_axis(Axis(0))).unwrap();
        let variances = match &covariance {
            Covariance::Diagonal(variance) => variance.row(0).to_owned(),
            Covariance::Factored(covariance) => covariance.variances().row(0).to_owned(),
            Covariance::Shared(_) => panic!("a covariance of its own for each member"),
        };
        // the trapezoidal rule over 8 sd each way, which is exact to rounding for a Gaussian that it resolves
        let side = 401;
        let at =
            |i: usize, c: usize| mean[[0, c]] + variances[c].sqrt() * 8.0 * (2.0 * i as f64 / (side - 1) as f64 - 1.0);
        let points =
            Array2::from_shape_fn((side * side, dim), |(p, c)| at(if c == 0 { p / side } else { p % side }, c));
        let mut from = Array2::zeros(points.raw_dim());
        from.assign(&x);
        let log_prob = fitted.density().unwrap().log_prob(0, from.view(), points.view()).unwrap();
        let cell = (at(1, 0) - at(0, 0)) * (at(1, 1) - at(0, 1));
        let total = log_prob.mapv(f64::exp).sum() * cell;
        assert!((total - 1.0).abs() < 1e-9, "{form}: {total}");
        // data 1,024 times as large: the same network, and each component's density so much lower
        let larger = fit_to(&(&train * 1024.0), &(&valid * 1024.0), &settings).unwrap();
        let scaled = larger.density().unwrap().log_prob(0, (&from * 1024.0).view(), (&points * 1024.0).view()).unwrap();
        for (log_prob, scaled) in log_prob.iter().zip(&scaled).step_by(997) {
            assert!(
                (log_prob - scaled - 2.0 * 6.931_472).abs() < 2e-6 + 1e-9 * log_prob.abs(),
                "{form}: {log_prob} {scaled}"
            );
        }
    }
}

#[test]
fn a_stored_form_is_loaded_as_it_was_and_a_model_that_names_none_is_diagonal() {
    let (train, valid) = (trajectories(5, 1, 8, 33), trajectories(5, 2, 2, 33));
    let entry = registry::find(FORECASTERS, "forecaster", "gaussian").unwrap();
    for form in FORMS {
        let fitted = fit_to(&train, &valid, &given(form, 20)).unwrap();
        let model = fitted.model();
        assert_eq!(model.config["forecaster"].get("covariance").is_none(), form == "diagonal");
        let loaded = entry.build.rebuild(&model).unwrap().unwrap();
        let step = |fitted: &Fitted, threads: usize| {
            let mut x = Key::new(2, Domain::Method).normals(200, 5);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fitted.advance(4, 2, &mut x, Key::new(3, Domain::Method)).unwrap());
            x
        };
        let (own, again) = (step(&fitted, 1), step(&loaded, 3));
        assert_eq!(own, again, "{form}");
        assert_eq!(loaded.model(), model, "{form}");
        let mut other = model.clone();
        other.config["forecaster"]["covariance"] = "round".into();
        let message = entry.build.rebuild(&other).unwrap().err().unwrap().to_string();
        assert!(message.contains("`covariance` is \"round\""), "{message}");
    }
    let wide = Array3::from_shape_fn((2, 9, 65), |(i, j, k)| ((i * 7 + j * 3 + k) as f64 * 1.7).sin());
    let message = fit_to(&wide, &wide, &given("full", 5)).err().unwrap().to_string();
    assert!(message.contains("at most 64 are offered; set it to \"low_rank\""), "{message}");
}
