//! The guided diffusion filter: the forecaster's own denoiser of p(x_{k+1} | x_k), guided by the observations.
//!
//! Two axes are registries of their own: by which rule the observations guide ([`super::guidance`], `guidance`), and how
//! members are weighted, without which this is not a filter ([`super::weighting`], `weights`; `auto` is exact where it can
//! be, otherwise along the path). With a `radius` weights are local ([`super::local_weights`]), without one global. Each step of
//! the sampler may be followed by Langevin `correctors` ([`super::correctors`]). What is drawn may be held to a `constraint`
//! A x = b ([`super::constraint`]).
//!
//! When observations come after several lead steps all but the last are advanced freely and the last is guided.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::noising::Karras;
use scorecast_systems::noising::sampler::{SAMPLERS, named};
use scorecast_systems::registry::names_after;
use scorecast_systems::{Affine, Entry, Forecaster, Key, Level, Param, Purpose, Settings};

use crate::error::{Error, Result};
use crate::guard::can_update;
use crate::method::around::inflation::{INFLATION, inflate};
use crate::method::around::quality_control::{Checked, OUTLIER_THRESHOLD};
use crate::method::build::MethodBuild;
use crate::method::diffusion::constraint::{self, Constrained, Constraint};
use crate::method::diffusion::correctors::{self, Correctors};
use crate::method::diffusion::counts;
use crate::method::diffusion::guidance::{self, Following, Guidance, Source, Unguided};
use crate::method::diffusion::local_weights::{self, LocalWeights};
use crate::method::diffusion::weighting::{self, Ancestors, GuidedRun, Preference, Sampling, WeighedDraw, Weighting};
use crate::method::memory;
use crate::method::particle::bootstrap::ESS_THRESHOLD;
use crate::method::particle::particles::{Particles, Selection};
use crate::method::particle::resample::Resampling;
use crate::method::shared::{MEMBERS, changed, join};
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
        &constraint::SETTINGS,
    ]),
    build: MethodBuild::new(&[Need::Denoiser], |settings: &Settings| Ok(Box::new(Guided::from_settings(settings)?)))
        .holding(memory::of_guided)
        .with_caveat(|settings| weighting::caveat(settings).or_else(|| guidance::caveat(settings))),
};

const PARAMS: usize = SHARED.len()
    + SAMPLING.len()
    + correctors::SETTINGS.len()
    + guidance::SETTINGS.len()
    + weighting::SETTINGS.len()
    + local_weights::SETTINGS.len()
    + constraint::SETTINGS.len();

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
    /// What each draw meets exactly, where anything.
    pub constraint: Option<Constraint>,
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
        let guidance = guidance::from_settings(settings)?;
        refuse_sampler_of_draws(settings, &*guidance, &sampling)?;
        let local = LocalWeights::from_settings(settings)?;
        let weights = Preference::from_settings(settings, &sampling, local.is_some())?;
        let constraint = Constraint::from_settings(settings, local.is_some())?;
        if constraint.is_some() && settings.text(weighting::WEIGHTS.key) == "exact" {
            let problem =
                "is \"exact\", which is no closed form within a `constraint`; set it to \"adapted\" or \"path\"";
            return Err(settings.mistake(weighting::WEIGHTS.key, problem).into());
        }
        let [sigma_min, sigma_max, rho] = [SIGMA_MIN, SIGMA_MAX, RHO].map(|setting| settings.number(setting.key));
        let grid = Karras { sigma_min, sigma_max, rho, steps: settings.count(STEPS.key) };
        grid.check()?;
        Ok(Self {
            members: settings.count(MEMBERS.key),
            inflation: settings.number(INFLATION.key),
            ess_threshold: settings.number(ESS_THRESHOLD.key),
            outlier_threshold: settings.optional_number(OUTLIER_THRESHOLD.key),
            guidance,
            weights,
            local,
            constraint,
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
        if let Some(constraint) = &self.constraint {
            // a product for each row, wherever D is
            let more = diagnostics["evaluations"] * constraint.rows() as f64;
            diagnostics.entry("vector_jacobian_products").and_modify(|products| *products += more);
        }
        self.held(drawn, x, to_state)
    }

    /// What was drawn, of ancestors `x`, held to the constraint: what is left of it is taken away.
    fn held(&self, mut drawn: WeighedDraw, x: &Array2<f64>, to_state: &Affine) -> Result<WeighedDraw> {
        let Some(constraint) = &self.constraint else { return Ok(drawn) };
        let (targets, scale) = (constraint.targets(x.view()), &to_state.scale);
        match &drawn.ancestors {
            Some(rows) => {
                let (targets, scale) = (targets.select(Axis(0), rows), scale.select(Axis(0), rows));
                constraint.project(&mut drawn.ensemble, &targets, &scale)?;
            }
            None => constraint.project(&mut drawn.ensemble, &targets, scale)?,
        }
        Ok(drawn)
    }

    /// Inflates members about their mean, each within the constraint as it meets it.
    fn inflate(&self, members: &mut Array2<f64>, weights: Option<&Array1<f64>>) -> Result<()> {
        let targets = self.constraint.as_ref().map(|constraint| constraint.of(members.view()));
        inflate(members.view_mut(), weights, self.inflation);
        match (&self.constraint, targets) {
            (Some(constraint), Some(targets)) if self.inflation != 1.0 => {
                let scale = Array2::ones(members.raw_dim());
                constraint.project(members, &targets, &scale)
            }
            _ => Ok(()),
        }
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
        let constraint = self.constraint.clone();
        let constrained = constraint.as_ref().map(|constraint| Constrained { model, constraint });
        let model = constrained.as_ref().map_or(model, |constrained| constrained as &dyn Forecaster);
        let weighting = self.weights.choose(model, observed, &self.sampling)?;
        let largest = Level::exploding(self.grid.sigma_max);
        // log p(b | x_k), `[member]`, where b is set and members are weighed
        let said = constrained.as_ref().filter(|found| found.constraint.is_set() && weighting.weighs());
        let log_density = said.map(|found| found.log_density(observed.step - 1, x.view(), largest)).transpose()?;
        let mut log_evidence = 0.0;
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
            let after = before.is_none();
            let log_factors = match (before, log_density) {
                (Some(before), Some(density)) => Some(before + density),
                (before, density) => before.or(density),
            };
            // away from the streams by which the way resamples
            let key = if after { resampling.members_from(1 << 32) } else { resampling };
            if let Some(log_factors) = log_factors {
                if let (_, Some(ancestors)) = self.weigh(&log_factors, key, diagnostics) {
                    x = x.select(Axis(0), &ancestors);
                }
                log_evidence = if after { diagnostics["log_evidence"] } else { 0.0 };
            }
        }
        let drawn = self.draw(model, &x, observed, &*weighting, key, diagnostics)?;
        self.particles.ensemble = drawn.ensemble;
        let Some(log_factors) = drawn.log_factors else { return Ok(None) };
        if drawn.ancestors.is_some() {
            self.particles.forget_weights();
        }
        let (log_weights, ancestors) = self.weigh(&log_factors, resampling, diagnostics);
        diagnostics.entry("log_evidence").and_modify(|evidence| *evidence += log_evidence);
        Ok(self.particles.resample(&log_weights, ancestors.as_deref()))
    }

    fn weights(&self) -> Option<Array1<f64>> {
        self.particles.weights()
    }
}

/// Refuses a sampler and correctors for a rule that draws itself: they would do nothing.
fn refuse_sampler_of_draws(settings: &Settings, rule: &dyn Guidance, sampling: &Sampling) -> Result<()> {
    if rule.drawing().is_none() {
        return Ok(());
    }
    let given = [(SAMPLER, changed(settings, &SAMPLER)), (correctors::CORRECTORS, sampling.correctors.count > 0)];
    match given.iter().find(|(_, given)| *given) {
        Some((param, _)) => {
            let rule = settings.text(guidance::RULE.key);
            let problem = format!("does nothing with guidance \"{rule}\", which draws and noises anew; leave it out");
            Err(settings.mistake(param.key, problem).into())
        }
        None => Ok(()),
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
        self.constraint.iter().try_for_each(|constraint| constraint.check(self.particles.ensemble.ncols()))?;
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
            let mut ensemble = std::mem::take(&mut self.particles.ensemble);
            self.inflate(&mut ensemble, weights.as_ref())?;
            self.particles.ensemble = ensemble;
            if let Some((members, weights)) = &mut before_resampling {
                self.inflate(members, Some(&*weights))?;
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
