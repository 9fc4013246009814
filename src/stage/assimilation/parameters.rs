//! Rows that estimate parameters of the system with the state: their forecaster, their columns and their pictures.
//!
//! Of a parameter p the columns are `p_mean` and `p_sd`, the posterior's moments averaged over the analyses, and, where the
//! truth is known, `p_error`, the distance of the mean from it, and `p_chi_square`, the squared distance in units of the
//! posterior's variance, which is 1 on average where the posterior is honest. All scores of the state are of the state alone.

use ndarray::Array2;

use crate::assimilation::augment::{Augmented, Conditioned, Estimate};
use crate::failure::{Failure, FailureKind, Result};
use crate::results::ParameterSeries;
use crate::score::Column;
use crate::score::series::OF_PARAMETER;
use crate::spec::{AssimilatePlan, Plan};
use crate::stage::experiment::FittedForecaster;
use crate::stage::score_table::ScoreTable;
use crate::systems::{Domain, Forecaster, Key};

/// The forecaster of a row's state with its unknown parameters, of what was made for the row; none where the row estimates none.
///
/// A forecaster that is conditioned on parameters is given those of each member, which the row estimates.
///
/// # Errors
/// When there is no system of the prior means, or the row does not estimate just what its forecaster is conditioned on.
pub fn forecaster<'a>(
    plan: &Plan,
    row: &AssimilatePlan,
    made: &'a FittedForecaster,
) -> Result<Option<Box<dyn Forecaster + 'a>>> {
    let (law, parameters) = (made.fitted.as_forecaster(), row.estimate.clone());
    if !law.parameters().is_empty() || (!parameters.is_empty() && !made.is_exact()) {
        let conditioned = Conditioned::new(law, parameters).map_err(|error| {
            Failure::new(FailureKind::Usage, format!("row `{}`: {error}", row.label)).hint("change its `estimate`")
        })?;
        return Ok(Some(Box::new(conditioned)));
    }
    let Some(system) = plan.system.as_ref().filter(|_| !parameters.is_empty()) else { return Ok(None) };
    let model = Augmented::system(&system.name, system.settings.values(), &plan.data.stepping, parameters)?;
    Ok(Some(Box::new(model)))
}

/// The names of all parameters that rows of the plan estimate.
pub fn names(plan: &Plan) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for parameter in plan.assimilate.iter().flat_map(|row| &row.estimate) {
        if !names.contains(&parameter.name.as_str()) {
            names.push(&parameter.name);
        }
    }
    names
}

/// The value of a parameter in the truth of a replicate, which has its own where the system draws it.
pub fn truth(plan: &Plan, name: &str, replicate: usize) -> Option<f64> {
    let system = plan.system.as_ref()?;
    let Some(at) = system.drawn_parameters().iter().position(|known| known == name) else { return system.number(name) };
    let key = Key::new(plan.seed, Domain::Truth).members_from(replicate as u64);
    let drawn = system.system.drawn_parameters()?.drawn(1, key).ok()?;
    Some(drawn[[0, at]])
}

/// Whether each truth has a value of its own of a parameter.
pub fn is_drawn(plan: &Plan, name: &str) -> bool {
    plan.system.as_ref().is_some_and(|system| system.drawn_parameters().iter().any(|known| known == name))
}

/// The columns of all parameters; `known` says whether there is a truth.
pub fn columns(plan: &Plan, known: bool) -> Vec<Column> {
    let of = |name: &str| -> Vec<Column> {
        let count = if known && truth(plan, name, 0).is_some() { 4 } else { 2 };
        OF_PARAMETER[..count].iter().map(|series| Column::of_parameter(name, series)).collect()
    };
    names(plan).into_iter().flat_map(of).collect()
}

/// What one run says of its parameters.
#[derive(Clone)]
pub struct Track {
    /// Name, and value in the truth, of each.
    known: Vec<(String, Option<f64>)>,
    /// Whether the truth of each replicate has values of its own.
    own_truths: bool,
    /// Posterior mean, `[time, parameter]`; NaN from a divergence on.
    pub mean: Array2<f64>,
    /// Posterior standard deviation, `[time, parameter]`.
    pub sd: Array2<f64>,
}

impl Track {
    /// Of a row over so many analyses of a replicate; `has_truth` says whether there is a truth.
    pub fn new(plan: &Plan, row: &AssimilatePlan, (analyses, replicate): (usize, usize), has_truth: bool) -> Self {
        let known = row.estimate.iter().map(|parameter| {
            let value = truth(plan, &parameter.name, replicate).filter(|_| has_truth);
            (parameter.name.clone(), value)
        });
        let empty = Array2::from_elem((analyses, row.estimate.len()), f64::NAN);
        let own_truths = row.estimate.iter().any(|parameter| is_drawn(plan, &parameter.name));
        Self { known: known.collect(), own_truths, mean: empty.clone(), sd: empty }
    }

    /// Name, and value in the truth, of each parameter.
    pub fn known(&self) -> &[(String, Option<f64>)] {
        &self.known
    }

    /// Keeps one analysis, by its index.
    pub fn keep(&mut self, index: usize, estimate: &Estimate) {
        self.mean.row_mut(index).assign(&estimate.mean);
        self.sd.row_mut(index).assign(&estimate.sd);
    }

    /// Adds one analysis to the columns.
    pub fn measure(&self, table: &mut ScoreTable, replicate: usize, step: usize, estimate: &Estimate) {
        for (at, (name, truth)) in self.known.iter().enumerate() {
            let (mean, sd) = (estimate.mean[at], estimate.sd[at]);
            let error = truth.map(|truth| (mean - truth).abs());
            // a spread that has collapsed is nothing to measure by
            let square = error.filter(|_| sd > 0.0).map(|error| (error / sd).powi(2));
            let values = [Some(mean), Some(sd), error, square];
            for (series, value) in OF_PARAMETER.iter().zip(values) {
                value.into_iter().for_each(|value| table.of_parameter(name, series, replicate, step, value));
            }
        }
    }

    /// Leaves the columns of a run that diverged without a value.
    pub fn mark_diverged(&self, table: &mut ScoreTable, replicate: usize) {
        for (name, _) in &self.known {
            OF_PARAMETER.iter().for_each(|series| table.mark_parameter(name, series, replicate));
        }
    }

    /// The series for the report, each `stride`-th analysis.
    pub fn series(&self, label: &str, observe: &str, times: &[f64], stride: usize) -> Vec<ParameterSeries> {
        let column = |of: &Array2<f64>, at: usize| {
            of.column(at).iter().step_by(stride).map(|value| value.is_finite().then_some(*value)).collect()
        };
        let one = |(at, (name, truth)): (usize, &(String, Option<f64>))| ParameterSeries {
            label: label.to_owned(),
            observe: observe.to_owned(),
            parameter: name.clone(),
            truth: *truth,
            own_truths: self.own_truths,
            times: times.iter().take(self.mean.nrows()).copied().step_by(stride).collect(),
            mean: column(&self.mean, at),
            sd: column(&self.sd, at),
        };
        self.known.iter().enumerate().map(one).collect()
    }
}
