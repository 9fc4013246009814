//! Every network: its gradients, its symmetry, its size, and what it does with a noise level.

use candle_core::Tensor;
use scorecast_systems::Domain;

use super::*;
use crate::nn::level::FEATURES;
use crate::nn::ops::differences::{check, normals};

/// Six components as a state of each network's own layout: separate, a ring, a torus of 2 x 3; 2 blocks of 4 channels.
pub(crate) fn config(kind: &str, time_features: bool) -> NetworkConfig {
    NetworkConfig {
        kind: kind.to_owned(),
        components: 6,
        inputs: 2,
        outputs: 2,
        width: 4,
        blocks: 2,
        kernel: 3,
        time_features,
        grid: (kind == "conv2d").then_some(Grid { rows: 2, columns: 3, periodic: true }),
        copies: 1,
        causal: None,
    }
}

/// The network with its first weights, all moved by up to `shift`, in double precision.
fn moved(config: &NetworkConfig, shift: f32) -> Box<dyn NeuralNetwork> {
    let mut weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
    weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += (i as f32 * 0.7).sin() * shift);
    config.from_tensors(&weights.frozen(DType::F64).unwrap()).unwrap()
}

fn largest(difference: candle_core::Result<Tensor>) -> f64 {
    difference.unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap()
}

#[test]
fn gradients_of_all_weights_and_inputs_agree_with_finite_differences() {
    let walls = NetworkConfig { grid: Some(Grid { rows: 2, columns: 3, periodic: false }), ..config("conv2d", false) };
    let all = NETWORKS.iter().flat_map(|entry| [config(entry.name, false), config(entry.name, true)]);
    for config in all.chain([walls]) {
        let weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
        // normals in place of the zeros that a network starts with, so that no gradient is zero by construction
        let mut arguments: Vec<Tensor> =
            weights.slots.iter().enumerate().map(|(i, slot)| (normals(i as u64, &slot.shape) * 0.5).unwrap()).collect();
        arguments.push(normals(77, &[3, 6, 2]));
        let levels = config.time_features.then_some([-0.4, 0.1, 0.3]);
        check(&arguments, |a| {
            let named = weights.slots.iter().map(|slot| slot.path.clone()).zip(a.iter().cloned()).collect();
            let network = config.from_tensors(&named).map_err(candle_core::Error::wrap)?;
            network
                .forward(&a[a.len() - 1], levels.as_ref().map(|levels| levels.as_slice()))
                .map_err(candle_core::Error::wrap)
        });
    }
}

#[test]
fn a_convolution_commutes_with_rotations_of_the_ring() {
    let network = moved(&config("conv", false), 0.1);
    let x = normals(5, &[2, 6, 2]);
    let turned = network.forward(&x.roll(2, 1).unwrap(), None).unwrap();
    let expected = network.forward(&x, None).unwrap().roll(2, 1).unwrap();
    let error = largest(turned - expected);
    assert!(error < 1e-13, "{error}");
}

/// A field on 4 x 5 positions before and after the network, moved by (2, 3) before it or after it: their difference.
fn change_by_translation(periodic: bool) -> f64 {
    let (rows, columns) = (4, 5);
    let grid = Some(Grid { rows, columns, periodic });
    let network = moved(&NetworkConfig { components: rows * columns, grid, ..config("conv2d", false) }, 0.1);
    let move_by = |x: &Tensor| {
        let field = x.reshape((2, rows, columns, 2)).unwrap();
        field.roll(2, 1).unwrap().roll(3, 2).unwrap().reshape((2, rows * columns, 2)).unwrap()
    };
    let x = normals(5, &[2, rows * columns, 2]);
    let moved_before = network.forward(&move_by(&x), None).unwrap();
    largest(moved_before - move_by(&network.forward(&x, None).unwrap()))
}

#[test]
fn a_convolution_commutes_with_translations_of_the_torus_but_sees_walls() {
    assert!(change_by_translation(true) < 1e-13);
    assert!(change_by_translation(false) > 1e-3);
}

#[test]
fn one_level_for_all_is_the_same_level_for_each() {
    for entry in NETWORKS {
        let network = moved(&config(entry.name, true), 0.5);
        let x = normals(5, &[3, 6, 2]);
        let one = network.forward(&x, Some(&[0.2])).unwrap();
        let error = largest(&one - network.forward(&x, Some(&[0.2; 3])).unwrap());
        assert!(error < 1e-13, "{}: {error}", entry.name);
        let change = largest(one - network.forward(&x, Some(&[0.3])).unwrap());
        assert!(change > 1e-3, "{}: the level must matter: {change}", entry.name);
    }
}

#[test]
fn the_usual_convolution_has_about_37_thousand_parameters() {
    let config = NetworkConfig {
        components: 40,
        inputs: 1,
        outputs: 2,
        width: 32,
        blocks: 3,
        kernel: 5,
        ..config("conv", false)
    };
    // stem 5 * 32 + 32, six convolutions of 32 * 5 * 32 + 32, head 2 * 32 + 2
    let key = Key::new(0, Domain::Training);
    assert_eq!(config.seeded(key).unwrap().count(), 192 + 6 * 5152 + 66);
    let diffusion = NetworkConfig { inputs: 2, outputs: 1, time_features: true, ..config };
    // stem 352, the same convolutions, head 33, embedding 32 * 17 + 32 and 32 * 33, three films of 64 * 33
    let expected = 352 + 6 * 5152 + 33 + 32 * (FEATURES + 1) + 32 * 33 + 3 * 64 * 33;
    assert_eq!(diffusion.seeded(key).unwrap().count(), expected);
}

#[test]
fn operations_are_two_for_each_element_of_a_matrix_and_thrice_that_in_training_less_gradients_that_nobody_wants() {
    // 6 components of 2 fields each way, 2 blocks of 4 channels. mlp: stem 12 x 4, four matrices 4 x 4, head 4 x 12
    let mlp = 2.0 * (48.0 + 4.0 * 16.0 + 48.0);
    // at each of 6 positions, stem 3 x 2 x 4, four convolutions 3 x 4 x 4, head 4 x 2; on a grid 9 in place of 3
    let conv = 6.0 * 2.0 * (24.0 + 4.0 * 48.0 + 8.0);
    let conv2d = 6.0 * 2.0 * (72.0 + 4.0 * 144.0 + 8.0);
    // embedding 15 x 4 and 4 x 4, a film 4 x 8 of each block
    let level = 2.0 * (60.0 + 16.0 + 2.0 * 32.0);
    for (kind, evaluation, stem) in
        [("mlp", mlp, 2.0 * 48.0), ("conv", conv, 12.0 * 24.0), ("conv2d", conv2d, 12.0 * 72.0)]
    {
        let plain = config(kind, false).operations().unwrap();
        assert_eq!(plain, Operations { evaluation, level: 0.0, training: 3.0 * evaluation - stem }, "{kind}");
        // a third block is 64 operations of a film more, and two mixing maps at each place
        let third = NetworkConfig { blocks: 3, ..config(kind, true) }.operations().unwrap();
        let mixed = if kind == "mlp" { 2.0 * 32.0 } else { 12.0 * if kind == "conv" { 96.0 } else { 288.0 } };
        assert_eq!((third.evaluation, third.level), (evaluation + mixed, level + 64.0), "{kind}");
        let training = 3.0 * (evaluation + level) - stem - 2.0 * 60.0;
        assert_eq!(config(kind, true).operations().unwrap(), Operations { evaluation, level, training }, "{kind}");
    }
}

#[test]
fn a_description_says_no_more_of_a_network_than_it_needs_and_reads_back() {
    for entry in NETWORKS {
        let config = config(entry.name, true);
        let written = serde_json::to_value(&config).unwrap();
        assert_eq!(written.get("grid").is_some(), entry.name == "conv2d");
        assert_eq!(serde_json::from_value::<NetworkConfig>(written).unwrap(), config);
    }
}

#[test]
fn descriptions_that_fit_no_network_are_refused_in_words() {
    let unknown = NetworkConfig { kind: "con".to_owned(), ..config("conv", false) };
    let message = unknown.seeded(Key::new(0, Domain::Training)).unwrap_err().to_string();
    assert!(message.contains("unknown neural network `con`; did you mean `conv`?"), "{message}");
    let without = NetworkConfig { grid: None, ..config("conv2d", false) };
    let message = without.seeded(Key::new(0, Domain::Training)).unwrap_err().to_string();
    assert!(message.contains("a conv2d network of 6 components needs a grid"), "{message}");
}
