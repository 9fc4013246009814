//! What an experiment will hold in memory, reckoned from its plan before anything is allocated.
//!
//! Stages hold what they are of: trajectories and what is cut from them, each forecaster with its training, the ensembles
//! of scored forecasts, truths with their observations, and the runs of rows. The runs of rows go on side by side on as
//! many threads as there are, so that the largest of them count, as many as that. What a method or a forecaster holds is
//! in its entry of the registry. Sizes of files are not known before they are read, and are left out.

use std::collections::BTreeMap;

use super::plan::{AssimilatePlan, DataPlan, DataSource, ForecasterPlan, Initial, ObservePlan, Plan, SystemPlan};
use super::size::Need;
use crate::assimilation::METHODS;
use crate::assimilation::method::memory::Extent;
use crate::forecast::{FORECASTERS, FitSize};
use crate::score::{CLASSIFIER_DRAWS, classifier_states};
use crate::systems::memory_use::product;
use crate::systems::registry::find;

/// Columns of a table of scores, and numbers that are kept of each value.
const SCORES: [usize; 2] = [48, 4];

/// Copies of the ensemble of a forecast that a lead step and its scores make.
const STEPPED: usize = 8;

/// Copies of the draws of a one-step law that a classifier of them makes.
const CLASSIFIED: usize = 24;

/// Values of a prior that is taken from the climate, beyond one state a member.
const PRIOR: usize = 1 << 21;

/// The large arrays of a stage (a subcommand's name) of an experiment.
pub fn needs(plan: &Plan, stage: &str) -> Vec<Need> {
    let Some(system) = &plan.system else { return Vec::new() };
    let dim = system.system.dim();
    let whole = stage == "compare";
    let mut needs = Vec::new();
    let size = data(&plan.data, system, &mut needs);
    if whole || matches!(stage, "train" | "forecast" | "assimilate" | "tune" | "reproduce") {
        let wanted = |one: &&ForecasterPlan| stage != "forecast" || plan.forecast.contains(&one.label);
        plan.forecasters.iter().filter(wanted).for_each(|one| fit(one, size, &mut needs));
    }
    if (whole || stage == "forecast") && !plan.forecast.is_empty() {
        forecasts(plan, dim, stage, &mut needs);
    }
    if whole || matches!(stage, "assimilate" | "tune" | "reproduce") {
        let used = |network: &&ObservePlan| plan.assimilate.iter().any(|row| row.observe == network.name);
        let used: Vec<&ObservePlan> = plan.observe.iter().filter(used).collect();
        let observed: Observed =
            used.iter().filter_map(|network| Some((&*network.name, sizes(network, dim)?))).collect();
        used.iter().for_each(|network| observing(plan, network, (dim, size.train), &observed, &mut needs));
        rows(plan, dim, &observed, stage, &mut needs);
    }
    needs
}

/// Of each network, by its name, the values of a set and whether their errors are correlated; none of one whose operator
/// cannot be made.
type Observed<'a> = BTreeMap<&'a str, (usize, bool)>;

fn sizes(network: &ObservePlan, dim: usize) -> Option<(usize, bool)> {
    let operator = network.build(dim).ok()?;
    Some((operator.dim(), operator.error().correlated().is_some()))
}

/// Trajectories: once as they come and once as they are cut; later the latter, and a copy of those that show the climate.
fn data(data: &DataPlan, system: &SystemPlan, needs: &mut Vec<Need>) -> FitSize {
    let size = system.fit_size();
    let components = size.components;
    let DataSource::Simulated { trajectories, steps, .. } = data.source else { return size };
    let times = steps.saturating_add(1);
    let what = format!("trajectories ({trajectories} x {steps} x {components}), twice while they are cut");
    needs.push(Need::reals(what, &[2, trajectories, times, components]));
    let [train, valid, _] = data.split_counts(trajectories);
    FitSize { train: train.saturating_mul(times), valid: valid.saturating_mul(times), ..size }
}

/// One forecaster; what is in a file is not known before it is read.
fn fit(forecaster: &ForecasterPlan, size: FitSize, needs: &mut Vec<Need>) {
    let Ok(entry) = find(FORECASTERS, "forecaster", &forecaster.kind) else { return };
    if forecaster.model.is_none() && !forecaster.pool {
        let named = |need: Need| Need { what: format!("{} of `{}`", need.what, forecaster.label), ..need };
        needs.extend((entry.build.memory)(&forecaster.settings, &size).into_iter().map(named));
    }
}

/// The forecasts that are scored, those of one test trajectory on each thread; a file of forecasts is held whole.
fn forecasts(plan: &Plan, dim: usize, stage: &str, needs: &mut Vec<Need>) {
    let DataSource::Simulated { trajectories, steps, .. } = plan.data.source else { return };
    let test = plan.data.split_counts(trajectories)[2];
    let (starts, members, leads) = (plan.score.starts, plan.score.members, plan.score.lead_steps);
    let width = plan.forecast.iter().map(|label| width(plan, label, dim)).max().unwrap_or(dim);
    if stage == "forecast" {
        let what = format!("forecasts ({test} x {starts} starts x {members} members x {leads} lead steps x {dim})");
        needs.push(Need::reals(what, &[2, test, starts, members.saturating_add(1), leads, dim]));
        let what = format!("forecast ensembles ({starts} starts x {members} members x {dim})");
        needs.push(Need::reals(what, &[STEPPED, starts, members, width]));
        return;
    }
    let at_once = rayon::current_num_threads().min(test.saturating_mul(plan.forecast.len()));
    let what = format!("forecast ensembles ({at_once} at a time x {starts} starts x {members} members x {dim})");
    needs.push(Need::reals(what, &[STEPPED, at_once, starts, members, width]));
    let choices = |name: &String| matches!(name.as_str(), "classifier_accuracy" | "classifier_p");
    if plan.score.metrics.iter().any(choices) {
        let states = classifier_states(test.saturating_mul(steps), dim);
        let what = format!("classifier of one-step laws ({states} states x {CLASSIFIER_DRAWS} draws x {dim})");
        needs.push(Need::reals(what, &[CLASSIFIED, states, CLASSIFIER_DRAWS, dim]));
    }
    let cases = format!("scores of forecasts ({test} x {starts} starts x {leads} lead steps)");
    needs.push(Need::reals(cases, &[SCORES[0], SCORES[1], plan.forecast.len(), test, starts, leads]));
}

/// Truths, observations (those that are withheld beside them) and what filters start from.
fn observing(
    plan: &Plan,
    network: &ObservePlan,
    (dim, train): (usize, usize),
    observed: &Observed,
    needs: &mut Vec<Need>,
) {
    let (truths, steps) = (network.replicates, network.steps);
    let what = format!("truth of `{}` ({truths} x {steps} x {dim})", network.name);
    // a template of one is copied
    needs.push(Need::reals(what, &[truths.saturating_add(1), steps.saturating_add(1), dim]));
    let Some(&(observed, correlated)) = observed.get(&*network.name) else { return };
    let sets = steps / network.every.max(1);
    let what = format!("observations of `{}` ({truths} x {sets} sets x {observed})", network.name);
    needs.push(Need::reals(what, &[4, truths, sets, observed]));
    if correlated {
        let what = format!("covariance of the errors of `{}` ({observed} x {observed})", network.name);
        needs.push(Need::reals(what, &[4, observed, observed]));
    }
    if network.initial != Initial::Climatology {
        return;
    }
    let members = plan.assimilate.iter().map(|row| row.settings.count("members")).max().unwrap_or(0);
    let draws = members.max(train.min(PRIOR / dim.max(1)));
    let what = format!("priors of `{}` ({truths} x {draws} draws x {dim})", network.name);
    needs.push(Need::reals(what, &[truths, draws, dim]));
}

/// How many states the forecaster of a label is given.
fn history(plan: &Plan, label: &str) -> usize {
    let found = plan.forecasters.iter().find(|one| one.label == label);
    found.map_or(1, ForecasterPlan::history)
}

/// The components of what the forecaster of a label steps: states, and the parameters that it is given.
fn width(plan: &Plan, label: &str, dim: usize) -> usize {
    let found = plan.forecasters.iter().find(|one| one.label == label);
    let conditioned = found.is_some_and(|one| one.is_conditioned() == Some(true));
    let parameters = plan.system.as_ref().filter(|_| conditioned).map_or(0, |system| system.fit_size().parameters);
    dim.saturating_mul(history(plan, label)).saturating_add(parameters)
}

/// What the runs of rows hold: the largest of them while they go on, and of all rows what is kept.
fn rows(plan: &Plan, dim: usize, observed: &Observed, stage: &str, needs: &mut Vec<Need>) {
    let mut runs = Vec::new();
    for row in &plan.assimilate {
        let Some(network) = plan.observe.iter().find(|network| network.name == row.observe) else { continue };
        let known = (find(METHODS, "method", &row.method), observed.get(&*row.observe));
        let (Ok(entry), Some(&(observed, _))) = known else { continue };
        let sets = row.steps / network.every.max(1);
        let components = dim.saturating_mul(history(plan, &row.forecaster)).saturating_add(row.estimate.len());
        let extent = Extent { components, observed, sets, steps: row.steps };
        kept(row, &extent, stage, needs);
        runs.push((row, (entry.build.memory)(&row.settings, &extent)));
    }
    runs.sort_by_key(|(_, held)| std::cmp::Reverse(Need::total(held)));
    let mut free = rayon::current_num_threads();
    for (row, held) in runs {
        let count = free.min(row.replicates);
        let at_once = if count > 1 { format!(", {count} runs at a time") } else { String::new() };
        free -= count;
        if count > 0 {
            needs.extend(held.into_iter().map(|need| Need {
                what: format!("{} of `{}`{at_once}", need.what, row.label),
                bytes: need.bytes.saturating_mul(count as u64),
            }));
        }
    }
}

/// What is kept of a row's runs: scores, what is pictured of the first replicate, and the analyses that are written.
fn kept(row: &AssimilatePlan, &Extent { components, observed, sets, .. }: &Extent, stage: &str, needs: &mut Vec<Need>) {
    let (label, replicates) = (&row.label, row.replicates);
    let what = format!("scores of `{label}` ({replicates} x {sets} sets)");
    needs.push(Need::reals(what, &[SCORES[0], SCORES[1], replicates, sets]));
    let what = format!("means and spreads of `{label}` ({sets} sets x {components})");
    needs.push(Need::reals(what, &[4, sets, components]));
    let quality = format!("quality codes of `{label}` ({sets} sets x {observed})");
    needs.push(Need { what: quality, bytes: product(&[2, sets, observed]) });
    if stage == "assimilate" {
        let members = row.settings.count("members");
        let what = format!("analyses of `{label}` ({replicates} x {sets} sets x {members} members x {components})");
        needs.push(Need::reals(what, &[2, replicates, sets, members.saturating_add(1), components]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec;
    use crate::spec::presets::PRESETS;

    fn planned(preset: &str, overrides: &[&str]) -> Plan {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        spec::check(spec::presets::preset(preset).unwrap().text, preset, &overrides).unwrap()
    }

    fn largest(preset: &str, setting: &str) -> Need {
        let needs = needs(&planned(preset, &[setting]), "compare");
        needs.into_iter().max_by_key(|need| need.bytes).unwrap()
    }

    /// Whatever is set to a billion is the largest term, and more than any machine has; nothing loops that often.
    #[test]
    fn a_size_of_a_billion_is_the_largest_term_wherever_it_is() {
        for (preset, setting, what) in [
            ("lorenz96", "forecaster.1.width=1000000000", "a network of"),
            ("lorenz96", "forecaster.1.blocks=1000000000", "1000000000 blocks"),
            ("lorenz96", "forecaster.2.blocks=1000000000", "1000000000 blocks"),
            ("lorenz96", "forecaster.2.batch=1000000000", "layers of 1000000000 examples"),
            ("lorenz96", "assimilate.0.members=1000000000", "1000000000"),
            ("lorenz96", "score.members=1000000000", "1000000000 members"),
            ("lorenz96", "data.steps=1000000000", "trajectories (40 x 1000000000 x 40)"),
            ("lorenz96", "observe.0.steps=1000000000", "1000000000"),
            ("lorenz96", "observe.0.replicates=1000000000", "1000000000"),
        ] {
            let Need { what: named, bytes } = largest(preset, setting);
            assert!(named.contains(what) && bytes > 1 << 37, "{setting}: {named}, {bytes}");
        }
    }

    #[test]
    fn the_presets_fit_in_a_small_machine() {
        for preset in PRESETS {
            let needs = needs(&planned(preset.name, &[]), "compare");
            assert!(!needs.is_empty() && Need::total(&needs) < 3 << 30, "{}: {needs:?}", preset.name);
        }
    }
}
