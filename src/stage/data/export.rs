//! Simulated states from their log to the files that others read.

use std::fs;
use std::path::Path;

use super::logged::{LoggedSimulation, interrupted};
use super::source::drawn;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::stage::file_name::folder_name;
use crate::stage::output::{make_folder, origin, times};
use crate::store::netcdf::{self, Block, Blocks, SplitPart};
use crate::store::run::EXPERIMENT;
use crate::store::state_log::StateLog;
use crate::store::well::{FIELD, MIN_SD, Moments, WellPlan, write_part};
use crate::store::write_atomic;
use crate::systems::Value;

/// Counts the states that are written, and stops where the user does.
struct Written<'a> {
    progress: &'a dyn Progress,
    done: u64,
}

impl<'a> Written<'a> {
    fn start(what: &str, states: usize, progress: &'a dyn Progress) -> Self {
        progress.start(what, states as u64);
        Self { progress, done: 0 }
    }

    fn block(&mut self, (cases, times): &Block) -> Result<()> {
        if self.progress.interrupted() {
            return Err(interrupted("the writing of the file"));
        }
        self.done += (cases.len() * times.len()) as u64;
        self.progress.at(self.done, "");
        Ok(())
    }
}

/// Writes all trajectories as one NetCDF file.
///
/// # Errors
/// When the system refuses, or the user stops.
pub fn netcdf(out: &Path, job: &LoggedSimulation, log: &mut StateLog, progress: &dyn Progress) -> Result<()> {
    let shape = job.shape();
    let (time, split) = (times(job.plan, shape[1]), SplitPart::of_counts(job.counts));
    let (geometry, origin) = (job.system.system.geometry(), origin(job.plan, "trajectories")?);
    let parameters = drawn(job.plan, shape[0])?;
    let dataset = netcdf::frame(shape, Some(&time), (Some(&split), parameters.as_ref()), Some(geometry), &origin);
    let state = Blocks {
        name: "state".into(),
        dimensions: ["case", "time", "component"].map(String::from),
        shape,
        attributes: netcdf::state_attributes(),
        max_bytes: job.block_bytes,
    };
    let mut written = Written::start("writing", shape[0] * shape[1], progress);
    netcdf::write_blocks(out, &dataset, &state, |block| {
        written.block(&block)?;
        job.read(log, block.0, block.1)
    })?;
    progress.finish();
    Ok(())
}

/// Refuses a system without a grid: The Well has only fields.
///
/// # Errors
/// [`FailureKind::Usage`].
pub fn check_grid(job: &LoggedSimulation) -> Result<()> {
    if WellPlan::grid_of(job.system.system.geometry(), job.system.system.dim()).is_some() {
        return Ok(());
    }
    let message = format!(
        "the components of system `{}` are separate quantities, and The Well has only fields on grids",
        job.system.name
    );
    Err(Failure::new(FailureKind::Usage, message).hint("leave --format out to write NetCDF"))
}

/// Refuses to replace a folder that is no dataset.
///
/// # Errors
/// [`FailureKind::Exists`].
pub fn check_replaceable(out: &Path) -> Result<()> {
    let ours = |name: &std::ffi::OsStr| ["data", "stats.yaml", EXPERIMENT].iter().any(|known| name == *known);
    let foreign = match fs::read_dir(out) {
        Ok(entries) => entries.flatten().any(|entry| !ours(&entry.file_name())),
        Err(_) => out.exists(),
    };
    if foreign {
        return Err(Failure::new(FailureKind::Exists, "exists and is not a dataset in the layout of The Well")
            .at(out.display().to_string())
            .hint("give another --out"));
    }
    Ok(())
}

/// Writes the parts of the trajectories in the layout of The Well. The folder appears when it is whole.
///
/// # Errors
/// When the system refuses, the user stops, or the field is too nearly constant for The Well's programs.
pub fn the_well(out: &Path, job: &LoggedSimulation, log: &mut StateLog, progress: &dyn Progress) -> Result<()> {
    let moments = moments(job, log, progress)?;
    let name = folder_name(&job.plan.name);
    let making = out.with_file_name(format!(".{name}.writing"));
    let made = fill(&making, &name, job, log, progress).and_then(|()| {
        write_atomic(&making.join("stats.yaml"), moments.yaml(FIELD).as_bytes())?;
        write_atomic(&making.join(EXPERIMENT), job.plan.resolved.as_bytes())?;
        put(&making, out)
    });
    if made.is_err() {
        // The log is kept, so nothing is lost with the half of a folder.
        let _ = fs::remove_dir_all(&making);
    }
    made
}

fn fill(making: &Path, name: &str, job: &LoggedSimulation, log: &mut StateLog, progress: &dyn Progress) -> Result<()> {
    let [cases, count, components] = job.shape();
    let Some((grid, periodic)) = WellPlan::grid_of(job.system.system.geometry(), components) else {
        return check_grid(job);
    };
    if making.exists() {
        fs::remove_dir_all(making).map_err(|error| io(making, "remove what a stopped run left", &error))?;
    }
    let parameters = job.system.settings.iter().filter_map(|(key, value)| match value {
        Value::Int(value) => Some((key.to_owned(), *value as f64)),
        Value::Float(value) => Some((key.to_owned(), *value)),
        _ => None,
    });
    let plan = WellPlan {
        name: name.to_owned(),
        grid,
        periodic,
        parameters: parameters.collect(),
        times: times(job.plan, count),
        max_bytes: job.block_bytes,
    };
    let mut written = Written::start("writing", cases * count, progress);
    let mut first = 0;
    for (part, count) in SplitPart::ALL.into_iter().zip(job.counts).filter(|(_, count)| *count > 0) {
        let folder = making.join("data").join(part.name());
        make_folder(&folder)?;
        write_part(&folder.join(format!("{name}.hdf5")), &plan, count, |block: Block| {
            written.block(&block)?;
            job.read(log, first + block.0.start..first + block.0.end, block.1)
        })?;
        first += count;
    }
    progress.finish();
    Ok(())
}

/// The moments of the training part.
fn moments(job: &LoggedSimulation, log: &mut StateLog, progress: &dyn Progress) -> Result<Moments> {
    let [_, times, components] = job.shape();
    let train = job.counts[0];
    if train == 0 {
        return Err(Failure::new(
            FailureKind::Usage,
            "there is no training trajectory to take the moments of the field from",
        )
        .hint("raise the first share of data.split; then go on with --resume"));
    }
    let mut moments = Moments::default();
    let mut measured = Written::start("measuring", train * times, progress);
    for time in 0..times {
        let block = (0..train, time..time + 1);
        measured.block(&block)?;
        let states = job.read(log, block.0, block.1)?;
        let states = states.to_shape((train, components)).map_err(|e| Failure::new(FailureKind::Bug, e.to_string()))?;
        moments.add(states.view());
    }
    if moments.sd() <= MIN_SD {
        let message = format!(
            "the field's standard deviation is {:e}, and The Well's programs normalise by no less than {MIN_SD:e}",
            moments.sd()
        );
        return Err(Failure::new(FailureKind::Data, message)
            .hint("what is simulated is kept: --resume without --format writes it as NetCDF"));
    }
    Ok(moments)
}

/// Puts a finished folder in the place of one that may be there, which is a dataset of this layout.
fn put(making: &Path, out: &Path) -> Result<()> {
    let old = making.with_extension("replaced");
    if out.exists() {
        fs::rename(out, &old).map_err(|error| io(out, "move the old dataset aside", &error))?;
    }
    fs::rename(making, out).map_err(|error| io(out, "put the finished dataset in place", &error))?;
    if old.exists() {
        fs::remove_dir_all(&old).map_err(|error| io(&old, "remove the old dataset", &error))?;
    }
    Ok(())
}

fn io(path: &Path, action: &str, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::Io, format!("could not {action} ({error})"))
        .at(path.display().to_string())
        .hint("check the disk and the permissions")
}
