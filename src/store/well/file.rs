//! One open file: its datasets and groups by path, with the same guard as every foreign file.

use std::path::Path;

use super::super::Limits;
use super::super::error::{Error, Result};
use super::super::netcdf::Values;
use super::super::netcdf::open::{open, values};
use super::super::netcdf::read::take;
use super::super::netcdf::source::{Array, Attributes, Chunks, Source, StorageKind};
use super::super::netcdf::stream::{Streaming, Take};
use super::attributes::has;
use crate::failure;

/// An open file whose links, types and layouts have been checked.
pub(super) struct WellFile<'a> {
    path: &'a Path,
    source: Box<dyn Source + 'a>,
    max_bytes: u64,
    taken: u64,
}

impl<'a> WellFile<'a> {
    /// Opens a file and checks everything that is not values.
    pub(super) fn open(path: &'a Path, limits: &Limits) -> Result<Self> {
        Ok(Self { path, source: open(path, limits, true)?, max_bytes: limits.max_bytes, taken: 0 })
    }

    /// The attributes of the file.
    pub(super) fn root(&self) -> &Attributes {
        &self.source.survey().root
    }

    /// The attributes of a group by path.
    pub(super) fn group(&self, path: &str) -> Option<&Attributes> {
        self.source.survey().groups.iter().find(|(own, _)| own == path).map(|(_, attributes)| attributes)
    }

    /// The paths of the groups and datasets directly in a group.
    pub(super) fn inside(&self, group: &str) -> Vec<String> {
        let survey = self.source.survey();
        let groups = survey.groups.iter().map(|(path, _)| path);
        let paths = groups.chain(survey.arrays.iter().map(|array| &array.path));
        let direct = |path: &&String| path.rsplit_once('/').is_some_and(|(parent, _)| parent == group);
        let mut found: Vec<String> = paths.filter(direct).cloned().collect();
        found.sort();
        found
    }

    fn array(&self, path: &str) -> Option<(usize, &Array)> {
        self.source.survey().arrays.iter().enumerate().find(|(_, array)| array.path == path)
    }

    /// The attributes of a dataset by path.
    pub(super) fn dataset(&self, path: &str) -> Option<&Attributes> {
        self.array(path).map(|(_, array)| &array.attributes)
    }

    /// The sizes of a dataset.
    pub(super) fn shape(&self, path: &str) -> Option<&[usize]> {
        self.array(path).map(|(_, array)| array.shape.as_slice())
    }

    /// Whether a dataset is in single precision.
    pub(super) fn is_single(&self, path: &str) -> bool {
        self.array(path).is_some_and(|(_, array)| array.kind == StorageKind::F32)
    }

    /// The numbers of a dataset, once its claimed size is found possible and allowed; booleans are 0 and 1.
    pub(super) fn numbers(&mut self, path: &str) -> Result<Vec<f64>> {
        let (at, array) = self.found(path)?;
        let bytes = array.shape.iter().fold(array.kind.bytes() as u64, |n, &side| n.saturating_mul(side as u64));
        let chunks = self.source.admit(at)?;
        self.taken = take(self.path, path, self.taken, bytes, self.max_bytes)?;
        self.check_chunks(path, &chunks)?;
        numbers(self.path, path, values(self.path, &mut *self.source, at)?)
    }

    /// The numbers of a dataset block by block; `axes` has the dimension that plays each role, and `fixed` one that plays none, with
    /// the index along it that is read.
    pub(super) fn stream(
        &mut self,
        path: &str,
        axes: &[Option<usize>],
        fixed: Option<(usize, usize)>,
        take: Take,
    ) -> failure::Result<()> {
        let (at, _) = self.found(path)?;
        let chunks = self.source.admit(at)?;
        self.check_chunks(path, &chunks)?;
        let streaming = Streaming { at, axes, fixed };
        streaming.run(self.path, &mut *self.source, &mut |values| numbers(self.path, path, values), take)
    }

    fn found(&self, path: &str) -> Result<(usize, &Array)> {
        let missing = || Error::data(self.path, format!("has no `{path}`"), "make the file again");
        self.array(path).ok_or_else(missing)
    }

    /// Refuses chunks that are not there. Values that are not finite are told by whoever takes them.
    fn check_chunks(&self, path: &str, chunks: &Chunks) -> Result<()> {
        if chunks.lost() == 0 || chunks.fill.is_some_and(f64::is_nan) {
            return Ok(());
        }
        let message = format!("`{path}` is damaged: {} of its {} chunks are not there", chunks.lost(), chunks.expected);
        Err(Error::data(self.path, message, "copy or make it again"))
    }
}

fn numbers(file: &Path, path: &str, values: Values) -> Result<Vec<f64>> {
    values.to_f64().ok_or_else(|| Error::data(file, format!("`{path}` is text"), "store numbers there"))
}

/// Whether the attributes of a file are those of the layout.
pub(super) fn is_of_the_layout(path: &Path, limits: &Limits) -> Result<bool> {
    let file = open(path, limits, false)?;
    let root = &file.survey().root;
    Ok(has(root, "dataset_name") && has(root, "n_spatial_dims"))
}
