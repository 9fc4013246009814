//! The linear process on a subspace: its transition against the equation it comes from and against `ou` inside.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::{assert_gaussian_moments, settings, stepping, system};
use ndarray::{Array1, Array2};
use scorecast_systems::catalogue::{LinearLowRank, Ou};
use scorecast_systems::{Covariance, Domain, Forecaster, Key, Purpose, SdeForecaster, System, Value};

fn largest(difference: Array2<f64>) -> f64 {
    difference.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

fn low_rank(more: &[(&str, Value)]) -> LinearLowRank {
    let given = [
        ("dim", Value::Int(9)),
        ("intrinsic", Value::Int(3)),
        ("ambient_sd", Value::Float(0.2)),
        ("ambient_rate", Value::Float(2.5)),
    ];
    LinearLowRank::new(&settings("linear_low_rank", &[&given[..], more].concat())).unwrap()
}

#[test]
fn the_transition_inside_the_subspace_is_that_of_ou() {
    let (system, ou) = (low_rank(&[]), Ou::new(&settings("ou", &[])).unwrap());
    let (law, inside, u) = (system.transition(0.4), ou.transition(0.4), system.basis());
    assert!(largest(u.t().dot(&law.matrix).dot(u) - &inside.matrix) < 1e-14);
    assert!(largest(u.t().dot(&law.covariance).dot(u) - &inside.covariance) < 1e-14);
    assert!(largest(u.t().dot(&system.stationary_covariance()).dot(u) - ou.stationary_covariance()) < 1e-13);
    // across: exp(-r h) and e^2 (1 - exp(-2 r h)), and nothing between the two
    let across = Array2::<f64>::eye(9) - u.dot(&u.t());
    assert!(largest(across.dot(&law.matrix) - &across * (-1.0f64).exp()) < 1e-14);
    let variance = 0.04 * (1.0 - (-2.0f64).exp());
    assert!(largest(across.dot(&law.covariance) - &across * variance) < 1e-14);
}

/// P = A P A^T + Q, and two steps are one of twice the length.
#[test]
fn the_stationary_law_solves_its_equations() {
    let system = low_rank(&[]);
    let (p, one, two) = (system.stationary_covariance(), system.transition(0.3), system.transition(0.6));
    let a = &one.matrix;
    assert!(largest(a.dot(&p).dot(&a.t()) + &one.covariance - &p) < 1e-13);
    assert!(largest(a.dot(a) - &two.matrix) < 1e-14);
    assert!(largest(a.dot(&one.covariance).dot(&a.t()) + &one.covariance - &two.covariance) < 1e-14);
}

/// A and Q that n Euler-Maruyama steps of the equation make, composed from the kernel of one.
fn euler_law(system: &LinearLowRank, dt: f64, steps: usize) -> (Array2<f64>, Array2<f64>) {
    let one = SdeForecaster::new(Arc::new(system.clone()), &stepping("euler_maruyama", dt / steps as f64, 1)).unwrap();
    let (columns, covariance) = one.gaussian().unwrap().moments(0, Array2::eye(9).view()).unwrap();
    let Covariance::Shared(q) = covariance else { panic!("one covariance for all members") };
    let a = columns.t().to_owned();
    let compose = |(a_n, q_n): (Array2<f64>, Array2<f64>), _| (a.dot(&a_n), a.dot(&q_n).dot(&a.t()) + &q);
    (0..steps).fold((Array2::eye(9), Array2::zeros((9, 9))), compose)
}

#[test]
fn euler_maruyama_converges_to_the_exact_transition_with_weak_order_one() {
    let system = low_rank(&[]);
    let exact = system.transition(0.5);
    let error = |steps| {
        let (a, q) = euler_law(&system, 0.5, steps);
        (largest(a - &exact.matrix), largest(q - &exact.covariance))
    };
    let ((a, q), (a_half, q_half)) = (error(256), error(512));
    assert!(((a / a_half).log2() - 1.0).abs() < 0.02 && ((q / q_half).log2() - 1.0).abs() < 0.02);
    assert!(a_half < 2e-3 && q_half < 2e-3, "{a_half} {q_half}");
}

#[test]
fn draws_start_and_stay_stationary() {
    for ambient in [0.2, 0.0] {
        let system = Arc::new(low_rank(&[("ambient_sd", Value::Float(ambient))]));
        let key = Key::new(61, Domain::Method).purpose(Purpose::ProcessNoise);
        let mut x = system.initial(100_000, key);
        assert_gaussian_moments(&x, &Array1::zeros(9), &system.stationary_covariance(), "initial");
        let forecaster = Arc::clone(&system).forecaster(&stepping("rk4", 0.3, 1)).unwrap();
        assert_eq!(forecaster.density().is_some(), ambient > 0.0);
        forecaster.advance(0, 3, &mut x, key).unwrap();
        assert_gaussian_moments(&x, &Array1::zeros(9), &system.stationary_covariance(), "after three steps");
        // without ambient noise the states stay on the subspace
        let off = &x - &x.dot(system.basis()).dot(&system.basis().t());
        assert_eq!(off.iter().all(|value| value.abs() < 1e-10), ambient == 0.0);
    }
}

#[test]
fn the_seed_makes_the_subspace() {
    let of = |seed| low_rank(&[("subspace_seed", Value::Int(seed))]).basis().clone();
    assert_eq!(of(3), of(3));
    assert!(largest(of(3) - of(4)) > 0.1);
    let given = [("dim".to_owned(), Value::Int(3))].into();
    let mistakes = scorecast_systems::catalogue::build("linear_low_rank", &given).err().unwrap();
    assert!(mistakes[0].to_string().contains("`intrinsic` is 4, but must be at most the 3 of `dim`"));
    assert!(system("linear_low_rank", &[]).initial_is_stationary());
}
