//! f(x) = x^2: an energy or a power; the sign is lost.

use scorecast_systems::{Entry, Settings};

use super::pointwise::{self, Function};
use super::stride::{OFFSET, STRIDE};
use super::{BuildOperator, ErrorLaw};

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "square",
    about: "the square of each stride-th component",
    reference: "",
    params: &[STRIDE, OFFSET],
    build: |settings: &Settings, dim, error: &ErrorLaw| pointwise::build(Square, settings, dim, error),
};

/// f(x) = x^2.
#[derive(Clone, Copy, Debug)]
pub struct Square;

impl Function for Square {
    fn name(&self) -> String {
        "square".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x * x
    }

    fn slope(&self, x: f64) -> f64 {
        2.0 * x
    }
}
