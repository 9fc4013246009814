//! 4D-Var: the normal equations with B and the sets of each window.

use ndarray::{Array1, Array2};
use scorecast_systems::Value;

use super::{CYCLES, WINDOWS, given, largest, problems, run, stacked, window};
use crate::common::{LinearProblem, method};

/// The map from one set to the next, x -> M x + b.
fn leg(problem: &LinearProblem) -> (Array2<f64>, Array1<f64>) {
    let dim = problem.mean.len();
    let law = &problem.law;
    let one = |(m, b): (Array2<f64>, Array1<f64>), _| (law.matrix.dot(&m), law.matrix.dot(&b) + &law.offset);
    (0..problem.every).fold((Array2::eye(dim), Array1::zeros(dim)), one)
}

/// 4D-Var against the normal equations with B and all the sets that are used together, window after window; with shift =
/// lag the first window's posterior is that of Kalman's smoother. Round-off, and 1e-12 as the tolerance of the iteration.
#[test]
fn four_d_var_is_the_dense_minimum_of_all_sets_of_a_window() {
    let mut worst: f64 = 0.0;
    for problem in problems() {
        let b = &problem.covariance * 0.4;
        let step = leg(&problem);
        for (lag, shift) in WINDOWS {
            let settings = window(
                lag,
                shift,
                &[
                    ("scale", Value::Float(0.4)),
                    ("tolerance", Value::Float(1e-12)),
                    ("iterations", Value::Int(100)),
                    ("members", Value::Int(3)),
                ],
            );
            let what = format!("dimension {}, lag {lag}, shift {shift}", problem.mean.len());
            let (outcomes, smoothed) = run(&mut *method("four_d_var", &settings), &problem, &problem.prior());
            let on =
                |(mean, p): &(Array1<f64>, Array2<f64>)| (step.0.dot(mean) + &step.1, step.0.dot(p).dot(&step.0.t()));
            // x and P at the start, which is `from` sets after the prior
            let (mut state, mut from) = ((problem.mean.clone(), b.clone()), 0);
            let (mut exact, mut used) = (Vec::new(), 0);
            let mut near = |found: &(Array1<f64>, Array2<f64>), exact: &(Array1<f64>, Array2<f64>), what: &str| {
                let error = largest(&(&found.0 - &exact.0)).max(largest(&(&found.1 - &exact.1)));
                assert!(error < 1e-9, "{what}: {error:.1e}");
                worst = worst.max(error);
            };
            for (cycle, outcome) in outcomes.iter().enumerate() {
                let set = cycle + 1;
                let forward =
                    |state: &(Array1<f64>, Array2<f64>)| (from..set).fold(state.clone(), |state, _| on(&state));
                let due = set % shift == 0 || set == CYCLES;
                if set % shift != 0 {
                    assert!(outcome.ensemble == outcome.forecast);
                    near(outcome.gaussian.as_ref().unwrap(), &forward(&state), &format!("{what}, waiting {set}"));
                }
                if due {
                    let which: Vec<usize> = (used + 1..=set).collect();
                    if !stacked(&problem, &which, from).0.is_empty() {
                        state = given(&problem, &state.0, &b, &which, from);
                    }
                    used = set;
                }
                if set % shift == 0 {
                    near(outcome.gaussian.as_ref().unwrap(), &forward(&state), &format!("{what}, set {set}"));
                    for _ in 0..(set - from + shift).saturating_sub(lag) {
                        exact.extend((from > 0).then(|| state.clone()));
                        state = on(&state);
                        from += 1;
                    }
                }
            }
            while exact.len() < CYCLES {
                exact.extend((from > 0).then(|| state.clone()));
                state = on(&state);
                from += 1;
            }
            for (found, exact) in smoothed.iter().zip(&exact) {
                near(found.gaussian.as_ref().unwrap(), exact, &format!("{what}, smoothed step {}", found.step));
            }
        }
    }
    println!("largest error {worst:.1e}");
}
