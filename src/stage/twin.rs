//! A twin experiment: a hidden truth, its observations, and the ensemble that a filter starts from.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};

use crate::assimilation::observe::{self, NoiseLaw, Observation};
use crate::assimilation::{Prior, Seen};
use crate::failure::{Failure, Kind, Result};
use crate::spec::{Initial, ObservePlan, Plan};
use crate::systems::{Domain, Forecaster, Key, Purpose, registry};

/// One replicate: a truth (where there is one), its observations, and the first ensemble.
pub struct Twin {
    /// The truth at every lead step, `[time, component]`; none for the user's own observations.
    pub truth: Option<Array2<f64>>,
    /// Observations, `[analysis, observed]`; NaN is missing.
    pub observations: Array2<f64>,
    /// The lead step of each set of observations.
    pub steps: Vec<usize>,
    /// What the filters start from, at lead step 0.
    pub prior: Prior,
    /// The address of everything that methods draw in this replicate.
    pub key: Key,
}

/// The most members that a first ensemble is made for; a method with more asks for a Gaussian prior.
pub const MOST_PRIOR_MEMBERS: usize = 65_536;

/// An operator with its error law, as a network of the experiment asks for.
///
/// # Errors
/// When the settings do not fit the state.
pub fn operator(network: &ObservePlan, dim: usize) -> Result<Box<dyn Observation>> {
    let entry = registry::find(observe::OPERATORS, "operator", &network.operator)?;
    let noise = network.noise.clone();
    let law = move |observed: usize| -> crate::assimilation::Result<Box<dyn NoiseLaw>> {
        Ok(Box::new(observe::GaussianError::new(observed, &noise)?))
    };
    Ok((entry.build)(&network.settings, dim, &law)?)
}

/// The perfect forecaster of an experiment that has a simulator.
///
/// # Errors
/// When the integrator does not fit the system.
pub fn perfect(plan: &Plan) -> Result<Option<Box<dyn Forecaster>>> {
    let Some(system) = &plan.system else { return Ok(None) };
    Ok(Some(Arc::clone(&system.system).forecaster(&plan.data.stepping)?))
}

/// Makes the replicates of one network.
///
/// The truth starts from a state of the climate that no trajectory of the training data shares, and is stepped by the
/// system itself; without a system, test trajectories serve as truths.
///
/// # Errors
/// When there is neither a system nor enough test trajectories, or the truth diverges.
pub fn twins(
    plan: &Plan,
    network: &ObservePlan,
    operator: &dyn Observation,
    climate: &Climate,
    test: &Array3<f64>,
) -> Result<Vec<Twin>> {
    let truths = match perfect(plan)? {
        Some(model) => simulated_truths(plan, network, model.as_ref(), climate)?,
        None => recorded_truths(network, test)?,
    };
    truths
        .into_iter()
        .enumerate()
        .map(|(replicate, truth)| {
            let key = Key::new(plan.seed, Domain::Method).case(replicate as u64);
            let steps: Vec<usize> = (1..=network.steps / network.every).map(|j| j * network.every).collect();
            let observations = observe_truth(plan, &truth, &steps, operator, replicate);
            let prior = prior(network, truth.row(0).to_owned(), climate, key)?;
            Ok(Twin { truth: Some(truth), observations, steps, prior, key })
        })
        .collect()
}

fn simulated_truths(
    plan: &Plan,
    network: &ObservePlan,
    model: &dyn Forecaster,
    climate: &Climate,
) -> Result<Vec<Array2<f64>>> {
    let key = Key::new(plan.seed, Domain::Truth);
    let mut state = climate.fresh_states(network.replicates, key)?;
    let mut truths = vec![Array2::zeros((network.steps + 1, state.ncols())); network.replicates];
    for step in 0..=network.steps {
        if step > 0 {
            model.advance(step - 1, 1, &mut state, key.purpose(Purpose::ProcessNoise))?;
        }
        for (truth, row) in truths.iter_mut().zip(state.outer_iter()) {
            truth.row_mut(step).assign(&row);
        }
    }
    match truths.iter().position(|truth| truth.iter().any(|value| !value.is_finite())) {
        None => Ok(truths),
        Some(replicate) => Err(Failure::new(
            Kind::Numerical,
            format!("the truth of replicate {replicate} diverged: the integrator is unstable at this step"),
        )
        .hint("set a smaller data.dt or more data.substeps")),
    }
}

fn recorded_truths(network: &ObservePlan, test: &Array3<f64>) -> Result<Vec<Array2<f64>>> {
    let (cases, times, _) = test.dim();
    if cases < network.replicates || times <= network.steps {
        return Err(Failure::new(
            Kind::Usage,
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

fn observe_truth(
    plan: &Plan,
    truth: &Array2<f64>,
    steps: &[usize],
    operator: &dyn Observation,
    replicate: usize,
) -> Array2<f64> {
    let key = Key::new(plan.seed, Domain::Truth).case(replicate as u64).purpose(Purpose::ObservationNoise);
    let mut observations = Array2::zeros((steps.len(), operator.dim()));
    for (mut row, &step) in observations.outer_iter_mut().zip(steps) {
        let state = truth.row(step).insert_axis(Axis(0));
        let clean = operator.apply(step as f64 * plan.data.stepping.dt, state);
        let error = operator.error().sample(1, key.at(step as u64));
        row.assign(&(&clean.row(0) + &error.row(0)));
    }
    observations
}

fn prior(network: &ObservePlan, truth: Array1<f64>, climate: &Climate, key: Key) -> Result<Prior> {
    let dim = truth.len();
    let spread = |values: &[f64]| -> Array1<f64> {
        if values.len() == 1 { Array1::from_elem(dim, values[0]) } else { Array1::from(values.to_vec()) }
    };
    Ok(match &network.initial {
        Initial::Climatology => climate.prior(key)?,
        Initial::TruthSd(sd) => {
            // the first guess is off by a draw of its own law, so that the truth is a fair draw of the prior
            let error = key.purpose(Purpose::InitialState).stream(u64::MAX).clone();
            let mut error = error;
            let mean = truth.mapv(|value| value + sd * error.normal());
            Prior::Gaussian { mean, covariance: Array2::from_diag(&Array1::from_elem(dim, sd * sd)) }
        }
        Initial::Gaussian { mean, sd } => Prior::Gaussian {
            mean: spread(mean),
            covariance: Array2::from_diag(&spread(sd).mapv(|value| value * value)),
        },
    })
}

/// What is known of the climate: a sample of states, and the system where there is one.
pub struct Climate {
    /// Training states, `[sample, component]`.
    pub states: Array2<f64>,
    /// Mean of each component.
    pub mean: Array1<f64>,
    /// Standard deviation of each component.
    pub sd: Array1<f64>,
    fresh: Option<Fresh>,
}

struct Fresh {
    plan: Plan,
    spin_up: usize,
}

impl Climate {
    /// From training trajectories, `[case, time, component]`, and the plan's system.
    pub fn new(plan: &Plan, train: &Array3<f64>) -> Self {
        let (cases, times, dim) = train.dim();
        let states = train.to_shape((cases * times, dim)).map(|view| view.to_owned()).unwrap_or_default();
        let mean = states.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(dim));
        let sd = states.std_axis(Axis(0), 0.0);
        let fresh = plan.system.is_some().then(|| Fresh { plan: plan.clone(), spin_up: spin_up(plan) });
        Self { states, mean, sd, fresh }
    }

    /// The standard deviation of a state, root mean square over components.
    pub fn scale(&self) -> f64 {
        (self.sd.mapv(|sd| sd * sd).mean().unwrap_or(f64::NAN)).sqrt()
    }

    /// Independent states of the climate, each from a spin-up of its own, `[member, component]`.
    fn fresh_states(&self, members: usize, key: Key) -> Result<Array2<f64>> {
        let Some(fresh) = &self.fresh else {
            return Err(Failure::new(Kind::Bug, "fresh states were asked for without a system"));
        };
        let Some(system) = &fresh.plan.system else {
            return Err(Failure::new(Kind::Bug, "fresh states were asked for without a system"));
        };
        let mut states = system.system.initial(members, key.purpose(Purpose::InitialState));
        if !system.system.initial_is_stationary() {
            let model = Arc::clone(&system.system).forecaster(&fresh.plan.data.stepping)?;
            // a case of its own keeps the spin-up's noise apart from the noise that follows
            model.advance(0, fresh.spin_up, &mut states, key.purpose(Purpose::ProcessNoise).case(u64::MAX))?;
        }
        Ok(states)
    }

    /// A prior of independent climate states: training states drawn without regard to time.
    fn prior(&self, key: Key) -> Result<Prior> {
        let members = MOST_PRIOR_MEMBERS.min(self.states.nrows().max(2));
        let mut draws = Array2::zeros((members, self.states.ncols()));
        for (member, mut row) in draws.outer_iter_mut().enumerate() {
            let pick = key.purpose(Purpose::InitialState).stream(member as u64).below(self.states.nrows());
            row.assign(&self.states.row(pick));
        }
        Ok(Prior::Ensemble(draws))
    }
}

fn spin_up(plan: &Plan) -> usize {
    match plan.data.source {
        crate::spec::DataSource::Simulated { spin_up, .. } => spin_up,
        crate::spec::DataSource::File(_) => 1000,
    }
}

/// One set of observations of a twin, as methods see it.
pub fn seen<'a>(twin: &'a Twin, index: usize, dt: f64, operator: &'a dyn Observation) -> Seen<'a> {
    let step = twin.steps[index];
    Seen { step, time: step as f64 * dt, values: twin.observations.row(index), operator }
}

/// The observations put at the components where they sit, `[component]`, NaN elsewhere; none where they sit nowhere.
pub fn placed(observation: ndarray::ArrayView1<f64>, operator: &dyn Observation) -> Option<Array1<f64>> {
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
