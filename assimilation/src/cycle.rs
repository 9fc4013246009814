//! Any analysis as a cycle: forecast the ensemble, then update it.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Forecaster, Key, Purpose};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::noise_treatment::NoiseTreatment;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Cycle, Prior, draw_prior};
use crate::state::{self, Owner, Saved, State};

/// Members at one lead step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Members {
    /// The lead step.
    pub step: usize,
    /// `[member, component]`.
    pub ensemble: Array2<f64>,
}

impl State for Members {
    const KIND: &'static str = "members";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        owner.require_members(self.ensemble.nrows())
    }
}

impl Members {
    /// All that a loop of one's own has to save: the members, and what `analysis` carries.
    pub fn pack(&self, analysis: &dyn Analysis) -> Vec<u8> {
        state::seal(&Owner::new(analysis.name()), &[vec![self as &dyn Saved], analysis.state()].concat())
    }

    /// Takes back what [`Members::pack`] gave: the members; `analysis` then goes on as the other would have.
    ///
    /// # Errors
    /// When the bytes are not such a state of this method.
    pub fn unpack(bytes: &[u8], analysis: &mut dyn Analysis) -> Result<Self> {
        let (owner, mut members) = (Owner::new(analysis.name()), Self::default());
        let mut parts: Vec<&mut dyn Saved> = vec![&mut members];
        parts.extend(analysis.state_mut());
        state::open(bytes, &owner, &mut parts)?;
        Ok(members)
    }
}

/// Every [`Analysis`] is a [`Cycle`]: forecast the ensemble, then update it.
pub struct AnalysisCycle {
    analysis: Box<dyn Analysis>,
    members: usize,
    noise: NoiseTreatment,
    at: Members,
}

impl AnalysisCycle {
    /// A filter of `members` members.
    pub fn new(analysis: Box<dyn Analysis>, members: usize) -> Self {
        Self { analysis, members, noise: NoiseTreatment::Stochastic, at: Members::default() }
    }

    /// This filter with that treatment of the noise of its forecaster.
    #[must_use]
    pub fn with_noise(self, noise: NoiseTreatment) -> Self {
        Self { noise, ..self }
    }

    /// The current ensemble, `[member, component]`.
    pub fn ensemble(&self) -> ArrayView2<'_, f64> {
        self.at.ensemble.view()
    }
}

impl Cycle for AnalysisCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.at = Members { step, ensemble: draw_prior(prior, self.members, key)? };
        self.analysis.state_mut().into_iter().for_each(Saved::clear);
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let steps = observed.step.saturating_sub(self.at.step);
        // a copy, so that a step that fails leaves the members as they are
        let mut forecast = self.at.ensemble.clone();
        self.noise.advance(model, self.at.step, steps, &mut forecast, key.purpose(Purpose::ProcessNoise))?;
        let outcome = self.analysis.update(forecast, observed, key)?;
        self.at.step = self.at.step.max(observed.step);
        self.at.ensemble.clone_from(&outcome.ensemble);
        Ok(outcome)
    }

    fn owner(&self) -> Owner {
        Owner::new(self.analysis.name()).with("members", self.members)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        [vec![&self.at as &dyn Saved], self.analysis.state()].concat()
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        let mut parts: Vec<&mut dyn Saved> = vec![&mut self.at];
        parts.extend(self.analysis.state_mut());
        parts
    }
}
