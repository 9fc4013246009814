//! Equations on a ring that are the same everywhere, along a stretch of it: values side by side in memory instead of
//! members side by side, for a few members of a long ring.

use std::sync::Arc;

use crate::sde::{Calculus, LANES, Noise, Sde};
use crate::stage::SlopeUse;

/// How far a component of a ring looks: f_i depends on x_{i - behind}, ..., x_{i + ahead} only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Components before i.
    pub behind: usize,
    /// Components after i.
    pub ahead: usize,
}

/// An equation on a ring that is the same everywhere, with noise (none, additive or diagonal) that is the same for every
/// component.
pub trait Ring: Send + Sync {
    /// How far a component looks.
    fn reach(&self) -> Reach;

    /// As [`Sde::stage_block`] on consecutive values of one ring: `at` and the arrays of `stage` hold [`LANES`] values a
    /// row, one row after the other. Each value gets the bytes that it gets in a block of members. In the
    /// first and the last row, where neighbours are missing, k = 0.
    fn stage_stretch(&self, t: f64, at: &[[f64; LANES]], stage: SlopeUse);
}

/// A stretch of `rows` times [`LANES`] values of one member as if it were a block of members: what integrators step,
/// unaware.
pub(crate) struct Stretch {
    sde: Arc<dyn Sde>,
    rows: usize,
}

impl Stretch {
    /// Of an equation that has [`Sde::ring`].
    pub(crate) fn new(sde: Arc<dyn Sde>, rows: usize) -> Self {
        Self { sde, rows }
    }

    fn stage(&self, t: f64, at: &[[f64; LANES]], stage: SlopeUse) {
        if let Some(ring) = self.sde.ring() {
            ring.stage_stretch(t, at, stage);
        }
    }
}

impl Sde for Stretch {
    fn dim(&self) -> usize {
        self.rows
    }

    fn noise(&self) -> Noise {
        self.sde.noise()
    }

    fn calculus(&self) -> Calculus {
        self.sde.calculus()
    }

    fn autonomous(&self) -> bool {
        self.sde.autonomous()
    }

    fn drift_block(&self, t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.stage(t, x, SlopeUse::Slope(out));
    }

    fn stage_block(&self, t: f64, at: &[[f64; LANES]], _slope: &mut [[f64; LANES]], stage: SlopeUse) {
        self.stage(t, at, stage);
    }

    fn diffuse_block(&self, t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.sde.diffuse_block(t, x, dw, out);
    }
}
