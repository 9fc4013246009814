//! The checked settings of an entry.

use std::collections::BTreeMap;

use super::accept::{accept, default_value, named_system};
use super::nearest;
use super::param::{DefaultValue, Param, Value};
use crate::error::{Error, Result};

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
        let among = |name: &str, given: &BTreeMap<String, Value>| known(name, given).map(|settings| settings.values);
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
            match accept(owner, param, value, &among) {
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
            match default_value(param.default).map(|value| accept(owner, param, &value, &among)) {
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

    /// These settings with another value, of the type and in the range of its key.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.values.insert(key.to_owned(), value);
        self
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
    use crate::registry::ParamKind;

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

    #[test]
    fn numbers_that_are_none_are_named() {
        const LISTS: &[Param] =
            &[Param::unset("list", ParamKind::Floats, "numbers"), Param::unset("jumps", ParamKind::Rows, "rows")];
        let given =
            [("list", Value::Floats(vec![1.0, f64::INFINITY])), ("jumps", Value::Rows(vec![vec![f64::NAN, 5.0]]))];
        let mistakes = Settings::check("it", LISTS, &map(&given)).unwrap_err();
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "it: `jumps` is a matrix of 1 rows with NaN among them, but must be a list of rows of equal length, of finite numbers",
                "it: `list` is a list of 2 numbers with inf among them, but must be a list of finite numbers",
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
}
