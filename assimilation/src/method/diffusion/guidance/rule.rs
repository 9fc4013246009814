//! What a guidance rule is: the terms of a log likelihood of z_t, one a value.
//!
//! With x = offset + S z the state, D = E[z | z_t], J = dD/dz_t and H the Jacobian of h at x(D), a rule says terms l_i, whose
//! sum stands for log p(y | z_t) up to a constant, and their pull w, the gradient of that sum in h(x(D)). What a likelihood
//! adds to a denoiser is (sigma^2 / alpha) grad log p(y | z_t) (Tweedie), so the guided denoiser is
//! D + (sigma^2 / alpha) (H S J)^T w.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Affine, Denoised, Denoiser, DifferentiableDenoiser, Level, Result, Settings};

use super::by_terms::ByTerms;
use super::point::Point;
use crate::observations::ObservationSet;
use crate::observe::Place;
use crate::outcome::Diagnostics;

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

    /// Guides a denoiser by these terms.
    fn guide<'a>(&'a self, unguided: Unguided<'a>) -> Box<dyn GuidedDenoiser + 'a> {
        Box::new(ByTerms::new(self, unguided))
    }
}

/// What is to be guided, and by what.
#[derive(Clone, Copy)]
pub struct Unguided<'a> {
    /// D, whose row i is member i of `to_state`.
    pub denoiser: &'a dyn DifferentiableDenoiser,
    /// From z to states x.
    pub to_state: &'a Affine,
    /// Its values that are present guide.
    pub observed: ObservationSet<'a>,
}

impl Unguided<'_> {
    /// It, borrowed for a shorter time.
    pub(super) fn view(&self) -> Unguided<'_> {
        Unguided { observed: self.observed.view(), ..*self }
    }
}

/// What the values say of z_t at one point.
#[derive(Clone, Debug)]
pub struct Terms {
    /// l, `[member, value]`; 0 where a value is missing.
    pub log_likelihood: Array2<f64>,
    /// w, `[member, value]`; 0 where a value is missing, and for a member whose residual is not finite.
    pub pull: Array2<f64>,
    /// A number to tell as its mean over the evaluations of one analysis, with its name.
    pub noted: Option<(&'static str, f64)>,
}

/// A denoiser that is guided: its [`Denoiser::evaluate`] gives D with and without guidance.
pub trait GuidedDenoiser: Denoiser {
    /// D at `x_t` (`[member, component]`) with and without guidance, and the terms that guide, not yet summed so that
    /// local weights can taper them. `levels` are those of [`Denoiser::evaluate`].
    ///
    /// # Errors
    /// When the denoiser itself cannot run, or has one level for all frames and is given several.
    fn evaluate_terms(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<(Denoised, Terms)>;

    /// Where each value sits, `[value]`, where that makes sense.
    fn places(&self) -> Option<Vec<Place>>;

    /// What rules noted ([`Terms::noted`]), as means over all evaluations so far.
    fn diagnostics(&self) -> Diagnostics;
}
