//! An operator of x as one of [x, u].

use ndarray::{Array2, ArrayView2};

use crate::observe::{Leading, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Place};

/// What `of` observes of x, where the state is [x, u] with `parameters` components u.
///
/// It says that the parameters are [`ObservationOperator::unplaced`]: a method that localizes observations lets all of them act on a
/// parameter, and one that localizes covariances refuses it.
pub struct OfState<'a> {
    x: Leading<'a>,
    parameters: usize,
}

impl<'a> OfState<'a> {
    /// Of x alone.
    pub fn new(of: &'a dyn ObservationOperator, parameters: usize) -> Self {
        Self { x: Leading { of, dim: of.state_dim() + parameters }, parameters }
    }
}

impl ObservationOperator for OfState<'_> {
    fn name(&self) -> String {
        format!("{} of a state with {} unknown parameters", self.x.of.name(), self.parameters)
    }

    fn dim(&self) -> usize {
        self.x.of.dim()
    }

    fn state_dim(&self) -> usize {
        self.x.dim
    }

    fn unplaced(&self) -> usize {
        self.x.of.unplaced() + self.parameters
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.x.apply(t, x)
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        self.x.of.linearized().map(|_| self as &dyn LinearizedOperator)
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        self.x.of.one_component()
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.x.of.error()
    }

    fn location(&self) -> Option<Vec<Place>> {
        self.x.of.location()
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        self.x.matrix()
    }

    fn is_linear(&self) -> bool {
        self.x.of.is_linear()
    }
}

impl LinearizedOperator for OfState<'_> {
    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.x.jvp(t, x, u)
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.x.vjp(t, x, v)
    }
}
