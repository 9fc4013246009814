//! The cycle of 4D-Var: the state at the start of its window, its posterior covariance, and how both are carried.

use ndarray::{Array1, Array2, ArrayView1};
use scorecast_systems::{Forecaster, Key, Purpose};

use super::FourDVar;
use super::cost::Cost;
use super::trajectory::{Dynamics, Trajectory};
use crate::linalg::all_finite;
use crate::method::gaussian::{self, Gaussian, positive_sqrt, symmetric};
use crate::method::numbers::Numbers;
use crate::method::window::Window;
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::{Cycle, Prior, Result, Seen};
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
        Self { method, members, window: Window::new(lag), state, background: none(), root: none() }
    }

    fn set_background(&mut self, b: Array2<f64>) -> Result<()> {
        self.root = if all_finite(b.view()) { positive_sqrt(&b)? } else { b.clone() };
        self.background = b;
        Ok(())
    }

    /// M' X at the end of the first leg and at the present, for the symmetric matrix X = `root`, one row a column of it.
    fn carried(
        &self,
        dynamics: &Dynamics,
        along: &Trajectory,
        root: Array2<f64>,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        let first = self.first_end();
        let rows = dynamics.forward(along, self.window.start(), first, root)?;
        let present = dynamics.forward(along, first, self.window.present(), rows.clone())?;
        Ok((rows, present))
    }

    /// The lead step of the first set of the window.
    fn first_end(&self) -> usize {
        self.window.legs().next().map_or(self.window.start(), |(_, to)| to)
    }

    /// The laws at the start, after the first leg and at the present, of the states of `along` and the roots there.
    fn laws(&self, along: &Trajectory, [start, first, present]: [Array2<f64>; 3]) -> [Law; 3] {
        let (start_step, first_end, end) = (self.window.start(), self.first_end(), self.window.present());
        let present = Law::new(along.at(end), present);
        let first = if first_end == end { present.clone() } else { Law::new(along.at(first_end), first) };
        [Law::new(along.at(start_step), start), first, present]
    }

    /// The analysis of one set; gives the posterior at the present and at the end of the first leg.
    fn analyse(&mut self, model: &dyn Forecaster, seen: &Seen, noise: Key) -> Result<Analysed> {
        let dynamics = Dynamics::new(model, self.window.start(), self.state.mean.view(), noise)?;
        let (from, to) = (self.window.start(), self.window.present());
        let trajectory = dynamics.trajectory(from, to, self.state.mean.clone())?;
        let unobserved = seen.values.iter().all(|value| value.is_nan());
        // without a value the forecast is what is known, whose covariance is no longer B
        let root = match unobserved && self.state.is_finite() {
            true => positive_sqrt(&self.state.covariance)?,
            false => self.root.clone(),
        };
        let (first, present) = self.carried(&dynamics, &trajectory, root.clone())?;
        let forecast = Law::new(trajectory.last(), present.clone());
        if unobserved || !trajectory.is_finite() || !forecast.gaussian.is_finite() {
            let [mut start, first, present] = self.laws(&trajectory, [root, first, present]);
            start.gaussian.clone_from(&self.state);
            let diagnostics = Diagnostics::from([("cost", 0.0), ("steps", 0.0), ("products", 0.0)]);
            return Ok(Analysed { forecast, start, first, present, diagnostics });
        }
        let cost = Cost { dynamics: &dynamics, seen, from, to, background: &self.state.mean, root: &self.root };
        let background = cost.along(&Array1::zeros(self.state.mean.len()), trajectory)?;
        let inverse = cost.inverse(&background, &present)?;
        let found = cost.minimise(background, &inverse, self.method.iterations, self.method.tolerance)?;
        let along = &found.here.trajectory;
        let (first, present) = self.carried(&dynamics, along, self.root.clone())?;
        let inverse = cost.inverse(&found.here, &present)?;
        let [start, first, present] = self.laws(along, [&self.root, &first, &present].map(|x| inverse.root(x)));
        let diagnostics = Diagnostics::from([
            ("cost", found.here.value),
            ("steps", found.steps as f64),
            ("products", found.products as f64),
        ]);
        self.state = start.gaussian.clone();
        Ok(Analysed { forecast, start, first, present, diagnostics })
    }

    fn smoothed(&self, step: usize, ensemble: Array2<f64>) -> Smoothed {
        let mut posterior = Smoothed::new(step, ensemble);
        posterior.gaussian = Some((self.state.mean.clone(), self.state.covariance.clone()));
        posterior
    }
}

/// The forecast, and the posterior at three times.
struct Analysed {
    forecast: Law,
    start: Law,
    first: Law,
    present: Law,
    diagnostics: Diagnostics,
}

fn smoothing(step: usize, key: Key) -> Key {
    key.purpose(Purpose::Smoothing).at(step as u64)
}

impl Cycle for FourDVarCycle {
    /// A prior ensemble is taken as the Gaussian of its mean and covariance.
    fn start(&mut self, prior: &Prior, step: usize, _key: Key) -> Result<()> {
        self.window.begin(step);
        self.state = Gaussian::of(prior)?;
        self.state.covariance *= self.method.scale;
        self.set_background(self.state.covariance.clone())
    }

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.require_gaussian("four_d_var")?;
        seen.check(self.state.mean.len())?;
        gaussian::check(&self.state, model)?;
        self.window.push(seen.step);
        let analysed = self.analyse(model, seen, key.purpose(Purpose::ProcessNoise))?;
        let draw = key.purpose(Purpose::PosteriorDraw).at(seen.step as u64);
        let (forecast, present) = (analysed.forecast, analysed.present);
        let mut outcome = Outcome::new(forecast.draws(self.members, draw), present.draws(self.members, draw));
        outcome.gaussian = Some((present.gaussian.mean, present.gaussian.covariance));
        outcome.forecast_gaussian = Some((forecast.gaussian.mean, forecast.gaussian.covariance));
        outcome.diagnostics = analysed.diagnostics;
        if self.window.is_full() {
            if let Some(step) = self.window.smoothed() {
                let draws = analysed.start.draws(self.members, smoothing(step, key));
                outcome.smoothed.push(self.smoothed(step, draws));
            }
            self.window.slide();
            self.state = analysed.first.gaussian;
        }
        Ok(outcome)
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        let noise = key.purpose(Purpose::ProcessNoise);
        let dynamics = Dynamics::new(model, self.window.start(), self.state.mean.view(), noise)?;
        let mut out = Vec::new();
        loop {
            if let Some(step) = self.window.smoothed() {
                let draws = self.state.draws(self.members, smoothing(step, key))?;
                out.push(self.smoothed(step, draws));
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
        Ok(out)
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(&self.state.mean);
        numbers.extend(&self.background);
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
        numbers.end()?;
        self.set_background(background)?;
        (self.window, self.state) = (window, Gaussian { mean, covariance });
        Ok(())
    }
}
