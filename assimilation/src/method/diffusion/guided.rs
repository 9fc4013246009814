//! The guided diffusion filter: the forecaster's own denoiser of p(x_{k+1} | x_k), guided by the observations.
//!
//! Two axes are registries of their own: by which rule the observations guide ([`super::guidance`], `guidance`), and how
//! members are weighted, without which this is not a filter ([`super::weighting`], `weights`; `auto` is exact where it can
//! be, otherwise along the path). With a `radius` weights are local ([`super::local_weights`]), without one global. Each step of
//! the sampler may be followed by Langevin `correctors` ([`super::correctors`]).
//!
//! When observations come after several lead steps all but the last are advanced freely and the last is guided.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::noising::Karras;
use scorecast_systems::noising::sampler::{SAMPLERS, named};
use scorecast_systems::registry::names_after;
use scorecast_systems::{Entry, Forecaster, Key, Level, Param, Purpose, Settings};

use crate::error::{Error, Result};
use crate::guard::can_update;
use crate::method::around::inflation::{INFLATION, inflate};
use crate::method::around::quality_control::{Checked, OUTLIER_THRESHOLD};
use crate::method::build::MethodBuild;
use crate::method::diffusion::correctors::{self, Correctors};
use crate::method::diffusion::counts;
use crate::method::diffusion::guidance::{self, Following, Guidance, Source, Unguided};
use crate::method::diffusion::local_weights::{self, LocalWeights};
use crate::method::diffusion::weighting::{self, Ancestors, GuidedRun, Preference, Sampling, WeighedDraw, Weighting};
use crate::method::memory;
use crate::method::particle::bootstrap::ESS_THRESHOLD;
use crate::method::particle::particles::{Particles, Selection};
use crate::method::particle::resample::Resampling;
use crate::method::shared::{MEMBERS, join};
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome, WeightedMembers};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved};

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "guided",
    about: "the diffusion forecaster's sampler guided by the observations, members weighted by p(y | x_k)",
    reference: "Rozet et al. 2024; Pitt and Shephard 1999; Wu et al. 2023",
    params: &join::<PARAMS>(&[
        &SHARED,
        &SAMPLING,
        &correctors::SETTINGS,
        &guidance::SETTINGS,
        &weighting::SETTINGS,
        &local_weights::SETTINGS,
    ]),
    build: MethodBuild::new(&[Need::Denoiser], |settings: &Settings| Ok(Box::new(Guided::from_settings(settings)?)))
        .holding(memory::of_sampler)
        .with_caveat(|settings| weighting::caveat(settings).or_else(|| guidance::caveat(settings))),
};

const PARAMS: usize = SHARED.len()
    + SAMPLING.len()
    + correctors::SETTINGS.len()
    + guidance::SETTINGS.len()
    + weighting::SETTINGS.len()
    + local_weights::SETTINGS.len();

/// The samplers by their names; `sde` is the short name of `reverse_sde`.
const SAMPLER_WORDS: [&str; SAMPLERS.len() + 1] = names_after(&["sde"], SAMPLERS);

const SHARED: [Param; 4] = [MEMBERS, INFLATION, ESS_THRESHOLD, OUTLIER_THRESHOLD];

const SAMPLER: Param = Param::choice("sampler", "sde", &SAMPLER_WORDS, "reverse sampler; path weights need `sde`");
const STEPS: Param = counts::steps("steps", 64, 2, "steps of the sampler");
const SIGMA_MIN: Param = Param::positive("sigma_min", 0.01, "last noise level above 0");
const SIGMA_MAX: Param = Param::positive("sigma_max", 20.0, "first noise level");
const RHO: Param = Param::positive("rho", 7.0, "spacing of the noise levels");
const SAMPLING: [Param; 7] = [guidance::RULE, weighting::WEIGHTS, SAMPLER, STEPS, SIGMA_MIN, SIGMA_MAX, RHO];

/// The guided filter.
#[derive(Clone, Debug)]
pub struct Guided {
    /// The number of members.
    pub members: usize,
    /// Factor of the standard deviation of the analysis anomalies.
    pub inflation: f64,
    /// Resample below this share of the members.
    pub ess_threshold: f64,
    /// Values further than this many standard deviations of the innovation from the forecast are not used; none uses all.
    pub outlier_threshold: Option<f64>,
    /// By what the observations guide.
    pub guidance: Arc<dyn Guidance>,
    /// Where weights come from.
    pub weights: Preference,
    /// Where they are local; none is global weights.
    pub local: Option<LocalWeights>,
    /// The reverse sampler, and what follows each of its steps.
    pub sampling: Sampling,
    /// Its noise levels.
    pub grid: Karras,
    particles: Particles,
}

impl Guided {
    /// A filter with the settings of its registry entry.
    ///
    /// # Errors
    /// When settings do not go together.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let sampler = match settings.text(SAMPLER.key) {
            "sde" => named("reverse_sde")?.sampler,
            name => named(name)?.sampler,
        };
        let sampling = Sampling { sampler, correctors: Correctors::from_settings(settings)? };
        let weights = Preference::from_settings(settings, &sampling)?;
        let [sigma_min, sigma_max, rho] = [SIGMA_MIN, SIGMA_MAX, RHO].map(|setting| settings.number(setting.key));
        let grid = Karras { sigma_min, sigma_max, rho, steps: settings.count(STEPS.key) };
        grid.check()?;
        Ok(Self {
            members: settings.count(MEMBERS.key),
            inflation: settings.number(INFLATION.key),
            ess_threshold: settings.number(ESS_THRESHOLD.key),
            outlier_threshold: settings.optional_number(OUTLIER_THRESHOLD.key),
            guidance: guidance::from_settings(settings)?,
            weights,
            local: LocalWeights::from_settings(settings)?,
            sampling,
            grid,
            particles: Particles::default(),
        })
    }

    /// Draws x_{k+1} for each row of `x` under guidance.
    fn draw(
        &self,
        model: &dyn Forecaster,
        x: &Array2<f64>,
        observed: &ObservationSet,
        weighting: &dyn Weighting,
        key: Key,
        diagnostics: &mut Diagnostics,
    ) -> Result<WeighedDraw> {
        let conditional = model.denoiser().ok_or_else(|| {
            Error::Unsupported(
                "method `guided` needs a forecaster with a denoiser (kind `diffusion`, or a system whose one-step law \
                 is Gaussian); use `bootstrap` or `enkf` with this one"
                    .to_owned(),
            )
        })?;
        let (step, rule) = (observed.step - 1, &*self.guidance);
        let bound = conditional.bind(step, x.view())?;
        let (denoiser, to_state) = (&*bound.denoiser, &bound.to_state);
        let unguided = Unguided { denoiser, to_state, observed: observed.view() };
        let source = Source { conditional, step, x: x.view(), observed: observed.view(), rule };
        let guided = Following::new(source, unguided);
        let levels = self.grid.exploding()?;
        let log_weights = self.particles.log_weights();
        let drawn = weighting.draw(&GuidedRun {
            guided: &guided,
            to_state,
            observed: observed.view(),
            sampling: self.sampling,
            levels: &levels,
            // the address of the free forecast of this step, which is only scored and never carried on
            key: key.purpose(Purpose::Sampler).at(step as u64),
            log_weights: &log_weights,
            ess_threshold: self.ess_threshold,
        })?;
        diagnostics.extend(guided.diagnostics());
        Ok(drawn)
    }

    /// Weights the members by `log_factors`, notes it, and resamples where the effective size asks for it: the
    /// ancestors are given then, and the weights are equal again. Also the normalised logarithms of the weights before.
    fn weigh(
        &mut self,
        log_factors: &Array1<f64>,
        key: Key,
        diagnostics: &mut Diagnostics,
    ) -> (Array1<f64>, Option<Vec<usize>>) {
        let selection = Selection { ess_threshold: self.ess_threshold, resampling: Resampling::Systematic };
        self.particles.weigh(log_factors, selection, key, diagnostics)
    }

    /// Draws and weighs; the particles are then those of the analysis. `x` is the ensemble one lead step before the
    /// observations. Gives what there was before resampling.
    fn analyse(
        &mut self,
        model: &dyn Forecaster,
        mut x: Array2<f64>,
        observed: &ObservationSet,
        key: Key,
        diagnostics: &mut Diagnostics,
    ) -> Result<Option<WeightedMembers>> {
        let resampling = key.at(observed.step as u64);
        let weighting = self.weights.choose(model, observed, &self.sampling)?;
        let largest = Level::exploding(self.grid.sigma_max);
        if let Some(local) = &self.local {
            x = local.update(x, observed, resampling, diagnostics, |x| {
                let predictive = weighting.predictive(&Ancestors { model, x, observed: observed.view(), largest })?;
                predictive.ok_or_else(|| {
                    Error::Unsupported(
                        "method `guided`: local weights need what values say of x_k before a draw; set weights to \"exact\" or \
                         \"adapted\", or leave `radius` out"
                            .to_owned(),
                    )
                })
            })?;
        } else {
            let before = weighting.before(&Ancestors { model, x: &x, observed: observed.view(), largest })?;
            if let Some(log_factors) = before
                && let (_, Some(ancestors)) = self.weigh(&log_factors, resampling, diagnostics)
            {
                x = x.select(Axis(0), &ancestors);
            }
        }
        let drawn = self.draw(model, &x, observed, &*weighting, key, diagnostics)?;
        self.particles.ensemble = drawn.ensemble;
        let Some(log_factors) = drawn.log_factors else { return Ok(None) };
        if drawn.resampled {
            self.particles.forget_weights();
        }
        let (log_weights, ancestors) = self.weigh(&log_factors, resampling, diagnostics);
        Ok(self.particles.resample(&log_weights, ancestors.as_deref()))
    }

    fn weights(&self) -> Option<Array1<f64>> {
        self.particles.weights()
    }
}

impl Cycle for Guided {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.particles = Particles::start(prior, self.members, step, key)?;
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        self.guidance.require(observed)?;
        observed.check(self.particles.ensemble.ncols())?;
        if observed.step <= self.particles.step {
            return Err(Error::Unsupported(format!(
                "method `guided` stands at lead step {} and cannot use observations of step {}; it guides a forecast, \
                 so let the first observations come at least one lead step after the start",
                self.particles.step, observed.step
            )));
        }
        let noise = key.purpose(Purpose::ProcessNoise);
        let mut before = self.particles.ensemble.clone();
        model.advance(self.particles.step, observed.step - 1 - self.particles.step, &mut before, noise)?;
        let mut forecast = before.clone();
        model.advance(observed.step - 1, 1, &mut forecast, noise)?;
        let forecast_weights = self.weights();

        let checked = Checked::new(self.outlier_threshold, forecast.view(), forecast_weights.as_ref(), observed);
        let observed = &checked.of(observed);
        let mut diagnostics = Diagnostics::new();
        let mut before_resampling = None;
        if can_update(&forecast, observed) {
            before_resampling = self.analyse(model, before, observed, key, &mut diagnostics)?;
            let weights = self.weights();
            inflate(self.particles.ensemble.view_mut(), weights.as_ref(), self.inflation);
            if let Some((members, weights)) = &mut before_resampling {
                inflate(members.view_mut(), Some(&*weights), self.inflation);
            }
        } else {
            self.particles.ensemble.assign(&forecast);
        }
        self.particles.step = observed.step;
        let seen = (&checked, observed);
        Ok(self.particles.outcome(forecast, forecast_weights, before_resampling, diagnostics, seen))
    }

    fn owner(&self) -> Owner {
        Owner::new("guided").with("members", self.members)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.particles]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.particles]
    }
}
