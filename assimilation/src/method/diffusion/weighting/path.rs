//! p(y | x_k) estimated along the guided path (twisted sequential Monte Carlo; Wu et al. 2023): see
//! [`super::on_the_way`] for the weights, which are looked at when the way is at its end.

use std::sync::Arc;

use scorecast_systems::Entry;

use super::on_the_way::{draw, refusal};
use super::rule::{BuildWeighting, GuidedRun, Sampling, WeighedDraw, Weighting};
use crate::error::Result;

pub(super) const ENTRY: Entry<BuildWeighting> = Entry {
    name: "path",
    about: "p(y | x_k) estimated without bias along the guided path",
    reference: "Wu et al. 2023",
    params: &[],
    build: |_| Arc::new(AlongPath),
};

/// p(y | x_k) estimated along the guided path, which is a path of the sampler of unit normal data whatever the sampler of
/// the run is.
#[derive(Clone, Copy, Debug)]
pub struct AlongPath;

impl Weighting for AlongPath {
    fn refusal(&self, sampling: &Sampling) -> Option<&'static str> {
        refusal(sampling)
    }

    fn draw(&self, run: &GuidedRun) -> Result<WeighedDraw> {
        draw(run, &())
    }
}
