//! The window that slides over the sets of observations: from an earlier time, its start, to the present.
//!
//! A method that looks back over `lag` sets keeps the state at the start. Each new set lengthens the window by one; once
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

mod saved;
mod settings;

use ndarray::Array2;
use scorecast_systems::{Forecaster, Key};

use crate::error::Result;
use crate::outcome::Smoothed;
use crate::step_law;

pub(crate) use settings::{LAG, SHIFT, lag_and_shift, require_no_shift};

/// Where a window is.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Sets that it holds at most, at least 1.
    lag: usize,
    /// Sets that are used together, at least 1 and at most `lag`.
    shift: usize,
    /// The newest of its sets that are not used yet.
    waiting: usize,
    /// The lead step of its start.
    start: usize,
    /// Whether there was a set of observations at the start.
    after_set: bool,
    /// The lead steps of the sets after the start, in order.
    sets: Vec<usize>,
}

impl Window {
    /// A window without sets at lead step 0, each of which is to be used when it comes.
    pub fn new(lag: usize) -> Self {
        Self { lag: lag.max(1), shift: 1, waiting: 0, start: 0, after_set: false, sets: Vec::new() }
    }

    /// The same, of which `shift` sets are used together: at least 1, at most its lag.
    pub fn with_shift(self, shift: usize) -> Self {
        Self { shift: shift.clamp(1, self.lag), ..self }
    }

    /// Begins again at the prior's lead step.
    pub fn begin(&mut self, step: usize) {
        *self = Self { start: step, ..Self::new(self.lag).with_shift(self.shift) };
    }

    /// Sets that it holds at most.
    pub fn lag(&self) -> usize {
        self.lag
    }

    /// Sets that are used together.
    pub fn shift(&self) -> usize {
        self.shift
    }

    /// The lead step of its start.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The sets that it holds.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// The newest sets that are not used yet.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The lead step of its end: of the last set.
    pub fn present(&self) -> usize {
        self.sets.last().copied().unwrap_or(self.start)
    }

    /// Takes in the next set.
    pub fn push(&mut self, step: usize) {
        self.sets.push(step.max(self.present()));
        self.waiting += 1;
    }

    /// Whether the sets that wait are to be used.
    pub fn is_due(&self) -> bool {
        self.waiting >= self.shift
    }

    /// Sets by which the start moves on after this analysis, so that the next sets have room; none while sets wait.
    pub fn leaving(&self) -> usize {
        if self.is_due() { (self.sets.len() + self.shift).saturating_sub(self.lag) } else { 0 }
    }

    /// How many windows have used the set at the end of this leg, and how many use it in all, where each window uses all its
    /// sets.
    pub fn uses(&self, leg: usize) -> (usize, usize) {
        let newer = self.sets.len() - 1 - leg;
        // of a set that came with j newer ones
        let all = |j: usize| 1 + (self.lag - 1 - j) / self.shift;
        match newer.checked_sub(self.waiting) {
            None => (0, all(newer)),
            Some(newer) => (1 + newer / self.shift, all(newer % self.shift)),
        }
    }

    /// The lead step before and after each stretch from one set to the next.
    pub fn legs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        std::iter::once(&self.start).chain(&self.sets).copied().zip(self.sets.iter().copied())
    }

    /// The lead step of each set.
    pub fn ends(&self) -> &[usize] {
        &self.sets
    }

    /// The lead step of the start where there was a set: what the state there is the posterior of. None where the next set
    /// is of the same lead step: these are one time, which is given once, when the last of them is the start.
    pub fn smoothed(&self) -> Option<usize> {
        (self.after_set && self.sets.first() != Some(&self.start)).then_some(self.start)
    }

    /// Moves the start to the next set, if there is one.
    pub fn slide(&mut self) {
        if !self.sets.is_empty() {
            self.start = self.sets.remove(0);
            self.after_set = true;
        }
    }

    /// No set waits any more.
    pub fn settle(&mut self) {
        self.waiting = 0;
    }

    /// Whether there is noise between the start and the present, by the first lead step of `start` (`[member, component]`).
    /// Members that are not finite count as without.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn is_noisy(&self, model: &dyn Forecaster, start: &Array2<f64>, noise: Key) -> Result<bool> {
        let moves = self.present() > self.start && start.nrows() > 0;
        Ok(moves && !step_law::is_deterministic(model, self.start, start.row(0), noise)?)
    }

    /// Carries members from the start to the present; also gives them at the sets that leave.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn carry(
        &self,
        model: &dyn Forecaster,
        start: &Array2<f64>,
        noise: Key,
    ) -> Result<(Vec<Array2<f64>>, Array2<f64>)> {
        let mut x = start.clone();
        let mut leaving = Vec::with_capacity(self.leaving());
        for (from, to) in self.legs() {
            model.advance(from, to - from, &mut x, noise)?;
            if leaving.len() < self.leaving() {
                leaving.push(x.clone());
            }
        }
        Ok((leaving, x))
    }

    /// Members at the end of each leg, given those at the start.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn trail(&self, model: &dyn Forecaster, start: &Array2<f64>, noise: Key) -> Result<Vec<Array2<f64>>> {
        let mut x = start.clone();
        let mut out = Vec::with_capacity(self.sets.len());
        for (from, to) in self.legs() {
            model.advance(from, to - from, &mut x, noise)?;
            out.push(x.clone());
        }
        Ok(out)
    }

    /// Carries members from the start to where the start moves after this analysis.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn carry_on(&self, model: &dyn Forecaster, start: &mut Array2<f64>, noise: Key) -> Result<()> {
        self.legs().take(self.leaving()).try_for_each(|(from, to)| Ok(model.advance(from, to - from, start, noise)?))
    }

    /// Ends an analysis: moves the start on, and `start` to the members there, given those at the next sets as far as they
    /// are kept (`trail`); elsewhere they are carried. Gives the posteriors of the times that leave.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn leave(
        &mut self,
        model: &dyn Forecaster,
        start: &mut Array2<f64>,
        trail: impl IntoIterator<Item = Array2<f64>>,
        noise: Key,
    ) -> Result<Vec<Smoothed>> {
        let leaving = self.leaving();
        self.settle();
        self.move_on(leaving, model, start, trail, noise)
    }

    /// Moves the start on by `count` sets.
    fn move_on(
        &mut self,
        count: usize,
        model: &dyn Forecaster,
        start: &mut Array2<f64>,
        trail: impl IntoIterator<Item = Array2<f64>>,
        noise: Key,
    ) -> Result<Vec<Smoothed>> {
        let mut out = Vec::with_capacity(count + 1);
        let mut trail = trail.into_iter();
        let ends: Vec<usize> = self.sets.iter().take(count).copied().collect();
        for to in ends {
            let next = match trail.next() {
                Some(members) => members,
                None => {
                    let mut x = start.clone();
                    model.advance(self.start, to - self.start, &mut x, noise)?;
                    x
                }
            };
            let left = std::mem::replace(start, next);
            out.extend(self.smoothed().map(|step| Smoothed::new(step, left)));
            self.slide();
        }
        Ok(out)
    }

    /// Empties the window at the end of a run: what is left to say of its times, given the members at its start, and
    /// those at its sets where they are kept (`trail`); elsewhere they are carried. Leaves in `start` those at the present.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn drain(
        &mut self,
        model: &dyn Forecaster,
        start: &mut Array2<f64>,
        trail: Vec<Array2<f64>>,
        noise: Key,
    ) -> Result<Vec<Smoothed>> {
        let mut out = self.move_on(self.sets.len(), model, start, trail, noise)?;
        out.extend(self.smoothed().map(|step| Smoothed::new(step, start.clone())));
        self.after_set = false;
        self.settle();
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Numbers;

    /// The lead steps that leave when sets come at `steps`; the window is saved and restored after each.
    fn run(lag: usize, shift: usize, steps: &[usize]) -> Vec<(usize, Vec<usize>)> {
        let (mut window, mut out) = (Window::new(lag).with_shift(shift), Vec::new());
        window.begin(7);
        for (at, &step) in steps.iter().enumerate() {
            window.push(step);
            assert_eq!(window.legs().last().map(|(_, to)| to), Some(step));
            assert_eq!(window.legs().next().map(|(from, _)| from), Some(window.start()));
            assert_eq!(window.is_due(), (at + 1).is_multiple_of(shift));
            let mut left = Vec::new();
            if window.is_due() {
                assert_eq!(window.len(), lag.min(at + 1));
                let leaving = window.leaving();
                window.settle();
                for _ in 0..leaving {
                    left.extend(window.smoothed());
                    window.slide();
                }
            }
            out.push((window.len(), left));
            assert!(window.len() < lag && window.present() == step);
            let mut again = Window::new(lag).with_shift(shift);
            let saved = window.numbers();
            let mut numbers = Numbers::new("ienks", &saved);
            again.restore(window.start(), &mut numbers).unwrap();
            numbers.end().unwrap();
            assert_eq!(again.numbers(), window.numbers());
            for other in [Window::new(lag + 1).with_shift(shift), Window::new(lag + 1).with_shift(shift + 1)] {
                let mut other = other;
                assert!(other.restore(window.start(), &mut Numbers::new("ienks", &saved)).is_err());
            }
        }
        let mut left: Vec<usize> = window.smoothed().into_iter().collect();
        left.extend(window.sets);
        out.push((0, left));
        out
    }

    #[test]
    fn each_time_leaves_once_and_a_restored_window_goes_on() {
        for lag in 1..7 {
            for shift in 1..=lag {
                let left: Vec<usize> =
                    run(lag, shift, &[9, 9, 12, 15, 20, 21]).into_iter().flat_map(|(_, left)| left).collect();
                // the two sets of step 9 are one time, also where the last window did not move past the first of them
                let once: Vec<usize> = if left.starts_with(&[9, 9]) { left[1..].to_vec() } else { left };
                assert_eq!(once, [9, 12, 15, 20, 21], "lag {lag}, shift {shift}");
            }
        }
    }

    #[test]
    fn windows_grow_by_the_shift_then_by_the_remainder_and_hold_lag_sets_from_then_on() {
        let steps: Vec<usize> = (8..17).collect();
        // lag 5, shift 2: analyses of 2, 4, 5, 5 sets, after which 0, 1, 2, 2 sets leave; the first start is no set
        let found = run(5, 2, &steps);
        let held: Vec<usize> = found.iter().map(|(held, _)| *held).collect();
        assert_eq!(held, [1, 2, 3, 3, 4, 3, 4, 3, 4, 0]);
        let left: Vec<&[usize]> = found.iter().map(|(_, left)| left.as_slice()).collect();
        let none: &[usize] = &[];
        assert_eq!(left, [none, none, none, none, none, &[8, 9], none, &[10, 11], none, &[12, 13, 14, 15, 16]]);
        // without overlap the last set of a window is the start of the next one
        let found = run(3, 3, &steps);
        let left: Vec<&[usize]> = found.iter().map(|(_, left)| left.as_slice()).collect();
        assert_eq!(left, [none, none, &[8, 9], none, none, &[10, 11, 12], none, none, &[13, 14, 15], &[16]]);
    }

    #[test]
    fn each_set_is_used_in_as_many_windows_as_is_said() {
        for lag in 1..9 {
            for shift in 1..=lag {
                let mut window = Window::new(lag).with_shift(shift);
                // by the lead step, which is the number of the set
                let mut said = std::collections::BTreeMap::new();
                for step in 1..60 {
                    window.push(step);
                    if !window.is_due() {
                        continue;
                    }
                    for (leg, end) in window.ends().iter().enumerate() {
                        let (used, all) = window.uses(leg);
                        let (so_far, first) = said.get(end).copied().unwrap_or((0, all));
                        assert_eq!((used, all), (so_far, first), "lag {lag}, shift {shift}, set {end}");
                        said.insert(*end, (used + 1, all));
                    }
                    let leaving = window.leaving();
                    window.settle();
                    (0..leaving).for_each(|_| window.slide());
                }
                // of those that have left
                let left = said.iter().filter(|(end, _)| **end <= window.start());
                assert!(left.clone().count() > 40 && left.clone().all(|(_, (used, all))| used == all));
            }
        }
    }
}
