//! Sizes in memory: their sum, the limit, and how they are said.

use crate::failure::{Failure, FailureKind, Result};

/// One array (or a few of one kind) of an experiment.
pub use crate::systems::memory_use::MemoryUse as Need;

/// Refuses work that needs more than `max_memory` bytes.
///
/// # Errors
/// A failure of kind [`FailureKind::Resource`] that names both numbers and the largest array.
pub fn check(needs: &[Need], max_memory: u64) -> Result<()> {
    let sum = Need::total(needs);
    match needs.iter().max_by_key(|need| need.bytes) {
        Some(largest) if sum > max_memory => {
            let message = format!(
                "the experiment needs about {}, most of it for {} ({}), but --max-memory is {}",
                readable(sum),
                largest.what,
                readable(largest.bytes),
                readable(max_memory)
            );
            Err(Failure::new(FailureKind::Resource, message).hint("make that smaller, or raise --max-memory"))
        }
        _ => Ok(()),
    }
}

/// A size for people, such as `1.5 GiB`.
pub fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && size < 100.0);
    format!("{size:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable(1000), "1000 B");
        assert_eq!(readable(1536 * 1024), "1.5 MiB");
        assert_eq!(readable(4 << 30), "4.0 GiB");
    }
}
