//! What the HDF5 library says, as sentences. Its error stack is searched for the phrases that tell the cases apart.

use std::path::Path;

use super::super::error::Error;

/// A failure to read `what` ("it", "the variable `x`") of a file.
pub(in crate::store) fn reading(path: &Path, what: &str, error: &hdf5::Error) -> Error {
    let said = phrases(error);
    let again = "copy or make the file again";
    if said.contains("not HDF5") || said.contains("file signature not found") {
        Error::data(path, "is not an HDF5 (NetCDF-4) file", "give a file written by scorecast, xarray or h5py")
    } else if said.contains("unable to lock file") {
        Error::locked(path)
    } else if said.contains("truncated file") {
        Error::data(path, "is cut short: it was not copied or written to its end", again)
    } else if said.to_lowercase().contains("checksum") {
        Error::data(path, format!("{what} is damaged: its checksum does not fit its bytes"), again)
    } else {
        Error::data(path, format!("{what} could not be read, it seems to be damaged ({})", first(&said)), again)
    }
}

/// A failure to write a file.
pub(in crate::store) fn writing(path: &Path, error: &hdf5::Error) -> Error {
    let said = phrases(error);
    let kind = if said.contains("No space left") {
        std::io::ErrorKind::StorageFull
    } else if said.contains("Permission denied") {
        std::io::ErrorKind::PermissionDenied
    } else {
        std::io::ErrorKind::Other
    };
    Error::io(path, "write it", &std::io::Error::new(kind, first(&said).to_string()))
}

/// All descriptions of an error stack, innermost last.
fn phrases(error: &hdf5::Error) -> String {
    match error.stack() {
        Some(stack) => stack.iter().map(|frame| frame.desc().to_string()).collect::<Vec<_>>().join("; "),
        None => error.to_string(),
    }
}

/// The innermost description: the cause.
fn first(said: &str) -> &str {
    said.rsplit("; ").next().unwrap_or(said)
}
