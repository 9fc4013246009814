//! Systems whose law is known: the Ornstein-Uhlenbeck process and the double well.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::{assert_gaussian_moments, copies, mean_and_se, stepping, system};
use ndarray::{Array1, Array2, Axis, arr2, array};
use scorecast_systems::{
    Covariance, Domain, Forecaster, Key, LinearGaussian, Purpose, SdeForecaster, System, Value, simulate,
};

fn ou(settings: &[(&str, Value)]) -> Arc<dyn System> {
    system("ou", settings)
}

fn transition(system: &Arc<dyn System>, dt: f64) -> LinearGaussian {
    Arc::clone(system).forecaster(&stepping("rk4", dt, 1)).unwrap().linear_gaussian().unwrap()
}

fn largest(difference: Array2<f64>) -> f64 {
    difference.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

#[test]
fn ou_transition_in_one_dimension_is_the_closed_form() {
    let (rate, noise, mean) = (0.7f64, 1.3f64, 2.0);
    let settings = [("dim", Value::Int(1)), ("rate", Value::Float(rate)), ("noise", Value::Float(noise))];
    let system = ou(&[&settings[..], &[("mean", Value::Float(mean))]].concat());
    for dt in [1e-6, 0.05, 1.0, 30.0] {
        let law = transition(&system, dt);
        let a = (-rate * dt).exp();
        let q = noise * noise * -(-2.0 * rate * dt).exp_m1() / (2.0 * rate);
        assert!((law.matrix[[0, 0]] - a).abs() < 1e-13, "dt {dt}");
        assert!((law.covariance[[0, 0]] / q - 1.0).abs() < 1e-12, "dt {dt}");
        assert!((law.offset[0] - mean * (1.0 - a)).abs() < 1e-13, "dt {dt}");
    }
}

#[test]
fn ou_transition_of_a_damped_rotation_is_the_closed_form() {
    let (damping, turn, noise) = (0.3f64, 2.0f64, 0.5f64);
    let drift = Value::Rows(vec![vec![damping, -turn], vec![turn, damping]]);
    let system = ou(&[("drift", drift), ("noise", Value::Float(noise))]);
    for dt in [0.1f64, 3.0, 50.0] {
        let (shrink, angle) = ((-damping * dt).exp(), turn * dt);
        let a = arr2(&[[angle.cos(), angle.sin()], [-angle.sin(), angle.cos()]]) * shrink;
        let q = Array2::<f64>::eye(2) * (noise * noise * (1.0 - shrink * shrink) / (2.0 * damping));
        let law = transition(&system, dt);
        assert!(largest(law.matrix - a) < 1e-12 && largest(law.covariance - q) < 1e-12, "dt {dt}");
    }
}

/// The default chain: Theta P + P Theta^T = S S^T, P = A P A^T + Q, and two steps are one of twice the length.
#[test]
fn ou_stationary_law_solves_its_equations() {
    let system = ou(&[]);
    let p = transition(&system, 1e3).covariance;
    let theta = arr2(&[[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [0.0, 0.0, 1.0]]);
    assert!(largest(theta.dot(&p) + p.dot(&theta.t()) - Array2::<f64>::eye(3)) < 1e-13);
    let (once, twice) = (transition(&system, 0.2), transition(&system, 0.4));
    assert!(largest(once.matrix.dot(&p).dot(&once.matrix.t()) + &once.covariance - &p) < 1e-13);
    assert!(largest(once.matrix.dot(&once.matrix) - &twice.matrix) < 1e-14);
}

#[test]
fn ou_draws_have_the_transition_and_the_stationary_moments() {
    let system = ou(&[("mean", Value::Floats(vec![1.0, -2.0, 0.5]))]);
    let mean = array![1.0, -2.0, 0.5];
    let key = Key::new(3, Domain::Method);
    let forecaster = Arc::clone(&system).forecaster(&stepping("rk4", 0.5, 1)).unwrap();
    let (law, p) = (transition(&system, 0.5), transition(&system, 1e3).covariance);

    let state = array![3.0, 0.0, -1.0];
    let mut x = copies(&state, 100_000);
    forecaster.advance(0, 1, &mut x, key.purpose(Purpose::ProcessNoise)).unwrap();
    assert_gaussian_moments(&x, &(law.matrix.dot(&state) + &law.offset), &law.covariance, "transition");

    let mut x = system.initial(100_000, key);
    assert_gaussian_moments(&x, &mean, &p, "initial");
    forecaster.advance(0, 4, &mut x, key.purpose(Purpose::ProcessNoise)).unwrap();
    assert_gaussian_moments(&x, &mean, &p, "stationary");
}

/// A and Q that n Euler-Maruyama steps make, composed from the kernel of one step.
fn euler_law(system: &scorecast_systems::catalogue::Ou, dt: f64, steps: usize) -> (Array2<f64>, Array2<f64>) {
    let n = system.dim();
    let h = dt / steps as f64;
    let one = SdeForecaster::new(Arc::new(system.clone()), &stepping("euler_maruyama", h, 1)).unwrap();
    let (columns, covariance) = one.gaussian().unwrap().moments(0, Array2::eye(n).view()).unwrap();
    let (offset, _) = one.gaussian().unwrap().moments(0, Array2::zeros((1, n)).view()).unwrap();
    let a = (&columns - &offset.row(0)).t().to_owned();
    let Covariance::Diagonal(variance) = covariance else { panic!("independent noise") };
    let q = Array2::from_diag(&variance.row(0));
    let compose = |(a_n, q_n): (Array2<f64>, Array2<f64>), _| (a.dot(&a_n), a.dot(&q_n).dot(&a.t()) + &q);
    (0..steps).fold((Array2::eye(n), Array2::zeros((n, n))), compose)
}

#[test]
fn euler_maruyama_converges_to_the_exact_transition_with_weak_order_one() {
    let settings = scorecast_systems::Settings::check(
        "system `ou`",
        scorecast_systems::catalogue::SYSTEMS[0].params,
        &std::collections::BTreeMap::new(),
    )
    .unwrap();
    let system = scorecast_systems::catalogue::Ou::new(&settings).unwrap();
    let exact = system.transition(0.5);
    let error = |steps| {
        let (a, q) = euler_law(&system, 0.5, steps);
        (largest(a - &exact.matrix), largest(q - &exact.covariance))
    };
    let ((a, q), (a_half, q_half)) = (error(256), error(512));
    assert!(((a / a_half).log2() - 1.0).abs() < 0.02 && ((q / q_half).log2() - 1.0).abs() < 0.02);
    assert!(a_half < 1e-3 && q_half < 1e-3);
}

#[test]
fn ou_without_noise_somewhere_stays_finite_and_offers_no_density() {
    let system = ou(&[("noise", Value::Floats(vec![1.0, 0.0, 0.0])), ("coupling", Value::Float(0.0))]);
    let forecaster = Arc::clone(&system).forecaster(&stepping("rk4", 0.1, 1)).unwrap();
    assert!(forecaster.density().is_none());
    let mut x = system.initial(50, Key::new(1, Domain::Method));
    assert!(x.column(2).iter().all(|value| *value == 0.0));
    forecaster.advance(0, 3, &mut x, Key::new(1, Domain::Method)).unwrap();
    assert!(x.iter().all(|value| value.is_finite()));
    let bound = forecaster.denoiser().unwrap().bind(0, x.view()).unwrap();
    let level = scorecast_systems::Level::exploding(0.0);
    let z = Array2::ones(x.dim());
    let denoised = bound.denoiser.denoise(z.view(), level).unwrap();
    assert!((denoised[[0, 0]] - 1.0).abs() < 1e-12 && denoised[[0, 1]] == 0.0);
}

#[test]
fn ou_mistakes_are_sentences() {
    let message = |key: &str, value: Value| {
        let given = std::collections::BTreeMap::from([(key.to_owned(), value)]);
        let mistakes = scorecast_systems::catalogue::build("ou", &given).err().unwrap();
        mistakes[0].to_string()
    };
    assert!(message("rate", Value::Float(-0.5)).contains("`rate` gives an eigenvalue with real part -0.5"));
    assert!(message("noise", Value::Floats(vec![1.0, 2.0])).contains("has 2 numbers for 3 components; give 1 or 3"));
    assert!(message("drift", Value::Rows(vec![vec![1.0, 0.0]])).contains("has 1 rows of 2 numbers"));
    assert!(message("drift", Value::Rows(vec![])).contains("gives 0 components"));
}

/// E[x^2] of the stationary density by quadrature.
fn second_moment(noise: f64) -> f64 {
    let density = |x: f64| (-2.0 / (noise * noise) * (0.25 * x.powi(4) - 0.5 * x * x)).exp();
    let grid = (-8000..=8000).map(|i| i as f64 * 5e-4);
    let (mass, moment) = grid.fold((0.0, 0.0), |(m, s), x| (m + density(x), s + x * x * density(x)));
    moment / mass
}

/// Exact draws at the start, and long runs of the equation: the standard error comes from independent particles, so it
/// allows for the correlation in time. Heun's weak error at this step, of order dt^2 = 4e-4, is far below it.
#[test]
fn double_well_keeps_its_stationary_law() {
    for noise in [0.5, 1.5] {
        let system = system("double_well", &[("noise", Value::Float(noise))]);
        let expected = second_moment(noise);
        let key = Key::new(8, Domain::Data);
        let draws: Vec<f64> = system.initial(100_000, key).iter().map(|x| x * x).collect();
        let (mean, se) = mean_and_se(&draws);
        assert!((mean - expected).abs() < 5.0 * se, "initial, noise {noise}: {mean} +- {se} for {expected}");

        let made = simulate(system, &stepping("heun", 0.02, 1), 256, 2000, 0, key, |_, _| {}).unwrap();
        let of_particle = |particle: ndarray::ArrayView2<f64>| particle.iter().map(|x| x * x).sum::<f64>() / 2001.0;
        let averages: Vec<f64> = made.states.outer_iter().map(of_particle).collect();
        let (mean, se) = mean_and_se(&averages);
        println!("double well, noise {noise}: E[x^2] {mean:.4} +- {se:.4}, quadrature {expected:.4}");
        assert!((mean - expected).abs() < 4.0 * se, "noise {noise}: {mean} +- {se} for {expected}");
        let (centre, se) = mean_and_se(&made.states.mean_axis(Axis(1)).unwrap().iter().copied().collect::<Vec<_>>());
        assert!(centre.abs() < 4.0 * se, "noise {noise}: {centre} +- {se}");
    }
}

#[test]
fn double_well_without_noise_starts_in_its_wells() {
    let system = system("double_well", &[("noise", Value::Float(0.0)), ("alpha", Value::Float(4.0))]);
    let x: Array1<f64> = system.initial(20, Key::new(1, Domain::Data)).column(0).to_owned();
    assert!(x.iter().all(|x| x.abs() == 2.0) && x.iter().any(|x| *x < 0.0) && x.iter().any(|x| *x > 0.0));
}
