//! Assimilation methods: one file each, one line in [`METHODS`].
//!
//! Multiplicative inflation is the same everywhere: it multiplies the anomalies (so their standard deviation) of the
//! analysis ensemble, before anything scores it; adaptive inflation widens the forecast. A set of observations without a
//! single value leaves the ensemble as it is.

mod adaptive;
mod adaptive_quality_control;
mod backward;
mod bootstrap;
mod build;
mod by_component;
mod climatology;
mod denkf;
mod eakf;
mod enkf;
mod enkf_n;
mod enrts;
mod ensf;
mod ensrf;
mod envar;
mod estkf;
mod etkf;
mod extended;
mod ffbsi;
mod four_d_envar;
mod four_d_var;
mod gaussian;
mod guidance;
mod guided;
mod hybrid;
mod ienks;
mod inflation;
mod kalman;
mod kernel_particle_filter;
mod lag;
mod letkf;
mod line_search;
mod local_errors;
mod local_likelihood;
mod local_observations;
mod local_particle_filter;
mod noise_treatment;
mod numbers;
mod one_step;
mod optimal_interpolation;
mod optimal_proposal;
mod particles;
mod path;
mod quality_control;
mod regularize;
mod resample;
mod rts;
mod schur;
mod serial;
mod step_law;
mod stored_set;
mod three_d_var;
mod unscented;
mod weights;
mod window;

pub use adaptive::{Adaptive, Belief, InverseGamma, Rule};
pub use adaptive_quality_control::{AdaptiveQualityControl, error_variance};
pub use bootstrap::Bootstrap;
pub use build::{Make, MethodBuild, Need};
pub use climatology::Climatology;
pub use denkf::DEnKf;
pub use eakf::EaKf;
pub use enkf::EnKf;
pub use enkf_n::{EnKfN, Form};
pub use enrts::EnRts;
pub use ensf::{EnSf, PriorScore};
pub use ensrf::EnSrf;
pub use estkf::EsTkf;
pub use etkf::EtKf;
pub use extended::Extended;
pub use ffbsi::Ffbsi;
pub use four_d_envar::{FourDEnVar, FourDEnVarCycle};
pub use four_d_var::{FourDVar, FourDVarCycle};
pub use gaussian::{Gaussian, GaussianCycle, GaussianRule};
pub use guidance::Guidance;
pub use guided::{Guided, Weighting};
pub use hybrid::{Hybrid, HybridCycle};
pub use ienks::{IEnKs, IEnKsCycle, Linearization};
pub use inflation::Inflation;
pub use kalman::Kalman;
pub use kernel_particle_filter::KernelParticleFilter;
pub use lag::FixedLag;
pub use letkf::LetKf;
pub use local_particle_filter::LocalParticleFilter;
pub use noise_treatment::NoiseTreatment;
pub use optimal_interpolation::OptimalInterpolation;
pub use optimal_proposal::OptimalProposal;
pub use quality_control::QualityControl;
pub use regularize::Regularization;
pub use resample::Resampling;
pub use rts::Rts;
pub use serial::Serial;
pub use three_d_var::ThreeDVar;
pub use unscented::Unscented;

use inflation::{ADDITIVE, RTPP, RTPS};
pub(crate) use inflation::{INFLATION, inflate};

use ndarray::Array2;
use scorecast_systems::{Entry, Forecaster, Param, Settings};

use crate::outcome::Outcome;
use crate::problem::{Analysis, AnalysisCycle, Cycle, Error, Result};

/// Every method, in the order in which they are listed.
pub const METHODS: &[Entry<MethodBuild>] = &[
    climatology::ENTRY,
    kalman::ENTRY,
    extended::ENTRY,
    unscented::ENTRY,
    optimal_interpolation::ENTRY,
    three_d_var::ENTRY,
    four_d_var::ENTRY,
    enkf::ENTRY,
    denkf::ENTRY,
    etkf::ENTRY,
    enkf_n::ENTRY,
    estkf::ENTRY,
    letkf::ENTRY,
    estkf::LOCAL,
    eakf::ENTRY,
    ensrf::ENTRY,
    hybrid::ENTRY,
    ienks::ENTRY,
    four_d_envar::ENTRY,
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
pub(crate) const MEMBERS: Param = Param::int("members", 40, 2, "members of the ensemble");

/// The settings of every method that makes a linear combination of its members: how many there are, inflation, and
/// what [`cycle`] puts around it.
pub(crate) const ENSEMBLE: &[Param] = &join::<{ OWN.len() + adaptive::PARAMS.len() }>(&[OWN, &adaptive::PARAMS]);

const OWN: &[Param] = &[
    MEMBERS,
    INFLATION,
    RTPP,
    RTPS,
    ADDITIVE,
    lag::LAG,
    noise_treatment::NOISE_TREATMENT,
    quality_control::OUTLIER_THRESHOLD,
    adaptive_quality_control::K_FACTOR,
];

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

/// The setting `members` of the methods that carry a mean and a covariance.
pub(crate) const DRAWS: Param = Param { about: "draws of the posterior to give beside its moments", ..MEMBERS };

/// An ensemble method as a filter of `members` members, or a smoother of a `lag`.
fn cycle(analysis: impl Analysis + 'static, settings: &Settings) -> Result<Box<dyn Cycle>> {
    let (members, lag) = (settings.count("members"), settings.count("lag"));
    let mut analysis: Box<dyn Analysis> = Box::new(analysis);
    if let Some(factor) = settings.optional_number("k_factor") {
        analysis = Box::new(AdaptiveQualityControl::new(analysis, factor));
    }
    // outside the above: an outlier is one by its own error
    if let Some(threshold) = settings.optional_number("outlier_threshold") {
        analysis = Box::new(QualityControl::new(analysis, threshold));
    }
    // outside quality control, whose outliers are those of the inflated forecast
    if settings.has("adaptive") {
        analysis = Adaptive::around(analysis, settings)?;
    }
    let noise = NoiseTreatment::from_settings(settings);
    if lag > 0 {
        noise.require_stochastic(settings)?;
        return Ok(Box::new(FixedLag::new(analysis, members, lag)));
    }
    Ok(Box::new(AnalysisCycle::new(analysis, members).with_noise(noise)))
}

/// Refuses an ensemble without a spread.
pub(crate) fn require_members(members: usize) -> Result<()> {
    if members < 2 {
        return Err(Error::Shape(format!("an ensemble has {members} members; an analysis needs at least 2")));
    }
    Ok(())
}

/// Refuses a forecaster of another dimension than that of the state, `dim`.
pub(crate) fn require_dim(dim: usize, model: &dyn Forecaster) -> Result<()> {
    let expected = model.dim();
    if dim == expected {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "the prior has {dim} components but the forecaster {expected}; give a prior of {expected}"
    )))
}

/// Refuses a saved state of `found` members where the method is set to `members`.
pub(crate) fn require_saved_members(found: usize, members: usize) -> Result<()> {
    if found == members {
        return Ok(());
    }
    Err(Error::State(format!("it has {found} members but the method is set to {members}; set `members` to {found}")))
}

/// What there is to say when nothing was observed, or when the forecast has diverged: the forecast, unchanged.
pub(crate) fn unchanged(forecast: Array2<f64>) -> Outcome {
    let ensemble = forecast.clone();
    Outcome::new(forecast, ensemble)
}
