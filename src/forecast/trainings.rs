//! The trainings of one fit: how many steps each of them gets, and a short fit that has each of them.

use super::consistency::TEACHER_STEPS;
use super::learned::{ROLLOUT, ROLLOUT_STEPS, Rolled, shared_steps, steps};
use super::target::MEAN_STEPS;
use super::{ForecasterBuild, Result};
use crate::systems::{Entry, Param, Settings, Value};

/// The setting of the steps of a first training, where a fit has two.
fn first_of_two(entry: &Entry<ForecasterBuild>, settings: &Settings) -> Option<Param> {
    let has = |param: &Param| entry.params.iter().any(|own| own.key == param.key);
    match settings.text("target") {
        "residual" => Some(MEAN_STEPS).filter(has),
        _ => Some(TEACHER_STEPS).filter(has),
    }
}

/// The steps of each training of a fit with these settings, in order.
///
/// # Errors
/// When nothing is left for one of them.
pub fn trainings(entry: &Entry<ForecasterBuild>, settings: &Settings) -> Result<Vec<u64>> {
    if let Some(rolled) = Rolled::new(settings)? {
        return Ok(vec![rolled.before, rolled.steps]);
    }
    match first_of_two(entry, settings) {
        Some(first) => shared_steps(settings, first).map(|(first, rest)| vec![first, rest]),
        None => Ok(vec![steps(settings)]),
    }
}

/// These settings with so many steps for each training, which validates after the last alone.
pub fn shortened(entry: &Entry<ForecasterBuild>, settings: &Settings, steps: u64) -> Settings {
    let count = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let short = settings.clone().with("steps", count(steps)).with("validate_every", count(steps));
    if settings.count(ROLLOUT.key) > 1 {
        return short.with("steps", count(2 * steps)).with(ROLLOUT_STEPS.key, count(steps));
    }
    match first_of_two(entry, settings) {
        Some(first) => short.with("steps", count(2 * steps)).with(first.key, count(steps)),
        None => short,
    }
}
