//! Four-dimensional ensemble-variational assimilation (Liu, Xiao and Wang 2008; Buehner, Houtekamer and others 2010):
//! 4D-Var whose covariances between times are those of members, so that no derivative of the forecaster is needed.
//!
//! Members at the start of a window of `lag` sets have the anomalies A_0 and, carried by the forecaster to the time of the
//! newest set, A_k; P_kk = C o (A_k^T A_k) / (N - 1), P_0k = C o (A_0^T A_k) / (N - 1), localized in state space by the taper
//! C where `radius` is set. The state at the newest set minimises
//! J(x) = |x - mean_k|^2_{P_kk^-1} / 2 + |y - h(x)|^2_{R^-1} / 2 as x = mean_k + P_kk g; the start becomes mean_0 + P_0k g, and its
//! anomalies follow with half the gain, A_0 <- A_0 - A_k H^T K_0^T / 2 (see [`envar`](super::envar)). The members are then
//! carried to the present again. So the increment is linear in the forecaster, and the taper does not follow the flow:
//! both suit windows that are short beside the time in which errors move and grow. `ienks` goes on where this stops after
//! one linearization, but does not localize.
//!
//! All this takes the forecaster as perfect. Where it has noise, members at all sets of the window are updated by their own
//! covariances with those at the newest, so that the noise of each lead step is conditioned too, and nothing is carried
//! again; inflation then acts on the newest alone. P is a matrix of the order of the state.

use ndarray::Array2;
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use super::envar::Dual;
use super::inflation::{Inflation, RTPP, RTPS};
use super::numbers::Numbers;
use super::schur::{blame, cross_covariance, require_correlation, taper};
use super::three_d_var::STEPS;
use super::window::{LAG, Window};
use super::{Build, INFLATION, MEMBERS, join, require_dim, require_members, require_saved_members, unchanged};
use crate::linalg::{all_finite, anomalies};
use crate::localize::{LOCALIZATION, Localization, Stencil};
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Cycle, Prior, Result, Seen, draw_prior};
use crate::state::{pack, unpack};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "four_d_envar",
    about: "4D-EnVar: the state at a window's start by covariances between times, localized in state space",
    reference: "Liu et al. 2008; Buehner et al. 2010",
    params: &join::<{ OWN.len() + LOCALIZATION.len() }>(&[OWN, LOCALIZATION]),
    build: Build::new(&[], |settings: &Settings| {
        let [multiplicative, rtpp, rtps] = ["inflation", "rtpp", "rtps"].map(|key| settings.number(key));
        let localization = Localization::from_settings(settings)?;
        require_correlation(localization)?;
        let method = FourDEnVar {
            inflation: Inflation { multiplicative, rtpp, rtps, ..Inflation::default() },
            localization,
            iterations: settings.count("iterations"),
        };
        Ok(Box::new(FourDEnVarCycle::new(method, settings.count("members"), settings.count("lag"))))
    }),
};

const OWN: &[Param] = &[MEMBERS, INFLATION, RTPP, RTPS, LAG, STEPS];

/// The rules of 4D-EnVar.
#[derive(Clone, Debug)]
pub struct FourDEnVar {
    /// What is done to the anomalies at the window's start.
    pub inflation: Inflation,
    /// The taper of the covariances; none leaves them.
    pub localization: Option<Localization>,
    /// Gauss-Newton steps at most, at least 1; a linear operator needs one.
    pub iterations: usize,
}

/// The analysis of one set, and what it needs to reach earlier members.
struct Analysis<'a> {
    seen: &'a Seen<'a>,
    dual: Dual,
    /// Anomalies of the members at the newest set.
    newest: Array2<f64>,
    stencil: Option<Stencil>,
}

impl<'a> Analysis<'a> {
    /// Of a set with at least one value, given the members at its time.
    fn new(method: &FourDEnVar, forecast: &Array2<f64>, seen: &'a Seen<'a>, stencil: Option<Stencil>) -> Result<Self> {
        let (mean, newest) = anomalies(forecast.view(), None);
        let p = cross_covariance(&newest, &newest, stencil.as_ref());
        let dual = Dual::minimise(seen, &mean, &p, method.iterations).map_err(blame(method.localization))?;
        Ok(Self { seen, dual, newest, stencil })
    }

    /// Updates members of a time in the window, and inflates them.
    fn update(&self, members: &mut Array2<f64>, inflation: Inflation) {
        let (mean, a) = anomalies(members.view(), None);
        let across = cross_covariance(&a, &self.newest, self.stencil.as_ref());
        *members = self.dual.earlier_anomalies(self.seen, &a, &self.newest, &across);
        inflation.spread(a.view(), members.view_mut());
        *members += &(mean + across.dot(&self.dual.g));
    }
}

/// 4D-EnVar as a cycle over its window.
pub struct FourDEnVarCycle {
    method: FourDEnVar,
    members: usize,
    window: Window,
    /// Members at the start, `[member, component]`.
    start: Array2<f64>,
    /// What they become at the present.
    front: Array2<f64>,
    /// Members at each set in the window, the present among them, where the forecaster has noise.
    trail: Vec<Array2<f64>>,
}

impl FourDEnVarCycle {
    /// A smoother of `members` members over a window of `lag` sets, at least 1.
    pub fn new(method: FourDEnVar, members: usize, lag: usize) -> Self {
        let none = || Array2::zeros((0, 0));
        Self { method, members, window: Window::new(lag), start: none(), front: none(), trail: Vec::new() }
    }
}

impl Cycle for FourDEnVarCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.window.begin(step);
        self.start = draw_prior(prior, self.members, key)?;
        self.front = self.start.clone();
        self.trail.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.require_gaussian("four_d_envar")?;
        seen.check(self.start.ncols())?;
        require_members(self.start.nrows())?;
        require_dim(self.start.ncols(), model)?;
        let stencil = taper(self.method.localization, "four_d_envar", seen)?;
        let noise = key.purpose(Purpose::ProcessNoise);
        let before = self.window.present();
        self.window.push(seen.step);
        let mut forecast = self.front.clone();
        model.advance(before, self.window.present() - before, &mut forecast, noise)?;
        let predicted = seen.restrict(forecast.view())?.predicted;
        let usable = predicted.ncols() > 0 && [&self.start, &forecast, &predicted].iter().all(|x| all_finite(x.view()));
        let noisy = self.window.is_noisy(model, &self.start, noise)?;
        if !noisy {
            self.trail.clear();
        } else if self.trail.len() + 1 == self.window.len() {
            self.trail.push(forecast.clone());
        } else {
            self.trail = self.window.trail(model, &self.start, noise)?;
        }
        let mut outcome = unchanged(forecast);
        let mut first = None;
        if usable {
            let seen = Seen { step: seen.step, time: seen.time, values: seen.values.view(), operator: seen.operator };
            let analysis = Analysis::new(&self.method, &outcome.forecast, &seen, stencil)?;
            outcome.diagnostics.insert("steps", analysis.dual.steps as f64);
            let inflation = self.method.inflation;
            if noisy {
                analysis.update(&mut self.start, Inflation::default());
                self.trail.iter_mut().rev().skip(1).for_each(|x| analysis.update(x, Inflation::default()));
                analysis.update(&mut outcome.ensemble, inflation);
            } else {
                analysis.update(&mut self.start, inflation);
                let (next, present) = self.window.carry(model, &self.start, noise)?;
                outcome.ensemble = present;
                first = Some(next);
            }
        }
        self.front.clone_from(&outcome.ensemble);
        if let Some(present) = self.trail.last_mut() {
            present.clone_from(&outcome.ensemble);
        }
        if self.window.is_full() {
            let first = match first {
                Some(first) => first,
                None if noisy => self.trail.remove(0),
                None => self.window.carry_first(model, &self.start, noise)?,
            };
            let start = std::mem::replace(&mut self.start, first);
            outcome.smoothed.extend(self.window.smoothed().map(|step| Smoothed::new(step, start)));
            self.window.slide();
        }
        Ok(outcome)
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        let trail = std::mem::take(&mut self.trail);
        self.window.drain(model, &mut self.start, trail, key.purpose(Purpose::ProcessNoise))
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(std::iter::once(&self.front).chain(&self.trail).flatten());
        pack(self.window.start(), &self.start, &numbers)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, start, numbers) = unpack(bytes)?;
        require_saved_members(start.nrows(), self.members)?;
        let mut numbers = Numbers::new("four_d_envar", &numbers);
        let mut window = self.window.clone();
        window.restore(step, &mut numbers)?;
        let front = numbers.matrix(start.dim())?;
        let arrays = if numbers.is_empty() { 0 } else { window.len() };
        let trail = (0..arrays).map(|_| numbers.matrix(start.dim())).collect::<Result<_>>()?;
        numbers.end()?;
        (self.window, self.start, self.front, self.trail) = (window, start, front, trail);
        Ok(())
    }
}
