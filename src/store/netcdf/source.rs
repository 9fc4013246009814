//! A file of arrays as the rest of this room sees it: a survey of everything that is not values, and values slab by slab. One who
//! has it is in this process ([`super::local`]), the other behind a pipe ([`super::child`]).

use serde::{Deserialize, Serialize};

use super::super::error::{Error, Result};
use super::dataset::{Attribute, Values};

/// Reads one open file.
pub(in crate::store) trait Source {
    /// Everything that is not values. Links, types and layouts have been checked.
    fn survey(&self) -> &Survey;

    /// Checks the sizes that array `at` of the survey claims, and its table of chunks, before any of its values is read.
    ///
    /// # Errors
    /// [`Error::Data`] for a table that cannot be, [`Error::Resource`] for chunks beyond the limit.
    fn admit(&mut self, at: usize) -> Result<Chunks>;

    /// Reads the numbers of a slab of an admitted array, in this machine's own layout and row-major order. `next` is the slab that
    /// will be asked for then: it may be made ready in the meantime.
    fn block(&mut self, at: usize, slab: &Slab, next: Option<&Slab>, into: &mut [u8]) -> Result<()>;

    /// Reads an admitted array of strings.
    fn texts(&mut self, at: usize) -> Result<Vec<String>>;
}

/// Everything of a file that is not values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Survey {
    /// The attributes of the whole file.
    pub(in crate::store) root: Attributes,
    /// Groups by path, where they were looked into.
    pub(in crate::store) groups: Vec<(String, Attributes)>,
    /// The arrays, in the file's order.
    pub(in crate::store) arrays: Vec<Array>,
    /// Name and size of each dimension scale, in the file's order.
    pub(in crate::store) scales: Vec<(String, usize)>,
}

/// What an array of a file claims to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Array {
    /// Its path, such as `state` or `t0_fields/density`.
    pub(in crate::store) path: String,
    /// The sizes in which it lies in the file.
    pub(in crate::store) shape: Vec<usize>,
    pub(in crate::store) kind: StorageKind,
    /// How integers are stored; none of other types.
    pub(in crate::store) integer: Option<Integer>,
    /// The sizes of its chunks, where it has any.
    pub(in crate::store) chunk: Option<Vec<usize>>,
    pub(in crate::store) attributes: Attributes,
    /// Its dimensions by name, with their sizes; an unnamed one is called `dim_0` and so on. One that grew may be larger than the
    /// array along it.
    pub(in crate::store) dimensions: Vec<(String, usize)>,
    /// Whether it only names a dimension.
    pub(in crate::store) bare: bool,
}

/// The types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) enum StorageKind {
    F64,
    F32,
    I32,
    I64,
    U64,
    I8,
    /// Strings of so many bytes.
    Fixed(usize),
    /// Strings of variable length.
    Variable,
}

impl StorageKind {
    /// The bytes of one value in memory.
    pub(in crate::store) fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::I8 => 1,
            Self::Fixed(size) => size,
            Self::Variable => 16,
        }
    }

    /// No values of the type in which it is held.
    pub(in crate::store) fn nothing(self) -> Values {
        match self {
            Self::F64 => Values::F64(Vec::new()),
            Self::F32 => Values::F32(Vec::new()),
            Self::I32 => Values::I32(Vec::new()),
            Self::I64 => Values::I64(Vec::new()),
            Self::U64 => Values::U64(Vec::new()),
            Self::I8 => Values::I8(Vec::new()),
            Self::Fixed(_) | Self::Variable => Values::Text(Vec::new()),
        }
    }

    /// Whether it is one of strings.
    pub(in crate::store) fn is_text(self) -> bool {
        matches!(self, Self::Fixed(_) | Self::Variable)
    }
}

/// How integers are stored: bytes each, and whether they have a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Integer {
    pub(in crate::store) bytes: usize,
    pub(in crate::store) signed: bool,
}

/// How many of the chunks of an array are in the file; an array without chunks is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Chunks {
    pub(in crate::store) there: u64,
    pub(in crate::store) expected: u64,
    /// What stands for values that are in no chunk, where the file's maker said so.
    pub(in crate::store) fill: Option<f64>,
}

/// A box of an array: its first index and its size in each dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Slab {
    pub(in crate::store) offset: Vec<usize>,
    pub(in crate::store) count: Vec<usize>,
}

impl Chunks {
    /// How many are not there.
    pub(in crate::store) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.there)
    }
}

impl Slab {
    /// The number of its values.
    pub(in crate::store) fn len(&self) -> usize {
        self.count.iter().product()
    }
}

/// The attributes of a file, group or array; or why they could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Attributes(pub(in crate::store) Result<Vec<(String, Stored)>>);

/// An attribute as it lies in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) enum Stored {
    /// What has a value in the words of NetCDF.
    Value(Attribute),
    /// Booleans of HDF5's enumeration.
    Flags(Vec<bool>),
    /// A list of strings of variable length.
    Texts(Vec<String>),
    /// A list without entries, of any type.
    Empty,
    /// A type that is not read, more dimensions than one, or too large.
    Other,
}

impl Attributes {
    /// All of them that have a value in the words of NetCDF.
    pub(in crate::store) fn all(&self) -> Result<Vec<(String, Attribute)>> {
        let stored = self.0.as_ref().map_err(Error::clone)?;
        Ok(stored.iter().filter_map(|(name, stored)| Some((name.clone(), stored.attribute()?))).collect())
    }

    /// The one of a name; none also where attributes could not be read.
    pub(in crate::store) fn get(&self, name: &str) -> Option<&Stored> {
        self.0.as_ref().ok()?.iter().find(|(own, _)| own == name).map(|(_, stored)| stored)
    }
}

impl Stored {
    /// What it is in the words of NetCDF; none for what is not read.
    pub(in crate::store) fn attribute(&self) -> Option<Attribute> {
        match self {
            Self::Value(value) => Some(value.clone()),
            Self::Texts(texts) if texts.len() == 1 => texts.first().cloned().map(Attribute::Text),
            Self::Texts(_) | Self::Flags(_) | Self::Empty | Self::Other => None,
        }
    }
}
