//! Tsitouras 5(4) with adaptive steps: its error and its cost follow the tolerance, and its members are on their own.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{stepping, system};
use ndarray::{Array2, s};
use scorecast_systems::integrate::{Integrator, Tsit5, Workspace};
use scorecast_systems::{Domain, Forecaster, Increment, Key, LANES, Noise, Sde, SdeForecaster};

type Block = Vec<[f64; LANES]>;

fn key() -> Key {
    Key::new(5, Domain::Score)
}

/// dx = y, dy = -x, where a scheme of order 5 shows its order at any step.
struct Rotation;

impl Sde for Rotation {
    fn dim(&self) -> usize {
        2
    }

    fn noise(&self) -> Noise {
        Noise::None
    }

    fn drift_block(&self, _: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        (out[0], out[1]) = (x[1], x[0].map(|x| -x));
    }

    fn diffuse_block(&self, _: f64, _: &[[f64; LANES]], _: &[[f64; LANES]], _: &mut [[f64; LANES]]) {}
}

/// Counts the evaluations of a drift.
struct Counted {
    sde: Arc<dyn Sde>,
    evaluations: AtomicUsize,
}

impl Sde for Counted {
    fn dim(&self) -> usize {
        self.sde.dim()
    }

    fn noise(&self) -> Noise {
        self.sde.noise()
    }

    fn drift_block(&self, t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        self.sde.drift_block(t, x, out);
    }

    fn diffuse_block(&self, t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.sde.diffuse_block(t, x, dw, out);
    }
}

/// An equation and states to start from: of the attractor, where there is one.
fn equation(name: &str) -> (Arc<dyn Sde>, Block) {
    if name == "rotation" {
        return (Arc::new(Rotation), vec![std::array::from_fn(|lane| 1.0 + lane as f64), [0.5; LANES]]);
    }
    let system = system(name, &[]);
    let mut x = system.initial(LANES, key());
    Arc::clone(&system).forecaster(&stepping("rk4", 0.01, 1)).unwrap().advance(0, 2000, &mut x, key()).unwrap();
    let block = (0..system.dim()).map(|i| std::array::from_fn(|lane| x[[lane, i]])).collect();
    (system.as_sde().unwrap(), block)
}

/// The state after one lead step of `dt` within a tolerance, and the evaluations of the drift.
fn run(name: &str, dt: f64, tolerance: f64) -> (Block, usize) {
    let (sde, mut x) = equation(name);
    let counted = Arc::new(Counted { sde, evaluations: AtomicUsize::new(0) });
    let scheme = Tsit5::new(Arc::clone(&counted) as Arc<dyn Sde>, dt, tolerance, tolerance);
    let mut work = Workspace::new(&scheme, x.len());
    scheme.step_block(0.0, &mut x, &Increment::default(), &mut work);
    (x, counted.evaluations.load(Ordering::Relaxed))
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let points: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    sxy / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>()
}

/// The error is proportional to the tolerance, and the cost to its power -1/5; on a chaotic attractor, over a time in
/// which errors grow by two to five, it is at most 200 tolerances.
#[test]
fn error_and_cost_follow_the_tolerance() {
    for (name, dt, most) in [("rotation", 10.0, 20.0), ("lorenz63", 1.0, 200.0), ("lorenz96", 1.0, 200.0)] {
        let (exact, _) = run(name, dt, 1e-14);
        let (mut errors, mut costs) = (Vec::new(), Vec::new());
        for power in 6..=10 {
            let tolerance = 10f64.powi(-power);
            let (x, cost) = run(name, dt, tolerance);
            let sum: f64 = x.iter().flatten().zip(exact.iter().flatten()).map(|(a, b)| (a - b).abs()).sum();
            let error = sum / (LANES * x.len()) as f64;
            println!("{name}: tolerance {tolerance:e}: error {error:e}, {cost} evaluations");
            assert!(error < most * tolerance, "{name}: {error} at {tolerance}");
            errors.push((tolerance, error));
            costs.push((tolerance, cost as f64));
        }
        let (error, cost) = (slope(&errors), slope(&costs));
        println!("{name}: error ~ tolerance^{error:.3}, cost ~ tolerance^{cost:.3}");
        assert!(name != "rotation" || (error - 1.0).abs() < 0.1, "{name}: {error}");
        assert!((cost + 0.2).abs() < 0.04, "{name}: {cost}");
    }
}

/// Neighbours are slow, fast, resting or lost: the members of a block do not notice, bit by bit, and only the lost one is
/// NaN.
#[test]
fn members_take_their_own_steps() {
    let forecaster = SdeForecaster::new(system("lorenz63", &[]).as_sde().unwrap(), &stepping("tsit5", 0.5, 1)).unwrap();
    let (_, block) = equation("lorenz63");
    let mut many = Array2::from_shape_fn((LANES, 3), |(lane, i)| block[i][lane]);
    many.row_mut(1).assign(&ndarray::aview1(&[1e4, -1e4, 1e4]));
    many.row_mut(2).fill(0.0);
    many.row_mut(3).fill(f64::NAN);
    many.row_mut(4).fill(f64::INFINITY);
    many.row_mut(5).fill(1e200);
    let alone: Vec<_> = (0..LANES)
        .map(|member| {
            let mut one = many.slice(s![member..=member, ..]).to_owned();
            forecaster.advance(0, 3, &mut one, key()).unwrap();
            one
        })
        .collect();
    forecaster.advance(0, 3, &mut many, key()).unwrap();
    for (member, alone) in alone.iter().enumerate() {
        let same = alone.iter().zip(many.row(member)).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "member {member}: {alone} {}", many.row(member));
        assert_eq!(alone.iter().all(|value| value.is_finite()), !(3..=5).contains(&member), "member {member}: {alone}");
    }
}

/// dx = x^2 from 1 reaches infinity at time 1: before it the state is 1 / (1 - t), past it NaN.
#[test]
fn a_solution_that_ends_is_nan() {
    struct Square;
    impl Sde for Square {
        fn dim(&self) -> usize {
            1
        }
        fn noise(&self) -> Noise {
            Noise::None
        }
        fn drift_block(&self, _: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
            out[0] = x[0].map(|x| x * x);
        }
        fn diffuse_block(&self, _: f64, _: &[[f64; LANES]], _: &[[f64; LANES]], _: &mut [[f64; LANES]]) {}
    }
    let end = |dt: f64| {
        let mut x = Array2::ones((1, 1));
        SdeForecaster::new(Arc::new(Square), &stepping("tsit5", dt, 1)).unwrap().advance(0, 1, &mut x, key()).unwrap();
        x[[0, 0]]
    };
    assert!((end(0.9) - 10.0).abs() < 1e-5, "{}", end(0.9));
    assert!(end(1.5).is_nan(), "{}", end(1.5));
}

/// A lead step of usual length costs a few steps: no more than thrice the evaluations of rk4 at the usual step for about
/// a thousandth of its error.
#[test]
fn short_lead_steps_are_not_wasteful() {
    for (name, dt) in [("lorenz63", 0.01), ("lorenz96", 0.05)] {
        let (exact, _) = run(name, dt, 1e-14);
        let (x, cost) = run(name, dt, 1e-8);
        let rk4 = SdeForecaster::new(system(name, &[]).as_sde().unwrap(), &stepping("rk4", dt, 1)).unwrap();
        let (_, block) = equation(name);
        let mut y = Array2::from_shape_fn((LANES, block.len()), |(lane, i)| block[i][lane]);
        rk4.advance(0, 1, &mut y, key()).unwrap();
        let error = x.iter().flatten().zip(exact.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let of_rk4 = y.t().iter().zip(exact.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: {cost} evaluations, error {error:e}; rk4 4 evaluations, error {of_rk4:e}");
        assert!(cost <= 60, "{name}: {cost} evaluations");
        assert!(error < 1e-7 && error < 1e-2 * of_rk4, "{name}: {error} {of_rk4}");
    }
}
