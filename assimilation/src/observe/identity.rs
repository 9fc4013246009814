//! h(x) = x: every component is observed.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Entry, Settings};

use super::{BuildOperator, ErrorLaw, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Place};
use crate::error::Result;

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "identity",
    about: "every component is observed: h(x) = x",
    reference: "",
    params: &[],
    build: |_: &Settings, dim, error: &ErrorLaw| Ok(Box::new(Identity::new(dim, error)?)),
};

/// h(x) = x.
pub struct Identity {
    dim: usize,
    error: Box<dyn NoiseLaw>,
}

impl Identity {
    /// For states of `dim` components.
    ///
    /// # Errors
    /// When the error law does not fit.
    pub fn new(dim: usize, error: &ErrorLaw) -> Result<Self> {
        Ok(Self { dim, error: error(dim)? })
    }
}

impl ObservationOperator for Identity {
    fn name(&self) -> String {
        "identity".to_owned()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn state_dim(&self) -> usize {
        self.dim
    }

    fn apply(&self, _t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        x.to_owned()
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        Some(self)
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        Some(self)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.error
    }

    fn location(&self) -> Option<Vec<Place>> {
        Some((0..self.dim).map(Place::from).collect())
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        Some(Array2::eye(self.dim))
    }

    fn is_linear(&self) -> bool {
        true
    }
}

impl OneComponent for Identity {
    fn component(&self, value: usize) -> Option<usize> {
        Some(value)
    }

    fn value_at(&self, _t: f64, _value: usize, x: f64) -> f64 {
        x
    }

    fn linearize(&self, _t: f64, _first: usize, _x: &mut [f64], slope: &mut [f64]) -> bool {
        slope.fill(1.0);
        true
    }
}

impl LinearizedOperator for Identity {
    fn jvp(&self, _t: f64, _x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        u.to_owned()
    }

    fn vjp(&self, _t: f64, _x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        v.to_owned()
    }
}
