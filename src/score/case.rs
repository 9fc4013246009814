//! One case: what a forecaster or a filter said about one time, and what happened.

use super::ensemble::Ensemble;

/// Which [`Case`] a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// [`Case::Ensemble`].
    Ensemble,
    /// [`Case::LogDensity`] of the next state given the present one.
    StateDensity,
    /// [`Case::LogDensity`] of the next state given the present one, by the probability flow of the denoiser.
    FlowDensity,
    /// [`Case::LogDensity`] of the observations given the forecast ensemble.
    InnovationDensity,
    /// [`Case::Errors`].
    Errors,
    /// [`Case::Choices`].
    Choices,
    /// [`Case::Number`].
    Number,
}

/// One case: what a forecaster or a filter said about one time, and what happened.
#[derive(Clone, Copy, Debug)]
pub enum Case<'a> {
    /// An ensemble and the truth.
    Ensemble(&'a Ensemble<'a>),
    /// A log density (natural logarithm) of this many values together.
    LogDensity {
        /// log p of all values.
        log_density: f64,
        /// How many values they are.
        values: usize,
    },
    /// The normalised errors of one forecast at lead steps 1, 2, ... ([`normalised_error`](super::normalised_error)).
    Errors(&'a [f64]),
    /// Choices between a draw of a forecaster's one-step law and one of the true law, from one state.
    Choices {
        /// How many were right.
        right: usize,
        /// How many there were.
        of: usize,
    },
    /// Any number of which the mean is wanted.
    Number(f64),
}

impl<'a> Case<'a> {
    /// Which kind of case it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Ensemble(_) => "an ensemble",
            Self::LogDensity { .. } => "a log density",
            Self::Errors(_) => "errors by lead step",
            Self::Choices { .. } => "choices",
            Self::Number(_) => "a number",
        }
    }

    /// The ensemble; anything else is a bug of the caller.
    pub(super) fn ensemble(&self) -> &'a Ensemble<'a> {
        let Self::Ensemble(ensemble) = self else {
            unreachable!("the metric needs an ensemble, but was given {}", self.kind())
        };
        ensemble
    }

    /// Right choices, and all choices; anything else is a bug of the caller.
    pub(super) fn choices(&self) -> (usize, usize) {
        let Self::Choices { right, of } = *self else {
            unreachable!("the metric needs choices, but was given {}", self.kind())
        };
        (right, of)
    }
}
