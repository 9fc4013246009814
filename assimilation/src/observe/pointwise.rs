//! h(x)_i = f(x_j), j = offset + stride i: one function of each component that a [`Stride`] selects.
//!
//! The Jacobian has f'(x_j) in row i and column j. Where f has a kink f' is taken as 0, which keeps J a subgradient.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::Settings;

use super::{ErrorLaw, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Place, Stride};
use crate::error::Result;

/// A function of one number.
pub trait Function: Send + Sync {
    /// Its name, with its parameters, for messages.
    fn name(&self) -> String;

    /// f(x).
    fn value(&self, x: f64) -> f64;

    /// f'(x).
    fn slope(&self, x: f64) -> f64;

    /// f of each of many in place of it, and f' into `slope`; overridden where that can be done faster together, up to
    /// rounding.
    fn linearize(&self, x: &mut [f64], slope: &mut [f64]) {
        for (x, slope) in x.iter_mut().zip(slope) {
            (*x, *slope) = (self.value(*x), self.slope(*x));
        }
    }
}

/// A [`Function`] after a [`Stride`].
pub struct Pointwise<F> {
    function: F,
    selected: Stride,
}

impl<F: Function> Pointwise<F> {
    /// `function` of the components that `selected` selects, with its error law.
    pub fn new(function: F, selected: Stride) -> Self {
        Self { function, selected }
    }

    /// dh_i/dx_j at each row.
    fn slope(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.selected.apply(t, x).mapv_into(|value| self.function.slope(value))
    }
}

/// The operator of a registry entry whose settings hold those of a [`Stride`].
pub(super) fn build(
    function: impl Function + 'static,
    settings: &Settings,
    dim: usize,
    error: &ErrorLaw,
) -> Result<Box<dyn ObservationOperator>> {
    Ok(Box::new(Pointwise::new(function, Stride::from_settings(settings, dim, error)?)))
}

impl<F: Function> ObservationOperator for Pointwise<F> {
    fn name(&self) -> String {
        format!("{} of {}", self.function.name(), self.selected.name())
    }

    fn dim(&self) -> usize {
        self.selected.dim()
    }

    fn state_dim(&self) -> usize {
        self.selected.state_dim()
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.selected.apply(t, x).mapv_into(|value| self.function.value(value))
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        Some(self)
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        Some(self)
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.selected.error()
    }

    fn location(&self) -> Option<Vec<Place>> {
        self.selected.location()
    }
}

impl<F: Function> OneComponent for Pointwise<F> {
    fn component(&self, value: usize) -> Option<usize> {
        self.selected.component(value)
    }

    fn value_at(&self, _t: f64, _value: usize, x: f64) -> f64 {
        self.function.value(x)
    }

    fn linearize(&self, _t: f64, _first: usize, x: &mut [f64], slope: &mut [f64]) -> bool {
        self.function.linearize(x, slope);
        true
    }
}

impl<F: Function> LinearizedOperator for Pointwise<F> {
    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.slope(t, x) * self.selected.apply(t, u)
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        // of a value that has no part in what is asked, such as a missing one, the slope may be infinite
        let mut covector = self.slope(t, x);
        covector.zip_mut_with(&v, |slope, v| *slope = if *v == 0.0 { 0.0 } else { *slope * v });
        self.selected.vjp(t, x, covector.view())
    }
}
