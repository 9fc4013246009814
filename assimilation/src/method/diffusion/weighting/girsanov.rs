//! Girsanov weights along the guided path with the likelihood in slices (SURGE, 2026, arXiv:2605.18745).
//!
//! The way is cut into K pieces of as many steps each. Where piece k begins members are weighed by the ratio of the free to the
//! guided path so far, which is Girsanov's in the steps that are taken, times p(y | x(D))^(k / K), with D the free denoised value
//! there; they are resampled where the effective size falls below `ess_threshold`. At the end the whole likelihood is that of
//! the state that was drawn. With K = 1 this is `path`.

use std::sync::Arc;

use ndarray::Array1;
use scorecast_systems::{Entry, Param};

use super::on_the_way::{Potential, Waypoint, draw, refusal};
use super::rule::{BuildWeighting, GuidedRun, Sampling, WeighedDraw, Weighting};
use crate::error::Result;
use crate::method::diffusion::counts;

const SLICES: Param =
    counts::repeats("slices", 4, 1, "parts in which the likelihood is used on the way; 1 is at the end alone");

pub(super) const ENTRY: Entry<BuildWeighting> = Entry {
    name: "girsanov",
    about: "path weights with resampling on the way, the likelihood used in slices",
    reference: "SURGE 2026, arXiv:2605.18745",
    params: &[SLICES],
    build: |settings| Arc::new(Girsanov { slices: settings.count(SLICES.key) }),
};

/// Girsanov weights with the likelihood in slices.
#[derive(Clone, Copy, Debug)]
pub struct Girsanov {
    /// K.
    pub slices: usize,
}

impl Potential for Girsanov {
    fn log(&self, at: &Waypoint) -> Option<Array1<f64>> {
        let slice = |step: usize| step * self.slices / at.steps;
        let begins = at.step > 0 && slice(at.step) > slice(at.step - 1);
        let share = slice(at.step) as f64 / self.slices as f64;
        begins.then(|| at.run.observed.log_likelihood(at.to_state.apply(&at.free.to_owned()).view()) * share)
    }
}

impl Weighting for Girsanov {
    fn refusal(&self, sampling: &Sampling) -> Option<&'static str> {
        refusal(sampling)
    }

    fn draw(&self, run: &GuidedRun) -> Result<WeighedDraw> {
        draw(run, self)
    }
}
