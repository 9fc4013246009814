//! What the members of a row hold beside the components of the present: parameters that the row estimates, or the earlier
//! states that its forecaster is given. A method updates all of them; what is kept of it is the present state.

use std::borrow::Cow;

use super::network::ObservingNetwork;
use crate::assimilation::augment::{Estimate, OfState, Parameter, augmented_prior, split, split_smoothed};
use crate::assimilation::observe::Carrying;
use crate::assimilation::problem::draw_prior;
use crate::assimilation::{ObservationOperator, Outcome, Prior, Smoothed};
use crate::failure::{Failure, FailureKind, Result};
use crate::spec::AssimilatePlan;
use crate::stage::data::Pasts;
use crate::systems::{Forecaster, Key};

/// What is beside the present state.
pub enum Beside<'a> {
    /// Nothing, and parameters where there are some.
    Parameters(&'a [Parameter]),
    /// Earlier states.
    States {
        /// How many states members are made of.
        history: usize,
        /// Where those before the first are from.
        pasts: &'a Pasts,
        /// Members of the row.
        members: usize,
    },
}

impl<'a> Beside<'a> {
    /// What the members of a row hold that `model` advances.
    ///
    /// # Errors
    /// When it needs earlier states and there are no trajectories to take the first of them from.
    pub fn of(row: &'a AssimilatePlan, model: &dyn Forecaster, network: &'a ObservingNetwork) -> Result<Self> {
        match (model.history(), &network.pasts) {
            (1, _) => Ok(Self::Parameters(&row.estimate)),
            _ if !row.estimate.is_empty() => {
                let message = format!("row `{}` estimates parameters with a forecaster of several states", row.label);
                Err(Failure::new(FailureKind::Usage, message)
                    .hint("take one whose `history` is 1, or leave `estimate` out"))
            }
            (history, Some(pasts)) => {
                let members = row.settings.count("members").max(2);
                Ok(Self::States { history, pasts, members })
            }
            (history, None) => {
                let message = format!(
                    "the forecaster of row `{}` is given {history} successive states, and there are no training trajectories \
                     to take those before the first from",
                    row.label
                );
                Err(Failure::new(FailureKind::Usage, message).hint("add a [system], or trajectories with data.file"))
            }
        }
    }

    /// The prior of all that members hold.
    ///
    /// # Errors
    /// When its draws cannot be given.
    pub fn prior<'p>(&self, prior: &'p Prior, key: Key) -> Result<Cow<'p, Prior>> {
        match self {
            Self::Parameters([]) => Ok(Cow::Borrowed(prior)),
            Self::Parameters(unknown) => Ok(Cow::Owned(augmented_prior(prior, unknown, key)?)),
            Self::States { history, pasts, members } => {
                let count = if let Prior::Ensemble(draws) = prior { draws.nrows().max(*members) } else { *members };
                let now = draw_prior(prior, count, key)?;
                Ok(Cow::Owned(Prior::Ensemble(pasts.behind(now.view(), *history))))
            }
        }
    }

    /// The operator of all that members hold, of that of the present state.
    pub fn operator<'o>(&self, of: &'o dyn ObservationOperator) -> BesideOperator<'o> {
        match self {
            Self::Parameters([]) => BesideOperator::Plain(of),
            Self::Parameters(unknown) => BesideOperator::Parameters(OfState::new(of, unknown.len())),
            Self::States { history, .. } => BesideOperator::States(Carrying::new(of, history * of.state_dim())),
        }
    }

    /// The posterior of the present state of `dim` components, and the estimate of the parameters.
    pub fn split(&self, outcome: Outcome, dim: usize) -> (Outcome, Option<Estimate>) {
        match self {
            Self::Parameters(unknown) => split(outcome, unknown),
            Self::States { .. } => (outcome.of_first(dim), None),
        }
    }

    /// What a smoother says of the state of `dim` components.
    pub fn split_smoothed(&self, smoothed: Smoothed, dim: usize) -> Smoothed {
        match self {
            Self::Parameters(unknown) => split_smoothed(smoothed, unknown.len()),
            Self::States { .. } => smoothed.of_first(dim),
        }
    }
}

/// An operator of what members hold.
pub enum BesideOperator<'o> {
    /// Of the present state, which is all.
    Plain(&'o dyn ObservationOperator),
    /// Of the present state with parameters.
    Parameters(OfState<'o>),
    /// Of the present state with earlier ones.
    States(Carrying<'o>),
}

impl BesideOperator<'_> {
    /// The operator.
    pub fn get(&self) -> &dyn ObservationOperator {
        match self {
            Self::Plain(of) => *of,
            Self::Parameters(of) => of,
            Self::States(of) => of,
        }
    }
}
