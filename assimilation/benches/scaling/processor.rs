//! The processor time of each thread, which a busy machine does not lengthen as it does the time of the clock.
//!
//! Linux counts it in nanoseconds in `/proc/self/task/<thread>/schedstat`; elsewhere nothing is known.

use std::collections::BTreeMap;

/// Nanoseconds of processor time of each thread, by its number.
pub fn each_thread() -> BTreeMap<u64, u64> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    let one = |task: std::fs::DirEntry| {
        let thread = task.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((thread, line.split_whitespace().next()?.parse().ok()?))
    };
    tasks.flatten().filter_map(one).collect()
}

/// Processor seconds of the thread that used the most between two readings; NaN where nothing is known.
pub fn busiest(before: &BTreeMap<u64, u64>, after: &BTreeMap<u64, u64>) -> f64 {
    let spent = after.iter().map(|(thread, time)| time - before.get(thread).unwrap_or(&0));
    spent.max().map_or(f64::NAN, |time| time as f64 * 1e-9)
}
