//! The Gaussian denoisers and densities against Bayes' formula and finite differences.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use common::{assert_gaussian_moments, copies};
use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2, ArrayView2, arr2, array};
use scorecast_systems::noising::sampler::ReverseSde;
use scorecast_systems::noising::{Karras, Rescaled, sample};
use scorecast_systems::{
    ConditionalDenoiser, Covariance, Denoiser, Density, DifferentiableDenoiser, Domain, Forecaster, GaussianDenoiser,
    GaussianKernel, GaussianLaw, Key, Level, LinearForecaster, LinearGaussian, Result,
};

const LEVELS: [Level; 4] = [
    Level { alpha: 1.0, sigma: 0.05 },
    Level { alpha: 1.0, sigma: 2.0 },
    Level { alpha: 0.6, sigma: 0.8 },
    Level { alpha: 0.1, sigma: 5.0 },
];

fn mean() -> Array1<f64> {
    array![0.5, -1.0, 2.0]
}

fn covariance() -> Array2<f64> {
    let root = arr2(&[[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.3, 0.4, 0.2]]);
    root.dot(&root.t())
}

fn points(rows: usize) -> Array2<f64> {
    Key::new(6, Domain::Score).normals(rows, 3) * 2.0
}

fn matrix(x: &Array2<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(x.nrows(), x.ncols(), |i, j| x[[i, j]])
}

/// E[x_0 | x_t] by Bayes' formula with explicit inverses: (C^-1 + alpha^2/sigma^2)^-1 (C^-1 m + alpha x_t / sigma^2).
fn bayes(mean: &Array1<f64>, covariance: &Array2<f64>, x_t: &[f64], level: Level) -> DVector<f64> {
    let n = mean.len();
    let precision = matrix(covariance).try_inverse().unwrap();
    let s2 = level.sigma * level.sigma;
    let m = DVector::from_iterator(n, mean.iter().copied());
    let total = &precision + DMatrix::identity(n, n) * (level.alpha * level.alpha / s2);
    total.try_inverse().unwrap() * (precision * m + DVector::from_column_slice(x_t) * (level.alpha / s2))
}

#[test]
fn gaussian_denoiser_is_bayes_formula() {
    let denoiser = GaussianDenoiser::new(mean(), covariance().view()).unwrap();
    let x = points(5);
    for level in LEVELS {
        let found = denoiser.denoise(x.view(), level).unwrap();
        for (row, found) in x.outer_iter().zip(found.outer_iter()) {
            let expected = bayes(&mean(), &covariance(), row.as_slice().unwrap(), level);
            // the inverse of the covariance, of condition number 2e2, loses that much
            assert!(found.iter().zip(expected.iter()).all(|(a, b)| (a - b).abs() < 1e-11), "{level:?}");
        }
    }
}

/// v^T J by central differences, row by row.
fn by_differences(
    denoiser: &dyn DifferentiableDenoiser,
    x: &Array2<f64>,
    v: &Array2<f64>,
    level: Level,
) -> Array2<f64> {
    let h = 1e-4;
    let at = |column: usize, shift: f64| {
        let mut moved = x.clone();
        moved.column_mut(column).mapv_inplace(|value| value + shift);
        (denoiser.denoise(moved.view(), level).unwrap() * v).sum_axis(ndarray::Axis(1))
    };
    let mut out = Array2::zeros(x.dim());
    for column in 0..x.ncols() {
        out.column_mut(column).assign(&((at(column, h) - at(column, -h)) / (2.0 * h)));
    }
    out
}

fn assert_pullback(denoiser: &dyn DifferentiableDenoiser, what: &str) {
    let (x, v) = (points(4), Key::new(7, Domain::Score).normals(4, 3));
    for level in LEVELS {
        let (denoised, pullback) = denoiser.denoise_vjp(x.view(), level).unwrap();
        assert_eq!(denoised, denoiser.denoise(x.view(), level).unwrap());
        let expected = by_differences(denoiser, &x, &v, level);
        for _ in 0..2 {
            let worst = (pullback.pull(v.view()).unwrap() - &expected).mapv(f64::abs).fold(0.0f64, |a, b| a.max(*b));
            // the maps are affine, so only rounding over h is left: 1e-15 * 10 / 1e-4
            assert!(worst < 1e-9, "{what} at {level:?}: {worst}");
        }
    }
}

/// A kernel with a nonlinear mean and its own variance for each member.
struct Curved;

impl GaussianKernel for Curved {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        let mut variance = x.mapv(|x| 0.1 + x * x);
        variance.column_mut(1).fill(0.0);
        Ok((x.mapv(f64::sin), Covariance::Diagonal(variance)))
    }
}

fn correlated() -> LinearGaussian {
    LinearGaussian { matrix: Array2::eye(3) * 0.5, offset: mean(), covariance: covariance() }
}

#[test]
fn pullbacks_agree_with_finite_differences() {
    let gaussian = GaussianDenoiser::new(mean(), covariance().view()).unwrap();
    assert_pullback(&gaussian, "gaussian");
    assert_pullback(&Rescaled(gaussian), "rescaled");
    let x = points(4);
    let curved = GaussianLaw::new(Curved);
    assert_pullback(&*curved.bind(0, x.view()).unwrap().denoiser, "diagonal");
    let linear = GaussianLaw::new(correlated());
    assert_pullback(&*linear.bind(0, x.view()).unwrap().denoiser, "shared");
}

#[test]
fn rescaled_denoiser_is_the_same_law_at_the_same_relative_noise() {
    let gaussian = GaussianDenoiser::new(mean(), covariance().view()).unwrap();
    let x = points(4);
    for level in LEVELS {
        let direct = gaussian.denoise(x.view(), level).unwrap();
        let through = Rescaled(gaussian.clone()).denoise(x.view(), level).unwrap();
        assert!((direct - through).iter().all(|difference| difference.abs() < 1e-12), "{level:?}");
    }
}

/// In the space of z the data have the correlation as covariance: the bound denoiser is Bayes' formula with it.
#[test]
fn bound_denoiser_is_bayes_formula_with_the_correlation() {
    let law = GaussianLaw::new(correlated());
    let x = points(2);
    let bound = law.bind(0, x.view()).unwrap();
    let sd = covariance().diag().mapv(f64::sqrt);
    let correlation = Array2::from_shape_fn((3, 3), |(i, j)| covariance()[[i, j]] / (sd[i] * sd[j]));
    let z = points(2);
    let found = bound.denoiser.denoise(z.view(), LEVELS[1]).unwrap();
    let expected = bayes(&Array1::zeros(3), &correlation, z.row(1).as_slice().unwrap(), LEVELS[1]);
    assert!(found.row(1).iter().zip(expected.iter()).all(|(a, b)| (a - b).abs() < 1e-11));
    assert_eq!(bound.to_state.scale.row(0), sd);
}

/// The denoiser, a sampler and the affine map together draw from the one-step law.
#[test]
fn sampling_a_bound_denoiser_draws_from_the_law() {
    let law = GaussianLaw::new(correlated());
    let state = array![1.0, 2.0, -1.0];
    let x = copies(&state, 40_000);
    let bound = law.bind(0, x.view()).unwrap();
    // 200 steps to 0.002 leave 0.3 % of the sd, below a fifth of the five standard errors allowed
    let grid = Karras { sigma_min: 0.002, sigma_max: 40.0, rho: 7.0, steps: 200 };
    let z =
        sample(&ReverseSde, &*bound.denoiser, &grid.exploding().unwrap(), 40_000, Key::new(2, Domain::Method)).unwrap();
    let drawn = bound.to_state.apply(&z);
    assert_gaussian_moments(&drawn, &(&state * 0.5 + mean()), &covariance(), "sampled");
}

#[test]
fn kernels_without_variance_somewhere_give_no_nan() {
    let law = GaussianLaw::new(Curved);
    let x = points(3);
    let bound = law.bind(0, x.view()).unwrap();
    for sigma in [0.0, 1.0] {
        let denoised = bound.denoiser.denoise(points(3).view(), Level::exploding(sigma)).unwrap();
        assert!(denoised.iter().all(|value| value.is_finite()) && denoised.column(1).iter().all(|value| *value == 0.0));
    }
    let on = x.mapv(f64::sin);
    let mut off = on.clone();
    off[[2, 1]] += 0.1;
    let density = law.log_prob(0, x.view(), off.view()).unwrap();
    assert!(density[0].is_finite() && density[2] == f64::NEG_INFINITY);

    let flat = arr2(&[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]);
    let law = LinearGaussian { matrix: Array2::eye(3), offset: Array1::zeros(3), covariance: flat };
    let forecaster = LinearForecaster::new(law.clone()).unwrap();
    let mut next = x.clone();
    forecaster.advance(0, 1, &mut next, Key::new(1, Domain::Method)).unwrap();
    let moved = &next - &x;
    assert!(moved.outer_iter().all(|row| (row[0] - row[1]).abs() < 1e-12 && row[2].abs() < 1e-12 && row[0] != 0.0));
    let density = GaussianLaw::new(law).log_prob(0, x.view(), next.view()).unwrap();
    // along (1, 1) / sqrt(2) the variance is 2
    let expected = -0.25 * 2.0 * moved[[0, 0]].powi(2) - 0.5 * (2.0 * std::f64::consts::TAU).ln();
    assert!((density[0] - expected).abs() < 1e-9, "{density} {expected}");
}

#[test]
fn an_indefinite_covariance_is_refused() {
    let wrong = arr2(&[[1.0, 2.0], [2.0, 1.0]]);
    let error = GaussianDenoiser::new(Array1::zeros(2), wrong.view()).unwrap_err().to_string();
    assert!(error.contains("positive semi-definite"), "{error}");
    let nan = arr2(&[[f64::NAN]]);
    assert!(GaussianDenoiser::new(Array1::zeros(1), nan.view()).is_err());
}
