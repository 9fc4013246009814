//! Local weights of the members that are to be advanced: at each component of x_k by the values near it, so that no weight has
//! to carry all observations at once (Penny and Miyoshi 2016), and what is done with them.
//!
//! At component i, with rho_ij the taper's weight of value j there: log w_n = sum_j rho_ij log p(y_j | x_k^n). Then members are
//! resampled there as in [`LocalParticleFilter`], or moved by [`transport`], which needs no noise to keep them distinct.
//!
//! `tempering` t: in stages, each of which takes so large a share of what is left of the likelihood that the mean effective size
//! is t N, with weights from where the members are by then.

use std::default::Default as _;

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use scorecast_systems::{Key, Param, ParamKind, Settings};

use super::transport::{normal_scores, transport};
use crate::error::Result;
use crate::localize::{LOCALIZATION, Localization, Neighbours};
use crate::method::particle::local_likelihood::{LikelihoodWorkspace, LocalLikelihood};
use crate::method::particle::local_particle_filter::{LocalParticleFilter, SMOOTHING, local_sizes};
use crate::method::particle::regularize::JITTER;
use crate::method::particle::resample::Resampling;
use crate::method::particle::temper::largest_exponent;
use crate::method::particle::weights::{effective_size, normalise};
use crate::method::shared::join;
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;

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

/// The settings of local weights.
pub(super) const SETTINGS: [Param; LOCALIZATION.len() + 4] =
    join(&[LOCALIZATION, &[LOCAL, TEMPERING, SMOOTHING, JITTER]]);

/// The most stages of tempering.
const STAGES: usize = 50;

/// Local weights and their use.
#[derive(Clone, Debug)]
pub struct LocalWeights {
    /// Where values are near, and how members are resampled.
    filter: LocalParticleFilter,
    localization: Localization,
    transported: bool,
    tempering: Option<f64>,
}

impl LocalWeights {
    /// From the settings; none where the radius is unset.
    ///
    /// # Errors
    /// When a geometry of two dimensions has no `columns`.
    pub(super) fn from_settings(settings: &Settings) -> Result<Option<Self>> {
        let Some(localization) = Localization::from_settings(settings)? else { return Ok(None) };
        let filter = LocalParticleFilter {
            localization: Some(localization),
            resampling: Resampling::Systematic,
            jitter: settings.number(JITTER.key),
            smoothing: settings.number(SMOOTHING.key),
        };
        let transported = settings.text(LOCAL.key) == "transport";
        Ok(Some(Self { filter, localization, transported, tempering: settings.optional_number(TEMPERING.key) }))
    }

    /// The members of the posterior of x_k; `each` gives log p(y_j | x_k) of each value that is present, `[present, member]`, for
    /// members wherever they are.
    ///
    /// # Errors
    /// Those of `each`, and when values have no place on the grid.
    pub(super) fn update(
        &self,
        mut x: Array2<f64>,
        observed: &ObservationSet,
        key: Key,
        diagnostics: &mut Diagnostics,
        each: impl Fn(&Array2<f64>) -> Result<Array2<f64>>,
    ) -> Result<Array2<f64>> {
        let neighbours = self.localization.neighbours(observed.operator, &observed.present())?;
        let (mut left, mut stages) = (1.0, 0);
        while left > 0.0 {
            let log_likelihood = each(&x)?;
            let share = self.share(&log_likelihood, &neighbours, x.ncols(), left, stages);
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

    /// The share of the likelihood that the next stage takes of what is left.
    fn share(&self, each: &Array2<f64>, neighbours: &Neighbours, dim: usize, left: f64, stages: usize) -> f64 {
        match self.tempering {
            Some(target) if stages + 1 < STAGES => {
                let local = local_log_weights(each, neighbours, dim);
                largest_exponent(&local, target * each.ncols() as f64, left)
            }
            _ => left,
        }
    }
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
