//! Every network: its gradients, its symmetry, its size, and what it does with a noise level.

use candle_core::Tensor;
use scorecast_systems::Domain;

use super::*;
use crate::nn::level::FEATURES;
use crate::nn::ops::differences::{check, normals};

/// Six components as a state of each network's own layout: separate, a ring, a torus of 2 x 3; 2 blocks of 4 channels.
pub(crate) fn config(kind: &str, time_features: bool) -> NetworkConfig {
    let grid = match kind {
        "conv2d" | "unet2d" => Some(Grid { rows: 2, columns: 3, periodic: true }),
        "unet" | "transformer" => Some(ring(6)),
        _ => None,
    };
    NetworkConfig {
        kind: kind.to_owned(),
        components: 6,
        inputs: 2,
        outputs: 2,
        width: 4,
        blocks: 2,
        kernel: 3,
        resolutions: RESOLUTIONS,
        heads: 2,
        patch: None,
        // waves so long that differences tell their slopes
        frequency: (kind == "fourier_mlp").then_some(0.1),
        time_features,
        levels: 1,
        film: None,
        grid,
        copies: 1,
        causal: None,
    }
}

fn ring(components: usize) -> Grid {
    Grid { rows: 1, columns: components, periodic: true }
}

/// The network with its first weights, all moved by up to `shift`, in double precision.
pub(crate) fn moved(config: &NetworkConfig, shift: f32) -> Box<dyn NeuralNetwork> {
    let mut weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
    weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += (i as f32 * 0.7).sin() * shift);
    config.from_tensors(&weights.frozen(DType::F64).unwrap()).unwrap()
}

fn largest(difference: candle_core::Result<Tensor>) -> f64 {
    difference.unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap()
}

#[test]
fn gradients_of_all_weights_and_inputs_agree_with_finite_differences() {
    let walls = ["conv2d", "unet2d"]
        .map(|kind| NetworkConfig { grid: Some(Grid { rows: 2, columns: 3, periodic: false }), ..config(kind, false) });
    let others = [
        // several levels a row, of a trunk, of many of them and of attention
        NetworkConfig { levels: 2, ..config("conv", true) },
        NetworkConfig { levels: 2, ..config("unet2d", true) },
        NetworkConfig { levels: 2, ..config("transformer", true) },
        // three resolutions, the coarsest of one position, which is smaller than a kernel
        NetworkConfig { components: 4, grid: Some(ring(4)), blocks: 1, kernel: 5, ..config("unet", true) },
        // positions that are learned, of tokens of one component and of three
        NetworkConfig { grid: None, ..config("transformer", true) },
        NetworkConfig { grid: None, patch: Some(3), heads: 3, ..config("transformer", false) },
        // squares of a torus
        NetworkConfig {
            components: 8,
            grid: Some(Grid { rows: 2, columns: 4, periodic: true }),
            patch: Some(2),
            ..config("transformer", true)
        },
    ];
    let all = NETWORKS.iter().flat_map(|entry| [config(entry.name, false), config(entry.name, true)]);
    for config in all.chain(walls).chain(others) {
        let weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
        // normals in place of the zeros that a network starts with, so that no gradient is zero by construction; through
        // the many layers of a U-Net larger ones would grow, and so would third derivatives
        let sd = if config.kind.starts_with("unet") { 0.2 } else { 0.5 };
        let mut arguments: Vec<Tensor> =
            weights.slots.iter().enumerate().map(|(i, slot)| (normals(i as u64, &slot.shape) * sd).unwrap()).collect();
        arguments.push(normals(77, &[3, config.components, 2]));
        let levels = [-0.4, 0.1, 0.3, -0.2, 0.25, 0.0];
        let levels = config.time_features.then_some(&levels[..3 * config.levels]);
        check(&arguments, |a| {
            let named = weights.slots.iter().map(|slot| slot.path.clone()).zip(a.iter().cloned()).collect();
            let network = config.from_tensors(&named).map_err(candle_core::Error::wrap)?;
            network.forward(&a[a.len() - 1], levels).map_err(candle_core::Error::wrap)
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

#[test]
fn a_unet_commutes_with_rotations_by_its_coarsest_positions_and_with_no_other() {
    let change = |components: usize, by: i32| {
        let config = NetworkConfig { components, grid: Some(ring(components)), ..config("unet", false) };
        let (network, x) = (moved(&config, 0.1), normals(5, &[2, components, 2]));
        let turned = network.forward(&x.roll(by, 1).unwrap(), None).unwrap();
        largest(turned - network.forward(&x, None).unwrap().roll(by, 1).unwrap())
    };
    // three resolutions of 12, 6 and 3 positions; two of 6 and 3
    for (components, by, commutes) in [(12, 4, true), (12, 2, false), (12, 1, false), (6, 2, true), (6, 1, false)] {
        let change = change(components, by);
        assert!(if commutes { change < 1e-13 } else { change > 1e-3 }, "{components} by {by}: {change}");
    }
}

#[test]
fn a_transformer_commutes_with_rotations_by_a_patch_unless_tokens_have_positions() {
    let change = |grid: Option<Grid>, patch: usize, by: i32| {
        let config = NetworkConfig { grid, patch: Some(patch), ..config("transformer", false) };
        let (network, x) = (moved(&config, 0.1), normals(5, &[2, 6, 2]));
        let turned = network.forward(&x.roll(by, 1).unwrap(), None).unwrap();
        largest(turned - network.forward(&x, None).unwrap().roll(by, 1).unwrap())
    };
    assert!(change(Some(ring(6)), 1, 1) < 1e-13);
    assert!(change(Some(ring(6)), 2, 2) < 1e-13);
    assert!(change(Some(ring(6)), 2, 1) > 1e-3);
    assert!(change(None, 1, 1) > 1e-3);
}

#[test]
fn all_components_of_a_transformer_see_each_other() {
    for grid in [Some(ring(6)), None] {
        let network = moved(&NetworkConfig { grid, patch: Some(2), ..config("transformer", false) }, 0.3);
        let x = normals(5, &[1, 6, 2]);
        let out = |x: &Tensor| network.forward(x, None).unwrap().to_vec3::<f64>().unwrap();
        for j in 0..6 {
            let mut other = x.to_vec3::<f64>().unwrap();
            other[0][j][0] += 1.0;
            let other = out(&Tensor::new(other, &candle_core::Device::Cpu).unwrap());
            assert!((0..6).all(|c| (other[0][c][0] - out(&x)[0][c][0]).abs() > 1e-9), "{grid:?}: {j}");
        }
    }
}

/// A field on rows and columns before and after the network, moved by a shift before it or after it: their difference.
fn change_by_translation(kind: &str, (rows, columns): (usize, usize), shift: [i32; 2], periodic: bool) -> f64 {
    let grid = Some(Grid { rows, columns, periodic });
    let network = moved(&NetworkConfig { components: rows * columns, grid, ..config(kind, false) }, 0.1);
    let move_by = |x: &Tensor| {
        let field = x.reshape((2, rows, columns, 2)).unwrap();
        let moved = field.roll(shift[0], 1).unwrap().roll(shift[1], 2).unwrap();
        moved.reshape((2, rows * columns, 2)).unwrap()
    };
    let x = normals(5, &[2, rows * columns, 2]);
    let moved_before = network.forward(&move_by(&x), None).unwrap();
    largest(moved_before - move_by(&network.forward(&x, None).unwrap()))
}

#[test]
fn a_convolution_commutes_with_translations_of_the_torus_but_sees_walls() {
    for kind in ["conv2d", "transformer"] {
        assert!(change_by_translation(kind, (4, 5), [2, 3], true) < 1e-13, "{kind}");
        assert!(change_by_translation(kind, (4, 5), [2, 3], false) > 1e-3, "{kind}");
    }
    // a side of 6 is halved once, one of 4 twice, one of 5 never
    for (sides, shift, commutes) in
        [((4, 6), [0, 2], true), ((4, 6), [0, 1], false), ((4, 5), [0, 1], true), ((4, 5), [1, 0], false)]
    {
        let change = change_by_translation("unet2d", sides, shift, true);
        assert!(if commutes { change < 1e-13 } else { change > 1e-3 }, "{sides:?} by {shift:?}: {change}");
    }
    assert!(change_by_translation("unet2d", (4, 6), [0, 2], false) > 1e-3);
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
fn operations_of_a_unet_are_those_of_its_trunks() {
    // 6 and then 3 positions, 2 blocks of 4 channels, kernel 3, two fields each way: on the way down from 2 to 4 channels
    // and from 4 to 4, on the way up from 8 to 2
    let trunk = |positions: f64, inputs: f64, outputs: f64| {
        positions * 2.0 * (3.0 * inputs * 4.0 + 4.0 * 3.0 * 16.0 + 4.0 * outputs)
    };
    let evaluation = trunk(6.0, 2.0, 4.0) + trunk(3.0, 4.0, 4.0) + trunk(6.0, 8.0, 2.0);
    let stem = 6.0 * 2.0 * 24.0;
    let plain = config("unet", false).operations().unwrap();
    assert_eq!(plain, Operations { evaluation, level: 0.0, training: 3.0 * evaluation - stem });
    // each of three trunks embeds the level, whose features nobody wants the gradient of
    let level = 3.0 * 2.0 * (60.0 + 16.0 + 2.0 * 32.0);
    let training = 3.0 * (evaluation + level) - stem - 3.0 * 2.0 * 60.0;
    assert_eq!(config("unet", true).operations().unwrap(), Operations { evaluation, level, training });
    // on 2 x 3 and then 1 x 3 positions with kernels of 9
    let trunk = |positions: f64, inputs: f64, outputs: f64| {
        positions * 2.0 * (9.0 * inputs * 4.0 + 4.0 * 9.0 * 16.0 + 4.0 * outputs)
    };
    let evaluation = trunk(6.0, 2.0, 4.0) + trunk(3.0, 4.0, 4.0) + trunk(6.0, 8.0, 2.0);
    assert_eq!(config("unet2d", false).operations().unwrap().evaluation, evaluation);
    // a third block of each of three trunks
    let third = NetworkConfig { blocks: 3, ..config("unet", false) };
    assert_eq!(third.operations().unwrap().evaluation - plain.evaluation, 2.0 * 15.0 * 96.0);
}

#[test]
fn operations_of_a_transformer_are_those_of_its_matrices_and_of_pairs_of_tokens() {
    // 3 tokens of 2 components of 2 fields, 4 channels, in each of 2 blocks two heads of 2: qkv 4 x 12, out 4 x 4,
    // first 4 x 8 and second 8 x 4 for each token, and two products of 2 channels for each of 9 pairs and each head
    let patches = |time_features: bool| NetworkConfig { patch: Some(2), ..config("transformer", time_features) };
    let stem = 2.0 * 3.0 * 16.0;
    let block = 2.0 * 3.0 * (48.0 + 16.0 + 32.0 + 32.0) + 2.0 * 2.0 * 2.0 * 2.0 * 9.0;
    let evaluation = stem + 2.0 * block + 2.0 * 3.0 * 16.0;
    let plain = patches(false).operations().unwrap();
    assert_eq!(plain, Operations { evaluation, level: 0.0, training: 3.0 * evaluation - stem });
    // embedding 15 x 4 and 4 x 4, a film 4 x 16 of each block
    let level = 2.0 * (60.0 + 16.0 + 2.0 * 64.0);
    let training = 3.0 * (evaluation + level) - stem - 2.0 * 60.0;
    assert_eq!(patches(true).operations().unwrap(), Operations { evaluation, level, training });
    // a width of 5 has two heads of 3
    let wider = NetworkConfig { width: 5, blocks: 1, ..patches(false) }.operations().unwrap();
    let block = 2.0 * 3.0 * (5.0 * 18.0 + 6.0 * 5.0 + 50.0 + 50.0) + 2.0 * 2.0 * 2.0 * 3.0 * 9.0;
    assert_eq!(wider.evaluation, 2.0 * 3.0 * 20.0 + block + 2.0 * 3.0 * 20.0);
}

#[test]
fn parameters_that_are_counted_are_those_that_are_drawn() {
    for (entry, blocks) in NETWORKS.iter().flat_map(|entry| [0, 1, 2, 4].map(|blocks| (entry, blocks))) {
        for time_features in [false, true] {
            let config = NetworkConfig { blocks, ..config(entry.name, time_features) };
            let drawn = config.seeded(Key::new(0, Domain::Training)).unwrap().count();
            assert_eq!(config.parameters().unwrap(), drawn, "{}, {blocks} blocks", entry.name);
        }
    }
    // stem 4 x 4 + 4, a table of 2 x 3 shifts, film 16, qkv 12 x 4 + 12, out 4 x 4 + 4, first 8 x 4 + 8, second 4 x 8 + 4,
    // head 4 x 4 + 4
    let patches = NetworkConfig { patch: Some(2), blocks: 1, ..config("transformer", false) };
    assert_eq!(patches.parameters().unwrap(), 20 + 6 + 16 + 60 + 20 + 40 + 36 + 20);
}

#[test]
fn a_description_says_no_more_of_a_network_than_it_needs_and_reads_back() {
    for entry in NETWORKS {
        let config = config(entry.name, true);
        let written = serde_json::to_value(&config).unwrap();
        assert_eq!(written.get("grid").is_some(), entry.build.on_grid);
        // settings of other networks that stand at what is usual are not said
        let usual = NetworkConfig { heads: HEADS, ..config.clone() };
        let written_of = |config: &NetworkConfig| serde_json::to_value(config).unwrap();
        assert!(["resolutions", "heads", "patch"].iter().all(|key| written_of(&usual).get(key).is_none()));
        let told = NetworkConfig { resolutions: 2, patch: Some(3), ..config.clone() };
        assert_eq!(serde_json::from_value::<NetworkConfig>(written_of(&told)).unwrap(), told);
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
    for (config, says) in [
        (NetworkConfig { grid: None, ..config("unet", false) }, "a unet network of 6 components needs a grid"),
        (NetworkConfig { grid: Some(ring(8)), ..config("unet2d", false) }, "a unet2d network of 6 components needs"),
        (
            NetworkConfig { components: 7, grid: Some(ring(7)), ..config("unet", false) },
            "the `network` of a unet network is \"unet\", which halves an even number of positions, but there are 7",
        ),
        (NetworkConfig { patch: Some(4), ..config("transformer", false) }, "is 4, which does not divide the 6"),
    ] {
        let message = config.seeded(Key::new(0, Domain::Training)).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}
