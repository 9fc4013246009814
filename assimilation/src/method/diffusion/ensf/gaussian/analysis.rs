//! The analysis of the Gaussian score, from the forecast's law to members of the posterior.

use ndarray::{Array2, Axis};
use scorecast_systems::{Key, Purpose};

use super::closed_form::{ClosedForm, Members, Values};
use super::law::{EnsembleGaussian, ModelNoise, by_component};
use super::linear::{LinearObservations, Linearizer};
use super::posterior::Latents;
use super::sampled;
use crate::ensemble::weighted_mean;
use crate::error::{Error, Result};
use crate::guard::usable;
use crate::localize::Localization;
use crate::method::around::inflation::Inflation;
use crate::method::variational::schur::require_correlation;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, require_members};

/// How the members' covariance is localized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tapering {
    /// Not.
    None,
    /// Like this.
    Set(Localization),
    /// Like this where there are fewer than five members for each component, and not where there are more.
    Usual(Localization),
}

/// Members for each component from which on a covariance is not localized unless that is asked for.
pub const ENOUGH: usize = 5;

impl Tapering {
    /// What that is for so many members, and the components that `observed` is of.
    ///
    /// # Errors
    /// When a taper is set that is no correlation function, or some components have no place on the grid.
    fn choose(self, members: usize, observed: &ObservationSet) -> Result<Option<Localization>> {
        let operator = observed.operator;
        let placed = operator.unplaced() == 0 && operator.current_dim() == operator.state_dim();
        let chosen = match self {
            Self::None => None,
            Self::Set(local) => Some(local),
            Self::Usual(local) => Some(local).filter(|_| members < ENOUGH * operator.state_dim() && placed),
        };
        let chosen = chosen.filter(|local| local.radius.is_finite());
        require_correlation(chosen)?;
        if chosen.is_some() && !placed {
            return Err(Error::Unsupported(format!(
                "method `ensf` with a `radius` needs a place on the grid for each component, and those behind what operator \
                 `{}` observes have none; leave `radius` out",
                operator.name()
            )));
        }
        Ok(chosen)
    }
}

/// How a member is carried to noise and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Solver {
    /// By the map that the two ways have in closed form.
    ClosedForm,
    /// By Heun's rule for the probability flow with this many noise levels each way, guided by moment matching on the way back.
    Heun(usize),
}

/// The ensemble score filter with the score of a localized Gaussian.
#[derive(Clone, Copy, Debug)]
pub struct GaussianScore {
    /// Where each member starts from.
    pub latents: Latents,
    /// How it is carried.
    pub solver: Solver,
    /// How often an operator that is not linear is made linear, at least 1: by the members' secant, then by tangents.
    pub relinearisations: usize,
    /// The localization of the covariance.
    pub tapering: Tapering,
    /// Grid units about a component from which its analysis is made; none chooses.
    pub window: Option<f64>,
    /// Factor of the standard deviation of the analysis anomalies.
    pub inflation: f64,
}

/// What is needed of the forecast for an analysis.
struct Prepared<'a> {
    law: &'a EnsembleGaussian,
    local: Option<Localization>,
    closed: ClosedForm<'a>,
}

impl GaussianScore {
    fn prepare<'a>(&self, law: &'a EnsembleGaussian, observed: &ObservationSet) -> Result<Prepared<'a>> {
        require_members(law.members())?;
        observed.check(law.dim())?;
        let local = self.tapering.choose(law.members(), observed)?;
        Ok(Prepared { law, local, closed: ClosedForm::new(law, local.as_ref(), self.window)? })
    }

    /// Members of the forecast N(m, C + Q), `[member, component]`: its noise-free members, each carried to noise and back to where
    /// Q is, or as they are where there is none.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn forecast(&self, law: &EnsembleGaussian, observed: &ObservationSet) -> Result<Array2<f64>> {
        let prepared = self.prepare(law, observed)?;
        if matches!(law.noise, ModelNoise::None) || !law.is_finite() {
            return Ok(law.means.clone());
        }
        prepared.closed.members(None, Members::Transported)
    }

    /// Members of the posterior; `forecast` are those of [`GaussianScore::forecast`].
    ///
    /// # Errors
    /// When shapes do not fit, or the operator has no derivative, no Gaussian errors, or no places that windows need.
    pub fn analyse(
        &self,
        law: &EnsembleGaussian,
        forecast: Array2<f64>,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        let Some(present) = usable("ensf", &forecast, observed)? else { return Ok(Outcome::unchanged(forecast)) };
        observed.require_derivative("ensf")?;
        let prepared = self.prepare(law, observed)?;
        let latents = (self.latents == Latents::Fresh).then(|| fresh(law, observed, key));
        let ensemble = match self.solver {
            Solver::Heun(levels) => sampled::members(&prepared.closed.prior, latents.as_ref(), observed, levels)?,
            Solver::ClosedForm => {
                let (law, near) = (prepared.law, prepared.closed.near());
                let linearizer = Linearizer { observed, present: &present, near, mean: law.mean.view() };
                let values = self.linearized(&prepared, &linearizer, &forecast)?;
                let noise = latents.as_ref().map(by_component);
                prepared.closed.members(Some(&values), noise.as_deref().map_or(Members::Transported, Members::Fresh))?
            }
        };
        Ok(Inflation::factor(self.inflation).finish(forecast, ensemble, observed, key))
    }

    /// The observations as the last of the relinearisations has them.
    fn linearized<'o>(
        &self,
        prepared: &Prepared,
        linearizer: &Linearizer<'_, 'o>,
        forecast: &Array2<f64>,
    ) -> Result<Values<'o>> {
        let (observed, index) = (linearizer.observed, &linearizer.present.index);
        let values = |linear: LinearObservations<'o>| -> Result<Values<'o>> {
            Ok(Values { linear, neighbours: prepared.closed.neighbours(prepared.local, observed.operator, index)? })
        };
        let mut found = values(linearizer.secant(forecast)?)?;
        let more = if observed.operator.is_linear() { 0 } else { self.relinearisations.saturating_sub(1) };
        for _ in 0..more {
            let mean = prepared.closed.mean(&found);
            // where h is not finite the last one stands
            let Some(linear) = linearizer.tangent(mean.view())? else { break };
            found.linear = linear;
        }
        Ok(found)
    }
}

/// Independent noise whose mean over the members is 0, `[member, component]`.
fn fresh(law: &EnsembleGaussian, observed: &ObservationSet, key: Key) -> Array2<f64> {
    let key = key.purpose(Purpose::PosteriorDraw).at(observed.step as u64);
    let noise = key.normals(law.members(), law.dim());
    let mean = weighted_mean(noise.view(), None).insert_axis(Axis(0));
    noise - &mean
}

impl Analysis for GaussianScore {
    fn name(&self) -> &'static str {
        "ensf"
    }

    /// Of members whose noise has been drawn.
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let law = EnsembleGaussian::new(forecast.clone(), ModelNoise::None);
        self.analyse(&law, forecast, observed, key)
    }
}
