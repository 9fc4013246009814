//! The window that slides over the sets of observations: from an earlier time, its start, to the present.
//!
//! A method that looks back over `lag` sets keeps what it knows of the start. Each new set lengthens the window by one; once
//! it holds `lag` sets, the start leaves with what is thought of it and the next set's time becomes the start. The first
//! windows start where the prior is, which is not the time of a set. Each set is used when it arrives, at the start of
//! the window (the single assimilation of Bocquet and Sakov 2014): at step k the law of the start given all older sets
//! becomes that given the newest too.
//!
//! With a `shift` S above 1 (their S; Carrassi, Bocquet, Bertino and Evensen 2018) a set waits until S have come; then one
//! analysis of the start uses these S together, each with its whole weight. After it the start moves on by as many sets
//! as the next S need room for, which is S once the window holds `lag`: windows hold S, 2 S, ... sets at first, and
//! `lag` from then on; where `lag` is not a multiple of S, the last step to it is the remainder. S = `lag` gives windows
//! without overlap, of which each set is in one.

mod cycle;
mod members;
mod settings;
#[cfg(test)]
mod tests;

pub use cycle::{WindowCycle, WindowMethod};
pub(crate) use members::carried;
pub use members::{MembersMethod, Solved, Update, WindowMembers};
use scorecast_systems::{Forecaster, Key, Purpose};
use serde::{Deserialize, Serialize};
pub(crate) use settings::{LAG, SHIFT, needs_to_wait};

use crate::observations::{ObservationSet, StoredSet};
use crate::observe::ObservationOperator;

/// Where a window is, and the sets that it holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    /// Sets that it holds at most, at least 1.
    lag: usize,
    /// Sets that are used together, at least 1 and at most `lag`.
    shift: usize,
    /// The newest of its sets that are not used yet.
    waiting: usize,
    /// The lead step of its start.
    pub start: usize,
    /// Whether there was a set of observations at the start.
    after_set: bool,
    /// The sets after the start, in order.
    sets: Vec<StoredSet>,
}

/// A set of observations that an analysis uses.
pub struct WindowSet<'a> {
    /// The leg of the window at whose end it is.
    pub leg: usize,
    /// The set, with at least one value.
    pub observed: ObservationSet<'a>,
    /// Its weight in this analysis: 1, or with multiple data assimilation 1 over the windows that use it.
    pub weight: f64,
    /// The weight that earlier windows have left of it.
    left: f64,
}

/// What stays the same in a step.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The forecaster.
    pub model: &'a dyn Forecaster,
    /// Members of an ensemble, or draws beside each posterior.
    pub members: usize,
    /// The key of the step.
    pub key: Key,
}

impl Run<'_> {
    /// The key of the forecaster's noise.
    pub fn noise(&self) -> Key {
        self.key.purpose(Purpose::ProcessNoise)
    }
}

/// One analysis.
pub struct WindowProblem<'a> {
    /// Forecaster, members and key.
    pub run: Run<'a>,
    /// The window; its last set is the newest.
    pub window: &'a Window,
    /// The sets to use, in order.
    pub sets: Vec<WindowSet<'a>>,
    /// The newest set.
    pub newest: ObservationSet<'a>,
    /// Multiple data assimilation: whether each set is used in every window that holds it; not where there is noise.
    pub mda: bool,
    /// Whether the forecaster has noise in the window, which is conditioned too.
    pub is_noisy: bool,
}

impl Window {
    /// An empty window at lead step `start`, for `lag` sets at most (at least 1), of which `shift` are used together (at least
    /// 1, at most `lag`).
    pub fn new(lag: usize, shift: usize, start: usize) -> Self {
        let lag = lag.max(1);
        Self { lag, shift: shift.clamp(1, lag), start, ..Self::default() }
    }

    /// The lead steps of its sets, in order.
    pub fn ends(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + '_ {
        self.sets.iter().map(|set| set.step)
    }

    /// The lead step before and after each leg: from one set to the next.
    pub fn legs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        std::iter::once(self.start).chain(self.ends()).zip(self.ends())
    }

    /// The lead step of its end: of the last set.
    pub fn present(&self) -> usize {
        self.ends().next_back().unwrap_or(self.start)
    }

    /// The first leg at whose end a set waits.
    pub fn first_waiting(&self) -> usize {
        self.sets.len() - self.waiting
    }

    /// The first leg at whose end a set is used: with multiple data assimilation (`mda`) all sets are.
    fn first_used(&self, mda: bool) -> usize {
        if mda { 0 } else { self.first_waiting() }
    }

    /// Takes in the next set.
    fn push(&mut self, observed: &ObservationSet) {
        self.sets.push(StoredSet::of(observed, observed.step.max(self.present())));
        self.waiting += 1;
    }

    /// Whether the sets that wait are to be used.
    fn is_due(&self) -> bool {
        self.waiting >= self.shift
    }

    /// Sets by which the start moves on after this analysis, so that the next sets have room; none while sets wait.
    pub fn leaving(&self) -> usize {
        if self.is_due() { (self.sets.len() + self.shift).saturating_sub(self.lag) } else { 0 }
    }

    /// The sets that an analysis uses, of this operator: those with a value.
    fn to_use<'a>(&'a self, operator: &'a dyn ObservationOperator, mda: bool) -> Vec<WindowSet<'a>> {
        let sets = self.sets.iter().enumerate().skip(self.first_used(mda)).filter(|(_, set)| set.is_observed());
        sets.map(|(leg, set)| {
            let (used, all) = if mda { self.uses(leg) } else { (0, 1) };
            let weight = 1.0 / all as f64;
            WindowSet { leg, observed: set.observed(operator), weight, left: 1.0 - weight * used as f64 }
        })
        .collect()
    }

    /// How many windows have used the set at the end of this leg, and how many use it in all, with multiple data assimilation.
    fn uses(&self, leg: usize) -> (usize, usize) {
        let newer = self.sets.len() - 1 - leg;
        // of a set that came with j newer ones
        let all = |j: usize| 1 + (self.lag - 1 - j) / self.shift;
        match newer.checked_sub(self.waiting) {
            None => (0, all(newer)),
            Some(newer) => (1 + newer / self.shift, all(newer % self.shift)),
        }
    }

    /// No set waits any more; the values stay only where they are used again (`mda`).
    fn mark_used(&mut self, mda: bool) {
        self.waiting = 0;
        self.sets.iter_mut().filter(|_| !mda).for_each(StoredSet::forget);
    }

    /// The lead step of the start where there was a set: what is known there is the posterior of. None where the next set
    /// is of the same lead step: these are one time, which is given once, when the last of them is the start.
    fn smoothed(&self) -> Option<usize> {
        (self.after_set && self.ends().next() != Some(self.start)).then_some(self.start)
    }

    /// Moves the start to the next set, if there is one.
    fn slide(&mut self) {
        if !self.sets.is_empty() {
            (self.start, self.after_set) = (self.sets.remove(0).step, true);
        }
    }
}
