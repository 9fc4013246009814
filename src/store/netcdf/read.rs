//! A file to a [`Dataset`], or to the few of its variables that are wanted.

use std::path::Path;

use super::super::Limits;
use super::super::error::{Error, Result};
use super::cf;
use super::dataset::{Attribute, Dataset, Dimension, Values, Variable};
use super::grown;
use super::open::{self, open, values};
use super::resolution::Resolution;
use super::source::{Array, Integer, Slab, Source, StorageKind, Stored};
use super::stream::{Streaming, Take};
use crate::failure;

/// Reads a whole file: the variables of its root group.
///
/// # Errors
/// [`Error::Data`] for a file that is damaged, foreign or not plain; [`Error::Resource`] beyond the limit;
/// [`Error::Io`] when it cannot be opened.
pub fn read(path: &Path, limits: &Limits) -> Result<Dataset> {
    let mut reader = Reader::open(path, limits)?;
    let names: Vec<String> = reader.headers().iter().map(|h| h.name.clone()).collect();
    let mut dataset = Dataset { attributes: reader.attributes()?, ..Dataset::default() };
    for dimension in reader.dimensions() {
        dataset.dimensions.push(Dimension { name: dimension.0, size: dimension.1, coordinate: None });
    }
    for name in names {
        let variable = reader.load(&name)?;
        match dataset.dimensions.iter_mut().find(|d| d.name == name) {
            Some(dimension) => dimension.coordinate = Some(variable),
            None => dataset.variables.push(variable),
        }
    }
    let used = |name: &str| dataset.variables.iter().any(|v| v.dimensions.iter().any(|d| d == name));
    let ours = |d: &Dimension| d.coordinate.is_some() || used(&d.name) || !is_characters(&d.name);
    let kept: Vec<bool> = dataset.dimensions.iter().map(ours).collect();
    let mut kept = kept.into_iter();
    dataset.dimensions.retain(|_| kept.next().unwrap_or(true));
    Ok(dataset)
}

/// Whether a dimension is the one along the characters of strings.
fn is_characters(name: &str) -> bool {
    name.strip_prefix("string").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// What is known of a variable before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    /// Its dimensions by name, with their sizes; an unnamed one is called `dim_0` and so on.
    pub(super) dimensions: Vec<(String, usize)>,
    /// Whether it holds floating-point numbers.
    pub(super) float: bool,
    /// Whether it holds integers.
    pub(super) integer: bool,
    /// Whether these are packed numbers.
    pub(super) packed: bool,
}

/// An open file whose links, types and layouts have been checked.
pub(super) struct Reader<'a> {
    path: &'a Path,
    source: Box<dyn Source + 'a>,
    headers: Vec<Header>,
    /// The most bytes of memory, and those that are taken.
    max_bytes: u64,
    taken: u64,
}

impl<'a> Reader<'a> {
    /// Opens a file and checks everything that is not values.
    pub(super) fn open(path: &'a Path, limits: &Limits) -> Result<Self> {
        let source = open(path, limits, false)?;
        let headers = source.survey().arrays.iter().filter(|array| !array.bare).map(Header::of).collect();
        Ok(Self { path, source, headers, max_bytes: limits.max_bytes, taken: 0 })
    }

    /// The variables, dimensions without coordinate left out.
    pub(super) fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Name and size of each dimension.
    pub(super) fn dimensions(&self) -> Vec<(String, usize)> {
        self.source.survey().scales.clone()
    }

    /// The attributes of the whole file.
    pub(super) fn attributes(&self) -> Result<Vec<(String, Attribute)>> {
        self.source.survey().root.all()
    }

    /// The attribute of the whole file of a name, as it lies there; none where it has none.
    pub(super) fn stated(&self, name: &str) -> Result<Option<&Stored>> {
        let root = &self.source.survey().root;
        root.0.as_ref().map_err(Error::clone)?;
        Ok(root.get(name))
    }

    /// The array of a variable, and its place.
    fn find(&self, name: &str) -> Option<(usize, &Array)> {
        self.source.survey().arrays.iter().enumerate().find(|(_, array)| array.path == name && !array.bare)
    }

    /// Loads a variable, once its claimed size is found possible and allowed.
    pub(super) fn load(&mut self, name: &str) -> Result<Variable> {
        let Some((at, array)) = self.find(name) else {
            let known = self.headers.iter().map(|h| format!("`{}`", h.name)).collect::<Vec<_>>().join(", ");
            let remedy = if known.is_empty() { "it has none".into() } else { format!("it has {known}") };
            return Err(Error::data(self.path, format!("has no variable `{name}`"), remedy));
        };
        let (kind, integer) = (array.kind, array.integer);
        let bytes = array.shape.iter().fold(kind.bytes() as u64, |n, &side| n.saturating_mul(side as u64));
        let (mut shape, mut dimensions) = (array.shape.clone(), array.dimensions.clone());
        if kind == StorageKind::Fixed(1) && dimensions.len() > 1 {
            dimensions.pop();
            shape.pop();
        }
        let attributes = array.attributes.all()?;
        let chunks = self.source.admit(at)?;
        self.take(name, bytes)?;
        let values = values(self.path, &mut *self.source, at)?;
        if let (StorageKind::Variable, Values::Text(texts)) = (kind, &values) {
            self.take(name, texts.iter().map(|text| text.len() as u64).sum())?;
        }
        let names = dimensions.iter().map(|(name, _)| name.clone()).collect();
        let variable = Variable { name: name.into(), dimensions: names, values, attributes };
        cf::check_unwritten(self.path, &variable, integer, &chunks)?;
        if dimensions.iter().zip(&shape).any(|((_, size), own)| size > own) {
            let sides = dimensions.iter().map(|(_, size)| *size as u64);
            self.take(name, sides.fold(kind.bytes() as u64, u64::saturating_mul))?;
        }
        grown::filled(self.path, variable, integer, &shape, &dimensions)
    }

    /// Reads a variable of numbers block by block and decodes it; `axes` has the dimension that plays each role.
    pub(super) fn stream(&mut self, name: &str, axes: &[Option<usize>], take: Take) -> failure::Result<()> {
        let Some((at, array)) = self.find(name) else {
            return Err(Error::content(self.path, format!("`{name}` was found, and is gone")).into());
        };
        let (integer, shape, dimensions) = (array.integer, array.shape.clone(), array.dimensions.clone());
        let names = dimensions.iter().map(|(name, _)| name.clone()).collect();
        let (values, attributes) = (array.kind.nothing(), array.attributes.all()?);
        let variable = Variable { name: name.into(), dimensions: names, values, attributes };
        let chunks = self.source.admit(at)?;
        cf::check_unwritten(self.path, &variable, integer, &chunks)?;
        let fill = grown::fill(self.path, &variable, integer, &shape, &dimensions)?;
        let mut decoder = cf::Decoder::new(self.path, &variable, integer)?;
        let streaming = Streaming { at, axes, fixed: None };
        streaming.run(self.path, &mut *self.source, &mut |values| decoder.decode(values), take)?;
        if let Some(fill) = fill {
            let sides: Vec<usize> = dimensions.iter().map(|(_, size)| *size).collect();
            let along =
                |of: &[usize], otherwise| axes.iter().map(|axis| axis.map_or(otherwise, |axis| of[axis])).collect();
            for slab in grown::rest(&shape, &sides).iter().flat_map(open::blocks) {
                let values = decoder.decode(fill.repeated(slab.len()))?;
                take(&Slab { offset: along(&slab.offset, 0), count: along(&slab.count, 1) }, &values)?;
            }
        }
        decoder.finish();
        Ok(())
    }

    /// The attributes of a variable; none where there is no such variable.
    pub(super) fn attributes_of(&self, name: &str) -> Result<Vec<(String, Attribute)>> {
        self.find(name).map_or(Ok(Vec::new()), |(_, array)| array.attributes.all())
    }

    /// An attribute of a variable that is text; none where it is not there.
    pub(super) fn text_of(&self, variable: &str, attribute: &str) -> Result<Option<String>> {
        let attributes = self.attributes_of(variable)?;
        let found = attributes.iter().find(|(name, _)| name == attribute).map(|(_, value)| value);
        Ok(found.and_then(Attribute::text).map(str::to_owned))
    }

    /// How finely a variable is stored; as doubles are where there is no such variable.
    pub(super) fn resolution(&self, name: &str) -> Resolution {
        self.find(name).map_or_else(Resolution::default, |(_, array)| Resolution::of(array))
    }

    /// Takes memory from what is left.
    fn take(&mut self, name: &str, bytes: u64) -> Result<()> {
        self.taken = take(self.path, name, self.taken, bytes, self.max_bytes)?;
        Ok(())
    }

    /// The numbers of a variable of this file as CF means them: missing ones NaN, packed ones unpacked.
    pub(super) fn decoded(&self, variable: Variable) -> Result<Vec<f64>> {
        let integer = self.find(&variable.name).and_then(|(_, array)| array.integer);
        cf::decode(self.path, variable, integer)
    }

    /// A variable of this file as a file of ours can hold it: as it is, or, where that has no integers of its width, decoded. What
    /// its attributes say of its storage then goes.
    pub(super) fn kept(&self, mut variable: Variable) -> Result<Variable> {
        let stored = self.find(&variable.name).map(|(_, array)| (array.integer, array.kind.bytes()));
        let Some((Some(Integer { bytes, .. }), width)) = stored else { return Ok(variable) };
        if bytes == width {
            return Ok(variable);
        }
        let decoded = self.decoded(variable.clone())?;
        if variable.values.to_f64().as_ref() == Some(&decoded) {
            variable.attributes.retain(|(name, _)| name != cf::UNSIGNED);
            return Ok(variable);
        }
        variable.values = Values::F64(decoded);
        variable.attributes.retain(|(name, _)| !cf::OF_STORAGE.contains(&name.as_str()));
        Ok(variable)
    }

    /// Loads a variable of numbers and decodes it.
    pub(super) fn numbers(&mut self, name: &str) -> Result<Vec<f64>> {
        let variable = self.load(name)?;
        self.decoded(variable)
    }
}

impl Header {
    fn of(array: &Array) -> Self {
        let float = matches!(array.kind, StorageKind::F32 | StorageKind::F64);
        let integer = !float && !array.kind.is_text();
        let packed = integer && cf::PACKING.iter().any(|name| array.attributes.get(name).is_some());
        Self { name: array.path.clone(), dimensions: array.dimensions.clone(), float, integer, packed }
    }
}

/// The bytes that are taken when `bytes` more are needed for a variable.
///
/// # Errors
/// [`Error::Resource`] beyond `most`.
pub(in crate::store) fn take(path: &Path, name: &str, taken: u64, bytes: u64, most: u64) -> Result<u64> {
    let needed = taken.saturating_add(bytes);
    if needed > most {
        let message =
            format!("variable `{name}` needs {bytes} bytes of memory after {taken} for others, and {most} are allowed");
        return Err(Error::resource(path, message, "raise --max-memory, or store less in the file"));
    }
    Ok(needed)
}
