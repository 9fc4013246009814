//! The rows of a result, as plain data: what scores produce, and what tables, files and the report show.

use serde::{Deserialize, Serialize};

/// One row of the forecast table: one metric of one forecaster at one lead step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastRow {
    /// The forecaster's label.
    pub forecaster: String,
    /// The metric's name.
    pub metric: String,
    /// How the metric was estimated ("fair", "gaussian", ...).
    pub estimator: String,
    /// What the mean was taken over before the final function: `all` or `each_time`.
    pub pool: String,
    /// The lead step, from 1; none for metrics of a whole forecast (valid time).
    pub lead_step: Option<usize>,
    /// The value; none if it diverged or is undefined.
    pub value: Option<f64>,
    /// Its standard error.
    pub se: Option<f64>,
    /// The number of cases (times clusters) behind it.
    pub n: usize,
    /// How many forecasts diverged.
    pub n_diverged: usize,
}

/// One row of the assimilation table: one metric of one method with one forecaster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssimilationRow {
    /// The method's name.
    pub method: String,
    /// The forecaster's label.
    pub forecaster: String,
    /// The row's label (unique in a run).
    pub label: String,
    /// The metric's name.
    pub metric: String,
    /// How the metric was estimated.
    pub estimator: String,
    /// What the mean was taken over before the final function.
    pub pool: String,
    /// The value; none if it diverged.
    pub value: Option<f64>,
    /// Its standard error, over replicates and time.
    pub se: Option<f64>,
    /// The number of analysis times behind it.
    pub n: usize,
    /// Replicates that diverged.
    pub diverged: usize,
    /// Replicates in all.
    pub replicates: usize,
}

/// A paired comparison of two rows of the same table and metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedRow {
    /// `forecast` or `assimilation`.
    pub table: String,
    /// The metric.
    pub metric: String,
    /// The lead step, for forecasts.
    pub lead_step: Option<usize>,
    /// The best row's label.
    pub best: String,
    /// The other row's label.
    pub other: String,
    /// Mean difference (other minus best; positive means best is better for a score where less is better).
    pub difference: f64,
    /// Its autocorrelation-consistent standard error.
    pub se: f64,
    /// Two-sided p-value of the Diebold-Mariano test.
    pub p: f64,
    /// The same after Holm's correction over the rows compared.
    pub p_holm: f64,
}

/// One row of the training table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRow {
    /// The forecaster's label.
    pub forecaster: String,
    /// Its kind in the registry.
    pub kind: String,
    /// Number of fitted parameters.
    pub parameters: usize,
    /// Number of pairs learned from.
    pub pairs: usize,
    /// Training steps taken.
    pub steps: u64,
    /// The step whose weights were kept.
    pub best_step: u64,
    /// The validation loss of the kept weights.
    pub best_valid: Option<f64>,
    /// Network evaluations in one lead step.
    pub evaluations: usize,
}
