//! One state along the lead steps of a window, and the derivative of the forecaster around it.
//!
//! x_{k+1} = M(x_k): A x + b of a linear-Gaussian forecaster, the mean of a Gaussian kernel, otherwise a draw, always with
//! the same noise. Its tangents carry vectors forward, its adjoints carry covectors back, once a lead step.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use scorecast_systems::{Differentiable, Error as SystemError, Forecaster, Key, LinearGaussian};

use crate::problem::{Error, Result};

/// A forecaster with its derivative.
pub(super) struct Dynamics<'a> {
    model: &'a dyn Forecaster,
    derivative: Derivative<'a>,
    noise: Key,
}

enum Derivative<'a> {
    Linear(LinearGaussian),
    Of(&'a dyn Differentiable),
}

impl<'a> Dynamics<'a> {
    /// Of a forecaster, with the key of its noise.
    ///
    /// # Errors
    /// When the forecaster has no derivative.
    pub fn new(model: &'a dyn Forecaster, noise: Key) -> Result<Self> {
        let derivative = match (model.linear_gaussian(), model.differentiable()) {
            (Some(law), _) => Derivative::Linear(law),
            (None, Some(derivative)) => Derivative::Of(derivative),
            (None, None) => return Err(missing("this one has no derivative")),
        };
        Ok(Self { model, derivative, noise })
    }

    /// The states at lead steps `from` to `to`, that at `from` being `x` (`[component]`).
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn trajectory(&self, from: usize, to: usize, x: Array1<f64>) -> Result<Trajectory> {
        let mut states = vec![x];
        for k in from..to {
            let x = &states[k - from];
            let next = match (&self.derivative, self.model.gaussian()) {
                (Derivative::Linear(law), _) => law.matrix.dot(x) + &law.offset,
                (_, Some(kernel)) => kernel.moments(k, x.view().insert_axis(Axis(0)))?.0.remove_axis(Axis(0)),
                _ => {
                    let mut row = x.clone().insert_axis(Axis(0));
                    self.model.advance(k, 1, &mut row, self.noise)?;
                    row.remove_axis(Axis(0))
                }
            };
            states.push(next);
        }
        Ok(Trajectory { from, states })
    }

    /// Carries each row of `rows` (`[row, component]`) from lead step `from` to `to` by the tangents around `along`.
    ///
    /// # Errors
    /// When the forecaster itself cannot run.
    pub fn forward(&self, along: &Trajectory, from: usize, to: usize, mut rows: Array2<f64>) -> Result<Array2<f64>> {
        for k in from..to {
            rows = match self.derivative {
                Derivative::Linear(ref law) => rows.dot(&law.matrix.t()),
                Derivative::Of(derivative) => {
                    let mut x = Array2::zeros(rows.raw_dim());
                    x.assign(&along.at(k));
                    derivative.tangent(k, x.view(), rows.view(), self.noise)?.1
                }
            };
        }
        Ok(rows)
    }

    /// Carries a covector (`[component]`) from the end of `along` back to its start by the adjoints around it.
    ///
    /// # Errors
    /// When the adjoint is not known, or the forecaster itself cannot run.
    pub fn backward(&self, along: &Trajectory, covector: Array1<f64>) -> Result<Array1<f64>> {
        let mut v = covector.insert_axis(Axis(0));
        for k in (along.from..along.from + along.states.len() - 1).rev() {
            v = match self.derivative {
                Derivative::Linear(ref law) => v.dot(&law.matrix),
                Derivative::Of(derivative) => {
                    let x = along.at(k).insert_axis(Axis(0));
                    derivative.adjoint(k, x, v.view(), self.noise).map_err(|error| match error {
                        SystemError::Unsupported(why) => missing(&why),
                        other => other.into(),
                    })?
                }
            };
        }
        Ok(v.remove_axis(Axis(0)))
    }
}

fn missing(why: &str) -> Error {
    Error::Unsupported(format!(
        "method `four_d_var` needs the adjoint of the forecaster's lead step ({why}); use `ienks` or `four_d_envar`, which \
         need no derivative"
    ))
}

/// One state at consecutive lead steps.
pub(super) struct Trajectory {
    from: usize,
    /// At least one.
    states: Vec<Array1<f64>>,
}

impl Trajectory {
    /// The state at lead step `k`, of those that it holds.
    pub fn at(&self, k: usize) -> ArrayView1<'_, f64> {
        self.states[k - self.from].view()
    }

    /// The state at the end.
    pub fn last(&self) -> ArrayView1<'_, f64> {
        self.states[self.states.len() - 1].view()
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        self.states.iter().flatten().all(|value| value.is_finite())
    }
}
