//! A denoiser guided by observations, by the moment-matched rule (Rozet et al. 2024; for known priors Song et al. 2023).
//!
//! With x = offset + S z the state, D = E[z | z_t], J = dD/dz_t and Cov[z | z_t] = (sigma^2 / alpha) J, the predictive
//! law of y given z_t is taken as N(h(x(D)), V), V = R + H S (sigma^2 / alpha) J S H^T, H the Jacobian of h at x(D). Then
//! grad log p(y | z_t) = (H S J)^T V^-1 (y - h(x(D))),
//! and D + (sigma^2 / alpha) grad is the denoiser of p(z | y): exact when z is Gaussian and h linear. V is never formed:
//! V v takes one pullback of the denoiser (J^T in place of J, which for an exact denoiser is the same matrix).

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, ArrayView2};
use scorecast_systems::noising::denoiser::alike;
use scorecast_systems::{Affine, Denoised, Denoiser, DifferentiableDenoiser, Level, Result};

use crate::linalg::Gmres;
use crate::observations::ObservationSet;

/// The guided denoiser: a [`Denoiser`] that every sampler serves.
pub struct Guidance<'d, 's> {
    denoiser: &'d dyn DifferentiableDenoiser,
    to_state: &'d Affine,
    observed: ObservationSet<'s>,
    solver: Gmres,
    products: AtomicUsize,
    evaluations: AtomicUsize,
}

impl<'d, 's> Guidance<'d, 's> {
    /// Guides `denoiser`, whose row i is member i of `to_state`, by the values of `observed` that are present.
    pub fn new(
        denoiser: &'d dyn DifferentiableDenoiser,
        to_state: &'d Affine,
        observed: ObservationSet<'s>,
        solver: Gmres,
    ) -> Self {
        let (products, evaluations) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { denoiser, to_state, observed, solver, products, evaluations }
    }

    /// D without and with guidance, `[member, component]`.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub fn both(&self, x_t: ArrayView2<f64>, level: Level) -> Result<(Array2<f64>, Array2<f64>)> {
        let (free, pullback) = self.denoiser.denoise_vjp(x_t, level)?;
        let spread = level.sigma * level.sigma / level.alpha;
        let (h, t, scale) = (self.observed.operator, self.observed.time, &self.to_state.scale);
        let state = self.to_state.apply(&free);
        let (variance, correlated) = (h.error().variance(), h.error().correlated());
        // v is 0 where a value is missing, and so is what R makes of it
        let error = |v: &Array2<f64>| match correlated {
            Some((r, _)) => self.observed.clear_missing(v.dot(&r)),
            None => v * &variance,
        };
        // (H S J)^T v, which is J^T S H^T v
        let adjoint = |v: &Array2<f64>| pullback.pull((h.vjp(t, state.view(), v.view()) * scale).view());
        let residual = self.observed.clear_missing(&self.observed.values - &h.apply(t, state.view()));
        let (solution, products) = self.solver.solve(&residual, |v| {
            let spread_out = h.jvp(t, state.view(), (adjoint(v)? * scale).view()) * spread;
            Ok::<_, scorecast_systems::Error>(self.observed.clear_missing(spread_out) + error(v))
        })?;
        self.products.fetch_add(products, Ordering::Relaxed);
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        let guided = &free + &(adjoint(&solution)? * spread);
        Ok((free, guided))
    }

    /// The mean number of products V v in one evaluation so far.
    pub fn mean_iterations(&self) -> f64 {
        self.products.load(Ordering::Relaxed) as f64 / self.evaluations.load(Ordering::Relaxed).max(1) as f64
    }
}

impl Denoiser for Guidance<'_, '_> {
    fn dim(&self) -> usize {
        self.denoiser.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        Ok(self.both(x_t, level)?.1)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        let (unguided, guided) = self.both(x_t, alike(levels)?)?;
        Ok(Denoised { guided, unguided: Some(unguided) })
    }
}
