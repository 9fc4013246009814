//! The truths of a twin experiment: the system's own trajectories, or test trajectories where there is no system.

use std::sync::Arc;

use ndarray::{Array2, ArrayView3, s};

use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::{DataSource, JumpSize, ObservePlan, Plan, SystemPlan};
use crate::stage::options::go_on;
use crate::systems::{Domain, Forecaster, Key, Purpose, Stream, system};

/// The truth of every replicate of a network, `[time, component]` each, at lead steps 0 to its last.
///
/// A truth starts from a state of the climate that no trajectory of the training data shares, and is stepped by the system
/// itself; without a system, test trajectories (`test`, `[case, time, component]`) serve as truths.
///
/// # Errors
/// When a truth diverges, or there is neither a system nor enough trajectories.
pub fn truths(
    plan: &Plan,
    network: &ObservePlan,
    test: Option<ArrayView3<f64>>,
    progress: &dyn Progress,
) -> Result<Vec<Array2<f64>>> {
    match (&plan.system, test) {
        (Some(system), _) => simulated_truths(plan, system, network, progress),
        (None, Some(test)) => recorded_truths(network, test),
        (None, None) => {
            let message = "a twin experiment needs a truth, but there is neither a [system] nor data";
            Err(Failure::new(FailureKind::Usage, message).hint("add one of them"))
        }
    }
}

/// Truths of what is seen of the system, whose whole state is stepped.
fn simulated_truths(
    plan: &Plan,
    system: &SystemPlan,
    network: &ObservePlan,
    progress: &dyn Progress,
) -> Result<Vec<Array2<f64>>> {
    let key = Key::new(plan.seed, Domain::Truth);
    let model = Arc::clone(system::complete(&system.system)).forecaster(&plan.data.stepping)?;
    let mut state = fresh_states(plan, system, &*model, network.replicates, key)?;
    let mut truths = vec![Array2::zeros((network.steps + 1, system.system.dim())); network.replicates];
    for step in 0..=network.steps {
        go_on(progress, "simulating truths")?;
        if step > 0 {
            model.advance(step - 1, 1, &mut state, key.purpose(Purpose::ProcessNoise))?;
            shock(network, &mut state, key.purpose(Purpose::Perturbation).at(step as u64));
        }
        for (truth, row) in truths.iter_mut().zip(system::visible(&*system.system, state.view()).outer_iter()) {
            truth.row_mut(step).assign(&row);
        }
    }
    match truths.iter().position(|truth| truth.iter().any(|value| !value.is_finite())) {
        None => Ok(truths),
        Some(replicate) => Err(Failure::new(
            FailureKind::Numerical,
            format!("the truth of replicate {replicate} diverged: the integrator is unstable at this step"),
        )
        .hint("set a smaller data.dt or more data.substeps")),
    }
}

/// Moves each truth by Gaussian noise, where chance will have it.
fn shock(network: &ObservePlan, state: &mut Array2<f64>, key: Key) {
    for (which, jump) in network.jumps.iter().enumerate() {
        for (replicate, mut row) in state.outer_iter_mut().enumerate() {
            let mut stream = key.case(which as u64).stream(replicate as u64);
            if stream.uniform() >= jump.probability {
                continue;
            }
            match jump.size {
                JumpSize::Relative(share) => {
                    let scale = share * (row.dot(&row) / row.len() as f64).sqrt();
                    row.iter_mut().for_each(|value| *value += scale * stream.normal());
                }
                JumpSize::Some(sd, count) => {
                    for component in some_of(row.len(), count, &mut stream) {
                        row[component] += sd * stream.normal();
                    }
                }
            }
        }
    }
}

/// `count` different components of `dim`, all sets of them equally likely (Floyd's algorithm).
fn some_of(dim: usize, count: usize, stream: &mut Stream) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    for last in dim.saturating_sub(count)..dim {
        let one = stream.below(last + 1);
        chosen.push(if chosen.contains(&one) { last } else { one });
    }
    chosen
}

fn recorded_truths(network: &ObservePlan, test: ArrayView3<f64>) -> Result<Vec<Array2<f64>>> {
    let (cases, times, _) = test.dim();
    if cases < network.replicates || times <= network.steps {
        return Err(Failure::new(
            FailureKind::Usage,
            format!(
                "network `{}` asks for {} truths of {} lead steps, but there are {cases} test trajectories of {}",
                network.name,
                network.replicates,
                network.steps,
                times.saturating_sub(1)
            ),
        )
        .hint("set fewer observe.replicates or observe.steps, or a larger test share in data.split"));
    }
    Ok((0..network.replicates).map(|case| test.slice(s![case, ..=network.steps, ..]).to_owned()).collect())
}

/// Independent whole states of the system's climate, each from a spin-up of its own, `[member, component]`.
fn fresh_states(
    plan: &Plan,
    system: &SystemPlan,
    model: &dyn Forecaster,
    members: usize,
    key: Key,
) -> Result<Array2<f64>> {
    let whole = system::complete(&system.system);
    let mut states = whole.initial(members, key.purpose(Purpose::InitialState));
    if !whole.initial_is_stationary() {
        let spin_up = match plan.data.source {
            DataSource::Simulated { spin_up, .. } => spin_up,
            DataSource::File(_) => system.default_stepping.spin_up_for(plan.data.stepping.dt),
        };
        // a case of its own keeps the spin-up's noise apart from the noise that follows
        model.advance(0, spin_up, &mut states, key.purpose(Purpose::ProcessNoise).case(u64::MAX))?;
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of ten components is one of the three in three of ten draws, within five standard errors.
    #[test]
    fn some_components_are_different_and_all_equally_likely() {
        let (mut stream, mut counts, draws) = (Key::new(1, Domain::Truth).stream(0), [0.0f64; 10], 20_000);
        for _ in 0..draws {
            let mut chosen = some_of(10, 3, &mut stream);
            chosen.iter().for_each(|component| counts[*component] += 1.0);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 3);
        }
        for count in counts {
            assert!((count / f64::from(draws) - 0.3).abs() < 5.0 * (0.21 / f64::from(draws)).sqrt(), "{count}");
        }
        assert_eq!(some_of(2, 2, &mut stream).len(), 2);
    }
}
