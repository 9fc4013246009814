//! Files of other people: any order of dimensions, other names, other types, gaps.

use std::path::Path;

use ndarray::{Array3, Array5, ArrayD, IxDyn};

use super::*;
use crate::store::Error;

fn origin() -> Origin {
    Origin { title: "a test".into(), seed: u64::MAX, config_json: "{}".into() }
}

/// The value at `[case, time, component]`, told from its place.
fn value(case: usize, time: usize, component: usize) -> f64 {
    (100 * case + 10 * time + component) as f64
}

/// Writes one variable with these dimensions, filled by `at`.
fn put(path: &Path, dimensions: &[(&str, usize)], at: impl Fn(&[usize]) -> f64) {
    let shape: Vec<usize> = dimensions.iter().map(|d| d.1).collect();
    let names: Vec<&str> = dimensions.iter().map(|d| d.0).collect();
    let values = ArrayD::from_shape_fn(IxDyn(&shape), |i| at(&(0..shape.len()).map(|k| i[k]).collect::<Vec<_>>()));
    let dataset = dimensions.iter().fold(Dataset::default(), |d, (name, size)| d.dimension(name, *size));
    let values = Values::F32(values.iter().map(|&x| x as f32).collect());
    write(path, &dataset.variable(Variable::new("u", &names, values))).unwrap();
}

#[test]
fn dimensions_are_found_by_name_in_any_order_and_under_their_usual_names() {
    let expected = Array3::from_shape_fn((2, 3, 4), |(c, t, x)| value(c, t, x));
    in_folder(|path| {
        put(path, &[("x", 4), ("trajectory", 2), ("Time", 3)], |i| value(i[1], i[2], i[0]));
        let back = read_trajectories(path, None, &ENOUGH).unwrap();
        assert_eq!(back, StoredTrajectories::new(expected.clone(), None));
        put(path, &[("time", 3), ("state", 4)], |i| value(0, i[0], i[1]));
        let back = read_trajectories(path, Some("u"), &ENOUGH).unwrap();
        assert_eq!(back.values, expected.slice_move(ndarray::s![..1, .., ..]));
    });
}

#[test]
fn a_field_in_two_dimensions_lies_row_by_row_whatever_order_the_file_has() {
    let at = |case: usize, time: usize, y: usize, x: usize| (1000 * case + 100 * time + 10 * y + x) as f64;
    let expected = Array3::from_shape_fn((2, 3, 20), |(c, t, i)| at(c, t, i / 5, i % 5));
    in_folder(|path| {
        for (y, x, case) in [("y", "x", "case"), ("lat", "lon", "sample"), ("row", "column", "run")] {
            put(path, &[(x, 5), ("time", 3), (y, 4), (case, 2)], |i| at(i[3], i[1], i[2], i[0]));
            let back = read_trajectories(path, None, &ENOUGH).unwrap();
            assert_eq!((&back.values, &back.space), (&expected, &vec![4, 5]), "{y}, {x}, {case}");
        }
        put(path, &[("time", 3), ("y", 4), ("x", 5)], |i| if i == [2, 3, 1] { f64::NAN } else { 0.0 });
        let error = read_trajectories(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("case 0, time 2, y 3, x 1"), "{error}");
    });
}

#[test]
fn a_split_and_a_layout_come_back() {
    in_folder(|path| {
        let values = Array3::from_shape_fn((3, 4, 6), |(c, t, x)| value(c, t, x));
        let split = Some(vec![SplitPart::Test, SplitPart::Train, SplitPart::Valid]);
        let geometry = Some(crate::systems::Geometry::Plane { rows: 2, columns: 3 });
        let trajectories = StoredTrajectories { split, geometry, ..StoredTrajectories::new(values, None) };
        write_trajectories(path, &trajectories, &origin()).unwrap();
        assert_eq!(read_trajectories(path, None, &ENOUGH).unwrap(), trajectories);
        let dataset = Dataset::default().dimension("case", 2).dimension("time", 2).dimension("x", 2);
        let state = Variable::new("u", &["case", "time", "x"], Values::F64(vec![0.0; 8]));
        let named =
            |names: [&str; 2]| Variable::new("split", &["case"], Values::Text(names.map(String::from).to_vec()));
        write(path, &dataset.clone().variable(state.clone()).variable(named(["train", "validation"]))).unwrap();
        let back = read_trajectories(path, None, &ENOUGH).unwrap();
        assert_eq!(back.split, Some(vec![SplitPart::Train, SplitPart::Valid]));
        write(path, &dataset.variable(state).variable(named(["train", "both"]))).unwrap();
        let error = read_trajectories(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("`split` is both for case 1"), "{error}");
    });
}

#[test]
fn dimensions_that_do_not_fit_are_listed_with_their_sizes_and_the_names_that_would() {
    in_folder(|path| {
        let says = |variable: Option<&str>, says: &str| {
            let error = read_trajectories(path, variable, &ENOUGH).unwrap_err();
            assert!(matches!(error, Error::Data(_)) && error.to_string().contains(says), "{error}");
        };
        put(path, &[("level", 2), ("lon", 3), ("time", 4)], |_| 0.0);
        says(None, "`u` (level: 2, lon: 3, time: 4)");
        says(None, "name its dimensions, in any order: case (or trajectory");
        says(Some("u"), "has other dimensions");
        says(Some("v"), "has no variable `v`; it has `u`");
        put(path, &[("x", 2), ("component", 3), ("time", 4)], |_| 0.0);
        says(None, "no variable of numbers");
        // Without names nothing is guessed.
        let file = hdf5::File::create(path).unwrap();
        file.new_dataset::<f64>().shape((2, 3)).create("u").unwrap();
        file.close().unwrap();
        says(None, "`u` (dim_0: 2, dim_1: 3)");
    });
}

#[test]
fn two_candidates_need_a_name() {
    in_folder(|path| {
        let v = |name: &str| Variable::new(name, &["time", "x"], Values::F64(vec![0.0; 6]));
        let dataset = Dataset::default().dimension("time", 2).dimension("x", 3).variable(v("u")).variable(v("v"));
        write(path, &dataset).unwrap();
        let error = read_trajectories(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("several variables that could be meant: `u`, `v`"), "{error}");
        assert!(read_trajectories(path, Some("v"), &ENOUGH).is_ok());
    });
}

#[test]
fn gaps_in_trajectories_are_refused_with_their_place() {
    in_folder(|path| {
        put(path, &[("x", 4), ("case", 2), ("time", 3)], |i| if i == [3, 1, 2] { f64::NAN } else { 0.0 });
        let error = read_trajectories(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("1 of 24 values") && error.contains("case 1, time 2, component 3"), "{error}");
    });
}

#[test]
fn trajectories_come_back_bit_for_bit() {
    in_folder(|path| {
        let values = Array3::from_shape_fn((3, 50, 7), |(c, t, x)| (value(c, t, x) * 0.37).sin());
        let time = Some((0..50).map(|t| f64::from(t) * 0.05).collect());
        let trajectories = StoredTrajectories::new(values, time);
        write_trajectories(path, &trajectories, &origin()).unwrap();
        assert_eq!(read_trajectories(path, None, &ENOUGH).unwrap(), trajectories);
        let raw = read(path, &ENOUGH).unwrap();
        assert_eq!(raw.attribute("seed"), Some(&Attribute::Text(u64::MAX.to_string())));
    });
}

#[test]
fn observations_keep_their_gaps_whatever_marks_them() {
    in_folder(|path| {
        let mut values = Array3::from_shape_fn((2, 5, 3), |(r, t, o)| value(r, t, o));
        values[[1, 2, 0]] = f64::NAN;
        let observations = Observations { values, time: None, unit: TimeUnit::Model };
        write_observations(path, &observations, &origin()).unwrap();
        let back = read_observations(path, None, &ENOUGH).unwrap();
        assert_eq!(bits(&back.values), bits(&observations.values));

        // Packed as satellite products are: 16-bit integers, scale, offset, a marker.
        let packed = Variable::new("y", &["observed", "time"], Values::I32(vec![0, 10, -999, 30]))
            .with("_FillValue", Attribute::I32(vec![-999]))
            .with("scale_factor", Attribute::F64(vec![0.5]))
            .with("add_offset", Attribute::F32(vec![100.0]));
        let dataset = Dataset::default().dimension("observed", 2).dimension("time", 2).variable(packed);
        write(path, &dataset).unwrap();
        let back = read_observations(path, Some("y"), &ENOUGH).unwrap().values;
        assert_eq!(bits(&back), [100.0, f64::NAN, 105.0, 115.0].map(f64::to_bits));
    });
}

#[test]
fn an_infinite_observation_is_refused() {
    in_folder(|path| {
        put(path, &[("time", 2), ("observed", 2)], |i| if i == [1, 0] { f64::INFINITY } else { 0.0 });
        let error = read_observations(path, None, &ENOUGH).unwrap_err().to_string();
        assert!(error.contains("inf (replicate 0, time 1, observed 0)"), "{error}");
    });
}

#[test]
fn forecasts_come_back_with_their_lead_times() {
    in_folder(|path| {
        let at = |(c, t, m, l, x)| value(c, t, x) + 0.1 * m as f64 - 0.01 * l as f64;
        let mut values = Array5::from_shape_fn((2, 3, 4, 5, 6), at);
        values[[1, 2, 3, 4, 5]] = f64::NAN;
        let lead_time = LeadTime { values: (1..=5).map(|l| f64::from(l) * 6.0).collect(), units: "hours".into() };
        let forecasts = Forecasts { values, time: Some(vec![0.0, 0.5, 1.0]), lead_time };
        write_forecasts(path, &forecasts, &origin()).unwrap();
        let back = read_forecasts(path, None, &ENOUGH).unwrap();
        assert_eq!((&back.time, &back.lead_time), (&forecasts.time, &forecasts.lead_time));
        assert_eq!(back.values.dim(), forecasts.values.dim());
        assert!(back.values.iter().zip(&forecasts.values).all(|(a, b)| a.to_bits() == b.to_bits()));
        let lead = read(path, &ENOUGH).unwrap();
        assert_eq!(lead.get("lead_time").unwrap().attribute("dtype").unwrap().text(), Some("timedelta64[ns]"));
    });
}

/// Bits of all values, NaN by its usual ones.
fn bits(values: &Array3<f64>) -> Vec<u64> {
    values.iter().map(|x| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }).collect()
}
