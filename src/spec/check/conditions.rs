//! What a row must estimate for its forecaster, and what it cannot estimate with it: no filter is told the parameters of the truth.

use super::super::plan::{AssimilatePlan, ForecasterPlan, SystemPlan};

/// Why a row cannot run with a forecaster that is trained here: sentences.
pub(super) fn conditions(
    plan: &AssimilatePlan,
    forecaster: &ForecasterPlan,
    system: Option<&SystemPlan>,
) -> Vec<String> {
    let given = system.filter(|_| forecaster.is_conditioned() == Some(true)).map(SystemPlan::drawn_parameters);
    let unmatched = given.and_then(|given| unmatched(plan, &given));
    of_several_states(plan, forecaster.history()).into_iter().chain(unmatched).collect()
}

/// Parameters beside several states: they would lie behind those of the past, which have places on a grid.
fn of_several_states(plan: &AssimilatePlan, history: usize) -> Option<String> {
    (history > 1 && !plan.estimate.is_empty()).then(|| {
        let label = &plan.forecaster;
        format!("`{label}` has a `history` of {history}, beside which parameters are not estimated; set it to 1")
    })
}

/// Parameters that a forecaster is given and the row does not estimate, or the other way round.
fn unmatched(plan: &AssimilatePlan, given: &[String]) -> Option<String> {
    let label = &plan.forecaster;
    let estimated = |name: &String| plan.estimate.iter().any(|parameter| parameter.name == *name);
    if let Some(missing) = given.iter().find(|name| !estimated(name)) {
        return Some(format!(
            "`{label}` is conditioned on `{missing}`, which a filter does not know; add it to `estimate`, or set \
             `condition_on` of `{label}` to \"state\""
        ));
    }
    let other = plan.estimate.iter().find(|parameter| !given.contains(&parameter.name))?;
    Some(format!("`{label}` is not conditioned on `{}`; leave it out of `estimate`", other.name))
}
