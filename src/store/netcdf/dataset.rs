//! A file of named arrays as plain data, in the words of NetCDF: dimensions, variables, attributes.

use serde::{Deserialize, Serialize};

/// The numbers of values or of an attribute, which are stored alike; none of text. Integers beyond 2^53 are rounded.
macro_rules! numbers_of {
    ($stored:expr) => {
        match $stored {
            Self::F64(v) => Some(v.clone()),
            Self::F32(v) => Some(v.iter().map(|&x| f64::from(x)).collect()),
            Self::I32(v) => Some(v.iter().map(|&x| f64::from(x)).collect()),
            Self::I64(v) => Some(v.iter().map(|&x| x as f64).collect()),
            Self::U64(v) => Some(v.iter().map(|&x| x as f64).collect()),
            Self::I8(v) => Some(v.iter().map(|&x| f64::from(x)).collect()),
            Self::Text(_) => None,
        }
    };
}

/// The values of a variable, in row-major order of its dimensions.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Double precision.
    F64(Vec<f64>),
    /// Single precision.
    F32(Vec<f32>),
    /// 32-bit integers (smaller ones in a file are read as these).
    I32(Vec<i32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// 64-bit integers without sign.
    U64(Vec<u64>),
    /// 8-bit integers: flags, with `flag_values` and `flag_meanings`. Booleans in a file are read as these.
    I8(Vec<i8>),
    /// Strings, such as labels; in a file they are arrays of characters with one more dimension.
    Text(Vec<String>),
}

impl Values {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first value, so many times over; nothing of none.
    pub(super) fn repeated(&self, count: usize) -> Self {
        fn of<T: Clone>(values: &[T], count: usize) -> Vec<T> {
            values.first().map(|value| vec![value.clone(); count]).unwrap_or_default()
        }
        match self {
            Self::F64(v) => Self::F64(of(v, count)),
            Self::F32(v) => Self::F32(of(v, count)),
            Self::I32(v) => Self::I32(of(v, count)),
            Self::I64(v) => Self::I64(of(v, count)),
            Self::U64(v) => Self::U64(of(v, count)),
            Self::I8(v) => Self::I8(of(v, count)),
            Self::Text(v) => Self::Text(of(v, count)),
        }
    }

    /// The values as numbers; none for text. Integers beyond 2^53 are rounded.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        numbers_of!(self)
    }
}

/// An attribute: a text, or one or more numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// Double-precision numbers.
    F64(Vec<f64>),
    /// Single-precision numbers.
    F32(Vec<f32>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// 64-bit integers without sign.
    U64(Vec<u64>),
    /// 8-bit integers.
    I8(Vec<i8>),
}

impl Attribute {
    /// The only number it holds, if it does.
    pub fn number(&self) -> Option<f64> {
        self.numbers().filter(|numbers| numbers.len() == 1).map(|numbers| numbers[0])
    }

    /// Its numbers, if it holds any.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        numbers_of!(self)
    }

    /// Its text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// A named array.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name: no slash, no leading underscore.
    pub name: String,
    /// The names of its dimensions, slowest first; empty for a single value.
    pub dimensions: Vec<String>,
    /// Its values.
    pub values: Values,
    /// Its attributes, in order.
    pub attributes: Vec<(String, Attribute)>,
}

impl Variable {
    /// A variable without attributes.
    pub fn new(name: &str, dimensions: &[&str], values: Values) -> Self {
        let dimensions = dimensions.iter().map(|d| (*d).to_string()).collect();
        Self { name: name.into(), dimensions, values, attributes: Vec::new() }
    }

    /// The coordinate of the dimension of the same name.
    pub fn coordinate(name: &str, values: Values) -> Self {
        Self::new(name, &[name], values)
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// The attribute of a name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// A named dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// Its size, at least 1.
    pub size: usize,
    /// The values along it, if it has any: a variable of the same name with this one dimension.
    pub coordinate: Option<Variable>,
}

/// A file of named arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The dimensions, in order.
    pub dimensions: Vec<Dimension>,
    /// The variables that are not coordinates, in order.
    pub variables: Vec<Variable>,
    /// The attributes of the whole file, in order. Missing `Conventions`, `source` and `history` are added on writing.
    pub attributes: Vec<(String, Attribute)>,
}

impl Dataset {
    /// Adds a dimension without coordinate.
    #[must_use]
    pub fn dimension(mut self, name: &str, size: usize) -> Self {
        self.dimensions.push(Dimension { name: name.into(), size, coordinate: None });
        self
    }

    /// Adds a dimension with the values along it.
    #[must_use]
    pub fn coordinate(mut self, coordinate: Variable) -> Self {
        let (name, size) = (coordinate.name.clone(), coordinate.values.len());
        self.dimensions.push(Dimension { name, size, coordinate: Some(coordinate) });
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, variable: Variable) -> Self {
        self.variables.push(variable);
        self
    }

    /// Adds an attribute of the whole file.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Adds where it comes from: the seed and the experiment as JSON.
    #[must_use]
    pub fn from_experiment(self, origin: &Origin) -> Self {
        // No integer type of NetCDF-4 that every reader knows holds the upper half of the seeds.
        let seed = match i64::try_from(origin.seed) {
            Ok(seed) => Attribute::I64(vec![seed]),
            Err(_) => Attribute::Text(origin.seed.to_string()),
        };
        self.with("title", origin.title.as_str()).with("seed", seed).with("config_json", origin.config_json.as_str())
    }

    /// The variable or coordinate of a name.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        let coordinates = self.dimensions.iter().filter_map(|d| d.coordinate.as_ref());
        self.variables.iter().chain(coordinates).find(|v| v.name == name)
    }

    /// The attribute of the whole file of a name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// What the file is, in a few words.
    pub title: String,
    /// The seed of the experiment.
    pub seed: u64,
    /// The resolved experiment, as JSON.
    pub config_json: String,
}

fn find<'a>(attributes: &'a [(String, Attribute)], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value)
}
