//! The catalogue of systems: one file each, one line in [`SYSTEMS`].

mod double_well;
mod lorenz63;
mod lorenz96;
mod ou;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use double_well::DoubleWell;
pub use lorenz63::Lorenz63;
pub use lorenz96::Lorenz96;
pub use ou::Ou;

use crate::law::{Error, Result};
use crate::registry::{Default, Entry, Kind, Param, Settings, Value, find};
use crate::sde::{LANES, Noise};
use crate::system::{Stepping, System};
use crate::wide::wide;

/// How a system is built from its settings, and how it is stepped unless the user says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// From checked settings.
    pub make: fn(&Settings) -> Result<Arc<dyn System>>,
    /// The usual lead step, in model time.
    pub dt: f64,
    /// Integration steps in that lead step.
    pub substeps: usize,
    /// The usual integrator; systems with an exact transition ignore it.
    pub integrator: &'static str,
    /// Lead steps after which a trajectory has forgotten where it started.
    pub spin_up: usize,
}

impl Recipe {
    /// The usual stepping.
    pub fn stepping(&self) -> Stepping {
        Stepping { dt: self.dt, substeps: self.substeps, integrator: self.integrator.to_owned() }
    }
}

/// Every system, in the order in which they are listed.
pub const SYSTEMS: &[Entry<Recipe>] = &[ou::ENTRY, double_well::ENTRY, lorenz63::ENTRY, lorenz96::ENTRY];

/// The system of that name with those settings; defaults for the others.
///
/// # Errors
/// All mistakes at once: an unknown name, unknown settings, values of the wrong type or out of range.
pub fn build(name: &str, given: &BTreeMap<String, Value>) -> Result<Arc<dyn System>, Vec<Error>> {
    let entry = find(SYSTEMS, "system", name).map_err(|error| vec![error])?;
    let settings = Settings::check(&format!("system `{name}`"), entry.params, given)?;
    (entry.build.make)(&settings).map_err(|error| vec![error])
}

/// Additive noise of one size on every component, as most systems have it.
const fn noise_param(default: f64) -> Param {
    Param {
        key: "noise",
        kind: Kind::Float { min: 0.0, max: f64::INFINITY },
        default: Default::Float(default),
        about: "sd of the additive noise per sqrt(model time); sd per integration step = noise * sqrt(dt / substeps)",
    }
}

/// Any finite number.
const fn real_param(key: &'static str, default: f64, about: &'static str) -> Param {
    Param {
        key,
        kind: Kind::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
        default: Default::Float(default),
        about,
    }
}

/// A number above 0.
const fn positive_param(key: &'static str, default: f64, about: &'static str) -> Param {
    Param {
        key,
        kind: Kind::Float { min: f64::MIN_POSITIVE, max: f64::INFINITY },
        default: Default::Float(default),
        about,
    }
}

/// A number of components.
const fn dim_param(min: i64, default: i64, about: &'static str) -> Param {
    Param { key: "dim", kind: Kind::Int { min, max: 10_000_000 }, default: Default::Int(default), about }
}

/// Additive where there is noise.
fn additive(noise: f64) -> Noise {
    if noise > 0.0 { Noise::Additive } else { Noise::None }
}

wide! {
    /// out = noise * dw for noise of one size.
    fn diffuse(noise: f64, dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (out, dw) in out.as_flattened_mut().iter_mut().zip(dw.as_flattened()) {
            *out = noise * dw;
        }
    }
}
