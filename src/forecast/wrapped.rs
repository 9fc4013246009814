//! A forecaster that already exists, with the record that makes it a [`Fitted`].

use ndarray::Array2;

use super::{Fitted, Training};
use crate::model::Model;
use crate::systems::{
    ConditionalDenoiser, Density, Differentiable, Forecaster, GaussianKernel, Key, LinearGaussian, Result,
};

/// Passes everything through to the forecaster inside.
pub(super) struct Wrapped {
    /// The forecaster.
    pub inner: Box<dyn Forecaster>,
    /// What is stored of it.
    pub model: Model,
    /// What is known of its training.
    pub training: Training,
}

impl Forecaster for Wrapped {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.inner.advance(k, steps, x, key)
    }

    fn autonomous(&self) -> bool {
        self.inner.autonomous()
    }

    fn density(&self) -> Option<&dyn Density> {
        self.inner.density()
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.inner.denoiser()
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        self.inner.gaussian()
    }

    fn linear_gaussian(&self) -> Option<LinearGaussian> {
        self.inner.linear_gaussian()
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        self.inner.differentiable()
    }
}

impl Fitted for Wrapped {
    fn model(&self) -> Model {
        self.model.clone()
    }

    fn training(&self) -> &Training {
        &self.training
    }

    fn as_forecaster(&self) -> &dyn Forecaster {
        self
    }
}
