//! The Gaussian score as a filter: it must see x_k, because the noise of a lead step is not drawn.

use scorecast_systems::{Forecaster, Key, Purpose, Settings};

use super::analysis::GaussianScore;
use super::forecast::{Forecast, Residuals};
use super::known::{Handed, Known};
use crate::cycle::Members;
use crate::error::Result;
use crate::method::around::controlled;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Cycle, Prior, draw_prior, require_dim, require_members};
use crate::state::{Owner, Saved};

/// The Gaussian score with its members.
pub(super) struct GaussianScoreCycle {
    score: GaussianScore,
    members: usize,
    /// Whether the lead steps before the last one draw their noise.
    draws_between: bool,
    /// The analysis inside what is set around it, and what hands it the law of the forecast.
    analysis: Box<dyn Analysis>,
    handed: Handed,
    at: Members,
    residuals: Residuals,
}

impl GaussianScoreCycle {
    /// A filter of `members` members with what the settings put around its analysis.
    ///
    /// # Errors
    /// When these do not go together.
    pub fn new(score: GaussianScore, members: usize, draws_between: bool, settings: &Settings) -> Result<Self> {
        let handed = Handed::default();
        let analysis = controlled(Box::new(Known { score, handed: handed.clone() }), settings)?;
        let (at, residuals) = (Members::default(), Residuals::default());
        Ok(Self { score, members, draws_between, analysis, handed, at, residuals })
    }

    /// The law at the lead step of a set.
    fn forecast(
        &self,
        model: &dyn Forecaster,
        observed: &ObservationSet,
        residuals: &mut Residuals,
        key: Key,
    ) -> Result<Forecast> {
        let (from, to) = (self.at.step, observed.step);
        // a copy, so that a step that fails leaves the members as they are
        let mut x = self.at.ensemble.clone();
        if to <= from {
            return Ok(Forecast::of_members(x, false));
        }
        if self.draws_between {
            model.advance(from, to - 1 - from, &mut x, key)?;
        } else {
            for k in from..to - 1 {
                let Forecast { law, .. } = Forecast::step(model, k, x, residuals, key)?;
                x = self.score.forecast(&law, observed)?;
            }
        }
        Forecast::step(model, to - 1, x, residuals, key)
    }
}

impl Cycle for GaussianScoreCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        require_members(self.members)?;
        self.at = Members { step, ensemble: draw_prior(prior, self.members, key)? };
        self.residuals = Residuals::default();
        self.analysis.state_mut().into_iter().for_each(Saved::clear);
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        require_dim(self.at.ensemble.ncols(), model)?;
        observed.require_gaussian("ensf")?;
        observed.require_derivative("ensf")?;
        observed.check(self.at.ensemble.ncols())?;
        let mut residuals = self.residuals.clone();
        let Forecast { law, drawn } =
            self.forecast(model, observed, &mut residuals, key.purpose(Purpose::ProcessNoise))?;
        let forecast = self.score.forecast(&law, observed)?;
        self.handed.put(law, &forecast);
        let mut outcome = self.analysis.update(forecast, observed, key)?;
        if drawn {
            outcome.diagnostics.insert("noise_drawn", 1.0);
        }
        self.at = Members { step: self.at.step.max(observed.step), ensemble: outcome.ensemble.clone() };
        self.residuals = residuals;
        Ok(outcome)
    }

    fn owner(&self) -> Owner {
        Owner::new("ensf").with("members", self.members).with("score", "gaussian")
    }

    fn state(&self) -> Vec<&dyn Saved> {
        [vec![&self.at as &dyn Saved, &self.residuals], self.analysis.state()].concat()
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        let mut parts: Vec<&mut dyn Saved> = vec![&mut self.at, &mut self.residuals];
        parts.extend(self.analysis.state_mut());
        parts
    }
}
