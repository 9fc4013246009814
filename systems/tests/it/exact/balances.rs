//! Exact balances of stationary laws, from independent long trajectories.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::collections::BTreeMap;

use common::{mean_and_se, stepping, system};
use ndarray::{Array3, ArrayView2, s};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Key, Stepping, Value, simulate};

/// 64 trajectories, or as many as asked for.
fn made(
    name: &str,
    given: &[(&str, f64)],
    stepping: &Stepping,
    members: usize,
    steps: usize,
    spin: usize,
) -> Array3<f64> {
    let settings: Vec<_> = given.iter().map(|(key, value)| (*key, Value::Float(*value))).collect();
    let made = simulate(system(name, &settings), stepping, members, steps, spin, Key::new(5, Domain::Data), |_, _| {});
    made.unwrap().states
}

/// Mean of a statistic over trajectories that are independent, and its standard error.
fn averaged(states: &Array3<f64>, statistic: impl Fn(ArrayView2<f64>) -> f64) -> (f64, f64) {
    mean_and_se(&states.outer_iter().map(statistic).collect::<Vec<_>>())
}

fn mean_of(x: ArrayView2<f64>, f: impl Fn(f64) -> f64) -> f64 {
    x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64
}

fn assert_near(what: &str, found: (f64, f64), expected: f64, most: f64) {
    println!("{what}: {:.5} +- {:.5} for {expected:.5}", found.0, found.1);
    assert!(found.1 < most, "{what}: standard error {}", found.1);
    assert!((found.0 - expected).abs() < 4.0 * found.1, "{what}: {} +- {} for {expected}", found.0, found.1);
}

/// (1 - s^2/2) E[x^2] = F E[x] for noise s x dW. Euler-Maruyama has a bias of order h; two runs with h and h/2 along
/// the same paths extrapolate it away.
#[test]
fn lorenz96_with_multiplicative_noise() {
    let s = 0.5;
    let balance = |substeps: usize| -> Vec<f64> {
        let given = [("multiplicative", s)];
        let states = made("lorenz96", &given, &stepping("euler_maruyama", 0.05, substeps), 64, 1000, 200);
        states.outer_iter().map(|x| mean_of(x, |x| (1.0 - 0.5 * s * s) * x * x - 8.0 * x)).collect()
    };
    let (coarse, fine) = (balance(20), balance(40));
    let extrapolated: Vec<f64> = coarse.iter().zip(&fine).map(|(coarse, fine)| 2.0 * fine - coarse).collect();
    println!("h: {:?}, h/2: {:?}", mean_and_se(&coarse), mean_and_se(&fine));
    assert_near("lorenz96 multiplicative", mean_and_se(&extrapolated), 0.0, 0.2);
}

/// a E[X^2] + E[Y^2 + Z^2] - a F E[X] - G E[Y] = 3 s^2 / 2. The noise added at the end of a step of length h biases the
/// left side by s^2 h (a + 2) / 2 to first order, which is below 0.001 here.
#[test]
fn lorenz84_with_additive_noise() {
    let s = 0.5;
    let states = made("lorenz84", &[("noise", s)], &stepping("rk4", 0.05, 10), 256, 4000, 1000);
    let found = averaged(&states, |x| {
        let term = |x: ndarray::ArrayView1<f64>| 0.25 * x[0] * x[0] + x[1] * x[1] + x[2] * x[2] - 2.0 * x[0] - x[1];
        x.outer_iter().map(term).sum::<f64>() / x.nrows() as f64
    });
    assert_near("lorenz84", found, 1.5 * s * s + s * s * 0.005 * 2.25 / 2.0, 0.01);
}

/// gamma E[X^2 + theta^2] - F E[X] - G E[theta] = s^2, the bias s^2 h gamma taken off.
#[test]
fn vissio_lucarini_with_additive_noise() {
    let (s, h) = (1.0, 0.005);
    let states = made("vissio_lucarini", &[("noise", s), ("G", 2.0)], &stepping("rk4", 0.05, 10), 64, 1000, 400);
    let found = averaged(&states, |x| {
        let (momentum, heat) = (x.slice(s![.., ..36]), x.slice(s![.., 36..]));
        mean_of(momentum, |x| x * x - 10.0 * x) + mean_of(heat, |t| t * t - 2.0 * t)
    });
    assert_near("vissio_lucarini", found, s * s * (1.0 + h), 0.05);
}

/// E[X^2] - F E[X] = s^2 / 2, the bias s^2 h / 2 taken off.
#[test]
fn lorenz2005_with_additive_noise() {
    let (s, h) = (1.0, 0.0125);
    let states = made("lorenz2005_ii", &[("noise", s)], &stepping("rk4", 0.05, 4), 40, 300, 400);
    let found = averaged(&states, |x| mean_of(x, |x| x * x - 15.0 * x));
    assert_near("lorenz2005_ii", found, s * s * (1.0 + h) / 2.0, 0.05);
}

/// E[sum X^2] + c E[sum Y^2] - F E[sum X] = s^2 K (J + 1) / 2, divided by K. The noise at the end of a step of length h
/// biases the left side by s^2 h (1 + c J) / 2.
#[test]
fn lorenz96_two_scale_with_additive_noise() {
    let (s, h) = (0.1, 0.001);
    let states = made("lorenz96_two_scale", &[("noise", s)], &stepping("rk4", 0.05, 50), 32, 200, 60);
    let found = averaged(&states, |x| {
        let (slow, fast) = (x.slice(s![.., ..8]), x.slice(s![.., 8..]));
        mean_of(slow, |x| x * x - 20.0 * x) + 320.0 * mean_of(fast, |y| y * y)
    });
    assert_near("lorenz96_two_scale", found, s * s * (33.0 + h * 321.0) / 2.0, 1.5);
}

/// The mean abundances solve A E[x] = 1 - s^2 / (2 r), without noise and with. ln x stays bounded, so that over a time T
/// its change biases the mean by O(1/T).
#[test]
fn lotka_volterra_has_the_mean_of_its_fixed_point() {
    let r = [1.0, 0.72, 1.53, 1.27];
    let a = [[1.0, 1.09, 1.52, 0.0], [0.0, 1.0, 0.44, 1.36], [2.33, 0.0, 1.0, 0.47], [1.21, 0.51, 0.35, 1.0]];
    let states = made("lotka_volterra", &[], &stepping("rk4", 0.5, 5), 32, 8000, 1000);
    for i in 0..4 {
        let pressure = |x: ndarray::ArrayView1<f64>| (0..4).map(|j| a[i][j] * x[j]).sum::<f64>();
        let found = averaged(&states, |x| x.outer_iter().map(pressure).sum::<f64>() / x.nrows() as f64);
        println!("species {i}: pressure {:.5} +- {:.5}, r {}", found.0, found.1, r[i]);
        assert!((found.0 - 1.0).abs() < 4.0 * found.1 + 1e-3 && found.1 < 2e-3);
    }
}

/// e of the truncated system has the sd and the correlation over `delta` that it is given, with the factors of RK4: the
/// step multiplies e by R = exp(-h / tau) to 1e-10, and its variance is sigma^2 2 (h / tau) / (1 - R^2).
#[test]
fn red_noise_of_the_truncated_system_is_the_ar1_process() {
    let (phi, sigma, points) = (0.984f64, 1.94, 8);
    let states = made("lorenz96_truncated", &[], &stepping("rk4", 0.005, 1), 512, 400, 200);
    let e = states.slice(s![.., .., points..]);
    let (before, after) = (e.slice(s![.., ..-1, ..]), e.slice(s![.., 1.., ..]));
    let lag_one: Vec<f64> = before
        .outer_iter()
        .zip(after.outer_iter())
        .map(|(before, after)| (&before * &after).sum() - phi * (&before * &before).sum())
        .collect();
    let (gap, se) = mean_and_se(&lag_one);
    println!("lag-1 residual {gap} +- {se}");
    assert!(gap.abs() < 4.0 * se && se < 0.01 * 400.0 * points as f64 * sigma * sigma);
    let h = -phi.ln();
    let expected = sigma * sigma * 2.0 * h / (1.0 - phi * phi);
    let variance = mean_and_se(&e.outer_iter().map(|e| mean_of(e, |e| e * e)).collect::<Vec<_>>());
    assert_near("variance of e", variance, expected, 0.05);
}

/// What Wilks's polynomial leaves of the coupling of the two-scale system has the sd and the correlation that are the
/// defaults of the truncated one: 1.94 and 0.984 over 0.005.
/// `cargo test --release -p scorecast-systems --test it balances -- --ignored --nocapture`.
#[test]
#[ignore = "half a minute"]
fn the_truncated_systems_noise_is_what_the_two_scale_system_has() {
    let states = made("lorenz96_two_scale", &[], &stepping("rk4", 0.005, 5), 64, 1000, 2000);
    let polynomial = |x: f64| 0.262 + x * (1.45 + x * (-0.0121 + x * (-0.00713 + x * 0.000296)));
    let residuals = states.map_axis(ndarray::Axis(2), |s| -> [f64; 8] {
        std::array::from_fn(|k| s.slice(s![8 + 32 * k..40 + 32 * k]).sum() - polynomial(s[k]))
    });
    let product = |lag: usize| -> f64 {
        let terms = residuals.outer_iter().flat_map(|row| {
            let row = row.to_vec();
            (lag..row.len()).map(|t| (0..8).map(|k| row[t][k] * row[t - lag][k]).sum::<f64>() / 8.0).collect::<Vec<_>>()
        });
        let terms: Vec<f64> = terms.collect();
        terms.iter().sum::<f64>() / terms.len() as f64
    };
    let (sd, phi) = (product(0).sqrt(), product(1) / product(0));
    println!("residual: sd {sd:.4}, correlation over 0.005 {phi:.5}");
    assert!((sd - 1.94).abs() < 0.04 && (phi - 0.984).abs() < 0.001);
}

#[test]
fn a_component_has_one_kind_of_noise() {
    for name in ["lorenz63", "lorenz96"] {
        let given = ["noise", "multiplicative"].map(|key| (key.to_owned(), Value::Float(0.3)));
        let mistake = build(name, &BTreeMap::from(given)).err().unwrap()[0].to_string();
        assert!(mistake.contains("`multiplicative` is 0.3 beside a `noise` of 0.3"), "{mistake}");
    }
}
