//! Layer norm with a film: out = n (1 + g) + s with n = (z - mean(z)) / sqrt(var(z) + e) over the channels of each
//! position (Ba, Kiros and Hinton 2016), and gain g and shift s for each channel of each row, as in
//! [`modulate`](super::modulate()). Where they hang on the noise level this is the adaptive norm of Peebles and Xie (2023).
//!
//! With G the gradient of out: dg = sum G n and ds = sum G over positions; with d = G (1 + g),
//! dz = (d - mean(d) - n mean(d n)) / sqrt(var(z) + e).

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Tensor};

use super::modulate::sizes;
use super::real::Real;
use super::{Output, elements, in_precision, precision, shaped, with};

/// What is added to a variance.
pub(super) const E: f64 = 1e-5;

/// n (1 + g) + s of z `[rows, ..., channels]`, with the film `[rows or 1, 2 channels]` of g and then s.
///
/// # Errors
/// When the shapes do not fit, or a tensor is neither f32 nor f64.
pub fn normalize(z: &Tensor, film: &Tensor) -> Result<Tensor> {
    z.contiguous()?.apply_op2(&film.contiguous()?, Normalize)
}

struct Normalize;

/// Takes the mean from `z` and divides by the root of its variance, which is given back as 1 / sqrt(var(z) + e).
fn normal<T: Real>(z: &mut [T]) -> T {
    let share = T::from_f64(1.0 / z.len() as f64);
    let mean = z.iter().fold(T::zero(), |sum, z| sum + *z) * share;
    z.iter_mut().for_each(|z| *z -= mean);
    let variance = z.iter().fold(T::zero(), |sum, z| sum + *z * *z) * share;
    let scale = T::from_f64(1.0 / (variance.to_f64() + E).sqrt());
    z.iter_mut().for_each(|z| *z *= scale);
    scale
}

fn forward<T: Real>(z: (&CpuStorage, &Layout), film: (&CpuStorage, &Layout)) -> Output {
    let (_, block, channels) = sizes(z.1.shape(), film.1.shape())?;
    let mut out = elements::<T>(z.0, z.1)?.to_vec();
    for (block, film) in out.chunks_exact_mut(block).zip(elements::<T>(film.0, film.1)?.chunks_exact(2 * channels)) {
        let (gain, shift) = film.split_at(channels);
        for row in block.chunks_exact_mut(channels) {
            normal(row);
            row.iter_mut().zip(gain).zip(shift).for_each(|((n, g), s)| *n = *n * (T::one() + *g) + *s);
        }
    }
    Ok((T::to_cpu_storage_owned(out), z.1.shape().clone()))
}

/// Of one position: from G to dz in place, given its z, which becomes n; adds to dg and ds.
fn pull<T: Real>(g: &mut [T], z: &mut [T], gain: &[T], film: &mut [T]) {
    let scale = normal(z);
    let share = T::from_f64(1.0 / z.len() as f64);
    let (d_gain, d_shift) = film.split_at_mut(z.len());
    let (mut mean, mut along) = (T::zero(), T::zero());
    for (c, (g, n)) in g.iter_mut().zip(z.iter()).enumerate() {
        d_gain[c] += *g * *n;
        d_shift[c] += *g;
        *g *= T::one() + gain[c];
        mean += *g;
        along += *g * *n;
    }
    let (mean, along) = (mean * share, along * share);
    g.iter_mut().zip(z.iter()).for_each(|(g, n)| *g = (*g - mean - *n * along) * scale);
}

type Gradients = Result<(Option<Tensor>, Option<Tensor>)>;

fn backward<T: Real>(z: &Tensor, film: &Tensor, gradient: &Tensor) -> Gradients {
    let (_, block, channels) = sizes(z.shape(), film.shape())?;
    let mut g: Vec<T> = with(&gradient.contiguous()?, |g: &[T]| Ok(g.to_vec()))?;
    let mut n: Vec<T> = with(z, |z: &[T]| Ok(z.to_vec()))?;
    let mut d_film = vec![T::zero(); film.elem_count()];
    with(film, |film: &[T]| {
        let films = film.chunks_exact(2 * channels).zip(d_film.chunks_exact_mut(2 * channels));
        for ((g, n), (film, d_film)) in g.chunks_exact_mut(block).zip(n.chunks_exact_mut(block)).zip(films) {
            for (g, n) in g.chunks_exact_mut(channels).zip(n.chunks_exact_mut(channels)) {
                pull(g, n, &film[..channels], d_film);
            }
        }
        Ok(())
    })?;
    let dz = z.track_op().then(|| shaped(g, z)).transpose()?;
    Ok((dz, film.track_op().then(|| shaped(d_film, film)).transpose()?))
}

impl CustomOp2 for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Output {
        in_precision!(precision(s1), forward((s1, l1), (s2, l2)))
    }

    fn bwd(&self, z: &Tensor, film: &Tensor, _res: &Tensor, gradient: &Tensor) -> Gradients {
        in_precision!(z.dtype(), backward(z, film, gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::super::differences::{check, normals};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        // a row of film for each row of z, one for all, and z without positions
        for (z, film) in [(vec![3, 4, 5], [3, 10]), (vec![3, 4, 5], [1, 10]), (vec![5, 3], [5, 6])] {
            check(&[normals(1, &z), normals(2, &film)], |a| normalize(&a[0], &a[1]));
        }
    }

    #[test]
    fn a_position_has_mean_shift_and_sd_gain_in_both_precisions() {
        let (z, film) = (normals(1, &[2, 3, 64]), Tensor::full(0.5, (1, 128), &candle_core::Device::Cpu).unwrap());
        let double = normalize(&z, &film).unwrap();
        for row in double.flatten_to(1).unwrap().to_vec2::<f64>().unwrap() {
            let mean = row.iter().sum::<f64>() / 64.0;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 64.0;
            // var / (var + e) with var about 1
            assert!((mean - 0.5).abs() < 1e-13 && (variance.sqrt() - 1.5).abs() < 1e-4, "{mean} {variance}");
        }
        let single = [&z, &film].map(|tensor| tensor.to_dtype(candle_core::DType::F32).unwrap());
        let single = normalize(&single[0], &single[1]).unwrap().to_dtype(candle_core::DType::F64).unwrap();
        let error = (single - double).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(error < 1e-5, "{error}");
    }
}
