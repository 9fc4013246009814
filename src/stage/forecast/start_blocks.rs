//! Forecasts from several starts of one test trajectory, lead step by lead step.
//!
//! The state at time s of a trajectory is that of lead step k_0 + s of the simulator, k_0 its spin-up. A forecast from s goes
//! from lead l to l + 1 by the law of lead step k_0 + s + l. Where the law is the same at every lead step
//! ([`Forecaster::autonomous`]), all starts are advanced together from lead step l, which then names the draws alone: start i
//! draws for its members with the streams i M, ..., (i + 1) M - 1, whether they are advanced together or not.

use ndarray::{Array2, ArrayView2, Axis, s};

use crate::failure::{Failure, FailureKind, Result};
use crate::stage::data::SplitTrajectories;
use crate::stage::experiment::FittedForecaster;
use crate::systems::{Domain, Forecaster, Key, Purpose};

/// Evenly spaced starts of forecasts over `leads` lead steps in test trajectories, from the first time on that all forecasters
/// can start from: the longest history of theirs is there.
///
/// # Errors
/// When there is none, or a forecaster is conditioned on parameters that are not known of the trajectories.
pub fn starts(
    data: &SplitTrajectories,
    leads: usize,
    count: usize,
    forecasters: &[&FittedForecaster],
) -> Result<Vec<usize>> {
    forecasters.iter().try_for_each(|made| data.knows(made.fitted.as_forecaster(), &made.label))?;
    let times = data.test.dim().1;
    let history = forecasters.iter().map(|made| made.fitted.history()).max().unwrap_or(1);
    let first = history - 1;
    if times <= first + leads {
        let last = times.saturating_sub(1);
        let given = if history > 1 { format!(" from {history} states") } else { String::new() };
        let message = format!("forecasts of {leads} lead steps{given} do not fit in trajectories of {last} lead steps");
        return Err(Failure::new(FailureKind::Usage, message)
            .hint("set a smaller score.lead_steps, or longer trajectories (data.steps)"));
    }
    Ok(evenly(first, times - 1 - leads, count))
}

/// So many evenly spaced times from `first` to `last`.
fn evenly(first: usize, last: usize, count: usize) -> Vec<usize> {
    let (span, count) = (last - first, count.clamp(1, last - first + 1));
    if count == 1 {
        return vec![first];
    }
    (0..count).map(|index| first + index * span / (count - 1)).collect()
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
    /// `[start x member, component]`, each with its history and its parameters.
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
        let mut x = Array2::zeros((starts.len() * members, model.dim()));
        for (&start, mut block) in starts.iter().zip(x.axis_chunks_iter_mut(Axis(0), members.max(1))) {
            block.assign(&data.test_state(model, case, start));
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
        self.x.slice(s![index * self.members..(index + 1) * self.members, ..self.data.dim()])
    }
}

#[cfg(test)]
mod tests {
    use super::evenly;

    #[test]
    fn starts_are_even_and_never_repeat() {
        assert_eq!(evenly(0, 10, 3), [0, 5, 10]);
        assert_eq!(evenly(0, 2, 10), [0, 1, 2]);
        assert_eq!(evenly(3, 5, 10), [3, 4, 5]);
        assert_eq!(evenly(0, 9, 1), [0]);
    }
}
