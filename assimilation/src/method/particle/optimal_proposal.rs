//! The particle filter with the optimal proposal (Doucet, Godsill and Andrieu 2000): members are drawn from
//! p(x_k | x_{k-1}, y_k) and weigh p(y_k | x_{k-1}), which of all proposals varies least.
//!
//! The last lead step before the observations is N(m, C) with m and C functions of x_{k-1}, and y = H x + e, e ~ N(0, R).
//! With S = H C H^T + R, p(y | x_{k-1}) = N(y; H m, S), and a draw of p(x_k | x_{k-1}, y) is
//! x = m + v + C H^T S^-1 (y + e - H (m + v)), v ~ N(0, C), e ~ N(0, R),
//! whose mean and covariance are Kalman's. The weights know no x_k, so that ancestors are resampled before they move
//! (Pitt and Shephard 1999), and the draws are the posterior: no weights of theirs are left to score. sum w p(y | x_{k-1}) is an unbiased factor of the evidence. Lead steps before the last are
//! free. Observations at the start itself have no lead step before them: the members weigh p(y | x).

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use scorecast_systems::{Covariance, Entry, Forecaster, Key, Purpose, Settings};

use crate::error::{Error, Result};
use crate::gaussian::positive_sqrt;
use crate::guard::can_update;
use crate::linalg::Cholesky;
use crate::method::around::quality_control::{Checked, OUTLIER_THRESHOLD};
use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::particle::bootstrap::ESS_THRESHOLD;
use crate::method::particle::one_step::log_normals;
use crate::method::particle::particles::{Particles, Selection};
use crate::method::particle::resample::{RESAMPLING, Resampling};
use crate::method::shared::MEMBERS;
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::observations::Present;
use crate::outcome::{Diagnostics, Outcome, WeightedMembers};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved};

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "optimal_proposal",
    about: "particle filter that draws x_k given x_k-1 and y_k, for a Gaussian lead step and a linear operator",
    reference: "Doucet, Godsill and Andrieu 2000",
    params: &[MEMBERS, ESS_THRESHOLD, RESAMPLING, OUTLIER_THRESHOLD],
    build: MethodBuild::for_linear_operators(&[Need::Kernel], |settings: &Settings| {
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

/// S and H C of the members `rows`, which share them.
struct Gain {
    rows: Range<usize>,
    s: Cholesky,
    hc: Array2<f64>,
}

impl Gain {
    fn new(rows: Range<usize>, h: &Array2<f64>, hc: Array2<f64>, present: &Present) -> Result<Self> {
        let mut s = hc.dot(&h.t());
        present.add_covariance(&mut s);
        Ok(Self { rows, s: Cholesky::new(s.view())?, hc })
    }

    /// C H^T S^-1 d for each row d.
    fn pull(&self, innovations: ArrayView2<f64>) -> Array2<f64> {
        let mut columns = innovations.t().as_standard_layout().into_owned();
        self.s.solve_in_place(&mut columns);
        columns.t().dot(&self.hc)
    }
}

/// One gain for all members, or one for each.
fn gains(h: &Array2<f64>, covariance: &Covariance, present: &Present) -> Result<Vec<Gain>> {
    let members = present.predicted.nrows();
    match covariance {
        Covariance::Shared(c) => Ok(vec![Gain::new(0..members, h, h.dot(c), present)?]),
        Covariance::Diagonal(c) if c.outer_iter().all(|row| row == c.row(0)) => {
            Ok(vec![Gain::new(0..members, h, h * &c.row(0), present)?])
        }
        Covariance::Diagonal(c) => {
            c.outer_iter().enumerate().map(|(i, c)| Gain::new(i..i + 1, h, h * &c, present)).collect()
        }
        Covariance::Factored(c) => {
            (0..members).map(|i| Gain::new(i..i + 1, h, c.times(h.view(), i), present)).collect()
        }
    }
}

/// v ~ N(0, C), `[member, component]`; row i from stream i.
fn noise(covariance: &Covariance, shape: (usize, usize), key: Key) -> Result<Array2<f64>> {
    let normals = |count: usize| key.normals(shape.0, count);
    Ok(match covariance {
        Covariance::Shared(c) => normals(shape.1).dot(&positive_sqrt(c)?),
        Covariance::Diagonal(c) => normals(shape.1) * c.mapv(f64::sqrt),
        Covariance::Factored(c) => c.draw(normals(c.normals()).view()),
    })
}

/// The covariances of these members.
fn select(covariance: Covariance, members: &[usize]) -> Covariance {
    match covariance {
        Covariance::Diagonal(c) => Covariance::Diagonal(c.select(Axis(0), members)),
        Covariance::Factored(c) => Covariance::Factored(c.select(members)),
        shared => shared,
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
        let Some((kernel, h)) = model.gaussian().and_then(|kernel| Some((kernel, observed.matrix()?))) else {
            return Err(Error::Unsupported(format!(
                "method `optimal_proposal` needs a forecaster whose lead step is Gaussian with known moments and a linear \
                 operator (this is `{}`); use `bootstrap`",
                observed.operator.name()
            )));
        };
        let last = observed.step - 1;
        let (mut means, mut covariance) = kernel.moments(last, self.particles.ensemble.view())?;
        let present = observed.restrict(means.view())?;
        let residuals = &present.values - &present.predicted;
        let mut log_factors = Array1::zeros(means.nrows());
        for gain in gains(&h, &covariance, &present)? {
            let rows = residuals.slice(s![gain.rows.clone(), ..]).to_owned();
            log_factors.slice_mut(s![gain.rows.clone()]).assign(&log_normals(&gain.s, rows));
        }
        let (_, ancestors) = self.particles.weigh(&log_factors, self.selection, key.at(observed.step as u64), out);
        if let Some(ancestors) = ancestors {
            means = means.select(Axis(0), &ancestors);
            covariance = select(covariance, &ancestors);
        }
        // apart from the noise of the free forecast of this step, which has the purpose of a model's noise
        let mut x =
            means + noise(&covariance, self.particles.ensemble.dim(), key.purpose(Purpose::Sampler).at(last as u64))?;
        let error =
            observed.operator.error().sample(x.nrows(), key.purpose(Purpose::Perturbation).at(observed.step as u64));
        let present = observed.restrict(x.view())?;
        let innovations = &present.values + &error.select(Axis(1), &present.index) - &present.predicted;
        for gain in gains(&h, &covariance, &present)? {
            let mut rows = x.slice_mut(s![gain.rows.clone(), ..]);
            rows += &gain.pull(innovations.slice(s![gain.rows.clone(), ..]));
        }
        self.particles.ensemble = x;
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
