//! `--set a.b=c`: changes to the tree before it is checked.
//!
//! A step of the path is a key; in an array of tables it is an index from 0, the label of an entry, or `*` for every
//! entry; of an only entry without a label it may be left out. A step in quotes is taken as it stands, with dots and signs of
//! equality: `forecaster."net v1.5".width=64`. A word that names an operator, or a system inside another,
//! becomes a table when a setting below it is set.

use std::sync::Arc;

use super::document::{Item, Node, Place, Table, parse_value};
use super::mistake::Mistakes;
use crate::systems::registry::nearest;

/// Applies one override.
pub fn apply(root: &mut Node, text: &str, mistakes: &Mistakes) {
    let place = Place { origin: Arc::from(format!("--set {text}")), line: None };
    let Some((path, value)) = outside_quotes(text, '=').next().map(|at| (&text[..at], &text[at + 1..])) else {
        return mistakes.add(&place, "", format!("`{text}` has no `=`; write --set key.path=value"));
    };
    let steps = steps(path);
    if steps.iter().any(|step| step.is_empty()) {
        return mistakes.add(&place, path, format!("`{path}` has an empty step; write --set key.path=value"));
    }
    if steps == ["preset"] {
        return mistakes.add(&place, path, "`preset` cannot be set here; give the preset's name as the experiment");
    }
    let value = parse_value(value.trim(), &place);
    if let Err(problem) = set(root, &steps, "", &value) {
        mistakes.add(&place, path, problem);
    }
}

/// A label as a step of a path.
pub fn path_step(label: &str) -> String {
    let quote = if label.contains('"') { '\'' } else { '"' };
    let plain = !label.contains(['.', '=', '"', '\'']) && label.trim() == label && !label.is_empty();
    if plain { label.to_owned() } else { format!("{quote}{label}{quote}") }
}

/// Where a character stands in a text, but within quotes; a quote that does not end is a letter like others.
fn outside_quotes(text: &str, wanted: char) -> impl Iterator<Item = usize> {
    let mut within = None;
    text.char_indices().filter_map(move |(at, letter)| {
        match within {
            Some(quote) if quote == letter => within = None,
            None if ['"', '\''].contains(&letter) && text[at + 1..].contains(letter) => within = Some(letter),
            None if letter == wanted => return Some(at),
            _ => {}
        }
        None
    })
}

/// The steps of a path, without their quotes.
fn steps(path: &str) -> Vec<&str> {
    let mut from = 0;
    let ends: Vec<usize> = outside_quotes(path, '.').chain([path.len()]).collect();
    let step = |end| {
        let step = path[from..end].trim();
        from = end + 1;
        let within = |quote| step.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        within('"').or_else(|| within('\'')).unwrap_or(step)
    };
    ends.into_iter().map(step).collect()
}

fn set(node: &mut Node, steps: &[&str], path: &str, value: &Node) -> Result<(), String> {
    let Some((&step, rest)) = steps.split_first() else {
        *node = value.clone();
        return Ok(());
    };
    let below = if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    match &mut node.item {
        Item::Table(table) => set_in_table(table, step, rest, &below, value),
        Item::List(items) if items.iter().all(|item| matches!(item.item, Item::Table(_))) => {
            if let [only] = items.as_mut_slice()
                && label(only).is_none()
                && step != "*"
                && step.parse::<usize>().is_err()
            {
                return set(only, steps, path, value);
            }
            for index in entries_of(items, step, path)? {
                set(&mut items[index], rest, &below, value)?;
            }
            Ok(())
        }
        Item::List(items) => {
            let count = items.len();
            let index = step.parse::<usize>().ok().filter(|index| *index < count);
            let index =
                index.ok_or_else(|| format!("`{path}` is a list of {count}; `{step}` is none of its indices"))?;
            set(&mut items[index], rest, &below, value)
        }
        Item::Text(word) if path == "noise" || path.ends_with("operator") || path.ends_with(".of") => {
            let name = Node { item: Item::Text(word.clone()), place: node.place.clone() };
            let mut table = Table { entries: vec![("name".to_owned(), name)] };
            set_in_table(&mut table, step, rest, &below, value)?;
            node.item = Item::Table(table);
            Ok(())
        }
        other => Err(format!("`{path}` is {}, and has no key `{step}`", other.describe())),
    }
}

fn set_in_table(table: &mut Table, step: &str, rest: &[&str], path: &str, value: &Node) -> Result<(), String> {
    if rest.is_empty() {
        table.set(step, value.clone());
        return Ok(());
    }
    if table.get(step).is_none() {
        table.set(step, Node { item: Item::Table(Table::default()), place: value.place.clone() });
    }
    table.get_mut(step).map_or(Ok(()), |node| set(node, rest, path, value))
}

/// The indices of the entries of an array of tables that one step of a path means.
fn entries_of(items: &[Node], step: &str, path: &str) -> Result<Vec<usize>, String> {
    if step == "*" {
        return Ok((0..items.len()).collect());
    }
    let labels: Vec<Option<&str>> = items.iter().map(label).collect();
    let found: Vec<usize> = (0..items.len()).filter(|&index| labels[index] == Some(step)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(index) = step.parse().ok().filter(|index| *index < items.len()) {
        return Ok(vec![index]);
    }
    let known: Vec<&str> = labels.iter().flatten().copied().collect();
    let hint =
        nearest(step, known.iter().copied()).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    Err(format!(
        "`{path}` has {} entries ({}) and `{step}` is none of them{hint}; name one by its label or its index from 0, or all by `*`",
        items.len(),
        if known.is_empty() { "without labels".to_owned() } else { known.join(", ") },
    ))
}

fn label(item: &Node) -> Option<&str> {
    let Item::Table(table) = &item.item else { return None };
    ["label", "name", "kind", "method", "parameter"].iter().find_map(|key| table.text(key))
}

#[cfg(test)]
mod tests {
    use super::super::document::parse;
    use super::*;

    const TEXT: &str =
        "[observe]\noperator = \"stride\"\n[[forecaster]]\nname = \"ar\"\n[[forecaster]]\nname = \"b\"\n";

    fn after(overrides: &[&str]) -> (Node, Vec<String>) {
        let mistakes = Mistakes::default();
        let mut root = parse(TEXT, "x.toml", &mistakes).unwrap();
        overrides.iter().for_each(|text| apply(&mut root, text, &mistakes));
        (root, mistakes.into_sorted().iter().map(ToString::to_string).collect())
    }

    fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Item {
        path.iter().fold(&node.item, |item, step| match item {
            Item::Table(table) => &table.get(step).unwrap().item,
            Item::List(items) => &items[step.parse::<usize>().unwrap()].item,
            _ => panic!("{step} leads nowhere"),
        })
    }

    #[test]
    fn paths_go_by_key_index_label_and_star() {
        let (root, mistakes) =
            after(&["seed=7", "forecaster.ar.steps=100", "forecaster.1.steps=200", "forecaster.*.width=8"]);
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(at(&root, &["seed"]), &Item::Int(7));
        assert_eq!(at(&root, &["forecaster", "0", "steps"]), &Item::Int(100));
        assert_eq!(at(&root, &["forecaster", "1", "steps"]), &Item::Int(200));
        assert_eq!(at(&root, &["forecaster", "1", "width"]), &Item::Int(8));
    }

    #[test]
    fn an_only_entry_without_a_label_needs_none() {
        let mistakes = Mistakes::default();
        let mut root = parse("[[observe]]\nsteps = 9\n", "x.toml", &mistakes).unwrap();
        for (text, steps) in [("observe.steps=500", 500), ("observe.0.steps=7", 7), ("observe.*.steps=8", 8)] {
            apply(&mut root, text, &mistakes);
            assert_eq!(at(&root, &["observe", "0", "steps"]), &Item::Int(steps), "{text}");
        }
        assert!(mistakes.into_sorted().is_empty());
    }

    #[test]
    fn a_word_that_names_an_operator_takes_settings() {
        let (root, mistakes) = after(&["observe.operator.stride=2"]);
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(at(&root, &["observe", "operator", "name"]), &Item::Text("stride".into()));
        assert_eq!(at(&root, &["observe", "operator", "stride"]), &Item::Int(2));
    }

    #[test]
    fn wrong_paths_are_sentences_that_name_the_override() {
        let (_, mistakes) = after(&["seed", "forecaster.arr.steps=1", "a..b=1"]);
        assert_eq!(mistakes[0], "--set seed: `seed` has no `=`; write --set key.path=value");
        assert!(
            mistakes[1].contains("2 entries (ar, b) and `arr` is none of them; did you mean `ar`?"),
            "{}",
            mistakes[1]
        );
        assert!(mistakes[2].contains("empty step"), "{}", mistakes[2]);
    }

    #[test]
    fn a_step_in_quotes_is_taken_as_it_stands() {
        assert_eq!(steps("a.b c . d"), ["a", "b c", "d"]);
        assert_eq!(steps("forecaster.\"net v1.5\".width"), ["forecaster", "net v1.5", "width"]);
        assert_eq!(steps("a.'x.\"y\"'.b"), ["a", "x.\"y\"", "b"]);
        assert_eq!(steps("it's.one"), ["it's", "one"]);
        for label in ["ar", "v1.5", "a=b", "etkf / perfect", "say \"so\"", "it's", " a"] {
            assert_eq!(
                steps(&format!("forecaster.{}.width", path_step(label))),
                ["forecaster", label, "width"],
                "{label}"
            );
        }
        let mistakes = Mistakes::default();
        let mut root = parse("[[forecaster]]\nname = \"net = 1.5\"\n", "x.toml", &mistakes).unwrap();
        apply(&mut root, "forecaster.\"net = 1.5\".width=7", &mistakes);
        assert_eq!(mistakes.count(), 0);
        assert!(format!("{root:?}").contains("Int(7)"), "{root:?}");
    }
}
