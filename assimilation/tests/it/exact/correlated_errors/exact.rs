//! Whole runs with correlated errors, against the exact Kalman filter in 3 and 40 dimensions, and against the same
//! observations made independent before.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::observe::{CorrelatedError, Linear, NoiseLaw};
use scorecast_assimilation::{METHODS, ObservationOperator, ObservationSet, Outcome, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, Value};

use super::{gain, present};
use crate::common::{LinearProblem, errors, inverse, method, word};

/// Three and forty components, the errors of the observed values correlated; the third set lacks a value and the fifth
/// all. `noisy` forecasters have noise.
fn problems(noisy: bool) -> [LinearProblem; 2] {
    [LinearProblem::three(6), LinearProblem::forty(6)].map(|mut problem| {
        let sd: Vec<f64> = (0..problem.operator.dim()).map(|i| 0.5 + 0.1 * (i % 4) as f64).collect();
        let law = move |dim| Ok(Box::new(CorrelatedError::exponential(&sd, 1.5, false, dim)?) as Box<dyn NoiseLaw>);
        problem.operator = Linear::new(problem.operator.matrix().unwrap(), &law).unwrap();
        if !noisy {
            problem.law.covariance.fill(0.0);
            problem.model = LinearForecaster::new(problem.law.clone()).unwrap();
        }
        problem
    })
}

fn set<'a>(problem: &'a LinearProblem, cycle: usize) -> ObservationSet<'a> {
    let values = problem.observations.row(cycle);
    ObservationSet { step: cycle + 1, time: 0.0, values, operator: &problem.operator }
}

/// Mean, covariance and log evidence of each set by the textbook formulas; `carried` gives the forecast covariance, where
/// it is another than that of the Kalman filter.
fn exact(
    problem: &LinearProblem,
    carried: impl Fn(Array2<f64>) -> Array2<f64>,
) -> Vec<(Array1<f64>, Array2<f64>, f64)> {
    let (m, mut mean, mut p) = (&problem.law.matrix, problem.mean.clone(), problem.covariance.clone());
    let mut out = Vec::new();
    for cycle in 0..problem.observations.nrows() {
        mean = m.dot(&mean) + &problem.law.offset;
        p = carried(p);
        let (h, r, y) = present(&set(problem, cycle));
        let mut log_evidence = 0.0;
        if !y.is_empty() {
            let s = h.dot(&p).dot(&h.t()) + &r;
            let (k, d) = (gain(&p, &h, &r), y - h.dot(&mean));
            let determinant = DMatrix::from_fn(s.nrows(), s.nrows(), |i, j| s[(i, j)]).determinant();
            let constant = d.len() as f64 * (2.0 * std::f64::consts::PI).ln();
            log_evidence = -0.5 * (d.dot(&inverse(&s).dot(&d)) + determinant.ln() + constant);
            mean = &mean + &k.dot(&d);
            p = &p - &k.dot(&h).dot(&p);
        }
        out.push((mean.clone(), p.clone(), log_evidence));
    }
    out
}

/// M P M^T + Q.
fn kalman(problem: &LinearProblem) -> impl Fn(Array2<f64>) -> Array2<f64> + '_ {
    |p| problem.law.matrix.dot(&p).dot(&problem.law.matrix.t()) + &problem.law.covariance
}

fn largest<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, e| if e.is_finite() { most.max(e.abs()) } else { f64::INFINITY })
}

const KEY: Key = Key::new(4, Domain::Method);

#[test]
fn filters_of_moments_are_the_exact_filter() {
    for problem in problems(true) {
        for name in ["kalman", "extended", "unscented", "rts"] {
            let found = problem.run(&mut *method(name, &[]), KEY);
            for (outcome, (mean, covariance, log_evidence)) in found.iter().zip(exact(&problem, kalman(&problem))) {
                let (m, p) = outcome.gaussian.as_ref().unwrap();
                let errors = [largest(&(m - &mean)), largest(&(p - &covariance))];
                let evidence = (outcome.diagnostics["log_evidence"] - log_evidence).abs();
                assert!(errors[0] < 1e-9 && errors[1] < 1e-9 && evidence < 1e-9, "{name}: {errors:?} {evidence}");
            }
        }
    }
}

/// Their background covariance is that of the prior: at the time of the observations, or carried there from the start of a
/// window of one set.
#[test]
fn the_variational_methods_have_the_exact_analyses_of_their_background() {
    let tight = [("tolerance", Value::Float(1e-12)), ("iterations", Value::Int(100)), ("lag", Value::Int(1))];
    for problem in problems(true) {
        let carry = |p: &Array2<f64>| problem.law.matrix.dot(p).dot(&problem.law.matrix.t());
        let b = &problem.covariance;
        for (name, given) in [("optimal_interpolation", &[][..]), ("three_d_var", &[][..]), ("four_d_var", &tight[..])]
        {
            let found = problem.run(&mut *method(name, given), KEY);
            let forecast = |_| if name == "four_d_var" { carry(b) } else { b.clone() };
            for (cycle, (outcome, (mean, covariance, _))) in found.iter().zip(exact(&problem, forecast)).enumerate() {
                let (m, p) = outcome.gaussian.as_ref().unwrap();
                let errors = [largest(&(m - &mean)), largest(&(p - &covariance))];
                // without a value the covariance of `four_d_var` is that of the last analysis, carried on
                let unobserved = set(&problem, cycle).present().is_empty();
                assert!(errors[0] < 1e-9 && (unobserved || errors[1] < 1e-9), "{name} {cycle}: {errors:?}");
            }
        }
    }
}

/// Draws whose mean and covariance are those of the prior to round-off.
fn exact_draws(problem: &LinearProblem) -> Array2<f64> {
    let dim = problem.mean.len();
    let x = Key::new(9, Domain::Score).normals(3 * dim + 2, dim);
    let mut turned = (&x - &x.mean_axis(Axis(0)).unwrap()).reversed_axes().as_standard_layout().into_owned();
    Cholesky::new(covariance(x.view(), None).view()).unwrap().half_solve_in_place(&mut turned);
    let root = Cholesky::new(problem.covariance.view()).unwrap();
    turned.t().dot(&root.lower().t()) + &problem.mean
}

#[test]
fn square_root_filters_are_the_exact_filter_of_a_forecaster_without_noise() {
    for problem in problems(false) {
        let draws = exact_draws(&problem);
        for name in ["etkf", "estkf", "letkf", "lestkf", "eakf", "ensrf", "ienks"] {
            let mut filter = method(name, &[("members", Value::Int(draws.nrows() as i64))]);
            filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
            for (cycle, (mean, p, _)) in exact(&problem, kalman(&problem)).into_iter().enumerate() {
                let outcome = problem.step(&mut *filter, cycle, KEY);
                let spread = covariance(outcome.ensemble.view(), None);
                let errors = [largest(&(outcome.mean() - mean)), largest(&(spread - p))];
                assert!(errors[0] < 1e-9 && errors[1] < 1e-9, "{name} {cycle}: {errors:?}");
            }
        }
    }
}

/// Mean and covariance of an outcome as differences from the exact ones, in exact standard deviations.
fn departures(outcome: &Outcome, mean: &Array1<f64>, p: &Array2<f64>) -> Vec<f64> {
    let sd = p.diag().mapv(f64::sqrt);
    let spread = covariance(outcome.ensemble.view(), outcome.weights.as_ref()) - p;
    let spread = spread / &sd / sd.view().insert_axis(Axis(1));
    let upper = spread.indexed_iter().filter(|((i, j), _)| i <= j).map(|(_, value)| *value);
    ((outcome.mean() - mean) / &sd).into_iter().chain(upper).collect()
}

/// Of what is drawn over 8 keys means and covariances are within 4.5 standard errors of the exact ones (5 of the thousands of
/// numbers in forty components), and N times the variance of one run's, in exact variances, is not large: 1 for the means
/// of independent draws, from 1 to 2 for their covariances. What an ensemble filter's own gain adds is of the order of
/// components over members, a third of a standard error. `denkf` is not among them: half a gain leaves another covariance,
/// however many members there are.
#[test]
fn sampling_methods_have_the_exact_means_and_covariances() {
    let exact_weights = [("weights", word("exact")), ("steps", Value::Int(48))];
    let [three, forty] = problems(true);
    let in_three = [("enkf", &[][..]), ("bootstrap", &[]), ("optimal_proposal", &[]), ("guided", &exact_weights)];
    // in forty components weights of particles degenerate
    let cases = [(three, 4000, 4.5, &in_three[..]), (forty, 20_000, 5.0, &in_three[..1])];
    for (problem, members, most, methods) in cases {
        let exact = exact(&problem, kalman(&problem));
        for (name, given) in methods {
            let given = [&[("members", Value::Int(members))], *given].concat();
            let runs: Vec<Vec<f64>> = (0..8)
                .map(|replicate| {
                    let outcomes = problem.run(&mut *method(name, &given), KEY.case(replicate));
                    outcomes.iter().zip(&exact).flat_map(|(o, (mean, p, _))| departures(o, mean, p)).collect()
                })
                .collect();
            let (n, count) = (runs.len() as f64, runs[0].len());
            let mean = |i: usize| runs.iter().map(|run| run[i]).sum::<f64>() / n;
            let own = |i: usize| runs.iter().map(|run| (run[i] - mean(i)).powi(2)).sum::<f64>() / (n - 1.0);
            let pooled = (0..count).map(own).sum::<f64>() / count as f64;
            let z = (0..count).map(|i| mean(i).abs() / (own(i).max(pooled) / n).sqrt()).fold(0.0, f64::max);
            println!("{name}: {z:.2} standard errors of {count}, N times the variance {:.2}", pooled * members as f64);
            assert!(z < most && pooled * (members as f64) < 6.0, "{name}: {z}, {}", pooled * members as f64);
        }
    }
}

/// A set of observations as L_p^-1 y with the operator L_p^-1 H and errors of unit variance, L_p the factor of what of R
/// is present.
fn whitened(observed: &ObservationSet) -> (Linear, Array1<f64>) {
    let (h, r, y) = present(observed);
    let factor = Cholesky::new(r.view()).unwrap();
    let mut white = h;
    factor.half_solve_in_place(&mut white);
    let mut column = y.insert_axis(Axis(1));
    factor.half_solve_in_place(&mut column);
    (Linear::new(white, &errors(&[1.0])).unwrap(), column.remove_axis(Axis(1)))
}

/// Every method of the registry makes the same of correlated errors as of the same observations in coordinates where they
/// are independent, in which they are held against exact posteriors elsewhere.
#[test]
fn every_method_gives_the_same_for_observations_that_were_made_independent_before() {
    for problem in problems(true) {
        for entry in METHODS {
            let given: &[(&str, Value)] = match entry.name {
                "guided" => {
                    &[("tolerance", Value::Float(1e-13)), ("steps", Value::Int(10)), ("iterations", Value::Int(90))]
                }
                "ensf" => &[("steps", Value::Int(20))],
                "qceff" => &[("prior", word("normal"))],
                "four_d_var" => &[("tolerance", Value::Float(1e-12)), ("iterations", Value::Int(100))],
                _ => &[],
            };
            let [mut one, mut other] = [(); 2].map(|()| method(entry.name, given));
            [&mut one, &mut other].into_iter().for_each(|method| method.start(&problem.prior(), 0, KEY).unwrap());
            for cycle in 0..problem.observations.nrows() {
                let observed = set(&problem, cycle);
                let all = observed.present().len() == observed.values.len();
                // draws of errors are those of all values, of which some are left out
                if !all && ["enkf", "optimal_proposal"].contains(&entry.name) {
                    continue;
                }
                // an operator for no values is none
                if observed.present().is_empty() {
                    continue;
                }
                let (operator, y) = whitened(&observed);
                let white = ObservationSet { values: y.view(), operator: &operator, ..observed };
                let a = one.step(&problem.model, &observed, KEY).unwrap();
                let b = other.step(&problem.model, &white, KEY).unwrap();
                // it makes values independent by the symmetric root: other members, of one mean and covariance
                if entry.name == "qceff" {
                    assert!(largest(&(a.mean() - b.mean())) < 1e-9, "qceff");
                    let [one, other] = [&a, &b].map(|outcome| covariance(outcome.ensemble.view(), None));
                    assert!(largest(&(one - other)) < 1e-9, "qceff");
                    break;
                }
                // round-off, which six sets of the shrinking of `kernel_particle_filter` magnify
                let error = largest(&(&a.ensemble - &b.ensemble));
                assert!(error < 1e-7, "{} of {}: {error}", entry.name, problem.mean.len());
                let weights = [&a, &b].map(|o| o.weights.clone().unwrap_or_else(|| Array1::zeros(1)));
                assert!(largest(&(&weights[0] - &weights[1])) < 1e-8, "{}", entry.name);
            }
        }
    }
}
