//! Four-dimensional ensemble-variational assimilation (Liu, Xiao and Wang 2008; Buehner, Houtekamer and others 2010):
//! 4D-Var whose covariances between times are those of members, so that no derivative of the forecaster is needed.
//!
//! Members at the start of a window of `lag` sets have the anomalies A_0 and, carried by the forecaster to the time of the
//! newest set, A_k; P_kk = C o (A_k^T A_k) / (N - 1), P_0k = C o (A_0^T A_k) / (N - 1), localized in state space by the taper
//! C where `radius` is set. The state at the newest set minimises
//! J(x) = |x - mean_k|^2_{P_kk^-1} / 2 + |y - h(x)|^2_{R^-1} / 2 as x = mean_k + P_kk g; the start becomes mean_0 + P_0k g, and its
//! anomalies follow with half the gain, A_0 <- A_0 - A_k H^T K_0^T / 2 (see [`envar`](crate::method::variational::envar)). The members are then
//! carried to the present again. So the increment is linear in the forecaster, and the taper does not follow the flow:
//! both suit windows that are short beside the time in which errors move and grow. `ienks` goes on where this stops after
//! one linearization, but does not localize.
//!
//! With a `shift` S above 1 a set waits, and the analysis of a set that waits is its forecast, until S have come; then x
//! is the states at the S times side by side, P their joint covariance, in which C stands for each pair of times, and y the
//! S sets: one minimisation, after which the window moves on by S sets ([`window`](crate::method::variational::window)). The smoothed states
//! alone know all of the window. P is then S times as wide.
//!
//! All this takes the forecaster as perfect. Where it has noise, members at all sets of the window are updated by their own
//! covariances with those at the newest, so that the noise of each lead step is conditioned too, and nothing is carried
//! again; inflation then acts on the newest alone, and each set is used as it comes: a `shift` above 1 is refused. P is a
//! matrix of the order of the state.

mod several;

use ndarray::{Array, Array2, Axis, RemoveAxis, concatenate};
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use crate::ensemble::{all_finite, anomalies};
use crate::error::{Error, Result};
use crate::localize::{LOCALIZATION, Localization, Stencil};
use crate::method::around::inflation::INFLATION;
use crate::method::around::inflation::{Inflation, RTPP, RTPS};
use crate::method::build::MethodBuild;
use crate::method::shared::MEMBERS;
use crate::method::shared::join;
use crate::method::shared::unchanged;
use crate::method::variational::envar::Dual;
use crate::method::variational::schur::{blame, cross_covariance, require_correlation, taper};
use crate::method::variational::stored_set::{StoredSet, require_none_waits, require_same, sets};
use crate::method::variational::three_d_var::STEPS;
use crate::method::variational::window::{LAG, SHIFT, Window, lag_and_shift, require_no_shift};
use crate::numbers::Numbers;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Outcome, Smoothed};
use crate::problem::require_dim;
use crate::problem::require_members;
use crate::problem::require_saved_members;
use crate::problem::{Cycle, Prior, draw_prior};
use crate::state::{pack, unpack};
use several::Several;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "four_d_envar",
    about: "4D-EnVar: the state at a window's start by covariances between times, localized in state space",
    reference: "Liu et al. 2008; Buehner et al. 2010",
    params: &join::<{ OWN.len() + LOCALIZATION.len() }>(&[OWN, LOCALIZATION]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        let [multiplicative, rtpp, rtps] = ["inflation", "rtpp", "rtps"].map(|key| settings.number(key));
        let localization = Localization::from_settings(settings)?;
        require_correlation(localization)?;
        let method = FourDEnVar {
            inflation: Inflation { multiplicative, rtpp, rtps, ..Inflation::default() },
            localization,
            iterations: settings.count("iterations"),
        };
        let (lag, shift) = lag_and_shift(settings)?;
        Ok(Box::new(FourDEnVarCycle::new(method, settings.count("members"), lag).with_shift(shift)))
    }),
};

const OWN: &[Param] = &[MEMBERS, INFLATION, RTPP, RTPS, LAG, SHIFT, STEPS];

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

/// One analysis, and what it needs to reach the members of other times.
struct Analysis<'a> {
    observed: &'a ObservationSet<'a>,
    dual: Dual,
    /// Anomalies of the members at each set that is used.
    images: Vec<Array2<f64>>,
    /// The same side by side.
    joint: Array2<f64>,
    stencil: Option<Stencil>,
}

impl<'a> Analysis<'a> {
    /// Of sets with at least one value, as one (`observed`), given the members at the time of each.
    fn new(
        method: &FourDEnVar,
        members: &[Array2<f64>],
        observed: &'a ObservationSet<'a>,
        stencil: Option<Stencil>,
    ) -> Result<Self> {
        let (means, images): (Vec<_>, Vec<_>) = members.iter().map(|x| anomalies(x.view(), None)).unzip();
        let p = images.iter().map(|a| across(a, &images, stencil.as_ref())).collect::<Result<Vec<_>>>()?;
        let dual = Dual::minimise(observed, &joined(Axis(0), means)?, &joined(Axis(0), p)?, method.iterations)
            .map_err(blame(method.localization))?;
        let joint = joined(Axis(1), images.clone())?;
        Ok(Self { observed, dual, images, joint, stencil })
    }

    /// Updates members of a time in the window, and inflates them.
    fn update(&self, members: &mut Array2<f64>, inflation: Inflation) -> Result<()> {
        let (mean, a) = anomalies(members.view(), None);
        let across = across(&a, &self.images, self.stencil.as_ref())?;
        *members = self.dual.earlier_anomalies(self.observed, &a, &self.joint, &across);
        inflation.spread(a.view(), members.view_mut());
        *members += &(mean + across.dot(&self.dual.g));
        Ok(())
    }
}

/// The covariances of anomalies `a` with each of `images`, side by side.
fn across(a: &Array2<f64>, images: &[Array2<f64>], stencil: Option<&Stencil>) -> Result<Array2<f64>> {
    joined(Axis(1), images.iter().map(|image| cross_covariance(a, image, stencil)).collect())
}

/// Arrays one after the other; one alone as it is.
fn joined<D: RemoveAxis>(axis: Axis, mut parts: Vec<Array<f64, D>>) -> Result<Array<f64, D>> {
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(axis, &views).map_err(|problem| Error::Shape(problem.to_string()))
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
    /// The sets that wait.
    pending: Vec<StoredSet>,
}

impl FourDEnVarCycle {
    /// A smoother of `members` members over a window of `lag` sets, at least 1.
    pub fn new(method: FourDEnVar, members: usize, lag: usize) -> Self {
        let none = || Array2::zeros((0, 0));
        let window = Window::new(lag);
        Self { method, members, window, start: none(), front: none(), trail: Vec::new(), pending: Vec::new() }
    }

    /// The same, which uses `shift` sets together (at least 1, at most the lag) and moves its window on by them.
    #[must_use]
    pub fn with_shift(self, shift: usize) -> Self {
        Self { window: self.window.with_shift(shift), ..self }
    }

    /// The members at the sets that are used, given those at the present.
    fn members_at(
        &self,
        sets: &[(usize, ObservationSet)],
        model: &dyn Forecaster,
        forecast: &Array2<f64>,
        noise: Key,
    ) -> Result<Vec<Array2<f64>>> {
        let newest = self.window.len() - 1;
        if sets.iter().all(|(leg, _)| *leg == newest) {
            return Ok(sets.iter().map(|_| forecast.clone()).collect());
        }
        let trail = self.window.trail(model, &self.start, noise)?.into_iter().enumerate();
        Ok(trail.filter(|(leg, _)| sets.iter().any(|(at, _)| at == leg)).map(|(_, x)| x).collect())
    }

    /// Uses the sets that wait, of which `observed` is the newest.
    fn assimilate(
        &mut self,
        model: &dyn Forecaster,
        observed: &ObservationSet,
        stencil: Option<Stencil>,
        key: Key,
        forecast: Array2<f64>,
    ) -> Result<Outcome> {
        let noise = key.purpose(Purpose::ProcessNoise);
        let pending = std::mem::take(&mut self.pending);
        let sets = sets(&pending, &self.window, observed);
        let members = self.members_at(&sets, model, &forecast, noise)?;
        let mut usable = !sets.is_empty() && all_finite(self.start.view()) && all_finite(forecast.view());
        for ((_, observed), members) in sets.iter().zip(&members) {
            usable = usable && all_finite(observed.restrict(members.view())?.predicted.view());
        }
        let mut outcome = unchanged(forecast);
        let mut first = Vec::new();
        if usable {
            let seens: Vec<ObservationSet> = sets.iter().map(|(_, observed)| *observed).collect();
            let several = if seens.len() > 1 { Some(Several::new(&seens)?) } else { None };
            let all = match &several {
                Some((operator, values)) => {
                    ObservationSet { step: observed.step, time: observed.time, values: values.view(), operator }
                }
                None => seens[0],
            };
            let analysis = Analysis::new(&self.method, &members, &all, stencil)?;
            outcome.diagnostics.insert("steps", analysis.dual.steps as f64);
            let inflation = self.method.inflation;
            if self.trail.is_empty() {
                analysis.update(&mut self.start, inflation)?;
                (first, outcome.ensemble) = self.window.carry(model, &self.start, noise)?;
            } else {
                analysis.update(&mut self.start, Inflation::default())?;
                for x in self.trail.iter_mut().rev().skip(1) {
                    analysis.update(x, Inflation::default())?;
                }
                analysis.update(&mut outcome.ensemble, inflation)?;
            }
        }
        self.front.clone_from(&outcome.ensemble);
        if let Some(present) = self.trail.last_mut() {
            present.clone_from(&outcome.ensemble);
        }
        if !self.trail.is_empty() {
            first.extend(self.trail.drain(..self.window.leaving()));
        }
        outcome.smoothed = self.window.leave(model, &mut self.start, first, noise)?;
        Ok(outcome)
    }
}

impl Cycle for FourDEnVarCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.window.begin(step);
        self.start = draw_prior(prior, self.members, key)?;
        self.front = self.start.clone();
        self.trail.clear();
        self.pending.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("four_d_envar")?;
        observed.check(self.start.ncols())?;
        require_members(self.start.nrows())?;
        require_dim(self.start.ncols(), model)?;
        let stencil = taper(self.method.localization, "four_d_envar", observed)?;
        let noise = key.purpose(Purpose::ProcessNoise);
        require_same(&self.pending, observed.operator, "four_d_envar", self.window.shift(), false)?;
        let before = self.window.clone();
        self.window.push(observed.step);
        let mut forecast = self.front.clone();
        model.advance(before.present(), self.window.present() - before.present(), &mut forecast, noise)?;
        if !self.window.is_noisy(model, &self.start, noise)? {
            self.trail.clear();
        } else if let Err(problem) = require_no_shift(self.window.shift(), "four_d_envar") {
            self.window = before;
            return Err(problem);
        } else if self.trail.len() + 1 == self.window.len() {
            self.trail.push(forecast.clone());
        } else {
            self.trail = self.window.trail(model, &self.start, noise)?;
        }
        if self.window.is_due() {
            return self.assimilate(model, observed, stencil, key, forecast);
        }
        self.pending.push(StoredSet::of(observed));
        self.front.clone_from(&forecast);
        Ok(unchanged(forecast))
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        require_none_waits(&self.pending, self.window.waiting(), "four_d_envar")?;
        let trail = std::mem::take(&mut self.trail);
        self.pending.clear();
        self.window.drain(model, &mut self.start, trail, key.purpose(Purpose::ProcessNoise))
    }

    fn finish_with(
        &mut self,
        model: &dyn Forecaster,
        operator: &dyn ObservationOperator,
        key: Key,
    ) -> Result<Vec<Smoothed>> {
        require_same(&self.pending, operator, "four_d_envar", self.window.shift(), false)?;
        if let Some(newest) = self.pending.pop() {
            let observed = newest.observed(self.window.present(), operator);
            let stencil = taper(self.method.localization, "four_d_envar", &observed)?;
            self.assimilate(model, &observed, stencil, key, self.front.clone())?;
        }
        self.finish(model, key)
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(&self.front);
        self.pending.iter().for_each(|pass| pass.write(&mut numbers));
        numbers.extend(self.trail.iter().flatten());
        pack(self.window.start(), &self.start, &numbers)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, start, numbers) = unpack(bytes)?;
        require_saved_members(start.nrows(), self.members)?;
        let mut numbers = Numbers::new("four_d_envar", &numbers);
        let mut window = self.window.clone();
        window.restore(step, &mut numbers)?;
        let front = numbers.matrix(start.dim())?;
        let pending = (0..window.waiting()).map(|_| StoredSet::read(&mut numbers)).collect::<Result<_>>()?;
        let arrays = if numbers.is_empty() { 0 } else { window.len() };
        let trail = (0..arrays).map(|_| numbers.matrix(start.dim())).collect::<Result<_>>()?;
        numbers.end()?;
        (self.window, self.start, self.front) = (window, start, front);
        (self.pending, self.trail) = (pending, trail);
        Ok(())
    }
}
