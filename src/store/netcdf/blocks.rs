//! One large variable of a dataset, written block by block, so that it never lies in memory as a whole.

use std::ops::Range;
use std::path::Path;

use ndarray::{Array3, s};

use super::super::error::Error;
use super::dataset::{Attribute, Dataset};
use super::write::{self, chunk, storage, write_attributes};
use super::{raw, trouble};

/// A variable of doubles `(case, time, component)` whose values come later.
#[derive(Clone, Debug)]
pub struct Blocks {
    /// Its name.
    pub name: String,
    /// Its three dimensions by name.
    pub dimensions: [String; 3],
    /// Their sizes.
    pub shape: [usize; 3],
    /// Its attributes, in order.
    pub attributes: Vec<(String, Attribute)>,
    /// The most bytes that a block may take; a single chunk is always taken whole.
    pub max_bytes: u64,
}

/// Cases and times of one block.
pub type Block = (Range<usize>, Range<usize>);

/// Writes a dataset with one more variable, atomically; `read` is called for each of its blocks, in order, and gives
/// `[case, time, component]`. Storage is as by [`super::write()`], and does not depend on the size of the blocks.
///
/// # Errors
/// As [`super::write()`], and whatever `read` fails with.
pub fn write_blocks<E: From<Error>>(
    path: &Path,
    dataset: &Dataset,
    variable: &Blocks,
    mut read: impl FnMut(Block) -> Result<Array3<f64>, E>,
) -> Result<(), E> {
    let failed = |e: hdf5::Error| trouble::writing(path, &e);
    write::write_with(path, dataset, |file, scales| {
        let empty = storage(file, &variable.shape).empty::<f64>().shape(variable.shape);
        let written = empty.create(variable.name.as_str()).map_err(failed)?;
        for (axis, name) in variable.dimensions.iter().enumerate() {
            raw::attach_scale(&written, &scales[name], axis).map_err(failed)?;
        }
        write_attributes(&written, &variable.attributes).map_err(failed)?;
        for (cases, times) in plan(variable.shape, variable.max_bytes) {
            let values = read((cases.clone(), times.clone()))?;
            // whoever makes them may turn or cut them
            written.write_slice(values.as_standard_layout().view(), s![cases, times, ..]).map_err(failed)?;
        }
        Ok(())
    })
}

/// Blocks of whole chunks, of at most so many bytes where a chunk is no larger: as many cases as fit, because simulated
/// states come with all cases of a time side by side, and the times of one chunk. So chunks are written in one order
/// whatever the size of the blocks, and that size does not show in the file.
pub fn plan(shape: [usize; 3], max_bytes: u64) -> Vec<Block> {
    let side = chunk(&shape);
    let room = usize::try_from(max_bytes / 8).unwrap_or(usize::MAX) / shape[2].max(1);
    let cases = (room / side[1] / side[0] * side[0]).clamp(side[0], shape[0].max(side[0]));
    let times = side[1];
    let parts = |size: usize, step: usize| (0..size).step_by(step).map(move |at| at..(at + step).min(size));
    parts(shape[1], times).flat_map(|times| parts(shape[0], cases).map(move |cases| (cases, times.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::Limits;
    use super::super::{Values, Variable, read, write as write_whole};
    use super::*;

    #[test]
    fn blocks_cover_everything_once_and_hold_whole_chunks() {
        for (shape, bytes) in [([5, 7, 3], 1), ([5, 7, 3], 1 << 30), ([9, 4000, 40], 1 << 21), ([3, 9, 200_000], 1)] {
            let (side, mut seen) = (chunk(&shape), Array3::<u8>::zeros((shape[0], shape[1], 1)));
            for (cases, times) in plan(shape, bytes) {
                assert!(cases.start.is_multiple_of(side[0]) && times.start.is_multiple_of(side[1]), "{shape:?}");
                let held = (cases.len() * times.len() * shape[2] * 8) as u64;
                let chunk = (side[0] * side[1] * shape[2] * 8) as u64;
                assert!(held <= bytes.max(chunk), "{held} bytes for {shape:?}");
                seen.slice_mut(s![cases, times, ..]).mapv_inplace(|count| count + 1);
            }
            assert!(seen.iter().all(|&count| count == 1), "{shape:?}");
        }
    }

    #[test]
    fn a_file_written_in_blocks_holds_the_same_and_does_not_show_their_size() {
        let folder = tempfile::tempdir().unwrap();
        let shape = [5, 700, 40];
        let value = |i: usize| (i as f64 * 0.37).sin();
        let whole = Array3::from_shape_vec(shape, (0..5 * 700 * 40).map(value).collect()).unwrap();
        let dataset = Dataset::default().dimension("case", 5).dimension("time", 700).dimension("component", 40);
        let dimensions = ["case", "time", "component"].map(String::from);
        let state =
            Variable::new("state", &["case", "time", "component"], Values::F64(whole.iter().copied().collect()));
        let [a, b, c] = ["a.nc", "b.nc", "c.nc"].map(|name| folder.path().join(name));
        write_whole(&a, &dataset.clone().variable(state.with("units", "1"))).unwrap();
        let attributes = vec![("units".into(), "1".into())];
        for (path, max_bytes) in [(&b, 300_000), (&c, 1 << 30)] {
            let (dimensions, attributes) = (dimensions.clone(), attributes.clone());
            let blocks = Blocks { name: "state".into(), dimensions, shape, attributes, max_bytes };
            let block = |(cases, times)| Ok::<_, Error>(whole.slice(s![cases, times, ..]).to_owned());
            write_blocks(path, &dataset, &blocks, block).unwrap();
        }
        assert!(read(&b, &Limits::bytes(1 << 30)).unwrap() == read(&a, &Limits::bytes(1 << 30)).unwrap());
        assert!(std::fs::read(&b).unwrap() == std::fs::read(&c).unwrap());
    }
}
