//! Assimilation methods: one file each, one line in [`METHODS`].
//!
//! Multiplicative inflation is the same everywhere: it multiplies the anomalies (so their standard deviation) of the
//! analysis ensemble, before anything scores it. A set of observations without a single value leaves the ensemble as it is.

mod backward;
mod bootstrap;
mod by_component;
mod denkf;
mod eakf;
mod enkf;
mod enkf_n;
mod enrts;
mod ensf;
mod ensrf;
mod etkf;
mod extended;
mod ffbsi;
mod gaussian;
mod guidance;
mod guided;
mod inflation;
mod kalman;
mod kernel_particle_filter;
mod letkf;
mod local_particle_filter;
mod numbers;
mod one_step;
mod optimal_interpolation;
mod optimal_proposal;
mod particles;
mod path;
mod regularize;
mod resample;
mod rts;
mod serial;
mod step_law;
mod three_d_var;
mod unscented;
mod weights;

pub use bootstrap::Bootstrap;
pub use denkf::DEnKf;
pub use eakf::EaKf;
pub use enkf::EnKf;
pub use enkf_n::{EnKfN, Form};
pub use enrts::EnRts;
pub use ensf::{EnSf, PriorScore};
pub use ensrf::EnSrf;
pub use etkf::EtKf;
pub use extended::Extended;
pub use ffbsi::Ffbsi;
pub use gaussian::{Gaussian, GaussianCycle, GaussianRule};
pub use guidance::Guidance;
pub use guided::{Guided, Weighting};
pub use inflation::Inflation;
pub use kalman::Kalman;
pub use kernel_particle_filter::KernelParticleFilter;
pub use letkf::LetKf;
pub use local_particle_filter::LocalParticleFilter;
pub use optimal_interpolation::OptimalInterpolation;
pub use optimal_proposal::OptimalProposal;
pub use regularize::Regularization;
pub use resample::Resampling;
pub use rts::Rts;
pub use serial::Serial;
pub use three_d_var::ThreeDVar;
pub use unscented::Unscented;

pub(crate) use inflation::{INFLATION, inflate};

use ndarray::Array2;
use scorecast_systems::registry::Default;
use scorecast_systems::{Entry, Kind, Param, Settings};

use crate::outcome::Outcome;
use crate::problem::{Analysis, AnalysisCycle, Cycle, Error, Result};

/// How a method is built from its settings. An ensemble method is wrapped in
/// [`AnalysisCycle`].
pub type Build = fn(&Settings) -> Result<Box<dyn Cycle>>;

/// Every method, in the order in which they are listed.
pub const METHODS: &[Entry<Build>] = &[
    kalman::ENTRY,
    extended::ENTRY,
    unscented::ENTRY,
    optimal_interpolation::ENTRY,
    three_d_var::ENTRY,
    enkf::ENTRY,
    denkf::ENTRY,
    etkf::ENTRY,
    enkf_n::ENTRY,
    letkf::ENTRY,
    eakf::ENTRY,
    ensrf::ENTRY,
    bootstrap::ENTRY,
    kernel_particle_filter::ENTRY,
    optimal_proposal::ENTRY,
    local_particle_filter::ENTRY,
    ensf::ENTRY,
    guided::ENTRY,
    rts::ENTRY,
    enrts::ENTRY,
    ffbsi::ENTRY,
];

/// The setting `members` of every method.
pub(crate) const MEMBERS: Param = Param {
    key: "members",
    kind: Kind::Int { min: 2, max: i64::MAX },
    default: Default::Int(40),
    about: "members of the ensemble",
};

/// An ensemble method as a filter of `members` members.
fn cycle(analysis: impl Analysis + 'static, settings: &Settings) -> Result<Box<dyn Cycle>> {
    Ok(Box::new(AnalysisCycle::new(Box::new(analysis), settings.count("members"))))
}

/// Refuses an ensemble without a spread.
pub(crate) fn require_members(members: usize) -> Result<()> {
    if members < 2 {
        return Err(Error::Shape(format!("an ensemble has {members} members; an analysis needs at least 2")));
    }
    Ok(())
}

/// What there is to say when nothing was observed, or when the forecast has diverged: the forecast, unchanged.
pub(crate) fn unchanged(forecast: Array2<f64>) -> Outcome {
    let ensemble = forecast.clone();
    Outcome::new(forecast, ensemble)
}
