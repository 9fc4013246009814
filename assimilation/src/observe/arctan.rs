//! f(x) = arctan x: an observation that saturates, so that large states look alike.
//!
//! The test operator of Bao, Zhang and Zhang 2024 (ensemble score filter).

use scorecast_systems::{Entry, Settings};

use super::pointwise::{self, Function};
use super::stride::{OFFSET, STRIDE};
use super::{BuildOperator, ErrorLaw};

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "arctan",
    about: "the arctangent of each stride-th component",
    reference: "Bao, Zhang and Zhang 2024",
    params: &[STRIDE, OFFSET],
    build: |settings: &Settings, dim, error: &ErrorLaw| pointwise::build(Arctan, settings, dim, error),
};

/// f(x) = arctan x.
#[derive(Clone, Copy, Debug)]
pub struct Arctan;

impl Function for Arctan {
    fn name(&self) -> String {
        "arctan".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x.atan()
    }

    fn slope(&self, x: f64) -> f64 {
        1.0 / (1.0 + x * x)
    }
}
