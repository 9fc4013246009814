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
        if plan.given.iter().any(|given| given == key) {
            let what = format!(
                "[budget] finds `{key}` of forecaster `{}`, which sets it; take out one of the two",
                plan.label
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
    // the cost of n steps is a + b n: trainings in turn have a share of their own each
    let [low, high] = [1000, 2000].map(&at);
    let (low, high) = (low?, high?);
    let each = (high - low) / 1000.0;
    let guess = (1000.0 + (wanted - low) / each).round();
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

    #[test]
    fn steps_and_widths_are_the_nearest() {
        assert_eq!(steps(1e6, |steps| Some(250.0 * steps as f64)), Some(4000));
        // with a part that costs the same whatever the steps
        assert_eq!(steps(1e6, |steps| Some(2e5 + 250.0 * steps as f64)), Some(3200));
        assert_eq!(steps(1.5, |steps| Some(steps as f64)), None, "1 and 2 steps are off by a third");
        assert_eq!(width(1000.0, |width| Some((width * width) as f64)), Some(32));
        assert_eq!(width(0.1, |width| Some(width as f64)), Some(1));
        assert_eq!(width(1e30, |width| Some(width as f64)), None);
    }
}
