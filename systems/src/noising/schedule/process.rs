//! What a schedule is.

use crate::noising::Level;
use crate::registry::Settings;

/// The levels of a noising process.
pub trait Schedule: Send + Sync {
    /// The level at time `t`, which grows from 0.
    fn level(&self, t: f64) -> Level;

    /// The time at which sigma / alpha is `relative`, of at least 0: 0 where that is 0 or less than the process has.
    fn time(&self, relative: f64) -> f64;

    /// The factor of a known state c where x_t = alpha x_0 + shift c + sigma eps; samplers see x_t - shift c
    /// ([`crate::noising::Shifted`]).
    fn shift(&self, t: f64) -> f64 {
        let _ = t;
        0.0
    }
}

/// How a schedule is built from its settings.
pub type BuildSchedule = fn(&Settings) -> Box<dyn Schedule>;
