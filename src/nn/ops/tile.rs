//! Matrix products of a strip of columns, small enough for registers: for rows r and columns l < [`LANES`],
//!
//! `out[r, l] = finish(start[r, l] + (sum_{s, t} a[r, s, t] b[s, t, l]))`,
//!
//! where t runs over a length and s over segments.
//!
//! A convolution reads its windows in place in this way, without a matrix of patches and without the products between rows
//! that would be dropped; the gradient of its weight is of the same form, with positions for t.
//!
//! The sum of one element goes over s and then t, whatever the size of a tile is, and `start` is added to it; or the sums of
//! all segments are added in turn. With AVX2 a tile is 6
//! rows of 16 columns in twelve registers, each product fused with its sum (rounded once); a tile of at most 8 columns has
//! 3 rows and four sums for each element, of every fourth term, so that twelve registers are busy here too. With AVX-512
//! (`avx512`) two tiles of whole strips are summed side by side. A tile asks the
//! caches for its place in `out` before it sums, and for its share of what is multiplied next while it does: a weight of 256
//! x 256 is read from a far cache at each pass of a few rows, which then costs no time.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use super::real::Real;

/// Columns of a strip.
pub const LANES: usize = 16;
/// Rows of a tile, at most.
const ROWS: usize = 6;
/// Rows of each of two tiles that may be summed side by side.
const PAIRED: [usize; 2] = [4, ROWS];
/// Columns of a strip that is narrow.
const NARROW: usize = LANES / 2;
/// Rows of a tile of a narrow strip, at most.
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

/// The left side.
#[derive(Clone, Copy)]
pub enum Left<'a, T> {
    /// Element (r, s, t) is `data[r * row + s * segment + t * step]`.
    Strided {
        /// The elements.
        data: &'a [T],
        /// Between rows.
        row: usize,
        /// Between segments.
        segment: usize,
        /// Between terms of a segment.
        step: usize,
    },
    /// As [`tiled`] has them: with t over all terms of all segments, element (r, t) of a tile of n rows from row r' on is
    /// `data[r' * terms + t * n + r - r']`.
    Tiled(&'a [T]),
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
    /// What is read after it: a near cache is asked for it meanwhile.
    pub next: &'a [T],
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
    /// Whether the sum of each segment is added in turn, to be stored, and not all of them as one.
    pub in_turn: bool,
}

/// A tile as the kernels see it: [`Left`], [`Right`] and out by their addresses.
pub(super) struct Tile<T> {
    a: *const T,
    a_row: usize,
    a_segment: usize,
    a_step: usize,
    /// From the rows of this tile to those of the next, which may be summed with it.
    a_pair: usize,
    b: *const T,
    b_segment: usize,
    b_step: usize,
    sums: usize,
    /// Of each sum.
    segments: usize,
    length: usize,
    /// What the cache is asked for, and so many bytes of it at each term.
    next: *const T,
    next_step: usize,
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
    let Extent { rows, columns, segments, length, in_turn } = extent;
    let terms = segments * length;
    if rows == 0 || columns == 0 {
        return;
    }
    check(left, right, extent, start, finish, (out, row));
    let zeros = [T::zero(); LANES];
    // each term of each tile asks for as much of what is next
    let next_step = size_of_val(right.next).div_ceil(rows.div_ceil(ROWS) * terms.max(1));
    let mut all = tiles(rows).peekable();
    while let Some((first, count)) = all.next() {
        // two tiles of whole strips, of six rows or of four
        let pairs = columns == LANES && PAIRED.contains(&count) && T::sums_pairs();
        let pair = pairs.then(|| all.next_if(|(_, other)| *other == count)).flatten();
        let (data, [a_row, a_segment, a_step, a_pair]) = match left {
            Left::Strided { data, row, segment, step } => {
                (&data[(first * row).min(data.len())..], [row, segment, step, count * row])
            }
            Left::Tiled(data) => (&data[first * terms..], [1, length * count, count, count * terms]),
        };
        let from = first * row;
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
            a: data.as_ptr(),
            a_row,
            a_segment,
            a_step,
            a_pair,
            b: right.data.as_ptr(),
            b_segment: right.segment,
            b_step: right.step,
            sums: if in_turn { segments } else { 1 },
            segments: if in_turn { 1 } else { segments },
            length,
            next: right.next.as_ptr().wrapping_byte_add(first / ROWS * terms * next_step),
            next_step,
            start,
            start_row,
            operand,
            finish,
            out: place,
            out_row: row,
        };
        // SAFETY: as above.
        unsafe {
            match columns {
                0..=NARROW => tile.run_narrow(count, columns),
                _ => tile.run(count + pair.map_or(0, |(_, other)| other), columns),
            }
        }
    }
}

/// The first row and the rows of each tile of so many rows: never one or two behind tiles of six, which would wait for
/// each other.
fn tiles(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let count = match rows - first {
            0 => return None,
            7 | 8 => 4,
            left => left.min(ROWS),
        };
        first += count;
        Some((first - count, count))
    })
}

/// Copies the elements of all rows at term t to where [`Left::Tiled`] has them, of a product of so many `terms`.
pub fn tiled<T: Real>(rows: &[T], t: usize, terms: usize, copy: &mut [T]) {
    let mut rest = rows;
    let mut first = 0;
    // so many that no one has to count
    while let (true, Some((tile, others))) =
        (rest.len() >= ROWS + 3 || rest.len() == ROWS, rest.split_first_chunk::<ROWS>())
    {
        if let Some(place) = copy[first * terms + t * ROWS..].first_chunk_mut::<ROWS>() {
            *place = *tile;
        }
        (rest, first) = (others, first + ROWS);
    }
    for (at, count) in tiles(rest.len()) {
        let place = (first + at) * terms + t * count;
        copy[place..place + count].iter_mut().zip(&rest[at..]).for_each(|(place, value)| *place = *value);
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
    let Extent { rows, columns, segments, length, in_turn } = extent;
    let terms = segments * length;
    assert!(columns <= LANES, "a strip has {LANES} columns at most");
    let inside = match left {
        Left::Strided { data, row, segment, step } => {
            terms == 0 || (rows - 1) * row + (segments - 1) * segment + (length - 1) * step < data.len()
        }
        Left::Tiled(data) => rows * terms <= data.len(),
    };
    assert!(inside, "the left side of a product reaches beyond its data");
    assert!(
        terms == 0 || (segments - 1) * right.segment + (length - 1) * right.step + LANES <= right.data.len(),
        "the right side of a product reaches beyond its data"
    );
    assert!(!in_turn || matches!(finish, Finish::Store), "sums that are added in turn are stored");
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
    /// What a sum is added to, and from row to row: the first to the start, and the others to what is there.
    #[inline(always)]
    fn start_of(&self, sum: usize) -> (*const T, usize) {
        if sum == 0 { (self.start, self.start_row) } else { (self.out.cast_const(), self.out_row) }
    }

    /// Runs the kernels of so many rows of a narrow strip, of a few rows each.
    ///
    /// # Safety
    /// All that the tile reads and writes must be there.
    unsafe fn run_narrow(&self, rows: usize, columns: usize) {
        for first in (0..rows).step_by(NARROW_ROWS) {
            // SAFETY: by the caller: these rows are among those of the tile.
            unsafe {
                let tile = Self {
                    a: self.a.add(first * self.a_row),
                    start: self.start.add(first * self.start_row),
                    operand: self.operand.add(first * self.out_row),
                    out: self.out.add(first * self.out_row),
                    ..*self
                };
                tile.run(NARROW_ROWS.min(rows - first), columns);
            }
        }
    }

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
            T::tile(rows, columns <= NARROW, &whole);
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
        for (r, s) in (0..rows).flat_map(|r| (0..tile.sums).map(move |s| (r, s))) {
            let mut sum = [T::zero(); LANES];
            for segment in s * tile.segments..(s + 1) * tile.segments {
                for t in 0..tile.length {
                    let a = *tile.a.add(r * tile.a_row + segment * tile.a_segment + t * tile.a_step);
                    let b = tile.b.add(segment * tile.b_segment + t * tile.b_step);
                    (0..LANES).for_each(|l| sum[l] += a * *b.add(l));
                }
            }
            let (start, start_row) = tile.start_of(s);
            for (l, sum) in sum.into_iter().enumerate() {
                let sum = *start.add(r * start_row + l) + sum;
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
        __m256, _MM_HINT_T0, _mm_prefetch, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_mul_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    };
    use std::hint::black_box;

    use super::{Finishing, Tile};

    /// The kernel of so many rows, of 8 columns where it is `narrow` and of 16 otherwise.
    ///
    /// # Safety
    /// All that the tile reads and writes must be there, and the processor must have AVX2 and FMA.
    pub unsafe fn tile(rows: usize, narrow: bool, tile: &Tile<f32>) {
        // SAFETY: by the caller.
        unsafe {
            match (rows, narrow) {
                (6, false) => wide::<6>(tile),
                (5, false) => wide::<5>(tile),
                (4, false) => wide::<4>(tile),
                (3, false) => wide::<3>(tile),
                (2, false) => wide::<2>(tile),
                (_, false) => wide::<1>(tile),
                (3, true) => kernel::<3, 1, 4, IN_TURN>(tile),
                (2, true) => kernel::<2, 1, 4, IN_TURN>(tile),
                (_, true) => kernel::<1, 1, 4, IN_TURN>(tile),
            }
        }
    }

    /// One sum.
    const ONE: u8 = 0;
    /// One sum, while the cache is asked for what is next.
    const ASKING: u8 = 1;
    /// Any number of sums, added in turn.
    const IN_TURN: u8 = 2;

    unsafe fn wide<const R: usize>(tile: &Tile<f32>) {
        // SAFETY: by the caller.
        unsafe {
            match (tile.sums, tile.next_step) {
                (1, 0) => kernel::<R, 2, 1, ONE>(tile),
                (1, _) => kernel::<R, 2, 1, ASKING>(tile),
                _ => kernel::<R, 2, 1, IN_TURN>(tile),
            }
        }
    }

    /// Adds one term to the sums of R rows, of which the first three are found from one address and the others from another:
    /// so far does one instruction reach.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn add<const R: usize, const V: usize>(
        sum: &mut [[__m256; V]; R],
        a: [*const f32; 2],
        row: usize,
        b: *const f32,
    ) {
        // SAFETY: by the caller.
        unsafe {
            let b: [__m256; V] = std::array::from_fn(|v| _mm256_loadu_ps(b.add(8 * v)));
            for (r, sum) in sum.iter_mut().enumerate() {
                let a = _mm256_broadcast_ss(&*a[r / 3].wrapping_add(r % 3 * row));
                (0..V).for_each(|v| sum[v] = _mm256_fmadd_ps(a, b[v], sum[v]));
            }
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn kernel<const R: usize, const V: usize, const S: usize, const MODE: u8>(tile: &Tile<f32>) {
        // SAFETY: by the caller; an address that is only fetched need not be there.
        unsafe {
            for at in (0..R).flat_map(|r| [r * tile.out_row, r * tile.out_row + 8 * V - 1]) {
                _mm_prefetch::<_MM_HINT_T0>(tile.out.add(at).cast());
                if tile.finish != Finishing::Store {
                    _mm_prefetch::<_MM_HINT_T0>(tile.operand.add(at).cast());
                }
            }
            let (mut start, sums) = ((tile.start, tile.start_row), if MODE == IN_TURN { tile.sums } else { 1 });
            for s in 0..sums {
                let terms = terms::<R, V, S, MODE>(tile, s);
                finish::<R, V, S, MODE>(tile, &terms, start);
                start = (tile.out.cast_const(), tile.out_row);
            }
        }
    }

    /// The sums of all terms; asks for what is `next` meanwhile.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn terms<const R: usize, const V: usize, const S: usize, const MODE: u8>(
        tile: &Tile<f32>,
        sum: usize,
    ) -> [[[__m256; V]; R]; S] {
        // SAFETY: by the caller; an address that is only fetched need not be there.
        unsafe {
            let mut sums = [[[_mm256_setzero_ps(); V]; R]; S];
            let mut next = tile.next.cast::<i8>();
            // hidden, or the compiler finds each row from the one before, in a chain that takes as long as the products
            let third = if R > 3 { black_box(3 * tile.a_row) } else { 0 };
            for segment in sum * tile.segments..(sum + 1) * tile.segments {
                let (first, mut b) = (tile.a.add(segment * tile.a_segment), tile.b.add(segment * tile.b_segment));
                let mut a = [first, first.wrapping_add(third)];
                let step = |a: [*const f32; 2]| a.map(|a| a.wrapping_add(tile.a_step));
                for _ in 0..tile.length / S {
                    if MODE == ASKING {
                        _mm_prefetch::<_MM_HINT_T0>(next);
                        next = next.wrapping_add(tile.next_step);
                    }
                    for sum in &mut sums {
                        add(sum, a, tile.a_row, b);
                        (a, b) = (step(a), b.wrapping_add(tile.b_step));
                    }
                }
                for _ in 0..tile.length % S {
                    add(&mut sums[0], a, tile.a_row, b);
                    (a, b) = (step(a), b.wrapping_add(tile.b_step));
                }
            }
            sums
        }
    }

    /// Adds up the sums of each element, and stores what becomes of it: a function of its own for each kernel, which is
    /// part of it then.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    #[allow(clippy::needless_range_loop, reason = "rows and vectors are addresses too")]
    unsafe fn finish<const R: usize, const V: usize, const S: usize, const MODE: u8>(
        tile: &Tile<f32>,
        sums: &[[[__m256; V]; R]; S],
        (start, start_row): (*const f32, usize),
    ) {
        // SAFETY: by the caller.
        unsafe {
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
                    let sum = _mm256_add_ps(_mm256_loadu_ps(start.add(r * start_row + 8 * v)), *sum);
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
