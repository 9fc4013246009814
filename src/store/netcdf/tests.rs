//! Round trips, damage, and files made to do harm.

mod damage;
mod hostile;
mod stored;
mod users;

use super::super::Limits;
use super::*;

const ENOUGH: Limits = Limits::bytes(1 << 30);

/// A dataset with every kind of value, more than one chunk, and attributes of every kind.
fn sample() -> Dataset {
    let wave = |i: usize| (i as f64 * 0.37).sin();
    let time =
        Variable::coordinate("time", Values::F64((0..500).map(|i| i as f64 * 0.05).collect())).with("units", "1");
    let state = Variable::new("state", &["time", "component"], Values::F64((0..200_000).map(wave).collect()));
    let labels = vec!["étkf / ar".to_string(), String::new(), "enkf".to_string()];
    Dataset::default()
        .coordinate(time)
        .dimension("component", 400)
        .dimension("row", 3)
        .variable(state.with("units", "1").with("long_name", "état du système"))
        .variable(Variable::new("label", &["row"], Values::Text(labels)))
        .variable(Variable::new("f", &["row"], Values::F32(vec![0.1, -0.0, f32::MIN_POSITIVE])))
        .variable(Variable::new("i", &["row"], Values::I32(vec![i32::MIN, 0, i32::MAX])))
        .variable(Variable::new("l", &["row"], Values::I64(vec![i64::MIN, 0, i64::MAX])))
        .variable(
            Variable::new("flag", &["row"], Values::I8(vec![0, 1, 0]))
                .with("flag_values", Attribute::I8(vec![0, 1]))
                .with("flag_meanings", "ran diverged"),
        )
        .variable(Variable::new("dt", &[], Values::F64(vec![0.05])))
        .with("Conventions", "CF-1.11")
        .with("source", "a test")
        .with("history", "")
        .with("numbers", Attribute::F64(vec![0.1, f64::MAX]))
        .with("integers", Attribute::I32(vec![1, -2]))
        .with("singles", Attribute::F32(vec![0.1]))
        .from_experiment(&Origin { title: "a sample".into(), seed: 3000, config_json: "x".repeat(100_000) })
}

fn in_folder<T>(test: impl FnOnce(&std::path::Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    test(&folder.path().join("a.nc"))
}

#[test]
fn a_file_that_is_written_is_not_locked() {
    // a program that starts meanwhile would inherit the lock, and the file would be unreadable for as long as it runs
    in_folder(|path| {
        let file = write::create(path).unwrap();
        assert!(std::fs::File::open(path).unwrap().try_lock().is_ok());
        file.close().unwrap();
    });
}

#[test]
fn every_kind_of_value_comes_back_bit_for_bit() {
    in_folder(|path| {
        write(path, &sample()).unwrap();
        let back = read(path, &ENOUGH).unwrap();
        let names = |d: &Dataset| d.variables.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&back), names(&sample()));
        // Thousands of numbers: compared without being printed.
        assert!(back.dimensions == sample().dimensions);
        assert!(back.attributes == sample().attributes);
        assert!(back == sample());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    });
}

#[test]
fn equal_content_is_equal_bytes_at_another_time_and_place() {
    let first = in_folder(|path| {
        write(path, &sample()).unwrap();
        std::fs::read(path).unwrap()
    });
    // HDF5 keeps times in whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("another_name.nc");
    write(&path, &sample()).unwrap();
    write(&path, &sample()).unwrap();
    assert!(std::fs::read(&path).unwrap() == first);
}

#[test]
fn nan_is_marked_as_missing_and_the_usual_attributes_are_added() {
    in_folder(|path| {
        let gap = Variable::new("y", &["time"], Values::F64(vec![1.0, f64::NAN]));
        let full = Variable::new("z", &["time"], Values::F32(vec![1.0, 2.0]));
        write(path, &Dataset::default().dimension("time", 2).variable(gap).variable(full)).unwrap();
        let back = read(path, &ENOUGH).unwrap();
        assert!(back.get("y").unwrap().attribute("_FillValue").unwrap().number().unwrap().is_nan());
        assert_eq!(back.get("z").unwrap().attribute("_FillValue"), None);
        assert_eq!(back.attribute("Conventions").unwrap().text(), Some("CF-1.11"));
        assert!(back.attribute("source").unwrap().text().unwrap().starts_with("scorecast 0."));
        assert!(back.attribute("history").is_some());
    });
}

#[test]
fn content_that_no_file_can_hold_is_refused_with_both_numbers() {
    in_folder(|path| {
        let refused = |dataset: Dataset, says: &str| {
            let error = write(path, &dataset).unwrap_err();
            assert!(matches!(error, crate::store::Error::Content(_)) && error.to_string().contains(says), "{error}");
            assert!(!path.exists());
        };
        let v = |name: &str, n: usize| Variable::new(name, &["x"], Values::F64(vec![0.0; n]));
        let d = || Dataset::default().dimension("x", 3);
        refused(d().variable(v("a", 4)), "needs 3 values and has 4");
        refused(d().variable(v("a/b", 3)), "cannot be a name");
        refused(d().variable(v("_a", 3)), "cannot be a name");
        refused(d().variable(v("a", 3)).variable(v("a", 3)), "two things are named `a`");
        refused(Dataset::default().variable(v("a", 3)), "no dimension `x`");
        refused(Dataset::default().dimension("x", 0), "size 0");
        refused(Dataset::default().coordinate(Variable::coordinate("x", Values::Text(vec!["a".into()]))), "is text");
    });
}

#[test]
fn chunks_are_whole_trailing_axes_of_at_most_a_mebibyte() {
    let rows: [(&[usize], &[usize]); 4] = [
        (&[10, 40], &[10, 40]),
        (&[500, 400], &[327, 400]),
        (&[64, 1024, 40], &[3, 1024, 40]),
        (&[2, 1_000_000], &[1, 131_072]),
    ];
    for (shape, chunk) in rows {
        assert_eq!(write::chunk(shape), chunk, "{shape:?}");
    }
}

#[test]
fn threads_may_write_and_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                for round in 0..5 {
                    let path = folder.join(format!("{thread}.nc"));
                    let values = Values::F64(vec![f64::from(thread * 10 + round); 50]);
                    let dataset =
                        Dataset::default().dimension("x", 50).variable(Variable::new("a", &["x"], values.clone()));
                    write(&path, &dataset).unwrap();
                    assert_eq!(read(&path, &ENOUGH).unwrap().get("a").unwrap().values, values);
                }
            });
        }
    });
}
