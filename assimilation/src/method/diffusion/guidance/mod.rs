//! Guidance rules: one file each, one line in [`GUIDANCE`]. What a rule is stands in [`Guidance`], what it may ask at a
//! point in [`Point`]. How members are weighted is another axis ([`super::weighting`]).

mod added;
mod anew;
mod by_terms;
mod daps;
mod dps;
mod elliptical;
mod flowdas;
mod following;
mod frames;
mod jacobian_free;
mod moment_matched;
mod point;
mod pseudo_inverse;
mod quadrature;
mod rule;
mod sda;
mod spread;
mod tally;
mod tmpd;
mod without_products;

use std::sync::Arc;

pub use added::Added;
pub use anew::{Drawing, Noised, noise_anew};
pub use by_terms::{GuidedDenoiser, Unguided};
pub use daps::Daps;
pub use dps::Dps;
pub use flowdas::{FlowDas, Form};
pub use following::{Following, FollowingDenoiser, Source};
pub use jacobian_free::JacobianFree;
pub use moment_matched::MomentMatched;
pub use point::Point;
pub use pseudo_inverse::PseudoInverse;
pub use quadrature::Quadrature;
pub use rule::{BuildGuidance, Guidance, Jacobian, Terms};
use scorecast_systems::registry::{find, names};
use scorecast_systems::{Entry, Param, Settings};
pub use sda::Sda;
pub use tmpd::Tmpd;

use crate::error::Result;
use crate::method::shared::{count_settings, refuse_settings_of_others, settings_of};

/// Every guidance rule, in the order in which they are listed.
pub const GUIDANCE: &[Entry<BuildGuidance>] = &[
    moment_matched::ENTRY,
    dps::ENTRY,
    sda::ENTRY,
    pseudo_inverse::ENTRY,
    tmpd::ENTRY,
    jacobian_free::ENTRY,
    quadrature::ENTRY,
    daps::ENTRY,
    flowdas::ENTRY,
];

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
    refuse_settings_of_others(settings, GUIDANCE, chosen.name, RULE.key)?;
    Ok((chosen.build)(settings))
}

/// What is to be mistrusted of the rule of these settings.
pub(super) fn caveat(settings: &Settings) -> Option<&'static str> {
    from_settings(settings).ok()?.caveat()
}
