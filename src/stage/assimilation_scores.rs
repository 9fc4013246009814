//! Every assimilation row on every replicate of its network, scored against the truth (or the innovations alone).

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, ArrayViewMut1, Axis};

use crate::assimilation::Smoothed;
use crate::assimilation::quality::Quality;
use crate::assimilation::screening::of_whole_set;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::{AssimilationRow, CostRow, PairedRow, Panel, ParameterSeries, RankHistogram, Series};
use crate::spec::Plan;
use crate::stage::alarm::Alarm;
use crate::stage::analysis_columns::{columns, diagnose, look_at, measure, measure_smoothed, verify};
pub use crate::stage::assimilation_pictures::Analyses;
use crate::stage::assimilation_pictures::{First, picture};
use crate::stage::board::{Board, Column, against_best, survivors};
use crate::stage::cycle::{self, Analysed, Ended, Visitor};
use crate::stage::diagnoses::diagnoses;
use crate::stage::fit::Ready;
use crate::stage::forecast_scores::rank_histogram;
use crate::stage::parameters::{self, Track};
use crate::stage::queue;
use crate::stage::twin::{Climate, Network, observed, withheld};
use crate::systems::Forecaster;

/// What the assimilation stage hands to the tables, the report and the files.
#[derive(Default)]
pub struct Scored {
    /// The assimilation table.
    pub rows: Vec<AssimilationRow>,
    /// Comparisons with the best row of each network.
    pub paired: Vec<PairedRow>,
    /// What each row cost.
    pub cost: Vec<CostRow>,
    /// Rank histograms.
    pub ranks: Vec<RankHistogram>,
    /// Analysis rmse in time.
    pub errors: Vec<Series>,
    /// Estimated parameters in time, of each row's first replicate.
    pub parameters: Vec<ParameterSeries>,
    /// A stretch of each network's first replicate.
    pub panels: Vec<Panel>,
    /// Analyses of the first replicate, for the files.
    pub analyses: Vec<Analyses>,
    /// Why runs diverged: a row, a replicate, and a sentence.
    pub diagnoses: Vec<String>,
    /// The analysis rmse of each row of the plan over the replicates that did not diverge, its standard error and the number
    /// of these.
    pub survivors: Vec<Option<(f64, f64, usize)>>,
    /// The ensembles of each row of the plan, replicate by replicate, where they were to be kept.
    pub kept: Vec<Vec<Kept>>,
}

/// The analysis ensembles of one row on one replicate.
pub struct Kept {
    /// `[time, member, component]`; NaN from a divergence on.
    pub values: Array3<f64>,
    /// `[time, member]`.
    pub weights: Array2<f64>,
    /// The parameters that the row estimates, `[time, member, parameter]`.
    pub parameters: Array3<f64>,
    /// Whether the replicate diverged.
    pub diverged: bool,
}

/// The code of a value of which nothing is known.
const UNKNOWN: i8 = -1;

/// One run of a row on one replicate.
struct Run {
    board: Board,
    ended: Ended,
    mean: Array2<f64>,
    sd: Array2<f64>,
    track: Track,
    rmse: Vec<Option<f64>>,
    /// `[time, observed]`.
    quality: Array2<i8>,
    kept: Option<Kept>,
}

impl Run {
    fn first<'a>(&'a self, label: &'a str) -> First<'a> {
        let Self { mean, sd, rmse, track, quality, .. } = self;
        First { label, mean, sd, rmse, track, quality }
    }
}

/// What is wanted beside the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Scores,
    /// Why rows diverged, if some did: those are run again up to there.
    Why,
    /// The analysis ensembles.
    Ensembles,
}

/// Runs and scores all rows.
///
/// # Errors
/// When a method or a forecaster fails, or the user stops.
pub fn score(
    plan: &Plan,
    ready: &[Ready],
    networks: &[Network],
    climate: Option<&Climate>,
    asks: Asks,
    progress: &dyn Progress,
) -> Result<Scored> {
    let mut jobs = Vec::new();
    let joint = plan.assimilate.iter().map(|row| parameters::forecaster(plan, row)).collect::<Result<Vec<_>>>()?;
    for (index, row) in plan.assimilate.iter().enumerate() {
        let network = find(networks, &row.observe)?;
        let model = find_model(ready, &row.forecaster)?.fitted.as_forecaster();
        let model = joint[index].as_ref().map_or(model, |joint| joint as &dyn Forecaster);
        let replicates = network.replicates(row).len();
        jobs.extend((0..replicates).map(|replicate| Job {
            row: index,
            replicate,
            network,
            model,
            keep: asks == Asks::Ensembles,
        }));
    }
    let twins = networks.iter().any(|network| network.twins.iter().any(|twin| twin.truth.is_some()));
    let mut columns = columns(plan, twins)?;
    columns.extend(parameters::columns(plan, twins));
    let total: u64 = jobs.iter().map(|job| job.cycles(plan) as u64).sum();
    progress.start("assimilating", total);
    let done = std::sync::atomic::AtomicU64::new(0);
    let scale = climate.map_or(f64::INFINITY, Climate::scale);
    let runs = queue::run(jobs.len(), &|index| jobs[index].run(plan, &columns, scale, &done, progress))?;
    progress.finish();
    let diagnoses = match asks {
        Asks::Why => diagnoses(plan, &jobs, &runs.iter().map(|run| &run.ended).collect::<Vec<_>>(), scale, progress)?,
        Asks::Scores | Asks::Ensembles => Vec::new(),
    };
    Ok(Scored { diagnoses, ..tables(plan, networks, &columns, &jobs, runs) })
}

/// The network of a name.
///
/// # Errors
/// A bug: checking the experiment has seen to it.
pub fn find<'a>(networks: &'a [Network], name: &str) -> Result<&'a Network> {
    networks
        .iter()
        .find(|network| network.plan.name == name)
        .ok_or_else(|| Failure::new(FailureKind::Bug, format!("network `{name}` was not made")))
}

/// The forecaster of a label.
///
/// # Errors
/// A bug: checking the experiment has seen to it.
pub fn find_model<'a>(ready: &'a [Ready], label: &str) -> Result<&'a Ready> {
    ready
        .iter()
        .find(|ready| ready.label == label)
        .ok_or_else(|| Failure::new(FailureKind::Bug, format!("forecaster `{label}` was not made")))
}

/// A row on one replicate.
pub struct Job<'a> {
    /// The row's index in the plan.
    pub row: usize,
    /// The replicate.
    pub replicate: usize,
    /// The row's network.
    pub network: &'a Network,
    /// The row's forecaster: where it estimates parameters, that of the state with them.
    pub model: &'a dyn Forecaster,
    keep: bool,
}

impl Job<'_> {
    fn cycles(&self, plan: &Plan) -> usize {
        self.network.sets(&plan.assimilate[self.row]).len()
    }

    fn run(
        &self,
        plan: &Plan,
        columns: &[Column],
        scale: f64,
        done: &std::sync::atomic::AtomicU64,
        progress: &dyn Progress,
    ) -> Result<Run> {
        let row = &plan.assimilate[self.row];
        let twin = &self.network.twins[self.replicate];
        // only the first replicate is pictured
        let times = if self.replicate == 0 { twin.steps.len() } else { 0 };
        let dim = self.network.operator.state_dim();
        let run = Run {
            board: Board::new(columns),
            ended: Ended { diverged: None, seconds: 0.0, cycles: 0 },
            mean: Array2::from_elem((times, dim), f64::NAN),
            sd: Array2::from_elem((times, dim), f64::NAN),
            track: Track::new(plan, row, times, twin.truth.is_some()),
            rmse: Vec::new(),
            quality: Array2::from_elem((times, self.network.operator.dim()), UNKNOWN),
            kept: self.keep.then(|| {
                let members = row.settings.count("members");
                let (cycles, even) = (self.cycles(plan), 1.0 / members as f64);
                Kept {
                    values: Array3::from_elem((cycles, members, dim), f64::NAN),
                    weights: Array2::from_elem((cycles, members), even),
                    parameters: parameters::kept(cycles, members, row),
                    diverged: false,
                }
            }),
        };
        let mut alarm = Alarm::new(scale, self.network.plan.burn_in);
        let dt = plan.data.stepping.dt;
        let threshold = row.settings.optional_number("outlier_threshold");
        let label = row.label.as_str();
        let mut scorer =
            Scorer { job: self, run, columns, dt, label, threshold, done, progress, trouble: None, stopped: false };
        let ended = cycle::run(row, self.model, self.network, twin, dt, &mut alarm, &mut scorer);
        let Scorer { mut run, trouble, stopped, .. } = scorer;
        match (ended, trouble) {
            _ if stopped => return Err(Failure::new(FailureKind::Interrupted, "interrupted while assimilating")),
            (_, Some(error)) => return Err(error),
            (Ok(ended), None) => run.ended = ended,
            (Err(failure), None) => {
                let message = format!("row `{}`: {}", row.label, failure.message);
                return Err(Failure { message, ..failure });
            }
        }
        if run.ended.diverged.is_some() {
            run.board.mark_diverged(columns, self.replicate);
            run.track.mark_diverged(&mut run.board, columns, self.replicate);
            run.kept.iter_mut().for_each(|kept| kept.diverged = true);
        }
        Ok(run)
    }
}

/// Scores what one run says as it goes.
struct Scorer<'a> {
    job: &'a Job<'a>,
    run: Run,
    columns: &'a [Column],
    dt: f64,
    label: &'a str,
    threshold: Option<f64>,
    done: &'a std::sync::atomic::AtomicU64,
    progress: &'a dyn Progress,
    trouble: Option<Failure>,
    stopped: bool,
}

impl Visitor for Scorer<'_> {
    fn analysed(&mut self, index: usize, analysed: &Analysed) -> bool {
        let Job { network, replicate, .. } = *self.job;
        let (twin, outcome, run) = (&network.twins[replicate], &analysed.outcome, &mut self.run);
        self.progress.at(1 + self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed), self.label);
        let now = observed(twin, index, self.dt, network.operator.as_ref());
        let truth = twin.truth.as_ref().map(|truth| truth.row(now.step));
        run.rmse.push(analysed.error);
        if replicate == 0 {
            run.mean.row_mut(index).assign(&analysed.mean);
            run.sd.row_mut(index).assign(&analysed.variance.mapv(f64::sqrt));
            analysed.estimate.iter().for_each(|estimate| run.track.keep(index, estimate));
            let threshold = self.threshold;
            match twin.apart.as_ref().map(|apart| of_whole_set(outcome, &now, apart.at(index), threshold)) {
                None => note(&outcome.quality, run.quality.row_mut(index)),
                Some(Ok(quality)) => note(&quality, run.quality.row_mut(index)),
                Some(Err(error)) => self.trouble = Some(error.into()),
            }
        }
        if let Some(kept) = &mut run.kept {
            kept.values.index_axis_mut(Axis(0), index).assign(&outcome.ensemble);
            if let Some(weights) = &outcome.weights {
                kept.weights.row_mut(index).assign(weights);
            }
            if let Some(estimate) = &analysed.estimate {
                kept.parameters.index_axis_mut(Axis(0), index).assign(&estimate.members);
            }
        }
        // diagnostics count from the start, or a filter that fails in the burn-in would fail without a reason
        diagnose(&mut run.board, self.columns, replicate, now.step, outcome);
        if now.step > network.plan.burn_in {
            if let Some(estimate) = &analysed.estimate {
                run.track.measure(&mut run.board, self.columns, replicate, now.step, estimate);
            }
            let scored = measure(&mut run.board, self.columns, replicate, &now, outcome, truth)
                .and_then(|()| look_at(&mut run.board, self.columns, replicate, index, &now, outcome))
                .and_then(|()| match withheld(twin, index, &now) {
                    Some(unseen) => verify(&mut run.board, self.columns, replicate, &unseen, outcome),
                    None => Ok(()),
                })
                .err();
            self.trouble = self.trouble.take().or(scored);
        }
        self.stopped = self.progress.interrupted();
        !self.stopped && self.trouble.is_none()
    }

    fn smoothed(&mut self, smoothed: &Smoothed) {
        let Job { network, replicate, .. } = *self.job;
        if smoothed.step > network.plan.burn_in
            && let Some(truth) = &network.twins[replicate].truth
        {
            measure_smoothed(&mut self.run.board, self.columns, replicate, smoothed, truth.row(smoothed.step));
        }
    }
}

/// Puts codes, `[observed]`, where they are kept.
fn note(quality: &[Quality], mut codes: ArrayViewMut1<i8>) {
    codes.iter_mut().zip(quality).for_each(|(code, quality)| *code = quality.code().cast_signed());
}

fn tables(plan: &Plan, networks: &[Network], columns: &[Column], jobs: &[Job], runs: Vec<Run>) -> Scored {
    let mut scored = Scored::default();
    let mut boards: Vec<Board> = plan.assimilate.iter().map(|_| Board::new(columns)).collect();
    let mut firsts: BTreeMap<usize, Run> = BTreeMap::new();
    let mut seconds = vec![(0.0, 0u64, 0usize); plan.assimilate.len()];
    scored.kept = plan.assimilate.iter().map(|_| Vec::new()).collect();
    for (job, mut run) in jobs.iter().zip(runs) {
        scored.kept[job.row].extend(run.kept.take());
        boards[job.row].append(&run.board);
        seconds[job.row].0 += run.ended.seconds;
        seconds[job.row].1 += run.ended.cycles as u64;
        seconds[job.row].2 += 1;
        if job.replicate == 0 {
            firsts.insert(job.row, run);
        }
    }
    for (index, row) in plan.assimilate.iter().enumerate() {
        let names =
            Names { method: &row.method, forecaster: &row.forecaster, observe: &row.observe, label: &row.label };
        scored.rows.extend(rows(names, columns, &boards[index], seconds[index].2));
        scored.ranks.extend(rank_histogram(columns, &boards[index], "assimilation", &row.label, &row.observe));
        scored.cost.push(CostRow {
            stage: "assimilate".into(),
            label: row.label.clone(),
            seconds: seconds[index].0,
            units: seconds[index].1,
            parameters: None,
            evaluations: None,
        });
    }
    scored.survivors = boards.iter().map(|board| survivors(columns, "rmse", board)).collect();
    for network in networks {
        let members: Vec<usize> =
            (0..plan.assimilate.len()).filter(|&i| plan.assimilate[i].observe == network.plan.name).collect();
        let labelled: Vec<(String, &Board)> =
            members.iter().map(|&i| (plan.assimilate[i].label.clone(), &boards[i])).collect();
        for column in 0..columns.len() {
            scored.paired.extend(against_best(columns, column, &labelled, "assimilation"));
        }
        let runs: Vec<First> =
            members.iter().filter_map(|i| firsts.get(i).map(|run| run.first(&plan.assimilate[*i].label))).collect();
        picture(plan, network, &runs, &mut scored);
    }
    scored
}

/// What the rows of one board are called.
#[derive(Clone, Copy, Default)]
pub struct Names<'a> {
    /// The method.
    pub method: &'a str,
    /// The forecaster's label.
    pub forecaster: &'a str,
    /// The observing network.
    pub observe: &'a str,
    /// The row's label.
    pub label: &'a str,
}

/// The rows of a board.
pub fn rows(names: Names, columns: &[Column], board: &Board, replicates: usize) -> Vec<AssimilationRow> {
    let mut out = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let Some(summary) = board.summary(columns, index) else { continue };
        out.push(AssimilationRow {
            method: names.method.to_owned(),
            forecaster: names.forecaster.to_owned(),
            observe: names.observe.to_owned(),
            label: names.label.to_owned(),
            metric: column.name.clone(),
            estimator: column.metric.estimator().to_owned(),
            pool: column.metric.pool().name().to_owned(),
            value: summary.value,
            se: summary.se,
            n: summary.n,
            diverged: board.terms(index).diverged_clusters(),
            replicates,
        });
    }
    out
}
