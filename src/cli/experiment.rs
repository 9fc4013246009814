//! EXPERIMENT on the command line: a preset's name, or a TOML file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::spec::presets::{PRESETS, preset};
use scorecast::spec::suites::suite;
use scorecast::spec::{self, Plan};
use scorecast::stage::kind_of_model;
use scorecast::systems::Entry;
use scorecast::systems::catalogue::{DefaultStepping, SYSTEMS};
use scorecast::systems::registry::nearest;

/// The largest experiment file.
const MAX_BYTES: u64 = 16 << 20;

/// Reads and checks an experiment.
pub(super) fn load(name: &str, overrides: &[String]) -> Result<Plan> {
    load_by(&spec::check_with, name, overrides)
}

/// Reads and checks an experiment of which nothing will be scored: what is wrong with its scores is no mistake.
pub(super) fn load_unscored(name: &str, overrides: &[String]) -> Result<Plan> {
    load(name, overrides).or_else(|mistake| load_by(&spec::check_unscored, name, overrides).map_err(|_| mistake))
}

/// What makes a plan of a text: its origin, overrides, and what looks into the files of models.
type Check = dyn Fn(&str, &str, &[String], spec::KindOfModel) -> std::result::Result<Plan, Vec<spec::Mistake>>;

fn load_by(check: &Check, name: &str, overrides: &[String]) -> Result<Plan> {
    let system = || SYSTEMS.iter().find(|entry| entry.name == name && !Path::new(name).exists());
    let checked = match (preset(name), system()) {
        (Some(preset), _) => check(preset.text, preset.name, overrides, &kind_of_model),
        (None, Some(entry)) => check(&alone(entry), entry.name, overrides, &kind_of_model),
        (None, None) => check(&read(name)?, name, overrides, &kind_of_model),
    };
    checked.map_err(|mistakes| spec::failure(&mistakes))
}

/// The experiment that is a system with its usual settings, and nothing else.
fn alone(entry: &Entry<DefaultStepping>) -> String {
    let DefaultStepping { dt, substeps, integrator, spin_up, .. } = entry.build;
    format!(
        "[system]\nname = \"{}\"\n[data]\ndt = {dt:?}\nsubsteps = {substeps}\nintegrator = \"{integrator}\"\n\
         spin_up = {spin_up}\n",
        entry.name
    )
}

fn read(name: &str) -> Result<String> {
    let path = Path::new(name);
    let usage = |message: String| Failure::new(FailureKind::Usage, message).at(name);
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => unknown(name),
        ErrorKind::IsADirectory => usage(format!("`{name}` is a folder, not an experiment file")),
        _ => Failure::new(FailureKind::Io, format!("`{name}` could not be read: {error}")).at(name),
    };
    if path.is_dir() {
        let hint = "a run folder holds its experiment as experiment.toml";
        return Err(usage(format!("`{name}` is a folder, not an experiment file")).hint(hint));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(usage(format!("`{name}` is longer than {MAX_BYTES} bytes, and so is no experiment file")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        let message = format!("`{name}` is not UTF-8 text from line {line} on, as TOML must be");
        Failure::new(FailureKind::Usage, message).at(format!("{name}:{line}")).hint("save it as UTF-8")
    })
}

fn unknown(name: &str) -> Failure {
    if let Some(suite) = suite(name) {
        let members: Vec<&str> = suite.members.iter().map(|member| member.preset).collect();
        return Failure::new(
            FailureKind::Usage,
            format!("`{name}` is several presets, which `compare` alone runs as one job"),
        )
        .hint(format!("name one of them: {}", members.join(", ")));
    }
    let presets: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    let known = presets.iter().copied().chain(SYSTEMS.iter().map(|entry| entry.name));
    let hint = nearest(name, known)
        .map_or_else(|| format!("the presets are {}", presets.join(", ")), |near| format!("did you mean `{near}`?"));
    Failure::new(FailureKind::Usage, format!("there is no preset `{name}`, and no such file")).hint(hint)
}
