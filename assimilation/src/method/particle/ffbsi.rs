//! Forward filtering, backward simulation (Godsill, Doucet and West 2004): joint draws of all times given all
//! observations.
//!
//! Forward it is the bootstrap particle filter, whose members x_k^j and weights w_k^j (before resampling) are kept at every
//! lead step from the first set of observations on. Backward each draw starts from a member of the last time, taken with
//! probability w, and goes on with x_k^j taken with probability proportional to w_k^j p(x_{k+1} | x_k^j), x_{k+1} the
//! state drawn before. So row i of the smoothed members of all times is one path, and whole-path degeneracy, the curse of
//! the filter's own ancestral lines, does not arise. It needs the density of one lead step, and costs members x draws
//! densities a lead step; where the lead step is Gaussian its moments are taken once for all draws. It keeps the members of
//! every lead step, members x components numbers each, until the end of the run.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};
use serde::{Deserialize, Serialize};

use crate::ensemble::all_finite;
use crate::error::Result;
use crate::guard::can_update;
use crate::method::around::quality_control::{Checked, OUTLIER_THRESHOLD};
use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::particle::backward::{Transition, no_density, pick};
use crate::method::particle::bootstrap::ESS_THRESHOLD;
use crate::method::particle::particles::{Particles, Selection};
use crate::method::particle::resample::{RESAMPLING, Resampling};
use crate::method::particle::weights::require_log_weights;
use crate::method::shared::MEMBERS;
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved, State};

const DRAWS: Param = Param::int("draws", 40, 1, "paths drawn backward: the members of the smoothed posteriors");

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "ffbsi",
    about: "particle smoother: bootstrap filter forward, paths drawn backward by the density of a lead step",
    reference: "Godsill, Doucet and West 2004",
    params: &[MEMBERS, ESS_THRESHOLD, RESAMPLING, DRAWS, OUTLIER_THRESHOLD],
    build: MethodBuild::new(&[Need::Density], |settings: &Settings| {
        Ok(Box::new(Ffbsi {
            members: settings.count(MEMBERS.key),
            draws: settings.count(DRAWS.key),
            selection: Selection {
                ess_threshold: settings.number(ESS_THRESHOLD.key),
                resampling: Resampling::new(settings),
            },
            outlier_threshold: settings.optional_number(OUTLIER_THRESHOLD.key),
            run: FilteredRun::default(),
        }))
    })
    .holding(memory::of_all_members),
};

/// The smoother.
#[derive(Clone, Debug)]
pub struct Ffbsi {
    members: usize,
    draws: usize,
    selection: Selection,
    outlier_threshold: Option<f64>,
    run: FilteredRun,
}

/// The run so far: the particles, and those of each lead step in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct FilteredRun {
    particles: Particles,
    past: Vec<FilteredParticles>,
}

impl State for FilteredRun {
    const KIND: &'static str = "particles of all times";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        self.particles.check(owner)?;
        let dim = self.particles.ensemble.dim();
        let fits = |stage: &FilteredParticles| stage.ensemble.dim() == dim && stage.log_weights.len() == dim.0;
        if !self.past.iter().all(fits) {
            return Err(format!("it holds particles of earlier times that are not all of {} x {}", dim.0, dim.1));
        }
        self.past.iter().try_for_each(|stage| require_log_weights(&stage.log_weights))
    }
}

/// The particles of one lead step.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FilteredParticles {
    step: usize,
    /// Whether something was to be observed.
    set: bool,
    /// `[member, component]`.
    ensemble: Array2<f64>,
    /// Normalised, `[member]`.
    log_weights: Array1<f64>,
}

impl FilteredParticles {
    /// One member for each row of `later` (the states one lead step after this), or by the weights alone.
    fn draw(&self, model: &dyn Forecaster, later: Option<&Array2<f64>>, draws: usize, key: Key) -> Result<Array2<f64>> {
        let dim = self.ensemble.ncols();
        if !all_finite(self.ensemble.view()) || later.is_some_and(|later| !all_finite(later.view())) {
            return Ok(Array2::from_elem((draws, dim), f64::NAN));
        }
        let transition =
            if later.is_some() { Some(Transition::new(model, self.step, self.ensemble.view())?) } else { None };
        let key = key.at(self.step as u64);
        let one = |log_weights: &mut Array1<f64>, draw: usize| -> Result<usize> {
            log_weights.assign(&self.log_weights);
            if let (Some(transition), Some(later)) = (&transition, later) {
                transition.add(later.row(draw), log_weights)?;
            }
            Ok(pick(log_weights, key.stream(draw as u64).uniform()))
        };
        let room = || self.log_weights.clone();
        let members = (0..draws).into_par_iter().map_init(room, one).collect::<Result<Vec<_>>>()?;
        Ok(self.ensemble.select(Axis(0), &members))
    }
}

impl Ffbsi {
    /// Carries the particles to lead step `to`; the lead steps between two sets of observations are kept.
    fn forecast(&mut self, model: &dyn Forecaster, to: usize, key: Key) -> Result<()> {
        for k in self.run.particles.step..to {
            model.advance(k, 1, &mut self.run.particles.ensemble, key)?;
            self.run.particles.step = k + 1;
            if !self.run.past.is_empty() && k + 1 < to {
                self.keep(false, self.run.particles.log_weights());
            }
        }
        Ok(())
    }

    /// Keeps the particles as they are; sets of the same lead step are one time.
    fn keep(&mut self, set: bool, log_weights: Array1<f64>) {
        let stage = FilteredParticles {
            step: self.run.particles.step,
            set,
            ensemble: self.run.particles.ensemble.clone(),
            log_weights,
        };
        if self.run.past.last().is_some_and(|last| last.step == stage.step) {
            self.run.past.pop();
        }
        self.run.past.push(stage);
    }
}

impl Cycle for Ffbsi {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.run.particles = Particles::start(prior, self.members, step, key)?;
        self.run.past.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.check(self.run.particles.ensemble.ncols())?;
        model.density().ok_or_else(no_density)?;
        self.forecast(model, observed.step, key.purpose(Purpose::ProcessNoise))?;
        let (forecast, forecast_weights) = (self.run.particles.ensemble.clone(), self.run.particles.weights());
        let mut diagnostics = Diagnostics::new();
        let checked = Checked::new(self.outlier_threshold, forecast.view(), forecast_weights.as_ref(), observed);
        let observed = &checked.of(observed);
        let mut before_resampling = None;
        if !can_update(&forecast, observed) {
            self.keep(true, self.run.particles.log_weights());
        } else {
            let log_factors = observed.log_likelihood(forecast.view());
            let key = key.at(observed.step as u64);
            let (log_weights, ancestors) =
                self.run.particles.weigh(&log_factors, self.selection, key, &mut diagnostics);
            self.keep(true, log_weights.clone());
            before_resampling = self.run.particles.resample(&log_weights, ancestors.as_deref());
        }
        let seen = (&checked, observed);
        Ok(self.run.particles.outcome(forecast, forecast_weights, before_resampling, diagnostics, seen))
    }

    fn finish(
        &mut self,
        model: &dyn Forecaster,
        _operator: Option<&dyn ObservationOperator>,
        key: Key,
    ) -> Result<Vec<Smoothed>> {
        let key = key.purpose(Purpose::Smoothing);
        let mut smoothed = Vec::new();
        let mut later: Option<Array2<f64>> = None;
        for stage in std::mem::take(&mut self.run.past).iter().rev() {
            let drawn = stage.draw(model, later.as_ref(), self.draws, key)?;
            if stage.set {
                smoothed.push(Smoothed::new(stage.step, drawn.clone()));
            }
            later = Some(drawn);
        }
        smoothed.reverse();
        Ok(smoothed)
    }

    fn owner(&self) -> Owner {
        Owner::new("ffbsi").with("members", self.members)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.run]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.run]
    }
}
