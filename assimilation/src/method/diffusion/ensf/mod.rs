//! The ensemble score filter: an analysis by a diffusion whose score is made of the members. What it is made of is the setting
//! `score`, one file each and one line in [`SCORES`]; settings that belong to another score are refused.

mod gaussian;
mod local_mixture;
mod published;
mod reverse;
mod score;

pub use gaussian::{EnsembleGaussian, GaussianScore, Latents, ModelNoise, Solver, Tapering};
pub use local_mixture::{KernelSampler, LocalMixture};
pub use published::{EnSf, PriorScore};
use scorecast_systems::registry::{find, names};
use scorecast_systems::{Entry, Param, Settings};

use crate::error::Result;
use crate::localize::LOCALIZATION;
use crate::method::around::inflation::INFLATION;
use crate::method::around::quality_control::OUTLIER_THRESHOLD;
use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::shared::{MEMBERS, join, refuse_settings_of_others};
use crate::problem::Cycle;
use score::Score;

/// Every score, in the order in which they are listed.
const SCORES: &[Entry<Score>] =
    &[published::SINGLE, published::MIXTURE, gaussian::GAUSSIAN, local_mixture::LOCAL_MIXTURE];

const NAMES: [&str; SCORES.len()] = names(SCORES);

const SCORE: Param = Param::choice(
    "score",
    "single",
    &NAMES,
    "what the prior score of a member is made of: itself alone (as published), the mixture of all, a Gaussian with the \
     localized covariance of all, or localized Gaussian kernels",
);

/// The settings of all scores but those of the localization.
const OWN: [Param; published::OWN.len() + gaussian::OWN.len() + local_mixture::OWN.len()] =
    join(&[&published::OWN, &gaussian::OWN, &local_mixture::OWN]);

const SHARED: [Param; 4] = [MEMBERS, INFLATION, OUTLIER_THRESHOLD, SCORE];

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "ensf",
    about: "ensemble score filter: a diffusion sampler on a score made of the members",
    reference: "Bao, Zhang and Zhang 2024",
    params: &join::<{ SHARED.len() + OWN.len() + LOCALIZATION.len() }>(&[&SHARED, &OWN, LOCALIZATION]),
    build: MethodBuild::new(&[], make)
        .holding(|settings, extent| {
            chosen(settings)
                .map_or_else(|_| memory::of_sampler(settings, extent), |score| (score.build.memory)(settings, extent))
        })
        .with_caveat(|settings| chosen(settings).ok()?.build.caveat),
};

/// The score that the settings name.
fn chosen(settings: &Settings) -> Result<&'static Entry<Score>> {
    Ok(find(SCORES, "score", settings.text(SCORE.key))?)
}

/// The filter with the score that the settings name.
///
/// # Errors
/// When a setting of another score was changed: it would do nothing.
fn make(settings: &Settings) -> Result<Box<dyn Cycle>> {
    let score = chosen(settings)?;
    refuse_settings_of_others(settings, SCORES, score.name, SCORE.key)?;
    (score.build.make)(settings)
}
