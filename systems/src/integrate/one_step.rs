//! The law of one integration step whose integrator makes it Gaussian: x(t + dt) ~ N(m(x), diag(g(x)^2 dt)), with m the
//! step without noise.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use super::{Integrator, Workspace};
use crate::law::{Covariance, GaussianKernel, Result};
use crate::sde::{Increment, LANES, Sde, load_block, store_block};

/// A system, an integrator and a step: what [`super::SdeForecaster`] advances.
pub struct OneStep {
    /// The equation.
    pub sde: Arc<dyn Sde>,
    /// The scheme.
    pub integrator: Box<dyn Integrator>,
    /// The length of a lead step, in model time.
    pub dt: f64,
}

impl GaussianKernel for OneStep {
    fn moments(&self, k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        let (dim, t) = (self.sde.dim(), k as f64 * self.dt);
        assert_eq!(x.ncols(), dim, "states of {} components for a system of {dim}", x.ncols());
        let mut work = Workspace::new(dim);
        let (mut block, mut sd) = (work.stage.clone(), work.stage.clone());
        let unit = vec![[self.dt.sqrt(); LANES]; self.sde.wiener_dim()];
        // the zero product stands in for g dw = 0, so that the mean is the step that the forecaster takes
        let still = Increment { dw: vec![[0.0; LANES]; self.sde.wiener_dim()], dz: Vec::new() };
        let mut mean: Vec<f64> = x.iter().copied().collect();
        let mut variance = vec![0.0; mean.len()];
        for (mean, variance) in mean.chunks_mut(LANES * dim).zip(variance.chunks_mut(LANES * dim)) {
            load_block(mean, &mut block);
            self.sde.diffuse_block(t, &block, &unit, &mut sd);
            sd.iter_mut().flatten().for_each(|value| *value *= *value);
            store_block(&sd, variance);
            self.integrator.step_block(&*self.sde, t, self.dt, &mut block, &still, &mut work);
            store_block(&block, mean);
        }
        Ok((shaped(x, mean), Covariance::Diagonal(shaped(x, variance))))
    }
}

fn shaped(like: ArrayView2<f64>, values: Vec<f64>) -> Array2<f64> {
    let mut out = Array2::zeros(like.dim());
    out.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
    out
}
