//! What work will hold in memory, reckoned from sizes before anything is allocated.

/// Arrays of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// What they are, such as "covariances".
    pub what: String,
    /// Their size in bytes; the largest number there is stands for all that are larger.
    pub bytes: u64,
}

impl MemoryUse {
    /// Numbers of double precision: as many as the product of `sizes`.
    pub fn reals(what: impl Into<String>, sizes: &[usize]) -> Self {
        Self { what: what.into(), bytes: product(sizes).saturating_mul(8) }
    }

    /// The sum of several.
    pub fn total(all: &[Self]) -> u64 {
        all.iter().fold(0, |sum, held| sum.saturating_add(held.bytes))
    }
}

/// The product of sizes; the largest number there is where it is beyond that.
pub fn product(sizes: &[usize]) -> u64 {
    // a size of 0 makes nothing of all others, however large they are
    if sizes.contains(&0) { 0 } else { sizes.iter().fold(1, |product: u64, &size| product.saturating_mul(size as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_saturate_instead_of_overflowing() {
        assert_eq!(MemoryUse::reals("", &[usize::MAX, 3]).bytes, u64::MAX);
        assert_eq!(MemoryUse::reals("", &[usize::MAX, 3, 0]).bytes, 0);
        assert_eq!(MemoryUse::reals("", &[2, 3]).bytes, 48);
        let all = [MemoryUse { what: String::new(), bytes: u64::MAX }, MemoryUse::reals("", &[1])];
        assert_eq!(MemoryUse::total(&all), u64::MAX);
    }
}
