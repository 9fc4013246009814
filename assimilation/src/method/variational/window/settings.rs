//! The settings of a window, and what it refuses because of them.

use scorecast_systems::{Param, Settings};

use super::Window;
use crate::error::{Error, Result};
use crate::need::Need;
use crate::observations::StoredSet;
use crate::observe::ObservationOperator;
use crate::state::{Owner, State};

/// The setting `lag` of the methods of a window.
pub(crate) const LAG: Param =
    Param::int("lag", 1, 1, "sets of observations in the window: how far back the state is that they update")
        .up_to(1_000_000);

/// The setting `shift` of the methods of a window.
pub(crate) const SHIFT: Param = Param::int(
    "shift",
    1,
    1,
    "sets used together, by which the window then moves on; the others wait, and the analysis there is the forecast",
)
.up_to(1_000_000);

/// What methods that carry members through a window need of a forecaster so that sets may wait.
pub(crate) fn needs_to_wait(settings: &Settings) -> &'static [Need] {
    if settings.count(SHIFT.key) > 1 { &[Need::Noiseless] } else { &[] }
}

impl Window {
    /// An empty window by the settings `lag` and `shift`.
    ///
    /// # Errors
    /// When `shift` is above `lag`.
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self> {
        let (lag, shift) = (settings.count(LAG.key), settings.count(SHIFT.key));
        if shift > lag {
            let problem = format!("is {shift}, but must be at most `lag`, which is {lag}; lower it or raise `lag`");
            return Err(settings.mistake(SHIFT.key, problem).into());
        }
        Ok(Self::new(lag, shift, 0))
    }

    /// Refuses a `shift` above 1 where the forecaster has noise, in the name of `method`.
    pub(super) fn require_no_shift(&self, method: &str) -> Result<()> {
        if self.shift == 1 {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "method `{method}` uses each set of observations as it comes where the forecaster has noise, and cannot let \
             sets wait for a shift of {}; set shift to 1, or the noise of the forecaster to 0",
            self.shift
        )))
    }

    /// Refuses an operator where a set that is used came with another, in the name of `method`.
    pub(super) fn require_same(&self, operator: &dyn ObservationOperator, mda: bool, method: &str) -> Result<()> {
        if self.sets[self.first_used(mda)..].iter().all(|set| set.is_of(operator)) {
            return Ok(());
        }
        let (with, remedy) = match (mda, self.shift) {
            (true, 1) => ("mda = true".to_owned(), "mda to false"),
            (true, shift) => (format!("mda = true and shift = {shift}"), "mda to false and shift to 1"),
            (false, shift) => (format!("shift = {shift}"), "shift to 1"),
        };
        Err(Error::Unsupported(format!(
            "method `{method}` with {with} uses a set of observations after it has come and needs the same operator for \
             all of them, but this set has another; set {remedy}"
        )))
    }

    /// Refuses to end a run without the operator of the sets that wait, in the name of `method`.
    pub(super) fn require_none_waits(&self, method: &str) -> Result<()> {
        if !self.sets[self.first_waiting()..].iter().any(StoredSet::is_observed) {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "method `{method}` still has {} sets of observations that wait to be used (`shift`); give `Cycle::finish` their \
             operator",
            self.waiting
        )))
    }
}

impl State for Window {
    const KIND: &'static str = "sets of a window";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        let Self { lag, shift, waiting, .. } = *self;
        let set_to = |key: &str, found: usize| owner.setting(key).is_none_or(|set| set == found.to_string());
        let (count, ordered) = (self.sets.len(), self.legs().all(|(before, after)| before <= after));
        // of these sets `lag - shift` at most are used already
        let fits = shift >= 1 && shift <= lag && waiting < shift && waiting <= count && count - waiting <= lag - shift;
        match fits && ordered && set_to(LAG.key, lag) && set_to(SHIFT.key, shift) {
            true => Ok(()),
            false => {
                Err(format!("it holds {count} sets, {waiting} of them waiting, that are no window of its settings"))
            }
        }
    }
}
