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
    let mut rows = result["forecast"].as_array().unwrap().iter().chain(result["assimilation"].as_array().unwrap());
    let row = rows.find(|row| row["metric"] == metric).unwrap().clone();
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
    // means 2.25 and 1.2; the errors of each time are averaged
    let exact = (2.25 + 1.2) / 2.0;
    assert!((value(&one) - exact).abs() < 1e-12 && (value(&two) - exact).abs() < 1e-12, "{one} {two} {exact}");
    // a member without weight may be anything
    let lost = vec![1.0, 2.0, NAN, -1.0, 1.0, 4.0];
    let (row, _) = evaluated(folder.path(), "c.nc", &analyses(lost, vec![0.5, 0.5, 0.0, 0.2, 0.6, 0.2]), "rmse");
    assert!((value(&row) - (1.5 + 1.2) / 2.0).abs() < 1e-12 && row["diverged"] == 0, "{row}");
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

/// Six trajectories of 40 states of one component, at `time`, or without times.
fn trajectories(time: Option<Variable>) -> Dataset {
    let mut x = 0.0f64;
    let values = (0..240).map(|i| {
        x = 0.8 * x + (f64::from(i) * 1.7).sin();
        x
    });
    let state = Variable::new("state", &["case", "time", "component"], Values::F64(values.collect()));
    let dataset = Dataset::default().dimension("case", 6);
    let dataset = match time {
        Some(time) if time.name == "time" => dataset.coordinate(time),
        Some(time) => dataset.dimension("time", 40).variable(time),
        None => dataset.dimension("time", 40),
    };
    dataset.dimension("component", 1).variable(state)
}

fn hours() -> Variable {
    let values = Values::I64((0..40).map(|k| 6 * k).collect());
    Variable::coordinate("time", values).with("units", "hours since 2000-01-01").with("calendar", "proleptic_gregorian")
}

const LEARNED: &str = "[data]\nfile = \"DATA\"\nsplit = [0.5, 0.25, 0.25]\n[[forecaster]]\nkind = \"linear\"\n\
    [score]\nlead_steps = 2\nmembers = 4\nstarts = 4\n";

/// Writes trajectories and an experiment about them, with more of it; gives the path of the experiment.
fn experiment(folder: &Path, data: &Dataset, more: &str) -> String {
    let file = folder.join("data.nc");
    write(&file, data).unwrap();
    let text = LEARNED.replace("DATA", file.to_str().unwrap()).replace("[score]", &format!("{more}\n[score]"));
    super::write(folder, "x.toml", text.as_bytes()).to_str().unwrap().to_owned()
}

#[test]
fn the_lead_step_is_that_of_the_file_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = experiment(folder.path(), &trajectories(Some(hours())), "");
    let shown = String::from_utf8(scorecast(&["config", "show", &path]).stdout).unwrap();
    assert!(shown.contains("dt = 6.0"), "{shown}");
    let out = folder.path().join("models");
    let output = scorecast(&["train", &path, "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for command in ["compare", "train", "forecast"] {
        let out = folder.path().join(command);
        let args = [command, &path, "--set", "data.dt=1", "--force", "--out", out.to_str().unwrap()];
        let (said, _) = refused(&args, 3, "data");
        assert!(said.contains("its states are 6 apart (hours), but data.dt is 1"), "{command}: {said}");
    }
    // packed as int16, in another file: 0, .1, .2, ...
    let packed =
        Variable::coordinate("time", Values::I32((0..40).collect())).with("scale_factor", Attribute::F64(vec![0.1]));
    let path = experiment(folder.path(), &trajectories(Some(packed)), "");
    let shown = String::from_utf8(scorecast(&["config", "show", &path]).stdout).unwrap();
    assert!(shown.contains("dt = 0.1"), "{shown}");
}

#[test]
fn times_that_are_none_are_refused_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let of = |times: Vec<f64>| Variable::coordinate("time", Values::F64(times));
    let regular: Vec<f64> = (0..40).map(f64::from).collect();
    let changed = |at: usize, value: f64| {
        let mut times = regular.clone();
        times[at] = value;
        times
    };
    let months = Variable::coordinate("time", Values::I64((0..40).collect())).with("units", "months since 2000-01-01");
    let wrong = [
        (of(changed(7, NAN)), "finite times that increase"),
        (of(regular.iter().rev().copied().collect()), "from 39 to 0"),
        (of(changed(7, 6.0)), "from time 6 to 7"),
        (of(regular.iter().map(|time| if *time > 20.0 { time + 5.0 } else { *time }).collect()), "from time 20 to 21"),
        (months, "not all of one length"),
    ];
    for (time, says) in wrong {
        let path = experiment(folder.path(), &trajectories(Some(time)), "");
        let file = folder.path().join("data.nc");
        let out = folder.path().join("out");
        let out = out.to_str().unwrap();
        for args in [
            &["compare", &path, "--out", out][..],
            &["train", &path, "--out", out],
            &["forecast", &path, "--out", out],
            &["diagnose", file.to_str().unwrap()],
            &["data", "validate", file.to_str().unwrap()],
        ] {
            let output = scorecast(args);
            assert_eq!(output.status.code(), Some(3), "{args:?}: {}", stderr(&output));
            let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
            assert!(said.contains(says), "{args:?}: {said}");
        }
    }
}

#[test]
fn observations_land_where_their_times_are_whatever_unit_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let observations = |units: &str, gap: f64| {
        let times = (1..=30).map(|set| gap * f64::from(set)).collect();
        let time = Variable::coordinate("time", Values::F64(times)).with("units", units);
        let values = (0..30).map(|i| (f64::from(i) * 0.9).sin()).collect();
        let seen = Variable::new("seen", &["time", "observed"], Values::F64(values));
        let other = Variable::new("other", &["time", "observed"], Values::F64(vec![0.0; 30]));
        Dataset::default().coordinate(time).dimension("observed", 1).variable(seen).variable(other)
    };
    let file = folder.path().join("seen.nc");
    let row = format!(
        "[observe]\nfile = \"{}\"\nvariable = \"seen\"\n[[assimilate]]\nmethod = \"enkf\"\nmembers = 10\n\
         forecaster = \"linear\"\n",
        file.display()
    );
    let path = experiment(folder.path(), &trajectories(Some(hours())), &row);
    let run = |name: &str| {
        let out = folder.path().join(name);
        let output = scorecast(&["assimilate", &path, "--out", out.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let file = std::fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
        let limits = scorecast::store::Limits::bytes(1 << 30);
        scorecast::store::netcdf::read(&file, &limits).unwrap().get("analysis").unwrap().values.clone()
    };
    // six hours apart, in hours and in days; and plain numbers in the unit of the trajectories
    let mut found = Vec::new();
    for (name, units, gap) in
        [("a", "hours since 2000-01-01", 6.0), ("b", "days since 1999-12-31", 0.25), ("c", "1", 6.0)]
    {
        write(&file, &observations(units, gap)).unwrap();
        found.push(run(name));
    }
    assert!(found[0] == found[1] && found[0] == found[2]);
    // twice as far apart is another run; ten minutes are no lead steps
    write(&file, &observations("hours since 2000-01-01", 12.0)).unwrap();
    assert!(run("d") != found[0]);
    write(&file, &observations("minutes since 2000-01-01", 10.0)).unwrap();
    let out = folder.path().join("e");
    let (said, _) = refused(&["assimilate", &path, "--out", out.to_str().unwrap()], 3, "data");
    assert!(said.contains("observe.every * data.dt = 6.000000"), "{said}");
    // without times in a unit there is nothing to turn hours into
    write(&file, &observations("hours since 2000-01-01", 6.0)).unwrap();
    write(&folder.path().join("data.nc"), &trajectories(None)).unwrap();
    let (said, _) = refused(&["assimilate", &path, "--out", out.to_str().unwrap()], 3, "data");
    assert!(said.contains("in hours, but lead steps are in model time"), "{said}");
    // which of two variables is meant is said by a key
    let text = std::fs::read_to_string(&path).unwrap().replace("variable = \"seen\"\n", "");
    std::fs::write(&path, text).unwrap();
    let (said, _) = refused(&["assimilate", &path, "--out", out.to_str().unwrap()], 3, "data");
    assert!(said.contains("`variable` in [data] or [observe]"), "{said}");
}

#[test]
fn files_of_one_label_have_a_row_each_and_those_of_other_truths_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let of = |shift: f64, offset: f64| {
        let wave = |i: usize| (i as f64 * 0.7).sin();
        forecasts(
            3,
            Variable::new("forecast", &MEMBERS, Values::F64((0..60).map(|i| wave(i) + offset).collect())),
            Variable::new("truth", &TRUTH, Values::F64((0..20).map(|i| wave(3 * i) + shift).collect())),
        )
    };
    let paths = ["a/x.nc", "b/x.nc", "c/x.nc"].map(|name| folder.path().join(name));
    for (path, (shift, offset)) in paths.iter().zip([(0.0, 0.1), (0.0, 0.4), (100.0, 100.1)]) {
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        write(path, &of(shift, offset)).unwrap();
    }
    let words: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let found = json(&scorecast(&[&["evaluate", "--json"], &words[..]].concat()))["result"].clone();
    let mut labels: Vec<&str> =
        found["forecast"].as_array().unwrap().iter().map(|row| row["forecaster"].as_str().unwrap()).collect();
    labels.dedup();
    assert_eq!(labels, ["x".to_owned(), format!("x ({})", words[1]), format!("x ({})", words[2])]);
    let paired = found["paired"].to_string();
    assert!(paired.contains(words[1]) && !paired.contains(words[2]), "{paired}");
    assert!(found["warnings"].to_string().contains("of other times, lead times or truths than `x`"), "{found}");
}

#[test]
fn weights_of_forecasts_count_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = forecasts(
        3,
        Variable::new("forecast", &MEMBERS, Values::F64(vec![1.0, 1.0, 2.0, 2.0, 9.0, 9.0])),
        Variable::new("truth", &TRUTH, Values::F64(vec![0.0, 0.0])),
    );
    let data = data.variable(Variable::new("weight", &["time", "number"], Values::F64(vec![0.5, 0.5, 0.0])));
    let (row, _) = evaluated(folder.path(), "a.nc", &data, "rmse");
    assert!((value(&row) - 1.5).abs() < 1e-12, "{row}");
}

fn fixture(name: &str) -> String {
    format!("{}/tests/data/foreign/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What `compare`, `assimilate` or `forecast` wrote, by the name of the file.
fn written(folder: &Path, name: &str) -> Dataset {
    scorecast::store::netcdf::read(&folder.join(name), &scorecast::store::Limits::bytes(1 << 30)).unwrap()
}

fn text<'a>(dataset: &'a Dataset, variable: &str, attribute: &str) -> &'a str {
    dataset.get(variable).unwrap().attribute(attribute).unwrap().text().unwrap()
}

fn numbers(dataset: &Dataset, variable: &str) -> Vec<f64> {
    dataset.get(variable).unwrap().values.to_f64().unwrap()
}

#[test]
fn what_is_made_from_a_file_keeps_its_times_units_and_names() {
    let folder = tempfile::tempdir().unwrap();
    for engine in ["netcdf4", "h5netcdf"] {
        let row = format!(
            "[observe]\nfile = \"{}\"\nevery = 2\n[[assimilate]]\nmethod = \"enkf\"\nmembers = 10\nforecaster = \"linear\"\n",
            fixture("observations_netcdf4.nc")
        );
        let text_of = LEARNED.replace("DATA", &fixture(&format!("trajectories_{engine}.nc")));
        let text_of = text_of.replace("[score]", &format!("{row}\n[score]"));
        let path = super::write(folder.path(), "x.toml", text_of.as_bytes());
        let run = |command: &str| {
            let out = folder.path().join(format!("{command}_{engine}"));
            let output = scorecast(&[command, path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
            out
        };
        // the first of March, noon, is 60 days and 12 hours after the start of 2000
        let sets: Vec<f64> = (0..12).map(|set| 1452.0 + 12.0 * f64::from(set)).collect();
        let analyses = written(&run("assimilate"), "enkf~linear.nc");
        assert_eq!((numbers(&analyses, "time"), text(&analyses, "time", "units")), (sets, "hours since 2000-01-01"));
        assert_eq!(text(&analyses, "time", "calendar"), "proleptic_gregorian");
        let forecasts = written(&run("forecast"), "linear.nc");
        assert_eq!(numbers(&forecasts, "lead_time"), [6.0, 12.0]);
        assert_eq!(text(&forecasts, "lead_time", "units"), "hours");
        let starts = numbers(&forecasts, "time");
        assert!(starts[0] == 6.0 && starts.iter().all(|time| (time - 6.0) % 6.0 == 0.0), "{starts:?}");
        let data = written(&run("compare"), "data.nc");
        assert_eq!(numbers(&data, "time"), (0..20).map(|k| 6.0 + 6.0 * f64::from(k)).collect::<Vec<_>>());
        for (dataset, variable) in
            [(&analyses, "analysis"), (&forecasts, "forecast"), (&forecasts, "truth"), (&data, "u")]
        {
            assert_eq!(text(dataset, variable, "units"), "m s-1", "{variable}");
            assert_eq!(text(dataset, variable, "standard_name"), "eastward_wind", "{variable}");
            assert_eq!(text(dataset, "time", "units"), "hours since 2000-01-01");
            let names = Values::Text(["Bergen", "Ås", "Tromsø"].map(String::from).to_vec());
            assert_eq!(dataset.get("name").unwrap().values, names);
            assert_eq!(
                (numbers(dataset, "lat"), text(dataset, "lat", "units")),
                (vec![60.4, 59.7, 69.6], "degrees_north")
            );
        }
        let again =
            scorecast(&["evaluate", folder.path().join(format!("forecast_{engine}/linear.nc")).to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    }
}

#[test]
fn forecasts_are_paired_by_time_lead_and_truth_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let wave = |i: i32| (f64::from(i) * 0.7).sin();
    // starts by time, truths that go with the times; `leads` in hours
    let file = |name: &str, times: &[i32], leads: &[i32], shift: f64| {
        let each = |f: &dyn Fn(i32, i32) -> f64| {
            times.iter().flat_map(|t| leads.iter().map(move |l| (*t, *l))).map(|(t, l)| f(t, l)).collect::<Vec<f64>>()
        };
        let [time, lead_time] = [("time", times), ("lead_time", leads)].map(|(name, values)| {
            Variable::coordinate(name, Values::F64(values.iter().map(|v| f64::from(*v)).collect()))
        });
        let members = times.iter().flat_map(|t| (0..3).flat_map(move |m| leads.iter().map(move |l| (*t, m, *l))));
        let members = members.map(|(t, m, l)| wave(t + l) + 0.1 * wave(7 * t + 3 * m + l)).collect();
        let dataset = Dataset::default().coordinate(time).dimension("number", 3).coordinate(lead_time);
        let dataset = dataset
            .dimension("component", 1)
            .variable(Variable::new("forecast", &MEMBERS, Values::F64(members)))
            .variable(Variable::new("truth", &TRUTH, Values::F64(each(&|t, l| wave(t + l) + shift))));
        let path = folder.path().join(name);
        write(&path, &dataset).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let forward: Vec<i32> = (0..60).collect();
    let turned: Vec<i32> = (0..60).rev().collect();
    let first = file("a.nc", &forward, &[1, 2], 0.0);
    let of = |other: &str| json(&scorecast(&["evaluate", &first, other, "--json"]))["result"].clone();
    let found = of(&file("turned.nc", &turned, &[1, 2], 0.0));
    let rows = found["paired"].as_array().unwrap();
    assert!(rows.len() >= 2 && found["warnings"].as_array().unwrap().is_empty(), "{found}");
    for row in rows {
        assert!(row["se"] == 0.0 && row["difference"].as_f64().unwrap().abs() < 1e-12, "{row}");
    }
    // half of the times, and one of the leads
    let found = of(&file("half.nc", &(30..90).collect::<Vec<_>>(), &[2, 10], 0.0));
    let told = found["warnings"].to_string();
    assert!(
        told.contains("30 cases of the same times") && told.contains("30 of its cases and 1 of its lead"),
        "{told}"
    );
    assert!(found["paired"].as_array().unwrap().iter().all(|row| row["lead_step"] == 2 && row["se"] == 0.0), "{found}");
    // other truths, other leads
    for other in [file("shifted.nc", &forward, &[1, 2], 1.0), file("late.nc", &forward, &[10, 20], 0.0)] {
        let found = of(&other);
        assert!(found["paired"].as_array().unwrap().is_empty(), "{found}");
        assert!(found["warnings"].to_string().contains("is unpaired"), "{found}");
    }
}

#[test]
fn a_file_of_which_nothing_is_known_that_happened_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = forecasts(
        3,
        Variable::new("forecast", &MEMBERS, Values::F64(vec![1.0; 12])),
        Variable::new("truth", &TRUTH, Values::F64(vec![NAN; 4])),
    );
    let path = folder.path().join("a.nc");
    write(&path, &data).unwrap();
    let (said, _) = refused(&["evaluate", path.to_str().unwrap()], 3, "data");
    assert!(said.contains("nothing is known of what happened"), "{said}");
}

#[test]
fn times_count_before_counters_and_may_be_those_of_each_trajectory() {
    let folder = tempfile::tempdir().unwrap();
    let of = |times: &[Variable]| {
        let state = trajectories(None).variables.remove(0);
        let state = Variable::new("state", &["case", "step", "component"], state.values);
        let steps = Variable::coordinate("step", Values::I32((0..40).collect()));
        let dataset =
            Dataset::default().dimension("case", 6).coordinate(steps).dimension("component", 1).variable(state);
        times.iter().cloned().fold(dataset, Dataset::variable)
    };
    let hours = |name: &str, step: f64| {
        let values = (0..40).map(|k| step * f64::from(k)).collect();
        Variable::new(name, &["step"], Values::F64(values)).with("units", "hours since 2000-01-01")
    };
    let each = |step: &dyn Fn(i32) -> f64| {
        let values = (0..6).flat_map(|case| (0..40).map(move |k| (case, k)));
        let values = values.map(|(case, k)| f64::from(1000 * case) + step(case) * f64::from(k)).collect();
        Variable::new("time", &["case", "step"], Values::F64(values)).with("units", "hours since 2000-01-01")
    };
    let shown = |times: &[Variable]| {
        let path = experiment(folder.path(), &of(times), "");
        let output = scorecast(&["config", "show", &path]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output))
    };
    assert!(shown(&[]).1.contains("dt = 1.0"));
    assert!(shown(&[hours("time", 6.0)]).1.contains("dt = 6.0"));
    assert!(shown(&[each(&|_| 3.0)]).1.contains("dt = 3.0"));
    let (code, said) = shown(&[each(&|case| f64::from(3 + case))]);
    assert!(code == Some(3) && said.contains("in trajectory 1 where it goes"), "{said}");
    let (code, said) = shown(&[hours("time", 6.0), hours("valid_time", 12.0)]);
    assert!(code == Some(3) && said.contains("span 234 (hours)") && said.contains("468"), "{said}");
}

#[test]
fn the_layout_that_a_file_says_reaches_the_methods() {
    let folder = tempfile::tempdir().unwrap();
    let wave = (0..6 * 40 * 60).map(|i| (f64::from(i) * 0.37).sin()).collect();
    let state = Variable::new("state", &["case", "time", "component"], Values::F64(wave));
    let of = |geometry: &str| {
        let dataset = Dataset::default().dimension("case", 6).dimension("time", 40).dimension("component", 60);
        let dataset = dataset.variable(state.clone()).with("geometry", geometry);
        dataset.with("grid_shape", Attribute::I64(vec![6, 10]))
    };
    let row = "[observe]\nfile = \"seen.nc\"\n[[assimilate]]\nmethod = \"letkf\"\nmembers = 10\nradius = 1.0\nforecaster = \"linear\"\n";
    for word in ["torus", "plane"] {
        let path = experiment(folder.path(), &of(word), row);
        let shown = String::from_utf8(scorecast(&["config", "show", &path]).stdout).unwrap();
        for said in [format!("geometry = \"{word}\"\n"), "columns = 10\n".to_owned()] {
            assert_eq!(shown.matches(&said).count(), 2, "in [data] and in the row: {shown}");
        }
    }
    let path = experiment(folder.path(), &of("unstructured"), row);
    let (said, _) = refused(&["config", "show", &path], 2, "usage");
    assert!(said.contains("`radius` needs distances"), "{said}");
}

#[test]
fn a_field_of_which_nothing_is_said_has_no_distances() {
    let folder = tempfile::tempdir().unwrap();
    let wave = (0..6 * 40 * 20).map(|i| (f64::from(i) * 0.37).sin()).collect();
    let state = Variable::new("state", &["case", "time", "y", "x"], Values::F64(wave));
    let field = Dataset::default().dimension("case", 6).dimension("time", 40).dimension("y", 4).dimension("x", 5);
    let field = field.variable(state);
    let row = "[observe]\nfile = \"seen.nc\"\n[[assimilate]]\nmethod = \"letkf\"\nmembers = 10\nradius = 1.0\nforecaster = \"linear\"\n";
    let path = experiment(folder.path(), &field, row);
    let (said, _) = refused(&["config", "show", &path], 2, "usage");
    assert!(said.contains("`radius` needs distances"), "{said}");
    // a row may say itself how the points lie
    let path = experiment(folder.path(), &field, &format!("{row}geometry = \"plane\"\ncolumns = 5\n"));
    assert_eq!(scorecast(&["config", "show", &path]).status.code(), Some(0));
}

#[test]
fn a_physical_unit_beside_a_system_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let wave = Values::F64((0..6 * 40 * 3).map(|i| (f64::from(i) * 0.37).sin()).collect());
    let of = |units: &str, gap: f64| {
        let time = Values::F64((0..40).map(|k| gap * f64::from(k)).collect());
        let dataset = Dataset::default().dimension("case", 6).dimension("x", 3);
        let dataset = dataset.coordinate(Variable::coordinate("time", time).with("units", units));
        dataset.variable(Variable::new("u", &["case", "time", "x"], wave.clone()))
    };
    let system = "[system]\nname = \"lorenz63\"\n";
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    for (units, gap) in [("seconds", 60.0), ("hours since 2000-01-01", 6.0), ("days", 0.05), ("Lyapunov times", 0.1)] {
        let path = experiment(folder.path(), &of(units, gap), system);
        let unit = units.split(" since").next().unwrap();
        for args in [
            &["config", "show", &path][..],
            &["compare", &path, "--out", out],
            &["train", &path, "--out", out],
            &["forecast", &path, "--out", out, "--set", &format!("data.dt={gap}")],
        ] {
            let (said, _) = refused(args, 3, "data");
            assert!(said.contains(&format!("times are in {unit}")) && said.contains("model time"), "{said}");
        }
        // without the system it is the file's own
        let path = experiment(folder.path(), &of(units, gap), "");
        let shown = scorecast(&["config", "show", &path]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains(&format!("dt = {gap:?}")), "{}", stderr(&shown));
    }
    let path = experiment(folder.path(), &of("1", 0.05), system);
    assert_eq!(scorecast(&["config", "show", &path]).status.code(), Some(0));
}
