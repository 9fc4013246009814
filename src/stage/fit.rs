//! Making the forecasters of an experiment: fitted, or loaded from models that were trained before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::{Checkpoints, FORECASTERS, FitContext, Fitted};
use crate::model::Model;
use crate::progress::Progress;
use crate::results::{CostRow, Curve, TrainingRow};
use crate::spec::{ForecasterPlan, Plan};
use crate::stage::data::Trajectories;
use crate::stage::files;
use crate::store;
use crate::systems::{Domain, Key, registry};

/// The largest model or checkpoint that is read.
const MODEL_BYTES: u64 = 8 << 30;

/// A forecaster of an experiment, ready to run.
pub struct Ready {
    /// The user's label.
    pub label: String,
    /// The name in the registry.
    pub kind: String,
    /// The forecaster.
    pub fitted: Fitted,
    /// Wall-clock seconds that fitting took; none where it was loaded.
    pub seconds: Option<f64>,
}

impl Ready {
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

/// Where the models of a run are kept.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// The folder of finished models.
    pub models: PathBuf,
    /// The folder of checkpoints.
    pub checkpoints: PathBuf,
}

impl Shelf {
    /// The file of a finished model.
    pub fn model(&self, label: &str) -> PathBuf {
        self.models.join(format!("{}.safetensors", file_stem(label)))
    }

    fn checkpoint(&self, label: &str) -> PathBuf {
        self.checkpoints.join(format!("{}.checkpoint", file_stem(label)))
    }
}

/// A label as the stem of a file: letters, digits, `-`, `_` and `.` stay.
pub fn file_stem(label: &str) -> String {
    label.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// Makes every forecaster of the plan, in its order. With a shelf, finished models are kept there and, with `resume`,
/// taken from there.
///
/// # Errors
/// When a model cannot be fitted, loaded or stored.
pub fn all(
    plan: &Plan,
    data: Option<&Trajectories>,
    shelf: Option<&Shelf>,
    resume: bool,
    progress: &dyn Progress,
) -> Result<Vec<Ready>> {
    plan.forecasters.iter().map(|forecaster| one(plan, forecaster, data, shelf, resume, progress)).collect()
}

/// Makes one forecaster.
///
/// # Errors
/// When it cannot be fitted, loaded or stored.
pub fn one(
    plan: &Plan,
    forecaster: &ForecasterPlan,
    data: Option<&Trajectories>,
    shelf: Option<&Shelf>,
    resume: bool,
    progress: &dyn Progress,
) -> Result<Ready> {
    let ready =
        |fitted, seconds| Ready { label: forecaster.label.clone(), kind: forecaster.kind.clone(), fitted, seconds };
    if let Some(path) = &forecaster.model {
        return Ok(ready(load(path, Some(&forecaster.kind), dim(plan, data))?, None));
    }
    let entry = registry::find(FORECASTERS, "forecaster", &forecaster.kind)?;
    if let Some(shelf) = shelf {
        files::make_folder(&shelf.models)?;
        files::make_folder(&shelf.checkpoints)?;
    }
    let kept = shelf.filter(|_| entry.build.load.is_some()).map(|shelf| shelf.model(&forecaster.label));
    if let Some(path) = kept.as_ref().filter(|path| resume && path.exists()) {
        return Ok(ready(load(path, Some(&forecaster.kind), dim(plan, data))?, None));
    }
    let keeper = shelf.filter(|_| entry.build.learned).map(|shelf| Keeper(shelf.checkpoint(&forecaster.label)));
    if let Some(keeper) = keeper.as_ref().filter(|_| !resume) {
        keeper.discard()?;
    }
    let named = Named { inner: progress, label: &forecaster.label };
    let context = context(plan, data, keeper.as_ref(), &named)?;
    let begun = Instant::now();
    let fitted = (entry.build.fit)(&forecaster.settings, &context)?;
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(path) = kept {
        store::model::write(&path, &fitted.model())?;
    }
    if let Some(keeper) = keeper {
        keeper.discard()?;
    }
    Ok(ready(fitted, Some(seconds)))
}

fn dim(plan: &Plan, data: Option<&Trajectories>) -> Option<usize> {
    plan.system.as_ref().map(|system| system.system.dim()).or(data.map(|data| data.train.dim().2))
}

/// Loads a stored model.
///
/// # Errors
/// When the file is not a model, of another kind than `kind`, or for another number of components than `dim`.
pub fn load(path: &Path, kind: Option<&str>, dim: Option<usize>) -> Result<Fitted> {
    let at = |failure: Failure| failure.at(path.display().to_string());
    let model = store::model::read(path, &store::Limits::bytes(MODEL_BYTES))?;
    if let Some(kind) = kind.filter(|kind| *kind != model.kind) {
        let message = format!("the model is a `{}` forecaster, but the experiment asks for kind `{kind}`", model.kind);
        return Err(at(Failure::new(FailureKind::Data, message).hint(format!("set kind = \"{}\"", model.kind))));
    }
    let entry = registry::find(FORECASTERS, "forecaster", &model.kind).map_err(|error| at(error.into()))?;
    let Some(load) = entry.build.load else {
        return Err(at(Failure::new(FailureKind::Data, format!("a `{}` forecaster is never stored", model.kind))));
    };
    let fitted = load(&model).map_err(|error| at(Failure::new(FailureKind::Data, error.to_string())))?;
    if let Some(dim) = dim.filter(|dim| *dim != fitted.dim()) {
        let message = format!("the model forecasts {} components but the experiment's state has {dim}", fitted.dim());
        return Err(at(Failure::new(FailureKind::Data, message).hint("train a model on this system's data")));
    }
    Ok(fitted)
}

fn context<'a>(
    plan: &Plan,
    data: Option<&'a Trajectories>,
    keeper: Option<&'a Keeper>,
    progress: &'a dyn Progress,
) -> Result<FitContext<'a>> {
    let Some(data) = data else {
        return Err(Failure::new(FailureKind::Usage, "a forecaster must be fitted, but there are no trajectories")
            .hint("add a [data] section, or give the forecaster a stored model"));
    };
    Ok(FitContext {
        system: plan.system.as_ref().map(|system| (Arc::clone(&system.system), plan.data.stepping.clone())),
        geometry: data.geometry,
        train: data.train.view(),
        valid: data.valid.view(),
        key: Key::new(plan.seed, Domain::Training),
        progress,
        checkpoints: keeper.map(|keeper| keeper as &dyn Checkpoints),
    })
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

/// The checkpoint of one training, in a file.
struct Keeper(PathBuf);

impl Keeper {
    fn discard(&self) -> Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::new(FailureKind::Io, format!("cannot remove the old checkpoint: {error}"))
                    .at(self.0.display().to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl Checkpoints for Keeper {
    fn load(&self) -> Result<Option<Model>, String> {
        if !self.0.exists() {
            return Ok(None);
        }
        store::model::read(&self.0, &store::Limits::bytes(MODEL_BYTES)).map(Some).map_err(|error| error.to_string())
    }

    fn save(&self, state: &Model) -> Result<(), String> {
        store::model::write(&self.0, state).map_err(|error| error.to_string())
    }
}
