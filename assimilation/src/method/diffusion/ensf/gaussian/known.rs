//! The analysis of a forecast whose law is known beside its members, as a link in the chain of what goes around any analysis
//! (quality control, adaptive inflation), which hands on members alone.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array1, Array2};
use scorecast_systems::Key;

use super::analysis::GaussianScore;
use super::law::{EnsembleGaussian, ModelNoise};
use crate::ensemble::weighted_variance;
use crate::error::Result;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::Analysis;

/// The law of the forecast that is analysed next, put here by the cycle.
#[derive(Clone, Default)]
pub(super) struct Handed(Arc<Mutex<Option<Law>>>);

/// A law, and the variances of the members that were made of it, `[component]`.
struct Law {
    law: EnsembleGaussian,
    variance: Array1<f64>,
}

impl Handed {
    /// Hands on `law`, of whose forecast these are the members.
    pub fn put(&self, law: EnsembleGaussian, forecast: &Array2<f64>) {
        let law = Law { law, variance: weighted_variance(forecast.view(), None) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(law);
    }

    /// The law of `forecast`: members whose spread has been changed on the way have changed that of their law.
    fn take(&self, forecast: &Array2<f64>) -> EnsembleGaussian {
        let handed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Law { law, variance }) = handed else {
            return EnsembleGaussian::new(forecast.clone(), ModelNoise::None);
        };
        let found = weighted_variance(forecast.view(), None);
        if found == variance || !law.is_finite() {
            return law;
        }
        let factor = |(found, before): (&f64, &f64)| if *before > 0.0 { (found / before).sqrt() } else { 1.0 };
        law.spread_by(&found.iter().zip(&variance).map(factor).collect())
    }
}

/// The analysis by a score of what has been handed on.
pub(super) struct Known {
    pub score: GaussianScore,
    pub handed: Handed,
}

impl Analysis for Known {
    fn name(&self) -> &'static str {
        "ensf"
    }

    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let law = self.handed.take(&forecast);
        self.score.analyse(&law, forecast, observed, key)
    }
}
