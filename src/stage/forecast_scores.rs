//! Forecasts from test states, scored against what followed, lead step by lead step.

use std::time::Instant;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::{CostRow, ForecastRow, LawPicture, PairedRow, RankHistogram};
use crate::score::{Case, Context, Ensemble, Input, Orientation, Pool, normalised_error};
use crate::spec::{Plan, SystemPlan};
use crate::stage::board::{Board, Column, against_best};
use crate::stage::data::Trajectories;
use crate::stage::fit::Ready;
use crate::stage::queue;
use crate::systems::{Domain, Forecaster, Key, Purpose};

/// The column of the distance to the true one-step law; its floor is what the true law itself scores.
pub const LAW: &str = "energy_score_law";

/// Draws of a one-step law that a picture shows.
const PICTURED: usize = 1024;

/// What the forecast stage hands to the tables and the report.
#[derive(Default)]
pub struct Scored {
    /// The forecast table.
    pub rows: Vec<ForecastRow>,
    /// Comparisons with the best forecaster, at the first, the middle and the last lead step.
    pub paired: Vec<PairedRow>,
    /// What each forecaster cost.
    pub cost: Vec<CostRow>,
    /// Rank histograms at the first lead step.
    pub ranks: Vec<RankHistogram>,
    /// One-step laws from the state whose law is widest.
    pub laws: Vec<LawPicture>,
}

/// The columns of a forecast table: those measured at each lead step, and those of a whole forecast.
struct Columns {
    by_lead: Vec<Column>,
    whole: Vec<Column>,
}

/// The boards of one forecaster on some trajectories.
struct Boards {
    by_lead: Vec<Board>,
    whole: Board,
    seconds: f64,
    units: u64,
}

/// Scores the plan's forecasters on the test trajectories.
///
/// # Errors
/// When a forecaster fails, a metric cannot be built, or the user stops.
pub fn score(plan: &Plan, ready: &[Ready], data: &Trajectories, progress: &dyn Progress) -> Result<Scored> {
    let chosen: Vec<&Ready> =
        plan.forecast.iter().filter_map(|label| ready.iter().find(|ready| &ready.label == label)).collect();
    if chosen.is_empty() {
        return Ok(Scored::default());
    }
    let setting = Setting::new(plan, ready, data)?;
    let trajectories = data.test.dim().0;
    let jobs: Vec<(usize, usize)> =
        (0..chosen.len()).flat_map(|which| (0..trajectories).map(move |case| (which, case))).collect();
    progress.start("forecasting", jobs.len() as u64);
    let done = std::sync::atomic::AtomicU64::new(0);
    let measured = queue::run(jobs.len(), &|job| {
        let (which, case) = jobs[job];
        if progress.interrupted() {
            return Err(Failure::new(FailureKind::Interrupted, "interrupted while scoring forecasts"));
        }
        let boards = setting.run(chosen[which].fitted.as_forecaster(), case)?;
        progress.at(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed), &chosen[which].label);
        Ok(boards)
    })?;
    progress.finish();
    let mut merged: Vec<(String, Boards)> = Vec::new();
    for ((which, _), boards) in jobs.iter().zip(measured) {
        match merged.get_mut(*which) {
            Some((_, sum)) => sum.append(&boards),
            None => merged.push((chosen[*which].label.clone(), boards)),
        }
    }
    let mut scored = setting.tables(&merged, &chosen);
    scored.laws = setting.pictures(&chosen)?;
    Ok(scored)
}

/// What is the same for every forecaster.
struct Setting<'a> {
    plan: &'a Plan,
    data: &'a Trajectories,
    columns: Columns,
    starts: Vec<usize>,
    variance: Array1<f64>,
    exact: Option<&'a dyn Forecaster>,
}

impl Boards {
    fn append(&mut self, other: &Self) {
        self.by_lead.iter_mut().zip(&other.by_lead).for_each(|(own, other)| own.append(other));
        self.whole.append(&other.whole);
        self.seconds += other.seconds;
        self.units += other.units;
    }
}

impl<'a> Setting<'a> {
    fn new(plan: &'a Plan, ready: &'a [Ready], data: &'a Trajectories) -> Result<Self> {
        let exact = ready.iter().find(|ready| ready.kind == "perfect").map(|ready| ready.fitted.as_forecaster());
        let times = data.test.dim().1;
        let leads = plan.score.lead_steps;
        if times <= leads {
            return Err(Failure::new(
                FailureKind::Usage,
                format!(
                    "forecasts of {leads} lead steps cannot be scored on trajectories of {} lead steps",
                    times.saturating_sub(1)
                ),
            )
            .hint("set a smaller score.lead_steps, or longer trajectories (data.steps)"));
        }
        let starts = starts(times - 1 - leads, plan.score.starts);
        let variance = data.train.to_shape((data.train.dim().0 * data.train.dim().1, data.dim()));
        let variance =
            variance.map(|states| states.var_axis(Axis(0), 0.0)).unwrap_or_else(|_| Array1::ones(data.dim()));
        Ok(Self { plan, data, columns: columns(plan, exact.is_some())?, starts, variance, exact })
    }

    /// All forecasts of one forecaster from one test trajectory.
    fn run(&self, model: &dyn Forecaster, case: usize) -> Result<Boards> {
        let trajectory = self.data.test.index_axis(Axis(0), case);
        let (members, leads, dim) = (self.plan.score.members, self.plan.score.lead_steps, self.data.dim());
        let key = Key::new(self.plan.seed, Domain::Method).purpose(Purpose::ProcessNoise).case(case as u64);
        let mut boards = Boards {
            by_lead: (0..leads).map(|_| Board::new(&self.columns.by_lead)).collect(),
            whole: Board::new(&self.columns.whole),
            seconds: 0.0,
            units: (self.starts.len() * members * leads) as u64,
        };
        let mut x = Array2::zeros((self.starts.len() * members, dim));
        for (index, &start) in self.starts.iter().enumerate() {
            let mut block = x.slice_mut(s![index * members..(index + 1) * members, ..]);
            block.outer_iter_mut().for_each(|mut row| row.assign(&trajectory.row(start)));
        }
        let mut errors = vec![Vec::with_capacity(leads); self.starts.len()];
        for lead in 1..=leads {
            let begun = Instant::now();
            model.advance(lead - 1, 1, &mut x, key)?;
            boards.seconds += begun.elapsed().as_secs_f64();
            for (index, &start) in self.starts.iter().enumerate() {
                let block = x.slice(s![index * members..(index + 1) * members, ..]);
                let ensemble = Ensemble::new(trajectory.row(start + lead), block, None);
                boards.by_lead[lead - 1].ensemble(&self.columns.by_lead, case, start, &ensemble, |name| name != LAW);
                errors[index].push(normalised_error(&ensemble, self.variance.view()));
                if lead == 1 {
                    self.against_the_law(
                        &mut boards.by_lead[0],
                        case,
                        start,
                        trajectory.row(start).insert_axis(Axis(0)),
                        block,
                    )?;
                }
            }
        }
        for (&start, errors) in self.starts.iter().zip(&errors) {
            boards.whole.case(&self.columns.whole, "valid_time", case, start, &Case::Errors(errors));
        }
        self.densities(model, &mut boards, case, trajectory)?;
        Ok(boards)
    }

    /// The energy score of an ensemble against fresh draws of the true one-step law, averaged over the draws.
    fn against_the_law(
        &self,
        board: &mut Board,
        case: usize,
        start: usize,
        state: ArrayView2<f64>,
        ensemble: ArrayView2<f64>,
    ) -> Result<()> {
        let (Some(exact), Some(index)) = (self.exact, self.columns.by_lead.iter().position(|c| c.name == LAW)) else {
            return Ok(());
        };
        let draws = self.fresh(exact, case, start, state, ensemble.nrows())?;
        let metric = crate::score::build("energy_score_fair", &self.context(Pool::All))?;
        let mut sum = 0.0;
        let mut term = vec![0.0; metric.terms()];
        for draw in draws.outer_iter() {
            metric.measure(&Case::Ensemble(&Ensemble::new(draw, ensemble, None)), &mut term);
            sum += metric.value(&term);
        }
        let name = self.columns.by_lead[index].name.clone();
        board.case(&self.columns.by_lead, &name, case, start, &Case::Number(sum / draws.nrows() as f64));
        Ok(())
    }

    /// Draws of the true one-step law from a state, on streams that no forecast uses.
    fn fresh(
        &self,
        exact: &dyn Forecaster,
        case: usize,
        start: usize,
        state: ArrayView2<f64>,
        draws: usize,
    ) -> Result<Array2<f64>> {
        let key = Key::new(self.plan.seed, Domain::Score).purpose(Purpose::ProcessNoise).case(case as u64);
        let mut x = Array2::zeros((draws, state.ncols()));
        x.outer_iter_mut().for_each(|mut row| row.assign(&state.row(0)));
        exact.advance(start, 1, &mut x, key)?;
        Ok(x)
    }

    /// One-step log densities along a whole test trajectory.
    fn densities(
        &self,
        model: &dyn Forecaster,
        boards: &mut Boards,
        case: usize,
        trajectory: ArrayView2<f64>,
    ) -> Result<()> {
        let wanted = self.columns.by_lead.iter().find(|column| column.metric.input() == Input::StateDensity);
        let (Some(column), Some(density)) = (wanted, model.density()) else { return Ok(()) };
        let last = trajectory.nrows() - 1;
        let found = density.log_prob(0, trajectory.slice(s![..last, ..]), trajectory.slice(s![1.., ..]))?;
        for (time, &log_density) in found.iter().enumerate() {
            let case_density = Case::LogDensity { log_density, values: trajectory.ncols() };
            boards.by_lead[0].case(&self.columns.by_lead, &column.name, case, time, &case_density);
        }
        Ok(())
    }

    fn context(&self, pool: Pool) -> Context {
        context(self.plan, pool)
    }

    fn tables(&self, merged: &[(String, Boards)], chosen: &[&Ready]) -> Scored {
        let mut scored = Scored::default();
        for ((label, boards), ready) in merged.iter().zip(chosen) {
            for (lead, board) in boards.by_lead.iter().enumerate() {
                scored.rows.extend(rows(label, &self.columns.by_lead, board, Some(lead + 1)));
            }
            scored.rows.extend(rows(label, &self.columns.whole, &boards.whole, None));
            scored.ranks.extend(rank_histogram(&self.columns.by_lead, &boards.by_lead[0], "forecast", label, ""));
            let training = ready.fitted.training();
            scored.cost.push(CostRow {
                stage: "forecast".into(),
                label: label.clone(),
                seconds: boards.seconds,
                units: boards.units,
                parameters: (training.parameters > 0).then_some(training.parameters),
                evaluations: (training.evaluations > 0).then_some(training.evaluations),
            });
        }
        let leads = self.plan.score.lead_steps;
        for lead in shown_leads(leads) {
            let boards: Vec<(String, &Board)> =
                merged.iter().map(|(label, boards)| (label.clone(), &boards.by_lead[lead - 1])).collect();
            for index in 0..self.columns.by_lead.len() {
                let mut found = against_best(&self.columns.by_lead, index, &boards, "forecast");
                found.iter_mut().for_each(|row| row.lead_step = Some(lead));
                scored.paired.extend(found);
            }
        }
        scored
    }

    /// The one-step laws of all forecasters from the start whose true law (or first forecaster's law) is widest.
    fn pictures(&self, chosen: &[&Ready]) -> Result<Vec<LawPicture>> {
        let Some(first) = self.exact.or_else(|| chosen.first().map(|ready| ready.fitted.as_forecaster())) else {
            return Ok(Vec::new());
        };
        let trajectory = self.data.test.index_axis(Axis(0), 0);
        let mut widest = (0, 0.0);
        for &start in &self.starts {
            let draws = self.fresh(first, 0, start, trajectory.row(start).insert_axis(Axis(0)), 128)?;
            let width = draws.column(0).var(0.0);
            if width > widest.1 {
                widest = (start, width);
            }
        }
        if widest.1 <= 0.0 {
            return Ok(Vec::new());
        }
        let state = trajectory.row(widest.0).insert_axis(Axis(0));
        let mut draws = Vec::new();
        for ready in chosen.iter().filter(|ready| ready.kind != "persistence") {
            let found = self.fresh(ready.fitted.as_forecaster(), 0, widest.0, state, PICTURED)?;
            draws.push((ready.label.clone(), found.column(0).to_vec()));
        }
        draws.sort_by_key(|(label, _)| label != "perfect");
        let about = format!(
            "component 0 one lead step after a test state with x_0 = {:.3}, the start whose law is widest",
            state[[0, 0]]
        );
        Ok(vec![LawPicture { about, draws }])
    }
}

fn context(plan: &Plan, pool: Pool) -> Context {
    Context { pool, dt: plan.data.stepping.dt, lyapunov_time: plan.system.as_ref().and_then(SystemPlan::lyapunov_time) }
}

/// The lead steps at which forecasters are compared: those that the tables show.
pub fn shown_leads(leads: usize) -> Vec<usize> {
    let mut shown: Vec<usize> =
        [1, leads / 8, leads / 4, leads / 2, leads].into_iter().filter(|&lead| lead > 0).collect();
    shown.sort_unstable();
    shown.dedup();
    shown
}

/// Evenly spaced starts in 0..=last.
pub fn starts(last: usize, count: usize) -> Vec<usize> {
    let count = count.clamp(1, last + 1);
    if count == 1 {
        return vec![0];
    }
    (0..count).map(|index| index * last / (count - 1)).collect()
}

fn columns(plan: &Plan, exact: bool) -> Result<Columns> {
    let (mut by_lead, mut whole) = (Vec::new(), Vec::new());
    let context = context(plan, Pool::All);
    for name in &plan.score.metrics {
        let column = Column::registered(name, name, &context)?;
        match column.metric.input() {
            Input::Ensemble | Input::StateDensity => by_lead.push(column),
            Input::Errors => whole.push(column),
            Input::InnovationDensity | Input::Number => {}
        }
    }
    if exact {
        by_lead.push(Column::series(LAW, Orientation::Less));
    }
    Ok(Columns { by_lead, whole })
}

/// The rows of a board.
pub fn rows(label: &str, columns: &[Column], board: &Board, lead_step: Option<usize>) -> Vec<ForecastRow> {
    let mut out = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let Some(summary) = board.summary(columns, index) else { continue };
        let estimator = if column.name == LAW { "fair, fresh draws" } else { column.metric.estimator() };
        out.push(ForecastRow {
            forecaster: label.to_owned(),
            metric: column.name.clone(),
            estimator: estimator.to_owned(),
            pool: column.metric.pool().name().to_owned(),
            lead_step,
            value: summary.value,
            se: summary.se,
            n: summary.n,
            n_diverged: board.terms(index).diverged_cases(),
        });
    }
    out
}

/// The rank histogram of a board, where it has one.
pub fn rank_histogram(
    columns: &[Column],
    board: &Board,
    table: &str,
    label: &str,
    observe: &str,
) -> Option<RankHistogram> {
    let index = columns.iter().position(|column| column.name == "rank_histogram")?;
    if board.terms(index).is_empty() || board.terms(index).diverged() {
        return None;
    }
    Some(RankHistogram {
        table: table.to_owned(),
        label: label.to_owned(),
        observe: observe.to_owned(),
        counts: columns[index].metric.histogram(board.terms(index))?,
        p: board.summary(columns, index).and_then(|summary| summary.value),
    })
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn starts_are_even_and_never_repeat() {
        assert_eq!(starts(10, 3), [0, 5, 10]);
        assert_eq!(starts(2, 10), [0, 1, 2]);
        assert_eq!(starts(9, 1), [0]);
    }
}
