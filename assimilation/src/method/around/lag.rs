//! The fixed-lag smoother that any filter of trajectories becomes (Evensen and van Leeuwen 2000; Khare, Anderson, Hoar and
//! Nychka 2008): the members of the last L sets of observations are carried behind the present ones, as further components
//! of the same members, and the update moves them too.
//!
//! With members x_k, x_{k-1}, ..., x_{k-L} side by side, [x_k ... x_{k-L}] <- [x_k ... x_{k-L}] T_k, whatever T_k the
//! filter makes of its members: for a global filter this is the ensemble Kalman smoother, for a localized one each earlier
//! component is moved by the observations near its place, and where members are weighed and resampled whole trajectories
//! are (Kitagawa 1996). Inflation and noise are given to the present alone; a random rotation turns whole trajectories.

use ndarray::{Array1, Array2, Axis, concatenate, s};
use scorecast_systems::{Forecaster, Key, Param, Purpose};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::observations::ObservationSet;
use crate::observe::{Carrying, ObservationOperator};
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Analysis, Cycle, Prior, draw_prior};
use crate::state::{Owner, Saved, State};

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
    at: PastMembers,
}

/// What the smoother carries beside its filter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PastMembers {
    /// The lead step of the present.
    pub step: usize,
    /// The present members and behind them those of `past`, `[member, component]`.
    pub members: Array2<f64>,
    /// The lead steps of the carried states, the latest first.
    pub past: Vec<usize>,
    /// Whether the present state is the analysis of a set of observations.
    pub analysed: bool,
    /// The weights of the trajectories, `[member]`; none means equal.
    pub weights: Option<Array1<f64>>,
}

impl State for PastMembers {
    const KIND: &'static str = "trajectories";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        let (members, columns) = self.members.dim();
        owner.require_members(members)?;
        let (past, weights) = (self.past.len(), self.weights.as_ref().map(Array1::len));
        let lag = owner.setting("lag").and_then(|lag| lag.parse().ok()).unwrap_or(usize::MAX);
        let ordered = std::iter::once(&self.step).chain(&self.past).is_sorted_by(|later, earlier| later >= earlier);
        if past <= lag && columns % (past + 1) == 0 && weights.is_none_or(|count| count == members) && ordered {
            return Ok(());
        }
        Err(format!(
            "earlier states of lead steps {:?} and {weights:?} weights do not fit {columns} components of {members} members \
             at lead step {}",
            self.past, self.step
        ))
    }
}

impl FixedLag {
    /// A smoother of `members` members that gives each state once `lag` later sets of observations have moved it. Sets of the
    /// same lead step count as one, of which the first lets the state go.
    ///
    /// `analysis` must move earlier states as it moves the present ones: by a transform, a regression or a resampling. One that
    /// draws its members anew or adds noise to all components (`ensf`, `kernel_particle_filter`, `local_particle_filter` with
    /// jitter) makes no smoother of it.
    pub fn new(analysis: Box<dyn Analysis>, members: usize, lag: usize) -> Self {
        Self { analysis, members, lag, at: PastMembers::default() }
    }

    fn dim(&self) -> usize {
        self.at.members.ncols() / (self.at.past.len() + 1)
    }

    /// The members at lead step `now` before what is carried then. Where the last set was of the same lead step they are one
    /// time, and the members are its analysis.
    fn forecast(&self, model: &dyn Forecaster, now: usize, key: Key) -> Result<Array2<f64>> {
        if self.at_the_same_time(now) {
            return Ok(self.at.members.clone());
        }
        let mut forecast = self.at.members.slice(s![.., ..self.dim()]).to_owned();
        model.advance(
            self.at.step,
            now.saturating_sub(self.at.step),
            &mut forecast,
            key.purpose(Purpose::ProcessNoise),
        )?;
        if !self.at.analysed {
            return Ok(forecast);
        }
        concatenate(Axis(1), &[forecast.view(), self.at.members.view()])
            .map_err(|problem| Error::Shape(format!("the forecaster changed the number of members: {problem}")))
    }

    fn at_the_same_time(&self, now: usize) -> bool {
        self.at.analysed && now <= self.at.step
    }

    fn smoothed(&self, step: usize, ensemble: Array2<f64>) -> Smoothed {
        Smoothed { weights: self.at.weights.clone(), ..Smoothed::new(step, ensemble) }
    }

    /// Takes off the oldest carried state.
    fn pop(&mut self) -> Option<Smoothed> {
        let dim = self.dim();
        let step = self.at.past.pop()?;
        let kept = self.at.members.ncols() - dim;
        let oldest = self.smoothed(step, self.at.members.slice(s![.., kept..]).to_owned());
        self.at.members = self.at.members.slice(s![.., ..kept]).to_owned();
        Some(oldest)
    }
}

impl Cycle for FixedLag {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        let members = draw_prior(prior, self.members, key)?;
        self.at = PastMembers { step, members, ..PastMembers::default() };
        self.analysis.state_mut().into_iter().for_each(Saved::clear);
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        let current = s![.., ..self.dim()];
        observed.check(self.dim())?;
        let forecast = self.forecast(model, observed.step, key)?;
        let carrying = Carrying::new(observed.operator, forecast.ncols());
        let mut outcome = self.analysis.update(forecast, &ObservationSet { operator: &carrying, ..*observed }, key)?;
        if self.at.analysed && !self.at_the_same_time(observed.step) {
            self.at.past.insert(0, self.at.step);
        }
        (self.at.step, self.at.analysed) = (self.at.step.max(observed.step), true);
        outcome.forecast = outcome.forecast.slice(current).to_owned();
        self.at.members = std::mem::replace(&mut outcome.ensemble, Array2::zeros((0, 0)));
        self.at.weights.clone_from(&outcome.weights);
        if self.at.past.len() == self.lag {
            let oldest = (self.at.members.ncols() - self.dim())..;
            let smoothed = self.pop().map(|smoothed| match &outcome.before_resampling {
                Some((members, weights)) => Smoothed {
                    weights: Some(weights.clone()),
                    ..Smoothed::new(smoothed.step, members.slice(s![.., oldest]).to_owned())
                },
                None => smoothed,
            });
            outcome.smoothed.extend(smoothed);
        }
        if let Some((members, _)) = &mut outcome.before_resampling {
            *members = members.slice(current).to_owned();
        }
        outcome.ensemble = self.at.members.slice(current).to_owned();
        Ok(outcome)
    }

    fn finish(
        &mut self,
        _model: &dyn Forecaster,
        _operator: Option<&dyn ObservationOperator>,
        _key: Key,
    ) -> Result<Vec<Smoothed>> {
        let mut out = Vec::new();
        while let Some(oldest) = self.pop() {
            out.push(oldest);
        }
        if std::mem::take(&mut self.at.analysed) {
            out.push(self.smoothed(self.at.step, self.at.members.clone()));
        }
        Ok(out)
    }

    fn owner(&self) -> Owner {
        Owner::new(self.analysis.name()).with("members", self.members).with("lag", self.lag)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        [vec![&self.at as &dyn Saved], self.analysis.state()].concat()
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        let mut parts: Vec<&mut dyn Saved> = vec![&mut self.at];
        parts.extend(self.analysis.state_mut());
        parts
    }
}
