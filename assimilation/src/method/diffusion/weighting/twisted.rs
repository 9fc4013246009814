//! Twisted sequential Monte Carlo (Wu et al. 2023): path weights with resampling on the way, wherever the effective size falls
//! below `ess_threshold`. The potential psi is what the guidance rule itself makes of p(y | z_t), the sum of its terms.

use std::sync::Arc;

use ndarray::Array1;
use scorecast_systems::Entry;

use super::on_the_way::{Potential, Waypoint, draw, refusal};
use super::rule::{BuildWeighting, GuidedRun, Sampling, WeighedDraw, Weighting};
use crate::error::Result;

pub(super) const ENTRY: Entry<BuildWeighting> = Entry {
    name: "twisted",
    about: "path weights with resampling on the way, by the guidance rule's own likelihood",
    reference: "Wu et al. 2023",
    params: &[],
    build: |_| Arc::new(Twisted),
};

/// Path weights with resampling on the way.
#[derive(Clone, Copy, Debug)]
pub struct Twisted;

impl Potential for Twisted {
    fn log(&self, at: &Waypoint) -> Option<Array1<f64>> {
        Some(at.run.guided.last_log_likelihood())
    }
}

impl Weighting for Twisted {
    fn refusal(&self, sampling: &Sampling) -> Option<&'static str> {
        refusal(sampling)
    }

    fn draw(&self, run: &GuidedRun) -> Result<WeighedDraw> {
        draw(run, self)
    }
}
