//! An array out of its file block by block, so that it never lies in memory as a whole: each block in the order of roles that
//! the array's dimensions play.

use std::borrow::Cow;
use std::path::Path;

use ndarray::{ArrayView, Axis, IxDyn};

use super::super::error::{Error, Result};
use super::dataset::Values;
use super::open::{slab_values, slabs_for};
use super::source::{Slab, Source};
use crate::failure;

/// What takes blocks: the place of each among the roles, and its values in their order.
pub(in crate::store) type Take<'a> = &'a mut dyn FnMut(&Slab, &[f64]) -> failure::Result<()>;

/// How the dimensions of an admitted array are read.
pub(in crate::store) struct Streaming<'a> {
    /// The array of the survey.
    pub(in crate::store) at: usize,
    /// The dimension that plays each role; none where the array lacks it, which then has one entry.
    pub(in crate::store) axes: &'a [Option<usize>],
    /// A dimension that plays none, and the one index along it that is read.
    pub(in crate::store) fixed: Option<(usize, usize)>,
}

impl Streaming<'_> {
    /// Reads all blocks, as `decode` makes numbers of them.
    ///
    /// # Errors
    /// When a block cannot be read or decoded, and those of `take`.
    pub(in crate::store) fn run(
        &self,
        path: &Path,
        source: &mut dyn Source,
        decode: &mut dyn FnMut(Values) -> Result<Vec<f64>>,
        take: Take,
    ) -> failure::Result<()> {
        let array = source.survey().arrays[self.at].clone();
        let innermost: Vec<usize> = self.axes.iter().rev().flatten().copied().collect();
        let slabs: Vec<Slab> = slabs_for(&array, array.kind.bytes(), &innermost)
            .into_iter()
            .filter_map(|slab| self.narrowed(slab))
            .collect();
        for (index, slab) in slabs.iter().enumerate() {
            let values = decode(slab_values(path, source, self.at, slab, slabs.get(index + 1))?)?;
            let place = |of: &[usize], otherwise: usize| -> Vec<usize> {
                self.axes.iter().map(|axis| axis.map_or(otherwise, |axis| of[axis])).collect()
            };
            let placed = Slab { offset: place(&slab.offset, 0), count: place(&slab.count, 1) };
            take(&placed, &self.arranged(path, slab, &values)?)?;
        }
        Ok(())
    }

    /// What is read of a slab; nothing of one beside the index that is read.
    fn narrowed(&self, mut slab: Slab) -> Option<Slab> {
        let Some((axis, index)) = self.fixed else { return Some(slab) };
        let within = (slab.offset[axis]..slab.offset[axis] + slab.count[axis]).contains(&index);
        (slab.offset[axis], slab.count[axis]) = (index, 1);
        within.then_some(slab)
    }

    /// The values of a slab in the order of the roles.
    fn arranged<'v>(&self, path: &Path, slab: &Slab, values: &'v [f64]) -> Result<Cow<'v, [f64]>> {
        let wrong = |error: ndarray::ShapeError| Error::content(path, error.to_string());
        let mut array = ArrayView::from_shape(IxDyn(&slab.count), values).map_err(wrong)?;
        let fixed = self.fixed.map(|(axis, _)| axis);
        if let Some(axis) = fixed {
            array.index_axis_inplace(Axis(axis), 0);
        }
        // dimensions behind the one that is gone have moved
        let moved = |axis: usize| axis - usize::from(fixed.is_some_and(|fixed| fixed < axis));
        let order: Vec<usize> = self.axes.iter().flatten().map(|&axis| moved(axis)).collect();
        let array = array.permuted_axes(IxDyn(&order));
        Ok(match array.to_slice() {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(array.iter().copied().collect()),
        })
    }
}
