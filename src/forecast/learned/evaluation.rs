//! Running the network over an ensemble: chunks of members, in parallel, put together in order.

use std::ops::Range;

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use rayon::prelude::*;

use super::super::Result;
use super::Learned;
use crate::nn::array;
use crate::nn::data::Scales;

impl Learned {
    /// (x - mean) / sd, `[member, component]`: of x_k and of each state behind it, and then of each parameter, repeated for all
    /// components.
    pub fn scaled(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let Scales { states, parameters, .. } = self.scales();
        let behind = self.components() * self.history();
        let mut scaled = Array2::zeros((x.nrows(), behind + self.components() * parameters.len()));
        scaled.slice_mut(s![.., ..behind]).assign(&x.slice(s![.., ..behind]));
        for mut state in scaled.slice_mut(s![.., ..behind]).axis_chunks_iter_mut(Axis(1), self.components()) {
            state -= &states.mean;
            state /= &states.sd;
        }
        if !parameters.is_empty() {
            for (given, mut fields) in x.outer_iter().zip(scaled.outer_iter_mut()) {
                parameters.put(given.slice(s![behind..]), fields.slice_mut(s![behind..]));
            }
        }
        scaled
    }

    /// x_k of x_k and the states behind it.
    pub fn newest<'a>(&self, x: ArrayView2<'a, f64>) -> ArrayView2<'a, f64> {
        x.slice_move(s![.., ..self.components()])
    }

    /// The state after one with x_{k+1} = `next`: it comes before the others, of which the oldest goes. Parameters stay.
    pub fn shifted(&self, x: ArrayView2<f64>, next: Array2<f64>) -> Array2<f64> {
        if self.is_markov() {
            return next;
        }
        let mut shifted = x.to_owned();
        let first = self.components();
        let behind = first * self.history();
        shifted.slice_mut(s![.., ..first]).assign(&next);
        shifted.slice_mut(s![.., first..behind]).assign(&x.slice(s![.., ..behind - first]));
        shifted
    }

    /// Asserts that there is one x_{k+1} for each state, of which that may be the beginning.
    pub fn assert_next(&self, x: ArrayView2<f64>, next: ArrayView2<f64>) {
        assert_eq!((x.nrows(), x.ncols()), (next.nrows(), self.dim()), "one next state for each state");
        assert_eq!(next.ncols(), self.components(), "next states of the components of the newest");
    }

    /// The network's output for these fields (of several states, side by side), `[member, component, field]`, at one noise level or at none.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn evaluate(&self, fields: &[ArrayView2<f64>], level: Option<f64>) -> Result<Tensor> {
        let input = self.network().input(fields)?;
        Ok(self.network().forward(&input, level.as_ref().map(std::slice::from_ref))?)
    }

    /// x + a + s f, with a and s the mean and sd of increments, and f the first field that the network gives for x.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn stepped(&self, x: ArrayView2<f64>, out: &Tensor) -> Result<Array2<f64>> {
        let increments = &self.scales().increments;
        Ok(&self.newest(x) + &increments.mean + array::field(out, 0)? * &increments.sd)
    }
}

/// Runs `f` on chunks of `size` members, given as ranges, in parallel, and gives its results in order.
///
/// # Errors
/// The first error of `f`.
pub fn in_chunks<T: Send>(members: usize, size: usize, f: impl Fn(Range<usize>) -> Result<T> + Sync) -> Result<Vec<T>> {
    let chunk = |index: usize| f(index * size..members.min((index + 1) * size));
    match members.div_ceil(size) {
        count @ 0..=1 => (0..count).map(chunk).collect(),
        count => (0..count).into_par_iter().map(chunk).collect(),
    }
}

/// Rows of a view.
pub fn members<'a>(x: &'a ArrayView2<f64>, range: Range<usize>) -> ArrayView2<'a, f64> {
    x.slice(s![range, ..])
}

/// Chunks one below the other; `dim` is the number of columns if there is none.
pub fn stacked(chunks: &[Array2<f64>], dim: usize) -> Array2<f64> {
    let views: Vec<_> = chunks.iter().map(|chunk| chunk.view()).collect();
    concatenate(Axis(0), &views).unwrap_or_else(|_| Array2::zeros((0, dim)))
}
