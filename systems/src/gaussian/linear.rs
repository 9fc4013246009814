//! x_{k+1} = A x_k + b + Q^{1/2} xi: a linear-Gaussian law as a [`Forecaster`], with the symmetric root of Q, so that
//! directions without noise are allowed.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::{GaussianLaw, SymmetricEigen};
use crate::error::Result;
use crate::key::Key;
use crate::law::{ConditionalDenoiser, Covariance, Density, Forecaster, GaussianKernel, LinearGaussian};

/// Members in a chunk of the parallel loop.
const CHUNK: usize = 256;

/// A linear-Gaussian forecaster, exact in everything it offers.
///
/// Lead step k of member i draws its `dim` normals from `key.at(k).stream(i)`.
pub struct LinearForecaster {
    law: GaussianLaw<LinearGaussian>,
    root: Array2<f64>,
    full_rank: bool,
}

impl LinearForecaster {
    /// Of x_{k+1} ~ N(A x_k + b, Q).
    ///
    /// # Errors
    /// When Q is not positive semi-definite.
    pub fn new(law: LinearGaussian) -> Result<Self> {
        let eigen = SymmetricEigen::new(law.covariance.view())?;
        let full_rank = eigen.values.iter().all(|value| *value > 0.0);
        Ok(Self { law: GaussianLaw::new(law), root: eigen.map(f64::sqrt), full_rank })
    }

    /// One lead step of the members `first..` that `x` holds.
    fn draw(&self, first: usize, x: ArrayView2<f64>, key: Key) -> Array2<f64> {
        let mut noise = Array2::zeros(x.dim());
        for (member, mut row) in noise.outer_iter_mut().enumerate() {
            let mut stream = key.stream((first + member) as u64);
            row.iter_mut().for_each(|value| *value = stream.normal());
        }
        mean(self.law.kernel(), x) + noise.dot(&self.root)
    }
}

fn mean(law: &LinearGaussian, x: ArrayView2<f64>) -> Array2<f64> {
    x.dot(&law.matrix.t()) + &law.offset
}

impl GaussianKernel for LinearGaussian {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        Ok((mean(self, x), Covariance::Shared(self.covariance.clone())))
    }
}

impl Forecaster for LinearForecaster {
    fn dim(&self) -> usize {
        self.root.nrows()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        assert_eq!(x.ncols(), self.dim(), "states of {} components for a law of {}", x.ncols(), self.dim());
        let advance = |(chunk, mut rows): (usize, ndarray::ArrayViewMut2<f64>)| {
            for step in k..k + steps {
                let next = self.draw(chunk * CHUNK, rows.view(), key.at(step as u64));
                rows.assign(&next);
            }
        };
        if x.nrows() <= CHUNK {
            advance((0, x.view_mut()));
        } else {
            x.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().enumerate().for_each(advance);
        }
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        self.full_rank.then_some(&self.law as &dyn Density)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(&self.law)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        Some(&self.law)
    }

    fn linear_gaussian(&self) -> Option<LinearGaussian> {
        Some(self.law.kernel().clone())
    }
}
