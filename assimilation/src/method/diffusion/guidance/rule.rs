//! What a guidance rule is: the terms of a log likelihood of z_t, one a value.
//!
//! With x = offset + S z the state, D = E[z | z_t], J = dD/dz_t and H the Jacobian of h at x(D), a rule says terms l_i, whose
//! sum stands for log p(y | z_t) up to a constant, and their pull w, the gradient of that sum in h(x(D)). What a likelihood
//! adds to a denoiser is (sigma^2 / alpha) grad log p(y | z_t) (Tweedie), so the guided denoiser is
//! D + (sigma^2 / alpha) (H S J)^T w. A rule may say its pull in the components that the values read instead, whose H selects.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::Array2;
use scorecast_systems::{Result, Settings};

use super::anew::Drawing;
use super::by_terms::{ByTerms, GuidedDenoiser, Unguided};
use super::point::Point;
use crate::observations::ObservationSet;

/// How a rule is built: from the settings of `guided`, which has those of all rules among its own.
pub type BuildGuidance = fn(&Settings) -> Arc<dyn Guidance>;

/// A guidance rule.
pub trait Guidance: Debug + Send + Sync {
    /// The terms at one point of all members.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn terms(&self, at: &Point) -> Result<Terms>;

    /// What is to be mistrusted of it, where anything is: a clause that follows the name of a run.
    fn caveat(&self) -> Option<&'static str> {
        None
    }

    /// Refuses observations that it cannot guide by: unless said, errors that are not Gaussian and an h without derivative.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) with the remedy.
    fn require(&self, observed: &ObservationSet) -> crate::error::Result<()> {
        observed.require_gaussian("guided")?;
        observed.require_derivative("guided")
    }

    /// What it takes for J.
    fn jacobian(&self) -> Jacobian {
        Jacobian::OfDenoiser
    }

    /// How it draws z given z_t and y itself, where it does: what is drawn is then noised anew at each level ([`noise_anew`]), and
    /// neither a sampler nor correctors follow the guided D, which path weights alone ask for.
    ///
    /// [`noise_anew`]: super::noise_anew
    fn drawing(&self) -> Option<&dyn Drawing> {
        None
    }

    /// Guides a denoiser by these terms.
    fn guide<'a>(&'a self, unguided: Unguided<'a>) -> Box<dyn GuidedDenoiser + 'a> {
        Box::new(ByTerms::new(self, unguided))
    }
}

/// What stands for J, the Jacobian of D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jacobian {
    /// J itself, by vector-Jacobian products.
    OfDenoiser,
    /// The Jacobian for independent components of unit variance, alpha / (alpha^2 + sigma^2): no product is taken.
    OfUnitNormals,
}

/// What the values say of z_t at one point.
#[derive(Clone, Debug)]
pub struct Terms {
    /// l, `[member, value]`; 0 where a value is missing.
    pub log_likelihood: Array2<f64>,
    /// w, `[member, value]`; 0 where a value is missing, and for a member whose residual is not finite.
    pub pull: Array2<f64>,
    /// Of each value the component in which its pull is the gradient, `[value]`; none where that is h(x(D)).
    pub components: Vec<Option<usize>>,
    /// A number to tell as its mean over the evaluations of one analysis, with its name.
    pub noted: Option<(&'static str, f64)>,
}

impl Terms {
    /// Terms whose pull is the gradient in h(x(D)), both `[member, value]`.
    pub fn new(log_likelihood: Array2<f64>, pull: Array2<f64>) -> Self {
        Self { components: vec![None; pull.ncols()], log_likelihood, pull, noted: None }
    }

    /// -1/2 r_i w_i, for a Gaussian law of the values with the residual r and the pull w = V^-1 r.
    pub fn gaussian(residual: &Array2<f64>, pull: Array2<f64>) -> Self {
        Self::new(residual * &pull * -0.5, pull)
    }
}
