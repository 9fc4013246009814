//! With noise in the forecaster: the ensemble Kalman smoother, and the posterior of the path with many members.

use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::ObservationOperator;
use scorecast_assimilation::ensemble::anomalies;
use scorecast_assimilation::linalg::symmetric_sqrt;
use scorecast_systems::Value;

use super::{CYCLES, KEY, inverse, largest};
use crate::common::{LinearProblem, method};

/// With noise: the members of `etkf` at the present, and at earlier times what explicit transforms of the members make of
/// them, T = (I + Z Z^T)^-1/2 of each later set in the window.
#[test]
fn where_the_forecaster_has_noise_it_is_the_ensemble_kalman_smoother() {
    let problem = LinearProblem::two(CYCLES);
    let members = 14;
    for lag in [1usize, 2, 4, 20] {
        for (mda, rotate) in [(false, false), (true, false), (false, true)] {
            let given = [("members", Value::Int(members as i64)), ("rotate", Value::Bool(rotate))];
            let etkf = problem.run(&mut *method("etkf", &given), KEY);
            let more = [("lag", Value::Int(lag as i64)), ("mda", Value::Bool(mda))];
            let mut filter = method("ienks", &[&given[..], &more].concat());
            let found = problem.run(&mut *filter, KEY);
            let mut smoothed = Vec::new();
            for (a, b) in found.iter().zip(&etkf) {
                assert!(largest(&(&a.ensemble - &b.ensemble)) < 1e-9 && largest(&(&a.forecast - &b.forecast)) < 1e-9);
                smoothed.extend(a.smoothed.clone());
            }
            smoothed.extend(filter.finish(&problem.model, None, KEY).unwrap());
            assert_eq!(smoothed.len(), CYCLES);
            if rotate {
                continue;
            }
            let h = problem.operator.matrix().unwrap();
            for (at, posterior) in smoothed.iter().enumerate() {
                let mut x = etkf[at].ensemble.clone();
                for (later, filtered) in etkf.iter().enumerate().take(at + lag + 1).skip(at + 1) {
                    let y = problem.observations.row(later);
                    let present: Vec<usize> = (0..2).filter(|&i| !y[i].is_nan()).collect();
                    if present.is_empty() {
                        continue;
                    }
                    let (centre, a) = anomalies(filtered.forecast.view(), None);
                    let h = h.select(Axis(0), &present);
                    let sd = problem.operator.error().variance().select(Axis(0), &present).mapv(f64::sqrt);
                    let z = a.dot(&h.t()) / &sd / (members as f64 - 1.0).sqrt();
                    let d = (y.select(Axis(0), &present) - h.dot(&centre)) / &sd;
                    let p = inverse(&(Array2::<f64>::eye(members) + z.dot(&z.t())));
                    let (mean, a) = anomalies(x.view(), None);
                    let w = p.dot(&z.dot(&d)) / (members as f64 - 1.0).sqrt();
                    x = symmetric_sqrt(p.view()).unwrap().dot(&a) + &(mean + w.dot(&a));
                }
                let error = largest(&(&posterior.ensemble - &x));
                assert!(error < 1e-9, "lag {lag}, mda {mda}, set {}: {error:.1e}", at + 1);
            }
        }
    }
}

/// The smoother of many members against the exact posterior of a noisy problem: Kalman's filter over the whole path.
#[test]
fn with_noise_and_many_members_the_smoother_is_the_posterior_of_the_path() {
    let problem = LinearProblem::three(CYCLES);
    let (dim, members, replicates) = (3, 300, 20u64);
    // the joint Gaussian of all states, updated by all sets: dense
    let all = dim * (CYCLES + 1);
    let mut mean = Array1::<f64>::zeros(all);
    let mut p = Array2::<f64>::zeros((all, all));
    mean.slice_mut(ndarray::s![..dim]).assign(&problem.mean);
    p.slice_mut(ndarray::s![..dim, ..dim]).assign(&problem.covariance);
    for k in 0..CYCLES {
        let (from, to) = (k * dim, (k + 1) * dim);
        let next = problem.law.matrix.dot(&mean.slice(ndarray::s![from..to])) + &problem.law.offset;
        mean.slice_mut(ndarray::s![to..to + dim]).assign(&next);
        let cross = problem.law.matrix.dot(&p.slice(ndarray::s![from..to, ..to]));
        let own = problem.law.matrix.dot(&p.slice(ndarray::s![from..to, from..to])).dot(&problem.law.matrix.t());
        p.slice_mut(ndarray::s![to..to + dim, ..to]).assign(&cross);
        p.slice_mut(ndarray::s![..to, to..to + dim]).assign(&cross.t());
        p.slice_mut(ndarray::s![to..to + dim, to..to + dim]).assign(&(own + &problem.law.covariance));
    }
    let h = problem.operator.matrix().unwrap();
    for set in 0..CYCLES {
        for (i, y) in problem.observations.row(set).iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let mut row = Array1::zeros(all);
            row.slice_mut(ndarray::s![(set + 1) * dim..(set + 2) * dim]).assign(&h.row(i));
            let ph = p.dot(&row);
            let s = row.dot(&ph) + problem.operator.error().variance()[i];
            let d = y - row.dot(&mean);
            mean.scaled_add(d / s, &ph);
            p = Array2::from_shape_fn(p.raw_dim(), |(a, b)| p[(a, b)] - ph[a] * ph[b] / s);
        }
    }
    let mut sums = vec![Array1::<f64>::zeros(dim); 2 * CYCLES];
    let given = [("members", Value::Int(members)), ("lag", Value::Int(100))];
    for replicate in 0..replicates {
        let key = KEY.case(replicate);
        let mut filter = method("ienks", &given);
        problem.run(&mut *filter, key);
        for (set, posterior) in filter.finish(&problem.model, None, key).unwrap().iter().enumerate() {
            sums[2 * set] += &posterior.mean();
            sums[2 * set + 1] += &posterior.variance();
        }
    }
    // 4.5 standard errors of 6,000 independent members, sd / sqrt(6,000) and a variance times sqrt(2 / 6,000), and for
    // variances a bias of order 1 / 300 of the sample gain
    let total = (members as f64) * replicates as f64;
    let mut worst: [f64; 2] = [0.0; 2];
    for set in 0..CYCLES {
        for (i, mean_sum) in sums[2 * set].iter().enumerate() {
            let at = (set + 1) * dim + i;
            let variance = p[(at, at)];
            let (m, v) = (mean_sum / replicates as f64, sums[2 * set + 1][i] / replicates as f64);
            let means = ((m - mean[at]) / (variance / total).sqrt()).abs();
            let variances = ((v / variance - 1.0).abs() - 4.0 / members as f64).max(0.0) / (2.0 / total).sqrt();
            worst = [worst[0].max(means), worst[1].max(variances)];
            assert!(means < 4.5 && variances < 4.5, "set {}, component {i}: {means:.1}, {variances:.1}", set + 1);
        }
    }
    println!(
        "largest errors in standard errors of independent members: mean {:.1}, variance {:.1}",
        worst[0], worst[1]
    );
}
