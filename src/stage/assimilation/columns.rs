//! The columns of the assimilation table, and what one analysis adds to each.

use ndarray::{Array1, ArrayView1, ArrayView2, Axis};

use crate::assimilation::innovation::innovation;
use crate::assimilation::outcome::Moments;
use crate::assimilation::screening::comparable;
use crate::assimilation::{ObservationSet, Outcome, Smoothed};
use crate::failure::Result;
use crate::score::series::{
    CHI_SQUARE, EFFECTIVE_DIMENSION, ESS, ESS_SHARE, INFLATION, INNOVATION_CHI_SQUARE, LOG_EVIDENCE,
    OBSERVATION_ERROR_RATIO, REJECTED,
};
use crate::score::{Case, Column, Context, Ensemble, Input, Of, Pool, Series};
use crate::spec::{ObservePlan, Plan, SystemPlan};
use crate::stage::score_table::ScoreTable;
use crate::systems::Geometry;

/// The diagnostics that every table has, in the order of their columns.
const DIAGNOSTICS: [Series; 8] = [
    INNOVATION_CHI_SQUARE,
    OBSERVATION_ERROR_RATIO,
    EFFECTIVE_DIMENSION,
    LOG_EVIDENCE,
    INFLATION,
    REJECTED,
    ESS,
    ESS_SHARE,
];

/// The score of innovations, which needs no truth.
const INNOVATION_LOG_SCORE: &str = "innovation_log_score";

/// The columns: what the plan asks for, of analyses, forecasts and smoothed states where it makes sense, and what every row
/// has. `has_truth` says whether there is a truth to score against.
///
/// # Errors
/// When a metric cannot be built.
pub fn columns(plan: &Plan, has_truth: bool) -> Result<Vec<Column>> {
    let context = Context {
        pool: Pool::EachTime,
        dt: plan.data.stepping.dt,
        unit: None,
        lyapunov_time: plan.system.as_ref().and_then(SystemPlan::lyapunov_time),
        geometry: plan.system.as_ref().map_or(Geometry::Unstructured, |system| system.system.geometry()),
    };
    let mut out = Vec::new();
    for name in plan.score.metrics.iter().filter(|_| has_truth) {
        let analysis = Column::registered(Of::Analysis, name, &context)?;
        if analysis.metric.input() != Input::Ensemble {
            continue;
        }
        let others = analysis.about.of.iter().filter(|of| !matches!(of, Of::Analysis | Of::Withheld));
        let others: Vec<Of> = others.copied().collect();
        out.push(analysis);
        for of in others {
            out.push(Column::registered(of, name, &context)?);
        }
    }
    if plan.observe.iter().any(ObservePlan::withholds) {
        out.push(Column::registered(Of::Withheld, "rmse", &context)?);
        out.push(Column::series(Of::Withheld, &CHI_SQUARE));
    }
    out.push(Column::registered(Of::Analysis, INNOVATION_LOG_SCORE, &context)?);
    out.extend(DIAGNOSTICS.iter().map(|series| Column::series(Of::Analysis, series)));
    Ok(out)
}

/// One posterior of one time.
struct Posterior<'a> {
    members: ArrayView2<'a, f64>,
    weights: Option<&'a Array1<f64>>,
    exact: Option<&'a Moments>,
}

impl Posterior<'_> {
    /// Adds it, at (replicate, lead step), to the columns of `of`.
    fn add(&self, table: &mut ScoreTable, of: Of, at: (usize, usize), truth: ArrayView1<f64>) {
        let ensemble = Ensemble::new(truth, self.members, self.weights.map(|w| w.view()));
        let ensemble = match self.exact {
            Some((mean, covariance)) => ensemble.exact(mean.clone(), covariance.diag().to_owned()),
            None => ensemble,
        };
        table.ensemble(of, at.0, at.1, &ensemble);
    }
}

/// Adds what a smoother says of one time, against the truth (`[component]`) there.
pub fn measure_smoothed(table: &mut ScoreTable, replicate: usize, smoothed: &Smoothed, truth: ArrayView1<f64>) {
    Posterior {
        members: smoothed.ensemble.view(),
        weights: smoothed.weights.as_ref(),
        exact: smoothed.gaussian.as_ref(),
    }
    .add(table, Of::Smoothed, (replicate, smoothed.step), truth);
}

/// Adds the scores of one analysis: against the truth (`[component]`), where there is one, and of its innovations.
///
/// # Errors
/// When shapes do not fit.
pub fn measure(
    table: &mut ScoreTable,
    replicate: usize,
    now: &ObservationSet,
    outcome: &Outcome,
    truth: Option<ArrayView1<f64>>,
) -> Result<()> {
    if let Some(truth) = truth {
        let at = (replicate, now.step);
        let (members, weights) = outcome.posterior();
        let analysis = Posterior { members: members.view(), weights, exact: outcome.gaussian.as_ref() };
        analysis.add(table, Of::Analysis, at, truth);
        let forecast = Posterior {
            members: outcome.forecast.view(),
            weights: outcome.forecast_weights.as_ref(),
            exact: outcome.forecast_gaussian.as_ref(),
        };
        forecast.add(table, Of::Forecast, at, truth);
    }
    let values = comparable(outcome, now);
    if let Some(found) = innovation(outcome, &ObservationSet { values: values.view(), ..*now })? {
        let density = Case::LogDensity { log_density: found.log_score, values: found.residual.len() };
        table.case(Of::Analysis, INNOVATION_LOG_SCORE, replicate, now.step, &density);
        table.number(Of::Analysis, &INNOVATION_CHI_SQUARE, replicate, now.step, found.chi_square);
    }
    Ok(())
}

/// The columns of one analysis against the observations of its time that the method did not see (`withheld`): the error of
/// the mean of h(x), and its square over the variance that the analysis claims for it, both with the errors of the
/// observations in them.
///
/// # Errors
/// When shapes do not fit.
pub fn verify(table: &mut ScoreTable, replicate: usize, withheld: &ObservationSet, outcome: &Outcome) -> Result<()> {
    // an analysis is to what it was not shown as a forecast is to what then comes
    let (members, weights) = outcome.posterior();
    let mut analysis = Outcome::new(members.clone(), members.clone());
    analysis.forecast_weights = weights.cloned();
    analysis.forecast_gaussian.clone_from(&outcome.gaussian);
    let Some(found) = innovation(&analysis, withheld)? else { return Ok(()) };
    let (zero, members) = (Array1::zeros(found.residual.len()), found.residual.view().insert_axis(Axis(0)));
    let departure = Ensemble::new(zero.view(), members, None);
    table.ensemble(Of::Withheld, replicate, withheld.step, &departure);
    table.number(Of::Withheld, &CHI_SQUARE, replicate, withheld.step, found.chi_square);
    Ok(())
}
