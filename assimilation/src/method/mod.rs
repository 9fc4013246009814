//! Assimilation methods: one file each, one line in [`METHODS`].
//!
//! Multiplicative inflation is the same everywhere: it multiplies the anomalies (so their standard deviation) of the
//! analysis ensemble, before anything scores it. A set of observations without a single value leaves the ensemble as it is.

mod bootstrap;
mod by_component;
mod eakf;
mod enkf;
mod ensf;
mod ensrf;
mod etkf;
mod guidance;
mod guided;
mod kalman;
mod letkf;
mod one_step;
mod path;
mod serial;
mod weights;

pub use bootstrap::Bootstrap;
pub use eakf::EaKf;
pub use enkf::EnKf;
pub use ensf::{EnSf, PriorScore};
pub use ensrf::EnSrf;
pub use etkf::EtKf;
pub use guidance::Guidance;
pub use guided::{Guided, Weighting};
pub use kalman::Kalman;
pub use letkf::LetKf;
pub use serial::Serial;

use ndarray::{Array1, Array2};
use scorecast_systems::registry::Default;
use scorecast_systems::{Entry, Kind, Param, Settings};

use crate::problem::{Analysis, AnalysisCycle, Cycle, Error, Outcome, Result, weighted_mean};

/// How a method is built from its settings. An ensemble method is wrapped in
/// [`AnalysisCycle`].
pub type Build = fn(&Settings) -> Result<Box<dyn Cycle>>;

/// Every method, in the order in which they are listed.
pub const METHODS: &[Entry<Build>] = &[
    kalman::ENTRY,
    enkf::ENTRY,
    etkf::ENTRY,
    letkf::ENTRY,
    eakf::ENTRY,
    ensrf::ENTRY,
    bootstrap::ENTRY,
    ensf::ENTRY,
    guided::ENTRY,
];

/// The setting `members` of every method.
pub(crate) const MEMBERS: Param = Param {
    key: "members",
    kind: Kind::Int { min: 2, max: i64::MAX },
    default: Default::Int(40),
    about: "members of the ensemble",
};

/// The setting `inflation` of every ensemble method.
pub(crate) const INFLATION: Param = Param {
    key: "inflation",
    kind: Kind::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
    default: Default::Float(1.0),
    about: "factor of the standard deviation of the analysis anomalies",
};

/// An ensemble method as a filter of `members` members.
fn cycle(analysis: impl Analysis + 'static, settings: &Settings) -> Result<Box<dyn Cycle>> {
    Ok(Box::new(AnalysisCycle::new(Box::new(analysis), settings.count("members"))))
}

/// Multiplies the anomalies of an ensemble around its (weighted) mean.
pub(crate) fn inflate(ensemble: &mut Array2<f64>, weights: Option<&Array1<f64>>, inflation: f64) {
    if inflation != 1.0 {
        let mean = weighted_mean(ensemble.view(), weights);
        for mut row in ensemble.outer_iter_mut() {
            row.zip_mut_with(&mean, |value, centre| *value = centre + inflation * (*value - centre));
        }
    }
}

/// Refuses an ensemble without a spread.
pub(crate) fn require_members(members: usize) -> Result<()> {
    if members < 2 {
        return Err(Error::Shape(format!("an ensemble has {members} members; an analysis needs at least 2")));
    }
    Ok(())
}

/// What there is to say when nothing was observed, or when the forecast has diverged: the forecast, unchanged.
pub(crate) fn unchanged(forecast: Array2<f64>) -> Outcome {
    let ensemble = forecast.clone();
    Outcome::new(forecast, ensemble)
}
