//! An operator of x as one of [x, u].

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};

use crate::observe::{NoiseLaw, Observation};

/// What `of` observes of x, where the state is [x, u] with `parameters` components u.
///
/// It has no [`Observation::location`], since the parameters have none: a method with a `radius` refuses it.
pub struct OfState<'a> {
    of: &'a dyn Observation,
    parameters: usize,
}

impl<'a> OfState<'a> {
    /// Of x alone.
    pub fn new(of: &'a dyn Observation, parameters: usize) -> Self {
        Self { of, parameters }
    }

    fn x<'b>(&self, states: ArrayView2<'b, f64>) -> ArrayView2<'b, f64> {
        states.slice_move(s![.., ..self.of.state_dim()])
    }

    /// `of_x` (`[row, component of x]`) with zeros for u.
    fn padded(&self, of_x: &Array2<f64>) -> Array2<f64> {
        let zeros = Array2::zeros((of_x.nrows(), self.parameters));
        concatenate![Axis(1), of_x.view(), zeros.view()]
    }
}

impl Observation for OfState<'_> {
    fn name(&self) -> String {
        format!("{} of a state with {} unknown parameters", self.of.name(), self.parameters)
    }

    fn dim(&self) -> usize {
        self.of.dim()
    }

    fn state_dim(&self) -> usize {
        self.of.state_dim() + self.parameters
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.of.apply(t, self.x(x))
    }

    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.of.jvp(t, self.x(x), self.x(u))
    }

    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.padded(&self.of.vjp(t, self.x(x), v))
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.of.error()
    }

    fn matrix(&self) -> Option<Array2<f64>> {
        self.of.matrix().map(|matrix| self.padded(&matrix))
    }
}
