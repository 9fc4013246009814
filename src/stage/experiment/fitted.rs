//! Making one forecaster of an experiment: fitted, or loaded from a model that was trained before.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::checkpoint_file::CheckpointFile;
use super::load::{load, read, rebuild};
use super::logged_progress::LoggedProgress;
use super::model_folder::ModelFolder;
use super::provenance::{Service, difference, made_from};
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::{Cost, FORECASTERS, FitContext, FitSize, Fitted, ForecasterBuild, pool};
use crate::model::{Checkpoints, Model, Provenance};
use crate::nn::ops::Processor;
use crate::progress::Progress;
use crate::results::{CostRow, Curve, TrainingRow};
use crate::spec::{ForecasterPlan, Plan, size};
use crate::stage::budget::require_steps;
use crate::stage::data::{SplitParameters, SplitTrajectories, held_by};
use crate::stage::options::go_on;
use crate::store;
use crate::systems::{Domain, Entry, Key, MemoryUse, registry};

/// A forecaster of an experiment, fitted or loaded.
pub struct FittedForecaster {
    /// The user's label.
    pub label: String,
    /// The name in the registry.
    pub kind: String,
    /// The forecaster.
    pub fitted: Fitted,
    /// Wall-clock seconds that fitting took, over all processes of a run that was gone on with; none where it was loaded.
    pub seconds: Option<f64>,
    /// What it costs by its settings; none where it is no network, or was loaded.
    pub cost: Option<Cost>,
    /// Sentences about what a loaded model was made from, where this experiment is another.
    pub notes: Vec<String>,
    /// The label of the forecaster of several seeds that this is one of, and which.
    pub seed_of: Option<(String, usize)>,
    /// Whether it is made of others, which are reported themselves.
    pub pooled: bool,
}

impl FittedForecaster {
    /// Whether it is the system that makes the truths.
    pub fn is_exact(&self) -> bool {
        self.kind == "perfect"
    }

    /// The label under which it is reported: that of the forecaster of several seeds that it is one of, if it is.
    pub fn reported(&self) -> &str {
        self.seed_of.as_ref().map_or(&self.label, |(label, _)| label)
    }

    /// Whether it is the first of its seeds, which stands for all of them in pictures.
    pub fn is_first_seed(&self) -> bool {
        self.seed_of.as_ref().is_none_or(|(_, index)| *index == 0)
    }

    /// Its row of the training table; none for what has no parameters.
    pub fn training_row(&self) -> Option<TrainingRow> {
        let training = self.fitted.training();
        (training.parameters > 0 && !self.pooled).then(|| TrainingRow {
            forecaster: self.label.clone(),
            kind: self.kind.clone(),
            parameters: training.parameters,
            pairs: training.pairs,
            steps: training.steps,
            best_step: training.best_step,
            best_valid: training.best_valid.is_finite().then_some(training.best_valid),
            evaluations: training.evaluations,
            training_flops: self.cost.map(|cost| cost.training),
            inference_flops: self.cost.map(|cost| cost.inference),
            rollout: None,
        })
    }

    /// Its training curves in the order of the trainings: of networks that its own was learned from, and of its own.
    pub fn curves(&self) -> Vec<Curve> {
        let training = self.fitted.training();
        let earlier = training.earlier.iter().map(|one| (Some(one.what.clone()), &one.curve));
        let all = earlier.chain([(None, &training.curve)]).filter(|(_, points)| !points.is_empty());
        all.map(|(of, points)| Curve { label: self.label.clone(), of, points: points.clone() }).collect()
    }

    /// What fitting it cost, where it was fitted and has parameters.
    pub fn cost_row(&self) -> Option<CostRow> {
        let training = self.fitted.training();
        let seconds = self.seconds.filter(|_| training.parameters > 0)?;
        Some(CostRow {
            stage: "train".into(),
            label: self.label.clone(),
            seconds,
            units: training.steps.max(1),
            parameters: Some(training.parameters),
            evaluations: Some(training.evaluations),
        })
    }
}

/// What one forecaster of a plan is made from.
pub struct Making<'a> {
    /// The experiment.
    pub plan: &'a Plan,
    /// Its trajectories, where there are any.
    pub data: Option<&'a SplitTrajectories>,
    /// The digest of those that are trained on.
    pub digest: Option<&'a str>,
    /// Where finished models and checkpoints are kept, if anywhere.
    pub folder: Option<&'a ModelFolder>,
    /// Whether finished models are taken from there, and unfinished trainings go on.
    pub resume: bool,
    /// Where to report.
    pub progress: &'a dyn Progress,
    /// The most bytes that arrays may take.
    pub max_memory: u64,
    /// What computes the passes of networks in training.
    pub processor: &'a Processor,
}

impl Making<'_> {
    /// Makes one forecaster.
    ///
    /// # Errors
    /// When it cannot be fitted, loaded or stored.
    pub fn one(&self, forecaster: &ForecasterPlan) -> Result<FittedForecaster> {
        go_on(self.progress, "making forecasters")?;
        if let Some(path) = &forecaster.model {
            let service = Service { plan: self.plan, data: self.data, digest: self.digest };
            let (fitted, notes) = load(path, forecaster, &service)?;
            return Ok(FittedForecaster { notes, ..self.made(forecaster, fitted, None) });
        }
        require_steps(self.plan, forecaster)?;
        let entry = registry::find(FORECASTERS, "forecaster", &forecaster.kind)?;
        let (Some(folder), Some(_)) = (self.folder, entry.build.load) else {
            let (fitted, seconds) = self.fit(forecaster, None)?;
            return Ok(self.made(forecaster, fitted, Some(seconds)));
        };
        let (Some(data), Some(digest)) = (self.data, self.digest) else { return Err(nothing_to_fit_to()) };
        let from = made_from(self.plan, forecaster, data, digest)?;
        folder.make()?;
        let path = folder.model(&forecaster.label);
        if self.resume && path.exists() {
            let fitted = self.finished(&path, &from)?;
            return Ok(self.made(forecaster, fitted, folder.seconds(&forecaster.label)));
        }
        let file = CheckpointFile::new(folder.checkpoint(&forecaster.label), from.clone());
        if !self.resume {
            file.discard()?;
        }
        let (fitted, seconds) = self.fit(forecaster, Some(&file).filter(|_| entry.build.is_learned()))?;
        folder.note_seconds(&forecaster.label, seconds)?;
        store::model::write(&path, &Model { made_from: Some(from), ..fitted.model() })?;
        file.discard()?;
        Ok(self.made(forecaster, fitted, Some(seconds)))
    }

    /// Makes one of all seeds, which were made before.
    ///
    /// # Errors
    /// A bug: checking the experiment has seen to their order.
    pub fn pool(&self, forecaster: &ForecasterPlan, made: &[FittedForecaster]) -> Result<FittedForecaster> {
        let of = |made: &&FittedForecaster| made.seed_of.as_ref().is_some_and(|(label, _)| *label == forecaster.label);
        let seeds: Vec<&Fitted> = made.iter().filter(of).map(|made| &made.fitted).collect();
        let pooled = pool(&seeds).ok_or_else(|| {
            Failure::new(FailureKind::Bug, format!("no seed of `{}` was made before it", forecaster.label))
        })?;
        Ok(FittedForecaster { cost: None, ..self.made(forecaster, pooled, None) })
    }

    /// The model that a training starts from.
    fn start(&self, path: &Path, forecaster: &ForecasterPlan) -> Result<Model> {
        let model = read(path)?;
        let components = self.data.map_or(0, SplitTrajectories::dim);
        let found = model.made_from.as_ref().map_or(components, |from| from.components);
        let misfit = match () {
            () if model.kind != forecaster.kind => Some(format!("is a `{}` forecaster", model.kind)),
            () if found != components => Some(format!("is one of {found} components")),
            () => None,
        };
        let Some(misfit) = misfit else { return Ok(model) };
        let message = format!(
            "the model that `{}` starts from {misfit}, but the forecaster is a `{}` of {components} components",
            forecaster.label, forecaster.kind
        );
        let hint = "give a model of the same kind on states of the same size, or leave `start_from` out";
        Err(Failure::new(FailureKind::Data, message).hint(hint).at(path.display().to_string()))
    }

    /// Fits one, and the seconds that it took.
    fn fit(&self, forecaster: &ForecasterPlan, checkpoint: Option<&CheckpointFile>) -> Result<(Fitted, f64)> {
        let entry = registry::find(FORECASTERS, "forecaster", &forecaster.kind)?;
        let folder = self.folder.filter(|_| checkpoint.is_some()).map(|folder| folder.log(&forecaster.label));
        let logged = LoggedProgress::new(self.progress, &forecaster.label, folder);
        let start = forecaster.start_from().map(|path| self.start(path, forecaster)).transpose()?;
        let context = FitContext { start: start.as_ref(), ..self.context(forecaster, checkpoint, &logged)? };
        let begun = Instant::now();
        self.check_memory(forecaster, entry, &context)?;
        let fitted =
            (entry.build.fit)(&forecaster.settings, &context).map_err(|error| self.at_fault(forecaster, error))?;
        logged.finished()?;
        Ok((fitted, checkpoint.map_or_else(|| begun.elapsed().as_secs_f64(), CheckpointFile::seconds)))
    }

    /// Data that nothing can be learned from: those of a file are at fault themselves, simulated ones by the experiment.
    fn at_fault(&self, forecaster: &ForecasterPlan, error: crate::forecast::Error) -> Failure {
        let of_data = matches!(error, crate::forecast::Error::Data(_));
        let mut failure = Failure::from(error);
        if failure.kind == FailureKind::Numerical {
            failure.message = format!("forecaster `{}`: {}", forecaster.label, failure.message);
        }
        match self.data.and_then(|data| data.file.as_ref()) {
            Some(file) if of_data => failure.at(file.display().to_string()),
            None if of_data => Failure { kind: FailureKind::Usage, ..failure },
            _ => failure,
        }
    }

    /// Refuses what would not fit under the limit beside the trajectories: of a file their size is known only now.
    fn check_memory(
        &self,
        forecaster: &ForecasterPlan,
        entry: &Entry<ForecasterBuild>,
        context: &FitContext,
    ) -> Result<()> {
        let size = context.size();
        let FitSize { train, valid, components, .. } = size;
        let mut held = (entry.build.memory)(&forecaster.settings, &size);
        held.iter_mut().for_each(|held| held.what = format!("{} of `{}`", held.what, forecaster.label));
        if context.held_by.is_none() {
            let what = format!("trajectories ({train} + {valid} x {components})");
            held.push(MemoryUse::reals(what, &[train + valid, components]));
        }
        size::check(&held, self.max_memory)
    }

    /// A model that was finished before, by the run that this one goes on with.
    fn finished(&self, path: &Path, from: &Provenance) -> Result<Fitted> {
        let model = read(path)?;
        let other = match &model.made_from {
            Some(was) => difference(was, from),
            None => Some("it does not say what it was made from".to_owned()),
        };
        if let Some(other) = other {
            let message = format!("the model is of another training: {other}");
            let hint = "use --force to train it anew, or give another --out";
            return Err(Failure::new(FailureKind::Exists, message).hint(hint).at(path.display().to_string()));
        }
        rebuild(path, &model)
    }

    fn made(&self, plan: &ForecasterPlan, fitted: Fitted, seconds: Option<f64>) -> FittedForecaster {
        let (label, kind) = (plan.label.clone(), fitted.kind().to_owned());
        let entry = FORECASTERS.iter().find(|entry| entry.name == kind && plan.model.is_none());
        let cost = entry.and_then(|entry| entry.build.cost).zip(self.data);
        let cost = cost.and_then(|(cost, data)| {
            let parameters = data.parameters.as_ref().map_or(0, |known| known.names.len());
            let size = FitSize { parameters, ..FitSize::of_states(data.geometry, data.dim()) };
            cost(&plan.settings, &size).ok()
        });
        let (seed_of, pooled) = (plan.seed_of.clone(), plan.pool);
        FittedForecaster { label, kind, fitted, seconds, cost, notes: Vec::new(), seed_of, pooled }
    }

    /// What a forecaster is fitted to.
    fn context<'a>(
        &'a self,
        forecaster: &ForecasterPlan,
        checkpoint: Option<&'a CheckpointFile>,
        progress: &'a dyn Progress,
    ) -> Result<FitContext<'a>> {
        let data = self.data.ok_or_else(nothing_to_fit_to)?;
        let stepping = &self.plan.data.stepping;
        Ok(FitContext {
            system: self.plan.system.as_ref().map(|system| (Arc::clone(&system.system), stepping.clone())),
            geometry: data.geometry,
            train: data.train.view(),
            valid: data.valid.view(),
            held_by: held_by(&data.train),
            parameters: data.parameters.as_ref().map(SplitParameters::known),
            key: Key::new(seed_of_training(self.plan, forecaster), Domain::Training),
            progress,
            checkpoints: checkpoint.map(|file| file as &dyn Checkpoints),
            start: None,
            processor: self.processor,
        })
    }
}

/// The seed of a training: that of the experiment, and of others of several seeds one far from it.
fn seed_of_training(plan: &Plan, forecaster: &ForecasterPlan) -> u64 {
    let index = forecaster.seed_of.as_ref().map_or(0, |(_, index)| *index as u64);
    // the golden ratio of 2^64: no two multiples are near each other
    plan.seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn nothing_to_fit_to() -> Failure {
    Failure::new(FailureKind::Usage, "a forecaster must be fitted, but there are no trajectories")
        .hint("add a [data] section, or give the forecaster a stored model")
}
