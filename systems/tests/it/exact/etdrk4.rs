//! The order of the exponential integrator on the stiff equation that it is for.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::f64::consts::TAU;
use std::sync::Arc;

use common::{stepping, system};
use scorecast_systems::integrate::{Workspace, integrator};
use scorecast_systems::{Domain, Increment, Key, LANES, Sde, SdeForecaster, Value};

type Block = Vec<[f64; LANES]>;

/// A state of the attractor.
fn developed(settings: &[(&str, Value)]) -> Block {
    let system = system("kuramoto_sivashinsky", settings);
    let mut x = system.initial(LANES, Key::new(1, Domain::Score));
    let forecaster = Arc::clone(&system).forecaster(&stepping("etdrk4", 0.05, 1)).unwrap();
    forecaster.advance(0, 2000, &mut x, Key::new(1, Domain::Score)).unwrap();
    (0..system.dim()).map(|i| std::array::from_fn(|lane| x[[lane, i]])).collect()
}

/// From `x` over `fine.len() * h` in steps of `every * h`, with the increments summed from the fine ones.
fn run(name: &str, sde: &Arc<dyn Sde>, mut x: Block, fine: &[Block], h: f64, every: usize) -> Block {
    let scheme = integrator(name, Arc::clone(sde), every as f64 * h).unwrap();
    let mut work = Workspace::new(&*scheme, sde.dim());
    for (step, chunk) in fine.chunks(every).enumerate() {
        let mut increment = Increment::new(sde.wiener_dim(), false);
        for part in chunk {
            for (dw, part) in increment.dw.iter_mut().zip(part) {
                (0..LANES).for_each(|lane| dw[lane] += part[lane]);
            }
        }
        scheme.step_block(step as f64 * every as f64 * h, &mut x, &increment, &mut work);
    }
    x
}

fn distance(a: &Block, b: &Block) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).sum()
}

/// Least-squares slope of log2(error) against log2(step).
fn slope(errors: &[(f64, f64)]) -> f64 {
    let points: Vec<_> = errors.iter().map(|(step, error)| (step.log2(), error.log2())).collect();
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    sxy / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>()
}

/// From cos(x) (1 + sin(2 x)) in units of the line, at steps of 2^-8 to 2^-6 against 2^-11. At longer steps the order
/// falls towards 3, as it does for every scheme of this family where h L is not small (Hochbruck and Ostermann 2005).
#[test]
fn order_four_on_kuramoto_sivashinsky() {
    let sde = system("kuramoto_sivashinsky", &[]).as_sde().unwrap();
    let wave = |j: usize| {
        let angle = TAU * j as f64 / 64.0;
        angle.cos() * (1.0 + (2.0 * angle).sin())
    };
    let start: Block = (0..64).map(|j| [wave(j); LANES]).collect();
    let still = vec![Vec::new(); 4096];
    let at = |every: usize| run("etdrk4", &sde, start.clone(), &still, 2.0 / 4096.0, every);
    let exact = at(1);
    let errors = [8, 16, 32].map(|every| (every as f64, distance(&at(every), &exact)));
    let order = slope(&errors);
    println!("etdrk4: order {order:.3} on Kuramoto-Sivashinsky, errors {errors:?}");
    assert!((order - 4.0).abs() < 0.15, "{order}");
}

/// The classical scheme of order 4 with steps that resolve the stiffness, 0.45 of the limit at the largest wavenumber,
/// goes to the same state.
#[test]
fn it_goes_where_the_classical_scheme_goes() {
    let settings = [("dim", Value::Int(32))];
    let (start, sde) = (developed(&settings), system("kuramoto_sivashinsky", &settings).as_sde().unwrap());
    let classical = run("rk4", &sde, start.clone(), &vec![Vec::new(); 1024], 2.0 / 1024.0, 1);
    let exponential = run("etdrk4", &sde, start.clone(), &vec![Vec::new(); 128], 2.0 / 128.0, 1);
    let gap = distance(&classical, &exponential) / distance(&classical, &start);
    assert!(gap < 1e-6, "{gap}");
}

/// White noise on 16 points, where h |L| is at most 0.7: the order is 1 there, see the scheme's description.
#[test]
fn strong_order_one_with_additive_noise() {
    let settings = [("dim", Value::Int(16)), ("noise", Value::Float(0.5))];
    let (start, sde) = (developed(&settings), system("kuramoto_sivashinsky", &settings).as_sde().unwrap());
    let (steps, h) = (4096, 0.5 / 4096.0);
    let everies = [32usize, 64, 128, 256];
    let mut errors = everies.map(|every| (every as f64, 0.0));
    for block in 0..4 {
        let mut stream = Key::new(9, Domain::Score).stream(block);
        let mut cell = || std::array::from_fn(|_| f64::sqrt(h) * stream.normal());
        let fine: Vec<Block> = (0..steps).map(|_| (0..16).map(|_| cell()).collect()).collect();
        let at = |every: usize| run("etdrk4", &sde, start.clone(), &fine, h, every);
        let best = at(1);
        errors.iter_mut().for_each(|error| error.1 += distance(&at(error.0 as usize), &best));
    }
    let order = slope(&errors);
    println!("etdrk4: strong order {order:.3} with additive noise");
    assert!((order - 1.0).abs() < 0.15, "{order}");
}

#[test]
fn systems_without_the_form_are_refused() {
    let sde = system("lorenz96", &[]).as_sde().unwrap();
    let error = SdeForecaster::new(sde, &stepping("etdrk4", 0.05, 1)).err().unwrap().to_string();
    assert!(error.contains("L u + N(u)") && error.ends_with("use `rk4`"), "{error}");
}
