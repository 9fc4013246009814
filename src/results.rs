//! The rows of a result, as plain data: what scores produce, and what tables, files and the report show.

use serde::{Deserialize, Serialize};

pub use crate::model::CurvePoint;

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
    /// How many independent cases would have that standard error: fewer than `n` where errors persist.
    #[serde(default)]
    pub n_effective: Option<f64>,
    /// g²/n of the skewness g of its errors, without what persists: from .015 on they come in bursts ([`Self::se`] is rough).
    #[serde(default)]
    pub skew: Option<f64>,
    /// How many forecasts diverged.
    pub n_diverged: usize,
    /// Cases whose value is a lower bound, because the forecast ended before it was reached (valid time); the row's value is
    /// then one too.
    #[serde(default, skip_serializing_if = "is_none")]
    pub censored: usize,
    /// How many seeds the value is the mean of; 0 where the forecaster is of one.
    #[serde(default, skip_serializing_if = "is_none")]
    pub seeds: usize,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// One row of the assimilation table: one metric of one method with one forecaster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AssimilationRow {
    /// The method's name.
    pub method: String,
    /// The forecaster's label.
    pub forecaster: String,
    /// The observing network's name.
    pub observe: String,
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
    /// How many independent analyses would have that standard error: fewer than `n` where errors persist.
    #[serde(default)]
    pub n_effective: Option<f64>,
    /// g²/n of the skewness g of its errors, without what persists: from .015 on they come in bursts ([`Self::se`] is rough).
    #[serde(default)]
    pub skew: Option<f64>,
    /// Replicates that diverged.
    pub diverged: usize,
    /// Replicates in all.
    pub replicates: usize,
    /// How many seeds of its forecaster the value is the mean of; 0 where the forecaster is of one.
    #[serde(default, skip_serializing_if = "is_none")]
    pub seeds: usize,
}

/// A lead step of the forecast table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// Its number in the table, from 1.
    pub lead_step: usize,
    /// How long after the start of a forecast it is; none where it is not known.
    pub time: Option<f64>,
    /// The unit of that; none of model time.
    pub unit: Option<String>,
}

impl Lead {
    /// A lead step that is so many `dt` after the start, in a unit.
    fn counted(lead_step: usize, dt: f64, unit: Option<&str>) -> Self {
        Self { lead_step, time: Some(lead_step as f64 * dt), unit: unit.map(str::to_owned) }
    }

    /// Whether a row is of the first lead step, or of no single one.
    pub fn is_first(lead_step: Option<usize>) -> bool {
        lead_step.is_none_or(|lead| lead == 1)
    }

    /// The lead steps 1, 2, ... of so many `dt`, in a unit.
    pub fn steps(leads: usize, dt: f64, unit: Option<&str>) -> Vec<Self> {
        (1..=leads).map(|lead_step| Self::counted(lead_step, dt, unit)).collect()
    }
}

/// What a comparison with a row of a table, the best one or one that was asked for, lets one say of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Significantly worse, after Holm's correction.
    Worse,
    /// Significantly better, which none is than the best row.
    Better,
    /// Not significantly worse, and with 95 % confidence by no more than a tenth of the best value.
    Alike,
    /// Not significantly worse, but the runs are too short or too few to say that it is not much worse.
    #[default]
    CannotTell,
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
    /// The label of the best row, or of the one that others are compared with.
    pub best: String,
    /// The other row's label.
    pub other: String,
    /// Mean difference (other minus best; positive means best is better for a score where less is better).
    pub difference: f64,
    /// Its autocorrelation-consistent standard error.
    pub se: f64,
    /// Two-sided p-value of the Diebold-Mariano test.
    pub p: f64,
    /// The p-value after Holm's correction over the rows compared.
    pub p_holm: f64,
    /// The ends of the 95 % interval of the difference, by Student's t.
    #[serde(default)]
    pub interval: Option<[f64; 2]>,
    /// What follows.
    #[serde(default)]
    pub verdict: Verdict,
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
    /// Floating-point operations of the training's networks, where its settings are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_flops: Option<f64>,
    /// Floating-point operations of a lead step of one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_flops: Option<f64>,
    /// What a long rollout shows of its climate, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutRow>,
}

/// The climate of free rollouts of a forecaster beside that of the training data: of each figure, the component that is
/// furthest off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutRow {
    /// Members.
    pub members: usize,
    /// Lead steps; the second half counts.
    pub steps: usize,
    /// Whether all states were finite.
    pub finite: bool,
    /// Members that leave the range of the training states, widened by a quarter of its length on either side.
    #[serde(default)]
    pub left: usize,
    /// The lead step by which half of those have left.
    #[serde(default)]
    pub left_by: Option<usize>,
    /// The component whose standard deviation is furthest off.
    pub component: usize,
    /// Its standard deviation over that of the training data.
    pub sd_ratio: Option<f64>,
    /// The standard error of that.
    pub sd_ratio_se: Option<f64>,
    /// The mean less that of the training data, in standard deviations.
    pub mean_error: Option<f64>,
    /// The standard error of that.
    pub mean_error_se: Option<f64>,
    /// The lag, in lead steps, at which the training data have an autocorrelation of about a half.
    pub lag: usize,
    /// The autocorrelation there less that of the training data.
    pub autocorrelation_error: Option<f64>,
}

impl Default for RolloutRow {
    fn default() -> Self {
        Self {
            members: 0,
            steps: 0,
            finite: true,
            left: 0,
            left_by: None,
            component: 0,
            sd_ratio: None,
            sd_ratio_se: None,
            mean_error: None,
            mean_error_se: None,
            lag: 0,
            autocorrelation_error: None,
        }
    }
}

/// What a row cost. Costs are printed and shown, but kept out of the metrics files, which must not change from run to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostRow {
    /// `train`, `forecast` or `assimilate`.
    pub stage: String,
    /// The row's label.
    pub label: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Units of work: training steps, members x lead steps, or cycles.
    pub units: u64,
    /// Number of fitted parameters, where there are any.
    pub parameters: Option<usize>,
    /// Network evaluations in one lead step, where there are any.
    pub evaluations: Option<usize>,
}

/// The curve of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The forecaster's label.
    pub label: String,
    /// What the network is to the forecaster's own, where it is another that this one was learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Its points.
    pub points: Vec<CurvePoint>,
}

impl Curve {
    /// The label, with what the network is where it is not the forecaster's own.
    pub fn title(&self) -> String {
        self.of.as_ref().map_or_else(|| self.label.clone(), |of| format!("{} ({of})", self.label))
    }
}

/// A quantity in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The row's label.
    pub label: String,
    /// The observing network's name.
    pub observe: String,
    /// Model time.
    pub times: Vec<f64>,
    /// The values; NaN is written as null.
    pub values: Vec<Option<f64>>,
}

/// An estimated parameter in time: the posterior of a row on its first replicate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterSeries {
    /// The row's label.
    pub label: String,
    /// The observing network's name.
    pub observe: String,
    /// The parameter's name.
    pub parameter: String,
    /// Its value in the truth, where there is one.
    pub truth: Option<f64>,
    /// Whether the truth of each replicate has another value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_truths: bool,
    /// Model time.
    pub times: Vec<f64>,
    /// The posterior mean.
    pub mean: Vec<Option<f64>>,
    /// The posterior standard deviation.
    pub sd: Vec<Option<f64>>,
}

/// A rank histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankHistogram {
    /// `forecast` or `assimilation`.
    pub table: String,
    /// The row's label.
    pub label: String,
    /// The observing network's name; empty for forecasts.
    pub observe: String,
    /// Counts of the ranks, merged to a readable number of bins of equal probability.
    pub counts: Vec<f64>,
    /// The p-value of flatness that allows for autocorrelation.
    pub p: Option<f64>,
}

/// A field in space and time: `values[time][component]`; null is missing.
pub type Field = Vec<Vec<Option<f64>>>;

/// One method's part of a [`Panel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PanelRow {
    /// The row's label.
    pub label: String,
    /// The analysis mean.
    pub mean: Field,
    /// The analysis standard deviation.
    pub sd: Field,
}

/// A stretch of one twin experiment, for the space-time picture or the trajectories' bands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// The observing network's name.
    pub observe: String,
    /// Whether components are points of a grid (a space-time picture) or separate quantities (bands).
    pub grid: bool,
    /// Components of a state; of a large one the fields hold the first alone.
    #[serde(default)]
    pub dim: usize,
    /// Model times.
    pub times: Vec<f64>,
    /// The truth; empty where there is none.
    pub truth: Field,
    /// The observations at the component where they sit; null elsewhere. Empty where they sit nowhere.
    pub observations: Field,
    /// The methods.
    pub rows: Vec<PanelRow>,
}

/// The one-step law of one component as seen by several forecasters from one state: draws to be shown as densities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LawPicture {
    /// Which state and component, as a phrase.
    pub about: String,
    /// Label and draws of each forecaster, the true system first.
    pub draws: Vec<(String, Vec<f64>)>,
}

/// Everything that a report shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The experiment's name.
    pub title: String,
    /// What was run, as (what, value) pairs.
    pub setting: Vec<(String, String)>,
    /// Sentences that say what the tables show, most important first.
    pub findings: Vec<String>,
    /// Sentences about what to mistrust (degenerate weights, diverged rows, rows run for fewer cycles).
    pub warnings: Vec<String>,
    /// The forecast table.
    pub forecast: Vec<ForecastRow>,
    /// The length of a lead step, in model time or the unit of a user's file.
    pub dt: f64,
    /// The lead times of its lead steps; empty where they are so many `dt` in model time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads: Vec<Lead>,
    /// The assimilation table.
    pub assimilation: Vec<AssimilationRow>,
    /// Comparisons of every row with the best.
    pub paired: Vec<PairedRow>,
    /// Comparisons of every row with those that were asked for, whose labels stand where the best's do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<PairedRow>,
    /// The training table.
    pub training: Vec<TrainingRow>,
    /// Training curves.
    pub curves: Vec<Curve>,
    /// Costs.
    pub cost: Vec<CostRow>,
    /// Analysis error in time.
    pub errors: Vec<Series>,
    /// Estimated parameters in time.
    #[serde(default)]
    pub parameters: Vec<ParameterSeries>,
    /// Rank histograms.
    pub ranks: Vec<RankHistogram>,
    /// Stretches of the twin experiments.
    pub panels: Vec<Panel>,
    /// One-step laws.
    pub laws: Vec<LawPicture>,
    /// The TOML of the experiment.
    pub experiment: String,
}

impl Report {
    /// A lead step of the forecast table.
    pub fn lead(&self, lead_step: usize) -> Lead {
        let known = self.leads.iter().find(|lead| lead.lead_step == lead_step);
        known.cloned().unwrap_or_else(|| Lead::counted(lead_step, self.dt, None))
    }

    /// Adds what the scores of one stage hold, behind what is there: tables, costs, pictures.
    pub fn add(&mut self, scored: Self) {
        self.forecast.extend(scored.forecast);
        self.leads.extend(scored.leads);
        self.assimilation.extend(scored.assimilation);
        self.paired.extend(scored.paired);
        self.against.extend(scored.against);
        self.cost.extend(scored.cost);
        self.errors.extend(scored.errors);
        self.parameters.extend(scored.parameters);
        self.ranks.extend(scored.ranks);
        self.panels.extend(scored.panels);
        self.laws.extend(scored.laws);
    }
}
