//! One point z_t of all members, and what a guidance rule may ask there: the residual y - h(x(D)), and products with
//! (H S J)^T and with the predictive covariance R + H S C S H^T, in the letters of [`super::Guidance`].
//!
//! C = Cov[z | z_t] = (sigma^2 / alpha) J. Neither J nor C is ever formed: a product takes one pullback of the denoiser
//! (J^T in place of J, which for an exact denoiser of one level is the same matrix), or none where a rule takes another J
//! ([`Jacobian`]). Where levels differ by frame, sigma^2 / alpha is that of the component's frame.

use std::cell::Cell;

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Level, Pullback, Result};

use super::by_terms::Unguided;
use super::frames::{Spread, by_frame};
use super::rule::Jacobian;
use crate::method::diffusion::likelihood::{error_times, residual};
use crate::observations::ObservationSet;

/// D, its pullback and the residual at one point.
pub struct Point<'a> {
    pub(super) of: Unguided<'a>,
    pub(super) levels: Vec<Level>,
    pub(super) spread: Spread,
    pub(super) free: Array2<f64>,
    pub(super) pullback: Pullback<'a>,
    pub(super) jacobian: Jacobian,
    pub(super) products: Cell<usize>,
    /// x(D), `[member, component]`.
    pub(super) state: Array2<f64>,
    pub(super) residual: Array2<f64>,
}

impl<'a> Point<'a> {
    /// At `x_t` (`[member, component]`) and `levels`, one a frame.
    ///
    /// # Errors
    /// When the denoiser itself cannot run, or has one level for all frames and is given several.
    pub fn new(of: Unguided<'a>, x_t: ArrayView2<'a, f64>, levels: &[Level], jacobian: Jacobian) -> Result<Self> {
        let (free, pullback) = match jacobian {
            Jacobian::OfDenoiser => of.denoiser.evaluate_vjp(x_t, levels)?,
            Jacobian::OfUnitNormals => {
                let gains =
                    by_frame(levels, x_t.ncols(), |Level { alpha, sigma }| alpha / (alpha * alpha + sigma * sigma));
                (of.denoiser.evaluate(x_t, levels)?.guided, Pullback::new(move |v| Ok(&v * &gains)))
            }
        };
        let state = of.to_state.apply(&free);
        let residual = residual(&of.observed, state.view());
        Ok(Self {
            of,
            levels: levels.to_vec(),
            spread: Spread::new(levels, x_t.ncols()),
            free,
            pullback,
            jacobian,
            products: Cell::new(0),
            state,
            residual,
        })
    }

    /// y - h(x(D)), `[member, value]`; 0 where a value is missing.
    pub fn residual(&self) -> &Array2<f64> {
        &self.residual
    }

    /// x(D), `[member, component]`.
    pub fn state(&self) -> &Array2<f64> {
        &self.state
    }

    /// The values, their operator, their error R and the places where they sit.
    pub fn observed(&self) -> &ObservationSet<'a> {
        &self.of.observed
    }

    /// The levels of z_t, one a frame.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The predictive covariance R + H S C S H^T of the values given z_t, times each row of `v` (`[member, value]`, 0
    /// where a value is missing, like the result).
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub fn predictive_times(&self, v: &Array2<f64>) -> Result<Array2<f64>> {
        Ok(self.spread_times(v)? + error_times(&self.of.observed, v))
    }
}
