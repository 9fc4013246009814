//! A file in this process: the HDF5 library itself, behind the guard.

use std::path::Path;

use hdf5::{File, Group, IndexType, IterationOrder, LinkType, LocationType};

use super::super::error::{Error, Result};
use super::guard::{Claim, Guard, integer};
use super::scales::{self, scale_name};
use super::source::{Array, Chunks, Slab, Source, StorageKind, Survey};
use super::values::{attributes, texts};
use super::{raw, trouble};

/// How deep groups are followed where they are: `/boundary_conditions/x_periodic/mask`.
const DEPTH: usize = 3;

/// An open file whose links, types and layouts have been checked.
pub(super) struct Local {
    guard: Guard,
    claims: Vec<Claim>,
    survey: Survey,
}

impl Local {
    /// Opens a file and checks everything that is not values: of its root, or with `deep` of the groups in it too. `pulse` is
    /// called while that goes on.
    pub(super) fn open(path: &Path, max_bytes: u64, deep: bool, pulse: Box<dyn FnMut()>) -> Result<Self> {
        let file_bytes = regular(path)?;
        let file = hdf5_file(path)?;
        let root = file.as_group().map_err(|e| trouble::reading(path, "the file", &e))?;
        let guard = Guard { path: path.to_path_buf(), file_bytes, max_bytes, pulse };
        let survey =
            Survey { root: attributes(path, &root), groups: Vec::new(), arrays: Vec::new(), scales: Vec::new() };
        let mut opened = Self { guard, claims: Vec::new(), survey };
        opened.walk(&root, "", if deep { DEPTH } else { 1 })?;
        opened.name_dimensions(deep)?;
        Ok(opened)
    }

    /// Walks through a group: links first, then what the datasets claim.
    fn walk(&mut self, group: &Group, prefix: &str, depth: usize) -> Result<()> {
        let path = self.guard.path.clone();
        let failed = |e: hdf5::Error| trouble::reading(&path, &format!("the list of what is in `/{prefix}`"), &e);
        // The order of creation where the file knows it, as NetCDF does; else by name.
        let links = group.links(IndexType::CreationOrder, IterationOrder::Increasing);
        let links = links.or_else(|_| group.links(IndexType::Name, IterationOrder::Increasing));
        for (name, link) in links.map_err(failed)? {
            (self.guard.pulse)();
            let full = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            if link.link_type != LinkType::Hard {
                let what = if link.link_type == LinkType::Soft { "a soft link" } else { "a link to another file" };
                let remedy = "store the values themselves under this name";
                return Err(Error::data(&path, format!("`{full}` is {what}, which is not followed"), remedy));
            }
            match group.loc_type_by_name(&name).map_err(failed)? {
                LocationType::Dataset => {
                    let claim = self.guard.claim(&full, group.dataset(&name).map_err(failed)?)?;
                    self.claims.push(claim);
                }
                LocationType::Group if depth > 1 => {
                    let inner = group.group(&name).map_err(failed)?;
                    self.walk(&inner, &full, depth - 1)?;
                    self.survey.groups.push((full, attributes(&path, &inner)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Finds the dimension scales and the dimensions of every variable; what lies in groups goes by other rules.
    fn name_dimensions(&mut self, deep: bool) -> Result<()> {
        let mut users: Vec<&Claim> = Vec::new();
        let mut bare: Vec<&str> = Vec::new();
        for claim in self.claims.iter().filter(|_| !deep) {
            // NetCDF lets a coordinate of characters have a second dimension; its own is the first.
            let (Some(scale), Some(_)) = (scale_name(&claim.dataset), claim.shape.first()) else { continue };
            users.push(claim);
            if scale.starts_with("This is a netCDF dimension but not a netCDF variable") {
                bare.push(&claim.name);
            }
        }
        let uses = scales::uses(&self.guard.path, &users)?;
        let extents = scales::extents(&users, &self.claims, &uses);
        let of = |scale: &&Claim| Some((scale.name.clone(), extents.get(&scale.name)?.size));
        self.survey.scales = users.iter().filter_map(of).collect();
        for claim in &self.claims {
            (self.guard.pulse)();
            let dimensions = scales::dimensions_of(&self.guard.path, claim, &uses, &extents)?;
            self.survey.arrays.push(Array {
                path: claim.name.clone(),
                shape: claim.shape.clone(),
                kind: claim.kind,
                integer: integer(&claim.dataset),
                chunk: claim.dataset.chunk(),
                attributes: attributes(&self.guard.path, &claim.dataset),
                dimensions,
                bare: bare.contains(&claim.name.as_str()),
            });
        }
        Ok(())
    }
}

impl Source for Local {
    fn survey(&self) -> &Survey {
        &self.survey
    }

    fn admit(&mut self, at: usize) -> Result<Chunks> {
        self.guard.admit(&self.claims[at])
    }

    fn block(&mut self, at: usize, slab: &Slab, _next: Option<&Slab>, into: &mut [u8]) -> Result<()> {
        let claim = &self.claims[at];
        let dataset = &claim.dataset;
        let read = match claim.kind {
            StorageKind::F64 => raw::read_slab::<f64>(dataset, slab, into),
            StorageKind::F32 => raw::read_slab::<f32>(dataset, slab, into),
            StorageKind::I32 => raw::read_slab::<i32>(dataset, slab, into),
            StorageKind::I64 => raw::read_slab::<i64>(dataset, slab, into),
            StorageKind::U64 => raw::read_slab::<u64>(dataset, slab, into),
            StorageKind::I8 => raw::read_slab::<i8>(dataset, slab, into),
            StorageKind::Fixed(_) | StorageKind::Variable => {
                let message = format!("variable `{}` is text", claim.name);
                return Err(Error::data(&self.guard.path, message, "name a variable of numbers"));
            }
        };
        read.map_err(|e| trouble::reading(&self.guard.path, &format!("the variable `{}`", claim.name), &e))
    }

    fn texts(&mut self, at: usize) -> Result<Vec<String>> {
        texts(&self.guard.path, &self.claims[at])
    }
}

/// The size of a regular file that may be read.
pub(super) fn regular(path: &Path) -> Result<u64> {
    let about = std::fs::metadata(path).map_err(|e| Error::io(path, "open it", &e))?;
    if !about.is_file() {
        return Err(Error::data(path, "is not a file", "give an HDF5 (NetCDF-4) file"));
    }
    // The library's own words for a file without permission are many; the system's are clear.
    std::fs::File::open(path).map_err(|e| Error::io(path, "open it", &e))?;
    Ok(about.len())
}

/// The file, under any name that the system allows.
fn hdf5_file(path: &Path) -> Result<File> {
    let failed = |e: hdf5::Error| trouble::reading(path, "the file", &e);
    if path.to_str().is_some() {
        return File::open(path).map_err(failed);
    }
    // The library takes names in UTF-8 alone; one that the system gives to an open file is.
    use std::os::fd::AsRawFd;
    let held = std::fs::File::open(path).map_err(|e| Error::io(path, "open it", &e))?;
    File::open(format!("/dev/fd/{}", held.as_raw_fd())).map_err(failed)
}
