//! Variants of every fault of foreign files that was found by trying, as xarray writes them with both of its engines.
//!
//! `tests/data/variants.py` writes the files and says what is right of each: an exit code, words, and numbers that it computes in
//! NumPy. The program runs on each of them here. Needs Python with xarray, h5netcdf, netCDF4, h5py and cftime
//! (`SCORECAST_PYTHON` names the interpreter, default `python3`); without them the test says so and passes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use scorecast::store::Limits;
use scorecast::store::netcdf::{Values, Variable, read};
use serde::Deserialize;
use serde_json::Value;

use super::python;

/// One run of the program, and what is right of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: String,
    name: String,
    engine: String,
    command: Vec<String>,
    expect: Expect,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expect {
    exit: i32,
    stderr_contains: Vec<String>,
    stdout_contains: Vec<String>,
    /// On either of them: `data validate` says what is wrong on stdout.
    said_contains: Vec<String>,
    warnings_contains: Vec<String>,
    no_warnings: bool,
    /// Keys of the resolved experiment, with dots between.
    config: BTreeMap<String, Value>,
    value: Vec<Cell>,
    rows: Vec<Rows>,
    written: Vec<Written>,
}

/// A number in the one row of a table that fits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    table: String,
    r#where: BTreeMap<String, Value>,
    #[serde(default = "the_value")]
    field: String,
    value: f64,
    tolerance: f64,
    /// Whether its sign, which depends on what is better, is left open.
    #[serde(default)]
    absolute: bool,
}

fn the_value() -> String {
    "value".into()
}

/// How many rows of a table fit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    table: String,
    r#where: BTreeMap<String, Value>,
    count: usize,
}

/// What is in a file afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    file: String,
    variable: String,
    /// The first of the values, in row-major order; all of them where it is not said.
    at: Option<usize>,
    /// None is NaN.
    values: Vec<Option<f64>>,
    tolerance: f64,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[test]
fn variants_of_foreign_files_are_read_as_they_say_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    if !python::ran("variants.py", folder.path()) {
        return;
    }
    let cases: Vec<Case> =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("cases.json")).unwrap()).unwrap();
    let wrong = all_wrong(&cases, folder.path());
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// What is wrong with each case that is not right, in their order; as many run at once as there are processors.
fn all_wrong(cases: &[Case], folder: &Path) -> Vec<String> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some((at, case)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, cases.get(at)?)))
        {
            let wrong = case.wrong(folder);
            if !wrong.is_empty() {
                let Case { kind, name, engine, command, .. } = case;
                let told = format!("{kind} {name} ({engine}), {}:\n    {}", command.join(" "), wrong.join("\n    "));
                found.lock().unwrap_or_else(PoisonError::into_inner).insert(at, told);
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

impl Case {
    /// Runs it; everything that is not as it should be.
    fn wrong(&self, folder: &Path) -> Vec<String> {
        let command = [&self.command[..], &["--threads".into(), "1".into()]].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_scorecast")).args(command).current_dir(folder).output().unwrap();
        let Output { status, stdout, stderr } = output;
        let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        // text where the case does not ask for JSON
        let result = serde_json::from_str::<Value>(&stdout).map_or(Value::Null, |mut whole| whole["result"].take());
        let expect = &self.expect;
        let mut wrong = Vec::new();
        if status.code() != Some(expect.exit) {
            wrong.push(format!("the exit code is {:?}, not {}", status.code(), expect.exit));
        }
        let warnings = result["warnings"].as_array().map_or(&[][..], Vec::as_slice);
        let warnings = warnings.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
        for (what, said, words) in [
            ("stderr", stderr.clone(), &expect.stderr_contains),
            ("stdout", stdout.clone(), &expect.stdout_contains),
            ("neither", format!("{stdout}{stderr}"), &expect.said_contains),
            ("no warning", format!("{warnings}{stderr}"), &expect.warnings_contains),
        ] {
            wrong.extend(words.iter().filter(|word| !said.contains(*word)).map(|word| format!("{what} says `{word}`")));
        }
        if expect.no_warnings && (!warnings.is_empty() || stderr.contains("WARN")) {
            wrong.push(format!("there are warnings: {warnings}"));
        }
        wrong.extend(expect.config.iter().filter_map(|(key, right)| unlike(&result["experiment"], key, right)));
        wrong.extend(expect.value.iter().filter_map(|cell| cell.wrong(&result)));
        wrong.extend(expect.rows.iter().filter_map(|rows| rows.wrong(&result)));
        wrong.extend(expect.written.iter().filter_map(|written| written.wrong(folder)));
        if !wrong.is_empty() {
            wrong.push(format!("it said: {}", stderr.trim().replace('\n', " | ")));
        }
        wrong
    }
}

/// How a key of an experiment, with dots between, is not what it should be.
fn unlike(experiment: &Value, key: &str, right: &Value) -> Option<String> {
    let found = key.split('.').fold(experiment, |table, key| &table[key]);
    let alike = match (found.as_f64(), right.as_f64()) {
        (Some(found), Some(right)) => near(found, right, 1e-6 * right.abs()),
        _ => found == right,
    };
    (!alike).then(|| format!("{key} is {found}, not {right}"))
}

fn near(found: f64, right: f64, tolerance: f64) -> bool {
    (found - right).abs() <= tolerance || found.is_nan() && right.is_nan()
}

/// The rows of a table whose cells are these.
fn fitting<'a>(result: &'a Value, table: &str, cells: &BTreeMap<String, Value>) -> Vec<&'a Value> {
    let rows = result[table].as_array().map_or(&[][..], Vec::as_slice);
    rows.iter().filter(|row| cells.iter().all(|(column, cell)| row[column] == *cell)).collect()
}

impl Cell {
    fn wrong(&self, result: &Value) -> Option<String> {
        let Self { table, r#where: cells, field, value, tolerance, absolute } = self;
        let [row] = fitting(result, table, cells)[..] else {
            return Some(format!("`{table}` has not one row of {cells:?}"));
        };
        let found = row[field].as_f64().unwrap_or(f64::NAN);
        let right = near(if *absolute { found.abs() } else { found }, *value, *tolerance);
        (!right).then(|| format!("`{field}` of {cells:?} in `{table}` is {}, not {value}", row[field]))
    }
}

impl Rows {
    fn wrong(&self, result: &Value) -> Option<String> {
        let found = fitting(result, &self.table, &self.r#where).len();
        (found != self.count)
            .then(|| format!("`{}` has {found} rows of {:?}, not {}", self.table, self.r#where, self.count))
    }
}

impl Written {
    fn wrong(&self, folder: &Path) -> Option<String> {
        let Self { file, variable: name, .. } = self;
        let dataset = match read(&folder.join(file), &Limits::bytes(1 << 28)) {
            Ok(dataset) => dataset,
            Err(error) => return Some(error.to_string()),
        };
        let Some(variable) = dataset.get(name) else { return Some(format!("{file} has no `{name}`")) };
        for (attribute, right) in &self.attributes {
            let found = variable.attribute(attribute).and_then(|value| value.text());
            if found != Some(right) {
                return Some(format!("`{attribute}` of `{name}` in {file} is {found:?}, not {right}"));
            }
        }
        let values = decoded(variable);
        let first = self.at.unwrap_or(0);
        let last = if self.at.is_some() { first + self.values.len() } else { values.len() };
        let found = values.get(first..last).unwrap_or_default();
        let right: Vec<f64> = self.values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        let alike = found.len() == right.len() && found.iter().zip(&right).all(|(a, b)| near(*a, *b, self.tolerance));
        (!alike).then(|| format!("`{name}` in {file} is {found:?} from {first} on, not {right:?}"))
    }
}

/// What other readers take the numbers of a variable for: packing alone, as no other of CF's rules is asked for.
fn decoded(variable: &Variable) -> Vec<f64> {
    let one =
        |name: &str| variable.attribute(name).and_then(|value| value.numbers()).and_then(|all| all.first().copied());
    let unsigned = variable.attribute("_Unsigned").and_then(|value| value.text()) == Some("true");
    let (scale, offset) = (one("scale_factor").unwrap_or(1.0), one("add_offset").unwrap_or(0.0));
    let range = match &variable.values {
        Values::I8(_) => 8,
        Values::I32(_) => 32,
        _ => 64,
    };
    let turned = |stored: f64| if unsigned && stored < 0.0 { stored + f64::powi(2.0, range) } else { stored };
    variable.values.to_f64().unwrap_or_default().into_iter().map(|stored| turned(stored) * scale + offset).collect()
}
