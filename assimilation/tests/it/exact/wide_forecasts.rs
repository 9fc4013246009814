//! Forecasts that are very much wider than the errors, and several sensors at one place: every method that makes a linear
//! combination of its members or carries a covariance keeps the digits of the errors.
//!
//! Two sensors of sd .5 at one component say 20, whose prior has sd s: the posterior is N(20, .5^2 / 2) up to 1 / s^2, however wide
//! s is. A second component moves with the first, and a third is not observed at all and independent.

#![allow(clippy::unwrap_used)]

use ndarray::{Array1, Array2, array};
use scorecast_assimilation::observe::Linear;
use scorecast_assimilation::{METHODS, ObservationSet, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

use crate::common::{errors, method};

/// Methods that weigh or move members by a density: none of theirs is near the observation.
const OTHERS: &[&str] = &[
    "climatology",
    "open_loop",
    "bootstrap",
    "kernel_particle_filter",
    "optimal_proposal",
    "local_particle_filter",
    "ensf",
    "enff",
    "guided",
    "ffbsi",
];

#[test]
fn two_sensors_at_one_place_are_averaged_whatever_the_forecasts_width() {
    let still = LinearGaussian { matrix: Array2::eye(3), offset: Array1::zeros(3), covariance: Array2::zeros((3, 3)) };
    let model = LinearForecaster::new(still).unwrap();
    let operator = Linear::new(array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], &errors(&[0.5])).unwrap();
    let values = array![20.0, 20.0];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let (exact, key) = (0.5 / 2f64.sqrt(), Key::new(8, Domain::Method));
    let mut wrong = Vec::new();
    for entry in METHODS.iter().filter(|entry| !OTHERS.contains(&entry.name)) {
        for (members, ratio) in [(40, 1e4f64), (40, 1e8), (3, 1e10), (40, 1e10), (400, 1e12), (40, 1e14)] {
            let sd = 0.5 * ratio.sqrt();
            let p = array![[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]] * (sd * sd);
            let mut filter = method(entry.name, &[("members", Value::Int(members))]);
            filter.start(&Prior::Gaussian { mean: Array1::zeros(3), covariance: p }, 0, key).unwrap();
            let outcome = filter.step(&model, &observed, key).unwrap();
            let (mean, sd) = (outcome.mean()[0], outcome.variance()[0].sqrt());
            println!("{} {members} {ratio:e}: {mean:.4} {sd:.4}", entry.name);
            // half the gain leaves half of the anomalies along what is known
            let half = ["denkf", "hybrid", "four_d_envar"].contains(&entry.name);
            let forecast = scorecast_assimilation::ensemble::weighted_variance(outcome.forecast.view(), None)[0].sqrt();
            let expected = if half { 0.5 * forecast } else { exact };
            let own = match entry.name {
                // members draw errors of their own: three have a spread of about a third of it
                "enkf" => 1.0,
                // P less K S K^T: the digits that 1e14 leaves of it
                "unscented" => 0.05,
                // quantiles of a kernel density: three of them have its sd but for some percent
                "qceff" if members == 3 => 0.1,
                _ => 1e-2,
            };
            let (mean, sd) = ((mean - 20.0) / exact, (sd / expected - 1.0).abs());
            if !(mean.abs() < 0.1 && sd < own) {
                wrong.push(format!("{} with {members} members, {ratio:e}: {mean} {sd}", entry.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Errors of 1e-12 beside a background of 1: the members of the posterior have the spread of the errors.
#[test]
fn three_d_var_keeps_errors_that_are_tiny() {
    let still = LinearGaussian { matrix: Array2::eye(2), offset: Array1::zeros(2), covariance: Array2::zeros((2, 2)) };
    let model = LinearForecaster::new(still).unwrap();
    for sd in [1e-3, 1e-6, 1e-9, 1e-12] {
        let operator = Linear::new(Array2::eye(2), &errors(&[sd])).unwrap();
        let values = array![0.3, -0.4];
        let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
        let mut filter = method("three_d_var", &[("members", Value::Int(400))]);
        let prior = Prior::Gaussian { mean: Array1::zeros(2), covariance: array![[1.0, 0.5], [0.5, 1.0]] };
        let key = Key::new(8, Domain::Method);
        filter.start(&prior, 0, key).unwrap();
        let outcome = filter.step(&model, &observed, key).unwrap();
        let spread = outcome.variance().mapv(f64::sqrt);
        assert!(spread.iter().all(|found| (found / sd - 1.0).abs() < 1e-3), "{sd:e}: {spread}");
        // 400 draws: sd of a standard deviation 1 / sqrt(800); members themselves are known to 1e-16
        let draws = scorecast_assimilation::ensemble::weighted_variance(outcome.ensemble.view(), None).mapv(f64::sqrt);
        assert!(draws.iter().all(|found| (found / sd - 1.0).abs() < 0.18), "{sd:e}: {draws}");
    }
}
