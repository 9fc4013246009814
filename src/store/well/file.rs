//! One open file: its datasets and groups by path, with the same guard as every foreign file.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5::{File, Group, IndexType, IterationOrder, LinkType, Location, LocationType};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::super::netcdf::guard::{Claim, Guard};
use super::super::netcdf::{trouble, values};

/// How deep groups are followed: `/boundary_conditions/x_periodic/mask`.
const DEPTH: usize = 3;

/// An open file whose links, types and layouts have been checked.
pub(super) struct WellFile<'a> {
    guard: Guard<'a>,
    file: File,
    /// Datasets by path, such as `t0_fields/density`.
    claims: BTreeMap<String, Claim>,
    /// Groups by path.
    groups: BTreeMap<String, Group>,
}

impl<'a> WellFile<'a> {
    /// Opens a file and checks everything that is not values.
    pub(super) fn open(path: &'a Path, limits: &'a Limits) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|e| Error::io(path, "open it", &e))?;
        std::fs::File::open(path).map_err(|e| Error::io(path, "open it", &e))?;
        let file = File::open(path).map_err(|e| trouble::reading(path, "the file", &e))?;
        let guard = Guard { path, file_bytes: about.len(), limits, taken: 0 };
        let root = file.as_group().map_err(|e| trouble::reading(path, "the file", &e))?;
        let mut opened = Self { guard, file, claims: BTreeMap::new(), groups: BTreeMap::new() };
        opened.walk(&root, "", DEPTH)?;
        Ok(opened)
    }

    fn walk(&mut self, group: &Group, prefix: &str, depth: usize) -> Result<()> {
        let path = self.guard.path;
        let failed = |e: hdf5::Error| trouble::reading(path, &format!("the group `/{prefix}`"), &e);
        for (name, link) in group.links(IndexType::Name, IterationOrder::Increasing).map_err(failed)? {
            let full = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            if link.link_type != LinkType::Hard {
                let message = format!("`{full}` is a link, which is not followed");
                return Err(Error::data(path, message, "store the values themselves under this name"));
            }
            match group.loc_type_by_name(&name).map_err(failed)? {
                LocationType::Dataset => {
                    let claim = self.guard.claim(&full, group.dataset(&name).map_err(failed)?)?;
                    self.claims.insert(full, claim);
                }
                LocationType::Group if depth > 1 => {
                    let inner = group.group(&name).map_err(failed)?;
                    self.walk(&inner, &full, depth - 1)?;
                    self.groups.insert(full, inner);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The root, for its attributes.
    pub(super) fn root(&self) -> &Location {
        &self.file
    }

    /// A group by path.
    pub(super) fn group(&self, path: &str) -> Option<&Location> {
        self.groups.get(path).map(|group| -> &Location { group })
    }

    /// The paths of the groups and datasets directly in a group.
    pub(super) fn inside(&self, group: &str) -> Vec<String> {
        let paths = self.groups.keys().chain(self.claims.keys());
        let direct = |path: &&String| path.rsplit_once('/').is_some_and(|(parent, _)| parent == group);
        paths.filter(direct).cloned().collect()
    }

    /// A dataset by path, for its attributes.
    pub(super) fn dataset(&self, path: &str) -> Option<&Location> {
        self.claims.get(path).map(|claim| -> &Location { &claim.dataset })
    }

    /// The sizes of a dataset.
    pub(super) fn shape(&self, path: &str) -> Option<&[usize]> {
        self.claims.get(path).map(|claim| claim.shape.as_slice())
    }

    /// What a dataset holds.
    pub(super) fn is_single(&self, path: &str) -> bool {
        self.claims.get(path).is_some_and(|claim| claim.kind == super::super::netcdf::guard::StorageKind::F32)
    }

    /// The numbers of a dataset, once its claimed size is found possible and allowed; booleans are 0 and 1.
    pub(super) fn numbers(&mut self, path: &str) -> Result<Vec<f64>> {
        let Some(claim) = self.claims.get(path) else {
            return Err(Error::data(self.guard.path, format!("has no `{path}`"), "make the file again"));
        };
        self.guard.admit(claim)?;
        let values = values::values(&mut self.guard, claim)?;
        values.to_f64().ok_or_else(|| Error::data(self.guard.path, format!("`{path}` is text"), "store numbers there"))
    }
}
