//! f(x) = log sqrt(x^2 + c^2): the logarithm of |x|, rounded off where |x| is not large beside the floor c.
//!
//! Defined and smooth for every x: f(0) = log c, f(-x) = f(x), and for |x| > c it differs from log |x| by less than
//! c^2 / (2 x^2). A state that is positive by its nature is observed as log x.
use scorecast_systems::{Entry, Param, Settings};

use super::pointwise::{self, Function};
use super::stride::{OFFSET, STRIDE};
use super::{BuildOperator, ErrorLaw};

const FLOOR: Param = Param::positive("floor", 1e-6, "c, below which sizes look alike, in the unit of the state");

pub(super) const ENTRY: Entry<BuildOperator> = Entry {
    name: "log",
    about: "the logarithm of the size of each stride-th component: log sqrt(x^2 + floor^2)",
    reference: "",
    params: &[STRIDE, OFFSET, FLOOR],
    build: |settings: &Settings, dim, error: &ErrorLaw| {
        pointwise::build(Log { floor: settings.number(FLOOR.key) }, settings, dim, error)
    },
};

/// f(x) = log sqrt(x^2 + c^2).
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// c, in the unit of the state; above 0.
    pub floor: f64,
}

impl Function for Log {
    fn name(&self) -> String {
        format!("log above {}", self.floor)
    }

    fn value(&self, x: f64) -> f64 {
        x.hypot(self.floor).ln()
    }

    fn slope(&self, x: f64) -> f64 {
        x / (x * x + self.floor * self.floor)
    }
}
