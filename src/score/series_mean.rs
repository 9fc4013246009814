//! The mean of any series of numbers, with the same standard errors and tests as the scores have: for the diagnostics
//! of a method, such as its effective sample size.

use super::{Case, Input, Metric, Orientation};

/// The mean of a series given as [`Case::Number`]. Not in the registry: the one who has the series builds it.
#[derive(Clone, Copy, Debug)]
pub struct SeriesMean {
    /// Which values are good.
    pub orientation: Orientation,
}

impl Metric for SeriesMean {
    fn input(&self) -> Input {
        Input::Number
    }

    fn measure(&self, case: &Case, out: &mut [f64]) {
        let Case::Number(value) = case else { unreachable!("a mean needs numbers, but was given {}", case.kind()) };
        out[0] = *value;
    }

    fn estimator(&self) -> &'static str {
        "mean"
    }

    fn orientation(&self) -> Orientation {
        self.orientation
    }
}
