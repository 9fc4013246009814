//! The cycle of the iterative smoother: its window, and the sets that wait or that multiple assimilation uses again.

use ndarray::Array2;
use scorecast_systems::{Forecaster, Key, Purpose};

use super::IEnKs;
use super::minimise::{Problem, Term};
use crate::ensemble::{all_finite, anomalies};
use crate::error::Result;
use crate::method::around::inflation::rotation;
use crate::method::shared::unchanged;
use crate::method::variational::stored_set::{StoredSet, require_none_waits, require_same, sets};
use crate::method::variational::window::{Window, require_no_shift};
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::require_dim;
use crate::problem::require_members;
use crate::problem::{Cycle, Prior, draw_prior};

/// The iterative smoother as a cycle over its window.
pub struct IEnKsCycle {
    pub(super) method: IEnKs,
    pub(super) members: usize,
    pub(super) window: Window,
    /// Members at the start, `[member, component]`; with `mda` each set in the window has only a part of its weight in them.
    pub(super) start: Array2<f64>,
    /// Members at the start given all sets with their whole weight, where those are others.
    pub(super) whole: Option<Array2<f64>>,
    /// Members at the present, carried from the start.
    pub(super) front: Array2<f64>,
    /// The sets that wait, or all in the window where they are used again.
    pub(super) pending: Vec<StoredSet>,
    /// Members at each set in the window, the present among them, where the forecaster has noise.
    pub(super) trail: Vec<Array2<f64>>,
}

/// The members at the start after an analysis; none where they stay as they are.
#[derive(Default)]
struct Analysed {
    /// Those that the cycle goes on with.
    start: Option<Array2<f64>>,
    /// Those given all sets with their whole weight, where these are others.
    whole: Option<Array2<f64>>,
    /// Whether the state at the present is another than the forecast.
    changed: bool,
    diagnostics: Diagnostics,
}

impl IEnKsCycle {
    /// A smoother of `members` members over a window of `lag` sets, at least 1.
    pub fn new(method: IEnKs, members: usize, lag: usize) -> Self {
        let none = || Array2::zeros((0, 0));
        Self {
            method,
            members,
            window: Window::new(lag),
            start: none(),
            whole: None,
            front: none(),
            pending: Vec::new(),
            trail: Vec::new(),
        }
    }

    /// The same, which uses `shift` sets together (at least 1, at most the lag) and moves its window on by them.
    #[must_use]
    pub fn with_shift(self, shift: usize) -> Self {
        Self { window: self.window.with_shift(shift), ..self }
    }

    /// Whether a set is used in more than one window.
    fn is_multiple(&self) -> bool {
        self.method.multiple && self.window.lag() > self.window.shift()
    }

    /// The sets in the window that are to be used, each with the weight that `weigh` gives it for the windows that have used
    /// it, and those that use it in all.
    fn terms<'a>(&'a self, observed: &'a ObservationSet, weigh: impl Fn(usize, usize) -> f64) -> Vec<Term<'a>> {
        let term = |(leg, observed)| {
            let (used, all) = self.window.uses(leg);
            Term { leg, observed, weight: weigh(used, all) }
        };
        sets(&self.pending, &self.window, observed).into_iter().map(term).collect()
    }

    /// What the sets that wait make of the members at the start; `observed` is the newest of them, and `forecast` what the
    /// members at the start become at the present.
    fn analyse<'a>(
        &'a self,
        model: &'a dyn Forecaster,
        observed: &'a ObservationSet,
        key: Key,
        forecast: &Array2<f64>,
    ) -> Result<Analysed> {
        let method = &self.method;
        let (mean, a) = anomalies(self.start.view(), None);
        let noise = key.purpose(Purpose::ProcessNoise);
        let rotation = method.rotate.then(|| rotation(observed, key));
        let mut problem = Problem { model, window: &self.window, noise, mean, anomalies: a, terms: Vec::new() };
        let mut solve = |terms, forecast| -> Result<(Option<Array2<f64>>, Diagnostics)> {
            problem.terms = terms;
            if problem.terms.is_empty() {
                return Ok((None, Diagnostics::new()));
            }
            Ok(match method.minimise(&problem, forecast)? {
                Some(solution) => {
                    let diagnostics = solution.diagnostics.clone();
                    (Some(method.finish(&problem, solution, rotation)), diagnostics)
                }
                None => (None, Diagnostics::new()),
            })
        };
        if !self.is_multiple() {
            let terms = self.terms(observed, |_, _| 1.0);
            // where the members are known at all that is observed, they need not be carried there again
            let known = terms.iter().all(|term| term.leg + 1 == self.window.len());
            let (start, diagnostics) = solve(terms, known.then_some(forecast))?;
            let changed = start.is_some();
            return Ok(Analysed { start, whole: None, changed, diagnostics });
        }
        let (start, mut diagnostics) = solve(self.terms(observed, |_, all| 1.0 / all as f64), None)?;
        let left = self.terms(observed, |used, all| 1.0 - 1.0 / all as f64 * used as f64);
        let oldest = self.window.len() - self.window.waiting();
        let has_values = left.iter().any(|term| term.leg >= oldest);
        let mut whole = None;
        if has_values {
            (whole, diagnostics) = solve(left, None)?;
        }
        let changed = has_values && (whole.is_some() || start.is_some());
        Ok(Analysed { start, whole, changed, diagnostics })
    }

    /// Uses the sets that wait, of which `observed` is the newest.
    fn assimilate(
        &mut self,
        model: &dyn Forecaster,
        observed: &ObservationSet,
        key: Key,
        forecast: Array2<f64>,
    ) -> Result<Outcome> {
        let noise = key.purpose(Purpose::ProcessNoise);
        let Analysed { start, whole, changed, diagnostics } =
            if all_finite(forecast.view()) && all_finite(self.start.view()) {
                self.analyse(model, observed, key, &forecast)?
            } else {
                Analysed::default()
            };
        if self.method.multiple {
            self.pending.push(StoredSet::of(observed));
        } else {
            self.pending.clear();
        }
        // without a value the older sets alone go on, and what is thought of the start stays
        self.start = start.unwrap_or_else(|| std::mem::take(&mut self.start));
        self.whole = whole.or_else(|| self.whole.take());
        let mut outcome = unchanged(forecast);
        outcome.diagnostics = diagnostics;
        let mut trail = Vec::new();
        if changed {
            (trail, outcome.ensemble) = self.window.carry(model, self.whole.as_ref().unwrap_or(&self.start), noise)?;
        }
        self.front.clone_from(&outcome.ensemble);
        let leaving = self.window.leaving();
        if self.method.multiple {
            self.pending.drain(..leaving);
        }
        if self.whole.is_some() {
            self.window.carry_on(model, &mut self.start, noise)?;
        }
        let best = self.whole.as_mut().unwrap_or(&mut self.start);
        outcome.smoothed = self.window.leave(model, best, trail, noise)?;
        Ok(outcome)
    }
}

impl Cycle for IEnKsCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.window.begin(step);
        self.start = draw_prior(prior, self.members, key)?;
        self.whole = None;
        self.front = self.start.clone();
        self.pending.clear();
        self.trail.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("ienks")?;
        observed.check(self.start.ncols())?;
        require_members(self.start.nrows())?;
        require_dim(self.start.ncols(), model)?;
        let noise = key.purpose(Purpose::ProcessNoise);
        let before = self.window.clone();
        self.window.push(observed.step);
        let mut forecast = self.front.clone();
        model.advance(before.present(), self.window.present() - before.present(), &mut forecast, noise)?;
        let finite = all_finite(forecast.view()) && all_finite(self.start.view());
        let noisy = finite && self.window.is_noisy(model, &self.start, noise)?;
        let shift = self.window.shift();
        let fits = match noisy {
            true => require_no_shift(shift, "ienks"),
            false => require_same(&self.pending, observed.operator, "ienks", shift, self.is_multiple()),
        };
        if fits.is_err() {
            self.window = before;
        }
        fits?;
        if noisy {
            return self.step_with_noise(model, observed, key, forecast);
        }
        self.trail.clear();
        if self.window.is_due() {
            return self.assimilate(model, observed, key, forecast);
        }
        self.pending.push(StoredSet::of(observed));
        self.front.clone_from(&forecast);
        Ok(unchanged(forecast))
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        require_none_waits(&self.pending, self.window.waiting(), "ienks")?;
        let mut best = self.whole.take().unwrap_or_else(|| self.start.clone());
        let trail = std::mem::take(&mut self.trail);
        let out = self.window.drain(model, &mut best, trail, key.purpose(Purpose::ProcessNoise))?;
        self.start = best;
        self.front.clone_from(&self.start);
        self.pending.clear();
        Ok(out)
    }

    fn finish_with(
        &mut self,
        model: &dyn Forecaster,
        operator: &dyn ObservationOperator,
        key: Key,
    ) -> Result<Vec<Smoothed>> {
        if self.window.waiting() > 0 {
            require_same(&self.pending, operator, "ienks", self.window.shift(), self.is_multiple())?;
            if let Some(newest) = self.pending.pop() {
                let observed = newest.observed(self.window.present(), operator);
                self.assimilate(model, &observed, key, self.front.clone())?;
            }
        }
        self.finish(model, key)
    }

    fn save(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.set_from_bytes(bytes)
    }
}
