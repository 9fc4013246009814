//! Serial filters: observed values with independent errors are used one after the other, in their order, and each
//! moves everything else by regression (Anderson 2003). Correlated errors are made independent first: R^-1/2 h and R^-1/2 y
//! take the place of h and y. With a radius that is the root whose values are nearest to those of before, and they keep
//! their places; else, where none is needed, L^-1 with R = L L^T.
//!
//! With a the anomalies of one component and y those of one predicted value, `[member]`, s = y^T y / (N - 1) its variance,
//! r that of its error and d its innovation, a filter's rule names two numbers, `shift` and `stretch`, and with
//! c = w a^T y / (N - 1), w the taper between the two places:
//! mean <- mean + c shift, a <- a + c stretch y.
//!
//! The predicted values that are still to come are moved in the same way as the components (the joint state), so that h
//! is evaluated once. They do not depend on the components, which therefore need not wait for each other: a first pass
//! takes the values through the observations, and a second one each component, in parallel.

use ndarray::Array2;
use scorecast_systems::{Key, Param, Settings};

use crate::ensemble::centre;
use crate::error::Result;
use crate::linalg::{add_scaled, dot};
use crate::localize::{LOCALIZATION, Localization, Neighbours};
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::ensemble::by_component::by_component;
use crate::method::ensemble::etkf::ROTATE;
use crate::method::shared::join;
use crate::observations::{ObservationSet, Present};
use crate::observe::ObservationOperator;
use crate::outcome::Outcome;

/// What a filter makes of one observed value: from its innovation d, the variance s of its prediction and that of its
/// error r.
pub(crate) type Rule = fn(d: f64, s: f64, r: f64) -> Move;

/// How one observed value moves an ensemble.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Move {
    /// The step of a mean for each unit of covariance with the observed value.
    pub shift: f64,
    /// The multiple of the observed value's anomalies that is added to others, for each unit of covariance.
    pub stretch: f64,
}

/// What every serial filter can be set to.
#[derive(Clone, Copy, Debug)]
pub struct Serial {
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
    /// Whether to rotate the anomalies at random after each analysis; costs 2 N^2 n operations.
    pub rotate: bool,
    /// How it localizes; none is the global filter.
    pub localization: Option<Localization>,
}

/// The settings of [`Serial`] and the number of members.
pub(crate) const PARAMS: &[Param] =
    &join::<{ ENSEMBLE.len() + LOCALIZATION.len() + 1 }>(&[ENSEMBLE, LOCALIZATION, &[ROTATE]]);

impl Serial {
    /// From the settings of [`PARAMS`].
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self> {
        let localization = Localization::from_settings(settings)?;
        Ok(Self { inflation: Inflation::new(settings), rotate: settings.flag(ROTATE.key), localization })
    }
}

/// One analysis by its rule.
pub(crate) fn analyse(
    rule: Rule,
    setup: Serial,
    forecast: Array2<f64>,
    present: Present,
    (observed, key): (&ObservationSet, Key),
) -> Result<Outcome> {
    let localization = setup.localization.filter(|local| local.radius.is_finite());
    let near = Near::new(localization, observed.operator, &present.index)?;
    let present = if localization.is_some() { present.whiten_in_place()? } else { present.whiten() };
    let path = Path::new(rule, present, near);
    let follow = |near: &mut Vec<_>, point, a: &mut [f64]| path.follow(point, a, near);
    Ok(by_component((setup.inflation, setup.rotate), forecast, (observed, key), Vec::new, follow))
}

/// Which observations act on a component.
pub(crate) enum Near {
    /// All of so many, in full.
    All(usize),
    /// The components near it.
    Some(Box<Neighbours>),
}

impl Near {
    /// The values listed in `present` under a localization, all of them in full where there is none.
    ///
    /// # Errors
    /// As [`Localization::neighbours`].
    pub fn new(
        localization: Option<Localization>,
        operator: &dyn ObservationOperator,
        present: &[usize],
    ) -> Result<Self> {
        Ok(match localization.filter(|local| local.radius.is_finite()) {
            Some(localization) => Self::Some(Box::new(localization.neighbours(operator, present)?)),
            None => Self::All(present.len()),
        })
    }

    /// Fills `found` with the observations and weights of component `point`, in the order of the observations.
    pub fn of(&self, point: usize, found: &mut Vec<(usize, f64)>) {
        match self {
            Self::All(count) if found.len() == *count => {}
            Self::All(count) => {
                found.clear();
                found.extend((0..*count).map(|observation| (observation, 1.0)));
            }
            Self::Some(neighbours) => {
                neighbours.near(point, found);
                found.sort_unstable_by_key(|(observation, _)| *observation);
            }
        }
    }

    /// Fills `found` likewise around the place of an observation; the order does not matter, for each moves others once.
    pub fn of_observation(&self, observation: usize, found: &mut Vec<(usize, f64)>) {
        match self {
            Self::All(_) => self.of(0, found),
            Self::Some(neighbours) => neighbours.near_observation(observation, found),
        }
    }
}

/// The way of the predicted values through the observations: what each component then follows.
struct Path {
    /// The anomalies of each predicted value when its turn came, `[present, member]`.
    y: Vec<f64>,
    moves: Vec<Move>,
    members: usize,
    near: Near,
}

impl Path {
    fn new(rule: Rule, present: Present, near: Near) -> Self {
        let (members, count) = present.predicted.dim();
        let per = 1.0 / (members as f64 - 1.0);
        let mut y = present.predicted.reversed_axes().as_standard_layout().into_owned().into_raw_vec_and_offset().0;
        let mut means: Vec<f64> = y.chunks_exact_mut(members).map(centre).collect();
        let mut moves = vec![Move::default(); count];
        let mut found = Vec::new();
        for j in 0..count {
            let (done, rest) = y.split_at_mut((j + 1) * members);
            let own = &done[j * members..];
            let moved = rule(present.values[j] - means[j], per * dot(own, own), present.variance[j]);
            moves[j] = moved;
            near.of_observation(j, &mut found);
            for &(k, weight) in found.iter().filter(|(k, _)| *k > j) {
                let other = &mut rest[(k - j - 1) * members..(k - j) * members];
                means[k] += moved.apply(weight * per, own, other);
            }
        }
        Self { y, moves, members, near }
    }

    /// Takes component `point`, whose anomalies are in `a`, through the observations near it; returns the step of its
    /// mean.
    fn follow(&self, point: usize, a: &mut [f64], found: &mut Vec<(usize, f64)>) -> f64 {
        self.near.of(point, found);
        let mut step = 0.0;
        let per = 1.0 / (self.members as f64 - 1.0);
        for &(j, weight) in &*found {
            let y = &self.y[j * self.members..(j + 1) * self.members];
            step += self.moves[j].apply(weight * per, y, a);
        }
        step
    }
}

impl Move {
    /// Moves anomalies `a` by an observed value of anomalies `y`; returns the step of their mean.
    fn apply(self, scale: f64, y: &[f64], a: &mut [f64]) -> f64 {
        let c = scale * dot(a, y);
        add_scaled(a, c * self.stretch, y);
        c * self.shift
    }
}
