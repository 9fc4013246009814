//! `rts` is the joint Gaussian of all times, and the textbook's recursion where the forecaster is not linear.

use ndarray::{Array1, Array2, array};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::observe::{Arctan, CorrelatedError, NoiseLaw, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Stepping, Value};

use super::joint::exact;
use super::{CYCLES, noiseless, run};
use crate::common::{LinearProblem, Root, errors, method};

/// A ring of 40 components with correlated noise; every second one is observed, each third lead step.
fn forty(cycles: usize) -> LinearProblem {
    let n = 40;
    let near = |i: usize, j: usize| (i + n - j) % n;
    let matrix = Array2::from_shape_fn((n, n), |(i, j)| match near(i, j) {
        0 => 0.7,
        1 => 0.3,
        39 => -0.1,
        _ => 0.0,
    });
    let covariance = Array2::from_shape_fn((n, n), |(i, j)| 0.2 * 0.5f64.powi(near(i, j).min(near(j, i)) as i32));
    let law = LinearGaussian { matrix, offset: Array1::from_shape_fn(n, |i| 0.1 * (i as f64).sin()), covariance };
    let h = Array2::from_shape_fn((20, n), |(i, j)| if j == 2 * i { 1.0 } else { 0.0 });
    LinearProblem::new(law, Array2::eye(n), h, &[0.4], 3, cycles)
}

#[test]
fn rts_is_the_joint_gaussian_of_all_times() {
    let mut problems = vec![LinearProblem::one(CYCLES), LinearProblem::two(CYCLES), LinearProblem::three(CYCLES)];
    problems.extend([forty(CYCLES), noiseless(CYCLES)]);
    // a component that starts known and has no noise: the forecast covariance is singular
    let mut known = LinearProblem::two(CYCLES);
    known.law.matrix = array![[0.9, 0.3], [0.0, 0.8]];
    known.law.covariance = array![[0.3, 0.0], [0.0, 0.0]];
    let h = known.operator.matrix().unwrap();
    problems.push(LinearProblem::new(known.law, array![[1.0, 0.0], [0.0, 0.0]], h, &[0.6, 0.8], 1, CYCLES));
    for problem in problems {
        let key = Key::new(1, Domain::Method);
        let (outcomes, smoothed) = run(&problem, &mut *method("rts", &[]), &problem.prior(), key);
        let mut largest = 0.0f64;
        for (found, (mean, p)) in smoothed.iter().zip(exact(&problem)) {
            let (m, v) = found.gaussian.as_ref().unwrap();
            largest = (m - &mean).iter().chain((v - &p).iter()).fold(largest, |a, e| a.max(e.abs()));
        }
        println!("{} components: largest error {largest:.1e}", problem.mean.len());
        assert!(largest < 1e-9, "{largest:e}");
        // forward it is Kalman's filter, bit for bit
        for (ours, kalman) in outcomes.iter().zip(problem.run(&mut *method("kalman", &[]), key)) {
            assert_eq!(ours.gaussian, kalman.gaussian);
            assert_eq!(ours.diagnostics, kalman.diagnostics);
        }
    }
}

/// The textbook's recursion from the moments that the smoother's own filter gives: G = P F^T P'^-1,
/// m_s = m + G (m'_s - m'), P_s = P + G (P'_s - P') G^T, with F of the nonlinear forecaster by finite differences.
#[test]
fn extended_rts_is_the_recursion_of_rauch_tung_and_striebel() {
    let stepping = Stepping { dt: 0.1, substeps: 1, integrator: "euler_maruyama".to_owned() };
    let model =
        build("double_well", &[("dim".to_owned(), Value::Int(2))].into()).unwrap().forecaster(&stepping).unwrap();
    // correlated errors, of which one or both are missing at times
    let correlated = |_| {
        let r = CorrelatedError::new(array![[0.09, 0.04], [0.04, 0.09]])?;
        Ok(Box::new(r) as Box<dyn NoiseLaw>)
    };
    let operator = Pointwise::new(Arctan, Stride::new(2, 1, 0, &correlated).unwrap());
    let observations = array![[0.6, -0.5], [0.7, f64::NAN], [f64::NAN, f64::NAN], [-0.2, 0.4]];
    let key = Key::new(11, Domain::Method);
    let mut smoother = method("rts", &[("inflation", Value::Float(1.05))]);
    let covariance = array![[0.4, 0.1], [0.1, 0.3]];
    smoother.start(&Prior::Gaussian { mean: array![0.3, -0.4], covariance }, 0, key).unwrap();
    let (mut analyses, mut forecasts) = (Vec::new(), Vec::new());
    for (cycle, values) in observations.outer_iter().enumerate() {
        let observed = ObservationSet { step: 3 * (cycle + 1), time: 0.0, values, operator: &operator };
        let outcome = smoother.step(&*model, &observed, key).unwrap();
        analyses.push(outcome.gaussian.unwrap());
        forecasts.push(outcome.forecast_gaussian.unwrap());
    }
    let smoothed = smoother.finish(&*model, None, key).unwrap();
    // three steps of the mean, x + dt (x - x^3)
    let advance = |x: &Array1<f64>| (0..3).fold(x.clone(), |x, _| x.mapv(|x| x + 0.1 * (x - x * x * x)));
    let mut later = smoothed[3].gaussian.clone().unwrap();
    for k in (0..3).rev() {
        // the state before the inflation, which is noise that comes after it
        let inflation = if k == 2 { 1.0 } else { 1.05 * 1.05 };
        let ((m, inflated), (mf, pf)) = (&analyses[k], &forecasts[k + 1]);
        let p = inflated / inflation;
        let column = |j: usize| {
            let mut step = Array1::zeros(2);
            step[j] = 1e-6;
            (advance(&(m + &step)) - advance(&(m - &step))) / 2e-6
        };
        let f = Array2::from_shape_fn((2, 2), |(i, j)| column(j)[i]);
        let mut gain = f.dot(&p);
        Cholesky::new(pf.view()).unwrap().solve_in_place(&mut gain);
        let gain = gain.reversed_axes();
        later = (m + &gain.dot(&(&later.0 - mf)), &p + &gain.dot(&(&later.1 - pf)).dot(&gain.t()));
        let (found, v) = smoothed[k].gaussian.as_ref().unwrap();
        assert!((found - &later.0).iter().all(|e| e.abs() < 1e-8), "{k}");
        assert!((v - &later.1).iter().all(|e| e.abs() < 1e-8), "{k}");
    }
}

/// The root of a negative mean is not a number: such a set leaves the filter and, backward, what came before it.
#[test]
fn a_set_that_cannot_be_predicted_is_left_out_forward_and_backward() {
    let law = LinearGaussian { matrix: array![[1.0]], offset: array![-2.0], covariance: array![[0.1]] };
    let model = LinearForecaster::new(law).unwrap();
    let operator = Pointwise::new(Root, Stride::new(1, 1, 0, &errors(&[0.3])).unwrap());
    let key = Key::new(15, Domain::Method);
    let smoothed = |second: f64| {
        let mut smoother = method("rts", &[]);
        smoother.start(&Prior::Gaussian { mean: array![3.0], covariance: array![[0.2]] }, 0, key).unwrap();
        for (step, y) in [(1, 0.9), (2, second)] {
            let values = array![y];
            smoother
                .step(&model, &ObservationSet { step, time: 0.0, values: values.view(), operator: &operator }, key)
                .unwrap();
        }
        smoother.finish(&model, None, key).unwrap()
    };
    for (found, missing) in smoothed(0.2).iter().zip(smoothed(f64::NAN)) {
        assert!(found.mean()[0].is_finite());
        assert_eq!(found.gaussian, missing.gaussian);
    }
}
