//! What a weighting is: where log p(y | x_k) comes from, by which a guided draw of x_{k+1} given x_k and y is weighed.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{Array1, Array2};
use scorecast_systems::noising::{Run, Start, drive};
use scorecast_systems::{Affine, Forecaster, Key, Level, Levels, Purpose, Sampler, Settings};

use crate::error::Result;
use crate::method::diffusion::correctors::Correctors;
use crate::method::diffusion::guidance::{FollowingDenoiser, noise_anew};
use crate::observations::ObservationSet;

/// How a weighting is built: from the settings of `guided`, which has those of all weightings among its own.
pub type BuildWeighting = fn(&Settings) -> Arc<dyn Weighting>;

/// A weighting.
pub trait Weighting: Debug + Send + Sync {
    /// What is to be mistrusted of it, where anything is: a clause that follows the name of a run.
    fn caveat(&self) -> Option<&'static str> {
        None
    }

    /// Whether members are weighed at all.
    fn weighs(&self) -> bool {
        true
    }

    /// Whether it knows what values say of x_k before a draw ([`Weighting::predictive`]): what local weights are made of.
    fn is_local(&self) -> bool {
        false
    }

    /// Why it does not go with how draws are made, in words that follow "the setting `weights`"; none where it does.
    fn refusal(&self, sampling: &Sampling) -> Option<&'static str> {
        let _ = sampling;
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

    /// log p(y | x_k), `[member]`, where it is known without a draw: ancestors are then weighed, and resampled, before they are
    /// advanced.
    ///
    /// # Errors
    /// When the forecaster cannot run or a covariance is not positive definite.
    fn before(&self, ancestors: &Ancestors) -> Result<Option<Array1<f64>>> {
        let _ = ancestors;
        Ok(None)
    }

    /// What is expected of x_{k+1} and of its values given each x_k: what local weights are made of. None where it is not known
    /// without a draw.
    ///
    /// # Errors
    /// As [`Weighting::before`].
    fn predictive(&self, ancestors: &Ancestors) -> Result<Option<Predictive>> {
        let _ = ancestors;
        Ok(None)
    }

    /// Draws x_{k+1} of each member, with what the way says of log p(y | x_k): by the sampler, or by a rule that draws itself.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn draw(&self, run: &GuidedRun) -> Result<WeighedDraw> {
        let (shape, key) = ((run.members(), run.guided.dim()), run.key.purpose(Purpose::Sampler));
        if let Some(z) = noise_anew(run.levels, shape, key, |noised, streams| run.guided.draw(noised, streams))? {
            return Ok(WeighedDraw { ensemble: run.to_state.apply(&z), log_factors: None, ancestors: None });
        }
        let path = Run { denoiser: run.guided, sampler: run.sampling.sampler, levels: run.levels, key: run.key };
        let mut correcting = run.sampling.correctors.of(run.guided, run.members(), run.key);
        let path = Run { key, ..path };
        let z = drive(&path, Start::Noise(run.members()), &mut correcting)?.x;
        Ok(WeighedDraw { ensemble: run.to_state.apply(&z), log_factors: None, ancestors: None })
    }
}

/// How draws are made.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// The reverse sampler.
    pub sampler: &'static dyn Sampler,
    /// What follows each of its steps.
    pub correctors: Correctors,
}

/// Members that are to be advanced by a lead step.
#[derive(Clone, Copy)]
pub struct Ancestors<'a> {
    /// By which forecaster.
    pub model: &'a dyn Forecaster,
    /// x_k, one lead step before the observations, `[member, component]`.
    pub x: &'a Array2<f64>,
    /// y.
    pub observed: ObservationSet<'a>,
    /// The largest noise level of the sampler.
    pub largest: Level,
}

/// The law of each value given each x_k, taken for a normal one.
#[derive(Clone, Debug)]
pub struct Predictive {
    /// E[x_{k+1} | x_k], `[member, component]`.
    pub state: Array2<f64>,
    /// h of that at the values that are present, `[member, present]`.
    pub mean: Array2<f64>,
    /// Their variances, errors included, `[member, present]`.
    pub variance: Array2<f64>,
}

/// A draw that is to be made.
#[derive(Clone, Copy)]
pub struct GuidedRun<'a> {
    /// The guided denoiser; it tells D without guidance too, and follows members that are resampled.
    pub guided: &'a dyn FollowingDenoiser,
    /// From its space to states; a row a member.
    pub to_state: &'a Affine,
    /// What guides it.
    pub observed: ObservationSet<'a>,
    /// How it is drawn.
    pub sampling: Sampling,
    /// At which levels.
    pub levels: &'a Levels,
    /// Member i draws from stream i.
    pub key: Key,
    /// Normalised logarithms of the weights that members have before, `[member]`.
    pub log_weights: &'a Array1<f64>,
    /// The share of the members below which an effective size asks for resampling.
    pub ess_threshold: f64,
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
    /// The row of the start that each member descends from, where members were resampled on the way: the weights that they had
    /// before are then used up.
    pub ancestors: Option<Vec<usize>>,
}
