//! The fixed-lag smoother that any filter of trajectories becomes (Evensen and van Leeuwen 2000; Khare, Anderson, Hoar and
//! Nychka 2008): the members of the last L sets of observations are carried behind the present ones, as further components
//! of the same members, and the update moves them too.
//!
//! With members x_k, x_{k-1}, ..., x_{k-L} side by side, [x_k ... x_{k-L}] <- [x_k ... x_{k-L}] T_k, whatever T_k the
//! filter makes of its members: for a global filter this is the ensemble Kalman smoother, for a localized one each earlier
//! component is moved by the observations near its place, and where members are weighed and resampled whole trajectories
//! are (Kitagawa 1996). Inflation and noise are given to the present alone; a random rotation turns whole trajectories.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use scorecast_systems::{Forecaster, Key, Param, Purpose};

use crate::error::{Error, Result};
use crate::numbers::Numbers;
use crate::observations::ObservationSet;
use crate::observe::{Leading, NoiseLaw, ObservationOperator};
use crate::outcome::{Outcome, Smoothed};
use crate::problem::require_saved_members;
use crate::problem::{Analysis, Cycle, Prior, draw_prior};
use crate::state::{pack, unpack};

/// The setting `lag`.
pub(crate) const LAG: Param = Param::int(
    "lag",
    0,
    0,
    "fixed-lag smoother: later sets of observations that each state is updated with too; 0 is the filter",
)
.up_to(10_000);

/// A filter that carries earlier states along.
pub struct FixedLag {
    analysis: Box<dyn Analysis>,
    members: usize,
    lag: usize,
    step: usize,
    /// The present members and behind them those of `past`, `[member, component]`.
    trajectory: Array2<f64>,
    /// The lead steps of the carried states, the latest first.
    past: Vec<usize>,
    /// Whether the present state is the analysis of a set of observations.
    analysed: bool,
    /// The weights of the trajectories, `[member]`; none means equal.
    weights: Option<Array1<f64>>,
}

impl FixedLag {
    /// A smoother of `members` members that gives each state once `lag` later sets of observations have moved it. Sets of the
    /// same lead step count as one, of which the first lets the state go.
    ///
    /// `analysis` must move earlier states as it moves the present ones: by a transform, a regression or a resampling. One that
    /// draws its members anew or adds noise to all components (`ensf`, `kernel_particle_filter`, `local_particle_filter` with
    /// jitter) makes no smoother of it.
    pub fn new(analysis: Box<dyn Analysis>, members: usize, lag: usize) -> Self {
        let trajectory = Array2::zeros((0, 0));
        Self { analysis, members, lag, step: 0, trajectory, past: Vec::new(), analysed: false, weights: None }
    }

    fn dim(&self) -> usize {
        self.trajectory.ncols() / (self.past.len() + 1)
    }

    /// The members at lead step `now` before what is carried then. Where the last set was of the same lead step they are one
    /// time, and the members are its analysis.
    fn forecast(&self, model: &dyn Forecaster, now: usize, key: Key) -> Result<Array2<f64>> {
        if self.at_the_same_time(now) {
            return Ok(self.trajectory.clone());
        }
        let mut forecast = self.trajectory.slice(s![.., ..self.dim()]).to_owned();
        model.advance(self.step, now.saturating_sub(self.step), &mut forecast, key.purpose(Purpose::ProcessNoise))?;
        if !self.analysed {
            return Ok(forecast);
        }
        concatenate(Axis(1), &[forecast.view(), self.trajectory.view()])
            .map_err(|problem| Error::Shape(format!("the forecaster changed the number of members: {problem}")))
    }

    fn at_the_same_time(&self, now: usize) -> bool {
        self.analysed && now <= self.step
    }

    fn smoothed(&self, step: usize, ensemble: Array2<f64>) -> Smoothed {
        Smoothed { weights: self.weights.clone(), ..Smoothed::new(step, ensemble) }
    }

    /// Takes off the oldest carried state.
    fn pop(&mut self) -> Option<Smoothed> {
        let dim = self.dim();
        let step = self.past.pop()?;
        let kept = self.trajectory.ncols() - dim;
        let oldest = self.smoothed(step, self.trajectory.slice(s![.., kept..]).to_owned());
        self.trajectory = self.trajectory.slice(s![.., ..kept]).to_owned();
        Some(oldest)
    }
}

impl Cycle for FixedLag {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.trajectory = draw_prior(prior, self.members, key)?;
        (self.step, self.past, self.analysed, self.weights) = (step, Vec::new(), false, None);
        self.analysis.restore(&[])
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let current = s![.., ..self.dim()];
        observed.check(self.dim())?;
        let forecast = self.forecast(model, observed.step, key)?;
        let carrying = Carrying(Leading { of: observed.operator, dim: forecast.ncols() });
        let mut outcome = self.analysis.update(forecast, &ObservationSet { operator: &carrying, ..*observed }, key)?;
        if self.analysed && !self.at_the_same_time(observed.step) {
            self.past.insert(0, self.step);
        }
        (self.step, self.analysed) = (self.step.max(observed.step), true);
        outcome.forecast = outcome.forecast.slice(current).to_owned();
        self.trajectory = std::mem::replace(&mut outcome.ensemble, Array2::zeros((0, 0)));
        self.weights.clone_from(&outcome.weights);
        if self.past.len() == self.lag {
            outcome.smoothed.extend(self.pop());
        }
        outcome.ensemble = self.trajectory.slice(current).to_owned();
        Ok(outcome)
    }

    fn finish(&mut self, _model: &dyn Forecaster, _key: Key) -> Result<Vec<Smoothed>> {
        let mut out = Vec::new();
        while let Some(oldest) = self.pop() {
            out.push(oldest);
        }
        if std::mem::take(&mut self.analysed) {
            out.push(self.smoothed(self.step, self.trajectory.clone()));
        }
        Ok(out)
    }

    fn save(&self) -> Vec<u8> {
        let weights = self.weights.as_ref().map_or(0, Array1::len);
        let mut state = vec![f64::from(u8::from(self.analysed)), self.past.len() as f64, weights as f64];
        state.extend(self.past.iter().map(|&step| step as f64));
        state.extend(self.weights.iter().flatten());
        state.extend(self.analysis.state());
        pack(self.step, &self.trajectory, &state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, trajectory, state) = unpack(bytes)?;
        require_saved_members(trajectory.nrows(), self.members)?;
        let mut numbers = Numbers::new("a fixed-lag smoother", &state);
        let (analysed, count, weights) = (numbers.flag()?, numbers.count()?, numbers.count()?);
        if count > self.lag {
            return Err(Error::State(format!(
                "it has {count} earlier states but the method is set to {} at most; set `lag` to what it was",
                self.lag
            )));
        }
        if trajectory.ncols() % (count + 1) != 0 || ![0, self.members].contains(&weights) {
            return Err(numbers.refuse(&format!(
                "{count} earlier states and {weights} weights do not fit {} components of {} members",
                trajectory.ncols(),
                self.members
            )));
        }
        let past = (0..count).map(|_| numbers.count()).collect::<Result<_>>()?;
        let weights = numbers.vector(weights)?;
        self.analysis.restore(numbers.rest())?;
        (self.past, self.weights) = (past, (!weights.is_empty()).then_some(weights));
        (self.step, self.trajectory, self.analysed) = (step, trajectory, analysed);
        Ok(())
    }
}

/// An operator on the present state with earlier ones behind it.
struct Carrying<'a>(Leading<'a>);

impl ObservationOperator for Carrying<'_> {
    fn name(&self) -> String {
        self.0.of.name()
    }

    fn dim(&self) -> usize {
        self.0.of.dim()
    }

    fn state_dim(&self) -> usize {
        self.0.dim
    }

    fn current_dim(&self) -> usize {
        self.0.of.current_dim()
    }

    fn unplaced(&self) -> usize {
        self.0.of.unplaced()
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.0.apply(t, x)
    }

    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.0.jvp(t, x, u)
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.0.vjp(t, x, v)
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.0.of.error()
    }

    fn location(&self) -> Option<Vec<usize>> {
        self.0.of.location()
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        self.0.matrix()
    }
}
