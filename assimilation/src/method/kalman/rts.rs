//! The Rauch-Tung-Striebel smoother (Rauch, Tung and Striebel 1965): the posterior of every time given all observations,
//! in the form that inverts no covariance of a state (Bryson and Frazier 1963; Bierman 1973).
//!
//! Forward it is the Kalman filter where the forecaster is linear and Gaussian, otherwise the extended one. Each set of
//! observations leaves u = H^T S^-1 d and W = H^T S^-1 H, with the forecast N(m', P'), d the innovation and
//! S = H P' H^T + R, so that the analysis is m = m' + P' u, P = P' - P' W P'; and F, the lead steps since the set before
//! composed. Backward, from r = 0 and N = 0 at the last set, once a set:
//! m_s = m + P r, P_s = P - P N P, then with C = I - P' W
//! r <- F^T (u + C^T r), N <- F^T (W + C^T N C) F.
//! Where P' has an inverse this is m_s = m + G (m'_s - m') and P_s = P + G (P'_s - P') G^T with G = P F^T P'^-1, the form
//! of Rauch, Tung and Striebel; where the forecaster has little noise P' has hardly one.
//!
//! `inflation` multiplies P by its square after the analysis, which here is noise that comes after that time: the
//! smoothed moments are of the state before it. It keeps 2 n + 4 n^2 numbers a set of observations, and everything comes
//! at the end of the run.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};
use serde::{Deserialize, Serialize};

use crate::ensemble::all_finite;
use crate::error::Result;
use crate::gaussian::{Gaussian, symmetric};
use crate::linalg::Cholesky;
use crate::method::around::inflation::INFLATION;
use crate::method::build::MethodBuild;
use crate::method::kalman::extended::{Extended, transition};
use crate::method::kalman::gaussian_cycle::{self, Moment};
use crate::method::memory;
use crate::method::shared::MEMBERS;
use crate::need::Need;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved, State};

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "rts",
    about: "Rauch-Tung-Striebel smoother: the Kalman (or extended) filter forward, all times corrected backward",
    reference: "Rauch, Tung and Striebel 1965",
    params: &[
        Param {
            about: "draws of the posteriors to give beside their moments, and of noise without a closed form",
            ..MEMBERS
        },
        INFLATION,
    ],
    build: MethodBuild::new(&[Need::Derivative], |settings: &Settings| {
        let members = settings.count(MEMBERS.key);
        Ok(Box::new(Rts::new(settings.number(INFLATION.key), members)))
    })
    .holding(memory::of_all_covariances),
};

/// The smoother.
#[derive(Clone, Debug)]
pub struct Rts {
    inflation: f64,
    members: usize,
    run: FilteredRun,
}

/// The run so far: where it stands, and its sets of observations in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct FilteredRun {
    at: Moment,
    past: Vec<FilteredSet>,
}

impl State for FilteredRun {
    const KIND: &'static str = "mean and covariance of all times";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        self.at.check(owner)?;
        let dim = self.at.state.mean.len();
        let fits = |set: &FilteredSet| {
            let square = [&set.analysis.covariance, &set.f, &set.w, &set.c].into_iter().all(|x| x.dim() == (dim, dim));
            square && set.analysis.mean.len() == dim && set.u.len() == dim
        };
        match self.past.iter().all(fits) {
            true => Ok(()),
            false => Err(format!("it holds arrays of earlier times that are not all of {dim} components")),
        }
    }
}

/// One set of observations and the way to it from the set before.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FilteredSet {
    step: usize,
    /// m and P.
    analysis: Gaussian,
    /// F, `[component, component]`.
    f: Array2<f64>,
    /// u, `[component]`.
    u: Array1<f64>,
    /// W, `[component, component]`.
    w: Array2<f64>,
    /// C, `[component, component]`.
    c: Array2<f64>,
}

impl Rts {
    /// A smoother that multiplies the standard deviations of its analyses by `inflation` and gives `members` draws of
    /// each posterior beside its moments.
    pub fn new(inflation: f64, members: usize) -> Self {
        Self { inflation, members, run: FilteredRun::default() }
    }

    /// Carries the state to lead step `to` and gives the composed F.
    fn forecast(&mut self, model: &dyn Forecaster, to: usize, key: Key) -> Result<Array2<f64>> {
        let mut composed = Array2::eye(self.run.at.state.mean.len());
        let linear = model.linear_gaussian();
        for k in self.run.at.step..to {
            let (mean, f, q) = match &linear {
                Some(law) => {
                    (law.matrix.dot(&self.run.at.state.mean) + &law.offset, law.matrix.clone(), law.covariance.clone())
                }
                None => transition("rts", model, &self.run.at.state.mean, k, self.members, key)?,
            };
            self.run.at.state.mean = mean;
            self.run.at.state.covariance = symmetric(f.dot(&self.run.at.state.covariance).dot(&f.t()) + &q);
            composed = f.dot(&composed);
        }
        Ok(composed)
    }
}

/// u and W of one set of observations; zeros where there is no value, or where it cannot be predicted and is not used.
fn information(forecast: &Gaussian, observed: &ObservationSet) -> Result<(Array1<f64>, Array2<f64>)> {
    let dim = forecast.mean.len();
    let present = observed.restrict(forecast.mean.view().insert_axis(Axis(0)))?;
    if present.index.is_empty() || !forecast.is_finite() || !all_finite(present.predicted.view()) {
        return Ok((Array1::zeros(dim), Array2::zeros((dim, dim))));
    }
    let mut h = observed.jacobian(forecast.mean.view());
    let mut s = h.dot(&forecast.covariance).dot(&h.t());
    present.add_covariance(&mut s);
    let factor = Cholesky::new(s.view())?;
    let mut d = (&present.values - &present.predicted.row(0)).insert_axis(Axis(1));
    factor.half_solve_in_place(&mut d);
    factor.half_solve_in_place(&mut h);
    Ok((h.t().dot(&d.column(0)), h.t().dot(&h)))
}

/// r and N, what the later observations say of a state.
struct Later {
    r: Array1<f64>,
    n: Array2<f64>,
}

impl Later {
    /// Carries it from the analysis at `moment` to the analysis before.
    fn back(&self, moment: &FilteredSet) -> Self {
        let r = &moment.u + &moment.c.t().dot(&self.r);
        let n = &moment.w + &moment.c.t().dot(&self.n).dot(&moment.c);
        Self { r: moment.f.t().dot(&r), n: symmetric(moment.f.t().dot(&n).dot(&moment.f)) }
    }

    /// The analysis given the later observations too.
    fn smooth(&self, analysis: &Gaussian) -> Gaussian {
        let p = &analysis.covariance;
        Gaussian { mean: &analysis.mean + &p.dot(&self.r), covariance: symmetric(p - &p.dot(&self.n).dot(p)) }
    }
}

impl Cycle for Rts {
    /// A prior ensemble is taken as the Gaussian of its mean and covariance.
    fn start(&mut self, prior: &Prior, step: usize, _key: Key) -> Result<()> {
        self.run.at = Moment { step, state: Gaussian::of(prior)? };
        self.run.past.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("rts")?;
        observed.require_derivative("rts")?;
        gaussian_cycle::check(&self.run.at.state, model)?;
        let dim = self.run.at.state.mean.len();
        // before anything moves, so that a set that does not fit leaves the method as it was
        observed.check(dim)?;
        let f = if self.run.at.state.is_finite() {
            self.forecast(model, observed.step, key.purpose(Purpose::ProcessNoise))?
        } else {
            Array2::eye(dim)
        };
        self.run.at.step = self.run.at.step.max(observed.step);
        let (u, w) = information(&self.run.at.state, observed)?;
        let c = Array2::eye(dim) - self.run.at.state.covariance.dot(&w);
        let mut filter = Extended { inflation: 1.0, draws: self.members };
        let (analysis, diagnostics) = gaussian_cycle::posterior(&mut filter, &self.run.at.state, observed)?;
        let mut posterior = analysis.clone();
        if observed.is_observed() {
            posterior.covariance *= self.inflation * self.inflation;
        }
        let outcome = gaussian_cycle::outcome(&self.run.at.state, &posterior, self.members, self.run.at.step, key)?;
        self.run.past.push(FilteredSet { step: self.run.at.step, analysis, f, u, w, c });
        self.run.at.state = posterior;
        Ok(Outcome { diagnostics, ..outcome })
    }

    fn finish(
        &mut self,
        _model: &dyn Forecaster,
        _operator: Option<&dyn ObservationOperator>,
        key: Key,
    ) -> Result<Vec<Smoothed>> {
        let past = std::mem::take(&mut self.run.past);
        let dim = self.run.at.state.mean.len();
        let mut later = Later { r: Array1::zeros(dim), n: Array2::zeros((dim, dim)) };
        let mut smoothed = Vec::with_capacity(past.len());
        for (i, moment) in past.iter().enumerate().rev() {
            // sets of the same lead step are one time, whose last analysis knows them all
            if past.get(i + 1).is_none_or(|next| next.step > moment.step) {
                let found = later.smooth(&moment.analysis);
                let draws = found.draws(self.members, key.purpose(Purpose::Smoothing).at(moment.step as u64))?;
                let gaussian = Some((found.mean, found.covariance));
                smoothed.push(Smoothed { gaussian, ..Smoothed::new(moment.step, draws) });
            }
            later = later.back(moment);
        }
        smoothed.reverse();
        Ok(smoothed)
    }

    fn owner(&self) -> Owner {
        Owner::new("rts")
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.run]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.run]
    }
}
