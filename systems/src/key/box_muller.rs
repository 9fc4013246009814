//! Standard normals in bulk, for noise that is drawn by the billion: two from each word of 64 bits, without a branch.
//!
//! Box and Muller (1958): r = (-2 ln u)^(1/2) and a uniform angle give the independent normals r cos and r sin. The upper half
//! of a word is u = (n + 1/2) / 2^32, so that a normal is at most 6.8; the lower half is the angle, two bits of it the
//! quadrant and thirty the place within. Logarithm, cosine and sine are series written out here, right to a unit or two of the last
//! place: products and sums in one order, fused where it says so and nowhere else, so that the bits are the same with any
//! width of vectors.
//!
//! These are not the draws of [`super::Stream`], which stay as they are for simulators, observations and whatever has published figures:
//! whoever takes these says so. A normal costs 1.1 ns with AVX-512 where [`super::Stream::normal`] costs 4.3 and, in
//! bulk, 2.0.

use super::words::{BATCH, Width, Words};
use crate::wide::widest;

/// Normals that are made at once.
const PAIRS: usize = 2 * BATCH;

/// A stream of standard normals, drawn in bulk.
#[derive(Clone, Debug)]
pub struct BulkNormals {
    words: Words,
    /// Normals that are made, those from `at` on not yet given.
    made: [f64; PAIRS],
    at: usize,
}

impl BulkNormals {
    pub(super) fn new(seed: [u8; 32], stream: u64) -> Self {
        Self::of_width(Width::widest(), seed, stream)
    }

    fn of_width(width: Width, seed: [u8; 32], stream: u64) -> Self {
        Self { words: Words::new(width, seed, stream), made: [0.0; PAIRS], at: PAIRS }
    }

    /// Fills `out` with the next of them.
    pub fn fill(&mut self, out: &mut [f64]) {
        let mut filled = 0;
        while filled < out.len() {
            let left = &mut out[filled..];
            if self.at == PAIRS {
                let mut words = [0; BATCH];
                self.words.next_batch(&mut words);
                // straight to their place where all have room
                if let Some(to) = left.first_chunk_mut() {
                    normals(&words, to);
                    filled += PAIRS;
                    continue;
                }
                normals(&words, &mut self.made);
                self.at = 0;
            }
            let count = left.len().min(PAIRS - self.at);
            left[..count].copy_from_slice(&self.made[self.at..][..count]);
            self.at += count;
            filled += count;
        }
    }
}

widest! {
    /// r cos of each word, then r sin of each.
    fn normals(words: &[u64; BATCH], out: &mut [f64; PAIRS]) {
        let (cosines, sines) = out.split_at_mut(BATCH);
        for ((word, first), second) in words.iter().zip(cosines).zip(sines) {
            let r = (-2.0 * log(word >> 32)).sqrt();
            let (cos, sin) = turn(*word);
            *first = r * cos;
            *second = r * sin;
        }
    }
}

/// An integer below 2^52 as a number.
#[inline(always)]
fn number(n: u64) -> f64 {
    f64::from_bits(n | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0
}

/// The bits of 0.7; a number of which they are taken has its exponent for a significand in [0.7, 1.4).
const NEAR_ONE: u64 = 0x3fe6_6666_6666_6666;

/// The bits of one, and those of an exponent.
const ONE: u64 = 0x3ff0_0000_0000_0000;
const EXPONENT: u64 = 0xfff0_0000_0000_0000;

/// ln((n + 1/2) / 2^32) for n below 2^32: n + 1/2 = 2^k m, ln m = 2 artanh s with s = (m - 1) / (m + 1).
#[inline(always)]
fn log(n: u64) -> f64 {
    const LN_2_HIGH: f64 = f64::from_bits(std::f64::consts::LN_2.to_bits() & !0x1fff_ffff);
    const LN_2_LOW: f64 = LN_2_REST + (std::f64::consts::LN_2 - LN_2_HIGH);
    /// ln 2 less its nearest double.
    const LN_2_REST: f64 = 2.319_046_813_846_299_6e-17;
    let bits = (number(n) + 0.5).to_bits();
    // the exponent with the bias of a double, so that it stays positive
    let raised = bits.wrapping_sub(NEAR_ONE).wrapping_add(ONE);
    let k = number(raised >> 52) - (1023.0 + 32.0);
    let f = f64::from_bits(bits.wrapping_sub(raised & EXPONENT).wrapping_add(ONE)) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut series = 1.0 / 19.0;
    for term in [17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = f64::mul_add(series, z, 1.0 / term);
    }
    // 2 s = f - s f
    let small = s * f64::mul_add(2.0 * z, series, -f);
    f64::mul_add(k, LN_2_HIGH, f + f64::mul_add(k, LN_2_LOW, small))
}

/// cos and sin of the angle that the lower half of a word says.
#[inline(always)]
fn turn(word: u64) -> (f64, f64) {
    const UNIT: f64 = std::f64::consts::TAU / 4_294_967_296.0;
    // within the quadrant, from its middle: at most pi/4
    let x = (number(word & 0x3fff_ffff) - 536_870_911.5) * UNIT;
    let z = x * x;
    let (mut cos, mut sin) = SERIES[0];
    for (of_cos, of_sin) in &SERIES[1..] {
        cos = f64::mul_add(cos, z, *of_cos);
        sin = f64::mul_add(sin, z, *of_sin);
    }
    let (cos, sin) = (f64::mul_add(z, f64::mul_add(z, cos, -0.5), 1.0), f64::mul_add(x * z, sin, x));
    // a quarter turn exchanges them and changes a sign
    let odd = word & 0x4000_0000 != 0;
    let (a, b) = if odd { (sin, cos) } else { (cos, sin) };
    let (minus_a, minus_b) = ((word << 1 ^ word) & 0x8000_0000, word & 0x8000_0000);
    (f64::from_bits(a.to_bits() ^ minus_a << 32), f64::from_bits(b.to_bits() ^ minus_b << 32))
}

/// Coefficients of Taylor's series, highest first: of cos from x^4 on, of sin from x^3 on.
const SERIES: [(f64, f64); 7] = {
    let (mut series, mut factorial, mut term) = ([(0.0, 0.0); 7], 2.0, 0);
    while term < 7 {
        let sign = if term % 2 == 0 { 1.0 } else { -1.0 };
        factorial *= (2 * term + 3) as f64;
        let of_sin = -sign / factorial;
        factorial *= (2 * term + 4) as f64;
        series[6 - term] = (sign / factorial, of_sin);
        term += 1;
    }
    series
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance from the exact value in units of the last place of the found one.
    fn ulps(found: f64, exact: f64) -> f64 {
        (found - exact).abs() / (f64::from_bits(found.abs().to_bits() + 1) - found.abs())
    }

    /// Halves of words: evenly, and both ends.
    fn halves() -> impl Iterator<Item = u64> {
        (0..1000).chain((0..1u64 << 32).step_by(65_521 * 7)).chain((0..1000).map(|n| u64::from(u32::MAX) - n))
    }

    #[test]
    fn the_series_are_the_functions() {
        for n in halves() {
            let u = (n as f64 + 0.5) / 4_294_967_296.0;
            assert!(ulps(log(n), u.ln()) <= 2.0, "{n}: {} {}", log(n), u.ln());
            let quadrant = n >> 30;
            let within = ((n & 0x3fff_ffff) as f64 - 536_870_911.5) * (std::f64::consts::TAU / 4_294_967_296.0);
            let (cos, sin) = turn(n);
            let (c, s) = (within.cos(), within.sin());
            let (a, b) = [(c, s), (-s, c), (-c, -s), (s, -c)][quadrant as usize];
            assert!(ulps(cos, a) <= 2.0 && ulps(sin, b) <= 2.0, "{n}: {cos} {a}, {sin} {b}");
        }
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        let mut words = [0; BATCH];
        for (stream, width) in (0..200).flat_map(|stream| Width::all().into_iter().map(move |width| (stream, width))) {
            Words::new(width, [5; 32], stream).next_batch(&mut words);
            let (mut whole, mut single) = ([0.0; PAIRS], [0.0; PAIRS]);
            normals(&words, &mut whole);
            // one by one there is nothing to widen
            for (i, word) in words.iter().enumerate() {
                let (r, (cos, sin)) = ((-2.0 * std::hint::black_box(log(word >> 32))).sqrt(), turn(*word));
                (single[i], single[BATCH + i]) = (r * std::hint::black_box(cos), r * std::hint::black_box(sin));
            }
            assert_eq!(whole.map(f64::to_bits), single.map(f64::to_bits));
            let mut from_stream = [0.0; PAIRS];
            BulkNormals::of_width(width, [5; 32], stream).fill(&mut from_stream);
            assert_eq!(from_stream, whole, "{width:?}");
        }
    }

    #[test]
    fn it_does_not_matter_how_many_are_taken_at_once() {
        let normals = || BulkNormals::new([2; 32], 1);
        let mut whole = vec![0.0; 3000];
        normals().fill(&mut whole);
        let (mut some, mut parts) = (normals(), vec![0.0; 3000]);
        let mut left = &mut parts[..];
        for length in [1, 300, 256, 5, 1000, 255, 1, 512, 670] {
            let (now, later) = left.split_at_mut(length);
            some.fill(now);
            left = later;
        }
        assert_eq!(parts, whole);
    }

    #[test]
    fn they_are_independent_standard_normals() {
        let n = 4_000_000;
        let mut draws = vec![0.0; n];
        BulkNormals::new([7; 32], 0).fill(&mut draws);
        let mean = |of: &dyn Fn(f64) -> f64| draws.iter().map(|z| of(*z)).sum::<f64>() / n as f64;
        let near = |found: f64, exact: f64, variance: f64| {
            assert!((found - exact).abs() < 4.5 * (variance / n as f64).sqrt(), "{found} for {exact}");
        };
        near(mean(&|z| z), 0.0, 1.0);
        near(mean(&|z| z * z), 1.0, 2.0);
        near(mean(&|z| z.powi(3)), 0.0, 15.0);
        near(mean(&|z| z.powi(4)), 3.0, 96.0);
        near(mean(&|z| z.powi(6)), 15.0, 10_395.0 - 225.0);
        for (edge, beyond) in [(0.5, 0.617_075_077_451_973), (2.0, 0.045_500_263_896_358_4), (4.0, 6.334_248_366e-5)] {
            near(mean(&|z| f64::from(u8::from(z.abs() > edge))), beyond, beyond);
        }
        // neighbours, and the two normals of a word
        for lag in [1, 2, BATCH] {
            let pairs = draws.chunks_exact(PAIRS).flat_map(|made| made.iter().zip(&made[lag..]));
            let (products, squares) = pairs.fold((0.0, 0.0), |(product, square), (a, b)| {
                (product + a * b, square + (a * a - 1.0) * (b * b - 1.0))
            });
            let count = (n / PAIRS * (PAIRS - lag)) as f64;
            assert!(products.abs() < 4.5 * count.sqrt() && squares.abs() < 9.0 * count.sqrt(), "{lag}");
        }
    }
}
