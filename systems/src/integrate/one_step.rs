//! The law of one integration step whose integrator makes it Gaussian: x(t + dt) ~ N(m(x), g(x) g(x)^T dt), with m the
//! step without noise.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use super::{Integrator, Workspace};
use crate::error::Result;
use crate::increment::Increment;
use crate::lanes::{LANES, load_block, store_block};
use crate::law::{Covariance, GaussianKernel};
use crate::sde::{Noise, Sde};

/// An equation and an integrator built for its lead step.
pub struct OneStep {
    sde: Arc<dyn Sde>,
    integrator: Arc<dyn Integrator>,
    dt: f64,
    /// g g^T dt where the noise is a constant matrix.
    shared: Option<Array2<f64>>,
}

impl OneStep {
    /// The integrator must have been built for `sde` and `dt`.
    pub fn new(sde: Arc<dyn Sde>, integrator: Arc<dyn Integrator>, dt: f64) -> Self {
        let shared = matches!(sde.noise(), Noise::Constant(_)).then(|| covariance(&*sde, dt));
        Self { sde, integrator, dt, shared }
    }
}

/// g g^T dt for a constant matrix g.
fn covariance(sde: &dyn Sde, dt: f64) -> Array2<f64> {
    let (dim, wiener) = (sde.dim(), sde.wiener_dim());
    let (x, mut column) = (vec![[0.0; LANES]; dim], vec![[0.0; LANES]; dim]);
    let mut root = Array2::zeros((dim, wiener));
    for j in 0..wiener {
        let mut unit = vec![[0.0; LANES]; wiener];
        unit[j] = [dt.sqrt(); LANES];
        sde.diffuse_block(0.0, &x, &unit, &mut column);
        root.column_mut(j).iter_mut().zip(&column).for_each(|(cell, value)| *cell = value[0]);
    }
    root.dot(&root.t())
}

impl GaussianKernel for OneStep {
    fn moments(&self, k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        let (dim, t) = (self.sde.dim(), k as f64 * self.dt);
        assert_eq!(x.ncols(), dim, "states of {} components for a system of {dim}", x.ncols());
        let mut work = Workspace::new(&*self.integrator, dim);
        let (mut block, mut sd) = (vec![[0.0; LANES]; dim], vec![[0.0; LANES]; dim]);
        let unit = vec![[self.dt.sqrt(); LANES]; self.sde.wiener_dim()];
        // the zero product stands in for g dw = 0, so that the mean is the step that the forecaster takes
        let still = Increment::new(self.sde.wiener_dim(), self.integrator.reads_integrals());
        let mut mean: Vec<f64> = x.iter().copied().collect();
        let mut variance = vec![0.0; if self.shared.is_some() { 0 } else { mean.len() }];
        for (first, mean) in mean.chunks_mut(LANES * dim).enumerate() {
            load_block(mean, &mut block);
            if self.shared.is_none() {
                self.sde.diffuse_block(t, &block, &unit, &mut sd);
                sd.iter_mut().flatten().for_each(|value| *value *= *value);
                let from = first * LANES * dim;
                store_block(&sd, &mut variance[from..from + mean.len()]);
            }
            self.integrator.step_block(t, &mut block, &still, &mut work);
            store_block(&block, mean);
        }
        let covariance = match &self.shared {
            Some(shared) => Covariance::Shared(shared.clone()),
            None => Covariance::Diagonal(shaped(x, variance)),
        };
        Ok((shaped(x, mean), covariance))
    }
}

fn shaped(like: ArrayView2<f64>, values: Vec<f64>) -> Array2<f64> {
    let mut out = Array2::zeros(like.dim());
    out.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
    out
}
