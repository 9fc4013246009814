//! One state along the lead steps of a window, and the derivative of the forecaster around it.
//!
//! x_{k+1} = M(x_k): A x + b of a linear-Gaussian forecaster, the mean of a Gaussian kernel, otherwise the lead step of a
//! deterministic forecaster. M's tangents carry vectors forward, its adjoints carry covectors back, once a lead step.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use scorecast_systems::{Differentiable, Error as SystemError, Forecaster, GaussianKernel, Key, LinearGaussian};

use crate::error::{Error, Result};
use crate::step_law;

/// A forecaster with its derivative.
pub(super) struct Dynamics<'a> {
    model: &'a dyn Forecaster,
    derivative: Derivative<'a>,
    /// What a deterministic forecaster is given, and does not draw from.
    noise: Key,
}

enum Derivative<'a> {
    Linear(LinearGaussian),
    /// Of the mean of a kernel.
    Mean(&'a dyn GaussianKernel, &'a dyn Differentiable),
    /// Of a deterministic lead step.
    Step(&'a dyn Differentiable),
}

impl<'a> Dynamics<'a> {
    /// Of a forecaster around the state `x` (`[component]`) at lead step `k`, which tells whether it is deterministic.
    ///
    /// # Errors
    /// When the forecaster has no derivative, or noise without a kernel.
    pub fn new(model: &'a dyn Forecaster, k: usize, x: ArrayView1<f64>, noise: Key) -> Result<Self> {
        let derivative = match (model.linear_gaussian(), model.differentiable(), model.gaussian()) {
            (Some(law), ..) => Derivative::Linear(law),
            (None, None, _) => return Err(missing("this one has no derivative")),
            (None, Some(derivative), Some(kernel)) => Derivative::Mean(kernel, derivative),
            (None, Some(derivative), None) if step_law::is_deterministic(model, k, x, noise)? => {
                Derivative::Step(derivative)
            }
            (None, Some(_), None) => return Err(noisy()),
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
            let next = match &self.derivative {
                Derivative::Linear(law) => law.matrix.dot(x) + &law.offset,
                Derivative::Mean(kernel, _) => kernel.moments(k, x.view().insert_axis(Axis(0)))?.0.remove_axis(Axis(0)),
                Derivative::Step(_) => {
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
            let mut x = Array2::zeros(rows.raw_dim());
            x.assign(&along.at(k));
            rows = match &self.derivative {
                Derivative::Linear(law) => rows.dot(&law.matrix.t()),
                Derivative::Mean(_, of) => of.mean_tangent(k, x.view(), rows.view()).map_err(explain)?.1,
                Derivative::Step(of) => of.tangent(k, x.view(), rows.view(), self.noise).map_err(explain)?.1,
            };
        }
        Ok(rows)
    }

    /// Carries a covector (`[component]`) from lead step `to` back to `from` by the adjoints around `along`.
    ///
    /// # Errors
    /// When the adjoint is not known, or the forecaster itself cannot run.
    pub fn backward(&self, along: &Trajectory, from: usize, to: usize, covector: Array1<f64>) -> Result<Array1<f64>> {
        let mut v = covector.insert_axis(Axis(0));
        for k in (from..to).rev() {
            let x = along.at(k).insert_axis(Axis(0));
            v = match &self.derivative {
                Derivative::Linear(law) => v.dot(&law.matrix),
                Derivative::Mean(_, of) => of.mean_adjoint(k, x, v.view()).map_err(explain)?,
                Derivative::Step(of) => of.adjoint(k, x, v.view(), self.noise).map_err(explain)?,
            };
        }
        Ok(v.remove_axis(Axis(0)))
    }
}

/// The remedy where a derivative is not known.
fn explain(error: SystemError) -> Error {
    match error {
        SystemError::Unsupported(why) => missing(&why),
        other => other.into(),
    }
}

fn noisy() -> Error {
    Error::Unsupported(
        "method `four_d_var` needs a forecaster that is deterministic or whose lead step has a mean in closed form, but this \
         one has noise without a Gaussian kernel (a system with noise has it with integrator `rk4` or `euler_maruyama` and \
         one substep); take another forecaster, or use `ienks`, which takes noise into account"
            .to_owned(),
    )
}

fn missing(why: &str) -> Error {
    Error::Unsupported(format!(
        "method `four_d_var` needs the tangent and the adjoint of the forecaster's lead step ({why}); use `ienks` or `four_d_envar`, which \
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
