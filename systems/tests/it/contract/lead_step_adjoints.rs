//! Adjoints of lead steps: the dot-product test for each scheme over several substeps with constant noise, and the
//! gradient of a quadratic cost over a window, as variational methods need it.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::{stepping, system};
use ndarray::{Array2, Axis};
use scorecast_systems::{
    Differentiable, Domain, Forecaster, Key, LANES, Linearized, Noise, Purpose, Sde, SdeForecaster, Value,
};

const SCHEMES: [&str; 6] = ["rk4", "heun", "euler_maruyama", "milstein", "sra1", "sri1"];

fn key() -> Key {
    Key::new(11, Domain::Method).purpose(Purpose::ProcessNoise)
}

type Block = [[f64; LANES]];

/// A pendulum that is pushed and shaken by two Brownian motions, all of which depends on time:
/// dx = y dt, dy = (-(1 + t) sin x - y / 2 + cos 3t) dt + (1 + t) dW_1 + sin(t) dW_2.
struct Pendulum;

impl Sde for Pendulum {
    fn dim(&self) -> usize {
        2
    }

    fn noise(&self) -> Noise {
        Noise::Constant(2)
    }

    fn autonomous(&self) -> bool {
        false
    }

    fn drift_block(&self, t: f64, x: &Block, out: &mut Block) {
        out[0] = x[1];
        out[1] = std::array::from_fn(|l| -(1.0 + t) * x[0][l].sin() - 0.5 * x[1][l] + (3.0 * t).cos());
    }

    fn diffuse_block(&self, t: f64, _: &Block, dw: &Block, out: &mut Block) {
        out[0] = [0.0; LANES];
        out[1] = std::array::from_fn(|l| (1.0 + t) * dw[0][l] + t.sin() * dw[1][l]);
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for Pendulum {
    fn tangent_block(&self, t: f64, x: &Block, dx: &Block, out: &mut Block) {
        out[0] = dx[1];
        out[1] = std::array::from_fn(|l| -(1.0 + t) * x[0][l].cos() * dx[0][l] - 0.5 * dx[1][l]);
    }

    fn adjoint_block(&self, t: f64, x: &Block, v: &Block, out: &mut Block) {
        out[0] = std::array::from_fn(|l| -(1.0 + t) * x[0][l].cos() * v[1][l]);
        out[1] = std::array::from_fn(|l| v[0][l] - 0.5 * v[1][l]);
    }
}

fn equations() -> Vec<(&'static str, Arc<dyn Sde>)> {
    let of = |name, noise| system(name, &[("noise", Value::Float(noise))]).as_sde().unwrap();
    vec![
        ("lorenz63", of("lorenz63", 0.7)),
        ("lorenz96", of("lorenz96", 0.7)),
        ("lorenz96 without noise", of("lorenz96", 0.0)),
        ("pendulum", Arc::new(Pendulum)),
    ]
}

/// <M' dx, v> = <dx, M'^T v> to 1e-12 of the sum of the magnitudes, member by member, on one thread and on many.
#[test]
fn adjoints_are_the_transposes_of_tangents() {
    for (name, sde) in equations() {
        for scheme in SCHEMES {
            for (substeps, members) in [(1, 3), (3, LANES + 2), (8, 40), (4, 3000)] {
                let forecaster = SdeForecaster::new(Arc::clone(&sde), &stepping(scheme, 0.1, substeps)).unwrap();
                let derivative = forecaster.differentiable().unwrap();
                let normals = |at| key().at(at).normals(members, sde.dim());
                let (x, dx, v) = (normals(50) * 2.0 + 1.0, normals(51), normals(52));
                let (next, tangent) = derivative.tangent(7, x.view(), dx.view(), key()).unwrap();
                let adjoint = derivative.adjoint(7, x.view(), v.view(), key()).unwrap();
                let mut plain = x.clone();
                forecaster.advance(7, 1, &mut plain, key()).unwrap();
                assert_eq!(next, plain, "{name}, {scheme}: the tangent follows the same path");
                let (left, right) = ((&tangent * &v).sum_axis(Axis(1)), (&dx * &adjoint).sum_axis(Axis(1)));
                let size = (&tangent * &v).mapv(f64::abs).sum_axis(Axis(1));
                for member in 0..members {
                    let gap = (left[member] - right[member]).abs();
                    assert!(gap < 1e-12 * size[member], "{name}, {scheme}, {substeps} substeps: {gap}");
                }
            }
        }
    }
}

/// J(x_0) = |x_0 - b|^2 / 2 + sum_k |x_k - y_k|^2 / 2 along one path of the noise: one backward sweep gives the gradient,
/// lambda_k = x_k - y_k + M_k'^T lambda_{k+1}, and centred differences confirm it.
#[test]
fn gradient_of_a_quadratic_cost() {
    const LEAD_STEPS: usize = 5;
    for scheme in SCHEMES {
        let sde = system("lorenz96", &[("noise", Value::Float(0.7)), ("dim", Value::Int(8))]).as_sde().unwrap();
        let forecaster = SdeForecaster::new(sde, &stepping(scheme, 0.05, 4)).unwrap();
        let derivative = forecaster.differentiable().unwrap();
        let normals = |at| key().at(at).normals(2, 8) * 3.0;
        let (b, x0): (Array2<f64>, Array2<f64>) = (normals(60), normals(61));
        let y: Vec<Array2<f64>> = (0..=LEAD_STEPS as u64).map(|k| normals(70 + k)).collect();
        let path = |x0: &Array2<f64>| {
            let mut path = vec![x0.clone()];
            for k in 0..LEAD_STEPS {
                let mut x = path[k].clone();
                forecaster.advance(k, 1, &mut x, key()).unwrap();
                path.push(x);
            }
            path
        };
        let cost = |x0: &Array2<f64>| {
            let squares = path(x0).iter().zip(&y).map(|(x, y)| (x - y).mapv(|d| d * d).sum()).sum::<f64>();
            0.5 * ((x0 - &b).mapv(|d| d * d).sum() + squares)
        };
        let states = path(&x0);
        let mut lambda = &states[LEAD_STEPS] - &y[LEAD_STEPS];
        for k in (0..LEAD_STEPS).rev() {
            lambda = derivative.adjoint(k, states[k].view(), lambda.view(), key()).unwrap() + &states[k] - &y[k];
        }
        let gradient = lambda + &x0 - &b;
        let direction = normals(62);
        let h = 1e-5;
        let difference = (cost(&(&x0 + &(&direction * h))) - cost(&(&x0 - &(&direction * h)))) / (2.0 * h);
        let slope = (&gradient * &direction).sum();
        assert!((slope - difference).abs() < 1e-7 * slope.abs().max(1.0), "{scheme}: {slope} {difference}");
    }
}

#[test]
fn a_scheme_without_an_adjoint_names_one_that_has() {
    let forecaster = SdeForecaster::new(system("lorenz63", &[]).as_sde().unwrap(), &stepping("tsit5", 0.1, 1)).unwrap();
    let x = key().normals(2, 3);
    let derivative = forecaster.differentiable().unwrap();
    let sentence = derivative.adjoint(0, x.view(), x.view(), key()).unwrap_err().to_string();
    assert!(sentence.contains("`rk4`"), "{sentence}");
}

/// The tangent of adaptive steps is that of the steps taken: linear, along the state's own path, and within the tolerance
/// of the flow's derivative.
#[test]
fn tangents_of_adaptive_steps_follow_the_states_steps() {
    let sde = system("lorenz63", &[]).as_sde().unwrap();
    let build = |name| SdeForecaster::new(Arc::clone(&sde), &stepping(name, 0.1, if name == "rk4" { 500 } else { 1 }));
    let (adaptive, fixed) = (build("tsit5").unwrap(), build("rk4").unwrap());
    let (x, dx) = (key().at(1).normals(20, 3) * 5.0, key().at(2).normals(20, 3));
    let (next, tangent) = adaptive.tangent(0, x.view(), dx.view(), key()).unwrap();
    let mut plain = x.clone();
    adaptive.advance(0, 1, &mut plain, key()).unwrap();
    assert_eq!(next, plain);
    let (_, scaled) = adaptive.tangent(0, x.view(), (&dx * 1e12).view(), key()).unwrap();
    assert!((&scaled - &(&tangent * 1e12)).iter().zip(&scaled).all(|(gap, s)| gap.abs() < 1e-12 * s.abs().max(1e9)));
    let (_, exact) = fixed.tangent(0, x.view(), dx.view(), key()).unwrap();
    let gap = (&tangent - &exact).iter().fold(0.0f64, |most, d| most.max(d.abs()));
    assert!(gap < 1e-5, "{gap}");
}
