//! A forecaster whose lead step is drawn given A x_{k+1} = b, and p(b | x_k) of it.

use ndarray::{Array1, Array2, ArrayView2};
use scorecast_systems::{BoundDenoiser, ConditionalDenoiser, Forecaster, Key, Level, Result};

use super::denoiser::{Metric, Projected};
use super::{Constraint, Plain};
use crate::linalg::Cholesky;

/// The denoiser of a forecaster, constrained. It has no one-step law in closed form.
pub(in crate::method::diffusion) struct Constrained<'a> {
    pub model: &'a dyn Forecaster,
    pub constraint: &'a Constraint,
}

impl Constrained<'_> {
    /// log p(b | x_k), `[member]`, for the states `x` (`[member, component]`) at lead step `k`: N(b; A x(D), A S C S A^T) with the
    /// moments of the denoiser at its `largest` noise, where z_t says nothing. -inf where that is no law, and without a denoiser.
    pub fn log_density(&self, k: usize, x: ArrayView2<f64>, largest: Level) -> Result<Array1<f64>> {
        let Some(conditional) = self.model.denoiser() else {
            return Ok(Array1::from_elem(x.nrows(), f64::NEG_INFINITY));
        };
        let bound = conditional.bind(k, x)?;
        let nothing = Array2::zeros(bound.to_state.offset.raw_dim());
        let (denoised, pullback) = bound.denoiser.denoise_vjp(nothing.view(), largest)?;
        let rows = self.constraint.scaled(&bound.to_state.scale);
        let metric = Metric::new(&rows, &pullback)?;
        let gap = self.constraint.targets(x) - self.constraint.of(bound.to_state.apply(&denoised).view());
        let spread = largest.sigma * largest.sigma / largest.alpha;
        let of = |(matrix, gap): (&Array2<f64>, ndarray::ArrayView1<f64>)| {
            let covariance = (matrix + &matrix.t()) * (0.5 * spread);
            Cholesky::new(covariance.view()).map_or(f64::NEG_INFINITY, |factor| factor.log_normal(&gap.to_owned()).0)
        };
        Ok(metric.matrices(&rows).iter().zip(gap.outer_iter()).map(of).collect())
    }
}

impl Forecaster for Constrained<'_> {
    fn dim(&self) -> usize {
        self.model.dim()
    }

    fn history(&self) -> usize {
        self.model.history()
    }

    fn parameters(&self) -> &[String] {
        self.model.parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.model.step(k, x, key)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.model.denoiser().map(|_| self as &dyn ConditionalDenoiser)
    }
}

impl ConditionalDenoiser for Constrained<'_> {
    fn bind<'a>(&'a self, k: usize, x: ArrayView2<'a, f64>) -> Result<BoundDenoiser<'a>> {
        let Some(conditional) = self.model.denoiser() else {
            return Err(scorecast_systems::Error::Unsupported(
                "a forecaster without a denoiser cannot be bound".into(),
            ));
        };
        let targets = self.constraint.targets(x);
        let BoundDenoiser { denoiser: inner, to_state } = conditional.bind(k, x)?;
        let rows = self.constraint.scaled(&to_state.scale);
        let plain = Plain::new(&rows).map_err(|error| scorecast_systems::Error::Unsupported(error.to_string()))?;
        // A x = b where x = offset + S z
        let values = targets - self.constraint.of(to_state.offset.view());
        Ok(BoundDenoiser { denoiser: Box::new(Projected { inner, rows, values, plain }), to_state })
    }
}
