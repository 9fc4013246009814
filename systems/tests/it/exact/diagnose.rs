//! Diagnostics of trajectories against a process of which everything is known: dx = -x dt + sqrt(2) dW has the
//! stationary law N(0, 1) and the autocorrelation exp(-|tau|), and sampled at steps of h it is an autoregression with
//! phi = exp(-h).
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use common::{stepping, system};
use ndarray::{Array3, Axis, concatenate};
use scorecast_systems::diagnose::{Diagnosis, Estimate, trajectories};
use scorecast_systems::{Domain, Geometry, Key, Value, simulate};

const DT: f64 = 0.1;

fn states(trajectories: usize, steps: usize) -> Array3<f64> {
    let settings = [("dim", Value::Int(2)), ("coupling", Value::Float(0.0)), ("noise", Value::Float(2f64.sqrt()))];
    let (system, key) = (system("ou", &settings), Key::new(11, Domain::Score));
    simulate(system, &stepping("rk4", DT, 1), trajectories, steps, 0, key, |_, _| {}).unwrap().states
}

/// Within four standard errors, and the standard error within a factor of what independent samples of this length give.
fn check(what: &str, found: &Estimate, exact: f64, relative_se: f64) {
    let se = found.se.unwrap();
    assert!(found.z(exact) < 4.0, "{what}: {found:?} for {exact}");
    assert!(se < relative_se * exact.abs().max(1.0), "{what}: {found:?} says nothing about {exact}");
}

fn check_all(diagnosis: &Diagnosis) {
    check("mean", &diagnosis.climate.mean, 0.0, 0.02);
    check("sd", &diagnosis.climate.sd, 1.0, 0.02);
    check("sd of a component", &diagnosis.climate.component_sds[1], 1.0, 0.02);
    for (lag, value) in diagnosis.autocorrelation.lags.iter().zip(&diagnosis.autocorrelation.values).skip(1).take(30) {
        check(&format!("autocorrelation at {lag}"), value, (-lag).exp(), 0.05);
    }
    check("decorrelation time", &diagnosis.autocorrelation.decorrelation_time.unwrap(), 1.0, 0.05);
    let power = diagnosis.power.as_ref().unwrap();
    let phi = (-DT).exp();
    // the taper blurs the lowest frequencies
    for (f, density) in power.frequency.iter().zip(&power.density).skip(8).step_by(5) {
        let exact = 2.0 * DT * (1.0 - phi * phi) / (1.0 + phi * phi - 2.0 * phi * (TAU * f * DT).cos());
        assert!(density.z(exact) < 4.5, "density at {f}: {density:?} for {exact}");
    }
    let integral: f64 = power.density.iter().map(|density| density.value).sum::<f64>() * power.frequency[1];
    assert!((integral - diagnosis.climate.sd.value.powi(2)).abs() < 0.02, "{integral}");
    for histogram in &diagnosis.histograms {
        let width = histogram.edges[1] - histogram.edges[0];
        let total: f64 = histogram.density.iter().map(|density| density.value * width).sum();
        assert!((total - 1.0).abs() < 1e-12);
        for (bin, density) in histogram.density.iter().enumerate().filter(|(_, density)| density.value > 0.02) {
            let middle = histogram.edges[bin] + width / 2.0;
            let exact = (-middle * middle / 2.0).exp() / (2.0 * PI).sqrt();
            let curved = width * width / 24.0 * (middle * middle - 1.0).abs() * exact;
            let error = 4.5 * density.se.unwrap() + curved;
            assert!((density.value - exact).abs() < error, "density at {middle}: {density:?} for {exact}");
        }
    }
}

#[test]
fn many_trajectories_show_the_known_process() {
    let states = states(64, 2000);
    let diagnosis = trajectories(states.view(), DT, Geometry::Unstructured).unwrap();
    assert_eq!((diagnosis.samples, diagnosis.sample_steps, diagnosis.histograms.len()), (64, 2001, 2));
    assert!(diagnosis.spatial.is_none());
    check_all(&diagnosis);
}

#[test]
fn one_long_trajectory_is_cut_into_blocks_and_shows_the_same() {
    let states = states(1, 100_000);
    let diagnosis = trajectories(states.view(), DT, Geometry::Unstructured).unwrap();
    assert_eq!((diagnosis.samples, diagnosis.sample_steps), (16, 6250));
    check_all(&diagnosis);
}

#[test]
fn the_spectrum_in_space_sums_to_the_variance() {
    let system = system("lorenz96", &[]);
    let made =
        simulate(Arc::clone(&system), &stepping("rk4", 0.05, 1), 16, 63, 400, Key::new(2, Domain::Score), |_, _| {});
    let diagnosis = trajectories(made.unwrap().states.view(), 0.05, Geometry::Ring).unwrap();
    let spatial = diagnosis.spatial.unwrap();
    assert_eq!(spatial.wavenumber.len(), 21);
    let total: f64 = spatial.variance.iter().map(|variance| variance.value).sum();
    assert!((total / diagnosis.climate.sd.value.powi(2) - 1.0).abs() < 1e-10, "{total}");
    // its waves have about eight crests on forty points (Lorenz and Emanuel 1998)
    let highest = spatial.variance.iter().map(|v| v.value).enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
    assert!((7..=9).contains(&highest), "{highest}");
    assert_eq!(diagnosis.histograms.len(), 1);
}

#[test]
fn what_cannot_be_diagnosed_is_said() {
    let states = states(2, 60);
    let short = trajectories(states.slice(ndarray::s![.., ..1, ..]), DT, Geometry::Ring).unwrap_err();
    assert!(short.to_string().contains("2 trajectories of 1 states"), "{short}");
    let broken = concatenate(Axis(1), &[states.view(), Array3::from_elem((2, 1, 2), f64::NAN).view()]).unwrap();
    let broken = trajectories(broken.view(), DT, Geometry::Ring).unwrap_err();
    assert!(broken.to_string().contains("not finite"), "{broken}");
    // too short for a spectrum, and the correlation never falls: said by absence
    let still = Array3::from_shape_fn((3, 20, 1), |(case, _, _)| case as f64);
    let diagnosis = trajectories(still.view(), DT, Geometry::Unstructured).unwrap();
    assert!(diagnosis.power.is_none() && diagnosis.autocorrelation.decorrelation_time.is_none());
}
