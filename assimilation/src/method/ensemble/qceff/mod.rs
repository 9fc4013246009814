//! The quantile-conserving serial ensemble filter (Anderson 2010, 2022): a value whose error or operator is not Gaussian moves
//! each member to where the posterior has the quantile that the member had in the prior.
//!
//! Values are used one after the other, in random order. Value y is a function of one number u: of the component x_l where it
//! reads one alone, with the exact likelihood p(y | x_l), and of the predicted value h(x) otherwise. With F the prior of u and
//! F+ its product with the likelihood, each member's u_i becomes F+^-1(F(u_i)), and the increment is regressed onto every other
//! component a with the taper w: a_i <- a_i + w (a^T u / u^T u) (u_i' - u_i), a and u anomalies (Anderson 2003).
//!
//! `prior` says what F is made of members: a `normal` law of their mean and variance (with a linear operator and Gaussian
//! errors that is the [`eakf`](super::eakf), exactly), a `kernel` density whose centres are shrunk so that it has their
//! variance, or the `rank_histogram`, equal mass between neighbours and normal tails. `lower` and `upper` are bounds of every
//! component: a law of a component that is read ends there, and what regression or inflation takes beyond one is put on it. A
//! forecast with numbers beyond a bound says so by the diagnostic `beyond_bounds`, their share; one that has all members of a
//! component there is refused.

mod bounds;
mod grid;
mod kernel;
mod path;
mod prior;
mod rank_histogram;
mod reading;

use ndarray::Array2;
use scorecast_systems::{Entry, Key, Param, ParamKind, Purpose, Settings};

pub use self::bounds::Bounds;
use self::path::Path;
pub use self::prior::MarginalPrior;
pub(crate) use self::reading::Readings;
use crate::ensemble::all_finite;
use crate::error::Result;
use crate::guard::can_update;
use crate::localize::{LOCALIZATION, Localization};
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::build::MethodBuild;
use crate::method::ensemble::by_component::by_component;
use crate::method::ensemble::serial::Near;
use crate::method::shared::join;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, require_members};

const PRIOR: Param =
    Param::choice("prior", "kernel", MarginalPrior::WORDS, "the law that is made of a component's members");

/// No bound is further from 0.
const FURTHEST: f64 = 1e100;

const LOWER: Param = Param::unset(
    "lower",
    ParamKind::real(-FURTHEST, FURTHEST),
    "bound below which no component is, in its unit; unset is none",
);

const UPPER: Param = Param::unset(
    "upper",
    ParamKind::real(-FURTHEST, FURTHEST),
    "bound above which no component is, in its unit; unset is none",
);

const OWN: &[Param] = &[PRIOR, LOWER, UPPER];

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "qceff",
    about: "quantile-conserving serial filter: the exact likelihood of the component that a value reads",
    reference: "Anderson 2010, 2022",
    params: &join::<{ ENSEMBLE.len() + LOCALIZATION.len() + OWN.len() }>(&[ENSEMBLE, LOCALIZATION, OWN]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        let bounds = Bounds { lower: settings.optional_number(LOWER.key), upper: settings.optional_number(UPPER.key) };
        if let Bounds { lower: Some(lower), upper: Some(upper) } = bounds
            && lower >= upper
        {
            let problem = format!("is {upper}, at or below the `lower` of {lower}; set it above");
            return Err(settings.mistake(UPPER.key, problem).into());
        }
        let filter = QcEff {
            inflation: Inflation::new(settings),
            localization: Localization::from_settings(settings)?,
            prior: MarginalPrior::named(settings.text(PRIOR.key)),
            bounds,
        };
        crate::method::around::cycle(filter, settings)
    }),
};

/// The quantile-conserving filter.
#[derive(Clone, Debug)]
pub struct QcEff {
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
    /// How it localizes; none lets every value act on every component in full.
    pub localization: Option<Localization>,
    /// The law that is made of the members of what a value is a function of.
    pub prior: MarginalPrior,
    /// Bounds of every component.
    pub bounds: Bounds,
}

impl QcEff {
    /// Present values in random order: positions in the list of those that are present.
    fn order(count: usize, observed: &ObservationSet, key: Key) -> Vec<usize> {
        let mut stream = key.purpose(Purpose::Resampling).at(observed.step as u64).stream(0);
        let mut order: Vec<usize> = (0..count).collect();
        for i in 0..count {
            order.swap(i, i + stream.below(count - i));
        }
        order
    }
}

impl Analysis for QcEff {
    fn name(&self) -> &'static str {
        "qceff"
    }

    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        require_members(forecast.nrows())?;
        observed.check(forecast.ncols())?;
        let order = Self::order(observed.present().len(), observed, key);
        let readings = Readings::new(observed, forecast.view(), &order)?;
        let near = Near::new(self.localization, observed.operator, readings.index())?;
        if !can_update(&forecast, observed) || !all_finite(readings.predicted()) {
            return Ok(Outcome::unchanged(forecast));
        }
        self.bounds.require_members_within(&forecast)?;
        let beyond = self.bounds.share_beyond(&forecast);
        let path = Path::new(&readings, (self.prior, self.bounds), forecast.view(), near);
        let follow = |near: &mut Vec<_>, point, a: &mut [f64]| path.follow(point, a, near);
        let mut outcome = by_component((self.inflation, false), forecast, (observed, key), Vec::new, follow);
        self.bounds.hold(&mut outcome.ensemble);
        if beyond > 0.0 {
            outcome.diagnostics.insert("beyond_bounds", beyond);
        }
        Ok(outcome)
    }
}
