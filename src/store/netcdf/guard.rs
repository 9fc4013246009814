//! What is checked of a dataset in a foreign file before a byte of it is read.
//!
//! Deflate shrinks by at most 1032:1 (two bits for 258 bytes), so an array that claims more than that of the whole
//! file holds nothing but the claim; a chunk that is stored in more bytes than it has values is a decompression bomb.

use std::path::Path;

use hdf5::dataset::Layout;
use hdf5::filters::Filter;
use hdf5::types::{FloatSize, IntSize, TypeDescriptor};

use super::super::Limits;
use super::super::error::{Error, Result};
use super::trouble;

/// The most that deflate can shrink.
const DEFLATE: u64 = 1032;
/// A small array may be all fill values, stored nowhere.
const FREE: u64 = 1 << 20;
/// The most strings of variable length that are read; labels are few.
const MAX_STRINGS: usize = 1 << 16;

/// The types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum StorageKind {
    F64,
    F32,
    I32,
    I64,
    U64,
    I8,
    /// Strings of so many bytes.
    Fixed(usize),
    /// Strings of variable length.
    Variable,
}

impl StorageKind {
    /// The bytes of one value in memory.
    fn bytes(self) -> u64 {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::I8 => 1,
            Self::Fixed(size) => size as u64,
            Self::Variable => 16,
        }
    }
}

/// One dataset of a file: what it claims to be.
pub(in crate::store) struct Claim {
    pub(in crate::store) name: String,
    pub(in crate::store) shape: Vec<usize>,
    pub(in crate::store) kind: StorageKind,
    pub(in crate::store) dataset: hdf5::Dataset,
}

/// The file that is being read, its size, and the memory that is left.
pub(in crate::store) struct Guard<'a> {
    pub(in crate::store) path: &'a Path,
    pub(in crate::store) file_bytes: u64,
    pub(in crate::store) limits: &'a Limits,
    pub(in crate::store) taken: u64,
}

const STORE_AGAIN: &str = "store it again with xarray or h5py as a plain array in this file";

impl Guard<'_> {
    /// What a dataset claims, once it is known to be a plain array inside this file.
    pub(in crate::store) fn claim(&self, name: &str, dataset: hdf5::Dataset) -> Result<Claim> {
        let wrong = |message: String| Error::data(self.path, message, STORE_AGAIN);
        let failed = |e: hdf5::Error| trouble::reading(self.path, &format!("the variable `{name}`"), &e);
        let list = dataset.create_plist().map_err(failed)?;
        if list.get_layout().map_err(failed)? == Layout::Virtual {
            return Err(wrong(format!("variable `{name}` is virtual: its values lie in other files")));
        }
        if !list.get_external().map_err(failed)?.is_empty() {
            return Err(wrong(format!("variable `{name}` has external storage: its values lie in another file")));
        }
        for filter in list.get_filters().map_err(failed)? {
            if let Filter::User(id, _) = filter {
                return Err(wrong(format!(
                    "variable `{name}` is compressed with filter {id}, which this program does not have (it has zlib)"
                )));
            }
        }
        let kind = self.kind(name, &dataset)?;
        let shape = dataset.space().map_err(failed)?.shape();
        Ok(Claim { name: name.into(), shape, kind, dataset })
    }

    /// The type of a dataset, if it is one that is read.
    fn kind(&self, name: &str, dataset: &hdf5::Dataset) -> Result<StorageKind> {
        let described = dataset.dtype().and_then(|t| t.to_descriptor());
        let found = match described {
            Ok(TypeDescriptor::Float(FloatSize::U8)) => return Ok(StorageKind::F64),
            Ok(TypeDescriptor::Float(FloatSize::U4)) => return Ok(StorageKind::F32),
            Ok(TypeDescriptor::Boolean | TypeDescriptor::Integer(IntSize::U1)) => return Ok(StorageKind::I8),
            Ok(TypeDescriptor::Integer(IntSize::U8) | TypeDescriptor::Unsigned(IntSize::U4)) => {
                return Ok(StorageKind::I64);
            }
            Ok(TypeDescriptor::Unsigned(IntSize::U8)) => return Ok(StorageKind::U64),
            Ok(TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_)) => return Ok(StorageKind::I32),
            Ok(TypeDescriptor::FixedAscii(size) | TypeDescriptor::FixedUnicode(size)) => {
                return Ok(StorageKind::Fixed(size));
            }
            Ok(TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode) => return Ok(StorageKind::Variable),
            Ok(TypeDescriptor::Compound(_)) => "a compound type".to_string(),
            Ok(TypeDescriptor::Reference(_)) => "references".to_string(),
            Ok(other) => format!("the type {other}"),
            Err(error) => format!("an unsupported type ({error})"),
        };
        let message = format!("variable `{name}` has {found}");
        Err(Error::data(self.path, message, "store numbers (float32, float64 or integers) or strings"))
    }

    /// Checks the claimed sizes and takes the memory from what is left. Call it before loading.
    pub(in crate::store) fn admit(&mut self, claim: &Claim) -> Result<()> {
        let name = &claim.name;
        let shape = claim.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        let bytes = claim.shape.iter().try_fold(claim.kind.bytes(), |n, &side| n.checked_mul(side as u64));
        let most = self.file_bytes.saturating_mul(DEFLATE).saturating_add(FREE);
        let Some(bytes) = bytes.filter(|&b| b <= most) else {
            let message =
                format!("variable `{name}` claims {shape} values, but the whole file has {} bytes", self.file_bytes);
            return Err(Error::data(self.path, message, "no compression explains that, so do not trust this file"));
        };
        if claim.kind == StorageKind::Variable && (claim.shape.len() > 1 || bytes / 16 > MAX_STRINGS as u64) {
            let message =
                format!("variable `{name}` holds {shape} strings, and {MAX_STRINGS} in one dimension are the most");
            return Err(Error::data(self.path, message, "leave it out of the file"));
        }
        self.admit_chunks(claim, bytes)?;
        self.take(name, bytes)
    }

    /// Takes memory from what is left.
    pub(in crate::store) fn take(&mut self, name: &str, bytes: u64) -> Result<()> {
        let needed = self.taken.saturating_add(bytes);
        if needed > self.limits.max_bytes {
            let message = format!(
                "variable `{name}` needs {bytes} bytes of memory after {} for others, and {} are allowed",
                self.taken, self.limits.max_bytes
            );
            return Err(Error::resource(self.path, message, "raise --max-memory, or store less in the file"));
        }
        self.taken = needed;
        Ok(())
    }

    /// Chunks may be no larger than the memory allowed, and be stored in no more bytes than they hold.
    fn admit_chunks(&self, claim: &Claim, bytes: u64) -> Result<()> {
        let Some(chunk) = claim.dataset.chunk() else { return Ok(()) };
        let name = &claim.name;
        let size = claim.dataset.dtype().map(|t| t.size()).unwrap_or(0) as u64;
        let whole = chunk.iter().try_fold(size, |n, &side| n.checked_mul(side as u64)).unwrap_or(u64::MAX);
        // A chunk may overhang the array, in each dimension by less than itself, but needs memory in full.
        if whole > bytes.max(FREE).saturating_mul(16) || whole > self.limits.max_bytes {
            let message = format!("variable `{name}` has chunks of {whole} bytes for {bytes} bytes of values");
            return Err(Error::resource(self.path, message, "store it with smaller chunks, or raise --max-memory"));
        }
        // Deflate's own overhead is five bytes in 16 KiB; checksums add four.
        let most = whole.saturating_add(whole / 1000).saturating_add(64);
        let mut largest = 0;
        let visited = claim.dataset.chunks_visit(|info| {
            largest = largest.max(info.size);
            0
        });
        visited.map_err(|e| trouble::reading(self.path, &format!("the chunk table of `{name}`"), &e))?;
        if largest > most {
            let message = format!("variable `{name}` has a chunk of {whole} bytes that is stored in {largest}");
            return Err(Error::data(self.path, message, "no compression explains that, so do not trust this file"));
        }
        Ok(())
    }
}
