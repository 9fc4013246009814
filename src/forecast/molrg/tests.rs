//! The parts against subspaces that are known, and the conditional law against whole matrices, quadrature and an exact one.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis, array, concatenate, s};

use super::super::fitting::{self, tests::independent_pairs};
use super::super::stored::reals;
use super::*;
use crate::systems::gaussian::{LowRankGaussian, SymmetricEigen};
use crate::systems::subspace::{orthonormal, structure_key};
use crate::systems::{Domain, Geometry, Stepping, Value, catalogue};

const N: usize = 48;

/// Points of each of some subspaces, one after the other, and the subspaces' bases.
fn points(seed: u64, counts: &[usize], dimension: usize) -> (Array2<f64>, Vec<Array2<f64>>) {
    let basis = |k: usize| orthonormal(N, dimension, structure_key(seed).at(k as u64));
    let bases: Vec<_> = (0..counts.len()).map(basis).collect();
    let of = |k: usize| Key::new(seed, Domain::Data).at(k as u64).normals(counts[k], dimension).dot(&bases[k].t());
    let all: Vec<_> = (0..counts.len()).map(of).collect();
    let views: Vec<_> = all.iter().map(|points| points.view()).collect();
    (concatenate(Axis(0), &views).unwrap(), bases)
}

/// ‖Û Û^T - U U^T‖_F.
fn distance(found: &Array2<f64>, exact: &Array2<f64>) -> f64 {
    let gap = found.dot(&found.t()) - exact.dot(&exact.t());
    gap.mapv(|value| value * value).sum().sqrt()
}

#[test]
fn one_subspace_without_noise_is_exact_from_as_many_points_as_it_has_dimensions() {
    let d = 6;
    for seed in 0..5 {
        for (count, exact) in [(d - 1, false), (d, true), (d + 5, true)] {
            let (points, bases) = points(seed, &[count], d);
            let found = clustered(points.view(), 1, d, true).unwrap();
            let error = distance(&found[0].gaussian.basis, &bases[0]);
            assert_eq!(error < 1e-6, exact, "{count} points: {error}");
        }
        // a mean costs one point
        let (points, bases) = points(seed, &[d + 1], d);
        let found = clustered(points.view(), 1, d, false).unwrap();
        assert!(distance(&found[0].gaussian.basis, &bases[0]) < 1e-6);
    }
}

/// Whether each of the subspaces is found by a part of its own, to .5.
fn each_found(parts: &[SubspacePart], bases: &[Array2<f64>]) -> bool {
    let nearest = |basis: &Array2<f64>| {
        let distances: Vec<f64> = parts.iter().map(|part| distance(&part.gaussian.basis, basis)).collect();
        (0..parts.len()).min_by(|i, j| distances[*i].total_cmp(&distances[*j])).filter(|k| distances[*k] <= 0.5)
    };
    let mut found: Vec<_> = bases.iter().map(nearest).collect();
    found.sort_unstable();
    found.dedup();
    found.len() == bases.len() && found.iter().all(Option::is_some)
}

#[test]
fn two_subspaces_are_found_from_one_point_more_each_than_they_have_dimensions() {
    let (d, seeds) = (6, 60);
    let share = |each: usize| {
        let found = |seed: &u64| {
            let (points, bases) = points(*seed, &[each, each], d);
            each_found(&clustered(points.view(), 2, d, true).unwrap(), &bases)
        };
        (0..seeds).filter(found).count() as f64 / seeds as f64
    };
    let [few, sharp, more] = [d, d + 1, d + 4].map(share);
    println!("found of two subspaces of dimension {d}: {few:.2} from {d} points each, {sharp:.2} from {}", d + 1);
    assert!(sharp >= 0.9 && more >= 0.95, "{sharp} {more}");
    // from d points each a wrong labelling leaves no residual either: which is right is not in the data
    let left_by_wrong_labels = |each: usize| {
        let (points, _) = points(1, &[each, each], d);
        let of = |k: usize| points.select(Axis(0), &(0..2 * each).filter(|i| i % 2 == k).collect::<Vec<_>>());
        let squares = |k: usize| Principal::new(of(k).view(), true).unwrap().discarded(d).0;
        squares(0) + squares(1)
    };
    assert!(left_by_wrong_labels(d) < 1e-10 && left_by_wrong_labels(d + 1) > 0.1);
}

#[test]
fn three_subspaces_with_noise_and_their_weights_and_floors_are_found() {
    let (counts, d, noise) = ([100, 200, 300], 4, 0.05);
    let (clean, bases) = points(3, &counts, d);
    let points = &clean + &(Key::new(9, Domain::Data).normals(600, N) * noise);
    let found = clustered(points.view(), 3, d, true).unwrap();
    assert!(each_found(&found, &bases));
    let mut weights: Vec<f64> = found.iter().map(|part| part.gaussian.weight).collect();
    weights.sort_by(f64::total_cmp);
    assert!((weights[0] - 1.0 / 6.0).abs() < 0.01 && (weights[2] - 0.5).abs() < 0.01, "{weights:?}");
    for part in &found {
        // the floor is a mean of squares with (N_k - d)(n - d) degrees of freedom
        let freedom = (part.gaussian.weight * 600.0 - d as f64) * (N - d) as f64;
        let ratio = part.floor / (noise * noise);
        assert!((ratio - 1.0).abs() < 5.0 * (2.0 / freedom).sqrt(), "{ratio}");
        assert!(part.gaussian.variances.iter().all(|l| (0.5..2.0).contains(l)), "{}", part.gaussian.variances);
    }
}

#[test]
fn parts_whose_means_lie_apart_are_told_by_distance() {
    // two clouds in one direction from the middle, and of one shape: angles around the middle do not tell them
    let mut points = Key::new(4, Domain::Data).normals(300, 6) * 0.3;
    for (i, mut row) in points.outer_iter_mut().enumerate() {
        row[0] += if i % 3 == 0 { 4.0 } else { -2.0 };
    }
    let found = clustered(points.view(), 2, 2, false).unwrap();
    let mut centres: Vec<(f64, f64)> = found.iter().map(|part| (part.gaussian.mean[0], part.gaussian.weight)).collect();
    centres.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!((centres[0].0 + 2.0).abs() < 0.1 && (centres[0].1 - 2.0 / 3.0).abs() < 0.01, "{centres:?}");
    assert!((centres[1].0 - 4.0).abs() < 0.1, "{centres:?}");
}

/// Random parts of pairs of states of n components.
fn random_parts(n: usize, dimension: usize, count: usize) -> Vec<SubspacePart> {
    let of = |k: u64| {
        let key = Key::new(50 + k, Domain::Data);
        SubspacePart {
            gaussian: LowRankGaussian {
                weight: [0.2, 0.5, 0.3][k as usize],
                mean: key.normals(1, 2 * n).row(0).to_owned(),
                basis: orthonormal(2 * n, dimension, key.at(1)),
                variances: key.at(2).normals(1, dimension).row(0).mapv(|z| (0.5 * z).exp()),
            },
            floor: 0.05 * (k + 1) as f64,
        }
    };
    (0..count as u64).map(of).collect()
}

/// log N of each row, by eigenvalues of the whole covariance.
fn log_normal(rows: ArrayView2<f64>, mean: &Array1<f64>, covariance: ArrayView2<f64>) -> Array1<f64> {
    let eigen = SymmetricEigen::new(covariance).unwrap();
    let turned = (&rows - mean).dot(&eigen.vectors);
    turned
        .outer_iter()
        .map(|u| -0.5 * u.iter().zip(&eigen.values).map(|(u, l)| u * u / l + (TAU * l).ln()).sum::<f64>())
        .collect()
}

/// log p of each row under a mixture of marginals of parts: those of the first `n` components.
fn log_marginal(parts: &[SubspacePart], rows: ArrayView2<f64>) -> Array1<f64> {
    let n = rows.ncols();
    let mut density = Array1::zeros(rows.nrows());
    for SubspacePart { gaussian, floor } in parts {
        let whole_size = gaussian.mean.len();
        let covariance =
            (&gaussian.basis * &gaussian.variances).dot(&gaussian.basis.t()) + Array2::<f64>::eye(whole_size) * *floor;
        let mean = gaussian.mean.slice(s![..n]).to_owned();
        density += &(log_normal(rows, &mean, covariance.slice(s![..n, ..n])).mapv(f64::exp) * gaussian.weight);
    }
    density.mapv(f64::ln)
}

#[test]
fn the_conditional_law_is_the_joint_law_over_that_of_the_first_state() {
    for (n, dimension) in [(3, 2), (3, 5), (4, 3)] {
        let parts = random_parts(n, dimension, 3);
        let pairs = Key::new(1, Domain::Method).normals(20, 2 * n);
        let (now, next) = pairs.view().split_at(Axis(1), n);
        let found = Conditional::new(&parts).unwrap().law(now).log_density(next);
        let expected = log_marginal(&parts, pairs.view()) - log_marginal(&parts, now);
        let error = (found - expected).mapv(f64::abs);
        assert!(error.iter().all(|error| *error < 1e-9), "{n}, {dimension}: {error}");
    }
    // in one component by quadrature
    let law = Conditional::new(&random_parts(1, 1, 3)).unwrap().law(array![[0.4]].view());
    let total: f64 = (-12_000..12_000).map(|i| law.log_density(array![[i as f64 * 1e-3]].view())[0].exp() * 1e-3).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
}

#[test]
fn a_first_state_that_does_not_vary_tells_nothing() {
    let mut basis = Array2::zeros((4, 1));
    basis[[2, 0]] = 1.0;
    let gaussian = LowRankGaussian { weight: 1.0, mean: array![1.0, 2.0, 3.0, 4.0], basis, variances: array![2.0] };
    let conditional = Conditional::new(&[SubspacePart { gaussian, floor: 1e-12 }]).unwrap();
    let [mean, variance] = conditional.law(array![[100.0, -50.0]].view()).moments();
    assert_eq!(mean, array![[3.0, 4.0]]);
    assert!((variance[[0, 0]] - 2.0).abs() < 1e-11 && variance[[0, 1]] < 1e-11, "{variance}");
}

fn try_fit(given: &[(&str, Value)], data: [ArrayView3<f64>; 2]) -> Result<Fitted> {
    fitting::tests::try_fit(ENTRY.name, given, (Geometry::Unstructured, 0), data)
}

fn log_score(model: &dyn Forecaster, pairs: &Array3<f64>) -> f64 {
    let of = |time: usize| pairs.slice(s![.., time, ..]).to_owned();
    model.density().unwrap().log_prob(0, of(0).view(), of(1).view()).unwrap().mean().unwrap()
}

#[test]
fn a_linear_low_rank_law_is_learned_as_its_free_parameters_allow() {
    // across the subspace two states in a row are independent, so that their pair has one floor: its dimension is 2 d
    let given = [
        ("dim", Value::Int(8)),
        ("intrinsic", Value::Int(2)),
        ("ambient_sd", Value::Float(0.1)),
        ("ambient_rate", Value::Float(200.0)),
    ];
    let given: BTreeMap<_, _> = given.map(|(key, value)| (key.to_owned(), value)).into();
    let system = catalogue::build("linear_low_rank", &given).unwrap();
    let (count, dt) = (2000, 0.3);
    let [train, valid, test] =
        [(count, 1), (500, 2), (8000, 3)].map(|(n, seed)| independent_pairs(&system, dt, n, seed));
    let fitted = try_fit(&[], [train.view(), valid.view()]).unwrap();
    assert_eq!(fitted.model().config["dimension"], 4);
    let stepping = Stepping { dt, substeps: 1, integrator: "rk4".to_owned() };
    let exact = Arc::clone(&system).forecaster(&stepping).unwrap();
    let law = exact.linear_gaussian().unwrap();
    let x = Key::new(5, Domain::Data).normals(50, 2).dot(&orthonormal(8, 2, structure_key(0)).t());
    let bound = fitted.denoiser().unwrap().bind(0, x.view()).unwrap();
    let error = &bound.to_state.offset - &(x.dot(&law.matrix.t()) + &law.offset);
    // the regression of 2 along 2 directions from 2,000 pairs: a standard error of .7 / sqrt(2000) = .016 an entry
    assert!(error.iter().all(|error| error.abs() < 0.1), "{error}");
    for c in 0..8 {
        let ratio = bound.to_state.scale[[0, c]].powi(2) / law.covariance[[c, c]];
        // five standard errors sqrt(2 / N) of a variance
        assert!((ratio - 1.0).abs() < 5.0 * (2.0 / count as f64).sqrt(), "component {c}: {ratio}");
    }
    let lost = log_score(&*exact, &test) - log_score(fitted.as_forecaster(), &test);
    let free = fitted.training().parameters as f64;
    println!("{lost:.4} nats lost; {free} free parameters of pairs over 2 N are {:.4}", free / (2.0 * count as f64));
    assert!(lost > -0.002 && lost < 2.0 * free / (2.0 * count as f64), "{lost}");
    // ridge regression of 8 x 9 coefficients and 36 covariances loses more
    let few = train.slice(s![..100, .., ..]);
    let linear = fitting::tests::try_fit("linear", &[], (Geometry::Unstructured, 0), [few, valid.view()]).unwrap();
    let molrg = try_fit(&[], [few, valid.view()]).unwrap();
    let [linear, molrg] = [&linear, &molrg].map(|fitted| log_score(fitted.as_forecaster(), &test));
    println!("from 100 pairs: molrg {molrg:.3}, linear {linear:.3}");
    assert!(molrg > linear, "{molrg} {linear}");
}

#[test]
fn two_parts_hold_two_wells_and_survive_a_file_and_a_change_of_units() {
    // x' = 1.2 sign(x) + .3 xi: a law with a jump, whose pairs are two clouds
    let states = |unit: f64| {
        let noise = Key::new(6, Domain::Data).normals(400, 2);
        let sign = |i: usize| if i.is_multiple_of(2) { 1.2 } else { -1.2 };
        Array3::from_shape_fn((400, 2, 1), |(i, time, _)| unit * (sign(i) + 0.3 * noise[[i, time]]))
    };
    let data = states(1.0);
    let given = [("components", Value::Int(2)), ("dimension", Value::Int(1))];
    let fitted = try_fit(&given, [data.view(), data.view()]).unwrap();
    let exact = -0.5 * (TAU * 0.09).ln() - 0.5;
    let [two, one] = [&given[..], &given[1..]]
        .map(|given| log_score(try_fit(given, [data.view(), data.view()]).unwrap().as_forecaster(), &data));
    // a mean over 400 pairs, sd of log p .71
    assert!((two - exact).abs() < 5.0 * 0.71 / 20.0, "{two} {exact}");
    assert!(two - one > 0.05, "{two} {one}");
    let model = fitted.model();
    let loaded = ENTRY.build.rebuild(&model).unwrap().unwrap();
    let step = |model: &Fitted| {
        let mut x = Key::new(2, Domain::Method).normals(600, 1);
        model.advance(3, 2, &mut x, Key::new(7, Domain::Method)).unwrap();
        x
    };
    assert_eq!(step(&fitted), step(&loaded));
    let large = states(1024.0);
    let scaled = log_score(try_fit(&given, [large.view(), large.view()]).unwrap().as_forecaster(), &large);
    assert!((two - scaled - 6.931_471_805_6).abs() < 1e-9, "{two} {scaled}");
    let mut damaged = model;
    damaged.tensors.insert("floors".to_owned(), reals(vec![0.0; 2]));
    let message = ENTRY.build.rebuild(&damaged).unwrap().err().unwrap().to_string();
    assert!(message.contains("is damaged") && message.contains("floor"), "{message}");
}

#[test]
fn settings_that_the_data_cannot_bear_are_refused_in_words() {
    let data = Key::new(6, Domain::Data).normals(10, 2).into_shape_with_order((10, 1, 2)).unwrap();
    let pairs = ndarray::concatenate(Axis(1), &[data.view(), data.view()]).unwrap();
    let refused = |given: &[(&str, Value)]| try_fit(given, [pairs.view(), pairs.view()]).err().unwrap().to_string();
    assert!(refused(&[("dimension", Value::Int(4))]).contains("set it to at most 3"));
    let message = refused(&[("dimension", Value::Int(3)), ("components", Value::Int(4))]);
    assert!(
        message.contains("needs at least 20 pairs of successive states, but the training trajectories have 10"),
        "{message}"
    );
}
