//! The fixed-lag smoother that any filter of trajectories becomes (Evensen and van Leeuwen 2000; Khare, Anderson, Hoar and
//! Nychka 2008): the members of the last L sets of observations are carried behind the present ones, as further components
//! of the same members, and the update moves them too.
//!
//! With members x_k, x_{k-1}, ..., x_{k-L} side by side, [x_k ... x_{k-L}] <- [x_k ... x_{k-L}] T_k, whatever T_k the
//! filter makes of its members: for a global filter this is the ensemble Kalman smoother, for a localized one each earlier
//! component is moved by the observations near its place, and where members are weighed and resampled whole trajectories
//! are (Kitagawa 1996). Inflation and noise are given to the present alone; a random rotation turns whole trajectories.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use scorecast_systems::registry::Default;
use scorecast_systems::{Forecaster, Key, Kind, Param, Purpose};

use crate::observe::{NoiseLaw, Observation};
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Analysis, Cycle, Error, Prior, Result, Seen, draw_prior};
use crate::state::{pack, unpack};

/// The setting `lag`.
pub(super) const LAG: Param = Param {
    key: "lag",
    kind: Kind::Int { min: 0, max: 10_000 },
    default: Default::Int(0),
    about: "fixed-lag smoother: later sets of observations that each state is updated with too; 0 is the filter",
};

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
    /// A smoother of `members` members that gives each state once `lag` later sets of observations have moved it.
    pub fn new(analysis: Box<dyn Analysis>, members: usize, lag: usize) -> Self {
        let trajectory = Array2::zeros((0, 0));
        Self { analysis, members, lag, step: 0, trajectory, past: Vec::new(), analysed: false, weights: None }
    }

    fn dim(&self) -> usize {
        self.trajectory.ncols() / (self.past.len() + 1)
    }

    /// Puts the forecast to the next set of observations before what is carried.
    fn push(&mut self, forecast: Array2<f64>, now: usize) -> Result<()> {
        let carried = if self.analysed {
            self.past.insert(0, self.step);
            std::mem::take(&mut self.trajectory)
        } else {
            Array2::zeros((self.members, 0))
        };
        self.trajectory = concatenate(Axis(1), &[forecast.view(), carried.view()])
            .map_err(|problem| Error::Shape(format!("the forecaster changed the number of members: {problem}")))?;
        (self.step, self.analysed) = (now, true);
        Ok(())
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

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        let current = s![.., ..self.dim()];
        let mut forecast = self.trajectory.slice(current).to_owned();
        let steps = seen.step.saturating_sub(self.step);
        model.advance(self.step, steps, &mut forecast, key.purpose(Purpose::ProcessNoise))?;
        seen.check(forecast.ncols())?;
        self.push(forecast, seen.step)?;
        let carrying = Carrying { present: seen.operator, dim: self.trajectory.ncols() };
        let forecast = std::mem::take(&mut self.trajectory);
        let mut outcome = self.analysis.update(forecast, &Seen { operator: &carrying, ..*seen }, key)?;
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
        let refuse = |problem: String| Err(Error::State(problem));
        let [analysed, count, weights, rest @ ..] = &state[..] else {
            return refuse(format!("{} further numbers, which is not the state of a fixed-lag smoother", state.len()));
        };
        let (count, weights) = (*count as usize, *weights as usize);
        if trajectory.nrows() != self.members || count > self.lag {
            return refuse(format!(
                "it has {} members and {count} earlier states, but the method is set to {} and at most {}; set `members` \
                 and `lag` to what they were",
                trajectory.nrows(),
                self.members,
                self.lag
            ));
        }
        let whole = trajectory.ncols() % (count + 1) == 0 && (weights == 0 || weights == self.members);
        if rest.len() < count + weights || !whole {
            return refuse("its numbers are not those of a fixed-lag smoother".to_owned());
        }
        let (past, rest) = rest.split_at(count);
        let (weights, rest) = rest.split_at(weights);
        self.analysis.restore(rest)?;
        self.past = past.iter().map(|&step| step as usize).collect();
        self.weights = (!weights.is_empty()).then(|| Array1::from_vec(weights.to_vec()));
        (self.step, self.trajectory, self.analysed) = (step, trajectory, *analysed != 0.0);
        Ok(())
    }
}

/// An operator on the present state with earlier ones behind it.
struct Carrying<'a> {
    present: &'a dyn Observation,
    /// Components of all states.
    dim: usize,
}

impl Carrying<'_> {
    fn current<'x>(&self, x: ArrayView2<'x, f64>) -> ArrayView2<'x, f64> {
        x.slice_move(s![.., ..self.present.state_dim()])
    }

    /// Zeros behind the present components.
    fn pad(&self, present: ArrayView2<f64>) -> Array2<f64> {
        let mut whole = Array2::zeros((present.nrows(), self.dim));
        whole.slice_mut(s![.., ..present.ncols()]).assign(&present);
        whole
    }
}

impl Observation for Carrying<'_> {
    fn name(&self) -> String {
        self.present.name()
    }

    fn dim(&self) -> usize {
        self.present.dim()
    }

    fn state_dim(&self) -> usize {
        self.dim
    }

    fn current_dim(&self) -> usize {
        self.present.current_dim()
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.present.apply(t, self.current(x))
    }

    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.present.jvp(t, self.current(x), self.current(u))
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.pad(self.present.vjp(t, self.current(x), v).view())
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.present.error()
    }

    fn location(&self) -> Option<Vec<usize>> {
        self.present.location()
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        Some(self.pad(self.present.matrix()?.view()))
    }
}
