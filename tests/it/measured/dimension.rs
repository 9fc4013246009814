//! Every estimator of dimension on systems whose dimension is known: not a test but a measurement, of some minutes,
//! `cargo test --release --test it measured::dimension -- --ignored --nocapture`, which prints the tables of
//! `docs/src/results/dimension.md`. `SCORECAST_SEEDS` takes another number of seeds, `SCORECAST_ONLY=lorenz96` the systems whose
//! lines have that word.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;

use ndarray::Array3;
use scorecast::lab::dimension::{Cloud, Dimension, ESTIMATORS, Law, Of, Sampled, Sampling, Scale, pieces};
use scorecast::spec;
use scorecast::systems::system::complete;
use scorecast::systems::{Domain, Forecaster, Key, simulate};

/// A system, what is known of its dimension, trajectories, and lead steps in each.
type Line = (&'static str, &'static str, &'static str, usize, usize);

const SYSTEMS: [Line; 6] = [
    ("linear_low_rank, n = 24", "4", "name = \"linear_low_rank\"\ndim = 24\nintrinsic = 4", 200, 20),
    ("embed: lorenz63, n = 12", "2.06", "name = \"embed\"\ndim = 12\nof = { name = \"lorenz63\" }", 100, 200),
    (
        "embed: lorenz63, n = 12, curvature 2, length 3",
        "2.06",
        "name = \"embed\"\ndim = 12\ncurvature = 2.0\nlength = 3.0\nof = { name = \"lorenz63\" }",
        100,
        200,
    ),
    ("molrg, n = 48, K = 3", "5", "name = \"molrg\"\ncomponents = 3\nintrinsic = 5\nambient_noise = 0.0", 200, 20),
    ("lorenz63", "2.06", "name = \"lorenz63\"", 100, 200),
    ("lorenz96, n = 40", "27.1", "name = \"lorenz96\"", 100, 100),
];

/// Points of each seed.
const POINTS: usize = 2000;

/// The sd of the noise that is added to each component, in sd of a component (root mean square).
const NOISE: [f64; 2] = [0.0, 0.05];

fn seeds() -> u64 {
    std::env::var("SCORECAST_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// States of a seed, with noise.
fn states(&(_, _, system, trajectories, steps): &Line, seed: u64, noise: f64) -> Array3<f64> {
    let plan = spec::check(&format!("[system]\n{system}\n"), "measured", &[]).unwrap();
    let own = plan.system.unwrap();
    let spin_up = own.default_stepping.spin_up;
    let key = Key::new(seed, Domain::Data);
    let made = simulate(own.system, &plan.data.stepping, trajectories, steps, spin_up, key, |_, _| ()).unwrap();
    let states = made.states;
    let (cases, times, dim) = states.dim();
    let flat = states.into_shape_with_order((cases * times, dim)).unwrap();
    let sd = (flat.var_axis(ndarray::Axis(0), 0.0).sum() / dim as f64).sqrt();
    let noisy = &flat + &(Key::new(seed, Domain::Truth).normals(cases * times, dim) * (noise * sd));
    noisy.into_shape_with_order((cases, times, dim)).unwrap()
}

fn cloud(states: &Array3<f64>, seed: u64) -> Cloud {
    let sampling = Sampling { points: POINTS, window: None, scale: Scale::Common };
    Sampled::of(states.view(), &sampling, Key::new(seed, Domain::Score)).cloud
}

/// Mean and sd over seeds, and how many have an answer.
fn shown(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let all =
        if values.len() as u64 == seeds() { String::new() } else { format!(" ({} of {})", values.len(), seeds()) };
    if values.is_empty() { "none".to_owned() } else { format!("{mean:.2} ± {sd:.2}{all}") }
}

#[test]
#[ignore = "a measurement"]
fn estimators_against_known_dimensions() {
    let asked: Vec<_> = ESTIMATORS.iter().filter(|entry| !matches!(entry.build.of, Of::Law(_))).collect();
    let names: Vec<String> = asked.iter().map(|entry| format!("`{}`", entry.name)).collect();
    println!("| system | noise | d | {} |\n|---|---|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let only = std::env::var("SCORECAST_ONLY").unwrap_or_default();
    for line in SYSTEMS.iter().filter(|line| line.0.contains(&only)) {
        for noise in NOISE {
            let mut found = vec![Vec::new(); asked.len()];
            for seed in 0..seeds() {
                let cloud = cloud(&states(line, seed, noise), seed);
                for (entry, found) in asked.iter().zip(&mut found) {
                    let (Of::Set(estimate) | Of::Flat(estimate)) = entry.build.of else { continue };
                    found.extend(estimate(&cloud).map(|dimension: Dimension| dimension.value));
                }
            }
            let cells: Vec<String> = found.iter().map(|values| shown(values)).collect();
            println!("| {} | {noise} | {} | {} |", line.0, line.1, cells.join(" | "));
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn pieces_of_molrg() {
    println!("| noise | seeds with 3 pieces of rank 5 | others |\n|---|---|---|");
    for noise in NOISE {
        let of = |seed: u64| {
            let found = pieces(&cloud(&states(&SYSTEMS[3], seed, noise), seed)).unwrap().unwrap();
            found.pieces.iter().map(|piece| piece.rank).collect::<Vec<_>>()
        };
        let all: Vec<Vec<usize>> = (0..seeds()).map(of).collect();
        let others: Vec<String> = all.iter().filter(|one| **one != [5, 5, 5]).map(|one| format!("{one:?}")).collect();
        println!("| {noise} | {} of {} | {} |", all.len() - others.len(), all.len(), others.join(", "));
    }
}

#[test]
#[ignore = "a measurement"]
fn denoisers_against_known_dimensions() {
    let asked: Vec<_> = ESTIMATORS.iter().filter(|entry| matches!(entry.build.of, Of::Law(_))).collect();
    let names: Vec<String> = asked.iter().map(|entry| format!("`{}`", entry.name)).collect();
    println!("| exact law | d | {} |\n|---|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for noise in ["0.0", "0.02", "0.05"] {
        let text = format!("[system]\nname = \"molrg\"\ncomponents = 3\nintrinsic = 5\nambient_noise = {noise}\n");
        let mut found = vec![Vec::new(); asked.len()];
        for seed in 0..seeds() {
            let plan = spec::check(&format!("{text}subspace_seed = {seed}\n"), "measured", &[]).unwrap();
            let system = plan.system.unwrap().system;
            let forecaster: Box<dyn Forecaster> =
                Arc::clone(complete(&system)).forecaster(&plan.data.stepping).unwrap();
            let now = system.initial(16, Key::new(seed, Domain::Data));
            let next = system.initial(16, Key::new(seed, Domain::Truth));
            let bound = forecaster.denoiser().unwrap().bind(0, now.view()).unwrap();
            let law = Law::new(bound, next.view(), Key::new(seed, Domain::Score));
            for (entry, found) in asked.iter().zip(&mut found) {
                let Of::Law(estimate) = entry.build.of else { continue };
                found.extend(estimate(&law).unwrap().map(|dimension| dimension.value));
            }
        }
        let cells: Vec<String> = found.iter().map(|values| shown(values)).collect();
        println!("| molrg, n = 48, K = 3, noise {noise} | 5 | {} |", cells.join(" | "));
    }
}
