//! Files as users of Python see them: ours opened by both engines of xarray, and xarray's opened by us.
//!
//! Needs Python with xarray, h5netcdf and netCDF4 (`SCORECAST_PYTHON` names the interpreter, default `python3`);
//! without them the test says so and passes.

use std::path::Path;

use ndarray::{Array3, Array5, array};
use scorecast::store::netcdf::{
    Attribute, Dataset, Forecasts, LeadTime, Observations, Origin, StoredTrajectories, Values, Variable, read,
    read_trajectories, write, write_forecasts, write_observations, write_trajectories,
};
use scorecast::store::{Limits, Result};

use super::python;

fn origin() -> Origin {
    Origin { title: "a test".into(), seed: 3000, config_json: r#"{"name":"étude"}"#.into() }
}

fn write_all(folder: &Path) -> Result<()> {
    let values = Array3::from_shape_fn((2, 3, 4), |(c, t, x)| (100 * c + 10 * t + x) as f64);
    let trajectories = StoredTrajectories::new(values, Some(vec![0.0, 0.05, 0.1]));
    write_trajectories(&folder.join("trajectories.nc"), &trajectories, &origin())?;

    let mut values = Array5::from_shape_fn((2, 1, 3, 2, 2), |(c, _, m, l, x)| {
        // Two decimals, rounded once, so that Python's literal is the same number.
        (10_000 * c + 100 * m + 10 * l + x) as f64 / 100.0
    });
    values[[0; 5]] = f64::NAN;
    let physical = LeadTime { values: vec![6.0, 12.0], units: "hours".into() };
    let mut forecasts = Forecasts { values, time: None, lead_time: physical };
    write_forecasts(&folder.join("forecasts.nc"), &forecasts, &origin())?;
    forecasts.lead_time = LeadTime { values: vec![0.05, 0.1], units: "1".into() };
    write_forecasts(&folder.join("model_time.nc"), &forecasts, &origin())?;

    let observations =
        Observations { values: array![[[1.0, f64::NAN], [3.0, 4.0]]], time: None, unit: Default::default() };
    write_observations(&folder.join("observations.nc"), &observations, &origin())?;

    let labels = ["étkf", "", "enkf"].map(String::from).to_vec();
    let kinds = Dataset::default()
        .dimension("row", 3)
        .variable(Variable::new("label", &["row"], Values::Text(labels)))
        .variable(
            Variable::new("flag", &["row"], Values::I8(vec![0, 1, 0])).with("flag_values", Attribute::I8(vec![0, 1])),
        )
        .variable(Variable::new("single", &["row"], Values::F32(vec![0.1, 0.2, 0.3])))
        .variable(Variable::new("long", &["row"], Values::I64(vec![i64::MIN, 0, i64::MAX])))
        .variable(Variable::new("dt", &[], Values::F64(vec![0.05])))
        .with("config_json", "x".repeat(100_000).as_str());
    write(&folder.join("kinds.nc"), &kinds)
}

#[test]
fn xarray_reads_our_files_with_both_engines_and_we_read_its() {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path()).unwrap();
    if !python::ran("netcdf.py", folder.path()) {
        return;
    }
    for engine in ["h5netcdf", "netcdf4"] {
        let path = folder.path().join(format!("user_{engine}.nc"));
        let limits = Limits::bytes(1 << 20);
        let back = read_trajectories(&path, None, &limits).unwrap();
        let expected = Array3::from_shape_fn((2, 3, 4), |(c, t, x)| (6 * x + 3 * c + t) as f64);
        assert_eq!(back, StoredTrajectories::new(expected, Some(vec![0.0, 0.5, 1.0])), "{engine}");
        let whole = read(&path, &limits).unwrap();
        assert_eq!(whole.get("name").unwrap().values, Values::Text(["a", "b", "c", "ä"].map(String::from).to_vec()));
        assert_eq!(whole.attribute("title").unwrap().text(), Some("a user's file"));
    }
}
