//! Every assimilation row on every replicate of its network, scored against the truth (or the innovations alone).

use std::sync::atomic::AtomicU64;

use super::columns::columns;
use super::diagnoses::diagnoses;
use super::doubts;
use super::network::{ObservingNetwork, find, networks};
use super::parameters;
use super::pictures::picture;
use super::row_run::{RowRun, Shared};
use crate::failure::Result;
use crate::progress::Progress;
use crate::results::{AssimilationRow, CostRow, Report};
use crate::score::Of;
use crate::spec::{AssimilatePlan, Plan};
use crate::stage::experiment::Experiment;
use crate::stage::queue;
use crate::stage::rows::{self, Labelled};
use crate::stage::score_table::{ScoreTable, Survivors, by_row};
use crate::systems::Forecaster;

/// The assimilation part of an experiment: its networks, and the forecasters of rows that estimate parameters.
pub struct Assimilation<'a> {
    plan: &'a Plan,
    experiment: &'a Experiment<'a>,
    /// The networks that rows use.
    pub networks: Vec<ObservingNetwork>,
    /// For each row that estimates parameters the forecaster of the state with them.
    augmented: Vec<Option<Box<dyn Forecaster + 'a>>>,
}

/// What is wanted beside the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extras {
    /// Nothing.
    Scores,
    /// Why rows diverged, if some did: those are run again up to there.
    Diagnoses,
    /// The analysis ensembles.
    Ensembles,
}

/// What the assimilation stage hands to the tables, the report and the files.
pub struct Scored<'a> {
    /// The assimilation table, comparisons with the best row of each network, costs row by row, rank histograms, and pictures
    /// of each network's first replicate.
    pub report: Report,
    /// Why runs diverged: a row, a replicate, and a sentence.
    pub diagnoses: Vec<String>,
    /// The analysis rmse of each row of the plan over the replicates that did not diverge.
    pub survivors: Vec<Option<Survivors>>,
    /// The runs, in the order of the rows and of their replicates; their scores are in the report.
    pub runs: Vec<RowRun<'a>>,
}

impl<'a> Scored<'a> {
    /// The runs of row `index` of the plan.
    pub fn runs_of(&self, index: usize) -> impl Iterator<Item = &RowRun<'a>> {
        self.runs.iter().filter(move |run| run.index == index)
    }

    /// The runs of a network's first replicate, in the order of the rows.
    pub fn first_runs(&self, network: &ObservingNetwork) -> Vec<&RowRun<'a>> {
        let shown = |run: &&RowRun| run.case == 0 && run.row.observe == network.plan.name && run.row.is_first_seed();
        self.runs.iter().filter(shown).collect()
    }
}

impl<'a> Assimilation<'a> {
    /// The rows of `plan`: those of the experiment, or others with its forecasters on its trajectories.
    ///
    /// # Errors
    /// When a network cannot be made, or there is no system of the prior means of a row's parameters.
    pub fn new(plan: &'a Plan, experiment: &'a Experiment<'a>, progress: &dyn Progress) -> Result<Self> {
        let networks = networks(plan, experiment, progress)?;
        let of = |row| parameters::forecaster(plan, row, experiment.forecaster(&row.forecaster)?);
        let augmented = plan.assimilate.iter().map(of).collect::<Result<_>>()?;
        Ok(Self { plan, experiment, networks, augmented })
    }

    /// The network of a name.
    ///
    /// # Errors
    /// A bug: checking the experiment has seen to it.
    pub fn network(&self, name: &str) -> Result<&ObservingNetwork> {
        find(&self.networks, name)
    }

    /// Runs and scores all rows.
    ///
    /// # Errors
    /// When a method or a forecaster fails, or the user stops.
    pub fn score(&self, extras: Extras, progress: &dyn Progress) -> Result<Scored<'_>> {
        let has_truth = self.networks.iter().any(ObservingNetwork::has_truth);
        let mut columns = columns(self.plan, has_truth)?;
        columns.extend(parameters::columns(self.plan, has_truth));
        let shared = Shared {
            plan: self.plan,
            columns: columns.into(),
            least: self.plan.system.as_ref().and_then(|system| system.system.lower_bound()),
            keep: extras == Extras::Ensembles,
            done: AtomicU64::new(0),
            progress,
        };
        let runs = self.run(&shared)?;
        let dt = self.plan.data.stepping.dt;
        let diagnoses = match extras {
            Extras::Diagnoses => {
                let mut said = self.doubts(&runs, &shared);
                said.extend(diagnoses(&runs, dt, progress)?);
                said
            }
            Extras::Scores | Extras::Ensembles => Vec::new(),
        };
        Ok(self.tables(&shared, runs, diagnoses))
    }

    /// What networks and members say against themselves.
    fn doubts(&self, runs: &[RowRun], shared: &Shared) -> Vec<String> {
        let mut out: Vec<String> = self.networks.iter().filter_map(undrawn).collect();
        for (index, row) in self.plan.assimilate.iter().enumerate() {
            let own = runs.iter().filter(|run| run.index == index).map(|run| run.doubts);
            out.extend(doubts::sentences(row, own, shared.least));
        }
        out
    }

    /// Every row on every replicate of its own.
    fn run(&self, shared: &Shared) -> Result<Vec<RowRun<'_>>> {
        let mut places = Vec::new();
        let mut total = 0;
        for (index, row) in self.plan.assimilate.iter().enumerate() {
            let network = self.network(&row.observe)?;
            let made = self.experiment.forecaster(&row.forecaster)?;
            let (exact, model) = (made.is_exact(), made.fitted.as_forecaster());
            let model = self.augmented[index].as_deref().unwrap_or(model);
            let cases = network.replicates_of(row).len();
            places.extend((0..cases).map(|case| (index, case, network, model, exact)));
            total += (cases * network.sets_of(row).len()) as u64;
        }
        shared.progress.start("assimilating", total);
        let runs = queue::run(places.len(), &|place| {
            let (index, case, network, model, exact) = places[place];
            RowRun::new(self.plan, shared, index, case, network, model, exact).run(shared)
        })?;
        shared.progress.finish();
        Ok(runs)
    }

    /// The scores of all runs as rows, beside what else is shown of them.
    fn tables<'s>(&'s self, shared: &Shared, mut runs: Vec<RowRun<'s>>, diagnoses: Vec<String>) -> Scored<'s> {
        let rows = &self.plan.assimilate;
        let mut tables: Vec<ScoreTable> = rows.iter().map(|_| ScoreTable::new(&shared.columns)).collect();
        for run in &mut runs {
            tables[run.index].append(&run.table);
            run.table.clear();
        }
        let mut report = Report::default();
        let tables = over_seeds(rows, tables);
        for (row, table) in &tables {
            let label = row.reported().to_owned();
            let own = || runs.iter().filter(|run| run.row.reported() == label);
            let named = AssimilationRow {
                method: row.method.clone(),
                forecaster: self.plan.reported(&row.forecaster).to_owned(),
                observe: row.observe.clone(),
                label: label.clone(),
                replicates: own().filter(|run| run.row.is_first_seed()).count(),
                ..AssimilationRow::default()
            };
            report.assimilation.extend(rows::assimilation(&named, table));
            report.ranks.extend(rows::rank_histogram(table, "assimilation", &label, &row.observe));
            report.cost.push(CostRow {
                stage: "assimilate".into(),
                label: label.clone(),
                seconds: own().map(|run| run.ended.seconds).fold(0.0, |sum, seconds| sum + seconds),
                units: own().map(|run| run.ended.cycles as u64).sum(),
                parameters: None,
                evaluations: None,
            });
        }
        let survivors = tables.iter().map(|(_, table)| table.survivors(Of::Analysis, "rmse")).collect();
        let mut scored = Scored { report, diagnoses, survivors, runs };
        for network in &self.networks {
            let own = tables.iter().filter(|(row, _)| row.observe == network.plan.name);
            let labelled: Vec<Labelled> = own.map(|(row, table)| (row.reported().to_owned(), table)).collect();
            scored.report.paired.extend(rows::all_against_best(&labelled, "assimilation"));
            let asked = self.plan.score.against.iter();
            scored.report.against.extend(asked.flat_map(|label| rows::all_against(label, &labelled, "assimilation")));
            let pictured = picture(self.plan, network, &scored.first_runs(network));
            scored.report.errors.extend(pictured.errors);
            scored.report.parameters.extend(pictured.parameters);
            scored.report.panels.extend(pictured.panels);
        }
        scored
    }
}

/// Each row with its table, those of the seeds of one put together under the first.
fn over_seeds(rows: &[AssimilatePlan], tables: Vec<ScoreTable>) -> Vec<(&AssimilatePlan, ScoreTable)> {
    let groups = by_row(rows.iter().zip(tables), |row| row.is_first_seed());
    groups.into_iter().filter_map(|(row, seeds)| Some((row, ScoreTable::of_seeds(seeds)?))).collect()
}

/// The values of a network that its error law could not draw, where there are any.
fn undrawn(network: &ObservingNetwork) -> Option<String> {
    let (lost, all) = network.undrawn;
    (lost > 0).then(|| {
        format!(
            "{lost} of {all} values of network `{}` ({:.0} %) are missing because the error law `{}` has no draw there (a count needs \
             h(x) >= 0, a logarithm h(x) > 0); observe through an operator that keeps to its domain, such as `square` or `exp`, or \
             set another `noise`.",
            network.plan.name,
            100.0 * lost as f64 / all as f64,
            network.plan.noise
        )
    })
}
