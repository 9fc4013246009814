//! The filters that carry a mean and a covariance, against formulas written out here and against finite differences.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Stepping, Value};

const KEY: Key = Key::new(11, Domain::Method);

fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::eye(matrix.nrows());
    Cholesky::new(matrix.view()).unwrap().solve_in_place(&mut out);
    out
}

fn near(a: &Array2<f64>, b: &Array2<f64>, tolerance: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance)
}

fn prior() -> (Array1<f64>, Array2<f64>) {
    (array![0.4, -0.8, 1.2], array![[1.0, 0.3, 0.1], [0.3, 0.5, -0.2], [0.1, -0.2, 0.7]])
}

fn forecaster(system: &str, given: &[(&str, Value)], dt: f64) -> Box<dyn Forecaster> {
    let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let stepping = Stepping { dt, substeps: 1, integrator: "rk4".to_owned() };
    build(system, &given).unwrap().forecaster(&stepping).unwrap()
}

/// One analysis of N(m, P) by arctan of every component, without a forecast.
fn by_arctan(name: &str, given: &[(&str, Value)], y: &Array1<f64>) -> (Array1<f64>, Array2<f64>) {
    let (mean, covariance) = prior();
    let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.2])).unwrap());
    let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator: &operator };
    let mut filter = method(name, given);
    filter.start(&Prior::Gaussian { mean, covariance }, 0, KEY).unwrap();
    filter.step(&LinearProblem::three(1).model, &observed, KEY).unwrap().gaussian.unwrap()
}

#[test]
fn the_climatology_is_the_prior_at_every_time_and_interpolation_from_it_forgets() {
    let problem = LinearProblem::three(6);
    let key = Key::new(1, Domain::Method);
    for outcome in problem.run(&mut *method("climatology", &[]), key) {
        assert_eq!(outcome.gaussian.unwrap(), (problem.mean.clone(), problem.covariance.clone()));
        assert_eq!(outcome.forecast, outcome.ensemble);
    }
    let given = [("background", word("prior"))];
    let found = problem.run(&mut *method("optimal_interpolation", &given), key);
    let (h, r) = (problem.operator.matrix().unwrap(), problem.operator.error().variance().to_owned());
    for (outcome, values) in found.iter().zip(problem.observations.outer_iter()) {
        // H selects components of a prior without correlations: each is corrected on its own
        let (mut mean, mut variance) = (problem.mean.clone(), problem.covariance.diag().to_owned());
        for (i, y) in values.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let j = h.row(i).iter().position(|value| *value == 1.0).unwrap();
            let k = variance[j] / (variance[j] + r[i]);
            mean[j] += k * (y - mean[j]);
            variance[j] *= 1.0 - k;
        }
        assert!((outcome.mean() - mean).iter().all(|e| e.abs() < 1e-12));
        assert!((outcome.variance() - variance).iter().all(|e| e.abs() < 1e-12));
    }
}

#[test]
fn the_extended_update_is_that_of_the_jacobian_by_finite_differences() {
    let (m, p) = prior();
    let y = array![0.9, f64::NAN, -0.3];
    let (found_mean, found) = by_arctan("extended", &[("inflation", Value::Float(1.2))], &y);
    let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.2])).unwrap());
    let at = |x: &Array1<f64>| operator.apply(0.0, x.view().insert_axis(Axis(0))).row(0).select(Axis(0), &[0, 2]);
    let mut h = Array2::zeros((2, 3));
    for j in 0..3 {
        let mut step = Array1::zeros(3);
        step[j] = 1e-6;
        h.column_mut(j).assign(&((at(&(&m + &step)) - at(&(&m - &step))) / 2e-6));
    }
    let s = h.dot(&p).dot(&h.t()) + Array2::from_diag_elem(2, 0.04);
    let gain = p.dot(&h.t()).dot(&inverse(&s));
    let mean = &m + &gain.dot(&(array![0.9, -0.3] - at(&m)));
    assert!((found_mean - mean).iter().all(|e| e.abs() < 1e-8));
    assert!(near(&found, &(1.44 * (&p - &gain.dot(&h).dot(&p))), 1e-8));
}

#[test]
fn the_extended_forecast_carries_the_jacobian_of_lorenz_63() {
    let model = forecaster("lorenz63", &[], 0.05);
    let mean = array![1.5, -1.0, 20.0];
    let (_, covariance) = prior();
    let operator = Stride::new(3, 1, 0, &errors(&[1.0])).unwrap();
    let values = Array1::from_elem(3, f64::NAN);
    let observed = ObservationSet { step: 2, time: 0.1, values: values.view(), operator: &operator };
    let advance = |x: Array1<f64>| {
        let mut x = x.insert_axis(Axis(0));
        model.advance(0, 2, &mut x, KEY).unwrap();
        x.row(0).to_owned()
    };
    let mut f = Array2::zeros((3, 3));
    for j in 0..3 {
        let mut step = Array1::zeros(3);
        step[j] = 1e-5;
        f.column_mut(j).assign(&((advance(&mean + &step) - advance(&mean - &step)) / 2e-5));
    }
    let exact = f.dot(&covariance).dot(&f.t());
    let mut filter = method("extended", &[]);
    filter.start(&Prior::Gaussian { mean: mean.clone(), covariance: covariance.clone() }, 0, KEY).unwrap();
    let (m, p) = filter.step(&*model, &observed, KEY).unwrap().gaussian.unwrap();
    assert!((m - advance(mean.clone())).iter().all(|e| e.abs() < 1e-12));
    assert!(near(&p, &exact, 1e-6), "{p} and {exact}");
    // small covariances leave the forecaster linear
    let small = &covariance * 1e-6;
    let mut filter = method("unscented", &[]);
    filter.start(&Prior::Gaussian { mean, covariance: small }, 0, KEY).unwrap();
    let (_, p) = filter.step(&*model, &observed, KEY).unwrap().gaussian.unwrap();
    assert!(near(&(p * 1e6), &exact, 1e-3));
}

/// x + w, w ~ N(0, .09 I), which offers its draws alone.
struct Walk;

impl Forecaster for Walk {
    fn dim(&self) -> usize {
        3
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        for step in k..k + steps {
            *x += &(key.at(step as u64).normals(x.nrows(), 3) * 0.3);
        }
        Ok(())
    }
}

#[test]
fn noise_without_a_closed_form_is_measured_and_a_missing_derivative_names_another_method() {
    let (mean, covariance) = prior();
    let operator = Stride::new(3, 1, 0, &errors(&[1.0])).unwrap();
    let values = Array1::from_elem(3, f64::NAN);
    let observed = ObservationSet { step: 1, time: 1.0, values: values.view(), operator: &operator };
    let members = 20_000;
    let given = [("members", Value::Int(members))];
    let mut filter = method("unscented", &given);
    filter.start(&Prior::Gaussian { mean: mean.clone(), covariance: covariance.clone() }, 0, KEY).unwrap();
    let (m, p) = filter.step(&Walk, &observed, KEY).unwrap().gaussian.unwrap();
    // five standard errors
    let per_sd = 5.0 / (members as f64).sqrt();
    assert!((m - &mean).iter().all(|e| e.abs() < 0.3 * per_sd));
    assert!(near(&p, &(&covariance + &Array2::from_diag_elem(3, 0.09)), 0.09 * 1.5 * per_sd), "{p}");
    let mut filter = method("extended", &given);
    filter.start(&Prior::Gaussian { mean, covariance }, 0, KEY).unwrap();
    let message = filter.step(&Walk, &observed, KEY).unwrap_err().to_string();
    assert!(message.contains("derivative") && message.contains("`etkf`"), "{message}");
}

#[test]
fn optimal_interpolation_is_its_formula_in_every_cycle() {
    let problem = LinearProblem::three(6);
    let draws = KEY.purpose(Purpose::InitialState).normals(12, 3).dot(&array![
        [1.0, 0.2, 0.0],
        [0.0, 1.0, 0.3],
        [0.0, 0.0, 1.0]
    ]);
    let b = scorecast_assimilation::ensemble::covariance(draws.view(), None);
    let mut x = draws.mean_axis(Axis(0)).unwrap();
    let prior = Prior::Ensemble(draws);
    let mut filter = method("optimal_interpolation", &[]);
    let mut variational = method("three_d_var", &[]);
    filter.start(&prior, 0, KEY).unwrap();
    variational.start(&prior, 0, KEY).unwrap();
    for cycle in 0..6 {
        x = problem.law.matrix.dot(&x) + &problem.law.offset;
        let values = problem.observations.row(cycle);
        let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &problem.operator };
        let mut posterior = b.clone();
        if !observed.present().is_empty() {
            let h = observed.matrix().unwrap();
            let variance = problem.operator.error().variance().select(Axis(0), &observed.present());
            let s = h.dot(&b).dot(&h.t()) + Array2::from_diag(&variance);
            let gain = b.dot(&h.t()).dot(&inverse(&s));
            x = &x + &gain.dot(&(values.select(Axis(0), &observed.present()) - h.dot(&x)));
            posterior = (Array2::eye(3) - gain.dot(&h)).dot(&b);
        }
        let (m, p) = filter.step(&problem.model, &observed, KEY).unwrap().gaussian.unwrap();
        assert!((&m - &x).iter().all(|e| e.abs() < 1e-12) && near(&p, &posterior, 1e-12), "cycle {cycle}");
        let (v, q) = variational.step(&problem.model, &observed, KEY).unwrap().gaussian.unwrap();
        assert!((&v - &m).iter().all(|e| e.abs() < 1e-9) && near(&q, &p, 1e-9), "cycle {cycle}");
    }
}

#[test]
fn the_gradient_of_3d_var_is_zero_at_the_analysis_of_arctan() {
    let (m, p) = prior();
    let b = inverse(&(2.0 * &p));
    for y in [array![0.9, f64::NAN, -0.3], array![1.5, -1.4, 1.3]] {
        // far from the observed range Gauss-Newton converges linearly
        let given = [("scale", Value::Float(2.0)), ("iterations", Value::Int(1000))];
        let (x, covariance) = by_arctan("three_d_var", &given, &y);
        let cost = |x: &Array1<f64>| {
            let d = x - &m;
            let misfit = |(x, y): (&f64, &f64)| if y.is_nan() { 0.0 } else { (y - x.atan()).powi(2) / 0.04 };
            0.5 * (d.dot(&b.dot(&d)) + x.iter().zip(&y).map(misfit).sum::<f64>())
        };
        // B^-1 (x - m) - H^T R^-1 (y - h(x))
        let mut gradient = b.dot(&(&x - &m));
        let mut hessian = b.clone();
        for i in (0..3).filter(|i| !y[*i].is_nan()) {
            let slope = 1.0 / (1.0 + x[i] * x[i]);
            gradient[i] -= slope * (y[i] - x[i].atan()) / 0.04;
            hessian[(i, i)] += slope * slope / 0.04;
        }
        assert!(gradient.iter().all(|g| g.abs() < 1e-8), "{gradient}");
        assert!(near(&covariance, &inverse(&hessian), 1e-9));
        // and it is a minimum
        let around = KEY.normals(200, 3) * 0.1;
        assert!(around.outer_iter().all(|step| cost(&(&x + &step)) > cost(&x)));
    }
}

/// Analysis rmse on Lorenz-96 (40 components, F = 8, dt = .05), all observed each lead step with errors of variance 1,
/// after 100 of `cycles` cycles.
fn lorenz96(name: &str, given: &[(&str, Value)], cycles: usize) -> f64 {
    let model = forecaster("lorenz96", &[], 0.05);
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let key = Key::new(3, Domain::Truth);
    let mut truth = key.normals(1, 40) + 2.0;
    model.advance(0, 400, &mut truth, key).unwrap();
    let mut filter = method(name, given);
    let prior = Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::eye(40) };
    filter.start(&prior, 0, KEY).unwrap();
    let mut sum = 0.0;
    for cycle in 1..=cycles {
        model.advance(cycle, 1, &mut truth, key).unwrap();
        let error = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64));
        let y = (&truth + &error).row(0).to_owned();
        let observed = ObservationSet { step: cycle, time: 0.05 * cycle as f64, values: y.view(), operator: &operator };
        let outcome = filter.step(&*model, &observed, KEY).unwrap();
        let e = outcome.mean() - truth.row(0);
        sum += if cycle > 100 { (e.dot(&e) / 40.0).sqrt() } else { 0.0 };
    }
    sum / (cycles - 100) as f64
}

#[test]
fn enkf_n_keeps_lorenz_96_without_inflation() {
    for (members, form) in [(24, "dual"), (30, "dual"), (24, "primal")] {
        let rmse = lorenz96("enkf_n", &[("members", Value::Int(members)), ("form", word(form))], 1500);
        println!("enkf_n, {members} members, {form}: analysis rmse {rmse:.4}");
        assert!(rmse < 0.22, "{members} members, {form}: {rmse}");
    }
}

#[test]
fn the_other_new_filters_keep_lorenz_96() {
    let inflated = |factor| ("inflation", Value::Float(factor));
    for (name, given, most) in [
        ("denkf", vec![("members", Value::Int(40)), inflated(1.02)], 0.22),
        ("etkf", vec![("members", Value::Int(40)), ("rtps", Value::Float(0.15))], 0.22),
        ("etkf", vec![("members", Value::Int(40)), ("rtpp", Value::Float(0.2))], 0.25),
        ("extended", vec![inflated(1.05)], 0.30),
    ] {
        let rmse = lorenz96(name, &given, 500);
        println!("{name} {given:?}: analysis rmse {rmse:.4}");
        assert!(rmse < most, "{name} {given:?}: {rmse}");
    }
}
