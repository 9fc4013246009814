//! Trajectories of the experiment's system, in a file.
//!
//! The states go to a log on disk as they are made ([`StateLog`]), and the file is made from the log when all are there.
//! So memory is bounded by the states of a few times, whatever the length, and a run that is stopped or killed goes on
//! with `--resume` to the same bytes.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::{Array3, Axis};
use serde_json::json;

use super::{Finished, Options, export, files, fit};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::size::Need;
use crate::spec::{DataSource, Plan, SystemPlan};
use crate::store::netcdf::SplitPart;
use crate::store::state_log::{LogPlan, StateLog};
use crate::systems::simulate::spin_up;
use crate::systems::system::whole;
use crate::systems::{Domain, Key, Simulation};

/// During the spin-up, which is not kept, the states are saved this often.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// The largest block of states that is held to be written.
const LARGEST_BLOCK: u64 = 64 << 20;
/// The largest chunk of a file.
const CHUNK: u64 = 1 << 20;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One NetCDF-4 file in double precision, with the variable `split`.
    NetCdf,
    /// A folder in the layout of The Well, in single precision.
    TheWell,
}

/// What is simulated.
pub(super) struct Job<'a> {
    pub(super) plan: &'a Plan,
    pub(super) system: &'a SystemPlan,
    /// Trajectories of each part.
    pub(super) counts: [usize; 3],
    /// Lead steps that are kept, the state after the spin-up not counted.
    pub(super) steps: usize,
    spin_up: usize,
    /// The most bytes that a block of states may take.
    pub(super) block_bytes: u64,
}

impl<'a> Job<'a> {
    fn of(plan: &'a Plan, options: &Options) -> Result<Self> {
        let (Some(system), DataSource::Simulated { trajectories, steps, spin_up: asked }) =
            (&plan.system, &plan.data.source)
        else {
            return Err(Failure::new(
                FailureKind::Usage,
                "the experiment's trajectories come from a file, so none are simulated",
            )
            .hint("remove data.file and add a [system], or check the file by `scorecast data validate`"));
        };
        let counts = plan.data.split_counts(*trajectories);
        let spin_up = spin_up(&system.system, *asked);
        let held: u64 = needs(plan).iter().map(|need| need.bytes).sum();
        let block_bytes = (options.max_memory.saturating_sub(held) / 2).clamp(CHUNK, LARGEST_BLOCK);
        Ok(Self { plan, system, counts, steps: *steps, spin_up, block_bytes })
    }

    pub(super) fn cases(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Sizes `[case, time, component]` of all states.
    pub(super) fn shape(&self) -> [usize; 3] {
        [self.cases(), self.steps + 1, self.system.system.dim()]
    }

    fn total(&self) -> usize {
        self.spin_up + self.steps
    }

    /// What is seen of the logged states of some cases at some times, `[case, time, component]`.
    pub(super) fn read(&self, log: &mut StateLog, cases: Range<usize>, times: Range<usize>) -> Result<Array3<f64>> {
        let states = log.read(cases, times)?;
        Ok(match self.system.system.partial() {
            Some(partial) => states.select(Axis(2), partial.seen),
            None => states,
        })
    }
}

/// What a simulation holds in memory at once.
pub fn needs(plan: &Plan) -> Vec<Need> {
    let (Some(system), DataSource::Simulated { trajectories, steps, .. }) = (&plan.system, &plan.data.source) else {
        return Vec::new();
    };
    let dim = whole(&system.system).dim();
    let one = (*trajectories as u64).saturating_mul(dim as u64).saturating_mul(8);
    let chunk = one.saturating_mul(*steps as u64 + 1).min(CHUNK.max(dim as u64 * 8));
    vec![
        Need { what: format!("four copies of the states of one time ({trajectories} x {dim})"), bytes: 4 * one },
        Need { what: "states that wait to be written".into(), bytes: StateLog::memory(*trajectories, dim) },
        Need { what: "two blocks of the file".into(), bytes: 2 * chunk },
    ]
}

/// Simulates the experiment's trajectories and writes them to `--out` (`data.nc` or the folder `the_well` unless said).
///
/// # Errors
/// When the output exists, the system diverges, a state is larger than the limit, or the user stops; then what is
/// simulated so far is kept for `--resume`.
pub fn run(plan: &Plan, format: Format, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let job = Job::of(plan, options)?;
    let out = match format {
        Format::NetCdf => options.out.clone().unwrap_or_else(|| PathBuf::from("data.nc")),
        Format::TheWell => {
            let base = options.out.clone().unwrap_or_else(|| PathBuf::from("the_well"));
            export::check_grid(&job)?;
            files::make_folder(&base)?;
            base.join(fit::file_stem(&plan.name))
        }
    };
    files::claim(&out, options)?;
    if format == Format::TheWell {
        export::check_replaceable(&out)?;
    }
    let (cases, components) = (job.cases(), whole(&job.system.system).dim());
    let log_plan = LogPlan { experiment: plan.resolved.clone(), cases, components, spin_up: job.spin_up };
    let (mut log, checkpoint) = StateLog::open(&out, log_plan, options.force, options.resume)?;
    let (system, stepping) = (Arc::clone(&job.system.system), &plan.data.stepping);
    let key = Key::new(plan.seed, Domain::Data);
    let logged = checkpoint.as_ref().map(|(step, _)| *step);
    let running = match checkpoint {
        Some((step, states)) => Simulation::resume(system, stepping, step, states, key)?,
        None => Simulation::new(system, stepping, cases, key)?,
    };
    if let Some(failure) = to_the_end(&job, running, logged, &mut log, progress)? {
        log.discard()?;
        return Err(failure);
    }
    match format {
        Format::NetCdf => export::netcdf(&out, &job, &mut log, progress)?,
        Format::TheWell => export::the_well(&out, &job, &mut log, progress)?,
    }
    log.discard()?;
    Ok(finished(&out.display().to_string(), &job))
}

/// Simulates up to the last lead step; `logged` is the last one in the log. A divergence is what there is to report.
fn to_the_end(
    job: &Job,
    mut running: Simulation,
    mut logged: Option<usize>,
    log: &mut StateLog,
    progress: &dyn Progress,
) -> Result<Option<Failure>> {
    progress.start("simulating", job.total() as u64);
    let mut saved = Instant::now();
    loop {
        let diverged = running.diverged();
        if let Some(first) = diverged.first() {
            let message = format!("{} of {} trajectories diverged; {first}", diverged.len(), job.cases());
            return Ok(Some(Failure::new(FailureKind::Numerical, message)));
        }
        let stop = progress.interrupted();
        let due = running.step() >= job.spin_up || stop || saved.elapsed() >= CHECKPOINT_EVERY;
        if due && logged != Some(running.step()) {
            log.append(running.step(), running.states())?;
            (logged, saved) = (Some(running.step()), Instant::now());
        }
        if running.step() >= job.total() {
            log.sync()?;
            progress.finish();
            return Ok(None);
        }
        if stop {
            log.sync()?;
            return Err(interrupted(&format!("lead step {} of {}", running.step(), job.total())));
        }
        running.advance()?;
        progress.at(running.step() as u64, "");
    }
}

/// The user stopped; the log is on the disk.
pub(super) fn interrupted(place: &str) -> Failure {
    Failure::new(FailureKind::Interrupted, format!("stopped at {place}; what is simulated so far is kept"))
        .hint("go on with --resume")
}

fn finished(out: &str, job: &Job) -> Finished {
    let [cases, times, components] = job.shape();
    let parts: Vec<String> =
        SplitPart::ALL.iter().zip(job.counts).map(|(part, count)| format!("{} {count}", part.name())).collect();
    let parts = parts.join(", ");
    let text =
        format!("{cases} trajectories ({parts}) of {} lead steps and {components} components in {out}\n", times - 1);
    let result = json!({
        "file": out, "trajectories": cases, "steps": times - 1, "components": components, "split": job.counts,
    });
    Finished { result, text }
}
