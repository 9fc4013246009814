//! Values that say nothing: predictions that overflow, seen or not, and values that no member can have made.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, method};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::ensemble::weighted_mean;
use scorecast_assimilation::observe::{Exp, Pointwise, Poisson, Stride};
use scorecast_assimilation::{ObservationSet, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

/// x' = x + noise of variance .2.
fn walk(dim: usize) -> LinearForecaster {
    let covariance = Array2::eye(dim) * 0.2;
    LinearForecaster::new(LinearGaussian { matrix: Array2::eye(dim), offset: Array1::zeros(dim), covariance }).unwrap()
}

/// h of a component whose value is missing overflows: no method looks at it.
#[test]
fn a_missing_value_whose_prediction_is_infinite_changes_nothing() {
    let operator = Pointwise::new(Exp, Stride::new(2, 1, 0, &errors(&[0.5])).unwrap());
    let values = array![1.5, f64::NAN];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let key = Key::new(8, Domain::Method);
    for name in ["ensf", "guided", "hybrid", "four_d_envar", "etkf", "letkf", "bootstrap", "three_d_var"] {
        let mut filter = method(name, &[("members", Value::Int(20))]);
        filter.start(&Prior::Gaussian { mean: array![0.0, 900.0], covariance: Array2::eye(2) }, 0, key).unwrap();
        let outcome = filter.step(&walk(2), &observed, key).unwrap();
        assert!(outcome.ensemble.iter().all(|x| x.is_finite()), "{name}");
        let moved = (outcome.mean()[0] - weighted_mean(outcome.forecast.view(), None)[0]).abs();
        assert!(moved > 1e-3, "{name}: {moved}");
    }
}

#[test]
fn a_sigma_point_whose_prediction_overflows_leaves_the_forecast() {
    let operator = Pointwise::new(Exp, Stride::new(1, 1, 0, &errors(&[0.5])).unwrap());
    let values = array![1.5];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let mut filter = method("unscented", &[]);
    filter
        .start(&Prior::Gaussian { mean: array![705.0], covariance: array![[3600.0]] }, 0, Key::new(8, Domain::Method))
        .unwrap();
    let outcome = filter.step(&walk(1), &observed, Key::new(8, Domain::Method)).unwrap();
    let ((mean, p), (before, q)) = (outcome.gaussian.unwrap(), outcome.forecast_gaussian.unwrap());
    assert!(mean == before && p == q && outcome.diagnostics["log_evidence"].is_nan());
}

/// The whole of what is predicted overflows: a method of a window leaves its forecast as it is, too.
#[test]
fn a_prediction_that_overflows_leaves_the_members_of_a_window() {
    let operator = Pointwise::new(Exp, Stride::new(1, 1, 0, &errors(&[0.5])).unwrap());
    let (values, key) = (array![1.5], Key::new(8, Domain::Method));
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    for name in ["ienks", "four_d_var", "four_d_envar", "etkf", "enkf_n", "hybrid"] {
        let mut filter = method(name, &[("members", Value::Int(10))]);
        filter.start(&Prior::Gaussian { mean: array![900.0], covariance: Array2::eye(1) }, 0, key).unwrap();
        let outcome = filter.step(&walk(1), &observed, key).unwrap();
        assert!((&outcome.ensemble - &outcome.forecast).iter().all(|e| e.abs() < 1e-9), "{name}");
    }
}

/// Counts are whole numbers: no member explains 2.5.
#[test]
fn a_local_particle_filter_without_a_weight_has_no_effective_members() {
    let operator = Pointwise::new(Exp, Stride::new(3, 1, 0, &|dim| Ok(Box::new(Poisson::new(dim)))).unwrap());
    let key = Key::new(8, Domain::Method);
    let ess = |values: Array1<f64>| {
        let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
        let mut filter = method("local_particle_filter", &[("members", Value::Int(20)), ("radius", Value::Float(0.5))]);
        filter.start(&Prior::Gaussian { mean: Array1::zeros(3), covariance: Array2::eye(3) }, 0, key).unwrap();
        filter.step(&walk(3), &observed, key).unwrap().diagnostics["least_ess"]
    };
    assert!(ess(array![1.0, 2.0, 1.0]) >= 1.0);
    assert_eq!(ess(array![1.0, 2.5, 1.0]), 0.0);
}
