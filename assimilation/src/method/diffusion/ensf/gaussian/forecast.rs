//! E[x_{k+1} | x_k] and Q of a forecaster, as far as it tells them.
//!
//! Where its law is Gaussian it says both; a covariance that depends on x is averaged over the members. Where it has a denoiser,
//! the mean is the denoiser's value at its largest noise level, where the noisy state says nothing, and Q is the mean square
//! of what its draws differ from that mean, component by component, over the members of as many sets as make
//! [`RESIDUALS`] of them; later sets then cost one evaluation. Elsewhere members draw their noise, and Q is 0: right where there is
//! none, and otherwise the covariance has the error of that sampling.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Covariance, Forecaster, Key, Level};
use serde::{Deserialize, Serialize};

use super::law::{EnsembleGaussian, ModelNoise};
use crate::error::Result;
use crate::state::{Owner, State};
use crate::step_law::is_deterministic;

/// Residuals of each component from which Q is made: its sd is then known to 2 %.
const RESIDUALS: usize = 1000;

/// The noise level at which a denoiser gives the mean, in standard deviations of its data.
const SIGMA_MAX: f64 = 20.0;

/// What the draws of a forecaster differ from its mean by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Residuals {
    /// Sum of the squares, `[component]`.
    squares: Array1<f64>,
    count: usize,
}

impl State for Residuals {
    const KIND: &'static str = "residuals of the forecaster";

    fn check(&self, _: &Owner) -> Result<(), String> {
        let empty = self.squares.is_empty();
        if empty == (self.count == 0) { Ok(()) } else { Err(format!("it counts {} residuals of none", self.count)) }
    }
}

/// The law of the members after one lead step.
pub(super) struct Forecast {
    pub law: EnsembleGaussian,
    /// Whether members have drawn noise, which is then not in Q.
    pub drawn: bool,
}

impl Forecast {
    /// Of members whose noise, if they have any, is in them.
    pub fn of_members(x: Array2<f64>, drawn: bool) -> Self {
        Self { law: EnsembleGaussian::new(x, ModelNoise::None), drawn }
    }

    /// Of lead step `k` from `x`, `[member, component]`; `residuals` are added to where Q is made of them.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn step(
        model: &dyn Forecaster,
        k: usize,
        mut x: Array2<f64>,
        residuals: &mut Residuals,
        key: Key,
    ) -> Result<Self> {
        // the law of the next state alone is not that of a state with those before it, or with parameters
        let of_whole_states = model.history() == 1 && model.parameters().is_empty();
        if let Some(kernel) = model.gaussian().filter(|_| of_whole_states) {
            let (means, covariance) = kernel.moments(k, x.view())?;
            let equal = Array1::from_elem(x.nrows(), 1.0 / x.nrows() as f64);
            let noise = match covariance {
                Covariance::Diagonal(variances) => ModelNoise::Diagonal(equal.dot(&variances)),
                Covariance::Shared(q) => ModelNoise::Full(q),
                Covariance::Factored(q) => ModelNoise::Full(q.average(equal.view())),
            };
            return Ok(Self { law: EnsembleGaussian::new(means, noise), drawn: false });
        }
        if let Some(denoiser) = model.denoiser().filter(|_| of_whole_states) {
            let bound = denoiser.bind(k, x.view())?;
            let at = Array2::zeros(x.raw_dim());
            let means = bound.to_state.apply(&bound.denoiser.denoise(at.view(), Level::exploding(SIGMA_MAX))?);
            drop(bound);
            let noise = residuals.with(model, k, x, &means, key)?;
            return Ok(Self { law: EnsembleGaussian::new(means, noise), drawn: false });
        }
        let drawn = !is_deterministic(model, k, x.row(0), key)?;
        model.advance(k, 1, &mut x, key)?;
        Ok(Self::of_members(x, drawn))
    }
}

impl Residuals {
    /// Q, with the residuals of a draw from `x` where there are not yet enough of them.
    fn with(
        &mut self,
        model: &dyn Forecaster,
        k: usize,
        mut x: Array2<f64>,
        means: &Array2<f64>,
        key: Key,
    ) -> Result<ModelNoise> {
        if self.squares.len() != means.ncols() {
            *self = Self { squares: Array1::zeros(means.ncols()), count: 0 };
        }
        if self.count < RESIDUALS {
            model.advance(k, 1, &mut x, key)?;
            self.squares += &(&x - means).mapv(|e| e * e).sum_axis(Axis(0));
            self.count += x.nrows();
        }
        Ok(ModelNoise::Diagonal(&self.squares / self.count as f64))
    }
}
