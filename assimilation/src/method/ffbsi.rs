//! Forward filtering, backward simulation (Godsill, Doucet and West 2004): joint draws of all times given all
//! observations.
//!
//! Forward it is the bootstrap particle filter, whose members x_k^j and weights w_k^j (before resampling) are kept at every
//! lead step from the first set of observations on. Backward each draw starts from a member of the last time, taken with
//! probability w, and goes on with x_k^j taken with probability proportional to w_k^j p(x_{k+1} | x_k^j), x_{k+1} the
//! state drawn before. So row i of the smoothed members of all times is one path, and whole-path degeneracy, the curse of
//! the filter's own ancestral lines, does not arise. It needs the density of one lead step, and costs members x draws
//! densities a lead step; where the lead step is Gaussian its moments are taken once for all draws.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use scorecast_systems::registry::Default;
use scorecast_systems::{Covariance, Entry, Forecaster, Key, Kind, Param, Purpose, Settings};

use super::bootstrap::ESS_THRESHOLD;
use super::numbers::Numbers;
use super::particles::{Particles, Selection, log_weights};
use super::resample::{RESAMPLING, Resampling};
use super::{Build, MEMBERS};
use crate::linalg::{Cholesky, all_finite};
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::{Cycle, Error, Prior, Result, Seen};
use crate::state::{pack, unpack};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "ffbsi",
    about: "particle smoother: bootstrap filter forward, paths drawn backward by the density of a lead step",
    reference: "Godsill, Doucet and West 2004",
    params: &[
        MEMBERS,
        ESS_THRESHOLD,
        RESAMPLING,
        Param {
            key: "draws",
            kind: Kind::Int { min: 1, max: i64::MAX },
            default: Default::Int(40),
            about: "paths drawn backward: the members of the smoothed posteriors",
        },
    ],
    build: |settings: &Settings| {
        Ok(Box::new(Ffbsi {
            members: settings.count("members"),
            draws: settings.count("draws"),
            selection: Selection {
                ess_threshold: settings.number("ess_threshold"),
                resampling: Resampling::new(settings),
            },
            particles: Particles::none(),
            past: Vec::new(),
        }))
    },
};

/// The smoother.
#[derive(Clone, Debug)]
pub struct Ffbsi {
    members: usize,
    draws: usize,
    selection: Selection,
    particles: Particles,
    past: Vec<Stage>,
}

/// The particles of one lead step.
#[derive(Clone, Debug)]
struct Stage {
    step: usize,
    /// Whether something was to be observed.
    set: bool,
    /// `[member, component]`.
    ensemble: Array2<f64>,
    /// Normalised, `[member]`.
    log_weights: Array1<f64>,
}

/// log p(x_{k+1} | x_k^j) for all members j of a lead step, up to a constant.
enum Transition<'a> {
    /// L^-1 m(x^j), one member after the other, C = L L^T.
    Shared(Cholesky, Vec<f64>),
    /// m(x^j) and the variances, and half the logarithm of their product.
    Diagonal(Array2<f64>, Array2<f64>, Array1<f64>),
    /// Whatever density the forecaster has.
    Other(&'a dyn Forecaster, usize, ArrayView2<'a, f64>),
}

impl<'a> Transition<'a> {
    fn new(model: &'a dyn Forecaster, stage: &'a Stage) -> Result<Self> {
        let x = stage.ensemble.view();
        let Some(kernel) = model.gaussian() else { return Ok(Self::Other(model, stage.step, x)) };
        let (means, covariance) = kernel.moments(stage.step, x)?;
        Ok(match covariance {
            Covariance::Shared(c) => {
                let factor = Cholesky::new(c.view())?;
                let white = whiten(&factor, means.view());
                Self::Shared(factor, white.into_raw_vec_and_offset().0)
            }
            Covariance::Diagonal(c) => {
                let half_log = c.map_axis(Axis(1), |row| 0.5 * row.iter().map(|v| v.ln()).sum::<f64>());
                Self::Diagonal(means, c, half_log)
            }
        })
    }

    /// Adds it to `log_weights`, `[member]`, for one `next`, `[component]`.
    fn add(&self, next: ArrayView1<f64>, log_weights: &mut Array1<f64>) -> Result<()> {
        match self {
            Self::Shared(factor, white) => {
                let next = whiten(factor, next.insert_axis(Axis(0))).remove_axis(Axis(0));
                for (log_weight, mean) in log_weights.iter_mut().zip(white.chunks_exact(next.len())) {
                    *log_weight -= 0.5 * next.iter().zip(mean).map(|(x, m)| (x - m) * (x - m)).sum::<f64>();
                }
            }
            Self::Diagonal(means, variances, half_log) => {
                for (j, log_weight) in log_weights.iter_mut().enumerate() {
                    let terms = next.iter().zip(means.row(j)).zip(variances.row(j));
                    *log_weight -= half_log[j] + 0.5 * terms.map(|((x, m), v)| (x - m) * (x - m) / v).sum::<f64>();
                }
            }
            Self::Other(model, k, x) => {
                let density = model.density().ok_or_else(no_density)?;
                let mut repeated = Array2::zeros(x.raw_dim());
                repeated.assign(&next);
                *log_weights += &density.log_prob(*k, *x, repeated.view())?;
            }
        }
        Ok(())
    }
}

/// L^-1 of each row.
fn whiten(factor: &Cholesky, rows: ArrayView2<f64>) -> Array2<f64> {
    let mut columns = rows.t().as_standard_layout().into_owned();
    factor.half_solve_in_place(&mut columns);
    columns.reversed_axes().as_standard_layout().into_owned()
}

fn no_density() -> Error {
    Error::Unsupported(
        "method `ffbsi` needs the density of a lead step, which this forecaster does not have (a system has it with noise \
         in every component, integrator `euler_maruyama` and one substep); use `enrts` with this one"
            .to_owned(),
    )
}

/// The member that a uniform number picks by weights given as logarithms, which need not be normalised and are used up; by
/// equal weights where none is left.
fn pick(log_weights: &mut Array1<f64>, uniform: f64) -> usize {
    let largest = log_weights.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let mut total = 0.0;
    for weight in log_weights.iter_mut() {
        *weight = (*weight - largest).exp();
        total += *weight;
    }
    if !total.is_finite() {
        return ((uniform * log_weights.len() as f64) as usize).min(log_weights.len() - 1);
    }
    let mut rest = uniform * total;
    let picks = |weight: &f64| {
        rest -= weight;
        rest < 0.0
    };
    // round-off in the sum may leave the last place open
    log_weights.iter().position(picks).unwrap_or(log_weights.len() - 1)
}

impl Stage {
    /// One member for each row of `later` (the states one lead step after this), or by the weights alone.
    fn draw(&self, model: &dyn Forecaster, later: Option<&Array2<f64>>, draws: usize, key: Key) -> Result<Array2<f64>> {
        let dim = self.ensemble.ncols();
        if !all_finite(self.ensemble.view()) || later.is_some_and(|later| !all_finite(later.view())) {
            return Ok(Array2::from_elem((draws, dim), f64::NAN));
        }
        let transition = if later.is_some() { Some(Transition::new(model, self)?) } else { None };
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
        for k in self.particles.step..to {
            model.advance(k, 1, &mut self.particles.ensemble, key)?;
            self.particles.step = k + 1;
            if !self.past.is_empty() && k + 1 < to {
                self.keep(false, self.particles.log_weights());
            }
        }
        Ok(())
    }

    /// Keeps the particles as they are; sets of the same lead step are one time.
    fn keep(&mut self, set: bool, log_weights: Array1<f64>) {
        let stage = Stage { step: self.particles.step, set, ensemble: self.particles.ensemble.clone(), log_weights };
        if self.past.last().is_some_and(|last| last.step == stage.step) {
            self.past.pop();
        }
        self.past.push(stage);
    }
}

impl Cycle for Ffbsi {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.particles = Particles::start(prior, self.members, step, key)?;
        self.past.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.check(self.particles.ensemble.ncols())?;
        model.density().ok_or_else(no_density)?;
        self.forecast(model, seen.step, key.purpose(Purpose::ProcessNoise))?;
        let (forecast, forecast_weights) = (self.particles.ensemble.clone(), self.particles.weights());
        let mut diagnostics = Diagnostics::new();
        if seen.present().is_empty() || !all_finite(forecast.view()) {
            self.keep(true, self.particles.log_weights());
        } else {
            let predicted = seen.operator.apply(seen.time, forecast.view());
            let log_factors = seen.operator.error().log_likelihood(seen.values, predicted.view(), &seen.present());
            let key = key.at(seen.step as u64);
            let (log_weights, ancestors) = self.particles.weigh(&log_factors, self.selection, key, &mut diagnostics);
            self.keep(true, log_weights);
            self.particles.select(ancestors.as_deref());
        }
        let (ensemble, weights) = (self.particles.ensemble.clone(), self.particles.weights());
        Ok(Outcome { forecast_weights, weights, diagnostics, ..Outcome::new(forecast, ensemble) })
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        let key = key.purpose(Purpose::Smoothing);
        let mut smoothed = Vec::new();
        let mut later: Option<Array2<f64>> = None;
        for stage in std::mem::take(&mut self.past).iter().rev() {
            let drawn = stage.draw(model, later.as_ref(), self.draws, key)?;
            if stage.set {
                smoothed.push(Smoothed::new(stage.step, drawn.clone()));
            }
            later = Some(drawn);
        }
        smoothed.reverse();
        Ok(smoothed)
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = self.particles.numbers();
        numbers.push(self.past.len() as f64);
        for stage in &self.past {
            numbers.extend([stage.step as f64, f64::from(u8::from(stage.set))]);
            numbers.extend(stage.ensemble.iter().chain(&stage.log_weights));
        }
        pack(self.particles.step, &self.particles.ensemble, &numbers)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, ensemble, numbers) = unpack(bytes)?;
        let shape = ensemble.dim();
        let mut numbers = Numbers::new("ffbsi", &numbers);
        let particles = Particles::restore(self.members, step, ensemble, &mut numbers)?;
        let mut past = Vec::new();
        for _ in 0..numbers.count()? {
            let (step, set) = (numbers.count()?, numbers.flag()?);
            let ensemble = numbers.matrix(shape)?;
            past.push(Stage { step, set, ensemble, log_weights: log_weights(&mut numbers, shape.0)? });
        }
        numbers.end()?;
        (self.particles, self.past) = (particles, past);
        Ok(())
    }
}
