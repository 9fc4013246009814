//! Whether a method can use its forecaster and its operator, as far as that can be known before anything is fitted.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};

use super::assimilate::CheckedRow;
use super::conditions::conditions;
use super::context::Context;
use super::observe::CheckedNetwork;
use super::offers::{named, offers_with, refused_need};
use crate::assimilation::Need;
use crate::assimilation::augment::OfState;
use crate::assimilation::method::MethodBuild;
use crate::assimilation::{self, METHODS, ObservationOperator, ObservationSet, Prior};
use crate::spec::plan::{AssimilatePlan, ForecasterPlan, SystemPlan};
use crate::systems::gaussian::LinearForecaster;
use crate::systems::registry::find;
use crate::systems::{Domain, Entry, Forecaster, Key, LinearGaussian, Settings, Value};

pub(super) fn check(
    cx: &Context,
    row: &CheckedRow,
    declared: &[ForecasterPlan],
    perfect: Option<&dyn Forecaster>,
    networks: &[CheckedNetwork],
    system: Option<&SystemPlan>,
) {
    let (plan, dim) = (&row.plan, system.map(|system| system.system.dim()));
    let wrong = |what: String| cx.mistakes.add(row.place, format!("{}.method", row.key), what);
    let label = plan.forecaster.as_str();
    let plan_of_it = declared.iter().find(|known| known.label == label);
    let kind = plan_of_it.map_or(label, |known| known.kind.as_str());
    let Ok(entry) = find(METHODS, "method", &plan.method) else { return };
    let network = networks.iter().find(|network| network.plan.name == plan.observe);
    let operator = network.and_then(|network| network.operator.as_deref());
    let plain = network.is_none_or(|network| network.plan.noise == "gaussian");
    let refused = operator.filter(|_| !plain).and_then(|operator| refusal(entry, plan, operator));
    if plan.estimate.is_empty() {
        let settings = plan_of_it.map(|known| &known.settings);
        let history = plan_of_it.map_or(1, ForecasterPlan::history);
        let pooled = plan_of_it.is_some_and(|known| known.pool);
        for need in entry.build.needs_with(&plan.settings) {
            let what = named(need, &plan.settings);
            if history > 1 {
                wrong(format!(
                    "`{}` needs {what}, which `{label}` does not offer with a `history` of {history}; take a method of members \
                     alone, such as etkf, or set its `history` to 1",
                    plan.method
                ));
            } else if pooled && need != Need::Density {
                wrong(format!(
                    "`{}` needs {what}, which a pool of several seeds does not offer; take a method of members alone, such as \
                     etkf, or leave `pool` of `{label}` out",
                    plan.method
                ));
            } else if !offers_with(kind, settings, need, perfect) {
                wrong(refused_need((&plan.method, &plan.settings), need, label, perfect));
            }
        }
    } else if let Some(refusal) = estimates(entry, plan, (kind, plan_of_it), operator.filter(|_| refused.is_none())) {
        cx.mistakes.add(row.place, format!("{}.estimate", row.key), refusal);
    }
    for refusal in plan_of_it.into_iter().flat_map(|forecaster| conditions(plan, forecaster, system)) {
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

/// Why a row cannot estimate parameters: its members are stepped by the true system, or by a forecaster that is conditioned on
/// parameters, each with its own, and offer nothing else; and the method must serve parameters, which have no place on a
/// grid (asked where there is an operator to ask with).
fn estimates(
    entry: &Entry<MethodBuild>,
    plan: &AssimilatePlan,
    (kind, forecaster): (&str, Option<&ForecasterPlan>),
    operator: Option<&dyn ObservationOperator>,
) -> Option<String> {
    let (method, label) = (&plan.method, &plan.forecaster);
    let conditioned = || forecaster.is_some_and(|forecaster| forecaster.is_conditioned() != Some(false));
    if kind != "perfect" && !conditioned() {
        return Some(format!(
            "`estimate` steps each member by the true system with parameters of its own, but the forecaster is `{label}`; \
             set `forecaster` to \"perfect\" or to one with `condition_on` = \"parameters\", or leave `estimate` out"
        ));
    }
    // whether the true system has noise, it says itself
    let needs = entry.build.needs_with(&plan.settings);
    if let Some(need) = needs.iter().find(|need| **need != Need::Noiseless) {
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

#[cfg(test)]
mod tests {
    /// What is wrong with a row of Lorenz-96 by this method and forecaster, with the line.
    fn refused(method: &str, forecaster: &str, data: &str) -> Vec<String> {
        let text = format!(
            "{data}\n[observe]\nnoise = 1.0\n[[forecaster]]\nname = \"net\"\n{forecaster}\n\
             [[assimilate]]\nforecaster = \"net\"\nmethod = {method}\n"
        );
        match crate::spec::check(&text, "x.toml", &[]) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        }
    }

    const SYSTEM: &str = "[system]\nname = \"lorenz96\"";

    #[test]
    fn what_a_method_needs_of_a_lead_step_with_noise_is_said_before_anything_runs() {
        for kind in ["crps", "lifting"] {
            let said = refused("\"four_d_var\"", &format!("kind = \"{kind}\""), SYSTEM);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(
                said[0].starts_with("x.toml:8: `four_d_var` needs the adjoint of a lead step without noise"),
                "{said:?}"
            );
            assert!(
                said[0]
                    .contains("`mse`, `gaussian`, the true system, `perfect` or a method of members such as `ienks`")
            );
            assert!(
                !said[0].contains(kind) && refused("\"extended\"", &format!("kind = \"{kind}\""), SYSTEM).is_empty()
            );
        }
        for kind in ["gaussian", "mse"] {
            assert_eq!(refused("\"four_d_var\"", &format!("kind = \"{kind}\""), SYSTEM), [""; 0]);
        }
        for (method, set) in [
            ("\"ienks\"\nlag = 2\nshift = 2", "`shift` = 2; "),
            ("\"four_d_envar\"\nlag = 2\nshift = 2", "set `shift` to 1, or take "),
            ("\"ienks\"\nlinearization = \"bundle\"", "set `linearization` to \"transform\", or take "),
        ] {
            let said = refused(method, "kind = \"gaussian\"", SYSTEM);
            assert!(said.len() == 1 && said[0].contains(set.trim_end_matches("; ")), "{said:?}");
            assert!(refused(method, "kind = \"mse\"\nnoise = \"none\"", SYSTEM).is_empty());
        }
        let said = refused("\"ffbsi\"", "kind = \"mse\"\nnoise = \"none\"", SYSTEM);
        assert!(said.len() == 1 && said[0].contains("needs the density of a lead step"), "{said:?}");
        assert!(refused("\"ffbsi\"", "kind = \"mse\"", SYSTEM).is_empty());
    }

    #[test]
    fn a_noisy_system_of_many_steps_and_one_whose_adjoint_is_not_known_are_refused_too() {
        let perfect = |more: &str| {
            let text = format!(
                "[system]\nname = \"lorenz96\"\n{more}[observe]\nnoise = 1.0\n[[assimilate]]\nmethod = \"four_d_var\"\n"
            );
            crate::spec::check(&text, "x.toml", &[]).map(|_| ()).map_err(|mistakes| mistakes[0].to_string())
        };
        assert_eq!(perfect(""), Ok(()));
        let said = perfect("noise = 0.5\n[data]\nsubsteps = 5\n").unwrap_err();
        assert!(
            said.contains("which `perfect` does not offer") && said.contains("one without noise, or with"),
            "{said}"
        );
        assert_eq!(perfect("noise = 0.5\n[data]\nsubsteps = 1\n"), Ok(()));
    }

    #[test]
    fn without_a_system_no_other_system_is_advised() {
        let said = refused("\"extended\"", "kind = \"normalizing_flow\"", "[data]\nfile = \"a.nc\"");
        let advice = "take `linear`, `pca_linear`, `mse`, `gaussian`, `crps` or a method of members such as `etkf`";
        assert!(said.iter().any(|said| said.ends_with(advice)), "{said:?}");
    }
}
