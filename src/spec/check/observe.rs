//! `[observe]`: observing networks and their twin experiments.

use std::path::PathBuf;

use super::super::document::{Item, Node, Place, Table};
use super::super::jump::{Jump, JumpSize};
use super::super::keys::{OBSERVE, Section};
use super::super::plan::{DataPlan, DataSource, Initial, ObservePlan, SystemPlan};
use super::super::read::{Reader, entry};
use super::context::{Checked, Context};
use crate::assimilation::{self, NOISE_LAWS, OPERATORS, ObservationOperator};
use crate::systems::registry::{DefaultValue, Param, ParamKind, Settings, Value};

/// `[observe.operator]` as a table; its other keys are the operator's settings.
pub(in super::super) const OPERATOR: Section = Section {
    name: "observe.operator",
    many: false,
    about: "what is observed",
    params: &[Param::required("name", ParamKind::Text, "the operator's name")],
    special: &[],
};

/// `[observe.noise]` as a table; its other keys are the law's settings.
pub(in super::super) const NOISE: Section = Section {
    name: "observe.noise",
    many: false,
    about: "the law of the observation errors",
    params: &[Param::new("name", ParamKind::Text, DefaultValue::Text("gaussian"), "the law's name")],
    special: &[],
};

/// `[observe.initial]` as a table.
pub(in super::super) const INITIAL: Section = Section {
    name: "observe.initial",
    many: false,
    about: "the filter's first ensemble",
    params: &[
        Param::unset("truth_sd", ParamKind::POSITIVE, "sd around the truth"),
        Param::unset("mean", ParamKind::Floats, "mean: one for all components, or one for each"),
        Param::unset("sd", ParamKind::Floats, "sd: one for all components, or one for each"),
    ],
    special: &[],
};

/// A network, where it was written, and its operator where the state's dimension is known.
pub(super) struct CheckedNetwork {
    pub(super) plan: ObservePlan,
    pub(super) operator: Option<Box<dyn ObservationOperator>>,
}

pub(super) fn check(cx: &Context, system: &Checked<SystemPlan>, data: Option<&DataPlan>) -> Vec<CheckedNetwork> {
    let mut networks: Vec<CheckedNetwork> = Vec::new();
    for reader in cx.many(&OBSERVE) {
        reader.refuse_unknown(&[]);
        let Some(network) = one(&reader, system, data) else { continue };
        if networks.iter().any(|known| known.plan.name == network.plan.name) {
            let what = format!(
                "two observing networks are called `{}`; give each [[observe]] its own `name`",
                network.plan.name
            );
            reader.wrong("name", what);
        }
        networks.push(network);
    }
    networks
}

fn one(reader: &Reader, system: &Checked<SystemPlan>, data: Option<&DataPlan>) -> Option<CheckedNetwork> {
    let own = reader.own()?;
    let dim = system.good().map(|plan| plan.system.dim());
    let (operator, noise, initial) = (operator(reader, dim), noise(reader), initial(reader, dim));
    let steps = own.count("steps");
    let every = own.count("every");
    // the user's own observations are scored from the first set on, unless the user says otherwise
    let default_burn_in = if own.has("file") { 0 } else { steps / 10 };
    let burn_in = if own.has("burn_in") { own.count("burn_in") } else { default_burn_in };
    // how long the user's own observations are is not known before they are read
    if !own.has("file") {
        check_times(reader, steps, every, burn_in);
    }
    let (operator, settings) = operator?;
    let (noise, noise_settings) = noise?;
    let plan = ObservePlan {
        name: own.text("name").to_owned(),
        operator,
        settings,
        noise,
        noise_settings,
        initial: initial?,
        every,
        irregular: own.flag("irregular"),
        missing: own.number("missing"),
        withhold: own.number("withhold"),
        evaluate_only: own.indices("evaluate_only").to_vec(),
        not_used: own.indices("not_used").to_vec(),
        jumps: jumps(reader, &own, dim),
        steps,
        burn_in,
        replicates: own.count("replicates"),
        file: Some(own.text("file")).filter(|file| !file.is_empty()).map(PathBuf::from),
        variable: Some(own.text("variable")).filter(|name| !name.is_empty()).map(str::to_owned),
    };
    check_source(reader, &plan, system, data);
    let operator = dim.and_then(|dim| build(reader, &plan, dim));
    if let Some((key, what)) = plan.misplaced(operator.as_ref().map_or(usize::MAX, |operator| operator.dim())) {
        reader.wrong(key, what);
    }
    Some(CheckedNetwork { plan, operator })
}

fn check_times(reader: &Reader, steps: usize, every: usize, burn_in: usize) {
    if burn_in >= steps {
        let what = format!(
            "[observe]: `burn_in` is {burn_in} and `steps` {steps}, which leaves nothing to score; lower `burn_in`"
        );
        reader.wrong("burn_in", what);
    }
    if !steps.is_multiple_of(every) {
        let near = (steps / every).max(1) * every;
        let what =
            format!("[observe]: `steps` is {steps}, which is no multiple of `every` = {every}; set `steps` to {near}");
        reader.wrong("steps", what);
    }
}

fn check_source(reader: &Reader, plan: &ObservePlan, system: &Checked<SystemPlan>, data: Option<&DataPlan>) {
    let twin = plan.file.is_none();
    if twin && plan.variable.is_some() {
        reader.wrong("variable", "[observe] has `variable` without `file`; set `file` too, or remove it");
    }
    if twin && system.is_absent() {
        reader.wrong(
            "file",
            "[observe] is a twin experiment, which needs a [system] to make its truth; add one, or set `file`",
        );
    }
    if !twin && matches!(plan.initial, Initial::TruthSd(_)) {
        reader.wrong(
            "initial",
            "[observe]: `initial` is around the truth, but a `file` has none; set \"climatology\", or `mean` and `sd`",
        );
    }
    let of_twins = [("irregular", plan.irregular), ("missing", plan.missing > 0.0), ("jumps", !plan.jumps.is_empty())];
    if let Some((key, _)) = of_twins.into_iter().find(|(_, set)| *set && !twin) {
        let what =
            format!("[observe]: `{key}` is of a twin experiment; a `file` has its own times and gaps; remove it");
        reader.wrong(key, what);
    }
    if !twin && plan.replicates > 1 {
        reader.wrong("replicates", "[observe]: `replicates` are independent truths, but a `file` is one; remove it");
    }
    let has_states = !system.is_absent() || matches!(data.map(|data| &data.source), Some(DataSource::File(_)) | None);
    if matches!(plan.initial, Initial::Climatology) && !has_states {
        reader.wrong(
            "initial",
            "[observe]: `initial` = \"climatology\" needs a [system] or a [data] `file`; set `mean` and `sd` instead",
        );
    }
}

/// The rows of `jumps`.
fn jumps(reader: &Reader, own: &Settings, dim: Option<usize>) -> Vec<Jump> {
    let fits = |jump: &Jump| !matches!((jump.size, dim), (JumpSize::Some(_, count), Some(dim)) if count > dim);
    let read = own.rows("jumps").iter().map(|row| Jump::new(row).filter(fits));
    read.collect::<Option<_>>().unwrap_or_else(|| {
        let what = "[observe]: `jumps` must be rows [probability, size] or [probability, sd, components], each probability from \
                    0 to 1, no size below 0, and components from 1 to those of the state";
        reader.wrong("jumps", what);
        Vec::new()
    })
}

/// The operator's name and settings.
fn operator(reader: &Reader, dim: Option<usize>) -> Option<(String, Settings)> {
    let key = reader.key("operator");
    let empty = Table::default();
    let (name, table, place): (&str, &Table, &Place) = match reader.table.get("operator") {
        None => ("identity", &empty, reader.place),
        Some(Node { item: Item::Text(name), place }) => (name, &empty, place),
        Some(Node { item: Item::Table(table), place }) => {
            let inner = Reader { section: &OPERATOR, path: key.clone(), table, place, mistakes: reader.mistakes };
            inner.own()?;
            (table.text("name")?, table, place)
        }
        Some(node) => {
            let what = format!(
                "[observe]: `operator` is {}, but must be a name, or a table with a `name`",
                node.item.describe()
            );
            reader.wrong("operator", what);
            return None;
        }
    };
    let entry = entry(OPERATORS, "operator", name, place, &key, reader.mistakes)?;
    let inner = Reader { section: &OPERATOR, path: key, table, place, mistakes: reader.mistakes };
    inner.refuse_unknown(entry.params);
    let settings = inner.of_entry(&format!("operator `{name}`"), entry)?;
    let stride = settings.count("stride");
    if let Some(dim) = dim.filter(|dim| stride > *dim) {
        let what =
            format!("operator `{name}`: `stride` is {stride}, but a state has {dim} components; set at most {dim}");
        inner.wrong("stride", what);
    }
    Some((name.to_owned(), settings))
}

/// The law of the errors and its settings. A number or a list stands for the `sd` of a Gaussian, a word for a law.
fn noise(reader: &Reader) -> Option<(String, Settings)> {
    let mut table = Table::default();
    let place = reader.place_of("noise");
    match reader.table.get("noise") {
        Some(Node { item: Item::Table(given), .. }) => table = given.clone(),
        Some(node @ Node { item: Item::Text(_), .. }) => table.set("name", node.clone()),
        Some(node) => table.set("sd", node.clone()),
        None => {}
    }
    let key = reader.key("noise");
    let inner = Reader { section: &NOISE, path: key.clone(), table: &table, place, mistakes: reader.mistakes };
    let name = inner.own()?.text("name").to_owned();
    let entry = entry(NOISE_LAWS, "noise law", &name, place, &key, reader.mistakes)?;
    inner.refuse_unknown(entry.params);
    let settings = inner.of_entry("[observe]: noise", entry)?;
    // what the settings themselves forbid shows for as many values as they are given for
    let values = settings.iter().map(|(_, value)| length(value)).max().unwrap_or(1);
    if settings.floats("sd").is_empty() && table.get("sd").is_some() {
        inner.wrong("sd", "[observe]: `noise` is an empty list; give one number, or one for each observed value");
        return None;
    }
    if let Err(error) = (entry.build)(&settings, values) {
        reader.wrong("noise", format!("[observe]: noise `{name}`: {error}"));
        return None;
    }
    Some((name, settings))
}

fn initial(reader: &Reader, dim: Option<usize>) -> Option<Initial> {
    let forms = "\"climatology\", { truth_sd = s }, or { mean = [...], sd = s }";
    let Some(node) = reader.table.get("initial") else { return Some(Initial::Climatology) };
    let table = match &node.item {
        Item::Text(word) if word == "climatology" => return Some(Initial::Climatology),
        Item::Table(table) => table,
        other => {
            reader.wrong("initial", format!("[observe]: `initial` is {}, but must be {forms}", other.describe()));
            return None;
        }
    };
    let (place, path) = (&node.place, reader.key("initial"));
    let inner = Reader { section: &INITIAL, path, table, place, mistakes: reader.mistakes };
    inner.refuse_unknown(&[]);
    let own = inner.own()?;
    match (own.optional_number("truth_sd"), own.has("mean"), own.has("sd")) {
        (Some(sd), false, false) => Some(Initial::TruthSd(sd)),
        (None, true, true) => {
            let (mean, sd) = (own.floats("mean").to_vec(), own.floats("sd").to_vec());
            if sd.iter().any(|sd| *sd <= 0.0) {
                inner.wrong("sd", "[observe.initial]: every `sd` must be above 0");
            }
            check_length(&inner, "mean", mean.len(), dim);
            check_length(&inner, "sd", sd.len(), dim);
            Some(Initial::Gaussian { mean, sd })
        }
        _ => {
            inner.wrong("", format!("[observe]: `initial` must be {forms}"));
            None
        }
    }
}

fn check_length(reader: &Reader, key: &str, length: usize, dim: Option<usize>) {
    let fits = length == 1 || dim.is_none_or(|dim| length == dim) && length > 0;
    if !fits {
        let dim = dim.map_or_else(String::new, |dim| format!(", or {dim}, one for each component"));
        let what = format!("[observe.initial]: `{key}` has {length} values; give 1 for all components{dim}");
        reader.wrong(key, what);
    }
}

/// Builds the operator, so that what it says about its settings and the state's dimension comes now.
fn build(reader: &Reader, plan: &ObservePlan, dim: usize) -> Option<Box<dyn ObservationOperator>> {
    match plan.build(dim) {
        Ok(operator) => Some(operator),
        Err(error) => {
            let key = if matches!(error, assimilation::Error::Shape(_))
                && plan.noise_settings.iter().any(|(_, value)| length(value) > 1)
            {
                "noise"
            } else {
                "operator"
            };
            reader.wrong(key, error.to_string());
            None
        }
    }
}

/// The number of observed values that a setting is for: 1 where it serves any number.
fn length(value: &Value) -> usize {
    match value {
        Value::Floats(list) => list.len().max(1),
        Value::Rows(rows) => rows.len().max(1),
        _ => 1,
    }
}
