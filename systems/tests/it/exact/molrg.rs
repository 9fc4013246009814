//! The mixture of low-rank Gaussians against quadrature of Bayes' formula, finite differences and its draws.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::statistics::{KS_BOUND, Z_BOUND, ks, z};
use common::{settings, stepping, system};
use ndarray::{Array1, Array2, arr2, array};
use scorecast_systems::catalogue::Molrg;
use scorecast_systems::noising::sampler::ReverseSde;
use scorecast_systems::noising::{Karras, sample};
use scorecast_systems::{
    Denoiser, DifferentiableDenoiser, Domain, Key, Level, LowRankGaussian, LowRankMixture, Purpose, System, Value,
};
use statrs::distribution::{ContinuousCDF, Normal};

const LEVELS: [Level; 3] =
    [Level { alpha: 1.0, sigma: 0.3 }, Level { alpha: 0.6, sigma: 0.8 }, Level { alpha: 0.2, sigma: 3.0 }];

fn key() -> Key {
    Key::new(51, Domain::Method).purpose(Purpose::ProcessNoise)
}

/// Three components in the plane: two lines and the whole plane, with means, weights and a floor.
fn planar() -> LowRankMixture {
    let line = |angle: f64| arr2(&[[angle.cos()], [angle.sin()]]);
    let part = |weight, mean, basis, variances: &[f64]| LowRankGaussian {
        weight,
        mean,
        basis,
        variances: Array1::from_vec(variances.to_vec()),
    };
    let parts = vec![
        part(2.0, array![0.0, 0.0], line(0.4), &[1.0]),
        part(1.0, array![1.0, -0.5], line(2.0), &[0.6]),
        part(1.0, array![-0.5, 1.0], Array2::eye(2), &[0.3, 0.05]),
    ];
    LowRankMixture::new(parts, 0.2).unwrap()
}

/// p(x_t), E[x_0 | x_t] and Cov[x_0 | x_t] by quadrature of p(x_0) N(x_t; alpha x_0, sigma^2 I) over the plane, with
/// p(x_0) as a mixture of dense Gaussians by the textbook formula.
fn quadrature(mixture: &LowRankMixture, x_t: [f64; 2], level: Level) -> (f64, [f64; 2], [[f64; 2]; 2]) {
    let dense: Vec<_> = mixture
        .parts()
        .iter()
        .map(|part| {
            let c = (&part.basis * &part.variances).dot(&part.basis.t()) + Array2::<f64>::eye(2) * 0.04;
            let det = c[[0, 0]] * c[[1, 1]] - c[[0, 1]] * c[[0, 1]];
            (part.weight, part.mean.clone(), c, det)
        })
        .collect();
    let density = |x: f64, y: f64| -> f64 {
        let of = |(weight, mean, c, det): &(f64, Array1<f64>, Array2<f64>, f64)| {
            let (a, b) = (x - mean[0], y - mean[1]);
            let form = (c[[1, 1]] * a * a - 2.0 * c[[0, 1]] * a * b + c[[0, 0]] * b * b) / det;
            weight * (-0.5 * form).exp() / (std::f64::consts::TAU * det.sqrt())
        };
        dense.iter().map(of).sum()
    };
    let (h, s2) = (0.04, level.sigma * level.sigma);
    let mut sums = [0.0; 6];
    for i in -200..=200 {
        for j in -200..=200 {
            let (x, y) = (h * f64::from(i), h * f64::from(j));
            let gap = (x_t[0] - level.alpha * x).powi(2) + (x_t[1] - level.alpha * y).powi(2);
            let weight = h * h * density(x, y) * (-0.5 * gap / s2).exp() / (std::f64::consts::TAU * s2);
            let terms = [1.0, x, y, x * x, x * y, y * y];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
        }
    }
    let [p, x, y, xx, xy, yy] = sums;
    let (x, y) = (x / p, y / p);
    (p, [x, y], [[xx / p - x * x, xy / p - x * y], [xy / p - x * y, yy / p - y * y]])
}

/// The Jacobian is Cov[x_0 | x_t] alpha / sigma^2. The trapezoidal rule with cells of a fifth of the smallest sd is exact
/// to rounding.
#[test]
fn denoiser_density_and_jacobian_are_bayes_formula() {
    let mixture = planar();
    for level in LEVELS {
        for x_t in [[0.3, -0.2], [1.5, 0.7], [-0.8, 1.1]] {
            let (p, mean, covariance) = quadrature(&mixture, x_t, level);
            let row = arr2(&[x_t]);
            let found = mixture.log_density(row.view(), level)[0];
            assert!((found - p.ln()).abs() < 1e-9, "{level:?}: log p {found} {}", p.ln());
            let (denoised, pullback) = mixture.denoise_vjp(row.view(), level).unwrap();
            assert_eq!(denoised, mixture.denoise(row.view(), level).unwrap());
            let factor = level.alpha / (level.sigma * level.sigma);
            for i in 0..2 {
                assert!((denoised[[0, i]] - mean[i]).abs() < 1e-9, "{level:?}: {denoised} {mean:?}");
                let mut unit = Array2::zeros((1, 2));
                unit[[0, i]] = 1.0;
                for (j, found) in pullback.pull(unit.view()).unwrap().iter().enumerate() {
                    let expected = factor * covariance[i][j];
                    assert!((found - expected).abs() < 1e-8 * factor.max(1.0), "{level:?}: {found} {expected}");
                }
            }
        }
    }
}

/// A general one from the catalogue: means, unequal weights, unequal spectra.
fn general(ambient_noise: f64) -> Molrg {
    let spectra = vec![vec![2.0, 1.0, 0.5], vec![1.0, 0.3, 0.0], vec![0.4, 0.0, 0.0]];
    let given = [
        ("dim", Value::Int(7)),
        ("components", Value::Int(3)),
        ("spectra", Value::Rows(spectra)),
        ("weights", Value::Floats(vec![3.0, 2.0, 1.0])),
        ("mean_norm", Value::Float(1.5)),
        ("ambient_noise", Value::Float(ambient_noise)),
    ];
    Molrg::new(&settings("molrg", &given)).unwrap()
}

/// D = (x_t + sigma^2 grad log p_t) / alpha (Tweedie), and the pullback, by central differences.
#[test]
fn tweedie_and_the_pullback_hold_by_differences() {
    for ambient in [0.1, 0.0] {
        let molrg = general(ambient);
        let mixture = molrg.mixture();
        let (x, v, h) = (key().normals(5, 7), key().at(1).normals(5, 7), 1e-5);
        for level in LEVELS {
            let (denoised, pullback) = mixture.denoise_vjp(x.view(), level).unwrap();
            let pulled = pullback.pull(v.view()).unwrap();
            for i in 0..7 {
                let moved = |h: f64| {
                    let mut moved = x.clone();
                    moved.column_mut(i).mapv_inplace(|x| x + h);
                    moved
                };
                let (ahead, behind) = (moved(h), moved(-h));
                let slope = |at: &Array2<f64>| mixture.log_density(at.view(), level);
                let score = (slope(&ahead) - slope(&behind)) / (2.0 * h);
                let dot =
                    |at: &Array2<f64>| (mixture.denoise(at.view(), level).unwrap() * &v).sum_axis(ndarray::Axis(1));
                let jacobian = (dot(&ahead) - dot(&behind)) / (2.0 * h);
                for row in 0..5 {
                    let tweedie = (x[[row, i]] + level.sigma * level.sigma * score[row]) / level.alpha;
                    // curvatures of up to 1 / sigma^4 times h^2, and rounding of 1e-14 / h
                    assert!((denoised[[row, i]] - tweedie).abs() < 1e-7 / level.alpha, "{level:?}");
                    assert!((pulled[[row, i]] - jacobian[row]).abs() < 1e-7, "{level:?}: {pulled} {jacobian}");
                }
            }
        }
    }
}

/// The form of Wang et al. (2024) for zero means, unit spectra and no ambient noise.
#[test]
fn published_special_case() {
    let given = [("dim", Value::Int(9)), ("intrinsic", Value::Int(2)), ("ambient_noise", Value::Float(0.0))];
    let molrg = Molrg::new(&settings("molrg", &given)).unwrap();
    let x = key().normals(4, 9);
    for level in LEVELS {
        let (s, s2, g2) = (level.alpha, level.alpha.powi(2), level.sigma.powi(2));
        let found = molrg.mixture().denoise(x.view(), level).unwrap();
        for (row, found) in x.outer_iter().zip(found.outer_iter()) {
            let project = |part: &LowRankGaussian| part.basis.t().dot(&row);
            let weights: Vec<f64> = molrg
                .mixture()
                .parts()
                .iter()
                .map(|part| (s2 / (2.0 * g2 * (s2 + g2)) * project(part).mapv(|p| p * p).sum()).exp())
                .collect();
            let total: f64 = weights.iter().sum();
            let parts = molrg.mixture().parts().iter().zip(&weights);
            let expected = parts.fold(Array1::<f64>::zeros(9), |sum, (part, weight)| {
                sum + part.basis.dot(&project(part)) * (weight / total * s / (s2 + g2))
            });
            assert!((&found - &expected).iter().all(|gap| gap.abs() < 1e-12), "{level:?}");
        }
    }
}

/// The draws of the system, along random directions, against the mixture of normals that each projection is.
#[test]
fn draws_have_the_law() {
    let molrg = Arc::new(general(0.1));
    let forecaster = Arc::clone(&molrg).forecaster(&stepping("rk4", 1.0, 1)).unwrap();
    let mut next = molrg.initial(100_000, key());
    let initial = next.clone();
    forecaster.advance(0, 1, &mut next, key()).unwrap();
    for (what, x) in [("initial", &initial), ("next", &next)] {
        for direction in key().at(7).normals(4, 7).outer_iter() {
            let laws: Vec<(f64, Normal)> = molrg
                .mixture()
                .parts()
                .iter()
                .map(|part| {
                    let along = part.basis.t().dot(&direction);
                    let variance = (&along * &along).dot(&part.variances) + 0.01 * direction.dot(&direction);
                    (part.weight, Normal::new(part.mean.dot(&direction), variance.sqrt()).unwrap())
                })
                .collect();
            let cdf = |x: f64| laws.iter().map(|(weight, law)| weight * law.cdf(x)).sum();
            let distance = ks(&mut x.dot(&direction).to_vec(), cdf);
            println!("molrg, {what}: ks {distance:.2}");
            assert!(distance < KS_BOUND, "{what}: {distance}");
        }
    }
    // draws are independent of what came before
    let products: Vec<f64> = initial.column(0).iter().zip(next.column(0)).map(|(a, b)| a * b).collect();
    assert!(z(&products, molrg.mixture().mean()[0].powi(2)).abs() < Z_BOUND);
    // E[log p] of the draws is the same whether the forecaster or the mixture gives it
    let log = forecaster.density().unwrap().log_prob(0, initial.view(), next.view()).unwrap();
    let direct = molrg.mixture().log_density(next.view(), Level::exploding(0.0));
    assert!((&log - &direct).iter().all(|gap| gap.abs() < 1e-9));
}

/// A bound denoiser, a sampler and the map to states together draw from the law.
#[test]
fn sampling_the_bound_denoiser_draws_from_the_law() {
    let molrg = Arc::new(general(0.1));
    let forecaster = Arc::clone(&molrg).forecaster(&stepping("rk4", 1.0, 1)).unwrap();
    let members = 20_000;
    let x = molrg.initial(members, key());
    let bound = forecaster.denoiser().unwrap().bind(0, x.view()).unwrap();
    let grid = Karras { sigma_min: 0.004, sigma_max: 40.0, rho: 7.0, steps: 150 };
    let noise = Key::new(52, Domain::Method);
    let z = sample(&ReverseSde, &*bound.denoiser, &grid.exploding().unwrap(), members, noise).unwrap();
    let drawn = bound.to_state.apply(&z);
    for direction in key().at(7).normals(2, 7).outer_iter() {
        let (mut a, mut b) = (drawn.dot(&direction).to_vec(), x.dot(&direction).to_vec());
        let distance = common::statistics::ks_two(&mut a, &mut b);
        println!("molrg, sampled: two-sample ks {distance:.2}");
        assert!(distance < KS_BOUND, "{distance}");
    }
}

#[test]
fn without_ambient_noise_there_is_no_density_and_level_zero_is_the_identity() {
    let molrg = Arc::new(general(0.0));
    let forecaster = Arc::clone(&molrg).forecaster(&stepping("rk4", 1.0, 1)).unwrap();
    assert!(forecaster.density().is_none());
    let x = molrg.initial(5, key());
    let (same, pullback) = molrg.mixture().denoise_vjp(x.view(), Level::exploding(0.0)).unwrap();
    assert_eq!(same, x);
    assert_eq!(pullback.pull(x.view()).unwrap(), x);
    let near = molrg.mixture().denoise(x.view(), Level::exploding(1e-3)).unwrap();
    assert!((&near - &x).iter().all(|gap| gap.abs() < 1e-4));
}

#[test]
fn mistakes_are_sentences() {
    let message = |given: &[(&str, Value)]| Molrg::new(&settings("molrg", given)).map(|_| ()).unwrap_err().to_string();
    let found = message(&[("intrinsic", Value::Int(50))]);
    assert!(found.contains("`intrinsic` gives a subspace of dimension 50 in the 48 of `dim`"), "{found}");
    let found = message(&[("weights", Value::Floats(vec![1.0, 2.0, 3.0]))]);
    assert!(found.contains("`weights` has 3 numbers for 2 components; give 1 or 2"), "{found}");
    let found = message(&[("spectra", Value::Rows(vec![vec![1.0]; 3]))]);
    assert!(found.contains("`spectra` has 3 rows for 2 components"), "{found}");
    let part =
        LowRankGaussian { weight: 1.0, mean: Array1::zeros(2), basis: arr2(&[[1.0], [1.0]]), variances: array![1.0] };
    let found = LowRankMixture::new(vec![part], 0.1).unwrap_err().to_string();
    assert!(found.contains("component 0 of the mixture has a basis that is 1 away from orthonormal"), "{found}");
    assert!(system("molrg", &[]).initial_is_stationary());
}
