//! Trajectories of any kind that is known, out of their file into another that is mapped: no more of them is in memory at once
//! than a block. All that is checked of values that are read into memory is checked of these.

use std::path::Path;

use super::error::Result;
use super::netcdf::About;
use super::netcdf::open::{run, starts};
use super::netcdf::source::Slab;
use super::netcdf::trajectories::{self, Arriving};
use super::scratch::ScratchFile;
use super::states::States;
use super::{Limits, well};
use crate::failure;

/// What becomes of states when all else is known of them.
pub enum Destination {
    /// They are not read.
    Nothing,
    /// They are read and checked, and not kept: what is given are states of the same sizes without values.
    Checks(ScratchFile),
    /// They are held in a file, part by part.
    File(ScratchFile),
}

/// Trajectories that are held in a file.
pub struct Spooled {
    /// All that is known of them beside.
    pub about: About,
    /// The states of training, validation and test.
    pub states: [States; 3],
    /// The largest absolute value.
    pub largest: f64,
}

/// Reads trajectories as [`super::read_worded`] does, block by block, where their sizes `[case, time, component]` are `wanted` so.
/// `begin` is told all of them but the states, and says where these go; `went` is told how many of their bytes were read after each
/// block. None where they go nowhere.
///
/// # Errors
/// As [`super::read_worded`], except that states may be larger than the limit; [`Error::Io`](super::Error::Io) where the disk is full; and those of
/// `begin` and `went`.
pub fn spool(
    path: &Path,
    variable: Option<&str>,
    limits: &Limits,
    wanted: impl FnOnce([usize; 3]) -> bool,
    begin: impl FnOnce(&About) -> failure::Result<Destination>,
    went: impl FnMut(u64) -> failure::Result<()>,
) -> failure::Result<Option<Spooled>> {
    match well::is_well(path, limits)? {
        true => match well::Unread::open(path, variable, limits)? {
            unread if wanted(unread.about().shape) => through(unread, begin, went),
            _ => Ok(None),
        },
        // what is read twice would be warned of twice
        false => match trajectories::Unread::open(path, variable, limits, wanted)? {
            Some(unread) => through(unread, begin, went),
            None => Ok(None),
        },
    }
}

fn through(
    mut arriving: impl Arriving,
    begin: impl FnOnce(&About) -> failure::Result<Destination>,
    mut went: impl FnMut(u64) -> failure::Result<()>,
) -> failure::Result<Option<Spooled>> {
    let about = arriving.about().clone();
    let (mut scratch, kept) = match begin(&about)? {
        Destination::Nothing => return Ok(None),
        Destination::Checks(scratch) => (scratch, false),
        Destination::File(scratch) => (scratch, true),
    };
    let [cases, times, _] = about.shape;
    let sides: Vec<usize> = [cases, times].into_iter().chain(about.outline.space.iter().copied()).collect();
    let mut seen = ValueCheck::default();
    let mut bytes = 0;
    arriving.stream(&mut |slab, values| {
        each_run(&sides, slab, values, |case, start, values| {
            seen.note(case * sides[1..].iter().product::<usize>() + start, values);
            if kept { scratch.put(case, start, values) } else { Ok(()) }
        })?;
        bytes += size_of_val(values) as u64;
        went(bytes)
    })?;
    if let Some((at, first)) = seen.first {
        let place = place(&sides, at);
        return Err(arriving.not_finite((seen.count, sides.iter().product()), first, &place).into());
    }
    let states = if kept { scratch.states()? } else { scratch.shapes()? };
    Ok(Some(Spooled { about, states, largest: seen.largest }))
}

/// Gives each run of a block that lies side by side in a case: the case, the number of the run's first value in it, the values.
fn each_run(
    sides: &[usize],
    slab: &Slab,
    values: &[f64],
    mut give: impl FnMut(usize, usize, &[f64]) -> Result<()>,
) -> Result<()> {
    let within = Slab { offset: slab.offset[1..].to_vec(), count: slab.count[1..].to_vec() };
    let (starts, (_, run)) = (starts(&sides[1..], &within), run(&sides[1..], &within));
    let of_case = within.len();
    for (index, values) in values.chunks_exact(of_case.max(1)).enumerate() {
        for (start, values) in starts.iter().zip(values.chunks_exact(run)) {
            give(slab.offset[0] + index, *start, values)?;
        }
    }
    Ok(())
}

/// The index in each dimension of a value of a number.
fn place(sides: &[usize], mut at: usize) -> Vec<usize> {
    let mut place: Vec<usize> = sides
        .iter()
        .rev()
        .map(|&side| {
            let own = at % side;
            at /= side;
            own
        })
        .collect();
    place.reverse();
    place
}

/// What is seen of values that come in any order.
#[derive(Default)]
struct ValueCheck {
    /// How many are not finite.
    count: usize,
    /// The number of the first of these, and the value.
    first: Option<(usize, f64)>,
    /// The largest absolute value, where all are finite.
    largest: f64,
}

impl ValueCheck {
    /// Notes values from that of a number on.
    fn note(&mut self, from: usize, values: &[f64]) {
        if values.iter().all(|value| value.is_finite()) {
            self.largest = values.iter().fold(self.largest, |largest, value| largest.max(value.abs()));
            return;
        }
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_finite()) {
            self.count += 1;
            if self.first.is_none_or(|(at, _)| from + index < at) {
                self.first = Some((from + index, *value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, ArrayD, Axis, IxDyn};

    use super::super::netcdf::{self, Attribute, Dataset, SplitPart, Values, Variable};
    use super::super::{Error, read_worded};
    use super::*;
    use crate::failure::Failure;
    use crate::store::well::{WellPlan, write_part};
    use crate::systems::{Domain, Key};

    const ENOUGH: Limits = Limits::bytes(1 << 30);

    fn parts(cases: usize) -> [Vec<usize>; 3] {
        [1, 0, 2].map(|first| (first..cases).step_by(3).collect())
    }

    /// Trajectories held in a file, in the order of their cases.
    fn spooled(path: &Path, variable: Option<&str>) -> failure::Result<(About, Array3<f64>)> {
        let folder = tempfile::tempdir().unwrap();
        let begin = |about: &About| {
            let [cases, times, dim] = about.shape;
            Ok(Destination::File(ScratchFile::new(folder.path(), &parts(cases), [times, dim])?))
        };
        let Spooled { about, states, largest } = spool(path, variable, &ENOUGH, |_| true, begin, |_| Ok(()))?.unwrap();
        let mut whole = Array3::zeros(about.shape);
        for (states, cases) in states.iter().zip(parts(about.shape[0])) {
            for (own, case) in states.view().outer_iter().zip(cases) {
                whole.index_axis_mut(Axis(0), case).assign(&own);
            }
        }
        assert_eq!(largest, whole.iter().fold(0.0, |largest: f64, value| largest.max(value.abs())));
        Ok((about, whole))
    }

    /// What is read into memory and what is held in a file are alike in everything.
    #[track_caller]
    fn assert_alike(path: &Path, variable: Option<&str>) {
        let (read, wording) = read_worded(path, variable, &ENOUGH).unwrap();
        let (states, expected) = read.into_states(wording);
        let (about, whole) = spooled(path, variable).unwrap();
        assert!(whole == states && whole.len() > 80_000);
        assert_eq!(format!("{about:?}"), format!("{expected:?}"));
    }

    fn numbers(count: usize) -> Vec<f64> {
        Key::new(3, Domain::Data).normals(1, count).into_raw_vec_and_offset().0
    }

    /// A file of one variable of these dimensions, of values that are stored so.
    fn file(path: &Path, dimensions: &[(&str, usize)], values: impl Fn(Vec<f64>) -> Variable) {
        let count = dimensions.iter().map(|(_, size)| size).product();
        let mut variable = values(numbers(count));
        variable.dimensions = dimensions.iter().map(|(name, _)| (*name).to_owned()).collect();
        let dataset = dimensions.iter().fold(Dataset::default(), |of, (name, size)| of.dimension(name, *size));
        netcdf::write(path, &dataset.variable(variable)).unwrap();
    }

    #[test]
    fn a_file_of_any_order_and_type_is_held_as_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        let double = |values: Vec<f64>| Variable::new("u", &[], Values::F64(values));
        let single = |values: Vec<f64>| {
            Variable::new("u", &[], Values::F32(values.into_iter().map(|value| value as f32).collect()))
        };
        let packed = |values: Vec<f64>| {
            let integers = values.iter().map(|value| (value * 1000.0) as i32).collect();
            let variable = Variable::new("u", &[], Values::I32(integers));
            variable.with("scale_factor", Attribute::F64(vec![1e-3])).with("add_offset", Attribute::F64(vec![5.0]))
        };
        let (case, time, x) = (("case", 9), ("time", 600), ("component", 130));
        // larger than a block, so that there are several
        for order in [[case, time, x], [x, time, case], [time, case, x], [time, x, case]] {
            file(&path, &order, double);
            assert_alike(&path, None);
            file(&path, &order, packed);
            assert_alike(&path, Some("u"));
        }
        for order in
            [[("x", 40), ("time", 300), ("y", 31), ("run", 4)], [("run", 4), ("time", 300), ("y", 31), ("x", 40)]]
        {
            file(&path, &order, single);
            assert_alike(&path, None);
        }
        // one trajectory without a dimension of cases
        file(&path, &[("component", 3), ("time", 200_000)], double);
        let (about, whole) = spooled(&path, None).unwrap();
        assert_eq!((about.shape, &whole), ([1, 200_000, 3], &read_worded(&path, None, &ENOUGH).unwrap().0.values));
    }

    #[test]
    fn the_files_of_a_folder_and_a_component_of_a_vector_are_held_as_they_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let plan = WellPlan {
            name: "a_system".into(),
            grid: vec![20, 30],
            periodic: true,
            parameters: Vec::new(),
            times: (0..70).map(f64::from).collect(),
            max_bytes: 1 << 16,
        };
        let states = Array3::from_shape_vec((5, 70, 600), numbers(5 * 70 * 600)).unwrap();
        for (part, name, cases) in
            [("train", "a", 0..2), ("train", "b", 2..3), ("valid", "a", 3..4), ("test", "a", 4..5)]
        {
            let at = folder.path().join("a_system/data").join(part);
            std::fs::create_dir_all(&at).unwrap();
            let block = |(own, times): netcdf::Block| {
                let own = own.start + cases.start..own.end + cases.start;
                Ok::<_, Error>(states.slice(ndarray::s![own, times, ..]).to_owned())
            };
            write_part(&at.join(format!("{name}.hdf5")), &plan, cases.len(), block).unwrap();
        }
        assert_alike(folder.path(), None);
        let split = spooled(folder.path(), None).unwrap().0.split.unwrap();
        assert_eq!(split, SplitPart::of_counts([3, 1, 1]));
        // a vector field in the place of the scalar one
        let path = folder.path().join("a_system/data/train/a.hdf5");
        let file = hdf5::File::open_rw(&path).unwrap();
        let vectors = file.group("t1_fields").unwrap();
        let values = ArrayD::from_shape_vec(IxDyn(&[2, 70, 20, 30, 2]), numbers(2 * 70 * 600 * 2)).unwrap();
        let field =
            vectors.new_dataset::<f64>().shape([2, 70, 20, 30, 2]).chunk([1, 8, 20, 16, 2]).create("v").unwrap();
        field.write(&values).unwrap();
        for name in ["sample_varying", "time_varying"] {
            field.new_attr::<bool>().create(name).unwrap().write_scalar(&true).unwrap();
        }
        field.new_attr::<bool>().shape([2]).create("dim_varying").unwrap().write(&[true, true]).unwrap();
        let name: hdf5::types::VarLenUnicode = "v".parse().unwrap();
        let _ = vectors.delete_attr("field_names");
        vectors
            .new_attr::<hdf5::types::VarLenUnicode>()
            .shape([1])
            .create("field_names")
            .unwrap()
            .write(&[name])
            .unwrap();
        file.close().unwrap();
        assert_alike(&path, Some("v_y"));
        let (_, whole) = spooled(&path, Some("v_y")).unwrap();
        assert_eq!(whole[[1, 69, 599]], values[[1, 69, 19, 29, 1]]);
    }

    /// The first value that is not finite, in the order of cases and times and not in that of the file, and how many there are.
    #[test]
    fn what_is_missing_is_told_in_the_words_of_who_reads_it_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        let missing = |at: &'static [usize]| {
            move |mut values: Vec<f64>| {
                at.iter().for_each(|at| values[*at] = f64::NAN);
                Variable::new("u", &[], Values::F64(values))
            }
        };
        let same = |path: &Path| {
            let expected = Failure::from(read_worded(path, None, &ENOUGH).unwrap_err());
            let found = spooled(path, None).unwrap_err();
            assert_eq!((found.kind, &found.message, &found.hint), (expected.kind, &expected.message, &expected.hint));
            expected.message
        };
        file(&path, &[("component", 130), ("time", 600), ("case", 9)], missing(&[601_999, 700_000, 5]));
        assert!(same(&path).starts_with("3 of 702000 values are missing or not finite, the first (NaN) at case"));
        file(&path, &[("case", 3), ("time", 600), ("y", 30), ("x", 20)], missing(&[3 * 600 * 600 - 1]));
        assert!(same(&path).contains("1 of 1080000 values") && same(&path).contains("y 29, x 19"));
    }

    #[test]
    fn states_that_nobody_keeps_are_checked_all_the_same_and_who_stops_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        let whole = |bad: f64| {
            move |mut values: Vec<f64>| {
                *values.last_mut().unwrap() = bad;
                Variable::new("u", &[], Values::F64(values))
            }
        };
        let checks = |about: &About| {
            let [cases, times, dim] = about.shape;
            Ok(Destination::Checks(ScratchFile::unwritten(folder.path(), &parts(cases), [times, dim])?))
        };
        let order = [("case", 6), ("time", 100), ("component", 4)];
        file(&path, &order, whole(-9.0));
        let found = spool(&path, None, &ENOUGH, |_| true, checks, |_| Ok(())).unwrap().unwrap();
        assert_eq!((found.largest, found.states[0].dim()), (9.0, (2, 100, 4)));
        let stop = |_| Err(Failure::new(failure::FailureKind::Interrupted, "stopped"));
        assert_eq!(spool(&path, None, &ENOUGH, |_| true, checks, stop).err().unwrap().message, "stopped");
        file(&path, &order, whole(f64::INFINITY));
        let said = spool(&path, None, &ENOUGH, |_| true, checks, |_| Ok(())).err().unwrap().message;
        assert!(said.contains("the first (inf) at case 5, time 99, component 3"), "{said}");
        assert!(spool(&path, None, &ENOUGH, |_| true, |_| Ok(Destination::Nothing), |_| Ok(())).unwrap().is_none());
        assert!(spool(&path, None, &ENOUGH, |shape| shape != [6, 100, 4], checks, |_| Ok(())).unwrap().is_none());
    }
}
