//! Trajectories of an experiment: simulated or the user's own, cut into training, validation and test by trajectory.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array3, Axis, concatenate};

use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::{DataSource, Plan};
use crate::stage::Options;
use crate::store;
use crate::store::netcdf::SplitPart;
use crate::systems::{Domain, Geometry, Key, simulate};

/// Trajectories, `[case, time, component]` each.
#[derive(Clone, Debug)]
pub struct Trajectories {
    /// For fitting.
    pub train: Array3<f64>,
    /// For choosing among fits.
    pub valid: Array3<f64>,
    /// For scoring forecasts.
    pub test: Array3<f64>,
    /// How components are laid out in space.
    pub geometry: Geometry,
}

impl Trajectories {
    /// Cuts whole trajectories to those of each part.
    ///
    /// # Errors
    /// When a part would be empty.
    pub fn cut(states: &Array3<f64>, split: &[SplitPart], geometry: Geometry) -> Result<Self> {
        let cases = states.dim().0;
        let of = |part: SplitPart| (0..cases).filter(|&case| split[case] == part).collect::<Vec<_>>();
        let [train, valid, test] = SplitPart::ALL.map(of);
        if train.is_empty() || valid.is_empty() || test.is_empty() {
            return Err(Failure::new(
                FailureKind::Data,
                format!(
                    "there are {cases} trajectories, {} for training, {} for validation and {} for testing, which need \
                     one each",
                    train.len(),
                    valid.len(),
                    test.len()
                ),
            )
            .hint("give at least 3 trajectories; a long one can be cut into several"));
        }
        let [train, valid, test] = [train, valid, test].map(|cases| states.select(Axis(0), &cases));
        Ok(Self { train, valid, test, geometry })
    }

    /// All of them, in the order train, valid, test.
    pub fn joined(&self) -> Array3<f64> {
        concatenate(Axis(0), &[self.train.view(), self.valid.view(), self.test.view()]).unwrap_or_default()
    }

    /// The number of components.
    pub fn dim(&self) -> usize {
        self.train.dim().2
    }
}

/// The trajectories of a plan: from `file` if one is given, else from the plan's own source.
///
/// # Errors
/// When they cannot be read or simulated, are larger than the limit, or diverge.
pub fn trajectories(
    plan: &Plan,
    file: Option<&Path>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Trajectories> {
    match (file, &plan.data.source) {
        (Some(path), _) => read(path, plan, options),
        (None, DataSource::File(path)) => read(path, plan, options),
        (None, DataSource::Simulated { trajectories, steps, spin_up }) => {
            let states = simulated(plan, *trajectories, *steps, *spin_up, options, progress)?;
            let geometry = plan.system.as_ref().map_or(Geometry::Unstructured, |system| system.system.geometry());
            Trajectories::cut(&states, &SplitPart::of_counts(plan.data.split_counts(*trajectories)), geometry)
        }
    }
}

fn read(path: &Path, plan: &Plan, options: &Options) -> Result<Trajectories> {
    let read = store::read_trajectories(path, plan.data.variable.as_deref(), &options.limits())?;
    let geometry = geometry(plan, path, &read)?;
    let states = read.values;
    let split = read.split.unwrap_or_else(|| SplitPart::of_counts(plan.data.split_counts(states.dim().0)));
    if let Some(system) = plan.system.as_ref().filter(|system| system.system.dim() != states.dim().2) {
        return Err(Failure::new(
            FailureKind::Data,
            format!(
                "the trajectories have {} components but system `{}` has {}",
                states.dim().2,
                system.name,
                system.system.dim()
            ),
        )
        .at(path.display().to_string())
        .hint("set system.dim, or remove [system] if these are not its trajectories"));
    }
    Trajectories::cut(&states, &split, geometry)
}

/// The layout of trajectories that were read: as the file says, or the plan.
///
/// # Errors
/// [`FailureKind::Data`] when the plan's does not fit the file.
pub fn geometry(plan: &Plan, path: &Path, read: &store::netcdf::StoredTrajectories) -> Result<Geometry> {
    plan.data.layout.of_file(&read.space, read.geometry).map_err(|message| {
        Failure::new(FailureKind::Data, message)
            .at(path.display().to_string())
            .hint("change data.geometry, or give the file's variable the dimensions (case, time, y, x)")
    })
}

/// Refuses arrays that would not fit under the limit, before anything is allocated.
///
/// # Errors
/// [`FailureKind::Resource`] with both sizes.
pub fn check_memory(what: &str, values: usize, options: &Options) -> Result<()> {
    let bytes = values as u64 * 8;
    if bytes <= options.max_memory {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Resource,
        format!("{what} would take {:.1} GiB, but --max-memory allows {:.1} GiB", gib(bytes), gib(options.max_memory)),
    )
    .hint("make the experiment smaller, or raise --max-memory"))
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}

/// All trajectories of the plan's system, `[case, time, component]`.
///
/// # Errors
/// When they are larger than the limit, or diverge.
pub fn simulated(
    plan: &Plan,
    trajectories: usize,
    steps: usize,
    spin_up: usize,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Array3<f64>> {
    let Some(system) = &plan.system else {
        return Err(Failure::new(
            FailureKind::Usage,
            "there is neither a [system] to simulate nor a data.file to read",
        ));
    };
    // the simulation and its cut copies live side by side for a moment
    check_memory("the trajectories", 2 * trajectories * (steps + 1) * system.system.dim(), options)?;
    let key = Key::new(plan.seed, Domain::Data);
    progress.start("simulating", (steps + spin_up) as u64);
    let made =
        simulate(Arc::clone(&system.system), &plan.data.stepping, trajectories, steps, spin_up, key, |done, _| {
            progress.at(done as u64, "")
        })?;
    progress.finish();
    match made.diverged.first() {
        None => Ok(made.states),
        Some(first) => Err(Failure::new(
            FailureKind::Numerical,
            format!("{} of {trajectories} trajectories diverged; {first}", made.diverged.len()),
        )),
    }
}
