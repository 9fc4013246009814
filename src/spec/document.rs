//! A TOML text as a tree that remembers where everything was written, so that each mistake can say its line.

use std::fmt;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::mistake::Mistakes;

/// Where something was written: a line of a file, or an override on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, or the override as it was typed.
    pub origin: Arc<str>,
    /// The line, counted from 1; none for an override.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.origin),
            None => f.write_str(&self.origin),
        }
    }
}

/// A value and where it was written; the value of a key stands at its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub item: Item,
    /// Where it was written.
    pub place: Place,
}

/// A TOML value.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// true or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// An array, or an array of tables.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// Something that no setting takes, described: a date, an integer beyond 64 bits.
    Other(String),
}

/// A table, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The keys and their values.
    pub entries: Vec<(String, Node)>,
}

impl Table {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, node)| node)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(known, _)| known == key).map(|(_, node)| node)
    }

    /// Sets a key, in its old position if it is there already.
    pub fn set(&mut self, key: &str, node: Node) {
        match self.get_mut(key) {
            Some(old) => *old = node,
            None => self.entries.push((key.to_owned(), node)),
        }
    }

    /// The text of a key, if it is there and is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(|node| node.item.as_text())
    }
}

impl Item {
    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, as a phrase for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => format!("\"{text}\""),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Table(_) => "a table".to_owned(),
            Self::Other(what) => what.clone(),
        }
    }
}

/// Parses a text. Every syntax error is a mistake with its line; then there is no tree.
pub fn parse(text: &str, origin: &str, mistakes: &Mistakes) -> Option<Node> {
    let source = Source::new(Arc::from(origin), text);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = source.place(error.span().map_or(text.len(), |span| span.start));
        mistakes.add(&place, "", format!("this is not TOML: {}", error.message().trim_end_matches('\n')));
    }
    if !errors.is_empty() {
        return None;
    }
    Some(Node { item: Item::Table(source.table(root.get_ref())), place: source.place(0) })
}

/// Parses the value of an override: TOML where it is TOML, otherwise text.
pub fn parse_value(text: &str, place: &Place) -> Node {
    let (value, errors) = DeValue::parse_recoverable(text);
    let source = Source::new(place.origin.clone(), text);
    let mut item = source.item(value.get_ref());
    if !errors.is_empty() || matches!(item, Item::Other(_)) {
        item = Item::Text(text.to_owned());
    }
    let mut node = Node { item, place: place.clone() };
    move_to(&mut node, place);
    node
}

fn move_to(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.item {
        Item::List(items) => items.iter_mut().for_each(|item| move_to(item, place)),
        Item::Table(table) => table.entries.iter_mut().for_each(|(_, item)| move_to(item, place)),
        _ => {}
    }
}

struct Source {
    origin: Arc<str>,
    /// Where lines end: a text may have as many values as an array has numbers, and each looks for its line.
    ends: Vec<usize>,
}

impl Source {
    fn new(origin: Arc<str>, text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset);
        Self { origin, ends: ends.collect() }
    }

    fn place(&self, offset: usize) -> Place {
        let line = 1 + self.ends.partition_point(|end| *end < offset);
        Place { origin: self.origin.clone(), line: Some(line) }
    }

    fn table(&self, table: &DeTable) -> Table {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let node = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue>)| Node {
            item: self.item(value.get_ref()),
            place: self.place(<toml::Spanned<std::borrow::Cow<str>>>::span(key).start),
        };
        Table { entries: entries.into_iter().map(|pair| (pair.0.get_ref().to_string(), node(pair))).collect() }
    }

    fn item(&self, value: &DeValue) -> Item {
        match value {
            DeValue::Boolean(value) => Item::Bool(*value),
            DeValue::String(text) => Item::Text(text.to_string()),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or_else(|_| Item::Other(format!("{digits}, which is beyond 64 bits")), Item::Int),
            DeValue::Float(digits) => {
                digits.as_str().parse().map_or_else(|_| Item::Other(format!("{digits}")), Item::Float)
            }
            DeValue::Datetime(date) => Item::Other(format!("the date {date}")),
            DeValue::Array(items) => Item::List(
                items
                    .iter()
                    .map(|item| Node { item: self.item(item.get_ref()), place: self.place(item.span().start) })
                    .collect(),
            ),
            DeValue::Table(table) => Item::Table(self.table(table)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Table {
        let mistakes = Mistakes::default();
        match parse(text, "x.toml", &mistakes).unwrap().item {
            Item::Table(table) => table,
            _ => unreachable!(),
        }
    }

    #[test]
    fn each_key_and_each_table_of_an_array_knows_its_line() {
        let root =
            tree("seed = 1\n\n[system]\nname = \"ou\"\n[[forecaster]]\nname = \"a\"\n\n[[forecaster]]\nkind = 2\n");
        let line = |node: &Node| node.place.line.unwrap();
        assert_eq!(
            root.entries.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
            ["seed", "system", "forecaster"]
        );
        assert_eq!(line(root.get("system").unwrap()), 3);
        let Item::List(forecasters) = &root.get("forecaster").unwrap().item else { panic!("not a list") };
        assert_eq!(forecasters.iter().map(line).collect::<Vec<_>>(), [5, 8]);
        let Item::Table(second) = &forecasters[1].item else { panic!("not a table") };
        assert_eq!((line(second.get("kind").unwrap()), &second.get("kind").unwrap().item), (9, &Item::Int(2)));
    }

    #[test]
    fn every_syntax_error_is_told_with_its_line() {
        let mistakes = Mistakes::default();
        assert!(parse("seed = \n[system]\nname = ou\n", "x.toml", &mistakes).is_none());
        let lines: Vec<_> = mistakes.into_sorted().iter().map(|m| m.place.line.unwrap()).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn an_overrides_value_is_toml_or_else_text() {
        let place = Place { origin: Arc::from("--set a=b"), line: None };
        let item = |text: &str| parse_value(text, &place).item;
        assert_eq!(item("1e-3"), Item::Float(0.001));
        assert_eq!(item("true"), Item::Bool(true));
        assert_eq!(item("etkf"), Item::Text("etkf".into()));
        assert_eq!(item("\"40\""), Item::Text("40".into()));
        assert_eq!(item("2020-01-01"), Item::Text("2020-01-01".into()));
        assert!(matches!(item("[1, 2]"), Item::List(items) if items.len() == 2));
    }
}
