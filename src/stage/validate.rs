//! What a file of trajectories is, and every problem in it.

use std::path::Path;

use serde_json::{Value, json};

use crate::failure::{Failure, FailureKind, Result};
use crate::stage::data::health::{Finding, Statistics, findings, step};
use crate::stage::data::{leaks_of, shared_states};
use crate::stage::options::{Finished, Options};
use crate::store::netcdf::{Description, SplitPart, StoredTrajectories, describe};
use crate::store::{self, Limits, well};
use crate::systems::Geometry;

/// Whose layout a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Ours,
    Plain,
    TheWell,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "scorecast",
            Self::Plain => "plain",
            Self::TheWell => "the_well",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Ours => "written by scorecast",
            Self::Plain => "HDF5/NetCDF with named dimensions",
            Self::TheWell => "in the layout of The Well",
        }
    }
}

/// Looks at a file or folder: what it is, its sizes, times, parts, layout, missing values and statistics, and its
/// problems.
///
/// # Errors
/// [`FailureKind::Data`] with everything that was found when the trajectories cannot be used; [`FailureKind::Resource`] beyond the
/// limit; [`FailureKind::Io`] when the path cannot be read.
pub fn run(path: &Path, variable: Option<&str>, options: &Options) -> Result<Finished> {
    let limits = options.limits();
    let (layout, data) = match well::is_well(path, &limits) {
        Ok(true) => (well_layout(path, &limits), store::read_with_gaps(path, variable, &limits)),
        Ok(false) => (plain_layout(path, &limits), store::read_with_gaps(path, variable, &limits)),
        // what cannot be opened is not tried again
        Err(error) => (Ok((Origin::Plain, Vec::new(), Vec::new())), Err(error)),
    };
    let (origin, held, mut found) = layout?;
    let data = match data {
        Ok(data) => Some(data),
        Err(store::Error::Data(trouble)) => {
            found.push(Finding { fatal: true, place: trouble.path, message: trouble.message, remedy: trouble.remedy });
            None
        }
        Err(other) => return Err(other.into()),
    };
    found.extend(data.as_ref().map(findings).unwrap_or_default());
    found.extend(data.as_ref().map(shared).unwrap_or_default());
    let usable = !found.iter().any(|finding| finding.fatal);
    let (lines, mut result) = data.as_ref().map_or_else(|| (String::new(), json!({})), shown);
    result["path"] = json!(path.display().to_string());
    result["kind"] = json!(origin.name());
    result["usable"] = json!(usable);
    result["holds"] = json!(held);
    result["problems"] = found.iter().map(object).collect();
    let problems: String = found.iter().map(line).collect();
    let holds = if held.is_empty() { String::new() } else { format!("  holds      {}\n", held.join(", ")) };
    let text = format!("{}\n{holds}{lines}  {}\n{problems}", origin.about(), verdict(&found));
    if usable {
        return Ok(Finished { result, text: format!("{}: {text}", path.display()) });
    }
    Err(Failure::new(FailureKind::Data, text.trim_end()).at(path.display().to_string()).report(result))
}

/// What a plain file holds. A file that cannot be opened as one is left to the reading to complain of.
fn plain_layout(path: &Path, limits: &Limits) -> Result<(Origin, Vec<String>, Vec<Finding>)> {
    match describe(path, limits) {
        Ok(about) => Ok((if about.is_ours() { Origin::Ours } else { Origin::Plain }, listed(&about), Vec::new())),
        Err(store::Error::Data(_)) => Ok((Origin::Plain, Vec::new(), Vec::new())),
        Err(other) => Err(other.into()),
    }
}

fn listed(about: &Description) -> Vec<String> {
    let sizes = |dimensions: &[(String, usize)]| {
        dimensions.iter().map(|(name, size)| format!("{name}: {size}")).collect::<Vec<_>>().join(", ")
    };
    about.variables.iter().map(|(name, dimensions)| format!("{name} ({})", sizes(dimensions))).collect()
}

/// The files of a dataset, and the rules that they break.
fn well_layout(path: &Path, limits: &Limits) -> Result<(Origin, Vec<String>, Vec<Finding>)> {
    let (mut held, mut found) = (Vec::new(), Vec::new());
    for (_, file) in well::files(path)? {
        let name = file.strip_prefix(path).ok().filter(|rest| !rest.as_os_str().is_empty());
        let name = name.unwrap_or(&file).display().to_string();
        match well::check(&file, limits) {
            Ok(problems) => found.extend(problems.into_iter().map(|problem| Finding {
                fatal: true,
                place: format!("{name}:{}", problem.place),
                message: problem.message,
                remedy: problem.remedy,
            })),
            // The reading stops at the same trouble, and tells it.
            Err(store::Error::Data(_)) => {}
            Err(other) => return Err(other.into()),
        }
        held.push(name);
    }
    Ok((Origin::TheWell, held, found))
}

/// Trajectories that share states with each other: between the parts of the file where it says them, else any.
fn shared(data: &StoredTrajectories) -> Vec<Finding> {
    let warning = |message: String| Finding {
        fatal: false,
        place: "trajectories".into(),
        message,
        remedy: "keep trajectories of one run in one part".into(),
    };
    if let Some(split) = &data.split {
        return leaks_of(&data.values, split).into_iter().map(warning).collect();
    }
    match shared_states(&data.values) {
        0 => Vec::new(),
        count => vec![warning(format!(
            "{count} of {} trajectories share states with another one: copies, or overlapping windows of one run",
            data.values.dim().0
        ))],
    }
}

/// What can be said of the trajectories, as lines and as JSON.
fn shown(data: &StoredTrajectories) -> (String, Value) {
    let (cases, times, components) = data.values.dim();
    let space = data.space.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    let dt = data.time.as_deref().and_then(|times| step(times).ok().flatten());
    let ends = data.time.as_deref().and_then(|times| Some((*times.first()?, *times.last()?)));
    let missing = data.values.iter().filter(|value| !value.is_finite()).count();
    let statistics = Statistics::of(&data.values);
    let counts =
        data.split.as_ref().map(|split| SplitPart::ALL.map(|part| split.iter().filter(|of| **of == part).count()));
    let time = match (ends, dt) {
        (None, _) => "no coordinate".into(),
        (Some((first, last)), None) => format!("{first:.6} to {last:.6}, not equally spaced"),
        (Some((first, last)), Some(dt)) => format!("{first:.6} to {last:.6} by {dt:.6}"),
    };
    let split = counts.map_or("not said: data.split decides".into(), |[train, valid, test]| {
        format!("train {train}, valid {valid}, test {test}")
    });
    let lines = [
        ("sizes", format!("{cases} trajectories of {times} times and {components} components (space {space})")),
        ("time", time),
        ("split", split),
        ("layout", data.geometry.map_or("not said: data.geometry decides".into(), |geometry| geometry.word().into())),
        ("missing", format!("{missing} of {} values", data.values.len())),
        ("values", statistics.line()),
    ];
    let text = lines.iter().map(|(name, what)| format!("  {name:<10} {what}\n")).collect();
    let result = json!({
        "trajectories": cases, "times": times, "components": components, "space": data.space, "dt": dt,
        "time": ends.map(|(first, last)| [first, last]), "split": counts, "geometry": data.geometry.map(Geometry::word),
        "missing": missing, "statistics": statistics.json(),
    });
    (text, result)
}

fn verdict(found: &[Finding]) -> String {
    let fatal = found.iter().filter(|finding| finding.fatal).count();
    match (fatal, found.len() - fatal) {
        (0, 0) => "usable, no problem found".into(),
        (0, warnings) => format!("usable, with {warnings} warning(s)"),
        (errors, warnings) => format!("not usable: {errors} error(s) and {warnings} warning(s)"),
    }
}

fn line(finding: &Finding) -> String {
    let Finding { fatal, place, message, remedy } = finding;
    format!("  {:<10} {place}: {message}; {remedy}\n", if *fatal { "error" } else { "warning" })
}

fn object(finding: &Finding) -> Value {
    let Finding { fatal, place, message, remedy } = finding;
    let severity = if *fatal { "error" } else { "warning" };
    json!({"severity": severity, "place": place, "message": message, "remedy": remedy})
}
