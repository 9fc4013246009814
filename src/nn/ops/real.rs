//! The two precisions of a network: f32 to run and to train, f64 to be held against finite differences.
//!
//! silu(z) = z s(z) with s(z) = 1 / (1 + exp(-z)), and its slope silu'(z) = s(z) (1 + z (1 - s(z))).
//! In f32, exp(x) = 2^n exp(r) with n = round(x / ln 2), |r| <= ln(2) / 2 and the Taylor polynomial of degree 7
//! (relative error below 1e-8 before rounding). It is plain arithmetic without fused multiply-adds, so that every width
//! of vector gives the same bits.

use super::tile::{self, Tile};

/// A floating-point number that the operations of this room work on.
pub trait Real: candle_core::WithDType + Default {
    /// silu of each element of `z`, in place; its slope goes to `slope` (same length) if it is wanted.
    fn silu(z: &mut [Self], slope: Option<&mut [Self]>);

    /// exp of each element, in place.
    fn exponentials(values: &mut [Self]);

    /// silu(z (1 + g) + s) of rows of channels into `out`, and its slope, with g and s in the halves of `film`.
    fn modulate(z: &[Self], film: &[Self], out: &mut [Self], slope: Option<&mut [Self]>) {
        modulated(z, film, out);
        Self::silu(out, slope);
    }

    /// From u, the gradient before the activation of [`modulate`](Self::modulate), to (1 + g) u in place; adds the sums of
    /// u z and u over rows to the halves of `d_film` if it is wanted.
    fn modulate_back(z: &[Self], film: &[Self], u: &mut [Self], d_film: Option<&mut [Self]>) {
        modulated_back(z, film, u, d_film);
    }

    /// Whether two tiles of whole strips are summed side by side.
    #[doc(hidden)]
    fn sums_pairs() -> bool {
        false
    }

    /// A tile of a product of so many rows, of 8 columns at least where it is `narrow`.
    ///
    /// # Safety
    /// All that the tile reads and writes must be there.
    #[doc(hidden)]
    #[allow(private_interfaces)]
    unsafe fn tile(rows: usize, narrow: bool, tile: &Tile<Self>) {
        let _ = narrow;
        // SAFETY: by the caller.
        unsafe { tile::plain(rows, tile) }
    }
}

#[inline(always)]
fn modulated<T: Real>(z: &[T], film: &[T], out: &mut [T]) {
    let (gain, shift) = film.split_at(film.len() / 2);
    for (out, z) in out.chunks_exact_mut(gain.len()).zip(z.chunks_exact(gain.len())) {
        for (((out, z), g), s) in out.iter_mut().zip(z).zip(gain).zip(shift) {
            *out = *z * (T::one() + *g) + *s;
        }
    }
}

#[inline(always)]
fn modulated_back<T: Real>(z: &[T], film: &[T], u: &mut [T], d_film: Option<&mut [T]>) {
    let (gain, _) = film.split_at(film.len() / 2);
    if let Some(d_film) = d_film {
        let (d_gain, d_shift) = d_film.split_at_mut(gain.len());
        for (u, z) in u.chunks_exact(gain.len()).zip(z.chunks_exact(gain.len())) {
            d_gain.iter_mut().zip(u).zip(z).for_each(|((sum, u), z)| *sum += *u * *z);
            d_shift.iter_mut().zip(u).for_each(|(sum, u)| *sum += *u);
        }
    }
    for u in u.chunks_exact_mut(gain.len()) {
        u.iter_mut().zip(gain).for_each(|(u, g)| *u *= T::one() + *g);
    }
}

impl Real for f32 {
    #[cfg(target_arch = "x86_64")]
    fn modulate(z: &[f32], film: &[f32], out: &mut [f32], slope: Option<&mut [f32]>) {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            unsafe { modulated_avx2(z, film, out) };
        } else {
            modulated(z, film, out);
        }
        f32::silu(out, slope);
    }

    #[cfg(target_arch = "x86_64")]
    fn modulate_back(z: &[f32], film: &[f32], u: &mut [f32], d_film: Option<&mut [f32]>) {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            unsafe { modulated_back_avx2(z, film, u, d_film) };
        } else {
            modulated_back(z, film, u, d_film);
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn sums_pairs() -> bool {
        std::arch::is_x86_feature_detected!("avx512f")
    }

    #[cfg(target_arch = "x86_64")]
    #[allow(private_interfaces)]
    unsafe fn tile(rows: usize, narrow: bool, tile: &Tile<f32>) {
        // SAFETY: by the caller; the processor has just been found to have AVX-512, or AVX2 and FMA.
        unsafe {
            if !narrow && Self::sums_pairs() {
                tile::avx512::tile(rows, tile);
            } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                tile::avx2::tile(rows, narrow, tile);
            } else {
                tile::plain(rows, tile);
            }
        }
    }

    fn silu(z: &mut [f32], slope: Option<&mut [f32]>) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            return unsafe { silu_avx2(z, slope) };
        }
        silu_f32(z, slope);
    }

    fn exponentials(values: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            return unsafe { exponentials_avx2(values) };
        }
        exponentials_f32(values);
    }
}

impl Real for f64 {
    fn exponentials(values: &mut [f64]) {
        values.iter_mut().for_each(|value| *value = value.exp());
    }

    fn silu(z: &mut [f64], slope: Option<&mut [f64]>) {
        let parts = |z: f64| {
            let s = 1.0 / (1.0 + (-z).exp());
            (z * s, s * (1.0 + z * (1.0 - s)))
        };
        match slope {
            Some(slope) => z.iter_mut().zip(slope).for_each(|(z, slope)| (*z, *slope) = parts(*z)),
            None => z.iter_mut().for_each(|z| *z = parts(*z).0),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn modulated_avx2(z: &[f32], film: &[f32], out: &mut [f32]) {
    modulated(z, film, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn modulated_back_avx2(z: &[f32], film: &[f32], u: &mut [f32], d_film: Option<&mut [f32]>) {
    modulated_back(z, film, u, d_film);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn silu_avx2(z: &mut [f32], slope: Option<&mut [f32]>) {
    silu_f32(z, slope);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn exponentials_avx2(values: &mut [f32]) {
    exponentials_f32(values);
}

#[inline(always)]
fn exponentials_f32(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value = exp(*value));
}

#[inline(always)]
fn silu_f32(z: &mut [f32], slope: Option<&mut [f32]>) {
    match slope {
        Some(slope) => {
            for (z, slope) in z.iter_mut().zip(slope) {
                let s = logistic(*z);
                *slope = s * (1.0 + *z * (1.0 - s));
                *z *= s;
            }
        }
        None => z.iter_mut().for_each(|z| *z *= logistic(*z)),
    }
}

#[inline(always)]
fn logistic(z: f32) -> f32 {
    1.0 / (1.0 + exp(-z))
}

/// exp(x) for |x| <= 87, beyond which it keeps the value at the end; NaN stays NaN.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut sum = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + coefficient;
    }
    sum * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_silu_agrees_with_the_exact_one() {
        let grid: Vec<f64> = (-4000..=4000).map(|i| f64::from(i) * 0.01).collect();
        let (mut exact, mut slope) = (grid.clone(), vec![0.0; grid.len()]);
        f64::silu(&mut exact, Some(&mut slope));
        let mut fast: Vec<f32> = grid.iter().map(|z| *z as f32).collect();
        let mut fast_slope = vec![0.0f32; grid.len()];
        f32::silu(&mut fast, Some(&mut fast_slope));
        for i in 0..grid.len() {
            // the argument itself is rounded to 2^-24 of up to 40, which exp magnifies to 40 * 2^-24 = 2.4e-6
            assert!((f64::from(fast[i]) - exact[i]).abs() <= 2.5e-6 * exact[i].abs() + 1e-30, "{}", grid[i]);
            assert!((f64::from(fast_slope[i]) - slope[i]).abs() <= 2.5e-6, "{}", grid[i]);
        }
    }

    #[test]
    fn every_vector_width_gives_the_same_bits_and_nan_stays_nan() {
        let grid: Vec<f32> = (0..1003).map(|i| (i as f32 - 500.0) * 0.173).collect();
        let (mut dispatched, mut plain) = (grid.clone(), grid);
        f32::silu(&mut dispatched, None);
        silu_f32(&mut plain, None);
        assert_eq!(dispatched, plain);
        let mut nan = [f32::NAN];
        f32::silu(&mut nan, None);
        assert!(nan[0].is_nan());
    }

    #[test]
    fn fast_exponentials_agree_with_the_exact_ones() {
        let grid: Vec<f32> = (-860..=400).map(|i| i as f32 * 0.1).chain([f32::NAN]).collect();
        let (mut fast, mut plain) = (grid.clone(), grid.clone());
        f32::exponentials(&mut fast);
        exponentials_f32(&mut plain);
        for ((x, fast), plain) in grid.iter().zip(&fast).zip(&plain) {
            let (fast, exact) = (f64::from(*fast), f64::from(*x).exp());
            assert_eq!(fast.to_bits(), f64::from(*plain).to_bits());
            // a few roundings of 2^-24 each
            assert!((fast - exact).abs() <= 5e-7 * exact || x.is_nan() && fast.is_nan(), "{x}");
        }
    }
}
