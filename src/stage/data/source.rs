//! Where the trajectories of an experiment come from: its system, or a file.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array3, Axis};

use super::held;
use super::split::{SplitParameters, SplitTrajectories};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::{DataSource, Layout, Plan};
use crate::stage::data::health::step;
use crate::stage::options::{Options, go_on};
use crate::store;
use crate::store::netcdf::{CaseParameters, Outline, SplitPart, TimeUnit};
use crate::systems::simulate::spin_up;
use crate::systems::system::visible;
use crate::systems::{Domain, Geometry, Key, Simulation};

/// The trajectories of a plan: from `file` if one is given, else from the plan's own source.
///
/// # Errors
/// When they cannot be read or simulated, are larger than the limit, or diverge.
pub fn trajectories(
    plan: &Plan,
    file: Option<&Path>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<SplitTrajectories> {
    match (file, &plan.data.source) {
        (Some(path), _) => held::read(path, plan, options, progress),
        (None, DataSource::File(path)) => held::read(path, plan, options, progress),
        (None, DataSource::Simulated { trajectories, steps, spin_up }) => {
            let states = simulated(plan, *trajectories, *steps, *spin_up, options, progress)?;
            let geometry = plan.system.as_ref().map_or(Geometry::Unstructured, |system| system.system.geometry());
            let split = SplitPart::of_counts(plan.data.split_counts(*trajectories));
            let parameters = drawn(plan, *trajectories)?.map(|own| SplitParameters::cut(own, &split));
            Ok(SplitTrajectories { parameters, ..SplitTrajectories::cut(&states, &split, geometry, first_step(plan))? })
        }
    }
}

/// The parameters that the system of the plan draws for so many simulated trajectories; none where it draws none.
///
/// # Errors
/// When the system inside refuses every draw.
pub fn drawn(plan: &Plan, trajectories: usize) -> Result<Option<CaseParameters>> {
    let Some(drawn) = plan.system.as_ref().and_then(|system| system.system.drawn_parameters()) else { return Ok(None) };
    let values = drawn.drawn(trajectories, Key::new(plan.seed, Domain::Data))?;
    Ok(Some(CaseParameters { names: drawn.names(), values }))
}

/// The step between the states of a file, in the unit of its times; none where it has no times.
///
/// # Errors
/// [`FailureKind::Data`] where the times are not finite, do not increase, or are not equally far apart.
pub fn step_of(path: &Path, times: Option<&[f64]>) -> Result<Option<f64>> {
    let Some(times) = times else { return Ok(None) };
    step(times).map_err(|finding| {
        let message = format!("its times cannot be used: {}", finding.message);
        Failure::new(FailureKind::Data, message).at(path.display().to_string()).hint(finding.remedy)
    })
}

/// What a file of trajectories says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// The length of a lead step; none where it has no times.
    pub dt: Option<f64>,
    /// How the components lie, by what the file says and the plan; none where neither says it of states in one dimension of space, or
    /// they do not fit.
    pub geometry: Option<Geometry>,
}

impl Said {
    /// Grid points in a row, where there are rows.
    pub fn columns(&self) -> Option<usize> {
        match self.geometry? {
            Geometry::Torus { columns, .. } | Geometry::Plane { columns, .. } => Some(columns),
            _ => None,
        }
    }
}

/// What the file of the plan's trajectories says of itself.
///
/// # Errors
/// When the file cannot be read, or its times cannot be used with the plan's system.
pub fn said_in(path: &Path, plan: &Plan, options: &Options) -> Result<Said> {
    let outline = store::read_outline(path, plan.data.variable.as_deref(), &options.limits())?;
    check_unit(path, plan, &outline.unit)?;
    let dt = step_of(path, outline.time.as_deref())?;
    // a field of which nothing is said has no distances: its points are no ring
    let says = outline.geometry.is_some() || outline.space.len() != 1 || matches!(plan.data.layout, Layout::Word(_));
    let geometry = if says { plan.data.layout.of_file(&outline.space, outline.geometry).ok() } else { None };
    Ok(Said { dt, geometry })
}

/// Refuses times in a unit beside a system, whose equations are in model time: so long a step of a file would be taken for as many
/// model time units.
pub(super) fn check_unit(path: &Path, plan: &Plan, unit: &TimeUnit) -> Result<()> {
    let Some(system) = plan.system.as_ref().filter(|_| *unit != TimeUnit::Model) else { return Ok(()) };
    let message =
        format!("its times are in {}, but the equations of system `{}` are in model time", unit.name(), system.name);
    let hint = "remove [system] if these are not its trajectories, or give the times in model time (units `1`)";
    Err(Failure::new(FailureKind::Data, message).at(path.display().to_string()).hint(hint))
}

/// Refuses trajectories whose states are not `dt` apart.
pub(super) fn check_step(path: &Path, read: &Outline, dt: f64) -> Result<()> {
    let Some(own) = step_of(path, read.time.as_deref())? else { return Ok(()) };
    if same_step(own, dt) {
        return Ok(());
    }
    let message = format!("its states are {own} apart ({}), but data.dt is {dt}", read.unit.name());
    let hint = format!("set data.dt to {own}, or give trajectories with that lead step");
    Err(Failure::new(FailureKind::Data, message).at(path.display().to_string()).hint(hint))
}

/// How far two lead steps may be apart, relative to them: times are often stored in single precision.
const SAME_STEP: f64 = 1e-4;

/// Whether two lead steps are one, but for rounding.
pub fn same_step(one: f64, dt: f64) -> bool {
    (one - dt).abs() <= SAME_STEP * dt.abs()
}

/// The number of components of a state, where the plan's system or its trajectories say it.
pub fn state_dim(plan: &Plan, data: Option<&SplitTrajectories>) -> Option<usize> {
    plan.system.as_ref().map(|system| system.system.dim()).or(data.map(SplitTrajectories::dim))
}

/// The lead step of the simulator at which the plan's trajectories begin.
pub(super) fn first_step(plan: &Plan) -> usize {
    match (&plan.system, &plan.data.source) {
        (Some(system), DataSource::Simulated { spin_up: asked, .. }) => spin_up(&system.system, *asked),
        _ => 0,
    }
}

/// The layout of trajectories whose states have these sizes in space: as their file says, `own`, or the plan.
///
/// # Errors
/// [`FailureKind::Data`] when the plan's does not fit the file.
pub fn geometry(plan: &Plan, path: &Path, space: &[usize], own: Option<Geometry>) -> Result<Geometry> {
    plan.data.layout.of_file(space, own).map_err(|message| {
        Failure::new(FailureKind::Data, message)
            .at(path.display().to_string())
            .hint("change data.geometry, or give the file's variable the dimensions (case, time, y, x)")
    })
}

/// All trajectories of the plan's system, `[case, time, component]`.
///
/// # Errors
/// When they are larger than the limit, or diverge, or the user stops.
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
    options.check_memory("the trajectories", &[2, trajectories, steps.saturating_add(1), system.system.dim()])?;
    let key = Key::new(plan.seed, Domain::Data);
    let spin_up = self::spin_up(&system.system, spin_up);
    let total = spin_up.saturating_add(steps);
    progress.start("simulating", total as u64);
    let mut states = Array3::zeros((trajectories, steps + 1, system.system.dim()));
    let mut running = Simulation::new(Arc::clone(&system.system), &plan.data.stepping, trajectories, key)?;
    loop {
        if let Some(kept) = running.step().checked_sub(spin_up) {
            states.index_axis_mut(Axis(1), kept).assign(&visible(&*system.system, running.states()));
        }
        if running.step() == total {
            break;
        }
        go_on(progress, "simulating")?;
        running.advance()?;
        progress.at(running.step() as u64, "");
    }
    progress.finish();
    let diverged = running.diverged();
    match diverged.first() {
        None => Ok(states),
        Some(first) => Err(Failure::new(
            FailureKind::Numerical,
            format!("{} of {trajectories} trajectories diverged; {first}", diverged.len()),
        )),
    }
}
