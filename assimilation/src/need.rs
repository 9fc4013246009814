//! What a method can need of its forecaster.

use ndarray::{Array1, Array2};
use scorecast_systems::{Domain, Forecaster, Key};

use crate::step_law::is_deterministic;

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
    /// [`Forecaster::gaussian`] or [`Forecaster::mixture`].
    Mixture,
    /// [`Forecaster::gaussian`], or a lead step without noise.
    Noise,
    /// [`Forecaster::differentiable`], or the matrix of a linear-Gaussian lead step.
    Derivative,
    /// The adjoint of a lead step without noise, or of the mean of one with a [`Forecaster::gaussian`]; or that matrix.
    MeanAdjoint,
    /// A lead step that draws nothing.
    Noiseless,
}

impl Need {
    /// Whether a forecaster offers it.
    pub fn offered_by(self, model: &dyn Forecaster) -> bool {
        // the law of the next state alone is not that of a state with those before it, or with parameters
        if model.history() > 1 || !model.parameters().is_empty() {
            return false;
        }
        match self {
            Self::LinearGaussian => model.linear_gaussian().is_some(),
            Self::Denoiser => model.denoiser().is_some(),
            Self::Density => model.density().is_some(),
            Self::Kernel => model.gaussian().is_some(),
            Self::Mixture => model.gaussian().is_some() || model.mixture().is_some(),
            Self::Noise => model.gaussian().is_some() || is_without_noise(model),
            Self::Derivative => model.differentiable().is_some() || model.linear_gaussian().is_some(),
            Self::MeanAdjoint => model.linear_gaussian().is_some() || has_mean_adjoint(model),
            Self::Noiseless => is_without_noise(model),
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinearGaussian => "linear_gaussian",
            Self::Denoiser => "denoiser",
            Self::Density => "density",
            Self::Kernel => "kernel",
            Self::Mixture => "mixture",
            Self::Noise => "noise",
            Self::Derivative => "derivative",
            Self::MeanAdjoint => "mean_adjoint",
            Self::Noiseless => "noiseless",
        }
    }

    /// It in words that complete "needs ...".
    pub fn describe(self) -> &'static str {
        match self {
            Self::LinearGaussian => "a linear-Gaussian forecaster",
            Self::Denoiser => "a forecaster with a denoiser",
            Self::Density => "the density of a lead step",
            Self::Kernel => "a Gaussian one-step law",
            Self::Mixture => "a one-step law that is a Gaussian or a mixture of Gaussians",
            Self::Noise => "a Gaussian one-step law or no noise",
            Self::Derivative => "the derivative of a lead step",
            Self::MeanAdjoint => "the adjoint of a lead step without noise or with a Gaussian one-step law",
            Self::Noiseless => "a forecaster without noise",
        }
    }
}

/// Whether the adjoint of what a lead step gives without noise, or on average, can be taken at a state of ones.
fn has_mean_adjoint(model: &dyn Forecaster) -> bool {
    let Some(derivative) = model.differentiable() else { return false };
    let (x, key) = (Array2::ones((1, model.dim())), Key::new(0, Domain::Method));
    let taken = match model.gaussian() {
        Some(_) => derivative.mean_adjoint(0, x.view(), x.view()),
        None if is_without_noise(model) => derivative.adjoint(0, x.view(), x.view(), key),
        None => return false,
    };
    taken.is_ok()
}

/// Whether a lead step draws nothing, as one from a state of ones shows; not where it cannot be taken from there.
fn is_without_noise(model: &dyn Forecaster) -> bool {
    is_deterministic(model, 0, Array1::ones(model.dim()).view(), Key::new(0, Domain::Method)).unwrap_or(false)
}
