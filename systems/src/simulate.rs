//! Trajectories of a system: many at once, as members of one ensemble, from which forecasters learn.

use std::sync::Arc;

use ndarray::{Array2, Array3, Axis};

use crate::key::{Key, Purpose};
use crate::law::Result;
use crate::system::{Stepping, System, seen, whole};

/// What [`simulate`] makes.
#[derive(Clone, Debug)]
pub struct Trajectories {
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

/// Simulates `trajectories` x `steps` lead steps after `spin_up` of them, `[case, time, component]` with `steps` + 1
/// times.
///
/// Of a system that shows only a part of its state the whole states are advanced, and what is seen of them is kept.
///
/// A system whose [`System::initial`] draws from its stationary law needs no spin-up and gets none. Trajectory c draws
/// from stream c: its start at `key.purpose(InitialState)`, and lead step k, spin-up included, at
/// `key.purpose(ProcessNoise).at(k)`. After each lead step `progress` is told how many are done, and of how many.
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
) -> Result<Trajectories> {
    let whole = whole(&system);
    let spin_up = if whole.initial_is_stationary() { 0 } else { spin_up };
    let forecaster = Arc::clone(whole).forecaster(stepping)?;
    let mut x = whole.initial(trajectories, key.purpose(Purpose::InitialState));
    let mut states = Array3::zeros((trajectories, steps + 1, system.dim()));
    let mut first_bad = vec![None; trajectories];
    let (noise, total) = (key.purpose(Purpose::ProcessNoise), spin_up + steps);
    note_divergence(&x, 0, &mut first_bad);
    for k in 0..=total {
        if k >= spin_up {
            states.index_axis_mut(Axis(1), k - spin_up).assign(&seen(&*system, x.view()));
        }
        if k < total {
            forecaster.advance(k, 1, &mut x, noise)?;
            note_divergence(&x, k + 1, &mut first_bad);
            progress(k + 1, total);
        }
    }
    let diverged = first_bad.iter().enumerate();
    let diverged = diverged.filter_map(|(trajectory, step)| step.map(|step| Divergence { trajectory, step })).collect();
    Ok(Trajectories { states, diverged })
}

/// Remembers the first lead step at which each member is not finite.
fn note_divergence(x: &Array2<f64>, step: usize, first_bad: &mut [Option<usize>]) {
    for (row, first) in x.outer_iter().zip(first_bad) {
        if first.is_none() && row.iter().any(|value| !value.is_finite()) {
            *first = Some(step);
        }
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
