//! How a forecaster is made: what it may be made from, and what its registry entry does.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayView3};

use super::stored::same_parts;
use super::{Fitted, Result};
use crate::model::{Checkpoints, Model};
use crate::nn::data::Prefetch;
use crate::nn::ops::Processor;
use crate::progress::Progress;
use crate::systems::{Geometry, Key, MemoryUse, Settings, Stepping, System};

/// Everything that a forecaster may be made from.
pub struct FitContext<'a> {
    /// The simulator, where there is one (`perfect` needs it).
    pub system: Option<(Arc<dyn System>, Stepping)>,
    /// How components are laid out.
    pub geometry: Geometry,
    /// Training trajectories, `[case, time, component]`, one lead step between times.
    pub train: ArrayView3<'a, f64>,
    /// Validation trajectories, `[case, time, component]`.
    pub valid: ArrayView3<'a, f64>,
    /// Who holds the trajectories, where they are not all in memory.
    pub held_by: Option<&'a dyn Prefetch>,
    /// The parameters of the system in each trajectory, where they are known.
    pub parameters: Option<KnownParameters<'a>>,
    /// The address of all training randomness.
    pub key: Key,
    /// Where to report.
    pub progress: &'a dyn Progress,
    /// Where the training loop keeps its state, if anywhere.
    pub checkpoints: Option<&'a dyn Checkpoints>,
    /// The stored model whose weights and scales a training starts from, where there is one.
    pub start: Option<&'a Model>,
    /// What computes the passes of networks in training.
    pub processor: &'a Processor,
}

impl FitContext<'_> {
    /// How the components are laid out, and how many there are.
    pub(super) fn layout(&self) -> (Geometry, usize) {
        (self.geometry, self.train.dim().2)
    }

    /// The sizes of all this.
    pub fn size(&self) -> FitSize {
        let states = |part: &ArrayView3<f64>| part.dim().0.saturating_mul(part.dim().1);
        FitSize {
            train: states(&self.train),
            valid: states(&self.valid),
            parameters: self.parameters.map_or(0, |known| known.names.len()),
            ..FitSize::of_states(self.geometry, self.train.dim().2)
        }
    }
}

/// The parameters of the system in each trajectory.
#[derive(Clone, Copy, Debug)]
pub struct KnownParameters<'a> {
    /// Their names, in the order of their columns.
    pub names: &'a [String],
    /// Of the training trajectories, `[case, parameter]`.
    pub train: ArrayView2<'a, f64>,
    /// Of the validation trajectories, `[case, parameter]`.
    pub valid: ArrayView2<'a, f64>,
}

/// The sizes of what a forecaster is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitSize {
    /// How components are laid out.
    pub geometry: Geometry,
    /// Components of a state.
    pub components: usize,
    /// Training states.
    pub train: usize,
    /// Validation states.
    pub valid: usize,
    /// Parameters of the system that are known of each trajectory.
    pub parameters: usize,
}

impl FitSize {
    /// Of states of so many components, no number of them and no parameters being known.
    pub fn of_states(geometry: Geometry, components: usize) -> Self {
        Self { geometry, components, train: 0, valid: 0, parameters: 0 }
    }
}

/// How a kind of forecaster is made.
#[derive(Clone, Copy)]
pub struct ForecasterBuild {
    /// Fits one.
    pub fit: fn(&Settings, &FitContext) -> Result<Fitted>,
    /// Rebuilds one from what [`Fitted::model`] gave; none for those that need the simulator and are not stored.
    pub load: Option<fn(&Model) -> Result<Fitted>>,
    /// What making one and using it holds in memory, beside the trajectories.
    pub memory: fn(&Settings, &FitSize) -> Vec<MemoryUse>,
    /// What it costs to learn from trajectories by gradient descent; none for those that do not.
    pub cost: Option<CostOf>,
}

/// The cost of a forecaster with these settings; an error where they contradict each other or the layout of a state, as the
/// fit would say.
pub type CostOf = fn(&Settings, &FitSize) -> Result<Cost>;

/// What a learned forecaster costs, in floating-point operations of its networks: two for each element of a matrix and
/// example. What losses, validations and optimizers take beside is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Parameters of all its networks.
    pub parameters: usize,
    /// Operations of its training, that of networks which others are learned from included.
    pub training: f64,
    /// Evaluations of networks in a lead step.
    pub evaluations: usize,
    /// Operations of a lead step of one member. The embedding of a noise level, one for all members, is not in it.
    pub inference: f64,
}

impl Cost {
    /// The cost of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            parameters: self.parameters.saturating_add(other.parameters),
            training: self.training + other.training,
            evaluations: self.evaluations + other.evaluations,
            inference: self.inference + other.inference,
        }
    }
}

impl ForecasterBuild {
    /// Whether it learns from trajectories by gradient descent.
    pub const fn is_learned(&self) -> bool {
        self.cost.is_some()
    }

    /// The forecaster of a stored model, of which every part must be one of its kind; none where none is ever stored.
    pub fn rebuild(&self, model: &Model) -> Option<Result<Fitted>> {
        let load = self.load?;
        Some(load(model).and_then(|fitted| same_parts(model, &fitted.model()).map(|()| fitted)))
    }
}

#[cfg(test)]
pub(super) mod tests;
