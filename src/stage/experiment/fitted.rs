//! Making one forecaster of an experiment: fitted, or loaded from a model that was trained before.

use std::sync::Arc;
use std::time::Instant;

use super::checkpoint_file::CheckpointFile;
use super::load::load;
use super::model_folder::ModelFolder;
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::{FORECASTERS, FitContext, Fitted};
use crate::model::Checkpoints;
use crate::progress::Progress;
use crate::results::{CostRow, Curve, TrainingRow};
use crate::spec::{ForecasterPlan, Plan};
use crate::stage::data::SplitTrajectories;
use crate::store;
use crate::systems::{Domain, Key, registry};

/// A forecaster of an experiment, fitted or loaded.
pub struct FittedForecaster {
    /// The user's label.
    pub label: String,
    /// The name in the registry.
    pub kind: String,
    /// The forecaster.
    pub fitted: Fitted,
    /// Wall-clock seconds that fitting took; none where it was loaded.
    pub seconds: Option<f64>,
}

impl FittedForecaster {
    /// Its row of the training table; none for what has no parameters.
    pub fn training_row(&self) -> Option<TrainingRow> {
        let training = self.fitted.training();
        (training.parameters > 0).then(|| TrainingRow {
            forecaster: self.label.clone(),
            kind: self.kind.clone(),
            parameters: training.parameters,
            pairs: training.pairs,
            steps: training.steps,
            best_step: training.best_step,
            best_valid: training.best_valid.is_finite().then_some(training.best_valid),
            evaluations: training.evaluations,
            rollout: None,
        })
    }

    /// Its training curve, where there is one.
    pub fn curve(&self) -> Option<Curve> {
        let points = self.fitted.training().curve.clone();
        (!points.is_empty()).then(|| Curve { label: self.label.clone(), points })
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
    /// Where finished models and checkpoints are kept, if anywhere.
    pub folder: Option<&'a ModelFolder>,
    /// Whether finished models are taken from there, and unfinished trainings go on.
    pub resume: bool,
    /// Where to report.
    pub progress: &'a dyn Progress,
}

impl Making<'_> {
    /// Makes one forecaster.
    ///
    /// # Errors
    /// When it cannot be fitted, loaded or stored.
    pub fn one(&self, forecaster: &ForecasterPlan) -> Result<FittedForecaster> {
        if let Some(path) = &forecaster.model {
            return Ok(self.made(forecaster, load(path, &forecaster.kind, self.dim())?, None));
        }
        let entry = registry::find(FORECASTERS, "forecaster", &forecaster.kind)?;
        self.folder.map_or(Ok(()), ModelFolder::make)?;
        let kept = self.folder.filter(|_| entry.build.load.is_some()).map(|folder| folder.model(&forecaster.label));
        if let Some(path) = kept.as_ref().filter(|path| self.resume && path.exists()) {
            return Ok(self.made(forecaster, load(path, &forecaster.kind, self.dim())?, None));
        }
        let checkpoint = self.folder.filter(|_| entry.build.learned);
        let checkpoint = checkpoint.map(|folder| CheckpointFile(folder.checkpoint(&forecaster.label)));
        if let Some(old) = checkpoint.as_ref().filter(|_| !self.resume) {
            old.discard()?;
        }
        let named = Named { inner: self.progress, label: &forecaster.label };
        let context = self.context(checkpoint.as_ref(), &named)?;
        let begun = Instant::now();
        let fitted = (entry.build.fit)(&forecaster.settings, &context)?;
        let seconds = begun.elapsed().as_secs_f64();
        if let Some(path) = kept {
            store::model::write(&path, &fitted.model())?;
        }
        if let Some(finished) = checkpoint {
            finished.discard()?;
        }
        Ok(self.made(forecaster, fitted, Some(seconds)))
    }

    fn made(&self, plan: &ForecasterPlan, fitted: Fitted, seconds: Option<f64>) -> FittedForecaster {
        FittedForecaster { label: plan.label.clone(), kind: plan.kind.clone(), fitted, seconds }
    }

    /// The number of components, where it is known.
    fn dim(&self) -> Option<usize> {
        self.plan.system.as_ref().map(|system| system.system.dim()).or(self.data.map(SplitTrajectories::dim))
    }

    /// What a forecaster is fitted to.
    fn context<'a>(
        &'a self,
        checkpoint: Option<&'a CheckpointFile>,
        progress: &'a dyn Progress,
    ) -> Result<FitContext<'a>> {
        let Some(data) = self.data else {
            return Err(Failure::new(FailureKind::Usage, "a forecaster must be fitted, but there are no trajectories")
                .hint("add a [data] section, or give the forecaster a stored model"));
        };
        let stepping = &self.plan.data.stepping;
        Ok(FitContext {
            system: self.plan.system.as_ref().map(|system| (Arc::clone(&system.system), stepping.clone())),
            geometry: data.geometry,
            train: data.train.view(),
            valid: data.valid.view(),
            key: Key::new(self.plan.seed, Domain::Training),
            progress,
            checkpoints: checkpoint.map(|file| file as &dyn Checkpoints),
        })
    }
}

/// Progress that says which forecaster it is about.
struct Named<'a> {
    inner: &'a dyn Progress,
    label: &'a str,
}

impl Progress for Named<'_> {
    fn start(&self, what: &str, total: u64) {
        self.inner.start(&format!("{what} {}", self.label), total);
    }

    fn at(&self, done: u64, note: &str) {
        self.inner.at(done, note);
    }

    fn finish(&self) {
        self.inner.finish();
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}
