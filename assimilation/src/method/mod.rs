//! Assimilation methods: one file each, one line in [`METHODS`].

use scorecast_systems::{Entry, Settings};

use crate::problem::{Cycle, Result};

/// How a method is built from its settings. An ensemble method is wrapped in
/// [`AnalysisCycle`](crate::problem::AnalysisCycle).
pub type Build = fn(&Settings) -> Result<Box<dyn Cycle>>;

/// Every method, in the order in which they are listed.
pub const METHODS: &[Entry<Build>] = &[];
