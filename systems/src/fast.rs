//! Slopes in fewer passes over memory than an equation needs to be stepped: [`Fast`], a facet of it.

mod slope;

pub use slope::SlopeUse;
pub(crate) use slope::shift;

use crate::lanes::LANES;

/// An equation that computes its slope and uses it in one pass.
pub trait Fast: Send + Sync {
    /// The slope k = f(at, t) and its use at once; `slope` is scratch; all `[component][lane]`.
    fn stage_block(&self, t: f64, at: &[[f64; LANES]], slope: &mut [[f64; LANES]], stage: SlopeUse);

    /// The equation along a stretch, where it lives on a ring and is the same everywhere: then few members of a large ring
    /// are advanced stretch by stretch.
    fn ring(&self) -> Option<&dyn Ring> {
        None
    }
}

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

    /// As [`Fast::stage_block`] on consecutive values of one ring: `at` and the arrays of `stage` hold [`LANES`] values a
    /// row, one row after the other. Each value gets the bytes that it gets in a block of members. In the
    /// first and the last row, where neighbours are missing, k = 0.
    fn stage_stretch(&self, t: f64, at: &[[f64; LANES]], stage: SlopeUse);
}
