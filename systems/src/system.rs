//! What the catalogue holds: a system, of which the stochastic differential equation is one facet.

pub mod drawn;
mod partial;

use std::sync::Arc;

use ndarray::Array2;
pub use partial::{Partial, complete, visible};

use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::integrate::SdeForecaster;
use crate::key::Key;
use crate::law::Forecaster;
use crate::sde::Sde;
use crate::stepping::Stepping;

/// A dynamical system.
pub trait System: Send + Sync {
    /// The number of components.
    fn dim(&self) -> usize;

    /// How components are laid out in space.
    fn geometry(&self) -> Geometry;

    /// States spread over the region that a spin-up can start from, `[member, component]`: draws of the stationary law
    /// where it is known, otherwise a point of the basin with a small perturbation.
    fn initial(&self, members: usize, key: Key) -> Array2<f64>;

    /// Whether [`System::initial`] draws from the stationary law, so that no spin-up is needed.
    fn initial_is_stationary(&self) -> bool {
        false
    }

    /// Whether long trajectories have moments that settle: a climate. Not where a component grows or wanders for ever.
    fn has_climate(&self) -> bool {
        true
    }

    /// The least value that any component can have, where there is one: 0 for what cannot be negative.
    fn lower_bound(&self) -> Option<f64> {
        None
    }

    /// The stochastic differential equation, where the system is one.
    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        None
    }

    /// The system as a forecaster, the one called `perfect`: its transition, or its differential equation integrated.
    ///
    /// # Errors
    /// When the stepping does not fit the system (an unknown integrator, one of the wrong calculus).
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        let none = || Error::Unsupported("the system has neither a differential equation nor a transition".into());
        let sde = self.as_sde().ok_or_else(none)?;
        Ok(Box::new(SdeForecaster::new(sde, stepping)?))
    }

    /// What is visible of a state that is partly hidden; none where all of it is.
    fn partial(&self) -> Option<Partial<'_>> {
        None
    }

    /// The parameters that members draw, where they do: each member is then stepped by a system of its own.
    fn drawn_parameters(&self) -> Option<&dyn drawn::DrawnParameters> {
        None
    }
}
