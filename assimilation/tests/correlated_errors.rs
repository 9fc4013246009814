//! Every method with correlated errors: against the formulas with the inverse of the full R, against the exact Kalman
//! filter in 3 and 40 dimensions, and against itself with observations that were made independent before; and what is
//! refused.

#![allow(clippy::unwrap_used)]

mod common;

use common::{LinearProblem, method, word};
use nalgebra::DMatrix;
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::linalg::{Cholesky, covariance};
use scorecast_assimilation::method::{EnKf, EtKf, Inflation};
use scorecast_assimilation::observe::{CorrelatedError, Laplace, Linear, NoiseLaw};
use scorecast_assimilation::{Analysis, METHODS, Observation, Outcome, Prior, Seen, innovation};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Purpose, Value};

const DIM: usize = 6;

fn operator(observed: usize) -> Linear {
    let h = Key::new(2, Domain::Score).normals(observed, DIM);
    let sd: Vec<f64> = (0..observed).map(|i| 0.4 + 0.1 * i as f64).collect();
    let error = move |dim| Ok(Box::new(CorrelatedError::exponential(&sd, 2.0, false, dim)?) as Box<dyn NoiseLaw>);
    Linear::new(h, &error).unwrap()
}

/// One set of observations, complete or with three values missing.
fn values(observed: usize, missing: bool) -> Array1<f64> {
    let mut y = Key::new(3, Domain::Score).normals(1, observed).remove_axis(Axis(0));
    if missing {
        [0, 2, 3].iter().for_each(|&i| y[i] = f64::NAN);
    }
    y
}

fn inverse(a: &Array2<f64>) -> Array2<f64> {
    let inverse = DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)]).try_inverse().unwrap();
    Array2::from_shape_fn(a.raw_dim(), |(i, j)| inverse[(i, j)])
}

/// H, R and y of the present values.
fn present(seen: &Seen) -> (Array2<f64>, Array2<f64>, Array1<f64>) {
    let index = seen.present();
    let r = seen.operator.error().correlated().unwrap().0;
    (
        seen.operator.matrix().unwrap().select(Axis(0), &index),
        r.select(Axis(0), &index).select(Axis(1), &index),
        seen.values.select(Axis(0), &index),
    )
}

/// K = P H^T (H P H^T + R)^-1.
fn gain(p: &Array2<f64>, h: &Array2<f64>, r: &Array2<f64>) -> Array2<f64> {
    p.dot(&h.t()).dot(&inverse(&(h.dot(p).dot(&h.t()) + r)))
}

fn close(a: &Array2<f64>, b: &Array2<f64>) -> bool {
    (a - b).iter().all(|e| e.abs() < 1e-10)
}

const CASES: [(usize, usize, bool); 6] =
    [(30, 5, false), (30, 5, true), (5, 30, false), (5, 30, true), (8, 8, false), (120, 100, true)];

#[test]
fn etkf_has_the_mean_and_the_covariance_of_the_kalman_update() {
    for (members, observed, missing) in CASES {
        let (x, operator, y) =
            (Key::new(1, Domain::Score).normals(members, DIM), operator(observed), values(observed, missing));
        let seen = Seen { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let (h, r, y) = present(&seen);
        let p = covariance(x.view(), None);
        let k = gain(&p, &h, &r);
        let mean = x.mean_axis(Axis(0)).unwrap();
        let exact = &mean + &k.dot(&(y - h.dot(&mean)));
        let outcome = EtKf { inflation: Inflation::factor(1.0), rotate: false }
            .update(x, &seen, Key::new(4, Domain::Method))
            .unwrap();
        assert!((outcome.mean() - exact).iter().all(|e| e.abs() < 1e-10), "{members} {observed} {missing}");
        let posterior = &p - &k.dot(&h).dot(&p);
        assert!(close(&covariance(outcome.ensemble.view(), None), &posterior), "{members} {observed} {missing}");
    }
}

#[test]
fn enkf_moves_each_member_by_the_gain_with_correlated_perturbations() {
    for (members, observed, missing) in CASES {
        let (x, operator, y) =
            (Key::new(1, Domain::Score).normals(members, DIM), operator(observed), values(observed, missing));
        let seen = Seen { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let (h, r, y) = present(&seen);
        let k = gain(&covariance(x.view(), None), &h, &r);
        let key = Key::new(4, Domain::Method);
        let errors = operator.error().sample(members, key.purpose(Purpose::Perturbation).at(2));
        let errors = errors.select(Axis(1), &seen.present());
        let errors = &errors - &errors.mean_axis(Axis(0)).unwrap();
        let exact = &x + &(errors + y - x.dot(&h.t())).dot(&k.t());
        let outcome = EnKf { inflation: Inflation::factor(1.0) }.update(x, &seen, key).unwrap();
        assert!(close(&outcome.ensemble, &exact), "{members} {observed} {missing}");
    }
}

/// The methods whose mean, or whose members, are those of `etkf` where no time passes.
#[test]
fn the_relatives_of_etkf_use_the_full_covariance_too() {
    let model = LinearForecaster::new(LinearGaussian {
        matrix: Array2::eye(DIM),
        offset: Array1::zeros(DIM),
        covariance: Array2::zeros((DIM, DIM)),
    })
    .unwrap();
    for (members, observed, missing) in CASES {
        let (x, operator, y) =
            (Key::new(1, Domain::Score).normals(members, DIM), operator(observed), values(observed, missing));
        let seen = Seen { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let key = Key::new(4, Domain::Method);
        let run = |name: &str, given: &[(&str, Value)]| {
            let mut filter = method(name, &[&[("members", Value::Int(members as i64))], given].concat());
            filter.start(&Prior::Ensemble(x.clone()), 2, key).unwrap();
            filter.step(&model, &seen, key).unwrap()
        };
        let etkf = run("etkf", &[]);
        for (name, given) in [
            ("estkf", vec![]),
            ("lestkf", vec![]),
            ("ienks", vec![]),
            ("ienks", vec![("lag", Value::Int(3)), ("mda", Value::Bool(true))]),
        ] {
            // with mda the newest set counts as a whole in what is given
            assert!(close(&run(name, &given).ensemble, &etkf.ensemble), "{name} {members} {observed} {missing}");
        }
        for (name, given) in [("hybrid", vec![("static_weight", Value::Float(0.0))]), ("four_d_envar", vec![])] {
            let difference = run(name, &given).mean() - etkf.mean();
            assert!(difference.iter().all(|e| e.abs() < 1e-10), "{name} {members} {observed} {missing}");
        }
    }
}

#[test]
fn kalman_and_its_innovations_use_the_full_covariance() {
    for missing in [false, true] {
        let (operator, y) = (operator(5), values(5, missing));
        let seen = Seen { step: 0, time: 0.0, values: y.view(), operator: &operator };
        let root = Key::new(7, Domain::Score).normals(DIM, DIM);
        let (mean, p) = (Array1::from_elem(DIM, 0.3), root.dot(&root.t()) + Array2::<f64>::eye(DIM));
        let law = LinearGaussian { matrix: Array2::eye(DIM), offset: Array1::zeros(DIM), covariance: Array2::eye(DIM) };
        let mut filter = method("kalman", &[]);
        let key = Key::new(4, Domain::Method);
        filter.start(&Prior::Gaussian { mean: mean.clone(), covariance: p.clone() }, 0, key).unwrap();
        let outcome = filter.step(&LinearForecaster::new(law).unwrap(), &seen, key).unwrap();
        let (h, r, y) = present(&seen);
        let (k, d) = (gain(&p, &h, &r), y - h.dot(&mean));
        let (found, spread) = outcome.gaussian.clone().unwrap();
        assert!((found - (mean + k.dot(&d))).iter().all(|e| e.abs() < 1e-10));
        assert!(close(&spread, &(&p - &k.dot(&h).dot(&p))));
        let s = h.dot(&p).dot(&h.t()) + &r;
        let square = d.dot(&inverse(&s).dot(&d));
        let determinant = DMatrix::from_fn(s.nrows(), s.nrows(), |i, j| s[(i, j)]).determinant();
        let exact = -0.5 * (square + determinant.ln() + d.len() as f64 * (2.0 * std::f64::consts::PI).ln());
        assert!((outcome.diagnostics["log_evidence"] - exact).abs() < 1e-10);
        let scores = innovation(&outcome, &seen).unwrap().unwrap();
        assert!((scores.log_score - exact).abs() < 1e-10);
        assert!((scores.chi_square - square / d.len() as f64).abs() < 1e-10);
    }
}

#[test]
fn the_innovations_of_an_ensemble_use_the_full_covariance() {
    let (x, operator, y) = (Key::new(1, Domain::Score).normals(20, DIM), operator(5), values(5, true));
    let seen = Seen { step: 2, time: 0.0, values: y.view(), operator: &operator };
    let outcome = EtKf { inflation: Inflation::factor(1.0), rotate: false }
        .update(x.clone(), &seen, Key::new(4, Domain::Method))
        .unwrap();
    let (h, r, y) = present(&seen);
    let s = h.dot(&covariance(x.view(), None)).dot(&h.t()) + r;
    let d = y - h.dot(&x.mean_axis(Axis(0)).unwrap());
    let found = innovation(&outcome, &seen).unwrap().unwrap();
    assert!((found.chi_square - d.dot(&inverse(&s).dot(&d)) / d.len() as f64).abs() < 1e-10);
}

#[test]
fn methods_that_need_other_errors_say_what_serves() {
    let correlated = operator(5);
    let heavy =
        Linear::new(array![[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]], &|dim| Ok(Box::new(Laplace::new(&[1.0], dim)?))).unwrap();
    let model = LinearForecaster::new(LinearGaussian {
        matrix: Array2::eye(DIM),
        offset: Array1::zeros(DIM),
        covariance: Array2::eye(DIM),
    })
    .unwrap();
    let refusal = |name: &str, given: &[(&str, Value)], operator: &dyn Observation| {
        let y = values(operator.dim(), false);
        let seen = Seen { step: 1, time: 0.0, values: y.view(), operator };
        let key = Key::new(4, Domain::Method);
        let mut filter = method(name, given);
        filter.start(&Prior::Gaussian { mean: Array1::zeros(DIM), covariance: Array2::eye(DIM) }, 0, key).unwrap();
        filter.step(&model, &seen, key).err().map(|error| error.to_string())
    };
    for name in WITH_GAUSSIAN_ERRORS.into_iter().chain(["bootstrap"]) {
        assert_eq!(refusal(name, &[], &correlated), None);
    }
    let radius = [("radius", Value::Float(2.0))];
    for name in ["hybrid", "four_d_envar"] {
        assert_eq!(refusal(name, &radius, &correlated), None);
    }
    for name in WITH_GAUSSIAN_ERRORS {
        let message = refusal(name, &[], &heavy).unwrap();
        assert!(message.contains("supposes Gaussian") && message.contains("use `bootstrap`"), "{message}");
    }
    assert_eq!(refusal("bootstrap", &[], &heavy), None);
}

/// The methods that suppose Gaussian errors, correlated or not.
const WITH_GAUSSIAN_ERRORS: [&str; 20] = [
    "kalman",
    "extended",
    "unscented",
    "optimal_interpolation",
    "three_d_var",
    "four_d_var",
    "enkf",
    "denkf",
    "etkf",
    "enkf_n",
    "estkf",
    "letkf",
    "lestkf",
    "eakf",
    "ensrf",
    "hybrid",
    "ienks",
    "four_d_envar",
    "ensf",
    "guided",
];

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

fn set<'a>(problem: &'a LinearProblem, cycle: usize) -> Seen<'a> {
    let values = problem.observations.row(cycle);
    Seen { step: cycle + 1, time: 0.0, values, operator: &problem.operator }
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
fn whitened(seen: &Seen) -> (Linear, Array1<f64>) {
    let (h, r, y) = present(seen);
    let factor = Cholesky::new(r.view()).unwrap();
    let mut white = h;
    factor.half_solve_in_place(&mut white);
    let mut column = y.insert_axis(Axis(1));
    factor.half_solve_in_place(&mut column);
    (Linear::new(white, &common::errors(&[1.0])).unwrap(), column.remove_axis(Axis(1)))
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
                "four_d_var" => &[("tolerance", Value::Float(1e-12)), ("iterations", Value::Int(100))],
                _ => &[],
            };
            let [mut one, mut other] = [(); 2].map(|()| method(entry.name, given));
            [&mut one, &mut other].into_iter().for_each(|method| method.start(&problem.prior(), 0, KEY).unwrap());
            for cycle in 0..problem.observations.nrows() {
                let seen = set(&problem, cycle);
                let all = seen.present().len() == seen.values.len();
                // draws of errors are those of all values, of which some are left out
                if !all && ["enkf", "optimal_proposal"].contains(&entry.name) {
                    continue;
                }
                // an operator for no values is none
                if seen.present().is_empty() {
                    continue;
                }
                let (operator, y) = whitened(&seen);
                let white = Seen { values: y.view(), operator: &operator, ..seen };
                let a = one.step(&problem.model, &seen, KEY).unwrap();
                let b = other.step(&problem.model, &white, KEY).unwrap();
                // round-off, which six sets of the shrinking of `kernel_particle_filter` magnify
                let error = largest(&(&a.ensemble - &b.ensemble));
                assert!(error < 1e-7, "{} of {}: {error}", entry.name, problem.mean.len());
                let weights = [&a, &b].map(|o| o.weights.clone().unwrap_or_else(|| Array1::zeros(1)));
                assert!(largest(&(&weights[0] - &weights[1])) < 1e-8, "{}", entry.name);
            }
        }
    }
}
