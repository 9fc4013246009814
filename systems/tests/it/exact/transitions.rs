//! A million draws of each process whose transition is known, against that transition; each test is also run on draws
//! whose sd is 2 % off, which it must find.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::statistics::{KS_BOUND, Law, Z_BOUND, ks, z_covariance};
use common::{mean_and_se, stepping, system};
use ndarray::{Array1, Array2};
use scorecast_systems::{Domain, Forecaster, Key, Purpose, SdeForecaster, System, Value};
use statrs::distribution::{ContinuousCDF, Gamma, Normal};
use statrs::function::gamma::{gamma_lr, ln_gamma};

const DRAWS: usize = 1_000_000;

fn key() -> Key {
    Key::new(11, Domain::Method).purpose(Purpose::ProcessNoise)
}

fn perfect(system: &Arc<dyn System>, dt: f64) -> Box<dyn Forecaster> {
    Arc::clone(system).forecaster(&stepping("euler_maruyama", dt, 1)).unwrap()
}

/// One lead step from one state.
fn from_state(system: &Arc<dyn System>, dt: f64, x: f64) -> Vec<f64> {
    let mut x = Array2::from_elem((DRAWS, 1), x);
    perfect(system, dt).advance(0, 1, &mut x, key()).unwrap();
    x.into_raw_vec_and_offset().0
}

/// The stationary start, and the states one lead step and three lead steps later.
fn from_start(system: &Arc<dyn System>, dt: f64) -> [Vec<f64>; 3] {
    let start = system.initial(DRAWS, key());
    let (mut next, forecaster) = (start.clone(), perfect(system, dt));
    forecaster.advance(0, 1, &mut next, key()).unwrap();
    let mut last = next.clone();
    forecaster.advance(1, 2, &mut last, key()).unwrap();
    [start, next, last].map(|x| x.into_raw_vec_and_offset().0)
}

/// The stationary law before and after, and the lag covariance decay * variance with its own 2 % control.
fn assert_stationary<F: Fn(f64) -> f64>(system: &Arc<dyn System>, dt: f64, law: &Law<F>, decay: f64, what: &str) {
    let [start, next, last] = from_start(system, dt);
    law.assert_and_control(&start, &format!("{what}, initial"));
    law.assert_and_control(&last, &format!("{what}, after three steps"));
    let found = z_covariance(&start, &next, law.mean, decay * law.variance);
    let wide: Vec<f64> = next.iter().map(|x| law.mean + 1.02 * (x - law.mean)).collect();
    let control = z_covariance(&start, &wide, law.mean, decay * law.variance);
    println!("{what}: lag covariance {found:.2} standard errors off, {control:.2} where 2 % off");
    assert!(found.abs() < Z_BOUND && control > Z_BOUND, "{what}: {found} {control}");
}

#[test]
fn ou_draws_have_the_exact_transition() {
    let (rate, noise, mean, dt) = (0.7f64, 1.3f64, 2.0, 0.4);
    let settings = [
        ("dim", Value::Int(1)),
        ("rate", Value::Float(rate)),
        ("noise", Value::Float(noise)),
        ("mean", Value::Float(mean)),
    ];
    let system = system("ou", &settings);
    let decay = (-rate * dt).exp();
    let law = |mean: f64, variance: f64| {
        let normal = Normal::new(mean, variance.sqrt()).unwrap();
        Law { mean, variance, cdf: move |x| normal.cdf(x) }
    };
    let stationary = noise * noise / (2.0 * rate);
    law(mean + decay * (5.0 - mean), stationary * (1.0 - decay * decay))
        .assert_and_control(&from_state(&system, dt, 5.0), "ou, transition");
    assert_stationary(&system, dt, &law(mean, stationary), decay, "ou");
}

/// The logarithm against its Gaussian, and the mean and variance of the state itself.
#[test]
fn geometric_brownian_draws_have_the_exact_transition() {
    let (mu, sigma, dt, start) = (0.3f64, 0.5f64, 0.8f64, 2.0f64);
    let system = system("geometric_brownian", &[("mu", Value::Float(mu)), ("sigma", Value::Float(sigma))]);
    let draws = from_state(&system, dt, start);
    let (mean, variance) = (start.ln() + (mu - 0.5 * sigma * sigma) * dt, sigma * sigma * dt);
    let normal = Normal::new(mean, variance.sqrt()).unwrap();
    let log = Law { mean, variance, cdf: move |x| normal.cdf(x) };
    log.assert_and_control(&draws.iter().map(|x| x.ln()).collect::<Vec<_>>(), "geometric_brownian, logarithm");
    let mean = start * (mu * dt).exp();
    let law = Law { mean, variance: mean * mean * variance.exp_m1(), cdf: move |x: f64| normal.cdf(x.ln()) };
    law.assert_and_control(&draws, "geometric_brownian");
}

/// S_0, S_t and S_2t of one path: E[S_t S_2t] = S_0^2 exp(3 mu t + sigma^2 t).
#[test]
fn geometric_brownian_has_its_lag_covariance() {
    let (mu, sigma, dt) = (0.3f64, 0.5f64, 0.8f64);
    let system = system("geometric_brownian", &[("mu", Value::Float(mu)), ("sigma", Value::Float(sigma))]);
    let mut x = Array2::ones((DRAWS, 1));
    perfect(&system, dt).advance(0, 1, &mut x, key()).unwrap();
    let now = x.clone().into_raw_vec_and_offset().0;
    perfect(&system, dt).advance(1, 1, &mut x, key()).unwrap();
    let expected = (3.0 * mu * dt + sigma * sigma * dt).exp();
    let found = z_covariance(&now, x.as_slice().unwrap(), 0.0, expected);
    println!("geometric_brownian: E[S_t S_2t] {found:.2} standard errors off");
    assert!(found.abs() < Z_BOUND, "{found}");
}

/// The distribution function of the noncentral chi-square law: central ones, weighted by Poisson probabilities.
fn noncentral_cdf(degrees: f64, noncentrality: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let mean = 0.5 * noncentrality;
    let spread = 12.0 * mean.sqrt() + 40.0;
    let (first, last) = ((mean - spread).max(0.0) as usize, (mean + spread) as usize);
    let term = |n: usize| {
        let weight = (n as f64 * mean.ln() - mean - ln_gamma(n as f64 + 1.0)).exp();
        weight * gamma_lr(0.5 * degrees + n as f64, 0.5 * x)
    };
    (first..=last).map(term).sum()
}

/// Where 0 is never reached, and where it is (2 kappa theta < sigma^2).
#[test]
fn cir_draws_have_the_exact_transition() {
    let (kappa, theta, dt) = (1.2f64, 0.8f64, 0.3f64);
    for sigma in [0.6f64, 1.6] {
        let settings = [("kappa", Value::Float(kappa)), ("theta", Value::Float(theta)), ("sigma", Value::Float(sigma))];
        let (system, what) = (system("cir", &settings), format!("cir, sigma {sigma}"));
        let (decay, s2, start) = ((-kappa * dt).exp(), sigma * sigma, 0.5);
        let c = s2 * (1.0 - decay) / (4.0 * kappa);
        let degrees = 4.0 * kappa * theta / s2;
        // Cox, Ingersoll and Ross (1985), their equation 19
        let mean = theta + decay * (start - theta);
        let variance =
            start * s2 / kappa * (decay - decay * decay) + theta * s2 / (2.0 * kappa) * (1.0 - decay).powi(2);
        let law = Law { mean, variance, cdf: |v| noncentral_cdf(degrees, decay * start / c, v / c) };
        law.assert_and_control(&from_state(&system, dt, start), &format!("{what}, transition"));

        let gamma = Gamma::new(0.5 * degrees, 2.0 * kappa / s2).unwrap();
        let law = Law { mean: theta, variance: theta * s2 / (2.0 * kappa), cdf: |v| gamma.cdf(v) };
        assert_stationary(&system, dt, &law, decay, &what);
    }
}

/// The density of a positive law in s = log x integrates to one (the trapezoidal rule is exact to rounding for a smooth
/// integrand that vanishes at both ends), and its distribution function is that of the draws.
#[test]
fn densities_are_those_of_the_draws() {
    let cases = [
        ("geometric_brownian", vec![("sigma", Value::Float(0.5))], 1.5),
        ("cir", vec![("sigma", Value::Float(0.5))], 0.5),
        ("cir", vec![("sigma", Value::Float(1.9))], 0.5),
        ("cir", vec![("sigma", Value::Float(1.9))], 0.0),
    ];
    for (name, settings, start) in cases {
        let (system, dt, what) = (system(name, &settings), 0.3, format!("{name} {settings:?} from {start}"));
        let h = 0.01;
        let log = Array1::from_iter((0..=10_000).map(|i| -90.0 + h * f64::from(i)));
        let next = log.mapv(f64::exp).insert_axis(ndarray::Axis(1));
        let x = Array2::from_elem(next.dim(), start);
        let log_density = perfect(&system, dt).density().unwrap().log_prob(0, x.view(), next.view()).unwrap();
        let weights = (&log_density + &log).mapv(|log| h * log.exp());
        assert!((weights.sum() - 1.0).abs() < 1e-10, "{what}: {}", weights.sum());
        let cumulative: Vec<f64> = weights
            .iter()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum - 0.5 * weight)
            })
            .collect();
        let cdf = |x: f64| {
            let at = ((x.ln() + 90.0) / h).clamp(0.0, 9_999.0);
            let (i, part) = (at as usize, at.fract());
            (1.0 - part) * cumulative[i] + part * cumulative[i + 1]
        };
        let found = ks(&mut from_state(&system, dt, start), cdf);
        println!("{what}: integral - 1 = {:.1e}, ks {found:.2}", weights.sum() - 1.0);
        assert!(found < KS_BOUND, "{what}: {found}");
    }
}

/// The equation and the transition are one process: Euler-Maruyama with steps of 0.3 / 256, whose weak error of about
/// dt / 2 times the drift's rate is below 0.1 %, against the exact moments.
#[test]
fn equations_have_the_moments_of_their_transitions() {
    for (name, start) in [("geometric_brownian", 1.5), ("cir", 0.5)] {
        let (system, dt) = (system(name, &[("dim", Value::Int(4)), ("sigma", Value::Float(0.5))]), 0.3);
        let sde = Arc::clone(&system).as_sde().unwrap();
        let euler = SdeForecaster::new(sde, &stepping("euler_maruyama", dt, 256)).unwrap();
        let run = |forecaster: &dyn Forecaster, members: usize| {
            let mut x = Array2::from_elem((members, 4), start);
            forecaster.advance(0, 1, &mut x, key().case(1)).unwrap();
            x.into_raw_vec_and_offset().0
        };
        let (coarse, exact) = (run(&euler, 5_000), run(&*perfect(&system, dt), 250_000));
        let centre = exact.iter().sum::<f64>() / exact.len() as f64;
        for power in [1, 2] {
            let of = |x: &[f64]| mean_and_se(&x.iter().map(|x| (x - centre).powi(power)).collect::<Vec<_>>());
            let ((a, se_a), (b, se_b)) = (of(&coarse), of(&exact));
            println!("{name}, moment {power}: {a:.5} +- {se_a:.5} for {b:.5} +- {se_b:.5}");
            assert!((a - b).abs() < 4.5 * se_a.hypot(se_b) + 1e-3 * b.abs().max(0.1), "{name}, moment {power}");
        }
    }
}
