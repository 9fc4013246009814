//! What the training and a lead step of a network cost, before either is done.

use super::super::Result;
use super::super::fitting::{Cost, FitSize};
use super::rollout::Rolled;
use super::settings::{self, BATCH, steps};
use crate::nn::objective::Fields;
use crate::systems::Settings;

/// How often a network is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Training steps.
    pub steps: u64,
    /// Members that are made of each pair in training, forward and backward.
    pub members: usize,
    /// Evaluations for each pair in training beside these, forward alone.
    pub beside: usize,
    /// Evaluations in a lead step.
    pub evaluations: usize,
}

impl Work {
    /// One pass a pair, with all steps that the settings say, and so many evaluations in a lead step.
    pub fn of(settings: &Settings, evaluations: usize) -> Self {
        Self { steps: steps(settings), members: 1, beside: 0, evaluations }
    }
}

/// The cost of one that is trained over several lead steps at the end.
///
/// # Errors
/// As [`cost`], and when nothing is left for one of the trainings.
pub fn rolled_cost(settings: &Settings, size: &FitSize, fields: Fields, work: Work) -> Result<Cost> {
    let Some(rolled) = Rolled::new(settings)? else { return cost(settings, size, fields, work) };
    let [first, second] = rolled.work(work);
    let second = cost(settings, size, fields, second)?;
    let first = cost(settings, size, fields, Work { evaluations: 0, ..first })?;
    Ok(Cost { parameters: second.parameters, ..second.and(first) })
}

/// The cost of a network of these fields.
///
/// # Errors
/// When the settings contradict each other or the layout of a state.
pub fn cost(settings: &Settings, size: &FitSize, fields: Fields, work: Work) -> Result<Cost> {
    let network = settings::network(settings, size, fields)?;
    let operations = network.operations()?;
    let forward = work.beside as f64 * (operations.evaluation + operations.level);
    let pair = work.members as f64 * operations.training + forward;
    Ok(Cost {
        parameters: network.parameters()?,
        training: work.steps as f64 * settings.count(BATCH.key) as f64 * pair,
        evaluations: work.evaluations,
        inference: work.evaluations as f64 * operations.evaluation,
    })
}
