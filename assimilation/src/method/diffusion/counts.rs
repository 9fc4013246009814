//! How large the counts of these methods may be: each is how often a denoiser is evaluated, or a member moved, so that a number far
//! beyond any use is a slip of the keyboard, and would run for days before it is noticed.

use scorecast_systems::Param;

/// The most steps, or noise levels, of one way from noise to data.
const MOST_STEPS: i64 = 100_000;

/// The most repetitions of what is done in one step of the way, or in one analysis.
const MOST_REPEATS: i64 = 10_000;

/// A number of steps, or of noise levels, of a way: at least `min` and at most 100,000.
pub(super) const fn steps(key: &'static str, default: i64, min: i64, about: &'static str) -> Param {
    Param::int(key, default, min, about).up_to(MOST_STEPS)
}

/// A number of repetitions in a step, or in an analysis: at least `min` and at most 10,000.
pub(super) const fn repeats(key: &'static str, default: i64, min: i64, about: &'static str) -> Param {
    Param::int(key, default, min, about).up_to(MOST_REPEATS)
}
