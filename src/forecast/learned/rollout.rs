//! Trainings that end with errors over several lead steps, each step taken from where the network itself came to: the last
//! steps of a training go on from the weights of the first ones (Nathaniel and Gentine 2026 begin with the squared error and
//! end with a score in that way).

use super::super::{FitContext, Result, Training};
use super::in_turn::{First, after};
use super::settings::{STEPS, steps};
use super::{Learned, Task, Work, named};
use crate::model::Checkpoints;
use crate::nn::data::Data;
use crate::nn::objective::{ObjectiveBuild, Rollout, Rule};
use crate::systems::{Entry, Param, ParamKind, Settings};

/// The setting of the lead steps.
pub const ROLLOUT: Param =
    Param::int("rollout", 1, 1, "lead steps over which errors are trained at the end of the training").up_to(64);
/// The setting of the training steps over them.
pub const ROLLOUT_STEPS: Param = Param::unset(
    "rollout_steps",
    ParamKind::COUNT,
    "of `steps`, the last ones, which train over `rollout` lead steps; unset: a quarter",
);

/// The settings of the end of a training.
pub const SETTINGS: [Param; 2] = [ROLLOUT, ROLLOUT_STEPS];

/// Lead steps, and the training steps before their training and of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rolled {
    /// Lead steps.
    pub lead_steps: usize,
    /// Training steps of one lead step.
    pub before: u64,
    /// Training steps of all of them.
    pub steps: u64,
}

impl Rolled {
    /// What the settings ask for; none where one lead step is trained.
    ///
    /// # Errors
    /// When nothing is left for the first steps.
    pub fn new(settings: &Settings) -> Result<Option<Self>> {
        let lead_steps = settings.count(ROLLOUT.key);
        if lead_steps <= 1 {
            return Ok(None);
        }
        let all = steps(settings);
        let own = if settings.has(ROLLOUT_STEPS.key) { settings.count(ROLLOUT_STEPS.key) as u64 } else { all / 4 };
        if own == 0 || own >= all {
            let problem = format!("is {own} of the {all} of `{}`, but both trainings need one at least", STEPS.key);
            return Err(settings.mistake(ROLLOUT_STEPS.key, problem).into());
        }
        Ok(Some(Self { lead_steps, before: all - own, steps: own }))
    }

    /// The work of both trainings, where one lead step of one pair is that of `work`: that of the first, and of the second.
    pub fn work(self, work: Work) -> [Work; 2] {
        let members = work.members * self.lead_steps;
        [Work { steps: self.before, ..work }, Work { steps: self.steps, members, ..work }]
    }
}

/// Trains a network for an objective, and at the end over several lead steps where the settings say so, scored by the `rule` of
/// that objective.
///
/// # Errors
/// Those of the trainings.
pub fn rolled(
    settings: &Settings,
    context: &FitContext,
    data: &Data,
    objective: &Entry<ObjectiveBuild>,
    rule: &dyn Rule,
) -> Result<(Learned, Training)> {
    let Some(Rolled { lead_steps, before, steps }) = Rolled::new(settings)? else {
        return Learned::fit(settings, context, data, objective, 1);
    };
    let ahead = data.ahead(lead_steps)?;
    let (made, fields) = ((objective.build.make)(settings), (objective.build.fields)(settings, context.layout().1));
    let named = named(objective, settings);
    let task = Task {
        objective: made.as_ref(),
        named: named.clone(),
        fields,
        steps: before,
        before: 0,
        start: super::started(context, fields)?,
        key: context.key,
        checkpoints: None,
    };
    let first = First::fit(settings, context, data, task)?;
    let carried = first.carried(context);
    let task = Task {
        objective: &Rollout::new(rule, data.scales()),
        named: format!("{named} over {lead_steps} lead steps"),
        fields,
        steps,
        before,
        start: Some(first.learned.weights.clone()),
        key: context.key,
        checkpoints: carried.as_ref().map(|kept| kept as &dyn Checkpoints),
    };
    let (learned, second) = Learned::train(settings, context, &ahead, &task, 1)?;
    Ok((learned, after(&first.training, "lead step", second)))
}
