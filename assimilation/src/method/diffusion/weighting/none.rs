//! No weights: p(y | x_k) is left out, which is the published practice and not a filter. The gain is Q / (Q + R), blind to
//! the spread of the ensemble.

use std::sync::Arc;

use scorecast_systems::Entry;

use super::rule::{BuildWeighting, Weighting};

pub(super) const ENTRY: Entry<BuildWeighting> = Entry {
    name: "none",
    about: "p(y | x_k) left out, which is not a filter",
    reference: "",
    params: &[],
    build: |_| Arc::new(Unweighted),
};

/// No weights.
#[derive(Clone, Copy, Debug)]
pub struct Unweighted;

impl Weighting for Unweighted {
    fn weighs(&self) -> bool {
        false
    }

    fn caveat(&self) -> Option<&'static str> {
        Some(
            "samples p(x_k+1 | x_k, y) for each member and keeps equal weights, as published; it drops p(y | x_k), so its \
             gain does not see the ensemble's spread and it is not the filter's posterior.",
        )
    }
}
