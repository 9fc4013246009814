//! Progress and interruption, as long work sees them: it reports, and it asks whether to stop.

use crate::model::CurvePoint;

/// What is known of a training at a point of its curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingEvent {
    /// The losses.
    pub point: CurvePoint,
    /// The norm of the last gradient, before it is clipped.
    pub gradient_norm: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Training pairs that were looked at since the point before.
    pub pairs: u64,
}

/// Where long work reports how far it is.
pub trait Progress: Send + Sync {
    /// Work on `what` begins; it has `total` units.
    fn start(&self, what: &str, total: u64);
    /// `done` units are finished; `note` is a short figure such as a loss.
    fn at(&self, done: u64, note: &str);
    /// The work is finished.
    fn finish(&self);
    /// A training is under way from this step on, so that what follows is of later ones.
    fn trained(&self, step: u64) {
        let _ = step;
    }
    /// How a training goes.
    fn training(&self, event: TrainingEvent) {
        let _ = event;
    }
    /// Whether the user asked to stop. Long work then saves its checkpoint and returns.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Reports to nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn start(&self, _what: &str, _total: u64) {}
    fn at(&self, _done: u64, _note: &str) {}
    fn finish(&self) {}
}
