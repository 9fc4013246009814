//! A plan as TOML with every default filled in. Checking the text gives the plan again.

use super::hold::Hold;
use super::layout::Layout;
use super::plan::{DataSource, ExpectedPlan, ForecasterPlan, Initial, ObservePlan, Plan, SecondsBudget};
use crate::assimilation::augment::{Parameter, Scale};
use crate::systems::registry::{Settings, Value};

/// The resolved experiment.
pub(super) fn toml(plan: &Plan) -> String {
    let mut out = Writer(String::new());
    out.text("name", &plan.name);
    out.line("seed", &plan.seed.to_string());
    if let Some(system) = &plan.system {
        out.header("[system]");
        out.text("name", &system.name);
        out.settings(&system.settings);
    }
    data(&mut out, plan);
    // one section stands for all seeds of a forecaster, and a row for those of each
    let pooled = |label: &str| plan.forecasters.iter().any(|one| one.pool && one.label == label);
    let told = |one: &&ForecasterPlan| one.seed_of.as_ref().is_none_or(|(label, index)| *index == 0 && !pooled(label));
    for forecaster in plan.forecasters.iter().filter(told) {
        out.header("[[forecaster]]");
        out.text("name", forecaster.reported());
        if !forecaster.kind.is_empty() {
            out.text("kind", &forecaster.kind);
        }
        if let Some(model) = &forecaster.model {
            out.text("model", &model.to_string_lossy());
        }
        if forecaster.seeds > 1 {
            out.line("seeds", &forecaster.seeds.to_string());
            out.line("pool", &forecaster.pool.to_string());
        }
        // steps that are yet to be found by a measurement
        let sought = plan.seconds.as_ref().is_some_and(|seconds| seconds.sets(forecaster));
        forecaster.settings.iter().filter(|(key, _)| !sought || *key != "steps").for_each(|(key, setting)| {
            out.line(key, &value(setting));
        });
    }
    if let Some(seconds) = &plan.seconds {
        out.header("[budget]");
        out.text("by", "seconds");
        match seconds {
            SecondsBudget::Value(value) => out.line("value", &number(*value)),
            SecondsBudget::Like(label) => out.text("like", label),
        }
    }
    plan.observe.iter().for_each(|network| observe(&mut out, network));
    for row in plan.assimilate.iter().filter(|row| row.is_first_seed()) {
        out.header("[[assimilate]]");
        out.text("method", &row.method);
        out.text("label", row.reported());
        out.text("forecaster", plan.reported(&row.forecaster));
        out.text("observe", &row.observe);
        out.line("run_steps", &row.steps.to_string());
        out.line("replicates", &row.replicates.to_string());
        if !row.estimate.is_empty() {
            out.line("estimate", &list(row.estimate.iter().map(parameter)));
        }
        out.settings(&row.settings);
    }
    plan.expected.iter().for_each(|expected| known(&mut out, expected));
    out.header("[score]");
    out.words("metrics", &plan.score.metrics);
    let mut forecast: Vec<String> = plan.forecast.iter().map(|label| plan.reported(label).to_owned()).collect();
    forecast.dedup();
    out.words("forecasters", &forecast);
    out.line("lead_steps", &plan.score.lead_steps.to_string());
    out.line("members", &plan.score.members.to_string());
    out.line("starts", &plan.score.starts.to_string());
    if !plan.score.against.is_empty() {
        out.words("against", &plan.score.against);
    }
    out.0
}

fn data(out: &mut Writer, plan: &Plan) {
    out.header("[data]");
    match &plan.data.source {
        DataSource::Simulated { trajectories, steps, spin_up } => {
            out.line("trajectories", &trajectories.to_string());
            out.line("steps", &steps.to_string());
            out.line("spin_up", &spin_up.to_string());
        }
        DataSource::File(file) => {
            out.text("file", &file.to_string_lossy());
            if let Some(variable) = &plan.data.variable {
                out.text("variable", variable);
            }
        }
    }
    // what may be left to the machine says nothing of the experiment
    if plan.data.hold != Hold::Auto {
        out.text("hold", plan.data.hold.word());
    }
    if let Layout::Word(word) = plan.data.layout {
        out.text("geometry", word);
        if plan.data.columns > 0 {
            out.line("columns", &plan.data.columns.to_string());
        }
    }
    let stepping = &plan.data.stepping;
    out.line("dt", &number(stepping.dt));
    out.line("substeps", &stepping.substeps.to_string());
    out.text("integrator", &stepping.integrator);
    out.line("split", &numbers(&plan.data.split));
}

fn observe(out: &mut Writer, network: &ObservePlan) {
    out.header("[[observe]]");
    out.text("name", &network.name);
    out.line("operator", &named(&network.operator, network.settings.iter()));
    out.line("noise", &named(&network.noise, network.noise_settings.iter()));
    let initial = match &network.initial {
        Initial::Climatology => quoted("climatology"),
        Initial::TruthSd(sd) => format!("{{ truth_sd = {} }}", number(*sd)),
        Initial::Gaussian { mean, sd } => format!("{{ mean = {}, sd = {} }}", one_or_many(mean), one_or_many(sd)),
    };
    out.line("initial", &initial);
    out.line("every", &network.every.to_string());
    if network.file.is_none() {
        out.line("irregular", &network.irregular.to_string());
        out.line("missing", &number(network.missing));
        if !network.jumps.is_empty() {
            out.line("jumps", &list(network.jumps.iter().map(|jump| numbers(&jump.row()))));
        }
    }
    if network.withhold > 0.0 {
        out.line("withhold", &number(network.withhold));
    }
    for (key, indices) in [("evaluate_only", &network.evaluate_only), ("not_used", &network.not_used)] {
        if !indices.is_empty() {
            out.line(key, &list(indices.iter().map(usize::to_string)));
        }
    }
    out.line("steps", &network.steps.to_string());
    out.line("burn_in", &network.burn_in.to_string());
    out.line("replicates", &network.replicates.to_string());
    if let Some(file) = &network.file {
        out.text("file", &file.to_string_lossy());
        network.variable.iter().for_each(|variable| out.text("variable", variable));
    }
}

fn parameter(of: &Parameter) -> String {
    let scale = match of.scale {
        Scale::Linear => "linear",
        Scale::Log => "log",
    };
    format!(
        "{{ parameter = {}, mean = {}, sd = {}, scale = {}, walk = {} }}",
        quoted(&of.name),
        number(of.value(of.mean)),
        number(of.sd),
        quoted(scale),
        number(of.walk)
    )
}

fn known(out: &mut Writer, expected: &ExpectedPlan) {
    out.header("[[expected]]");
    out.text("row", &expected.row);
    let beside = expected.beside.iter().map(|(key, value)| (*key, Some(*value)));
    let judged = [("rmse", expected.rmse), ("se", expected.se), ("published", expected.published)];
    for (key, value) in judged.into_iter().chain(beside) {
        if let Some(value) = value {
            out.line(key, &number(value));
        }
    }
    out.line("diverged", &expected.diverged.to_string());
    out.line("runs", &expected.runs.to_string());
    for (key, text) in [("source", &expected.source), ("explained", &expected.explained)] {
        if !text.is_empty() {
            out.text(key, text);
        }
    }
}

struct Writer(String);

impl Writer {
    fn header(&mut self, title: &str) {
        self.0.push_str(&format!("\n{title}\n"));
    }

    fn line(&mut self, key: &str, value: &str) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.line(key, &quoted(text));
    }

    fn words(&mut self, key: &str, words: &[String]) {
        self.line(key, &list(words.iter().map(|word| quoted(word))));
    }

    fn settings(&mut self, settings: &Settings) {
        settings.iter().for_each(|(key, setting)| self.line(key, &value(setting)));
    }
}

fn value(setting: &Value) -> String {
    match setting {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => number(*value),
        Value::Text(text) => quoted(text),
        Value::Floats(values) => numbers(values),
        Value::Rows(rows) => list(rows.iter().map(|row| numbers(row))),
        Value::Words(words) => list(words.iter().map(|word| quoted(word))),
        Value::Indices(indices) => list(indices.iter().map(usize::to_string)),
        Value::System { name, settings } => named(name, settings.iter().map(|(key, setting)| (key.as_str(), setting))),
    }
}

/// An entry with its settings as an inline table.
fn named<'a>(name: &str, settings: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let settings = settings.map(|(key, setting)| format!(", {key} = {}", value(setting)));
    format!("{{ name = {}{} }}", quoted(name), settings.collect::<String>())
}

/// A TOML string, escaped as TOML wants it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The shortest text that reads back as the same number.
fn number(value: f64) -> String {
    format!("{value:?}")
}

fn numbers(values: &[f64]) -> String {
    list(values.iter().map(|value| number(*value)))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn one_or_many(values: &[f64]) -> String {
    match values {
        [one] => number(*one),
        many => numbers(many),
    }
}
