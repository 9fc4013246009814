//! The variance-exploding schedule of Karras et al. (2022): alpha = 1, sigma = t.

use super::{BuildSchedule, Schedule};
use crate::noising::Level;
use crate::registry::Entry;

pub(super) const ENTRY: Entry<BuildSchedule> = Entry {
    name: "exploding",
    about: "variance-exploding: alpha = 1, sigma = t",
    reference: "Karras et al. (2022), arXiv:2206.00364",
    params: &[],
    build: |_| Box::new(Exploding),
};

/// alpha = 1, sigma = t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exploding;

impl Schedule for Exploding {
    fn level(&self, t: f64) -> Level {
        Level::exploding(t)
    }

    fn time(&self, relative: f64) -> f64 {
        relative
    }
}
