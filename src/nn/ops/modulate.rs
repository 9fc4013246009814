//! FiLM followed by silu: out = silu(z (1 + g) + s), with gain g and shift s for each channel of each row
//! (Perez et al. 2018). z is `[rows, ..., channels]`; the film `[rows or 1, 2 channels]` holds g and then s; one row of
//! film serves all rows of z, as in sampling, where the noise level is the same for all members.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::real::Real;
use super::{Activation, Output, Slope, elements, in_precision, precision, shaped, with};

/// silu(z (1 + g) + s).
///
/// # Errors
/// When the shapes do not fit, or a tensor is neither f32 nor f64.
pub fn modulate(z: &Tensor, film: &Tensor) -> Result<Tensor> {
    let slope = Slope::new(Activation::Silu, &[z, film]);
    z.contiguous()?.apply_op2(&film.contiguous()?, Modulate { slope })
}

struct Modulate {
    slope: Slope,
}

/// (rows of film, elements of z for each of them, channels).
pub(super) fn sizes(z: &Shape, film: &Shape) -> Result<(usize, usize, usize)> {
    let (rows, twice) = film.dims2()?;
    match (z.dims().first(), z.dims().last()) {
        (Some(first), Some(channels)) if 2 * channels == twice && (rows == 1 || rows == *first) => {
            Ok((rows, z.elem_count() / rows, *channels))
        }
        _ => candle_core::bail!("film: z is {z:?} but the film is {film:?}"),
    }
}

fn forward<T: Real>(op: &Modulate, z: (&CpuStorage, &Layout), film: (&CpuStorage, &Layout)) -> Output {
    let (_, block, channels) = sizes(z.1.shape(), film.1.shape())?;
    let mut out = elements::<T>(z.0, z.1)?.to_vec();
    for (block, film) in out.chunks_exact_mut(block).zip(elements::<T>(film.0, film.1)?.chunks_exact(2 * channels)) {
        let (gain, shift) = film.split_at(channels);
        for row in block.chunks_exact_mut(channels) {
            for ((z, g), s) in row.iter_mut().zip(gain).zip(shift) {
                *z = *z * (T::one() + *g) + *s;
            }
        }
    }
    op.slope.activate(&mut out)?;
    Ok((T::to_cpu_storage_owned(out), z.1.shape().clone()))
}

fn film_gradient<T: Real>(g: &[T], z: &[T], block: usize, channels: usize) -> Vec<T> {
    let mut out = vec![T::zero(); g.len() / block * 2 * channels];
    for ((out, g), z) in out.chunks_exact_mut(2 * channels).zip(g.chunks_exact(block)).zip(z.chunks_exact(block)) {
        let (gain, shift) = out.split_at_mut(channels);
        for (g, z) in g.chunks_exact(channels).zip(z.chunks_exact(channels)) {
            for c in 0..channels {
                gain[c] += g[c] * z[c];
                shift[c] += g[c];
            }
        }
    }
    out
}

fn backward<T: Real>(
    op: &Modulate,
    z: &Tensor,
    film: &Tensor,
    gradient: &Tensor,
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let (_, block, channels) = sizes(z.shape(), film.shape())?;
    let mut g: Vec<T> = with(&gradient.contiguous()?, |gradient| op.slope.pull(gradient))?;
    let dfilm = film
        .track_op()
        .then(|| with(z, |z: &[T]| Ok(film_gradient(&g, z, block, channels))).and_then(|values| shaped(values, film)))
        .transpose()?;
    if !z.track_op() {
        return Ok((None, dfilm));
    }
    with(film, |film: &[T]| {
        for (block, film) in g.chunks_exact_mut(block).zip(film.chunks_exact(2 * channels)) {
            for row in block.chunks_exact_mut(channels) {
                row.iter_mut().zip(film).for_each(|(g, gain)| *g *= T::one() + *gain);
            }
        }
        Ok(())
    })?;
    Ok((Some(shaped(g, z)?), dfilm))
}

impl CustomOp2 for Modulate {
    fn name(&self) -> &'static str {
        "modulate"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        in_precision!(precision(s1), forward(self, (s1, l1), (s2, l2)))
    }

    fn bwd(
        &self,
        z: &Tensor,
        film: &Tensor,
        _res: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        in_precision!(z.dtype(), backward(self, z, film, gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::super::differences::{check, normals};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences() {
        // a row of film for each row of z, one for all, and z without positions
        for (z, film) in [(vec![3, 4, 2], [3, 4]), (vec![3, 4, 2], [1, 4]), (vec![5, 3], [5, 6])] {
            check(&[normals(1, &z), normals(2, &film)], |a| modulate(&a[0], &a[1]));
        }
    }

    #[test]
    fn one_row_of_film_is_the_same_row_for_all() {
        let (z, film) = (normals(1, &[3, 4, 2]), normals(2, &[1, 4]));
        let one = modulate(&z, &film).unwrap();
        let all = modulate(&z, &film.repeat((3, 1)).unwrap()).unwrap();
        assert_eq!(
            one.flatten_all().unwrap().to_vec1::<f64>().unwrap(),
            all.flatten_all().unwrap().to_vec1::<f64>().unwrap()
        );
    }
}
