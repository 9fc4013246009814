//! The observations of a truth: when they are made, and with what errors and gaps.

use ndarray::{Array2, Axis};

use crate::assimilation::ObservationOperator;
use crate::spec::{ObservePlan, Plan};
use crate::systems::{Domain, Key, Purpose};

/// The lead steps of the sets of observations: each `every`-th, or as many at random, the same for every replicate.
pub fn steps(plan: &Plan, network: &ObservePlan) -> Vec<usize> {
    if !network.irregular {
        return (1..=network.steps / network.every).map(|j| j * network.every).collect();
    }
    let mut stream = Key::new(plan.seed, Domain::Truth).purpose(Purpose::ObservationNoise).case(u64::MAX).stream(0);
    let mut all: Vec<usize> = (1..=network.steps).collect();
    let count = network.steps / network.every;
    // the first draws of a shuffle
    for i in 0..count {
        all.swap(i, i + stream.below(network.steps - i));
    }
    all.truncate(count);
    all.sort_unstable();
    all
}

/// The address of what is drawn of the observations of one replicate.
pub fn observation_key(plan: &Plan, replicate: usize) -> Key {
    Key::new(plan.seed, Domain::Truth).case(replicate as u64).purpose(Purpose::ObservationNoise)
}

/// The observations of the truth of one replicate at lead steps `steps`, `[analysis, observed]`; NaN is missing. Also how many
/// values the error law cannot draw, such as a count where h(x) is negative.
pub fn observe_truth(
    plan: &Plan,
    network: &ObservePlan,
    truth: &Array2<f64>,
    steps: &[usize],
    operator: &dyn ObservationOperator,
    replicate: usize,
) -> (Array2<f64>, usize) {
    let key = observation_key(plan, replicate);
    let mut observations = Array2::zeros((steps.len(), operator.dim()));
    let mut undrawn = 0;
    for (mut row, &step) in observations.outer_iter_mut().zip(steps) {
        let state = truth.row(step).insert_axis(Axis(0));
        let clean = operator.apply(step as f64 * plan.data.stepping.dt, state);
        row.assign(&operator.error().observe(clean.view(), key.at(step as u64)).row(0));
        undrawn += row.iter().filter(|value| value.is_nan()).count();
        if network.missing > 0.0 {
            // beside stream 0, of the errors
            let mut stream = key.at(step as u64).stream(1);
            row.iter_mut().filter(|_| stream.uniform() < network.missing).for_each(|value| *value = f64::NAN);
        }
    }
    (observations, undrawn)
}
