//! What several test files share.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub mod derived;
pub mod statistics;

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::catalogue::{SYSTEMS, build};
use scorecast_systems::{Domain, Key, LANES, Sde, Settings, Stepping, System, Value};

fn given(settings: &[(&str, Value)]) -> BTreeMap<String, Value> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

pub fn system(name: &str, settings: &[(&str, Value)]) -> Arc<dyn System> {
    build(name, &given(settings)).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"))
}

/// The checked settings of a system, for constructors of the concrete type.
pub fn settings(name: &str, settings: &[(&str, Value)]) -> Settings {
    let entry = SYSTEMS.iter().find(|entry| entry.name == name).unwrap();
    Settings::check(&format!("system `{name}`"), entry.params, &given(settings)).unwrap()
}

pub fn stepping(integrator: &str, dt: f64, substeps: usize) -> Stepping {
    Stepping { dt, substeps, integrator: integrator.to_owned() }
}

/// `members` copies of one state.
pub fn copies(state: &Array1<f64>, members: usize) -> Array2<f64> {
    let mut x = Array2::zeros((members, state.len()));
    x.assign(state);
    x
}

/// Mean and covariance of the rows.
pub fn moments(x: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let mean = x.mean_axis(Axis(0)).unwrap();
    let centred = x - &mean;
    (mean, centred.t().dot(&centred) / (x.nrows() - 1) as f64)
}

/// Asserts that N draws have this mean and covariance: five standard errors of each Gaussian sample moment,
/// sqrt(C_ii / N) and sqrt((C_ij^2 + C_ii C_jj) / N).
pub fn assert_gaussian_moments(x: &Array2<f64>, mean: &Array1<f64>, covariance: &Array2<f64>, what: &str) {
    let n = x.nrows() as f64;
    let (found_mean, found) = moments(x);
    for i in 0..mean.len() {
        let se = (covariance[[i, i]] / n).sqrt();
        assert!((found_mean[i] - mean[i]).abs() <= 5.0 * se + 1e-12, "{what}: mean {i}: {found_mean} {mean}");
        for j in 0..mean.len() {
            let c = covariance[[i, j]];
            let se = ((c * c + covariance[[i, i]] * covariance[[j, j]]) / n).sqrt();
            assert!((found[[i, j]] - c).abs() <= 5.0 * se + 1e-12, "{what}: {i} {j}: {} for {c}", found[[i, j]]);
        }
    }
}

/// Mean and standard error of independent numbers.
pub fn mean_and_se(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// The drift at [`LANES`] states, row by row.
pub fn tendency(sde: &dyn Sde, states: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = sde.dim();
    let x: Vec<_> = (0..n).map(|i| std::array::from_fn(|lane| states[lane][i])).collect();
    let mut out = vec![[0.0; LANES]; n];
    sde.drift_block(0.0, &x, &mut out);
    (0..LANES).map(|lane| out.iter().map(|cell| cell[lane]).collect()).collect()
}

/// [`LANES`] states of independent normals of this sd.
pub fn random_states(n: usize, sd: f64) -> Vec<Vec<f64>> {
    let draws = Key::new(2, Domain::Score).normals(LANES, n) * sd;
    draws.outer_iter().map(|row| row.to_vec()).collect()
}
