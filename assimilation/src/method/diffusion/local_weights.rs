//! Local weights of the members that are to be advanced: at each component of x_k by the values near it, so that no weight has
//! to carry all observations at once (Penny and Miyoshi 2016), and what is done with them.
//!
//! At component i, with rho_ij the taper's weight of value j there: log w_n = sum_j rho_ij log p(y_j | x_k^n). Then members are
//! resampled there as in [`LocalParticleFilter`], or moved by [`transport`], which needs no noise to keep them distinct.
//!
//! `weights_share` s below 1: the weights carry the share s of the precision of each value, and what is left, a likelihood to the
//! power 1 - s, is first taken by the local ensemble transform of x_k with E[x_{k+1} | x_k], whose errors have the variance of the
//! value given x_k over 1 - s (the mean of the members'). For Gaussian laws one share is as good as another; few members carry
//! little by weights, and a transform knows no other law.
//!
//! `tempering` t: in stages, each of which takes so large a share of what is left of the likelihood that the mean effective size
//! is t N, with weights from where the members are by then.

use std::default::Default as _;
use std::f64::consts::TAU;

use ndarray::{Array1, Array2, Axis, concatenate, s};
use rayon::prelude::*;
use scorecast_systems::{Key, Param, ParamKind, Settings};

use super::transport::{normal_scores, transport};
use super::weighting::Predictive;
use crate::error::Result;
use crate::localize::{LOCALIZATION, Localization, Neighbours};
use crate::method::around::inflation::Inflation;
use crate::method::ensemble::letkf::LetKf;
use crate::method::particle::local_likelihood::{LikelihoodWorkspace, LocalLikelihood};
use crate::method::particle::local_particle_filter::{LocalParticleFilter, SMOOTHING, local_sizes};
use crate::method::particle::regularize::JITTER;
use crate::method::particle::resample::Resampling;
use crate::method::particle::temper::largest_exponent;
use crate::method::particle::weights::{effective_size, normalise};
use crate::method::shared::{changed, join};
use crate::observations::ObservationSet;
use crate::observe::{Carrying, GaussianError, OtherError};
use crate::outcome::Diagnostics;
use crate::problem::Analysis;

const LOCAL: Param = Param::choice(
    "local_update",
    "transport",
    &["transport", "resample"],
    "what local weights do (with `radius`): move members by their quantiles, or resample them component by component",
);
const TEMPERING: Param = Param::unset(
    "tempering",
    ParamKind::real(0.01, 0.99),
    "share of the members that a stage of the local weights leaves effective; unset is one stage",
);

const SHARE: Param = Param::share(
    "weights_share",
    1.0,
    "share of the precision that local weights carry (with `radius`); a local ensemble transform takes the rest",
);

/// The settings of local weights.
pub(super) const SETTINGS: [Param; LOCALIZATION.len() + 5] =
    join(&[LOCALIZATION, &[LOCAL, SHARE, TEMPERING, SMOOTHING, JITTER]]);

/// The most stages of tempering.
const STAGES: usize = 50;

/// Local weights and their use.
#[derive(Clone, Debug)]
pub struct LocalWeights {
    /// Where values are near, and how members are resampled.
    filter: LocalParticleFilter,
    localization: Localization,
    transported: bool,
    share: f64,
    tempering: Option<f64>,
}

impl LocalWeights {
    /// From the settings; none where the radius is unset.
    ///
    /// # Errors
    /// When a geometry of two dimensions has no `columns`, or settings of local weights are set without a radius.
    pub(super) fn from_settings(settings: &Settings) -> Result<Option<Self>> {
        let Some(localization) = Localization::from_settings(settings)? else {
            return match [LOCAL, SHARE, TEMPERING, SMOOTHING, JITTER].iter().find(|param| changed(settings, param)) {
                Some(param) => {
                    Err(settings.mistake(param.key, "is of local weights; set `radius`, or leave this out").into())
                }
                None => Ok(None),
            };
        };
        let filter = LocalParticleFilter {
            localization: Some(localization),
            resampling: Resampling::Systematic,
            jitter: settings.number(JITTER.key),
            smoothing: settings.number(SMOOTHING.key),
        };
        let transported = settings.text(LOCAL.key) == "transport";
        let (share, tempering) = (settings.number(SHARE.key), settings.optional_number(TEMPERING.key));
        Ok(Some(Self { filter, localization, transported, share, tempering }))
    }

    /// The members of the posterior of x_k; `predictive` says what is expected of the values of members wherever they are.
    ///
    /// # Errors
    /// Those of `predictive`, and when values have no place on the grid.
    pub(super) fn update(
        &self,
        mut x: Array2<f64>,
        observed: &ObservationSet,
        key: Key,
        diagnostics: &mut Diagnostics,
        predictive: impl Fn(&Array2<f64>) -> Result<Predictive>,
    ) -> Result<Array2<f64>> {
        let neighbours = self.localization.neighbours(observed.operator, &observed.present())?;
        if self.share < 1.0 {
            x = self.transform(&x, &predictive(&x)?, observed, key)?;
        }
        let (mut left, mut stages) = (self.share, 0);
        while left > 0.0 {
            let log_likelihood = log_normals(&predictive(&x)?, observed);
            let share = self.stage(&log_likelihood, &neighbours, x.ncols(), left, stages);
            let likelihood = LocalLikelihood::Independent(log_likelihood * share);
            let stage = key.members_from(stages as u64);
            let (moved, ess) = match self.transported {
                true => transported(&x, &likelihood, &neighbours),
                false => self.filter.resample(&x, &likelihood, &neighbours, stage),
            };
            if stages == 0 {
                diagnostics.extend(local_sizes(&ess));
            }
            (x, left, stages) = (moved, left - share, stages + 1);
        }
        diagnostics.insert("stages", stages as f64);
        Ok(x)
    }

    /// The members of x_k after the local ensemble transform by what weights leave of the precision.
    fn transform(
        &self,
        x: &Array2<f64>,
        predictive: &Predictive,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Array2<f64>> {
        let mut variance = observed.operator.error().variance().to_owned();
        let means = predictive.variance.mean_axis(Axis(0)).unwrap_or_default();
        observed.present().iter().zip(&means).for_each(|(&value, mean)| variance[value] = *mean);
        let sd = variance.mapv_into(|variance| (variance / (1.0 - self.share)).sqrt()).to_vec();
        let error = Box::new(GaussianError::new(&sd, sd.len())?);
        let operator = OtherError { of: observed.operator, error };
        // what is expected of x_{k+1} is observed, and x_k stands behind it
        let both = concatenate![Axis(1), predictive.state, *x];
        let carrying = Carrying::new(&operator, both.ncols());
        let observed = ObservationSet { operator: &carrying, ..observed.view() };
        let mut filter =
            LetKf { inflation: Inflation::factor(1.0), rotate: false, localization: Some(self.localization) };
        let moved = filter.update(both, &observed, key)?.ensemble;
        Ok(moved.slice(s![.., predictive.state.ncols()..]).to_owned())
    }

    /// The share of the likelihood that the next stage takes of what is left.
    fn stage(&self, each: &Array2<f64>, neighbours: &Neighbours, dim: usize, left: f64, stages: usize) -> f64 {
        match self.tempering {
            Some(target) if stages + 1 < STAGES => {
                let local = local_log_weights(each, neighbours, dim);
                largest_exponent(&local, target * each.ncols() as f64, left)
            }
            _ => left,
        }
    }
}

/// log p(y_j | x_k) of each value that is present alone, `[present, member]`.
fn log_normals(predictive: &Predictive, observed: &ObservationSet) -> Array2<f64> {
    let values = observed.values.select(Axis(0), &observed.present());
    let mut log = (values - &predictive.mean).reversed_axes();
    log.zip_mut_with(&predictive.variance.t(), |e, v| *e = -0.5 * (*e * *e / v + (TAU * v).ln()));
    log.as_standard_layout().into_owned()
}

/// log w at each component, not normalised.
fn local_log_weights(each: &Array2<f64>, neighbours: &Neighbours, dim: usize) -> Vec<Array1<f64>> {
    let likelihood = LocalLikelihood::Independent(each.clone());
    (0..dim)
        .into_par_iter()
        .map_init(<(Vec<_>, LikelihoodWorkspace)>::default, |(near, room), i| {
            neighbours.near(i, near);
            likelihood.log_weights(near, room)
        })
        .collect()
}

/// The members moved by their quantiles at each component, and the effective size there.
fn transported(x: &Array2<f64>, likelihood: &LocalLikelihood, neighbours: &Neighbours) -> (Array2<f64>, Vec<f64>) {
    let scores = normal_scores(x.nrows());
    let mut moved = x.clone();
    let ess = moved
        .axis_iter_mut(Axis(1))
        .into_par_iter()
        .enumerate()
        .map_init(<(Vec<_>, LikelihoodWorkspace)>::default, |(near, room), (i, mut column)| {
            neighbours.near(i, near);
            let mut log_weights = likelihood.log_weights(near, room);
            if !normalise(&mut log_weights).is_finite() {
                return 0.0;
            }
            if !near.is_empty() {
                column.assign(&transport(x.column(i), &log_weights, &scores));
            }
            effective_size(&log_weights)
        })
        .collect();
    (moved, ess)
}
