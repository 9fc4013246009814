//! Weightings of guided draws: one file each, one line in [`WEIGHTINGS`]. What a weighting is stands in [`Weighting`]. By
//! which rule draws are guided is another axis ([`super::guidance`]).
//!
//! A draw of p(x_{k+1} | x_k, y) for each member is not yet a filter: the posterior also weighs each x_k by p(y | x_k).

mod adapted;
mod exact;
mod girsanov;
mod none;
mod on_the_way;
mod path;
mod rule;
mod twisted;

use std::sync::Arc;

pub use adapted::Adapted;
pub use exact::Exact;
pub use girsanov::Girsanov;
pub use none::Unweighted;
pub use path::AlongPath;
pub use rule::{Ancestors, BuildWeighting, GuidedRun, Predictive, Sampling, WeighedDraw, Weighting};
use scorecast_systems::registry::names_after;
use scorecast_systems::{Entry, Forecaster, Param, Settings};
pub use twisted::Twisted;

use crate::error::{Error, Result};
use crate::method::shared::{count_settings, refuse_settings_of_others, settings_of};
use crate::observations::ObservationSet;

/// Every weighting, in the order in which `auto` tries them: `path` can always be had.
pub const WEIGHTINGS: &[Entry<BuildWeighting>] =
    &[exact::ENTRY, path::ENTRY, adapted::ENTRY, twisted::ENTRY, girsanov::ENTRY, none::ENTRY];

/// The setting `weights`.
pub(super) const WEIGHTS: Param = Param::choice(
    "weights",
    AUTO,
    &WORDS,
    "where p(y | x_k) comes from: closed form, moments, the path; or left out (which is not a filter)",
);

const AUTO: &str = "auto";

/// `auto`, and the names of all weightings.
const WORDS: [&str; WEIGHTINGS.len() + 1] = names_after(&[AUTO], WEIGHTINGS);

/// The settings of all weightings.
pub(super) const SETTINGS: [Param; count_settings(WEIGHTINGS)] = settings_of(WEIGHTINGS);

/// What is to be mistrusted of the weighting that these settings name.
pub(super) fn caveat(settings: &Settings) -> Option<&'static str> {
    let named = WEIGHTINGS.iter().find(|entry| entry.name == settings.text(WEIGHTS.key))?;
    (named.build)(settings).caveat()
}

/// Weightings in the order of preference: the first that forecaster and operator allow is used.
#[derive(Clone, Debug)]
pub struct Preference(pub Vec<Arc<dyn Weighting>>);

impl Preference {
    /// The one that the setting `weights` names, or all of them; those that can be `local` alone where weights are to be.
    ///
    /// # Errors
    /// When it does not go with how draws are made, or another weighting's setting was changed.
    pub(super) fn from_settings(settings: &Settings, sampling: &Sampling, local: bool) -> Result<Self> {
        let word = settings.text(WEIGHTS.key);
        refuse_settings_of_others(settings, WEIGHTINGS, word, WEIGHTS.key)?;
        // nothing is left out unless it is asked for
        let wanted = |name: &str| if word == AUTO { name != none::ENTRY.name } else { name == word };
        let wanted = WEIGHTINGS.iter().filter(|entry| wanted(entry.name)).map(|entry| (entry.build)(settings));
        let preference = Self(wanted.filter(|weighting| !local || weighting.is_local()).collect());
        if preference.0.is_empty() {
            let problem = format!(
                "is \"{word}\", which has no local weights: those need what values say of x_k before a draw; set it to \"exact\" or \
                 \"adapted\", or leave `radius` out"
            );
            return Err(settings.mistake(WEIGHTS.key, problem).into());
        }
        match &preference.0[..] {
            [only] => match only.refusal(sampling) {
                Some(why) => Err(settings.mistake(WEIGHTS.key, why).into()),
                None => Ok(preference),
            },
            _ => Ok(preference),
        }
    }

    /// The weighting to use.
    ///
    /// # Errors
    /// Why none can be had.
    pub(super) fn choose(
        &self,
        model: &dyn Forecaster,
        observed: &ObservationSet,
        sampling: &Sampling,
    ) -> Result<Arc<dyn Weighting>> {
        let mut refused = None;
        for weighting in &self.0 {
            match weighting.require(model, observed) {
                Ok(()) => return allowed(weighting, sampling),
                Err(why) => refused = Some(why),
            }
        }
        Err(refused.unwrap_or_else(|| Error::Unsupported("no weighting was given; set weights to \"auto\"".to_owned())))
    }
}

fn allowed(weighting: &Arc<dyn Weighting>, sampling: &Sampling) -> Result<Arc<dyn Weighting>> {
    match weighting.refusal(sampling) {
        None => Ok(Arc::clone(weighting)),
        Some(why) => Err(Error::Unsupported(format!("method `guided`: the setting {} {why}", WEIGHTS.key))),
    }
}
