//! A file to a [`Dataset`], or to the few of its variables that are wanted.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5::types::{VarLenArray, VarLenAscii, VarLenUnicode};
use hdf5::{File, H5Type, IndexType, IterationOrder, LinkType, ObjectReference, ObjectReference1, ReferencedObject};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::dataset::{Attribute, Dataset, Dimension, Values, Variable};
use super::guard::{Claim, Guard, Kind};
use super::{raw, trouble};

/// Attributes by which HDF5 and NetCDF keep their own books.
const BOOKS: [&str; 8] = [
    "CLASS",
    "NAME",
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "_Netcdf4Dimid",
    "_Netcdf4Coordinates",
    "_NCProperties",
    "_Encoding",
];

/// The most bytes of one attribute that are read; longer ones are passed over.
const MAX_ATTRIBUTE: u64 = 1 << 26;

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
}

/// An open file whose links, types and layouts have been checked.
pub(super) struct Reader<'a> {
    guard: Guard<'a>,
    file: File,
    claims: Vec<Claim>,
    headers: Vec<Header>,
    /// Name and size of each dimension scale, in the file's order.
    scales: Vec<(String, usize)>,
}

impl<'a> Reader<'a> {
    /// Opens a file and checks everything that is not values.
    pub(super) fn open(path: &'a Path, limits: &'a Limits) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|e| Error::io(path, "open it", &e))?;
        if !about.is_file() {
            return Err(Error::data(path, "is not a file", "give an HDF5 (NetCDF-4) file"));
        }
        // The library's own words for a file without permission are many; the system's are clear.
        std::fs::File::open(path).map_err(|e| Error::io(path, "open it", &e))?;
        let file = File::open(path).map_err(|e| trouble::reading(path, "the file", &e))?;
        let guard = Guard { path, file_bytes: about.len(), limits, taken: 0 };
        let mut reader = Self { guard, file, claims: Vec::new(), headers: Vec::new(), scales: Vec::new() };
        reader.survey()?;
        Ok(reader)
    }

    /// The variables, dimensions without coordinate left out.
    pub(super) fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Name and size of each dimension.
    pub(super) fn dimensions(&self) -> Vec<(String, usize)> {
        self.scales.clone()
    }

    /// The attributes of the whole file.
    pub(super) fn attributes(&self) -> Result<Vec<(String, Attribute)>> {
        attributes(self.guard.path, &self.file)
    }

    /// The variable of a name; none if the file has none.
    pub(super) fn load_if_there(&mut self, name: &str) -> Result<Option<Variable>> {
        if self.headers.iter().any(|h| h.name == name) { self.load(name).map(Some) } else { Ok(None) }
    }

    /// Loads a variable, once its claimed size is found possible and allowed.
    pub(super) fn load(&mut self, name: &str) -> Result<Variable> {
        let (Some(claim), Some(header)) =
            (self.claims.iter().find(|c| c.name == name), self.headers.iter().find(|h| h.name == name))
        else {
            let known = self.headers.iter().map(|h| format!("`{}`", h.name)).collect::<Vec<_>>().join(", ");
            let remedy = if known.is_empty() { "it has none".into() } else { format!("it has {known}") };
            return Err(Error::data(self.guard.path, format!("has no variable `{name}`"), remedy));
        };
        self.guard.admit(claim)?;
        let mut dimensions: Vec<String> = header.dimensions.iter().map(|(n, _)| n.clone()).collect();
        let values = values(&mut self.guard, claim)?;
        if claim.kind == Kind::Fixed(1) && dimensions.len() > 1 {
            dimensions.pop();
        }
        let attributes = attributes(self.guard.path, &claim.dataset)?;
        Ok(Variable { name: name.into(), dimensions, values, attributes })
    }

    /// Walks through the root group: links first, then what the datasets claim, then their dimensions.
    fn survey(&mut self) -> Result<()> {
        let path = self.guard.path;
        let failed = |e: hdf5::Error| trouble::reading(path, "the list of variables", &e);
        // The order of creation where the file knows it, as NetCDF does; else by name.
        let links = self.file.links(IndexType::CreationOrder, IterationOrder::Increasing);
        let links = links.or_else(|_| self.file.links(IndexType::Name, IterationOrder::Increasing));
        for (name, link) in links.map_err(failed)? {
            if link.link_type != LinkType::Hard {
                let what = if link.link_type == LinkType::Soft { "a soft link" } else { "a link to another file" };
                let remedy = "store the values themselves under this name";
                return Err(Error::data(path, format!("`{name}` is {what}, which is not followed"), remedy));
            }
            let kind = self.file.loc_type_by_name(&name).map_err(failed)?;
            if kind == hdf5::LocationType::Dataset {
                let dataset = self.file.dataset(&name).map_err(failed)?;
                let claim = self.guard.claim(&name, dataset)?;
                self.claims.push(claim);
            }
        }
        self.name_dimensions()
    }

    /// Finds the dimension scales and the dimensions of every variable.
    fn name_dimensions(&mut self) -> Result<()> {
        let mut bare = Vec::new();
        for claim in &self.claims {
            let Some(scale) = scale_name(&claim.dataset) else { continue };
            // NetCDF lets a coordinate of characters have a second dimension; its own is the first.
            if !claim.shape.is_empty() {
                self.scales.push((claim.name.clone(), claim.shape[0]));
                if scale.starts_with("This is a netCDF dimension but not a netCDF variable") {
                    bare.push(claim.name.clone());
                }
            }
        }
        let sizes: BTreeMap<String, usize> = self.scales.iter().cloned().collect();
        for claim in self.claims.iter().filter(|c| !bare.contains(&c.name)) {
            let dimensions = dimensions_of(self.guard.path, claim, &sizes)?;
            let float = matches!(claim.kind, Kind::F32 | Kind::F64);
            self.headers.push(Header { name: claim.name.clone(), dimensions, float });
        }
        Ok(())
    }
}

/// The NAME of a dimension scale; none for other datasets.
fn scale_name(dataset: &hdf5::Dataset) -> Option<String> {
    let class = text_attribute(dataset, "CLASS")?;
    (class == "DIMENSION_SCALE").then(|| text_attribute(dataset, "NAME").unwrap_or_default())
}

fn text_attribute(location: &hdf5::Location, name: &str) -> Option<String> {
    match attribute(&location.attr(name).ok()?).ok()?? {
        Attribute::Text(text) => Some(text),
        _ => None,
    }
}

/// The names and sizes of a variable's dimensions. The lists of scales are the one part of a file that carries no
/// checksum, so a list that leads nowhere, or to a scale of another size, is damage.
fn dimensions_of(path: &Path, claim: &Claim, scales: &BTreeMap<String, usize>) -> Result<Vec<(String, usize)>> {
    let unnamed = |(axis, &size): (usize, &usize)| match axis {
        0 if scales.contains_key(&claim.name) => (claim.name.clone(), size),
        _ => (format!("dim_{axis}"), size),
    };
    let what = format!("the list of dimensions of the variable `{}`", claim.name);
    let damaged = || Error::data(path, format!("{what} is damaged"), "copy or make the file again");
    if !claim.dataset.attr_names().is_ok_and(|names| names.iter().any(|n| n == "DIMENSION_LIST")) {
        return Ok(claim.shape.iter().enumerate().map(unnamed).collect());
    }
    let attached = attached_scales(&claim.dataset).map_err(|e| trouble::reading(path, &what, &e))?;
    if attached.len() != claim.shape.len() {
        return Err(damaged());
    }
    let name = |(axis, (name, &size)): (usize, (Option<String>, &usize))| match name {
        None => Ok((format!("dim_{axis}"), size)),
        Some(name) if scales.get(&name) == Some(&size) => Ok((name, size)),
        Some(_) => Err(damaged()),
    };
    attached.into_iter().zip(&claim.shape).enumerate().map(name).collect()
}

/// The name of the first scale attached to each axis; none where there is none.
fn attached_scales(dataset: &hdf5::Dataset) -> hdf5::Result<Vec<Option<String>>> {
    let lists = dataset.attr("DIMENSION_LIST")?.read_raw::<VarLenArray<ObjectReference1>>()?;
    let mut names = Vec::with_capacity(lists.len());
    for list in &lists {
        let name = match list.first().map(|reference| reference.dereference(dataset)).transpose()? {
            None => None,
            Some(ReferencedObject::Dataset(scale)) => Some(scale.name().trim_start_matches('/').to_string()),
            Some(_) => return Err("a dimension is not a dataset".into()),
        };
        names.push(name);
    }
    Ok(names)
}

fn values(guard: &mut Guard, claim: &Claim) -> Result<Values> {
    let path = guard.path;
    let failed = |e: hdf5::Error| trouble::reading(path, &format!("the variable `{}`", claim.name), &e);
    Ok(match claim.kind {
        Kind::F64 => Values::F64(numbers(claim).map_err(failed)?),
        Kind::F32 => Values::F32(numbers(claim).map_err(failed)?),
        Kind::I32 => Values::I32(numbers(claim).map_err(failed)?),
        Kind::I64 => Values::I64(numbers(claim).map_err(failed)?),
        Kind::I8 => Values::I8(numbers(claim).map_err(failed)?),
        Kind::U64 => Values::I64(signed(path, claim, &numbers::<u64>(claim).map_err(failed)?)?),
        Kind::Fixed(size) => Values::Text(fixed_texts(claim, size).map_err(failed)?),
        Kind::Variable => Values::Text(variable_texts(guard, claim)?),
    })
}

fn numbers<T: H5Type + Copy + Default>(claim: &Claim) -> hdf5::Result<Vec<T>> {
    let count = claim.shape.iter().product();
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|e| hdf5::Error::from(e.to_string()))?;
    values.resize(count, T::default());
    claim.dataset.read_into_raw(&mut values)?;
    Ok(values)
}

fn signed(path: &Path, claim: &Claim, values: &[u64]) -> Result<Vec<i64>> {
    let fits = |&v: &u64| {
        let message = || format!("variable `{}` holds {v}, beyond 64-bit signed integers", claim.name);
        i64::try_from(v).map_err(|_| Error::data(path, message(), "store it as floating-point numbers"))
    };
    values.iter().map(fits).collect()
}

/// Strings of fixed length; those of one byte are characters, joined along the last dimension.
fn fixed_texts(claim: &Claim, size: usize) -> hdf5::Result<Vec<String>> {
    let bytes = raw::dataset_bytes(&claim.dataset)?;
    let width = if size == 1 && claim.shape.len() > 1 { claim.shape[claim.shape.len() - 1] } else { size };
    Ok(bytes.chunks_exact(width.max(1)).map(text_of).collect())
}

/// Strings of variable length, one at a time: only the reading tells how long each is.
fn variable_texts(guard: &mut Guard, claim: &Claim) -> Result<Vec<String>> {
    let path = guard.path;
    let failed = |e: hdf5::Error| trouble::reading(path, &format!("the variable `{}`", claim.name), &e);
    let count = claim.shape.iter().product();
    let ascii = claim.dataset.dtype().is_ok_and(|t| t.is::<VarLenAscii>());
    let mut texts = Vec::with_capacity(count);
    for at in 0..count {
        let text = if claim.shape.is_empty() && ascii {
            text_of(claim.dataset.read_scalar::<VarLenAscii>().map_err(failed)?.as_bytes())
        } else if claim.shape.is_empty() {
            text_of(claim.dataset.read_scalar::<VarLenUnicode>().map_err(failed)?.as_bytes())
        } else if ascii {
            let one = claim.dataset.read_slice_1d::<VarLenAscii, _>(at..at + 1).map_err(failed)?;
            one.first().map(|t| text_of(t.as_bytes())).unwrap_or_default()
        } else {
            let one = claim.dataset.read_slice_1d::<VarLenUnicode, _>(at..at + 1).map_err(failed)?;
            one.first().map(|t| text_of(t.as_bytes())).unwrap_or_default()
        };
        guard.take(&claim.name, text.len() as u64)?;
        texts.push(text);
    }
    Ok(texts)
}

/// The text before the padding.
fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The attributes of a file or variable, without the libraries' own books and without types that are not read.
fn attributes(path: &Path, location: &hdf5::Location) -> Result<Vec<(String, Attribute)>> {
    let failed = |e: hdf5::Error| trouble::reading(path, "an attribute", &e);
    let mut found = Vec::new();
    for name in location.attr_names_by(IndexType::CreationOrder, IterationOrder::Increasing).map_err(failed)? {
        if BOOKS.contains(&name.as_str()) {
            continue;
        }
        let one = location.attr(&name).map_err(failed)?;
        if let Some(value) = attribute(&one).map_err(failed)? {
            found.push((name, value));
        }
    }
    Ok(found)
}

/// The value of an attribute; none for types that are not read.
fn attribute(attribute: &hdf5::Attribute) -> hdf5::Result<Option<Attribute>> {
    use hdf5::types::{FloatSize, IntSize, TypeDescriptor as T};
    let Ok(kind) = attribute.dtype().and_then(|t| t.to_descriptor()) else { return Ok(None) };
    let shape = attribute.space()?.shape();
    let bytes = shape.iter().try_fold(kind.size() as u64, |n, &side| n.checked_mul(side as u64));
    if shape.len() > 1 || bytes.is_none_or(|b| b > MAX_ATTRIBUTE) {
        return Ok(None);
    }
    let single = shape.first().is_none_or(|&n| n == 1);
    Ok(match kind {
        T::FixedAscii(_) | T::FixedUnicode(_) if single => {
            Some(Attribute::Text(text_of(&raw::attribute_bytes(attribute)?)))
        }
        T::VarLenAscii if single => {
            attribute.read_raw::<VarLenAscii>()?.first().map(|t| Attribute::Text(text_of(t.as_bytes())))
        }
        T::VarLenUnicode if single => {
            attribute.read_raw::<VarLenUnicode>()?.first().map(|t| Attribute::Text(text_of(t.as_bytes())))
        }
        T::Float(FloatSize::U8) => Some(Attribute::F64(attribute.read_raw()?)),
        T::Float(FloatSize::U4) => Some(Attribute::F32(attribute.read_raw()?)),
        T::Integer(IntSize::U1) => Some(Attribute::I8(attribute.read_raw()?)),
        T::Integer(IntSize::U8) | T::Unsigned(IntSize::U4) => Some(Attribute::I64(attribute.read_raw()?)),
        T::Integer(_) | T::Unsigned(IntSize::U1 | IntSize::U2) => Some(Attribute::I32(attribute.read_raw()?)),
        _ => None,
    })
}
