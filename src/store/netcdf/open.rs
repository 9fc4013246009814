//! In which process a file is read, and the values of an array out of it.

use std::path::Path;

use bytemuck::Pod;

use super::super::error::{Error, Result};
use super::super::{Limits, manifest};
use super::child::Child;
use super::dataset::Values;
use super::local::{Local, regular};
use super::source::{Array, Slab, Source, StorageKind};

/// The most bytes that are read at once; a single chunk is always read whole.
const BLOCK: usize = 1 << 22;

/// Opens a file and checks everything that is not values; with `deep` also in its groups. A foreign one, or one that is not what
/// the manifest beside it says, is opened in a process of its own.
pub(in crate::store) fn open<'a>(path: &'a Path, limits: &Limits, deep: bool) -> Result<Box<dyn Source + 'a>> {
    regular(path)?;
    Ok(match limits.launcher {
        Some(launcher) if !manifest::vouches_for(path) => Box::new(Child::open(path, limits, launcher, deep)?),
        _ => Box::new(Local::open(path, limits.max_bytes, deep, Box::new(|| {}))?),
    })
}

/// The values of an admitted array, in row-major order.
pub(in crate::store) fn values(path: &Path, source: &mut dyn Source, at: usize) -> Result<Values> {
    Ok(match source.survey().arrays[at].kind {
        StorageKind::F64 => Values::F64(numbers(path, source, at)?),
        StorageKind::F32 => Values::F32(numbers(path, source, at)?),
        StorageKind::I32 => Values::I32(numbers(path, source, at)?),
        StorageKind::I64 => Values::I64(numbers(path, source, at)?),
        StorageKind::U64 => Values::U64(numbers(path, source, at)?),
        StorageKind::I8 => Values::I8(numbers(path, source, at)?),
        StorageKind::Fixed(_) | StorageKind::Variable => Values::Text(source.texts(at)?),
    })
}

fn numbers<T: Pod>(path: &Path, source: &mut dyn Source, at: usize) -> Result<Vec<T>> {
    let array = source.survey().arrays[at].clone();
    let count = array.shape.iter().product();
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|error| {
        let message = format!("variable `{}` needs memory for {count} values ({error})", array.path);
        Error::resource(path, message, "free some memory, or store less in the file")
    })?;
    values.resize(count, T::zeroed());
    let slabs = slabs(&array, size_of::<T>());
    let mut buffer = Vec::new();
    for (index, slab) in slabs.iter().enumerate() {
        let next = slabs.get(index + 1);
        let (starts, (_, run)) = (starts(&array.shape, slab), run(&array.shape, slab));
        if let &[start] = starts.as_slice() {
            source.block(at, slab, next, bytemuck::cast_slice_mut(&mut values[start..start + run]))?;
            continue;
        }
        buffer.resize(slab.len(), T::zeroed());
        source.block(at, slab, next, bytemuck::cast_slice_mut(&mut buffer))?;
        for (from, to) in buffer.chunks_exact(run).zip(starts) {
            values[to..to + run].copy_from_slice(from);
        }
    }
    Ok(values)
}

/// The values of one slab of an admitted array, in row-major order; `next` is the slab that will be asked for then.
///
/// # Errors
/// [`Error::Data`] for text, and as [`Source::block`].
pub(in crate::store) fn slab_values(
    path: &Path,
    source: &mut dyn Source,
    at: usize,
    slab: &Slab,
    next: Option<&Slab>,
) -> Result<Values> {
    fn of<T: Pod>(source: &mut dyn Source, at: usize, slab: &Slab, next: Option<&Slab>) -> Result<Vec<T>> {
        let mut values = vec![T::zeroed(); slab.len()];
        source.block(at, slab, next, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }
    Ok(match source.survey().arrays[at].kind {
        StorageKind::F64 => Values::F64(of(source, at, slab, next)?),
        StorageKind::F32 => Values::F32(of(source, at, slab, next)?),
        StorageKind::I32 => Values::I32(of(source, at, slab, next)?),
        StorageKind::I64 => Values::I64(of(source, at, slab, next)?),
        StorageKind::U64 => Values::U64(of(source, at, slab, next)?),
        StorageKind::I8 => Values::I8(of(source, at, slab, next)?),
        StorageKind::Fixed(_) | StorageKind::Variable => {
            let message = format!("variable `{}` is text", source.survey().arrays[at].path);
            return Err(Error::data(path, message, "name a variable of numbers"));
        }
    })
}

/// Values that lie side by side where they are wanted, at least.
const RUN: usize = 512;

/// The slabs in which an array is read: whole chunks, as many side by side along the last dimensions as fit in a block.
fn slabs(array: &Array, bytes: usize) -> Vec<Slab> {
    slabs_for(array, bytes, &[])
}

/// The slabs in which an array is read whose values are wanted in another order: of the dimensions `innermost`, the fastest
/// first, each slab has so much that runs of 512 values lie side by side there.
pub(in crate::store) fn slabs_for(array: &Array, bytes: usize, innermost: &[usize]) -> Vec<Slab> {
    let unit = array.chunk.clone().unwrap_or_else(|| vec![1; array.shape.len()]);
    slabs_of(&array.shape, &unit, bytes, innermost)
}

fn slabs_of(shape: &[usize], unit: &[usize], bytes: usize, innermost: &[usize]) -> Vec<Slab> {
    if shape.contains(&0) {
        return Vec::new();
    }
    let mut sides: Vec<usize> = unit.iter().zip(shape).map(|(&side, &size)| side.clamp(1, size)).collect();
    // whole chunks along a dimension, as many as fit in a block and are asked for
    let grow = |sides: &mut [usize], axis: usize, wanted: usize| {
        let (others, unit) = (sides.iter().product::<usize>() / sides[axis], unit[axis].max(1));
        let fit = BLOCK / bytes / others.max(1) / unit * unit;
        sides[axis] = fit.min(wanted.div_ceil(unit).saturating_mul(unit)).clamp(sides[axis], shape[axis]);
        sides[axis] == shape[axis]
    };
    let mut run = 1;
    for &axis in innermost {
        let whole = grow(&mut sides, axis, RUN.div_ceil(run));
        run *= sides[axis];
        if !whole {
            break;
        }
    }
    for axis in (0..shape.len()).rev() {
        if !grow(&mut sides, axis, shape[axis]) {
            break;
        }
    }
    let mut slabs = vec![Slab { offset: Vec::new(), count: Vec::new() }];
    for (&size, &side) in shape.iter().zip(&sides) {
        let with = |slab: &Slab, first: usize| Slab {
            offset: [&slab.offset[..], &[first]].concat(),
            count: [&slab.count[..], &[side.min(size - first)]].concat(),
        };
        slabs = slabs.iter().flat_map(|slab| (0..size).step_by(side).map(move |first| with(slab, first))).collect();
    }
    slabs
}

/// A slab in parts that fit in a block each.
pub(super) fn blocks(slab: &Slab) -> Vec<Slab> {
    let shifted = |part: Slab| {
        let offset = part.offset.iter().zip(&slab.offset).map(|(own, first)| own + first).collect();
        Slab { offset, ..part }
    };
    let unit = vec![1; slab.count.len()];
    slabs_of(&slab.count, &unit, size_of::<f64>(), &[]).into_iter().map(shifted).collect()
}

/// How many of the last dimensions of a slab lie side by side in an array, and how many values that is.
pub(in crate::store) fn run(shape: &[usize], slab: &Slab) -> (usize, usize) {
    let (mut dimensions, mut values) = (0, 1);
    for (&size, &count) in shape.iter().zip(&slab.count).rev() {
        (dimensions, values) = (dimensions + 1, values * count);
        if count < size {
            break;
        }
    }
    (dimensions, values)
}

/// Where each run of a slab begins in an array.
pub(in crate::store) fn starts(shape: &[usize], slab: &Slab) -> Vec<usize> {
    let outer = shape.len() - run(shape, slab).0;
    let mut starts = vec![0];
    for (axis, (&size, &first)) in shape.iter().zip(&slab.offset).enumerate() {
        let along = if axis < outer { slab.count[axis] } else { 1 };
        starts = starts.iter().flat_map(|&start| (0..along).map(move |at| start * size + first + at)).collect();
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::super::source::Attributes;
    use super::*;

    fn array(shape: &[usize], chunk: Option<&[usize]>) -> Array {
        Array {
            path: "x".into(),
            shape: shape.to_vec(),
            kind: StorageKind::F64,
            integer: None,
            chunk: chunk.map(<[usize]>::to_vec),
            attributes: Attributes(Ok(Vec::new())),
            dimensions: Vec::new(),
            bare: false,
        }
    }

    #[test]
    fn slabs_hold_every_value_once_and_runs_put_it_in_its_place() {
        let rows: [(&[usize], Option<&[usize]>); 7] = [
            (&[], None),
            (&[7], None),
            (&[5, 7, 3], Some(&[2, 3, 2])),
            (&[700, 30, 40], Some(&[64, 7, 40])),
            (&[3, 800_000], None),
            (&[900, 900], Some(&[900, 8])),
            (&[2, 700_000, 2], Some(&[1, 600_000, 1])),
        ];
        for (shape, chunk) in rows {
            let array = array(shape, chunk);
            let axes: Vec<usize> = (0..shape.len()).collect();
            let orders = [&[][..], &axes[..], &axes[axes.len().min(1)..]];
            let mut seen = vec![0u8; 3 * shape.iter().product::<usize>()];
            for (seen, innermost) in seen.chunks_mut(shape.iter().product()).zip(orders) {
                for slab in slabs_for(&array, 8, innermost) {
                    let (starts, (_, run)) = (starts(shape, &slab), run(shape, &slab));
                    assert_eq!(starts.len() * run, slab.len(), "{shape:?} {slab:?}");
                    starts.iter().for_each(|&at| seen[at..at + run].iter_mut().for_each(|n| *n += 1));
                    let chunk_bytes = chunk.map_or(8, |chunk| 8 * chunk.iter().product::<usize>());
                    assert!(8 * slab.len() <= BLOCK.max(chunk_bytes), "{shape:?} {slab:?}");
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{shape:?}");
        }
    }
}
