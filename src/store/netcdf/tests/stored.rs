//! What a file means does not hang on how its numbers are stored, nor on which of its arrays grew with a dimension.

use std::path::Path;

use hdf5::{File, H5Type};

use super::*;

/// Adds an array along dimensions of the file, with attributes.
fn add<T: H5Type>(path: &Path, name: &str, along: &[&str], values: &[T], attributes: &[(&str, Attribute)]) {
    let file = File::open_rw(path).unwrap();
    let scales: Vec<hdf5::Dataset> = along.iter().map(|name| file.dataset(name).unwrap()).collect();
    let sizes: Vec<usize> = scales[1..].iter().map(|scale| scale.size()).collect();
    let first = values.len() / sizes.iter().product::<usize>();
    let extents: Vec<hdf5::Extent> = std::iter::once(first).chain(sizes.clone()).map(hdf5::Extent::resizable).collect();
    let chunk: Vec<usize> = std::iter::once(4).chain(sizes).collect();
    let shape = hdf5::SimpleExtents::from_vec(extents);
    let dataset = file.new_dataset::<T>().shape(shape).chunk(chunk).create(name).unwrap();
    dataset.write_raw(values).unwrap();
    for (axis, scale) in scales.iter().enumerate() {
        raw::attach_scale(&dataset, scale, axis).unwrap();
    }
    let attributes: Vec<(String, Attribute)> = attributes.iter().map(|(n, v)| ((*n).into(), v.clone())).collect();
    write::write_attributes(&dataset, &attributes).unwrap();
    file.close().unwrap();
}

/// A file with a dimension `time` that may grow and is nothing but a name, as the NetCDF library leaves it: of size 0.
fn growing(path: &Path) {
    write(path, &Dataset::default().dimension("x", 3)).unwrap();
    let file = File::open_rw(path).unwrap();
    let scale = file.new_dataset::<f32>().shape((0..,)).chunk(1).create("time").unwrap();
    raw::set_scale(&scale, "This is a netCDF dimension but not a netCDF variable.         0").unwrap();
    file.close().unwrap();
}

fn double(value: f64) -> Attribute {
    Attribute::F64(vec![value])
}

#[test]
fn a_dimension_that_grew_is_as_large_as_the_largest_of_its_variables() {
    in_folder(|path| {
        growing(path);
        let states: Vec<f64> = (0..24).map(f64::from).collect();
        add(path, "u", &["time", "x"], &states, &[]);
        let back = read_trajectories(path, None, &ENOUGH).unwrap();
        assert_eq!(back.values.dim(), (1, 8, 3));
        assert_eq!(back.values.iter().copied().collect::<Vec<_>>(), states);
        assert_eq!(read(path, &ENOUGH).unwrap().dimensions[1].size, 8);
    });
}

/// As the NetCDF library reads such a file (netCDF4 1.7): the first values, and fill values, which it masks.
#[test]
fn what_a_shorter_variable_lacks_is_missing() {
    in_folder(|path| {
        growing(path);
        add(path, "u", &["time", "x"], &[0.5; 24], &[]);
        add(path, "b", &["time"], &[0.0, 1.0, 2.0, 3.0, 4.0], &[]);
        add::<i16>(path, "c", &["time", "x"], &[1, 2, 3], &[("_FillValue", Attribute::I32(vec![-7]))]);
        add::<i64>(path, "d", &["time"], &[1 << 60], &[("_FillValue", Attribute::I64(vec![(1 << 60) + 1]))]);
        let unsigned = [("_FillValue", Attribute::I32(vec![255])), ("_Unsigned", "true".into())];
        add::<i8>(path, "e", &["time"], &[-2, 5], &unsigned);
        add::<f32>(path, "f", &["time"], &[1.5], &[]);
        add::<i8>(path, "g", &["time"], &[1, 2], &[]);
        let mut reader = super::super::read::Reader::open(path, &ENOUGH).unwrap();
        let rows: [(&str, &[f64], usize); 5] = [
            ("b", &[0.0, 1.0, 2.0, 3.0, 4.0], 8),
            ("c", &[1.0, 2.0, 3.0], 24),
            ("d", &[(1_i64 << 60) as f64], 8),
            ("e", &[254.0, 5.0], 8),
            ("f", &[1.5], 8),
        ];
        for (name, there, count) in rows {
            let found = reader.numbers(name).unwrap();
            assert_eq!((&found[..there.len()], found.len()), (there, count), "{name}");
            assert!(found[there.len()..].iter().all(|value| value.is_nan()), "{name}: {found:?}");
        }
        // bytes have no fill value of their own that readers take for one
        let error = reader.numbers("g").unwrap_err();
        assert!(error.to_string().contains("`g` has 2 values along `time`, which has 8"), "{error}");
    });
}

#[test]
fn a_dimension_that_does_not_grow_is_as_long_as_its_variables() {
    in_folder(|path| {
        write(path, &Dataset::default().dimension("time", 8).dimension("x", 3)).unwrap();
        add(path, "u", &["time", "x"], &[0.5; 21], &[]);
        let error = read(path, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("axis 0 of the variable `u` has 7 values, but its dimension `time` has 8"), "{error}");
    });
}

#[test]
fn memory_for_what_a_variable_lacks_is_counted() {
    in_folder(|path| {
        growing(path);
        add(path, "u", &["time"], &vec![0_i8; 300_000], &[]);
        add(path, "v", &["time"], &[1.0], &[]);
        let mut reader = super::super::read::Reader::open(path, &Limits::bytes(1_000_000)).unwrap();
        let error = reader.numbers("v").unwrap_err();
        assert!(matches!(error, crate::store::Error::Resource(_)) && error.to_string().contains("2400000"), "{error}");
    });
}

#[test]
fn packed_numbers_beside_others_need_a_name() {
    in_folder(|path| {
        for packing in ["scale_factor", "add_offset"] {
            growing(path);
            add::<i16>(path, "u", &["time", "x"], &[100; 24], &[(packing, double(0.25))]);
            add(path, "error", &["time", "x"], &[0.5; 24], &[]);
            let error = read_trajectories(path, None, &ENOUGH).unwrap_err().to_string();
            assert!(error.contains("several variables that could be meant: `u`, `error`"), "{error}");
            let right = if packing == "scale_factor" { 25.0 } else { 100.25 };
            let named = read_trajectories(path, Some("u"), &ENOUGH).unwrap().values;
            assert!(named.iter().all(|value| *value == right), "{named}");
        }
        // flags are no such numbers
        growing(path);
        add(path, "error", &["time", "x"], &[0.5; 24], &[]);
        add::<i8>(path, "flag", &["time", "x"], &[1; 24], &[("flag_values", Attribute::I8(vec![0, 1]))]);
        assert_eq!(read_trajectories(path, None, &ENOUGH).unwrap().values[[0, 0, 0]], 0.5);
    });
}

#[test]
fn places_are_what_they_are_in_the_file_however_they_are_packed() {
    // 10, 40 and 60 degrees in thousandths, of which the latter two have no sign
    let stored = [10_000_u16, 40_000, 60_000];
    let bits = stored.map(|value| value as i16);
    let unsigned = ("_Unsigned", Attribute::from("true"));
    in_folder(|path| {
        growing(path);
        add(path, "u", &["time", "x"], &[0.5; 24], &[]);
        add(path, "lat", &["x"], &bits, &[("scale_factor", double(0.001)), unsigned.clone(), ("units", "1".into())]);
        add(path, "id", &["x"], &[7_u16, 8, 9], &[("long_name", "station".into())]);
        add(path, "big", &["x"], &[1_i64 << 60, (1 << 60) + 1, 3], &[("_FillValue", Attribute::I64(vec![3]))]);
        add(path, "gap", &["x"], &bits, &[("_FillValue", Attribute::I32(vec![10_000])), unsigned.clone()]);
        let (_, wording) = read_worded_trajectories(path, None, &ENOUGH).unwrap();
        let place = |name: &str| wording.places.iter().find(|place| place.name == name).unwrap();
        assert_eq!(place("lat").values, Values::F64(stored.map(|value| f64::from(value) * 0.001).to_vec()));
        assert_eq!(place("lat").attributes, [("units".to_owned(), Attribute::from("1"))]);
        // labels stay integers, and those of 64 bits to the last bit
        assert_eq!(place("id").values, Values::I32(vec![7, 8, 9]));
        assert_eq!(place("big").values, Values::I64(vec![1 << 60, (1 << 60) + 1, 3]));
        assert!(place("big").attribute("_FillValue").is_some());
        let Values::F64(gap) = &place("gap").values else { panic!("{:?}", place("gap")) };
        assert!(gap[0].is_nan() && gap[1..] == [40_000.0, 60_000.0], "{gap:?}");
    });
}
