//! The cycle of 4D-Var: the state at the start of its window, its posterior covariance, and how both are carried.

use ndarray::{Array1, Array2};
use scorecast_systems::{Forecaster, Key, Purpose};

use super::FourDVar;
use super::cost::{Cost, Linearized};
use super::trajectory::{Dynamics, Trajectory};
use crate::linalg::{Cholesky, all_finite};
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

/// The posterior covariance at the times that are needed.
struct Spread {
    start: Array2<f64>,
    first: Array2<f64>,
    present: Array2<f64>,
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
        let first = self.window.legs().next().map_or(self.window.start(), |(_, to)| to);
        let rows = dynamics.forward(along, self.window.start(), first, root)?;
        let present = dynamics.forward(along, first, self.window.present(), rows.clone())?;
        Ok((rows, present))
    }

    /// X^T (I + Z Z^T)^-1 X for X = L and what the tangents make of it, Z = X_present H^T R^-1/2.
    fn posterior(&self, dynamics: &Dynamics, at: &Linearized, seen: &Seen) -> Result<Spread> {
        let (first, present) = self.carried(dynamics, &at.trajectory, self.root.clone())?;
        let mut z = seen.jvp(at.trajectory.last(), present.view());
        at.present.standardise_rows(&mut z);
        let mut s = z.dot(&z.t());
        s.diag_mut().iter_mut().for_each(|value| *value += 1.0);
        let s = Cholesky::new(s.view())?;
        let of = |mut rows: Array2<f64>| {
            s.half_solve_in_place(&mut rows);
            symmetric(rows.t().dot(&rows))
        };
        Ok(Spread { start: of(self.root.clone()), first: of(first), present: of(present) })
    }

    /// The analysis of one set; gives the posterior at the present and at the end of the first leg.
    fn analyse(&mut self, model: &dyn Forecaster, seen: &Seen, noise: Key) -> Result<Analysed> {
        let dynamics = Dynamics::new(model, self.window.start(), self.state.mean.view(), noise)?;
        let (from, to) = (self.window.start(), self.window.present());
        let first_end = self.window.legs().next().map_or(from, |(_, to)| to);
        let trajectory = dynamics.trajectory(from, to, self.state.mean.clone())?;
        let of = |along: &Trajectory, k: usize, covariance| Gaussian { mean: along.at(k).to_owned(), covariance };
        let unobserved = seen.values.iter().all(|value| value.is_nan());
        // without a value the forecast is what is known, whose covariance is no longer B
        let root = match unobserved && self.state.is_finite() {
            true => positive_sqrt(&self.state.covariance)?,
            false => self.root.clone(),
        };
        let (first, present) = self.carried(&dynamics, &trajectory, root)?;
        let forecast = of(&trajectory, to, symmetric(present.t().dot(&present)));
        if unobserved || !trajectory.is_finite() || !forecast.is_finite() {
            return Ok(Analysed {
                first: of(&trajectory, first_end, symmetric(first.t().dot(&first))),
                present: forecast.clone(),
                forecast,
                diagnostics: Diagnostics::from([("cost", 0.0), ("steps", 0.0), ("products", 0.0)]),
            });
        }
        let cost = Cost { dynamics: &dynamics, seen, from, to, background: &self.state.mean, root: &self.root };
        let found = cost.minimise(
            cost.at(&Array1::zeros(self.state.mean.len()))?,
            self.method.iterations,
            self.method.tolerance,
        )?;
        let mean = cost.state(&found.v);
        let along = &found.here.trajectory;
        let spread = self.posterior(&dynamics, &found.here, seen)?;
        self.state = Gaussian { mean, covariance: spread.start };
        Ok(Analysed {
            forecast,
            first: of(along, first_end, spread.first),
            present: of(along, to, spread.present),
            diagnostics: Diagnostics::from([
                ("cost", found.here.value),
                ("steps", found.steps as f64),
                ("products", found.products as f64),
            ]),
        })
    }

    fn smoothed(&self, step: usize, key: Key) -> Result<Smoothed> {
        let ensemble = self.state.draws(self.members, key.purpose(Purpose::Smoothing).at(step as u64))?;
        let mut posterior = Smoothed::new(step, ensemble);
        posterior.gaussian = Some((self.state.mean.clone(), self.state.covariance.clone()));
        Ok(posterior)
    }
}

struct Analysed {
    forecast: Gaussian,
    first: Gaussian,
    present: Gaussian,
    diagnostics: Diagnostics,
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
        let mut outcome = Outcome::new(forecast.draws(self.members, draw)?, present.draws(self.members, draw)?);
        outcome.gaussian = Some((present.mean, present.covariance));
        outcome.forecast_gaussian = Some((forecast.mean, forecast.covariance));
        outcome.diagnostics = analysed.diagnostics;
        if self.window.is_full() {
            if let Some(step) = self.window.smoothed() {
                outcome.smoothed.push(self.smoothed(step, key)?);
            }
            self.window.slide();
            self.state = analysed.first;
        }
        Ok(outcome)
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        let noise = key.purpose(Purpose::ProcessNoise);
        let dynamics = Dynamics::new(model, self.window.start(), self.state.mean.view(), noise)?;
        let mut out = Vec::new();
        loop {
            if let Some(step) = self.window.smoothed() {
                out.push(self.smoothed(step, key)?);
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
