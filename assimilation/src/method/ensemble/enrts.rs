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
//! It keeps the members of every lead step from the first set of observations on, and everything comes at the end.

use ndarray::Array2;
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use crate::ensemble::{all_finite, anomalies};
use crate::error::Result;
use crate::linalg::pseudo_inverse;
use crate::method::around::inflation::INFLATION;
use crate::method::around::inflation::{ADDITIVE, Inflation, RTPP, RTPS};
use crate::method::build::MethodBuild;
use crate::method::ensemble::etkf::{EtKf, ROTATE};
use crate::method::shared::MEMBERS;
use crate::numbers::Numbers;
use crate::observations::ObservationSet;
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Analysis, Cycle, Prior, draw_prior};
use crate::state::{pack, unpack};

/// Singular values of A' below this share of the largest count as 0: above the round-off that centring leaves.
const SINGULAR: f64 = 1e-10;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "enrts",
    about: "ensemble Rauch-Tung-Striebel smoother: the etkf forward, all times corrected backward",
    reference: "Raanes 2016",
    params: &[
        MEMBERS,
        INFLATION,
        RTPP,
        RTPS,
        ADDITIVE,
        ROTATE,
        Param::share("decorrelation", 1.0, "factor of the correction, once a lead step; 1 is the whole correction"),
    ],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let filter = EtKf { inflation: Inflation::new(settings), rotate: settings.flag("rotate") };
        Ok(Box::new(EnRts::new(filter, settings.count("members"), settings.number("decorrelation"))))
    }),
};

/// The smoother.
#[derive(Clone, Debug)]
pub struct EnRts {
    filter: EtKf,
    members: usize,
    decorrelation: f64,
    step: usize,
    ensemble: Array2<f64>,
    past: Vec<FilteredStep>,
}

/// The ensemble at one lead step.
#[derive(Clone, Debug)]
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
    fn smooth(&self, next: &FilteredStep, later: &Array2<f64>, decorrelation: f64) -> Result<Array2<f64>> {
        let e = self.ensemble();
        if ![e, &next.forecast, later].iter().all(|x| all_finite(x.view())) {
            return Ok(Array2::from_elem(e.raw_dim(), f64::NAN));
        }
        let inverse = pseudo_inverse(anomalies(next.forecast.view(), None).1.view(), SINGULAR)?;
        let a = anomalies(e.view(), None).1;
        let correction = later - &next.forecast;
        // the smaller of the two products in the middle first: [N, N] or [n, n]
        let correction =
            if e.nrows() < e.ncols() { correction.dot(&inverse).dot(&a) } else { correction.dot(&inverse.dot(&a)) };
        Ok(e + &(decorrelation * correction))
    }
}

impl EnRts {
    /// A smoother over this filter of `members` members, which multiplies each correction by `decorrelation`.
    pub fn new(filter: EtKf, members: usize, decorrelation: f64) -> Self {
        Self { filter, members, decorrelation, step: 0, ensemble: Array2::zeros((0, 0)), past: Vec::new() }
    }

    /// The members at lead step `to`, and those at the lead steps between, which are kept once there has been a set.
    fn forecast(&self, model: &dyn Forecaster, to: usize, key: Key) -> Result<(Array2<f64>, Vec<FilteredStep>)> {
        let mut forecast = self.ensemble.clone();
        let mut between = Vec::new();
        for k in self.step..to {
            model.advance(k, 1, &mut forecast, key)?;
            if !self.past.is_empty() && k + 1 < to {
                between.push(FilteredStep { step: k + 1, forecast: forecast.clone(), analysis: None });
            }
        }
        Ok((forecast, between))
    }

    /// Keeps an analysis; sets of the same lead step are one time.
    fn keep(&mut self, outcome: &Outcome) {
        let analysis = Some(outcome.ensemble.clone());
        match self.past.last_mut() {
            Some(last) if last.step == self.step => last.analysis = analysis,
            _ => self.past.push(FilteredStep { step: self.step, forecast: outcome.forecast.clone(), analysis }),
        }
    }
}

impl Cycle for EnRts {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        crate::problem::require_members(self.members)?;
        (self.step, self.ensemble) = (step, draw_prior(prior, self.members, key)?);
        self.past.clear();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("enrts")?;
        observed.check(self.ensemble.ncols())?;
        let (forecast, between) = self.forecast(model, observed.step, key.purpose(Purpose::ProcessNoise))?;
        let outcome = self.filter.update(forecast, observed, key)?;
        self.step = self.step.max(observed.step);
        self.past.extend(between);
        self.keep(&outcome);
        self.ensemble = outcome.ensemble.clone();
        Ok(outcome)
    }

    fn finish(&mut self, _model: &dyn Forecaster, _key: Key) -> Result<Vec<Smoothed>> {
        let past = std::mem::take(&mut self.past);
        let Some(last) = past.last() else { return Ok(Vec::new()) };
        let mut later = last.ensemble().clone();
        let mut smoothed = vec![Smoothed::new(last.step, later.clone())];
        for pair in past.windows(2).rev() {
            later = pair[0].smooth(&pair[1], &later, self.decorrelation)?;
            if pair[0].analysis.is_some() {
                smoothed.push(Smoothed::new(pair[0].step, later.clone()));
            }
        }
        smoothed.reverse();
        Ok(smoothed)
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = vec![self.past.len() as f64];
        for stage in &self.past {
            numbers.extend([stage.step as f64, f64::from(u8::from(stage.analysis.is_some()))]);
            numbers.extend(stage.forecast.iter().chain(stage.analysis.iter().flatten()));
        }
        pack(self.step, &self.ensemble, &numbers)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, ensemble, numbers) = unpack(bytes)?;
        crate::problem::require_saved_members(ensemble.nrows(), self.members)?;
        let mut numbers = Numbers::new("enrts", &numbers);
        let mut past = Vec::new();
        for _ in 0..numbers.count()? {
            let (step, analysed) = (numbers.count()?, numbers.flag()?);
            let forecast = numbers.matrix(ensemble.dim())?;
            let analysis = if analysed { Some(numbers.matrix(ensemble.dim())?) } else { None };
            past.push(FilteredStep { step, forecast, analysis });
        }
        numbers.end()?;
        (self.step, self.ensemble, self.past) = (step, ensemble, past);
        Ok(())
    }
}
