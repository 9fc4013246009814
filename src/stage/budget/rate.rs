//! What a step of a training takes: a short fit of the forecaster itself, its own networks, losses and batches, with a clock
//! that is read each ten steps.
//!
//! It is fitted twice: what the first fit finds is how long the second may be, and with it threads and caches are as they are
//! in a training. The first ten steps of each training do not count. A validation comes after the last step, and is the
//! difference of the last ten to ten others. Simulated trajectories need not be there for that: independent normal states
//! take as long.

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use ndarray::Array3;

use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::{FORECASTERS, FitContext, FitSize, shortened, trainings};
use crate::nn::ops::Processor;
use crate::progress::{Progress, TrainingEvent};
use crate::spec::{DataSource, ForecasterPlan, Plan, size};
use crate::stage::data::{self, SplitParameters};
use crate::stage::options::Options;
use crate::store::States;
use crate::systems::{Domain, Geometry, Key, Settings, registry};

/// What a training takes, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// A step.
    pub step: f64,
    /// A validation.
    pub validation: f64,
}

/// Seconds since it was made.
pub struct Stopwatch(Instant);

impl Default for Stopwatch {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Stopwatch {
    /// How many they are.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// A clock, in seconds.
pub type Clock<'a> = &'a (dyn Fn() -> f64 + Sync);

/// Seconds that each training of the second fit may take.
const MEASURED: f64 = 1.5;

/// The least steps of a training that are measured, and the most.
const STEPS: (u64, u64) = (30, 1000);

/// Pairs in either part of the data that is made up: as many as a validation looks at.
const PAIRS: usize = 4096;

/// What all forecasters of a plan are measured on.
pub struct Measuring<'a> {
    geometry: Geometry,
    train: States,
    valid: States,
    parameters: Option<SplitParameters>,
    max_memory: u64,
    processor: &'a Processor,
    progress: &'a dyn Progress,
}

impl<'a> Measuring<'a> {
    /// On the trajectories of a file, or on normal states of the size of those that would be simulated.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(plan: &Plan, file: Option<&Path>, options: &'a Options, progress: &'a dyn Progress) -> Result<Self> {
        let Options { max_memory, ref processor, .. } = *options;
        match (file, &plan.data.source, &plan.system) {
            (None, DataSource::Simulated { trajectories, steps, .. }, Some(system)) => {
                let (geometry, dim) = (system.system.geometry(), system.system.dim());
                let [train, valid, _] = plan.data.split_counts(*trajectories);
                let names = system.drawn_parameters();
                // parameters that differ need trajectories that do
                let parts = if names.is_empty() { 1 } else { 2 };
                let states = |cases: usize, at: u64| {
                    let key = Key::new(plan.seed, Domain::Training).case(at);
                    normal_states(cases.saturating_mul(*steps), (parts, dim), key)
                };
                let [train, valid] = [states(train, 0), states(valid, 1)].map(States::from);
                let cases = [train.dim().0, valid.dim().0];
                let parameters = made_up(names, cases, plan.seed);
                Ok(Self { geometry, train, valid, parameters, max_memory, processor, progress })
            }
            _ => {
                let data = data::trajectories(plan, file, options, progress)?;
                let (geometry, train, valid) = (data.geometry, data.train.clone(), data.valid.clone());
                let parameters = data.parameters;
                Ok(Self { geometry, train, valid, parameters, max_memory, processor, progress })
            }
        }
    }
}

/// So many trajectories of normal states with at most so many pairs in all, `[case, time, component]`.
fn normal_states(pairs: usize, (cases, dim): (usize, usize), key: Key) -> Array3<f64> {
    let pairs = pairs.min(PAIRS).div_ceil(cases);
    let times = if pairs == 0 { 0 } else { pairs + 1 };
    let values = key.normals(cases * times, dim).into_raw_vec_and_offset().0;
    Array3::from_shape_vec((cases, times, dim), values).unwrap_or_default()
}

/// Parameters of these names for the trajectories that are made up; none where there are no names.
fn made_up(names: Vec<String>, [train, valid]: [usize; 2], seed: u64) -> Option<SplitParameters> {
    let count = names.len();
    let of = |cases: usize, at: u64| Key::new(seed, Domain::Training).case(at).normals(cases, count);
    (count > 0).then(|| SplitParameters { train: of(train, 2), valid: of(valid, 3), test: of(0, 4), names })
}

/// The rates of the trainings of a forecaster, in their order.
///
/// # Errors
/// When it does not fit in memory or cannot be trained, or the user stops.
pub fn measure(forecaster: &ForecasterPlan, on: &Measuring, clock: Clock) -> Result<Vec<Rate>> {
    let first = timed(forecaster, STEPS.0, on, clock)?;
    let slowest = first.iter().map(|rate| rate.step).fold(f64::MIN_POSITIVE, f64::max);
    let steps = ((MEASURED / slowest) as u64).clamp(STEPS.0, STEPS.1) / TICK * TICK;
    timed(forecaster, steps, on, clock)
}

/// The rates that a fit with so many steps of each training shows.
fn timed(forecaster: &ForecasterPlan, steps: u64, on: &Measuring, clock: Clock) -> Result<Vec<Rate>> {
    let entry = registry::find(FORECASTERS, "forecaster", &forecaster.kind)?;
    let settings = shortened(entry, &forecaster.settings, steps);
    check_memory(&settings, entry.build.memory, on)?;
    let timing = Timing { inner: on.progress, label: &forecaster.label, clock, trainings: Mutex::default() };
    let context = FitContext {
        system: None,
        geometry: on.geometry,
        train: on.train.view(),
        valid: on.valid.view(),
        held_by: data::held_by(&on.train),
        parameters: on.parameters.as_ref().map(SplitParameters::known),
        key: Key::new(0, Domain::Training),
        progress: &timing,
        checkpoints: None,
        start: None,
        processor: on.processor,
    };
    (entry.build.fit)(&settings, &context)?;
    let rates = timing.rates();
    match rates.len() == trainings(entry, &settings)?.len() {
        true => Ok(rates),
        false => Err(Failure::new(FailureKind::Bug, format!("{} trainings were measured", rates.len()))),
    }
}

fn check_memory(
    settings: &Settings,
    memory: fn(&Settings, &FitSize) -> Vec<crate::systems::MemoryUse>,
    on: &Measuring,
) -> Result<()> {
    let states = |part: &States| part.dim().0 * part.dim().1;
    let of_states = FitSize::of_states(on.geometry, on.train.dim().2);
    let parameters = on.parameters.as_ref().map_or(0, |known| known.names.len());
    let size = FitSize { train: states(&on.train), valid: states(&on.valid), parameters, ..of_states };
    size::check(&memory(settings, &size), on.max_memory)
}

/// Steps between two reports of a training.
const TICK: u64 = 10;

/// Progress that reads a clock.
struct Timing<'a> {
    inner: &'a dyn Progress,
    label: &'a str,
    clock: Clock<'a>,
    trainings: Mutex<Vec<Times>>,
}

/// When reports of a training came.
#[derive(Default)]
struct Times {
    /// Steps, seconds, and whether there was a validation since the report before.
    reports: Vec<(u64, f64, bool)>,
    validated: bool,
}

impl Times {
    fn rate(&self) -> Rate {
        let blocks = self.reports.windows(2).map(|w| ((w[1].0 - w[0].0) as f64, w[1].1 - w[0].1, w[1].2));
        let (with, without): (Vec<_>, Vec<_>) = blocks.partition(|(.., validated)| *validated);
        let sum = |blocks: &[(f64, f64, bool)]| {
            blocks.iter().fold((0.0, 0.0), |(n, seconds), block| (n + block.0, seconds + block.1))
        };
        let (steps, seconds) = sum(&without);
        let step = seconds / steps;
        let (steps, seconds) = sum(&with);
        let validation = (seconds - steps * step).max(0.0) / with.len().max(1) as f64;
        Rate { step, validation }
    }
}

impl Timing<'_> {
    fn rates(self) -> Vec<Rate> {
        let trainings = self.trainings.into_inner().unwrap_or_default();
        trainings.iter().map(Times::rate).collect()
    }

    fn with_last(&self, f: impl FnOnce(&mut Times)) {
        if let Ok(mut trainings) = self.trainings.lock()
            && let Some(last) = trainings.last_mut()
        {
            f(last);
        }
    }
}

impl Progress for Timing<'_> {
    fn start(&self, _what: &str, total: u64) {
        if let Ok(mut trainings) = self.trainings.lock() {
            trainings.push(Times::default());
        }
        self.inner.start(&format!("measure {}", self.label), total);
    }

    fn at(&self, done: u64, note: &str) {
        let seconds = (self.clock)();
        self.with_last(|times| {
            let validated = std::mem::take(&mut times.validated);
            times.reports.push((done, seconds, validated));
        });
        self.inner.at(done, note);
    }

    fn finish(&self) {
        self.inner.finish();
    }

    fn training(&self, _event: TrainingEvent) {
        self.with_last(|times| times.validated = true);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::progress::Quiet;
    use crate::spec;

    const EXPERIMENT: &str = "[system]\nname = \"lorenz63\"\n[data]\ntrajectories = 10\nsteps = 60\n\
         [budget]\nby = \"seconds\"\nvalue = 3\n\
         [[forecaster]]\nkind = \"gaussian\"\nwidth = 4\n\
         [[forecaster]]\nkind = \"diffusion\"\ntarget = \"residual\"\nwidth = 4\n\
         [[forecaster]]\nkind = \"consistency\"\nwidth = 4\nteacher_steps = 70\n";

    #[test]
    fn a_clock_that_goes_on_by_a_second_a_report_gives_a_tenth_of_it_a_step() {
        let plan = spec::check(EXPERIMENT, "x.toml", &[]).unwrap();
        let options = Options::new(1 << 32);
        let measuring = Measuring::new(&plan, None, &options, &Quiet).unwrap();
        assert_eq!((measuring.train.dim(), measuring.valid.dim()), ((1, 481, 3), (1, 61, 3)));
        for (forecaster, trainings) in plan.forecasters.iter().filter(|one| one.cost_of().is_some()).zip([1, 2, 2]) {
            let read = AtomicU64::new(0);
            let clock = || read.fetch_add(1, Ordering::Relaxed) as f64;
            let rates = measure(forecaster, &measuring, &clock).unwrap();
            assert_eq!(rates, vec![Rate { step: 0.1, validation: 0.0 }; trainings], "{}", forecaster.label);
            // both fits have as few steps as there may be, and each training three reports
            assert_eq!(read.into_inner(), 6 * trainings as u64, "{}", forecaster.label);
        }
    }

    #[test]
    fn a_validation_is_what_its_steps_take_more() {
        let reports = vec![(10, 5.0, false), (20, 6.0, false), (30, 7.5, true), (40, 8.5, false), (45, 9.5, true)];
        let rate = Times { reports, validated: false }.rate();
        assert_eq!((rate.step, rate.validation), (0.1, 0.5));
    }
}
