//! f(x) = |x|: the sign is lost, so that a posterior can have two modes. At 0 the slope is taken as 0.

use scorecast_systems::{Entry, Settings};

use super::pointwise::{self, Function};
use super::stride::{OFFSET, STRIDE};
use super::{BuildOperator, ErrorLaw};

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "absolute",
    about: "the absolute value of each stride-th component",
    reference: "",
    params: &[STRIDE, OFFSET],
    build: |settings: &Settings, dim, error: &ErrorLaw| pointwise::build(Absolute, settings, dim, error),
};

/// f(x) = |x|.
#[derive(Clone, Copy, Debug)]
pub struct Absolute;

impl Function for Absolute {
    fn name(&self) -> String {
        "absolute".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x.abs()
    }

    fn slope(&self, x: f64) -> f64 {
        if x == 0.0 { 0.0 } else { x.signum() }
    }
}
