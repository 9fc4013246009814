//! Settings: their values, types, ranges and defaults.

use std::collections::BTreeMap;

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
