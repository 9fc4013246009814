//! The trunk against the graph of the operations that it is made of, and what a training step allocates.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};

use super::super::differences::normals;
use super::super::real::Real;
use super::super::{Activation, circular_conv, conv2d, linear, modulate};
use super::layers::Layers;
use super::*;
use crate::nn::level::{FEATURES, features};

/// All kinds of fields: without positions, a ring, a torus and a plane, with no noise level, with one and with two.
fn shapes() -> Vec<Shape> {
    let grid = |rows, columns, boundary| Field { rows, columns, kernel: [3, 3], boundary };
    let fields = [
        Field::PLACE,
        Field::ring(6, 5),
        Field::ring(2, 5),
        grid(3, 4, Boundary::Periodic),
        grid(4, 3, Boundary::Zero),
        grid(2, 1, Boundary::Zero),
    ];
    let shape = |field, levels| Shape { field, inputs: 3, width: 19, blocks: 3, outputs: 2, levels };
    fields.into_iter().flat_map(|field| [0, 1, 2].map(|levels| shape(field, levels))).collect()
}

/// The weights and biases of all maps, moderate normals in f64.
fn weights(layers: &Layers) -> Vec<(Tensor, Tensor)> {
    let tensors = layers.maps.iter().enumerate().map(|(index, map)| {
        let [rows, columns] = if map.mixes { map.field.kernel } else { [1, 1] };
        let shape = match (map.mixes, map.field.rows, map.field.window()) {
            (false, ..) | (_, _, 1) => vec![map.outputs, map.inputs],
            (_, 1, _) => vec![map.outputs, columns, map.inputs],
            _ => vec![map.outputs, rows, columns, map.inputs],
        };
        let scale = 0.7 / (map.terms() as f64).sqrt();
        let weight = (normals(100 + index as u64, &shape) * scale).unwrap();
        (weight, (normals(200 + index as u64, &[map.outputs]) * 0.3).unwrap())
    });
    tensors.collect()
}

/// The trunk as a graph of operations.
fn graph(layers: &Layers, tensors: &[(Tensor, Tensor)], x: &Tensor, levels: Option<&[f64]>) -> Tensor {
    let Shape { field, inputs, blocks, .. } = layers.shape;
    let examples = x.dims()[0];
    let map = |index: usize, x: &Tensor, activation| {
        let ((weight, bias), map) = (&tensors[index], &layers.maps[index]);
        match weight.rank() {
            3 => circular_conv(x, weight, bias, activation),
            4 => conv2d(x, weight, bias, map.field.boundary, activation),
            _ => linear(x, weight, bias, activation),
        }
        .unwrap()
    };
    let embedding = levels.map(|levels| {
        let of_row = layers.shape.levels;
        let shape = (levels.len() / of_row, of_row * FEATURES);
        let features = Tensor::from_vec(features(levels), shape, &Device::Cpu).unwrap();
        let features = features.to_dtype(x.dtype()).unwrap();
        map(1, &map(0, &features, Activation::Silu), Activation::Silu)
    });
    let x = match (field.window(), field.rows) {
        (1, _) => x.reshape((examples, inputs)),
        (_, 1) => x.reshape((examples, field.columns, inputs)),
        _ => x.reshape((examples, field.rows, field.columns, inputs)),
    };
    let mut h = map(layers.stem(), &x.unwrap(), Activation::Identity);
    for block in 0..blocks {
        let inner = match &embedding {
            Some(embedding) => {
                let film = map(layers.film(block), embedding, Activation::Identity);
                modulate(&map(layers.first(block), &h, Activation::Identity), &film).unwrap()
            }
            None => map(layers.first(block), &h, Activation::Silu),
        };
        h = (&h + map(layers.second(block), &inner, Activation::Identity)).unwrap();
    }
    let out = map(layers.head(), &h, Activation::Identity);
    out.reshape((examples, field.positions(), layers.shape.outputs)).unwrap()
}

/// The trunk as one operation, with tracked weights if they are.
fn operation<T: Real>(layers: &Layers, tensors: &[(Tensor, Tensor)], x: &Tensor, levels: Option<&[f64]>) -> Tensor {
    let pairs: Vec<_> = tensors.iter().map(|(weight, bias)| (weight, bias)).collect();
    let flat: Vec<_> = pairs.iter().flat_map(|(w, b)| [w.flatten_all().unwrap(), b.flatten_all().unwrap()]).collect();
    let route = match flat.iter().any(Tensor::track_op) {
        true => Route::Flat(Tensor::cat(&flat, 0).unwrap()),
        false => Route::Plain,
    };
    let trunk = Arc::new(Trunk::<T>::with_tensors(layers.shape, &pairs).unwrap());
    let dims = (x.dims()[0], layers.shape.field.positions(), layers.shape.outputs);
    trunk.apply(x, levels, &route, &SharedWorkspaces::default(), dims).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a.to_dtype(DType::F64).unwrap() - b.to_dtype(DType::F64).unwrap()).unwrap();
    difference.abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn one_operation_is_the_graph_of_its_operations_with_the_same_gradients() {
    for shape in shapes() {
        let layers = Layers::new(shape);
        let (examples, positions) = (7, shape.field.positions());
        let vars: Vec<(Var, Var)> = weights(&layers)
            .iter()
            .map(|(weight, bias)| (Var::from_tensor(weight).unwrap(), Var::from_tensor(bias).unwrap()))
            .collect();
        let tracked: Vec<_> = vars.iter().map(|(w, b)| (w.as_tensor().clone(), b.as_tensor().clone())).collect();
        let x = Var::from_tensor(&normals(1, &[examples, positions, shape.inputs])).unwrap();
        let v = normals(2, &[examples, positions, shape.outputs]);
        let each: Vec<f64> = (0..examples * shape.levels).map(|i| -0.7 + 0.3 * i as f64).collect();
        let of_one = each.get(2 * shape.levels..3 * shape.levels);
        for levels in if shape.levels > 0 { vec![Some(each.as_slice()), of_one] } else { vec![None] } {
            let ours = operation::<f64>(&layers, &tracked, x.as_tensor(), levels);
            let reference = graph(&layers, &tracked, x.as_tensor(), levels);
            assert!(largest_difference(&ours, &reference) < 1e-12, "{shape:?}");
            let pulled = |out: &Tensor| (out * &v).unwrap().sum_all().unwrap().backward().unwrap();
            let (found, expected) = (pulled(&ours), pulled(&reference));
            let all = vars.iter().flat_map(|(weight, bias)| [weight, bias]).chain([&x]);
            for (index, var) in all.enumerate() {
                let [found, expected] = [&found, &expected].map(|g| g.get(var.as_tensor()).unwrap());
                let size = 1.0 + largest_difference(expected, &expected.zeros_like().unwrap());
                assert!(largest_difference(found, expected) < 1e-12 * size, "{shape:?}, tensor {index}");
            }
            // again after other passes, in workspaces that were used
            let again = pulled(&ours);
            let [first, second] = [&found, &again].map(|g| g.get(x.as_tensor()).unwrap());
            assert_eq!(largest_difference(first, second), 0.0, "{shape:?}");
        }
    }
}

#[test]
fn plain_passes_tracked_passes_and_single_precision_agree() {
    for shape in shapes() {
        let layers = Layers::new(shape);
        let tensors = weights(&layers);
        let single = |tensor: &Tensor| tensor.to_dtype(DType::F32).unwrap();
        let singles: Vec<_> = tensors.iter().map(|(weight, bias)| (single(weight), single(bias))).collect();
        let x = normals(1, &[23, shape.field.positions(), shape.inputs]);
        let levels = [0.3, -0.6];
        let levels = (shape.levels > 0).then_some(&levels[..shape.levels]);
        let exact = operation::<f64>(&layers, &tensors, &x, levels);
        let plain = operation::<f32>(&layers, &singles, &single(&x), levels);
        let var = Var::from_tensor(&single(&x)).unwrap();
        let tracked = operation::<f32>(&layers, &singles, var.as_tensor(), levels);
        assert_eq!(largest_difference(&plain, &tracked), 0.0, "{shape:?}");
        // some 8 layers, each a sum of at most 9 * 19 terms of size below 1 with errors of 2^-24 each
        let error = largest_difference(&plain, &exact);
        assert!(error > 0.0 && error < 8.0 * 171.0 * 2f64.powi(-24), "{shape:?}: {error}");
    }
}
