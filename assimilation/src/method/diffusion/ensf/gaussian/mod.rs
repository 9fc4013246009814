//! `score = "gaussian"`: the prior is N(m, C + Q), C the localized covariance of the members' noise-free forecasts
//! E[x_{k+1} | x_k] and Q the covariance of the forecaster's noise, which is never drawn.
//!
//! `latents = "transported"`: each member is carried to noise along the probability flow of N(m, C) and back along that of
//! N(m, C + Q) guided by the observations, so that it keeps its place among the others. `"fresh"`: members start from
//! independent noise, centred; what each says of its past is lost, which costs a cycled filter .015 to .045 of rmse on
//! Lorenz-96. For Gaussian laws both have a closed form ([`posterior`]), which is used unless `solver` says otherwise.
//!
//! An operator that is not linear is made so by the members' secant, then at the mean that this gives ([`linear`]). Components
//! that are not observed move by their covariance with those that are. When a set comes after several lead steps members are
//! carried from N(m, C) to N(m, C + Q) after each, or draw their noise in all but the last (`between`): on Lorenz-96 with every
//! second component seen at each fourth step that costs .01 to .02 of an rmse of .94. A forecaster that tells neither a Gaussian
//! law nor a denoiser draws it in the last one too, which the diagnostic `noise_drawn` says ([`forecast`]).

mod analysis;
mod closed_form;
mod cycle;
mod forecast;
mod known;
mod law;
mod linear;
mod posterior;
mod sampled;
mod taper;

pub use analysis::{GaussianScore, Solver, Tapering};
pub use law::{EnsembleGaussian, ModelNoise};
pub use posterior::Latents;
use scorecast_systems::{Entry, Param, ParamKind, Settings};

use self::cycle::GaussianScoreCycle;
use super::score::Score;
use crate::error::Result;
use crate::localize::{LOCALIZATION, Localization};
use crate::method::around::CONTROLS;
use crate::method::around::inflation::INFLATION;
use crate::method::diffusion::counts;
use crate::method::memory;
use crate::method::shared::{MEMBERS, join};
use crate::method::variational::schur::require_correlation;
use crate::problem::Cycle;

const LATENTS: Param = Param::choice(
    "latents",
    "transported",
    &["transported", "fresh"],
    "where members start from: carried to noise from where they are, or independent noise",
);
const SOLVER: Param = Param::choice(
    "solver",
    "closed_form",
    &["closed_form", "heun"],
    "how members are carried: by the map in closed form, or by a sampler of the score",
);
const LEVELS: Param = counts::steps("levels", 20, 2, "noise levels of solver `heun`, each way");
const RELINEARISATIONS: Param = counts::repeats(
    "relinearisations",
    3,
    1,
    "how often an operator that is not linear is made so: by the secant of the members, then by tangents at the mean",
);
const BETWEEN: Param = Param::choice(
    "between",
    "transported",
    &["transported", "drawn"],
    "how lead steps between sets of observations, all but the last, get the model's noise: members carried to where it is, or \
     draws",
);
const WINDOW: Param = Param::unset(
    "window",
    ParamKind::POSITIVE,
    "grid units about a component from which its analysis is made; unset is the whole state up to 64 components, then 1.5 \
     times the radius (the radius in two dimensions)",
);

/// The settings of this score alone, beside those of the localization.
pub(super) const OWN: [Param; CHOICES.len() + CONTROLS.len()] = join(&[&CHOICES, &CONTROLS]);

const CHOICES: [Param; 6] = [LATENTS, SOLVER, LEVELS, RELINEARISATIONS, BETWEEN, WINDOW];

/// The radius where none is set, in grid units: the best on Lorenz-96 for 10 to 40 members.
const USUAL_RADIUS: f64 = 4.0;

pub(super) const GAUSSIAN: Entry<Score> = Entry {
    name: "gaussian",
    about: "a Gaussian with the localized covariance of the members and the forecaster's own noise",
    reference: "this project",
    params: &join::<{ OWN.len() + LOCALIZATION.len() }>(&[&OWN, LOCALIZATION]),
    build: Score { make, memory: memory::of_gaussian_score, caveat: None },
};

fn make(settings: &Settings) -> Result<Box<dyn Cycle>> {
    let tapering = match Localization::from_settings(settings)? {
        Some(local) => Tapering::Set(local),
        None => Localization::usual(settings, USUAL_RADIUS)?.map_or(Tapering::None, Tapering::Usual),
    };
    if let Tapering::Set(local) | Tapering::Usual(local) = tapering {
        require_correlation(Some(local))?;
    }
    let score = GaussianScore {
        latents: if settings.text(LATENTS.key) == "fresh" { Latents::Fresh } else { Latents::Transported },
        solver: match settings.text(SOLVER.key) {
            "heun" => Solver::Heun(settings.count(LEVELS.key)),
            _ => Solver::ClosedForm,
        },
        relinearisations: settings.count(RELINEARISATIONS.key),
        tapering,
        window: settings.optional_number(WINDOW.key),
        inflation: settings.number(INFLATION.key),
    };
    let draws_between = settings.text(BETWEEN.key) == "drawn";
    Ok(Box::new(GaussianScoreCycle::new(score, settings.count(MEMBERS.key), draws_between, settings)?))
}
