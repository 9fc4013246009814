//! The angles of an elliptical slice (Murray, Adams and MacKay 2010): a bracket that shrinks towards the point that it starts
//! from.

use std::f64::consts::TAU;

use scorecast_systems::Stream;

/// How often a bracket shrinks at most: to 2^-50 of the circle or so.
pub(super) const SHRINKS: usize = 64;

/// The angle that is tried, and the ends of the bracket, of which 0, where the slice starts, is never outside.
#[derive(Clone, Copy)]
pub(super) struct Bracket {
    pub(super) angle: f64,
    low: f64,
    high: f64,
}

impl Bracket {
    /// The whole circle, from an angle that is drawn.
    pub(super) fn new(stream: &mut Stream) -> Self {
        let angle = TAU * stream.uniform();
        Self { angle, low: angle - TAU, high: angle }
    }

    /// Ends at the angle that was refused, and draws another.
    pub(super) fn shrink(&mut self, stream: &mut Stream) {
        if self.angle < 0.0 {
            self.low = self.angle;
        } else {
            self.high = self.angle;
        }
        self.angle = self.low + (self.high - self.low) * stream.uniform();
    }
}
