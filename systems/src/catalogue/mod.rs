//! The catalogue of systems: one module each, whose page states its equation, and one line in [`SYSTEMS`].
//!
#![doc = include_str!("manual.md")]

pub mod burgers;
pub mod cir;
pub mod climate;
pub mod double_pendulum;
pub mod double_well;
pub mod embed;
pub mod fitzhugh_nagumo;
pub mod geometric_brownian;
pub mod ikeda;
mod inside;
pub mod jump_ring;
pub mod kuramoto_sivashinsky;
pub mod langevin_overdamped;
pub mod langevin_underdamped;
pub mod linear_advection;
pub mod linear_low_rank;
pub mod lorenz2005;
pub mod lorenz63;
pub mod lorenz84;
pub mod lorenz96;
pub mod lorenz96_truncated;
pub mod lorenz96_two_scale;
pub mod lotka_volterra;
pub mod molrg;
pub mod navier_stokes;
mod noise;
pub mod observe_partially;
pub mod ou;
pub mod perturb_parameters;
mod potential;
pub mod quasi_geostrophic;
mod shared;
mod square_root;
pub mod stochastic_volatility;
pub mod vissio_lucarini;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use burgers::Burgers;
pub use cir::Cir;
pub use double_pendulum::DoublePendulum;
pub use double_well::DoubleWell;
pub use embed::{Embed, Embedding};
pub use fitzhugh_nagumo::FitzHughNagumo;
pub use geometric_brownian::GeometricBrownian;
pub use ikeda::Ikeda;
pub use jump_ring::JumpRing;
pub use kuramoto_sivashinsky::KuramotoSivashinsky;
pub use langevin_overdamped::LangevinOverdamped;
pub use langevin_underdamped::LangevinUnderdamped;
pub use linear_advection::LinearAdvection;
pub use linear_low_rank::LinearLowRank;
pub use lorenz63::Lorenz63;
pub use lorenz84::Lorenz84;
pub use lorenz96::Lorenz96;
pub use lorenz96_truncated::Lorenz96Truncated;
pub use lorenz96_two_scale::Lorenz96TwoScale;
pub use lorenz2005::Lorenz2005;
pub use lotka_volterra::LotkaVolterra;
pub use molrg::Molrg;
pub use navier_stokes::NavierStokes;
pub use observe_partially::ObservePartially;
pub use ou::Ou;
pub use perturb_parameters::PerturbParameters;
pub use potential::Potential;
pub use quasi_geostrophic::QuasiGeostrophic;
pub use stochastic_volatility::StochasticVolatility;
pub use vissio_lucarini::VissioLucarini;

pub use shared::DefaultStepping;
pub(crate) use shared::{additive, count_param, diffuse, dim_param, noise_param};

use crate::error::{Error, Result};
use crate::registry::{Entry, Settings, Value, find};
use crate::system::System;

/// Every system, in the order in which they are listed.
pub const SYSTEMS: &[Entry<DefaultStepping>] = &[
    ou::ENTRY,
    linear_low_rank::ENTRY,
    geometric_brownian::ENTRY,
    cir::ENTRY,
    stochastic_volatility::ENTRY,
    double_well::ENTRY,
    langevin_overdamped::ENTRY,
    langevin_underdamped::ENTRY,
    fitzhugh_nagumo::ENTRY,
    jump_ring::ENTRY,
    molrg::ENTRY,
    lorenz63::ENTRY,
    lorenz84::ENTRY,
    lorenz96::ENTRY,
    lorenz96_two_scale::ENTRY,
    lorenz96_truncated::ENTRY,
    lorenz2005::MODEL_II,
    lorenz2005::MODEL_III,
    vissio_lucarini::ENTRY,
    double_pendulum::ENTRY,
    lotka_volterra::ENTRY,
    ikeda::ENTRY,
    linear_advection::ENTRY,
    kuramoto_sivashinsky::ENTRY,
    burgers::ENTRY,
    navier_stokes::ENTRY,
    quasi_geostrophic::ENTRY,
    embed::ENTRY,
    observe_partially::ENTRY,
    perturb_parameters::ENTRY,
];

/// The system of that name with those settings; defaults for the others.
///
/// # Errors
/// All mistakes at once: an unknown name, unknown settings, values of the wrong type or out of range.
pub fn build(name: &str, given: &BTreeMap<String, Value>) -> Result<Arc<dyn System>, Vec<Error>> {
    let entry = find(SYSTEMS, "system", name).map_err(|error| vec![error])?;
    (entry.build.make)(&check(name, given)?).map_err(|error| vec![error])
}

/// The checked settings of the system of that name; defaults for those that are not given.
///
/// # Errors
/// All mistakes at once: an unknown name, unknown settings, values of the wrong type or out of range.
pub fn check(name: &str, given: &BTreeMap<String, Value>) -> Result<Settings, Vec<Error>> {
    let entry = find(SYSTEMS, "system", name).map_err(|error| vec![error])?;
    Settings::check_among(&format!("system `{name}`"), entry.params, given, check)
}

/// The default stepping of the system of that name with those settings; a system around another is stepped as that one is.
///
/// # Errors
/// When no system has that name.
pub fn default_stepping(name: &str, settings: &BTreeMap<String, Value>) -> Result<DefaultStepping> {
    let own = find(SYSTEMS, "system", name)?.build;
    let inside = settings.values().find_map(|value| match value {
        Value::System { name, settings } => Some(default_stepping(name, settings)),
        _ => None,
    });
    inside.map_or(Ok(own), |inside| Ok(DefaultStepping { make: own.make, ..inside? }))
}
