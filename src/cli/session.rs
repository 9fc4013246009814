//! What a subcommand works with: the global options, what stages are told, and progress.

use std::path::{Path, PathBuf};

use super::global::Global;
use super::progress::Terminal;
use super::{dry_run, experiment};
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::spec::size::{self, Need};
use scorecast::spec::{self, DataSource, Plan, needs};
use scorecast::stage::{Finished, Options, inspect, said_in};
use scorecast::systems::registry::nearest;

/// What a subcommand works with.
pub(super) struct Session<'a> {
    /// What was typed.
    pub(super) global: &'a Global,
    /// What stages are told.
    pub(super) options: Options,
    /// Where work reports.
    pub(super) progress: Terminal,
}

impl<'a> Session<'a> {
    /// # Errors
    /// Where `--device` cannot be had.
    pub(super) fn new(global: &'a Global) -> Result<Self> {
        Ok(Self { global, options: global.options()?, progress: Terminal::new(global.quiet, global.log_format) })
    }

    /// The checked experiment: a preset's name or a file, with the overrides.
    pub(super) fn plan(&self, name: &str) -> Result<Plan> {
        self.plan_by(experiment::load, name)
    }

    /// The checked experiment, of which nothing will be scored.
    pub(super) fn plan_unscored(&self, name: &str) -> Result<Plan> {
        self.plan_by(experiment::load_unscored, name)
    }

    /// The plan of a short experiment that a command has written, with the overrides of the command line.
    pub(super) fn plan_of_text(&self, text: &str, origin: &str) -> Result<Plan> {
        spec::check(text, origin, &self.overrides().collect::<Vec<_>>()).map_err(|mistakes| spec::failure(&mistakes))
    }

    /// The plan of a file of trajectories alone.
    pub(super) fn plan_of_file(&self, path: &str) -> Result<Plan> {
        self.plan_of_text(&format!("[data]\nfile = {}\n", toml::Value::from(path)), path)
    }

    /// The checked experiment, with what a suite sets in it below the overrides.
    pub(super) fn plan_with(&self, name: &str, set: &[&str]) -> Result<Plan> {
        let below: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
        self.plan_set(experiment::load, name, (&below, &[]))
    }

    /// The checked experiment, with what is set in it above the overrides.
    pub(super) fn plan_above(&self, name: &str, set: &[String]) -> Result<Plan> {
        self.plan_set(experiment::load, name, (&[], set))
    }

    fn plan_by(&self, load: fn(&str, &[String]) -> Result<Plan>, name: &str) -> Result<Plan> {
        self.plan_set(load, name, (&[], &[]))
    }

    /// What the command line sets in an experiment.
    fn overrides(&self) -> impl Iterator<Item = String> {
        self.global.set.iter().cloned().chain(self.global.seed.map(|seed| format!("seed={seed}")))
    }

    fn plan_set(
        &self,
        load: fn(&str, &[String]) -> Result<Plan>,
        name: &str,
        (below, above): (&[String], &[String]),
    ) -> Result<Plan> {
        let all = below.iter().cloned().chain(self.overrides()).chain(above.iter().cloned());
        let mut overrides: Vec<String> = all.collect();
        let plan = load(name, &overrides)?;
        // a file says itself how far its states are apart and how their components lie; an experiment that says so too is held
        // against it on reading
        let DataSource::File(file) = &plan.data.source else { return Ok(plan) };
        let given = overrides.len();
        match said_in(file, &plan, &self.options) {
            Ok(said) => {
                overrides.extend(said.dt.filter(|_| !plan.data.dt_said).map(|dt| format!("data.dt={dt:?}")));
                if let (Some(geometry), None) = (said.geometry, &plan.system) {
                    overrides.push(format!("data.geometry=\"{}\"", geometry.word()));
                    overrides.extend(said.columns().map(|columns| format!("data.columns={columns}")));
                }
                if overrides.len() == given { Ok(plan) } else { load(name, &overrides) }
            }
            // a stage that needs the file says that it cannot be opened
            Err(failure) if failure.kind == FailureKind::Io => Ok(plan),
            Err(failure) => Err(failure),
        }
    }

    /// Runs a stage on an experiment; with `--dry-run` only says what it would do.
    pub(super) fn run(
        &self,
        name: &str,
        stage: &str,
        given: &Given,
        work: impl FnOnce(&Plan, &[(String, PathBuf)]) -> Result<Finished>,
    ) -> Result<Finished> {
        let load = if stage == "train" { experiment::load_unscored } else { experiment::load };
        let plan = self.plan_by(load, name)?;
        given.label.map_or(Ok(()), |label| self.check_label(&plan, label))?;
        let models = self.models(&plan, given.models)?;
        self.run_plan_given(&plan, stage, &needs::needs(&plan, stage), (&models, given.data), || work(&plan, &models))
    }

    /// Runs a stage that scores nothing, and holds other arrays in memory than one that does.
    pub(super) fn run_unscored(
        &self,
        name: &str,
        stage: &str,
        needs: impl FnOnce(&Plan) -> Vec<Need>,
        work: impl FnOnce(&Plan) -> Result<Finished>,
    ) -> Result<Finished> {
        let plan = self.plan_unscored(name)?;
        self.run_plan(&plan, stage, &needs(&plan), || work(&plan))
    }

    /// Does a stage's work on a plan; or, with `--dry-run`, says what it would be.
    pub(super) fn run_plan(
        &self,
        plan: &Plan,
        stage: &str,
        needs: &[Need],
        work: impl FnOnce() -> Result<Finished>,
    ) -> Result<Finished> {
        self.run_plan_given(plan, stage, needs, (&[], None), work)
    }

    /// As [`Self::run_plan`], with models and trajectories that are given beside the experiment.
    fn run_plan_given(
        &self,
        plan: &Plan,
        stage: &str,
        needs: &[Need],
        (models, data): (&[(String, PathBuf)], Option<&Path>),
        work: impl FnOnce() -> Result<Finished>,
    ) -> Result<Finished> {
        if self.global.dry_run {
            let fits = size::Need::total(needs) <= self.options.max_memory;
            let opened = fits.then(|| inspect::inputs(plan, stage, models, data, &self.options)).transpose()?;
            let described = dry_run::describe(plan, stage, needs, self.options.max_memory, opened.as_ref());
            return Ok(described.noting(&plan.notes));
        }
        size::check(needs, self.options.max_memory)?;
        work().map(|finished| finished.noting(&plan.notes))
    }

    /// Checks that a label on the command line is one of the experiment's forecasters.
    fn check_label(&self, plan: &Plan, label: &str) -> Result<()> {
        let known: Vec<&str> = plan.forecasters.iter().map(|forecaster| forecaster.label.as_str()).collect();
        if known.contains(&label) || known.iter().any(|known| plan.reported(known) == label) {
            return Ok(());
        }
        let message = format!("`{label}` is no forecaster of `{}`, which has {}", plan.name, known.join(", "));
        let hint = match nearest(label, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name one of them, or add a [[forecaster]]".to_owned(),
        };
        Err(Failure::new(FailureKind::Usage, message).hint(hint))
    }

    /// Label and file of each `--model`; each label must be a forecaster of the experiment, once.
    fn models(&self, plan: &Plan, given: &[ModelFile]) -> Result<Vec<(String, PathBuf)>> {
        for (index, model) in given.iter().enumerate() {
            self.check_label(plan, &model.label)?;
            if given[..index].iter().any(|other| other.label == model.label) {
                let message = format!("--model is given twice for `{}`", model.label);
                return Err(Failure::new(FailureKind::Usage, message).hint("give it once"));
            }
        }
        Ok(given.iter().map(|model| (model.label.clone(), model.file.clone())).collect())
    }
}

/// What is given beside an experiment.
#[derive(Default)]
pub(super) struct Given<'a> {
    /// `--model`.
    pub(super) models: &'a [ModelFile],
    /// `--data`.
    pub(super) data: Option<&'a Path>,
    /// `--forecaster`.
    pub(super) label: Option<&'a str>,
}

/// A model file that is given for a label.
#[derive(Clone, Debug)]
pub(super) struct ModelFile {
    label: String,
    file: PathBuf,
}

/// Parses `LABEL=FILE`.
pub(super) fn parse_model(text: &str) -> Result<ModelFile, String> {
    match text.split_once('=') {
        Some((label, file)) if !label.is_empty() && !file.is_empty() => {
            Ok(ModelFile { label: label.to_owned(), file: PathBuf::from(file) })
        }
        _ => Err("write LABEL=FILE, such as diffusion=run/models/diffusion.safetensors".to_owned()),
    }
}

/// Builds the one thread pool.
pub(super) fn build_threads(threads: Option<u16>) -> Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, usize::from))
        .build_global()
        .map_err(|error| Failure::new(FailureKind::Resource, format!("the threads could not be started: {error}")))
}
