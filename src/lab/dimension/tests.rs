//! Estimators against laws whose dimension, and what the estimator gives of it, are known in closed form.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, array, concatenate, s};

use super::estimate::jackknife;
use super::findings::Found;
use super::neighbours::{Neighbours, Place};
use super::pieces::likeliest_rank;
use super::spectrum::Spectrum;
use super::training_sizes::Size;
use super::*;
use crate::systems::subspace::{orthonormal, structure_key};
use crate::systems::{
    Affine, BoundDenoiser, DifferentiableDenoiser, Domain, GaussianDenoiser, Key, LowRankGaussian, LowRankMixture,
};

fn key(seed: u64) -> Key {
    Key::new(seed, Domain::Score)
}

fn uniforms(seed: u64, count: usize, dim: usize) -> Array2<f64> {
    let mut out = Array2::zeros((count, dim));
    for (i, mut row) in out.outer_iter_mut().enumerate() {
        let mut stream = key(seed).stream(i as u64);
        row.iter_mut().for_each(|value| *value = stream.uniform());
    }
    out
}

/// Standard normals along a subspace of dimension d of R^n.
fn flat(seed: u64, count: usize, n: usize, d: usize) -> Array2<f64> {
    key(seed).normals(count, d).dot(&orthonormal(n, d, structure_key(seed)).t())
}

fn asked(name: &str, cloud: &Cloud) -> Option<Dimension> {
    match ESTIMATORS.iter().find(|entry| entry.name == name).unwrap().build.of {
        Of::Set(estimate) | Of::Flat(estimate) => estimate(cloud),
        Of::Law(_) => None,
    }
}

fn value(name: &str, cloud: &Cloud) -> f64 {
    asked(name, cloud).unwrap().value
}

#[test]
fn every_estimator_says_what_it_is_and_when_it_misleads() {
    let mut names: Vec<&str> = ESTIMATORS.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ESTIMATORS.len());
    for entry in ESTIMATORS {
        assert!(
            !entry.about.is_empty() && !entry.reference.is_empty() && !entry.build.caveat.is_empty(),
            "{}",
            entry.name
        );
    }
}

#[test]
fn the_jackknife_of_a_mean_of_groups_is_its_standard_error() {
    let means: Vec<f64> = (0..10).map(|g| (g as f64 * 1.7).sin()).collect();
    let mean = means.iter().sum::<f64>() / 10.0;
    let variance = means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 9.0;
    let found = jackknife(|group| Some((mean * 10.0 - means[group]) / 9.0)).unwrap();
    assert!((found - (variance / 10.0).sqrt()).abs() < 1e-12);
}

#[test]
fn neighbours_are_those_of_a_plain_search_on_any_number_of_threads() {
    let points = key(1).normals(150, 37);
    let places: Vec<Place> = (0..150).map(|i| Place { case: i / 50, time: i % 50 }).collect();
    let window = 4;
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Neighbours::new(points.view(), &places, window, 8))
    };
    let found = on(1);
    for threads in [2, 3, 8] {
        let other = on(threads);
        assert_eq!((&found.distances, &found.points), (&other.distances, &other.points), "{threads}");
    }
    for i in 0..150 {
        let away = |j: usize| places[i].case != places[j].case || places[i].time.abs_diff(places[j].time) > window;
        let distance = |j: usize| (&points.row(i) - &points.row(j)).mapv(|x| x * x).sum().sqrt();
        let mut all: Vec<usize> = (0..150).filter(|j| *j != i && away(*j)).collect();
        all.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        assert_eq!(found.points.row(i).to_vec(), all[..8].to_vec(), "{i}");
        assert!((0..8).all(|j| (found.distances[[i, j]] - distance(all[j])).abs() < 1e-12));
    }
}

/// Distances to the nearest k points of a Poisson process of dimension d: T_j^d are sums of j exponentials.
fn poisson(seed: u64, count: usize, k: usize, d: f64) -> Neighbours {
    let mut distances = Array2::zeros((count, k));
    for (i, mut row) in distances.outer_iter_mut().enumerate() {
        let (mut stream, mut sum) = (key(seed).stream(i as u64), 0.0);
        row.iter_mut().for_each(|value| {
            sum -= (1.0 - stream.uniform()).ln();
            *value = sum.powf(1.0 / d);
        });
    }
    Neighbours { points: Array2::zeros(distances.dim()), distances }
}

#[test]
fn inverses_of_levina_and_bickel_have_the_mean_and_the_variance_of_theory() {
    let (count, d) = (20_000, 7.0);
    for k in [3, 10, 20] {
        let neighbours = poisson(k as u64, count, k, d);
        let inverse = |i: usize| {
            let row = neighbours.distances.row(i);
            row.iter().map(|distance| (row[k - 1] / distance).ln()).sum::<f64>() / (k - 1) as f64
        };
        let all: Array1<f64> = (0..count).map(inverse).collect();
        let (mean, variance) = (all.mean().unwrap(), all.var(1.0));
        let exact = 1.0 / (d * d * (k - 1) as f64);
        assert!((mean - 1.0 / d).abs() < 5.0 * (exact / count as f64).sqrt(), "k = {k}: {mean}");
        // of a gamma law of shape k - 1 the excess kurtosis is 6 / (k - 1)
        let rough = ((2.0 + 6.0 / (k - 1) as f64) / count as f64).sqrt();
        assert!((variance / exact - 1.0).abs() < 5.0 * rough, "k = {k}: {variance} {exact}");
        let found = levina_bickel::at(&neighbours, k, &|_| true).unwrap();
        assert!((found / d - 1.0).abs() < 5.0 / ((count * (k - 1)) as f64).sqrt(), "k = {k}: {found}");
        // k - 2 for k - 1, or a mean of m instead of its inverses, would be far outside
        let mean_of_m = all.mapv(|inverse| 1.0 / inverse).mean().unwrap();
        assert!(k > 3 || mean_of_m > 1.5 * d, "{mean_of_m}");
    }
}

#[test]
fn a_flat_torus_has_dimension_two_by_three_neighbours() {
    let estimates = (0..5).map(|seed| {
        let angles = uniforms(seed, 2000, 2) * TAU;
        let on = |i: usize, c: usize| {
            let angle = angles[[i, c / 2]];
            if c.is_multiple_of(2) { angle.cos() } else { angle.sin() }
        };
        let cloud = Cloud::independent(Array2::from_shape_fn((2000, 4), |(i, c)| on(i, c)));
        levina_bickel::at(cloud.neighbours(), 3, &|_| true).unwrap()
    });
    let mean = estimates.sum::<f64>() / 5.0;
    // published mistakes give 1.0 and 3.96
    assert!((mean - 1.99).abs() < 0.04, "{mean}");
}

#[test]
fn two_neighbours_give_the_exponent_of_a_pareto_law() {
    for (seed, d) in [(1, 1.0), (2, 4.0), (3, 11.5)] {
        let count = 20_000;
        let mut mu: Vec<f64> = uniforms(seed, count, 1).iter().map(|u| (1.0 - u).powf(-1.0 / d)).collect();
        for trimmed in [0.0, 0.1, 0.3] {
            let found = two_nn::slope(&mut mu, trimmed).unwrap();
            // the slope's variance is d^2 / N times a factor that grows with what is left out, below 3 here
            assert!((found / d - 1.0).abs() < 5.0 * (3.0 / count as f64).sqrt(), "{trimmed}: {found} for {d}");
        }
    }
    assert_eq!(two_nn::slope(&mut [1.0; 9], 0.1), None);
    assert_eq!(two_nn::slope(&mut [2.0; 2], 0.1), None);
}

#[test]
fn around_each_point_of_a_sphere_are_two_dimensions_and_its_flat_has_three() {
    let directions = key(4).normals(2000, 3);
    let lengths = directions.map_axis(Axis(1), |row| row.dot(&row).sqrt());
    let sphere = &directions / &lengths.insert_axis(Axis(1));
    let cloud = Cloud::independent(sphere.dot(&orthonormal(10, 3, structure_key(1)).t()));
    for (name, width) in [("levina_bickel", 0.1), ("two_nn", 0.2), ("local_pca", 0.05)] {
        let found = asked(name, &cloud).unwrap();
        assert!((found.value - 2.0).abs() < width, "{name}: {found:?}");
        assert!(found.se.is_some_and(|se| se < 0.1), "{name}: {found:?}");
    }
    // the covariance of the uniform law on it is I / 3
    assert!((value("participation_ratio", &cloud) - 3.0).abs() < 0.02);
    assert_eq!((value("pca_variance", &cloud), value("pca_gap", &cloud)), (3.0, 3.0));
    let floor = NoiseFloor::of(&cloud);
    assert!(floor.flat.is_none() && floor.local.is_none(), "curvature is no noise: {floor:?}");
}

#[test]
fn the_shape_of_a_set_outside_a_flat_is_no_noise() {
    // a saddle of height .3 over the plane of two normals, with noise of sd .005
    let (count, sd) = (3000, 0.005);
    let mut points = Array2::zeros((count, 3));
    points.slice_mut(s![.., ..2]).assign(&key(21).normals(count, 2));
    for mut point in points.outer_iter_mut() {
        point[2] = 0.3 * (point[0] * point[0] - point[1] * point[1]);
    }
    let floor = NoiseFloor::of(&Cloud::independent(points + &(key(22).normals(count, 3) * sd)));
    assert!(floor.flat.is_none_or(|(outside, _)| outside > 0.2), "{floor:?}");
    assert!(floor.scale.is_none_or(|scale| scale < 3.0 * sd * 2f64.sqrt()), "{floor:?}");
    assert!(!floor.is_seen_by_neighbours(), "{floor:?}");
}

#[test]
fn a_flat_is_exact_and_its_noise_is_found() {
    let (n, d, count) = (20, 5, 1500);
    let clean = flat(3, count, n, d);
    let cloud = Cloud::independent(clean.clone());
    for name in ["pca_variance", "pca_gap", "local_pca"] {
        assert!((value(name, &cloud) - 5.0).abs() < 0.3, "{name}: {}", value(name, &cloud));
    }
    assert_eq!((value("pca_variance", &cloud), value("pca_gap", &cloud)), (5.0, 5.0));
    assert_eq!(likeliest_rank(cloud.spectrum().unwrap()), d);
    let floor = NoiseFloor::of(&cloud);
    assert!(floor.flat.is_none() && floor.local.is_none() && floor.scale.is_none(), "{floor:?}");
    for sd in [0.02, 0.2] {
        let cloud = Cloud::independent(&clean + &(key(8).normals(count, n) * sd));
        assert_eq!(value("pca_gap", &cloud), 5.0);
        let floor = NoiseFloor::of(&cloud);
        let (found, rank) = floor.flat.unwrap();
        // a mean of (N - 1 - d)(n - d) squares
        let rough = (0.5 / ((count - 1 - d) * (n - d)) as f64).sqrt();
        assert!(rank == d && (found / sd - 1.0).abs() < 5.0 * rough, "{found} {rank}");
        // noise as wide as the neighbourhoods is no longer outside them
        let local = floor.local.map(|(local, _)| local);
        assert!(sd > 0.1 || local.is_some_and(|local| (local / sd - 1.0).abs() < 0.25), "{local:?} for {sd}");
        assert_eq!(floor.is_seen_by_neighbours(), sd > 0.1, "{floor:?}");
        assert_eq!(value("two_nn", &cloud) > 6.5, sd > 0.1, "{}", value("two_nn", &cloud));
    }
}

#[test]
fn figures_of_a_spectrum_are_its_closed_forms() {
    let matrix = Array2::from_diag(&array![4.0, 2.0, 2.0, 0.01, 0.01]);
    let spectrum = Spectrum::of_matrix(matrix.view(), 1000, 5).unwrap();
    let total = 8.02f64;
    assert!((spectrum.total() - total).abs() < 1e-12);
    // sqrt weights make points of exactly this covariance
    let mut points = Array2::zeros((10, 5));
    for (j, l) in [4.0f64, 2.0, 2.0, 0.01, 0.01].iter().enumerate() {
        points[[2 * j, j]] = (l * 9.0 / 2.0).sqrt();
        points[[2 * j + 1, j]] = -(l * 9.0 / 2.0).sqrt();
    }
    let cloud = Cloud::independent(points);
    let exact = total * total / (16.0 + 4.0 + 4.0 + 2e-4);
    assert!((value("participation_ratio", &cloud) - exact).abs() < 1e-9);
    assert_eq!((value("pca_variance", &cloud), value("pca_gap", &cloud)), (3.0, 3.0));
    // fewer points than components: the Gram matrix has the same eigenvalues
    let wide = flat(6, 12, 40, 12);
    let small = Spectrum::of(wide.view()).unwrap();
    let padded = Spectrum::of(concatenate![Axis(0), wide, wide, wide, wide].view()).unwrap();
    let factor = (4.0 * 12.0 - 1.0) / (4.0 * 11.0);
    assert_eq!((small.values.len(), padded.values.len()), (11, 40));
    for (a, b) in small.values.iter().zip(&padded.values) {
        assert!((a / (b * factor) - 1.0).abs() < 1e-9, "{a} {b}");
    }
}

#[test]
fn states_that_are_equal_or_close_in_time_are_no_neighbours() {
    // a slow circle, each state twice
    let circle = |time: usize| (TAU * (time / 2) as f64 / 97.0).sin_cos();
    let states = Array3::from_shape_fn((3, 400, 3), |(case, time, j)| {
        let (sin, cos) = circle(time);
        [cos * (1.0 + case as f64), sin * (1.0 + case as f64), 7.0][j]
    });
    let sampling = Sampling { points: 10_000, window: None, scale: Scale::Common };
    let found = Sampled::of(states.view(), &sampling, key(0));
    assert_eq!((found.states, found.constant), (1200, 1));
    assert_eq!(found.duplicates + found.cloud.len(), 1200);
    assert!(found.duplicates >= 600, "{}", found.duplicates);
    // the cosine falls below 1/e at angle 1.194, 36.9 states of which each comes twice
    assert!((110..=114).contains(&found.window) || found.window == 100, "{}", found.window);
    assert!(found.cloud.neighbours().distances.column(0).iter().all(|distance| *distance > 0.0));
    let few = Sampled::of(states.view(), &Sampling { points: 100, ..sampling }, key(0));
    let again = Sampled::of(states.view(), &Sampling { points: 100, ..sampling }, key(0));
    assert_eq!((few.cloud.len(), few.cloud.points()), (100, again.cloud.points()));
    let scaled = Sampled::of(states.view(), &Sampling { scale: Scale::Components, ..sampling }, key(0));
    let sd = scaled.cloud.points().std_axis(Axis(0), 0.0);
    assert!(sd.iter().all(|sd| (sd - 1.0).abs() < 1e-9), "{sd}");
    // independent draws need no window
    let draws = key(2).normals(800, 3).into_shape_with_order((8, 100, 3)).unwrap();
    assert_eq!(Sampled::of(draws.view(), &sampling, key(0)).window, 0);
}

#[test]
fn neighbours_in_time_would_make_a_set_a_curve() {
    // a trajectory that fills a 2-torus; slowly, neighbours are those in time
    let on = |angle: f64, j: usize| {
        let angle = [1.0, 5f64.sqrt()][j / 2] * angle;
        if j.is_multiple_of(2) { angle.cos() } else { angle.sin() }
    };
    let at = |step: f64, times: usize, window: usize| {
        let states = Array3::from_shape_fn((1, times, 4), |(_, time, j)| on(step * time as f64, j));
        let sampling = Sampling { points: 4000, window: Some(window), scale: Scale::Common };
        value("levina_bickel", &Sampled::of(states.view(), &sampling, key(1)).cloud)
    };
    let (filled, curve) = (at(0.02, 60_000, 150), at(0.001, 4000, 0));
    assert!((filled - 2.0).abs() < 0.15 && (curve - 1.0).abs() < 0.3, "{filled} {curve}");
}

/// Points of a law at its denoiser.
fn bound<'a>(denoiser: impl DifferentiableDenoiser + 'a, points: ArrayView2<f64>) -> Law<'a> {
    let (offset, scale) = (Array2::zeros(points.dim()), Array2::ones(points.dim()));
    let to_state = Affine { offset, scale };
    Law::new(BoundDenoiser { denoiser: Box::new(denoiser), to_state }, points, key(9))
}

fn mixture(n: usize, d: usize, components: usize, noise: f64) -> LowRankMixture {
    let part = |k: usize| LowRankGaussian {
        weight: 1.0,
        mean: Array1::zeros(n),
        basis: orthonormal(n, d, structure_key(k as u64)),
        variances: Array1::ones(d),
    };
    LowRankMixture::new((0..components).map(part).collect(), noise).unwrap()
}

fn draws(law: &LowRankMixture, count: usize) -> Array2<f64> {
    let mut out = Array2::zeros((count, law.parts()[0].mean.len()));
    for (i, mut row) in out.outer_iter_mut().enumerate() {
        law.draw(row.as_slice_mut().unwrap(), &mut key(5).stream(i as u64));
    }
    out
}

fn of_law(name: &str, law: &Law) -> Option<Dimension> {
    match ESTIMATORS.iter().find(|entry| entry.name == name).unwrap().build.of {
        Of::Law(estimate) => estimate(law).unwrap(),
        _ => None,
    }
}

#[test]
fn flipd_has_its_norm_term() {
    let (n, d) = (48, 6);
    // points whose squared lengths along and across are what they are on average
    let typical = |noise: f64| {
        let basis = orthonormal(n, d, structure_key(0));
        let random = key(3).normals(4, n);
        let along = random.dot(&basis).dot(&basis.t());
        let across = &random - &along;
        let scaled = |rows: Array2<f64>, square: f64| {
            let lengths = rows.map_axis(Axis(1), |row| row.dot(&row).sqrt());
            rows / lengths.insert_axis(Axis(1)) * square.sqrt()
        };
        let floor = noise * noise;
        scaled(along, d as f64 * (1.0 + floor)) + scaled(across, (n - d) as f64 * floor)
    };
    for (noise, sigma, exact) in [(0.0, 1.0, 4.5), (0.05, 0.3, 8.198_9)] {
        let law = mixture(n, d, 1, noise);
        let points = typical(noise);
        let found = flipd::at(&bound(law, points.view()), sigma).unwrap();
        assert!(found.iter().all(|value| (value - exact).abs() < 1e-4), "{found:?} {exact}");
    }
}

#[test]
fn a_denoiser_of_subspaces_tells_their_dimension_at_little_noise_and_all_of_it_at_much() {
    let (n, d) = (24, 3);
    let exact = mixture(n, d, 2, 0.0);
    let points = draws(&exact, 6);
    let law = bound(exact, points.view());
    for name in ["jacobian_rank", "normal_bundle", "flipd"] {
        let found = of_law(name, &law).unwrap();
        assert!((found.value - 3.0).abs() < 0.2, "{name}: {found:?}");
    }
    let ranks = of_law("jacobian_rank", &law).unwrap().curve.points;
    assert_eq!((ranks[0].1, ranks[ranks.len() - 1].1), (3.0, 6.0), "{ranks:?}");
    // with a floor the law is n-dimensional below it
    let noisy = mixture(n, d, 1, 0.03);
    let points = draws(&noisy, 6);
    let law = bound(noisy, points.view());
    for name in ["jacobian_rank", "flipd"] {
        let found = of_law(name, &law).unwrap();
        let (first, value) = (found.curve.points[0], found.value);
        assert!(first.1 > 20.0 && (value - 3.0).abs() < 0.5, "{name}: {found:?}");
    }
}

#[test]
fn the_jacobian_of_a_gaussian_has_the_rank_of_its_gains() {
    let variances: Vec<f64> = (0..12).map(|i| 4f64.powi(-i)).collect();
    let basis = orthonormal(12, 12, structure_key(7));
    let covariance = (&basis * &Array1::from(variances.clone())).dot(&basis.t());
    let points = key(1).normals(3, 12);
    let law = bound(GaussianDenoiser::new(Array1::zeros(12), covariance.view()).unwrap(), points.view());
    let (_, jacobians) = law.jacobians(points.view(), 0.05).unwrap();
    let gain = |v: &f64| v / (v + 0.05f64.powi(2));
    let exact = (&basis * &variances.iter().map(gain).collect::<Array1<f64>>()).dot(&basis.t());
    assert!(jacobians.iter().all(|found| (found - &exact).iter().all(|gap| gap.abs() < 1e-12)));
    let found = of_law("jacobian_rank", &law);
    // an even fall has one plateau alone: at much noise the Jacobian is the covariance, of which 2 hold 99 % of the norm
    assert_eq!(found.map(|found| found.value), Some(2.0));
    let sigma = 0.1f64;
    let flipd = flipd::at(&law, sigma).unwrap();
    let along = points.dot(&basis);
    for (i, value) in flipd.iter().enumerate() {
        let of = |(v, a): (&f64, &f64)| gain_at(*v, sigma) + (a * (1.0 - gain_at(*v, sigma)) / sigma).powi(2);
        let exact: f64 = variances.iter().zip(along.row(i)).map(of).sum();
        assert!((value / exact - 1.0).abs() < 1e-9, "{value} {exact}");
    }
}

fn gain_at(v: f64, sigma: f64) -> f64 {
    v / (v + sigma * sigma)
}

/// Points of subspaces of these ranks, with noise, one after the other in turn.
fn union(seed: u64, n: usize, ranks: &[usize], each: usize, noise: f64) -> Cloud {
    let parts: Vec<Array2<f64>> =
        ranks.iter().enumerate().map(|(k, d)| flat(100 * seed + k as u64, each, n, *d)).collect();
    let rows = (0..each * ranks.len()).map(|i| parts[i % ranks.len()].row(i / ranks.len()));
    let mut points = Array2::zeros((0, n));
    rows.for_each(|row| points.push_row(row).unwrap());
    let noise = key(seed).normals(points.nrows(), n) * noise;
    Cloud::independent(points + noise)
}

fn ranks(cloud: &Cloud) -> Vec<usize> {
    let mut ranks: Vec<usize> = pieces(cloud).unwrap().unwrap().pieces.iter().map(|piece| piece.rank).collect();
    ranks.sort_unstable();
    ranks
}

#[test]
fn low_rank_pieces_are_counted_with_their_ranks() {
    for noise in [0.0, 0.05] {
        assert_eq!(ranks(&union(1, 30, &[5, 5, 5], 133, noise)), [5, 5, 5], "noise {noise}");
        assert_eq!(ranks(&union(2, 20, &[3, 6], 200, noise)), [3, 6], "noise {noise}");
        assert_eq!(ranks(&union(3, 20, &[4], 400, noise)), [4], "noise {noise}");
    }
    let found = pieces(&union(1, 30, &[5, 5, 5], 133, 0.05)).unwrap().unwrap();
    for piece in &found.pieces {
        assert!((piece.share - 1.0 / 3.0).abs() < 0.02 && (piece.noise / 0.05 - 1.0).abs() < 0.1, "{piece:?}");
    }
}

#[test]
fn gaussians_that_share_a_flat_are_one_piece() {
    let mut plane = key(5).normals(400, 2) * 0.3;
    plane.column_mut(0).iter_mut().enumerate().for_each(|(i, x)| *x += if i % 2 == 0 { 3.0 } else { -3.0 });
    let cloud =
        Cloud::independent(plane.dot(&orthonormal(10, 2, structure_key(3)).t()) + key(6).normals(400, 10) * 0.01);
    let found = pieces(&cloud).unwrap().unwrap();
    assert!(found.gaussians >= 2, "{found:?}");
    assert_eq!((found.pieces.len(), found.pieces[0].rank), (1, 2), "{found:?}");
}

#[test]
fn sentences_say_what_estimators_that_disagree_mean() {
    let said = |cloud: &Cloud| {
        let all = ESTIMATORS.iter().filter(|entry| !matches!(entry.build.of, Of::Law(_)));
        let estimates: Vec<_> = all.map(|entry| (entry, asked(entry.name, cloud))).collect();
        let (floor, pieces) = (NoiseFloor::of(cloud), pieces(cloud).unwrap());
        let (points, components) = (cloud.len(), cloud.components());
        Found { estimates: &estimates, floor: Some(&floor), pieces: pieces.as_ref(), points, components }
            .sentences()
            .join(" ")
    };
    let several = said(&union(4, 30, &[5, 5, 5], 400, 0.0));
    assert!(several.contains("3 low-rank pieces in different directions"), "{several}");
    let one = said(&Cloud::independent(flat(3, 1500, 12, 2)));
    assert!(one.contains("agree: about 2.0") || one.contains("agree: between"), "{one}");
    let noisy = said(&Cloud::independent(flat(3, 1500, 20, 3) + key(1).normals(1500, 20) * 0.3));
    assert!(noisy.contains("see the noise"), "{noisy}");
    let full = said(&Cloud::independent(key(1).normals(300, 30)));
    assert!(full.contains("too small"), "{full}");
}

#[test]
fn training_sizes_are_ranges_and_grow_with_what_they_depend_on() {
    let size = Size { components: 40, dimension: (2.0, 3.0), flat: 12.0, pieces: 1, is_noisy: false };
    let of = |size: Size, name: &str| {
        let found = size.ranges().into_iter().find(|range| range.forecasters.contains(&name)).unwrap();
        (found.from, found.to)
    };
    // n / (N - n - 1) is 10 % and 1 % there
    assert_eq!(of(size, "linear"), (441.0, Some(4041.0)));
    assert_eq!(of(size, "linear"), of(Size { dimension: (1.0, 9.0), ..size }, "linear"));
    assert_eq!(of(size, "pca_linear"), (23.0, Some(1213.0)));
    assert_eq!(of(size, "analog"), (4.0, Some(1000.0)));
    assert_eq!(of(Size { dimension: (2.0, 12.0), ..size }, "analog").1, None);
    assert_eq!(of(size, "diffusion"), (16.0, Some(180.0)));
    assert!(of(Size { is_noisy: true, ..size }, "molrg").1 > of(size, "molrg").1);
    for range in size.ranges() {
        assert!(range.to.is_none_or(|to| to > range.from) && !range.because.is_empty(), "{range:?}");
    }
    let known: Vec<&str> = crate::forecast::FORECASTERS.iter().map(|entry| entry.name).collect();
    for name in size.ranges().iter().flat_map(|range| range.forecasters) {
        assert!(known.contains(name), "{name}");
    }
}
