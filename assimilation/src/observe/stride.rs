//! h(x)_i = x_{offset + stride i}: each stride-th component is observed.

use ndarray::{Array2, ArrayView2, s};
use scorecast_systems::registry::DefaultValue;
use scorecast_systems::{Entry, Param, Settings};

use super::{BuildOperator, ErrorLaw, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Place};
use crate::error::Result;

/// The setting `stride` of the operators that have one.
pub(super) const STRIDE: Param = Param::int("stride", 1, 1, "each how many components one is observed");

/// The setting `offset` of the operators that have one.
pub(super) const OFFSET: Param = Param::int("offset", 0, 0, "the first component observed, counted from 0");

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "stride",
    about: "each stride-th component is observed: h(x)_i = x_(offset + stride i)",
    reference: "",
    params: &[Param { default: DefaultValue::Required, ..STRIDE }, OFFSET],
    build: |settings: &Settings, dim, error: &ErrorLaw| Ok(Box::new(Stride::from_settings(settings, dim, error)?)),
};

/// h(x)_i = x_{offset + stride i}.
pub struct Stride {
    dim: usize,
    stride: usize,
    offset: usize,
    error: Box<dyn NoiseLaw>,
}

impl Stride {
    /// For states of `dim` components; `stride` at least 1 and `offset` below `dim`.
    ///
    /// # Errors
    /// When the error law does not fit.
    pub fn new(dim: usize, stride: usize, offset: usize, error: &ErrorLaw) -> Result<Self> {
        assert!(stride > 0 && offset < dim, "a stride of 0 or an offset past the state");
        Ok(Self { dim, stride, offset, error: error((dim - offset).div_ceil(stride))? })
    }
}

impl Stride {
    /// From settings that hold [`STRIDE`] and [`OFFSET`].
    pub(super) fn from_settings(settings: &Settings, dim: usize, error: &ErrorLaw) -> Result<Self> {
        let (stride, offset) = (settings.count(STRIDE.key), settings.count(OFFSET.key));
        if offset >= dim {
            let problem = format!("is {offset}, but the state has {dim} components; take one below {dim}");
            return Err(settings.mistake(OFFSET.key, problem).into());
        }
        Self::new(dim, stride, offset, error)
    }
}

impl ObservationOperator for Stride {
    fn name(&self) -> String {
        match self.offset {
            0 => format!("stride {}", self.stride),
            offset => format!("stride {} from {offset}", self.stride),
        }
    }

    fn dim(&self) -> usize {
        (self.dim - self.offset).div_ceil(self.stride)
    }

    fn state_dim(&self) -> usize {
        self.dim
    }

    fn apply(&self, _t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        x.slice(s![.., self.offset..;self.stride]).to_owned()
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
        Some((self.offset..self.dim).step_by(self.stride).map(Place::from).collect())
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        let mut matrix = Array2::zeros((self.dim(), self.dim));
        for row in 0..self.dim() {
            matrix[(row, self.offset + row * self.stride)] = 1.0;
        }
        Some(matrix)
    }

    fn is_linear(&self) -> bool {
        true
    }
}

impl OneComponent for Stride {
    fn component(&self, value: usize) -> Option<usize> {
        Some(self.offset + self.stride * value)
    }

    fn value_at(&self, _t: f64, _value: usize, x: f64) -> f64 {
        x
    }

    fn linearize(&self, _t: f64, _first: usize, _x: &mut [f64], slope: &mut [f64]) -> bool {
        slope.fill(1.0);
        true
    }
}

impl LinearizedOperator for Stride {
    fn jvp(&self, t: f64, _x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.apply(t, u)
    }

    fn vjp(&self, _t: f64, _x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros((v.nrows(), self.dim));
        out.slice_mut(s![.., self.offset..;self.stride]).assign(&v);
        out
    }
}
