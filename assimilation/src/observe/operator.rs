//! What an observation operator is.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::Settings;

use super::noise_law::{ErrorLaw, NoiseLaw};
use super::{OneComponent, Place};
use crate::error::Result;

/// What is observed of a state, and with what error.
pub trait ObservationOperator: Send + Sync {
    /// The operator as the user wrote it, for messages: "stride 3".
    fn name(&self) -> String {
        "operator".to_owned()
    }

    /// The number of observed values.
    fn dim(&self) -> usize;

    /// The number of components of a state.
    fn state_dim(&self) -> usize;

    /// How many of those are of the present, the first ones: all, unless a smoother carries earlier states behind them,
    /// each laid out like the present one.
    fn current_dim(&self) -> usize {
        self.state_dim()
    }

    /// How many of the present components, the last ones, have no place on a grid, such as unknown parameters: none unless
    /// an operator says so. Methods that localize observations update them with all, those that localize covariances refuse
    /// them.
    fn unplaced(&self) -> usize {
        0
    }

    /// h(x) for each row: `[member, component]` -> `[member, observed]`.
    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64>;

    /// The derivative of h, for methods that need one; none unless an operator says so. Where there is a
    /// [`ObservationOperator::matrix`] it serves as well.
    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        None
    }

    /// The components that values read, where some value is a function of one component; none unless an operator says so.
    fn one_component(&self) -> Option<&dyn OneComponent> {
        None
    }

    /// The law of the observation error.
    fn error(&self) -> &dyn NoiseLaw;

    /// For each observed value where it sits, where that makes sense.
    fn location(&self) -> Option<Vec<Place>> {
        None
    }

    /// The component that each value reads, `[observed]`, where each reads one and no other.
    fn reads(&self) -> Option<Vec<usize>> {
        let of = self.one_component()?;
        (0..self.dim()).map(|value| of.component(value)).collect()
    }

    /// H `[observed, component]` where h is linear.
    fn matrix(&self) -> Option<Array2<f64>> {
        None
    }

    /// Whether there is a [`ObservationOperator::matrix`]: who only asks this should not have to make one.
    fn is_linear(&self) -> bool {
        self.matrix().is_some()
    }
}

/// The derivative of an operator.
pub trait LinearizedOperator {
    /// The Jacobian of h at each row of `x` times each row of `u`: `[member, component]` -> `[member, observed]`.
    fn jvp(&self, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64>;

    /// The transposed Jacobian of h at each row of `x` times each row of `v`: `[member, observed]` ->
    /// `[member, component]`.
    fn vjp(&self, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64>;
}

/// The Jacobian of h at each row of `x` times each row of `u`: `[member, component]` -> `[member, observed]`; NaN where the
/// derivative is not known, which [`ObservationSet::require_derivative`](crate::ObservationSet::require_derivative) refuses.
pub(crate) fn jvp(h: &dyn ObservationOperator, t: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
    if let Some(derivative) = h.linearized() {
        return derivative.jvp(t, x, u);
    }
    h.matrix().map_or_else(|| Array2::from_elem((u.nrows(), h.dim()), f64::NAN), |matrix| u.dot(&matrix.t()))
}

/// The transposed Jacobian of h at each row of `x` times each row of `v`: `[member, observed]` -> `[member, component]`; NaN
/// where the derivative is not known.
pub(crate) fn vjp(h: &dyn ObservationOperator, t: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
    if let Some(derivative) = h.linearized() {
        return derivative.vjp(t, x, v);
    }
    h.matrix().map_or_else(|| Array2::from_elem((v.nrows(), h.state_dim()), f64::NAN), |matrix| v.dot(&matrix))
}

/// How an operator is built: settings, the dimension of the state, and the error law for a number of values.
pub type BuildOperator = fn(&Settings, usize, &ErrorLaw) -> Result<Box<dyn ObservationOperator>>;
