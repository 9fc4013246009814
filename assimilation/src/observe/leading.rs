//! An operator of the first components of a longer state, whose others it does not see.

use ndarray::{Array2, ArrayView2, s};

use super::ObservationOperator;
use super::operator::{jvp, vjp};

/// What `of` observes of the first components, where the state has `dim`.
#[derive(Clone, Copy)]
pub(crate) struct Leading<'a> {
    /// Of the first components alone.
    pub of: &'a dyn ObservationOperator,
    /// Components of the longer state.
    pub dim: usize,
}

impl Leading<'_> {
    /// The first components of `states` (`[row, component]`).
    fn first<'x>(&self, states: ArrayView2<'x, f64>) -> ArrayView2<'x, f64> {
        states.slice_move(s![.., ..self.of.state_dim()])
    }

    /// Rows of the first components with zeros behind them.
    fn padded(&self, first: &Array2<f64>) -> Array2<f64> {
        let mut whole = Array2::zeros((first.nrows(), self.dim));
        whole.slice_mut(s![.., ..first.ncols()]).assign(first);
        whole
    }

    /// As [`ObservationOperator::apply`].
    pub fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.of.apply(t, self.first(x))
    }

    /// As [`LinearizedOperator::jvp`](super::LinearizedOperator::jvp).
    pub fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        jvp(self.of, t, self.first(x), self.first(u))
    }

    /// As [`LinearizedOperator::vjp`](super::LinearizedOperator::vjp).
    pub fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.padded(&vjp(self.of, t, self.first(x), v))
    }

    /// As [`ObservationOperator::matrix`].
    pub fn matrix(&self) -> Option<Array2<f64>> {
        self.of.matrix().map(|matrix| self.padded(&matrix))
    }
}
