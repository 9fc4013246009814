//! The objectives of the registry that give a denoiser, and the settings that they have together: what the forecasters
//! that choose among them offer, made where they are compiled.

use scorecast_systems::{Entry, Param};

use super::{OBJECTIVES, ObjectiveBuild};

const fn denoises(entry: &Entry<ObjectiveBuild>) -> bool {
    entry.build.preconditioning.is_some()
}

/// Whether two words are one.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Whether a setting of objective `i` is one of an objective before it that gives a denoiser too.
const fn shared(i: usize, own: usize) -> bool {
    let mut other = 0;
    while other < i {
        let mut setting = 0;
        while denoises(&OBJECTIVES[other]) && setting < OBJECTIVES[other].params.len() {
            if same(OBJECTIVES[other].params[setting].key, OBJECTIVES[i].params[own].key) {
                return true;
            }
            setting += 1;
        }
        other += 1;
    }
    false
}

/// How many objectives give a denoiser, and how many settings they have together.
pub const DENOISERS: (usize, usize) = {
    let (mut names, mut settings, mut i) = (0, 0, 0);
    while i < OBJECTIVES.len() {
        let mut own = 0;
        while denoises(&OBJECTIVES[i]) && own < OBJECTIVES[i].params.len() {
            settings += !shared(i, own) as usize;
            own += 1;
        }
        names += denoises(&OBJECTIVES[i]) as usize;
        i += 1;
    }
    (names, settings)
};

/// The names of the objectives that give a denoiser.
pub const DENOISER_NAMES: [&str; DENOISERS.0] = {
    let (mut names, mut count, mut i) = ([""; DENOISERS.0], 0, 0);
    while i < OBJECTIVES.len() {
        if denoises(&OBJECTIVES[i]) {
            names[count] = OBJECTIVES[i].name;
            count += 1;
        }
        i += 1;
    }
    names
};

/// The settings of the objectives that give a denoiser, those of several once.
pub const DENOISER_SETTINGS: [Param; DENOISERS.1] = {
    let (mut settings, mut count, mut i) = ([Param::flag("", ""); DENOISERS.1], 0, 0);
    while i < OBJECTIVES.len() {
        let mut own = 0;
        while denoises(&OBJECTIVES[i]) && own < OBJECTIVES[i].params.len() {
            if !shared(i, own) {
                settings[count] = OBJECTIVES[i].params[own];
                count += 1;
            }
            own += 1;
        }
        i += 1;
    }
    settings
};
