//! Sizes of memory: as typed, and as the machine has it.

/// Used where the machine does not say how much memory it has.
const FALLBACK: u64 = 4 << 30;

/// Parses a size such as `4GiB`, `500MB` or `1000000`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(format!("`{unit}` is no unit of memory; write a size such as 4GiB or 500MB")),
    };
    match digits.trim().parse::<f64>() {
        Ok(size) if size.is_finite() && size * factor >= 1.0 => Ok((size * factor) as u64),
        _ => Err("write a size above 0, such as 4GiB or 500MB".to_owned()),
    }
}

/// 75 % of the memory that the machine, or the group of processes that we are in, has.
pub(super) fn default_limit() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total(&text));
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let memory = [machine, group].into_iter().flatten().min().unwrap_or(FALLBACK);
    memory / 4 * 3
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(parse_size("4GiB"), Ok(4 << 30));
        assert_eq!(parse_size("1.5 g"), Ok(3 << 29));
        assert_eq!(parse_size("500MB"), Ok(500_000_000));
        assert_eq!(parse_size("1000000"), Ok(1_000_000));
        for wrong in ["", "0", "-1GiB", "GiB", "4XB", "nan", "inf", "1e400"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_machine_says_its_memory_in_kib() {
        assert_eq!(mem_total("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2048 * 1024));
        assert_eq!(mem_total("nothing"), None);
    }
}
