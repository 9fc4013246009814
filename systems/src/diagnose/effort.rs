//! How much simulation a diagnosis takes: as much as a few seconds allow, whatever the size of the system.

use super::lyapunov::TangentRun;
use crate::lanes::LANES;
use crate::stepping::Stepping;

/// How long and how many trajectories are simulated and linearized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Independent trajectories.
    pub trajectories: usize,
    /// Lead steps in each.
    pub steps: usize,
    /// Leading Lyapunov exponents; 0 where one is too much.
    pub exponents: usize,
}

/// States kept at most, in numbers: 160 MB.
const STATES: usize = 20_000_000;
/// Component updates of trajectories and of tangent vectors, each: a few seconds on one core.
const UPDATES: usize = 150_000_000;
/// The most exponents that are looked for where it is not said how many.
const EXPONENTS: usize = 64;
/// The longest run: enough for three digits of most exponents.
const STEPS: usize = 20_000;
/// The shortest run that says anything.
const SHORTEST: usize = 200;
/// Components beyond which a tangent vector is too much.
const LARGEST: usize = 20_000;

impl Effort {
    /// What is affordable for a system of `dim` components.
    pub fn affordable(dim: usize, stepping: &Stepping) -> Self {
        let dim = dim.max(1);
        let exponents = if dim > LARGEST { 0 } else { dim.min((20_000 / dim).clamp(4, EXPONENTS)) };
        let a_step = LANES * dim * stepping.substeps.max(1);
        let steps = (UPDATES / (a_step * exponents.max(4))).clamp(SHORTEST, STEPS);
        let trajectories = (STATES / (steps * dim)).clamp(4, 2 * LANES);
        Self { trajectories, steps, exponents }
    }

    /// The run of tangent vectors: a fifth of it to forget.
    pub fn tangents(&self, dim: usize) -> TangentRun {
        TangentRun { exponents: self.exponents.min(dim), forget: self.steps / 5, steps: self.steps, every: 1 }
    }
}
