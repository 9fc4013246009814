//! The ensemble Rauch-Tung-Striebel smoother (Raanes 2016): the ensemble transform filter forward, and every member
//! corrected backward from lead step to lead step.
//!
//! With E_k the analysis members at lead step k (the forecast where nothing was observed), E'_{k+1} the forecast members
//! one lead step later and S_{k+1} those smoothed, one row a member, and A, A' the anomalies of E_k and E'_{k+1}:
//! S_k = E_k + c (S_{k+1} - E'_{k+1}) A'^+ A.
//! A'^+ A is the gain of the Rauch-Tung-Striebel smoother with sample covariances. With c = 1 the smoother is the ensemble
//! Kalman smoother wherever A has no other directions among the members than A' has. The share c (`decorrelation`) below 1
//! damps what comes back, once a lead step: spurious correlations over many lead steps.
//!
//! A'^+ is the inverse of a regression. Where members are hardly more than components it explains its own sampling noise,
//! and corrections grow backward without end: on Lorenz-96 (n = 40, all observed, R = I, N = 40) smoothed states are wrong by
//! 12 where the filter is by .16. So with fewer members than 1.5 n the largest singular values of A' alone are inverted, up to
//! a share of the sum of their squares (`kept_variance`). Measured there: .99 gives .089, .999 .13, .95 .091; a sum of .99 of the
//! singular values themselves .21; with noise of sd .22 a lead step .47, .49, .46 and .49 for the filter's .52. From N = 60 on
//! nothing is left out, which then is level with .99 or better (.064 for .075).
//!
//! It keeps the members of every lead step from the first set of observations on, and everything comes at the end.

use ndarray::Array2;
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};
use serde::{Deserialize, Serialize};

use crate::cycle::Members;
use crate::ensemble::{all_finite, anomalies};
use crate::error::Result;
use crate::linalg::Singular;
use crate::method::around::inflation::INFLATION;
use crate::method::around::inflation::{ADDITIVE, Inflation, RTPP, RTPS};
use crate::method::build::MethodBuild;
use crate::method::ensemble::etkf::{EtKf, ROTATE};
use crate::method::memory;
use crate::method::shared::MEMBERS;
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Analysis, Cycle, Prior, draw_prior};
use crate::state::{Owner, Saved, State};

/// Singular values of A' below this share of the largest count as 0: above the round-off that centring leaves.
const SINGULAR: f64 = 1e-10;

/// Members for each component from which nothing of the variance is left out.
const FEW: f64 = 1.5;

const KEPT_VARIANCE: Param = Param::share(
    "kept_variance",
    0.99,
    "share of the forecast's variance whose directions carry corrections back, with fewer members than 1.5 a component",
);

const DECORRELATION: Param =
    Param::share("decorrelation", 1.0, "factor of the correction, once a lead step; 1 is the whole correction");

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "enrts",
    about: "ensemble Rauch-Tung-Striebel smoother: the etkf forward, all times corrected backward",
    reference: "Raanes 2016",
    params: &[MEMBERS, INFLATION, RTPP, RTPS, ADDITIVE, ROTATE, DECORRELATION, KEPT_VARIANCE],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let filter = EtKf { inflation: Inflation::new(settings), rotate: settings.flag(ROTATE.key) };
        let [decorrelation, kept_variance] = [DECORRELATION, KEPT_VARIANCE].map(|share| settings.number(share.key));
        Ok(Box::new(EnRts::new(filter, settings.count(MEMBERS.key), Gain { decorrelation, kept_variance })))
    })
    .holding(memory::of_all_members),
};

/// How corrections are carried backward.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    /// c.
    pub decorrelation: f64,
    /// The share of the variance of A' whose largest directions are inverted, where members are few.
    pub kept_variance: f64,
}

impl Gain {
    /// The share for so many members and components: all of it where there are enough members for a regression.
    fn kept_variance(self, (members, components): (usize, usize)) -> f64 {
        if members as f64 >= FEW * components as f64 { 1.0 } else { self.kept_variance }
    }
}

/// The smoother.
#[derive(Clone, Debug)]
pub struct EnRts {
    filter: EtKf,
    members: usize,
    gain: Gain,
    run: FilteredRun,
}

/// The run so far: where it stands, and its ensembles in the order of the lead steps.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct FilteredRun {
    at: Members,
    past: Vec<FilteredStep>,
}

impl State for FilteredRun {
    const KIND: &'static str = "members of all times";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        self.at.check(owner)?;
        let dim = self.at.ensemble.dim();
        match self.past.iter().all(|stage| [&stage.forecast, stage.ensemble()].into_iter().all(|x| x.dim() == dim)) {
            true => Ok(()),
            false => Err(format!("it holds ensembles of earlier times that are not all of {} x {}", dim.0, dim.1)),
        }
    }
}

/// The ensemble at one lead step.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FilteredStep {
    step: usize,
    /// E', `[member, component]`.
    forecast: Array2<f64>,
    /// E where something was to be observed, `[member, component]`; otherwise it is E'.
    analysis: Option<Array2<f64>>,
}

impl FilteredStep {
    fn ensemble(&self) -> &Array2<f64> {
        self.analysis.as_ref().unwrap_or(&self.forecast)
    }

    /// S of this lead step from the next one and its S.
    fn smooth(&self, next: &FilteredStep, later: &Array2<f64>, gain: Gain) -> Result<Array2<f64>> {
        let e = self.ensemble();
        if ![e, &next.forecast, later].iter().all(|x| all_finite(x.view())) {
            return Ok(Array2::from_elem(e.raw_dim(), f64::NAN));
        }
        let of = Singular::new(anomalies(next.forecast.view(), None).1.view())?;
        let inverse = of.inverse_above((SINGULAR * of.largest()).max(of.least_of_share(gain.kept_variance(e.dim()))));
        let a = anomalies(e.view(), None).1;
        let correction = later - &next.forecast;
        // the smaller of the two products in the middle first: [N, N] or [n, n]
        let correction =
            if e.nrows() < e.ncols() { correction.dot(&inverse).dot(&a) } else { correction.dot(&inverse.dot(&a)) };
        Ok(e + &(gain.decorrelation * correction))
    }
}

impl EnRts {
    /// A smoother over this filter of `members` members, which goes backward by this gain.
    pub fn new(filter: EtKf, members: usize, gain: Gain) -> Self {
        Self { filter, members, gain, run: FilteredRun::default() }
    }

    /// The members at lead step `to`, and those at the lead steps between, which are kept once there has been a set.
    fn forecast(&self, model: &dyn Forecaster, to: usize, key: Key) -> Result<(Array2<f64>, Vec<FilteredStep>)> {
        let mut forecast = self.run.at.ensemble.clone();
        let mut between = Vec::new();
        for k in self.run.at.step..to {
            model.advance(k, 1, &mut forecast, key)?;
            if !self.run.past.is_empty() && k + 1 < to {
                between.push(FilteredStep { step: k + 1, forecast: forecast.clone(), analysis: None });
            }
        }
        Ok((forecast, between))
    }

    /// Keeps an analysis; sets of the same lead step are one time.
    fn keep(&mut self, outcome: &Outcome) {
        let analysis = Some(outcome.ensemble.clone());
        match self.run.past.last_mut() {
            Some(last) if last.step == self.run.at.step => last.analysis = analysis,
            _ => self.run.past.push(FilteredStep {
                step: self.run.at.step,
                forecast: outcome.forecast.clone(),
                analysis,
            }),
        }
    }
}

impl Cycle for EnRts {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        crate::problem::require_members(self.members)?;
        self.run.at = Members { step, ensemble: draw_prior(prior, self.members, key)? };
        self.run.past.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("enrts")?;
        observed.check(self.run.at.ensemble.ncols())?;
        let (forecast, between) = self.forecast(model, observed.step, key.purpose(Purpose::ProcessNoise))?;
        let outcome = self.filter.update(forecast, observed, key)?;
        self.run.at.step = self.run.at.step.max(observed.step);
        self.run.past.extend(between);
        self.keep(&outcome);
        self.run.at.ensemble = outcome.ensemble.clone();
        Ok(outcome)
    }

    fn finish(
        &mut self,
        _model: &dyn Forecaster,
        _operator: Option<&dyn ObservationOperator>,
        _key: Key,
    ) -> Result<Vec<Smoothed>> {
        let past = std::mem::take(&mut self.run.past);
        let Some(last) = past.last() else { return Ok(Vec::new()) };
        let mut later = last.ensemble().clone();
        let mut smoothed = vec![Smoothed::new(last.step, later.clone())];
        for pair in past.windows(2).rev() {
            later = pair[0].smooth(&pair[1], &later, self.gain)?;
            if pair[0].analysis.is_some() {
                smoothed.push(Smoothed::new(pair[0].step, later.clone()));
            }
        }
        smoothed.reverse();
        Ok(smoothed)
    }

    fn owner(&self) -> Owner {
        Owner::new("enrts").with("members", self.members)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.run]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.run]
    }
}
