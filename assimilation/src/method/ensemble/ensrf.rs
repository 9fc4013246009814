//! The serial ensemble square-root filter (Whitaker and Hamill 2002): no perturbed observations, and a smaller gain for
//! the anomalies than for the mean.
//!
//! One observed value y of error variance r, whose prediction has variance s: with K = w a^T y / (N - 1) / (s + r), w the
//! taper, mean <- mean + K d and a <- a - K' y, K' = K / (1 + sqrt(r / (s + r))). The loop over values and components
//! is `serial`'s.
//!
//! For one value at a time this is the same update as that of [`eakf`](super::EaKf), written differently (Tippett,
//! Anderson, Bishop, Hamill and Whitaker 2003): the two check each other. This form has no division by s, and loses no
//! digits where s is far below r.

use ndarray::Array2;
use scorecast_systems::{Entry, Key, Settings};

use crate::error::Result;
use crate::guard::GaussianAnalysis;
use crate::method::build::MethodBuild;
use crate::method::ensemble::serial::{self, Move, Serial};
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: EnSrf::NAME,
    about: "serial ensemble square-root filter, localized where a radius is set",
    reference: "Whitaker and Hamill 2002",
    params: serial::PARAMS,
    build: MethodBuild::new(&[], |settings: &Settings| {
        crate::method::around::cycle(EnSrf(Serial::from_settings(settings)?), settings)
    }),
};

/// The serial filter with a reduced gain.
#[derive(Clone, Debug)]
pub struct EnSrf(pub Serial);

impl GaussianAnalysis for EnSrf {
    const NAME: &'static str = "ensrf";

    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        serial::analyse(reduced_gain, self.0, forecast, present, (observed, key))
    }
}

/// The two gains, for each unit of covariance.
fn reduced_gain(d: f64, s: f64, r: f64) -> Move {
    let gain = 1.0 / (s + r);
    Move { shift: gain * d, stretch: -gain / (1.0 + (r * gain).sqrt()) }
}
