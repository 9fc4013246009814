//! Bounds that no component is beyond.

use ndarray::Array2;

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

    /// Puts what is beyond a bound on it.
    pub fn hold(&self, x: &mut Array2<f64>) {
        let (lower, upper) = self.ends();
        if self != &Self::default() {
            x.mapv_inplace(|value| value.max(lower).min(upper));
        }
    }
}
