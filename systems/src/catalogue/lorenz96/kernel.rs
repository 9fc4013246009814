//! The tendency (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F and its use in one pass, with the widest vectors that the processor
//! has. Left to the compiler, the same loops took twice as long: it read every value four times.

use pulp::{Arch, Simd, WithSimd};

use crate::fast::SlopeUse;
use crate::lanes::LANES;

type Lanes = [f64; LANES];

/// Computes the tendencies of whole rings of [`LANES`] members, side by side, and uses them.
pub(super) fn members(arch: Arch, at: &[Lanes], forcing: f64, stage: SlopeUse) {
    arch.dispatch(Generic { at, forcing, stage, walk: Members });
}

/// Computes the tendencies along a stretch of one ring, value after value, but for the first and last row of `at`, where
/// they are 0, and uses them.
pub(super) fn stretch(arch: Arch, at: &[Lanes], forcing: f64, stage: SlopeUse) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(shuffled::SimdWalk { simd, at, forcing, stage });
    }
    arch.dispatch(Generic { at, forcing, stage, walk: Views });
}

/// A pass with whatever vectors there are.
struct Generic<'a, W> {
    at: &'a [Lanes],
    forcing: f64,
    stage: SlopeUse<'a>,
    walk: W,
}

impl WithSimd for Generic<'_, Members> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        pass(simd, self.at, self.forcing, self.stage, self.walk);
    }
}

impl WithSimd for Generic<'_, Views> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        pass(simd, self.at, self.forcing, self.stage, self.walk);
    }
}

/// How values and their neighbours are found.
trait Walk<S: Simd> {
    /// out = f(here, k, out, others) everywhere; all arrays have one length.
    fn each<const N: usize>(
        self,
        slope: Slope<S>,
        at: &[f64],
        out: &mut [f64],
        others: [&[f64]; N],
        f: impl Fn(S::f64s, S::f64s, S::f64s, [S::f64s; N]) -> S::f64s,
    );
}

#[inline(always)]
fn pass<S: Simd>(simd: S, at: &[Lanes], forcing: f64, stage: SlopeUse, walk: impl Walk<S>) {
    let splat = |value| simd.splat_f64s(value);
    let slope = Slope { simd, forcing: splat(forcing) };
    let n = at.len();
    assert!(n >= 4, "a ring of at least 4 values");
    let at = at.as_flattened();
    match stage {
        SlopeUse::Slope(out) => {
            assert!(out.len() == n, "{n} slopes into {} places", out.len());
            walk.each(
                slope,
                at,
                out.as_flattened_mut(),
                [],
                #[inline(always)]
                |_, k, _, []| k,
            );
        }
        SlopeUse::Next { x, ahead, next } => {
            assert!(x.len() == n && next.len() == n, "a stage of {n} from {} to {}", x.len(), next.len());
            let ahead = splat(ahead);
            walk.each(
                slope,
                at,
                next.as_flattened_mut(),
                [x.as_flattened()],
                #[inline(always)]
                |_, k, _, [x]| simd.mul_add_e_f64s(ahead, k, x),
            );
        }
        SlopeUse::End { x, stages: [first, second], sixth } => {
            assert!(first.len() == n && second.len() == n && x.len() == n, "stages of {n}");
            let (sixth, third, two, less) = (splat(sixth), splat(1.0 / 3.0), splat(2.0), splat(-4.0));
            walk.each(
                slope,
                at,
                x.as_flattened_mut(),
                [first.as_flattened(), second.as_flattened()],
                #[inline(always)]
                |here, k, x, [first, second]| {
                    let (early, late) = (simd.mul_add_e_f64s(two, second, first), simd.mul_add_e_f64s(less, x, here));
                    let moved = simd.add_f64s(early, late);
                    simd.mul_add_e_f64s(sixth, k, simd.mul_add_e_f64s(third, moved, x))
                },
            );
        }
    }
}

#[derive(Clone, Copy)]
struct Slope<S: Simd> {
    simd: S,
    forcing: S::f64s,
}

impl<S: Simd> Slope<S> {
    #[inline(always)]
    fn of(self, far: S::f64s, last: S::f64s, here: S::f64s, next: S::f64s) -> S::f64s {
        let Self { simd, forcing } = self;
        simd.mul_add_e_f64s(simd.sub_f64s(next, far), last, simd.sub_f64s(forcing, here))
    }
}

/// Vectors of lanes round the ring, the neighbours kept in registers.
struct Members;

impl<S: Simd> Walk<S> for Members {
    #[inline(always)]
    fn each<const N: usize>(
        self,
        slope: Slope<S>,
        at: &[f64],
        out: &mut [f64],
        others: [&[f64]; N],
        f: impl Fn(S::f64s, S::f64s, S::f64s, [S::f64s; N]) -> S::f64s,
    ) {
        let vectors = LANES / S::F64_LANES;
        let at = S::as_simd_f64s(at).0;
        // all rows but the last, whose next is the first
        let length = at.len() - vectors;
        let (out, last_out) = S::as_mut_simd_f64s(out).0.split_at_mut(length);
        let others = others.map(|other| S::as_simd_f64s(other).0.split_at(length));
        let next = &at[vectors..][..length];
        // two vectors of lanes a pass, for a loop that is not too short
        for pair in (0..vectors).step_by(2) {
            let both = |row: usize| [at[row * vectors + pair], at[row * vectors + pair + 1]];
            let rows = length / vectors;
            let (mut far, mut last, mut here) = (both(rows - 1), both(rows), both(0));
            macro_rules! step {
                ($far:ident, $last:ident, $here:ident, $next:expr, $out:expr, $others:expr, $place:expr) => {{
                    let (place, ahead) = ($place, $next);
                    for side in 0..2 {
                        let k = slope.of($far[side], $last[side], $here[side], ahead[side]);
                        let others = $others.map(|other| other[place + side]);
                        $out[place + side] = f($here[side], k, $out[place + side], others);
                    }
                    ahead
                }};
            }
            // three rows a turn: then each of far, last and here comes back to its own registers
            let turn = 3 * vectors;
            let mut row = 0;
            while row + turn <= length {
                let (next, out) = (&next[row..row + turn], &mut out[row..row + turn]);
                let others = others.map(|other| &other.0[row..row + turn]);
                let ahead = |place: usize| [next[place], next[place + 1]];
                let [first, second, third] = [pair, pair + vectors, pair + 2 * vectors];
                far = step!(far, last, here, ahead(first), out, others, first);
                last = step!(last, here, far, ahead(second), out, others, second);
                here = step!(here, far, last, ahead(third), out, others, third);
                row += turn;
            }
            let all = others.map(|other| other.0);
            for place in (row + pair..length).step_by(vectors) {
                let ahead = step!(far, last, here, [next[place], next[place + 1]], out, all, place);
                (far, last, here) = (last, here, ahead);
            }
            let ends = others.map(|other| other.1);
            step!(far, last, here, both(0), last_out, ends, pair);
        }
    }
}

/// Vectors of values along a stretch; their neighbours are vectors that begin elsewhere.
struct Views;

impl<S: Simd> Walk<S> for Views {
    #[inline(always)]
    fn each<const N: usize>(
        self,
        slope: Slope<S>,
        at: &[f64],
        out: &mut [f64],
        others: [&[f64]; N],
        f: impl Fn(S::f64s, S::f64s, S::f64s, [S::f64s; N]) -> S::f64s,
    ) {
        let (begin, end) = (LANES, at.len() - LANES);
        let views = [begin - 2..end - 2, begin - 1..end - 1, begin + 1..end + 1];
        let [far, last, next] = views.map(|view| S::as_simd_f64s(&at[view]).0);
        along(
            slope,
            S::as_simd_f64s(at).0,
            out,
            others,
            f,
            #[inline(always)]
            |i| [far[i], last[i], next[i]],
        );
    }
}

/// A stretch, given the neighbours of each vector but those of the first and last row.
#[inline(always)]
fn along<S: Simd, const N: usize>(
    slope: Slope<S>,
    at: &[S::f64s],
    out: &mut [f64],
    others: [&[f64]; N],
    f: impl Fn(S::f64s, S::f64s, S::f64s, [S::f64s; N]) -> S::f64s,
    neighbours: impl Fn(usize) -> [S::f64s; 3],
) {
    let (vectors, out) = (LANES / S::F64_LANES, S::as_mut_simd_f64s(out).0);
    let others = others.map(|other| S::as_simd_f64s(other).0);
    let rest = slope.simd.splat_f64s(0.0);
    for i in (0..vectors).chain(at.len() - vectors..at.len()) {
        out[i] = f(at[i], rest, out[i], others.map(|other| other[i]));
    }
    let count = at.len() - 2 * vectors;
    let (here, out) = (&at[vectors..][..count], &mut out[vectors..][..count]);
    let others = others.map(|other| &other[vectors..][..count]);
    for i in 0..count {
        let [far, last, next] = neighbours(i);
        let k = slope.of(far, last, here[i], next);
        out[i] = f(here[i], k, out[i], others.map(|other| other[i]));
    }
}

/// Where AVX2 is: vectors of four, of whose neighbours every other one is put together from the vectors around it, because
/// loads that straddle cache lines cost double.
#[cfg(target_arch = "x86_64")]
mod shuffled {
    use std::arch::x86_64::__m256d;

    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast, f64x4};

    use super::{LANES, Lanes, Simd, Slope, SlopeUse, Walk, along, pass};

    pub(super) struct SimdWalk<'a> {
        pub(super) simd: V3,
        pub(super) at: &'a [Lanes],
        pub(super) forcing: f64,
        pub(super) stage: SlopeUse<'a>,
    }

    impl NullaryFnOnce for SimdWalk<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            pass(self.simd, self.at, self.forcing, self.stage, Shuffles);
        }
    }

    struct Shuffles;

    impl Walk<V3> for Shuffles {
        #[inline(always)]
        fn each<const N: usize>(
            self,
            slope: Slope<V3>,
            at: &[f64],
            out: &mut [f64],
            others: [&[f64]; N],
            f: impl Fn(f64x4, f64x4, f64x4, [f64x4; N]) -> f64x4,
        ) {
            let avx = slope.simd.avx;
            let (begin, end) = (LANES, at.len() - LANES);
            let views = [begin - 2..end - 2, begin..end, begin + 2..end + 2];
            let [before, here, after] = views.map(|view| V3::as_simd_f64s(&at[view]).0);
            let at = V3::as_simd_f64s(at).0;
            along(
                slope,
                at,
                out,
                others,
                f,
                #[inline(always)]
                |i| {
                    let [far, here, ahead]: [__m256d; 3] = [cast(before[i]), cast(here[i]), cast(after[i])];
                    let last = avx._mm256_shuffle_pd::<0b0101>(far, here);
                    let next = avx._mm256_shuffle_pd::<0b0101>(here, ahead);
                    [cast(far), cast(last), cast(next)]
                },
            );
        }
    }
}
