//! A twin experiment: a hidden truth, its observations, and the ensemble that a filter starts from.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};

use crate::assimilation::{ObservationOperator, ObservationSet, Prior};
use crate::failure::{Failure, FailureKind, Result};
use crate::spec::{AssimilatePlan, DataSource, Initial, ObservePlan, Plan, SystemPlan};
use crate::stage::apart::Withheld;
use crate::stage::{Options, set_times};
use crate::store;
use crate::systems::{Domain, Forecaster, Key, Purpose, system};

/// The most values of a climatological prior beyond one state a member.
const PRIOR_VALUES: usize = 1 << 21;

/// One replicate: a truth (where there is one), its observations, and the first ensemble.
pub struct Twin {
    /// The truth at every lead step, `[time, component]`; none for the user's own observations.
    pub truth: Option<Array2<f64>>,
    /// Observations that methods see, `[analysis, observed]`; NaN is missing.
    pub observations: Array2<f64>,
    /// Those that they do not see, where there are any.
    pub apart: Option<Withheld>,
    /// The lead step of each set of observations.
    pub steps: Vec<usize>,
    /// What the filters start from, at lead step 0.
    pub prior: Prior,
    /// The address of everything that methods draw in this replicate.
    pub key: Key,
}

impl Twin {
    /// All observations, those that methods do not see among them; NaN is missing.
    pub fn all_observations(&self) -> Array2<f64> {
        let mut all = self.observations.clone();
        for kept in self.apart.iter().flat_map(|apart| [&apart.evaluated, &apart.not_used]) {
            all.zip_mut_with(kept, |y, kept| *y = if kept.is_nan() { *y } else { *kept });
        }
        all
    }
}

/// A network with its operator and replicates.
pub struct Network {
    /// The plan's part.
    pub plan: ObservePlan,
    /// The operator.
    pub operator: Box<dyn ObservationOperator>,
    /// The replicates.
    pub twins: Vec<Twin>,
}

impl Network {
    /// The lead steps of the sets of observations that a row uses: up to its own last step, or all of the user's file
    /// where the row asks for no less.
    pub fn sets(&self, row: &AssimilatePlan) -> &[usize] {
        let whole_file = self.plan.file.is_some() && row.steps >= self.plan.steps;
        let last = if whole_file { usize::MAX } else { row.steps };
        self.twins.first().map_or(&[], |twin| &twin.steps[..twin.steps.partition_point(|&step| step <= last)])
    }

    /// The replicates of a row: its own number, or all that the user's file has.
    pub fn replicates(&self, row: &AssimilatePlan) -> &[Twin] {
        let own_file = self.plan.file.is_some() && row.replicates >= self.plan.replicates;
        if own_file { &self.twins } else { &self.twins[..row.replicates.min(self.twins.len())] }
    }
}

/// What the replicates of every network are made from.
pub struct Source<'a> {
    /// The experiment.
    pub plan: &'a Plan,
    /// The climate, where there are trajectories to know it from.
    pub climate: Option<&'a Climate>,
    /// Test trajectories, `[case, time, component]`: the truths where there is no system.
    pub test: Option<&'a Array3<f64>>,
    /// The limits on what is read.
    pub options: &'a Options,
}

/// Makes the networks that rows of the plan use.
///
/// # Errors
/// When an operator does not fit the state, a truth diverges, or the user's observations cannot be read.
pub fn networks(source: &Source) -> Result<Vec<Network>> {
    let plan = source.plan;
    let used = |network: &&ObservePlan| plan.assimilate.iter().any(|row| row.observe == network.name);
    let system = plan.system.as_ref().map(|system| system.system.dim());
    let Some(dim) = system.or(source.climate.map(|climate| climate.mean.len())) else {
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
            let twins = match &network.file {
                Some(path) => recorded(source, network, path, operator.as_ref())?,
                None => twins(source, network, operator.as_ref())?,
            };
            Ok(Network { plan: network.clone(), operator, twins })
        })
        .collect()
}

/// The replicates of a twin experiment.
///
/// The truth starts from a state of the climate that no trajectory of the training data shares, and is stepped by the
/// system itself; without a system, test trajectories serve as truths.
fn twins(source: &Source, network: &ObservePlan, operator: &dyn ObservationOperator) -> Result<Vec<Twin>> {
    let plan = source.plan;
    let truths = match (&plan.system, source.test) {
        (Some(system), _) => simulated_truths(plan, system, network)?,
        (None, Some(test)) => recorded_truths(network, test)?,
        (None, None) => {
            let message = "a twin experiment needs a truth, but there is neither a [system] nor data";
            return Err(Failure::new(FailureKind::Usage, message).hint("add one of them"));
        }
    };
    truths
        .into_iter()
        .enumerate()
        .map(|(replicate, truth)| {
            let key = Key::new(plan.seed, Domain::Method).case(replicate as u64);
            let steps = steps(plan, network);
            let mut observations = observe_truth(plan, network, &truth, &steps, operator, replicate);
            let apart = Withheld::take(network, &mut observations, &steps, observation_key(plan, replicate));
            let prior = source.prior(network, Some(truth.row(0).to_owned()), truth.ncols(), key)?;
            Ok(Twin { truth: Some(truth), observations, apart, steps, prior, key })
        })
        .collect()
}

/// The user's own observations, at the lead steps of their times; there is no truth.
fn recorded(
    source: &Source,
    network: &ObservePlan,
    path: &Path,
    operator: &dyn ObservationOperator,
) -> Result<Vec<Twin>> {
    let store::netcdf::Observations { values, time } =
        store::netcdf::read_observations(path, None, &source.options.limits())?;
    let (replicates, sets, width) = values.dim();
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
    let steps = set_times::lead_steps(time.as_deref(), sets, network.every, source.plan.data.stepping.dt)
        .map_err(|(what, remedy)| at(what).hint(remedy))?;
    (0..replicates)
        .map(|replicate| {
            let key = Key::new(source.plan.seed, Domain::Method).case(replicate as u64);
            let mut observations = values.index_axis(Axis(0), replicate).to_owned();
            let steps = steps.clone();
            let apart = Withheld::take(network, &mut observations, &steps, observation_key(source.plan, replicate));
            Ok(Twin {
                truth: None,
                observations,
                apart,
                steps,
                prior: source.prior(network, None, operator.state_dim(), key)?,
                key,
            })
        })
        .collect()
}

/// Truths of what is seen of the system, whose whole state is stepped.
fn simulated_truths(plan: &Plan, system: &SystemPlan, network: &ObservePlan) -> Result<Vec<Array2<f64>>> {
    let key = Key::new(plan.seed, Domain::Truth);
    let model = Arc::clone(system::whole(&system.system)).forecaster(&plan.data.stepping)?;
    let mut state = fresh_states(plan, system, &*model, network.replicates, key)?;
    let mut truths = vec![Array2::zeros((network.steps + 1, system.system.dim())); network.replicates];
    for step in 0..=network.steps {
        if step > 0 {
            model.advance(step - 1, 1, &mut state, key.purpose(Purpose::ProcessNoise))?;
            shock(network, &mut state, key.purpose(Purpose::Perturbation).at(step as u64));
        }
        for (truth, row) in truths.iter_mut().zip(system::seen(&*system.system, state.view()).outer_iter()) {
            truth.row_mut(step).assign(&row);
        }
    }
    match truths.iter().position(|truth| truth.iter().any(|value| !value.is_finite())) {
        None => Ok(truths),
        Some(replicate) => Err(Failure::new(
            FailureKind::Numerical,
            format!("the truth of replicate {replicate} diverged: the integrator is unstable at this step"),
        )
        .hint("set a smaller data.dt or more data.substeps")),
    }
}

/// Moves each truth by Gaussian noise of a share of its own root mean square, where chance will have it.
fn shock(network: &ObservePlan, state: &mut Array2<f64>, key: Key) {
    for (jump, &[probability, size]) in network.jumps.iter().enumerate() {
        for (replicate, mut row) in state.outer_iter_mut().enumerate() {
            let mut stream = key.case(jump as u64).stream(replicate as u64);
            if stream.uniform() < probability {
                let scale = size * (row.dot(&row) / row.len() as f64).sqrt();
                row.iter_mut().for_each(|value| *value += scale * stream.normal());
            }
        }
    }
}

fn recorded_truths(network: &ObservePlan, test: &Array3<f64>) -> Result<Vec<Array2<f64>>> {
    let (cases, times, _) = test.dim();
    if cases < network.replicates || times <= network.steps {
        return Err(Failure::new(
            FailureKind::Usage,
            format!(
                "network `{}` asks for {} truths of {} lead steps, but there are {cases} test trajectories of {}",
                network.name,
                network.replicates,
                network.steps,
                times.saturating_sub(1)
            ),
        )
        .hint("set fewer observe.replicates or observe.steps, or a larger test share in data.split"));
    }
    Ok((0..network.replicates).map(|case| test.slice(s![case, ..=network.steps, ..]).to_owned()).collect())
}

/// The lead steps of the sets of observations: each `every`-th, or as many at random, the same for every replicate.
fn steps(plan: &Plan, network: &ObservePlan) -> Vec<usize> {
    if !network.irregular {
        return (1..=network.steps / network.every).map(|j| j * network.every).collect();
    }
    let mut stream = Key::new(plan.seed, Domain::Truth).purpose(Purpose::ObservationNoise).case(u64::MAX).stream(0);
    let mut all: Vec<usize> = (1..=network.steps).collect();
    let count = network.steps / network.every;
    // the first draws of a shuffle
    for i in 0..count {
        all.swap(i, i + stream.below(network.steps - i));
    }
    all.truncate(count);
    all.sort_unstable();
    all
}

/// The address of what is drawn of the observations of one replicate.
fn observation_key(plan: &Plan, replicate: usize) -> Key {
    Key::new(plan.seed, Domain::Truth).case(replicate as u64).purpose(Purpose::ObservationNoise)
}

fn observe_truth(
    plan: &Plan,
    network: &ObservePlan,
    truth: &Array2<f64>,
    steps: &[usize],
    operator: &dyn ObservationOperator,
    replicate: usize,
) -> Array2<f64> {
    let key = observation_key(plan, replicate);
    let mut observations = Array2::zeros((steps.len(), operator.dim()));
    for (mut row, &step) in observations.outer_iter_mut().zip(steps) {
        let state = truth.row(step).insert_axis(Axis(0));
        let clean = operator.apply(step as f64 * plan.data.stepping.dt, state);
        row.assign(&operator.error().observe(clean.view(), key.at(step as u64)).row(0));
        if network.missing > 0.0 {
            // beside stream 0, of the errors
            let mut stream = key.at(step as u64).stream(1);
            row.iter_mut().filter(|_| stream.uniform() < network.missing).for_each(|value| *value = f64::NAN);
        }
    }
    observations
}

impl Source<'_> {
    /// The law that filters start from.
    fn prior(&self, network: &ObservePlan, truth: Option<Array1<f64>>, dim: usize, key: Key) -> Result<Prior> {
        let spread = |values: &[f64]| -> Array1<f64> {
            if let [one] = values { Array1::from_elem(dim, *one) } else { Array1::from(values.to_vec()) }
        };
        match (&network.initial, truth, self.climate) {
            (Initial::Gaussian { mean, sd }, ..) => Ok(Prior::Independent { mean: spread(mean), sd: spread(sd) }),
            (Initial::TruthSd(sd), Some(truth), _) => {
                // the first guess is itself off by a draw of the prior's law, so that the truth is a fair draw of the prior
                let mut error = key.purpose(Purpose::InitialState).stream(u64::MAX);
                let mean = truth.mapv(|value| value + sd * error.normal());
                Ok(Prior::Independent { mean, sd: Array1::from_elem(dim, *sd) })
            }
            (Initial::TruthSd(_), None, _) => Err(Failure::new(
                FailureKind::Usage,
                "observe.initial is set around the truth, but the user's own observations come without one",
            )
            .hint("set observe.initial to \"climatology\" or to { mean = [...], sd = s }")),
            (Initial::Climatology, _, Some(climate)) => {
                let members = self.plan.assimilate.iter().map(|row| row.settings.count("members")).max();
                // methods that take the prior's moments take those of all its draws
                let whole = climate.states.nrows().min(PRIOR_VALUES / climate.states.ncols().max(1));
                Ok(climate.prior(members.unwrap_or(2).max(2).max(whole), key))
            }
            (Initial::Climatology, _, None) => Err(Failure::new(
                FailureKind::Usage,
                "observe.initial is \"climatology\", but there are no trajectories to take it from",
            )
            .hint(
                "add a [system], or trajectories with data.file, or set observe.initial to { mean = [...], sd = s }",
            )),
        }
    }
}

/// What is known of the climate: a sample of states.
pub struct Climate {
    /// Training states, `[sample, component]`.
    pub states: Array2<f64>,
    /// Mean of each component.
    pub mean: Array1<f64>,
    /// Standard deviation of each component.
    pub sd: Array1<f64>,
}

impl Climate {
    /// From training trajectories, `[case, time, component]`.
    pub fn new(train: &Array3<f64>) -> Self {
        let (cases, times, dim) = train.dim();
        let states = train.to_shape((cases * times, dim)).map(|view| view.to_owned()).unwrap_or_default();
        let mean = states.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(dim));
        let sd = states.std_axis(Axis(0), 0.0);
        Self { states, mean, sd }
    }

    /// The standard deviation of a state, root mean square over components.
    pub fn scale(&self) -> f64 {
        self.sd.mapv(|sd| sd * sd).mean().unwrap_or(f64::NAN).sqrt()
    }

    /// A prior of independent climate states: training states drawn without regard to time.
    fn prior(&self, members: usize, key: Key) -> Prior {
        let mut draws = Array2::zeros((members, self.states.ncols()));
        for (member, mut row) in draws.outer_iter_mut().enumerate() {
            let pick = key.purpose(Purpose::InitialState).stream(member as u64).below(self.states.nrows());
            row.assign(&self.states.row(pick));
        }
        Prior::Ensemble(draws)
    }
}

/// Independent whole states of the system's climate, each from a spin-up of its own, `[member, component]`.
fn fresh_states(
    plan: &Plan,
    system: &SystemPlan,
    model: &dyn Forecaster,
    members: usize,
    key: Key,
) -> Result<Array2<f64>> {
    let whole = system::whole(&system.system);
    let mut states = whole.initial(members, key.purpose(Purpose::InitialState));
    if !whole.initial_is_stationary() {
        let spin_up = match plan.data.source {
            DataSource::Simulated { spin_up, .. } => spin_up,
            DataSource::File(_) => system.recipe.spin_up_for(plan.data.stepping.dt),
        };
        // a case of its own keeps the spin-up's noise apart from the noise that follows
        model.advance(0, spin_up, &mut states, key.purpose(Purpose::ProcessNoise).case(u64::MAX))?;
    }
    Ok(states)
}

/// One set of observations of a twin, as methods see it.
pub fn observed<'a>(
    twin: &'a Twin,
    index: usize,
    dt: f64,
    operator: &'a dyn ObservationOperator,
) -> ObservationSet<'a> {
    let step = twin.steps[index];
    ObservationSet { step, time: step as f64 * dt, values: twin.observations.row(index), operator }
}

/// The observations of one set of a twin that forecasts and analyses are verified against, as [`observed`]; none where nothing
/// is withheld.
pub fn withheld<'a>(twin: &'a Twin, index: usize, now: &ObservationSet<'a>) -> Option<ObservationSet<'a>> {
    Some(ObservationSet { values: twin.apart.as_ref()?.evaluated.row(index), ..*now })
}

/// The observations put at the components where they sit, `[component]`, NaN elsewhere; none where they sit nowhere.
pub fn placed(observation: ndarray::ArrayView1<f64>, operator: &dyn ObservationOperator) -> Option<Array1<f64>> {
    let location = operator.location()?;
    let mut row = Array1::from_elem(operator.state_dim(), f64::NAN);
    for (&component, &value) in location.iter().zip(observation) {
        row[component] = value;
    }
    Some(row)
}

/// The rows of `x` as nested options, for the report: NaN becomes null.
pub fn as_field(x: ArrayView2<f64>) -> Vec<Vec<Option<f64>>> {
    x.outer_iter().map(|row| row.iter().map(|&value| value.is_finite().then_some(value)).collect()).collect()
}
