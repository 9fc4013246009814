//! What else may be asked at a [`Point`]: variances, products with what stands for C, and the guided D that the pull makes.

use std::cell::Cell;

use ndarray::{Array2, ArrayView1};
use scorecast_systems::{Affine, Denoised, Level, Pullback, Result};

use super::by_terms::Unguided;
use super::frames::by_frame;
use super::point::Point;
use super::rule::{Jacobian, Terms};
use crate::method::diffusion::likelihood::error_times;
use crate::observations::ObservationSet;
use crate::observe::operator::{jvp, vjp};

impl Point<'_> {
    /// D without guidance, `[member, component]`.
    pub fn free(&self) -> &Array2<f64> {
        &self.free
    }

    /// From z to states x.
    pub fn to_state(&self) -> &Affine {
        self.of.to_state
    }

    /// R + H S A S H^T times each row of `v`, with A diagonal and `of_level` of the component's frame: what stands for the
    /// predictive covariance where C is not asked for. No vector-Jacobian product is taken.
    #[must_use]
    pub fn isotropic_times(&self, v: &Array2<f64>, of_level: impl Fn(Level) -> f64) -> Array2<f64> {
        let (h, t, scale) = (self.of.observed.operator, self.of.observed.time, &self.of.to_state.scale);
        let variances = by_frame(&self.levels, scale.ncols(), of_level);
        let pulled = vjp(h, t, self.state.view(), v.view()) * scale * &variances * scale;
        self.of.observed.clear_missing(jvp(h, t, self.state.view(), pulled.view())) + error_times(&self.of.observed, v)
    }

    /// The diagonal of H S C S H^T, `[member, value]`, by `probes` products of which each serves every so manyth of the values
    /// that are present: exact where these are independent given z_t, and row sums of C where there is one probe. 0 where a value
    /// is missing, or the sum is below.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub fn variances(&self, probes: usize) -> Result<Array2<f64>> {
        let mut out = Array2::zeros(self.residual.raw_dim());
        for probed in self.probes(probes) {
            let mut units = Array2::zeros(out.raw_dim());
            probed.iter().for_each(|value| units.column_mut(*value).fill(1.0));
            let spread = self.spread_times(&units)?;
            probed.iter().for_each(|value| out.column_mut(*value).assign(&spread.column(*value)));
        }
        Ok(out.mapv_into(|variance: f64| variance.max(0.0)))
    }

    /// The diagonal of S C S at the components that values read, `[member, value]`, as [`Point::variances`] is of the values.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub fn component_variances(&self, components: &[usize], probes: usize) -> Result<Array2<f64>> {
        let scale = &self.of.to_state.scale;
        let mut out = Array2::zeros(self.residual.raw_dim());
        for probed in self.probes(probes) {
            let mut units = Array2::zeros(scale.raw_dim());
            probed.iter().for_each(|value| units.column_mut(components[*value]).fill(1.0));
            let spread = self.pull(&units)? * scale * self.spread.largest;
            probed.iter().for_each(|value| out.column_mut(*value).assign(&spread.column(components[*value])));
        }
        Ok(out.mapv_into(|variance: f64| variance.max(0.0)))
    }

    /// The values that are present, dealt out to so many probes.
    fn probes(&self, probes: usize) -> Vec<Vec<usize>> {
        let present = self.of.observed.present();
        let deal = |first| present.iter().copied().skip(first).step_by(probes).collect();
        (0..probes.min(present.len())).map(deal).collect()
    }

    /// D without and with guidance by these terms, and the vector-Jacobian products taken at this point.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    pub(super) fn guided_by(self, terms: &Terms) -> Result<(Denoised, usize)> {
        let guided = &self.free + &(self.pull(&self.in_components(terms))? * self.spread.largest);
        Ok((Denoised { guided, unguided: Some(self.free) }, self.products.get()))
    }

    /// The pull of the terms as the gradient in x(D), `[member, component]`.
    fn in_components(&self, terms: &Terms) -> Array2<f64> {
        let (h, t) = (self.of.observed.operator, self.of.observed.time);
        if terms.components.iter().all(Option::is_none) {
            return vjp(h, t, self.state.view(), terms.pull.view());
        }
        let mut in_values = terms.pull.clone();
        let mut gradient = Array2::zeros(self.state.raw_dim());
        for (value, component) in terms.components.iter().enumerate() {
            let Some(component) = component else { continue };
            in_values.column_mut(value).fill(0.0);
            let mut column = gradient.column_mut(*component);
            column += &terms.pull.column(value);
        }
        if terms.components.iter().any(Option::is_none) {
            gradient += &vjp(h, t, self.state.view(), in_values.view());
        }
        gradient
    }

    /// This point where the values are others, for a rule that is asked of some of them.
    pub(super) fn of_values<'b>(&'b self, values: ArrayView1<'b, f64>) -> Point<'b> {
        let observed = ObservationSet { values, ..self.of.observed.view() };
        Point {
            residual: observed.clear_missing(self.residual.clone()),
            of: Unguided { observed, ..self.of.view() },
            levels: self.levels.clone(),
            spread: self.spread.clone(),
            free: self.free.clone(),
            pullback: Pullback::new(move |v| {
                self.products.set(self.products.get() + usize::from(self.jacobian == Jacobian::OfDenoiser));
                self.pullback.pull(v)
            }),
            jacobian: self.jacobian,
            products: Cell::new(0),
            state: self.state.clone(),
        }
    }

    /// H S C S H^T times each row of `v`.
    pub(super) fn spread_times(&self, v: &Array2<f64>) -> Result<Array2<f64>> {
        let (h, t, scale) = (self.of.observed.operator, self.of.observed.time, &self.of.to_state.scale);
        let spread_out = jvp(h, t, self.state.view(), (self.adjoint(v)? * scale).view()) * self.spread.largest;
        Ok(self.of.observed.clear_missing(spread_out))
    }

    /// (H S J)^T v, which is J^T S H^T v, times the shares of [`Spread`].
    fn adjoint(&self, v: &Array2<f64>) -> Result<Array2<f64>> {
        self.pull(&vjp(self.of.observed.operator, self.of.observed.time, self.state.view(), v.view()))
    }

    /// J^T S u for each row of `u` (`[member, component]`), times the shares of [`Spread`].
    fn pull(&self, u: &Array2<f64>) -> Result<Array2<f64>> {
        self.products.set(self.products.get() + usize::from(self.jacobian == Jacobian::OfDenoiser));
        let pulled = self.pullback.pull((u * &self.of.to_state.scale).view())?;
        Ok(match &self.spread.shares {
            Some(shares) => pulled * shares,
            None => pulled,
        })
    }
}
