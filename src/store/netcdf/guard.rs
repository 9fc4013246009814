//! What is checked of a dataset in a foreign file before a byte of it is read.
//!
//! Deflate shrinks by at most 1032:1 (two bits for 258 bytes), so an array that claims more than that of the whole
//! file holds nothing but the claim; a chunk that is stored in more bytes than it has values is a decompression bomb, and so is
//! what is deflated twice. The table of chunks must be that of the array: each on the grid, once, in bytes of its own, through
//! all filters (one that is left out may be the checksum).

use std::collections::HashSet;
use std::path::PathBuf;

use hdf5::dataset::{FillValue, Layout};
use hdf5::filters::Filter;
use hdf5::types::{FloatSize, IntSize, TypeDescriptor};

use super::super::error::{Error, Result};
use super::source::{Chunks, Integer, StorageKind};
use super::{raw, trouble};

/// The most that deflate can shrink.
const DEFLATE: u64 = 1032;
/// A small array may be all fill values, stored nowhere.
const FREE: u64 = 1 << 20;
/// The most strings of variable length that are read; labels are few.
const MAX_STRINGS: usize = 1 << 16;
/// The most bytes of an array of strings.
const MAX_TEXT: u64 = 1 << 26;

/// One dataset of a file: what it claims to be.
pub(in crate::store) struct Claim {
    pub(in crate::store) name: String,
    pub(in crate::store) shape: Vec<usize>,
    pub(in crate::store) kind: StorageKind,
    pub(in crate::store) dataset: hdf5::Dataset,
}

/// The file that is being read, its size, and the memory that is allowed.
pub(in crate::store) struct Guard {
    pub(in crate::store) path: PathBuf,
    pub(in crate::store) file_bytes: u64,
    pub(in crate::store) max_bytes: u64,
    /// Called while something takes long: there is progress.
    pub(in crate::store) pulse: Box<dyn FnMut()>,
}

const STORE_AGAIN: &str = "store it again with xarray or h5py as a plain array in this file";

impl Guard {
    /// What a dataset claims, once it is known to be a plain array inside this file.
    pub(in crate::store) fn claim(&self, name: &str, dataset: hdf5::Dataset) -> Result<Claim> {
        let wrong = |message: String| Error::data(&self.path, message, STORE_AGAIN);
        let failed = |e: hdf5::Error| trouble::reading(&self.path, &format!("the variable `{name}`"), &e);
        let list = dataset.create_plist().map_err(failed)?;
        if list.get_layout().map_err(failed)? == Layout::Virtual {
            return Err(wrong(format!("variable `{name}` is virtual: its values lie in other files")));
        }
        if !list.get_external().map_err(failed)?.is_empty() {
            return Err(wrong(format!("variable `{name}` has external storage: its values lie in another file")));
        }
        let filters = list.get_filters().map_err(failed)?;
        let deflates = filters.iter().filter(|filter| matches!(filter, Filter::Deflate(_))).count();
        if deflates > 1 {
            return Err(wrong(format!("variable `{name}` is compressed {deflates} times over")));
        }
        for filter in filters {
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
        Err(Error::data(&self.path, message, "store numbers (float32, float64 or integers) or strings"))
    }

    /// Checks the claimed sizes and the table of chunks. Call it before loading.
    pub(in crate::store) fn admit(&mut self, claim: &Claim) -> Result<Chunks> {
        let name = &claim.name;
        let shape = claim.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        let bytes = claim.shape.iter().try_fold(claim.kind.bytes() as u64, |n, &side| n.checked_mul(side as u64));
        let most = self.file_bytes.saturating_mul(DEFLATE).saturating_add(FREE);
        let Some(bytes) = bytes.filter(|&b| b <= most) else {
            let message =
                format!("variable `{name}` claims {shape} values, but the whole file has {} bytes", self.file_bytes);
            return Err(Error::data(&self.path, message, "no compression explains that, so do not trust this file"));
        };
        if claim.kind == StorageKind::Variable && (claim.shape.len() > 1 || bytes / 16 > MAX_STRINGS as u64) {
            let message =
                format!("variable `{name}` holds {shape} strings, and {MAX_STRINGS} in one dimension are the most");
            return Err(Error::data(&self.path, message, "leave it out of the file"));
        }
        if claim.kind.is_text() && bytes > MAX_TEXT {
            let message = format!("variable `{name}` holds {bytes} bytes of text, and {MAX_TEXT} are the most");
            return Err(Error::resource(&self.path, message, "leave it out of the file"));
        }
        let chunk = claim.dataset.chunk();
        let chunks = match &chunk {
            Some(chunk) => self.admit_chunks(claim, chunk, bytes)?,
            None => (u64::from(bytes == 0 || claim.dataset.storage_size() > 0), 1),
        };
        let (there, expected) = chunks;
        Ok(Chunks { there, expected, fill: if there < expected { fill(claim) } else { None } })
    }

    /// Chunks may be no larger than the memory allowed; their table must be that of the array. How many are there, of how many.
    fn admit_chunks(&mut self, claim: &Claim, chunk: &[usize], bytes: u64) -> Result<(u64, u64)> {
        let name = &claim.name;
        let size = claim.dataset.dtype().map(|t| t.size()).unwrap_or(0) as u64;
        let whole = chunk.iter().try_fold(size, |n, &side| n.checked_mul(side as u64)).unwrap_or(u64::MAX);
        // A chunk may overhang the array, in each dimension by less than itself, but needs memory in full.
        if whole > bytes.max(FREE).saturating_mul(16) || whole > self.max_bytes {
            let message = format!("variable `{name}` has chunks of {whole} bytes for {bytes} bytes of values");
            return Err(Error::resource(&self.path, message, "store it with smaller chunks, or raise --max-memory"));
        }
        let grid: Vec<u64> =
            claim.shape.iter().zip(chunk).map(|(&side, &of)| side.div_ceil(of.max(1)) as u64).collect();
        // cannot overflow: there are no more chunks than values, and they have been counted
        let expected: u64 = grid.iter().product();
        let mut table =
            Table { chunk, grid: &grid, bytes: whole, taken: HashSet::new(), places: Vec::new(), wrong: None };
        let pulse = &mut self.pulse;
        let visited = claim.dataset.chunks_visit(|info| {
            if table.places.len().is_multiple_of(1024) {
                pulse();
            }
            i32::from(!table.takes(info.offset, info.filter_mask, info.addr, info.size))
        });
        let failed = |e: hdf5::Error| trouble::reading(&self.path, &format!("the chunk table of `{name}`"), &e);
        visited.map_err(failed)?;
        let mut wrong = table.check();
        for (at, &(_, size, place)) in table.places.iter().enumerate() {
            if wrong.is_some() {
                break;
            }
            if at.is_multiple_of(1024) {
                (self.pulse)();
            }
            let offset = table.offset(place);
            if raw::chunk_size(&claim.dataset, &offset) != Some(size) {
                wrong = Some(format!("has a chunk at {offset:?} that its own table does not lead to"));
            }
        }
        if let Some(wrong) = wrong {
            let message = format!("variable `{name}` {wrong}");
            return Err(Error::data(&self.path, message, "do not trust this file: copy or make it again"));
        }
        Ok((table.taken.len() as u64, expected))
    }
}

/// The chunks of an array as its table has them.
struct Table<'a> {
    /// Sizes of a chunk in values, of the grid in chunks, and of a chunk in bytes.
    chunk: &'a [usize],
    grid: &'a [u64],
    bytes: u64,
    /// Their places on the grid.
    taken: HashSet<u64>,
    /// Their first bytes in the file, their sizes, and their places on the grid.
    places: Vec<(u64, u64, u64)>,
    /// What is wrong, as the end of a clause.
    wrong: Option<String>,
}

impl Table<'_> {
    /// Takes one in; false where something is wrong with it.
    fn takes(&mut self, offset: &[u64], mask: u32, address: u64, size: u64) -> bool {
        // Deflate's own overhead is five bytes in 16 KiB; checksums add four.
        let most = self.bytes.saturating_add(self.bytes / 1000).saturating_add(64);
        self.wrong = if size > most {
            Some(format!("has a chunk of {} bytes that is stored in {size}, which no compression explains", self.bytes))
        } else if mask != 0 {
            Some(format!("has a chunk, at {offset:?}, past which filters were switched off (mask {mask:#x})"))
        } else {
            match self.place(offset) {
                None => Some(format!("has a chunk at {offset:?}, which is not on the grid of its chunks")),
                Some(place) if !self.taken.insert(place) => Some(format!("has two chunks at {offset:?}")),
                Some(place) => {
                    self.places.push((address, size, place));
                    None
                }
            }
        };
        self.wrong.is_none()
    }

    /// The number of a chunk on the grid, from its first index.
    fn place(&self, offset: &[u64]) -> Option<u64> {
        let sides = self.chunk.iter().zip(self.grid);
        offset.iter().zip(sides).try_fold(0, |place, (&first, (&side, &count))| {
            let at = first / side as u64;
            (first.is_multiple_of(side as u64) && at < count).then(|| place * count + at)
        })
    }

    /// The first index of the chunk of a number on the grid.
    fn offset(&self, mut place: u64) -> Vec<u64> {
        let sides = self.chunk.iter().zip(self.grid).rev();
        let mut offset: Vec<u64> = sides
            .map(|(&side, &count)| {
                let at = place % count;
                place /= count;
                at * side as u64
            })
            .collect();
        offset.reverse();
        offset
    }

    /// What is wrong with the whole table.
    fn check(&mut self) -> Option<String> {
        self.places.sort_unstable();
        let shared = self.places.windows(2).find(|pair| pair[0].0.saturating_add(pair[0].1) > pair[1].0);
        let shared = shared.map(|pair| format!("has two chunks that share bytes of the file (at {})", pair[1].0));
        self.wrong.take().or(shared)
    }
}

/// What stands for values that were never written, where the file's maker said so.
fn fill(claim: &Claim) -> Option<f64> {
    let list = claim.dataset.dcpl().ok()?;
    if claim.kind.is_text() || list.get_fill_value_defined().ok()? != FillValue::UserDefined {
        return None;
    }
    list.get_fill_value_as::<f64>().ok()?
}

/// How the integers of a dataset are stored; none of other types.
pub(super) fn integer(dataset: &hdf5::Dataset) -> Option<Integer> {
    let kind = dataset.dtype().and_then(|kind| kind.to_descriptor()).ok()?;
    match kind {
        TypeDescriptor::Integer(_) => Some(Integer { bytes: kind.size(), signed: true }),
        TypeDescriptor::Unsigned(_) => Some(Integer { bytes: kind.size(), signed: false }),
        _ => None,
    }
}
