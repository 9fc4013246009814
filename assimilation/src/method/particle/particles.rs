//! Weighted particles: what a particle filter that must see x_k carries from one set of observations to the next.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Key, Purpose};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::method::around::quality_control::Checked;
use crate::method::particle::resample::Resampling;
use crate::method::particle::weights::{Carried, Weighed, equal};
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome, WeightedMembers};
use crate::problem::{Prior, draw_prior};
use crate::state::{Owner, State};

/// Members with weights at one lead step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Particles {
    pub(crate) step: usize,
    /// `[member, component]`.
    pub(crate) ensemble: Array2<f64>,
    carried: Carried,
}

impl State for Particles {
    const KIND: &'static str = "particles";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        owner.require_members(self.ensemble.nrows())?;
        self.carried.check(owner)
    }
}

/// When and how ancestors are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    pub(crate) ess_threshold: f64,
    pub(crate) resampling: Resampling,
}

impl Particles {
    /// Draws of the prior.
    pub(crate) fn start(prior: &Prior, members: usize, step: usize, key: Key) -> Result<Self> {
        crate::problem::require_members(members)?;
        Ok(Self { step, ensemble: draw_prior(prior, members, key)?, carried: Carried::default() })
    }

    pub(crate) fn weights(&self) -> Option<Array1<f64>> {
        self.carried.weights()
    }

    pub(crate) fn log_weights(&self) -> Array1<f64> {
        self.carried.0.clone().unwrap_or_else(|| equal(self.ensemble.nrows()))
    }

    /// Makes the weights equal: what they told has been used up.
    pub(crate) fn forget_weights(&mut self) {
        self.carried = Carried::default();
    }

    /// Multiplies the weights by `exp(log_factors)`, notes `log_evidence`, `ess` and `resampled`, and gives the normalised
    /// logarithms; the ancestors too where the effective size asks for them, and then the weights are equal again. The
    /// members stay as they are: see [`Particles::resample`].
    pub(crate) fn weigh(
        &mut self,
        log_factors: &Array1<f64>,
        selection: Selection,
        key: Key,
        diagnostics: &mut Diagnostics,
    ) -> (Array1<f64>, Option<Vec<usize>>) {
        let weighed = Weighed::new(self.log_weights(), log_factors, selection.ess_threshold);
        weighed.note(diagnostics);
        let Weighed { log_weights, resample, .. } = weighed;
        self.carried = Carried((!resample).then(|| log_weights.clone()));
        let ancestors = resample.then(|| selection.resampling.draw(&log_weights, key.purpose(Purpose::Resampling)));
        (log_weights, ancestors)
    }

    /// Goes on from these ancestors, where there are any, and gives the members whose place they take, with the normalised
    /// weights that they had.
    pub(crate) fn resample(
        &mut self,
        log_weights: &Array1<f64>,
        ancestors: Option<&[usize]>,
    ) -> Option<WeightedMembers> {
        let next = self.ensemble.select(Axis(0), ancestors?);
        Some((std::mem::replace(&mut self.ensemble, next), log_weights.mapv(f64::exp)))
    }

    /// What a cycle gives with the particles as they now are.
    pub(crate) fn outcome(
        &self,
        forecast: Array2<f64>,
        forecast_weights: Option<Array1<f64>>,
        before_resampling: Option<WeightedMembers>,
        diagnostics: Diagnostics,
        (checked, observed): (&Checked, &ObservationSet),
    ) -> Outcome {
        Outcome {
            forecast_weights,
            weights: self.weights(),
            before_resampling,
            diagnostics,
            quality: checked.quality(observed, self.ensemble.view()),
            ..Outcome::new(forecast, self.ensemble.clone())
        }
    }
}
