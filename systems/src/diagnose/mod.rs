//! What is known of a system by looking: Lyapunov exponents and the dimension of the attractor from the tangent-linear
//! model; climate, autocorrelation, power spectra and the invariant histogram from trajectories. Every number comes with
//! its standard error and the number of independent samples behind it.
//!
//! Trajectories are `[case, time, component]`, at equal steps of model time; they may be anyone's. Exponents need a
//! [`Forecaster`](crate::Forecaster) with [`differentiable`](crate::Forecaster::differentiable).

mod autocorrelation;
mod climate;
mod effort;
mod estimate;
mod histogram;
mod kaplan_yorke;
mod lyapunov;
mod orthonormal;
mod power;
mod samples;
mod spatial;

use std::sync::Arc;

use ndarray::{ArrayView3, Axis, s};

pub use autocorrelation::Autocorrelation;
pub use climate::ClimateEstimate;
pub use effort::Effort;
pub use estimate::Estimate;
pub use histogram::Histogram;
pub use kaplan_yorke::kaplan_yorke;
pub use lyapunov::{Lyapunov, TangentRun, lyapunov};
pub use power::PowerSpectrum;
pub use spatial::SpatialSpectrum;

use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::stepping::Stepping;
use crate::system::System;

/// What trajectories say of the system that they come from.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Independent samples: trajectories, or blocks where there are few.
    pub samples: usize,
    /// The length of a sample, in lead steps.
    pub sample_steps: usize,
    /// Means and standard deviations.
    pub climate: ClimateEstimate,
    /// The autocorrelation and its time.
    pub autocorrelation: Autocorrelation,
    /// The power spectrum in time; none of trajectories shorter than 32 steps.
    pub power: Option<PowerSpectrum>,
    /// The spectrum in space, of fields on a periodic grid.
    pub spatial: Option<SpatialSpectrum>,
    /// The invariant histogram, or those of the first components.
    pub histograms: Vec<Histogram>,
}

/// Diagnoses trajectories `[case, time, component]` at steps of `dt` in model time.
///
/// # Errors
/// When there are fewer than two states in time, or one is not finite.
pub fn trajectories(states: ArrayView3<f64>, dt: f64, geometry: Geometry) -> Result<Diagnosis> {
    let (cases, times, dim) = states.dim();
    if cases == 0 || times < 2 || dim == 0 {
        return Err(Error::Unsupported(format!(
            "there are {cases} trajectories of {times} states of {dim} components, but at least 1 of 2 of 1 are needed"
        )));
    }
    if states.iter().any(|x| !x.is_finite()) {
        return Err(Error::Unsupported("a state is not finite; leave out the trajectories that diverged".into()));
    }
    let samples = samples::samples(&states);
    Ok(Diagnosis {
        samples: samples.len(),
        sample_steps: samples[0].nrows(),
        climate: climate::climate(&samples),
        autocorrelation: autocorrelation::autocorrelation(&samples, dt),
        power: power::power_spectrum(&samples, dt),
        spatial: spatial::spatial_spectrum(&samples, geometry),
        histograms: histogram::histograms(&samples, geometry),
    })
}

/// The Lyapunov exponents of a system, along the trajectories that [`simulate`](crate::simulate()) made from `key` after
/// `spin_up` lead steps: `states` `[case, time, component]`, of which at most 16 go on from their last state.
///
/// None where the system's derivative is not known or a part of its state is hidden, and where `effort` asks for no exponent.
///
/// # Errors
/// When the stepping does not fit the system, or its forecaster cannot run.
pub fn exponents(
    system: &Arc<dyn System>,
    stepping: &Stepping,
    spin_up: usize,
    states: ArrayView3<f64>,
    effort: &Effort,
    key: Key,
    progress: impl FnMut(usize, usize),
) -> Result<Option<Lyapunov>> {
    if effort.exponents == 0 || system.partial().is_some() {
        return Ok(None);
    }
    let forecaster = Arc::clone(system).forecaster(stepping)?;
    if forecaster.differentiable().is_none() {
        return Ok(None);
    }
    let (cases, times, dim) = states.dim();
    let last = states.index_axis_move(Axis(1), times - 1);
    let start = last.slice(s![..cases.min(LANES), ..]).to_owned();
    let first = times - 1 + crate::simulate::spin_up(system, spin_up);
    let key = key.purpose(Purpose::ProcessNoise);
    lyapunov(&*forecaster, stepping.dt, start, first, &effort.tangents(dim), key, progress).map(Some)
}
