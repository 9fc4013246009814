//! The Gaussian score as a filter: it must see x_k, because the noise of a lead step is not drawn.

use ndarray::Array2;
use scorecast_systems::{Forecaster, Key, Purpose};

use super::analysis::GaussianScore;
use super::forecast::{Forecast, Residuals};
use super::law::EnsembleGaussian;
use crate::cycle::Members;
use crate::error::Result;
use crate::method::around::adaptive_quality_control::AdaptiveQualityControl;
use crate::method::around::quality_control::QualityControl;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Cycle, Prior, draw_prior, require_dim, require_members};
use crate::state::{Owner, Saved};

/// What a cycle has beside the score.
pub(super) struct Cycling {
    pub members: usize,
    /// Whether the lead steps before the last one draw their noise.
    pub draws_between: bool,
    pub outlier_threshold: Option<f64>,
    pub k_factor: Option<f64>,
}

/// The Gaussian score with its members.
pub(super) struct GaussianScoreCycle {
    score: GaussianScore,
    cycling: Cycling,
    at: Members,
    residuals: Residuals,
}

/// One analysis of a forecast whose law is known beside its members, for what goes around any analysis.
struct Known {
    score: GaussianScore,
    law: EnsembleGaussian,
}

impl Analysis for Known {
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        self.score.analyse(&self.law, forecast, observed, key)
    }
}

impl GaussianScoreCycle {
    pub fn new(score: GaussianScore, cycling: Cycling) -> Self {
        Self { score, cycling, at: Members::default(), residuals: Residuals::default() }
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
        if self.cycling.draws_between {
            model.advance(from, to - 1 - from, &mut x, key)?;
        } else {
            for k in from..to - 1 {
                let Forecast { law, .. } = Forecast::step(model, k, x, residuals, key)?;
                x = self.score.forecast(&law, observed)?;
            }
        }
        Forecast::step(model, to - 1, x, residuals, key)
    }

    /// The analysis, inside what is set around it.
    fn around(&self, law: EnsembleGaussian) -> Box<dyn Analysis> {
        let mut analysis: Box<dyn Analysis> = Box::new(Known { score: self.score, law });
        if let Some(factor) = self.cycling.k_factor {
            analysis = Box::new(AdaptiveQualityControl::new(analysis, factor));
        }
        // outside the above: an outlier is one by its own error
        if let Some(threshold) = self.cycling.outlier_threshold {
            analysis = Box::new(QualityControl::new(analysis, threshold));
        }
        analysis
    }
}

impl Cycle for GaussianScoreCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        require_members(self.cycling.members)?;
        self.at = Members { step, ensemble: draw_prior(prior, self.cycling.members, key)? };
        self.residuals = Residuals::default();
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
        let mut outcome = self.around(law).update(forecast, observed, key)?;
        if drawn {
            outcome.diagnostics.insert("noise_drawn", 1.0);
        }
        self.at = Members { step: self.at.step.max(observed.step), ensemble: outcome.ensemble.clone() };
        self.residuals = residuals;
        Ok(outcome)
    }

    fn owner(&self) -> Owner {
        Owner::new("ensf").with("members", self.cycling.members).with("score", "gaussian")
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.at, &self.residuals]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.at, &mut self.residuals]
    }
}
