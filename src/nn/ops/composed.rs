//! The operations of this folder composed of Candle's, which run on all devices that Candle knows, with its gradients.
//!
//! A convolution is one product: what each output needs is put together from the field moved by each place of the kernel,
//! `[..., place, channel]`. Beyond the edge of a torus the field comes round again, and beyond a wall it is padded with zeros.

use std::sync::Arc;

use candle_core::{D, Result, Tensor};

use super::normalize::E;
use super::{Activation, Boundary, Cells};

/// a(x W^T + b) of x `[..., inputs]`, as [`linear`](super::linear()) has it.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let rows = x.contiguous()?.reshape(((), inputs))?;
    let z = rows.matmul(&weight.t()?)?.broadcast_add(bias)?;
    let leading = &x.dims()[..x.rank().saturating_sub(1)];
    let z = z.reshape([leading, &[outputs]].concat())?;
    match activation {
        Activation::Identity => Ok(z),
        Activation::Silu => z.silu(),
    }
}

/// The convolution of a field `[example, row, column, channel]`, as [`conv2d`](super::conv2d()) has it; the kernel of `weight`
/// `[output, row, column, channel]` may have other lengths in the two directions.
///
/// # Errors
/// When the shapes do not fit.
pub fn convolution(x: &Tensor, weight: &Tensor, bias: &Tensor, boundary: Boundary) -> Result<Tensor> {
    let (outputs, rows, columns, channels) = weight.dims4()?;
    let mut seen = Vec::with_capacity(rows * columns);
    for k in 0..rows {
        let moved_rows = moved(x, 1, k, rows, boundary)?;
        for l in 0..columns {
            seen.push(moved(&moved_rows, 2, l, columns, boundary)?);
        }
    }
    let seen = Tensor::cat(&seen, D::Minus1)?;
    linear(&seen, &weight.reshape((outputs, rows * columns * channels))?, bias, Activation::Identity)
}

/// What each position sees at place `k` of a kernel of this length along a direction: the field at `k - length / 2` from it.
fn moved(x: &Tensor, direction: usize, k: usize, length: usize, boundary: Boundary) -> Result<Tensor> {
    let (half, positions) = (length / 2, x.dim(direction)?);
    match boundary {
        _ if k == half => Ok(x.clone()),
        Boundary::Periodic => x.roll(half as i32 - k as i32, direction),
        Boundary::Zero => x.pad_with_zeros(direction, half, half)?.narrow(direction, k, positions),
    }
}

/// z (1 + g) + s by rows of a film, as [`modulate`](super::modulate()) has it before its activation.
fn filmed(z: &Tensor, film: &Tensor) -> Result<Tensor> {
    let (rows, twice) = film.dims2()?;
    let channels = twice / 2;
    let middle = vec![1; z.rank().saturating_sub(2)];
    let shape = [[rows].as_slice(), &middle, &[channels]].concat();
    let part = |at: usize| film.narrow(1, at, channels)?.contiguous()?.reshape(shape.as_slice());
    z.broadcast_mul(&(part(0)? + 1.0)?)?.broadcast_add(&part(channels)?)
}

/// silu(z (1 + g) + s), as [`modulate`](super::modulate()) has it.
///
/// # Errors
/// When the shapes do not fit.
pub fn modulate(z: &Tensor, film: &Tensor) -> Result<Tensor> {
    filmed(z, film)?.silu()
}

/// n (1 + g) + s, as [`normalize`](super::normalize()) has it.
///
/// # Errors
/// When the shapes do not fit.
pub fn normalize(z: &Tensor, film: &Tensor) -> Result<Tensor> {
    let centred = z.broadcast_sub(&z.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    filmed(&centred.broadcast_div(&(variance + E)?.sqrt()?)?, film)
}

/// The means of cells, as [`coarser`](super::coarser()) has them.
///
/// # Errors
/// When the shapes do not fit.
pub fn coarser(x: &Tensor, cells: Cells) -> Result<Tensor> {
    let (examples, _, channels) = x.dims3()?;
    let ([rows, columns], [a, b]) = (cells.count, cells.size);
    let along = x.contiguous()?.reshape((examples * rows, a, columns * b * channels))?.mean(1)?;
    along.reshape((examples * rows * columns, b, channels))?.mean(1)?.reshape((examples, rows * columns, channels))
}

/// At each position the value of its cell, as [`finer`](super::finer()) has it.
///
/// # Errors
/// When the shapes do not fit.
pub fn finer(x: &Tensor, cells: Cells) -> Result<Tensor> {
    let (examples, _, channels) = x.dims3()?;
    let ([rows, columns], [a, b]) = (cells.count, cells.size);
    let x = x.contiguous()?.reshape((examples * rows * columns, 1, channels))?;
    let x = x.broadcast_as((examples * rows * columns, b, channels))?.contiguous()?;
    let x = x.reshape((examples * rows, 1, columns * b * channels))?;
    let x = x.broadcast_as((examples * rows, a, columns * b * channels))?.contiguous()?;
    x.reshape((examples, rows * a * columns * b, channels))
}

/// What all heads find, as [`attention`](super::attention()) has it.
///
/// # Errors
/// When the shapes do not fit.
pub fn attention(qkv: &Tensor, table: &Tensor, places: &Arc<Vec<u32>>) -> Result<Tensor> {
    let ((examples, tokens, all), heads) = (qkv.dims3()?, table.dim(0)?);
    let channels = all / (3 * heads);
    let parts = qkv.contiguous()?.reshape((examples, tokens, 3, heads, channels))?;
    let part = |which: usize| parts.narrow(2, which, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let at = Tensor::from_slice(places.as_slice(), places.len(), table.device())?;
    let table = table.index_select(&at, 1)?.reshape((1, heads, tokens, tokens))?;
    let products = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? / (channels as f64).sqrt())?;
    let logits = products.broadcast_add(&table)?;
    // what is taken from all of them changes nothing, nor any gradient
    let shares = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let shares = shares.broadcast_div(&shares.sum_keepdim(D::Minus1)?)?;
    shares.matmul(&v)?.transpose(1, 2)?.contiguous()?.reshape((examples, tokens, heads * channels))
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::super::differences::normals;
    use super::*;

    /// Holds two functions of the same tensors, and the gradients of all of them, against each other.
    fn agree(
        arguments: &[Tensor],
        composed: impl Fn(&[Tensor]) -> Result<Tensor>,
        by_hand: impl Fn(&[Tensor]) -> Result<Tensor>,
    ) {
        let vars: Vec<Var> = arguments.iter().map(|a| Var::from_tensor(a).unwrap()).collect();
        let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let near = |a: &Tensor, b: &Tensor| {
            assert_eq!(a.dims(), b.dims());
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12 * (1.0 + b.abs());
            assert!(flat(a).iter().zip(&flat(b)).all(near), "{a} {b}");
        };
        let both = [composed(&tracked).unwrap(), by_hand(&tracked).unwrap()];
        near(&both[0], &both[1]);
        let v = normals(99, both[1].dims());
        let pulled = both.each_ref().map(|out| (out * &v).unwrap().sum_all().unwrap().backward().unwrap());
        for tensor in &tracked {
            near(pulled[0].get(tensor).unwrap(), pulled[1].get(tensor).unwrap());
        }
    }

    #[test]
    fn maps_films_and_norms_are_those_by_hand_with_their_gradients() {
        for activation in [Activation::Identity, Activation::Silu] {
            let arguments = [normals(1, &[2, 4, 3]), normals(2, &[5, 3]), normals(3, &[5])];
            agree(
                &arguments,
                |a| linear(&a[0], &a[1], &a[2], activation),
                |a| super::super::linear(&a[0], &a[1], &a[2], activation),
            );
        }
        for (shape, rows) in [(vec![2, 4, 3], 1), (vec![2, 4, 3], 2), (vec![3, 3], 3), (vec![2, 2, 2, 3], 2)] {
            let arguments = [normals(1, &shape), normals(2, &[rows, 6])];
            agree(&arguments, |a| modulate(&a[0], &a[1]), |a| super::super::modulate(&a[0], &a[1]));
            agree(&arguments, |a| normalize(&a[0], &a[1]), |a| super::super::normalize(&a[0], &a[1]));
        }
    }

    #[test]
    fn convolutions_are_those_by_hand_with_their_gradients() {
        // grids that are smaller than the kernel, where positions come round more than once
        for (rows, columns, kernel) in [(4, 5, 3), (2, 1, 5), (1, 3, 7), (3, 2, 1)] {
            for boundary in [Boundary::Periodic, Boundary::Zero] {
                let arguments =
                    [normals(1, &[2, rows, columns, 2]), normals(2, &[3, kernel, kernel, 2]), normals(3, &[3])];
                agree(
                    &arguments,
                    |a| convolution(&a[0], &a[1], &a[2], boundary),
                    |a| super::super::conv2d(&a[0], &a[1], &a[2], boundary, Activation::Identity),
                );
            }
            let ring = [normals(1, &[2, columns, 2]), normals(2, &[3, kernel, 2]), normals(3, &[3])];
            agree(
                &ring,
                |a| convolution(&a[0].unsqueeze(1)?, &a[1].unsqueeze(1)?, &a[2], Boundary::Periodic)?.squeeze(1),
                |a| super::super::circular_conv(&a[0], &a[1], &a[2], Activation::Identity),
            );
        }
    }

    #[test]
    fn cells_and_attention_are_those_by_hand_with_their_gradients() {
        for (count, size) in [([1, 3], [1, 2]), ([2, 3], [2, 2]), ([2, 2], [3, 1])] {
            let cells = Cells { count, size };
            let [coarse, fine] = [count[0] * count[1], count[0] * count[1] * size[0] * size[1]];
            let x = normals(1, &[2, fine, 3]);
            agree(&[x], |a| coarser(&a[0], cells), |a| super::super::coarser(&a[0], cells));
            let x = normals(1, &[2, coarse, 3]);
            agree(&[x], |a| finer(&a[0], cells), |a| super::super::finer(&a[0], cells));
        }
        for (tokens, heads, channels) in [(4, 2, 3), (3, 1, 2), (1, 2, 2)] {
            let around = |i: u32| (0..tokens as u32).map(move |j| (j + tokens as u32 - i) % tokens as u32);
            let places = Arc::new((0..tokens as u32).flat_map(around).collect());
            let arguments = [normals(1, &[2, tokens, 3 * heads * channels]), normals(2, &[heads, tokens])];
            agree(&arguments, |a| attention(&a[0], &a[1], &places), |a| super::super::attention(&a[0], &a[1], &places));
        }
    }
}
