//! What an unfinished run is of, so that it is only gone on with by the same: the resolved experiment, and the SHA-256 of
//! every file that was read; beside it what is done and how long that took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an unfinished run is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The resolved experiment, TOML.
    pub experiment: String,
    /// The digest of each file or folder that is read, by its path.
    pub inputs: BTreeMap<String, String>,
    /// The digest of each file that is written, by its name.
    #[serde(default)]
    pub done: BTreeMap<String, String>,
    /// Wall-clock seconds of all that was done so far, by what.
    #[serde(default)]
    pub seconds: BTreeMap<String, f64>,
}

impl Record {
    /// Of a resolved experiment and the digests of what it reads.
    pub fn new(experiment: &str, inputs: BTreeMap<String, String>) -> Self {
        Self { experiment: experiment.to_owned(), inputs, ..Self::default() }
    }

    /// What differs between this run and another, with both sides; none where they are of one experiment on one data.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if let Some((was, is)) = first_difference(&self.experiment, &other.experiment) {
            return Some(format!("it has {was}, this one {is}"));
        }
        for (path, was) in &self.inputs {
            match other.inputs.get(path) {
                Some(is) if is == was => {}
                Some(is) => return Some(format!("{path} had the SHA-256 {was}, and has {is} now")),
                None => return Some(format!("it reads {path}, this one does not")),
            }
        }
        let more = other.inputs.keys().find(|path| !self.inputs.contains_key(*path));
        more.map(|path| format!("it does not read {path}, this one does"))
    }
}

/// The first key on which two resolved experiments differ, with its section and value in each.
fn first_difference(was: &str, is: &str) -> Option<(String, String)> {
    let (was, is) = (lines(was), lines(is));
    let at = (0..was.len().max(is.len())).find(|&at| was.get(at) != is.get(at))?;
    let key = |line: &(String, String)| (line.0.clone(), line.1.split(" = ").next().unwrap_or_default().to_owned());
    let shown = |line: &(String, String)| match line.0.as_str() {
        "" => format!("`{}`", line.1),
        section => format!("`{}` in {section}", line.1),
    };
    let none = |other: &(String, String)| format!("no {}", shown(&(other.0.clone(), key(other).1)));
    Some(match (was.get(at), is.get(at)) {
        (Some(was), Some(is)) if key(was) == key(is) => (shown(was), shown(is)),
        // a key that the other does not have moves all that follows
        (Some(left), Some(right)) if is.iter().all(|line| key(line) != key(left)) => {
            match was.iter().any(|line| key(line) == key(right)) {
                true => (shown(left), none(left)),
                false => (shown(left), shown(right)),
            }
        }
        (_, Some(right)) => (none(right), shown(right)),
        (Some(left), None) => (shown(left), none(left)),
        (None, None) => return None,
    })
}

/// The lines with a key, each with the header of its section.
fn lines(toml: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut out = Vec::new();
    for line in toml.lines().filter(|line| !line.is_empty()) {
        match line.starts_with('[') {
            true => section = line.to_owned(),
            false => out.push((section.clone(), line.to_owned())),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(was: &str, is: &str) -> Option<String> {
        Record::new(was, BTreeMap::new()).difference(&Record::new(is, BTreeMap::new()))
    }

    #[test]
    fn the_first_key_that_differs_is_named_with_both_values() {
        let says = |was: &str, is: &str, says: &str| assert_eq!(differs(was, is).as_deref(), Some(says));
        says("seed = 1\n", "seed = 2\n", "it has `seed = 1`, this one `seed = 2`");
        let (a, b) = ("seed = 1\n\n[data]\ndt = 0.1\nsteps = 3\n", "seed = 1\n\n[data]\ndt = 0.2\nsteps = 3\n");
        says(a, b, "it has `dt = 0.1` in [data], this one `dt = 0.2` in [data]");
        let longer = "seed = 1\n\n[data]\ndt = 0.1\nfile = \"a\"\nsteps = 3\n";
        says(a, longer, "it has no `file` in [data], this one `file = \"a\"` in [data]");
        says(longer, a, "it has `file = \"a\"` in [data], this one no `file` in [data]");
        says(a, "seed = 1\n\n[data]\ndt = 0.1\n", "it has `steps = 3` in [data], this one no `steps` in [data]");
        assert_eq!(differs(a, a), None);
    }

    #[test]
    fn a_file_that_changed_is_named_with_both_digests() {
        let of = |digest: &str| Record::new("", BTreeMap::from([("a.nc".to_owned(), digest.to_owned())]));
        assert_eq!(of("12").difference(&of("34")).as_deref(), Some("a.nc had the SHA-256 12, and has 34 now"));
        assert_eq!(of("12").difference(&Record::default()).as_deref(), Some("it reads a.nc, this one does not"));
        assert_eq!(Record::default().difference(&of("1")).as_deref(), Some("it does not read a.nc, this one does"));
        assert_eq!(of("12").difference(&Record { done: of("3").inputs, ..of("12") }), None);
    }
}
