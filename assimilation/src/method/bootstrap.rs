//! The bootstrap particle filter (Gordon, Salmond and Smith 1993).
//!
//! Weights w_i <- w_i p(y | x_i). When the effective sample size 1 / sum w^2 falls below a share of N the members are
//! resampled (systematic; Kitagawa 1996) and weigh the same again; otherwise the weights are carried to the next cycle.
//! sum w_i p(y | x_i) is an unbiased factor of the evidence; its logarithm is the diagnostic `log_evidence`.
//! `jitter` adds Gaussian noise of that many standard deviations of the weighted ensemble to each component after
//! resampling (regularization; Musso, Oudjane and Le Gland 2001): a bias that keeps particles distinct where the model
//! has little noise.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::registry::Default;
use scorecast_systems::{Entry, Key, Kind, Param, Purpose, Settings};

use super::weights::{effective_size, equal, normalise, systematic};
use super::{Build, INFLATION, MEMBERS};
use crate::linalg::all_finite;
use crate::outcome::{Outcome, weighted_variance};
use crate::problem::{Analysis, Error, Result, Seen};

/// The setting `ess_threshold` of the methods that weigh their members.
pub(super) const ESS_THRESHOLD: Param = Param {
    key: "ess_threshold",
    kind: Kind::Float { min: 0.0, max: 1.0 },
    default: Default::Float(0.5),
    about: "resample when the effective sample size is below this share of the members",
};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "bootstrap",
    about: "bootstrap particle filter: weights p(y | x), systematic resampling",
    reference: "Gordon, Salmond and Smith 1993",
    params: &[
        MEMBERS,
        INFLATION,
        ESS_THRESHOLD,
        Param {
            key: "jitter",
            kind: Kind::Float { min: 0.0, max: f64::INFINITY },
            default: Default::Float(0.0),
            about: "noise after resampling, in standard deviations of the ensemble",
        },
    ],
    build: |settings: &Settings| {
        let [inflation, ess_threshold, jitter] =
            ["inflation", "ess_threshold", "jitter"].map(|key| settings.number(key));
        super::cycle(Bootstrap::new(inflation, ess_threshold, jitter), settings)
    },
};

/// The particle filter.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    inflation: f64,
    ess_threshold: f64,
    jitter: f64,
    /// Normalised logarithms carried from one cycle to the next; none means equal.
    log_weights: Option<Array1<f64>>,
}

impl Bootstrap {
    /// A filter that resamples below `ess_threshold * N` and then adds `jitter` standard deviations of noise.
    pub fn new(inflation: f64, ess_threshold: f64, jitter: f64) -> Self {
        Self { inflation, ess_threshold, jitter, log_weights: None }
    }

    fn resample(&self, ensemble: &Array2<f64>, log_weights: &Array1<f64>, key: Key) -> Array2<f64> {
        let mut drawn = ensemble.select(Axis(0), &systematic(log_weights, key.purpose(Purpose::Resampling)));
        if self.jitter > 0.0 {
            let sd = weighted_variance(ensemble.view(), Some(&log_weights.mapv(f64::exp))).mapv(f64::sqrt);
            let (members, dim) = ensemble.dim();
            drawn += &(key.purpose(Purpose::Perturbation).normals(members, dim) * (self.jitter * sd));
        }
        drawn
    }
}

impl Analysis for Bootstrap {
    fn update(&mut self, forecast: Array2<f64>, seen: &Seen, key: Key) -> Result<Outcome> {
        super::require_members(forecast.nrows())?;
        seen.check(forecast.ncols())?;
        let members = forecast.nrows();
        let carried = self.log_weights.take().filter(|weights| weights.len() == members);
        if !all_finite(forecast.view()) {
            return Ok(super::unchanged(forecast));
        }
        let present = seen.present();
        if present.is_empty() {
            self.log_weights = carried;
            let weights = self.log_weights.as_ref().map(|weights| weights.mapv(f64::exp));
            return Ok(Outcome { forecast_weights: weights.clone(), weights, ..super::unchanged(forecast) });
        }
        let mut log_weights = carried.clone().unwrap_or_else(|| equal(members));
        let predicted = seen.operator.apply(seen.time, forecast.view());
        log_weights += &seen.operator.error().log_likelihood(seen.values, predicted.view(), &present);
        let log_evidence = normalise(&mut log_weights);
        let ess = if log_evidence.is_finite() { effective_size(&log_weights) } else { 0.0 };
        let resampled = ess < self.ess_threshold * members as f64;
        let mut ensemble = forecast.clone();
        if resampled {
            ensemble = self.resample(&forecast, &log_weights, key.at(seen.step as u64));
        } else {
            self.log_weights = Some(log_weights);
        }
        let weights = self.log_weights.as_ref().map(|weights| weights.mapv(f64::exp));
        super::inflate(&mut ensemble, weights.as_ref(), self.inflation);
        let mut outcome = Outcome::new(forecast, ensemble);
        outcome.forecast_weights = carried.map(|weights| weights.mapv(f64::exp));
        outcome.weights = weights;
        outcome.diagnostics.extend([
            ("log_evidence", log_evidence),
            ("ess", ess),
            ("resampled", f64::from(u8::from(resampled))),
        ]);
        Ok(outcome)
    }

    fn state(&self) -> Vec<f64> {
        self.log_weights.as_ref().map_or_else(Vec::new, |weights| weights.to_vec())
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        if state.iter().any(|value| value.is_nan() || *value > 1e-9) {
            return Err(Error::State(format!("{} numbers that are not the logarithms of weights", state.len())));
        }
        self.log_weights = (!state.is_empty()).then(|| Array1::from_vec(state.to_vec()));
        Ok(())
    }
}
