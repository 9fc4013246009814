//! What every part of the check is given: the tree, where mistakes go, and what became of a section.

use std::path::Path;

use super::super::document::{Item, Node, Place, Table};
use super::super::keys::{SECTIONS, Section, TOP};
use super::super::mistake::Mistakes;
use super::super::read::{Reader, remedy};

/// What says the kind of the forecaster in a model's file, where it can be read.
pub type KindOfModel<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// A section that may be missing, or wrong.
pub(super) enum Checked<T> {
    /// The file does not have it.
    Absent,
    /// It is there, with mistakes.
    Broken,
    /// It is there and right.
    Good(T),
}

impl<T> Checked<T> {
    pub(super) fn from_checked(checked: Option<T>) -> Self {
        checked.map_or(Self::Broken, Self::Good)
    }

    pub(super) fn good(&self) -> Option<&T> {
        match self {
            Self::Good(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The whole tree, and where mistakes go.
pub(super) struct Context<'a> {
    pub(super) root: &'a Table,
    pub(super) place: &'a Place,
    pub(super) mistakes: &'a Mistakes,
    /// The kind of the forecaster in a model's file.
    pub(super) kind_of_model: KindOfModel<'a>,
    /// Whether what is said of scores is looked at.
    pub(super) scored: bool,
}

impl<'a> Context<'a> {
    /// The reader of a section that comes at most once.
    pub(super) fn one(&self, section: &'a Section) -> Option<Reader<'a>> {
        let node = self.root.get(section.name)?;
        let reader = self.reader(section, node, section.name.to_owned());
        if reader.is_none() {
            let what = format!("`{0}` must be a section [{0}], but is {1}", section.name, node.item.describe());
            self.mistakes.add(&node.place, section.name, what);
        }
        reader
    }

    /// The readers of a section that may come several times.
    pub(super) fn many(&self, section: &'a Section) -> Vec<Reader<'a>> {
        let Some(node) = self.root.get(section.name) else { return Vec::new() };
        let nodes = match &node.item {
            Item::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let path = |index| if nodes.len() > 1 { format!("{}.{index}", section.name) } else { section.name.to_owned() };
        let mut readers = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            match self.reader(section, node, path(index)) {
                Some(reader) => readers.push(reader),
                None => {
                    let what =
                        format!("`{0}` must be sections [[{0}]], but is {1}", section.name, node.item.describe());
                    self.mistakes.add(&node.place, section.name, what);
                }
            }
        }
        readers
    }

    fn reader(&self, section: &'a Section, node: &'a Node, path: String) -> Option<Reader<'a>> {
        let Item::Table(table) = &node.item else { return None };
        Some(Reader { section, path, table, place: &node.place, mistakes: self.mistakes })
    }

    pub(super) fn refuse_unknown_sections(&self) {
        let known: Vec<&str> = TOP.keys().chain(SECTIONS.iter().map(|section| section.name)).collect();
        for (key, node) in self.root.entries.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let kind = match node.item {
                Item::Table(_) | Item::List(_) => "section",
                _ => "key",
            };
            let hint = remedy(key, &known);
            self.mistakes.add(&node.place, key, format!("unknown {kind} `{key}`; {hint}"));
        }
    }
}
