//! The analysis of 4D-Var: the state at the start of its window, its posterior covariance, and how both are carried.

use ndarray::{Array1, Array2, ArrayView1};
use scorecast_systems::{Forecaster, Key, Purpose};
use serde::{Deserialize, Serialize};

use super::FourDVar;
use super::cost::{Cost, Term};
use super::trajectory::{Dynamics, Trajectory};
use crate::ensemble::all_finite;
use crate::error::Result;
use crate::gaussian::{Gaussian, positive_sqrt, symmetric};
use crate::method::kalman::gaussian_cycle;
use crate::method::variational::window::{Run, Window, WindowMethod, WindowProblem};
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome, Smoothed};
use crate::problem::Prior;
use crate::state::{Owner, State};

/// What 4D-Var carries beside its window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FourDVarState {
    /// The state at the start and its posterior covariance.
    pub start: Gaussian,
    /// L = B^1/2, `[component, component]`.
    root: Array2<f64>,
    /// While the start moves on after an analysis: the root that it has made of the covariance at the start, and the
    /// posteriors at the sets that leave.
    #[serde(skip)]
    moving: Option<(Array2<f64>, std::vec::IntoIter<Law>)>,
}

impl State for FourDVarState {
    const KIND: &'static str = "start of 4D-Var";

    fn check(&self, _: &Owner) -> Result<(), String> {
        self.start.check()?;
        let (dim, found) = (self.start.mean.len(), self.root.dim());
        match found == (dim, dim) {
            true => Ok(()),
            false => Err(format!("it holds a background of {} x {} beside {dim} components", found.0, found.1)),
        }
    }
}

/// N(mean, X^T X).
#[derive(Clone, Debug)]
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
}

/// `members` draws of N(mean, X^T X) with X = `root`, `[member, component]`: the same normals each time that the address is
/// the same.
fn draws(gaussian: &Gaussian, root: &Array2<f64>, members: usize, key: Key) -> Array2<f64> {
    if !gaussian.is_finite() {
        return Array2::from_elem((members, gaussian.mean.len()), f64::NAN);
    }
    key.normals(members, root.nrows()).dot(root) + &gaussian.mean
}

/// M' X for the symmetric matrix X = `root`, one row a column of it, at each set of the window that leaves or is used
/// now, and at the present.
fn carried(window: &Window, dynamics: &Dynamics, along: &Trajectory, root: Array2<f64>) -> Result<Carried> {
    let (leaving, sets, waiting) = (window.leaving(), window.ends().len(), window.first_waiting());
    let mut out = Carried { leaving: Vec::with_capacity(leaving), waiting: Vec::new(), present: root };
    for (leg, (from, to)) in window.legs().enumerate() {
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

/// M' X of one matrix X at the start (`[component, component]` each).
struct Carried {
    /// At the sets that leave.
    leaving: Vec<Array2<f64>>,
    /// At the sets that are used now, but for the newest.
    waiting: Vec<Array2<f64>>,
    present: Array2<f64>,
}

impl Carried {
    /// The images at the terms, in order.
    fn images<'c>(&'c self, terms: &[Term], window: &Window) -> Vec<&'c Array2<f64>> {
        let used = self.waiting.iter().chain([&self.present]).zip(window.first_waiting()..);
        used.filter(|(_, leg)| terms.iter().any(|term| term.leg == *leg)).map(|(images, _)| images).collect()
    }
}

/// The posterior at the start, at the sets that leave, and at the present.
struct Laws {
    start: Law,
    leaving: Vec<Law>,
    present: Law,
}

impl Laws {
    /// Of the states of `along` and the roots there.
    fn new(
        window: &Window,
        along: &Trajectory,
        start: Array2<f64>,
        leaving: Vec<Array2<f64>>,
        present: Array2<f64>,
    ) -> Self {
        let end = window.present();
        let present = Law::new(along.at(end), present);
        let law = |(at, root): (usize, Array2<f64>)| match at == end {
            true => present.clone(),
            false => Law::new(along.at(at), root),
        };
        let leaving = window.ends().zip(leaving).map(law).collect();
        Self { start: Law::new(along.at(window.start), start), leaving, present }
    }
}

impl FourDVar {
    /// The forecast, and what the sets of the problem make of the state; without one the forecast is what is known.
    fn laws(&self, state: &FourDVarState, at: &WindowProblem) -> Result<(Law, Laws, Diagnostics)> {
        let (window, known) = (at.window, &state.start);
        let ends: Vec<usize> = window.ends().collect();
        let term = |leg: usize, observed| Term { leg, at: ends[leg], observed };
        let terms: Vec<Term> = at.sets.iter().map(|set| term(set.leg, set.observed)).collect();
        let dynamics = Dynamics::new(at.run.model, window.start, known.mean.view(), at.run.noise())?;
        let (from, to) = (window.start, window.present());
        let trajectory = dynamics.trajectory(from, to, known.mean.clone())?;
        // without a value the covariance of what is known is no longer B
        let root = match terms.is_empty() && known.is_finite() {
            true => positive_sqrt(&known.covariance)?,
            false => state.root.clone(),
        };
        let images = carried(window, &dynamics, &trajectory, root.clone())?;
        let forecast = Law::new(trajectory.last(), images.present.clone());
        let cost = Cost { dynamics: &dynamics, terms: &terms, from, to, background: &known.mean, root: &state.root };
        let background = cost.along(&Array1::zeros(known.mean.len()), trajectory)?;
        if terms.is_empty() || !(background.is_finite() && forecast.gaussian.is_finite()) {
            let mut laws = Laws::new(window, &background.trajectory, root, images.leaving, images.present);
            laws.start.gaussian.clone_from(known);
            let diagnostics = Diagnostics::from([("cost", 0.0), ("steps", 0.0), ("products", 0.0)]);
            return Ok((forecast, laws, diagnostics));
        }
        let inverse = cost.inverse(&background, images.images(&terms, window))?;
        let found = cost.minimise(background, &inverse, self.iterations, self.tolerance)?;
        let along = &found.here.trajectory;
        let images = carried(window, &dynamics, along, state.root.clone())?;
        let inverse = cost.inverse(&found.here, images.images(&terms, window))?;
        let leaving = images.leaving.iter().map(|x| inverse.root(x)).collect();
        let laws = Laws::new(window, along, inverse.root(&state.root), leaving, inverse.root(&images.present));
        let diagnostics = Diagnostics::from([
            ("cost", found.here.value),
            ("steps", found.steps as f64),
            ("products", found.products as f64),
        ]);
        Ok((forecast, laws, diagnostics))
    }
}

/// L of a background covariance; itself where it is not finite.
fn root(b: &Array2<f64>) -> Result<Array2<f64>> {
    if all_finite(b.view()) { positive_sqrt(b) } else { Ok(b.clone()) }
}

impl WindowMethod for FourDVar {
    const NAME: &'static str = "four_d_var";

    type State = FourDVarState;

    /// A prior ensemble is taken as the Gaussian of its mean and covariance.
    fn begin(&self, prior: &Prior, _members: usize, _key: Key) -> Result<FourDVarState> {
        let mut start = Gaussian::of(prior)?;
        start.covariance *= self.scale;
        Ok(FourDVarState { root: root(&start.covariance)?, start, moving: None })
    }

    fn set_climate(&self, state: &mut FourDVarState, climate: &Prior) -> Result<()> {
        state.start.covariance = Gaussian::of(climate)?.covariance * self.scale;
        state.root = root(&state.start.covariance)?;
        Ok(())
    }

    fn require(&self, state: &FourDVarState, model: &dyn Forecaster, observed: &ObservationSet) -> Result<()> {
        observed.check(state.start.mean.len())?;
        observed.require_derivative(Self::NAME)?;
        gaussian_cycle::check(&state.start, model)
    }

    fn analyse(&self, state: &mut FourDVarState, at: WindowProblem) -> Result<Outcome> {
        let (forecast, laws, diagnostics) = self.laws(state, &at)?;
        state.start = laws.start.gaussian;
        state.moving = (!laws.leaving.is_empty()).then(|| (laws.start.root, laws.leaving.into_iter()));
        let key = at.run.key.purpose(Purpose::PosteriorDraw).at(at.newest.step as u64);
        let [x, y] = [&forecast, &laws.present].map(|law| draws(&law.gaussian, &law.root, at.run.members, key));
        let moments = |law: Law| Some((law.gaussian.mean, law.gaussian.covariance));
        let (gaussian, forecast_gaussian) = (moments(laws.present), moments(forecast));
        Ok(Outcome { gaussian, forecast_gaussian, diagnostics, ..Outcome::new(x, y) })
    }

    fn smoothed(&self, state: &FourDVarState, step: usize, run: Run) -> Result<Smoothed> {
        let key = run.key.purpose(Purpose::Smoothing).at(step as u64);
        let members = match &state.moving {
            Some((root, _)) => draws(&state.start, root, run.members, key),
            None => state.start.draws(run.members, key)?,
        };
        let gaussian = Some((state.start.mean.clone(), state.start.covariance.clone()));
        Ok(Smoothed { gaussian, ..Smoothed::new(step, members) })
    }

    fn slide(&self, state: &mut FourDVarState, (from, to): (usize, usize), run: Run) -> Result<()> {
        if let Some((_, mut leaving)) = state.moving.take()
            && let Some(Law { gaussian, root }) = leaving.next()
        {
            state.start = gaussian;
            state.moving = (leaving.len() > 0).then_some((root, leaving));
            return Ok(());
        }
        let dynamics = Dynamics::new(run.model, from, state.start.mean.view(), run.noise())?;
        let along = dynamics.trajectory(from, to, state.start.mean.clone())?;
        // M' P, then M' (M' P)^T
        let once = dynamics.forward(&along, from, to, state.start.covariance.clone())?;
        let twice = dynamics.forward(&along, from, to, once.reversed_axes().as_standard_layout().into_owned())?;
        state.start = Gaussian { mean: along.last().to_owned(), covariance: symmetric(twice) };
        Ok(())
    }
}
