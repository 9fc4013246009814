//! An operator of the present state where earlier states are carried behind it.

use ndarray::{Array2, ArrayView2};

use super::{Leading, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Place};

/// An operator on the present state with earlier ones behind it.
pub struct Carrying<'a>(Leading<'a>);

impl<'a> Carrying<'a> {
    /// Of what `of` observes of the present state, where all states together have `dim` components.
    pub fn new(of: &'a dyn ObservationOperator, dim: usize) -> Self {
        Self(Leading { of, dim })
    }
}

impl ObservationOperator for Carrying<'_> {
    fn name(&self) -> String {
        self.0.of.name()
    }

    fn dim(&self) -> usize {
        self.0.of.dim()
    }

    fn state_dim(&self) -> usize {
        self.0.dim
    }

    fn current_dim(&self) -> usize {
        self.0.of.current_dim()
    }

    fn unplaced(&self) -> usize {
        self.0.of.unplaced()
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.0.apply(t, x)
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        self.0.of.linearized().map(|_| self as &dyn LinearizedOperator)
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        self.0.of.one_component()
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.0.of.error()
    }

    fn location(&self) -> Option<Vec<Place>> {
        self.0.of.location()
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        self.0.matrix()
    }

    fn is_linear(&self) -> bool {
        self.0.of.is_linear()
    }
}

impl LinearizedOperator for Carrying<'_> {
    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.0.jvp(t, x, u)
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.0.vjp(t, x, v)
    }
}
