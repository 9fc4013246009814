//! What a method can need of its forecaster.

use scorecast_systems::Forecaster;

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
