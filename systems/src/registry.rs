//! Registries: ordinary ordered slices of entries, from which names, validation, help, schema and tables all derive.

mod accept;

use std::collections::BTreeMap;

use accept::{accept, default_value, named_system};

use crate::error::{Error, Result};

/// The value of one setting, whatever file or program it came from.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// true or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A word.
    Text(String),
    /// A list of numbers.
    Floats(Vec<f64>),
    /// A matrix, row by row.
    Rows(Vec<Vec<f64>>),
    /// A list of words.
    Words(Vec<String>),
    /// A list of indices from 0.
    Indices(Vec<usize>),
    /// A system of the catalogue with settings of its own.
    System {
        /// Its name.
        name: String,
        /// Its settings; all of them, once they are checked.
        settings: BTreeMap<String, Value>,
    },
}

/// The type and the range of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamKind {
    /// true or false.
    Bool,
    /// An integer in `min..=max`.
    Int {
        /// Smallest value allowed.
        min: i64,
        /// Largest value allowed.
        max: i64,
    },
    /// A finite number in `min..=max`.
    Float {
        /// Smallest value allowed.
        min: f64,
        /// Largest value allowed.
        max: f64,
    },
    /// Any text (a path, a label).
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of finite numbers; one number is read as a list of one.
    Floats,
    /// A matrix as a list of rows of equal length.
    Rows,
    /// A list of words; one word is read as a list of one.
    Words,
    /// A list of indices from 0; one is read as a list of one.
    Indices,
    /// A system of the catalogue: its name, or its name with its settings.
    System,
}

/// A default, in a form that a `const` can hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultValue {
    /// The user must set it.
    Required,
    /// Absent unless set.
    Unset,
    /// true or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A word; of [`ParamKind::System`], the name of a system with its own defaults.
    Text(&'static str),
    /// A list.
    Floats(&'static [f64]),
}

/// One setting of an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// The key in the experiment file.
    pub key: &'static str,
    /// Type and range.
    pub kind: ParamKind,
    /// What it is when it is not set.
    pub default: DefaultValue,
    /// One phrase: what it means, with its unit.
    pub about: &'static str,
}

/// One-line settings: what type and range a setting has is in the name of its constructor.
impl Param {
    /// Of any kind, with any default.
    pub const fn new(key: &'static str, kind: ParamKind, default: DefaultValue, about: &'static str) -> Self {
        Self { key, kind, default, about }
    }

    /// Absent unless set.
    pub const fn unset(key: &'static str, kind: ParamKind, about: &'static str) -> Self {
        Self::new(key, kind, DefaultValue::Unset, about)
    }

    /// One that the user must set.
    pub const fn required(key: &'static str, kind: ParamKind, about: &'static str) -> Self {
        Self::new(key, kind, DefaultValue::Required, about)
    }

    /// An integer of at least `min`.
    pub const fn int(key: &'static str, default: i64, min: i64, about: &'static str) -> Self {
        Self::new(key, ParamKind::at_least(min), DefaultValue::Int(default), about)
    }

    /// The integer setting with a largest value; no other kind has one that this changes.
    #[must_use]
    pub const fn up_to(self, max: i64) -> Self {
        match self.kind {
            ParamKind::Int { min, .. } => Self { kind: ParamKind::Int { min, max }, ..self },
            _ => self,
        }
    }

    /// A finite number.
    pub const fn real(key: &'static str, default: f64, about: &'static str) -> Self {
        Self::new(key, ParamKind::ANY, DefaultValue::Float(default), about)
    }

    /// A number of at least `min`.
    pub const fn at_least(key: &'static str, default: f64, min: f64, about: &'static str) -> Self {
        Self::new(key, ParamKind::real(min, f64::INFINITY), DefaultValue::Float(default), about)
    }

    /// A number above 0.
    pub const fn positive(key: &'static str, default: f64, about: &'static str) -> Self {
        Self::new(key, ParamKind::POSITIVE, DefaultValue::Float(default), about)
    }

    /// A number from 0 to 1.
    pub const fn share(key: &'static str, default: f64, about: &'static str) -> Self {
        Self::new(key, ParamKind::SHARE, DefaultValue::Float(default), about)
    }

    /// One of some words.
    pub const fn choice(
        key: &'static str,
        default: &'static str,
        words: &'static [&'static str],
        about: &'static str,
    ) -> Self {
        Self::new(key, ParamKind::Choice(words), DefaultValue::Text(default), about)
    }

    /// A truth value, false unless set.
    pub const fn flag(key: &'static str, about: &'static str) -> Self {
        Self::new(key, ParamKind::Bool, DefaultValue::Bool(false), about)
    }

    /// A list of numbers.
    pub const fn floats(key: &'static str, default: &'static [f64], about: &'static str) -> Self {
        Self::new(key, ParamKind::Floats, DefaultValue::Floats(default), about)
    }

    /// A system of the catalogue, `default` with its own defaults unless set.
    pub const fn system(key: &'static str, default: &'static str, about: &'static str) -> Self {
        Self::new(key, ParamKind::System, DefaultValue::Text(default), about)
    }
}

/// Ranges that many settings have.
impl ParamKind {
    /// Any finite number.
    pub const ANY: Self = Self::real(f64::NEG_INFINITY, f64::INFINITY);
    /// A number of at least 0.
    pub const NUMBER: Self = Self::real(0.0, f64::INFINITY);
    /// A number above 0.
    pub const POSITIVE: Self = Self::real(f64::MIN_POSITIVE, f64::INFINITY);
    /// A number from 0 to 1.
    pub const SHARE: Self = Self::real(0.0, 1.0);
    /// An integer of at least 1.
    pub const COUNT: Self = Self::at_least(1);

    /// A finite number in `min..=max`.
    pub const fn real(min: f64, max: f64) -> Self {
        Self::Float { min, max }
    }

    /// An integer in `min..=max`.
    pub const fn int(min: i64, max: i64) -> Self {
        Self::Int { min, max }
    }

    /// An integer of at least `min`.
    pub const fn at_least(min: i64) -> Self {
        Self::int(min, i64::MAX)
    }
}

/// One line of a registry. `B` is how it is built: a function pointer whose type the registry fixes.
#[derive(Clone, Copy, Debug)]
pub struct Entry<B: 'static> {
    /// The name in the experiment file.
    pub name: &'static str,
    /// One phrase: what it is.
    pub about: &'static str,
    /// Authors and year of its source.
    pub reference: &'static str,
    /// Its settings.
    pub params: &'static [Param],
    /// How to build it.
    pub build: B,
}

/// Finds an entry by name.
///
/// # Errors
/// [`Error::UnknownName`] with the nearest name.
pub fn find<B>(registry: &'static [Entry<B>], what: &'static str, name: &str) -> Result<&'static Entry<B>> {
    registry.iter().find(|entry| entry.name == name).ok_or_else(|| Error::UnknownName {
        what,
        name: name.to_owned(),
        nearest: nearest(name, registry.iter().map(|entry| entry.name)).map(str::to_owned),
    })
}

/// The names of a registry's entries, in its order: the words of a setting that chooses among them.
pub const fn names<B, const N: usize>(registry: &[Entry<B>]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut i = 0;
    while i < N {
        names[i] = registry[i].name;
        i += 1;
    }
    names
}

/// The candidate that a mistyped name most likely means, if one is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The checked settings of the system of a name, or all that is wrong with them: what a registry must be told where a
/// setting is a system ([`crate::catalogue::check`]).
pub type KnownSystems = fn(&str, &BTreeMap<String, Value>) -> Result<Settings, Vec<Error>>;

/// The settings of one entry: checked, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    owner: String,
    values: BTreeMap<String, Value>,
}

impl Settings {
    /// Checks `given` against `params`, none of which is a system, and fills in the defaults. `owner` names the entry in
    /// messages, such as "system `lorenz96`".
    ///
    /// # Errors
    /// All mistakes at once: unknown keys, wrong types, values out of range, required settings that are missing.
    pub fn check(owner: &str, params: &[Param], given: &BTreeMap<String, Value>) -> Result<Self, Vec<Error>> {
        let none = |name: &str, _: &BTreeMap<String, Value>| {
            Err(vec![Error::UnknownName { what: "system", name: name.to_owned(), nearest: None }])
        };
        Self::check_among(owner, params, given, none)
    }

    /// As [`Settings::check`], where settings may be systems among those that are `known`.
    ///
    /// # Errors
    /// All mistakes at once, with those of [`Settings::check`] the mistakes of a system inside.
    pub fn check_among(
        owner: &str,
        params: &[Param],
        given: &BTreeMap<String, Value>,
        known: KnownSystems,
    ) -> Result<Self, Vec<Error>> {
        let mut mistakes = Vec::new();
        let mut values = BTreeMap::new();
        for (key, value) in given {
            let Some(param) = params.iter().find(|param| param.key == key) else {
                mistakes.push(Error::UnknownSetting {
                    owner: owner.to_owned(),
                    key: key.clone(),
                    nearest: nearest(key, params.iter().map(|param| param.key)).map(str::to_owned),
                });
                continue;
            };
            match accept(owner, param, value, known) {
                Ok(value) => {
                    values.insert(key.clone(), value);
                }
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        for param in params {
            if given.contains_key(param.key) {
                continue;
            }
            match default_value(param.default).map(|value| accept(owner, param, &value, known)) {
                Some(Ok(value)) => {
                    values.insert(param.key.to_owned(), value);
                }
                Some(Err(wrong)) => mistakes.extend(wrong),
                None if param.default == DefaultValue::Required => mistakes.push(Error::Setting {
                    owner: owner.to_owned(),
                    key: param.key.to_owned(),
                    problem: format!("must be set ({})", param.about),
                }),
                None => {}
            }
        }
        if mistakes.is_empty() { Ok(Self { owner: owner.to_owned(), values }) } else { Err(mistakes) }
    }

    /// An error about one of these settings, with the owner named; `problem` completes "`key` ...".
    pub fn mistake(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::Setting { owner: self.owner.clone(), key: key.to_owned(), problem: problem.into() }
    }

    /// The values in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether the key has a value.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// An integer setting as a count; 0 if it is unset.
    pub fn count(&self, key: &str) -> usize {
        match self.values.get(key) {
            Some(Value::Int(value)) => usize::try_from(*value).unwrap_or(0),
            _ => 0,
        }
    }

    /// A number; NaN if it is unset.
    pub fn number(&self, key: &str) -> f64 {
        self.optional_number(key).unwrap_or(f64::NAN)
    }

    /// A number that may be unset.
    pub fn optional_number(&self, key: &str) -> Option<f64> {
        match self.values.get(key) {
            Some(Value::Float(value)) => Some(*value),
            Some(Value::Int(value)) => Some(*value as f64),
            _ => None,
        }
    }

    /// A truth value; false if it is unset.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some(Value::Bool(true)))
    }

    /// A word; empty if it is unset.
    pub fn text(&self, key: &str) -> &str {
        match self.values.get(key) {
            Some(Value::Text(value)) => value,
            _ => "",
        }
    }

    /// A list of numbers; empty if it is unset.
    pub fn floats(&self, key: &str) -> &[f64] {
        match self.values.get(key) {
            Some(Value::Floats(values)) => values,
            _ => &[],
        }
    }

    /// A list of words; empty if it is unset.
    pub fn words(&self, key: &str) -> &[String] {
        match self.values.get(key) {
            Some(Value::Words(words)) => words,
            _ => &[],
        }
    }

    /// A list of indices; empty if it is unset.
    pub fn indices(&self, key: &str) -> &[usize] {
        match self.values.get(key) {
            Some(Value::Indices(indices)) => indices,
            _ => &[],
        }
    }

    /// The name and the settings of a system inside; none if it is unset.
    pub fn system(&self, key: &str) -> Option<(&str, &BTreeMap<String, Value>)> {
        self.values.get(key).and_then(named_system)
    }

    /// All values by their keys.
    pub fn values(&self) -> &BTreeMap<String, Value> {
        &self.values
    }

    /// A matrix, row by row; empty if it is unset.
    pub fn rows(&self, key: &str) -> &[Vec<f64>] {
        match self.values.get(key) {
            Some(Value::Rows(rows)) => rows,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &[Param] = &[
        Param::int("dim", 40, 4, "components").up_to(100),
        Param::real("forcing", 8.0, "F"),
        Param::required("path", ParamKind::Text, "where it is"),
    ];

    fn check(given: &[(&str, Value)]) -> Result<Settings, Vec<String>> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Settings::check("system `toy`", PARAMS, &given)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults_are_filled_in_and_integers_serve_as_numbers() {
        let settings = check(&[("path", Value::Text("x".into())), ("forcing", Value::Int(10))]).unwrap();
        assert_eq!((settings.count("dim"), settings.number("forcing"), settings.text("path")), (40, 10.0, "x"));
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let mistakes = check(&[("dims", Value::Int(3)), ("forcing", Value::Text("eight".into()))]).unwrap_err();
        assert_eq!(
            mistakes,
            [
                "system `toy` has no setting `dims`; did you mean `dim`?",
                "system `toy`: `forcing` is \"eight\", but must be a finite number",
                "system `toy`: `path` must be set (where it is)",
            ]
        );
    }

    const NESTED: &[Param] = &[
        Param::system("of", "lorenz63", "the system inside"),
        Param::unset("names", ParamKind::Words, "words"),
        Param::unset("some", ParamKind::Indices, "indices"),
    ];

    fn nested(given: &[(&str, Value)]) -> Result<Settings, Vec<String>> {
        let given = map(given);
        Settings::check_among("system `outer`", NESTED, &given, crate::catalogue::check)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    fn map(given: &[(&str, Value)]) -> BTreeMap<String, Value> {
        given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_system_inside_is_checked_and_filled_in() {
        let rho = |settings: &Settings| settings.system("of").map(|(name, of)| (name.to_owned(), of["rho"].clone()));
        let inside = Value::System { name: "lorenz63".into(), settings: map(&[("rho", Value::Int(30))]) };
        for (given, expected) in
            [(&[][..], 28.0), (&[("of", Value::Text("lorenz63".into()))], 28.0), (&[("of", inside)], 30.0)]
        {
            let settings = nested(given).unwrap();
            assert_eq!(rho(&settings), Some(("lorenz63".to_owned(), Value::Float(expected))));
            assert_eq!(
                Settings::check_among("system `outer`", NESTED, settings.values(), crate::catalogue::check).unwrap(),
                settings
            );
        }
    }

    #[test]
    fn mistakes_of_a_system_inside_have_key_paths() {
        let settings = map(&[("rh", Value::Int(30)), ("sigma", Value::Int(-1))]);
        let inside = Value::System { name: "lorenz63".into(), settings };
        assert_eq!(
            nested(&[("of", inside), ("off", Value::Int(1))]).unwrap_err(),
            [
                "system `lorenz63` has no setting `of.rh`; did you mean `rho`?",
                "system `lorenz63`: `of.sigma` is -1, but must be a number above 0",
                "system `outer` has no setting `off`; did you mean `of`?",
            ]
        );
        let unknown = nested(&[("of", Value::Text("lorez63".into()))]).unwrap_err();
        assert_eq!(unknown, ["unknown system `lorez63`; did you mean `lorenz63`?"]);
        let number = nested(&[("of", Value::Int(3))]).unwrap_err();
        assert_eq!(
            number,
            ["system `outer`: `of` is 3, but must be a system: its name, or a table with its `name` and settings"]
        );
    }

    #[test]
    fn lists_of_words_and_of_indices() {
        let given = [("names", Value::Text("a".into())), ("some", Value::Floats(vec![0.0, 2.0]))];
        let settings = nested(&given).unwrap();
        assert_eq!((settings.words("names"), settings.indices("some")), (&["a".to_owned()][..], &[0, 2][..]));
        for wrong in [Value::Floats(vec![0.5]), Value::Int(-1), Value::Bool(true)] {
            assert!(nested(&[("some", wrong)]).unwrap_err()[0].contains("a list of integers of at least 0"));
        }
        assert!(nested(&[("names", Value::Floats(vec![1.0]))]).is_err());
    }

    #[test]
    fn the_nearest_name_is_offered_only_when_near() {
        assert_eq!(nearest("lorez96", ["lorenz63", "lorenz96"]), Some("lorenz96"));
        assert_eq!(nearest("weather", ["lorenz63", "lorenz96"]), None);
    }
}
