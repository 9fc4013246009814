//! `scorecast list`: everything that an experiment can name, from the registries.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::facts::{fact, facts, needs, usual};
use super::matrix;
use scorecast::assimilation::method::MethodBuild;
use scorecast::assimilation::{METHODS, NOISE_LAWS, OPERATORS};
use scorecast::failure::Result;
use scorecast::forecast::FORECASTERS;
use scorecast::score::METRICS;
use scorecast::spec::PRESETS;
use scorecast::spec::keys::expected;
use scorecast::spec::suites::SUITES;
use scorecast::stage::Finished;
use scorecast::systems::Entry;
use scorecast::systems::catalogue::{DefaultStepping, SYSTEMS};
use scorecast::systems::registry::{DefaultValue, Param};

/// List what an experiment can name: systems, forecasters, methods, operators, noise laws, metrics, presets
#[derive(clap::Args)]
pub(super) struct Args {
    /// One kind alone
    what: Option<What>,

    /// Which method runs with which forecaster, and why others do not
    #[arg(long, conflicts_with = "what")]
    matrix: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Systems,
    Forecasters,
    Methods,
    Operators,
    NoiseLaws,
    Metrics,
    Presets,
}

impl What {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn items(self) -> Vec<Item> {
        match self {
            Self::Systems => systems(),
            Self::Forecasters => items(FORECASTERS),
            Self::Methods => methods(),
            Self::Operators => items(OPERATORS),
            Self::NoiseLaws => items(NOISE_LAWS),
            Self::Metrics => items(METRICS),
            Self::Presets => PRESETS
                .iter()
                .map(|preset| (preset.name, preset.about))
                .chain(SUITES.iter().map(|suite| (suite.name, suite.about)))
                .map(|(name, about)| Item { name, about, reference: "", params: &[], usual: None, facts: Map::new() })
                .collect(),
        }
    }
}

/// An entry of any registry, without how it is built.
struct Item {
    name: &'static str,
    about: &'static str,
    reference: &'static str,
    params: &'static [Param],
    /// How a system is usually stepped.
    usual: Option<String>,
    /// What else is known of it: keys and values.
    facts: Map<String, Value>,
}

fn items<B>(entries: &'static [Entry<B>]) -> Vec<Item> {
    let item = |entry: &Entry<B>| Item {
        name: entry.name,
        about: entry.about,
        reference: entry.reference,
        params: entry.params,
        usual: None,
        facts: Map::new(),
    };
    entries.iter().map(item).collect()
}

/// The systems with what is known of each at its default settings.
fn systems() -> Vec<Item> {
    let with_facts = |(item, entry): (Item, &Entry<DefaultStepping>)| Item {
        usual: Some(usual(entry)),
        facts: facts(entry),
        ..item
    };
    items(SYSTEMS).into_iter().zip(SYSTEMS).map(with_facts).collect()
}

/// The methods with what each needs.
fn methods() -> Vec<Item> {
    let with_needs = |(item, entry): (Item, &Entry<MethodBuild>)| Item { facts: needs(&entry.build), ..item };
    items(METHODS).into_iter().zip(METHODS).map(with_needs).collect()
}

pub(super) fn run(args: &Args) -> Result<Finished> {
    if args.matrix {
        return matrix::run();
    }
    let all = What::value_variants().iter().copied();
    let kinds: Vec<What> = all.filter(|kind| args.what.is_none_or(|what| what == *kind)).collect();
    let mut text = String::new();
    let mut result = Map::new();
    for kind in kinds {
        let items = kind.items();
        text.push_str(&format!("{}\n", kind.name()));
        items.iter().for_each(|item| text.push_str(&paragraph(item)));
        text.push('\n');
        result.insert(kind.name(), items.iter().map(object).collect());
    }
    Ok(Finished { result: Value::Object(result), text })
}

/// The name, then its settings, one a line.
fn paragraph(item: &Item) -> String {
    let mut text = format!("  {:<14} {}\n", item.name, item.about);
    if !item.reference.is_empty() {
        text.push_str(&format!("  {:<14} [{}]\n", "", item.reference));
    }
    if let Some(usual) = &item.usual {
        text.push_str(&format!("  {:<14} [data]: {usual}\n", ""));
    }
    let facts: Vec<String> = item.facts.iter().filter_map(|(key, value)| fact(key, value)).collect();
    if !facts.is_empty() {
        text.push_str(&format!("  {:<14} {}\n", "", facts.join(", ")));
    }
    for param in item.params {
        let default = default_text(param.default);
        text.push_str(&format!("      {:<16} {:<14} {} ({})\n", param.key, default, param.about, expected(param.kind)));
    }
    text
}

fn default_text(default: DefaultValue) -> String {
    match default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::Unset => "unset".to_owned(),
        DefaultValue::Bool(value) => format!("= {value}"),
        DefaultValue::Int(value) => format!("= {value}"),
        DefaultValue::Float(value) => format!("= {value}"),
        DefaultValue::Text(value) => format!("= {value}"),
        DefaultValue::Floats(values) => format!("= {values:?}"),
    }
}

fn object(item: &Item) -> Value {
    let params: Vec<Value> = item.params.iter().map(param_object).collect();
    let mut object = json!({"name": item.name, "about": item.about, "reference": item.reference, "params": params});
    if let Value::Object(object) = &mut object {
        object.extend(item.facts.clone());
    }
    object
}

fn param_object(param: &Param) -> Value {
    let default = match param.default {
        DefaultValue::Required | DefaultValue::Unset => Value::Null,
        DefaultValue::Bool(value) => json!(value),
        DefaultValue::Int(value) => json!(value),
        DefaultValue::Float(value) => json!(value),
        DefaultValue::Text(value) => json!(value),
        DefaultValue::Floats(values) => json!(values),
    };
    json!({
        "key": param.key, "about": param.about, "type": expected(param.kind), "default": default,
        "required": param.default == DefaultValue::Required,
    })
}
