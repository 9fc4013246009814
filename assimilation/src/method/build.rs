//! How a method is built from its settings, and what it needs of its forecaster and of the operator.

use scorecast_systems::{MemoryUse, Settings};

use super::memory::{self, Extent};
use crate::error::Result;
use crate::need::Need;
use crate::noise_treatment::NoiseTreatment;
use crate::problem::Cycle;

/// A method from its settings. An ensemble method is wrapped in [`AnalysisCycle`](crate::AnalysisCycle).
pub type Make = fn(&Settings) -> Result<Box<dyn Cycle>>;

/// How a method is built, and what can be said of a forecaster and an operator before it is.
#[derive(Clone, Copy, Debug)]
pub struct MethodBuild {
    /// From its settings.
    pub make: Make,
    /// What it needs of its forecaster, whatever its settings, beyond members that are stepped.
    pub needs: &'static [Need],
    /// What it needs beside these with some settings.
    pub needs_by: fn(&Settings) -> &'static [Need],
    /// Whether it is for linear operators only.
    pub linear_operator: bool,
    /// What is to be mistrusted of a run with these settings, where anything is: a clause that follows its name.
    pub caveat: Caveat,
    /// What a run with these settings holds at its largest.
    pub memory: Memory,
}

/// What a run of a method holds at its largest, with these settings and sizes.
pub type Memory = fn(&Settings, &Extent) -> Vec<MemoryUse>;

/// A clause against a method with these settings; none where nothing is to be said.
pub type Caveat = fn(&Settings) -> Option<&'static str>;

impl MethodBuild {
    /// Of a method for any operator.
    pub(crate) const fn new(needs: &'static [Need], make: Make) -> Self {
        Self { make, needs, needs_by: |_| &[], linear_operator: false, caveat: |_| None, memory: memory::of_members }
    }

    /// Of a method for linear operators only.
    pub(crate) const fn for_linear_operators(needs: &'static [Need], make: Make) -> Self {
        Self { make, needs, needs_by: |_| &[], linear_operator: true, caveat: |_| None, memory: memory::of_members }
    }

    /// With what it needs beside with some settings.
    pub(crate) const fn needing(self, needs_by: fn(&Settings) -> &'static [Need]) -> Self {
        Self { needs_by, ..self }
    }

    /// With a caveat.
    pub(crate) const fn with_caveat(self, caveat: Caveat) -> Self {
        Self { caveat, ..self }
    }

    /// Of a method that holds something else than an ensemble with its copies.
    pub(crate) const fn holding(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    /// What it needs of its forecaster with these settings.
    pub fn needs_with(&self, settings: &Settings) -> Vec<Need> {
        let treatment = NoiseTreatment::from_settings(settings).needs();
        self.needs.iter().chain((self.needs_by)(settings)).chain(treatment).copied().collect()
    }
}
