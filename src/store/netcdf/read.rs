//! A file to a [`Dataset`], or to the few of its variables that are wanted.

use std::path::Path;

use hdf5::types::TypeDescriptor;
use hdf5::{File, IndexType, IterationOrder, LinkType};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::cf::{self, Integer};
use super::dataset::{Attribute, Dataset, Dimension, Variable};
use super::guard::{Claim, Guard, StorageKind};
use super::scales::{self, scale_name};
use super::trouble;
use super::values::{attributes, values};

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

/// How the integers of a dataset are stored; none of other types.
fn integer(dataset: &hdf5::Dataset) -> Option<Integer> {
    let kind = dataset.dtype().and_then(|kind| kind.to_descriptor()).ok()?;
    match kind {
        TypeDescriptor::Integer(_) => Some(Integer { bytes: kind.size(), signed: true }),
        TypeDescriptor::Unsigned(_) => Some(Integer { bytes: kind.size(), signed: false }),
        _ => None,
    }
}

/// What is known of a variable before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    /// Its dimensions by name, with their sizes; an unnamed one is called `dim_0` and so on.
    pub(super) dimensions: Vec<(String, usize)>,
    /// Whether it holds floating-point numbers.
    pub(super) float: bool,
    /// Whether it holds integers, which may be packed numbers.
    pub(super) integer: bool,
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
        if claim.kind == StorageKind::Fixed(1) && dimensions.len() > 1 {
            dimensions.pop();
        }
        let attributes = attributes(self.guard.path, &claim.dataset)?;
        Ok(Variable { name: name.into(), dimensions, values, attributes })
    }

    /// The numbers of a variable of this file as CF means them: missing ones NaN, packed ones unpacked.
    pub(super) fn decoded(&self, variable: Variable) -> Result<Vec<f64>> {
        let claim = self.claims.iter().find(|claim| claim.name == variable.name);
        cf::decode(self.guard.path, variable, claim.and_then(|claim| integer(&claim.dataset)))
    }

    /// Loads a variable of numbers and decodes it.
    pub(super) fn numbers(&mut self, name: &str) -> Result<Vec<f64>> {
        let variable = self.load(name)?;
        self.decoded(variable)
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
        let mut users: Vec<&Claim> = Vec::new();
        let mut bare: Vec<&str> = Vec::new();
        for claim in &self.claims {
            // NetCDF lets a coordinate of characters have a second dimension; its own is the first.
            let (Some(scale), Some(&size)) = (scale_name(&claim.dataset), claim.shape.first()) else { continue };
            self.scales.push((claim.name.clone(), size));
            users.push(claim);
            if scale.starts_with("This is a netCDF dimension but not a netCDF variable") {
                bare.push(&claim.name);
            }
        }
        let uses = scales::uses(self.guard.path, &users)?;
        for claim in self.claims.iter().filter(|c| !bare.contains(&c.name.as_str())) {
            let dimensions = scales::dimensions_of(self.guard.path, claim, &uses, &self.scales)?;
            let float = matches!(claim.kind, StorageKind::F32 | StorageKind::F64);
            let integer = !float && !matches!(claim.kind, StorageKind::Fixed(_) | StorageKind::Variable);
            self.headers.push(Header { name: claim.name.clone(), dimensions, float, integer });
        }
        Ok(())
    }
}
