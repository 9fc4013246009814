//! Reads one section's table against its known keys: what is unknown, wrong or missing becomes a mistake at its line.

use std::collections::BTreeMap;

use super::document::{Item, Node, Place, Table};
use super::keys::{SYSTEM, Section};
use super::mistake::Mistakes;
use super::nested;
use crate::systems::registry::{Param, ParamKind, Settings, Value, nearest};
use crate::systems::{Entry, Error, catalogue};

/// A table that is being read: the section it belongs to, where it stands, and where mistakes go.
pub struct Reader<'a> {
    /// The section.
    pub section: &'a Section,
    /// The path of the table, such as `forecaster.ar`; empty at the top.
    pub path: String,
    /// The table.
    pub table: &'a Table,
    /// Where it was written.
    pub place: &'a Place,
    /// Where mistakes go.
    pub mistakes: &'a Mistakes,
}

impl<'a> Reader<'a> {
    /// How the table is written: as its section, or as what it is the settings of.
    pub fn title(&self) -> String {
        if self.section.name == SYSTEM.name { format!("[{}]", self.path) } else { self.section.title() }
    }

    /// The place of a key, or of a path of keys, as far as it is there.
    pub fn place_of(&self, key: &str) -> &'a Place {
        place_in(self.table, key, self.place)
    }

    /// Notes a mistake about a key of this table.
    pub fn wrong(&self, key: &str, message: impl Into<String>) {
        self.mistakes.add(self.place_of(key), self.key(key), message);
    }

    /// The full name of a key of this table.
    pub fn key(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// Notes every key that neither the section nor `extra` knows.
    pub fn refuse_unknown(&self, extra: &[Param]) {
        let known: Vec<&str> = self.section.keys().chain(extra.iter().map(|param| param.key)).collect();
        for (key, node) in &self.table.entries {
            if !known.contains(&key.as_str()) {
                let hint = nearest(key, known.iter().copied()).map_or_else(
                    || format!("; it has {}", known.join(", ")),
                    |name| format!("; did you mean `{name}`?"),
                );
                let what = format!("{} has no key `{key}`{hint}", self.title());
                self.mistakes.add(&node.place, self.key(key), what);
            }
        }
    }

    /// The section's own plain settings. None only if a required one is missing.
    pub fn own(&self) -> Option<Settings> {
        settings(self.table, &self.title(), self.section.params, self.place, &self.path, self.mistakes)
    }

    /// The settings of the entry that the section names, from the same table.
    pub fn of_entry<B>(&self, owner: &str, entry: &Entry<B>) -> Option<Settings> {
        settings(self.table, owner, entry.params, self.place, &self.path, self.mistakes)
    }

    /// A list of words from a key that takes a word or a list of words.
    pub fn words(&self, key: &str) -> Option<Vec<(String, &'a Place)>> {
        let node = self.table.get(key)?;
        let refuse = |node: &Node| {
            let what = format!(
                "{}: `{key}` is {}, but must be a word or a list of words",
                self.section.title(),
                node.item.describe()
            );
            self.mistakes.add(&node.place, self.key(key), what);
        };
        match &node.item {
            Item::Text(word) => Some(vec![(word.clone(), &node.place)]),
            Item::List(items) => Some(
                items
                    .iter()
                    .filter_map(|item| match &item.item {
                        Item::Text(word) => Some((word.clone(), &item.place)),
                        _ => {
                            refuse(item);
                            None
                        }
                    })
                    .collect(),
            ),
            _ => {
                refuse(node);
                None
            }
        }
    }
}

/// Checks those keys of `table` that `params` knows. A wrong value is noted and its default taken, so that what depends
/// on it can be checked all the same; none only if a required setting is missing.
pub fn settings(
    table: &Table,
    owner: &str,
    params: &[Param],
    place: &Place,
    path: &str,
    mistakes: &Mistakes,
) -> Option<Settings> {
    let place_of = |key: &str| table.get(key).map_or(place, |node| &node.place);
    let full = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let mut given = BTreeMap::new();
    for (key, node) in &table.entries {
        let Some(param) = params.iter().find(|param| param.key == key) else { continue };
        if param.kind == ParamKind::System {
            given.extend(nested::system(node, owner, key, full(key), mistakes).map(|value| (key.clone(), value)));
            continue;
        }
        match value(&node.item) {
            Some(value) => {
                given.insert(key.clone(), value);
            }
            None => {
                let what = format!("{owner}: `{key}` is {}, which no setting takes", node.item.describe());
                mistakes.add(&node.place, full(key), what);
            }
        }
    }
    let wrong = match Settings::check_among(owner, params, &given, catalogue::check) {
        Ok(settings) => return Some(settings),
        Err(wrong) => wrong,
    };
    for error in wrong {
        let key = key_of(&error).unwrap_or_default();
        mistakes.add(place_of(&key), full(&key), error.to_string());
        given.remove(&key);
    }
    Settings::check_among(owner, params, &given, catalogue::check).ok()
}

/// The setting that an error is about, if it is about one.
pub fn key_of(error: &Error) -> Option<String> {
    match error {
        Error::Setting { key, .. } | Error::UnknownSetting { key, .. } => Some(key.clone()),
        _ => None,
    }
}

/// A TOML value as the value of a setting.
pub fn value(item: &Item) -> Option<Value> {
    match item {
        Item::Bool(value) => Some(Value::Bool(*value)),
        Item::Int(value) => Some(Value::Int(*value)),
        Item::Float(value) => Some(Value::Float(*value)),
        Item::Text(text) => Some(Value::Text(text.clone())),
        Item::List(items) if items.first().is_some_and(|first| matches!(first.item, Item::List(_))) => {
            items.iter().map(|row| numbers(&row.item)).collect::<Option<_>>().map(Value::Rows)
        }
        Item::List(items) if items.first().is_some_and(|first| first.item.as_text().is_some()) => {
            items.iter().map(|word| word.item.as_text().map(str::to_owned)).collect::<Option<_>>().map(Value::Words)
        }
        Item::List(_) => numbers(item).map(Value::Floats),
        Item::Table(_) | Item::Other(_) => None,
    }
}

/// The place of the deepest key of a path `a.b.c` that is there.
fn place_in<'a>(table: &'a Table, path: &str, otherwise: &'a Place) -> &'a Place {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    match (table.get(key), rest) {
        (Some(Node { item: Item::Table(inner), place }), Some(rest)) => place_in(inner, rest, place),
        (found, _) => found.map_or(otherwise, |node| &node.place),
    }
}

/// A list of numbers.
fn numbers(item: &Item) -> Option<Vec<f64>> {
    let Item::List(items) = item else { return None };
    items
        .iter()
        .map(|item| match item.item {
            Item::Int(value) => Some(value as f64),
            Item::Float(value) => Some(value),
            _ => None,
        })
        .collect()
}

/// What to say of a name that is none of those known: the one that it most likely means, or all of them.
pub fn remedy(name: &str, known: &[&str]) -> String {
    nearest(name, known.iter().copied())
        .map_or_else(|| format!("there are {}", known.join(", ")), |near| format!("did you mean `{near}`?"))
}

/// Finds the entry that a name means, or notes the mistake.
pub fn entry<B>(
    registry: &'static [Entry<B>],
    what: &'static str,
    name: &str,
    place: &Place,
    key: &str,
    mistakes: &Mistakes,
) -> Option<&'static Entry<B>> {
    match crate::systems::registry::find(registry, what, name) {
        Ok(entry) => Some(entry),
        Err(error) => {
            let mut message = error.to_string();
            if !message.ends_with('?') {
                let known: Vec<&str> = registry.iter().map(|entry| entry.name).collect();
                message = format!("{message}; there are {}", known.join(", "));
            }
            mistakes.add(place, key, message);
            None
        }
    }
}
