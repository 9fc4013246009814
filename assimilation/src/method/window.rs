//! The window that slides over the sets of observations: from an earlier time, its start, to the present.
//!
//! A method that looks back over `lag` sets keeps the state at the start. Each new set lengthens the window by one; once
//! it holds `lag` sets, the start leaves with what is thought of it and the next set's time becomes the start. The first
//! windows start where the prior is, which is not the time of a set. Each set is used when it arrives, at the start of
//! the window (the single assimilation of Bocquet and Sakov 2014): at step k the law of the start given all older sets
//! becomes that given the newest too.

use ndarray::Array2;
use scorecast_systems::registry::Default;
use scorecast_systems::{Forecaster, Key, Kind, Param};

use super::numbers::Numbers;
use super::step_law;
use crate::outcome::Smoothed;
use crate::problem::{Error, Result};

/// The setting `lag` of the methods of a window.
pub(super) const LAG: Param = Param {
    key: "lag",
    kind: Kind::Int { min: 1, max: 1_000_000 },
    default: Default::Int(1),
    about: "sets of observations in the window: how far back the state is that they update",
};

/// Where a window is.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Sets that it holds at most, at least 1.
    lag: usize,
    /// The lead step of its start.
    start: usize,
    /// Whether there was a set of observations at the start.
    after_set: bool,
    /// The lead steps of the sets after the start, in order.
    sets: Vec<usize>,
}

impl Window {
    /// A window without sets at lead step 0.
    pub fn new(lag: usize) -> Self {
        Self { lag: lag.max(1), start: 0, after_set: false, sets: Vec::new() }
    }

    /// Begins again at the prior's lead step.
    pub fn begin(&mut self, step: usize) {
        *self = Self { start: step, ..Self::new(self.lag) };
    }

    /// Sets that it holds at most.
    pub fn lag(&self) -> usize {
        self.lag
    }

    /// The lead step of its start.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The sets that it holds.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// The lead step of its end: of the last set.
    pub fn present(&self) -> usize {
        self.sets.last().copied().unwrap_or(self.start)
    }

    /// Takes in the next set.
    pub fn push(&mut self, step: usize) {
        self.sets.push(step.max(self.present()));
    }

    /// Whether the start leaves before the next set.
    pub fn is_full(&self) -> bool {
        self.sets.len() >= self.lag
    }

    /// The lead step before and after each stretch from one set to the next.
    pub fn legs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        std::iter::once(&self.start).chain(&self.sets).copied().zip(self.sets.iter().copied())
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

    /// Whether there is noise between the start and the present, by the first lead step of `start` (`[member, component]`).
    /// Members that are not finite count as without.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn is_noisy(&self, model: &dyn Forecaster, start: &Array2<f64>, noise: Key) -> Result<bool> {
        let moves = self.present() > self.start && start.nrows() > 0;
        Ok(moves && !step_law::is_deterministic(model, self.start, start.row(0), noise)?)
    }

    /// Carries members from the start to the present; also gives them after the first leg.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn carry(&self, model: &dyn Forecaster, start: &Array2<f64>, noise: Key) -> Result<(Array2<f64>, Array2<f64>)> {
        let mut x = start.clone();
        let mut first = None;
        for (from, to) in self.legs() {
            model.advance(from, to - from, &mut x, noise)?;
            first.get_or_insert_with(|| x.clone());
        }
        Ok((first.unwrap_or_else(|| start.clone()), x))
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

    /// Carries members from the start over the first leg.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn carry_first(&self, model: &dyn Forecaster, start: &Array2<f64>, noise: Key) -> Result<Array2<f64>> {
        let mut x = start.clone();
        if let Some((from, to)) = self.legs().next() {
            model.advance(from, to - from, &mut x, noise)?;
        }
        Ok(x)
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
        let mut out = Vec::with_capacity(self.sets.len() + 1);
        out.extend(self.smoothed().map(|step| Smoothed::new(step, start.clone())));
        let mut trail = trail.into_iter();
        while let Some(&to) = self.sets.first() {
            match trail.next() {
                Some(members) => *start = members,
                None => model.advance(self.start, to - self.start, start, noise)?,
            }
            self.slide();
            out.extend(self.smoothed().map(|step| Smoothed::new(step, start.clone())));
        }
        self.after_set = false;
        Ok(out)
    }

    /// What a saved state needs: lag, whether there was a set at the start, how many sets, their lead steps.
    pub fn numbers(&self) -> Vec<f64> {
        let head = [self.lag as f64, f64::from(u8::from(self.after_set)), self.sets.len() as f64];
        head.into_iter().chain(self.sets.iter().map(|step| *step as f64)).collect()
    }

    /// Takes back what [`Window::numbers`] gave.
    ///
    /// # Errors
    /// When they are not those of a window of this lag that starts at lead step `start`.
    pub fn restore(&mut self, start: usize, numbers: &mut Numbers) -> Result<()> {
        let (lag, after_set, count) = (numbers.count()?, numbers.flag()?, numbers.count()?);
        if lag != self.lag {
            return Err(Error::State(format!(
                "it has a window of {lag} sets but the method is set to {}; set `lag` to {lag}",
                self.lag
            )));
        }
        if count >= lag {
            return Err(numbers.refuse(&format!("{count} sets stand in a window of fewer than {lag}")));
        }
        let sets = (0..count).map(|_| numbers.count()).collect::<Result<Vec<_>>>()?;
        if std::iter::once(&start).chain(&sets).zip(&sets).any(|(before, after)| before > after) {
            return Err(numbers.refuse("lead steps stand out of order"));
        }
        *self = Self { lag, start, after_set, sets };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_leaves_once_and_a_restored_window_goes_on() {
        for lag in 1..5 {
            let (mut window, mut left) = (Window::new(lag), Vec::new());
            window.begin(7);
            for step in [9, 9, 12, 15, 20, 21] {
                window.push(step);
                assert_eq!(window.legs().last().map(|(_, to)| to), Some(step));
                assert_eq!(window.legs().next().map(|(from, _)| from), Some(window.start()));
                if window.is_full() {
                    left.extend(window.smoothed());
                    window.slide();
                }
                assert!(window.len() < lag && window.present() == step);
                let mut again = Window::new(lag);
                let saved = window.numbers();
                let mut numbers = Numbers::new("ienks", &saved);
                again.restore(window.start(), &mut numbers).unwrap();
                numbers.end().unwrap();
                assert_eq!(again.numbers(), window.numbers());
                assert!(Window::new(lag + 1).restore(window.start(), &mut Numbers::new("ienks", &saved)).is_err());
            }
            left.extend(window.smoothed());
            left.extend(window.sets);
            // the two sets of step 9 are one time
            assert_eq!(left, [9, 12, 15, 20, 21], "lag {lag}");
        }
    }

    #[test]
    fn numbers_that_are_no_window_are_refused() {
        let good = [3.0, 1.0, 2.0, 9.0, 12.0];
        let restore = |numbers: &[f64]| Window::new(3).restore(7, &mut Numbers::new("ienks", numbers));
        assert!(restore(&good).is_ok());
        for (at, value) in [(0, 2.0), (1, 2.0), (1, f64::NAN), (2, 3.0), (2, -1.0), (3, 9.5), (3, 6.0), (4, 8.0)] {
            let mut bad = good;
            bad[at] = value;
            assert!(restore(&bad).is_err(), "{at} {value}");
        }
        assert!(restore(&good[..4]).is_err() && restore(&[]).is_err());
    }
}
