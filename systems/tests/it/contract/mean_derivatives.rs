//! The derivative of the mean of a lead step against centred differences of that mean, and its adjoint by the dot-product
//! test.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::collections::BTreeMap;

use common::{stepping, system};
use ndarray::{Array2, Axis};
use scorecast_systems::{Domain, Forecaster, Key, LANES, Map, MapForecaster, Purpose, Value};

const MEMBERS: usize = 11;

fn key() -> Key {
    Key::new(17, Domain::Method).purpose(Purpose::ProcessNoise)
}

/// A system with noise `noise`, an integrator of these substeps, and a typical size of its states.
fn forecaster(name: &str, noise: f64, scheme: &str, substeps: usize) -> Box<dyn Forecaster> {
    system(name, &[("noise", Value::Float(noise))]).forecaster(&stepping(scheme, 0.05, substeps)).unwrap()
}

/// (x, y) -> (y + sin x, -x + y^2 / 2).
struct Turn;

impl Map for Turn {
    fn dim(&self) -> usize {
        2
    }

    fn map_block(&self, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for l in 0..LANES {
            (out[0][l], out[1][l]) = (x[1][l] + x[0][l].sin(), -x[0][l] + 0.5 * x[1][l] * x[1][l]);
        }
    }

    fn tangent_block(&self, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for l in 0..LANES {
            out[0][l] = dx[1][l] + x[0][l].cos() * dx[0][l];
            out[1][l] = -dx[0][l] + x[1][l] * dx[1][l];
        }
    }

    fn adjoint_block(&self, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for l in 0..LANES {
            out[0][l] = x[0][l].cos() * v[0][l] - v[1][l];
            out[1][l] = v[0][l] + x[1][l] * v[1][l];
        }
    }
}

fn embedded(noise: f64) -> Box<dyn Forecaster> {
    let inside = BTreeMap::from([("noise".to_owned(), Value::Float(noise))]);
    let given = [
        ("of", Value::System { name: "lorenz63".to_owned(), settings: inside }),
        ("dim", Value::Int(7)),
        ("noise", Value::Float(0.2)),
    ];
    system("embed", &given).forecaster(&stepping("euler_maruyama", 0.05, 1)).unwrap()
}

#[test]
fn it_is_that_of_the_kernels_mean_or_of_the_deterministic_step() {
    let cases: Vec<(&str, Box<dyn Forecaster>, bool)> = vec![
        ("rk4 with noise", forecaster("lorenz96", 0.7, "rk4", 1), true),
        ("euler_maruyama with noise", forecaster("lorenz63", 0.7, "euler_maruyama", 1), true),
        ("milstein with noise", forecaster("lorenz63", 0.7, "milstein", 1), true),
        ("rk4 without noise", forecaster("lorenz96", 0.0, "rk4", 3), true),
        ("tsit5 without noise", forecaster("lorenz63", 0.0, "tsit5", 1), false),
        ("a map with noise", Box::new(MapForecaster::new(Turn, 0.1)), true),
        ("a map without noise", Box::new(MapForecaster::new(Turn, 0.0)), true),
        ("an embedding", embedded(0.4), true),
    ];
    for (name, model, has_adjoint) in cases {
        let dim = model.dim();
        let normals = |at| key().at(at).normals(MEMBERS, dim);
        let (x, dx, v) = (normals(50), normals(51), normals(52));
        let mean = |x: Array2<f64>| match model.gaussian() {
            Some(kernel) => kernel.moments(3, x.view()).unwrap().0,
            None => {
                let mut next = x;
                model.advance(3, 1, &mut next, key()).unwrap();
                next
            }
        };
        let derivative = model.differentiable().unwrap();
        let (next, tangent) = derivative.mean_tangent(3, x.view(), dx.view()).unwrap();
        assert!((&next - &mean(x.clone())).iter().all(|e| e.abs() < 1e-13), "{name}");
        let h = 1e-5;
        let difference = (mean(&x + &(&dx * h)) - mean(&x - &(&dx * h))) / (2.0 * h);
        // rounding 1e-16 / h and truncation h^2 of numbers of the order of 1 to 10
        assert!((&tangent - &difference).iter().all(|e| e.abs() < 1e-8), "{name}: {tangent} {difference}");
        if has_adjoint {
            let adjoint = derivative.mean_adjoint(3, x.view(), v.view()).unwrap();
            let (left, right) = ((&tangent * &v).sum_axis(Axis(1)), (&dx * &adjoint).sum_axis(Axis(1)));
            assert!((left - right).iter().all(|e| e.abs() < 1e-11), "{name}");
        }
    }
}

/// With several substeps, or a scheme that carries noise through the drift, the mean is not the step without noise.
#[test]
fn a_mean_without_a_closed_form_is_refused_with_a_remedy() {
    for (scheme, substeps) in [("rk4", 2), ("sra1", 1), ("euler_maruyama", 3)] {
        let model = forecaster("lorenz63", 0.7, scheme, substeps);
        let (x, derivative) = (key().normals(2, 3), model.differentiable().unwrap());
        for sentence in [
            derivative.mean_tangent(0, x.view(), x.view()).unwrap_err().to_string(),
            derivative.mean_adjoint(0, x.view(), x.view()).unwrap_err().to_string(),
        ] {
            assert!(sentence.contains("one substep"), "{scheme}: {sentence}");
        }
    }
}
