//! How far the posterior of a method is from the exact one.

use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::Outcome;
use scorecast_assimilation::ensemble::{covariance, weighted_mean};
use scorecast_systems::{Domain, Key};

use super::exact::{Cumulative, Exact, select};

/// The intervals whose coverage is told.
pub const INTERVALS: [f64; 3] = [0.5, 0.9, 0.95];

/// Draws by which an energy distance is estimated, at most.
const DRAWS: usize = 1000;

/// One posterior.
pub struct Score {
    /// Of each component how far its mean is off, in exact standard deviations.
    pub gaps: Array1<f64>,
    /// Of each component the standard deviation over the exact one.
    pub ratios: Array1<f64>,
    /// How much the exact posterior has of the central intervals of the members, a mean over the components.
    pub coverage: [f64; 3],
    /// 2 E|X - Y| - E|X - X'| - E|Y - Y'| of as many members X as exact draws Y, components in exact standard deviations, less
    /// the same of two sets of exact draws.
    pub energy: f64,
    /// The effective size, as a share of the members; NaN where the method tells none.
    pub effective: f64,
    /// Evaluations of the denoiser and vector-Jacobian products; NaN where the method tells none.
    pub evaluations: f64,
    pub products: f64,
}

impl Score {
    /// Of an outcome; `case` numbers the exact draws.
    pub fn of(outcome: &Outcome, exact: &Exact, case: u64) -> Self {
        let (members, weights) = outcome.posterior();
        let variance = covariance_diagonal(members, weights);
        let gaps = (weighted_mean(members.view(), weights) - &exact.mean) / &exact.sd;
        let told = |name: &str| outcome.diagnostics.get(name).copied().unwrap_or(f64::NAN);
        Self {
            gaps,
            ratios: variance.mapv(f64::sqrt) / &exact.sd,
            coverage: coverage(members, weights, exact),
            energy: energy(members, weights, exact, case),
            effective: told("ess") / members.nrows() as f64,
            evaluations: told("evaluations"),
            products: told("vector_jacobian_products"),
        }
    }
}

fn covariance_diagonal(members: &Array2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    let of = |column: ndarray::ArrayView1<f64>| covariance(column.insert_axis(Axis(1)), weights)[(0, 0)];
    members.axis_iter(Axis(1)).map(of).collect()
}

fn coverage(members: &Array2<f64>, weights: Option<&Array1<f64>>, exact: &Exact) -> [f64; 3] {
    let mut out = [0.0; 3];
    for (component, column) in members.axis_iter(Axis(1)).enumerate() {
        let law = Cumulative::new(column, weights);
        for (out, level) in out.iter_mut().zip(INTERVALS) {
            let ends = [0.5 - 0.5 * level, 0.5 + 0.5 * level].map(|share| exact.below(component, law.quantile(share)));
            *out += (ends[1] - ends[0]) / members.ncols() as f64;
        }
    }
    out
}

fn energy(members: &Array2<f64>, weights: Option<&Array1<f64>>, exact: &Exact, case: u64) -> f64 {
    let key = Key::new(70, Domain::Score).case(case);
    let count = members.nrows().min(DRAWS);
    let scaled = |x: Array2<f64>| ((x - &exact.mean) / &exact.sd).as_standard_layout().into_owned();
    let x = scaled(select(members, weights, count, key.at(1)));
    let [y, other] = [2, 3].map(|at| scaled(exact.draws(count, key.at(at))));
    let of = |x: &Array2<f64>| 2.0 * distance(x, &y) - distance(x, x);
    of(&x) - of(&other)
}

/// The mean distance of the rows of two sets.
fn distance(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    let of = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    let rows = |x: &Array2<f64>| x.outer_iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    let y = rows(y);
    let sum: f64 = rows(x).iter().map(|a| y.iter().map(|b| of(a, b)).sum::<f64>()).sum();
    sum / (x.nrows() * y.len()) as f64
}
