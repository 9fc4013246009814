//! Noise levels of a reverse sampler: sigma_i = (sigma_max^{1/rho} + i/(n-1) (sigma_min^{1/rho} - sigma_max^{1/rho}))^rho
//! for i = 0..n, then 0 (Karras et al. 2022, equation 5). A large rho makes them geometric.

use crate::law::{Error, Result};

/// Descending noise levels for data of about unit variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The last level before 0.
    pub sigma_min: f64,
    /// The first level.
    pub sigma_max: f64,
    /// How strongly levels crowd at the small end.
    pub rho: f64,
    /// Steps of a sampler: as many levels above 0.
    pub steps: usize,
}

impl Schedule {
    /// The `steps` + 1 levels, from sigma_max down to 0.
    ///
    /// # Errors
    /// When the levels would not descend: steps below 2, sigma_min not in (0, sigma_max), or rho not above 0.
    pub fn levels(&self) -> Result<Vec<f64>> {
        self.check()?;
        let root = |sigma: f64| sigma.powf(1.0 / self.rho);
        let (first, last) = (root(self.sigma_max), root(self.sigma_min));
        let level = |i: usize| (first + i as f64 / (self.steps - 1) as f64 * (last - first)).powf(self.rho);
        Ok((0..self.steps).map(level).chain([0.0]).collect())
    }

    fn check(&self) -> Result<()> {
        let Self { sigma_min, sigma_max, rho, steps } = *self;
        if steps < 2 {
            return Err(Error::Unsupported(format!("a sampler of {steps} steps has no schedule; give it at least 2")));
        }
        if !(sigma_min > 0.0 && sigma_min < sigma_max && sigma_max.is_finite()) {
            return Err(Error::Unsupported(format!(
                "noise levels from sigma_max {sigma_max} to sigma_min {sigma_min} do not descend to a level above 0"
            )));
        }
        if !(rho > 0.0 && rho.is_finite()) {
            return Err(Error::Unsupported(format!("rho is {rho}, but must be above 0 (7 is usual)")));
        }
        Ok(())
    }
}
