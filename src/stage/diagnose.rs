//! What a system (or a file of trajectories) is like: exponents, climate, spectra, histogram; as text, JSON, pictures.

use std::path::Path;
use std::sync::Arc;

use ndarray::Array3;
use serde_json::{Map, Value, json};

use super::data;
use super::options::{Finished, Options};
use super::output::claim_folder;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::report::{Diagnosed, Portrait, View};
use crate::spec::{DataSource, Plan};
use crate::store;
use crate::systems::diagnose::{self, Diagnosis, Effort, Estimate, Lyapunov};
use crate::systems::{Domain, Geometry, Key};

/// Diagnoses the plan's system along its simulated trajectories, with so many Lyapunov exponents; or the trajectories of
/// its file, which have none. With `--out` a folder is written: `diagnose.json`, `report.html` and the charts as SVG.
///
/// # Errors
/// When the output exists, the system diverges, the file cannot be read, or there is too little to diagnose.
pub fn run(plan: &Plan, exponents: usize, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let _place = claim_folder(options)?;
    let subject = match &plan.data.source {
        DataSource::File(path) => stored(plan, path, options)?,
        DataSource::Simulated { .. } => simulated(plan, exponents, options, progress)?,
    };
    let diagnosis = diagnose::trajectories(subject.states.view(), subject.dt, subject.geometry)
        .map_err(|error| Failure::new(FailureKind::Data, error.to_string()))?;
    let numbers = numbers(&diagnosis, &subject);
    let mut result = object(plan, &subject, &diagnosis, &numbers);
    let mut text = text(plan, &subject, &numbers);
    if let Some(out) = &options.out {
        write(out, plan, &subject, &diagnosis, &result, numbers)?;
        text.push_str(&format!("\nreport: {}\n", out.join("report.html").display()));
        result["folder"] = json!(out.display().to_string());
    }
    Ok(Finished { result, text })
}

/// Trajectories and what the tangent-linear model says of them.
struct Subject {
    /// `[case, time, component]`.
    states: Array3<f64>,
    dt: f64,
    geometry: Geometry,
    lyapunov: Option<Lyapunov>,
    /// Whether states move without jumps.
    smooth: bool,
    /// Whether their moments settle.
    climate: bool,
}

fn simulated(plan: &Plan, exponents: usize, options: &Options, progress: &dyn Progress) -> Result<Subject> {
    let DataSource::Simulated { trajectories, steps, spin_up } = plan.data.source else {
        return Err(Failure::new(FailureKind::Bug, "a system is diagnosed along simulated trajectories"));
    };
    let Some(system) = plan.system.as_ref().map(|plan| &plan.system) else {
        return Err(Failure::new(FailureKind::Bug, "there is no system to simulate"));
    };
    let states = data::simulated(plan, trajectories, steps, spin_up, options, progress)?;
    stop_if_asked(progress)?;
    progress.start("tangent vectors", 1);
    let (effort, key) = (Effort { trajectories, steps, exponents }, Key::new(plan.seed, Domain::Data));
    let stepping = &plan.data.stepping;
    let mut total = 0;
    let lyapunov = diagnose::exponents(system, stepping, spin_up, states.view(), &effort, key, |done, of| {
        if total != of {
            total = of;
            progress.start("tangent vectors", of as u64);
        }
        progress.at(done as u64, "");
    })?;
    progress.finish();
    stop_if_asked(progress)?;
    let smooth = Arc::clone(system).as_sde().is_some();
    Ok(Subject {
        states,
        dt: stepping.dt,
        geometry: system.geometry(),
        lyapunov,
        smooth,
        climate: system.has_climate(),
    })
}

fn stop_if_asked(progress: &dyn Progress) -> Result<()> {
    if progress.interrupted() { Err(Failure::new(FailureKind::Interrupted, "stopped as asked")) } else { Ok(()) }
}

fn stored(plan: &Plan, path: &Path, options: &Options) -> Result<Subject> {
    let read = store::read_trajectories(path, plan.data.variable.as_deref(), &options.limits())?;
    let geometry = data::geometry(plan, path, &read.space, read.geometry)?;
    let dt = data::step_of(path, read.time.as_deref())?.unwrap_or(plan.data.stepping.dt);
    Ok(Subject { states: read.values, dt, geometry, lyapunov: None, smooth: true, climate: true })
}

/// The numbers of the table: key, what a reader calls it, the estimate, its unit.
type Number = (&'static str, &'static str, Option<Estimate>, &'static str);

fn numbers(diagnosis: &Diagnosis, subject: &Subject) -> Vec<Number> {
    let (climate, time) = (&diagnosis.climate, "model time");
    let dynamics = |of: fn(&Lyapunov) -> Option<Estimate>| subject.lyapunov.as_ref().and_then(of);
    let settled = |estimate: Estimate| subject.climate.then_some(estimate);
    let decorrelation = diagnosis.autocorrelation.decorrelation_time;
    vec![
        ("leading_exponent", "leading Lyapunov exponent", dynamics(Lyapunov::leading), "1 / model time"),
        ("doubling_time", "doubling time of small errors", dynamics(Lyapunov::doubling_time), time),
        ("kaplan_yorke_dimension", "Kaplan-Yorke dimension", dynamics(Lyapunov::kaplan_yorke), ""),
        ("sum_of_exponents", "sum of all exponents", dynamics(Lyapunov::sum), "1 / model time"),
        ("mean", "climatological mean", settled(climate.mean), "state"),
        ("sd", "climatological sd", settled(climate.sd), "state"),
        ("decorrelation_time", "decorrelation time (1/e)", decorrelation.and_then(settled), time),
    ]
}

/// The words above the table: what was looked at.
fn setting(plan: &Plan, subject: &Subject) -> Vec<(String, String)> {
    let (cases, times, dim) = subject.states.dim();
    let mut pairs = vec![("components", dim.to_string()), ("trajectories", format!("{cases} of {times} states"))];
    pairs.push(("model time between states", subject.dt.to_string()));
    if let DataSource::Simulated { spin_up, .. } = plan.data.source {
        if subject.smooth {
            let stepping = &plan.data.stepping;
            pairs.push(("integrator", format!("{}, {} substep(s)", stepping.integrator, stepping.substeps)));
        }
        pairs.push(("spin-up", format!("{spin_up} lead steps")));
    }
    if let Some(positive) = subject.lyapunov.as_ref().and_then(Lyapunov::positive) {
        pairs.push(("positive Lyapunov exponents", positive.to_string()));
    }
    pairs.into_iter().map(|(what, value)| (what.to_owned(), value)).collect()
}

/// The result as a person reads it.
fn text(plan: &Plan, subject: &Subject, numbers: &[Number]) -> String {
    let mut text = format!("{}\n", plan.name);
    for (what, value) in setting(plan, subject) {
        text.push_str(&format!("  {what:<32} {value}\n"));
    }
    text.push_str(&format!("\n  {:<32} {:>22} {:>5}  unit\n", "", "value ± se", "n"));
    for (_, what, estimate, unit) in numbers {
        let (value, n) = match estimate {
            Some(estimate) => (crate::report::estimate(estimate), estimate.n.to_string()),
            None => ("n/a".to_owned(), String::new()),
        };
        text.push_str(&format!("  {what:<32} {value:>22} {n:>5}  {unit}\n"));
    }
    let exponents = subject.lyapunov.as_ref().map(Lyapunov::exponents).unwrap_or_default();
    if !exponents.is_empty() {
        text.push_str("\n  Lyapunov exponents\n");
    }
    for row in exponents.chunks(5) {
        let row: Vec<String> = row.iter().map(|one| format!("{:>18}", crate::report::estimate(one))).collect();
        text.push_str(&format!("  {}\n", row.join("  ").trim_end()));
    }
    text
}

fn estimate(estimate: &Estimate) -> Value {
    json!({"value": estimate.value, "se": estimate.se, "n": estimate.n})
}

/// An axis and the estimates along it.
fn curve(axis: &str, at: &[f64], name: &str, estimates: &[Estimate]) -> Value {
    let values: Vec<f64> = estimates.iter().map(|estimate| estimate.value).collect();
    let errors: Vec<Option<f64>> = estimates.iter().map(|estimate| estimate.se).collect();
    json!({axis: at, name: values, "se": errors})
}

/// The result as JSON.
fn object(plan: &Plan, subject: &Subject, diagnosis: &Diagnosis, numbers: &[Number]) -> Value {
    let (cases, times, dim) = subject.states.dim();
    let all = |estimates: &[Estimate]| estimates.iter().map(estimate).collect::<Vec<_>>();
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("name", json!(plan.name));
    put("dim", json!(dim));
    put("trajectories", json!(cases));
    put("times", json!(times));
    put("dt", json!(subject.dt));
    put("samples", json!(diagnosis.samples));
    for (key, _, number, _) in numbers {
        put(key, number.as_ref().map_or(Value::Null, estimate));
    }
    put("positive_exponents", json!(subject.lyapunov.as_ref().and_then(Lyapunov::positive)));
    put("exponents", json!(subject.lyapunov.as_ref().map(|lyapunov| all(&lyapunov.exponents()))));
    put("component_means", json!(all(&diagnosis.climate.component_means)));
    put("component_sds", json!(all(&diagnosis.climate.component_sds)));
    let correlation = &diagnosis.autocorrelation;
    put("autocorrelation", curve("lag", &correlation.lags, "value", &correlation.values));
    let power = diagnosis.power.as_ref();
    put("power_spectrum", json!(power.map(|power| curve("frequency", &power.frequency, "density", &power.density))));
    let spatial = diagnosis.spatial.as_ref();
    put("spatial_spectrum", json!(spatial.map(|s| curve("wavenumber", &s.wavenumber, "variance", &s.variance))));
    let histogram = |histogram: &diagnose::Histogram| {
        let mut curve = curve("edges", &histogram.edges, "density", &histogram.density);
        curve["component"] = json!(histogram.component);
        curve
    };
    put("histograms", diagnosis.histograms.iter().map(histogram).collect());
    Value::Object(object)
}

/// States in a picture at most, along time: for fields, and for lines.
const FIELD_TIMES: usize = 400;
const LINE_TIMES: usize = 2000;

fn write(
    out: &Path,
    plan: &Plan,
    subject: &Subject,
    diagnosis: &Diagnosis,
    result: &Value,
    numbers: Vec<Number>,
) -> Result<()> {
    let view = View::of(subject.geometry, subject.states.dim().2, subject.smooth);
    let portrait = |view: View, times: usize| {
        let kept = subject.states.dim().1.min(times);
        Portrait { states: subject.states.slice(ndarray::s![.., ..kept, ..]), dt: subject.dt, view }
    };
    let portraits = match view {
        View::SpaceTime => vec![("A sample in space and time", portrait(view, FIELD_TIMES))],
        View::Snapshot { .. } => vec![("A state", portrait(view, usize::MAX))],
        View::Paths => vec![("Samples in time", portrait(view, FIELD_TIMES))],
        _ => vec![
            ("The first components in time", portrait(View::Series, FIELD_TIMES)),
            ("Two components", portrait(view, LINE_TIMES)),
        ],
    };
    let of = Diagnosed {
        title: &plan.name,
        setting: setting(plan, subject),
        numbers: numbers.into_iter().map(|(_, what, estimate, unit)| (what, estimate, unit)).collect(),
        exponents: subject.lyapunov.as_ref().map(Lyapunov::exponents).unwrap_or_default(),
        diagnosis,
        portraits,
    };
    let text = format!("{result:#}\n");
    store::write_atomic(&out.join("diagnose.json"), text.as_bytes())?;
    store::write_atomic(&out.join("report.html"), crate::report::diagnosis_html(&of).as_bytes())?;
    for (name, svg) in crate::report::diagnosis_figures(&of) {
        store::write_atomic(&out.join(name), svg.as_bytes())?;
    }
    Ok(())
}
