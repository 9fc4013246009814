//! Registries: ordinary ordered slices of entries, from which names, validation, help, schema and tables all derive.

mod accept;
mod param;
mod settings;

pub use param::{DefaultValue, Param, ParamKind, Value};
pub use settings::{KnownSystems, Settings};

use crate::error::{Error, Result};

/// One line of a registry. `B` is how it is built: a function pointer whose type the registry fixes.
#[derive(Clone, Copy, Debug)]
pub struct Entry<B: 'static> {
    /// The name in the experiment file.
    pub name: &'static str,
    /// One phrase: what it is.
    pub about: &'static str,
    /// Authors and year of its source.
    pub reference: &'static str,
    /// Its settings.
    pub params: &'static [Param],
    /// How to build it.
    pub build: B,
}

/// Finds an entry by name.
///
/// # Errors
/// [`Error::UnknownName`] with the nearest name.
pub fn find<B>(registry: &'static [Entry<B>], what: &'static str, name: &str) -> Result<&'static Entry<B>> {
    registry.iter().find(|entry| entry.name == name).ok_or_else(|| Error::UnknownName {
        what,
        name: name.to_owned(),
        nearest: nearest(name, registry.iter().map(|entry| entry.name)).map(str::to_owned),
    })
}

/// The names of a registry's entries, in its order: the words of a setting that chooses among them.
pub const fn names<B, const N: usize>(registry: &[Entry<B>]) -> [&'static str; N] {
    names_after(&[], registry)
}

/// Some words, and after them the names of a registry's entries.
pub const fn names_after<B, const N: usize>(words: &[&'static str], registry: &[Entry<B>]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut i = 0;
    while i < N {
        names[i] = if i < words.len() { words[i] } else { registry[i - words.len()].name };
        i += 1;
    }
    names
}

/// The candidate that a mistyped name most likely means, if one is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_near() {
        assert_eq!(nearest("lorez96", ["lorenz63", "lorenz96"]), Some("lorenz96"));
        assert_eq!(nearest("weather", ["lorenz63", "lorenz96"]), None);
    }
}
