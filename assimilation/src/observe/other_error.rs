//! An operator whose errors have another law.

use ndarray::{Array2, ArrayView2};

use super::operator::{jvp, vjp};
use super::{LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Place};

/// What `of` observes, with the error law `error`.
pub(crate) struct OtherError<'a> {
    /// What is observed.
    pub of: &'a dyn ObservationOperator,
    /// The law in place of its own.
    pub error: Box<dyn NoiseLaw>,
}

impl ObservationOperator for OtherError<'_> {
    fn name(&self) -> String {
        self.of.name()
    }

    fn dim(&self) -> usize {
        self.of.dim()
    }

    fn state_dim(&self) -> usize {
        self.of.state_dim()
    }

    fn current_dim(&self) -> usize {
        self.of.current_dim()
    }

    fn unplaced(&self) -> usize {
        self.of.unplaced()
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.of.apply(t, x)
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        self.of.linearized().map(|_| self as &dyn LinearizedOperator)
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        self.of.one_component()
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.error
    }

    fn location(&self) -> Option<Vec<Place>> {
        self.of.location()
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        self.of.matrix()
    }

    fn is_linear(&self) -> bool {
        self.of.is_linear()
    }
}

impl LinearizedOperator for OtherError<'_> {
    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        jvp(self.of, t, x, u)
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        vjp(self.of, t, x, v)
    }
}
