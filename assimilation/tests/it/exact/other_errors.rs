//! The bootstrap filter with errors that are not Gaussian, against the posterior by quadrature.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::method;
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::observe::{
    CorrelatedError, Exp, Laplace, LogNormal, NoiseLaw, Pointwise, Poisson, Stride, StudentT,
};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Outcome, Prior, Result, innovation};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

const MEMBERS: i64 = 40_000;
/// The prior N(MEAN, SD^2).
const MEAN: f64 = 0.4;
const SD: f64 = 0.8;

type Law = fn(usize) -> Result<Box<dyn NoiseLaw>>;

/// (mean, variance, log evidence) of p(x | y) by the trapezoid rule, which is exact to round-off for smooth densities
/// (and to 1e-7 for Laplace's with its kink).
fn exact(operator: &dyn ObservationOperator, y: f64) -> (f64, f64, f64) {
    let step = 24.0 * SD / 40_000.0;
    let x: Array1<f64> = (0..=40_000).map(|i| MEAN - 12.0 * SD + f64::from(i) * step).collect();
    let column = x.clone().insert_axis(ndarray::Axis(1));
    let h = operator.apply(0.0, column.view());
    let log = operator.error().log_likelihood(array![y].view(), h.view(), &[0]);
    let p: Array1<f64> = x.iter().zip(&log).map(|(x, log)| (log - 0.5 * ((x - MEAN) / SD).powi(2)).exp()).collect();
    let total = p.sum();
    let mean = p.dot(&x) / total;
    let variance = p.dot(&x.mapv(|x| (x - mean).powi(2))) / total;
    (mean, variance, (total * step / (SD * (2.0 * std::f64::consts::PI).sqrt())).ln())
}

fn run(operator: &dyn ObservationOperator, y: f64) -> Outcome {
    let given = [("members", Value::Int(MEMBERS)), ("ess_threshold", Value::Float(0.0))];
    let mut filter = method("bootstrap", &given);
    let key = Key::new(11, Domain::Method);
    let prior = Prior::Gaussian { mean: array![MEAN], covariance: array![[SD * SD]] };
    filter.start(&prior, 0, key).unwrap();
    let law = LinearGaussian { matrix: array![[1.0]], offset: array![0.0], covariance: array![[1.0]] };
    let values = array![y];
    // observed at the start, so that the forecast is the prior
    let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator };
    filter.step(&LinearForecaster::new(law).unwrap(), &observed, key).unwrap()
}

#[test]
fn the_weighted_ensemble_has_the_posterior_s_moments_and_evidence() {
    let laws: [(&str, Law, bool, f64); 6] = [
        ("student_t", |dim| Ok(Box::new(StudentT::new(&[0.3], 3.0, dim)?)), false, 2.5),
        ("student_t, a gross error", |dim| Ok(Box::new(StudentT::new(&[0.3], 3.0, dim)?)), false, -30.0),
        ("poisson", |dim| Ok(Box::new(Poisson::new(dim))), true, 4.0),
        ("poisson, nothing counted", |dim| Ok(Box::new(Poisson::new(dim))), true, 0.0),
        ("laplace", |dim| Ok(Box::new(Laplace::new(&[0.3], dim)?)), false, 1.1),
        ("log_normal", |dim| Ok(Box::new(LogNormal::new(&[0.4], dim)?)), true, 0.7),
    ];
    for (name, law, rate, y) in laws {
        let selected = Stride::new(1, 1, 0, &law).unwrap();
        let operator: Box<dyn ObservationOperator> =
            if rate { Box::new(Pointwise::new(Exp, selected)) } else { Box::new(selected) };
        let outcome = run(&*operator, y);
        let (mean, variance, log_evidence) = exact(&*operator, y);
        let (x, w) = (outcome.ensemble.column(0), outcome.weights.as_ref().unwrap());
        // the delta method for self-normalised weights: Var = sum w^2 (g - E g)^2
        let error = |g: &dyn Fn(f64) -> f64| {
            let centre = w.iter().zip(x).map(|(w, x)| w * g(*x)).sum::<f64>();
            w.iter().zip(x).map(|(w, x)| (w * (g(*x) - centre)).powi(2)).sum::<f64>().sqrt()
        };
        let square = |x: f64| (x - mean).powi(2);
        let found = w.iter().zip(x).map(|(w, x)| w * square(*x)).sum::<f64>();
        assert!((outcome.mean()[0] - mean).abs() < 4.5 * error(&|x| x), "{name}: {}, not {mean}", outcome.mean()[0]);
        assert!((found - variance).abs() < 4.5 * error(&square), "{name}: {found}, not {variance}");
        // the relative variance of the mean weight is (N sum w^2 - 1) / N
        let spread = (w.dot(w) - 1.0 / MEMBERS as f64).sqrt();
        let evidence = outcome.diagnostics["log_evidence"];
        assert!((evidence - log_evidence).abs() < 4.5 * spread, "{name}: {evidence}, not {log_evidence}");
        println!("{name}: mean {mean:.4}, standard error {:.5}, ess {}", error(&|x| x), outcome.diagnostics["ess"]);
    }
}

#[test]
fn innovations_use_the_moments_of_counts_and_of_multiplicative_errors() {
    let rate = |law: Law| Pointwise::new(Exp, Stride::new(1, 1, 0, &law).unwrap());
    let s: f64 = 0.4;
    let cases: [(Pointwise<Exp>, f64, f64); 2] = [
        (rate(|dim| Ok(Box::new(Poisson::new(dim)))), 1.0, 0.0),
        (rate(|dim| Ok(Box::new(LogNormal::new(&[0.4], dim)?))), (0.5 * s * s).exp(), (s * s).exp_m1()),
    ];
    for (operator, factor, relative) in cases {
        let outcome = run(&operator, 3.0);
        let values = array![3.0];
        let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
        let found = innovation(&outcome, &observed).unwrap().unwrap();
        let h = outcome.forecast.column(0).mapv(f64::exp) * factor;
        let mean = h.mean().unwrap();
        let spread = h.mapv(|h| (h - mean).powi(2)).sum() / (h.len() as f64 - 1.0);
        let noise = if relative == 0.0 { mean } else { relative * h.dot(&h) / h.len() as f64 };
        assert!((found.residual[0] - (3.0 - mean)).abs() < 1e-10);
        // moments of the state are not those of what is observed
        let moments = Some((array![MEAN], array![[SD * SD]]));
        let beside =
            innovation(&Outcome { forecast_gaussian: moments, ..outcome.clone() }, &observed).unwrap().unwrap();
        assert_eq!((beside.residual, &beside.variance), (found.residual.clone(), &found.variance));
        assert!((found.variance[0] / (spread + noise) - 1.0).abs() < 1e-10);
    }
}

#[test]
fn correlated_errors_weigh_particles_as_the_exact_posterior_asks() {
    let r = array![[0.5, 0.35], [0.35, 0.4]];
    let error = |_: usize| Ok(Box::new(CorrelatedError::new(array![[0.5, 0.35], [0.35, 0.4]])?) as Box<dyn NoiseLaw>);
    let h = array![[1.0], [0.7]];
    let operator = scorecast_assimilation::observe::Linear::new(h.clone(), &error).unwrap();
    let given = [("members", Value::Int(MEMBERS)), ("ess_threshold", Value::Float(0.0))];
    let mut filter = method("bootstrap", &given);
    let key = Key::new(11, Domain::Method);
    filter.start(&Prior::Gaussian { mean: array![MEAN], covariance: array![[SD * SD]] }, 0, key).unwrap();
    let values = array![1.2, 0.1];
    let law = LinearGaussian { matrix: array![[1.0]], offset: array![0.0], covariance: Array2::eye(1) };
    let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
    let outcome = filter.step(&LinearForecaster::new(law).unwrap(), &observed, key).unwrap();
    // precision 1/SD^2 + h^T R^-1 h, of a 2 x 2 inverse by hand
    let det = r[(0, 0)] * r[(1, 1)] - r[(0, 1)] * r[(1, 0)];
    let inverse = array![[r[(1, 1)], -r[(0, 1)]], [-r[(1, 0)], r[(0, 0)]]] / det;
    let weighted = h.t().dot(&inverse);
    let precision = 1.0 / (SD * SD) + weighted.dot(&h)[(0, 0)];
    let mean = (MEAN / (SD * SD) + weighted.dot(&values)[0]) / precision;
    let w = outcome.weights.as_ref().unwrap();
    let error = outcome.ensemble.column(0).iter().zip(w).map(|(x, w)| (w * (x - mean)).powi(2)).sum::<f64>().sqrt();
    assert!((outcome.mean()[0] - mean).abs() < 4.5 * error);
}
