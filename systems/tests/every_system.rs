//! What every entry of the catalogue promises.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{assert_gaussian_moments, copies, stepping, system};
use ndarray::{Array2, Axis};
use rayon::ThreadPoolBuilder;
use scorecast_systems::catalogue::SYSTEMS;
use scorecast_systems::{Covariance, Domain, Forecaster, Key, LANES, Noise, Purpose, System, Value};

const DT: f64 = 0.05;

/// Every system without and with noise.
fn variants() -> Vec<(String, Arc<dyn System>)> {
    let noises = [0.0, 0.7];
    let variant =
        |name: &'static str, sd: f64| (format!("{name}, noise {sd}"), system(name, &[("noise", Value::Float(sd))]));
    SYSTEMS.iter().flat_map(|entry| noises.map(|sd| variant(entry.name, sd))).collect()
}

fn perfect(system: &Arc<dyn System>) -> Box<dyn Forecaster> {
    Arc::clone(system).forecaster(&stepping("rk4", DT, 1)).unwrap()
}

fn key() -> Key {
    Key::new(42, Domain::Method).purpose(Purpose::ProcessNoise)
}

#[test]
fn entries_are_complete() {
    for entry in SYSTEMS {
        let built = system(entry.name, &[]);
        assert!(!entry.about.is_empty() && !entry.reference.is_empty(), "{}", entry.name);
        assert!(entry.params.iter().all(|param| !param.about.is_empty()), "{}", entry.name);
        let initial = built.initial(5, key());
        assert_eq!(initial.dim(), (5, built.dim()));
        assert_eq!(perfect(&built).dim(), built.dim());
        assert!(initial.row(0) != initial.row(1), "{}: members start apart", entry.name);
    }
}

#[test]
fn same_bytes_for_any_number_of_threads() {
    for (name, system) in variants() {
        let start = system.initial(600, key());
        let run = |threads: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut x = start.clone();
            pool.install(|| perfect(&system).advance(3, 200, &mut x, key())).unwrap();
            x
        };
        let one = run(1);
        assert!(one.iter().all(|value| value.is_finite()), "{name}");
        assert_eq!(one, run(2), "{name}");
        assert_eq!(one, run(4), "{name}");
    }
}

#[test]
fn two_steps_are_one_step_twice() {
    for (name, system) in variants() {
        let forecaster = perfect(&system);
        let mut together = system.initial(37, key());
        let mut apart = together.clone();
        forecaster.advance(5, 2, &mut together, key()).unwrap();
        forecaster.advance(5, 1, &mut apart, key()).unwrap();
        forecaster.advance(6, 1, &mut apart, key()).unwrap();
        assert_eq!(together, apart, "{name}");
    }
}

#[test]
fn members_do_not_depend_on_their_neighbours() {
    for (name, system) in variants() {
        let forecaster = perfect(&system);
        let mut many = system.initial(40, key());
        let mut few = many.slice(ndarray::s![..5, ..]).to_owned();
        many.row_mut(20).fill(f64::NAN);
        forecaster.advance(0, 3, &mut many, key()).unwrap();
        forecaster.advance(0, 3, &mut few, key()).unwrap();
        assert_eq!(few, many.slice(ndarray::s![..5, ..]), "{name}");
    }
}

#[test]
fn equations_without_noise_draw_nothing() {
    for (name, system) in variants() {
        let Some(sde) = system.as_sde() else { continue };
        let run = |key| {
            let mut x = system.initial(3, self::key());
            perfect(&system).advance(0, 1, &mut x, key).unwrap();
            x
        };
        let same = run(key()) == run(Key::new(43, Domain::Method));
        assert_eq!(same, sde.noise() == Noise::None, "{name}");
    }
}

/// Additive noise: the product g dw is diagonal, the declared sd, the same at every state, and 0 for dw = 0.
#[test]
fn noise_is_of_the_declared_kind() {
    for (name, system) in variants() {
        let Some(sde) = system.as_sde() else { continue };
        assert!(matches!(sde.noise(), Noise::None | Noise::Additive), "{name}");
        let (n, sd) = (sde.dim(), sde.additive_sd().unwrap());
        let product = |state: f64, dw: &[[f64; LANES]]| {
            let mut out = vec![[9.0; LANES]; n];
            sde.diffuse_block(0.3, &vec![[state; LANES]; n], dw, &mut out);
            out
        };
        assert_eq!(product(1.0, &vec![[0.0; LANES]; n]), vec![[0.0; LANES]; n], "{name}");
        for j in 0..n {
            let mut unit = vec![[0.0; LANES]; n];
            unit[j] = [1.0; LANES];
            let expected: Vec<_> = (0..n).map(|i| [if i == j { sd[j] } else { 0.0 }; LANES]).collect();
            assert_eq!(product(1.0, &unit), expected, "{name}");
            assert_eq!(product(f64::NAN, &unit), expected, "{name}: g depends on x");
            unit[j] = [f64::NAN; LANES];
            let nan = product(1.0, &unit);
            assert!((0..n).all(|i| nan[i][3].is_nan() == (i == j)), "{name}");
        }
        assert_eq!(sd.iter().any(|sd| *sd > 0.0), sde.noise() == Noise::Additive, "{name}");
    }
}

#[test]
fn gaussian_kernel_has_the_moments_of_the_draws() {
    for (name, system) in variants() {
        let forecaster = perfect(&system);
        let noiseless = system.as_sde().is_some_and(|sde| sde.noise() == Noise::None);
        let Some(kernel) = forecaster.gaussian() else {
            assert!(noiseless, "{name} has noise and an integrator with a Gaussian step");
            continue;
        };
        let state = system.initial(1, key()).row(0).to_owned();
        let (mean, covariance) = kernel.moments(0, copies(&state, 1).view()).unwrap();
        let covariance = match covariance {
            Covariance::Diagonal(variance) => Array2::from_diag(&variance.row(0)),
            Covariance::Shared(covariance) => covariance,
        };
        let mut x = copies(&state, 20_000);
        forecaster.advance(0, 1, &mut x, key()).unwrap();
        assert_gaussian_moments(&x, &mean.row(0).to_owned(), &covariance, &name);
    }
}

/// log N(x; m, C) by the textbook formula with an explicit inverse and determinant.
fn textbook(residual: ndarray::ArrayView1<f64>, covariance: &Array2<f64>) -> f64 {
    let n = residual.len();
    let c = nalgebra::DMatrix::from_fn(n, n, |i, j| covariance[[i, j]]);
    let r = nalgebra::DVector::from_fn(n, |i, _| residual[i]);
    let log_det = c.clone().cholesky().unwrap().l().diagonal().iter().map(|l| 2.0 * l.ln()).sum::<f64>();
    let quadratic = r.dot(&(c.try_inverse().unwrap() * &r));
    -0.5 * (quadratic + log_det + n as f64 * std::f64::consts::TAU.ln())
}

#[test]
fn density_is_the_gaussian_formula() {
    for (name, system) in variants() {
        let forecaster = perfect(&system);
        let Some(density) = forecaster.density() else {
            assert!(name.ends_with("noise 0"), "{name}");
            continue;
        };
        let x = system.initial(6, key());
        let mut next = x.clone();
        forecaster.advance(2, 1, &mut next, key()).unwrap();
        let (mean, covariance) = forecaster.gaussian().unwrap().moments(2, x.view()).unwrap();
        let found = density.log_prob(2, x.view(), next.view()).unwrap();
        for member in 0..6 {
            let covariance = match &covariance {
                Covariance::Diagonal(variance) => Array2::from_diag(&variance.row(member)),
                Covariance::Shared(covariance) => covariance.clone(),
            };
            let expected = textbook((&next.row(member) - &mean.row(member)).view(), &covariance);
            assert!((found[member] - expected).abs() < 1e-8 * expected.abs().max(1.0), "{name}: {found} {expected}");
        }
    }
}

#[test]
fn density_of_one_component_integrates_to_one() {
    for name in ["ou", "double_well"] {
        let forecaster = perfect(&system(name, &[("dim", Value::Int(1))]));
        let h = 1e-3;
        let next = Array2::from_shape_fn((8001, 1), |(i, _)| -4.0 + h * i as f64);
        let x = Array2::from_elem(next.dim(), 0.4);
        let p = forecaster.density().unwrap().log_prob(0, x.view(), next.view()).unwrap().mapv(f64::exp);
        // the trapezoidal rule is exact to rounding for a Gaussian resolved by 100 points an sd
        assert!((p.sum() * h - 1.0).abs() < 1e-10, "{name}: {}", p.sum() * h);
    }
}

#[test]
fn denoiser_space_has_unit_variance_and_the_kernels_mean() {
    for (name, system) in variants() {
        let forecaster = perfect(&system);
        let Some(denoiser) = forecaster.denoiser() else { continue };
        let x = system.initial(4, key());
        let bound = denoiser.bind(0, x.view()).unwrap();
        let (mean, _) = forecaster.gaussian().unwrap().moments(0, x.view()).unwrap();
        assert_eq!(bound.to_state.offset, mean, "{name}");
        assert!(bound.to_state.scale.iter().all(|scale| *scale > 0.0), "{name}");
        let zero = Array2::zeros(x.dim());
        let level = scorecast_systems::Level::exploding(1.5);
        let denoised = bound.denoiser.denoise(zero.view(), level).unwrap();
        assert_eq!(denoised, zero, "{name}: z has mean 0");
        let (_, pullback) = bound.denoiser.denoise_vjp(zero.view(), level).unwrap();
        for i in 0..system.dim() {
            let mut unit = zero.clone();
            unit.index_axis_mut(Axis(1), i).fill(1.0);
            let gain = pullback.pull(unit.view()).unwrap()[[0, i]];
            // between no data variance and the marginal unit variance, 1 / (1 + sigma^2)
            assert!((0.0..=1.0 / 3.25 + 1e-12).contains(&gain), "{name}: {gain}");
        }
    }
}
