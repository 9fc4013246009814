//! Every family of forecasters on laws that are known: not a test but a measurement, of some 40 minutes on one core,
//! `cargo test --release --test it measured::known_laws -- --ignored --nocapture`. `SCORECAST_ONLY=ou` takes one system,
//! `SCORECAST_SEEDS` another number of seeds, `SCORECAST_FAMILY=crps` the families whose lines have that word.
//!
//! Each seed has training data and weights of its own; test states, from which all are measured, are the same. Of x_k there are
//! [`DRAWN`], of each [`MEMBERS`] draws X, and as many fresh ones Y of the true law:
//!
//! - *energy distance* 2 E|X - Y| - E|X - X'| - E|Y - Y'|, a mean over x_k, in units of the climate's sd (the root of the mean
//!   variance of its components), with pairs of different draws alone, so that two sets of one law have 0 on average; the row of
//!   the true law is the floor, two fresh sets;
//! - *log density* log q(x_{k+1} | x_k) - log p(x_{k+1} | x_k), a mean over [`PAIRS`] pairs, nats of a whole state; of
//!   denoisers by the probability flow, at the first [`FLOW`] of them;
//! - *coverage*: how often the truth is in the middle 10, 20, ..., 90 and 98 % of the draws, less that; the largest difference;
//! - *ranks*: chi-square over degrees of freedom of ten bins of ranks, a mean over components; 1 for the true law;
//! - *climate*: the energy distance of [`ROLLOUTS`] states after [`LONG`] lead steps to as many of the stationary law.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, Slice, s};
use scorecast::forecast::{FORECASTERS, FitContext, Fitted};
use scorecast::progress::Quiet;
use scorecast::systems::simulate::simulate;
use scorecast::systems::{
    Domain, Forecaster, Key, Settings, Stepping, System, Trace, Value, catalogue, flow_log_prob, registry,
};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A name with settings, as in `mixture components=4`.
type Line = &'static str;

/// The systems: a line, the lead step, integration steps in it, and the integrator.
const SYSTEMS: [(Line, f64, usize, &str); 6] = [
    ("ou dim=2", 0.5, 1, "rk4"),
    ("linear_low_rank dim=12 intrinsic=2 ambient_sd=0.1", 0.5, 1, "rk4"),
    ("double_well noise=0.7", 2.0, 100, "rk4"),
    ("jump_ring", 0.5, 1, "euler_maruyama"),
    ("molrg dim=8 intrinsic=2 ambient_noise=0.1", 1.0, 1, "euler_maruyama"),
    ("cir sigma=1.0", 0.5, 1, "euler_maruyama"),
];

/// The families that have no network.
const CLOSED: [Line; 5] = ["analog", "memorizer", "linear", "pca_linear", "molrg components=4"];

/// The families that have one.
const LEARNED: [Line; 15] = [
    "mse noise=full",
    "gaussian",
    "gaussian covariance=full",
    "mixture covariance=low_rank",
    "normalizing_flow",
    "autoregressive",
    "crps",
    "crps rule=crps",
    "lifting",
    "diffusion",
    "flow_matching",
    "interpolant",
    "window",
    "window frames=4",
    "consistency",
];

/// The budget of each of these.
const BUDGET: Line = "width=32 blocks=2 steps=2000";

/// Training trajectories, of which a quarter as many are for validation, and their lead steps.
const TRAINING: (usize, usize) = (64, 32);
const PAIRS: usize = 4096;
/// Of these, those of which a probability flow is followed.
const FLOW: usize = 512;
const DRAWN: usize = 1024;
const MEMBERS: usize = 99;
/// Of the states that are drawn from, those whose draws are held against the true law's.
const HELD: usize = 256;
const ROLLOUTS: usize = 1024;
const LONG: usize = 100;
const SPIN_UP: usize = 20;

/// The settings of a line, behind its name.
fn settings(line: &str) -> BTreeMap<String, Value> {
    let setting = |word: &str| {
        let (key, value) = word.split_once('=').unwrap();
        let number = value.parse::<i64>().map(Value::Int).or_else(|_| value.parse::<f64>().map(Value::Float));
        (key.to_owned(), number.unwrap_or_else(|_| Value::Text(value.to_owned())))
    };
    line.split_whitespace().filter(|word| word.contains('=')).map(setting).collect()
}

fn name(line: &str) -> &str {
    line.split_whitespace().next().unwrap()
}

/// A law that is known, with what everyone is measured on.
struct KnownLaw {
    system: Arc<dyn System>,
    stepping: Stepping,
    exact: Box<dyn Forecaster>,
    /// x_k and x_{k+1}, `[pair, component]`.
    pairs: [Array2<f64>; 2],
    /// log p of the pairs, `[pair]`.
    log_density: Array1<f64>,
    /// States of the stationary law, `[state, component]`.
    climate: Array2<f64>,
    /// The root of the mean variance of its components.
    scale: f64,
}

impl KnownLaw {
    fn new((line, dt, substeps, integrator): (Line, f64, usize, &str)) -> Self {
        let system = catalogue::build(name(line), &settings(line)).unwrap();
        let stepping = Stepping { dt, substeps, integrator: integrator.to_owned() };
        let exact = Arc::clone(&system).forecaster(&stepping).unwrap();
        let test = trajectories(&system, &stepping, PAIRS, 1, 1000);
        let pairs = [0, 1].map(|time| test.index_axis(Axis(1), time).to_owned());
        let log_density = match exact.density() {
            Some(density) => density.log_prob(0, pairs[0].view(), pairs[1].view()).unwrap(),
            None => ExactWell::new(&settings(line)["noise"], dt / substeps as f64).log_density(&pairs),
        };
        let climate = trajectories(&system, &stepping, 2 * ROLLOUTS, 0, 1001).index_axis(Axis(1), 0).to_owned();
        let scale = climate.var_axis(Axis(0), 1.0).mean().unwrap().sqrt();
        Self { system, stepping, exact, pairs, log_density, climate, scale }
    }

    fn fit(&self, line: &str, seed: u64) -> Fitted {
        let (cases, steps) = TRAINING;
        let data = trajectories(&self.system, &self.stepping, cases + cases / 4, steps, seed);
        let entry = registry::find(FORECASTERS, "forecaster", name(line)).unwrap();
        let settings = Settings::check(line, entry.params, &settings(line)).unwrap();
        let context = FitContext {
            system: None,
            geometry: self.system.geometry(),
            train: data.slice(s![..cases, .., ..]),
            valid: data.slice(s![cases.., .., ..]),
            held_by: None,
            parameters: None,
            key: Key::new(seed, Domain::Training),
            progress: &Quiet,
            checkpoints: None,
            start: None,
            processor: &scorecast::nn::ops::Processor::Cpu,
        };
        (entry.build.fit)(&settings, &context).unwrap()
    }

    /// What the columns of a table show of a forecaster; none of what it does not have.
    fn measure(&self, model: &dyn Forecaster, seed: u64) -> [Option<f64>; 5] {
        let [from, next] = &self.pairs;
        let key = Key::new(seed, Domain::Method);
        let draws = drawn(model, from.slice(s![..DRAWN, ..]), key);
        let fresh = drawn(self.exact.as_ref(), from.slice(s![..HELD, ..]), Key::new(seed, Domain::Score));
        let distance: f64 = draws.outer_iter().zip(fresh.outer_iter()).map(|(x, y)| energy_distance(x, y)).sum();
        let own = match (model.density(), model.denoiser()) {
            (Some(density), _) => Some(density.log_prob(0, from.view(), next.view()).unwrap()),
            (None, Some(denoiser)) => {
                let [from, next] = [from, next].map(|states| states.slice(s![..FLOW, ..]));
                Some(flow_log_prob(denoiser, 0, from, next, Trace::Exact).unwrap())
            }
            (None, None) => None,
        };
        let gap = own.map(|own| (&own - &self.log_density.slice(s![..own.len()])).mean().unwrap());
        let ranks = ranks(&draws, next);
        let mut x = self.climate.slice_axis(Axis(0), Slice::from(..ROLLOUTS)).to_owned();
        model.advance(0, LONG, &mut x, key.case(1)).unwrap();
        let climate = energy_distance(x.view(), self.climate.slice(s![ROLLOUTS.., ..]));
        let of_climate = |distance: f64| 1000.0 * distance / self.scale;
        [
            Some(of_climate(distance / HELD as f64)),
            gap,
            Some(coverage(&ranks)),
            Some(chi_square(&ranks)),
            Some(of_climate(climate)),
        ]
    }
}

fn trajectories(system: &Arc<dyn System>, stepping: &Stepping, cases: usize, steps: usize, seed: u64) -> Array3<f64> {
    let key = Key::new(seed, Domain::Data);
    simulate(Arc::clone(system), stepping, cases, steps, SPIN_UP, key, |_, _| {}).unwrap().states
}

/// Draws of the next state from each state, `[state, draw, component]`.
fn drawn(model: &dyn Forecaster, from: ArrayView2<f64>, key: Key) -> Array3<f64> {
    let (states, dim) = from.dim();
    let mut x = Array2::from_shape_fn((states * MEMBERS, dim), |(row, c)| from[[row / MEMBERS, c]]);
    model.advance(0, 1, &mut x, key).unwrap();
    x.into_shape_with_order((states, MEMBERS, dim)).unwrap()
}

/// The mean of |a_i - b_j| over all i and j, or over those that differ where the two sets are one.
fn mean_distance(a: ArrayView2<f64>, b: ArrayView2<f64>, one: bool) -> f64 {
    let distance = |i: usize, j: usize| {
        let squares = a.row(i).into_iter().zip(b.row(j)).map(|(a, b)| (a - b) * (a - b));
        squares.sum::<f64>().sqrt()
    };
    let sum: f64 = (0..a.nrows()).map(|i| (0..b.nrows()).map(|j| distance(i, j)).sum::<f64>()).sum();
    sum / (a.nrows() * (b.nrows() - usize::from(one))) as f64
}

fn energy_distance(x: ArrayView2<f64>, y: ArrayView2<f64>) -> f64 {
    2.0 * mean_distance(x, y, false) - mean_distance(x, x, true) - mean_distance(y, y, true)
}

/// How many of the draws are below the truth, `[state, component]`.
fn ranks(draws: &Array3<f64>, truth: &Array2<f64>) -> Array2<usize> {
    Array2::from_shape_fn((draws.dim().0, draws.dim().2), |(i, c)| {
        draws.slice(s![i, .., c]).iter().filter(|draw| **draw < truth[[i, c]]).count()
    })
}

/// The largest difference of a coverage from what it should be; the middle 2 k % of the draws are between ranks 50 - k and 50 + k.
fn coverage(ranks: &Array2<usize>) -> f64 {
    let off = |k: usize| {
        let inside = ranks.iter().filter(|rank| (50 - k..50 + k).contains(*rank)).count();
        (inside as f64 / ranks.len() as f64 - k as f64 / 50.0).abs()
    };
    [5, 10, 15, 20, 25, 30, 35, 40, 45, 49].into_iter().map(off).fold(0.0, f64::max)
}

fn chi_square(ranks: &Array2<usize>) -> f64 {
    let expected = ranks.nrows() as f64 / 10.0;
    let of = |component: ndarray::ArrayView1<usize>| {
        let count = |bin: usize| component.iter().filter(|rank| **rank / 10 == bin).count() as f64;
        (0..10).map(|bin| (count(bin) - expected).powi(2) / expected).sum::<f64>() / 9.0
    };
    ranks.columns().into_iter().map(of).sum::<f64>() / ranks.ncols() as f64
}

/// p(x_{k+1} | x_k) of a particle in a double well over 100 steps, on a grid: Chapman and Kolmogorov.
struct ExactWell {
    cell: f64,
    density: Array2<f64>,
}

const REACH: f64 = 2.7;

impl ExactWell {
    fn new(noise: &Value, step: f64) -> Self {
        let Value::Float(noise) = noise else { panic!("a noise of a real number") };
        let count = 360;
        let cell = 2.0 * REACH / (count - 1) as f64;
        let (at, sd) = (|i: usize| -REACH + i as f64 * cell, noise * step.sqrt());
        let one = Array2::from_shape_fn((count, count), |(i, j)| {
            // the mean of a second-order step of x' = x - x^3
            let (x, f) = (at(i), |x: f64| x - x * x * x);
            let mean = x + step * f(x + 0.5 * step * f(x));
            (-0.5 * ((at(j) - mean) / sd).powi(2)).exp() / (sd * std::f64::consts::TAU.sqrt()) * cell
        });
        let squared = |times: usize, matrix: Array2<f64>| (0..times).fold(matrix, |m, _| m.dot(&m));
        // 100 = 4 + 32 + 64
        let four = squared(2, one);
        let thirty_two = squared(3, four.clone());
        Self { cell, density: four.dot(&thirty_two).dot(&squared(1, thirty_two)) / cell }
    }

    /// log p of pairs, by linear interpolation.
    fn log_density(&self, [from, next]: &[Array2<f64>; 2]) -> Array1<f64> {
        let place = |x: &f64| {
            let at = (x.clamp(-REACH + 1e-9, REACH - 1e-9) + REACH) / self.cell;
            (at as usize, at.fract())
        };
        let of = |(x, next)| {
            let ((i, a), (j, b)) = (place(x), place(next));
            let row = |i: usize| (1.0 - b) * self.density[[i, j]] + b * self.density[[i, j + 1]];
            ((1.0 - a) * row(i) + a * row(i + 1)).ln()
        };
        from.iter().zip(next).map(of).collect()
    }
}

/// The mean over seeds with the half width of its 95 % interval by Student's t.
fn band(values: &[f64], digits: usize) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if !mean.is_finite() {
        return "diverged".to_owned();
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).unwrap().inverse_cdf(0.975);
    format!("{mean:.digits$} ± {:.digits$}", t * (variance / n).sqrt())
}

fn print_row(label: &str, parameters: usize, found: &[[Option<f64>; 5]]) {
    let cell = |column: usize, digits: usize| {
        let values: Option<Vec<f64>> = found.iter().map(|row| row[column]).collect();
        values.map_or_else(String::new, |values| band(&values, digits))
    };
    let columns = [(0, 1), (1, 3), (2, 3), (3, 1), (4, 1)].map(|(column, digits)| cell(column, digits));
    println!("| {label} | {parameters} | {} |", columns.join(" | "));
}

#[test]
#[ignore = "a measurement"]
fn families_are_held_against_laws_that_are_known() {
    let baselines = ["perfect", "persistence", "climatology"];
    let said =
        |entry: &str| CLOSED.iter().chain(&LEARNED).any(|line| name(line) == entry) || baselines.contains(&entry);
    let left_out: Vec<_> = FORECASTERS.iter().map(|entry| entry.name).filter(|entry| !said(entry)).collect();
    assert!(left_out.is_empty(), "no line measures {left_out:?}");
    let said = |key: &str, default: &str| std::env::var(key).unwrap_or_else(|_| default.to_owned());
    let (only, family) = (said("SCORECAST_ONLY", ""), said("SCORECAST_FAMILY", ""));
    let seeds: u64 = said("SCORECAST_SEEDS", "3").parse().unwrap();
    for known in SYSTEMS.into_iter().filter(|(line, ..)| line.contains(&only)) {
        let law = KnownLaw::new(known);
        println!("\n### `{}`, a lead step of {}\n", known.0, known.1);
        println!(
            "| forecaster | parameters | energy distance, 1e-3 | log density | coverage | ranks | climate, 1e-3 |"
        );
        println!("|---|---|---|---|---|---|---|");
        let floor: Vec<_> = (1..=seeds).map(|seed| law.measure(law.exact.as_ref(), seed)).collect();
        print_row("the true law", 0, &floor);
        let learned = LEARNED.iter().map(|line| format!("{line} {BUDGET}"));
        let lines = CLOSED.iter().map(|line| (*line).to_owned()).chain(learned);
        for line in lines.filter(|line| line.contains(&family)) {
            let fitted: Vec<_> = (1..=seeds).map(|seed| law.fit(&line, seed)).collect();
            let found: Vec<_> =
                fitted.iter().zip(1..).map(|(made, seed)| law.measure(made.as_forecaster(), seed)).collect();
            let label = line.trim_end_matches(BUDGET).trim_end();
            print_row(&format!("`{label}`"), fitted[0].training().parameters, &found);
        }
    }
}
