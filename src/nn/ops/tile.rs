//! Matrix products of a strip of columns, small enough for registers: for rows r and columns l < [`LANES`],
//!
//! `out[r, l] = finish(start[r, l] + (sum_{s, t} a[r, s, t] b[s, t, l]))`,
//!
//! where t runs over a length and s over segments, each with strides of its own. A convolution reads its windows in place
//! in this way, without a matrix of patches and without the products between rows that would be dropped; the gradient of
//! its weight is of the same form, with positions for t and examples for s.
//!
//! The sum of one element goes over s and then t, whatever the size of a tile is, and `start` is added to it. With AVX2 a tile is 6
//! rows of 16 columns in twelve registers, each product fused with its sum (rounded once); a tile of at most 8 columns has
//! 3 rows and four sums for each element, of every fourth term, so that twelve registers are busy here too.

use super::real::Real;

/// Columns of a strip.
pub const LANES: usize = 16;
/// Rows of a tile, at most.
const ROWS: usize = 6;
/// Rows of a tile of half as many columns or fewer, at most.
const NARROW_ROWS: usize = 3;

/// What the sum of products starts from.
#[derive(Clone, Copy)]
pub enum Start<'a, T> {
    /// Zero.
    Zero,
    /// One row for all: a bias, of [`LANES`] elements.
    Bias(&'a [T]),
    /// What `out` holds.
    Out,
}

/// What becomes of a sum: the operand has the layout of `out`.
#[derive(Clone, Copy)]
pub enum Finish<'a, T> {
    /// It is stored.
    Store,
    /// The operand plus the sum.
    Add(&'a [T]),
    /// The operand times the sum.
    Multiply(&'a [T]),
}

/// The left side: element (r, s, t) is `data[r * row + s * segment + t * step]`.
#[derive(Clone, Copy)]
pub struct Left<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// Between rows.
    pub row: usize,
    /// Between segments.
    pub segment: usize,
    /// Between terms of a segment.
    pub step: usize,
}

/// The right side: element (s, t, l) is `data[s * segment + t * step + l]`, of which all [`LANES`] are read.
#[derive(Clone, Copy)]
pub struct Right<'a, T> {
    /// The elements.
    pub data: &'a [T],
    /// Between segments.
    pub segment: usize,
    /// Between terms of a segment.
    pub step: usize,
}

/// How long a product is, in each of its directions.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Rows of out.
    pub rows: usize,
    /// Columns of out, at most [`LANES`].
    pub columns: usize,
    /// Segments of the sum.
    pub segments: usize,
    /// Terms of a segment.
    pub length: usize,
}

/// A tile as the kernels see it: [`Left`], [`Right`] and out by their addresses.
pub(super) struct Tile<T> {
    a: *const T,
    a_row: usize,
    a_segment: usize,
    a_step: usize,
    b: *const T,
    b_segment: usize,
    b_step: usize,
    segments: usize,
    length: usize,
    start: *const T,
    start_row: usize,
    operand: *const T,
    finish: Finishing,
    out: *mut T,
    out_row: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Finishing {
    Store,
    Add,
    Multiply,
}

/// The product of `left` and `right` into the strip at the front of `out`, whose rows are `row` elements from each other.
pub fn strip<T: Real>(
    left: Left<T>,
    right: Right<T>,
    extent: Extent,
    start: Start<T>,
    finish: Finish<T>,
    (out, row): (&mut [T], usize),
) {
    let Extent { rows, columns, segments, length } = extent;
    if rows == 0 || columns == 0 {
        return;
    }
    check(left, right, extent, start, finish, (out, row));
    let zeros = [T::zero(); LANES];
    let mut at = 0;
    while at < rows {
        let count = if columns <= LANES / 2 { NARROW_ROWS.min(rows - at) } else { tile_rows(rows - at) };
        let from = at * row;
        // SAFETY: `check` held every element of the strip against the slices, and a tile reads and writes no others.
        let place = unsafe { out.as_mut_ptr().add(from) };
        let (start, start_row) = match start {
            Start::Zero => (zeros.as_ptr(), 0),
            Start::Bias(bias) => (bias.as_ptr(), 0),
            Start::Out => (place.cast_const(), row),
        };
        let (finish, operand) = match finish {
            Finish::Store => (Finishing::Store, place.cast_const()),
            Finish::Add(operand) => (Finishing::Add, operand[from..].as_ptr()),
            Finish::Multiply(operand) => (Finishing::Multiply, operand[from..].as_ptr()),
        };
        let tile = Tile {
            a: left.data[(at * left.row).min(left.data.len())..].as_ptr(),
            a_row: left.row,
            a_segment: left.segment,
            a_step: left.step,
            b: right.data.as_ptr(),
            b_segment: right.segment,
            b_step: right.step,
            segments,
            length,
            start,
            start_row,
            operand,
            finish,
            out: place,
            out_row: row,
        };
        // SAFETY: as above.
        unsafe { tile.run(count, columns) };
        at += count;
    }
}

/// Rows of the next tile where so many are left: never one or two behind tiles of six, which would wait for each other.
const fn tile_rows(left: usize) -> usize {
    match left {
        7 | 8 => 4,
        _ if left < ROWS => left,
        _ => ROWS,
    }
}

/// Holds all that a strip reads and writes against its slices.
fn check<T: Real>(
    left: Left<T>,
    right: Right<T>,
    extent: Extent,
    start: Start<T>,
    finish: Finish<T>,
    (out, row): (&[T], usize),
) {
    let Extent { rows, columns, segments, length } = extent;
    let terms = segments > 0 && length > 0;
    let (s, t) = (segments.saturating_sub(1), length.saturating_sub(1));
    assert!(columns <= LANES, "a strip has {LANES} columns at most");
    assert!(
        !terms || (rows - 1) * left.row + s * left.segment + t * left.step < left.data.len(),
        "the left side of a product reaches beyond its data"
    );
    assert!(
        !terms || s * right.segment + t * right.step + LANES <= right.data.len(),
        "the right side of a product reaches beyond its data"
    );
    let size = (rows - 1) * row + columns;
    assert!(size <= out.len() && (rows == 1 || columns <= row), "a product reaches beyond its place");
    match start {
        Start::Bias(bias) => assert!(bias.len() >= LANES, "a bias of a strip has {LANES} elements"),
        Start::Zero | Start::Out => {}
    }
    match finish {
        Finish::Add(operand) | Finish::Multiply(operand) => {
            assert!(size <= operand.len(), "an operand is as long as its product");
        }
        Finish::Store => {}
    }
}

impl<T: Real> Tile<T> {
    /// Runs the kernel of so many rows.
    ///
    /// # Safety
    /// All that the tile reads and writes must be there.
    unsafe fn run(&self, rows: usize, columns: usize) {
        // SAFETY: by the caller; a strip that is narrower than its kernel is computed in a buffer of its own.
        unsafe {
            if columns == LANES {
                return T::tile(rows, false, self);
            }
            let mut buffer = [T::zero(); ROWS * LANES];
            for r in 0..rows {
                for l in 0..columns {
                    buffer[r * LANES + l] = *self.start.add(r * self.start_row + l);
                }
            }
            let whole = Self {
                start: buffer.as_ptr(),
                start_row: LANES,
                finish: Finishing::Store,
                out: buffer.as_mut_ptr(),
                out_row: LANES,
                ..*self
            };
            T::tile(rows, columns <= LANES / 2, &whole);
            for r in 0..rows {
                for l in 0..columns {
                    let (at, sum) = (r * self.out_row + l, buffer[r * LANES + l]);
                    *self.out.add(at) = match self.finish {
                        Finishing::Store => sum,
                        Finishing::Add => *self.operand.add(at) + sum,
                        Finishing::Multiply => *self.operand.add(at) * sum,
                    };
                }
            }
        }
    }
}

/// Any precision, on any processor.
///
/// # Safety
/// All that the tile reads and writes must be there.
pub(super) unsafe fn plain<T: Real>(rows: usize, tile: &Tile<T>) {
    // SAFETY: by the caller.
    unsafe {
        for r in 0..rows {
            let mut sum = [T::zero(); LANES];
            for s in 0..tile.segments {
                for t in 0..tile.length {
                    let a = *tile.a.add(r * tile.a_row + s * tile.a_segment + t * tile.a_step);
                    let b = tile.b.add(s * tile.b_segment + t * tile.b_step);
                    (0..LANES).for_each(|l| sum[l] += a * *b.add(l));
                }
            }
            for (l, sum) in sum.into_iter().enumerate() {
                let sum = *tile.start.add(r * tile.start_row + l) + sum;
                let at = r * tile.out_row + l;
                *tile.out.add(at) = match tile.finish {
                    Finishing::Store => sum,
                    Finishing::Add => *tile.operand.add(at) + sum,
                    Finishing::Multiply => *tile.operand.add(at) * sum,
                };
            }
        }
    }
}

/// In single precision with AVX2 and fused multiply-adds.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_setzero_ps,
        _mm256_storeu_ps,
    };

    use super::{Finishing, Tile};

    /// The kernel of so many rows, of 8 columns where it is `narrow` and of 16 otherwise.
    ///
    /// # Safety
    /// All that the tile reads and writes must be there, and the processor must have AVX2 and FMA.
    pub unsafe fn tile(rows: usize, narrow: bool, tile: &Tile<f32>) {
        // SAFETY: by the caller.
        unsafe {
            match (rows, narrow) {
                (6, false) => kernel::<6, 2, 1>(tile),
                (5, false) => kernel::<5, 2, 1>(tile),
                (4, false) => kernel::<4, 2, 1>(tile),
                (3, false) => kernel::<3, 2, 1>(tile),
                (2, false) => kernel::<2, 2, 1>(tile),
                (_, false) => kernel::<1, 2, 1>(tile),
                (3, true) => kernel::<3, 1, 4>(tile),
                (2, true) => kernel::<2, 1, 4>(tile),
                (_, true) => kernel::<1, 1, 4>(tile),
            }
        }
    }

    /// Adds one term to the sums of R rows.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn add<const R: usize, const V: usize>(
        sum: &mut [[__m256; V]; R],
        a: *const f32,
        row: usize,
        b: *const f32,
    ) {
        // SAFETY: by the caller.
        unsafe {
            let b: [__m256; V] = std::array::from_fn(|v| _mm256_loadu_ps(b.add(8 * v)));
            for (r, sum) in sum.iter_mut().enumerate() {
                let a = _mm256_broadcast_ss(&*a.add(r * row));
                (0..V).for_each(|v| sum[v] = _mm256_fmadd_ps(a, b[v], sum[v]));
            }
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn kernel<const R: usize, const V: usize, const S: usize>(tile: &Tile<f32>) {
        // SAFETY: by the caller.
        unsafe {
            let mut sums = [[[_mm256_setzero_ps(); V]; R]; S];
            for s in 0..tile.segments {
                let (mut a, mut b) = (tile.a.add(s * tile.a_segment), tile.b.add(s * tile.b_segment));
                for _ in 0..tile.length / S {
                    for sum in &mut sums {
                        add(sum, a, tile.a_row, b);
                        (a, b) = (a.wrapping_add(tile.a_step), b.wrapping_add(tile.b_step));
                    }
                }
                for _ in 0..tile.length % S {
                    add(&mut sums[0], a, tile.a_row, b);
                    (a, b) = (a.wrapping_add(tile.a_step), b.wrapping_add(tile.b_step));
                }
            }
            let sum: [[__m256; V]; R] = std::array::from_fn(|r| {
                std::array::from_fn(|v| match S {
                    4 => {
                        let half = |set: usize| _mm256_add_ps(sums[set % S][r][v], sums[(set + 2) % S][r][v]);
                        _mm256_add_ps(half(0), half(1))
                    }
                    _ => sums[0][r][v],
                })
            });
            for (r, sum) in sum.iter().enumerate() {
                for (v, sum) in sum.iter().enumerate() {
                    let at = r * tile.out_row + 8 * v;
                    let sum = _mm256_add_ps(_mm256_loadu_ps(tile.start.add(r * tile.start_row + 8 * v)), *sum);
                    let done = match tile.finish {
                        Finishing::Store => sum,
                        Finishing::Add => _mm256_add_ps(_mm256_loadu_ps(tile.operand.add(at)), sum),
                        Finishing::Multiply => _mm256_mul_ps(_mm256_loadu_ps(tile.operand.add(at)), sum),
                    };
                    _mm256_storeu_ps(tile.out.add(at), done);
                }
            }
        }
    }
}
