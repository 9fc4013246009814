//! f(x) = max(x, level): an instrument that reads nothing below its detection limit (a censored observation, Tobin 1958).
//!
//! Below the level, and at it, the slope is 0. The error is added to the reading, so values below the level can occur.
use scorecast_systems::{Entry, Param, Settings};

use super::pointwise::{self, Function};
use super::stride::{OFFSET, STRIDE};
use super::{BuildOperator, ErrorLaw};

const LEVEL: Param = Param::real("level", 0.0, "the detection limit, in the unit of the state");

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "threshold",
    about: "each stride-th component, or the level where it is below: max(x, level)",
    reference: "Tobin 1958",
    params: &[STRIDE, OFFSET, LEVEL],
    build: |settings: &Settings, dim, error: &ErrorLaw| {
        pointwise::build(Threshold { level: settings.number(LEVEL.key) }, settings, dim, error)
    },
};

/// f(x) = max(x, level).
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    /// The detection limit, in the unit of the state.
    pub level: f64,
}

impl Function for Threshold {
    fn name(&self) -> String {
        format!("threshold {}", self.level)
    }

    fn value(&self, x: f64) -> f64 {
        if x.is_nan() { x } else { x.max(self.level) }
    }

    fn slope(&self, x: f64) -> f64 {
        if x > self.level { 1.0 } else { 0.0 }
    }
}
