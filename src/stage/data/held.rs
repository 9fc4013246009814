//! The trajectories of a file, and where they are held: in memory, or, where they are large, in a file that has no name.
//!
//! In memory there are two copies for a moment, what was read and what is cut from it. On disk they come block by block, and the
//! system keeps in memory what it has room for.

use std::path::Path;

use ndarray::Axis;

use super::health;
use super::source::{check_step, check_unit, first_step, geometry};
use super::split::{SplitParameters, SplitTrajectories, parts};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::size::readable;
use crate::spec::{Hold, Plan};
use crate::stage::options::{Options, go_on};
use crate::store::netcdf::{About, SplitPart};
use crate::store::{self, Destination, ScratchFile, Spooled, States};
use crate::systems::Geometry;

/// Trajectories go to the disk by themselves where they are more than one part of so many of `--max-memory`.
const PARTS: u64 = 4;

/// The trajectories of a file.
///
/// # Errors
/// When they cannot be read or used, are larger than the limit where they are to be in memory, or the disk has no room for them.
pub fn read(path: &Path, plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<SplitTrajectories> {
    let held = on_disk(path, plan, options, progress, true)?;
    held.map_or_else(|| in_memory(path, plan, options), Ok)
}

/// The trajectories of a file as [`read`] finds them, and whether they have their states: those that would be held on disk are
/// checked, and not kept.
///
/// # Errors
/// As [`read`].
pub fn look_through(
    path: &Path,
    plan: &Plan,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(SplitTrajectories, bool)> {
    match on_disk(path, plan, options, progress, false)? {
        Some(checked) => Ok((checked, false)),
        None => Ok((in_memory(path, plan, options)?, true)),
    }
}

fn in_memory(path: &Path, plan: &Plan, options: &Options) -> Result<SplitTrajectories> {
    let larger = |failure: Failure| match (plan.data.hold, failure.kind) {
        (Hold::Memory, FailureKind::Resource) => failure.hint("raise --max-memory, or leave out `hold = \"memory\"`"),
        _ => failure,
    };
    let read = store::read_worded(path, plan.data.variable.as_deref(), &options.limits());
    let (read, wording) = read.map_err(|error| larger(error.into()))?;
    let (states, about) = read.into_states(wording);
    health::usable(states.view().into_dyn()).map_err(|what| refused(path, what))?;
    let settled = Settled::of(path, plan, &about)?;
    // what was read lives beside what is cut from it for a moment
    let (cases, times, dim) = states.dim();
    let both = options.check_memory("the trajectories, with what is cut from them,", &[2, cases, times, dim]);
    both.map_err(larger)?;
    let cut = settled.parts.each_ref().map(|cases| States::from(states.select(Axis(0), cases)));
    Ok(settled.split(path, plan, about, cut))
}

/// None where they are to be in memory.
fn on_disk(
    path: &Path,
    plan: &Plan,
    options: &Options,
    progress: &dyn Progress,
    kept: bool,
) -> Result<Option<SplitTrajectories>> {
    let size = |shape: [usize; 3]| shape.iter().fold(8u64, |bytes, &side| bytes.saturating_mul(side as u64));
    let wanted = |shape: [usize; 3]| match plan.data.hold {
        // of none at all it is said in other words what is missing
        _ if size(shape) == 0 => false,
        Hold::Auto => size(shape) > options.max_memory / PARTS,
        hold => hold == Hold::Disk,
    };
    let mut settled = None;
    let begin = |about: &About| {
        let ([cases, times, dim], bytes) = (about.shape, size(about.shape));
        let checked = Settled::of(path, plan, about)?;
        let folder = options.scratch();
        if !kept {
            let scratch = ScratchFile::unwritten(&folder, &checked.parts, [times, dim])?;
            settled = Some(checked);
            return Ok(Destination::Checks(scratch));
        }
        let scratch = match ScratchFile::new(&folder, &checked.parts, [times, dim]) {
            // the disk is a choice of ours
            Err(error) if plan.data.hold == Hold::Auto && bytes <= options.max_memory / 2 => {
                tracing::warn!("{error}; they are held in memory instead");
                return Ok(Destination::Nothing);
            }
            other => other?,
        };
        tracing::info!(
            "{}: the trajectories ({cases} x {times} x {dim}) are held on disk, {} in {}, while this runs",
            path.display(),
            readable(bytes),
            folder.display()
        );
        progress.start("trajectories to disk", bytes / MIB);
        settled = Some(checked);
        Ok(Destination::File(scratch))
    };
    let mut told = 0;
    let went = |bytes: u64| {
        if bytes / MIB >= told + STEP {
            told = bytes / MIB;
            progress.at(told, "MiB");
        }
        go_on(progress, "reading trajectories")
    };
    let spooled = store::spool(path, plan.data.variable.as_deref(), &options.limits(), wanted, begin, went)?;
    let (Some(Spooled { about, states, largest }), Some(settled)) = (spooled, settled) else { return Ok(None) };
    if kept {
        progress.finish();
    }
    if largest > health::LARGEST {
        let found = if kept { too_large(&states, &settled.parts) } else { None };
        return Err(refused(path, found.unwrap_or_else(|| health::too_large(largest, None))));
    }
    Ok(Some(settled.split(path, plan, about, states)))
}

const MIB: u64 = 1 << 20;

/// MiB between two reports.
const STEP: u64 = 64;

/// What is found and checked of trajectories before their states.
struct Settled {
    geometry: Geometry,
    /// Which trajectories are of which part.
    split: Vec<SplitPart>,
    parts: [Vec<usize>; 3],
}

impl Settled {
    fn of(path: &Path, plan: &Plan, about: &About) -> Result<Self> {
        let [cases, _, dim] = about.shape;
        let outline = &about.outline;
        let geometry = geometry(plan, path, &outline.space, outline.geometry)?;
        check_unit(path, plan, &outline.unit)?;
        check_step(path, outline, plan.data.stepping.dt)?;
        check_components(path, plan, dim)?;
        let split = about.split.clone().unwrap_or_else(|| SplitPart::of_counts(plan.data.split_counts(cases)));
        let parts = parts(&split).map_err(|failure| failure.at(path.display().to_string()))?;
        Ok(Self { geometry, split, parts })
    }

    fn split(self, path: &Path, plan: &Plan, about: About, states: [States; 3]) -> SplitTrajectories {
        SplitTrajectories {
            parameters: about.parameters.map(|own| SplitParameters::cut(own, &self.split)),
            unit: about.outline.unit,
            time: about.outline.time,
            wording: about.wording,
            file: Some(path.into()),
            ..SplitTrajectories::of(states, self.geometry, first_step(plan))
        }
    }
}

/// Refuses trajectories that are not of the plan's system.
fn check_components(path: &Path, plan: &Plan, dim: usize) -> Result<()> {
    let Some(system) = plan.system.as_ref().filter(|system| system.system.dim() != dim) else { return Ok(()) };
    let own = system.system.dim();
    let message = format!("the trajectories have {dim} components but system `{}` has {own}", system.name);
    Err(Failure::new(FailureKind::Data, message)
        .at(path.display().to_string())
        .hint("set system.dim, or remove [system] if these are not its trajectories"))
}

/// What is wrong with the first number, in the order of the file, that is too large to serve.
fn too_large(states: &[States; 3], parts: &[Vec<usize>; 3]) -> Option<health::Wrong> {
    let found = states.iter().zip(parts).flat_map(|(states, cases)| {
        let first = |(case, own): (&usize, ndarray::ArrayView2<f64>)| {
            let ((time, j), value) = own.indexed_iter().find(|(_, value)| value.abs() > health::LARGEST)?;
            Some((*case, [time, j], *value))
        };
        let of_part: Vec<_> = cases.iter().zip(states.view().into_outer_iter()).filter_map(first).collect();
        of_part
    });
    let (case, [time, j], value) = found.min_by_key(|(case, ..)| *case)?;
    Some(health::too_large(value, Some(&[case, time, j])))
}

fn refused(path: &Path, (what, remedy): health::Wrong) -> Failure {
    Failure::new(FailureKind::Data, what).at(path.display().to_string()).hint(remedy)
}
