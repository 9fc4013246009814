//! From the tree of what was typed to a [`Plan`]: section by section, then what sections must agree on.
//!
//! A section with a mistake in it is checked on with defaults where that makes sense, so that all mistakes come at
//! once; what depends on a broken section is left unchecked, so that one mistake is told once.

mod assimilate;
mod compatible;
mod data;
mod estimate;
mod expected;
mod forecasters;
mod observe;
mod score;
mod system;

pub(super) use estimate::{ESTIMATE, find as setting};
pub(super) use observe::{INITIAL, NOISE, OPERATOR};

use super::document::{Item, Node, Place, Table};
use super::keys::{SECTIONS, Section, TOP};
use super::mistake::Mistakes;
use super::plan::Plan;
use super::read::{Reader, remedy};
use super::resolved;

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
    fn from_checked(checked: Option<T>) -> Self {
        checked.map_or(Self::Broken, Self::Good)
    }

    fn good(&self) -> Option<&T> {
        match self {
            Self::Good(value) => Some(value),
            _ => None,
        }
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The whole tree, and where mistakes go.
pub(super) struct Context<'a> {
    root: &'a Table,
    place: &'a Place,
    mistakes: &'a Mistakes,
}

impl<'a> Context<'a> {
    /// The reader of a section that comes at most once.
    fn one(&self, section: &'a Section) -> Option<Reader<'a>> {
        let node = self.root.get(section.name)?;
        let reader = self.reader(section, node, section.name.to_owned());
        if reader.is_none() {
            let what = format!("`{0}` must be a section [{0}], but is {1}", section.name, node.item.describe());
            self.mistakes.add(&node.place, section.name, what);
        }
        reader
    }

    /// The readers of a section that may come several times.
    fn many(&self, section: &'a Section) -> Vec<Reader<'a>> {
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

    fn refuse_unknown_sections(&self) {
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

/// Checks the tree of a whole experiment. None exactly if there are mistakes.
pub(super) fn run(root: &Table, place: &Place, origin: &str, mistakes: &Mistakes) -> Option<Plan> {
    let cx = Context { root, place, mistakes };
    cx.refuse_unknown_sections();
    let top = Reader { section: &TOP, path: String::new(), table: root, place, mistakes }.own();
    let system = system::check(&cx);
    let data = data::check(&cx, &system);
    let perfect = system::perfect(&cx, &system, data.as_ref());
    let declared = forecasters::check(&cx, &system);
    let dim = system.good().map(|plan| plan.system.dim());
    let networks = observe::check(&cx, &system, data.as_ref());
    let no_perfect = system::no_perfect(&system);
    let rows = assimilate::check(&cx, &system, &declared, &networks, no_perfect, data.as_ref().map(|data| data.layout));
    let expected = expected::check(&cx, &rows);
    let scored = score::check(&cx, &declared, data.as_ref(), no_perfect);
    for row in &rows {
        compatible::check(&cx, row, &declared, perfect.as_deref(), &networks, dim);
    }
    let (score, forecast) = scored?;
    expected::check_metrics(&cx, &score, &expected);
    let forecasters = forecasters::with_baselines(&cx, declared, &rows, &forecast, no_perfect);
    data::check_split(&cx, data.as_ref(), &forecasters, &forecast);
    if mistakes.count() > 0 {
        return None;
    }
    let top = top?;
    let named = Some(top.text("name")).filter(|name| !name.is_empty()).map_or_else(|| stem(origin), str::to_owned);
    let mut plan = Plan {
        name: named,
        seed: top.count("seed") as u64,
        system: match system {
            Checked::Good(system) => Some(system),
            _ => None,
        },
        data: data?,
        forecasters,
        forecast,
        observe: networks.into_iter().map(|network| network.plan).collect(),
        assimilate: rows.into_iter().map(|row| row.plan).collect(),
        expected,
        score,
        resolved: String::new(),
    };
    plan.resolved = resolved::toml(&plan);
    Some(plan)
}

/// The file's stem, or the preset's name.
fn stem(origin: &str) -> String {
    let path = std::path::Path::new(origin);
    path.file_stem().map_or_else(|| origin.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
