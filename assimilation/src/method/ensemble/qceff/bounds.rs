//! Bounds that no component is beyond.

use ndarray::{Array2, Axis};

use crate::error::{Error, Result};

/// Bounds of a number, in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// None is -infinity.
    pub lower: Option<f64>,
    /// None is infinity.
    pub upper: Option<f64>,
}

impl Bounds {
    /// Both, infinite where there is none.
    pub fn ends(&self) -> (f64, f64) {
        (self.lower.unwrap_or(f64::NEG_INFINITY), self.upper.unwrap_or(f64::INFINITY))
    }

    /// Refuses members, `[member, component]`, that are all beyond a bound in one component: their law has no mass between the bounds.
    ///
    /// # Errors
    /// With the first such component.
    pub fn require_members_within(&self, x: &Array2<f64>) -> Result<()> {
        let (lower, upper) = self.ends();
        for (component, column) in x.axis_iter(Axis(1)).enumerate() {
            let beyond = [
                ("below the `lower`", lower, column.iter().all(|x| *x < lower)),
                ("above the `upper`", upper, column.iter().all(|x| *x > upper)),
            ];
            if let Some((side, bound, _)) = beyond.into_iter().find(|(.., all)| *all) {
                return Err(Error::Unsupported(format!(
                    "all members of component {component} lie {side} of {bound} that is set for method `qceff`; set bounds that \
                     hold for every component of the state, or leave them out"
                )));
            }
        }
        Ok(())
    }

    /// The share of the numbers of `x` that are beyond a bound.
    pub fn share_beyond(&self, x: &Array2<f64>) -> f64 {
        let (lower, upper) = self.ends();
        x.iter().filter(|x| **x < lower || **x > upper).count() as f64 / x.len() as f64
    }

    /// Puts what is beyond a bound on it.
    pub fn hold(&self, x: &mut Array2<f64>) {
        let (lower, upper) = self.ends();
        if self != &Self::default() {
            x.mapv_inplace(|value| value.max(lower).min(upper));
        }
    }
}
