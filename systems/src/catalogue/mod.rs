//! The catalogue of systems: one file each, one line in [`SYSTEMS`].

use std::sync::Arc;

use crate::law::Result;
use crate::registry::{Entry, Settings};
use crate::system::System;

/// How a system is built from its settings.
pub type Build = fn(&Settings) -> Result<Arc<dyn System>>;

/// Every system, in the order in which they are listed.
pub const SYSTEMS: &[Entry<Build>] = &[];
