//! In single precision with AVX-512: a row of a strip is one register, and two tiles are summed side by side, whose twelve
//! sums (or eight) keep both multipliers busy while each waits for the one before it. Each element has its terms in the order that
//! it has with AVX2, each product fused with its sum, so that both give the same bytes.

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_storeu_ps,
};
use std::hint::black_box;

use super::{Finishing, LANES, Tile};

/// One sum.
const ONE: u8 = 0;
/// One sum, while the cache is asked for what is next.
const ASKING: u8 = 1;
/// Any number of sums, added in turn.
const IN_TURN: u8 = 2;

/// The kernel of so many rows of a whole strip: of one tile, or of two of [`PAIRED`](super::PAIRED) rows each.
///
/// # Safety
/// All that the tile reads and writes must be there, and the processor must have AVX-512F.
pub unsafe fn tile(rows: usize, tile: &Tile<f32>) {
    // SAFETY: by the caller.
    unsafe {
        match rows {
            12 => wide::<2, 6>(tile),
            8 => wide::<2, 4>(tile),
            6 => wide::<1, 6>(tile),
            5 => wide::<1, 5>(tile),
            4 => wide::<1, 4>(tile),
            3 => wide::<1, 3>(tile),
            2 => wide::<1, 2>(tile),
            _ => wide::<1, 1>(tile),
        }
    }
}

unsafe fn wide<const G: usize, const R: usize>(tile: &Tile<f32>) {
    // SAFETY: by the caller.
    unsafe {
        match (tile.sums, tile.next_step) {
            (1, 0) => kernel::<G, R, ONE>(tile),
            (1, _) => kernel::<G, R, ASKING>(tile),
            _ => kernel::<G, R, IN_TURN>(tile),
        }
    }
}

#[inline(never)]
#[target_feature(enable = "avx512f")]
unsafe fn kernel<const G: usize, const R: usize, const MODE: u8>(tile: &Tile<f32>) {
    // SAFETY: by the caller; an address that is only fetched need not be there.
    unsafe {
        for at in (0..G * R).map(|r| r * tile.out_row) {
            for end in [at, at + LANES - 1] {
                _mm_prefetch::<_MM_HINT_T0>(tile.out.add(end).cast());
                if tile.finish != Finishing::Store {
                    _mm_prefetch::<_MM_HINT_T0>(tile.operand.add(end).cast());
                }
            }
        }
        let (mut start, sums) = ((tile.start, tile.start_row), if MODE == IN_TURN { tile.sums } else { 1 });
        for s in 0..sums {
            let terms = terms::<G, R, MODE>(tile, s);
            finish::<G, R, MODE>(tile, &terms, start);
            start = (tile.out.cast_const(), tile.out_row);
        }
    }
}

/// The sums of all terms; asks for what is `next` meanwhile.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn terms<const G: usize, const R: usize, const MODE: u8>(tile: &Tile<f32>, sum: usize) -> [[__m512; R]; G] {
    // SAFETY: by the caller; an address that is only fetched need not be there.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); R]; G];
        let mut next = tile.next.cast::<i8>();
        // the share of the second tile stands behind that of the first
        let other = tile.segments * tile.sums * tile.length * tile.next_step;
        // hidden, or the compiler finds each row from the one before, in a chain that takes as long as the products
        let third = if R > 3 { black_box(3 * tile.a_row) } else { 0 };
        for segment in sum * tile.segments..(sum + 1) * tile.segments {
            let (first, mut b) = (tile.a.add(segment * tile.a_segment), tile.b.add(segment * tile.b_segment));
            let of_group = |first: *const f32| [first, first.wrapping_add(third)];
            let mut a: [[*const f32; 2]; G] = std::array::from_fn(|g| of_group(first.wrapping_add(g * tile.a_pair)));
            for _ in 0..tile.length {
                if MODE == ASKING {
                    for g in 0..G {
                        _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(g * other));
                    }
                    next = next.wrapping_add(tile.next_step);
                }
                let right = _mm512_loadu_ps(b);
                for (sums, a) in sums.iter_mut().zip(&mut a) {
                    for (r, sum) in sums.iter_mut().enumerate() {
                        let left = _mm512_set1_ps(*a[r / 3].wrapping_add(r % 3 * tile.a_row));
                        *sum = _mm512_fmadd_ps(left, right, *sum);
                    }
                    *a = a.map(|a| a.wrapping_add(tile.a_step));
                }
                b = b.wrapping_add(tile.b_step);
            }
        }
        sums
    }
}

/// Stores what becomes of the sums.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn finish<const G: usize, const R: usize, const MODE: u8>(
    tile: &Tile<f32>,
    sums: &[[__m512; R]; G],
    (start, start_row): (*const f32, usize),
) {
    // SAFETY: by the caller.
    unsafe {
        for (r, sum) in sums.iter().flatten().enumerate() {
            let at = r * tile.out_row;
            let sum = _mm512_add_ps(_mm512_loadu_ps(start.add(r * start_row)), *sum);
            let done = match tile.finish {
                Finishing::Store => sum,
                Finishing::Add => _mm512_add_ps(_mm512_loadu_ps(tile.operand.add(at)), sum),
                Finishing::Multiply => _mm512_mul_ps(_mm512_loadu_ps(tile.operand.add(at)), sum),
            };
            _mm512_storeu_ps(tile.out.add(at), done);
        }
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::super::{Extent, Finish, Left, Right, Start, strip, tiled};
    use super::*;

    /// What a strip has to be, to the last bit, with each product fused with its sum: what AVX2 and AVX-512 both compute.
    fn by_hand(a: impl Fn(usize, usize) -> f32, b: &[f32], extent: Extent, start: &[f32]) -> Vec<f32> {
        let Extent { rows, columns, segments, length, in_turn } = extent;
        let mut out = vec![0.0; rows * columns];
        for (at, out) in out.iter_mut().enumerate() {
            let (r, l) = (at / columns, at % columns);
            let mut value = start[l];
            let mut sum = 0.0f32;
            for s in 0..segments {
                for t in s * length..(s + 1) * length {
                    sum = a(r, t).mul_add(b[t * LANES + l], sum);
                }
                if in_turn || s + 1 == segments {
                    value += sum;
                    sum = 0.0;
                }
            }
            *out = value;
        }
        out
    }

    #[test]
    fn strips_of_all_sizes_are_the_fused_sums_in_their_order() {
        if !(std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")) {
            return;
        }
        let normals = |seed: u64, count: usize| -> Vec<f32> {
            Key::new(seed, Domain::Data).normals(1, count).iter().map(|x| *x as f32).collect()
        };
        for (rows, segments, length) in
            (1..=40).flat_map(|rows| [(1, 1), (1, 7), (3, 5), (2, 16)].map(|(s, t)| (rows, s, t)))
        {
            let terms = segments * length;
            let (a, b, bias) = (normals(1, rows * terms), normals(2, terms * LANES), normals(3, LANES));
            let operand = normals(4, rows * LANES);
            let mut copy = vec![0.0; rows * terms];
            for t in 0..terms {
                let column: Vec<f32> = (0..rows).map(|r| a[r * terms + t]).collect();
                tiled(&column, t, terms, &mut copy);
            }
            let strided = Left::Strided { data: &a, row: terms, segment: length, step: 1 };
            for (left, in_turn, next) in [
                (strided, false, &b[..]),
                (strided, true, &[]),
                (Left::Tiled(&copy), false, &[]),
                (strided, false, &[]),
            ] {
                let extent = Extent { rows, columns: LANES, segments, length, in_turn };
                let right = Right { data: &b, segment: length * LANES, step: LANES, next };
                let expected = by_hand(|r, t| a[r * terms + t], &b, extent, &bias);
                let made = |finish: Finish<f32>| {
                    let mut out = vec![f32::NAN; rows * LANES];
                    strip(left, right, extent, Start::Bias(&bias), finish, (&mut out, LANES));
                    out
                };
                assert_eq!(made(Finish::Store), expected, "{rows} rows of {segments} x {length} terms");
                if !in_turn {
                    let with = |of: fn(f32, f32) -> f32| -> Vec<f32> {
                        operand.iter().zip(&expected).map(|(operand, sum)| of(*operand, *sum)).collect()
                    };
                    assert_eq!(made(Finish::Add(&operand)), with(|a, b| a + b));
                    assert_eq!(made(Finish::Multiply(&operand)), with(|a, b| a * b));
                }
            }
        }
    }
}
