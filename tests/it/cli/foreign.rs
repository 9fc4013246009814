//! Files of others, to be scored: what they say of themselves is believed, and what is missing is no failure of a forecaster.

use std::path::Path;

use scorecast::store::netcdf::{Attribute, Dataset, Values, Variable, write};
use serde_json::Value;

use super::{json, refused, scorecast, stderr};

const NAN: f64 = f64::NAN;

/// One forecast of two components at each of `truth.len() / 2` starts.
fn forecasts(members: usize, values: Variable, truth: Variable) -> Dataset {
    let starts = truth.values.len() / 2;
    let dataset = Dataset::default().dimension("time", starts).dimension("number", members);
    dataset.dimension("lead_time", 1).dimension("component", 2).variable(values).variable(truth)
}

const MEMBERS: [&str; 4] = ["time", "number", "lead_time", "component"];
const TRUTH: [&str; 3] = ["time", "lead_time", "component"];

/// What `evaluate` says of a file: a metric's row, and the warnings.
fn evaluated(folder: &Path, name: &str, dataset: &Dataset, metric: &str) -> (Value, String) {
    let path = folder.join(name);
    write(&path, dataset).unwrap();
    let output = scorecast(&["evaluate", path.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result = json(&output)["result"].clone();
    let rows = result["forecast"].as_array().unwrap().iter().chain(result["assimilation"].as_array().unwrap());
    let row = rows.filter(|row| row["metric"] == metric).next().unwrap().clone();
    (row, result["warnings"].to_string())
}

fn value(row: &Value) -> f64 {
    row["value"].as_f64().unwrap_or_else(|| panic!("{row}"))
}

#[test]
fn packed_forecasts_score_as_the_numbers_that_they_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let (members, truth): (Vec<f64>, Vec<f64>) = (
        (0..40).map(|i| 0.001 * f64::from(37 * i % 91)).collect(),
        (0..10).map(|i| 0.001 * f64::from(53 * i % 89)).collect(),
    );
    let plain = forecasts(
        4,
        Variable::new("forecast", &MEMBERS, Values::F64(members.clone())),
        Variable::new("truth", &TRUTH, Values::F64(truth.clone())),
    );
    let pack = |values: &[f64]| Values::I32(values.iter().map(|v| ((v - 0.05) / 0.001).round() as i32).collect());
    let packed = |name: &str, dimensions: &[&str], values: &[f64]| {
        let variable = Variable::new(name, dimensions, pack(values)).with("scale_factor", Attribute::F64(vec![0.001]));
        variable.with("add_offset", Attribute::F64(vec![0.05]))
    };
    // another order of the dimensions, too
    let turned: Vec<f64> = (0..4)
        .flat_map(|m| (0..5).flat_map(move |t| (0..2).map(move |c| (t, m, c))))
        .map(|(t, m, c)| members[t * 8 + m * 2 + c])
        .collect();
    let other = forecasts(
        4,
        packed("forecast", &["number", "time", "lead_time", "component"], &turned),
        packed("truth", &TRUTH, &truth),
    );
    let (one, _) = evaluated(folder.path(), "plain.nc", &plain, "crps_fair");
    let (two, _) = evaluated(folder.path(), "packed.nc", &other, "crps_fair");
    assert!((value(&one) - value(&two)).abs() < 1e-12 && value(&one) > 0.0, "{one} {two}");
}

#[test]
fn members_that_are_missing_leave_the_others_and_truths_that_are_missing_leave_the_case() {
    let folder = tempfile::tempdir().unwrap();
    let of = |members: Vec<f64>, truth: Vec<f64>| {
        forecasts(
            3,
            Variable::new("forecast", &MEMBERS, Values::F64(members)),
            Variable::new("truth", &TRUTH, Values::F64(truth)),
        )
    };
    // members 1 and 3, y = 2: |1| on average less half of |3 - 1|
    let data = of(vec![1.0, 1.0, 3.0, 3.0, NAN, NAN, 1.0, 1.0, 3.0, 3.0, NAN, 0.0], vec![2.0; 4]);
    let (row, told) = evaluated(folder.path(), "a.nc", &data, "crps_fair");
    assert_eq!((value(&row), &row["n_diverged"]), (0.0, &0.into()), "{row}");
    assert!(told.contains("2 members that are missing"), "{told}");
    // one component of the first case and all of the second have no truth
    let data = of(vec![1.0, 50.0, 3.0, 60.0, 5.0, 70.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0], vec![4.0, NAN, NAN, NAN]);
    let (row, told) = evaluated(folder.path(), "b.nc", &data, "rmse");
    assert_eq!((value(&row), row["n"].as_u64()), (1.0, Some(1)), "{row}");
    assert!(told.contains("3 components") && told.contains("1 cases"), "{told}");
    // no member at all is a divergence
    let data = of(vec![NAN; 6], vec![2.0; 2]);
    let (row, _) = evaluated(folder.path(), "c.nc", &data, "rmse");
    assert_eq!((&row["n_diverged"], &row["value"]), (&1.into(), &Value::Null));
}

/// Analyses of one component: two times of three members.
fn analyses(members: Vec<f64>, weights: Vec<f64>) -> Dataset {
    let dataset = Dataset::default().dimension("time", 2).dimension("number", 3).dimension("component", 1);
    dataset
        .variable(Variable::new("analysis", &["time", "number", "component"], Values::F64(members)))
        .variable(Variable::new("weight", &["time", "number"], Values::F64(weights)))
        .variable(Variable::new("truth", &["time", "component"], Values::F64(vec![0.0, 0.0])))
}

#[test]
fn weights_are_of_one_sum_and_those_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let members = vec![1.0, 2.0, 5.0, -1.0, 1.0, 4.0];
    let weights = vec![0.5, 0.25, 0.25, 0.2, 0.6, 0.2];
    let (one, _) = evaluated(folder.path(), "a.nc", &analyses(members.clone(), weights.clone()), "rmse");
    let seven = weights.iter().map(|w| 7.0 * w).collect();
    let (two, _) = evaluated(folder.path(), "b.nc", &analyses(members.clone(), seven), "rmse");
    // means 2.25 and 1.2
    let exact = ((2.25f64.powi(2) + 1.2f64.powi(2)) / 2.0).sqrt();
    assert!((value(&one) - exact).abs() < 1e-12 && (value(&two) - exact).abs() < 1e-12, "{one} {two} {exact}");
    // a member without weight may be anything
    let lost = vec![1.0, 2.0, NAN, -1.0, 1.0, 4.0];
    let (row, _) = evaluated(folder.path(), "c.nc", &analyses(lost, vec![0.5, 0.5, 0.0, 0.2, 0.6, 0.2]), "rmse");
    assert!(
        (value(&row) - ((1.5f64.powi(2) + 1.2f64.powi(2)) / 2.0).sqrt()).abs() < 1e-12 && row["diverged"] == 0,
        "{row}"
    );
    let wrong = [
        (vec![0.5, -1.0, 0.5], "`weight` is -1 for case 0, time 0, member 1"),
        (vec![0.0; 3], "are 0"),
        (vec![NAN; 3], "is NaN"),
    ];
    for (weights, says) in wrong {
        let path = folder.path().join("wrong.nc");
        write(&path, &analyses(members.clone(), [weights, vec![0.2, 0.6, 0.2]].concat())).unwrap();
        let (said, _) = refused(&["evaluate", path.to_str().unwrap()], 3, "data");
        assert!(said.contains(says), "{said}");
    }
}
