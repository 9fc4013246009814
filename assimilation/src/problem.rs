//! The problem that a method is given, and what a method is.

use ndarray::{Array1, Array2};
use scorecast_systems::{Forecaster, Key, Purpose};

use crate::error::{Error, Result};
use crate::observations::ObservationSet;
use crate::observe::ObservationOperator;
use crate::outcome::{Outcome, Smoothed};
use crate::state::{self, Owner, Saved};

/// The law of the state before the first observation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Prior {
    /// Draws, `[member, component]`, one for each member that a method asks for.
    Ensemble(Array2<f64>),
    /// A Gaussian.
    Gaussian {
        /// `[component]`.
        mean: Array1<f64>,
        /// `[component, component]`.
        covariance: Array2<f64>,
    },
    /// A Gaussian whose components are independent: no matrix of the size of a state is made of it, except by methods that
    /// carry a covariance.
    Independent {
        /// `[component]`.
        mean: Array1<f64>,
        /// Standard deviations, at least 0, `[component]`.
        sd: Array1<f64>,
    },
}

impl Prior {
    /// Checks that the moments of a Gaussian have sizes that fit, and no standard deviation is below 0.
    ///
    /// # Errors
    /// [`Error::Shape`] with both numbers and the remedy.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Ensemble(_) => Ok(()),
            Self::Gaussian { mean, covariance } if covariance.dim() == (mean.len(), mean.len()) => Ok(()),
            Self::Gaussian { mean, covariance } => Err(Error::Shape(format!(
                "the prior's mean has {} components but its covariance is {} x {}; give it a row and a column for each",
                mean.len(),
                covariance.nrows(),
                covariance.ncols()
            ))),
            Self::Independent { mean, sd } if sd.len() != mean.len() => Err(Error::Shape(format!(
                "the prior's mean has {} components but there are {} standard deviations; give one for each",
                mean.len(),
                sd.len()
            ))),
            Self::Independent { sd, .. } => match sd.iter().find(|sd| **sd < 0.0) {
                Some(sd) => Err(Error::Shape(format!("the prior has the standard deviation {sd}; give it 0 or more"))),
                None => Ok(()),
            },
        }
    }
}

/// A forecast ensemble in, an analysis ensemble out: what a real model's pipeline calls.
pub trait Analysis: Send {
    /// Updates `forecast` (`[member, component]`) with one set of observations. Draws from `key.at(observed.step)`: a second set of
    /// the same lead step needs another key (`key.case(1)`), or its draws are those of the first.
    ///
    /// # Errors
    /// When shapes do not fit or the method cannot use this operator.
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome>;

    /// [`Analysis::update`] for a pipeline whose ensemble is large: leaves the members of the analysis, bit for bit those of
    /// [`Analysis::update`], in place of the forecast in `ensemble` (`[member, component]`), and keeps no forecast. What
    /// there is to know of their weights is in [`Analysis::weights`]. By `update` on a copy, unless a method can do with less
    /// memory (`letkf` with a radius: the ensemble and h(x) of its members).
    ///
    /// # Errors
    /// As [`Analysis::update`]; the ensemble is then as it was.
    fn update_in_place(&mut self, ensemble: &mut Array2<f64>, observed: &ObservationSet, key: Key) -> Result<()> {
        *ensemble = self.update(ensemble.clone(), observed, key)?.ensemble;
        Ok(())
    }

    /// Normalised weights of the members of the next forecast, `[member]`; none means equal.
    fn weights(&self) -> Option<Array1<f64>> {
        None
    }

    /// Its name in the registry.
    fn name(&self) -> &'static str {
        "an analysis of your own"
    }

    /// Everything that the method carries from one analysis to the next (weights, adapted inflation).
    fn state(&self) -> Vec<&dyn Saved> {
        Vec::new()
    }

    /// [`Analysis::state`], to be put back.
    fn state_mut(&mut self) -> Vec<&mut dyn Saved> {
        Vec::new()
    }
}

/// A filter: goes from one set of observations to the next and must see x_k.
///
/// A smoother is one too, which also says what it thinks of earlier times: of each as soon as no later observation will
/// change it ([`Outcome::smoothed`]), and of the rest when the run ends ([`Cycle::finish`]). So one loop runs them all.
pub trait Cycle: Send {
    /// Starts from the prior at lead step `step`.
    ///
    /// # Errors
    /// When the method cannot start from this kind of prior.
    fn start(&mut self, prior: &Prior, step: usize, key: Key) -> Result<()>;

    /// [`Cycle::start`] where the climate of the system is known beside the prior, as draws or a Gaussian: a method whose
    /// background covariance never changes takes it from there, and a climatology its whole law. Others start from the prior
    /// alone.
    ///
    /// # Errors
    /// As [`Cycle::start`], for either law.
    fn start_in_climate(&mut self, prior: &Prior, climate: &Prior, step: usize, key: Key) -> Result<()> {
        let _ = climate;
        self.start(prior, step, key)
    }

    /// Forecasts from the current step to `observed.step`, then analyses. Of several sets of one lead step all but the first need
    /// another key, as in [`Analysis::update`].
    ///
    /// # Errors
    /// When the forecaster fails, shapes do not fit, or the method cannot use this operator or forecaster. A set that does
    /// not fit leaves the method as it was. Where the forecaster fails, so it does for ensemble filters; a method of a window,
    /// or one that carries moments or particles from lead step to lead step, is to be restored from a saved state first.
    fn step(&mut self, model: &dyn Forecaster, observed: &ObservationSet, key: Key) -> Result<Outcome>;

    /// Ends a run: a smoother's posteriors of the times that it has not given with an [`Outcome`], in their order. A
    /// filter has none. `operator` is that of the run's sets of observations: methods that let sets wait (those of a window with
    /// a `shift` above 1) use those that still wait first, in a last and shorter analysis, so that none is lost. Others need
    /// none.
    ///
    /// # Errors
    /// When the forecaster fails or does not offer what the method needs; where sets wait that came with another operator, or
    /// none is given.
    fn finish(
        &mut self,
        model: &dyn Forecaster,
        operator: Option<&dyn ObservationOperator>,
        key: Key,
    ) -> Result<Vec<Smoothed>> {
        let _ = (model, operator, key);
        Ok(Vec::new())
    }

    /// Whose state it is.
    fn owner(&self) -> Owner;

    /// Everything that the method carries from one set of observations to the next.
    fn state(&self) -> Vec<&dyn Saved>;

    /// [`Cycle::state`], to be put back.
    fn state_mut(&mut self) -> Vec<&mut dyn Saved>;

    /// The whole state as bytes.
    fn save(&self) -> Vec<u8> {
        state::seal(&self.owner(), &self.state())
    }

    /// Takes back what [`Cycle::save`] gave; the filter then goes on bit for bit as if it had never stopped.
    ///
    /// # Errors
    /// When the bytes are not such a state; the filter is then as it was.
    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let owner = self.owner();
        state::open(bytes, &owner, &mut self.state_mut())
    }
}

/// `members` draws of a prior, `[member, component]`.
///
/// # Errors
/// When an ensemble prior has too few members, sizes do not fit, a standard deviation is below 0, or a covariance is not
/// positive semi-definite.
pub fn draw_prior(prior: &Prior, members: usize, key: Key) -> Result<Array2<f64>> {
    prior.check()?;
    match prior {
        Prior::Ensemble(draws) if draws.nrows() >= members => Ok(draws.slice(ndarray::s![..members, ..]).to_owned()),
        Prior::Ensemble(draws) => Err(Error::Shape(format!(
            "the method has {members} members but the prior only {} draws; give it at least {members}",
            draws.nrows()
        ))),
        Prior::Gaussian { mean, covariance } => {
            let root = crate::linalg::symmetric_sqrt(covariance.view())?;
            let normals = key.purpose(Purpose::InitialState).normals(members, mean.len());
            Ok(normals.dot(&root) + mean)
        }
        Prior::Independent { mean, sd } => {
            let normals = key.purpose(Purpose::InitialState).normals(members, mean.len());
            Ok(normals * sd + mean)
        }
    }
}

/// Refuses an ensemble without a spread.
pub(crate) fn require_members(members: usize) -> Result<()> {
    if members < 2 {
        return Err(Error::Shape(format!("an ensemble has {members} members; an analysis needs at least 2")));
    }
    Ok(())
}

/// Refuses a forecaster of another dimension than that of the state, `dim`.
pub(crate) fn require_dim(dim: usize, model: &dyn Forecaster) -> Result<()> {
    let expected = model.dim();
    if dim == expected {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "the prior has {dim} components but the forecaster {expected}; give a prior of {expected}"
    )))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::Domain;

    use super::*;

    #[test]
    fn draws_of_independent_components_are_those_of_the_diagonal_covariance() {
        let (mean, sd) = (array![0.3, -2.0, 1e-3, 7.1], array![0.7, 1e-5, 0.0, 3.3]);
        let covariance = Array2::from_diag(&(&sd * &sd));
        let key = Key::new(5, Domain::Method);
        let diagonal = draw_prior(&Prior::Gaussian { mean: mean.clone(), covariance }, 50, key).unwrap();
        assert_eq!(draw_prior(&Prior::Independent { mean, sd }, 50, key).unwrap(), diagonal);
    }

    #[test]
    fn moments_that_do_not_fit_are_refused() {
        let refused = |prior: &Prior| draw_prior(prior, 3, Key::new(5, Domain::Method)).unwrap_err().to_string();
        let mean = array![0.0, 1.0, 2.0];
        for sd in [array![1.0], array![1.0, 1.0]] {
            let count = sd.len();
            let message = refused(&Prior::Independent { mean: mean.clone(), sd });
            assert!(message.contains("3 components") && message.contains(&format!("{count} standard")), "{message}");
        }
        let message = refused(&Prior::Independent { mean: mean.clone(), sd: array![1.0, -0.5, 1.0] });
        assert!(message.contains("-0.5; give it 0 or more"), "{message}");
        let message = refused(&Prior::Gaussian { mean, covariance: Array2::eye(2) });
        assert!(message.contains("3 components but its covariance is 2 x 2"), "{message}");
    }
}
