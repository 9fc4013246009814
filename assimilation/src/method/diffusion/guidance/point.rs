//! One point z_t of all members, and what a guidance rule may ask there: the residual y - h(x(D)), and products with
//! (H S J)^T and with the predictive covariance R + H S C S H^T, in the letters of [`super::Guidance`].
//!
//! C = Cov[z | z_t] = (sigma^2 / alpha) J. Neither J nor C is ever formed: a product takes one pullback of the denoiser
//! (J^T in place of J, which for an exact denoiser of one level is the same matrix). Where levels differ by frame,
//! sigma^2 / alpha is that of the component's frame.

use ndarray::{Array1, Array2, ArrayView2};
use scorecast_systems::{Denoised, Level, Pullback, Result};

use super::rule::Unguided;
use crate::method::diffusion::likelihood::{error_times, residual};
use crate::observations::ObservationSet;
use crate::observe::operator::{jvp, vjp};

/// D, its pullback and the residual at one point.
pub struct Point<'a> {
    of: Unguided<'a>,
    levels: Vec<Level>,
    spread: Spread,
    free: Array2<f64>,
    pullback: Pullback<'a>,
    /// x(D), `[member, component]`.
    state: Array2<f64>,
    residual: Array2<f64>,
}

impl<'a> Point<'a> {
    /// At `x_t` (`[member, component]`) and `levels`, one a frame.
    ///
    /// # Errors
    /// When the denoiser itself cannot run, or has one level for all frames and is given several.
    pub fn new(of: Unguided<'a>, x_t: ArrayView2<'a, f64>, levels: &[Level]) -> Result<Self> {
        let (free, pullback) = of.denoiser.evaluate_vjp(x_t, levels)?;
        let state = of.to_state.apply(&free);
        let residual = residual(&of.observed, state.view());
        Ok(Self {
            of,
            levels: levels.to_vec(),
            spread: Spread::new(levels, x_t.ncols()),
            free,
            pullback,
            state,
            residual,
        })
    }

    /// y - h(x(D)), `[member, value]`; 0 where a value is missing.
    pub fn residual(&self) -> &Array2<f64> {
        &self.residual
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
        let (h, t, scale) = (self.of.observed.operator, self.of.observed.time, &self.of.to_state.scale);
        let spread_out = jvp(h, t, self.state.view(), (self.adjoint(v)? * scale).view()) * self.spread.largest;
        Ok(self.of.observed.clear_missing(spread_out) + error_times(&self.of.observed, v))
    }

    /// D without and with guidance by the pull `w`, `[member, value]`.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub(super) fn guided_by(self, w: &Array2<f64>) -> Result<Denoised> {
        let guided = &self.free + &(self.adjoint(w)? * self.spread.largest);
        Ok(Denoised { guided, unguided: Some(self.free) })
    }

    /// (H S J)^T v, which is J^T S H^T v, times the shares of [`Spread`].
    fn adjoint(&self, v: &Array2<f64>) -> Result<Array2<f64>> {
        let (h, t, scale) = (self.of.observed.operator, self.of.observed.time, &self.of.to_state.scale);
        let pulled = self.pullback.pull((vjp(h, t, self.state.view(), v.view()) * scale).view())?;
        Ok(match &self.spread.shares {
            Some(shares) => pulled * shares,
            None => pulled,
        })
    }
}

/// sigma^2 / alpha.
struct Spread {
    /// The spread of the noisiest frame.
    largest: f64,
    /// Of each component its frame's share of it, `[component]`, where they differ.
    shares: Option<Array1<f64>>,
}

impl Spread {
    fn new(levels: &[Level], dim: usize) -> Self {
        let each: Vec<f64> = levels.iter().map(|level| level.sigma * level.sigma / level.alpha).collect();
        let largest = each.iter().fold(0.0, |largest: f64, spread| largest.max(*spread));
        let differ = each.iter().any(|spread| *spread != largest);
        let shares = || each.iter().flat_map(|spread| vec![spread / largest; dim / each.len()]).collect();
        Self { largest, shares: differ.then(shares) }
    }
}
