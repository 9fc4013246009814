//! File names for labels, so that no two labels share a file on any file system.
//!
//! Lower-case letters, digits, `.`, `-` and `_` stay, but for a `.` or `-` at the beginning. ` / ` (as in `enkf / perfect`) becomes `~`, a capital letter `^` and its
//! lower case (some file systems take capitals for small letters), any other byte of the label in UTF-8 `=` and two
//! hexadecimal digits. So the label can be read back. What would be longer than [`LONGEST`] is cut, and ends in `==` and the
//! first 128 bits of SHA-256 of the label.

use sha2::{Digest, Sha256};

/// The longest name in bytes; with an ending it stays below what file systems take.
const LONGEST: usize = 120;

/// Names that stand for devices on Windows, whatever their ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The name of a label, without an ending.
pub fn file_stem(label: &str) -> String {
    name(label, true)
}

/// The name of a folder for an experiment: capitals stay, for a folder that exists is refused and not written into.
pub fn folder_name(experiment: &str) -> String {
    name(experiment, false)
}

fn name(label: &str, small: bool) -> String {
    let mut out = String::new();
    let mut rest = label;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(" / ") {
            out.push('~');
            rest = after;
            continue;
        }
        let stays =
            c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c) && !(".-".contains(c) && out.is_empty());
        match c {
            _ if stays || c.is_ascii_uppercase() && !small => out.push(c),
            'A'..='Z' => out.extend(['^', c.to_ascii_lowercase()]),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("={byte:02x}"))),
        }
        rest = &rest[c.len_utf8()..];
    }
    let device = |name: &str| {
        let first = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        DEVICES.iter().any(|device| first.strip_prefix(device).is_some_and(|rest| rest.len() <= 1))
    };
    // a point at the end is dropped by Windows
    if out.is_empty() || out.ends_with('.') || device(&out) || out.len() > LONGEST {
        return hashed(&out, label);
    }
    out
}

fn hashed(name: &str, label: &str) -> String {
    let digest: String = Sha256::digest(label).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // all of a name is ASCII
    let kept = &name[..name.len().min(LONGEST - 2 - digest.len())];
    format!("{kept}=={digest}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_labels_share_a_name_on_any_file_system() {
        let long = "a".repeat(300);
        let alphabet =
            ["a", "A", "b", " ", "/", " / ", "_", "=", "^", "~", "2", "0", ".", "-", "é", "日", "本", "\u{1b}", "\n"];
        let mut labels: Vec<String> = vec![String::new(), "con".into(), "CON.txt".into(), "Com1".into(), "..".into()];
        labels.extend([long.clone(), format!("{long}b"), long.to_uppercase(), "日".repeat(100), "本".repeat(100)]);
        for a in alphabet {
            labels
                .extend(alphabet.iter().flat_map(|b| [format!("{a}{b}"), format!("{a}{b}{a}"), format!("x{a}y{b}z")]));
            labels.push(a.to_owned());
        }
        labels.extend(labels.clone().iter().map(|label| file_stem(label)));
        labels.sort();
        labels.dedup();
        let mut seen = BTreeMap::new();
        for label in &labels {
            let stem = file_stem(label);
            assert!(
                stem.len() <= LONGEST && !stem.is_empty() && !stem.starts_with(['.', '-']) && !stem.ends_with('.'),
                "{stem}"
            );
            assert!(
                stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.=^~".contains(&b)),
                "{stem}"
            );
            assert_eq!(seen.insert(stem.clone(), label), None, "{stem}");
        }
    }

    #[test]
    fn plain_labels_are_their_names() {
        assert_eq!(file_stem("three_d_var-2.5"), "three_d_var-2.5");
        assert_eq!(file_stem("enkf / perfect"), "enkf~perfect");
        assert_eq!(file_stem("EnKF"), "^en^k^f");
        assert_eq!((file_stem("a b"), file_stem("a/b")), ("a=20b".to_owned(), "a=2fb".to_owned()));
        assert_eq!((folder_name("My_Run"), folder_name("a/../b")), ("My_Run".to_owned(), "a=2f..=2fb".to_owned()));
    }
}
