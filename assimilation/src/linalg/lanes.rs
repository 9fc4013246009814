//! Rows of numbers in groups of 8, which the compiler turns into whatever vectors the processor has.
//!
//! A row of n numbers takes n / 8 groups, rounded up, and is filled up with zeros, so that no loop has a rest. The groups,
//! and with them every sum, are the same on every processor.

/// Numbers side by side.
pub(crate) const WIDTH: usize = 8;

/// A group.
pub(crate) type Lanes = [f64; WIDTH];

/// Nothing.
pub(crate) const ZEROS: Lanes = [0.0; WIDTH];

/// How many groups n numbers take.
pub(crate) fn groups(n: usize) -> usize {
    n.div_ceil(WIDTH)
}

/// Copies numbers into groups; what is left over becomes 0.
pub(crate) fn fill(groups: &mut [Lanes], values: &[f64]) {
    let flat = groups.as_flattened_mut();
    flat[..values.len()].copy_from_slice(values);
    flat[values.len()..].fill(0.0);
}

/// The inner product.
#[inline(always)]
pub(crate) fn dot(x: &[Lanes], y: &[Lanes]) -> f64 {
    let mut sums = ZEROS;
    for (x, y) in x.iter().zip(y) {
        sums = combine(sums, combine(*x, *y, |x, y| x * y), |sum, product| sum + product);
    }
    sum(sums)
}

/// f of the numbers that two groups have in the same place. By value, so that the compiler sees that nothing overlaps.
#[inline(always)]
pub(crate) fn combine(x: Lanes, y: Lanes, f: impl Fn(f64, f64) -> f64) -> Lanes {
    std::array::from_fn(
        #[inline(always)]
        |lane| f(x[lane], y[lane]),
    )
}

/// The sum of a group.
#[inline(always)]
pub(crate) fn sum([a, b, c, d, e, f, g, h]: Lanes) -> f64 {
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// y + factor x in place.
#[inline(always)]
pub(crate) fn add_scaled(y: &mut [Lanes], factor: f64, x: &[Lanes]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = combine(*y, *x, |y, x| y + factor * x);
    }
}

/// (x, y) <- (c x - s y, s x + c y).
#[inline(always)]
pub(crate) fn rotate(x: &mut [Lanes], y: &mut [Lanes], c: f64, s: f64) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (combine(*x, *y, |x, y| c * x - s * y), combine(*x, *y, |x, y| s * x + c * y));
    }
}
