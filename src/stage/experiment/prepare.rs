//! An experiment with everything that its stages share.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::fitted::{FittedForecaster, Making};
use super::model_folder::ModelFolder;
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::FORECASTERS;
use crate::progress::Progress;
use crate::spec::{ForecasterPlan, Plan};
use crate::stage::data::{self, SplitTrajectories, TrainingClimate};
use crate::stage::options::Options;
use crate::stage::untrained::Untrained;

/// An experiment with its trajectories and its fitted forecasters.
pub struct Experiment<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What its stages are told.
    pub options: &'a Options,
    /// Its trajectories; none where nothing needs any.
    pub data: Option<SplitTrajectories>,
    /// The forecasters that were fitted or loaded, in the order of the plan.
    pub forecasters: Vec<FittedForecaster>,
    climate: OnceLock<TrainingClimate>,
    digest: OnceLock<String>,
}

impl<'a> Experiment<'a> {
    /// Trajectories and all forecasters.
    ///
    /// # Errors
    /// When trajectories cannot be read or simulated, or a forecaster cannot be made.
    pub fn prepare(plan: &'a Plan, options: &'a Options, progress: &dyn Progress) -> Result<Self> {
        let mut prepared = Self::load(plan, None, options, progress)?;
        prepared.fit_named(|_| true, progress)?;
        Ok(prepared)
    }

    /// Trajectories alone: from `file` if one is given, else from the plan's own source.
    ///
    /// # Errors
    /// When they cannot be read or simulated, are larger than the limit, or diverge.
    pub fn load(plan: &'a Plan, file: Option<&Path>, options: &'a Options, progress: &dyn Progress) -> Result<Self> {
        let data = data::trajectories(plan, file, options, progress)?;
        Ok(Self { data: Some(data), ..Self::without_data(plan, options) })
    }

    /// Of a plan for which no trajectories are needed.
    pub fn without_data(plan: &'a Plan, options: &'a Options) -> Self {
        Self { plan, options, data: None, forecasters: Vec::new(), climate: OnceLock::new(), digest: OnceLock::new() }
    }

    /// Makes the forecasters of the plan with these labels, and of a pool the seeds that it is made of.
    ///
    /// # Errors
    /// When one cannot be fitted or loaded.
    pub fn fit_named(&mut self, is_named: impl Fn(&str) -> bool, progress: &dyn Progress) -> Result<()> {
        let pooled = |one: &ForecasterPlan| one.seed_of.as_ref().is_some_and(|(label, _)| is_named(label));
        let all = self.plan.forecasters.iter();
        let wanted: Vec<&ForecasterPlan> = all.filter(|one| is_named(&one.label) || pooled(one)).collect();
        self.fit(&wanted, None, false, progress)
    }

    /// Makes every forecaster of the plan whose training does not diverge, and says which did, of several seeds all where
    /// one did.
    ///
    /// # Errors
    /// When one cannot be fitted for another reason, or not be loaded or stored.
    pub fn fit_surviving(
        &mut self,
        models: Option<&ModelFolder>,
        resume: bool,
        progress: &dyn Progress,
    ) -> Result<Vec<Untrained>> {
        let mut untrained = Vec::new();
        let all = &self.plan.forecasters;
        for (index, label) in all.iter().map(ForecasterPlan::reported).enumerate() {
            if all[..index].iter().any(|before| before.reported() == label) {
                continue;
            }
            let of_label: Vec<&ForecasterPlan> = all.iter().filter(|one| one.reported() == label).collect();
            match self.fit(&of_label, models, resume, progress) {
                Err(failure) if failure.kind == FailureKind::Numerical => {
                    untrained.push(Untrained { label: label.to_owned(), message: failure.message });
                }
                other => other?,
            }
        }
        Ok(untrained)
    }

    /// Makes these forecasters of the plan. With `models`, finished models are kept there and, with `resume`, taken from there.
    ///
    /// # Errors
    /// When one cannot be fitted, loaded or stored.
    pub fn fit(
        &mut self,
        wanted: &[&ForecasterPlan],
        models: Option<&ModelFolder>,
        resume: bool,
        progress: &dyn Progress,
    ) -> Result<()> {
        let loadable = |kind: &str| FORECASTERS.iter().any(|entry| entry.name == kind && entry.build.load.is_some());
        let tied = |one: &&ForecasterPlan| one.model.is_some() || models.is_some() && loadable(&one.kind);
        let digest = if wanted.iter().any(tied) { self.digest() } else { None };
        let (plan, data) = (self.plan, self.data.as_ref());
        let Options { max_memory, ref processor, .. } = *self.options;
        let making = Making { plan, data, digest, folder: models, resume, progress, max_memory, processor };
        let mut all: Vec<FittedForecaster> = Vec::new();
        for forecaster in wanted {
            let made = match forecaster.pool && forecaster.model.is_none() {
                true => making.pool(forecaster, &all)?,
                false => making.one(forecaster)?,
            };
            all.push(made);
        }
        self.forecasters.extend(all);
        Ok(())
    }

    /// The trajectories.
    ///
    /// # Errors
    /// A bug: who asks has loaded them.
    pub fn trajectories(&self) -> Result<&SplitTrajectories> {
        self.data.as_ref().ok_or_else(|| Failure::new(FailureKind::Bug, "the trajectories were not loaded"))
    }

    /// The climate of the training trajectories.
    ///
    /// # Errors
    /// A bug: who asks has loaded them.
    pub fn known_climate(&self) -> Result<&TrainingClimate> {
        let data = self.trajectories()?;
        Ok(self.climate.get_or_init(|| TrainingClimate::new(&data.train)))
    }

    /// The climate of the training trajectories, where there are any.
    pub fn climate(&self) -> Option<&TrainingClimate> {
        self.known_climate().ok()
    }

    /// The SHA-256 of the trajectories that are trained on, where there are any.
    pub fn digest(&self) -> Option<&str> {
        self.data.as_ref().map(|data| self.digest.get_or_init(|| data.training_digest()).as_str())
    }

    /// What loaded models were made from that this experiment is not: sentences.
    pub fn notes(&self) -> Vec<String> {
        self.forecasters.iter().flat_map(|made| made.notes.iter().cloned()).collect()
    }

    /// The forecaster of a label.
    ///
    /// # Errors
    /// A bug: checking the experiment has seen to it.
    pub fn forecaster(&self, label: &str) -> Result<&FittedForecaster> {
        self.forecasters
            .iter()
            .find(|made| made.label == label)
            .ok_or_else(|| Failure::new(FailureKind::Bug, format!("forecaster `{label}` was not made")))
    }
}

/// The plan with the models of some labels taken from files.
pub fn with_models(plan: &Plan, models: &[(String, PathBuf)]) -> Plan {
    let mut plan = plan.clone();
    for (label, path) in models {
        if let Some(forecaster) = plan.forecasters.iter_mut().find(|forecaster| &forecaster.label == label) {
            forecaster.model = Some(path.clone());
        }
    }
    plan
}
