//! Forecasts from test states, scored against what followed, lead step by lead step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ndarray::Axis;

use super::conditioned_law::ConditionedLaw;
use super::densities;
use super::laws::OneStepLaws;
use super::lead_tables::{LeadTables, compare};
use super::lost::{Bounds, is_lost};
use super::start_blocks::{StartBlocks, starts};
use crate::failure::Result;
use crate::progress::Progress;
use crate::report::shown_leads;
use crate::results::{CostRow, Lead, Report};
use crate::score::series::ENERGY_SCORE_LAW;
use crate::score::{Case, Column, Context, Ensemble, Input, Of, Pool, Terms, normalised_error};
use crate::spec::{Plan, SystemPlan};
use crate::stage::data::SplitTrajectories;
use crate::stage::experiment::{Experiment, FittedForecaster};
use crate::stage::options::go_on;
use crate::stage::score_table::{ScoreTable, by_row};
use crate::stage::{queue, rows};

/// Scores the plan's forecasters on the test trajectories: the forecast table with its comparisons, costs, rank histograms at
/// the first lead step, and one-step laws.
///
/// # Errors
/// When a forecaster fails, a metric cannot be built, or the user stops.
pub fn score(experiment: &Experiment, progress: &dyn Progress) -> Result<Report> {
    let made = |label| experiment.forecasters.iter().find(|made| &made.label == label);
    let chosen: Vec<&FittedForecaster> = experiment.plan.forecast.iter().filter_map(made).collect();
    if chosen.is_empty() {
        return Ok(Report::default());
    }
    let setting = Setting::new(experiment, &chosen)?;
    let trajectories = setting.data.test.dim().0;
    let jobs: Vec<(usize, usize)> =
        (0..chosen.len()).flat_map(|which| (0..trajectories).map(move |case| (which, case))).collect();
    progress.start("forecasting", jobs.len() as u64);
    let done = AtomicU64::new(0);
    let measured = queue::run(jobs.len(), &|job| {
        let (which, case) = jobs[job];
        let scores = setting.run(chosen[which], case, progress)?;
        progress.at(1 + done.fetch_add(1, Ordering::Relaxed), &chosen[which].label);
        Ok(scores)
    })?;
    progress.finish();
    let mut merged: Vec<(&FittedForecaster, ForecastScores)> = Vec::new();
    for ((which, _), scores) in jobs.iter().zip(measured) {
        match merged.get_mut(*which) {
            Some((_, sum)) => sum.append(&scores),
            None => merged.push((chosen[*which], scores)),
        }
    }
    for (made, scores) in &mut merged {
        go_on(progress, "scoring forecasts")?;
        setting.laws.classify(scores.by_lead.at_mut(1), made.fitted.as_forecaster())?;
    }
    let first: Vec<&FittedForecaster> = chosen.iter().copied().filter(|made| made.is_first_seed()).collect();
    Ok(Report { laws: setting.laws.pictures(&first, &setting.starts)?, ..setting.tables(merged) })
}

/// The scores of one forecaster on some trajectories.
struct ForecastScores {
    /// What is measured at each lead step.
    by_lead: LeadTables,
    /// What is measured of a forecast from its start to its end.
    of_forecasts: ScoreTable,
    /// Squared errors of the mean in units of the climate's variance, at each lead step.
    squares: Vec<Terms>,
    seconds: f64,
    units: u64,
}

impl ForecastScores {
    /// The scores of a forecaster of several seeds; none where there is none.
    fn of_seeds(seeds: Vec<Self>) -> Option<Self> {
        let (mut by_lead, mut of_forecasts, mut squares) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seconds, mut units) = (0.0, 0);
        for seed in seeds {
            by_lead.push(seed.by_lead);
            of_forecasts.push(seed.of_forecasts);
            squares.push(seed.squares);
            (seconds, units) = (seconds + seed.seconds, units + seed.units);
        }
        let (by_lead, of_forecasts) = (LeadTables::of_seeds(by_lead)?, ScoreTable::of_seeds(of_forecasts)?);
        Some(Self { by_lead, of_forecasts, squares: squares.into_iter().next()?, seconds, units })
    }

    fn append(&mut self, other: &Self) {
        self.by_lead.append(&other.by_lead);
        self.of_forecasts.append(&other.of_forecasts);
        self.squares.iter_mut().zip(&other.squares).for_each(|(own, other)| own.append(other));
        self.seconds += other.seconds;
        self.units += other.units;
    }
}

/// What is the same for every forecaster.
struct Setting<'a> {
    plan: &'a Plan,
    data: &'a SplitTrajectories,
    by_lead: Arc<[Column]>,
    of_forecasts: Arc<[Column]>,
    starts: Vec<usize>,
    bounds: Bounds,
    laws: OneStepLaws<'a>,
}

impl<'a> Setting<'a> {
    fn new(experiment: &'a Experiment, chosen: &[&FittedForecaster]) -> Result<Self> {
        let (plan, data) = (experiment.plan, experiment.trajectories()?);
        let perfect = experiment.forecasters.iter().find(|made| made.is_exact());
        let exact = perfect.map(|made| made.fitted.as_forecaster());
        let wanted = exact.is_some() && chosen.iter().any(|made| !made.fitted.parameters().is_empty());
        let conditioned = if wanted { ConditionedLaw::of(plan, data)? } else { None };
        let starts = starts(data, plan.score.lead_steps, plan.score.starts, chosen)?;
        let bounds = Bounds::new(experiment.known_climate()?);
        let context = Context {
            pool: Pool::All,
            dt: plan.data.stepping.dt,
            unit: data.unit.stated().map(str::to_owned),
            lyapunov_time: plan.system.as_ref().and_then(SystemPlan::lyapunov_time),
            geometry: data.geometry,
        };
        let laws = OneStepLaws::new(plan.seed, data, (exact, conditioned), &context)?;
        let [by_lead, of_forecasts] = columns(plan, &context, laws.known())?;
        Ok(Self { plan, data, by_lead, of_forecasts, starts, bounds, laws })
    }

    /// All forecasts of one forecaster from one test trajectory.
    fn run(&self, made: &FittedForecaster, case: usize, progress: &dyn Progress) -> Result<ForecastScores> {
        let model = made.fitted.as_forecaster();
        let trajectory = self.data.test.view().index_axis_move(Axis(0), case);
        let (members, leads) = (self.plan.score.members, self.plan.score.lead_steps);
        let mut scores = ForecastScores {
            by_lead: LeadTables::new(&self.by_lead, leads),
            of_forecasts: ScoreTable::new(&self.of_forecasts),
            squares: vec![Terms::new(1); leads],
            seconds: 0.0,
            units: (self.starts.len() * members * leads) as u64,
        };
        let mut blocks = StartBlocks::new(model, self.data, case, &self.starts, members, self.plan.seed);
        let mut errors = vec![Vec::with_capacity(leads); self.starts.len()];
        for lead in 1..=leads {
            go_on(progress, "scoring forecasts")?;
            let begun = Instant::now();
            blocks.advance()?;
            scores.seconds += begun.elapsed().as_secs_f64();
            for (index, &start) in self.starts.iter().enumerate() {
                let truth = trajectory.row(start + lead);
                let mut ensemble = Ensemble::new(truth, blocks.ensemble(index), None);
                let exploded = if made.is_exact() { None } else { self.bounds.exploded(&ensemble) };
                if let Some(members) = &exploded {
                    ensemble = Ensemble::new(truth, members.view(), None);
                }
                scores.by_lead.measure(lead, case, start, &ensemble);
                let error = normalised_error(&ensemble, self.bounds.variance().view());
                errors[index].push(error);
                scores.squares[lead - 1].push(case, start, &[error * error]);
                if lead == 1 {
                    self.laws.measure(scores.by_lead.at_mut(1), model, (case, start), blocks.ensemble(index))?;
                }
            }
        }
        go_on(progress, "scoring forecasts")?;
        for (&start, errors) in self.starts.iter().zip(&errors) {
            scores.of_forecasts.case(Of::Analysis, "valid_time", case, start, &Case::Errors(errors));
        }
        let first = self.starts.first().copied().unwrap_or_default();
        densities::measure(model, scores.by_lead.at_mut(1), self.data, case, (first, self.plan.seed))?;
        Ok(scores)
    }

    fn tables(&self, mut merged: Vec<(&FittedForecaster, ForecastScores)>) -> Report {
        for (_, scores) in merged.iter_mut().filter(|(made, _)| !made.is_exact()) {
            let lost = (1..=scores.squares.len()).filter(|lead| is_lost(&scores.squares[lead - 1]));
            lost.for_each(|lead| scores.by_lead.mark_lost(lead));
        }
        let merged = over_seeds(merged);
        let leads = Lead::steps(self.plan.score.lead_steps, self.plan.data.stepping.dt, self.data.unit.stated());
        let mut report = Report { leads, ..Report::default() };
        for (made, scores) in merged.iter() {
            let (label, training) = (&made.reported().to_owned(), made.fitted.training());
            report.forecast.extend(scores.by_lead.rows(label));
            report.forecast.extend(rows::forecast(label, &scores.of_forecasts, None));
            report.ranks.extend(scores.by_lead.rank_histogram(label));
            report.cost.push(CostRow {
                stage: "forecast".into(),
                label: label.clone(),
                seconds: scores.seconds,
                units: scores.units,
                parameters: (training.parameters > 0).then_some(training.parameters),
                evaluations: (training.evaluations > 0).then_some(training.evaluations),
            });
        }
        let forecasters: Vec<(String, &LeadTables)> =
            merged.iter().map(|(made, scores)| (made.reported().to_owned(), &scores.by_lead)).collect();
        report.paired = compare(&forecasters, &shown_leads(&report.forecast));
        report
    }
}

/// The scores of each forecaster, those of the seeds of one put together.
fn over_seeds(each: Vec<(&FittedForecaster, ForecastScores)>) -> Vec<(&FittedForecaster, ForecastScores)> {
    let groups = by_row(each, |made| made.is_first_seed());
    groups.into_iter().filter_map(|(made, seeds)| Some((made, ForecastScores::of_seeds(seeds)?))).collect()
}

/// The columns of a forecast table: those measured at each lead step, and those of a forecast from its start to its end.
fn columns(plan: &Plan, context: &Context, law_is_known: bool) -> Result<[Arc<[Column]>; 2]> {
    let (mut by_lead, mut of_forecasts) = (Vec::new(), Vec::new());
    for name in &plan.score.metrics {
        let column = Column::registered(Of::Analysis, name, context)?;
        match column.metric.input() {
            Input::Ensemble | Input::StateDensity | Input::FlowDensity => by_lead.push(column),
            Input::Choices if law_is_known => by_lead.push(column),
            Input::Errors => of_forecasts.push(column),
            Input::Choices | Input::InnovationDensity | Input::Number => {}
        }
    }
    if law_is_known {
        by_lead.push(Column::series(Of::Analysis, &ENERGY_SCORE_LAW));
    }
    Ok([by_lead.into(), of_forecasts.into()])
}
