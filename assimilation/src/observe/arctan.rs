//! h(x)_i = arctan(x_j), j = offset + stride i: an observation that saturates, so that large states look alike.
//!
//! The test operator of Bao, Zhang and Zhang 2024 (ensemble score filter).

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Entry, Settings};

use super::stride::{OFFSET, STRIDE, Stride};
use super::{Build, ErrorLaw, NoiseLaw, Observation};

pub(super) const ENTRY: Entry<Build> = Entry {
    name: "arctan",
    about: "the arctangent of each stride-th component",
    reference: "Bao, Zhang and Zhang 2024",
    params: &[STRIDE, OFFSET],
    build: |settings: &Settings, dim, error: &ErrorLaw| {
        let (stride, offset) = (settings.count("stride"), settings.count("offset"));
        if offset >= dim {
            let problem = format!("is {offset}, but the state has {dim} components; take one below {dim}");
            return Err(settings.mistake("offset", problem).into());
        }
        Ok(Box::new(Arctan::new(Stride::new(dim, stride, offset, error)?)))
    },
};

/// arctan after a [`Stride`].
pub struct Arctan {
    selected: Stride,
}

impl Arctan {
    /// The arctangent of the components that `selected` selects, with its error law.
    pub fn new(selected: Stride) -> Self {
        Self { selected }
    }

    /// dh_i/dx_j at each row.
    fn slope(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.selected.apply(t, x).mapv_into(|value| 1.0 / (1.0 + value * value))
    }
}

impl Observation for Arctan {
    fn name(&self) -> String {
        format!("arctan of {}", self.selected.name())
    }

    fn dim(&self) -> usize {
        self.selected.dim()
    }

    fn state_dim(&self) -> usize {
        self.selected.state_dim()
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.selected.apply(t, x).mapv_into(f64::atan)
    }

    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.slope(t, x) * self.selected.apply(t, u)
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.selected.vjp(t, x, (self.slope(t, x) * v).view())
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.selected.error()
    }

    fn location(&self) -> Option<Vec<usize>> {
        self.selected.location()
    }
}
