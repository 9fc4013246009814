//! What the score of an ensemble is made of, as a line of a registry: the filter that it makes, and what is said of it.

use crate::method::build::{Make, Memory};

/// How the filter of a score is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    /// From the settings of `ensf`, which has those of all scores among its own.
    pub make: Make,
    /// What a run of it holds at its largest.
    pub memory: Memory,
    /// What is to be mistrusted of it, where anything is: a clause that follows the name of a run.
    pub caveat: Option<&'static str>,
}
