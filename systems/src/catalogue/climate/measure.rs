//! How a climate is measured: the usual stepping and spin-up, as many trajectories and exponents as a few seconds allow.

use std::borrow::Cow;
use std::sync::Arc;

use super::{MeasuredClimate, measured};
use crate::catalogue::{DefaultStepping, build};
use crate::diagnose::{self, Effort, Estimate};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::key::{Domain, Key};
use crate::registry::Entry;
use crate::simulate;

/// The most components without geometry of which each has its own mean and sd.
const COMPONENTS: usize = 8;

/// Measures one system at its default settings, whose random numbers come from `seed`.
///
/// # Errors
/// When the system cannot be built from defaults alone, or diverges.
pub fn measure(entry: &Entry<DefaultStepping>, seed: u64) -> Result<MeasuredClimate> {
    let (defaults, first) = (&entry.build, |mut mistakes: Vec<Error>| mistakes.swap_remove(0));
    let system = build(entry.name, &Default::default()).map_err(first)?;
    let (stepping, geometry, dim) = (defaults.stepping(), system.geometry(), system.dim());
    let (effort, key) = (Effort::affordable(dim, &stepping), Key::new(seed, Domain::Score));
    let Effort { trajectories, steps, .. } = effort;
    let made = simulate(Arc::clone(&system), &stepping, trajectories, steps, defaults.spin_up, key, |_, _| {})?;
    if let Some(first) = made.diverged.first() {
        return Err(Error::Unsupported(first.to_string()));
    }
    let climate = diagnose::trajectories(made.states.view(), stepping.dt, geometry)?.climate;
    let of_each = geometry == Geometry::Unstructured && dim <= COMPONENTS;
    let (mean, sd) = match (system.has_climate(), of_each) {
        (false, _) => Default::default(),
        (true, true) => (climate.component_means, climate.component_sds),
        (true, false) => (vec![climate.mean], vec![climate.sd]),
    };
    let found = diagnose::exponents(&system, &stepping, defaults.spin_up, made.states.view(), &effort, key, |_, _| {})?;
    let measured = |estimate: &Estimate| measured(estimate.value, estimate.se.unwrap_or(0.0));
    let all = |estimates: &[Estimate]| Cow::Owned(estimates.iter().map(measured).collect());
    let found = found.as_ref();
    Ok(MeasuredClimate {
        name: entry.name,
        exponent: found.and_then(|found| found.leading().as_ref().map(measured)),
        positive: found.and_then(|found| found.positive()),
        dimension: found.and_then(|found| found.kaplan_yorke().as_ref().map(measured)),
        mean: all(&mean),
        sd: all(&sd),
        trajectories,
        time: steps as f64 * stepping.dt,
    })
}
