//! `estimate` of an `[[assimilate]]` row: numbers of the system's settings that the row's members do not know.

use super::super::document::{Item, Node};
use super::super::estimable::setting;
use super::super::keys::{Section, expected};
use super::super::plan::SystemPlan;
use super::super::read::Reader;
use super::context::Checked;
use crate::assimilation::augment::{Parameter, Scale};
use crate::systems::registry::{Param, ParamKind};

/// One table of `estimate`.
pub(in super::super) const ESTIMATE: Section = Section {
    name: "assimilate.estimate",
    many: true,
    about: "a number among the system's settings that is estimated with the state",
    params: &[
        Param::required("parameter", ParamKind::Text, "the system's setting; `of.rho` is that of the system inside"),
        Param::required("mean", ParamKind::ANY, "the prior's mean; on the scale log its median"),
        Param::required(
            "sd",
            ParamKind::POSITIVE,
            "the prior's standard deviation; on the scale log that of the logarithm, about a relative error",
        ),
        Param::unset(
            "scale",
            ParamKind::Choice(&["linear", "log"]),
            "what is Gaussian: the number or its logarithm; log if unset where the setting must be positive",
        ),
        Param::at_least(
            "walk",
            0.0,
            0.0,
            "standard deviation of its random step in each lead step, on its scale; 0 lets it persist",
        ),
    ],
    special: &[],
};

/// How far a prior reaches, in standard deviations.
const REACH: f64 = 4.0;

/// The parameters that a row estimates; a row without the key estimates none.
pub(super) fn read(reader: &Reader, system: &Checked<SystemPlan>) -> Vec<Parameter> {
    let nodes = match reader.table.get("estimate") {
        None => return Vec::new(),
        Some(Node { item: Item::List(items), .. }) => items.as_slice(),
        Some(node) => std::slice::from_ref(node),
    };
    let mut parameters: Vec<Parameter> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let Item::Table(table) = &node.item else {
            let form = "a table { parameter = \"...\", mean = m, sd = s }, or a list of them";
            let what = node.item.describe();
            reader.wrong("estimate", format!("[[assimilate]]: `estimate` is {what}, but must be {form}"));
            continue;
        };
        let path = reader.key(&format!("estimate.{index}"));
        let inner = Reader { section: &ESTIMATE, path, table, place: &node.place, mistakes: reader.mistakes };
        inner.refuse_unknown(&[]);
        let Some(parameter) = one(&inner, system) else { continue };
        if parameters.iter().any(|known| known.name == parameter.name) {
            inner.wrong("parameter", format!("`{}` is estimated twice in one row; name it once", parameter.name));
        }
        parameters.push(parameter);
    }
    parameters
}

fn one(reader: &Reader, system: &Checked<SystemPlan>) -> Option<Parameter> {
    let own = reader.own()?;
    let (name, mean, sd) = (own.text("parameter"), own.number("mean"), own.number("sd"));
    // a system that is missing or wrong has been told
    let system = system.good()?;
    let kind = match setting(&system.name, system.settings.values(), name) {
        Ok((kind, _)) => kind,
        Err(problem) => {
            reader.wrong("parameter", problem);
            return None;
        }
    };
    let ParamKind::Float { min, max } = kind else { return None };
    let scale = match own.text("scale") {
        "log" => Scale::Log,
        "linear" => Scale::Linear,
        _ if min >= 0.0 => Scale::Log,
        _ => Scale::Linear,
    };
    if !(min..=max).contains(&mean) {
        reader.wrong("mean", format!("`mean` is {mean}, but `{name}` must be a {}", expected(kind)));
        return None;
    }
    if scale == Scale::Log && mean <= 0.0 {
        let what = format!("`mean` is {mean}, but on the scale log must be above 0; set it so, or scale = \"linear\"");
        reader.wrong("mean", what);
        return None;
    }
    let parameter = match scale {
        Scale::Linear => Parameter::linear(name, mean, sd),
        Scale::Log => Parameter::log(name, mean, sd),
    };
    let [low, high] = [-REACH, REACH].map(|reach| parameter.value(parameter.mean + reach * sd));
    if low < min || high > max {
        let change = if low < min && min >= 0.0 { "scale = \"log\"" } else { "a `mean` further inside" };
        let what = format!(
            "`{name}` must be a {}, but {REACH} `sd` about `mean` reach from {low:.3} to {high:.3}; set a smaller `sd`, or \
             {change}",
            expected(kind)
        );
        reader.wrong("sd", what);
        return None;
    }
    Some(parameter.walking(own.number("walk")))
}
