//! Diffusion posterior sampling where its answers are known: its gradient, its denoiser in one dimension, and by how much
//! what it draws is not the posterior.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::errors;
use ndarray::{Array2, Axis, array};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::method::{Dps, Guidance, Unguided};
use scorecast_assimilation::observe::{Arctan, Linear, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet};
use scorecast_systems::gaussian::{GaussianDenoiser, LowRankGaussian, LowRankMixture};
use scorecast_systems::noising::sample;
use scorecast_systems::noising::sampler::ReverseSde;
use scorecast_systems::{Affine, Denoiser, Domain, Karras, Key, Level};

fn mixture() -> LowRankMixture {
    let part = |weight, mean| LowRankGaussian {
        weight,
        mean,
        basis: array![[0.8, -0.6], [0.6, 0.8]],
        variances: array![0.9, 0.2],
    };
    LowRankMixture::new(vec![part(0.4, array![-1.0, 0.5]), part(0.6, array![0.8, -0.7])], 0.1).unwrap()
}

#[test]
fn what_guides_is_minus_the_gradient_of_zeta_times_the_norm_of_the_residual() {
    // two modes, so that the Jacobian of D depends on z_t, and an h that is not linear
    let denoiser = mixture();
    let h = Pointwise::new(Arctan, Stride::new(2, 1, 0, &errors(&[0.3])).unwrap());
    let to_state = Affine { offset: array![[0.1, -0.3]], scale: array![[1.7, 0.6]] };
    let (y, zeta) = (array![0.9, -0.6], 0.8);
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &h };
    let rule = Dps { zeta };
    let guided = rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed });
    for level in [Level::exploding(0.4), Level::exploding(2.0), Level { alpha: 0.6, sigma: 0.8 }] {
        let norm = |z: &Array2<f64>| {
            let state = to_state.apply(&denoiser.denoise(z.view(), level).unwrap());
            let residual = &y - &h.apply(0.0, state.view());
            zeta * residual.iter().map(|r| r * r).sum::<f64>().sqrt()
        };
        adds_minus_the_gradient(&*guided, level, 1.0, norm);
    }
}

/// What is added to D at `level` is (sigma^2 / alpha) times minus `factor` times the gradient of `norm`, by differences.
pub(super) fn adds_minus_the_gradient(
    guided: &dyn Denoiser,
    level: Level,
    factor: f64,
    norm: impl Fn(&Array2<f64>) -> f64,
) {
    let z = array![[0.7, -0.2]];
    let denoised = guided.evaluate(z.view(), &[level]).unwrap();
    let added = &denoised.guided - &denoised.without_guidance();
    for component in 0..2 {
        let moved = |by: f64| {
            let mut z = z.clone();
            z[(0, component)] += by;
            norm(&z)
        };
        let gradient = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        let expected = -gradient * factor * level.sigma.powi(2) / level.alpha;
        assert!((added[(0, component)] - expected).abs() < 1e-7, "{level:?}: {added} for {expected}");
    }
}

/// D = m + g (z - alpha m), g = alpha v / (alpha^2 v + sigma^2), and dD/dz = g, so that the guided D is
/// D + (sigma^2 / alpha) zeta g s h sign(y - h (o + s D)) of a state o + s z observed as h (o + s z).
#[test]
fn the_guided_denoiser_of_one_gaussian_component_is_the_closed_form() {
    let (m, v, o, s, h, y, zeta) = (0.4, 1.3, -0.2, 1.6, 0.7, 0.5, 0.9);
    let denoiser = GaussianDenoiser::new(array![m], array![[v]].view()).unwrap();
    let operator = Linear::new(array![[h]], &errors(&[0.3])).unwrap();
    let z = Key::new(1, Domain::Score).normals(8, 1) * 3.0;
    let to_state = Affine { offset: Array2::from_elem((8, 1), o), scale: Array2::from_elem((8, 1), s) };
    let values = array![y];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let rule = Dps { zeta };
    let guided = rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed });
    for level in [Level::exploding(0.1), Level::exploding(3.0), Level { alpha: 0.6, sigma: 0.8 }] {
        let Level { alpha, sigma } = level;
        let g = alpha * v / (alpha * alpha * v + sigma * sigma);
        let found = guided.denoise(z.view(), level).unwrap();
        for (found, z) in found.iter().zip(&z) {
            let d = m + g * (z - alpha * m);
            let expected = d + sigma * sigma / alpha * zeta * g * s * h * (y - h * (o + s * d)).signum();
            assert!((found - expected).abs() < 1e-12, "{level:?}: {found} for {expected}");
        }
    }
}

/// Of the unit test of the moment-matched rule (unit variances, correlation .8, the first component observed as 2 with an
/// error of sd .3): how far the means of what is drawn are off, in sd of the exact posterior, and the ratios of its sd to
/// the exact ones.
fn off(zeta: f64) -> [f64; 4] {
    let members = 20_000;
    let denoiser = GaussianDenoiser::new(array![0.0, 0.0], array![[1.0, 0.8], [0.8, 1.0]].view()).unwrap();
    let operator = Linear::new(array![[1.0, 0.0]], &errors(&[0.3])).unwrap();
    let to_state = Affine { offset: Array2::zeros((members, 2)), scale: Array2::ones((members, 2)) };
    let values = array![2.0];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let rule = Dps { zeta };
    let guided = rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed });
    let levels = Karras { sigma_min: 0.002, sigma_max: 40.0, rho: 7.0, steps: 200 }.exploding().unwrap();
    let drawn = sample(&ReverseSde, &*guided, &levels, members, Key::new(2, Domain::Method)).unwrap();
    let (mean, p) = (drawn.mean_axis(Axis(0)).unwrap(), covariance(drawn.view(), None));
    let sd = [0.082_569f64.sqrt(), 0.412_844f64.sqrt()];
    [(mean[0] - 1.834_862) / sd[0], (mean[1] - 1.467_890) / sd[1], p[(0, 0)].sqrt() / sd[0], p[(1, 1)].sqrt() / sd[1]]
}

/// zeta, and what [`off`] gives by a program of its own with ten times as many draws.
const OFF: [(f64, [f64; 4]); 5] = [
    (0.1, [-6.035, -2.159, 3.483, 1.561]),
    (1.0, [-3.131, -1.097, 3.147, 1.481]),
    (3.0, [0.311, 0.415, 1.168, 1.009]),
    (10.0, [0.575, 0.732, 0.253, 0.860]),
    (30.0, [0.575, 0.747, 0.085, 0.866]),
];

#[test]
fn what_it_draws_is_not_the_posterior_whatever_zeta() {
    for (zeta, pinned) in OFF {
        let found = off(zeta);
        println!("zeta {zeta}: means off by {:.3?} exact sd, sd {:.3?} times the exact", &found[..2], &found[2..]);
        for (component, pair) in [(0, 2), (1, 3)] {
            // five standard errors of 20,000 draws and of the 200,000 that were pinned
            let error = 5.0 * (1.1f64 / 20_000.0).sqrt();
            let (mean, sd) = (found[component] - pinned[component], found[pair] / pinned[pair] - 1.0);
            assert!(mean.abs() < error * pinned[pair] + 5e-4, "zeta {zeta}: {found:?}");
            assert!(sd.abs() < error / 2.0f64.sqrt() + 6e-3, "zeta {zeta}: {found:?}");
        }
        let worst = found[..2].iter().map(|mean| mean.abs()).chain(found[2..].iter().map(|sd| sd.ln().abs()));
        assert!(worst.fold(0.0, f64::max) > 0.3, "zeta {zeta}: {found:?}");
    }
}
