//! Progress and interruption, as long work sees them: it reports, and it asks whether to stop.

/// Where long work reports how far it is.
pub trait Progress: Send + Sync {
    /// Work on `what` begins; it has `total` units.
    fn start(&self, what: &str, total: u64);
    /// `done` units are finished; `note` is a short figure such as a loss.
    fn at(&self, done: u64, note: &str);
    /// The work is finished.
    fn finish(&self);
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
