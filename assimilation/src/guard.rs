//! What opens the analysis of every filter for Gaussian errors, so that a method begins with its mathematics.
//!
//! An error law that is not Gaussian, a single member and shapes that do not fit are refused. Where no value is present, or
//! the forecast or what it predicts is not finite, the analysis is the forecast: a filter that has diverged stays so.

use ndarray::Array2;
use scorecast_systems::Key;

use crate::ensemble::all_finite;
use crate::error::Result;
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;
use crate::problem::{Analysis, require_members};

/// A filter for Gaussian errors, which is an [`Analysis`] by what this module puts before it.
pub trait GaussianAnalysis: Send {
    /// Its name in the registry.
    const NAME: &'static str;

    /// The analysis of `forecast` (`[member, component]`), of at least two members, by the values of `observed` that are
    /// `present`, at least one; all is finite.
    ///
    /// # Errors
    /// When the method cannot use this operator.
    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome>;
}

impl<A: GaussianAnalysis> Analysis for A {
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        match usable(A::NAME, &forecast, observed)? {
            Some(present) => self.analyse(forecast, present, observed, key),
            None => Ok(Outcome::unchanged(forecast)),
        }
    }

    fn name(&self) -> &'static str {
        A::NAME
    }
}

/// Whether there is something to analyse: a value is present, and `forecast` (`[member, component]`) has not diverged.
pub(crate) fn can_update(forecast: &Array2<f64>, observed: &ObservationSet) -> bool {
    observed.is_observed() && all_finite(forecast.view())
}

/// The values that are present and what `forecast` (`[member, component]`) predicts of them; none where the method `name` is to
/// leave it as it is.
///
/// # Errors
/// When the error law is not Gaussian, there are fewer than two members, or shapes do not fit.
pub(crate) fn usable(name: &str, forecast: &Array2<f64>, observed: &ObservationSet) -> Result<Option<Present>> {
    observed.require_gaussian(name)?;
    require_members(forecast.nrows())?;
    let present = observed.restrict(forecast.view())?;
    let finite = all_finite(forecast.view()) && all_finite(present.predicted.view());
    Ok((finite && !present.index.is_empty()).then_some(present))
}
