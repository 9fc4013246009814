//! The cycle of every method of a window: it owns the sets, the shift, how the start moves on, saving and the end of a run.

use scorecast_systems::{Forecaster, Key, Purpose};

use super::settings::{require_no_shift, require_none_waits, require_same};
use super::{Window, WindowSet};
use crate::error::Result;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved, State};

/// A method of a window. Its errors are those of [`Cycle::step`].
pub trait WindowMethod: Send {
    /// What it carries beside the sets of the window.
    type State: State;

    /// Its name in the registry.
    fn name(&self) -> &'static str;

    /// Whether each set is used in every window that holds it.
    fn uses_again(&self) -> bool;

    /// What it knows of the first start.
    fn begin(&self, prior: &Prior, members: usize, key: Key) -> Result<Self::State>;

    /// Refuses a forecaster, or a set with Gaussian errors, that it cannot use.
    fn require(&self, state: &Self::State, model: &dyn Forecaster, observed: &ObservationSet) -> Result<()>;

    /// Whether the forecaster has noise in the window that is to be conditioned too.
    fn is_noisy(&self, state: &Self::State, at: &WindowProblem) -> Result<bool>;

    /// Forecast and analysis of the newest set, by the sets of the problem, if there is one; the start follows.
    fn analyse(&self, state: &mut Self::State, at: &WindowProblem) -> Result<Outcome>;

    /// What is known of the start, which is of lead step `step`.
    fn smoothed(&self, state: &Self::State, step: usize, run: Run) -> Result<Smoothed>;

    /// Moves the start on over one leg, from one lead step to another.
    fn slide(&self, state: &mut Self::State, leg: (usize, usize), run: Run) -> Result<()>;
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
    /// Whether each set is used in every window that holds it.
    pub uses_again: bool,
    /// Whether the forecaster has noise in the window, which is conditioned too.
    pub is_noisy: bool,
}

/// A method over its window.
pub struct WindowCycle<M: WindowMethod> {
    method: M,
    members: usize,
    window: Window,
    state: M::State,
}

impl<M: WindowMethod> WindowCycle<M> {
    /// `method` with `members` members, or draws beside each posterior, over windows of `lag` sets (at least 1), of which
    /// `shift` are used together (at least 1, at most `lag`).
    pub fn new(method: M, members: usize, lag: usize, shift: usize) -> Self {
        Self { method, members, window: Window::new(lag, shift, 0), state: M::State::default() }
    }

    fn uses_again(&self) -> bool {
        self.method.uses_again() && self.window.lag > self.window.shift
    }

    /// Refuses another operator than that of the sets that are used later, or again, but for the last `but`.
    fn require_same(&self, operator: &dyn ObservationOperator, but: usize) -> Result<()> {
        let (window, again) = (&self.window, self.uses_again());
        let (first, end) = (if again { 0 } else { window.first_waiting() }, window.sets.len() - but);
        require_same(&window.sets[first..end], operator, (self.method.name(), window.shift, again))
    }

    /// Analyses the newest set, which is in the window: with those that wait where they are due, or the run is `ending`.
    fn analyse(&mut self, newest: &ObservationSet, ending: bool, run: Run) -> Result<Outcome> {
        let (window, again, is_due) = (&self.window, self.uses_again(), self.window.is_due() || ending);
        let sets = if is_due { window.to_use(newest, again) } else { Vec::new() };
        let mut problem =
            WindowProblem { run, window, sets, newest: newest.view(), uses_again: again, is_noisy: false };
        problem.is_noisy = self.method.is_noisy(&self.state, &problem)?;
        match problem.is_noisy {
            true => require_no_shift(window.shift, self.method.name())?,
            false => self.require_same(newest.operator, 1)?,
        }
        let mut outcome = self.method.analyse(&mut self.state, &problem)?;
        outcome.smoothed = self.advance_window(self.window.leaving(), run)?;
        if is_due {
            self.window.advance_window(again);
        }
        Ok(outcome)
    }

    /// Moves the start on by `count` sets; gives the posteriors of the times that leave.
    fn advance_window(&mut self, count: usize, run: Run) -> Result<Vec<Smoothed>> {
        let mut out = Vec::with_capacity(count);
        for leg in self.window.legs().take(count).collect::<Vec<_>>() {
            out.extend(self.smoothed(run)?);
            self.method.slide(&mut self.state, leg, run)?;
            self.window.slide();
        }
        Ok(out)
    }

    fn smoothed(&self, run: Run) -> Result<Option<Smoothed>> {
        self.window.smoothed().map(|step| self.method.smoothed(&self.state, step, run)).transpose()
    }
}

impl<M: WindowMethod> Cycle for WindowCycle<M> {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.state = self.method.begin(prior, self.members, key)?;
        self.window = Window::new(self.window.lag, self.window.shift, step);
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian(self.method.name())?;
        self.method.require(&self.state, model, observed)?;
        let before = self.window.clone();
        self.window.push(observed);
        let outcome = self.analyse(observed, false, Run { model, members: self.members, key });
        if outcome.is_err() {
            self.window = before;
        }
        outcome
    }

    fn finish(
        &mut self,
        model: &dyn Forecaster,
        operator: Option<&dyn ObservationOperator>,
        key: Key,
    ) -> Result<Vec<Smoothed>> {
        let (run, first) = (Run { model, members: self.members, key }, self.window.first_waiting());
        match (operator, self.window.sets.last().cloned()) {
            (Some(operator), Some(newest)) if self.window.waiting > 0 => {
                self.require_same(operator, 0)?;
                self.analyse(&newest.observed(operator), true, run)?;
            }
            _ => require_none_waits(&self.window.sets[first..], self.method.name())?,
        }
        let mut out = self.advance_window(self.window.sets.len(), run)?;
        out.extend(self.smoothed(run)?);
        self.window = Window::new(self.window.lag, self.window.shift, self.window.start);
        Ok(out)
    }

    fn owner(&self) -> Owner {
        let Window { lag, shift, .. } = self.window;
        let owner = Owner::new(self.method.name()).with("members", self.members).with("lag", lag).with("shift", shift);
        owner.with("mda", self.method.uses_again())
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.window, &self.state]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.window, &mut self.state]
    }
}
