//! The hybrid and 4D-EnVar against matrices written out here.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::ensemble::{anomalies, covariance};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::localize::Taper;
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::problem::draw_prior;
use scorecast_assimilation::{METHODS, ObservationOperator, ObservationSet, Outcome, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Purpose, Settings, Value};

const KEY: Key = Key::new(41, Domain::Method);
const CYCLES: usize = 7;
const RING: usize = 10;

/// The largest of some numbers; `max` would pass over NaN.
fn largest<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, e| if e.is_finite() { most.max(e.abs()) } else { f64::INFINITY })
}

/// A wave that moves by less than a point a lead step around a ring, without noise; sums of two neighbours are observed,
/// which sit nowhere.
fn ring() -> LinearProblem {
    let mut matrix = Array2::zeros((RING, RING));
    let mut h = Array2::zeros((4, RING));
    for i in 0..RING {
        matrix[(i, i)] = 0.6;
        matrix[(i, (i + RING - 1) % RING)] = 0.41;
    }
    for (row, i) in [0, 3, 5, 8].into_iter().enumerate() {
        h[(row, i)] = 1.0;
        h[(row, i + 1)] = 0.5;
    }
    let law = LinearGaussian {
        matrix,
        offset: Array1::from_shape_fn(RING, |i| 0.05 * i as f64),
        covariance: Array2::zeros((RING, RING)),
    };
    let prior = Array2::from_shape_fn((RING, RING), |(i, j)| 0.7f64.powi(distance(i, j) as i32));
    LinearProblem::new(law, prior, h, &[0.5, 0.9, 0.4, 0.7], 2, CYCLES)
}

fn distance(i: usize, j: usize) -> usize {
    i.abs_diff(j).min(RING - i.abs_diff(j))
}

fn taper(radius: Option<f64>) -> Array2<f64> {
    Array2::from_shape_fn((RING, RING), |(i, j)| {
        radius.map_or(1.0, |radius| Taper::GaspariCohn.weight(distance(i, j) as f64, radius))
    })
}

/// One analysis with explicit matrices: the gain to a time with cross-covariance `across` (to the forecast's), the present
/// values' matrix and innovation of the mean.
fn gain(problem: &LinearProblem, cycle: usize, p: &Array2<f64>, across: &Array2<f64>) -> (Array2<f64>, Vec<usize>) {
    let present: Vec<usize> = (0..4).filter(|&i| !problem.observations[(cycle, i)].is_nan()).collect();
    let h = scorecast_assimilation::ObservationOperator::matrix(&problem.operator).unwrap().select(Axis(0), &present);
    let r = problem.operator.error().variance().select(Axis(0), &present);
    let s = h.dot(p).dot(&h.t()) + Array2::from_diag(&r);
    let mut k = h.dot(&across.t());
    Cholesky::new(s.view()).unwrap().solve_in_place(&mut k);
    (k.reversed_axes(), present)
}

/// Members updated by `gain` of the predictions of `images`: the mean with all of it, anomalies with half.
fn updated(
    problem: &LinearProblem,
    cycle: usize,
    members: &Array2<f64>,
    images: &Array2<f64>,
    (gain, present): (Array2<f64>, Vec<usize>),
) -> Array2<f64> {
    if present.is_empty() {
        return members.clone();
    }
    let h = scorecast_assimilation::ObservationOperator::matrix(&problem.operator).unwrap().select(Axis(0), &present);
    let y = problem.observations.row(cycle).select(Axis(0), &present);
    let (mean, a) = anomalies(images.view(), None);
    let pull = gain.dot(&(y - h.dot(&mean)));
    members + &pull - &(0.5 * a.dot(&h.t()).dot(&gain.t()))
}

/// Two lead steps of each member.
fn carry(problem: &LinearProblem, x: &Array2<f64>) -> Array2<f64> {
    (0..2).fold(x.clone(), |x, _| x.dot(&problem.law.matrix.t()) + &problem.law.offset)
}

fn cross(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    anomalies(a.view(), None).1.t().dot(&anomalies(b.view(), None).1) / (a.nrows() as f64 - 1.0)
}

#[test]
fn the_hybrid_is_its_explicit_matrices_in_every_cycle() {
    let problem = ring();
    for (b, radius) in [(0.0, None), (0.0, Some(1.3)), (0.4, None), (0.4, Some(1.3)), (1.0, Some(1.3))] {
        let mut given =
            vec![("members", Value::Int(6)), ("static_weight", Value::Float(b)), ("scale", Value::Float(0.5))];
        given.extend(radius.map(|radius| ("radius", Value::Float(radius))));
        let outcomes = problem.run(&mut *method("hybrid", &given), KEY);
        let mut x = draw_prior(&problem.prior(), 6, KEY).unwrap();
        for (cycle, outcome) in outcomes.iter().enumerate() {
            x = carry(&problem, &x);
            let p = (1.0 - b) * taper(radius) * covariance(x.view(), None) + b * 0.5 * &problem.covariance;
            x = updated(&problem, cycle, &x, &x, gain(&problem, cycle, &p, &p));
            let error = largest(&(&outcome.ensemble - &x));
            assert!(error < 1e-10, "b {b}, radius {radius:?}, set {}: {error:.1e}", cycle + 1);
        }
    }
}

#[test]
fn four_d_envar_is_its_explicit_matrices_in_every_cycle() {
    let problem = ring();
    for lag in [1usize, 2, 3, 12] {
        for radius in [None, Some(1.3)] {
            let mut given = vec![("members", Value::Int(6)), ("lag", Value::Int(lag as i64))];
            given.extend(radius.map(|radius| ("radius", Value::Float(radius))));
            let mut filter = method("four_d_envar", &given);
            let outcomes = problem.run(&mut *filter, KEY);
            let mut x = draw_prior(&problem.prior(), 6, KEY).unwrap();
            let (mut length, mut starts, mut smoothed) = (0, Vec::new(), Vec::new());
            for (cycle, outcome) in outcomes.into_iter().enumerate() {
                length += 1;
                let image = (0..length).fold(x.clone(), |x, _| carry(&problem, &x));
                assert!(largest(&(&outcome.forecast - &image)) < 1e-10);
                let p = taper(radius) * cross(&image, &image);
                let across = taper(radius) * cross(&x, &image);
                x = updated(&problem, cycle, &x, &image, gain(&problem, cycle, &p, &across));
                let image = (0..length).fold(x.clone(), |x, _| carry(&problem, &x));
                let error = largest(&(&outcome.ensemble - &image));
                assert!(error < 1e-10, "lag {lag}, radius {radius:?}, set {}: {error:.1e}", cycle + 1);
                if length == lag {
                    starts.push(x.clone());
                    x = carry(&problem, &x);
                    length -= 1;
                }
                smoothed.extend(outcome.smoothed);
            }
            starts.push(x.clone());
            for _ in 0..length {
                x = carry(&problem, &x);
                starts.push(x.clone());
            }
            smoothed.extend(filter.finish(&problem.model, None, KEY).unwrap());
            // the first start is the prior's time
            assert_eq!((smoothed.len(), starts.len()), (CYCLES, CYCLES + 1), "lag {lag}");
            for (found, exact) in smoothed.iter().zip(&starts[1..]) {
                assert!(largest(&(&found.ensemble - exact)) < 1e-10, "lag {lag}, step {}", found.step);
            }
        }
    }
}

#[test]
fn the_ends_of_the_hybrid_are_the_means_of_etkf_and_of_optimal_interpolation() {
    let problem = ring();
    let draws = draw_prior(&problem.prior(), 30, KEY).unwrap();
    let run = |name: &str, b: Option<f64>| -> Vec<Outcome> {
        let mut given = vec![("members", Value::Int(30))];
        given.extend(b.map(|b| ("static_weight", Value::Float(b))));
        let mut filter = method(name, &given);
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        (0..CYCLES).map(|cycle| problem.step(&mut *filter, cycle, KEY)).collect()
    };
    let (ensemble, etkf) = (run("hybrid", Some(0.0)), run("etkf", None));
    // later the anomalies differ: half the gain against the root
    assert!(largest(&(ensemble[0].mean() - etkf[0].mean())) < 1e-10);
    let envar = run("four_d_envar", None);
    assert!(largest(&(envar[0].mean() - etkf[0].mean())) < 1e-10);
    for (a, b) in run("hybrid", Some(1.0)).iter().zip(&run("optimal_interpolation", None)) {
        assert!(largest(&(a.mean() - b.mean())) < 1e-10);
    }
}

#[test]
fn with_the_static_covariance_alone_and_a_nonlinear_operator_the_mean_is_that_of_three_d_var() {
    let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.2])).unwrap());
    let y = array![0.9, f64::NAN, -0.3];
    let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator: &operator };
    let draws = KEY.normals(15, 3) + &array![0.4, -0.8, 1.2];
    let run = |name, given: &[(&'static str, Value)]| {
        let mut filter = method(name, &[&[("members", Value::Int(15))], given].concat());
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        filter.step(&LinearProblem::three(1).model, &observed, KEY).unwrap().mean()
    };
    let found = run("hybrid", &[("static_weight", Value::Float(1.0))]);
    assert!(largest(&(found - run("three_d_var", &[]))) < 1e-7);
}

#[test]
fn with_noise_four_d_envar_updates_the_members_of_every_time_by_explicit_matrices() {
    let mut problem = ring();
    let law = LinearGaussian { covariance: 0.1 * &problem.covariance, ..problem.law.clone() };
    problem.model = LinearForecaster::new(law).unwrap();
    for lag in [1usize, 2, 3, 12] {
        for radius in [None, Some(1.3)] {
            let mut given = vec![("members", Value::Int(6)), ("lag", Value::Int(lag as i64))];
            given.extend(radius.map(|radius| ("radius", Value::Float(radius))));
            let mut filter = method("four_d_envar", &given);
            let outcomes = problem.run(&mut *filter, KEY);
            let mut path = vec![draw_prior(&problem.prior(), 6, KEY).unwrap()];
            let mut smoothed = Vec::new();
            for (cycle, outcome) in outcomes.into_iter().enumerate() {
                let mut image = path[cycle].clone();
                problem.model.advance(2 * cycle, 2, &mut image, KEY.purpose(Purpose::ProcessNoise)).unwrap();
                path.push(image.clone());
                let p = taper(radius) * cross(&image, &image);
                // those in the window, whose start is `lag` sets back
                for x in path.iter_mut().skip((cycle + 1).saturating_sub(lag)) {
                    let across = taper(radius) * cross(x, &image);
                    *x = updated(&problem, cycle, x, &image, gain(&problem, cycle, &p, &across));
                }
                let error = largest(&(&outcome.ensemble - &path[cycle + 1]));
                assert!(error < 1e-10, "lag {lag}, radius {radius:?}, set {}: {error:.1e}", cycle + 1);
                smoothed.extend(outcome.smoothed);
            }
            smoothed.extend(filter.finish(&problem.model, None, KEY).unwrap());
            assert_eq!(smoothed.len(), CYCLES);
            for (found, exact) in smoothed.iter().zip(&path[1..]) {
                assert!(largest(&(&found.ensemble - exact)) < 1e-10, "lag {lag}, step {}", found.step);
            }
        }
    }
}

/// Neither the box nor a taper that meets itself around a ring is a correlation function: their Schur product need not be
/// a covariance.
#[test]
fn tapers_that_are_no_correlation_function_are_refused_with_a_remedy() {
    // members of one size everywhere, so that P is the taper times a large number
    let draws = ndarray::Array2::from_shape_fn((4, 8), |(member, _)| [-3e3, -1e3, 1e3, 3e3][member]);
    let operator = Stride::new(8, 1, 0, &errors(&[0.1])).unwrap();
    let values = Array1::zeros(8);
    let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
    let law = LinearGaussian { matrix: Array2::eye(8), offset: Array1::zeros(8), covariance: Array2::eye(8) };
    let model = LinearForecaster::new(law).unwrap();
    for name in ["hybrid", "four_d_envar"] {
        let refused = |taper: &str, radius: f64| {
            let mut given = vec![("members", Value::Int(4)), ("radius", Value::Float(radius)), ("taper", word(taper))];
            if name == "hybrid" {
                given.push(("static_weight", Value::Float(0.0)));
            }
            let entry = METHODS.iter().find(|entry| entry.name == name).unwrap();
            let given = given.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            let settings = Settings::check("method", entry.params, &given).unwrap();
            let run = || -> scorecast_assimilation::Result<()> {
                let mut filter = (entry.build.make)(&settings)?;
                filter.start(&Prior::Ensemble(draws.clone()), 0, KEY)?;
                filter.step(&model, &observed, KEY).map(|_| ())
            };
            run().err().map(|problem| problem.to_string()).unwrap_or_default()
        };
        let message = refused("step", 2.0);
        assert!(message.contains("`step`") && message.contains("set taper to \"gaspari_cohn\""), "{name}: {message}");
        let message = refused("gaussian", 4.0);
        assert!(message.contains("\"gaussian\"") && message.contains("radius 4"), "{name}: {message}");
        assert_eq!(refused("gaspari_cohn", 1.0), "", "{name}");
    }
}
