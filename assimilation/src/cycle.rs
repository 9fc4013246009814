//! Any analysis as a cycle: forecast the ensemble, then update it.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Forecaster, Key, Purpose};

use crate::error::Result;
use crate::noise_treatment::NoiseTreatment;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Cycle, Prior, draw_prior, require_saved_members};

/// Every [`Analysis`] is a [`Cycle`]: forecast the ensemble, then update it.
pub struct AnalysisCycle {
    analysis: Box<dyn Analysis>,
    members: usize,
    noise: NoiseTreatment,
    step: usize,
    ensemble: Array2<f64>,
}

impl AnalysisCycle {
    /// A filter of `members` members.
    pub fn new(analysis: Box<dyn Analysis>, members: usize) -> Self {
        Self { analysis, members, noise: NoiseTreatment::Stochastic, step: 0, ensemble: Array2::zeros((0, 0)) }
    }

    /// The same, which treats the noise of the forecaster so.
    #[must_use]
    pub fn with_noise(self, noise: NoiseTreatment) -> Self {
        Self { noise, ..self }
    }

    /// The current ensemble, `[member, component]`.
    pub fn ensemble(&self) -> ArrayView2<'_, f64> {
        self.ensemble.view()
    }
}

impl Cycle for AnalysisCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.step = step;
        self.ensemble = draw_prior(prior, self.members, key)?;
        self.analysis.restore(&[])
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let steps = observed.step.saturating_sub(self.step);
        // a copy, so that a step that fails leaves the members as they are
        let mut forecast = self.ensemble.clone();
        self.noise.advance(model, self.step, steps, &mut forecast, key.purpose(Purpose::ProcessNoise))?;
        let outcome = self.analysis.update(forecast, observed, key)?;
        self.step = self.step.max(observed.step);
        self.ensemble.clone_from(&outcome.ensemble);
        Ok(outcome)
    }

    fn save(&self) -> Vec<u8> {
        crate::state::pack(self.step, &self.ensemble, &self.analysis.state())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, ensemble, state) = crate::state::unpack(bytes)?;
        require_saved_members(ensemble.nrows(), self.members)?;
        self.analysis.restore(&state)?;
        (self.step, self.ensemble) = (step, ensemble);
        Ok(())
    }
}
