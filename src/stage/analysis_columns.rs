//! The columns of the assimilation table, and what one analysis adds to each.

use ndarray::{Array1, ArrayView1, ArrayView2, Axis};

use crate::assimilation::diagnostics::{Consistency, Spectrum};
use crate::assimilation::innovation::innovation;
use crate::assimilation::outcome::Moments;
use crate::assimilation::quality::Quality;
use crate::assimilation::screening::used;
use crate::assimilation::{ObservationSet, Outcome, Smoothed};
use crate::failure::Result;
use crate::score::{Case, Context, Ensemble, Input, Orientation, Pool};
use crate::spec::{ObservePlan, Plan, SystemPlan};
use crate::stage::board::{Board, Column};

/// What the columns of an ensemble's metric are of, by the end of their name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Analysis,
    Forecast,
    Smoothed,
    Withheld,
}

/// Ends of names.
const FORECAST: &str = "_forecast";
/// Of analyses against observations that no method saw.
const WITHHELD: &str = "_withheld";
const SMOOTHED: &str = "_smoothed";

/// The metrics that smoothed states are scored with, where the plan has them.
const OF_SMOOTHED: &[&str] = &["rmse", "spread", "spread_skill", "crps_fair"];

impl Of {
    fn column(name: &str) -> Self {
        if name.ends_with(FORECAST) {
            Self::Forecast
        } else if name.ends_with(SMOOTHED) {
            Self::Smoothed
        } else if name.ends_with(WITHHELD) {
            Self::Withheld
        } else {
            Self::Analysis
        }
    }
}

/// The columns: what the plan asks for, the same on forecasts where it makes sense, and what every row has.
pub fn columns(plan: &Plan, truth: bool) -> Result<Vec<Column>> {
    let context = Context {
        pool: Pool::EachTime,
        dt: plan.data.stepping.dt,
        lyapunov_time: plan.system.as_ref().and_then(SystemPlan::lyapunov_time),
    };
    let mut out = Vec::new();
    if truth {
        for name in &plan.score.metrics {
            let column = Column::registered(name, name, &context)?;
            if column.metric.input() == Input::Ensemble {
                out.push(column);
                if name == "rmse" {
                    out.push(Column::registered(&format!("{name}{FORECAST}"), name, &context)?);
                }
                if OF_SMOOTHED.contains(&name.as_str()) {
                    out.push(Column::registered(&format!("{name}{SMOOTHED}"), name, &context)?);
                }
            }
        }
    }
    if plan.observe.iter().any(ObservePlan::withholds) {
        out.push(Column::registered(&format!("rmse{WITHHELD}"), "rmse", &context)?);
        out.push(Column::series(&format!("chi_square{WITHHELD}"), Orientation::Near(1)));
    }
    out.push(Column::registered("innovation_log_score", "innovation_log_score", &context)?);
    out.push(Column::series("innovation_chi_square", Orientation::Near(1)));
    out.push(Column::series("observation_error_ratio", Orientation::Near(1)));
    out.push(Column::series("effective_dimension", Orientation::None));
    out.push(Column::series("log_evidence", Orientation::None));
    out.push(Column::series("inflation", Orientation::None));
    out.push(Column::series("rejected", Orientation::None));
    out.push(Column::series("ess", Orientation::None));
    out.push(Column::series("ess_share", Orientation::None));
    Ok(out)
}

/// One posterior of one time.
struct Posterior<'a> {
    members: ArrayView2<'a, f64>,
    weights: Option<&'a Array1<f64>>,
    exact: Option<&'a Moments>,
}

impl Posterior<'_> {
    /// Adds it to the columns that are of its kind.
    fn add(&self, board: &mut Board, columns: &[Column], of: Of, at: (usize, usize), truth: ArrayView1<f64>) {
        let ensemble = Ensemble::new(truth, self.members, self.weights.map(|w| w.view()));
        let ensemble = match self.exact {
            Some((mean, covariance)) => ensemble.exact(mean.clone(), covariance.diag().to_owned()),
            None => ensemble,
        };
        board.ensemble(columns, at.0, at.1, &ensemble, |name| Of::column(name) == of);
    }
}

/// Adds what a smoother says of one time.
pub fn measure_smoothed(
    board: &mut Board,
    columns: &[Column],
    replicate: usize,
    smoothed: &Smoothed,
    truth: ArrayView1<f64>,
) {
    Posterior {
        members: smoothed.ensemble.view(),
        weights: smoothed.weights.as_ref(),
        exact: smoothed.gaussian.as_ref(),
    }
    .add(board, columns, Of::Smoothed, (replicate, smoothed.step), truth);
}

/// All columns of one analysis.
pub fn measure(
    board: &mut Board,
    columns: &[Column],
    replicate: usize,
    now: &ObservationSet,
    outcome: &Outcome,
    truth: Option<ArrayView1<f64>>,
) -> Result<()> {
    if let Some(truth) = truth {
        let at = (replicate, now.step);
        let analysis = Posterior {
            members: outcome.ensemble.view(),
            weights: outcome.weights.as_ref(),
            exact: outcome.gaussian.as_ref(),
        };
        analysis.add(board, columns, Of::Analysis, at, truth);
        let forecast = Posterior {
            members: outcome.forecast.view(),
            weights: outcome.forecast_weights.as_ref(),
            exact: outcome.forecast_gaussian.as_ref(),
        };
        forecast.add(board, columns, Of::Forecast, at, truth);
    }
    let values = used(outcome, now);
    if let Some(found) = innovation(outcome, &ObservationSet { values: values.view(), ..*now })? {
        let density = Case::LogDensity { log_density: found.log_score, values: found.residual.len() };
        board.case(columns, "innovation_log_score", replicate, now.step, &density);
        board.case(columns, "innovation_chi_square", replicate, now.step, &Case::Number(found.chi_square));
    }
    Ok(())
}

/// The columns of one analysis against the observations of its time that the method did not see (`withheld`): the error of
/// the mean of h(x), and its square over the variance that the analysis claims for it, both with the errors of the
/// observations in them.
pub fn verify(
    board: &mut Board,
    columns: &[Column],
    replicate: usize,
    withheld: &ObservationSet,
    outcome: &Outcome,
) -> Result<()> {
    // an analysis is to what it was not shown as a forecast is to what then comes
    let mut analysis = Outcome::new(outcome.ensemble.clone(), outcome.ensemble.clone());
    analysis.forecast_weights.clone_from(&outcome.weights);
    analysis.forecast_gaussian.clone_from(&outcome.gaussian);
    let Some(found) = innovation(&analysis, withheld)? else { return Ok(()) };
    let (zero, members) = (Array1::zeros(found.residual.len()), found.residual.view().insert_axis(Axis(0)));
    let departure = Ensemble::new(zero.view(), members, None);
    board.ensemble(columns, replicate, withheld.step, &departure, |name| Of::column(name) == Of::Withheld);
    let chi_square = Case::Number(found.chi_square);
    board.case(columns, &format!("chi_square{WITHHELD}"), replicate, withheld.step, &chi_square);
    Ok(())
}

/// Each so many analyses the columns are filled that cost more than their method.
const LOOKED_AT: usize = 10;

/// The same for a singular value decomposition of the ensemble.
const DECOMPOSED: usize = 50;

/// What there is to say of one analysis beside its scores, by its index.
pub fn look_at(
    board: &mut Board,
    columns: &[Column],
    replicate: usize,
    index: usize,
    now: &ObservationSet,
    outcome: &Outcome,
) -> Result<()> {
    // an evidence of 0, of weights that are all lost, counts: its logarithm takes the mean with it
    let mut add = |name: &str, value: f64| {
        if !value.is_nan() {
            board.case(columns, name, replicate, now.step, &Case::Number(value));
        }
    };
    let told = |name: &str| outcome.diagnostics.get(name).copied();
    told("log_evidence").into_iter().for_each(|value| add("log_evidence", value));
    // a method's own and an adaptive one around it multiply
    let factors = [told("inflation"), told("adaptive_inflation")];
    factors.into_iter().flatten().reduce(|a, b| a * b).into_iter().for_each(|value| add("inflation", value));
    let count = |wanted: fn(&Quality) -> bool| outcome.quality.iter().filter(|quality| wanted(quality)).count();
    let there = count(|quality| *quality != Quality::Rejected);
    if there > 0 {
        add("rejected", count(|quality| *quality == Quality::Outlier) as f64 / there as f64);
    }
    if !index.is_multiple_of(LOOKED_AT) {
        return Ok(());
    }
    if now.operator.error().variance().iter().all(|r| r.is_finite()) {
        let mut residuals = Consistency::default();
        residuals.add(outcome, now)?;
        add("observation_error_ratio", residuals.r.all().value / residuals.supposed_r.all().value);
    }
    if index.is_multiple_of(DECOMPOSED)
        && outcome.gaussian.is_none()
        && let Some(spectrum) = Spectrum::new(outcome.ensemble.view(), outcome.weights.as_ref())?
    {
        add("effective_dimension", spectrum.effective_dimension());
    }
    Ok(())
}

/// The diagnostics of one analysis that have a column.
pub fn diagnose(board: &mut Board, columns: &[Column], replicate: usize, step: usize, outcome: &Outcome) {
    if let Some(&ess) = outcome.diagnostics.get("ess") {
        board.case(columns, "ess", replicate, step, &Case::Number(ess));
        let share = ess / outcome.ensemble.nrows() as f64;
        board.case(columns, "ess_share", replicate, step, &Case::Number(share));
    }
}
