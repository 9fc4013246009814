//! The order of each integrator, measured: deterministic by halving the step, strong by refining one Brownian path.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{stepping, system};
use scorecast_systems::integrate::{Workspace, integrator};
use scorecast_systems::{Calculus, Domain, Increment, Key, LANES, Noise, Sde, SdeForecaster, System, Value};

type Block = Vec<[f64; LANES]>;

/// The exact state at the end, from the start and the fine increments.
type Exact<'a> = &'a dyn Fn(&Block, &[Block]) -> Block;

/// From `x` over `fine.len() * h` in steps of `every * h`, with the increments summed from the fine ones.
fn run(name: &str, sde: &Arc<dyn Sde>, mut x: Block, fine: &[Block], h: f64, every: usize) -> Block {
    let dt = every as f64 * h;
    let scheme = integrator(name, Arc::clone(sde), dt).unwrap();
    let mut work = Workspace::new(&*scheme, sde.dim());
    for (step, chunk) in fine.chunks(every).enumerate() {
        let mut dw = vec![[0.0; LANES]; sde.wiener_dim()];
        for part in chunk {
            for (dw, part) in dw.iter_mut().zip(part) {
                (0..LANES).for_each(|lane| dw[lane] += part[lane]);
            }
        }
        scheme.step_block(step as f64 * dt, &mut x, &Increment { dw, dz: Vec::new() }, &mut work);
    }
    x
}

fn fine_path(wiener: usize, steps: usize, h: f64, block: u64) -> Vec<Block> {
    let mut stream = Key::new(9, Domain::Score).stream(block);
    let mut cell = || std::array::from_fn(|_| h.sqrt() * stream.normal());
    (0..steps).map(|_| (0..wiener).map(|_| cell()).collect()).collect()
}

/// Least-squares slope of log2(error) against log2(step).
fn slope(errors: &[(f64, f64)]) -> f64 {
    let points: Vec<_> = errors.iter().map(|(step, error)| (step.log2(), error.log2())).collect();
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    sxy / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>()
}

fn start(system: &dyn System) -> Block {
    let x = system.initial(LANES, Key::new(1, Domain::Score));
    (0..system.dim()).map(|i| std::array::from_fn(|lane| x[[lane, i]])).collect()
}

fn distance(a: &Block, b: &Block) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).sum()
}

/// The slope of the deterministic error of Lorenz-63 at time 0.4.
fn deterministic_order(name: &str, powers: std::ops::Range<u32>) -> f64 {
    let system = system("lorenz63", &[]);
    let sde = Arc::clone(&system).as_sde().unwrap();
    let run =
        |name: &str, steps: usize| run(name, &sde, start(&*system), &vec![Vec::new(); steps], 0.4 / steps as f64, 1);
    let exact = run("rk4", 8192);
    let errors: Vec<_> = powers.map(|p| (0.5f64.powi(p as i32), distance(&run(name, 1 << p), &exact))).collect();
    slope(&errors)
}

#[test]
fn deterministic_orders() {
    for (name, powers, order) in [("rk4", 6..10, 4.0), ("heun", 8..12, 2.0), ("euler_maruyama", 11..15, 1.0)] {
        let found = deterministic_order(name, powers);
        println!("{name}: deterministic order {found:.3}");
        assert!((found - order).abs() < 0.15, "{name}: order {found}, not {order}");
    }
}

/// The slope of the mean strong error at time 1 against a path 8 times finer than the finest step; 64 blocks.
fn strong_order(name: &str, sde: &Arc<dyn Sde>, start: &Block, exact: Option<Exact>) -> f64 {
    let (steps, h) = (4096, 1.0 / 4096.0);
    let everies = [32usize, 64, 128, 256];
    let mut errors = everies.map(|every| (every as f64, 0.0));
    for block in 0..64 {
        let fine = fine_path(sde.wiener_dim(), steps, h, block);
        let best = match exact {
            Some(exact) => exact(start, &fine),
            None => run(name, sde, start.clone(), &fine, h, 1),
        };
        for (error, every) in errors.iter_mut().zip(everies) {
            error.1 += distance(&run(name, sde, start.clone(), &fine, h, every), &best);
        }
    }
    slope(&errors)
}

#[test]
fn strong_order_one_with_additive_noise() {
    let system = system("double_well", &[("dim", Value::Int(2)), ("noise", Value::Float(0.8))]);
    for name in ["euler_maruyama", "heun", "rk4"] {
        let found = strong_order(name, &Arc::clone(&system).as_sde().unwrap(), &start(&*system), None);
        println!("{name}: strong order {found:.3} with additive noise");
        assert!((found - 1.0).abs() < 0.15, "{name}: {found}");
    }
}

/// A user's own equation, dx = a x dt + b x dW, in either calculus; the exact solution is known.
struct Geometric {
    calculus: Calculus,
}

const A: f64 = -0.5;
const B: f64 = 0.8;

impl Sde for Geometric {
    fn dim(&self) -> usize {
        1
    }

    fn noise(&self) -> Noise {
        Noise::Diagonal
    }

    fn calculus(&self) -> Calculus {
        self.calculus
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        out[0] = x[0].map(|x| A * x);
    }

    fn diffuse_block(&self, _t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        out[0] = std::array::from_fn(|lane| B * x[0][lane] * dw[0][lane]);
    }
}

#[test]
fn multiplicative_noise_in_both_calculi() {
    for (name, calculus, order) in [("euler_maruyama", Calculus::Ito, 0.5), ("heun", Calculus::Stratonovich, 1.0)] {
        let drift = if calculus == Calculus::Ito { A - 0.5 * B * B } else { A };
        let exact = move |start: &Block, fine: &[Block]| {
            let w = |lane: usize| fine.iter().map(|dw| dw[0][lane]).sum::<f64>();
            vec![std::array::from_fn(|lane| start[0][lane] * (drift + B * w(lane)).exp())]
        };
        let found =
            strong_order(name, &(Arc::new(Geometric { calculus }) as Arc<dyn Sde>), &vec![[1.0; LANES]], Some(&exact));
        println!("{name}: strong order {found:.3} with multiplicative noise");
        assert!((found - order).abs() < 0.15, "{name}: {found}, not {order}");
    }
}

#[test]
fn an_integrator_of_the_wrong_calculus_is_refused() {
    let refuse = |name: &str, calculus| {
        let error = SdeForecaster::new(Arc::new(Geometric { calculus }), &stepping(name, 0.1, 1)).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refuse("heun", Calculus::Ito).ends_with("use `euler_maruyama`"));
    assert!(refuse("euler_maruyama", Calculus::Stratonovich).ends_with("use `heun`"));
    assert!(refuse("rk4", Calculus::Ito).ends_with("use `euler_maruyama`"));
    assert_eq!(refuse("euler_maruyama", Calculus::Ito), "");
    assert!(refuse("rk5", Calculus::Ito).contains("did you mean `rk4`?"));
}
