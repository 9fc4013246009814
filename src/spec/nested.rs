//! A setting whose value is a system: its name, or a table with its `name` and settings, which may hold systems in turn.

use std::collections::BTreeMap;

use super::document::{Item, Node};
use super::keys::SYSTEM;
use super::mistake::Mistakes;
use super::read::{Reader, entry};
use crate::systems::catalogue::SYSTEMS;
use crate::systems::registry::Value;

/// The value of `key`, whose full name is `path`, in the settings of `owner`. Its mistakes are noted, and defaults taken
/// for them; none where the system itself is not known.
pub fn system(node: &Node, owner: &str, key: &str, path: String, mistakes: &Mistakes) -> Option<Value> {
    match &node.item {
        Item::Text(name) => {
            entry(SYSTEMS, "system", name, &node.place, &path, mistakes)?;
            Some(Value::System { name: name.clone(), settings: BTreeMap::new() })
        }
        Item::Table(table) => {
            let reader = Reader { section: &SYSTEM, path, table, place: &node.place, mistakes };
            let own = reader.own()?;
            let name = own.text("name");
            let known = entry(SYSTEMS, "system", name, reader.place_of("name"), &reader.key("name"), mistakes)?;
            reader.refuse_unknown(known.params);
            let settings = reader.of_entry(&format!("system `{name}`"), known)?;
            Some(Value::System { name: name.to_owned(), settings: settings.values().clone() })
        }
        other => {
            let form = "a system: its name, or a table with its `name` and settings";
            mistakes.add(&node.place, path, format!("{owner}: `{key}` is {}, but must be {form}", other.describe()));
            None
        }
    }
}
