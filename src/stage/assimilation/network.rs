//! An observing network: an operator, and the replicates that are observed through it.

use std::path::Path;

use ndarray::{Array2, Array3, Axis};

use super::lost::Rule;
use super::observation_times;
use super::observing::{observation_key, observe_truth, steps};
use super::prior::{climate, prior};
use super::replicate::Replicate;
use super::truth::truths;
use super::withheld::Withheld;
use crate::assimilation::{ObservationOperator, Prior};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::{AssimilatePlan, ObservePlan, Plan};
use crate::stage::data::{Pasts, SplitTrajectories, health};
use crate::stage::experiment::Experiment;
use crate::stage::options::Options;
use crate::store;
use crate::store::netcdf::{TimeUnit, Wording, units_differ};
use crate::systems::{Domain, Key};

/// A network with its operator and replicates.
pub struct ObservingNetwork {
    /// The plan's part.
    pub plan: ObservePlan,
    /// The operator.
    pub operator: Box<dyn ObservationOperator>,
    /// The replicates.
    pub replicates: Vec<Replicate>,
    /// Draws of the climate, where filters start from a law that is not the climate's: what a background covariance is made
    /// of. They are of the training trajectories, which no truth shares.
    pub climate: Option<Prior>,
    /// What came before the states of the training trajectories, where a forecaster of its rows is given more than one state.
    pub pasts: Option<Pasts>,
    /// Values that the error law could not draw, of all.
    pub undrawn: (usize, usize),
    /// The times of the sets of observations: as a user's file says them, or model times.
    pub times: Vec<f64>,
    /// What the file that the times are from calls what it holds: that of the observations, or that of the trajectories which
    /// are the truths.
    pub wording: Wording,
    /// What the file of the trajectories calls what it holds.
    pub states: Wording,
}

impl ObservingNetwork {
    /// The lead steps of the sets of observations that a row uses: up to its own last step, or all of the user's file
    /// where the row asks for no less.
    pub fn sets_of(&self, row: &AssimilatePlan) -> &[usize] {
        let whole_file = self.plan.file.is_some() && row.steps >= self.plan.steps;
        let last = if whole_file { usize::MAX } else { row.steps };
        let first = self.replicates.first();
        first.map_or(&[], |replicate| &replicate.steps[..replicate.steps.partition_point(|&step| step <= last)])
    }

    /// The replicates of a row: its own number, or all that the user's file has.
    pub fn replicates_of(&self, row: &AssimilatePlan) -> &[Replicate] {
        let own_file = self.plan.file.is_some() && row.replicates >= self.plan.replicates;
        if own_file { &self.replicates } else { &self.replicates[..row.replicates.min(self.replicates.len())] }
    }

    /// Whether there is a truth.
    pub fn has_truth(&self) -> bool {
        self.replicates.iter().any(|replicate| replicate.truth.is_some())
    }
}

/// Makes the networks that rows of `plan` use: that of the experiment, or another on the same trajectories.
///
/// # Errors
/// When an operator does not fit the state, a truth diverges, or the user's observations cannot be read.
pub fn networks(plan: &Plan, experiment: &Experiment, progress: &dyn Progress) -> Result<Vec<ObservingNetwork>> {
    let used = |network: &&ObservePlan| plan.assimilate.iter().any(|row| row.observe == network.name);
    let system = plan.system.as_ref().map(|system| system.system.dim());
    let Some(dim) = system.or(experiment.climate().map(|climate| climate.mean.len())) else {
        return Err(Failure::new(FailureKind::Usage, "the size of the state is not known")
            .hint("add a [system], or trajectories with data.file"));
    };
    plan.observe
        .iter()
        .filter(used)
        .map(|network| {
            let operator = network.build(dim)?;
            if let Some((_, what)) = network.misplaced(operator.dim()) {
                return Err(Failure::new(FailureKind::Usage, what));
            }
            let making = Making { plan, experiment, network, operator: operator.as_ref(), progress };
            let (replicates, times, wording, undrawn) = match &network.file {
                Some(path) => making.recorded(path)?,
                None => making.simulated()?,
            };
            let climate = climate(plan, network, experiment.climate());
            let pasts = pasts(plan, network, experiment);
            let states = experiment.data.as_ref().map(|data| data.wording.clone()).unwrap_or_default();
            Ok(ObservingNetwork {
                plan: network.clone(),
                operator,
                replicates,
                climate,
                pasts,
                undrawn,
                times,
                wording,
                states,
            })
        })
        .collect()
}

/// The pasts that the longest history of the forecasters of a network's rows needs.
fn pasts(plan: &Plan, network: &ObservePlan, experiment: &Experiment) -> Option<Pasts> {
    let rows = plan.assimilate.iter().filter(|row| row.observe == network.name);
    let of = |row: &AssimilatePlan| experiment.forecaster(&row.forecaster).map_or(1, |made| made.fitted.history());
    let history = rows.map(of).max().filter(|history| *history > 1)?;
    Pasts::new(experiment.data.as_ref()?.train.view(), &experiment.climate()?.sd, history)
}

/// The network of a name.
///
/// # Errors
/// A bug: checking the experiment has seen to it.
pub fn find<'a>(networks: &'a [ObservingNetwork], name: &str) -> Result<&'a ObservingNetwork> {
    networks
        .iter()
        .find(|network| network.plan.name == name)
        .ok_or_else(|| Failure::new(FailureKind::Bug, format!("network `{name}` was not made")))
}

/// Replicates, the times of their sets, what the file of those times calls what it holds, and how many values the error law
/// could not draw, of how many.
type Clocked = (Vec<Replicate>, Vec<f64>, Wording, (usize, usize));

/// What the replicates of a network are made from.
struct Making<'a> {
    plan: &'a Plan,
    experiment: &'a Experiment<'a>,
    network: &'a ObservePlan,
    operator: &'a dyn ObservationOperator,
    progress: &'a dyn Progress,
}

impl Making<'_> {
    /// The replicates of a twin experiment.
    fn simulated(&self) -> Result<Clocked> {
        let Self { plan, network, .. } = *self;
        let mut undrawn = (0, 0);
        let test = self.experiment.data.as_ref().map(|data| data.test.view());
        let replicates = truths(plan, network, test, self.progress)?
            .into_iter()
            .enumerate()
            .map(|(index, truth)| {
                let key = Key::new(plan.seed, Domain::Method).case(index as u64);
                let steps = steps(plan, network);
                let (mut observations, not_drawn) = observe_truth(plan, network, &truth, &steps, self.operator, index);
                undrawn = (undrawn.0 + not_drawn, undrawn.1 + observations.len());
                let withheld = Withheld::take(network, &mut observations, &steps, observation_key(plan, index));
                let climate = self.experiment.climate();
                let prior = prior(plan, network, climate, Some(truth.row(0).to_owned()), truth.ncols(), key)?;
                let lost = climate.map_or_else(Rule::none, |climate| Rule::of(climate, &truth, &steps));
                Ok(Replicate { truth: Some(truth), observations, withheld, steps, lost, prior, key })
            })
            .collect::<Result<Vec<_>>>()?;
        let (times, wording) = self.clock(&replicates);
        Ok((replicates, times, wording, undrawn))
    }

    /// The times of the sets of simulated replicates, and what is said of them: those of the trajectories' file where its
    /// trajectories are the truths.
    fn clock(&self, replicates: &[Replicate]) -> (Vec<f64>, Wording) {
        let dt = self.plan.data.stepping.dt;
        let steps = replicates.first().map_or(&[][..], |replicate| &replicate.steps);
        match (&self.experiment.data, &self.plan.system) {
            (Some(data), None) => (data.times(steps.iter().copied(), dt), data.wording.clone()),
            _ => (steps.iter().map(|&step| step as f64 * dt).collect(), Wording::default()),
        }
    }

    /// The user's own observations, at the lead steps of their times; there is no truth.
    fn recorded(&self, path: &Path) -> Result<Clocked> {
        let Self { plan, network, .. } = *self;
        let Experiment { data, options, .. } = self.experiment;
        let Recorded { values, steps, times, wording } =
            recorded_sets(plan, network, path, self.operator, data.as_ref(), options)?;
        if let Some(last) = steps.last().filter(|last| **last <= network.burn_in) {
            let (burn_in, name) = (network.burn_in, &network.name);
            let message = format!("`{name}` has a `burn_in` of {burn_in}, but its last set is at lead step {last}");
            let hint = "lower observe.burn_in, or give a file that goes on for longer";
            return Err(Failure::new(FailureKind::Usage, message).hint(hint));
        }
        let replicates = (0..values.dim().0)
            .map(|index| {
                let key = Key::new(plan.seed, Domain::Method).case(index as u64);
                let mut observations = values.index_axis(Axis(0), index).to_owned();
                let steps = steps.clone();
                let withheld = Withheld::take(network, &mut observations, &steps, observation_key(plan, index));
                let prior = prior(plan, network, self.experiment.climate(), None, self.operator.state_dim(), key)?;
                Ok(Replicate { truth: None, observations, withheld, steps, lost: Rule::none(), prior, key })
            })
            .collect::<Result<_>>()?;
        Ok((replicates, times, wording, (0, 0)))
    }
}

/// The user's own observations.
pub struct Recorded {
    /// `[replicate, set, observed]`; NaN is missing.
    pub values: Array3<f64>,
    /// The lead step of each set.
    pub steps: Vec<usize>,
    /// The time of each set, as the file says it; model time where it says none.
    pub times: Vec<f64>,
    /// What the file calls what it holds.
    pub wording: Wording,
}

/// Reads the user's own observations.
///
/// # Errors
/// When the file cannot be read, does not hold what the operator gives, or its times are those of no lead steps.
pub fn recorded_sets(
    plan: &Plan,
    network: &ObservePlan,
    path: &Path,
    operator: &dyn ObservationOperator,
    data: Option<&SplitTrajectories>,
    options: &Options,
) -> Result<Recorded> {
    let (observations, wording) =
        store::netcdf::read_worded_observations(path, network.variable.as_deref(), &options.limits())?;
    let store::netcdf::Observations { values, time, unit } = observations;
    let (_, sets, width) = values.dim();
    let at = |message: String| Failure::new(FailureKind::Data, message).at(path.display().to_string());
    if width != operator.dim() {
        let (name, count) = (&network.operator, operator.dim());
        return Err(at(format!("the file has sets of {width} values but operator `{name}` gives {count}"))
            .hint("set observe.operator so that it observes what the file holds"));
    }
    if sets == 0 {
        return Err(at("the file has no sets of observations".into()).hint("give a file that has some"));
    }
    if values.iter().all(|value| value.is_nan()) {
        return Err(at("the file has no value that is not missing".into()).hint("give a file that has some"));
    }
    health::usable(values.view().into_dyn()).map_err(|(what, remedy)| at(what).hint(remedy))?;
    if let Some((observed, states)) = other_units(operator, &wording, data) {
        let message =
            format!("its observations are in `{observed}`, but the states are in `{states}` (attribute `units`)");
        return Err(at(message).hint("give both in one unit, or correct the attribute"));
    }
    let own = data.map_or(&TimeUnit::Model, |data| &data.unit);
    let said = time.clone();
    let time = time.map(|time| in_lead_steps_unit(time, &unit, own)).transpose();
    let time = time.map_err(|(what, hint)| at(what).hint(hint))?;
    let steps = observation_times::lead_steps(time.as_deref(), sets, network.every, plan.data.stepping.dt)
        .map_err(|(what, remedy)| at(what).hint(remedy))?;
    let counted = || steps.iter().map(|&step| step as f64 * plan.data.stepping.dt).collect();
    let times = said.unwrap_or_else(counted);
    Ok(Recorded { values, steps, times, wording })
}

/// The units of observations and states where both are said and differ, though observations are states or means of states: what
/// other operators give is in a unit of its own. A linear operator gives means where the observations of x = 1 are 1.
fn other_units(
    operator: &dyn ObservationOperator,
    observations: &Wording,
    data: Option<&SplitTrajectories>,
) -> Option<(String, String)> {
    let (observed, states) = (observations.units()?, data?.wording.units()?);
    if !units_differ(Some(observed), Some(states)) || !operator.is_linear() {
        return None;
    }
    let ones = Array2::ones((1, operator.state_dim()));
    let means = operator.apply(0.0, ones.view()).iter().all(|value| (value - 1.0).abs() < 1e-9);
    means.then(|| (observed.to_owned(), states.to_owned()))
}

/// Times of observations in the unit of the trajectories.
fn in_lead_steps_unit(mut time: Vec<f64>, unit: &TimeUnit, own: &TimeUnit) -> Result<Vec<f64>, (String, String)> {
    if *unit == TimeUnit::Model {
        return Ok(time);
    }
    let Some(factor) = own.in_these(unit) else {
        let what = format!("its `time` is in {}, but lead steps are in {}", unit.name(), own.name());
        let remedy =
            format!("give `time` in {}, or trajectories (data.file) whose times are in {}", own.name(), unit.name());
        return Err((what, remedy));
    };
    time.iter_mut().for_each(|time| *time *= factor);
    Ok(time)
}
