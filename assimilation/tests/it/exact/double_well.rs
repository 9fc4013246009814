//! A double well against quadrature on a grid: the filter and the smoother of the integrator's own one-step law
//! N(x + dt (x - x^3), s^2 dt), with observations of |x| that leave the sign open, so that the posterior has two modes.

#![allow(clippy::unwrap_used)]

use crate::common;

use std::collections::BTreeMap;

use common::{errors, method};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::observe::{Absolute, Pointwise, Stride};
use scorecast_assimilation::{ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Stepping, Value};

const DT: f64 = 0.1;
const NOISE: f64 = 0.5;
const EVERY: usize = 3;
const POINTS: usize = 601;
const END: f64 = 3.0;

/// The problem: prior N(.2, .5^2), sets of observations each third lead step, one of them missing.
struct Problem {
    model: Box<dyn Forecaster>,
    operator: Pointwise<Absolute>,
    observations: Array1<f64>,
}

impl Problem {
    fn new() -> Self {
        let stepping = Stepping { dt: DT, substeps: 1, integrator: "euler_maruyama".to_owned() };
        let given: BTreeMap<String, Value> = [("noise".to_owned(), Value::Float(NOISE))].into();
        let model = build("double_well", &given).unwrap().forecaster(&stepping).unwrap();
        let operator = Pointwise::new(Absolute, Stride::new(1, 1, 0, &errors(&[0.25])).unwrap());
        Self { model, operator, observations: array![0.35, 0.8, f64::NAN, 0.5, 0.9, 1.15] }
    }

    fn observed<'a>(&'a self, cycle: usize, values: &'a Array1<f64>) -> ObservationSet<'a> {
        let step = (cycle + 1) * EVERY;
        ObservationSet { step, time: DT * step as f64, values: values.view(), operator: &self.operator }
    }

    /// Densities on the grid, `[set, point]`: of the filter, of the smoother, and log evidence.
    fn quadrature(&self) -> (Array2<f64>, Array2<f64>, f64) {
        let (grid, width) = (grid(), 2.0 * END / (POINTS as f64 - 1.0));
        let sd = NOISE * DT.sqrt();
        let normal = |e: f64, sd: f64| (-0.5 * (e / sd).powi(2)).exp() / (sd * std::f64::consts::TAU.sqrt());
        // from column to row
        let kernel = Array2::from_shape_fn((POINTS, POINTS), |(i, j)| {
            let x = grid[j];
            width * normal(grid[i] - x - DT * (x - x.powi(3)), sd)
        });
        let likelihood = |y: f64| grid.mapv(|x| if y.is_nan() { 1.0 } else { normal(y - x.abs(), 0.25) });
        let mut p = grid.mapv(|x| normal(x - 0.2, 0.5));
        let (mut filtered, mut log_evidence) = (Vec::new(), 0.0);
        for y in &self.observations {
            (0..EVERY).for_each(|_| p = kernel.dot(&p));
            p *= &likelihood(*y);
            let z = p.sum() * width;
            log_evidence += z.ln();
            p /= z;
            filtered.push(p.clone());
        }
        // backward: what later observations say of each point
        let mut beta = Array1::ones(POINTS);
        let mut smoothed = Vec::new();
        for (p, y) in filtered.iter().zip(&self.observations).rev() {
            let joint = p * &beta;
            smoothed.push(&joint / (joint.sum() * width));
            beta *= &likelihood(*y);
            (0..EVERY).for_each(|_| beta = kernel.t().dot(&beta));
            beta /= beta.sum();
        }
        smoothed.reverse();
        let rows = |of: Vec<Array1<f64>>| Array2::from_shape_fn((of.len(), POINTS), |(k, i)| of[k][i]);
        (rows(filtered), rows(smoothed), log_evidence)
    }
}

fn grid() -> Array1<f64> {
    Array1::linspace(-END, END, POINTS)
}

/// Functions whose expectations are compared: moments, the share of the right well, and the mass near the middle.
const FUNCTIONS: [fn(f64) -> f64; 4] =
    [|x| x, |x| x * x, |x| if x > 0.0 { 1.0 } else { 0.0 }, |x| (-8.0 * x * x).exp()];

/// E[f] of a density on the grid; the point 0 belongs to the right half with one half.
fn expectations(p: ndarray::ArrayView1<f64>) -> Vec<f64> {
    let (grid, width) = (grid(), 2.0 * END / (POINTS as f64 - 1.0));
    let mean = |f: fn(f64) -> f64| {
        let at = |x: f64| if x.abs() < 1e-9 { 0.5 * (f(1e-9) + f(-1e-9)) } else { f(x) };
        p.iter().zip(&grid).map(|(p, x)| p * at(*x) * width).sum::<f64>()
    };
    FUNCTIONS.into_iter().map(mean).collect()
}

fn sample(ensemble: &Array2<f64>, weights: Option<&Array1<f64>>) -> Vec<f64> {
    let equal = Array1::from_elem(ensemble.nrows(), 1.0 / ensemble.nrows() as f64);
    let weights = weights.unwrap_or(&equal);
    FUNCTIONS.into_iter().map(|f| weights.dot(&ensemble.column(0).mapv(f))).collect()
}

/// Means over replicates against the exact expectations, within 4.5 standard errors (own or pooled per function,
/// whichever is larger) and the bias of order 1/N of self-normalised averages.
fn agrees(what: &str, statistics: &[Vec<Vec<f64>>], exact: &[Vec<f64>], members: usize) {
    let replicates = statistics.len() as f64;
    let mut worst = 0.0f64;
    for f in 0..FUNCTIONS.len() {
        let moments = |k: usize| {
            let x: Array1<f64> = statistics.iter().map(|replicate| replicate[k][f]).collect();
            (x.sum() / replicates, x.var(1.0))
        };
        let pooled = (0..exact.len()).map(|k| moments(k).1).sum::<f64>() / exact.len() as f64;
        for (k, exact) in exact.iter().enumerate() {
            let (mean, own) = moments(k);
            let error = (own.max(pooled) / replicates).sqrt();
            worst = worst.max(((mean - exact[f]).abs() - 6.0 / members as f64).max(0.0) / error);
        }
        // an estimate of an expectation of a function within [-1, 1] or so has a variance of few / N
        assert!(pooled * (members as f64) < 12.0, "{what}: {}", pooled * members as f64);
    }
    println!("{what}: {worst:.2} standard errors at worst");
    assert!(worst < 4.5, "{what}: {worst}");
}

#[test]
fn the_grid_is_fine_enough() {
    // its own posterior on every second point
    let problem = Problem::new();
    let (filtered, smoothed, _) = problem.quadrature();
    for p in filtered.outer_iter().chain(smoothed.outer_iter()) {
        let width = 2.0 * END / (POINTS as f64 - 1.0);
        assert!((p.sum() * width - 1.0).abs() < 1e-12);
        let coarse: f64 = p.iter().step_by(2).sum::<f64>() * 2.0 * width;
        assert!((coarse - 1.0).abs() < 2e-3, "the kink of |x| at 0 alone makes a difference: {coarse}");
        assert!(p[0] < 1e-10 && p[POINTS - 1] < 1e-10);
    }
    // both wells are open at first, so the test is one of a posterior with two modes
    assert!(expectations(smoothed.row(1))[2] > 0.2 && expectations(smoothed.row(1))[2] < 0.98);
}

#[test]
fn the_bootstrap_filter_and_backward_simulation_draw_the_posteriors_of_the_grid() {
    let problem = Problem::new();
    let (filtered, smoothed, log_evidence) = problem.quadrature();
    let exact = |p: &Array2<f64>| p.outer_iter().map(expectations).collect::<Vec<_>>();
    let (members, replicates) = (1500, 12);
    let prior = Prior::Gaussian { mean: array![0.2], covariance: array![[0.25]] };
    let (mut filter, mut smoother, mut z) = (Vec::new(), Vec::new(), Vec::new());
    for replicate in 0..replicates {
        let key = Key::new(31, Domain::Method).case(replicate);
        let given = [("members", Value::Int(members)), ("draws", Value::Int(members))];
        let mut run = method("ffbsi", &given);
        run.start(&prior, 0, key).unwrap();
        let (mut rows, mut log_z) = (Vec::new(), 0.0);
        for (cycle, y) in problem.observations.iter().enumerate() {
            let values = array![*y];
            let outcome = run.step(&*problem.model, &problem.observed(cycle, &values), key).unwrap();
            rows.push(sample(&outcome.ensemble, outcome.weights.as_ref()));
            log_z += outcome.diagnostics.get("log_evidence").unwrap_or(&0.0);
        }
        filter.push(rows);
        z.push((log_z - log_evidence).exp());
        let paths = run.finish(&*problem.model, None, key).unwrap();
        smoother.push(paths.iter().map(|s| sample(&s.ensemble, s.weights.as_ref())).collect());
    }
    agrees("filter", &filter, &exact(&filtered), members as usize);
    agrees("smoother", &smoother, &exact(&smoothed), members as usize);
    let z = Array1::from_vec(z);
    let error = (z.var(1.0) / replicates as f64).sqrt();
    println!("Z / quadrature {:.4} +- {error:.4}", z.mean().unwrap());
    assert!((z.mean().unwrap() - 1.0).abs() < 4.5 * error);
}
