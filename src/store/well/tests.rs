//! Round trips, and every rule broken once.

use std::path::{Path, PathBuf};

use hdf5::types::VarLenUnicode;
use ndarray::{Array3, s};

use super::super::{Limits, read_outline, read_trajectories};
use super::*;
use crate::store::Error;
use crate::store::netcdf::SplitPart;
use crate::systems::Geometry;

const ENOUGH: Limits = Limits::bytes(1 << 30);

fn plan(grid: &[usize], periodic: bool) -> WellPlan {
    WellPlan {
        name: "a_system".into(),
        grid: grid.to_vec(),
        periodic,
        parameters: vec![("forcing".into(), 8.0), ("dim".into(), grid.iter().product::<usize>() as f64)],
        times: (0..5).map(|k| f64::from(k) * 0.05).collect(),
        max_bytes: 64,
    }
}

fn states(samples: usize, points: usize) -> Array3<f64> {
    Array3::from_shape_fn((samples, 5, points), |(b, t, x)| ((b * 101 + t * 17 + x) as f64 * 0.37).sin() * 7.0)
}

fn put(path: &Path, plan: &WellPlan, states: &Array3<f64>) {
    let block = |(cases, times)| Ok::<_, Error>(states.slice(s![cases, times, ..]).to_owned());
    write_part(path, plan, states.dim().0, block).unwrap();
}

fn in_folder<T>(test: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    test(&folder.path().join("a.hdf5"))
}

/// A dataset of all parts under `base`, with samples 0, 1 | 2 | 3.
fn dataset(base: &Path, whole: &Array3<f64>, plan: &WellPlan) {
    for (part, cases) in [("train", 0..2), ("valid", 2..3), ("test", 3..4)] {
        let folder = base.join("a_system/data").join(part);
        std::fs::create_dir_all(&folder).unwrap();
        put(&folder.join("a.hdf5"), plan, &whole.slice(s![cases, .., ..]).to_owned());
    }
}

#[test]
fn fields_in_one_and_two_dimensions_come_back_to_single_precision() {
    let grids: [(&[usize], bool, Geometry); 3] = [
        (&[12], true, Geometry::Ring),
        (&[3, 4], true, Geometry::Torus { rows: 3, columns: 4 }),
        (&[4, 3], false, Geometry::Plane { rows: 4, columns: 3 }),
    ];
    for (grid, periodic, geometry) in grids {
        in_folder(|path| {
            let states = states(3, 12);
            put(path, &plan(grid, periodic), &states);
            assert_eq!(check(path, &ENOUGH).unwrap(), []);
            let back = read_trajectories(path, None, &ENOUGH).unwrap();
            assert_eq!(read_outline(path, None, &ENOUGH).unwrap().time, back.time, "times alone");
            assert_eq!(back.values, states.mapv(|value| f64::from(value as f32)));
            assert_eq!((back.geometry, back.space.as_slice(), back.split), (Some(geometry), grid, None));
            let times = back.time.unwrap();
            assert!(times.iter().enumerate().all(|(k, time)| (time - k as f64 * 0.05).abs() < 1e-8), "{times:?}");
        });
    }
}

#[test]
fn the_parts_of_a_dataset_come_from_its_folders() {
    let base = tempfile::tempdir().unwrap();
    let whole = states(4, 12);
    dataset(base.path(), &whole, &plan(&[12], true));
    let expected = Some(vec![SplitPart::Train, SplitPart::Train, SplitPart::Valid, SplitPart::Test]);
    for folder in [base.path().to_path_buf(), base.path().join("a_system")] {
        let back = read_trajectories(&folder, None, &ENOUGH).unwrap();
        assert_eq!((back.split, back.values), (expected.clone(), whole.mapv(|value| f64::from(value as f32))));
    }
    let train = read_trajectories(&base.path().join("a_system/data/train"), None, &ENOUGH).unwrap();
    assert_eq!((train.split, train.values.dim()), (None, (2, 5, 12)));
    put(&base.path().join("a_system/data/test/b.hdf5"), &plan(&[6], true), &states(1, 6));
    let error = read_trajectories(base.path(), None, &ENOUGH).unwrap_err().to_string();
    assert!(error.contains("b.hdf5") && error.contains("5 times of 6 points"), "{error}");
    let little = read_trajectories(base.path(), None, &Limits::bytes(500)).unwrap_err();
    assert!(matches!(little, Error::Resource(_)), "{little}");
}

/// Opens a good file and lets `change` break it.
fn broken(path: &Path, change: impl FnOnce(&hdf5::File) -> hdf5::Result<()>) {
    put(path, &plan(&[3, 4], true), &states(2, 12));
    let file = hdf5::File::open_rw(path).unwrap();
    change(&file).unwrap();
    file.close().unwrap();
}

fn relabel<T: hdf5::H5Type>(file: &hdf5::File, path: &str, name: &str, value: T) -> hdf5::Result<()> {
    let dataset = file.dataset(path);
    let at: &hdf5::Location = if path == "/" { file } else { dataset.as_ref().unwrap() };
    at.delete_attr(name)?;
    at.new_attr::<T>().create(name)?.write_scalar(&value)
}

type Break = fn(&hdf5::File) -> hdf5::Result<()>;

#[test]
fn each_broken_rule_is_told_with_its_place() {
    let rows: &[(Break, &str, &str)] = &[
        (|f| f.delete_attr("grid_type"), "/", "`grid_type` is no text"),
        (|f| relabel(f, "/", "n_trajectories", 2.0), "/", "`n_trajectories` is no positive integer"),
        (|f| f.delete_attr("forcing"), "/", "`forcing` is listed but no attribute"),
        (|f| f.unlink("scalars/dim"), "/scalars", "`dim` is no dataset"),
        (|f| f.unlink("t2_fields"), "/t2_fields", "the group is missing"),
        (
            |f| f.dataset("dimensions/time")?.delete_attr("time_varying"),
            "/dimensions/time",
            "`time_varying` is missing",
        ),
        (|f| relabel(f, "dimensions/time", "time_varying", false), "/dimensions/time", "is false"),
        (|f| relabel(f, "dimensions/x", "sample_varying", 0_u8), "/dimensions/x", "is no boolean"),
        (|f| relabel(f, "dimensions/x", "sample_varying", true), "/dimensions/x", "varies with sample"),
        (|f| f.unlink("dimensions/y"), "/dimensions/y", "the dataset is missing"),
        (
            |f| f.group("boundary_conditions/x_periodic")?.delete_attr("bc_type"),
            "/boundary_conditions/x_periodic",
            "bc_type",
        ),
        (|f| f.unlink("boundary_conditions/y_periodic/mask"), "/boundary_conditions/y_periodic/mask", "missing"),
        (
            |f| f.dataset("boundary_conditions/x_periodic/mask")?.write(ndarray::aview1(&[false; 3])),
            "/boundary_conditions/x_periodic/mask",
            "nowhere true",
        ),
        (|f| f.dataset("t0_fields/state")?.delete_attr("dim_varying"), "/t0_fields/state", "`dim_varying` is not 2"),
        (|f| relabel(f, "t0_fields/state", "time_varying", false), "/t0_fields/state", "instead of [2, 3, 4]"),
        (|f| f.unlink("t0_fields/state"), "/t0_fields/state", "is named but missing"),
        (|f| f.group("t1_fields")?.delete_attr("field_names"), "/t1_fields", "`field_names` is no list"),
        (|f| relabel(f, "scalars/forcing", "sample_varying", true), "/scalars/forcing", "instead of [2]"),
    ];
    for (change, place, says) in rows {
        in_folder(|path| {
            broken(path, change);
            let problems = check(path, &ENOUGH).unwrap();
            let fits = |p: &Problem| p.place == *place && p.message.contains(says);
            assert!(problems.iter().any(fits), "{place} {says}: {problems:?}");
        });
    }
}

/// Adds a field of ones to a file of `plan(&[3, 4], ..)` with 2 samples.
fn add_field(file: &hdf5::File, group: &str, name: &str, shape: &[usize]) -> hdf5::Result<()> {
    let group = file.group(group)?;
    let mut names: Vec<VarLenUnicode> = group.attr("field_names")?.read_raw()?;
    names.push(name.parse().unwrap());
    group.delete_attr("field_names")?;
    group.new_attr_builder().with_data(&names).create("field_names")?;
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
    let values = ndarray::ArrayD::from_shape_vec(shape, values).unwrap();
    let field = group.new_dataset_builder().with_data(values.view()).create(name)?;
    attributes::put_varying(&field, true, true)?;
    attributes::put_flags(&field, "dim_varying", &[true, true])
}

#[test]
fn one_of_several_fields_needs_a_name_and_vectors_are_read_by_component() {
    in_folder(|path| {
        broken(path, |file| {
            add_field(file, "t0_fields", "density", &[2, 5, 3, 4])?;
            add_field(file, "t1_fields", "velocity", &[2, 5, 3, 4, 2])
        });
        assert_eq!(check(path, &ENOUGH).unwrap(), []);
        let error = read_trajectories(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("`state`, `density`, `velocity_x`, `velocity_y`"), "{error}");
        let unknown = read_trajectories(path, Some("pressure"), &ENOUGH).unwrap_err().to_string();
        assert!(unknown.contains("no field `pressure`"), "{unknown}");
        let component = read_trajectories(path, Some("velocity_y"), &ENOUGH).unwrap().values;
        assert_eq!(component, Array3::from_shape_fn((2, 5, 12), |(b, t, x)| (2 * ((b * 5 + t) * 12 + x) + 1) as f64));
    });
}

#[test]
fn a_field_with_a_hole_and_a_link_out_of_the_file_are_refused() {
    in_folder(|path| {
        let mut holed = states(2, 12);
        holed[[1, 2, 3]] = f64::NAN;
        put(path, &plan(&[12], true), &holed);
        let error = read_trajectories(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("case 1, time 2, component 3"), "{error}");
        broken(path, |file| file.group("t1_fields")?.link_external("/etc/passwd", "/", "velocity"));
        let error = read(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("`t1_fields/velocity` is a link"), "{error}");
    });
}

#[test]
fn equal_content_is_equal_bytes() {
    let bytes = |path: PathBuf| {
        put(&path, &plan(&[3, 4], true), &states(2, 12));
        std::fs::read(path).unwrap()
    };
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(bytes(one.path().join("a.hdf5")) == bytes(other.path().join("b.hdf5")));
}
