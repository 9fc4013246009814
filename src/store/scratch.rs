//! A file that holds the states of trajectories while a command runs.
//!
//! It has no name in any folder: whatever becomes of the process, the system takes the room back. Values are those of this
//! machine, `[case, time, component]`, the cases in an order of their own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::fstatvfs;

use super::error::{Error, Result};
use super::mapping::Mapping;
use super::states::States;

/// Values that wait to be written together.
const WAITING: usize = 1 << 17;

/// States on their way into a file.
pub struct ScratchFile {
    file: File,
    folder: PathBuf,
    /// The place of each case in the file.
    places: Vec<usize>,
    /// How many cases each part has.
    counts: [usize; 3],
    times: usize,
    components: usize,
    /// Values that are not written yet, and the number of the first.
    waiting: (usize, Vec<f64>),
    written: usize,
}

impl ScratchFile {
    /// For the cases of three parts, one part after the other, each of `[time, component]`, in a folder with room for all.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder has too little room, or takes no files.
    pub fn new(folder: &Path, parts: &[Vec<usize>; 3], [times, components]: [usize; 2]) -> Result<Self> {
        let scratch = Self::unwritten(folder, parts, [times, components])?;
        let bytes = scratch.bytes();
        let about = fstatvfs(&scratch.file).map_err(|error| scratch.failed(&error.into()))?;
        let room = about.f_bavail.saturating_mul(about.f_frsize);
        if bytes > room {
            return Err(Error::no_room(folder, bytes, room));
        }
        Ok(scratch)
    }

    /// As [`ScratchFile::new`], for states that nobody will read: it takes no room.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder takes no files.
    pub fn unwritten(folder: &Path, parts: &[Vec<usize>; 3], [times, components]: [usize; 2]) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|error| failed(folder, &error))?;
        let order = parts.concat();
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, case)| places[*case] = place);
        let counts = [0, 1, 2].map(|part| parts[part].len());
        let waiting = (0, Vec::with_capacity(WAITING));
        let folder = folder.to_path_buf();
        Ok(Self { file, folder, places, counts, times, components, waiting, written: 0 })
    }

    /// The bytes of all values.
    pub fn bytes(&self) -> u64 {
        let sides = [self.places.len(), self.times, self.components, size_of::<f64>()];
        sides.iter().fold(1, |bytes: u64, &side| bytes.saturating_mul(side as u64))
    }

    /// The folder whose disk holds them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes values of a case that lie side by side, the first of them `start` values from the first of the case.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk is full, or fails.
    pub(super) fn put(&mut self, case: usize, start: usize, values: &[f64]) -> Result<()> {
        let at = self.places[case] * self.times * self.components + start;
        let (first, waiting) = &self.waiting;
        if at != first + waiting.len() || waiting.len() + values.len() > WAITING {
            self.write()?;
            self.waiting.0 = at;
        }
        self.waiting.1.extend_from_slice(values);
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let (first, waiting) = &self.waiting;
        let written = self.file.write_all_at(bytemuck::cast_slice(waiting), (first * size_of::<f64>()) as u64);
        written.map_err(|error| self.failed(&error))?;
        self.written += waiting.len();
        self.waiting.1.clear();
        Ok(())
    }

    /// The states of the three parts, of which every value was taken.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk is full, or fails.
    pub(super) fn states(mut self) -> Result<[States; 3]> {
        self.write()?;
        let all = self.places.len() * self.times * self.components;
        assert_eq!(self.written, all, "every value of the trajectories is written");
        // a disk that cannot keep them says so here, and not when they are read
        self.file.sync_data().map_err(|error| self.failed(&error))?;
        self.mapped()
    }

    /// States of the right sizes without values.
    ///
    /// # Errors
    /// [`Error::Io`] where no file may be so large.
    pub(super) fn shapes(self) -> Result<[States; 3]> {
        self.file.set_len(self.bytes()).map_err(|error| self.failed(&error))?;
        self.mapped()
    }

    fn mapped(self) -> Result<[States; 3]> {
        let Self { file, folder, counts, times, components, .. } = self;
        let file = Mapping::of(file).map_err(|error| failed(&folder, &error))?;
        Ok(States::of_file(file, counts, [times, components]))
    }

    fn failed(&self, error: &io::Error) -> Error {
        failed(&self.folder, error)
    }
}

fn failed(folder: &Path, error: &io::Error) -> Error {
    Error::io(folder, "hold trajectories there", error)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Axis};

    use super::*;

    fn parts() -> [Vec<usize>; 3] {
        [vec![0, 3], vec![2], vec![1, 4]]
    }

    fn filled(folder: &Path, order: &[(usize, usize)]) -> [States; 3] {
        let mut scratch = ScratchFile::new(folder, &parts(), [7, 3]).unwrap();
        for &(case, start) in order {
            let values: Vec<f64> = (start..start + 7).map(|at| (100 * case + at) as f64).collect();
            scratch.put(case, start, &values).unwrap();
        }
        scratch.states().unwrap()
    }

    #[test]
    fn states_come_back_by_parts_in_whatever_order_they_came_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let whole = Array3::from_shape_fn((5, 7, 3), |(case, time, j)| (100 * case + 3 * time + j) as f64);
        let mut order: Vec<(usize, usize)> = (0..5).flat_map(|case| [0, 7, 14].map(|start| (case, start))).collect();
        for _ in 0..2 {
            let states = filled(folder.path(), &order);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "while they are held, too");
            for (states, cases) in states.iter().zip(parts()) {
                assert_eq!(states.view(), whole.select(Axis(0), &cases));
                assert!(states.is_on_disk() && states.dim() == (cases.len(), 7, 3));
            }
            order.sort_by_key(|&(case, start)| (start * 31 + case * 17) % 13);
        }
    }

    #[test]
    fn advice_on_any_parts_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let order: Vec<(usize, usize)> = (0..5).flat_map(|case| [0, 7, 14].map(|start| (case, start))).collect();
        let [train, valid, _] = filled(folder.path(), &order);
        let (before, elsewhere) = (train.view().to_owned(), [1.0; 4]);
        train.read_at_random(true);
        let (own, other) = (train.view(), valid.view());
        let parts = [own.as_slice().unwrap(), &own.as_slice().unwrap()[20..], other.as_slice().unwrap(), &elsewhere];
        train.read_soon(&mut parts.into_iter());
        train.read_soon(&mut std::iter::empty());
        train.read_at_random(false);
        assert_eq!(train.view(), before);
    }

    #[test]
    fn a_disk_with_too_little_room_is_a_sentence_and_one_that_is_not_written_takes_none() {
        let folder = tempfile::tempdir().unwrap();
        let sizes = [1 << 30, 1 << 20];
        let said = ScratchFile::new(folder.path(), &parts(), sizes).err().unwrap().to_string();
        assert!(said.contains("bytes of room") && said.contains("--scratch"), "{said}");
        let shapes = ScratchFile::unwritten(folder.path(), &parts(), [1 << 10, 1 << 10]).unwrap().shapes().unwrap();
        assert_eq!(shapes[2].dim(), (2, 1 << 10, 1 << 10));
        let lost = ScratchFile::new(&folder.path().join("none"), &parts(), [1, 1]).err().unwrap().to_string();
        assert!(lost.contains("hold trajectories there"), "{lost}");
    }
}
