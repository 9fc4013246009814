//! The cycle around the two rules of a filter that carries a mean and a covariance.

use ndarray::Axis;
use scorecast_systems::{Forecaster, Key, Purpose};
use serde::{Deserialize, Serialize};

use crate::ensemble::all_finite;
use crate::error::Result;
use crate::gaussian::Gaussian;
use crate::method::around::quality_control::before_gaussian;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome};
use crate::problem::{Cycle, Prior};
use crate::quality::Quality;
use crate::screening::{after_analysis, kept};
use crate::state::{Owner, Saved, State};

/// The two rules of a filter that carries a mean and a covariance.
pub trait GaussianRule: Send {
    /// Its name in the registry, for messages.
    fn name(&self) -> &'static str;

    /// Makes of the prior what the filter starts from.
    fn start(&self, prior: &mut Gaussian) {
        let _ = prior;
    }

    /// Refuses observations that the rule cannot use.
    ///
    /// # Errors
    /// For errors that are not Gaussian, unless the rule says otherwise.
    fn require(&self, observed: &ObservationSet) -> Result<()> {
        observed.require_gaussian(self.name())
    }

    /// What there is to say about a set of observations without a value: evidence 1.
    fn nothing(&self) -> Diagnostics {
        Diagnostics::from([("log_evidence", 0.0)])
    }

    /// Carries `state` from lead step `from` to `to`; `key` has no purpose and no step yet.
    ///
    /// # Errors
    /// When the forecaster fails or does not offer what the rule needs.
    fn forecast(&self, model: &dyn Forecaster, state: &mut Gaussian, from: usize, to: usize, key: Key) -> Result<()>;

    /// The posterior of one set of observations with at least one value, given the forecast, and what there is to say
    /// about it (such as `log_evidence`).
    ///
    /// # Errors
    /// When the rule cannot use this operator.
    fn analyse(&mut self, forecast: &Gaussian, observed: &ObservationSet) -> Result<(Gaussian, Diagnostics)>;

    /// Whether each forecast is the prior, whatever the analysis before it.
    fn forecast_is_prior(&self) -> bool {
        false
    }

    /// Whether each forecast has the covariance of the prior, whatever the analysis before it.
    fn covariance_is_fixed(&self) -> bool {
        false
    }
}

/// A filter that carries a mean and a covariance, and gives draws of its posterior beside them.
pub struct GaussianCycle<F> {
    rule: F,
    members: usize,
    outlier_threshold: Option<f64>,
    at: Moment,
}

/// N(m, P) at one lead step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub step: usize,
    pub state: Gaussian,
}

impl State for Moment {
    const KIND: &'static str = "mean and covariance";

    fn check(&self, _: &Owner) -> Result<(), String> {
        self.state.check()
    }
}

impl<F: GaussianRule> GaussianCycle<F> {
    /// A filter that gives `members` draws of the posterior beside its moments.
    pub fn new(rule: F, members: usize) -> Self {
        Self { rule, members, outlier_threshold: None, at: Moment::default() }
    }

    /// This filter, which takes values further than so many standard deviations of the innovation from the forecast for
    /// missing (see [`QualityControl`](crate::method::QualityControl)).
    #[must_use]
    pub fn with_quality_control(self, outlier_threshold: Option<f64>) -> Self {
        Self { outlier_threshold, ..self }
    }

    /// The posterior of the values that quality control lets through, and what became of each.
    fn checked_posterior(&mut self, observed: &ObservationSet) -> Result<(Gaussian, Diagnostics, Vec<Quality>)> {
        let Some(threshold) = self.outlier_threshold.filter(|_| self.at.state.is_finite()) else {
            let (posterior, diagnostics) = posterior(&mut self.rule, &self.at.state, observed)?;
            return Ok((posterior, diagnostics, Vec::new()));
        };
        observed.check(self.at.state.mean.len())?;
        let mut quality = before_gaussian(&self.at.state, observed, threshold);
        let values = kept(observed, &quality);
        let observed = &ObservationSet { values: values.view(), ..*observed };
        let (posterior, diagnostics) = posterior(&mut self.rule, &self.at.state, observed)?;
        let mean = posterior.mean.view().insert_axis(Axis(0));
        after_analysis(&mut quality, observed.operator.apply(observed.time, mean).view());
        Ok((posterior, diagnostics, quality))
    }
}

/// Refuses a forecaster of another dimension than the state's.
pub(crate) fn check(state: &Gaussian, model: &dyn Forecaster) -> Result<()> {
    crate::problem::require_dim(state.mean.len(), model)
}

/// The posterior of one set of observations by `rule`; the forecast where nothing was observed or it has diverged.
pub(crate) fn posterior(
    rule: &mut impl GaussianRule,
    forecast: &Gaussian,
    observed: &ObservationSet,
) -> Result<(Gaussian, Diagnostics)> {
    let predicted = observed.restrict(forecast.mean.view().insert_axis(Axis(0)))?.predicted;
    if !forecast.is_finite() || !all_finite(predicted.view()) {
        return Ok((forecast.clone(), Diagnostics::new()));
    }
    if predicted.ncols() == 0 {
        return Ok((forecast.clone(), rule.nothing()));
    }
    rule.analyse(forecast, observed)
}

/// Forecast and posterior at lead step `step`, with `members` draws of both from the same normals.
pub(crate) fn outcome(
    forecast: &Gaussian,
    posterior: &Gaussian,
    members: usize,
    step: usize,
    key: Key,
) -> Result<Outcome> {
    let key = key.purpose(Purpose::PosteriorDraw).at(step as u64);
    let mut outcome = Outcome::new(forecast.draws(members, key)?, posterior.draws(members, key)?);
    outcome.gaussian = Some((posterior.mean.clone(), posterior.covariance.clone()));
    outcome.forecast_gaussian = Some((forecast.mean.clone(), forecast.covariance.clone()));
    Ok(outcome)
}

impl<F: GaussianRule> Cycle for GaussianCycle<F> {
    /// A prior ensemble is taken as the Gaussian of its mean and covariance.
    fn start(&mut self, prior: &Prior, step: usize, _key: Key) -> Result<()> {
        self.at = Moment { step, state: Gaussian::of(prior)? };
        self.rule.start(&mut self.at.state);
        Ok(())
    }

    fn start_in_climate(&mut self, prior: &Prior, climate: &Prior, step: usize, key: Key) -> Result<()> {
        self.start(prior, step, key)?;
        if self.rule.forecast_is_prior() {
            self.start(climate, step, key)?;
        } else if self.rule.covariance_is_fixed() {
            let mut law = Gaussian::of(climate)?;
            self.rule.start(&mut law);
            self.at.state.covariance = law.covariance;
        }
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        self.rule.require(observed)?;
        check(&self.at.state, model)?;
        // before anything moves, so that a set that does not fit leaves the method as it was
        observed.check(self.at.state.mean.len())?;
        if self.at.state.is_finite() {
            self.rule.forecast(model, &mut self.at.state, self.at.step, observed.step, key)?;
        }
        self.at.step = self.at.step.max(observed.step);
        let (posterior, diagnostics, quality) = self.checked_posterior(observed)?;
        let outcome =
            Outcome { diagnostics, quality, ..outcome(&self.at.state, &posterior, self.members, observed.step, key)? };
        if self.rule.forecast_is_prior() {
            return Ok(outcome);
        }
        self.at.state.mean = posterior.mean;
        if !self.rule.covariance_is_fixed() {
            self.at.state.covariance = posterior.covariance;
        }
        Ok(outcome)
    }

    fn owner(&self) -> Owner {
        Owner::new(self.rule.name())
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.at]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.at]
    }
}
