//! Four-dimensional ensemble-variational assimilation (Liu, Xiao and Wang 2008; Buehner, Houtekamer and others 2010):
//! 4D-Var whose covariances between times are those of members, so that no derivative of the forecaster is needed.
//!
//! Members at the start of a window of `lag` sets have the anomalies A_0 and, carried by the forecaster to the time of the
//! newest set, A_k; P_kk = C o (A_k^T A_k) / (N - 1), P_0k = C o (A_0^T A_k) / (N - 1), localized in state space by the taper
//! C where `radius` is set. The state at the newest set minimises
//! J(x) = |x - mean_k|^2_{P_kk^-1} / 2 + |y - h(x)|^2_{R^-1} / 2 as x = mean_k + P_kk g; the start becomes mean_0 + P_0k g, and its
//! anomalies follow with half the gain, A_0 <- A_0 - A_k H^T K_0^T / 2 (see [`envar`](crate::method::variational::envar)). The members are then
//! carried to the present again. So the increment is linear in the forecaster, and the taper does not follow the flow:
//! both suit windows that are short beside the time in which errors move and grow. `ienks` goes on where this stops after
//! one linearization, but does not localize.
//!
//! With a `shift` S above 1 a set waits, and the analysis of a set that waits is its forecast, until S have come; then x
//! is the states at the S times side by side, P their joint covariance, in which C stands for each pair of times, and y the
//! S sets: one minimisation, after which the window moves on by S sets ([`window`](crate::method::variational::window)). The smoothed states
//! alone know all of the window. P is then S times as wide.
//!
//! All this takes the forecaster as perfect. Where it has noise, members at all sets of the window are updated by their own
//! covariances with those at the newest, so that the noise of each lead step is conditioned too, and nothing is carried
//! again; inflation then acts on the newest alone, and each set is used as it comes: a `shift` above 1 is refused. P is a
//! matrix of the order of the state.

mod several;

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Param, Settings};

use self::several::Several;
use crate::ensemble::{all_finite, anomalies};
use crate::error::Result;
use crate::linalg::joined;
use crate::localize::{LOCALIZATION, Localization, Stencil};
use crate::method::around::inflation::{INFLATION, Inflation, RTPP, RTPS};
use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::shared::{MEMBERS, join};
use crate::method::variational::envar::Dual;
use crate::method::variational::schur::{blame, cross_covariance, require_correlation, taper};
use crate::method::variational::three_d_var::STEPS;
use crate::method::variational::window::{
    LAG, MembersMethod, SHIFT, Solved, Window, WindowCycle, WindowProblem, needs_to_wait,
};
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: FourDEnVar::NAME,
    about: "4D-EnVar: the state at a window's start by covariances between times, localized in state space",
    reference: "Liu et al. 2008; Buehner et al. 2010",
    params: &join::<{ OWN.len() + LOCALIZATION.len() }>(&[OWN, LOCALIZATION]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        let localization = Localization::from_settings(settings)?;
        require_correlation(localization)?;
        let method = FourDEnVar {
            inflation: Inflation::without_noise(settings),
            localization,
            iterations: settings.count(STEPS.key),
        };
        let window = Window::from_settings(settings)?;
        Ok(Box::new(WindowCycle::new(method, settings.count(MEMBERS.key), window, false)))
    })
    .needing(needs_to_wait)
    .holding(memory::of_window_members),
};

const OWN: &[Param] = &[MEMBERS, INFLATION, RTPP, RTPS, LAG, SHIFT, STEPS];

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

/// One analysis, and what it needs to reach the members of other times.
struct Analysis<'a> {
    /// The one set that is used, or the newest beside `several`.
    one: ObservationSet<'a>,
    several: Option<(Several<'a>, Array1<f64>)>,
    dual: Dual,
    /// Anomalies of the members at each set that is used.
    images: Vec<Array2<f64>>,
    /// These members side by side.
    joint: Array2<f64>,
    stencil: Option<Stencil>,
}

impl<'a> Analysis<'a> {
    /// By the sets of the problem, at least one, given the members at the time of each.
    fn new(method: &FourDEnVar, at: &'a WindowProblem, members: &[&Array2<f64>]) -> Result<Self> {
        let sets: Vec<ObservationSet<'a>> = at.sets.iter().map(|set| set.observed.view()).collect();
        let several = if sets.len() > 1 { Some(Several::new(&sets)?) } else { None };
        let one = if several.is_some() { at.newest.view() } else { sets[0] };
        let stencil = taper(method.localization, FourDEnVar::NAME, &at.newest)?;
        let (means, images): (Vec<_>, Vec<_>) = members.iter().map(|x| anomalies(x.view(), None)).unzip();
        let p = images.iter().map(|a| across(a, &images, stencil.as_ref())).collect::<Result<Vec<_>>>()?;
        let (mean, p) = (joined(Axis(0), means)?, joined(Axis(0), p)?);
        let dual = Dual::minimise(&as_one(&one, several.as_ref()), &mean, &p, method.iterations)
            .map_err(blame(method.localization))?;
        let joint = joined(Axis(1), images.clone())?;
        Ok(Self { one, several, dual, images, joint, stencil })
    }

    /// Updates members of a time in the window, and inflates them.
    fn update(&self, members: &mut Array2<f64>, inflation: Inflation) -> Result<()> {
        let (mean, a) = anomalies(members.view(), None);
        let across = across(&a, &self.images, self.stencil.as_ref())?;
        let observed = as_one(&self.one, self.several.as_ref());
        *members = self.dual.earlier_anomalies(&observed, &a, &self.joint, &across);
        inflation.spread(a.view(), members.view_mut());
        *members += &(mean + across.dot(&self.dual.g));
        Ok(())
    }
}

/// `one` set, or `several` as one.
fn as_one<'a>(one: &'a ObservationSet, several: Option<&'a (Several, Array1<f64>)>) -> ObservationSet<'a> {
    match several {
        Some((operator, values)) => ObservationSet { step: one.step, time: one.time, values: values.view(), operator },
        None => one.view(),
    }
}

/// The covariances of anomalies `a` with each of `images`, side by side.
fn across(a: &Array2<f64>, images: &[Array2<f64>], stencil: Option<&Stencil>) -> Result<Array2<f64>> {
    joined(Axis(1), images.iter().map(|image| cross_covariance(a, image, stencil)).collect())
}

impl MembersMethod for FourDEnVar {
    const NAME: &'static str = "four_d_envar";

    fn require(&self, observed: &ObservationSet) -> Result<()> {
        observed.require_derivative(Self::NAME)?;
        taper(self.localization, Self::NAME, observed).map(drop)
    }

    fn solve<'a>(&'a self, at: &'a WindowProblem, _: &Array2<f64>, at_sets: &[Array2<f64>]) -> Result<Solved<'a>> {
        let members: Vec<&Array2<f64>> = at.sets.iter().map(|set| &at_sets[set.leg]).collect();
        for (set, members) in at.sets.iter().zip(&members) {
            if !all_finite(set.observed.restrict(members.view())?.predicted.view()) {
                return Ok(Solved::default());
            }
        }
        let analysis = Analysis::new(self, at, &members)?;
        let diagnostics = Diagnostics::from([("steps", analysis.dual.steps as f64)]);
        let update = move |x: &mut Array2<f64>, inflate| {
            analysis.update(x, if inflate { self.inflation } else { Inflation::default() })
        };
        Ok(Solved { update: Some(Box::new(update)), diagnostics })
    }
}
