//! One analysis of a row, with what more than one reader needs of it.

use ndarray::Array1;

use crate::assimilation::Outcome;
use crate::assimilation::augment::Estimate;

/// An outcome with its moments, which more than one reader needs.
pub struct Analysed {
    /// The outcome, of the state alone.
    pub outcome: Outcome,
    /// What a row that estimates parameters thinks of them.
    pub estimate: Option<Estimate>,
    /// The analysis mean, `[component]`.
    pub mean: Array1<f64>,
    /// The analysis variance, `[component]`.
    pub variance: Array1<f64>,
    /// Root mean square error of the mean, where there is a truth.
    pub error: Option<f64>,
}
