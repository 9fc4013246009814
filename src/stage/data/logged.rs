//! A simulation that logs its states on disk as they are made, so that memory is bounded whatever its length.

use std::ops::Range;
use std::time::{Duration, Instant};

use ndarray::{Array3, Axis};

use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::size::Need;
use crate::spec::{DataSource, Plan, SystemPlan};
use crate::stage::options::Options;
use crate::store::state_log::StateLog;
use crate::systems::Simulation;
use crate::systems::simulate::spin_up;
use crate::systems::system::complete;

/// During the spin-up, which is not kept, the states are saved this often.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// The largest block of states that is held to be written.
const LARGEST_BLOCK: u64 = 64 << 20;
/// The largest chunk of a file.
const CHUNK: u64 = 1 << 20;

/// A simulation whose states go to a log on disk as they are made.
pub struct LoggedSimulation<'a> {
    /// The experiment.
    pub plan: &'a Plan,
    /// Its system.
    pub system: &'a SystemPlan,
    /// Trajectories of each part.
    pub counts: [usize; 3],
    /// Lead steps that are kept, the state after the spin-up not counted.
    pub steps: usize,
    /// Lead steps before.
    pub spin_up: usize,
    /// The most bytes that a block of states may take.
    pub block_bytes: u64,
}

impl<'a> LoggedSimulation<'a> {
    /// Of the plan's system.
    ///
    /// # Errors
    /// When its trajectories come from a file.
    pub fn of(plan: &'a Plan, options: &Options) -> Result<Self> {
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
        let held = Need::total(&needs(plan));
        let block_bytes = (options.max_memory.saturating_sub(held) / 2).clamp(CHUNK, LARGEST_BLOCK);
        Ok(Self { plan, system, counts, steps: *steps, spin_up, block_bytes })
    }

    /// The number of trajectories.
    pub fn cases(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Sizes `[case, time, component]` of all states.
    pub fn shape(&self) -> [usize; 3] {
        [self.cases(), self.steps + 1, self.system.system.dim()]
    }

    /// All lead steps.
    fn total(&self) -> usize {
        self.spin_up + self.steps
    }

    /// What is observed of the logged states of some cases at some times, `[case, time, component]`.
    pub fn read(&self, log: &mut StateLog, cases: Range<usize>, times: Range<usize>) -> Result<Array3<f64>> {
        let states = log.read(cases, times)?;
        Ok(match self.system.system.partial() {
            Some(partial) => states.select(Axis(2), partial.visible),
            None => states,
        })
    }

    /// Simulates up to the last lead step; `logged` is the last one in the log. A divergence is what there is to report.
    ///
    /// # Errors
    /// When the log cannot be written, or the user stops.
    pub fn to_the_end(
        &self,
        mut running: Simulation,
        mut logged: Option<usize>,
        log: &mut StateLog,
        progress: &dyn Progress,
    ) -> Result<Option<Failure>> {
        progress.start("simulating", self.total() as u64);
        let mut saved = Instant::now();
        loop {
            let diverged = running.diverged();
            if let Some(first) = diverged.first() {
                let message = format!("{} of {} trajectories diverged; {first}", diverged.len(), self.cases());
                return Ok(Some(Failure::new(FailureKind::Numerical, message)));
            }
            let stop = progress.interrupted();
            let due = running.step() >= self.spin_up || stop || saved.elapsed() >= CHECKPOINT_EVERY;
            if due && logged != Some(running.step()) {
                log.append(running.step(), running.states())?;
                (logged, saved) = (Some(running.step()), Instant::now());
            }
            if running.step() >= self.total() {
                log.sync()?;
                progress.finish();
                return Ok(None);
            }
            if stop {
                log.sync()?;
                return Err(interrupted(&format!("lead step {} of {}", running.step(), self.total())));
            }
            running.advance()?;
            progress.at(running.step() as u64, "");
        }
    }
}

/// What a simulation holds in memory at once.
pub fn needs(plan: &Plan) -> Vec<Need> {
    let (Some(system), DataSource::Simulated { trajectories, steps, .. }) = (&plan.system, &plan.data.source) else {
        return Vec::new();
    };
    let dim = complete(&system.system).dim();
    let one = (*trajectories as u64).saturating_mul(dim as u64).saturating_mul(8);
    let chunk = one.saturating_mul(*steps as u64 + 1).min(CHUNK.max(dim as u64 * 8));
    vec![
        Need { what: format!("four copies of the states of one time ({trajectories} x {dim})"), bytes: 4 * one },
        Need { what: "states that wait to be written".into(), bytes: StateLog::memory(*trajectories, dim) },
        Need { what: "two blocks of the file".into(), bytes: 2 * chunk },
    ]
}

/// The user stopped; the log is on the disk.
pub fn interrupted(place: &str) -> Failure {
    Failure::new(FailureKind::Interrupted, format!("stopped at {place}; what is simulated so far is kept"))
        .hint("go on with --resume")
}
