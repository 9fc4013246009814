//! Trajectories of a system: many at once, as members of one ensemble, from which forecasters learn.

use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView2, Axis};

use crate::error::Result;
use crate::key::{Key, Purpose};
use crate::law::Forecaster;
use crate::stepping::Stepping;
use crate::system::{System, complete, visible};

/// What [`simulate`] makes.
#[derive(Clone, Debug)]
pub struct SimulatedTrajectories {
    /// `[case, time, component]`; time 0 is the state after the spin-up, and `steps` lead steps follow it.
    pub states: Array3<f64>,
    /// Trajectories that became non-finite, in the order of their cases. Their states are non-finite from there on.
    pub diverged: Vec<Divergence>,
}

/// A trajectory that became non-finite: a result, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The case.
    pub trajectory: usize,
    /// The first lead step, counted from the initial state (the spin-up included), after which a component is not
    /// finite.
    pub step: usize,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { trajectory, step } = self;
        write!(f, "trajectory {trajectory} diverged at lead step {step}; take a shorter dt or more substeps")
    }
}

/// Many trajectories of a system that go forward together, one lead step at a time: what [`simulate`] keeps whole, and
/// what a caller without room for that writes out as it goes.
///
/// Of a system that shows only a part of its state the whole states are advanced ([`complete`]).
///
/// Trajectory c draws from stream c: its start at `key.purpose(InitialState)`, and lead step k, counted from the
/// initial state, at `key.purpose(ProcessNoise).at(k)`. So the states after step k and the number k are all that is
/// needed to go on: [`Simulation::resume`] gives the same numbers as never having stopped.
pub struct Simulation {
    forecaster: Box<dyn Forecaster>,
    noise: Key,
    step: usize,
    states: Array2<f64>,
    first_bad: Vec<Option<usize>>,
}

impl Simulation {
    /// `trajectories` trajectories at their initial states, lead step 0.
    ///
    /// # Errors
    /// When the stepping does not fit the system.
    pub fn new(system: Arc<dyn System>, stepping: &Stepping, trajectories: usize, key: Key) -> Result<Self> {
        let states = complete(&system).initial(trajectories, key.purpose(Purpose::InitialState));
        Self::resume(system, stepping, 0, states, key)
    }

    /// Goes on from `states` (`[case, component]`), which a simulation with this key had after lead step `step`.
    ///
    /// # Errors
    /// When the stepping does not fit the system.
    pub fn resume(
        system: Arc<dyn System>,
        stepping: &Stepping,
        step: usize,
        states: Array2<f64>,
        key: Key,
    ) -> Result<Self> {
        let complete = complete(&system);
        assert_eq!(states.ncols(), complete.dim(), "states of this system");
        let forecaster = Arc::clone(complete).forecaster(stepping)?;
        let first_bad = vec![None; states.nrows()];
        let mut started = Self { forecaster, noise: key.purpose(Purpose::ProcessNoise), step, states, first_bad };
        started.note_divergence();
        Ok(started)
    }

    /// The states after [`Simulation::step`] lead steps, `[case, component]`.
    pub fn states(&self) -> ArrayView2<'_, f64> {
        self.states.view()
    }

    /// The number of lead steps since the initial states.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Takes one lead step. A state that diverges is left non-finite.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn advance(&mut self) -> Result<()> {
        self.forecaster.advance(self.step, 1, &mut self.states, self.noise)?;
        self.step += 1;
        self.note_divergence();
        Ok(())
    }

    /// The trajectories that have become non-finite, in the order of their cases.
    pub fn diverged(&self) -> Vec<Divergence> {
        let first = self.first_bad.iter().enumerate();
        first.filter_map(|(trajectory, step)| step.map(|step| Divergence { trajectory, step })).collect()
    }

    /// Remembers the first lead step at which each trajectory is not finite.
    fn note_divergence(&mut self) {
        for (row, first) in self.states.outer_iter().zip(&mut self.first_bad) {
            if first.is_none() && row.iter().any(|value| !value.is_finite()) {
                *first = Some(self.step);
            }
        }
    }
}

/// The lead steps that are discarded before a trajectory is kept: `asked`, or none where [`System::initial`] draws from
/// the stationary law.
pub fn spin_up(system: &Arc<dyn System>, asked: usize) -> usize {
    if complete(system).initial_is_stationary() { 0 } else { asked }
}

/// Simulates `trajectories` x `steps` lead steps after `spin_up` of them, `[case, time, component]` with `steps` + 1
/// times, by a [`Simulation`]; [`spin_up()`] says when there is no spin-up. After each lead step `progress` is told how
/// many are done, and of how many.
///
/// # Errors
/// When the stepping does not fit the system.
pub fn simulate(
    system: Arc<dyn System>,
    stepping: &Stepping,
    trajectories: usize,
    steps: usize,
    spin_up: usize,
    key: Key,
    mut progress: impl FnMut(usize, usize),
) -> Result<SimulatedTrajectories> {
    let spin_up = self::spin_up(&system, spin_up);
    let mut states = Array3::zeros((trajectories, steps + 1, system.dim()));
    let mut running = Simulation::new(Arc::clone(&system), stepping, trajectories, key)?;
    let total = spin_up + steps;
    loop {
        if let Some(kept) = running.step().checked_sub(spin_up) {
            states.index_axis_mut(Axis(1), kept).assign(&visible(&*system, running.states()));
        }
        if running.step() == total {
            return Ok(SimulatedTrajectories { states, diverged: running.diverged() });
        }
        running.advance()?;
        progress(running.step(), total);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalogue::build;
    use crate::key::Domain;
    use crate::registry::Value;

    fn rk4(dt: f64) -> Stepping {
        Stepping { dt, substeps: 1, integrator: "rk4".into() }
    }

    fn lorenz96(noise: f64) -> Arc<dyn System> {
        build("lorenz96", &BTreeMap::from([("noise".to_owned(), Value::Float(noise))])).unwrap()
    }

    #[test]
    fn each_trajectory_is_the_forecaster_run_from_its_start() {
        let (system, key) = (lorenz96(0.5), Key::new(5, Domain::Data));
        let mut calls = Vec::new();
        let made = simulate(Arc::clone(&system), &rk4(0.05), 3, 6, 4, key, |done, of| calls.push((done, of))).unwrap();
        assert_eq!((made.states.dim(), made.diverged.len()), ((3, 7, 40), 0));
        assert_eq!((calls.len(), calls[9]), (10, (10, 10)));
        let mut x = system.initial(3, key);
        let forecaster = Arc::clone(&system).forecaster(&rk4(0.05)).unwrap();
        forecaster.advance(0, 10, &mut x, key.purpose(Purpose::ProcessNoise)).unwrap();
        assert_eq!(made.states.index_axis(Axis(1), 6), x);
    }

    #[test]
    fn a_simulation_resumed_from_its_states_gives_the_same_bits() {
        let (system, key) = (lorenz96(0.5), Key::new(5, Domain::Data));
        let mut whole = Simulation::new(Arc::clone(&system), &rk4(0.05), 3, key).unwrap();
        (0..7).for_each(|_| whole.advance().unwrap());
        let mut resumed = Simulation::resume(system, &rk4(0.05), 7, whole.states().to_owned(), key).unwrap();
        for _ in 0..5 {
            whole.advance().unwrap();
            resumed.advance().unwrap();
        }
        assert_eq!((resumed.step(), resumed.states()), (12, whole.states()));
    }

    #[test]
    fn more_trajectories_leave_the_first_as_they_were() {
        let key = Key::new(5, Domain::Data);
        let few = simulate(lorenz96(0.5), &rk4(0.05), 2, 5, 0, key, |_, _| {}).unwrap();
        let many = simulate(lorenz96(0.5), &rk4(0.05), 20, 5, 0, key, |_, _| {}).unwrap();
        assert_eq!(few.states, many.states.slice(ndarray::s![..2, .., ..]));
    }

    #[test]
    fn divergence_names_trajectory_and_step() {
        let made = simulate(lorenz96(0.0), &rk4(2.0), 2, 40, 0, Key::new(5, Domain::Data), |_, _| {}).unwrap();
        assert_eq!(made.diverged.iter().map(|d| d.trajectory).collect::<Vec<_>>(), [0, 1]);
        let Divergence { trajectory, step } = made.diverged[0];
        let states = made.states.index_axis(Axis(0), trajectory);
        assert!(states.row(step - 1).iter().all(|value| value.is_finite()));
        assert!(states.row(step).iter().any(|value| !value.is_finite()));
        assert!(made.diverged[0].to_string().contains(&format!("trajectory 0 diverged at lead step {step}")));
    }
}
