//! How a method is built from its settings, and what it needs of its forecaster and of the operator.

use scorecast_systems::{Forecaster, Settings};

use super::noise_treatment::NoiseTreatment;
use crate::problem::{Cycle, Result};

/// A method from its settings. An ensemble method is wrapped in [`AnalysisCycle`](crate::AnalysisCycle).
pub type Make = fn(&Settings) -> Result<Box<dyn Cycle>>;

/// How a method is built, and what can be said of a forecaster and an operator before it is.
#[derive(Clone, Copy, Debug)]
pub struct MethodBuild {
    /// From its settings.
    pub make: Make,
    /// What it needs of its forecaster, whatever its settings, beyond members that are stepped.
    pub needs: &'static [Need],
    /// Whether it is for linear operators only.
    pub linear_operator: bool,
}

impl MethodBuild {
    /// Of a method for any operator.
    pub(super) const fn new(needs: &'static [Need], make: Make) -> Self {
        Self { make, needs, linear_operator: false }
    }

    /// Of a method for linear operators only.
    pub(super) const fn for_linear_operators(needs: &'static [Need], make: Make) -> Self {
        Self { make, needs, linear_operator: true }
    }

    /// What it needs of its forecaster with these settings.
    pub fn needs_with(&self, settings: &Settings) -> Vec<Need> {
        let treatment = NoiseTreatment::from_settings(settings).needs();
        self.needs.iter().chain(treatment).copied().collect()
    }
}

/// What a method can need of its forecaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// [`Forecaster::linear_gaussian`].
    LinearGaussian,
    /// [`Forecaster::denoiser`].
    Denoiser,
    /// [`Forecaster::density`].
    Density,
    /// [`Forecaster::gaussian`].
    Kernel,
    /// [`Forecaster::differentiable`], or the matrix of a linear-Gaussian lead step.
    Derivative,
}

impl Need {
    /// Whether a forecaster offers it.
    pub fn offered_by(self, model: &dyn Forecaster) -> bool {
        match self {
            Self::LinearGaussian => model.linear_gaussian().is_some(),
            Self::Denoiser => model.denoiser().is_some(),
            Self::Density => model.density().is_some(),
            Self::Kernel => model.gaussian().is_some(),
            Self::Derivative => model.differentiable().is_some() || model.linear_gaussian().is_some(),
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinearGaussian => "linear_gaussian",
            Self::Denoiser => "denoiser",
            Self::Density => "density",
            Self::Kernel => "kernel",
            Self::Derivative => "derivative",
        }
    }

    /// It in words that complete "needs ...".
    pub fn describe(self) -> &'static str {
        match self {
            Self::LinearGaussian => "a linear-Gaussian forecaster",
            Self::Denoiser => "a forecaster with a denoiser",
            Self::Density => "the density of a lead step",
            Self::Kernel => "a Gaussian one-step law",
            Self::Derivative => "the derivative of a lead step",
        }
    }
}
