//! Where all is linear, one step is the transform filter, and filter and smoother are the posteriors of the ensemble's own
//! moments.

use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::problem::draw_prior;
use scorecast_assimilation::{ObservationOperator, Smoothed};
use scorecast_systems::{LinearGaussian, Value};

use super::{CYCLES, KEY, inverse, largest, off};
use crate::common::{LinearProblem, method, word};

/// Three components without noise, two of them observed each second lead step; one value and one set are missing.
pub fn linear() -> LinearProblem {
    let law = LinearGaussian {
        matrix: array![[0.98, 0.2, 0.0], [-0.2, 0.97, 0.1], [0.1, 0.0, 1.01]],
        offset: array![0.1, 0.0, -0.1],
        covariance: Array2::zeros((3, 3)),
    };
    let h = array![[1.0, 0.0, 0.3], [0.0, 0.2, 1.0]];
    LinearProblem::new(law, array![[1.0, 0.3, 0.0], [0.3, 0.8, 0.2], [0.0, 0.2, 1.2]], h, &[0.5, 0.9], 2, CYCLES)
}

/// Mean and covariance of x at set `at` (0 is the prior's time) given the first `given` sets, of the moments of the draws:
/// the law of x_0 by its information, carried by the powers of the matrix.
fn dense(problem: &LinearProblem, draws: &Array2<f64>, at: usize, given: usize) -> (Array1<f64>, Array2<f64>) {
    let h = problem.operator.matrix().unwrap();
    let (mut m, mut offset) = (Array2::<f64>::eye(3), Array1::<f64>::zeros(3));
    let mean = draws.mean_axis(Axis(0)).unwrap();
    let mut information = inverse(&covariance(draws.view(), None));
    let mut forcing = information.dot(&mean);
    let (mut to, mut shift) = (m.clone(), offset.clone());
    for set in 1..=given.max(at) {
        for _ in 0..problem.every {
            m = problem.law.matrix.dot(&m);
            offset = problem.law.matrix.dot(&offset) + &problem.law.offset;
        }
        if set == at {
            (to, shift) = (m.clone(), offset.clone());
        }
        for (i, y) in problem.observations.row(set - 1).iter().enumerate().filter(|(_, y)| set <= given && !y.is_nan())
        {
            let g: Array1<f64> = h.row(i).dot(&m);
            let r = problem.operator.error().variance()[i];
            forcing.scaled_add((y - h.row(i).dot(&offset)) / r, &g);
            information += &(g.view().insert_axis(Axis(1)).dot(&g.view().insert_axis(Axis(0))) / r);
        }
    }
    let p = inverse(&information);
    (to.dot(&p.dot(&forcing)) + shift, to.dot(&p).dot(&to.t()))
}

fn ints(given: &[(&'static str, i64)]) -> Vec<(&'static str, Value)> {
    given.iter().map(|(key, value)| (*key, Value::Int(*value))).collect()
}

#[test]
fn where_all_is_linear_one_step_of_lag_one_is_the_transform_filter() {
    let problem = linear();
    let etkf = problem.run(&mut *method("etkf", &ints(&[("members", 12)])), KEY);
    let found = problem.run(&mut *method("ienks", &ints(&[("members", 12), ("iterations", 1)])), KEY);
    for (a, b) in found.iter().zip(&etkf) {
        // member by member, since both roots are the symmetric one
        assert!(largest(&(&a.ensemble - &b.ensemble)) < 1e-9 && largest(&(&a.forecast - &b.forecast)) < 1e-9);
    }
}

#[test]
fn where_all_is_linear_filter_and_smoother_are_the_posteriors_of_the_ensembles_own_moments() {
    let problem = linear();
    let draws = draw_prior(&problem.prior(), 12, KEY).unwrap();
    let mut worst: f64 = 0.0;
    for lag in [1, 2, 3, 5, 20] {
        for (mda, rotate, linearization, iterations) in [
            (false, false, "transform", 1),
            (false, true, "transform", 10),
            (false, false, "bundle", 1),
            (true, false, "transform", 1),
            (true, true, "transform", 10),
            (true, false, "bundle", 10),
        ] {
            let given = [
                ints(&[("members", 12), ("lag", lag as i64), ("iterations", iterations)]),
                vec![
                    ("mda", Value::Bool(mda)),
                    ("rotate", Value::Bool(rotate)),
                    ("linearization", word(linearization)),
                ],
            ]
            .concat();
            let mut filter = method("ienks", &given);
            let outcomes = problem.run(&mut *filter, KEY);
            let mut smoothed: Vec<Smoothed> = Vec::new();
            // the difference quotient of a bundle loses four digits
            let bound = if linearization == "bundle" { 1e-6 } else { 1e-9 };
            for (cycle, outcome) in outcomes.into_iter().enumerate() {
                let error = off(outcome.mean(), &outcome.ensemble, &dense(&problem, &draws, cycle + 1, cycle + 1));
                assert!(error < bound, "{given:?}, set {}: {error:.1e}", cycle + 1);
                worst = worst.max(if linearization == "bundle" { 0.0 } else { error });
                smoothed.extend(outcome.smoothed);
            }
            smoothed.extend(filter.finish(&problem.model, None, KEY).unwrap());
            assert_eq!(smoothed.len(), CYCLES);
            for (cycle, posterior) in smoothed.iter().enumerate() {
                let exact = dense(&problem, &draws, cycle + 1, (cycle + 1 + lag).min(CYCLES));
                let error = off(posterior.mean(), &posterior.ensemble, &exact);
                assert!(
                    posterior.step == 2 * (cycle + 1) && error < bound,
                    "{given:?}, set {}: {error:.1e}",
                    cycle + 1
                );
                worst = worst.max(if linearization == "bundle" { 0.0 } else { error });
            }
        }
    }
    println!("largest error of the transform form {worst:.1e}");
}
