//! The quantile-conserving filter: Kalman's where everything is Gaussian and linear, posteriors on a grid where it is not.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, inverse, method, word};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::ensemble::{covariance, weighted_mean};
use scorecast_assimilation::method::{Bounds, Inflation, MarginalPrior, QcEff};
use scorecast_assimilation::observe::{Absolute, Arctan, Function, Laplace, Log, NoiseLaw, Pointwise, Square, Stride};
use scorecast_assimilation::{Analysis, ObservationOperator, ObservationSet, Prior, Result};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};
use statrs::distribution::{ContinuousCDF, Gamma, Normal};

const PRIORS: [&str; 3] = ["normal", "kernel", "rank_histogram"];

/// One analysis of these members by these values, without a forecast.
fn analysis(
    name: &str,
    given: &[(&'static str, Value)],
    members: &Array2<f64>,
    operator: &dyn ObservationOperator,
    y: &Array1<f64>,
) -> Array2<f64> {
    let (count, dim) = members.dim();
    let law = LinearGaussian { matrix: Array2::eye(dim), offset: Array1::zeros(dim), covariance: Array2::eye(dim) };
    let mut filter = method(name, &[&[("members", Value::Int(count as i64))], given].concat());
    filter.start(&Prior::Ensemble(members.clone()), 0, Key::new(4, Domain::Method)).unwrap();
    let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator };
    let model = LinearForecaster::new(law).unwrap();
    filter.step(&model, &observed, Key::new(4, Domain::Method)).unwrap().ensemble
}

fn qceff(prior: &str) -> Vec<(&'static str, Value)> {
    vec![("prior", word(prior))]
}

/// Members at evenly spaced quantiles of a law, one component, in no order.
fn quantiles(members: usize, law: &impl ContinuousCDF<f64, f64>) -> Array2<f64> {
    let place = |i: usize| (i * 7919) % members;
    Array2::from_shape_fn((members, 1), |(i, _)| law.inverse_cdf((place(i) as f64 + 0.5) / members as f64))
}

/// Mean, standard deviation and three quantiles of p(x) p(y | x) on a fine grid.
fn on_a_grid(log: impl Fn(f64) -> f64, from: f64, to: f64) -> [f64; 5] {
    let n = 400_000;
    let x = |i: usize| from + (to - from) * (i as f64 + 0.5) / n as f64;
    let logs: Vec<f64> = (0..n).map(|i| log(x(i))).collect();
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let p: Vec<f64> = logs.iter().map(|log| (log - top).exp()).collect();
    let total: f64 = p.iter().sum();
    let mean = p.iter().enumerate().map(|(i, p)| p * x(i)).sum::<f64>() / total;
    let variance = p.iter().enumerate().map(|(i, p)| p * (x(i) - mean).powi(2)).sum::<f64>() / total;
    let quantile = |share: f64| {
        let mut sum = 0.0;
        x(p.iter()
            .position(|p| {
                sum += p;
                sum >= share * total
            })
            .unwrap())
    };
    [mean, variance.sqrt(), quantile(0.15), quantile(0.5), quantile(0.85)]
}

/// The same of members.
fn of_members(x: &Array2<f64>) -> [f64; 5] {
    let mut sorted = x.column(0).to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[(share * sorted.len() as f64) as usize];
    [weighted_mean(x.view(), None)[0], covariance(x.view(), None)[(0, 0)].sqrt(), at(0.15), at(0.5), at(0.85)]
}

#[test]
fn a_normal_prior_and_linear_values_are_the_kalman_update_of_the_members_moments() {
    for problem in [LinearProblem::two(1), LinearProblem::three(1)] {
        let root = scorecast_assimilation::linalg::symmetric_sqrt(problem.covariance.view()).unwrap();
        let members = Key::new(3, Domain::Score).normals(30, problem.mean.len()).dot(&root) + &problem.mean;
        let y = problem.observations.row(0).to_owned();
        let found = analysis("qceff", &qceff("normal"), &members, &problem.operator, &y);
        let (m, p) = (weighted_mean(members.view(), None), covariance(members.view(), None));
        let (h, r) = (problem.operator.matrix().unwrap(), problem.operator.error().variance().to_owned());
        let gain = p.dot(&h.t()).dot(&inverse(&(h.dot(&p).dot(&h.t()) + Array2::from_diag(&r))));
        let mean = &m + &gain.dot(&(&y - &h.dot(&m)));
        let posterior = &p - &gain.dot(&h).dot(&p);
        assert!((weighted_mean(found.view(), None) - mean).iter().all(|e| e.abs() < 1e-12));
        assert!((covariance(found.view(), None) - posterior).iter().all(|e| e.abs() < 1e-12));
    }
}

#[test]
fn one_linear_value_moves_each_member_as_the_adjustment_filter_does_also_under_a_taper() {
    let members = Key::new(5, Domain::Score).normals(25, 12);
    let operator = Stride::new(12, 12, 3, &errors(&[0.4])).unwrap();
    let y = array![1.3];
    for more in [vec![], vec![("radius", Value::Float(1.7)), ("inflation", Value::Float(1.1))]] {
        let exact = analysis("eakf", &more, &members, &operator, &y);
        let found = analysis("qceff", &[qceff("normal"), more].concat(), &members, &operator, &y);
        assert!((exact - found).iter().all(|e| e.abs() < 1e-12));
    }
}

/// Posteriors with one mode and two: mean, sd and quantiles within what 4,000 members at even quantiles say of them.
#[test]
fn posteriors_of_functions_that_are_not_linear_are_those_on_a_grid() {
    let functions: [(MakeFunction, f64, f64); 4] = [
        (|| Box::new(Absolute), 1.4, 0.3),
        (|| Box::new(Square), 2.0, 0.5),
        (|| Box::new(Arctan), 0.9, 0.05),
        (|| Box::new(Log { floor: 1e-6 }), 0.3, 0.2),
    ];
    let law = Normal::new(0.6, 1.2).unwrap();
    let members = quantiles(4000, &law);
    for (function, y, sd) in functions {
        let h = function();
        let exact =
            on_a_grid(|x| -0.5 * ((x - 0.6) / 1.2f64).powi(2) - 0.5 * ((y - h.value(x)) / sd).powi(2), -10.0, 10.0);
        let operator = Pointwise::new(Boxed(function()), Stride::new(1, 1, 0, &errors(&[sd])).unwrap());
        for prior in PRIORS {
            let found = of_members(&analysis("qceff", &qceff(prior), &members, &operator, &array![y]));
            println!("{} {prior}: {found:.3?} for {exact:.3?}", h.name());
            let close = found.iter().zip(&exact).all(|(found, exact)| (found - exact).abs() < 0.012);
            assert!(close, "{} {prior}: {found:?}, not {exact:?}", h.name());
        }
    }
}

/// A function that is made anew for each operator.
type MakeFunction = fn() -> Box<dyn Function>;

/// A function behind a box.
struct Boxed(Box<dyn Function>);

impl Function for Boxed {
    fn name(&self) -> String {
        self.0.name()
    }

    fn value(&self, x: f64) -> f64 {
        self.0.value(x)
    }

    fn slope(&self, x: f64) -> f64 {
        self.0.slope(x)
    }
}

/// Errors of another law: Laplace's, whose posterior has a kink.
#[test]
fn errors_that_are_not_gaussian_are_taken_as_they_are() {
    let law = |dim| -> Result<Box<dyn NoiseLaw>> { Ok(Box::new(Laplace::new(&[0.4], dim)?)) };
    let operator = Stride::new(1, 1, 0, &law).unwrap();
    let members = quantiles(4000, &Normal::standard());
    let exact = on_a_grid(|x| -0.5 * x * x + operator.error().log_likelihood_of(0, 1.1, x), -9.0, 9.0);
    for prior in PRIORS {
        let found = of_members(&analysis("qceff", &qceff(prior), &members, &operator, &array![1.1]));
        assert!(found.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 0.012), "{prior}: {found:?}, not {exact:?}");
    }
}

#[test]
fn a_prior_that_ends_at_a_bound_has_its_posterior_above_it() {
    let law = Gamma::new(1.5, 1.0).unwrap();
    let members = quantiles(4000, &law);
    let operator = Stride::new(1, 1, 0, &errors(&[0.3])).unwrap();
    let y = array![0.2];
    let exact = on_a_grid(|x| 0.5 * x.ln() - x - 0.5 * ((0.2 - x) / 0.3f64).powi(2), 0.0, 12.0);
    // kernels smooth the density near the bound, where that rises as a root
    for (prior, tolerance) in [("rank_histogram", 0.005), ("kernel", 0.035)] {
        let given = [qceff(prior), vec![("lower", Value::Float(0.0))]].concat();
        let found = analysis("qceff", &given, &members, &operator, &y);
        assert!(found.iter().all(|x| *x >= 0.0), "{prior}");
        let found = of_members(&found);
        println!("{prior}: {found:.4?} for {exact:.4?}");
        assert!(found.iter().zip(&exact).all(|(a, b)| (a - b).abs() < tolerance), "{prior}: {found:?}, not {exact:?}");
    }
}

#[test]
fn members_keep_their_order() {
    let members = Key::new(9, Domain::Score).normals(60, 1) * 2.0;
    let operator = Pointwise::new(Absolute, Stride::new(1, 1, 0, &errors(&[0.2])).unwrap());
    let mut order: Vec<usize> = (0..60).collect();
    order.sort_by(|&a, &b| members[(a, 0)].total_cmp(&members[(b, 0)]));
    for prior in PRIORS {
        for y in [0.0, 1.5, 12.0] {
            let found = analysis("qceff", &qceff(prior), &members, &operator, &array![y]);
            let sorted = order.windows(2).all(|pair| found[(pair[0], 0)] <= found[(pair[1], 0)] + 1e-12);
            assert!(sorted && found.iter().all(|x| x.is_finite()), "{prior} {y}");
            assert!(found != members, "{prior} {y}");
        }
    }
}

/// Errors so large that a value says nothing: the members come back, also those that are tied on a bound; inflation leaves
/// none below it.
#[test]
fn a_flat_likelihood_returns_the_members_and_inflation_breaks_no_bound() {
    let mut members = Key::new(10, Domain::Score).normals(40, 2).mapv(f64::exp);
    (0..3).for_each(|member| members[(member, 0)] = 0.0);
    members[(5, 0)] = members[(6, 0)];
    for prior in PRIORS {
        let given = [qceff(prior), vec![("lower", Value::Float(0.0))]].concat();
        for sd in [1e7, 1e200] {
            let operator = Stride::new(2, 1, 0, &errors(&[sd])).unwrap();
            let found = analysis("qceff", &given, &members, &operator, &array![1.0, 2.0]);
            let worst = (&found - &members).iter().fold(0.0, |worst: f64, e| worst.max(e.abs()));
            assert!(worst < 1e-12, "{prior} {sd}: {worst}");
            assert_eq!(found.column(0).iter().filter(|x| x.abs() < 1e-12).count(), 3, "{prior}");
        }
        let operator = Stride::new(2, 1, 0, &errors(&[0.5])).unwrap();
        let wide = [given, vec![("inflation", Value::Float(1.3))]].concat();
        let found = analysis("qceff", &wide, &members, &operator, &array![0.3, 0.1]);
        assert!(found.iter().all(|x| *x >= 0.0 && x.is_finite()), "{prior}");
    }
}

#[test]
fn members_without_a_spread_stay_and_regress_nothing() {
    let mut members = Key::new(11, Domain::Score).normals(20, 2);
    members.column_mut(0).fill(0.7);
    let operator = Stride::new(2, 2, 0, &errors(&[0.1])).unwrap();
    for prior in PRIORS {
        let found = analysis("qceff", &qceff(prior), &members, &operator, &array![3.0]);
        assert!((&found - &members).iter().all(|e| e.abs() < 1e-15), "{prior}");
    }
}

#[test]
fn bounds_in_the_wrong_order_are_refused() {
    let entry = scorecast_assimilation::METHODS.iter().find(|entry| entry.name == "qceff").unwrap();
    let given = [("lower", 1.0), ("upper", 0.5)].map(|(key, value)| (key.to_owned(), Value::Float(value)));
    let settings = scorecast_systems::Settings::check("qceff", entry.params, &given.into()).unwrap();
    let message = (entry.build.make)(&settings).err().unwrap().to_string();
    assert!(message.contains("upper") && message.contains("set it above"), "{message}");
}

/// The least component of these members is beyond a bound as a whole, or in part.
#[test]
fn members_beyond_a_bound_are_refused_where_none_is_within_and_told_of_otherwise() {
    let operator = Stride::new(1, 1, 0, &errors(&[0.5])).unwrap();
    let values = array![0.3];
    let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
    let mut filter = QcEff {
        inflation: Inflation::default(),
        localization: None,
        prior: MarginalPrior::Kernel,
        bounds: Bounds { lower: Some(0.0), upper: None },
    };
    let key = Key::new(4, Domain::Method);
    let message = filter.update(array![[-1.0], [-2.0], [-0.5]], &observed, key).unwrap_err().to_string();
    assert!(message.contains("all members of component 0 lie below the `lower` of 0"), "{message}");
    let outcome = filter.update(array![[-1.0], [2.0], [0.5], [1.0]], &observed, key).unwrap();
    assert_eq!(outcome.diagnostics["beyond_bounds"], 0.25);
    assert!(outcome.ensemble.iter().all(|x| *x >= 0.0));
    let outcome = filter.update(array![[1.0], [2.0], [0.5]], &observed, key).unwrap();
    assert!(!outcome.diagnostics.contains_key("beyond_bounds"));
}

/// A value of which next to nothing is uncertain leaves members where it is, and errors of which the square is no number are refused.
#[test]
fn errors_that_are_as_good_as_none_give_the_value_back() {
    let members = Key::new(12, Domain::Score).normals(40, 1);
    for name in [("qceff", "prior", "kernel"), ("qceff", "prior", "normal"), ("ensf", "score", "local_mixture")] {
        let (method, setting, word_of_it) = name;
        let operator = Stride::new(1, 1, 0, &errors(&[1e-120])).unwrap();
        let x = analysis(method, &[(setting, word(word_of_it))], &members, &operator, &array![0.4]);
        assert!(x.iter().all(|x| (x - 0.4).abs() < 1e-6), "{name:?}: {x}");
    }
    let message = Stride::new(1, 1, 0, &errors(&[1e-200])).err().unwrap().to_string();
    assert!(message.contains("1e-200, whose square is 0"), "{message}");
}
