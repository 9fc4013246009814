//! What a file holds, without its values.

use std::path::Path;

use super::super::Limits;
use super::super::error::Result;
use super::dataset::Attribute;
use super::read::Reader;

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Each variable, with its dimensions and their sizes.
    pub variables: Vec<(String, Vec<(String, usize)>)>,
    /// The attributes of the whole file.
    pub attributes: Vec<(String, Attribute)>,
}

impl Description {
    /// Whether scorecast wrote the file.
    pub fn is_ours(&self) -> bool {
        let source = self.attributes.iter().find(|(name, _)| name == "source");
        source.and_then(|(_, value)| value.text()).is_some_and(|source| source.starts_with("scorecast "))
    }
}

/// Describes a file.
///
/// # Errors
/// As [`super::read`].
pub fn describe(path: &Path, limits: &Limits) -> Result<Description> {
    let reader = Reader::open(path, limits)?;
    let variables = reader.headers().iter().map(|header| (header.name.clone(), header.dimensions.clone())).collect();
    Ok(Description { variables, attributes: reader.attributes()? })
}
