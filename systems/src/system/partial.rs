//! Systems that show a part of their state: what is advanced, and what is visible of it.

use std::sync::Arc;

use ndarray::{ArrayView2, Axis, CowArray, Ix2};

use super::System;

/// A system of which some components are visible.
///
/// What is visible is no Markov process: there is no [`System::forecaster`], and whoever makes trajectories advances the
/// complete states and keeps what is visible of them, as [`crate::simulate()`] does.
#[derive(Clone, Copy)]
pub struct Partial<'a> {
    /// The system with its complete state.
    pub complete: &'a Arc<dyn System>,
    /// The components of it that are visible, in their order.
    pub visible: &'a [usize],
}

/// The system whose states are advanced: that with the complete state.
pub fn complete(system: &Arc<dyn System>) -> &Arc<dyn System> {
    system.partial().map_or(system, |partial| partial.complete)
}

/// What is visible, `[member, component]`, of complete states.
pub fn visible<'a>(system: &dyn System, states: ArrayView2<'a, f64>) -> CowArray<'a, f64, Ix2> {
    match system.partial() {
        Some(partial) => states.select(Axis(1), partial.visible).into(),
        None => states.into(),
    }
}
