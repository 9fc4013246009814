//! The hybrid of ensemble and static covariance (Hamill and Snyder 2000; Lorenc 2003).
//!
//! P = (1 - b) C o P_e + b B: the covariance P_e of the forecast members, tapered by C where `radius` is set, and the
//! static B, `scale` times the covariance of the prior (of its draws, such as a climatology, or of its Gaussian); b is
//! `static_weight`. The mean minimises J(x) = |x - mean|^2_{P^-1} / 2 + |y - h(x)|^2_{R^-1} / 2, the anomalies are updated
//! with half its gain (see [`envar`](crate::method::variational::envar) for both). Without localization b = 0 has the mean of `etkf` and b = 1
//! that of `optimal_interpolation`, or of `three_d_var` where h is not linear. P is a matrix of the order of the state.

use ndarray::Array2;
use scorecast_systems::{Entry, Forecaster, Key, Param, Purpose, Settings};
use serde::{Deserialize, Serialize};

use crate::cycle::Members;
use crate::ensemble::anomalies;
use crate::error::Result;
use crate::gaussian::Gaussian;
use crate::guard::usable;
use crate::localize::{LOCALIZATION, Localization};
use crate::method::around::inflation::INFLATION;
use crate::method::around::inflation::{ADDITIVE, Inflation, RTPP, RTPS};
use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::shared::MEMBERS;
use crate::method::shared::join;
use crate::method::variational::envar::Dual;
use crate::method::variational::schur::{blame, cross_covariance, require_correlation, taper};
use crate::method::variational::three_d_var::{SCALE, STEPS};
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::require_dim;
use crate::problem::{Cycle, Prior, draw_prior};
use crate::state::{Owner, Saved, State};

const STATIC_WEIGHT: Param =
    Param::share("static_weight", 0.5, "weight of the static covariance; the members' has the rest");

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "hybrid",
    about: "hybrid EnVar: covariance mixed of the members' (localized) and the prior's",
    reference: "Hamill and Snyder 2000; Lorenc 2003",
    params: &join::<{ OWN.len() + LOCALIZATION.len() }>(&[OWN, LOCALIZATION]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        let localization = Localization::from_settings(settings)?;
        require_correlation(localization)?;
        let method = Hybrid {
            static_weight: settings.number(STATIC_WEIGHT.key),
            scale: settings.number(SCALE.key),
            inflation: Inflation::new(settings),
            localization,
            iterations: settings.count(STEPS.key),
        };
        Ok(Box::new(HybridCycle::new(method, settings.count(MEMBERS.key))))
    })
    .holding(memory::of_covariance),
};

const OWN: &[Param] = &[MEMBERS, STATIC_WEIGHT, SCALE, INFLATION, RTPP, RTPS, ADDITIVE, STEPS];

/// The rules of the hybrid.
#[derive(Clone, Debug)]
pub struct Hybrid {
    /// b.
    pub static_weight: f64,
    /// Factor of the covariance of the prior that makes B.
    pub scale: f64,
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
    /// The taper of the members' covariance; none leaves it.
    pub localization: Option<Localization>,
    /// Gauss-Newton steps at most, at least 1.
    pub iterations: usize,
}

impl Hybrid {
    /// Updates `forecast` (`[member, component]`) with the static covariance `b` (`[component, component]`).
    ///
    /// # Errors
    /// When shapes do not fit, the components do not fill the grid, the taper is no correlation function, or the error law
    /// is not Gaussian.
    pub fn update(
        &self,
        forecast: Array2<f64>,
        b: &Array2<f64>,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        let Some(_) = usable("hybrid", &forecast, observed)? else { return Ok(Outcome::unchanged(forecast)) };
        let stencil = taper(self.localization, "hybrid", observed)?;
        let (mean, a) = anomalies(forecast.view(), None);
        let mut p = cross_covariance(&a, &a, stencil.as_ref());
        p.zip_mut_with(b, |p, b| *p = (1.0 - self.static_weight) * *p + self.static_weight * b);
        let dual = Dual::minimise(observed, &mean, &p, self.iterations).map_err(blame(self.localization))?;
        let ensemble = dual.anomalies(observed, &a) + &(mean + &dual.increment);
        let mut outcome = self.inflation.finish(forecast, ensemble, observed, key);
        outcome.diagnostics.insert("steps", dual.steps as f64);
        Ok(outcome)
    }
}

/// The hybrid as a cycle, which keeps B.
pub struct HybridCycle {
    method: Hybrid,
    members: usize,
    run: HybridState,
}

/// What the cycle carries.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct HybridState {
    at: Members,
    /// B, `[component, component]`.
    background: Array2<f64>,
}

impl State for HybridState {
    const KIND: &'static str = "members and background covariance";

    fn check(&self, owner: &Owner) -> Result<(), String> {
        self.at.check(owner)?;
        let (dim, found) = (self.at.ensemble.ncols(), self.background.dim());
        match found == (dim, dim) {
            true => Ok(()),
            false => Err(format!("it holds a covariance of {} x {} beside {dim} components", found.0, found.1)),
        }
    }
}

impl HybridCycle {
    /// A filter of `members` members.
    pub fn new(method: Hybrid, members: usize) -> Self {
        Self { method, members, run: HybridState::default() }
    }
}

impl Cycle for HybridCycle {
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()> {
        let background = Gaussian::of(prior)?.covariance * self.method.scale;
        self.run = HybridState { at: Members { step, ensemble: draw_prior(prior, self.members, key)? }, background };
        Ok(())
    }

    fn start_in_climate(&mut self, prior: &Prior, climate: &Prior, step: usize, key: Key) -> Result<()> {
        self.start(prior, step, key)?;
        self.run.background = Gaussian::of(climate)?.covariance * self.method.scale;
        Ok(())
    }

    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        require_dim(self.run.at.ensemble.ncols(), model)?;
        observed.require_derivative("hybrid")?;
        let steps = observed.step.saturating_sub(self.run.at.step);
        // a copy, so that a step that fails leaves the members as they are
        let mut forecast = self.run.at.ensemble.clone();
        model.advance(self.run.at.step, steps, &mut forecast, key.purpose(Purpose::ProcessNoise))?;
        let outcome = self.method.update(forecast, &self.run.background, observed, key)?;
        self.run.at.step = self.run.at.step.max(observed.step);
        self.run.at.ensemble = outcome.ensemble.clone();
        Ok(outcome)
    }

    fn owner(&self) -> Owner {
        Owner::new("hybrid").with("members", self.members)
    }

    fn state(&self) -> Vec<&dyn Saved> {
        vec![&self.run]
    }

    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        vec![&mut self.run]
    }
}
