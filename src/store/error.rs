//! What can go wrong with files: what happened, in which file, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};

/// The result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened to which file, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The file or folder.
    pub path: String,
    /// What is wrong, as a clause with the numbers in it.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.message, self.remedy)
    }
}

/// What can go wrong with files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// A file that is damaged, foreign, or not what was asked for.
    #[error("{0}")]
    Data(Trouble),
    /// A file that needs more memory than is allowed.
    #[error("{0}")]
    Resource(Trouble),
    /// An output that exists already.
    #[error("{0}")]
    Exists(Trouble),
    /// The system refused to read or write.
    #[error("{0}")]
    Io(Trouble),
    /// Content that no file can hold (sizes that disagree, impossible names): a bug of ours.
    #[error("{0}")]
    Content(Trouble),
}

impl Error {
    /// A damaged or foreign file.
    pub(crate) fn data(path: &Path, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Data(Trouble::new(path, message, remedy))
    }

    /// A file that is too large.
    pub(crate) fn resource(path: &Path, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Resource(Trouble::new(path, message, remedy))
    }

    /// An output that exists.
    pub(crate) fn exists(path: &Path, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Exists(Trouble::new(path, message, remedy))
    }

    /// A folder where a file is to be written.
    pub(crate) fn is_folder(path: &Path) -> Self {
        Self::Io(Trouble::new(path, "is a folder, so no file can be written there", "name a file inside it"))
    }

    /// A folder whose disk has too little room for what is to be held there.
    pub(crate) fn no_room(path: &Path, needed: u64, room: u64) -> Self {
        let message =
            format!("its disk has {room} bytes of room, but the trajectories that are held there take {needed}");
        Self::Io(Trouble::new(path, message, "free some space, or name a folder on another disk by --scratch"))
    }

    /// A file that another program has open for writing.
    pub(crate) fn locked(path: &Path) -> Self {
        let message = "another program is writing it: it holds a lock on the file";
        Self::Io(Trouble::new(path, message, "wait until it is done, or close the file there"))
    }

    /// Content that no file can hold.
    pub(crate) fn content(path: &Path, message: impl Into<String>) -> Self {
        Self::Content(Trouble::new(path, message, "this is a mistake in scorecast, please report it"))
    }

    /// The system refused: `action` is a verb phrase such as "write it".
    pub(crate) fn io(path: &Path, action: &str, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the permissions of the file and of its folder",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space or choose another place",
            io::ErrorKind::IsADirectory => "name a file inside it",
            _ => "check the disk and try again",
        };
        Self::Io(Trouble::new(path, format!("could not {action} ({error})"), remedy))
    }

    /// The file, the message and the remedy.
    pub fn trouble(&self) -> &Trouble {
        match self {
            Self::Data(t) | Self::Resource(t) | Self::Exists(t) | Self::Io(t) | Self::Content(t) => t,
        }
    }
}

impl Trouble {
    fn new(path: &Path, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.display().to_string(), message: message.into(), remedy: remedy.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Data(_) => FailureKind::Data,
            Error::Resource(_) => FailureKind::Resource,
            Error::Exists(_) => FailureKind::Exists,
            Error::Io(_) => FailureKind::Io,
            Error::Content(_) => FailureKind::Bug,
        };
        let trouble = error.trouble();
        Self::new(kind, trouble.message.clone()).hint(trouble.remedy.clone()).at(trouble.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_exit_code_and_keeps_path_and_remedy() {
        let path = Path::new("a.nc");
        let rows = [
            (Error::data(path, "m", "r"), 3),
            (Error::resource(path, "m", "r"), 5),
            (Error::exists(path, "m", "r"), 7),
            (Error::io(path, "read it", &io::Error::from(io::ErrorKind::StorageFull)), 74),
            (Error::content(path, "m"), 1),
        ];
        for (error, code) in rows {
            let trouble = error.trouble().clone();
            let failure = Failure::from(error);
            assert_eq!(failure.kind.exit_code(), code);
            assert_eq!(failure.location, Some(trouble.path));
            assert_eq!(failure.hint, Some(trouble.remedy));
        }
    }
}
