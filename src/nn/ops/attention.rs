//! Attention of all tokens to all (Vaswani et al. 2017): for each head, with rows q_i, k_j, v_j of d channels,
//! out_i = sum_j p_ij v_j, p_i the softmax over j of q_i . k_j / sqrt(d) + b[head, place(i, j)]. The table b of a place for
//! each pair says how a head minds where tokens stand (Liu et al. 2021).
//!
//! `qkv` is `[example, token, 3 head d]`: the queries of all heads, then their keys, then their values. With G the gradient
//! of out: dv = p^T G, dp = G v^T, ds_ij = p_ij (dp_ij - sum_j p_ij dp_ij), dq = ds k / sqrt(d), dk = ds^T q / sqrt(d), and
//! db is the sum of ds over the pairs of a place. The p are kept from the forward pass.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};

use super::matrix::{Strided, product};
use super::real::Real;
use super::{Output, elements, in_precision, precision, shaped, with};

/// What all heads find, `[example, token, head d]`, given the place in the table `[head, place]` of each pair of tokens.
///
/// # Errors
/// When the shapes do not fit, or a tensor is neither f32 nor f64.
pub fn attention(qkv: &Tensor, table: &Tensor, places: &Arc<Vec<u32>>) -> Result<Tensor> {
    let wanted = qkv.track_op() || table.track_op();
    let op = Attention { sizes: Sizes::new(qkv.shape(), table.shape(), places)?, places: places.clone(), wanted };
    qkv.contiguous()?.apply_op2(&table.contiguous()?, Kept { op, shares: OnceLock::new() })
}

#[derive(Clone, Copy)]
struct Sizes {
    examples: usize,
    tokens: usize,
    heads: usize,
    /// d.
    channels: usize,
    places: usize,
}

impl Sizes {
    fn new(qkv: &Shape, table: &Shape, pairs: &[u32]) -> Result<Self> {
        let ((examples, tokens, all), (heads, places)) = (qkv.dims3()?, table.dims2()?);
        let known = pairs.iter().all(|place| (*place as usize) < places);
        if heads == 0 || all % (3 * heads) != 0 || pairs.len() != tokens * tokens || !known {
            candle_core::bail!("attention: {} pairs of places for {qkv:?} with a table {table:?}", pairs.len());
        }
        Ok(Self { examples, tokens, heads, channels: all / (3 * heads), places })
    }

    /// Channels of all heads.
    const fn inner(self) -> usize {
        self.heads * self.channels
    }

    /// Where the queries (0), keys (1) or values (2) of a head begin.
    const fn at(self, which: usize, head: usize) -> usize {
        which * self.inner() + head * self.channels
    }

    /// The queries, keys or values of a head, from those of an example.
    fn of<T: Real>(self, example: &[T], which: usize, head: usize) -> Strided<'_, T> {
        Strided::rows(&example[self.at(which, head)..], self.tokens, self.channels, 3 * self.inner())
    }

    /// The channels of a head, from those of all heads.
    fn head<T: Real>(self, all: &[T], head: usize) -> Strided<'_, T> {
        Strided::rows(&all[head * self.channels..], self.tokens, self.channels, self.inner())
    }

    /// A square of all pairs.
    fn square<T: Real>(self, pairs: &[T]) -> Strided<'_, T> {
        Strided::rows(pairs, self.tokens, self.tokens, self.tokens)
    }

    /// 1 / sqrt(d).
    fn scale<T: Real>(self) -> T {
        T::from_f64(1.0 / (self.channels as f64).sqrt())
    }
}

struct Attention {
    sizes: Sizes,
    places: Arc<Vec<u32>>,
    wanted: bool,
}

/// The operation with its p, `[example, head, token, token]`, where they are wanted.
struct Kept {
    op: Attention,
    shares: OnceLock<Tensor>,
}

/// Copies rows of `channels` into rows that are `stride` apart, from `at` on.
fn put<T: Real>(rows: &[T], channels: usize, out: &mut [T], stride: usize, at: usize) {
    for (out, row) in out.chunks_exact_mut(stride).zip(rows.chunks_exact(channels)) {
        out[at..at + channels].copy_from_slice(row);
    }
}

/// The softmax of a row, in place.
fn softmax<T: Real>(row: &mut [T]) {
    let largest = row.iter().fold(row[0], |largest, value| if *value > largest { *value } else { largest });
    row.iter_mut().for_each(|value| *value -= largest);
    T::exponentials(row);
    let share = T::one() / row.iter().fold(T::zero(), |sum, value| sum + *value);
    row.iter_mut().for_each(|value| *value *= share);
}

impl Attention {
    /// The p of a head of an example.
    fn shares<T: Real>(&self, example: &[T], table: &[T], head: usize, out: &mut [T]) {
        let (s, scale) = (self.sizes, self.sizes.scale::<T>());
        product(out, s.of(example, 0, head), s.of(example, 1, head).transposed());
        let table = &table[head * s.places..][..s.places];
        out.iter_mut().zip(self.places.iter()).for_each(|(p, place)| *p = *p * scale + table[*place as usize]);
        out.chunks_exact_mut(s.tokens).for_each(softmax);
    }

    /// From p to ds, given dp, in place of dp.
    fn slopes<T: Real>(&self, p: &[T], dp: &mut [T]) {
        for (p, dp) in p.chunks_exact(self.sizes.tokens).zip(dp.chunks_exact_mut(self.sizes.tokens)) {
            let along = p.iter().zip(dp.iter()).fold(T::zero(), |sum, (p, dp)| sum + *p * *dp);
            dp.iter_mut().zip(p).for_each(|(dp, p)| *dp = *p * (*dp - along));
        }
    }

    /// The gradients of a head of an example, whose are `example`, p and G; adds to those of the table.
    fn pull<T: Real>(&self, (example, p, g): (&[T], &[T], &[T]), head: usize, out: &mut [T], table: &mut [T]) {
        let (s, scale) = (self.sizes, self.sizes.scale::<T>());
        let mut rows = vec![T::zero(); s.tokens * s.channels];
        let mut pairs = vec![T::zero(); s.tokens * s.tokens];
        let mut keep = |rows: &[T], which| put(rows, s.channels, out, 3 * s.inner(), s.at(which, head));
        product(&mut rows, s.square(p).transposed(), s.head(g, head));
        keep(&rows, 2);
        product(&mut pairs, s.head(g, head), s.of(example, 2, head).transposed());
        self.slopes(p, &mut pairs);
        let table = &mut table[head * s.places..][..s.places];
        pairs.iter().zip(self.places.iter()).for_each(|(ds, place)| table[*place as usize] += *ds);
        pairs.iter_mut().for_each(|ds| *ds *= scale);
        product(&mut rows, s.square(&pairs), s.of(example, 1, head));
        keep(&rows, 0);
        product(&mut rows, s.square(&pairs).transposed(), s.of(example, 0, head));
        keep(&rows, 1);
    }
}

fn forward<T: Real>(kept: &Kept, qkv: (&CpuStorage, &Layout), table: (&CpuStorage, &Layout)) -> Output {
    let (op, s) = (&kept.op, kept.op.sizes);
    let (qkv, table) = (elements::<T>(qkv.0, qkv.1)?, elements::<T>(table.0, table.1)?);
    let pairs = s.tokens * s.tokens;
    let mut shares = vec![T::zero(); if op.wanted { s.examples * s.heads * pairs } else { pairs }];
    let mut rows = vec![T::zero(); s.tokens * s.channels];
    let mut out = vec![T::zero(); s.examples * s.tokens * s.inner()];
    let each = s.tokens * s.inner();
    for (index, (example, out)) in qkv.chunks_exact(3 * each).zip(out.chunks_exact_mut(each)).enumerate() {
        for head in 0..s.heads {
            let at = if op.wanted { (index * s.heads + head) * pairs } else { 0 };
            let p = &mut shares[at..at + pairs];
            op.shares(example, table, head, p);
            product(&mut rows, s.square(p), s.of(example, 2, head));
            put(&rows, s.channels, out, s.inner(), head * s.channels);
        }
    }
    if op.wanted {
        let shape = (s.examples, s.heads, s.tokens, s.tokens);
        let _ = kept.shares.set(Tensor::from_vec(shares, shape, &Device::Cpu)?);
    }
    Ok((T::to_cpu_storage_owned(out), (s.examples, s.tokens, s.inner()).into()))
}

type Gradients = Result<(Option<Tensor>, Option<Tensor>)>;

fn backward<T: Real>(kept: &Kept, qkv: &Tensor, table: &Tensor, gradient: &Tensor) -> Gradients {
    let (op, s) = (&kept.op, kept.op.sizes);
    let Some(shares) = kept.shares.get() else { candle_core::bail!("attention was pulled back without its shares") };
    let (each, pairs) = (s.tokens * s.inner(), s.tokens * s.tokens);
    let mut out = vec![T::zero(); qkv.elem_count()];
    let mut d_table = vec![T::zero(); table.elem_count()];
    with(shares, |shares: &[T]| {
        with(qkv, |qkv: &[T]| {
            with(&gradient.contiguous()?, |g: &[T]| {
                let examples = qkv.chunks_exact(3 * each).zip(g.chunks_exact(each));
                let all = examples.zip(shares.chunks_exact(s.heads * pairs)).zip(out.chunks_exact_mut(3 * each));
                for (((example, g), shares), out) in all {
                    for (head, p) in shares.chunks_exact(pairs).enumerate() {
                        op.pull((example, p, g), head, out, &mut d_table);
                    }
                }
                Ok(())
            })
        })
    })?;
    let dx = qkv.track_op().then(|| shaped(out, qkv)).transpose()?;
    Ok((dx, table.track_op().then(|| shaped(d_table, table)).transpose()?))
}

impl CustomOp2 for Kept {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Output {
        in_precision!(precision(s1), forward(self, (s1, l1), (s2, l2)))
    }

    fn bwd(&self, qkv: &Tensor, table: &Tensor, _res: &Tensor, gradient: &Tensor) -> Gradients {
        in_precision!(qkv.dtype(), backward(self, qkv, table, gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::super::differences::{check, normals};
    use super::*;

    /// The places of pairs by how far the key is from the query on a ring.
    fn around(tokens: u32) -> Arc<Vec<u32>> {
        Arc::new((0..tokens).flat_map(|i| (0..tokens).map(move |j| (j + tokens - i) % tokens)).collect())
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (tokens, heads, channels) in [(4, 2, 3), (3, 1, 2), (1, 2, 2)] {
            let qkv = normals(1, &[2, tokens, 3 * heads * channels]);
            let places = around(tokens as u32);
            check(&[qkv.clone(), normals(2, &[heads, tokens])], |a| attention(&a[0], &a[1], &places));
            // one place for all pairs, which changes nothing: its gradient is zero
            let same = Arc::new(vec![0; tokens * tokens]);
            check(&[qkv, normals(2, &[heads, 1])], |a| attention(&a[0], &a[1], &same));
        }
    }

    #[test]
    fn agrees_with_the_sum_in_its_definition() {
        let (tokens, heads, channels) = (5, 2, 3);
        let (qkv, table) = (normals(1, &[2, tokens, 3 * heads * channels]), normals(2, &[heads, tokens]));
        let places = around(tokens as u32);
        let out = attention(&qkv, &table, &places).unwrap().to_vec3::<f64>().unwrap();
        let single = [&qkv, &table].map(|tensor| tensor.to_dtype(candle_core::DType::F32).unwrap());
        let single = attention(&single[0], &single[1], &places).unwrap().to_vec3::<f32>().unwrap();
        let (qkv, table) = (qkv.to_vec3::<f64>().unwrap(), table.to_vec2::<f64>().unwrap());
        for (n, i, h) in (0..2 * tokens * heads).map(|at| (at / (tokens * heads), at / heads % tokens, at % heads)) {
            let part = |which: usize, token: usize, c: usize| qkv[n][token][(which * heads + h) * channels + c];
            let logit = |j: usize| {
                let dot: f64 = (0..channels).map(|c| part(0, i, c) * part(1, j, c)).sum();
                (dot / 3f64.sqrt() + table[h][(j + tokens - i) % tokens]).exp()
            };
            let sum: f64 = (0..tokens).map(logit).sum();
            for c in 0..channels {
                let expected = (0..tokens).map(|j| logit(j) / sum * part(2, j, c)).sum::<f64>();
                assert!((out[n][i][h * channels + c] - expected).abs() < 1e-14);
                // some twenty roundings of 2^-24 of terms of order 1
                assert!((f64::from(single[n][i][h * channels + c]) - expected).abs() < 3e-6);
            }
        }
    }

    #[test]
    fn tables_and_pairs_that_do_not_fit_are_refused() {
        let qkv = normals(1, &[2, 3, 6]);
        assert!(attention(&qkv, &normals(2, &[1, 3]), &around(4)).is_err());
        assert!(attention(&qkv, &normals(2, &[1, 2]), &around(3)).is_err());
        assert!(attention(&qkv, &normals(2, &[4, 3]), &around(3)).is_err());
    }
}
