//! The serial ensemble adjustment Kalman filter (Anderson 2001), in the two steps of Anderson 2003.
//!
//! One observed value y of error variance r, whose prediction has mean m and variance s: the members of the prediction
//! are adjusted to the posterior mean m + k d, k = s / (s + r), d = y - m, and to its variance s r / (s + r) by
//! shrinking their anomalies by alpha = sqrt(r / (s + r)); the increments are then regressed onto each component, with
//! the factor w a^T y / ((N - 1) s), w the taper. The loop over values and components is `serial`'s.
//!
//! Without a `radius` this is the global filter, and mean and covariance are the Kalman update of the ensemble's own.

use ndarray::Array2;
use scorecast_systems::{Entry, Key, Settings};

use crate::error::Result;
use crate::guard::GaussianAnalysis;
use crate::method::build::MethodBuild;
use crate::method::ensemble::serial::{self, Move, Serial};
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: EaKf::NAME,
    about: "serial ensemble adjustment Kalman filter, localized where a radius is set",
    reference: "Anderson 2001, 2003",
    params: serial::PARAMS,
    build: MethodBuild::new(&[], |settings: &Settings| {
        crate::method::around::cycle(EaKf(Serial::from_settings(settings)?), settings)
    }),
};

/// The serial filter by adjustment and regression.
#[derive(Clone, Debug)]
pub struct EaKf(pub Serial);

impl GaussianAnalysis for EaKf {
    const NAME: &'static str = "eakf";

    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        serial::analyse(adjust, self.0, forecast, present, (observed, key))
    }
}

/// The increments of the predicted value, for each unit of its variance.
fn adjust(d: f64, s: f64, r: f64) -> Move {
    if s == 0.0 {
        // members that agree regress onto nothing
        return Move::default();
    }
    let k = s / (s + r);
    let alpha = (r / (s + r)).sqrt();
    Move { shift: k * d / s, stretch: (alpha - 1.0) / s }
}
