//! How long a lead step is and how it is integrated.

use crate::error::{Error, Result};

/// How a system is stepped from one lead step to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepping {
    /// The length of a lead step, in model time.
    pub dt: f64,
    /// Integration steps in a lead step.
    pub substeps: usize,
    /// The name of an integrator in [`crate::integrate::INTEGRATORS`]; systems with an exact transition ignore it.
    pub integrator: String,
}

impl Stepping {
    /// Says what is wrong with it, whatever the system.
    ///
    /// # Errors
    /// When dt is not a finite number above 0, or without substeps.
    pub fn check(&self) -> Result<()> {
        if !(self.dt > 0.0 && self.dt.is_finite()) {
            return Err(Error::Unsupported(format!("the lead step dt is {}, but must be above 0", self.dt)));
        }
        if self.substeps == 0 {
            return Err(Error::Unsupported(
                "a lead step of 0 substeps does not move; set substeps to at least 1".into(),
            ));
        }
        Ok(())
    }
}
