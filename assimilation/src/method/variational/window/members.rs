//! A window of members: those at its start and at each of its sets.

use ndarray::Array2;
use scorecast_systems::{Forecaster, Key};
use serde::{Deserialize, Serialize};

use super::{Run, Window, WindowMethod, WindowProblem};
use crate::ensemble::all_finite;
use crate::error::Result;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::{Prior, draw_prior, require_dim, require_members};
use crate::state::{Owner, State};
use crate::step_law;

/// A method of a window that is an ensemble, `[member, component]` at each time; its errors are those of
/// [`Cycle::step`](crate::Cycle::step).
pub trait MembersMethod: Send {
    /// Its name in the registry.
    const NAME: &'static str;

    /// Refuses a set that it cannot use.
    fn require(&self, _observed: &ObservationSet) -> Result<()> {
        Ok(())
    }

    /// What the sets of the problem, at least one, make of the members at the `start`, given those at each set of the window.
    /// Where the forecaster has noise it is asked for the newest set alone, and what that makes of the members of any time.
    fn solve<'a>(&'a self, at: &'a WindowProblem, start: &Array2<f64>, at_sets: &[Array2<f64>]) -> Result<Solved<'a>>;
}

/// One analysis of a window of members.
#[derive(Default)]
pub struct Solved<'a> {
    /// What it does to members of a time; none leaves them.
    pub update: Option<Update<'a>>,
    /// Named numbers about the analysis.
    pub diagnostics: Diagnostics,
}

/// Updates the members of a time in place, and inflates them where that is said.
pub type Update<'a> = Box<dyn Fn(&mut Array2<f64>, bool) -> Result<()> + 'a>;

/// The members of a window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WindowMembers {
    /// At the start, given all sets with their whole weight.
    pub start: Array2<f64>,
    /// At each set, the present last.
    at_sets: Vec<Array2<f64>>,
    /// At the start where sets are used again, each with only a part of its weight: what the next analysis goes on from.
    partly_weighted: Option<Array2<f64>>,
}

impl State for WindowMembers {
    const KIND: &'static str = "members of a window";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        owner.require_members(self.start.nrows())?;
        match self.at_sets.iter().chain(&self.partly_weighted).all(|x| x.dim() == self.start.dim()) {
            true => Ok(()),
            false => Err("it holds members of different sizes".to_owned()),
        }
    }
}

impl WindowMembers {
    fn present(&self) -> &Array2<f64> {
        self.at_sets.last().unwrap_or(&self.start)
    }

    /// Carries the members to the sets where they are not known yet.
    fn carry(&mut self, legs: impl Iterator<Item = (usize, usize)>, run: Run) -> Result<()> {
        self.at_sets.extend(carried(self.present().clone(), legs.skip(self.at_sets.len()), run)?);
        Ok(())
    }

    /// What the sets make of the start. With multiple data assimilation that goes on from `partly_weighted`, twice: with
    /// the weights in this window, and, where a set is new, with all the weight that is left, which gives the ensemble.
    fn solve(&mut self, method: &impl MembersMethod, mut at: WindowProblem) -> Result<Diagnostics> {
        let start = self.partly_weighted.as_ref().unwrap_or(&self.start);
        let updated = |at: &WindowProblem| -> Result<_> {
            let (solved, mut x) = (method.solve(at, start, &self.at_sets)?, start.clone());
            solved.update.as_ref().map(|update| update(&mut x, true)).transpose()?;
            Ok((solved.update.is_some().then_some(x), solved.diagnostics))
        };
        let (mut partly_weighted, mut fully_weighted, mut diagnostics) = (None, None, Diagnostics::new());
        if at.mda {
            (partly_weighted, diagnostics) = updated(&at)?;
        }
        if at.sets.iter().any(|set| set.leg >= at.window.first_waiting()) {
            at.sets.iter_mut().for_each(|set| set.weight = set.left);
            (fully_weighted, diagnostics) = updated(&at)?;
        }
        self.partly_weighted = partly_weighted.or(self.partly_weighted.take());
        if let Some(start) = fully_weighted {
            (self.start, self.at_sets) = (start, Vec::new());
            self.carry(at.window.legs(), at.run)?;
        }
        Ok(diagnostics)
    }

    /// What the newest set makes of the members of all times; inflation is for the newest alone.
    fn smooth(&mut self, method: &impl MembersMethod, at: &WindowProblem) -> Result<Diagnostics> {
        let solved = method.solve(at, &self.start, &self.at_sets)?;
        if let Some(update) = solved.update {
            let newest = self.at_sets.len();
            let times = std::iter::once(&mut self.start).chain(&mut self.at_sets);
            times.enumerate().try_for_each(|(time, x)| update(x, time == newest))?;
        }
        Ok(solved.diagnostics)
    }
}

impl<M: MembersMethod> WindowMethod for M {
    const NAME: &'static str = <M as MembersMethod>::NAME;

    type State = WindowMembers;

    fn begin(&self, prior: &Prior, members: usize, key: Key) -> Result<WindowMembers> {
        Ok(WindowMembers { start: draw_prior(prior, members, key)?, ..WindowMembers::default() })
    }

    fn require(&self, members: &WindowMembers, model: &dyn Forecaster, observed: &ObservationSet) -> Result<()> {
        let (count, dim) = members.start.dim();
        observed.check(dim)?;
        require_members(count)?;
        require_dim(dim, model)?;
        MembersMethod::require(self, observed)
    }

    fn is_noisy(&self, members: &WindowMembers, window: &Window, run: Run) -> Result<bool> {
        let start = &members.start;
        let moves = window.present() > window.start && all_finite(start.view());
        Ok(moves && !step_law::is_deterministic(run.model, window.start, start.row(0), run.noise())?)
    }

    fn analyse(&self, members: &mut WindowMembers, at: WindowProblem) -> Result<Outcome> {
        members.at_sets.truncate(at.window.ends().len() - 1);
        members.carry(at.window.legs(), at.run)?;
        let mut outcome = Outcome::unchanged(members.present().clone());
        if !(all_finite(outcome.forecast.view()) && all_finite(members.start.view())) {
            return Ok(outcome);
        }
        if at.is_noisy {
            // sets at the prior's own lead step come without noise: here each counts as a whole, once
            members.partly_weighted = None;
        }
        if !at.sets.is_empty() {
            outcome.diagnostics = if at.is_noisy { members.smooth(self, &at)? } else { members.solve(self, at)? };
            outcome.ensemble.clone_from(members.present());
        }
        Ok(outcome)
    }

    fn smoothed(&self, members: &WindowMembers, step: usize, _: Run) -> Result<Smoothed> {
        Ok(Smoothed::new(step, members.start.clone()))
    }

    fn slide(&self, members: &mut WindowMembers, (from, to): (usize, usize), run: Run) -> Result<()> {
        members.carry(std::iter::once((from, to)), run)?;
        members.start = members.at_sets.remove(0);
        // at the present nothing is used again
        members.partly_weighted = members.partly_weighted.take().filter(|_| !members.at_sets.is_empty());
        if let Some(start) = &mut members.partly_weighted {
            run.model.advance(from, to - from, start, run.noise())?;
        }
        Ok(())
    }
}

/// What the members `x` become at the end of each of these legs, in order.
pub(crate) fn carried(
    mut x: Array2<f64>,
    legs: impl Iterator<Item = (usize, usize)>,
    run: Run,
) -> Result<Vec<Array2<f64>>> {
    legs.map(|(from, to)| {
        run.model.advance(from, to - from, &mut x, run.noise())?;
        Ok(x.clone())
    })
    .collect()
}
