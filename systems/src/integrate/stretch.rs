//! A stretch of a ring as if it were a block of members: values side by side in memory instead of members side by side,
//! for a few members of a long ring.

use std::sync::Arc;

use crate::fast::{Fast, SlopeUse};
use crate::lanes::LANES;
use crate::sde::{Calculus, Noise, Sde};

/// A stretch of `rows` times [`LANES`] values of one member as if it were a block of members: what integrators step,
/// unaware.
pub(super) struct Stretch {
    sde: Arc<dyn Sde>,
    rows: usize,
}

impl Stretch {
    /// Of an equation that has a [`Ring`](crate::Ring).
    pub(super) fn new(sde: Arc<dyn Sde>, rows: usize) -> Self {
        Self { sde, rows }
    }

    fn stage(&self, t: f64, at: &[[f64; LANES]], stage: SlopeUse) {
        if let Some(ring) = self.sde.fast().and_then(Fast::ring) {
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

    fn diffuse_block(&self, t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.sde.diffuse_block(t, x, dw, out);
    }

    fn fast(&self) -> Option<&dyn Fast> {
        Some(self)
    }
}

impl Fast for Stretch {
    fn stage_block(&self, t: f64, at: &[[f64; LANES]], _slope: &mut [[f64; LANES]], stage: SlopeUse) {
        self.stage(t, at, stage);
    }
}
