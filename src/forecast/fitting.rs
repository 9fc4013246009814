//! How a forecaster is made: what it may be made from, and what its registry entry does.

use std::sync::Arc;

use ndarray::ArrayView3;

use super::stored::same_parts;
use super::{Fitted, Result};
use crate::model::{Checkpoints, Model};
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
    /// The address of all training randomness.
    pub key: Key,
    /// Where to report.
    pub progress: &'a dyn Progress,
    /// Where the training loop keeps its state, if anywhere.
    pub checkpoints: Option<&'a dyn Checkpoints>,
}

impl FitContext<'_> {
    /// How the components are laid out, and how many there are.
    pub(super) fn layout(&self) -> (Geometry, usize) {
        (self.geometry, self.train.dim().2)
    }
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
    /// Whether it learns from trajectories by gradient descent.
    pub learned: bool,
}

impl ForecasterBuild {
    /// The forecaster of a stored model, of which every part must be one of its kind; none where none is ever stored.
    pub fn rebuild(&self, model: &Model) -> Option<Result<Fitted>> {
        let load = self.load?;
        Some(load(model).and_then(|fitted| same_parts(model, &fitted.model()).map(|()| fitted)))
    }
}
