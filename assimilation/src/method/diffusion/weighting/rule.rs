//! What a weighting is: where log p(y | x_k) comes from, by which a guided draw of x_{k+1} given x_k and y is weighed.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{Array1, Array2};
use scorecast_systems::noising::sample;
use scorecast_systems::{Affine, Denoiser, Forecaster, Key, Levels, Sampler, Settings};

use crate::error::Result;
use crate::observations::ObservationSet;

/// How a weighting is built: from the settings of `guided`, which has those of all weightings among its own.
pub type BuildWeighting = fn(&Settings) -> Arc<dyn Weighting>;

/// A weighting.
pub trait Weighting: Debug + Send + Sync {
    /// What is to be mistrusted of it, where anything is: a clause that follows the name of a run.
    fn caveat(&self) -> Option<&'static str> {
        None
    }

    /// Why it does not go with a sampler, in words that follow "the setting `weights`"; none where it does.
    fn refusal(&self, sampler: &dyn Sampler) -> Option<&'static str> {
        let _ = sampler;
        None
    }

    /// Refuses a forecaster or an operator that lacks what it needs.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) with the remedy.
    fn require(&self, model: &dyn Forecaster, observed: &ObservationSet) -> Result<()> {
        let _ = (model, observed);
        Ok(())
    }

    /// log p(y | x_k), `[member]`, for each row of `x` (`[member, component]`) one lead step before the observations, where
    /// it is known without a draw: ancestors are then weighed, and resampled, before they are advanced.
    ///
    /// # Errors
    /// When the forecaster cannot run or a covariance is not positive definite.
    fn before(
        &self,
        model: &dyn Forecaster,
        x: &Array2<f64>,
        observed: &ObservationSet,
    ) -> Result<Option<Array1<f64>>> {
        let _ = (model, x, observed);
        Ok(None)
    }

    /// Draws x_{k+1} of each member, with what the way says of log p(y | x_k).
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn draw(&self, run: &GuidedRun) -> Result<WeighedDraw> {
        let z = sample(run.sampler, run.guided, run.levels, run.members(), run.key)?;
        Ok(WeighedDraw { ensemble: run.to_state.apply(&z), log_factors: None })
    }
}

/// A draw that is to be made.
#[derive(Clone, Copy)]
pub struct GuidedRun<'a> {
    /// The guided denoiser; its [`Denoiser::evaluate`] tells D without guidance too.
    pub guided: &'a dyn Denoiser,
    /// From its space to states; a row a member.
    pub to_state: &'a Affine,
    /// What guides it.
    pub observed: ObservationSet<'a>,
    /// The reverse sampler.
    pub sampler: &'a dyn Sampler,
    /// Its levels.
    pub levels: &'a Levels,
    /// Member i draws from stream i.
    pub key: Key,
}

impl GuidedRun<'_> {
    /// How many members are drawn.
    pub fn members(&self) -> usize {
        self.to_state.offset.nrows()
    }
}

/// A draw that was made.
#[derive(Clone, Debug)]
pub struct WeighedDraw {
    /// x_{k+1}, `[member, component]`.
    pub ensemble: Array2<f64>,
    /// Logarithms of factors of the members' weights, `[member]`; none where the draw says nothing of them.
    pub log_factors: Option<Array1<f64>>,
}
