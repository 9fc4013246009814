//! Lyapunov exponents and the climate behind them against what is published, and against exact values.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::f64::consts::LN_2;
use std::sync::Arc;

use common::{mean_and_se, stepping, system};
use ndarray::{Array2, ArrayView2, Axis};
use scorecast_systems::diagnose::{Effort, Lyapunov, TangentRun, exponents, lyapunov, trajectories};
use scorecast_systems::{Domain, Estimate, Key, LANES, Purpose, Sde, Value, simulate};

/// A number from a paper, and half a unit of its last digit (or half of the range that papers give).
type Published = (f64, f64);

/// One system's figures, and the run that measures them, with 16 trajectories.
struct PublishedExponents {
    name: &'static str,
    settings: &'static [(&'static str, f64)],
    /// Lead step and substeps.
    dt: f64,
    substeps: usize,
    integrator: &'static str,
    spin_up: usize,
    /// Lead steps of the quick test and of the long one.
    steps: [usize; 2],
    /// The exponents that are found.
    count: usize,
    leading: Option<Published>,
    positive: Option<usize>,
    dimension: Option<Published>,
    /// The sum of all exponents, which is the mean divergence of the drift, with the relative error that the step length
    /// leaves.
    sum: Option<Published>,
    sd: Option<Published>,
}

const PLAIN: PublishedExponents = PublishedExponents {
    name: "",
    settings: &[],
    dt: 0.05,
    substeps: 4,
    integrator: "rk4",
    spin_up: 1000,
    steps: [1000, 10_000],
    count: 3,
    leading: None,
    positive: None,
    dimension: None,
    sum: None,
    sd: None,
};

const ROWS: &[PublishedExponents] = &[
    // Sprott (2003), Chaos and Time-Series Analysis: exponents .9056, 0, -14.5723, dimension 2.062; Viswanath (1998),
    // Lyapunov Exponents from Random Fibonacci Sequences to the Lorenz Equations: .905630. The divergence is
    // -(sigma + 1 + beta) everywhere.
    PublishedExponents {
        name: "lorenz63",
        substeps: 10,
        steps: [2000, 20_000],
        leading: Some((0.9056, 0.00005)),
        positive: Some(1),
        dimension: Some((2.062, 0.0005)),
        sum: Some((-13.0 - 2.0 / 3.0, 1e-5)),
        ..PLAIN
    },
    // Wolf, Swift, Swinney and Vastano (1985), doi:10.1016/0167-2789(85)90011-9: 2.16, 0, -32.4 in bits at these settings.
    PublishedExponents {
        name: "lorenz63",
        settings: &[("sigma", 16.0), ("rho", 45.92), ("beta", 4.0)],
        dt: 0.02,
        substeps: 10,
        steps: [2000, 20_000],
        leading: Some((2.16 * LN_2, 0.005 * LN_2)),
        positive: Some(1),
        sum: Some((-21.0, 1e-5)),
        ..PLAIN
    },
    // Lorenz and Emanuel (1998), doi:10.1175/1520-0469(1998)055<0399:OSFSWO>2.0.CO;2: errors double in 0.42 time units
    // (2.1 days), 13 exponents are positive, the dimension is 27.1, sd 3.6; Karimi and Paul (2010),
    // doi:10.1063/1.3496397: leading exponent about 1.68. The divergence is -n everywhere.
    PublishedExponents {
        name: "lorenz96",
        spin_up: 400,
        count: 40,
        leading: Some((1.68, 0.01)),
        positive: Some(13),
        dimension: Some((27.1, 0.05)),
        sum: Some((-40.0, 2e-4)),
        sd: Some((3.63, 0.015)),
        ..PLAIN
    },
    // Cvitanovic, Davidchack and Siminos (2010), doi:10.1137/070705623: .048; Edson, Bunder, Mattner and Roberts (2019),
    // doi:10.1017/S1446181119000105: .043.
    PublishedExponents {
        name: "kuramoto_sivashinsky",
        dt: 0.25,
        substeps: 1,
        integrator: "etdrk4",
        spin_up: 2000,
        steps: [4000, 40_000],
        leading: Some((0.0455, 0.0025)),
        ..PLAIN
    },
    // Vano, Wildenberg, Anderson, Noel and Sprott (2006), doi:10.1088/0951-7715/19/10/006.
    PublishedExponents {
        name: "lotka_volterra",
        dt: 0.5,
        substeps: 5,
        spin_up: 2000,
        steps: [20_000, 100_000],
        count: 4,
        leading: Some((0.0203, 0.00005)),
        positive: Some(1),
        dimension: Some((2.074, 0.0005)),
        ..PLAIN
    },
    // Sprott (2003), Chaos and Time-Series Analysis, p. 424: .5076, -.7183, dimension 1.7067. The map shrinks areas by u^2
    // everywhere.
    PublishedExponents {
        name: "ikeda",
        dt: 1.0,
        substeps: 1,
        spin_up: 1000,
        steps: [10_000, 100_000],
        count: 2,
        leading: Some((0.5076, 0.0001)),
        positive: Some(1),
        dimension: Some((1.7066, 0.0001)),
        sum: Some((2.0 * -0.105_360_515_657_826_3, 1e-10)),
        ..PLAIN
    },
    // No figure is known; each X loses gamma, and so does each theta, so that the divergence is -2 n gamma everywhere.
    PublishedExponents { name: "vissio_lucarini", count: 72, sum: Some((-72.0, 2e-4)), ..PLAIN },
    // A Hamiltonian flow keeps volumes of angles and momenta, and those of angles and velocities but for a factor between
    // 1/2 and 2, which over 50 units of time is 0.014 a unit.
    PublishedExponents { name: "double_pendulum", spin_up: 0, count: 4, sum: Some((0.0, 0.013)), ..PLAIN },
];

/// Simulates, follows tangent vectors, and compares with every published figure: 4 standard errors beyond its rounding.
fn check(row: &PublishedExponents, steps: usize) {
    let settings: Vec<(&str, Value)> = row.settings.iter().map(|(key, value)| (*key, Value::Float(*value))).collect();
    let system = system(row.name, &settings);
    let (stepping, key) = (stepping(row.integrator, row.dt, row.substeps), Key::new(1963, Domain::Score));
    let made = simulate(Arc::clone(&system), &stepping, 16, steps, row.spin_up, key, |_, _| {}).unwrap();
    let effort = Effort { trajectories: 16, steps, exponents: row.count };
    let found = exponents(&system, &stepping, row.spin_up, made.states.view(), &effort, key, |_, _| {});
    let found = found.unwrap().unwrap();
    let sd = trajectories(made.states.view(), row.dt, system.geometry()).unwrap().climate.sd;
    for (what, published, found) in [
        ("leading exponent", row.leading, found.leading()),
        ("dimension", row.dimension, found.kaplan_yorke()),
        ("sd", row.sd, Some(sd)),
    ] {
        let Some((value, rounding)) = published else { continue };
        let found = found.unwrap_or_else(|| panic!("{}: no {what}", row.name));
        let se = found.se.unwrap();
        println!("{}: {what} {:.5} +- {se:.5} for {value}", row.name, found.value);
        assert!((found.value - value).abs() < 4.0 * se + rounding, "{}: {what} {found:?} for {value}", row.name);
        assert!(se < 0.05 * value, "{}: {what} {found:?} says nothing", row.name);
    }
    if let Some((sum, error)) = row.sum {
        let found_scale = found.leading().unwrap().value;
        let found = found.sum().unwrap();
        println!("{}: sum {:.6} for {sum:.6}", row.name, found.value);
        let scale = sum.abs().max(found_scale);
        assert!((found.value - sum).abs() < error * scale, "{}: sum {found:?} for {sum}", row.name);
    }
    if let Some(positive) = row.positive {
        let around = &found.exponents()[positive - 1..(positive + 2).min(row.count)];
        println!("{}: {:?} positive, around the last {around:?}", row.name, found.positive());
        assert!(not_contradicted(positive, &found), "{}: {around:?}", row.name);
    }
}

/// The exponents of every system whose drift's divergence varies add up to its mean: 4 standard errors of the difference.
#[test]
fn their_sum_is_the_mean_divergence() {
    let rows = [("lorenz84", 0.05, 5, 10_000), ("lotka_volterra", 0.5, 5, 4000), ("fitzhugh_nagumo", 0.5, 50, 4000)];
    for (name, dt, substeps, steps) in rows {
        let (system, stepping, key) = (system(name, &[]), stepping("rk4", dt, substeps), Key::new(5, Domain::Score));
        let made = simulate(Arc::clone(&system), &stepping, 16, steps, 1000, key, |_, _| {}).unwrap();
        let effort = Effort { trajectories: 16, steps, exponents: system.dim() };
        let found = exponents(&system, &stepping, 1000, made.states.view(), &effort, key, |_, _| {}).unwrap().unwrap();
        let sde = Arc::clone(&system).as_sde().unwrap();
        let divergences: Vec<f64> = made.states.outer_iter().map(|path| mean_divergence(&*sde, path)).collect();
        let ((mean, se), sum) = (mean_and_se(&divergences), found.sum().unwrap());
        println!("{name}: sum {sum:?}, mean divergence {mean:.6} +- {se:.6}");
        let bound = 4.0 * se.hypot(sum.se.unwrap());
        assert!((sum.value - mean).abs() < bound && bound < 0.3 * mean.abs(), "{name}: {sum:?}, {mean} +- {se}");
    }
}

/// The trace of the drift's Jacobian, averaged over the states `[time, component]`.
fn mean_divergence(sde: &dyn Sde, states: ArrayView2<f64>) -> f64 {
    let (linearized, n) = (sde.linearized().unwrap(), sde.dim());
    let (mut out, mut sum, mut count) = (vec![[0.0; LANES]; n], 0.0, 0);
    for block in states.axis_chunks_iter(Axis(0), LANES).filter(|block| block.nrows() == LANES) {
        let x: Vec<[f64; LANES]> = (0..n).map(|i| std::array::from_fn(|lane| block[[lane, i]])).collect();
        for i in 0..n {
            let mut unit = vec![[0.0; LANES]; n];
            unit[i] = [1.0; LANES];
            linearized.tangent_block(0.0, &x, &unit, &mut out);
            sum += out[i].iter().sum::<f64>();
        }
        count += LANES;
    }
    sum / count as f64
}

/// The exponent of that number is not surely negative and the second after it (the next is the flow's own, 0) not
/// surely positive.
fn not_contradicted(positive: usize, found: &Lyapunov) -> bool {
    let exponents = found.exponents();
    let below = |estimate: &Estimate| estimate.value + 4.0 * estimate.se.unwrap() < 0.0;
    let above = |estimate: &Estimate| estimate.value - 4.0 * estimate.se.unwrap() > 0.0;
    !below(&exponents[positive - 1]) && !exponents.get(positive + 1).is_some_and(above)
}

#[test]
fn published_figures() {
    ROWS.iter().for_each(|row| check(row, row.steps[0]));
}

/// Below rho = 1 every state of the Lorenz (1963) system ends at rest, where the exponents are the eigenvalues of the
/// linearized drift: -beta and those of [[-sigma, sigma], [rho, -1]].
#[test]
fn at_rest_they_are_eigenvalues() {
    let system = system("lorenz63", &[("rho", Value::Float(0.5))]);
    let (stepping, key) = (stepping("rk4", 0.05, 10), Key::new(1, Domain::Score));
    let start = Array2::from_elem((2, 3), 1e-9);
    let run = TangentRun { exponents: 3, forget: 400, steps: 100, every: 1 };
    let forecaster = system.forecaster(&stepping).unwrap();
    let found = lyapunov(&*forecaster, 0.05, start, 0, &run, key, |_, _| {}).unwrap();
    let root = 101f64.sqrt() / 2.0;
    for (found, exact) in found.exponents().iter().zip([-5.5 + root, -8.0 / 3.0, -5.5 - root]) {
        assert!((found.value - exact).abs() < 1e-6, "{found:?} for {exact}");
    }
    assert_eq!((found.positive(), found.doubling_time()), (Some(0), None));
    assert_eq!(found.kaplan_yorke().unwrap().value, 0.0);
}

/// The vectors of a trajectory share its noise, and the trajectory is the one that the forecaster makes.
#[test]
fn with_noise_all_vectors_follow_the_forecasters_own_trajectory() {
    let system = system("lorenz96", &[("noise", Value::Float(1.0))]);
    let key = Key::new(7, Domain::Score).purpose(Purpose::ProcessNoise);
    let forecaster = Arc::clone(&system).forecaster(&stepping("rk4", 0.05, 1)).unwrap();
    let start = system.initial(4, key);
    let rates = |count| {
        let run = TangentRun { exponents: count, forget: 0, steps: 200, every: 1 };
        lyapunov(&*forecaster, 0.05, start.clone(), 3, &run, key, |_, _| {}).unwrap()
    };
    let (one, all) = (rates(1), rates(40));
    assert_eq!(one.rates.column(0), all.rates.column(0));
    assert_eq!((one.kaplan_yorke(), one.positive(), one.sum()), (None, None, None));
    // a small perturbation grows like the leading vector once it has turned towards it; here only the order is asked
    let mut pair = [start.clone(), &start + 1e-9];
    pair.iter_mut().for_each(|x| forecaster.advance(3, 200, x, key).unwrap());
    let apart = (&pair[1] - &pair[0]).mapv(|x| x * x).sum_axis(ndarray::Axis(1)).mapv(f64::sqrt);
    let rate = (apart / (1e-9 * 40f64.sqrt())).mapv(f64::ln) / 10.0;
    for (found, pair) in all.rates.column(0).iter().zip(&rate) {
        assert!((found - pair).abs() < 0.5 && *found > 0.5, "{found} {pair}");
    }
}

/// `cargo test --release -p scorecast-systems --test it lyapunov -- --ignored --nocapture`.
#[test]
#[ignore = "a minute and more: the published figures in long runs"]
fn published_figures_in_long_runs() {
    ROWS.iter().for_each(|row| check(row, row.steps[1]));
}
