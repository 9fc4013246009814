//! The climatology: each posterior is the prior, whatever was observed. What any method must beat.

use scorecast_systems::{Entry, Forecaster, Key, Settings};

use crate::error::Result;
use crate::gaussian::Gaussian;
use crate::method::build::MethodBuild;
use crate::method::kalman::gaussian_cycle::{GaussianCycle, GaussianRule};
use crate::method::memory;
use crate::method::shared::DRAWS;
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "climatology",
    about: "the prior at every time, whatever is observed: the baseline that every method must beat",
    reference: "Jolliffe and Stephenson 2012",
    params: &[DRAWS],
    build: MethodBuild::new(&[], |settings: &Settings| {
        Ok(Box::new(GaussianCycle::new(Climatology, settings.count(DRAWS.key))))
    })
    .holding(memory::of_covariance),
};

/// The rules of the climatology.
#[derive(Clone, Copy, Debug)]
pub struct Climatology;

impl GaussianRule for Climatology {
    fn name(&self) -> &'static str {
        "climatology"
    }

    fn require(&self, _: &ObservationSet) -> Result<()> {
        Ok(())
    }

    fn nothing(&self) -> Diagnostics {
        Diagnostics::new()
    }

    fn forecast(&self, _: &dyn Forecaster, _: &mut Gaussian, _: usize, _: usize, _: Key) -> Result<()> {
        Ok(())
    }

    fn analyse(&mut self, forecast: &Gaussian, _: &ObservationSet) -> Result<(Gaussian, Diagnostics)> {
        Ok((forecast.clone(), Diagnostics::new()))
    }

    fn forecast_is_prior(&self) -> bool {
        true
    }
}
