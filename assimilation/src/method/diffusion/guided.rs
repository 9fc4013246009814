//! The guided diffusion filter: the forecaster's own denoiser of p(x_{k+1} | x_k), guided by the observations.
//!
//! A draw of p(x_{k+1} | x_k, y) for each member is not yet a filter: the posterior also weighs each x_k by p(y | x_k).
//! Left out (`weights = "none"`, the published practice), the gain is Q / (Q + R), blind to the spread of the ensemble.
//!
//! `weights = "exact"`: p(y | x_k) = N(y; H m(x_k), H C H^T + R) where the one-step law is Gaussian with known moments
//! and h linear. It depends on x_k only, so ancestors are weighed and resampled *before* they are advanced: the fully
//! adapted auxiliary particle filter (Pitt and Shephard 1999).
//! `weights = "path"`: estimated without bias along the guided path, log p(y | x_0) + sum log p / q (Wu et al. 2023).
//! `weights = "auto"`: exact where it can be, otherwise path.
//!
//! When observations come after several lead steps all but the last are advanced freely and the last is guided.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::noising::sampler::{SAMPLER_NAMES, named};
use scorecast_systems::noising::{Karras, Sampler, sample};
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use crate::ensemble::all_finite;
use crate::error::{Error, Result};
use crate::linalg::Gmres;
use crate::method::around::inflation::INFLATION;
use crate::method::around::quality_control::{Checked, OUTLIER_THRESHOLD};
use crate::method::build::MethodBuild;
use crate::method::diffusion::guidance::Guidance;
use crate::method::particle::bootstrap::ESS_THRESHOLD;
use crate::method::particle::one_step;
use crate::method::particle::particles::{Particles, Selection};
use crate::method::particle::resample::Resampling;
use crate::method::particle::weights::equal;
use crate::method::shared::MEMBERS;
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved};

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "guided",
    about: "the diffusion forecaster's sampler guided by the observations, members weighted by p(y | x_k)",
    reference: "Rozet et al. 2024; Pitt and Shephard 1999; Wu et al. 2023",
    params: &[
        MEMBERS,
        INFLATION,
        ESS_THRESHOLD,
        OUTLIER_THRESHOLD,
        Param::choice(
            "weights",
            "auto",
            &["auto", "exact", "path", "none"],
            "p(y | x_k) in closed form, estimated along the path, or left out (which is not a filter)",
        ),
        Param::choice("sampler", "sde", &SAMPLER_WORDS, "reverse sampler; path weights need `sde`"),
        Param::int("steps", 64, 2, "steps of the sampler"),
        Param::positive("sigma_min", 0.01, "last noise level above 0"),
        Param::positive("sigma_max", 20.0, "first noise level"),
        Param::positive("rho", 7.0, "spacing of the noise levels"),
        Param::int("iterations", 20, 1, "most GMRES iterations in one evaluation"),
        Param::positive("tolerance", 1e-4, "relative residual of GMRES"),
    ],
    build: MethodBuild::new(&[Need::Denoiser], |settings: &Settings| Ok(Box::new(Guided::from_settings(settings)?)))
        .with_caveat(|settings| {
            (settings.text("weights") == "none").then_some(
                "samples p(x_k+1 | x_k, y) for each member and keeps equal weights, as published; it drops p(y | x_k), so its \
                 gain does not see the ensemble's spread and it is not the filter's posterior.",
            )
        }),
};

/// The samplers by their names; `sde` is the short name of `reverse_sde`.
const SAMPLER_WORDS: [&str; SAMPLER_NAMES.len() + 1] = {
    let mut words = ["sde"; SAMPLER_NAMES.len() + 1];
    let mut i = 0;
    while i < SAMPLER_NAMES.len() {
        words[i + 1] = SAMPLER_NAMES[i];
        i += 1;
    }
    words
};

/// Where a member's weight comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// Exact where it can be, otherwise along the path.
    Auto,
    /// p(y | x_k) in closed form.
    Exact,
    /// Estimated along the guided path.
    Path,
    /// Left out: not a filter.
    None,
}

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
    /// Where weights come from.
    pub weighting: Weighting,
    /// The reverse sampler.
    pub sampler: &'static dyn Sampler,
    /// Its noise levels.
    pub grid: Karras,
    /// The solver of V v = y - h.
    pub solver: Gmres,
    particles: Particles,
}

impl Guided {
    /// A filter with the settings of its registry entry.
    ///
    /// # Errors
    /// When settings do not go together.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let weighting = match settings.text("weights") {
            "exact" => Weighting::Exact,
            "path" => Weighting::Path,
            "none" => Weighting::None,
            _ => Weighting::Auto,
        };
        let sampler = match settings.text("sampler") {
            "sde" => named("reverse_sde")?.sampler,
            name => named(name)?.sampler,
        };
        if weighting == Weighting::Path && !sampler.draws() {
            return Err(settings.mistake("weights", PATH_NEEDS_SDE).into());
        }
        let [sigma_min, sigma_max, rho] = ["sigma_min", "sigma_max", "rho"].map(|key| settings.number(key));
        let grid = Karras { sigma_min, sigma_max, rho, steps: settings.count("steps") };
        grid.sigmas()?;
        let iterations = settings.count("iterations");
        Ok(Self {
            members: settings.count("members"),
            inflation: settings.number("inflation"),
            ess_threshold: settings.number("ess_threshold"),
            outlier_threshold: settings.optional_number("outlier_threshold"),
            weighting,
            sampler,
            grid,
            solver: Gmres { tolerance: settings.number("tolerance"), iterations, restart: iterations.min(20) },
            particles: Particles::default(),
        })
    }

    /// What `auto` means for this forecaster and this operator, or why the weighting cannot be had.
    fn weighting(&self, model: &dyn Forecaster, observed: &ObservationSet) -> Result<Weighting> {
        let closed = model.gaussian().is_some() && observed.operator.matrix().is_some();
        match self.weighting {
            Weighting::Exact if !closed => Err(Error::Unsupported(format!(
                "`weights = \"exact\"` needs a forecaster whose one-step law is Gaussian with known moments and a \
                 linear operator (this is `{}`); set weights to \"path\"",
                observed.operator.name()
            ))),
            Weighting::Auto if closed => Ok(Weighting::Exact),
            Weighting::Auto if !self.sampler.draws() => {
                Err(Error::Unsupported(format!("method `guided`: the setting weights {PATH_NEEDS_SDE}")))
            }
            Weighting::Auto => Ok(Weighting::Path),
            chosen => Ok(chosen),
        }
    }

    /// Draws x_{k+1} for each row of `x` under guidance, with sum log p/q where paths are weighed.
    fn draw(
        &self,
        model: &dyn Forecaster,
        x: &Array2<f64>,
        observed: &ObservationSet,
        paths: bool,
        key: Key,
        diagnostics: &mut Diagnostics,
    ) -> Result<(Array2<f64>, Option<Array1<f64>>)> {
        let conditional = model.denoiser().ok_or_else(|| {
            Error::Unsupported(
                "method `guided` needs a forecaster with a denoiser (kind `diffusion`, or a system whose one-step law \
                 is Gaussian); use `bootstrap` or `enkf` with this one"
                    .to_owned(),
            )
        })?;
        let last = observed.step - 1;
        let bound = conditional.bind(last, x.view())?;
        let guidance = Guidance::new(&*bound.denoiser, &bound.to_state, *observed, self.solver);
        // the address of the free forecast of this step, which is only scored and never carried on
        let (key, levels) = (key.purpose(Purpose::Sampler).at(last as u64), self.grid.exploding()?);
        let (z, log_ratio) = if paths {
            let (z, log_ratio) = crate::method::diffusion::path::sample(&guidance, &levels, x.nrows(), key)?;
            (z, Some(log_ratio))
        } else {
            (sample(self.sampler, &guidance, &levels, x.nrows(), key)?, None)
        };
        diagnostics.insert("gmres_iterations", guidance.mean_iterations());
        Ok((bound.to_state.apply(&z), log_ratio))
    }

    /// Weights the members by `log_factors`, notes it, and resamples where the effective size asks for it: the
    /// ancestors are given then, and the weights are equal again.
    fn weigh(&mut self, log_factors: &Array1<f64>, key: Key, diagnostics: &mut Diagnostics) -> Option<Vec<usize>> {
        let selection = Selection { ess_threshold: self.ess_threshold, resampling: Resampling::Systematic };
        self.particles.weigh(log_factors, selection, key, diagnostics).1
    }

    /// Draws and weighs: `x` is the ensemble one lead step before the observations.
    fn analyse(
        &mut self,
        model: &dyn Forecaster,
        mut x: Array2<f64>,
        observed: &ObservationSet,
        key: Key,
        diagnostics: &mut Diagnostics,
    ) -> Result<Array2<f64>> {
        let resampling = key.at(observed.step as u64);
        match self.weighting(model, observed)? {
            Weighting::Path => {
                let (drawn, log_ratio) = self.draw(model, &x, observed, true, key, diagnostics)?;
                let log_factors = log_likelihood(&drawn, observed) + log_ratio.unwrap_or_else(|| equal(drawn.nrows()));
                Ok(match self.weigh(&log_factors, resampling, diagnostics) {
                    Some(ancestors) => drawn.select(Axis(0), &ancestors),
                    None => drawn,
                })
            }
            Weighting::None => Ok(self.draw(model, &x, observed, false, key, diagnostics)?.0),
            Weighting::Exact | Weighting::Auto => {
                let log_factors = one_step::log_predictive(model, &x, observed)?;
                if let Some(ancestors) = self.weigh(&log_factors, resampling, diagnostics) {
                    x = x.select(Axis(0), &ancestors);
                }
                Ok(self.draw(model, &x, observed, false, key, diagnostics)?.0)
            }
        }
    }

    fn weights(&self) -> Option<Array1<f64>> {
        self.particles.weights()
    }
}

const PATH_NEEDS_SDE: &str = "needs path weights here, which exist for the stochastic sampler only; set sampler to \
                              \"sde\", or weights to \"none\" and accept that this is not a filter";

/// log p(y | x) for each row.
fn log_likelihood(x: &Array2<f64>, observed: &ObservationSet) -> Array1<f64> {
    let predicted = observed.operator.apply(observed.time, x.view());
    observed.operator.error().log_likelihood(observed.values, predicted.view(), &observed.present())
}

impl Cycle for Guided {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.particles = Particles::start(prior, self.members, step, key)?;
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("guided")?;
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
        let mut ensemble = forecast.clone();
        if observed.is_observed() && all_finite(forecast.view()) {
            ensemble = self.analyse(model, before, observed, key, &mut diagnostics)?;
            crate::method::around::inflation::inflate(ensemble.view_mut(), self.weights().as_ref(), self.inflation);
        }
        let weights = self.weights();
        (self.particles.step, self.particles.ensemble) = (observed.step, ensemble.clone());
        let quality = checked.quality(observed, ensemble.view());
        Ok(Outcome { forecast_weights, weights, diagnostics, quality, ..Outcome::new(forecast, ensemble) })
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
