//! The iterative smoother: Kalman's equations of the members' own moments.

use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::Prior;
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::problem::draw_prior;
use scorecast_systems::Value;

use super::{CYCLES, KEY, WINDOWS, given, largest, problems, run, window};
use crate::common::{LinearProblem, method, word};

/// The map from the prior's time to each set, x -> M x + b, the first that of the prior itself.
fn maps(problem: &LinearProblem) -> Vec<(Array2<f64>, Array1<f64>)> {
    let dim = problem.mean.len();
    let mut out = vec![(Array2::eye(dim), Array1::zeros(dim))];
    for set in 0..problem.observations.nrows() {
        let (mut m, mut b) = out[set].clone();
        for _ in 0..problem.every {
            m = problem.law.matrix.dot(&m);
            b = problem.law.matrix.dot(&b) + &problem.law.offset;
        }
        out.push((m, b));
    }
    out
}

/// The number of sets, of all `CYCLES`, that are known when each set's smoothed state is given.
fn known(lag: usize, shift: usize) -> Vec<usize> {
    // set i leaves with the first analysis, of sets up to c, after which fewer than lag - shift + 1 are newer
    let last = |i: usize| (1..=CYCLES).find(|c| c.is_multiple_of(shift) && i + lag < c + shift);
    (1..=CYCLES).map(|i| last(i).unwrap_or(CYCLES)).collect()
}

/// Where all is linear, mean and covariance of members are at every time those that Kalman's equations give of the draws'
/// own moments and the same sets: of the filter where sets do not wait, of the smoother at all times. The bound is that of
/// round-off through eleven sets, and for a bundle that of its difference quotient, which loses four digits.
#[test]
fn ienks_is_the_posterior_of_the_ensembles_own_moments_given_the_same_sets() {
    let mut worst: f64 = 0.0;
    for problem in problems() {
        let dim = problem.mean.len();
        let members = if dim == 40 { 15 } else { 9 };
        let draws = draw_prior(&problem.prior(), members, KEY).unwrap();
        let (mean, p) = (draws.mean_axis(Axis(0)).unwrap(), covariance(draws.view(), None));
        let maps = maps(&problem);
        let exact = |at: usize, sets: usize| {
            let (m, c) = given(&problem, &mean, &p, &(1..=sets).collect::<Vec<_>>(), 0);
            (maps[at].0.dot(&m) + &maps[at].1, maps[at].0.dot(&c).dot(&maps[at].0.t()))
        };
        for (lag, shift) in WINDOWS {
            for (mda, rotate, linearization, iterations) in [
                (false, false, "transform", 1),
                (false, true, "transform", 10),
                (false, false, "bundle", 1),
                (true, false, "transform", 1),
                (true, true, "transform", 10),
            ] {
                let settings = window(
                    lag,
                    shift,
                    &[
                        ("members", Value::Int(members as i64)),
                        ("iterations", Value::Int(iterations)),
                        ("mda", Value::Bool(mda)),
                        ("rotate", Value::Bool(rotate)),
                        ("linearization", word(linearization)),
                    ],
                );
                let bound = if linearization == "bundle" { 1e-6 } else { 1e-9 };
                let what = format!("dimension {dim}, {settings:?}");
                let near = |found: &Array2<f64>, (mean, p): (Array1<f64>, Array2<f64>)| {
                    let m = found.mean_axis(Axis(0)).unwrap();
                    largest(&(m - mean)).max(largest(&(covariance(found.view(), None) - p)))
                };
                let (outcomes, smoothed) =
                    run(&mut *method("ienks", &settings), &problem, &Prior::Ensemble(draws.clone()));
                for (cycle, outcome) in outcomes.iter().enumerate() {
                    let used = (cycle + 1) / shift * shift;
                    let waits = used != cycle + 1;
                    assert!(!waits || outcome.ensemble == outcome.forecast, "{what}, set {}", cycle + 1);
                    let error = near(&outcome.ensemble, exact(cycle + 1, used));
                    assert!(error < bound, "{what}, set {}: {error:.1e}", cycle + 1);
                }
                for ((at, posterior), sets) in smoothed.iter().enumerate().zip(known(lag, shift)) {
                    let error = near(&posterior.ensemble, exact(at + 1, sets));
                    assert!(error < bound, "{what}, smoothed set {}: {error:.1e}", at + 1);
                    worst = worst.max(if linearization == "bundle" { 0.0 } else { error });
                }
            }
        }
    }
    println!("largest error of the transform form {worst:.1e}");
}
