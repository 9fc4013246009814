//! `pca_linear` against textbook errors and the exact law.

use ndarray::{Array3, Axis};

use super::*;
use crate::forecast::fitting::tests::try_fit;
use crate::systems::{Domain, Geometry, Key, Value};

type Given<'a> = &'a [(&'a str, Value)];

fn fit_to(given: Given, train: &Array3<f64>, valid: &Array3<f64>) -> Result<Fitted> {
    try_fit(ENTRY.name, given, (Geometry::Unstructured, 0), [train.view(), valid.view()])
}

const N: usize = 12;
const D: usize = 2;
/// The sd of the noise around the subspace.
const AMBIENT: f64 = 1e-3;

/// The subspace, `[component, direction]`.
fn subspace() -> Array2<f64> {
    crate::systems::subspace::orthonormal(N, D, Key::new(4, Domain::Data))
}

/// Independent pairs x = P u + e, x' = P (.5 u + xi) + e' with u, xi ~ N(0, I), `[case, 2, component]`.
fn low_rank_pairs(count: usize, seed: u64) -> Array3<f64> {
    let normals = Key::new(seed, Domain::Data).normals(count, 2 * D + 2 * N);
    let of = |range: std::ops::Range<usize>| normals.slice(s![.., range]).to_owned();
    let (u, xi) = (of(0..D), of(D..2 * D));
    let (e, after) = (of(2 * D..2 * D + N) * AMBIENT, of(2 * D + N..2 * (D + N)) * AMBIENT);
    let p = subspace();
    let (x, next) = (u.dot(&p.t()) + e, (u * 0.5 + xi).dot(&p.t()) + after);
    ndarray::stack(Axis(1), &[x.view(), next.view()]).unwrap()
}

/// E‖(A^ - A) x + b^ - b‖^2 over x, over the trace of the noise of x'.
fn excess(law: &LinearGaussian) -> f64 {
    let p = subspace();
    let input = p.dot(&p.t()) + Array2::<f64>::eye(N) * (AMBIENT * AMBIENT);
    let error = &law.matrix - &(p.dot(&p.t()) * (0.5 / (1.0 + AMBIENT * AMBIENT)));
    let along: f64 = (error.dot(&input) * &error).sum();
    (along + law.offset.dot(&law.offset)) / D as f64
}

#[test]
fn its_excess_error_is_that_of_the_dimension_of_the_subspace_where_least_squares_has_that_of_the_states() {
    let (count, repeats) = (40, 1500);
    let none = Array3::zeros((0, 2, N));
    let mean_and_se = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
        (mean, (variance / values.len() as f64).sqrt())
    };
    let (mut reduced, mut least_squares) = (Vec::new(), Vec::new());
    let all = [("ridge", Value::Float(0.0))];
    let two = [("ridge", Value::Float(0.0)), ("rank", Value::Int(D as i64))];
    for repeat in 0..repeats {
        let train = low_rank_pairs(count, repeat);
        let law = fit_to(&two, &train, &none).unwrap().linear_gaussian().unwrap();
        reduced.push(excess(&law));
        // all directions: least squares with an intercept, whatever the basis
        let whole = [all[0].clone(), ("rank", Value::Int(N as i64))];
        least_squares.push(excess(&fit_to(&whole, &train, &none).unwrap().linear_gaussian().unwrap()));
    }
    let exact = |d: usize| {
        let (d, count) = (d as f64, count as f64);
        d * (1.0 + 1.0 / count) / (count - d - 2.0) + 1.0 / count
    };
    for (found, d) in [(reduced, D), (least_squares, N)] {
        let (mean, se) = mean_and_se(&found);
        println!("d = {d}: excess {mean:.4} +- {se:.4}, exact {:.4}", exact(d));
        // the subspace is found to AMBIENT / sqrt(N), whose square is far below the standard error
        assert!((mean - exact(d)).abs() < 4.0 * se, "{d}: {mean} +- {se}, exact {}", exact(d));
    }
}

#[test]
fn least_squares_without_an_intercept_has_its_textbook_excess_error() {
    // B^ = (X^T X)^-1 X^T Y with unit noise: E tr((B^ - B)^T (B^ - B)) / n = n / (N - n - 1) for inputs N(0, I)
    let (count, n, repeats) = (40, 5, 4000);
    let mut found = Vec::new();
    for repeat in 0..repeats {
        let normals = Key::new(repeat, Domain::Score).normals(count, 2 * n);
        let (x, noise) = (normals.slice(s![.., ..n]), normals.slice(s![.., n..]));
        let inverse = SymmetricEigen::new(x.t().dot(&x).view()).unwrap().map(|value| 1.0 / value);
        let error = inverse.dot(&x.t()).dot(&noise);
        found.push((&error * &error).sum() / n as f64);
    }
    let mean = found.iter().sum::<f64>() / repeats as f64;
    let se = (found.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / repeats as f64 / repeats as f64).sqrt();
    let exact = n as f64 / (count - n - 1) as f64;
    assert!((mean - exact).abs() < 4.0 * se, "{mean} +- {se}, exact {exact}");
}

#[test]
fn the_validation_finds_the_dimension_and_the_law_is_the_exact_one() {
    let (train, valid, test) = (low_rank_pairs(4000, 1), low_rank_pairs(1000, 2), low_rank_pairs(4000, 3));
    let scale = ("scale", Value::Text("one".to_owned()));
    let fitted = fit_to(std::slice::from_ref(&scale), &train, &valid).unwrap();
    assert_eq!(fitted.model().config["rank"], D);
    let by_share = fit_to(&[scale, ("variance", Value::Float(0.99))], &train, &valid).unwrap();
    assert_eq!(by_share.model().config["rank"], D);
    // x' = P (.5 u + xi) + e': the best prediction from x, and its noise
    let p = subspace();
    let square = AMBIENT * AMBIENT;
    let shrunk = 0.5 / (1.0 + square);
    let along = 1.0 + 0.25 - 0.25 / (1.0 + square);
    let exact = LinearForecaster::new(LinearGaussian {
        matrix: p.dot(&p.t()) * shrunk,
        offset: Array1::zeros(N),
        covariance: p.dot(&p.t()) * along + Array2::<f64>::eye(N) * square,
    })
    .unwrap();
    let of = |time: usize| test.slice(s![.., time, ..]).to_owned();
    let score = |model: &dyn Forecaster| {
        model.density().unwrap().log_prob(0, of(0).view(), of(1).view()).unwrap().mean().unwrap() / N as f64
    };
    let (found, exact) = (score(fitted.as_forecaster()), score(&exact));
    println!("log score a component: {found:.5} for {exact:.5}");
    // 2 x 20 of the basis, 6 of the regression, 3 of its covariance, 2 around it: 51 / (2 N) nats over 12 components
    assert!((found - exact).abs() < 3.0 * 51.0 / (2.0 * 4000.0) / N as f64, "{found} {exact}");
}

#[test]
fn all_directions_are_the_regression_of_all_components() {
    let train = low_rank_pairs(200, 1);
    let none = Array3::zeros((0, 2, N));
    let given = [("ridge", Value::Float(0.0)), ("rank", Value::Int(N as i64)), ("scale", Value::Text("one".into()))];
    let law = fit_to(&given, &train, &none).unwrap().linear_gaussian().unwrap();
    let pairs = Pairs::new(train.view(), 0);
    let expected = Regression::new(&pairs).unwrap().law(0.0, &pairs);
    // the inputs have a condition number of 1e6, of which squares are taken
    assert!((&law.matrix - &expected.matrix).iter().all(|error| error.abs() < 1e-3));
    assert!((&law.covariance - &expected.covariance).iter().all(|error| error.abs() < 1e-8));
}

#[test]
fn states_within_a_subspace_keep_a_density_and_more_directions_are_refused() {
    let mut train = low_rank_pairs(100, 1);
    let p = subspace();
    for mut x in train.lanes_mut(Axis(2)) {
        let inside = p.dot(&p.t().dot(&x));
        x.assign(&inside);
    }
    let fitted = fit_to(&[], &train, &train).unwrap();
    assert_eq!(fitted.model().config["rank"], D);
    let x = train.index_axis(Axis(1), 0);
    let density = fitted.density().expect("the covariance has an inverse");
    assert!(density.log_prob(0, x, x).unwrap().iter().all(|value| value.is_finite()));
    let message = fit_to(&[("rank", Value::Int(3))], &train, &train).err().unwrap().to_string();
    assert!(message.contains("vary in 2 directions; set it to at most 2"), "{message}");
    let few = low_rank_pairs(3, 1);
    let given = [("rank", Value::Int(2)), ("ridge", Value::Float(0.0))];
    let message = fit_to(&given, &few, &few).err().unwrap().to_string();
    assert!(message.contains("leaves no residuals"), "{message}");
}
