//! The law that filters start from.

use ndarray::Array1;

use crate::assimilation::Prior;
use crate::failure::{Failure, FailureKind, Result};
use crate::spec::{Initial, ObservePlan, Plan};
use crate::stage::data::TrainingClimate;
use crate::systems::{Domain, Key, Purpose};

/// The most values of a climatological prior beyond one state a member.
const PRIOR_VALUES: usize = 1 << 21;

/// The law that filters start from: as the network says, from the climate, or around the first state of the truth
/// (`[component]`).
///
/// # Errors
/// When it is to be set around a truth that there is none of, or taken from a climate that is not known.
pub fn prior(
    plan: &Plan,
    network: &ObservePlan,
    climate: Option<&TrainingClimate>,
    truth: Option<Array1<f64>>,
    dim: usize,
    key: Key,
) -> Result<Prior> {
    let spread = |values: &[f64]| -> Array1<f64> {
        if let [one] = values { Array1::from_elem(dim, *one) } else { Array1::from(values.to_vec()) }
    };
    match (&network.initial, truth, climate) {
        (Initial::Gaussian { mean, sd }, ..) => Ok(Prior::Independent { mean: spread(mean), sd: spread(sd) }),
        (Initial::TruthSd(sd), Some(truth), _) => {
            // the first guess is itself off by a draw of the prior's law, so that the truth is a fair draw of the prior
            let mut error = key.purpose(Purpose::InitialState).stream(u64::MAX);
            let mean = truth.mapv(|value| value + sd * error.normal());
            Ok(Prior::Independent { mean, sd: Array1::from_elem(dim, *sd) })
        }
        (Initial::TruthSd(_), None, _) => Err(Failure::new(
            FailureKind::Usage,
            "observe.initial is set around the truth, but the user's own observations come without one",
        )
        .hint("set observe.initial to \"climatology\" or to { mean = [...], sd = s }")),
        (Initial::Climatology, _, Some(climate)) => {
            let members = plan.assimilate.iter().map(|row| row.settings.count("members")).max();
            Ok(draws(climate, members.unwrap_or(2), key))
        }
        (Initial::Climatology, _, None) => Err(Failure::new(
            FailureKind::Usage,
            "observe.initial is \"climatology\", but there are no trajectories to take it from",
        )
        .hint("add a [system], or trajectories with data.file, or set observe.initial to { mean = [...], sd = s }")),
    }
}

/// Draws of the climate, at least `members`: methods that take the prior's moments take those of all its draws.
fn draws(climate: &TrainingClimate, members: usize, key: Key) -> Prior {
    let most = climate.states().nrows().min(PRIOR_VALUES / climate.mean.len().max(1));
    Prior::Ensemble(climate.draws(members.max(2).max(most), key))
}

/// The climate for methods with a background that never changes, where the network starts filters around the truth: the law
/// of the start is then not that of the system, and knows of the truth.
pub fn climate(plan: &Plan, network: &ObservePlan, climate: Option<&TrainingClimate>) -> Option<Prior> {
    matches!(network.initial, Initial::TruthSd(_)).then_some(())?;
    Some(draws(climate?, 2, Key::new(plan.seed, Domain::Method).case(u64::MAX)))
}
