//! The members of the forecast, which no observation ever changes: what assimilation is worth is told against it.

use ndarray::Array2;
use scorecast_systems::{Entry, Key, Settings};

use crate::cycle::AnalysisCycle;
use crate::error::Result;
use crate::method::build::MethodBuild;
use crate::method::shared::MEMBERS;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, require_members};

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "open_loop",
    about: "members that are stepped and never updated: what observations are worth is told against it",
    reference: "Evensen 2009",
    params: &[MEMBERS],
    build: MethodBuild::new(&[], |settings: &Settings| {
        Ok(Box::new(AnalysisCycle::new(Box::new(OpenLoop), settings.count(MEMBERS.key))))
    }),
};

/// No analysis at all.
#[derive(Clone, Copy, Debug)]
pub struct OpenLoop;

impl Analysis for OpenLoop {
    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, _key: Key) -> Result<Outcome> {
        require_members(forecast.nrows())?;
        observed.restrict(forecast.view())?;
        Ok(Outcome::unchanged(forecast))
    }

    fn name(&self) -> &'static str {
        ENTRY.name
    }
}
