//! What goes between this program and the process that reads a foreign file: requests to its standard input, answers from its
//! standard output.
//!
//! A message is its length in eight bytes, least first, and its serde value in postcard's format. After [`Answer::Block`] follow
//! the numbers themselves, as many bytes as it says, in the machine's own layout: both ends are the same machine. Each request
//! has one answer, in order; [`Answer::Working`] may come before it any number of times. A request may be sent before the
//! answer to the last has come. The process ends when its input does.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::source::{Chunks, Slab, Survey};

/// The longest message.
const LONGEST: u64 = 1 << 28;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Opens a file in place of the one that is open: its name in the system's bytes, the most bytes of one chunk, whether groups
    /// are looked into. Answered by `Opened`.
    Open { path: Vec<u8>, max_bytes: u64, deep: bool },
    /// [`super::source::Source::admit`], answered by `Admitted`.
    Admit(usize),
    /// [`super::source::Source::block`], answered by `Block`.
    Block(usize, Slab),
    /// [`super::source::Source::texts`], answered by `Texts`.
    Texts(usize),
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// There is progress.
    Working,
    /// The file is open.
    Opened(Survey),
    /// The array may be read.
    Admitted(Chunks),
    /// So many bytes of numbers follow.
    Block(u64),
    /// The strings of an array.
    Texts(Vec<String>),
    /// What was asked cannot be done.
    Failed(Error),
}

/// A message as bytes.
pub(super) fn framed<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let body = postcard::to_allocvec(message).map_err(|error| io::Error::other(error.to_string()))?;
    let mut frame = (body.len() as u64).to_le_bytes().to_vec();
    frame.extend(body);
    Ok(frame)
}

/// Sends a message.
pub(super) fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    to.write_all(&framed(message)?)
}

/// The next message; an error of the kind `UnexpectedEof` where there is none.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    postcard::from_bytes(&body).map_err(|error| io::Error::other(error.to_string()))
}

/// The bytes of a path.
pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

/// The path of bytes.
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}
