//! The particle filter with the optimal proposal (Doucet, Godsill and Andrieu 2000): members are drawn from
//! p(x_k | x_{k-1}, y_k) and weigh p(y_k | x_{k-1}), which of all proposals varies least.
//!
//! The last lead step before the observations is N(m, C) with m and C functions of x_{k-1}, or a mixture of such Gaussians
//! with weights pi, and y = H x + e, e ~ N(0, R). With S = H C H^T + R of each part, p(y | x_{k-1}) = sum_c pi_c N(y; H m_c, S_c);
//! a draw of p(x_k | x_{k-1}, y) takes part c with the chance pi_c N(y; H m_c, S_c) / p(y | x_{k-1}) and is
//! x = m + v + C H^T S^-1 (y + e - H (m + v)), v ~ N(0, C), e ~ N(0, R),
//! whose mean and covariance are Kalman's. The weights know no x_k, so that ancestors are resampled before they move
//! (Pitt and Shephard 1999), and the draws are the posterior: no weights of theirs are left to score. sum w p(y | x_{k-1}) is
//! an unbiased factor of the evidence. Lead steps before the last are free. Observations at the start itself have no lead
//! step before them: the members weigh p(y | x).
//!
//! With a mixture of low-rank Gaussians, such as that of the forecaster `molrg`, everything stays in closed form.

use ndarray::{Array2, Axis, s};
use scorecast_systems::{Covariance, Entry, Forecaster, GaussianMixture, Key, Purpose, Settings};

use crate::error::{Error, Result};
use crate::gaussian::positive_sqrt;
use crate::guard::can_update;
use crate::method::around::quality_control::{Checked, OUTLIER_THRESHOLD};
use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::particle::bootstrap::ESS_THRESHOLD;
use crate::method::particle::one_step::{self, Gain};
use crate::method::particle::particles::{Particles, Selection};
use crate::method::particle::resample::{RESAMPLING, Resampling};
use crate::method::shared::MEMBERS;
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome, WeightedMembers};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved};

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "optimal_proposal",
    about: "particle filter that draws x_k given x_k-1 and y_k, for a lead step that is a Gaussian or a mixture of Gaussians and a \
            linear operator",
    reference: "Doucet, Godsill and Andrieu 2000",
    params: &[MEMBERS, ESS_THRESHOLD, RESAMPLING, OUTLIER_THRESHOLD],
    build: MethodBuild::for_linear_operators(&[Need::Mixture], |settings: &Settings| {
        Ok(Box::new(OptimalProposal {
            members: settings.count(MEMBERS.key),
            selection: Selection {
                ess_threshold: settings.number(ESS_THRESHOLD.key),
                resampling: Resampling::new(settings),
            },
            outlier_threshold: settings.optional_number(OUTLIER_THRESHOLD.key),
            particles: Particles::default(),
        }))
    })
    .holding(memory::of_gain),
};

/// The particle filter.
#[derive(Clone, Debug)]
pub struct OptimalProposal {
    members: usize,
    selection: Selection,
    outlier_threshold: Option<f64>,
    particles: Particles,
}

/// The members that take one part of their laws.
struct Taking {
    members: Vec<usize>,
    means: Array2<f64>,
    covariance: Covariance,
}

impl Taking {
    /// The parts that the members take, where the logarithms of their chances are `log_chances` (`[member, part]`); member i
    /// chooses by a uniform number of stream i.
    fn all(law: &GaussianMixture, log_chances: &Array2<f64>, key: Key) -> Vec<Self> {
        let part_of: Vec<usize> = match law.parts.len() {
            1 => vec![0; log_chances.nrows()],
            _ => {
                log_chances.outer_iter().enumerate().map(|(i, logs)| key.stream(i as u64).index(logs.iter())).collect()
            }
        };
        let taking = law.parts.iter().enumerate().map(|(part, (means, covariance))| {
            let members: Vec<usize> = (0..part_of.len()).filter(|member| part_of[*member] == part).collect();
            Self { means: means.select(Axis(0), &members), covariance: covariance.select(&members), members }
        });
        taking.filter(|taking| !taking.members.is_empty()).collect()
    }

    /// m + v, v ~ N(0, C), `[member, component]`; member i from stream i.
    fn draw(&self, key: Key) -> Result<Array2<f64>> {
        let normals = |count: usize| {
            let mut out = Array2::zeros((self.members.len(), count));
            for (mut row, member) in out.outer_iter_mut().zip(&self.members) {
                let mut stream = key.stream(*member as u64);
                row.iter_mut().for_each(|value| *value = stream.normal());
            }
            out
        };
        let components = self.means.ncols();
        let noise = match &self.covariance {
            Covariance::Shared(c) => normals(components).dot(&positive_sqrt(c)?),
            Covariance::Diagonal(c) => normals(components) * c.mapv(f64::sqrt),
            Covariance::Factored(c) => c.draw(normals(c.normals()).view()),
        };
        Ok(&self.means + &noise)
    }
}

impl OptimalProposal {
    /// Weighs and draws; the particles are those one lead step before the observations.
    fn analyse(
        &mut self,
        model: &dyn Forecaster,
        observed: &ObservationSet,
        key: Key,
        out: &mut Diagnostics,
    ) -> Result<()> {
        let last = observed.step - 1;
        let law = one_step::mixture(model, last, self.particles.ensemble.view())?;
        let Some((mut law, h)) = law.and_then(|law| Some((law, observed.matrix()?))) else {
            return Err(Error::Unsupported(format!(
                "method `optimal_proposal` needs a forecaster whose lead step is Gaussian with known moments, or a mixture of \
                 such, and a linear operator (this is `{}`); use `bootstrap`",
                observed.operator.name()
            )));
        };
        let (log_factors, mut log_chances) = one_step::log_chances(&law, &h, observed)?;
        let at = key.at(observed.step as u64);
        let (_, ancestors) = self.particles.weigh(&log_factors, self.selection, at, out);
        if let Some(ancestors) = ancestors {
            law = law.select(&ancestors);
            log_chances = log_chances.select(Axis(0), &ancestors);
        }
        let error = observed.operator.error().sample(log_chances.nrows(), at.purpose(Purpose::Perturbation));
        for taking in Taking::all(&law, &log_chances, key.purpose(Purpose::PosteriorDraw).at(last as u64)) {
            // apart from the noise of the free forecast of this step, which has the purpose of a model's noise
            let mut x = taking.draw(key.purpose(Purpose::Sampler).at(last as u64))?;
            let present = observed.restrict(x.view())?;
            let error = error.select(Axis(0), &taking.members).select(Axis(1), &present.index);
            let innovations = &present.values + &error - &present.predicted;
            for gain in Gain::all(&h, &taking.covariance, &present)? {
                let mut rows = x.slice_mut(s![gain.rows.clone(), ..]);
                rows += &gain.pull(innovations.slice(s![gain.rows.clone(), ..]));
            }
            for (row, member) in x.outer_iter().zip(&taking.members) {
                self.particles.ensemble.row_mut(*member).assign(&row);
            }
        }
        Ok(())
    }

    /// Observations of the time at which the members stand.
    fn weigh_here(&mut self, observed: &ObservationSet, key: Key, out: &mut Diagnostics) -> Option<WeightedMembers> {
        let log_factors = observed.log_likelihood(self.particles.ensemble.view());
        let (log_weights, ancestors) =
            self.particles.weigh(&log_factors, self.selection, key.at(observed.step as u64), out);
        self.particles.resample(&log_weights, ancestors.as_deref())
    }
}

impl Cycle for OptimalProposal {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.particles = Particles::start(prior, self.members, step, key)?;
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("optimal_proposal")?;
        observed.check(self.particles.ensemble.ncols())?;
        let free = key.purpose(Purpose::ProcessNoise);
        let forecast_weights = self.particles.weights();
        let mut diagnostics = Diagnostics::new();
        let moves = observed.step > self.particles.step;
        if moves {
            let steps = observed.step - 1 - self.particles.step;
            model.advance(self.particles.step, steps, &mut self.particles.ensemble, free)?;
            self.particles.step = observed.step;
        }
        let mut forecast = self.particles.ensemble.clone();
        if moves {
            model.advance(observed.step - 1, 1, &mut forecast, free)?;
        }
        let checked = Checked::new(self.outlier_threshold, forecast.view(), forecast_weights.as_ref(), observed);
        let observed = &checked.of(observed);
        let mut before_resampling = None;
        match can_update(&forecast, observed) {
            false => self.particles.ensemble.assign(&forecast),
            true if moves => self.analyse(model, observed, key, &mut diagnostics)?,
            true => before_resampling = self.weigh_here(observed, key, &mut diagnostics),
        }
        let seen = (&checked, observed);
        Ok(self.particles.outcome(forecast, forecast_weights, before_resampling, diagnostics, seen))
    }

    fn owner(&self) -> Owner {
        Owner::new("optimal_proposal").with("members", self.members)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.particles]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.particles]
    }
}
