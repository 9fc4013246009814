//! The local error-subspace filter against its formula written out at each component.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method};
use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::ensemble::anomalies;
use scorecast_assimilation::linalg::{Cholesky, symmetric_sqrt};
use scorecast_assimilation::localize::Taper;
use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{ObservationSet, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

#[test]
fn lestkf_is_nergers_formula_at_each_component() {
    let (n, radius) = (12, 1.4);
    let operator = Stride::new(n, 2, 0, &errors(&[0.5])).unwrap();
    let mut y: Array1<f64> = Key::new(3, Domain::Score).normals(1, n / 2).remove_axis(Axis(0));
    y[2] = f64::NAN;
    let still = LinearGaussian { matrix: Array2::eye(n), offset: Array1::zeros(n), covariance: Array2::zeros((n, n)) };
    let model = LinearForecaster::new(still).unwrap();
    for members in [3, 7, 20] {
        let x = Key::new(2, Domain::Score).normals(members, n);
        let (mean, a) = anomalies(x.view(), None);
        // the matrix of the source, entry by entry
        let size = members as f64;
        let omega = Array2::from_shape_fn((members, members - 1), |(i, j)| {
            if i == members - 1 {
                -1.0 / size.sqrt()
            } else {
                f64::from(u8::from(i == j)) - 1.0 / size / (1.0 / size.sqrt() + 1.0)
            }
        });
        let mut expected = x.clone();
        for point in 0..n {
            let distance = |i: usize| point.abs_diff(2 * i).min(n - point.abs_diff(2 * i)) as f64;
            let weight = |i: usize| if i == 2 { 0.0 } else { Taper::GaspariCohn.weight(distance(i), radius) };
            let near: Vec<usize> = (0..n / 2).filter(|&i| weight(i) > 0.0).collect();
            let h = Array2::from_shape_fn((members, near.len()), |(m, i)| a[(m, 2 * near[i])]);
            let hl = omega.t().dot(&h);
            let r = near.iter().map(|&i| weight(i) / 0.25).collect::<Array1<f64>>();
            let inverse_a = Array2::from_diag_elem(members - 1, size - 1.0) + (&hl * &r).dot(&hl.t());
            let mut a_matrix = Array2::eye(members - 1);
            Cholesky::new(inverse_a.view()).unwrap().solve_in_place(&mut a_matrix);
            let d = near.iter().map(|&i| y[i] - mean[2 * i]).collect::<Array1<f64>>();
            let weights = a_matrix.dot(&(&hl * &r).dot(&d));
            let c = symmetric_sqrt(a_matrix.view()).unwrap();
            let l = omega.t().dot(&a.column(point));
            let spread = (size - 1.0).sqrt() * omega.dot(&c.dot(&l));
            expected.column_mut(point).assign(&(spread + mean[point] + weights.dot(&l)));
        }
        let given = [("members", Value::Int(members as i64)), ("radius", Value::Float(radius))];
        let mut filter = method("lestkf", &given);
        let key = Key::new(4, Domain::Method);
        filter.start(&Prior::Ensemble(x), 2, key).unwrap();
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let found = filter.step(&model, &observed, key).unwrap().ensemble;
        assert!((found - expected).iter().all(|e| e.abs() < 1e-10), "{members} members");
    }
}

#[test]
fn estkf_goes_through_a_run_as_etkf_does() {
    let problem = LinearProblem::two(8);
    let given = [("members", Value::Int(9)), ("inflation", Value::Float(1.05)), ("rotate", Value::Bool(true))];
    let run = |name| problem.run(&mut *method(name, &given), Key::new(5, Domain::Method));
    for (a, b) in run("estkf").iter().zip(&run("etkf")) {
        assert!((&a.ensemble - &b.ensemble).iter().all(|e| e.abs() < 1e-9));
    }
}
