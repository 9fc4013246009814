//! The bootstrap particle filter (Gordon, Salmond and Smith 1993).
//!
//! Weights w_i <- w_i p(y | x_i). When the effective sample size 1 / sum w^2 falls below a share of N the members are
//! resampled (see [`Resampling`]) and weigh the same again; otherwise the weights are carried to the next cycle. The posterior
//! is that of the weighted members: resampling adds the error of its draws for the next forecast alone.
//! sum w_i p(y | x_i) is an unbiased factor of the evidence; its logarithm is the diagnostic `log_evidence`, low by about
//! half its variance. Noise after resampling ([`Regularization`]) keeps particles distinct where the model has little.

use ndarray::{Array1, Array2, s};
use scorecast_systems::{Entry, Key, Param, Purpose, Settings};

use crate::error::Result;
use crate::method::around::inflation::INFLATION;
use crate::method::around::lag::LAG;
use crate::method::around::quality_control::OUTLIER_THRESHOLD;
use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::particle::regularize::{JITTER, REGULARIZATION, Regularization};
use crate::method::particle::resample::{RESAMPLING, Resampling};
use crate::method::particle::weights::{Carried, Opened, Weighed, equal};
use crate::method::shared::MEMBERS;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome};
use crate::problem::Analysis;
use crate::state::Saved;

/// The setting `ess_threshold` of the methods that weigh their members.
pub(crate) const ESS_THRESHOLD: Param =
    Param::share("ess_threshold", 0.5, "resample when the effective sample size is below this share of the members");

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "bootstrap",
    about: "bootstrap particle filter: weights p(y | x), resampling when few members carry them",
    reference: "Gordon, Salmond and Smith 1993",
    params: &[MEMBERS, INFLATION, LAG, ESS_THRESHOLD, RESAMPLING, JITTER, REGULARIZATION, OUTLIER_THRESHOLD],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let mut filter = Bootstrap::new(settings.number(INFLATION.key), settings.number(ESS_THRESHOLD.key));
        (filter.resampling, filter.regularization) = (Resampling::new(settings), Regularization::new(settings));
        crate::method::around::cycle(filter, settings)
    })
    .holding(memory::of_kernels),
};

/// The particle filter.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// Factor of the standard deviation of the analysis anomalies.
    pub inflation: f64,
    /// Resample below this share of the members.
    pub ess_threshold: f64,
    /// How ancestors are drawn.
    pub resampling: Resampling,
    /// The noise after resampling.
    pub regularization: Regularization,
    carried: Carried,
}

impl Bootstrap {
    /// A filter that resamples (systematic) below `ess_threshold * N`, without noise after it.
    pub fn new(inflation: f64, ess_threshold: f64) -> Self {
        Self {
            inflation,
            ess_threshold,
            resampling: Resampling::default(),
            regularization: Regularization::default(),
            carried: Carried::default(),
        }
    }

    /// Resampled members; noise is given to their first `current` components.
    fn resample(
        &self,
        ensemble: &Array2<f64>,
        current: usize,
        log_weights: &Array1<f64>,
        key: Key,
    ) -> Result<Array2<f64>> {
        let ancestors = self.resampling.draw(log_weights, key.purpose(Purpose::Resampling));
        self.regularization.descend(ensemble, current, log_weights, &ancestors, key.purpose(Purpose::Perturbation))
    }
}

impl Analysis for Bootstrap {
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let (forecast, carried) = match self.carried.open(forecast, observed)? {
            Opened::Weigh(forecast, carried) => (forecast, carried),
            Opened::Unchanged(outcome) => return Ok(*outcome),
        };
        let log_likelihood = observed.log_likelihood(forecast.view());
        let prior = carried.clone().unwrap_or_else(|| equal(forecast.nrows()));
        let weighed = Weighed::new(prior, &log_likelihood, self.ess_threshold);
        let (mut ensemble, current) = (forecast.clone(), observed.operator.current_dim());
        let mut diagnostics = Diagnostics::new();
        weighed.note(&mut diagnostics);
        let mut before_resampling = None;
        if weighed.resample {
            let next = self.resample(&forecast, current, &weighed.log_weights, key.at(observed.step as u64))?;
            before_resampling = Some((std::mem::replace(&mut ensemble, next), weighed.log_weights.mapv(f64::exp)));
        } else {
            self.carried = Carried(Some(weighed.log_weights));
        }
        let weights = self.carried.weights();
        let inflate = |members: &mut Array2<f64>, weights: Option<&Array1<f64>>| {
            crate::method::around::inflation::inflate(members.slice_mut(s![.., ..current]), weights, self.inflation);
        };
        inflate(&mut ensemble, weights.as_ref());
        before_resampling.iter_mut().for_each(|(members, weights)| inflate(members, Some(&*weights)));
        let forecast_weights = Carried(carried).weights();
        Ok(Outcome { forecast_weights, weights, before_resampling, diagnostics, ..Outcome::new(forecast, ensemble) })
    }

    fn weights(&self) -> Option<Array1<f64>> {
        self.carried.weights()
    }

    fn name(&self) -> &'static str {
        "bootstrap"
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.carried]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.carried]
    }
}
