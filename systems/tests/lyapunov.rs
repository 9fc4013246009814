//! Lyapunov exponents and the climate behind them against what is published, and against exact values.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{stepping, system};
use scorecast_systems::diagnose::{Effort, Lyapunov, exponents, trajectories};
use scorecast_systems::{Domain, Estimate, Key, Value, simulate};

/// A number from a paper, and half a unit of its last digit (or half of the range that papers give).
type Published = (f64, f64);

/// One system's figures, and the run that measures them.
struct Row {
    name: &'static str,
    settings: &'static [(&'static str, f64)],
    /// Lead step, substeps and lead steps of the run, with 16 trajectories; a tenth in the quick test.
    run: (f64, usize, usize),
    integrator: &'static str,
    spin_up: usize,
    /// The exponents that are found.
    count: usize,
    leading: Option<Published>,
    positive: Option<usize>,
    dimension: Option<Published>,
    /// The sum of all exponents is the mean divergence of the drift; with the error that the step length leaves.
    sum: Option<Published>,
    sd: Option<Published>,
}

const ROWS: &[Row] = &[
    // Sprott (2003), Chaos and Time-Series Analysis: exponents .9056, 0, -14.5723, dimension 2.062; Viswanath (1998),
    // Lyapunov Exponents from Random Fibonacci Sequences to the Lorenz Equations: .905630. The divergence is
    // -(sigma + 1 + beta) everywhere.
    Row {
        name: "lorenz63",
        settings: &[],
        run: (0.05, 10, 20_000),
        integrator: "rk4",
        spin_up: 1000,
        count: 3,
        leading: Some((0.9056, 0.00005)),
        positive: Some(1),
        dimension: Some((2.062, 0.0005)),
        sum: Some((-13.0 - 2.0 / 3.0, 1e-5)),
        sd: None,
    },
    // Lorenz and Emanuel (1998), doi:10.1175/1520-0469(1998)055<0399:OSFSWO>2.0.CO;2: errors double in 0.42 time units
    // (2.1 days), 13 exponents are positive, the dimension is 27.1, sd 3.6; Karimi and Paul (2010),
    // doi:10.1063/1.3496397: leading exponent about 1.68. The divergence is -n everywhere.
    Row {
        name: "lorenz96",
        settings: &[],
        run: (0.05, 4, 10_000),
        integrator: "rk4",
        spin_up: 400,
        count: 40,
        leading: Some((1.68, 0.01)),
        positive: Some(13),
        dimension: Some((27.1, 0.05)),
        sum: Some((-40.0, 2e-4)),
        sd: Some((3.63, 0.015)),
    },
];

/// Simulates, follows tangent vectors, and compares with every published figure: 4 standard errors beyond its rounding.
fn check(row: &Row, steps: usize) {
    let settings: Vec<(&str, Value)> = row.settings.iter().map(|(key, value)| (*key, Value::Float(*value))).collect();
    let (system, (dt, substeps, _)) = (system(row.name, &settings), row.run);
    let (stepping, key) = (stepping(row.integrator, dt, substeps), Key::new(1963, Domain::Score));
    let made = simulate(Arc::clone(&system), &stepping, 16, steps, row.spin_up, key, |_, _| {}).unwrap();
    let effort = Effort { trajectories: 16, steps, exponents: row.count };
    let found = exponents(&system, &stepping, row.spin_up, made.states.view(), &effort, key, |_, _| {});
    let found = found.unwrap().unwrap();
    let sd = trajectories(made.states.view(), dt, system.geometry()).unwrap().climate.sd;
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
        let found = found.sum().unwrap();
        println!("{}: sum {:.6} for {sum:.6}", row.name, found.value);
        assert!((found.value - sum).abs() < error * sum.abs(), "{}: sum {found:?} for {sum}", row.name);
    }
    if let Some(positive) = row.positive {
        let around = &found.exponents()[positive - 1..positive + 2];
        println!("{}: {:?} positive, around the last {around:?}", row.name, found.positive());
        assert!(not_contradicted(positive, &found), "{}: {around:?}", row.name);
    }
}

/// The exponent of that number is not surely negative and the second after it (the next is the flow's own, 0) not
/// surely positive.
fn not_contradicted(positive: usize, found: &Lyapunov) -> bool {
    let exponents = found.exponents();
    let below = |estimate: &Estimate| estimate.value + 4.0 * estimate.se.unwrap() < 0.0;
    let above = |estimate: &Estimate| estimate.value - 4.0 * estimate.se.unwrap() > 0.0;
    !below(&exponents[positive - 1]) && !above(&exponents[positive + 1])
}

#[test]
fn published_figures() {
    ROWS.iter().for_each(|row| check(row, row.run.2 / 20));
}

/// `cargo test --release -p scorecast-systems --test lyapunov -- --ignored --nocapture`.
#[test]
#[ignore = "a minute and more: the published figures in long runs"]
fn published_figures_in_long_runs() {
    ROWS.iter().for_each(|row| check(row, row.run.2));
}
