//! One row of the experiment on one replicate of its network: what it is given, and all that is kept of what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array2, Array3, ArrayViewMut1, Axis};

use super::alarm::Alarm;
use super::analysed::Analysed;
use super::columns::{measure, measure_smoothed, verify};
use super::cycle::{self, Ended, Visitor};
use super::diagnostics::{add_diagnostics, add_effective_size};
use super::doubts::Doubts;
use super::network::ObservingNetwork;
use super::parameters::Track;
use super::replicate::Replicate;
use crate::assimilation::screening::of_whole_set;
use crate::assimilation::{Smoothed, quality::Quality};
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::score::{Column, Of};
use crate::spec::{AssimilatePlan, Plan};
use crate::stage::score_table::ScoreTable;
use crate::systems::Forecaster;

/// The code of a value of which nothing is known.
const UNKNOWN: i8 = -1;

/// A row on a replicate.
pub struct RowRun<'a> {
    /// The row.
    pub row: &'a AssimilatePlan,
    /// Its index in the plan.
    pub index: usize,
    /// The row's network.
    pub network: &'a ObservingNetwork,
    /// The replicate's index in the network.
    pub case: usize,
    /// The row's forecaster: where it estimates parameters, that of the state with them.
    pub model: &'a dyn Forecaster,
    /// Whether that is the system that made the truth.
    pub exact: bool,
    /// The scores.
    pub table: ScoreTable,
    /// How the run ended.
    pub ended: Ended,
    /// The analysis mean of the first replicate, `[time, component]`; NaN where the row was not run. No time of others.
    pub mean: Array2<f64>,
    /// The analysis standard deviation of the first replicate, as `mean`.
    pub sd: Array2<f64>,
    /// What the row says of its parameters on the first replicate.
    pub track: Track,
    /// Root mean square error of each analysis, where there is a truth.
    pub rmse: Vec<Option<f64>>,
    /// What became of each value of the first replicate, `[time, observed]`, by DART's codes; -1 where nothing is known.
    pub quality: Array2<i8>,
    /// The analysis ensembles, where they are to be kept.
    pub ensembles: Option<RunEnsembles>,
    /// What its members say against themselves.
    pub doubts: Doubts,
}

/// The analysis ensembles of one run.
pub struct RunEnsembles {
    /// `[time, member, component]`; NaN from a divergence on.
    pub values: Array3<f64>,
    /// `[time, member]`.
    pub weights: Array2<f64>,
    /// The parameters that the row estimates, `[time, member, parameter]`.
    pub parameters: Array3<f64>,
}

/// What all runs of an experiment share.
pub struct Shared<'a> {
    /// The experiment.
    pub plan: &'a Plan,
    /// The columns of the table.
    pub columns: Arc<[Column]>,
    /// The lower bound of the components of a state, where there is one.
    pub least: Option<f64>,
    /// Whether the ensembles are kept.
    pub keep: bool,
    /// Analyses made by all runs together.
    pub done: AtomicU64,
    /// Where to report.
    pub progress: &'a dyn Progress,
}

impl<'a> RowRun<'a> {
    /// Row `index` of `plan` on replicate `case` of its network, not yet run.
    pub fn new(
        plan: &'a Plan,
        shared: &Shared,
        index: usize,
        case: usize,
        network: &'a ObservingNetwork,
        model: &'a dyn Forecaster,
        exact: bool,
    ) -> Self {
        let row = &plan.assimilate[index];
        let replicate = &network.replicates[case];
        // only the first replicate is pictured
        let times = if case == 0 { replicate.steps.len() } else { 0 };
        let dim = network.operator.state_dim();
        Self {
            row,
            index,
            network,
            case,
            model,
            exact,
            table: ScoreTable::new(&shared.columns),
            ended: Ended { diverged: None, failed: None, seconds: 0.0, cycles: 0 },
            mean: Array2::from_elem((times, dim), f64::NAN),
            sd: Array2::from_elem((times, dim), f64::NAN),
            track: Track::new(plan, row, (times, case), replicate.truth.is_some()),
            rmse: Vec::new(),
            quality: Array2::from_elem((times, network.operator.dim()), UNKNOWN),
            ensembles: shared.keep.then(|| RunEnsembles::new(row, network)),
            doubts: Doubts::default(),
        }
    }

    /// The replicate.
    pub fn replicate(&self) -> &'a Replicate {
        &self.network.replicates[self.case]
    }

    /// Runs the row.
    ///
    /// # Errors
    /// When the method or the forecaster fails, or the user stops; divergence is a result.
    pub fn run(self, shared: &Shared) -> Result<Self> {
        let (row, model, network, replicate, case) = (self.row, self.model, self.network, self.replicate(), self.case);
        let mut alarm = self.alarm();
        let dt = shared.plan.data.stepping.dt;
        let mut scorer =
            Scorer { run: self, shared, smoothed: (Vec::new(), Vec::new()), trouble: None, stopped: false };
        let ended = cycle::run(row, model, network, replicate, dt, &mut alarm, &mut scorer);
        let Scorer { mut run, smoothed, trouble, stopped, .. } = scorer;
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
            run.table.mark_diverged(case);
            run.track.mark_diverged(&mut run.table, case);
        }
        if replicate.lost.ever_lost(&smoothed.0, &smoothed.1) {
            run.table.mark_lost(Of::Smoothed, case);
        }
        Ok(run)
    }

    /// The alarm of this run.
    pub fn alarm(&self) -> Alarm {
        let last = self.network.sets_of(self.row).last().copied().unwrap_or(0);
        Alarm::new(self.replicate().lost, self.network.plan.burn_in, last, self.exact)
    }
}

impl RunEnsembles {
    fn new(row: &AssimilatePlan, network: &ObservingNetwork) -> Self {
        let members = row.settings.count("members");
        let (cycles, even) = (network.sets_of(row).len(), 1.0 / members as f64);
        Self {
            values: Array3::from_elem((cycles, members, network.operator.state_dim()), f64::NAN),
            weights: Array2::from_elem((cycles, members), even),
            parameters: Array3::from_elem((cycles, members, row.estimate.len()), f64::NAN),
        }
    }

    /// Keeps one analysis, by its index.
    fn keep(&mut self, index: usize, analysed: &Analysed) {
        let (members, weights) = analysed.outcome.kept();
        self.values.index_axis_mut(Axis(0), index).assign(members);
        if let Some(weights) = weights {
            self.weights.row_mut(index).assign(weights);
        }
        if let Some(estimate) = &analysed.estimate {
            self.parameters.index_axis_mut(Axis(0), index).assign(&estimate.members);
        }
    }
}

/// Scores what one run says as it goes.
struct Scorer<'r, 'a> {
    run: RowRun<'a>,
    shared: &'r Shared<'r>,
    /// Errors and spreads of the smoothed states, as root mean squares over components; none of those in closed form of an
    /// exact row.
    smoothed: (Vec<f64>, Vec<f64>),
    trouble: Option<Failure>,
    stopped: bool,
}

impl Scorer<'_, '_> {
    /// Keeps what is pictured of the first replicate.
    fn picture(&mut self, index: usize, analysed: &Analysed) -> Result<()> {
        let (replicate, run) = (self.run.replicate(), &mut self.run);
        run.mean.row_mut(index).assign(&analysed.mean);
        run.sd.row_mut(index).assign(&analysed.variance.mapv(f64::sqrt));
        analysed.estimate.iter().for_each(|estimate| run.track.keep(index, estimate));
        let outcome = &analysed.outcome;
        let Some(withheld) = &replicate.withheld else {
            note(&outcome.quality, run.quality.row_mut(index));
            return Ok(());
        };
        let now = replicate.observed(index, self.shared.plan.data.stepping.dt, run.network.operator.as_ref());
        let threshold = run.row.settings.optional_number("outlier_threshold");
        note(&of_whole_set(outcome, &now, withheld.at(index), threshold)?, run.quality.row_mut(index));
        Ok(())
    }

    /// Adds one analysis to the scores.
    fn score(&mut self, index: usize, analysed: &Analysed) -> Result<()> {
        let (replicate, outcome, run) = (self.run.replicate(), &analysed.outcome, &mut self.run);
        let now = replicate.observed(index, self.shared.plan.data.stepping.dt, run.network.operator.as_ref());
        if let Some(estimate) = &analysed.estimate {
            run.track.measure(&mut run.table, run.case, now.step, estimate);
        }
        let truth = replicate.truth.as_ref().map(|truth| truth.row(now.step));
        measure(&mut run.table, run.case, &now, outcome, truth)?;
        add_diagnostics(&mut run.table, run.case, index, &now, outcome)?;
        replicate.verified(index, &now).map_or(Ok(()), |withheld| verify(&mut run.table, run.case, &withheld, outcome))
    }
}

impl Visitor for Scorer<'_, '_> {
    fn analysed(&mut self, index: usize, analysed: &Analysed) -> bool {
        let progress = self.shared.progress;
        progress.at(1 + self.shared.done.fetch_add(1, Ordering::Relaxed), &self.run.row.label);
        let step = self.run.replicate().steps[index];
        self.run.rmse.push(analysed.error);
        if self.run.case == 0 {
            self.trouble = self.picture(index, analysed).err();
        }
        self.run.ensembles.iter_mut().for_each(|kept| kept.keep(index, analysed));
        // diagnostics count from the start, or a filter that fails in the burn-in would fail without a reason
        add_effective_size(&mut self.run.table, self.run.case, step, &analysed.outcome);
        if step > self.run.network.plan.burn_in {
            self.run.doubts.look(index, analysed, self.shared.least);
            let scored = self.score(index, analysed).err();
            self.trouble = self.trouble.take().or(scored);
        }
        self.stopped = progress.interrupted();
        !self.stopped && self.trouble.is_none()
    }

    fn smoothed(&mut self, smoothed: &Smoothed) {
        let run = &mut self.run;
        if smoothed.step > run.network.plan.burn_in
            && let Some(truth) = &run.replicate().truth
        {
            let truth = truth.row(smoothed.step);
            measure_smoothed(&mut run.table, run.case, smoothed, truth);
            if !(run.exact && smoothed.gaussian.is_some()) {
                let (mean, variance) = smoothed.mean_and_variance();
                self.smoothed.0.push(cycle::root_mean_square(&mean, truth));
                self.smoothed.1.push(variance.mean().unwrap_or(0.0).sqrt());
            }
        }
    }
}

/// Puts codes, `[observed]`, where they are kept.
fn note(quality: &[Quality], mut codes: ArrayViewMut1<i8>) {
    codes.iter_mut().zip(quality).for_each(|(code, quality)| *code = quality.code().cast_signed());
}
