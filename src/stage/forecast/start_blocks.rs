//! Forecasts from several starts of one test trajectory, lead step by lead step.
//!
//! The state at time s of a trajectory is that of lead step k_0 + s of the simulator, k_0 its spin-up. A forecast from s goes
//! from lead l to l + 1 by the law of lead step k_0 + s + l. Where the law is the same at every lead step
//! ([`Forecaster::autonomous`]), all starts are advanced together from lead step l, which then names the draws alone: start i
//! draws for its members with the streams i M, ..., (i + 1) M - 1, whether they are advanced together or not.

use ndarray::{Array2, ArrayView2, s};

use crate::failure::Result;
use crate::stage::data::SplitTrajectories;
use crate::systems::{Domain, Forecaster, Key, Purpose};

/// Evenly spaced starts in 0..=last.
pub fn starts(last: usize, count: usize) -> Vec<usize> {
    let count = count.clamp(1, last + 1);
    if count == 1 {
        return vec![0];
    }
    (0..count).map(|index| index * last / (count - 1)).collect()
}

/// The lead step from which a forecaster is advanced at time `time` of trajectories.
pub fn lead_step(model: &dyn Forecaster, data: &SplitTrajectories, time: usize) -> usize {
    if model.autonomous() { time } else { data.first_step + time }
}

/// The ensembles of all starts of one test trajectory at one lead step.
pub struct StartBlocks<'a> {
    model: &'a dyn Forecaster,
    data: &'a SplitTrajectories,
    starts: &'a [usize],
    members: usize,
    key: Key,
    /// Lead steps taken.
    lead: usize,
    /// `[start x member, component]`.
    x: Array2<f64>,
}

impl<'a> StartBlocks<'a> {
    /// `members` members at each of the starts (times of test trajectory `case`), no lead step taken.
    pub fn new(
        model: &'a dyn Forecaster,
        data: &'a SplitTrajectories,
        case: usize,
        starts: &'a [usize],
        members: usize,
        seed: u64,
    ) -> Self {
        let key = Key::new(seed, Domain::Method).purpose(Purpose::ProcessNoise).case(case as u64);
        let mut x = Array2::zeros((starts.len() * members, data.dim()));
        for (row, mut state) in x.outer_iter_mut().enumerate() {
            state.assign(&data.test.slice(s![case, starts[row / members], ..]));
        }
        Self { model, data, starts, members, key, lead: 0, x }
    }

    /// Takes one lead step.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn advance(&mut self) -> Result<()> {
        if self.model.autonomous() {
            self.model.advance(self.lead, 1, &mut self.x, self.key)?;
        } else {
            (0..self.starts.len()).try_for_each(|index| self.advance_one(index))?;
        }
        self.lead += 1;
        Ok(())
    }

    /// Advances the ensemble of one start from its own lead step.
    fn advance_one(&mut self, index: usize) -> Result<()> {
        let first = index * self.members;
        let rows = s![first..first + self.members, ..];
        let mut block = self.x.slice(rows).to_owned();
        let k = lead_step(self.model, self.data, self.starts[index] + self.lead);
        self.model.advance(k, 1, &mut block, self.key.members_from(first as u64))?;
        self.x.slice_mut(rows).assign(&block);
        Ok(())
    }

    /// The ensemble of the start of this index, `[member, component]`.
    pub fn ensemble(&self, index: usize) -> ArrayView2<'_, f64> {
        self.x.slice(s![index * self.members..(index + 1) * self.members, ..])
    }
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn starts_are_even_and_never_repeat() {
        assert_eq!(starts(10, 3), [0, 5, 10]);
        assert_eq!(starts(2, 10), [0, 1, 2]);
        assert_eq!(starts(9, 1), [0]);
    }
}
