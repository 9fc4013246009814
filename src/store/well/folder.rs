//! Where the files of a dataset lie, and how one is told from other files.

use std::path::{Path, PathBuf};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::super::netcdf::SplitPart;
use super::file::is_of_the_layout;

/// Whether a file, or the files of a folder, have the layout of The Well: told by the root attributes, or in a folder by
/// the folders of its parts.
///
/// # Errors
/// When a file cannot be opened as HDF5 at all.
pub fn is_well(path: &Path, limits: &Limits) -> Result<bool> {
    if path.is_dir() {
        let files = files(path).unwrap_or_default();
        return Ok(files.iter().any(|(_, file)| is_well(file, limits).unwrap_or(false)));
    }
    if path.is_file() { is_of_the_layout(path, limits) } else { Ok(false) }
}

/// The files of a dataset, with the part of each: a file alone belongs to none; a folder is that of a dataset (with
/// `data/train`, `data/valid`, `data/test`), one that holds a single dataset, or one of files without parts.
///
/// # Errors
/// [`Error::Data`] when a folder holds no such files, or several datasets; [`Error::Io`] when it cannot be read.
pub fn files(path: &Path) -> Result<Vec<(Option<SplitPart>, PathBuf)>> {
    if path.is_file() {
        return Ok(vec![(None, path.to_path_buf())]);
    }
    let inside = |folder: &Path| folder.join("data").is_dir();
    if inside(path) {
        return parts(path);
    }
    let datasets: Vec<PathBuf> = list(path)?.into_iter().filter(|folder| inside(folder)).collect();
    match datasets.as_slice() {
        [one] => parts(one),
        [] => Ok(hdf5_files(path)?.into_iter().map(|file| (None, file)).collect()),
        several => {
            let names = several.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ");
            Err(Error::data(path, format!("holds several datasets: {names}"), "name one of them"))
        }
    }
}

fn parts(dataset: &Path) -> Result<Vec<(Option<SplitPart>, PathBuf)>> {
    let mut found = Vec::new();
    for part in SplitPart::ALL {
        let folder = dataset.join("data").join(part.name());
        if folder.is_dir() {
            found.extend(hdf5_files(&folder)?.into_iter().map(|file| (Some(part), file)));
        }
    }
    Ok(found)
}

fn hdf5_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_hdf5 = |path: &PathBuf| path.extension().is_some_and(|end| end == "hdf5" || end == "h5") && path.is_file();
    Ok(list(folder)?.into_iter().filter(is_hdf5).collect())
}

/// What a folder holds, by name.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "list it", &e))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    Ok(paths)
}
