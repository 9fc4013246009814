//! Guidance rules: one file each, one line in [`GUIDANCE`]. What a rule is stands in [`Guidance`], what it may ask at a
//! point in [`Point`]. How members are weighted is another axis ([`super::weighting`]).

mod by_terms;
mod dps;
mod moment_matched;
mod point;
mod rule;

use std::sync::Arc;

pub use dps::Dps;
pub use moment_matched::MomentMatched;
pub use point::Point;
pub use rule::{BuildGuidance, Guidance, GuidedDenoiser, Terms, Unguided};
use scorecast_systems::registry::{find, names};
use scorecast_systems::{Entry, Param, Settings};

use crate::error::Result;
use crate::method::shared::{changed, count_settings, settings_of};

/// Every guidance rule, in the order in which they are listed.
pub const GUIDANCE: &[Entry<BuildGuidance>] = &[moment_matched::ENTRY, dps::ENTRY];

/// The setting `guidance`.
pub(super) const RULE: Param =
    Param::choice("guidance", "moment_matched", &NAMES, "rule by which the observations guide the denoiser");

const NAMES: [&str; GUIDANCE.len()] = names(GUIDANCE);

/// The settings of all rules.
pub(super) const SETTINGS: [Param; count_settings(GUIDANCE)] = settings_of(GUIDANCE);

/// The rule that the setting `guidance` names.
///
/// # Errors
/// When another rule's setting was changed: it would do nothing.
pub(super) fn from_settings(settings: &Settings) -> Result<Arc<dyn Guidance>> {
    let chosen = find(GUIDANCE, "guidance rule", settings.text(RULE.key))?;
    for other in GUIDANCE.iter().filter(|other| other.name != chosen.name) {
        if let Some(key) = other.params.iter().find(|param| changed(settings, param)).map(|param| param.key) {
            let problem = format!("belongs to guidance \"{}\"; set `guidance` to it, or leave this out", other.name);
            return Err(settings.mistake(key, problem).into());
        }
    }
    Ok((chosen.build)(settings))
}

/// What is to be mistrusted of the rule of these settings.
pub(super) fn caveat(settings: &Settings) -> Option<&'static str> {
    from_settings(settings).ok()?.caveat()
}
