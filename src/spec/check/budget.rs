//! `[budget]`: forecasters of equal cost. By parameters or by the operations of a lead step of a member, widths are set so
//! that the cost is the nearest there is; by the operations of the training, steps. What was found stands in the resolved
//! experiment as settings of the forecasters, which then needs no budget. Seconds of a training are measured by the stage that
//! trains, and stand in the plan until then.

use super::super::keys::BUDGET;
use super::super::plan::{ForecasterPlan, SecondsBudget, SystemPlan};
use super::super::read::Reader;
use super::context::{Checked, Context};
use crate::forecast::{Cost, CostOf, FitSize};
use crate::systems::{Settings, Value};

/// The largest share by which the cost of a training may miss its budget.
const MISSED: f64 = 0.02;

/// The largest share by which what a width costs may miss its budget: a convolution of a few channels grows in steps of a
/// tenth or more.
const WIDTH_MISSED: f64 = 0.15;

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
    Seconds,
}

impl By {
    fn named(word: &str) -> Self {
        match word {
            "parameters" => Self::Parameters,
            "inference_flops" => Self::Inference,
            "seconds" => Self::Seconds,
            _ => Self::Training,
        }
    }

    fn of(self, cost: Cost) -> f64 {
        match self {
            Self::Parameters => cost.parameters as f64,
            Self::Inference => cost.inference,
            Self::Training | Self::Seconds => cost.training,
        }
    }

    /// The setting that is found.
    const fn key(self) -> &'static str {
        match self {
            Self::Training | Self::Seconds => "steps",
            Self::Parameters | Self::Inference => "width",
        }
    }

    /// So much of it, in words.
    fn amount(self, cost: f64) -> String {
        match self {
            Self::Parameters => format!("{cost} parameters"),
            Self::Training => format!("{cost:.3e} operations of its training"),
            Self::Inference => format!("{cost:.3e} operations a member and lead step"),
            Self::Seconds => format!("{cost} s of training"),
        }
    }
}

/// The cost that all are to have, and what it is of.
struct Budget<'a> {
    by: By,
    size: FitSize,
    reader: Reader<'a>,
}

/// What a budget makes of the forecasters of a file.
pub(super) struct Budgeted {
    /// With the settings that were found.
    pub(super) forecasters: Vec<ForecasterPlan>,
    /// The seconds of a training, whose steps are not found yet.
    pub(super) seconds: Option<SecondsBudget>,
    /// What was found, in sentences.
    pub(super) notes: Vec<String>,
}

/// The forecasters with steps or widths of equal cost, where the file has a budget.
pub(super) fn apply(cx: &Context, system: &Checked<SystemPlan>, forecasters: Vec<ForecasterPlan>) -> Budgeted {
    let mut budgeted = Budgeted { forecasters, seconds: None, notes: Vec::new() };
    let Some(reader) = cx.one(&BUDGET) else { return budgeted };
    reader.refuse_unknown(&[]);
    let Some(own) = reader.own() else { return budgeted };
    let by = By::named(own.text("by"));
    if by == By::Seconds {
        budgeted.seconds = seconds(&reader, &own, &budgeted.forecasters);
        return budgeted;
    }
    if system.is_absent() {
        let what = "[budget] must know the size of a state, which only a [system] says here; set `steps` or `width` of each \
                    forecaster";
        reader.wrong("by", what);
    }
    let Some(system) = system.good() else { return budgeted };
    let budget = Budget { by, size: system.fit_size(), reader };
    let Some(wanted) = budget.wanted(&own, &budgeted.forecasters) else { return budgeted };
    for plan in budgeted.forecasters.iter_mut().filter(|plan| plan.label != own.text("like")) {
        budgeted.notes.extend(budget.give(plan, wanted));
    }
    budgeted
}

/// The seconds that each training is to take.
fn seconds(reader: &Reader, own: &Settings, declared: &[ForecasterPlan]) -> Option<SecondsBudget> {
    let seconds = match goal(reader, own)? {
        Goal::Value(value) => SecondsBudget::Value(value),
        Goal::Like(like) => {
            like_among(reader, like, declared)?;
            SecondsBudget::Like(like.to_owned())
        }
    };
    for plan in declared.iter().filter(|plan| seconds.sets(plan)) {
        refuse_given(reader, plan, By::Seconds.key());
    }
    Some(seconds)
}

/// What a budget names as the cost.
enum Goal<'a> {
    Value(f64),
    /// What the forecaster of this label costs.
    Like(&'a str),
}

fn goal<'a>(reader: &Reader, own: &'a Settings) -> Option<Goal<'a>> {
    match (own.text("like"), own.optional_number("value")) {
        ("", Some(value)) => Some(Goal::Value(value)),
        (like, None) if !like.is_empty() => Some(Goal::Like(like)),
        // a value that is wrong is told already
        ("", None) if reader.table.get("value").is_some() => None,
        _ => {
            reader.wrong("like", "[budget] must set `like`, a forecaster's label, or `value`, and not both");
            None
        }
    }
}

/// The forecaster of a label, with what it costs.
fn like_among<'a>(reader: &Reader, like: &str, declared: &'a [ForecasterPlan]) -> Option<(&'a ForecasterPlan, CostOf)> {
    let found = declared.iter().find(|plan| plan.label == like).and_then(|plan| Some((plan, plan.cost_of()?)));
    if found.is_none() {
        let what =
            format!("[budget]: no forecaster that is trained here is labelled `{like}`; name one, or set `value`");
        reader.wrong("like", what);
    }
    found
}

/// Refuses a forecaster that sets what the budget is to find; whether it does.
fn refuse_given(reader: &Reader, plan: &ForecasterPlan, key: &str) -> bool {
    let sets = |given: &&String| *given == key || (key == "width" && *given == "size");
    let Some(given) = plan.given.iter().find(sets) else { return false };
    let what = format!(
        "[budget] finds `{key}` of forecaster `{}`, which sets {}; take out one of the two",
        plan.label,
        if given == key { "it".to_owned() } else { format!("its `{given}`") }
    );
    reader.wrong("by", what);
    true
}

impl Budget<'_> {
    fn cost(&self, of: CostOf, settings: &Settings) -> Option<f64> {
        of(settings, &self.size).ok().map(|cost| self.by.of(cost)).filter(|cost| cost.is_finite() && *cost > 0.0)
    }

    /// The cost that all are to have; none where it is unknown, which is a mistake of the budget or of that forecaster.
    fn wanted(&self, own: &Settings, declared: &[ForecasterPlan]) -> Option<f64> {
        match goal(&self.reader, own)? {
            Goal::Value(value) => Some(value),
            Goal::Like(like) => {
                let (plan, of) = like_among(&self.reader, like, declared)?;
                self.cost(of, &plan.settings)
            }
        }
    }

    /// Sets what makes a forecaster cost that much, and says so.
    fn give(&self, plan: &mut ForecasterPlan, wanted: f64) -> Option<String> {
        let (of, key, label) = (plan.cost_of()?, self.by.key(), plan.label.clone());
        if refuse_given(&self.reader, plan, key) {
            return None;
        }
        let at = |count: i64| self.cost(of, &plan.settings.clone().with(key, Value::Int(count)));
        let found = match self.by {
            By::Training | By::Seconds => steps(wanted, at),
            By::Parameters | By::Inference => width(wanted, at),
        };
        let Some((found, cost)) = found.and_then(|found| Some((found, at(found)?))) else {
            let what =
                format!("[budget]: no `{key}` makes forecaster `{label}` cost {wanted:.3e}; give another `value`");
            self.reader.wrong("by", what);
            return None;
        };
        let (off, amount) = (100.0 * (cost / wanted - 1.0), self.by.amount(cost));
        if off.abs() > 100.0 * WIDTH_MISSED {
            let what = format!(
                "[budget]: forecaster `{label}` comes no nearer to {} than {amount} ({off:+.0} %), with `{key}` = {found}; give \
                 another `value`, or other sizes to the forecaster",
                self.by.amount(wanted)
            );
            self.reader.wrong("by", what);
            return None;
        }
        plan.settings = plan.settings.clone().with(key, Value::Int(found));
        Some(format!("`{label}` gets {key} = {found}: {amount}, {off:+.1} % off the budget"))
    }
}

/// The steps whose cost is nearest to what is wanted, up to [`MISSED`].
fn steps(wanted: f64, at: impl Fn(i64) -> Option<f64>) -> Option<i64> {
    nearest_steps(wanted, MISSED, at)
}

/// The steps whose cost is nearest to what is wanted, which it may miss by a share; `at` gives the cost of so many steps,
/// a + b n for n above those that a first training has for itself, and nothing below.
pub fn nearest_steps(wanted: f64, missed: f64, at: impl Fn(i64) -> Option<f64>) -> Option<i64> {
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
    near.into_iter().min_by(|a, b| off(*a).total_cmp(&off(*b))).filter(|best| off(*best) <= missed)
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
    use crate::forecast::FORECASTERS;
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
        let size = plan.system.as_ref().unwrap().fit_size();
        let learned = plan.forecasters.iter().filter_map(|plan| Some((plan, plan.cost_of()?)));
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
            ("by = \"parameters\"\nvalue = 10", "` comes no nearer to 10 parameters than "),
            ("by = \"inference_flops\"\nvalue = 2e3", " %), with `width` = "),
            ("by = \"seconds\"", "[budget] must set `like`"),
            ("by = \"seconds\"\nlike = \"gauss\"", "no forecaster that is trained here is labelled `gauss`"),
            ("by = \"seconds\"\nvalue = 0", "`value` is 0, but must be a number above 0"),
            (
                "by = \"seconds\"\nvalue = 3\n[[forecaster]]\nname = \"own\"\nkind = \"mse\"\nsteps = 5",
                "finds `steps` of forecaster `own`, which sets it",
            ),
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
    fn what_a_budget_sets_is_said_with_how_far_off_it_is() {
        let plan = planned("by = \"parameters\"\nvalue = 4e4").unwrap();
        let size =
            |label: &str| plan.forecasters.iter().find(|plan| plan.label == label).unwrap().settings.count("width");
        let said = plan.notes.iter().find(|note| note.starts_with("`gaussian` gets")).unwrap();
        assert!(said.starts_with(&format!("`gaussian` gets width = {}: ", size("gaussian"))), "{said}");
        assert!(said.contains(" parameters, ") && said.ends_with(" % off the budget"), "{said}");
        assert_eq!(plan.notes.len(), plan.forecasters.iter().filter(|plan| plan.cost_of().is_some()).count());
        // the forecaster that the others are like is what it was
        let like = planned("by = \"training_flops\"\nlike = \"gaussian\"").unwrap();
        assert!(
            like.notes.len() > 10 && like.notes.iter().all(|note| !note.starts_with("`gaussian`")),
            "{:?}",
            like.notes
        );
    }

    #[test]
    fn seconds_stand_in_the_plan_until_they_are_measured() {
        for (budget, seconds) in [
            ("value = 30", SecondsBudget::Value(30.0)),
            ("like = \"gaussian\"", SecondsBudget::Like("gaussian".to_owned())),
        ] {
            let plan = planned(&format!("by = \"seconds\"\n{budget}")).unwrap();
            assert_eq!(plan.seconds.as_ref(), Some(&seconds));
            let again = spec::check(&plan.resolved, "x.toml", &[]).unwrap();
            assert!(again.resolved == plan.resolved && again.seconds == plan.seconds);
            // steps stand there of what the others are like alone
            let found = plan.resolved.matches("\nsteps = ").count();
            assert_eq!(found, usize::from(matches!(seconds, SecondsBudget::Like(_))) + 1, "with those of [data]");
            let sets = plan.forecasters.iter().filter(|plan| seconds.sets(plan)).count();
            let learned = plan.forecasters.iter().filter(|plan| plan.cost_of().is_some()).count();
            assert_eq!(learned - sets, usize::from(matches!(seconds, SecondsBudget::Like(_))));
        }
        // no size of a state is needed, and steps are enough for a first training of any length
        let own_data = "[data]\nfile = \"a.nc\"\n[budget]\nby = \"seconds\"\nvalue = 3\n[[forecaster]]\nkind = \"diffusion\"\n\
                        target = \"residual\"\nmean_steps = 50000\n";
        assert!(spec::check(own_data, "x.toml", &[]).unwrap().seconds.is_some());
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
