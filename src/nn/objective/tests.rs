//! Every objective: its gradient in the weights, and that loss and denoiser share one preconditioning.

use std::collections::BTreeMap;

use candle_core::DType;
use ndarray::{Array3, array};
use scorecast_systems::{Domain, Key, Level, Settings};

use super::*;
use crate::nn::data::{Batch, Data, Subset};
use crate::nn::ops::differences::check;
use crate::nn::{NETWORKS, NetworkConfig, network};

/// The settings of an objective where none is given.
fn usual(entry: &Entry<ObjectiveBuild>) -> Settings {
    Settings::check(entry.name, entry.params, &BTreeMap::new()).unwrap()
}

/// Holds the gradient of a loss in the weights of a network, which are moved by up to `shift`, against finite differences.
pub fn check_gradient(objective: &dyn Objective, config: &NetworkConfig, shift: f32, batch: &Batch) {
    let mut weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
    weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += shift * (i as f32 * 1.3).sin());
    let (paths, tensors): (Vec<_>, Vec<_>) = weights.frozen(DType::F64).unwrap().into_iter().unzip();
    let draws = Draws::new(Key::new(1, Domain::Training), 0);
    check(&tensors, |tensors| {
        let named = paths.iter().cloned().zip(tensors.iter().cloned()).collect();
        let network = config.from_tensors(&named).map_err(candle_core::Error::wrap)?;
        objective.loss(network.as_ref(), batch, draws).map_err(candle_core::Error::wrap)
    });
}

#[test]
fn the_gradient_of_each_loss_agrees_with_finite_differences() {
    let values = Key::new(1, Domain::Data).normals(2 * 9, 6).into_raw_vec_and_offset().0;
    let states = Array3::from_shape_vec((2, 9, 6), values).unwrap();
    let data = Data::new(states.view(), states.view(), true, 1).unwrap();
    // the embedding of a normed_mlp has 16,000 weights whatever its width: the loss that it was published with holds it
    let kinds: Vec<&str> = NETWORKS.iter().map(|network| network.name).filter(|name| *name != "normed_mlp").collect();
    for (entry, kind) in OBJECTIVES.iter().flat_map(|entry| kinds.iter().map(move |kind| (entry, *kind))) {
        let settings = usual(entry);
        let fields = (entry.build.fields)(&settings, 6);
        let usual = network::tests::config(kind, false);
        // a U-Net has many trunks of each block
        let unet = kind.starts_with("unet");
        let usual = if unet { NetworkConfig { width: 2, blocks: 1, ..usual } } else { usual };
        let config = fields.given(&usual);
        // sums over a grid and through a U-Net are longer, waves and norms curve, a chain of trunks multiplies, and the third derivative of a loss that is large would
        // show in the differences
        let curved = ["conv2d", "fourier_mlp", "normed_mlp"].contains(&kind);
        let shift = if curved || unet || fields.copies > 1 { 0.1 } else { 0.4 };
        let (objective, batch) = ((entry.build.make)(&settings), data.batch(Subset::Train, &[0, 4, 7]));
        check_gradient(objective.as_ref(), &config, shift, &batch);
    }
}

#[test]
fn a_network_that_gives_what_the_loss_wants_is_the_denoiser_that_gives_the_data() {
    for preconditioning in OBJECTIVES.iter().filter_map(|entry| entry.build.preconditioning) {
        for level in [Level { alpha: 0.6, sigma: 0.8 }, Level::exploding(0.03), Level { alpha: 0.2, sigma: 2.0 }] {
            let p = preconditioning(level);
            for (z, eps) in [(1.0, 0.5), (-0.3, 2.0), (0.0, -1.0)] {
                let x_t = array![[level.alpha * z + level.sigma * eps]];
                let c = array![[-0.7]];
                let input = p.network_input(x_t.view(), c.view())[[0, 0]];
                assert!((input - p.noised(z, eps, c[[0, 0]])).abs() < 1e-14, "{level:?}");
                let denoised = p.denoised(x_t.view(), array![[p.wanted(z, eps, c[[0, 0]])]], c.view())[[0, 0]];
                assert!((denoised - z).abs() < 1e-13, "{level:?}: {denoised} for {z}");
            }
        }
    }
}

/// That for data z ~ N(0, c^2) the output that the loss of a `preconditioning` wants is `optimal` x_t at a level, and that
/// this output gives the denoiser E[z | x_t] = alpha c^2 x_t / (alpha^2 c^2 + sigma^2).
pub(super) fn assert_closed_form(preconditioning: fn(Level) -> Preconditioning, optimal: impl Fn(Level, f64) -> f64) {
    let (x_t, zero) = (array![[1.0]], array![[0.0]]);
    for (phi, c) in [0.01, 0.3, 0.9, 1.5f64].into_iter().flat_map(|phi| [0.2, 1.0, 3.0].map(|c| (phi, c))) {
        let level @ Level { alpha, sigma } = Level { alpha: phi.cos(), sigma: phi.sin() };
        let q = alpha * alpha * c * c + sigma * sigma;
        let (z, eps, p) = (alpha * c * c / q, sigma / q, preconditioning(level));
        // the loss is least where F is the mean of F*, which is linear in (z, eps)
        let wanted = p.wanted(z, eps, 0.0);
        assert!((wanted - optimal(level, c)).abs() < 1e-13 * (1.0 + wanted.abs()), "phi {phi}, c {c}: {wanted}");
        let denoised = p.denoised(x_t.view(), array![[wanted]], zero.view())[[0, 0]];
        assert!((denoised - z).abs() < 1e-13 * (1.0 + eps * sigma / alpha), "phi {phi}, c {c}: {denoised}");
    }
}

#[test]
fn objectives_that_give_a_denoiser_are_told_apart_and_have_each_key_once() {
    assert_eq!(DENOISER_NAMES, ["denoising", "velocity", "noise", "data", "flow"]);
    let keys: Vec<&str> = DENOISER_SETTINGS.iter().map(|param| param.key).collect();
    assert_eq!(keys, ["noise_schedule", "p_mean", "p_std", "time_law"]);
}
