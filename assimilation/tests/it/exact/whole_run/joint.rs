//! The law of all states given all observations, by one dense solve, and replicates of a smoother held against it.

use ndarray::{Array1, Array2, Axis, s};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::{ObservationOperator, Smoothed};
use scorecast_systems::{Domain, Key, Value};

use super::run;
use crate::common::{LinearProblem, method};

/// The law of all states x_0, x_1, ... given all observations, by one dense solve: mean `[time * component]` and
/// covariance. Nothing of it is recursive but the prior's moments, Cov[x_j, x_k] = A^(j - k) Var[x_k] for j >= k.
fn joint(problem: &LinearProblem) -> (Array1<f64>, Array2<f64>) {
    let (a, n) = (&problem.law.matrix, problem.mean.len());
    let steps = problem.observations.nrows() * problem.every + 1;
    let (mut mean, mut p) = (Array1::zeros(steps * n), Array2::zeros((steps * n, steps * n)));
    let (mut m, mut var) = (problem.mean.clone(), problem.covariance.clone());
    for k in 0..steps {
        mean.slice_mut(s![k * n..(k + 1) * n]).assign(&m);
        let mut cross = var.clone();
        for j in k..steps {
            p.slice_mut(s![j * n..(j + 1) * n, k * n..(k + 1) * n]).assign(&cross);
            p.slice_mut(s![k * n..(k + 1) * n, j * n..(j + 1) * n]).assign(&cross.t());
            cross = a.dot(&cross);
        }
        m = a.dot(&m) + &problem.law.offset;
        var = a.dot(&var).dot(&a.t()) + &problem.law.covariance;
    }
    let (operator, error) = (problem.operator.matrix().unwrap(), problem.operator.error());
    let mut rows: Vec<(Array1<f64>, f64, f64)> = Vec::new();
    for (cycle, values) in problem.observations.outer_iter().enumerate() {
        let at = (cycle + 1) * problem.every * n;
        for (i, y) in values.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let mut row = Array1::zeros(steps * n);
            row.slice_mut(s![at..at + n]).assign(&operator.row(i));
            rows.push((row, *y, error.variance()[i]));
        }
    }
    let h = Array2::from_shape_fn((rows.len(), steps * n), |(i, j)| rows[i].0[j]);
    let d = rows.iter().map(|(row, y, _)| y - row.dot(&mean)).collect::<Array1<f64>>();
    let r = rows.iter().map(|(_, _, r)| *r).collect::<Array1<f64>>();
    let hp = h.dot(&p);
    let s = Cholesky::new((hp.dot(&h.t()) + Array2::from_diag(&r)).view()).unwrap();
    let mut solved = hp.clone();
    s.solve_in_place(&mut solved);
    (mean + hp.t().dot(&s.solve(&d)), p - hp.t().dot(&solved))
}

/// Mean and covariance of the state at the time of each set of observations.
pub fn exact(problem: &LinearProblem) -> Vec<(Array1<f64>, Array2<f64>)> {
    let ((mean, p), n) = (joint(problem), problem.mean.len());
    let at = |cycle: usize| (cycle + 1) * problem.every * n;
    let times = (0..problem.observations.nrows()).map(|cycle| at(cycle)..at(cycle) + n);
    times.map(|t| (mean.slice(s![t.clone()]).to_owned(), p.slice(s![t.clone(), t]).to_owned())).collect()
}

/// Of each set of observations and the next: Cov[x_k, x_k+1 | all observations], `[component, component]`.
fn lag_one(problem: &LinearProblem) -> Vec<Array2<f64>> {
    let ((_, p), n) = (joint(problem), problem.mean.len());
    let at = |cycle: usize| (cycle + 1) * problem.every * n;
    let pair = |cycle: usize| p.slice(s![at(cycle)..at(cycle) + n, at(cycle + 1)..at(cycle + 1) + n]).to_owned();
    (0..problem.observations.nrows() - 1).map(pair).collect()
}

/// Cov[x_k, x_k+1] of members whose rows are paths.
fn sample_lag_one(first: &Smoothed, second: &Smoothed) -> Array2<f64> {
    let (a, b) = (&first.ensemble - &first.mean(), &second.ensemble - &second.mean());
    a.t().dot(&b) / (a.nrows() as f64 - 1.0)
}

/// Replicates that differ in their key only, held against the exact posterior: means in exact standard deviations,
/// variances relative to the exact ones, and covariances of neighbouring times in exact standard deviations. Each is within
/// 4.5 standard errors of its mean over the replicates (own or pooled over all times and components, whichever is larger)
/// plus a bias of order 1/N. So that wide errors cannot hide a fault, `size` times the pooled variance of one replicate's
/// means is held below `most`, and that of its covariances below 2 `most`; `size` independent draws would have 1 and up to
/// 2. The bias of covariances is at least the variance of the mean around which they are taken, so `most / size` it is.
pub fn agrees(problem: &LinearProblem, name: &str, given: &[(&str, Value)], replicates: u64, most: f64, size: f64) {
    let (exact, pairs, bias) = (exact(problem), lag_one(problem), most / size);
    let mut statistics: [Vec<Vec<f64>>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for replicate in 0..replicates {
        let key = Key::new(8, Domain::Method).case(replicate);
        let (_, smoothed) = run(problem, &mut *method(name, given), &problem.prior(), key);
        let mut rows = [Vec::new(), Vec::new(), Vec::new()];
        for (k, (found, (mean, p))) in smoothed.iter().zip(&exact).enumerate() {
            let sd = p.diag().mapv(f64::sqrt);
            rows[0].extend((found.mean() - mean) / &sd);
            rows[1].extend(found.variance() / p.diag() - 1.0);
            if let Some(next) = smoothed.get(k + 1) {
                let later = exact[k + 1].1.diag().mapv(f64::sqrt);
                let error = sample_lag_one(found, next) - &pairs[k];
                rows[2].extend(error.indexed_iter().map(|((i, j), e)| e / (sd[i] * later[j])));
            }
        }
        statistics.iter_mut().zip(rows).for_each(|(all, row)| all.push(row));
    }
    let found = statistics.map(|rows| {
        let rows = Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j]);
        let (mean, own) = (rows.mean_axis(Axis(0)).unwrap(), rows.var_axis(Axis(0), 1.0));
        let pooled = own.mean().unwrap();
        let z = |(m, v): (&f64, &f64)| (m.abs() - bias).max(0.0) / (v.max(pooled) / rows.nrows() as f64).sqrt();
        (mean.iter().zip(&own).map(z).fold(0.0, f64::max), pooled * size)
    });
    println!("{name}, {} components: (standard errors, spread) {found:.2?}", problem.mean.len());
    for ((z, spread), most) in found.into_iter().zip([most, 2.0 * most, 2.0 * most]) {
        assert!(z < 4.5 && spread < most, "{name} {given:?}: {found:?}");
    }
}
