//! Settings that methods of several families share.

use std::collections::BTreeMap;
use std::slice;

use scorecast_systems::{Entry, Param, Settings};

use crate::error::Result;

/// The setting `members` of every method.
pub(crate) const MEMBERS: Param = Param::int("members", 40, 2, "members of the ensemble");

/// Whether a setting has another value than its default.
pub(crate) fn changed(settings: &Settings, param: &Param) -> bool {
    let usual = Settings::check("", slice::from_ref(param), &BTreeMap::new());
    usual.is_ok_and(|usual| settings.values().get(param.key) != usual.values().get(param.key))
}

/// Lists of settings one after the other, `N` of them in all.
pub(crate) const fn join<const N: usize>(lists: &[&[Param]]) -> [Param; N] {
    let mut all = [MEMBERS; N];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            all[count] = lists[list][i];
            (i, count) = (i + 1, count + 1);
        }
        list += 1;
    }
    assert!(count == N, "N is the number of settings");
    all
}

/// How many settings the entries of a registry have together.
pub(crate) const fn count_settings<B>(registry: &[Entry<B>]) -> usize {
    let (mut count, mut i) = (0, 0);
    while i < registry.len() {
        (count, i) = (count + registry[i].params.len(), i + 1);
    }
    count
}

/// The settings of all entries of a registry, in their order; `N` is [`count_settings`].
pub(crate) const fn settings_of<B, const N: usize>(registry: &[Entry<B>]) -> [Param; N] {
    let (mut all, mut count, mut i) = ([MEMBERS; N], 0, 0);
    while i < registry.len() {
        let mut own = 0;
        while own < registry[i].params.len() {
            all[count] = registry[i].params[own];
            (count, own) = (count + 1, own + 1);
        }
        i += 1;
    }
    all
}

/// The setting `members` of the methods that carry a mean and a covariance.
pub(crate) const DRAWS: Param = Param { about: "draws of the posterior to give beside its moments", ..MEMBERS };

/// Refuses settings of the entries of a registry other than the one `chosen` by the setting `key`, as far as that has not
/// the same setting: they would do nothing.
///
/// # Errors
/// With the setting, and the entry that it belongs to.
pub(crate) fn refuse_settings_of_others<B>(
    settings: &Settings,
    registry: &'static [Entry<B>],
    chosen: &str,
    key: &str,
) -> Result<()> {
    let own = registry.iter().find(|entry| entry.name == chosen).map_or(&[][..], |entry| entry.params);
    // the grid is set for every method that may localize
    let heeded =
        |param: &Param| ["geometry", "columns"].contains(&param.key) || own.iter().any(|own| own.key == param.key);
    for other in registry.iter().filter(|other| other.name != chosen) {
        if let Some(param) = other.params.iter().find(|param| !heeded(param) && changed(settings, param)) {
            let problem = format!("belongs to {key} \"{}\"; set `{key}` to it, or leave this out", other.name);
            return Err(settings.mistake(param.key, problem).into());
        }
    }
    Ok(())
}
