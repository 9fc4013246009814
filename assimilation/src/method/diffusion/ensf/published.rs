//! The ensemble score filter as published (Bao, Zhang and Zhang 2024), and with the score of the whole mixture.
//!
//! Diffusion in pseudo-time t in [0, 1] by the schedule [`EnsembleScore`], alpha = 1 - (1 - eps_alpha) t and
//! beta^2 = eps_beta + (1 - eps_beta) t (its sigma^2). The reverse equation is integrated from t = 1 to 0 by
//! Euler-Maruyama, z <- z - dt (f z - g^2 s) + g sqrt(dt) xi, f = alpha'/alpha, g^2 = (beta^2)' - 2 f beta^2,
//! with s = s_prior + (1 - t) J_h(z)^T R^-1 (y - h(z)), clipped component by component.
//!
//! `score = "single"`, as published: the prior score of member j uses member j alone, s_prior = (alpha x_j - z) / beta^2.
//! The law sampled is then N(x_j, eps_beta) in place of the prior, whatever the spread of the ensemble: the gain is
//! fixed by eps_beta and R (.917 at an observation error of .05), which is nudging and not a filter.
//! `score = "mixture"`: the score of the whole mixture, s_prior = sum_j w_j (alpha x_j - z) / beta^2,
//! w_j ~ exp(-|z - alpha x_j|^2 / (2 beta^2)), which is that of one member at the mean sum_j w_j x_j.
//!
//! As published only the initial noise is scaled, by the standard deviation of each component of the forecast; the
//! states are not.
//!
//! It is a sampler of [`scorecast_systems::noising::drive`] with the denoiser D = (z + beta^2 s) / alpha, and a test takes it
//! as one. The loop stays its own, in [`super::reverse`], because nearly all of its time is noise and memory.

use ndarray::Array2;
use scorecast_systems::noising::schedule::EnsembleScore;
use scorecast_systems::{Entry, Key, Param, Purpose, Settings};

use crate::ensemble::weighted_variance;
use crate::error::Result;
use crate::guard::can_update;
use crate::method::around::inflation::INFLATION;
use crate::method::diffusion::counts;
use crate::method::diffusion::ensf::reverse::{Coefficients, Reverse};
use crate::method::diffusion::ensf::score::Score;
use crate::method::diffusion::likelihood::LikelihoodScore;
use crate::method::memory;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Cycle};

const STEPS: Param = counts::steps("steps", 500, 1, "Euler steps of the reverse equation");
const EPS_ALPHA: Param = EnsembleScore::EPS_ALPHA;
const EPS_BETA: Param = Param { about: "beta^2 at t = 0, states' unit squared", ..EnsembleScore::EPS_BETA };
const CLIP: Param = Param::positive("clip", 1000.0, "largest score in each component");

/// The settings of these two scores alone.
pub(super) const OWN: [Param; 4] = [STEPS, EPS_ALPHA, EPS_BETA, CLIP];

pub(super) const SINGLE: Entry<Score> = Entry {
    name: "single",
    about: "from the member itself alone, as published",
    reference: "Bao, Zhang and Zhang 2024",
    params: &OWN,
    build: Score {
        make: |settings| cycle(PriorScore::Single, settings),
        memory: memory::of_sampler,
        caveat: Some(
            "uses the published one-member score; its gain does not depend on the ensemble's spread, so it is fixed-gain \
             nudging rather than a posterior.",
        ),
    },
};

pub(super) const MIXTURE: Entry<Score> = Entry {
    name: "mixture",
    about: "from the mixture of all members",
    reference: "Bao, Zhang and Zhang 2024",
    params: &OWN,
    build: Score { make: |settings| cycle(PriorScore::Mixture, settings), memory: memory::of_sampler, caveat: None },
};

fn cycle(prior: PriorScore, settings: &Settings) -> Result<Box<dyn Cycle>> {
    let analysis = EnSf {
        prior,
        inflation: settings.number(INFLATION.key),
        steps: settings.count(STEPS.key),
        eps_alpha: settings.number(EPS_ALPHA.key),
        eps_beta: settings.number(EPS_BETA.key),
        clip: settings.number(CLIP.key),
    };
    crate::method::around::cycle(analysis, settings)
}

/// What the prior score of a member is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorScore {
    /// The member itself, as published.
    Single,
    /// The mixture of all members.
    Mixture,
}

/// The ensemble score filter.
#[derive(Clone, Debug)]
pub struct EnSf {
    /// What the prior score is made of.
    pub prior: PriorScore,
    /// Factor of the standard deviation of the analysis anomalies.
    pub inflation: f64,
    /// Euler steps of the reverse equation.
    pub steps: usize,
    /// alpha at t = 1.
    pub eps_alpha: f64,
    /// beta^2 at t = 0.
    pub eps_beta: f64,
    /// Largest score in each component.
    pub clip: f64,
}

impl EnSf {
    fn schedule(&self) -> EnsembleScore {
        EnsembleScore { eps_alpha: self.eps_alpha, eps_beta: self.eps_beta }
    }
}

impl Analysis for EnSf {
    fn name(&self) -> &'static str {
        "ensf"
    }

    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("ensf")?;
        observed.require_derivative("ensf")?;
        crate::problem::require_members(forecast.nrows())?;
        observed.check(forecast.ncols())?;
        if !can_update(&forecast, observed) {
            return Ok(Outcome::unchanged(forecast));
        }
        let sd = weighted_variance(forecast.view(), None).mapv(f64::sqrt);
        let likelihood = LikelihoodScore::new(*observed)?;
        // not `Sampler`: a diffusion forecaster draws the next step from there
        let key = key.purpose(Purpose::PosteriorDraw).at(observed.step as u64);
        let dt = 1.0 / self.steps as f64;
        let reverse = Reverse {
            steps: (0..self.steps).map(|step| Coefficients::new(self.schedule(), 1.0 - step as f64 * dt)).collect(),
            clip: self.clip,
            forecast: forecast.as_standard_layout(),
            mixture: self.prior == PriorScore::Mixture,
            key,
        };
        let mut ensemble = reverse.sample(&sd.to_vec(), &likelihood);
        crate::method::around::inflation::inflate(ensemble.view_mut(), None, self.inflation);
        Ok(Outcome::new(forecast, ensemble))
    }
}

#[cfg(test)]
mod tests;
