//! h(x)_i = sqrt(sum_j x_j^2) over the components j of group i: the length of each group of `size` consecutive components,
//! such as the speed of a wind of two components.
//!
//! The Jacobian of a group is x^T / |x|; where the group is 0 it is taken as 0.

use ndarray::{Array2, ArrayView1, ArrayView2};
use scorecast_systems::{Entry, Param, ParamKind, Settings};

use super::{BuildOperator, ErrorLaw, LinearizedOperator, NoiseLaw, ObservationOperator, Place};
use crate::error::{Error, Result};

const SIZE: Param = Param::unset("size", ParamKind::COUNT, "components in a group; all of them unless set");

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "norm",
    about: "the Euclidean norm of each group of consecutive components",
    reference: "",
    params: &[SIZE],
    build: |settings: &Settings, dim, error: &ErrorLaw| {
        let size = if settings.has(SIZE.key) { settings.count(SIZE.key) } else { dim };
        if size == 0 || !dim.is_multiple_of(size) {
            let problem = format!("is {size}, but the state has {dim} components; take a divisor of {dim}");
            return Err(settings.mistake(SIZE.key, problem).into());
        }
        Ok(Box::new(Norm::new(dim, size, error)?))
    },
};

/// The length of each group.
pub struct Norm {
    dim: usize,
    size: usize,
    error: Box<dyn NoiseLaw>,
}

impl Norm {
    /// For states of `dim` components in groups of `size`.
    ///
    /// # Errors
    /// When `size` does not divide `dim`, or the error law does not fit.
    pub fn new(dim: usize, size: usize, error: &ErrorLaw) -> Result<Self> {
        if size == 0 || !dim.is_multiple_of(size) {
            return Err(Error::Shape(format!(
                "{dim} components do not make groups of {size}; take a size that divides {dim}"
            )));
        }
        Ok(Self { dim, size, error: error(dim / size)? })
    }

    /// x_j / |x| of the group of j, `[member, component]`: the rows of the Jacobian, side by side.
    fn unit(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut out = x.to_owned();
        for mut row in out.outer_iter_mut() {
            for mut group in row.exact_chunks_mut(self.size) {
                let length = length(group.view());
                group.mapv_inplace(|value| if length > 0.0 { value / length } else { 0.0 });
            }
        }
        out
    }
}

/// |x|, without overflow of the squares.
fn length(x: ArrayView1<f64>) -> f64 {
    x.iter().fold(0.0, |length: f64, value| length.hypot(*value))
}

impl ObservationOperator for Norm {
    fn name(&self) -> String {
        format!("norm of each {}", self.size)
    }

    fn dim(&self) -> usize {
        self.dim / self.size
    }

    fn state_dim(&self) -> usize {
        self.dim
    }

    fn apply(&self, _t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        Array2::from_shape_fn((x.nrows(), self.dim()), |(member, i)| {
            length(x.slice(ndarray::s![member, i * self.size..(i + 1) * self.size]))
        })
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        Some(self)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.error
    }

    /// The middle of each group.
    fn location(&self) -> Option<Vec<Place>> {
        let middle = self.size / 2;
        let beside = [0.0, (self.size - 1) as f64 / 2.0 - middle as f64];
        Some((0..self.dim()).map(|i| Place { component: i * self.size + middle, beside }).collect())
    }
}

impl LinearizedOperator for Norm {
    fn jvp(&self, _t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        let products = self.unit(x) * u;
        Array2::from_shape_fn((x.nrows(), self.dim()), |(member, i)| {
            products.slice(ndarray::s![member, i * self.size..(i + 1) * self.size]).sum()
        })
    }

    fn vjp(&self, _t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        let mut out = self.unit(x);
        out.indexed_iter_mut().for_each(|((member, j), value)| *value *= v[(member, j / self.size)]);
        out
    }
}
