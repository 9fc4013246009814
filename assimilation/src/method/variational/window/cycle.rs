//! The cycle of every method of a window: it owns the sets, the shift, how the start moves on, saving and the end of a run.

use scorecast_systems::{Forecaster, Key};

use super::{LAG, Run, SHIFT, Window, WindowProblem};
use crate::error::Result;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Cycle, Prior};
use crate::state::{Owner, Saved, State};

/// A method of a window; one of members is a [`MembersMethod`](super::MembersMethod), which makes it this. Its errors are
/// those of [`Cycle::step`].
pub trait WindowMethod: Send {
    /// Its name in the registry.
    const NAME: &'static str;

    /// What it carries beside the sets of the window.
    type State: State;

    /// What it knows of the first start.
    fn begin(&self, prior: &Prior, members: usize, key: Key) -> Result<Self::State>;

    /// Takes the background covariance of what has just begun from the climate, where the method has one.
    fn set_climate(&self, _state: &mut Self::State, _climate: &Prior) -> Result<()> {
        Ok(())
    }

    /// Refuses a forecaster, or a set with Gaussian errors, that it cannot use.
    fn require(&self, state: &Self::State, model: &dyn Forecaster, observed: &ObservationSet) -> Result<()>;

    /// Whether the forecaster has noise in the window that is to be conditioned too.
    fn is_noisy(&self, _state: &Self::State, _window: &Window, _run: Run) -> Result<bool> {
        Ok(false)
    }

    /// Forecast and analysis of the newest set, by the sets of the problem, if there is one; the start follows.
    fn analyse(&self, state: &mut Self::State, at: WindowProblem) -> Result<Outcome>;

    /// What is known of the start, which is of lead step `step`.
    fn smoothed(&self, state: &Self::State, step: usize, run: Run) -> Result<Smoothed>;

    /// Moves the start on over one leg, from one lead step to another.
    fn slide(&self, state: &mut Self::State, leg: (usize, usize), run: Run) -> Result<()>;
}

/// A method over its window.
pub struct WindowCycle<M: WindowMethod> {
    method: M,
    members: usize,
    window: Window,
    mda: bool,
    state: M::State,
}

impl<M: WindowMethod> WindowCycle<M> {
    /// `method` with `members` members, or draws beside each posterior, over windows like `window`; with multiple data
    /// assimilation (`mda`) each set is used in every window that holds it, and `method` weighs it.
    pub fn new(method: M, members: usize, window: Window, mda: bool) -> Self {
        Self { method, members, window, mda, state: M::State::default() }
    }

    /// Analyses the newest set, which is in the window: with those that wait where they are due, or the run is `ending`.
    fn analyse(&mut self, newest: &ObservationSet, ending: bool, run: Run) -> Result<Outcome> {
        let window = &self.window;
        // without overlap each set is in one window
        let (is_due, mda) = (window.is_due() || ending, self.mda && window.lag > window.shift);
        let is_noisy = self.method.is_noisy(&self.state, window, run)?;
        match is_noisy {
            true => window.require_no_shift(M::NAME)?,
            false => window.require_same(newest.operator, mda, M::NAME)?,
        }
        let (newest, mda_here) = (newest.view(), mda && !is_noisy);
        let sets = if is_due { window.to_use(newest.operator, mda_here) } else { Vec::new() };
        let problem = WindowProblem { run, window, sets, newest, mda: mda_here, is_noisy };
        let mut outcome = self.method.analyse(&mut self.state, problem)?;
        outcome.smoothed = self.advance_window(self.window.leaving(), run)?;
        if is_due {
            self.window.mark_used(mda);
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

    fn start_in_climate(&mut self, prior: &Prior, climate: &Prior, step: usize, key: Key) -> Result<()> {
        self.start(prior, step, key)?;
        self.method.set_climate(&mut self.state, climate)
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian(M::NAME)?;
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
        let run = Run { model, members: self.members, key };
        match (operator, self.window.sets.last().cloned()) {
            (Some(operator), Some(newest)) if self.window.waiting > 0 => {
                self.analyse(&newest.observed(operator), true, run)?;
            }
            _ => self.window.require_none_waits(M::NAME)?,
        }
        let mut out = self.advance_window(self.window.sets.len(), run)?;
        out.extend(self.smoothed(run)?);
        self.window = Window::new(self.window.lag, self.window.shift, self.window.start);
        Ok(out)
    }

    fn owner(&self) -> Owner {
        let Window { lag, shift, .. } = self.window;
        let owner = Owner::new(M::NAME).with("members", self.members);
        owner.with(LAG.key, lag).with(SHIFT.key, shift).with("mda", self.mda)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.window, &self.state]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.window, &mut self.state]
    }
}
