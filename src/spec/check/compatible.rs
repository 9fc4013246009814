//! Whether a method can use its forecaster and its operator, as far as that can be known before anything is fitted.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};

use super::assimilate::CheckedRow;
use super::context::Context;
use super::observe::CheckedNetwork;
use crate::assimilation::Need;
use crate::assimilation::augment::OfState;
use crate::assimilation::method::MethodBuild;
use crate::assimilation::{self, METHODS, ObservationOperator, ObservationSet, Prior};
use crate::spec::plan::{AssimilatePlan, ForecasterPlan};
use crate::systems::gaussian::LinearForecaster;
use crate::systems::registry::find;
use crate::systems::{Domain, Entry, Forecaster, Key, LinearGaussian, Settings, Value};

/// What kinds of forecasters offer; those that are not here offer everything, or are looked at themselves.
const OFFERS: &[(&[&str], &[Need])] = &[
    (&["persistence", "climatology", "analog", "consistency"], &[]),
    (&["diffusion", "flow_matching", "interpolant", "memorizer"], &[Need::Denoiser]),
    (&["mixture", "molrg"], &[Need::Denoiser, Need::Density]),
    (&["normalizing_flow", "autoregressive"], &[Need::Density]),
    (&["crps", "lifting"], &[Need::Derivative]),
    (&["gaussian", "mse"], &[Need::Denoiser, Need::Density, Need::Kernel, Need::Noise, Need::Derivative]),
];

pub(super) fn check(
    cx: &Context,
    row: &CheckedRow,
    declared: &[ForecasterPlan],
    perfect: Option<&dyn Forecaster>,
    networks: &[CheckedNetwork],
    dim: Option<usize>,
) {
    let plan = &row.plan;
    let wrong = |what: String| cx.mistakes.add(row.place, format!("{}.method", row.key), what);
    let label = plan.forecaster.as_str();
    let kind = declared.iter().find(|known| known.label == label).map_or(label, |known| known.kind.as_str());
    let Ok(entry) = find(METHODS, "method", &plan.method) else { return };
    let network = networks.iter().find(|network| network.plan.name == plan.observe);
    let operator = network.and_then(|network| network.operator.as_deref());
    let plain = network.is_none_or(|network| network.plan.noise == "gaussian");
    let refused = operator.filter(|_| !plain).and_then(|operator| refusal(entry, plan, operator));
    if plan.estimate.is_empty() {
        let history = declared.iter().find(|known| known.label == label).map_or(1, ForecasterPlan::history);
        for need in entry.build.needs_with(&plan.settings) {
            let what = need.describe();
            if history > 1 {
                wrong(format!(
                    "`{}` needs {what}, which `{label}` does not offer with a `history` of {history}; take a method of members \
                     alone, such as etkf, or set its `history` to 1",
                    plan.method
                ));
                continue;
            }
            if offers(kind, need, perfect) {
                continue;
            }
            wrong(format!("`{}` needs {what}, which `{label}` does not offer; {}", plan.method, remedy(need)));
        }
    } else if let Some(refusal) = estimates(entry, plan, kind, operator.filter(|_| refused.is_none())) {
        cx.mistakes.add(row.place, format!("{}.estimate", row.key), refusal);
    }
    if let Some(refusal) = refused {
        wrong(refusal);
        return;
    }
    if let (true, Some(operator), Some(_)) = (entry.build.linear_operator, operator, dim)
        && !operator.is_linear()
    {
        let name = network.map_or("", |network| network.plan.operator.as_str());
        wrong(format!(
            "`{}` needs a linear operator, but `{name}` is not; take etkf, or another operator",
            plan.method
        ));
    }
}

/// Why a row cannot estimate parameters: its members are stepped by the true system, each with its own, and offer nothing
/// else; and the method must serve parameters, which have no place on a grid (asked where there is an operator to ask with).
fn estimates(
    entry: &Entry<MethodBuild>,
    plan: &AssimilatePlan,
    kind: &str,
    operator: Option<&dyn ObservationOperator>,
) -> Option<String> {
    let (method, label) = (&plan.method, &plan.forecaster);
    if kind != "perfect" {
        return Some(format!(
            "`estimate` steps each member by the true system with parameters of its own, but the forecaster is `{label}`; \
             set `forecaster` to \"perfect\", or leave `estimate` out"
        ));
    }
    if let Some(need) = entry.build.needs_with(&plan.settings).first() {
        return Some(format!(
            "`{method}` needs {} here, which a system with unknown parameters does not offer; take a method of members alone \
             such as etkf, or leave `estimate` out",
            need.describe()
        ));
    }
    refusal(entry, plan, &OfState::new(operator?, plan.estimate.len()))
}

/// The largest state on which a method is tried out before the experiment is run.
const TRIED: usize = 200;

/// What a method has to say against an operator or the law of its errors: it is tried out on a random walk, which offers
/// all that a forecaster can.
fn refusal(entry: &Entry<MethodBuild>, plan: &AssimilatePlan, operator: &dyn ObservationOperator) -> Option<String> {
    let dim = operator.state_dim();
    if dim > TRIED {
        return None;
    }
    let law = LinearGaussian { matrix: Array2::eye(dim), offset: Array1::zeros(dim), covariance: Array2::eye(dim) };
    let model = LinearForecaster::new(law).ok()?;
    // with few members and draws, whatever the experiment has: nothing large is made before memory is checked
    let mut given: BTreeMap<String, Value> =
        plan.settings.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    for key in ["members", "expansion", "draws"] {
        given.entry(key.to_owned()).and_modify(|value| *value = Value::Int(2));
    }
    if let Some(Value::Int(steps)) = given.get_mut("steps") {
        *steps = (*steps).min(8);
    }
    let mut filter = (entry.build.make)(&Settings::check("trial", entry.params, &given).ok()?).ok()?;
    let key = Key::new(0, Domain::Method);
    filter.start(&Prior::Gaussian { mean: Array1::ones(dim), covariance: Array2::eye(dim) }, 0, key).ok()?;
    let predicted = operator.apply(0.0, Array2::ones((1, dim)).view());
    let values = operator.error().observe(predicted.view(), key);
    let seen = ObservationSet { step: 1, time: 0.0, values: values.row(0), operator };
    match filter.step(&model, &seen, key) {
        Err(error @ assimilation::Error::Unsupported(_)) => Some(error.to_string()),
        _ => None,
    }
}

/// Whether a kind of forecaster offers what a method needs, as far as that is known before it is fitted.
fn offers(kind: &str, need: Need, perfect: Option<&dyn Forecaster>) -> bool {
    match (kind, perfect) {
        ("perfect", Some(perfect)) => need.offered_by(perfect),
        _ => OFFERS.iter().find(|(kinds, _)| kinds.contains(&kind)).is_none_or(|(_, offered)| offered.contains(&need)),
    }
}

/// What to take instead, by name.
fn remedy(need: Need) -> &'static str {
    match need {
        Need::Denoiser => {
            "take diffusion, gaussian or linear, or the true system with additive noise and one integration step a lead step"
        }
        Need::Density | Need::Kernel | Need::Noise => {
            "take gaussian or linear, or the true system with additive noise and one integration step a lead step"
        }
        Need::Derivative => "take gaussian or linear, or a method of members such as etkf or ienks",
        Need::LinearGaussian => "take the system `ou`, the forecaster `linear`, or the method etkf",
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;
    use crate::forecast::{FORECASTERS, FitContext};
    use crate::progress::Quiet;
    use crate::systems::{Geometry, Key};

    #[test]
    fn a_kind_offers_what_is_said_of_it_before_it_is_fitted() {
        let data = Key::new(1, Domain::Data).normals(12 * 20, 2).into_shape_with_order((12, 20, 2)).unwrap();
        let needs = [Need::LinearGaussian, Need::Denoiser, Need::Density, Need::Kernel, Need::Noise, Need::Derivative];
        for entry in FORECASTERS.iter().filter(|entry| entry.build.load.is_some()) {
            let few = [("steps", 4), ("width", 4)].map(|(key, count)| (key.to_owned(), Value::Int(count)));
            let known = |(key, _): &(String, Value)| entry.params.iter().any(|param| param.key == key.as_str());
            let given = few.into_iter().filter(known).collect();
            let settings = Settings::check(entry.name, entry.params, &given).unwrap();
            let context = FitContext {
                system: None,
                geometry: Geometry::Unstructured,
                train: data.slice(s![..10, .., ..]),
                valid: data.slice(s![10.., .., ..]),
                key: Key::new(2, Domain::Training),
                progress: &Quiet,
                checkpoints: None,
                start: None,
            };
            let fitted = (entry.build.fit)(&settings, &context).unwrap();
            for need in needs {
                // a lead step that draws nothing is found by a look at it
                let asked = if need == Need::Noise { Need::Kernel } else { need };
                let found = asked.offered_by(fitted.as_forecaster());
                assert_eq!(offers(entry.name, need, None), found, "{} {need:?}", entry.name);
            }
        }
    }
}
