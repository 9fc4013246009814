//! Four-dimensional ensemble-variational assimilation (Liu, Xiao and Wang 2008; Buehner, Houtekamer and others 2010):
//! 4D-Var whose covariances between times are those of members, so that no derivative of the forecaster is needed.
//!
//! Members at the start of a window of `lag` sets have the anomalies A_0 and, carried by the forecaster to the time of the
//! newest set, A_k; P_kk = C o (A_k^T A_k) / (N - 1), P_0k = C o (A_0^T A_k) / (N - 1), localized in state space by the taper
//! C where `radius` is set. The state at the newest set minimises
//! J(x) = |x - mean_k|^2_{P_kk^-1} / 2 + |y - h(x)|^2_{R^-1} / 2 as x = mean_k + P_kk g; the start becomes mean_0 + P_0k g, and its
//! anomalies follow with half the gain, A_0 <- A_0 - A_k H^T K_0^T / 2 (see [`envar`](super::envar)). The members are then
//! carried to the present again. So the increment is linear in the forecaster, and the taper does not follow the flow:
//! both suit windows that are short beside the time in which errors move and grow. `ienks` goes on where this stops after
//! one linearization, but does not localize.
//!
//! The forecaster is taken as perfect: its noise, if it has any, is the same draw whenever a member goes through a lead step,
//! counts as spread of the forecast, and is not updated; `ienks` or `letkf` update it. P is a matrix of the order of the
//! state.

use ndarray::Array2;
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};

use super::envar::{Dual, cross_covariance};
use super::inflation::{Inflation, RTPP, RTPS};
use super::three_d_var::STEPS;
use super::window::{LAG, Window};
use super::{Build, INFLATION, MEMBERS, join, require_members, unchanged};
use crate::linalg::{all_finite, anomalies};
use crate::localize::{LOCALIZATION, Localization};
use crate::outcome::{Outcome, Smoothed};
use crate::problem::{Cycle, Error, Prior, Result, Seen, draw_prior};
use crate::state::{pack, unpack};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "four_d_envar",
    about: "4D-EnVar: the state at a window's start by covariances between times, localized in state space",
    reference: "Liu et al. 2008; Buehner et al. 2010",
    params: &join::<{ OWN.len() + LOCALIZATION.len() }>(&[OWN, LOCALIZATION]),
    build: |settings: &Settings| {
        let [multiplicative, rtpp, rtps] = ["inflation", "rtpp", "rtps"].map(|key| settings.number(key));
        let method = FourDEnVar {
            inflation: Inflation { multiplicative, rtpp, rtps, ..Inflation::default() },
            localization: Localization::from_settings(settings)?,
            iterations: settings.count("iterations"),
        };
        Ok(Box::new(FourDEnVarCycle::new(method, settings.count("members"), settings.count("lag"))))
    },
};

const OWN: &[Param] = &[MEMBERS, INFLATION, RTPP, RTPS, LAG, STEPS];

/// The rules of 4D-EnVar.
#[derive(Clone, Debug)]
pub struct FourDEnVar {
    /// What is done to the anomalies at the window's start.
    pub inflation: Inflation,
    /// The taper of the covariances; none leaves them.
    pub localization: Option<Localization>,
    /// Gauss-Newton steps at most, at least 1; a linear operator needs one.
    pub iterations: usize,
}

impl FourDEnVar {
    /// The members at the start (`[member, component]`) after a set with at least one value; `forecast` is what they
    /// become at its time.
    fn analyse(&self, start: &Array2<f64>, forecast: &Array2<f64>, seen: &Seen) -> Result<(Array2<f64>, usize)> {
        let ((mean, a), (image, b)) = (anomalies(start.view(), None), anomalies(forecast.view(), None));
        let stencil = self.localization.map(|local| local.stencil(a.ncols())).transpose()?;
        let dual = Dual::minimise(seen, &image, &cross_covariance(&b, &b, stencil.as_ref()), self.iterations)?;
        let across = cross_covariance(&a, &b, stencil.as_ref());
        let mut members = dual.earlier_anomalies(seen, &a, &b, &across);
        self.inflation.spread(a.view(), members.view_mut());
        members += &(mean + across.dot(&dual.g));
        Ok((members, dual.steps))
    }
}

/// 4D-EnVar as a cycle over its window.
pub struct FourDEnVarCycle {
    method: FourDEnVar,
    members: usize,
    window: Window,
    /// Members at the start, `[member, component]`.
    start: Array2<f64>,
    /// What they become at the present.
    front: Array2<f64>,
}

impl FourDEnVarCycle {
    /// A smoother of `members` members over a window of `lag` sets, at least 1.
    pub fn new(method: FourDEnVar, members: usize, lag: usize) -> Self {
        let none = || Array2::zeros((0, 0));
        Self { method, members, window: Window::new(lag), start: none(), front: none() }
    }
}

impl Cycle for FourDEnVarCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        self.window.begin(step);
        self.start = draw_prior(prior, self.members, key)?;
        self.front = self.start.clone();
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, seen: &Seen, key: Key) -> Result<Outcome> {
        seen.require_gaussian("four_d_envar")?;
        seen.check(self.start.ncols())?;
        require_members(self.start.nrows())?;
        let noise = key.purpose(Purpose::ProcessNoise);
        let before = self.window.present();
        self.window.push(seen.step);
        let mut forecast = self.front.clone();
        model.advance(before, self.window.present() - before, &mut forecast, noise)?;
        let predicted = seen.restrict(forecast.view())?.predicted;
        let usable = predicted.ncols() > 0 && [&self.start, &forecast, &predicted].iter().all(|x| all_finite(x.view()));
        let mut outcome = unchanged(forecast);
        let first = if usable {
            let (start, steps) = self.method.analyse(&self.start, &outcome.forecast, seen)?;
            self.start = start;
            outcome.diagnostics.insert("steps", steps as f64);
            let (first, present) = self.window.carry(model, &self.start, noise)?;
            outcome.ensemble = present;
            Some(first)
        } else {
            None
        };
        self.front.clone_from(&outcome.ensemble);
        if self.window.is_full() {
            let first = first.map_or_else(|| self.window.carry_first(model, &self.start, noise), Ok)?;
            let start = std::mem::replace(&mut self.start, first);
            outcome.smoothed.extend(self.window.smoothed().map(|step| Smoothed::new(step, start)));
            self.window.slide();
        }
        Ok(outcome)
    }

    fn finish(&mut self, model: &dyn Forecaster, key: Key) -> Result<Vec<Smoothed>> {
        self.window.drain(model, &mut self.start, key.purpose(Purpose::ProcessNoise))
    }

    fn save(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(&self.front);
        pack(self.window.start(), &self.start, &numbers)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, start, numbers) = unpack(bytes)?;
        if start.nrows() != self.members {
            return Err(Error::State(format!(
                "it has {} members but the method is set to {}; set `members` to {}",
                start.nrows(),
                self.members,
                start.nrows()
            )));
        }
        let mut window = self.window.clone();
        let front = window.restore(step, &numbers)?.to_vec();
        self.front = Array2::from_shape_vec(start.raw_dim(), front)
            .map_err(|_| Error::State("its further numbers are not those of `four_d_envar`".to_owned()))?;
        (self.window, self.start) = (window, start);
        Ok(())
    }
}
