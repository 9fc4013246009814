//! Adaptive inflation of the forecast around a filter: a factor lambda of the variance of each component, learnt from the
//! innovations.
//!
//! x <- mean + sqrt(lambda) (x - mean) before the analysis; after it each lambda is updated with the values that were
//! used, from h(x) of the forecast before inflation (s its variance, d the innovation, r the variance of the error).
//! [`Rule`] lists the rules. Between sets lambda <- 1 + damping (lambda - 1), so that without
//! information it returns to 1. A set without values changes neither the members nor lambda.
//!
//! What is known of lambda before each set has the same sd, so that it is the rate of learning: Miyoshi used .04; .6, which
//! is usual where large models are damped by .9, is too restless for Lorenz-96, and .1 is good there.
//!
//! Members that a large factor throws far out can be where the model is unstable: then bound it (`inflation_max`). Where
//! observations saturate it is the step of the mean that throws them there, by an innovation of tens of its sd: bound that
//! as well (`k_factor`), which leaves lambda to learn from the innovation as it is.
//!
//! The values of one set are taken one after the other, each against the same forecast: where their innovations are
//! correlated they count for more than they know. Where the filter localizes so does the learning; elsewhere
//! `anderson` sees far values through their sample correlations, which are never 0 and lift lambda a little; its cost is
//! then that of n p N operations, of n components, p values and N members.

mod anderson;
mod inverse_gamma;
mod likelihood;
mod miyoshi;

pub use anderson::Belief;
pub use inverse_gamma::InverseGamma;

use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rayon::prelude::*;
use scorecast_systems::registry::DefaultValue;
use scorecast_systems::{Key, Param, ParamKind, Settings};
use serde::{Deserialize, Serialize};

use crate::ensemble::{all_finite, anomalies};
use crate::error::{Error, Result};
use crate::guard::can_update;
use crate::localize::{Localization, Neighbours};
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::Analysis;
use crate::screening::used;
use crate::state::{Owner, Saved, State};

/// The setting `adaptive`.
pub(super) const ADAPTIVE: Param = Param::choice(
    "adaptive",
    "none",
    &["none", "anderson", "inverse_gamma", "miyoshi"],
    "inflation of the forecast learnt from innovations: Anderson (2009), the same with an inverse gamma as its prior \
            and a term for the sampling of the mean (El Gharamti 2018), Miyoshi (2011), or none",
);

/// The setting `inflation_sd`.
const INFLATION_SD: Param = Param::positive(
    "inflation_sd",
    0.1,
    "sd of what is known of the adaptive variance factor before each set of observations: its rate of learning",
);

/// The setting `inflation_damping`.
const INFLATION_DAMPING: Param = Param::share(
    "inflation_damping",
    1.0,
    "share of the adaptive inflation above 1 that is kept from one set of observations to the next",
);

/// The setting `inflation_max`.
const INFLATION_MAX: Param = Param::new(
    "inflation_max",
    ParamKind::real(1.0, LARGEST),
    DefaultValue::Float(LARGEST),
    "the largest adaptive factor of a variance: a bound keeps members where the model is stable",
);

/// The settings of adaptive inflation.
pub(super) const PARAMS: [Param; 4] = [ADAPTIVE, INFLATION_SD, INFLATION_DAMPING, INFLATION_MAX];

/// The smallest factor of a variance.
const SMALLEST: f64 = 0.1;

/// The largest factor of a variance, unless a setting says a smaller one.
const LARGEST: f64 = 1e4;

/// How factors are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The mode of the posterior of lambda, one value after the other, through the correlation of component and value
    /// (Anderson 2009).
    Anderson,
    /// Anderson's rule with an inverse gamma as the prior, and the sampling error of the mean of the members in the likelihood
    /// (El Gharamti 2018).
    InverseGamma,
    /// One estimate from all near values by the consistency of innovations, as an observation of lambda (Miyoshi 2011).
    Miyoshi,
}

/// Any analysis of an inflated forecast. The forecast of its outcomes is the inflated one.
pub struct Adaptive {
    of: Box<dyn Analysis>,
    rule: Rule,
    localization: Option<Localization>,
    sd: f64,
    damping: f64,
    /// The largest lambda.
    largest: f64,
    lambda: Factors,
}

/// Factors of the variances, `[component]`; empty before the first set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Factors(pub Array1<f64>);

impl State for Factors {
    const KIND: &'static str = "adaptive inflation";

    fn check(&self, _: &Owner) -> Result<(), String> {
        match self.0.iter().find(|lambda| !(SMALLEST..=LARGEST).contains(*lambda)) {
            Some(lambda) => Err(format!("{lambda} is no factor of adaptive inflation")),
            None => Ok(()),
        }
    }
}

/// What the values of one set say, one row a value of `[value, member]`.
struct Innovations {
    /// Anomalies of h(x) over their root of the sum of squares.
    unit: Array2<f64>,
    /// s, d and r of each value.
    values: Vec<[f64; 3]>,
    neighbours: Option<Neighbours>,
}

impl Adaptive {
    /// Around `of`. Before each set lambda has the standard deviation `sd`; between sets `damping` of lambda - 1 is kept.
    pub fn new(of: Box<dyn Analysis>, rule: Rule, localization: Option<Localization>, sd: f64, damping: f64) -> Self {
        let localization = localization.filter(|local| local.radius.is_finite());
        Self { of, rule, localization, sd, damping, largest: LARGEST, lambda: Factors::default() }
    }

    /// This inflation, whose factors of the variance are `largest` at most.
    #[must_use]
    pub fn with_largest(self, largest: f64) -> Self {
        Self { largest: largest.clamp(SMALLEST, LARGEST), ..self }
    }

    /// Around `of` as the settings say; `of` itself where they say `none`.
    pub(super) fn around(of: Box<dyn Analysis>, settings: &Settings) -> Result<Box<dyn Analysis>> {
        let rule = match settings.text(ADAPTIVE.key) {
            "anderson" => Rule::Anderson,
            "inverse_gamma" => Rule::InverseGamma,
            "miyoshi" => Rule::Miyoshi,
            _ => return Ok(of),
        };
        let localization = Localization::from_settings(settings)?;
        let [sd, damping] = [INFLATION_SD, INFLATION_DAMPING].map(|setting| settings.number(setting.key));
        let largest = settings.number(INFLATION_MAX.key);
        Ok(Box::new(Self::new(of, rule, localization, sd, damping).with_largest(largest)))
    }

    /// The factors of the variances, `[component]`; empty before the first set of observations.
    pub fn factors(&self) -> &Array1<f64> {
        &self.lambda.0
    }

    /// Learns from the values of `observed`, given the forecast before inflation, `[member, component]`.
    fn learn(&mut self, forecast: &Array2<f64>, observed: &ObservationSet) -> Result<()> {
        observed.require_gaussian("adaptive inflation")?;
        let present = observed.restrict(forecast.view())?;
        if present.index.is_empty() || !all_finite(present.predicted.view()) {
            return Ok(());
        }
        let neighbours = match &self.localization {
            Some(local) => Some(local.neighbours(observed.operator, &present.index)?),
            None => None,
        };
        let present = if neighbours.is_some() { present.whiten_in_place()? } else { present.whiten() };
        let (mean, y) = anomalies(present.predicted.view(), None);
        let (unit, norms) = unit_rows(y);
        let per = 1.0 / (forecast.nrows() as f64 - 1.0);
        let value = |i: usize| [norms[i] * norms[i] * per, present.values[i] - mean[i], present.variance[i]];
        let innovations = Innovations { unit, values: (0..norms.len()).map(value).collect(), neighbours };
        let (_, x) = anomalies(forecast.slice(s![.., ..self.lambda.0.len()]), None);
        let (x, _) = unit_rows(x);
        let (rule, sd, largest, members) = (self.rule, self.sd, self.largest, forecast.nrows());
        let Some(lambda) = self.lambda.0.as_slice_mut() else { return Ok(()) };
        lambda.par_iter_mut().enumerate().for_each_init(Vec::new, |near, (component, lambda)| {
            innovations.near(component, near);
            let found = match rule {
                Rule::Anderson => {
                    let prior = Belief { mode: *lambda, sd };
                    innovations.one_by_one(x.row(component), near, prior, |b, gamma, value| b.update(gamma, value)).mode
                }
                Rule::InverseGamma => {
                    let prior = InverseGamma::new(*lambda, sd);
                    let update = |b: InverseGamma, gamma, value| b.update(gamma, value, members);
                    innovations.one_by_one(x.row(component), near, prior, update).mode
                }
                Rule::Miyoshi => innovations.miyoshi(near, *lambda, sd),
            };
            *lambda = found.clamp(SMALLEST, largest);
        });
        Ok(())
    }
}

/// The columns as rows of length 1 (0 where there is no spread), and their lengths of before.
fn unit_rows(anomalies: Array2<f64>) -> (Array2<f64>, Vec<f64>) {
    let mut rows = anomalies.reversed_axes().as_standard_layout().into_owned();
    let norm = |mut row: ndarray::ArrayViewMut1<f64>| {
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
        norm
    };
    let norms = rows.outer_iter_mut().map(norm).collect();
    (rows, norms)
}

impl Innovations {
    /// Fills `near` with the values that count for a component, and their weights.
    fn near(&self, component: usize, near: &mut Vec<(usize, f64)>) {
        match &self.neighbours {
            Some(neighbours) => neighbours.near(component, near),
            None => {
                near.clear();
                near.extend((0..self.values.len()).map(|i| (i, 1.0)));
            }
        }
    }

    /// What the values near a component make of a belief, one after the other.
    fn one_by_one<B>(
        &self,
        x: ArrayView1<f64>,
        near: &[(usize, f64)],
        prior: B,
        update: impl Fn(B, f64, [f64; 3]) -> B,
    ) -> B {
        near.iter().fold(prior, |belief, &(i, weight)| {
            update(belief, weight * x.dot(&self.unit.row(i)).abs().min(1.0), self.values[i])
        })
    }

    fn miyoshi(&self, near: &[(usize, f64)], lambda: f64, sd: f64) -> f64 {
        miyoshi::update(near.iter().map(|&(i, weight)| (weight, self.values[i])), lambda, sd)
    }
}

impl Analysis for Adaptive {
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.check(forecast.ncols())?;
        if !can_update(&forecast, observed) {
            return self.of.update(forecast, observed, key);
        }
        if self.of.weights().is_some() {
            return Err(Error::Unsupported(
                "adaptive inflation is for members of equal weight, but the analysis that it goes around weighs them; leave \
                 `adaptive` out"
                    .to_owned(),
            ));
        }
        // earlier states that a smoother carries are not inflated again
        let dim = observed.operator.current_dim();
        let lambda = if self.lambda.0.len() == dim {
            self.lambda.0.mapv(|lambda| 1.0 + self.damping * (lambda - 1.0))
        } else {
            Array1::ones(dim)
        };
        let mut inflated = forecast.clone();
        let mut current = inflated.slice_mut(s![.., ..dim]);
        if let Some(mean) = current.mean_axis(Axis(0)) {
            let factor = lambda.mapv(f64::sqrt);
            current -= &mean;
            current *= &factor;
            current += &mean;
        }
        let mut outcome = self.of.update(inflated, observed, key)?;
        let values = used(&outcome, observed);
        let used = ObservationSet { values: values.view(), ..*observed };
        if !used.is_observed() {
            // all were rejected: a set without values
            outcome.ensemble.clone_from(&forecast);
            outcome.forecast = forecast;
            return Ok(outcome);
        }
        self.lambda = Factors(lambda);
        let factor = self.lambda.0.iter().map(|lambda| lambda.sqrt()).sum::<f64>() / dim as f64;
        outcome.diagnostics.insert("adaptive_inflation", factor);
        self.learn(&forecast, &used)?;
        Ok(outcome)
    }

    fn weights(&self) -> Option<Array1<f64>> {
        self.of.weights()
    }

    fn name(&self) -> &'static str {
        self.of.name()
    }

    fn state(&self) -> Vec<&dyn Saved> {
        [vec![&self.lambda as &dyn Saved], self.of.state()].concat()
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        let mut parts: Vec<&mut dyn Saved> = vec![&mut self.lambda];
        parts.extend(self.of.state_mut());
        parts
    }
}
