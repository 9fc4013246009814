//! `[budget]`: forecasters of equal cost. By parameters or by the operations of a lead step of a member, widths are set so
//! that the cost is the nearest there is; by the operations of the training, steps. What was found stands in the resolved
//! experiment as settings of the forecasters, which then needs no budget.

use super::super::keys::BUDGET;
use super::super::plan::{ForecasterPlan, SystemPlan};
use super::super::read::Reader;
use super::context::{Checked, Context};
use crate::forecast::{Cost, CostOf, FORECASTERS, FitSize};
use crate::systems::{Settings, Value};

/// The largest share by which the cost of a training may miss its budget.
const MISSED: f64 = 0.02;

/// The largest width that is tried.
const WIDEST: i64 = 1 << 14;

/// The largest number of steps that is given.
const LONGEST: f64 = 1e9;

/// What is equal.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Parameters,
    Training,
    Inference,
}

impl By {
    fn named(word: &str) -> Self {
        match word {
            "parameters" => Self::Parameters,
            "inference_flops" => Self::Inference,
            _ => Self::Training,
        }
    }

    fn of(self, cost: Cost) -> f64 {
        match self {
            Self::Parameters => cost.parameters as f64,
            Self::Training => cost.training,
            Self::Inference => cost.inference,
        }
    }

    /// The setting that is found.
    const fn key(self) -> &'static str {
        match self {
            Self::Training => "steps",
            _ => "width",
        }
    }
}

/// The cost that all are to have, and what it is of.
struct Budget<'a> {
    by: By,
    size: FitSize,
    reader: Reader<'a>,
}

/// The forecasters with steps or widths of equal cost, where the file has a budget.
pub(super) fn apply(
    cx: &Context,
    system: &Checked<SystemPlan>,
    mut declared: Vec<ForecasterPlan>,
) -> Vec<ForecasterPlan> {
    let Some(reader) = cx.one(&BUDGET) else { return declared };
    reader.refuse_unknown(&[]);
    let Some(own) = reader.own() else { return declared };
    if system.is_absent() {
        let what = "[budget] must know the size of a state, which only a [system] says here; set `steps` or `width` of each \
                    forecaster";
        reader.wrong("by", what);
    }
    let Some(system) = system.good() else { return declared };
    let (geometry, components) = (system.system.geometry(), system.system.dim());
    let size = FitSize { geometry, components, train: 0, valid: 0 };
    let budget = Budget { by: By::named(own.text("by")), size, reader };
    let Some(wanted) = budget.wanted(&own, &declared) else { return declared };
    for plan in declared.iter_mut().filter(|plan| plan.label != own.text("like")) {
        budget.give(plan, wanted);
    }
    declared
}

/// What a forecaster of the plan costs by its settings, where it is trained here.
fn cost_of(plan: &ForecasterPlan) -> Option<CostOf> {
    let entry = FORECASTERS.iter().find(|entry| entry.name == plan.kind)?;
    entry.build.cost.filter(|_| plan.model.is_none())
}

impl Budget<'_> {
    fn cost(&self, of: CostOf, settings: &Settings) -> Option<f64> {
        Some(self.by.of(of(settings, &self.size)?)).filter(|cost| cost.is_finite() && *cost > 0.0)
    }

    /// The cost that all are to have.
    fn wanted(&self, own: &Settings, declared: &[ForecasterPlan]) -> Option<f64> {
        let (like, value) = (own.text("like"), own.optional_number("value"));
        match (like.is_empty(), value) {
            (true, Some(value)) => return Some(value),
            (false, None) => {}
            _ => {
                self.reader.wrong("like", "[budget] must set `like`, a forecaster's label, or `value`, and not both");
                return None;
            }
        }
        let found = declared.iter().find(|plan| plan.label == like);
        let cost = found.and_then(|plan| self.cost(cost_of(plan)?, &plan.settings));
        if cost.is_none() {
            let what =
                format!("[budget]: no forecaster that is trained here is labelled `{like}`; name one, or set `value`");
            self.reader.wrong("like", what);
        }
        cost
    }

    /// Sets what makes a forecaster cost that much.
    fn give(&self, plan: &mut ForecasterPlan, wanted: f64) {
        let (Some(of), key) = (cost_of(plan), self.by.key()) else { return };
        let sets = |given: &&String| *given == key || (key == "width" && *given == "size");
        if let Some(given) = plan.given.iter().find(sets) {
            let what = format!(
                "[budget] finds `{key}` of forecaster `{}`, which sets {}; take out one of the two",
                plan.label,
                if given == key { "it".to_owned() } else { format!("its `{given}`") }
            );
            return self.reader.wrong("by", what);
        }
        let at = |count: i64| self.cost(of, &plan.settings.clone().with(key, Value::Int(count)));
        let found = match self.by {
            By::Training => steps(wanted, at),
            _ => width(wanted, at),
        };
        let Some(found) = found else {
            let what = format!(
                "[budget]: no `{key}` makes forecaster `{}` cost {wanted:.3e}; give another `value`",
                plan.label
            );
            return self.reader.wrong("by", what);
        };
        plan.settings = plan.settings.clone().with(key, Value::Int(found));
    }
}

/// The steps whose cost is nearest to what is wanted, which they must meet up to [`MISSED`].
fn steps(wanted: f64, at: impl Fn(i64) -> Option<f64>) -> Option<i64> {
    // the cost of n steps is a + b n, for n above those that a first training has for itself
    const FAR: i64 = 1_000_000;
    let [low, high] = [FAR, 2 * FAR].map(&at);
    let (low, high) = (low?, high?);
    let each = (high - low) / FAR as f64;
    let guess = (FAR as f64 + (wanted - low) / each).round();
    if !(1.0..=LONGEST).contains(&guess) {
        return None;
    }
    let near = [-1.0, 0.0, 1.0].map(|shift| (guess + shift).max(1.0) as i64);
    let off = |count: i64| at(count).map_or(f64::INFINITY, |cost| (cost / wanted - 1.0).abs());
    near.into_iter().min_by(|a, b| off(*a).total_cmp(&off(*b))).filter(|best| off(*best) <= MISSED)
}

/// The width whose cost, which grows with it, is nearest to what is wanted.
fn width(wanted: f64, at: impl Fn(i64) -> Option<f64>) -> Option<i64> {
    let (mut low, mut high) = (1, 1);
    while at(high)? < wanted {
        (low, high) = (high, 2 * high);
        if high > WIDEST {
            return None;
        }
    }
    while high - low > 1 {
        let middle = (low + high) / 2;
        if at(middle)? < wanted { low = middle } else { high = middle }
    }
    let off = |count: i64| at(count).map_or(f64::INFINITY, |cost| (cost / wanted).ln().abs());
    Some(if off(low) <= off(high) { low } else { high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{self, Plan};

    /// An experiment on Lorenz-96 of every learned kind, with this budget.
    fn planned(budget: &str) -> Result<Plan, String> {
        let kinds = FORECASTERS.iter().filter(|entry| entry.build.is_learned()).map(|entry| entry.name);
        let sections: String = kinds.map(|kind| format!("[[forecaster]]\nkind = \"{kind}\"\n")).collect();
        let residual = "[[forecaster]]\nname = \"residual\"\nkind = \"diffusion\"\ntarget = \"residual\"\n";
        let text = format!("[system]\nname = \"lorenz96\"\n[budget]\n{budget}\n{sections}{residual}");
        spec::check(&text, "x.toml", &[]).map_err(|mistakes| mistakes[0].to_string())
    }

    /// The least and the largest cost of its forecasters beside that of `gaussian`.
    fn spread(plan: &Plan, of: fn(Cost) -> f64) -> (f64, f64) {
        let system = &plan.system.as_ref().unwrap().system;
        let size = FitSize { geometry: system.geometry(), components: system.dim(), train: 0, valid: 0 };
        let learned = plan.forecasters.iter().filter_map(|plan| Some((plan, cost_of(plan)?)));
        let costs: Vec<(&str, f64)> =
            learned.map(|(plan, cost)| (plan.label.as_str(), of(cost(&plan.settings, &size).unwrap()))).collect();
        let gaussian = costs.iter().find(|(label, _)| *label == "gaussian").unwrap().1;
        let relative = || costs.iter().map(|(_, cost)| cost / gaussian);
        assert!(costs.len() > 10);
        (relative().fold(f64::INFINITY, f64::min), relative().fold(0.0, f64::max))
    }

    #[test]
    fn trainings_cost_the_same_within_two_percent_and_lead_steps_as_near_as_a_width_allows() {
        let plan = planned("by = \"training_flops\"\nlike = \"gaussian\"").unwrap();
        let (least, most) = spread(&plan, |cost| cost.training);
        assert!(least > 0.98 && most < 1.02, "{least} {most}");
        // without a budget members, teachers and couplings make some trainings much dearer
        let (_, most) = spread(&planned("by = \"parameters\"\nlike = \"gaussian\"").unwrap(), |cost| cost.training);
        assert!(most > 3.0, "{most}");
        // a convolution of a few channels grows in steps of a tenth or more
        let (least, most) = spread(&planned("by = \"inference_flops\"\nvalue = 2e7").unwrap(), |cost| cost.inference);
        assert!(least > 0.85 && most < 1.15, "{least} {most}");
        // the resolved experiment has no budget, and is the same experiment
        let again = spec::check(&plan.resolved, "x.toml", &[]).unwrap();
        assert!(!plan.resolved.contains("budget") && again.resolved == plan.resolved);
    }

    #[test]
    fn budgets_that_cannot_be_are_told_in_a_sentence() {
        for (budget, says) in [
            ("by = \"training_flops\"", "[budget] must set `like`, a forecaster's label, or `value`, and not both"),
            ("like = \"gauss\"", "no forecaster that is trained here is labelled `gauss`"),
            ("value = 10.0", "no `steps` makes forecaster"),
            ("by = \"parameters\"\nvalue = 1e30", "no `width` makes forecaster"),
            ("value = 1e12\n[[forecaster]]\nname = \"own\"\nkind = \"mse\"\nsteps = 5", "which sets it; take out one"),
            (
                "by = \"parameters\"\nvalue = 1e5\n[[forecaster]]\nname = \"own\"\nkind = \"mse\"\nsize = \"tiny\"",
                "[budget] finds `width` of forecaster `own`, which sets its `size`; take out one",
            ),
        ] {
            let said = planned(budget).err().unwrap();
            assert!(said.contains(says), "{budget}: {said}");
        }
        let own_data = "[data]\nfile = \"a.nc\"\n[budget]\nvalue = 1e12\n[[forecaster]]\nkind = \"mse\"\n";
        let said = spec::check(own_data, "x.toml", &[]).err().unwrap()[0].to_string();
        assert!(said.contains("only a [system] says here"), "{said}");
    }

    #[test]
    fn steps_and_widths_are_the_nearest() {
        assert_eq!(steps(1e6, |steps| Some(250.0 * steps as f64)), Some(4000));
        // with a part that costs the same whatever the steps
        assert_eq!(steps(1e6, |steps| Some(2e5 + 250.0 * steps as f64)), Some(3200));
        // with 1,500 steps of another training, which fewer cannot hold
        assert_eq!(steps(1e6, |steps| (steps > 1500).then_some(250.0 * steps as f64)), Some(4000));
        assert_eq!(steps(1e5, |steps| (steps > 1500).then_some(250.0 * steps as f64)), None);
        assert_eq!(steps(1.5, |steps| Some(steps as f64)), None, "1 and 2 steps are off by a third");
        assert_eq!(width(1000.0, |width| Some((width * width) as f64)), Some(32));
        assert_eq!(width(0.1, |width| Some(width as f64)), Some(1));
        assert_eq!(width(1e30, |width| Some(width as f64)), None);
    }
}
