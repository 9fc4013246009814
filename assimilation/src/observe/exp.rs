//! f(x) = exp x: a positive quantity whose logarithm is the state, such as the rate of a count. It overflows above
//! x = 709; what is not finite leaves an ensemble Kalman filter's forecast as it is.

use scorecast_systems::{Entry, Settings};

use super::pointwise::{self, Function};
use super::stride::{OFFSET, STRIDE};
use super::{BuildOperator, ErrorLaw};

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "exp",
    about: "the exponential of each stride-th component",
    reference: "",
    params: &[STRIDE, OFFSET],
    build: |settings: &Settings, dim, error: &ErrorLaw| pointwise::build(Exp, settings, dim, error),
};

/// f(x) = exp x.
#[derive(Clone, Copy, Debug)]
pub struct Exp;

impl Function for Exp {
    fn name(&self) -> String {
        "exp".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x.exp()
    }

    fn slope(&self, x: f64) -> f64 {
        x.exp()
    }
}
