//! The two Lorenz systems against plain scalar code, their conservation laws, and the climate of Lorenz-96.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::time::Instant;

use common::{mean_and_se, random_states, stepping, system, tendency};
use ndarray::{Array3, ArrayView2};
use scorecast_systems::{Domain, Key, Purpose, Value, simulate};

#[test]
fn lorenz96_is_the_scalar_formula_and_its_core_conserves_energy() {
    for n in [4usize, 5, 7, 40] {
        let system = system("lorenz96", &[("dim", Value::Int(n as i64)), ("forcing", Value::Float(6.5))]);
        let states = random_states(n, 5.0);
        for (x, found) in states.iter().zip(tendency(&*system.clone().as_sde().unwrap(), &states)) {
            let expected: Vec<f64> =
                (0..n).map(|i| (x[(i + 1) % n] - x[(i + n - 2) % n]) * x[(i + n - 1) % n] - x[i] + 6.5).collect();
            // products and sums may be fused, and so rounded once instead of twice
            let close =
                |(a, b): (&f64, &f64)| (a - b).abs() <= 4e-15 * x.iter().fold(1.0f64, |most, x| most.max(x * x));
            assert!(found.iter().zip(&expected).all(close), "dim {n}: {found:?} {expected:?}");
            let core: f64 = (0..n).map(|i| x[i] * (found[i] + x[i] - 6.5)).sum();
            let scale: f64 = x.iter().map(|x| x.abs().powi(3)).sum();
            assert!(core.abs() < 1e-12 * scale, "dim {n}: {core} of {scale}");
        }
    }
}

/// A lead step of a block, of a few members and of one long ring against the classical scheme, written out.
#[test]
fn a_step_of_lorenz96_is_the_classical_runge_kutta_step() {
    let h = 0.05;
    let f = |x: &[f64]| -> Vec<f64> {
        let n = x.len();
        (0..n).map(|i| (x[(i + 1) % n] - x[(i + n - 2) % n]) * x[(i + n - 1) % n] - x[i] + 8.0).collect()
    };
    let ahead = |x: &[f64], h: f64, k: &[f64]| -> Vec<f64> { x.iter().zip(k).map(|(x, k)| x + h * k).collect() };
    for (n, members) in [(40, 16), (40, 2), (4, 1), (5000, 1)] {
        let perfect = system("lorenz96", &[("dim", Value::Int(n))]).forecaster(&stepping("rk4", h, 1)).unwrap();
        let key = Key::new(7, Domain::Score);
        let start = key.normals(members, n as usize) * 3.0 + 2.0;
        let mut found = start.clone();
        perfect.advance(0, 1, &mut found, key).unwrap();
        for (x, found) in start.outer_iter().zip(found.outer_iter()) {
            let x = x.to_vec();
            let first = f(&x);
            let second = f(&ahead(&x, h / 2.0, &first));
            let third = f(&ahead(&x, h / 2.0, &second));
            let fourth = f(&ahead(&x, h, &third));
            for i in 0..x.len() {
                let expected = x[i] + h / 6.0 * (first[i] + 2.0 * second[i] + 2.0 * third[i] + fourth[i]);
                assert!((found[i] - expected).abs() < 1e-13 * (1.0 + expected.abs()), "{n}: {} {expected}", found[i]);
            }
        }
    }
}

#[test]
fn lorenz63_is_the_scalar_formula_and_its_core_conserves_energy() {
    let (sigma, rho, beta) = (10.0, 28.0, 8.0 / 3.0);
    let system = system("lorenz63", &[]);
    let states = random_states(3, 5.0);
    for (s, found) in states.iter().zip(tendency(&*system.clone().as_sde().unwrap(), &states)) {
        let (x, y, z) = (s[0], s[1], s[2]);
        assert_eq!(found, [sigma * (y - x), x * (rho - z) - y, x * y - beta * z]);
        let core = y * (found[1] - rho * x + y) + z * (found[2] + beta * z);
        assert!(core.abs() < 1e-12 * s.iter().map(|v| v.abs()).sum::<f64>().powi(3) * 28.0, "{core}");
    }
}

/// A number for each trajectory.
fn per_trajectory(states: &Array3<f64>, f: impl Fn(ArrayView2<f64>) -> f64) -> Vec<f64> {
    states.outer_iter().map(f).collect()
}

fn mean_of(x: ArrayView2<f64>, f: impl Fn(f64) -> f64) -> f64 {
    x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64
}

/// Published climate of the forty-variable system at F = 8: mean 2.3 to 2.4, sd 3.6 (Lorenz and Emanuel 1998).
#[test]
fn lorenz96_has_its_published_climate() {
    let key = Key::new(4, Domain::Data);
    let made = simulate(system("lorenz96", &[]), &stepping("rk4", 0.05, 1), 64, 1000, 400, key, |_, _| {}).unwrap();
    let (mean, se) = mean_and_se(&per_trajectory(&made.states, |x| mean_of(x, |x| x)));
    let (second, _) = mean_and_se(&per_trajectory(&made.states, |x| mean_of(x, |x| x * x)));
    let sd = (second - mean * mean).sqrt();
    println!("lorenz96: mean {mean:.4} +- {se:.4}, sd {sd:.4}");
    assert!((2.3..2.4).contains(&mean) && se < 0.01);
    assert!((sd - 3.63).abs() < 0.03);
}

/// E[x^2] - F E[x] = s^2 / 2. At the end of a step of length h the noise has just been added, which leaves a bias of
/// order s^2 h / 2 = 0.0025 here; it is taken off. The standard error comes from independent trajectories.
#[test]
fn lorenz96_balances_forcing_dissipation_and_noise() {
    let (noise, forcing, substeps) = (1.0, 8.0, 10);
    let system = system("lorenz96", &[("noise", Value::Float(noise))]);
    let key = Key::new(5, Domain::Data);
    let made = simulate(system, &stepping("rk4", 0.05, substeps), 64, 1000, 200, key, |_, _| {}).unwrap();
    let balance = per_trajectory(&made.states, |x| mean_of(x, |x| x * x - forcing * x));
    let (found, se) = mean_and_se(&balance);
    let bias = noise * noise * 0.05 / substeps as f64 / 2.0;
    println!("lorenz96, noise {noise}: E[x^2] - F E[x] = {found:.4} +- {se:.4}");
    assert!(se < 0.02);
    assert!((found - bias - noise * noise / 2.0).abs() < 4.0 * se, "{found} +- {se}");
}

/// `cargo test --release -p scorecast-systems --test it lorenz -- --ignored --nocapture`.
#[test]
#[ignore = "a timing"]
fn time_of_lorenz96_on_one_thread() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for noise in [0.0, 0.1] {
        let system = system("lorenz96", &[("noise", Value::Float(noise))]);
        let key = Key::new(1, Domain::Score).purpose(Purpose::ProcessNoise);
        let mut x = system.initial(1000, key);
        let forecaster = system.forecaster(&stepping("rk4", 0.05, 1)).unwrap();
        forecaster.advance(0, 100, &mut x, key).unwrap();
        let mut best = f64::INFINITY;
        pool.install(|| {
            for _ in 0..200 {
                let begin = Instant::now();
                forecaster.advance(0, 10, &mut x, key).unwrap();
                best = best.min(begin.elapsed().as_secs_f64());
            }
        });
        println!("noise {noise}: 40 x 1000 members x 10 RK4 steps in {:.3} ms", best * 1e3);
    }
}
