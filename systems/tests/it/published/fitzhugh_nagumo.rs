//! The FitzHugh-Nagumo cell: its published rest state, the onset of oscillations, and the balances of its noisy law.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::{mean_and_se, stepping, system};
use ndarray::Array2;
use scorecast_systems::{Domain, Key, Value, simulate};

/// The states after `time`, from the start that the catalogue gives, without noise.
fn after(current: f64, time: f64) -> Array2<f64> {
    let settings = [("current", Value::Float(current)), ("noise", Value::Float(0.0))];
    let system = system("fitzhugh_nagumo", &settings);
    let mut x = system.initial(16, Key::new(1, Domain::Data));
    let forecaster = Arc::clone(&system).forecaster(&stepping("rk4", 0.1, 1)).unwrap();
    forecaster.advance(0, (time / 0.1) as usize, &mut x, Key::new(1, Domain::Data)).unwrap();
    x
}

/// FitzHugh (1961): with his signs of x and y turned, the rest state is (-1.20, -0.625).
#[test]
fn rest_state_is_the_published_one() {
    for row in after(0.0, 400.0).outer_iter() {
        assert!((row[0] + 1.20).abs() < 0.005 && (row[1] + 0.625).abs() < 0.005, "{row}");
    }
}

/// Below the Hopf point, v^2 = 1 - eps b, the state comes to rest; above the window of coexistence it oscillates.
#[test]
fn oscillations_begin_at_the_hopf_point() {
    let v = -(1.0f64 - 0.08 * 0.8).sqrt();
    let hopf = (v + 0.7) / 0.8 - v + v.powi(3) / 3.0;
    assert!((hopf - 0.331).abs() < 5e-4, "{hopf}");
    let spread = |current| {
        let (early, late) = (after(current, 2000.0), after(current, 2010.0));
        (&early - &late).iter().fold(0.0f64, |most, gap| most.max(gap.abs()))
    };
    assert!(spread(hopf - 0.03) < 1e-6 && spread(hopf + 0.03) > 0.1);
}

/// s and s_w.
const NOISE: f64 = 0.3;
const RECOVERY: f64 = 0.2;

/// A function of v and w whose stationary mean is 0.
type Balance = fn(f64, f64) -> f64;

/// In the stationary law the means of d(w), d(v), d(v^2) / 2 and d(w^2) / 2 vanish:
/// E[v + a - b w] = 0, E[v - v^3 / 3 - w + I] = 0, E[v (v - v^3 / 3 - w + I)] + s^2 / 2 = 0 and
/// eps E[w (v + a - b w)] + s_w^2 / 2 = 0. Standard errors come from independent trajectories; Heun's weak error with
/// steps of 0.05 is of order 0.05^2 = 2.5e-3 of each term.
#[test]
fn noisy_law_is_balanced() {
    let settings = [("noise", Value::Float(NOISE)), ("recovery_noise", Value::Float(RECOVERY))];
    let system = system("fitzhugh_nagumo", &settings);
    let made = simulate(system, &stepping("heun", 0.5, 10), 128, 2000, 200, Key::new(2, Domain::Data), |_, _| {});
    let states = made.unwrap().states;
    let balances: [(&str, Balance); 4] = [
        ("w", |v, w| v + 0.7 - 0.8 * w),
        ("v", |v, w| v - v.powi(3) / 3.0 - w + 0.5),
        ("v^2", |v, w| v * (v - v.powi(3) / 3.0 - w + 0.5) + 0.5 * NOISE * NOISE),
        ("w^2", |v, w| 0.08 * w * (v + 0.7 - 0.8 * w) + 0.5 * RECOVERY * RECOVERY),
    ];
    for (what, balance) in balances {
        let of = |rows: ndarray::ArrayView2<f64>| {
            rows.outer_iter().map(|row| balance(row[0], row[1])).sum::<f64>() / rows.nrows() as f64
        };
        let (mean, se) = mean_and_se(&states.outer_iter().map(of).collect::<Vec<_>>());
        println!("fitzhugh_nagumo: balance of {what} {mean:.5} +- {se:.5}");
        assert!(mean.abs() < 4.5 * se + 2.5e-3 * 0.5, "{what}: {mean} +- {se}");
    }
}
