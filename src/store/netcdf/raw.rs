//! The calls of the HDF5 library that its Rust wrapper lacks: dimension scales (the high-level library `H5DS`), slabs, chunks, and
//! fixed-length strings whose length is known only at run time. The only unsafe code of this room; every call holds
//! the wrapper's global lock, because the library is not thread-safe.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};

use hdf5::{Attribute, Container, Dataset, Datatype, Error, H5Type, Location, Result, h5check, h5lock};
use hdf5_sys::h5::{herr_t, hsize_t};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5a, h5d, h5f, h5p, h5s, h5t};

use super::source::Slab;

unsafe extern "C" {
    fn H5DSset_scale(scale: hid_t, name: *const c_char) -> herr_t;
    fn H5DSattach_scale(variable: hid_t, scale: hid_t, axis: c_uint) -> herr_t;
    fn H5Dget_chunk_storage_size(dataset: hid_t, offset: *const hsize_t, size: *mut hsize_t) -> herr_t;
}

/// Makes a one-dimensional dataset a dimension scale of the given name.
pub(super) fn set_scale(scale: &Dataset, name: &str) -> Result<()> {
    let name = c_string(name)?;
    // SAFETY: `scale` is a live dataset, `name` a terminated string that outlives the call.
    h5lock!(h5check(unsafe { H5DSset_scale(scale.id(), name.as_ptr()) })).map(|_| ())
}

/// Attaches a dimension scale to an axis of a variable.
pub(super) fn attach_scale(variable: &Dataset, scale: &Dataset, axis: usize) -> Result<()> {
    let axis = c_uint::try_from(axis).map_err(|_| Error::from("too many dimensions"))?;
    // SAFETY: both are live datasets; the library checks the axis.
    h5lock!(h5check(unsafe { H5DSattach_scale(variable.id(), scale.id(), axis) })).map(|_| ())
}

/// Writes a text attribute as NetCDF does: one terminated UTF-8 string of fixed length.
pub(super) fn write_text(location: &Location, name: &str, text: &str) -> Result<()> {
    let (name, text) = (c_string(name)?, c_string(text)?);
    let bytes = text.as_bytes_with_nul();
    h5lock!({
        // SAFETY: every identifier is checked before use and closed once; `bytes` has the length that the type states.
        unsafe {
            let kind = h5check(h5t::H5Tcopy(*hdf5::globals::H5T_C_S1))?;
            h5check(h5t::H5Tset_size(kind, bytes.len()))?;
            h5check(h5t::H5Tset_cset(kind, h5t::H5T_cset_t::H5T_CSET_UTF8))?;
            let space = h5check(h5s::H5Screate(h5s::H5S_class_t::H5S_SCALAR))?;
            let default = h5p::H5P_DEFAULT;
            let attribute = h5check(h5a::H5Acreate2(location.id(), name.as_ptr(), kind, space, default, default))?;
            let written = h5check(h5a::H5Awrite(attribute, kind, bytes.as_ptr().cast::<c_void>()));
            h5a::H5Aclose(attribute);
            h5s::H5Sclose(space);
            h5t::H5Tclose(kind);
            written.map(|_| ())
        }
    })
}

/// The bytes of an attribute of fixed-length strings, in the file's own layout. The caller has checked its class and
/// its size: no other type may be read this way.
pub(in crate::store) fn attribute_bytes(attribute: &Attribute) -> Result<Vec<u8>> {
    let mut bytes = buffer(attribute)?;
    h5lock!({
        // SAFETY: `bytes` has room for all elements of the attribute's own type, which holds no pointers.
        unsafe {
            let kind = h5check(h5a::H5Aget_type(attribute.id()))?;
            let read = h5check(h5a::H5Aread(attribute.id(), kind, bytes.as_mut_ptr().cast::<c_void>()));
            h5t::H5Tclose(kind);
            read.map(|_| bytes)
        }
    })
}

/// The bytes of a dataset of fixed-length strings, as [`attribute_bytes`].
pub(super) fn dataset_bytes(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut bytes = buffer(dataset)?;
    h5lock!({
        // SAFETY: as in `attribute_bytes`.
        unsafe {
            let kind = h5check(h5d::H5Dget_type(dataset.id()))?;
            let all = h5s::H5S_ALL;
            let target = bytes.as_mut_ptr().cast::<c_void>();
            let read = h5check(h5d::H5Dread(dataset.id(), kind, all, all, h5p::H5P_DEFAULT, target));
            h5t::H5Tclose(kind);
            read.map(|_| bytes)
        }
    })
}

/// Reads a slab of a dataset of numbers, as numbers of the type `T` in row-major order, into `into`.
pub(super) fn read_slab<T: H5Type>(dataset: &Dataset, slab: &Slab, into: &mut [u8]) -> Result<()> {
    assert_eq!(slab.len() * size_of::<T>(), into.len(), "the bytes of a slab");
    assert_eq!(dataset.ndim(), slab.count.len(), "one size for each dimension");
    let kind = Datatype::from_type::<T>()?;
    let [offset, count] = [&slab.offset, &slab.count].map(|of| of.iter().map(|&n| n as u64).collect::<Vec<_>>());
    let target = into.as_mut_ptr().cast::<c_void>();
    h5lock!({
        // SAFETY: every identifier is checked before use and closed once; `into` has room for all values of the slab, which
        // hold no pointers.
        unsafe {
            if count.is_empty() {
                let all = h5s::H5S_ALL;
                return h5check(h5d::H5Dread(dataset.id(), kind.id(), all, all, h5p::H5P_DEFAULT, target)).map(|_| ());
            }
            let file = h5check(h5d::H5Dget_space(dataset.id()))?;
            let (set, none) = (h5s::H5S_seloper_t::H5S_SELECT_SET, std::ptr::null());
            let chosen = h5check(h5s::H5Sselect_hyperslab(file, set, offset.as_ptr(), none, count.as_ptr(), none));
            let memory = h5s::H5Screate_simple(count.len() as c_int, count.as_ptr(), none);
            let read = chosen.and_then(|_| h5check(memory)).and_then(|memory| {
                h5check(h5d::H5Dread(dataset.id(), kind.id(), memory, file, h5p::H5P_DEFAULT, target))
            });
            if memory >= 0 {
                h5s::H5Sclose(memory);
            }
            h5s::H5Sclose(file);
            read.map(|_| ())
        }
    })
}

/// The stored size of the chunk that begins at `offset`, found as reading would find it; none where reading would find no chunk.
/// (The library's other questions about chunks walk through the whole index, and see chunks to which its keys do not lead.)
pub(super) fn chunk_size(dataset: &Dataset, offset: &[u64]) -> Option<u64> {
    assert_eq!(dataset.ndim(), offset.len(), "one index for each dimension");
    let mut size = 0;
    // SAFETY: `offset` has an index for each dimension, and `size` outlives the call.
    let found = h5lock!(h5check(unsafe { H5Dget_chunk_storage_size(dataset.id(), offset.as_ptr(), &mut size) }));
    found.is_ok().then_some(size).filter(|size| *size > 0)
}

/// How many files the library holds open, those of any name and any number of times.
pub(super) fn open_files() -> usize {
    // SAFETY: the library counts its own identifiers.
    let count = h5lock!(unsafe { h5f::H5Fget_obj_count(h5f::H5F_OBJ_ALL as hid_t, h5f::H5F_OBJ_FILE) });
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Writes the bytes of a dataset of one-byte strings.
pub(super) fn write_bytes(dataset: &Dataset, bytes: &[u8]) -> Result<()> {
    assert_eq!(dataset.size(), bytes.len(), "one byte for each character");
    h5lock!({
        // SAFETY: `bytes` has one byte for each element, and the caller made the dataset of one-byte strings.
        unsafe {
            let kind = h5check(h5d::H5Dget_type(dataset.id()))?;
            let all = h5s::H5S_ALL;
            let source = bytes.as_ptr().cast::<c_void>();
            let written = h5check(h5d::H5Dwrite(dataset.id(), kind, all, all, h5p::H5P_DEFAULT, source));
            h5t::H5Tclose(kind);
            written.map(|_| ())
        }
    })
}

/// A zeroed buffer for all elements in the file's own type.
fn buffer(container: &Container) -> Result<Vec<u8>> {
    let size = container.dtype()?.size().checked_mul(container.size());
    let size = size.ok_or_else(|| Error::from("the claimed size overflows"))?;
    Ok(vec![0; size])
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::from("a text holds a zero byte"))
}
