//! The cycle of 4D-Var: the state at the start of its window, its posterior covariance, and how both are carried.

use ndarray::{Array1, Array2, ArrayView1};
use scorecast_systems::{Forecaster, Key, Purpose};

use super::FourDVar;
use super::cost::{Cost, Term};
use super::trajectory::{Dynamics, Trajectory};
use crate::ensemble::all_finite;
use crate::error::Result;
use crate::gaussian::{Gaussian, positive_sqrt, symmetric};
use crate::method::kalman::gaussian_cycle;
use crate::method::variational::stored_set::{StoredSet, require_none_waits, require_same, sets};
use crate::method::variational::window::Window;
use crate::numbers::Numbers;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::{Cycle, Prior};
use crate::state::{pack, unpack};

/// 4D-Var as a cycle over its window.
pub struct FourDVarCycle {
    method: FourDVar,
    members: usize,
    window: Window,
    /// The state at the start and its posterior covariance.
    state: Gaussian,
    /// B.
    background: Array2<f64>,
    /// L = B^1/2.
    root: Array2<f64>,
    /// The sets that wait.
    pending: Vec<StoredSet>,
}

/// N(mean, X^T X).
#[derive(Clone)]
struct Law {
    gaussian: Gaussian,
    /// X, `[row, component]`.
    root: Array2<f64>,
}

impl Law {
    fn new(mean: ArrayView1<f64>, root: Array2<f64>) -> Self {
        let gaussian = Gaussian { mean: mean.to_owned(), covariance: symmetric(root.t().dot(&root)) };
        Self { gaussian, root }
    }

    /// `members` draws, `[member, component]`: the same normals each time that the address is the same.
    fn draws(&self, members: usize, key: Key) -> Array2<f64> {
        let mean = &self.gaussian.mean;
        if !self.gaussian.is_finite() {
            return Array2::from_elem((members, mean.len()), f64::NAN);
        }
        key.normals(members, self.root.nrows()).dot(&self.root) + mean
    }
}

impl FourDVarCycle {
    /// A cycle over windows of `lag` sets that gives `members` draws beside each posterior.
    pub fn new(method: FourDVar, members: usize, lag: usize) -> Self {
        let none = || Array2::zeros((0, 0));
        let state = Gaussian { mean: Array1::zeros(0), covariance: none() };
        let window = Window::new(lag);
        Self { method, members, window, state, background: none(), root: none(), pending: Vec::new() }
    }

    /// The same, which uses `shift` sets together (at least 1, at most the lag) and moves its window on by them.
    #[must_use]
    pub fn with_shift(self, shift: usize) -> Self {
        Self { window: self.window.with_shift(shift), ..self }
    }

    fn set_background(&mut self, b: Array2<f64>) -> Result<()> {
        self.root = if all_finite(b.view()) { positive_sqrt(&b)? } else { b.clone() };
        self.background = b;
        Ok(())
    }

    /// M' X for the symmetric matrix X = `root`, one row a column of it, at each set of the window that leaves or is used
    /// now, and at the present.
    fn carried(&self, dynamics: &Dynamics, along: &Trajectory, root: Array2<f64>) -> Result<Carried> {
        let (leaving, sets) = (self.window.leaving(), self.window.len());
        let waiting = sets - self.window.waiting();
        let mut out = Carried { leaving: Vec::with_capacity(leaving), waiting: Vec::new(), present: root };
        for (leg, (from, to)) in self.window.legs().enumerate() {
            out.present = dynamics.forward(along, from, to, out.present)?;
            if leg < leaving {
                out.leaving.push(out.present.clone());
            }
            if leg >= waiting && leg + 1 < sets {
                out.waiting.push(out.present.clone());
            }
        }
        Ok(out)
    }

    /// The laws at the start, at the sets that leave and at the present, of the states of `along` and the roots there.
    fn laws(&self, along: &Trajectory, start: Array2<f64>, leaving: Vec<Array2<f64>>, present: Array2<f64>) -> Laws {
        let end = self.window.present();
        let present = Law::new(along.at(end), present);
        let law = |(&at, root): (&usize, Array2<f64>)| match at == end {
            true => present.clone(),
            false => Law::new(along.at(at), root),
        };
        let leaving = self.window.ends().iter().zip(leaving).map(law).collect();
        Laws { start: Law::new(along.at(self.window.start()), start), leaving, present }
    }

    /// What the sets of `terms` make of the state; without one the forecast is what is known.
    fn analyse(&mut self, model: &dyn Forecaster, terms: &[Term], noise: Key) -> Result<Analysed> {
        let dynamics = Dynamics::new(model, self.window.start(), self.state.mean.view(), noise)?;
        let (from, to) = (self.window.start(), self.window.present());
        let trajectory = dynamics.trajectory(from, to, self.state.mean.clone())?;
        // without a value the covariance of what is known is no longer B
        let root = match terms.is_empty() && self.state.is_finite() {
            true => positive_sqrt(&self.state.covariance)?,
            false => self.root.clone(),
        };
        let carried = self.carried(&dynamics, &trajectory, root.clone())?;
        let forecast = Law::new(trajectory.last(), carried.present.clone());
        let cost = Cost { dynamics: &dynamics, terms, from, to, background: &self.state.mean, root: &self.root };
        let background = cost.along(&Array1::zeros(self.state.mean.len()), trajectory)?;
        if terms.is_empty() || !(background.is_finite() && forecast.gaussian.is_finite()) {
            let mut laws = self.laws(&background.trajectory, root, carried.leaving, carried.present);
            laws.start.gaussian.clone_from(&self.state);
            let diagnostics = Diagnostics::from([("cost", 0.0), ("steps", 0.0), ("products", 0.0)]);
            return Ok(Analysed { forecast, laws, diagnostics });
        }
        let inverse = cost.inverse(&background, self.images(terms, &carried))?;
        let found = cost.minimise(background, &inverse, self.method.iterations, self.method.tolerance)?;
        let along = &found.here.trajectory;
        let carried = self.carried(&dynamics, along, self.root.clone())?;
        let inverse = cost.inverse(&found.here, self.images(terms, &carried))?;
        let leaving = carried.leaving.iter().map(|x| inverse.root(x)).collect();
        let laws = self.laws(along, inverse.root(&self.root), leaving, inverse.root(&carried.present));
        let diagnostics = Diagnostics::from([
            ("cost", found.here.value),
            ("steps", found.steps as f64),
            ("products", found.products as f64),
        ]);
        self.state = laws.start.gaussian.clone();
        Ok(Analysed { forecast, laws, diagnostics })
    }

    /// Those at the terms, in order.
    fn images<'c>(&self, terms: &[Term], carried: &'c Carried) -> Vec<&'c Array2<f64>> {
        let first = self.window.len() - self.window.waiting();
        let used = carried.waiting.iter().chain([&carried.present]).zip(first..);
        used.filter(|(_, leg)| terms.iter().any(|term| term.leg == *leg)).map(|(images, _)| images).collect()
    }

    /// The sets that wait and `newest`, those with a value.
    fn terms<'s>(&self, pending: &'s [StoredSet], newest: &'s ObservationSet) -> Vec<Term<'s>> {
        let ends = self.window.ends();
        sets(pending, &self.window, newest)
            .into_iter()
            .map(|(leg, observed)| Term { leg, at: ends[leg], observed })
            .collect()
    }

    fn posterior(step: usize, law: &Gaussian, ensemble: Array2<f64>) -> Smoothed {
        let mut posterior = Smoothed::new(step, ensemble);
        posterior.gaussian = Some((law.mean.clone(), law.covariance.clone()));
        posterior
    }
}

/// M' X of one matrix X at the start (`[component, component]` each).
struct Carried {
    /// At the sets that leave.
    leaving: Vec<Array2<f64>>,
    /// At the sets that are used now, but for the newest.
    waiting: Vec<Array2<f64>>,
    present: Array2<f64>,
}

/// The posterior at the start, at the sets that leave, and at the present.
struct Laws {
    start: Law,
    leaving: Vec<Law>,
    present: Law,
}

/// The forecast, and the posterior.
struct Analysed {
    forecast: Law,
    laws: Laws,
    diagnostics: Diagnostics,
}

fn smoothing(step: usize, key: Key) -> Key {
    key.purpose(Purpose::Smoothing).at(step as u64)
}

impl Cycle for FourDVarCycle {
    /// A prior ensemble is taken as the Gaussian of its mean and covariance.
    fn start(&mut self, prior: &Prior, step: usize, _key: Key) -> Result<()> {
        self.window.begin(step);
        self.pending.clear();
        self.state = Gaussian::of(prior)?;
        self.state.covariance *= self.method.scale;
        self.set_background(self.state.covariance.clone())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("four_d_var")?;
        observed.check(self.state.mean.len())?;
        gaussian_cycle::check(&self.state, model)?;
        require_same(&self.pending, observed.operator, "four_d_var", self.window.shift(), false)?;
        self.window.push(observed.step);
        let pending = std::mem::take(&mut self.pending);
        let due = self.window.is_due();
        let terms = if due { self.terms(&pending, observed) } else { Vec::new() };
        let Analysed { forecast, laws, diagnostics } =
            self.analyse(model, &terms, key.purpose(Purpose::ProcessNoise))?;
        let draw = key.purpose(Purpose::PosteriorDraw).at(observed.step as u64);
        let mut outcome = Outcome::new(forecast.draws(self.members, draw), laws.present.draws(self.members, draw));
        outcome.gaussian = Some((laws.present.gaussian.mean, laws.present.gaussian.covariance));
        outcome.forecast_gaussian = Some((forecast.gaussian.mean, forecast.gaussian.covariance));
        outcome.diagnostics = diagnostics;
        if !due {
            self.pending = pending;
            self.pending.push(StoredSet::of(observed));
            return Ok(outcome);
        }
        self.window.settle();
        let mut law = laws.start;
        for next in laws.leaving {
            if let Some(step) = self.window.smoothed() {
                let draws = law.draws(self.members, smoothing(step, key));
                outcome.smoothed.push(Self::posterior(step, &law.gaussian, draws));
            }
            self.window.slide();
            law = next;
        }
        self.state = law.gaussian;
        Ok(outcome)
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        require_none_waits(&self.pending, self.window.waiting(), "four_d_var")?;
        let noise = key.purpose(Purpose::ProcessNoise);
        let dynamics = Dynamics::new(model, self.window.start(), self.state.mean.view(), noise)?;
        let mut out = Vec::new();
        loop {
            if let Some(step) = self.window.smoothed() {
                let draws = self.state.draws(self.members, smoothing(step, key))?;
                out.push(Self::posterior(step, &self.state, draws));
            }
            let Some((from, to)) = self.window.legs().next() else {
                break;
            };
            let along = dynamics.trajectory(from, to, self.state.mean.clone())?;
            // M' P, then M' (M' P)^T
            let once = dynamics.forward(&along, from, to, self.state.covariance.clone())?;
            let twice = dynamics.forward(&along, from, to, once.reversed_axes().as_standard_layout().into_owned())?;
            self.state = Gaussian { mean: along.last().to_owned(), covariance: symmetric(twice) };
            self.window.slide();
        }
        self.window.begin(self.window.start());
        self.pending.clear();
        Ok(out)
    }

    fn finish_with(
        &mut self,
        model: &dyn Forecaster,
        operator: &dyn ObservationOperator,
        key: Key,
    ) -> Result<Vec<Smoothed>> {
        require_same(&self.pending, operator, "four_d_var", self.window.shift(), false)?;
        let mut pending = std::mem::take(&mut self.pending);
        if let Some(newest) = pending.pop() {
            let newest = newest.observed(self.window.present(), operator);
            let terms = self.terms(&pending, &newest);
            self.analyse(model, &terms, key.purpose(Purpose::ProcessNoise))?;
        }
        self.finish(model, key)
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(&self.state.mean);
        numbers.extend(&self.background);
        self.pending.iter().for_each(|pass| pass.write(&mut numbers));
        pack(self.window.start(), &self.state.covariance, &numbers)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, covariance, numbers) = unpack(bytes)?;
        let dim = covariance.nrows();
        let mut numbers = Numbers::new("four_d_var", &numbers);
        if covariance.ncols() != dim {
            return Err(numbers.refuse(&format!("it holds a matrix of {dim} x {}", covariance.ncols())));
        }
        let mut window = self.window.clone();
        window.restore(step, &mut numbers)?;
        let (mean, background) = (numbers.vector(dim)?, numbers.matrix((dim, dim))?);
        let pending = (0..window.waiting()).map(|_| StoredSet::read(&mut numbers)).collect::<Result<_>>()?;
        numbers.end()?;
        self.set_background(background)?;
        (self.window, self.state, self.pending) = (window, Gaussian { mean, covariance }, pending);
        Ok(())
    }
}
