//! Assimilation methods: one file each, one line in [`METHODS`].
//!
//! Multiplicative inflation is the same everywhere: it multiplies the anomalies (so their standard deviation) of the
//! analysis ensemble, before anything scores it; adaptive inflation widens the forecast. A set of observations without a
//! single value leaves the ensemble as it is.

pub(crate) mod around;
mod build;
pub(crate) mod diffusion;
pub(crate) mod ensemble;
pub(crate) mod kalman;
pub mod memory;
pub(crate) mod particle;
pub(crate) mod shared;
pub(crate) mod variational;

pub use around::adaptive::{Adaptive, Belief, Factors, InverseGamma, Rule};
pub use around::adaptive_quality_control::{AdaptiveQualityControl, error_variance};
pub use around::inflation::Inflation;
pub use around::lag::{FixedLag, PastMembers};
pub use around::quality_control::QualityControl;
pub use build::{Caveat, Make, Memory, MethodBuild};
pub use diffusion::constraint::Constraint;
pub use diffusion::correctors::{Correcting, Correctors, Metric};
pub use diffusion::enff::{EnFf, FlowPath};
pub use diffusion::ensf::{
    EnSf, EnsembleGaussian, GaussianScore, KernelSampler, Latents, LocalMixture, ModelNoise, PriorScore, Solver,
    Tapering,
};
pub use diffusion::guidance::{
    Added, Daps, Dps, Drawing, FlowDas, Following, FollowingDenoiser, Form as FlowDasForm, GUIDANCE, Guidance,
    GuidedDenoiser, Jacobian, JacobianFree, MomentMatched, Noised, Point, PseudoInverse, Quadrature, Sda, Source,
    Terms, Tmpd, Unguided, noise_anew,
};
pub use diffusion::guided::Guided;
pub use diffusion::local_weights::LocalWeights;
pub use diffusion::weighting::{
    Adapted, AlongPath, Ancestors, Exact, Girsanov, GuidedRun, Predictive, Preference, Sampling, Twisted, Unweighted,
    WEIGHTINGS, WeighedDraw, Weighting,
};
pub use ensemble::denkf::DEnKf;
pub use ensemble::eakf::EaKf;
pub use ensemble::enkf::EnKf;
pub use ensemble::enkf_n::{EnKfN, Form};
pub use ensemble::enrts::{EnRts, Gain};
pub use ensemble::ensrf::EnSrf;
pub use ensemble::estkf::EsTkf;
pub use ensemble::etkf::EtKf;
pub use ensemble::letkf::LetKf;
pub use ensemble::open_loop::OpenLoop;
pub use ensemble::qceff::{Bounds, MarginalPrior, QcEff};
pub use ensemble::serial::Serial;
pub use kalman::climatology::Climatology;
pub use kalman::extended::Extended;
pub use kalman::gaussian_cycle::{GaussianCycle, GaussianRule};
pub use kalman::kalman::Kalman;
pub use kalman::optimal_interpolation::OptimalInterpolation;
pub use kalman::rts::Rts;
pub use kalman::unscented::Unscented;
pub use particle::bootstrap::Bootstrap;
pub use particle::ffbsi::Ffbsi;
pub use particle::kernel_particle_filter::KernelParticleFilter;
pub use particle::local_particle_filter::LocalParticleFilter;
pub use particle::optimal_proposal::OptimalProposal;
pub use particle::regularize::Regularization;
pub use particle::resample::Resampling;
pub use variational::four_d_envar::FourDEnVar;
pub use variational::four_d_var::{FourDVar, FourDVarState};
pub use variational::hybrid::{Hybrid, HybridCycle};
pub use variational::ienks::IEnKs;
pub use variational::three_d_var::ThreeDVar;
pub use variational::window::{
    MembersMethod, Solved, Update, Window, WindowCycle, WindowMembers, WindowMethod, WindowProblem,
};

use scorecast_systems::Entry;

/// Every method, in the order in which they are listed.
pub const METHODS: &[Entry<MethodBuild>] = &[
    kalman::climatology::ENTRY,
    ensemble::open_loop::ENTRY,
    kalman::kalman::ENTRY,
    kalman::extended::ENTRY,
    kalman::unscented::ENTRY,
    kalman::optimal_interpolation::ENTRY,
    variational::three_d_var::ENTRY,
    variational::four_d_var::ENTRY,
    ensemble::enkf::ENTRY,
    ensemble::denkf::ENTRY,
    ensemble::etkf::ENTRY,
    ensemble::enkf_n::ENTRY,
    ensemble::estkf::ENTRY,
    ensemble::letkf::ENTRY,
    ensemble::estkf::LOCAL,
    ensemble::eakf::ENTRY,
    ensemble::ensrf::ENTRY,
    ensemble::qceff::ENTRY,
    variational::hybrid::ENTRY,
    variational::ienks::ENTRY,
    variational::four_d_envar::ENTRY,
    particle::bootstrap::ENTRY,
    particle::kernel_particle_filter::ENTRY,
    particle::optimal_proposal::ENTRY,
    particle::local_particle_filter::ENTRY,
    diffusion::ensf::ENTRY,
    diffusion::enff::ENTRY,
    diffusion::guided::ENTRY,
    kalman::rts::ENTRY,
    ensemble::enrts::ENTRY,
    particle::ffbsi::ENTRY,
];
