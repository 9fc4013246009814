//! How a climate is measured: the usual stepping and spin-up, as many trajectories and exponents as a few seconds allow.

use std::sync::Arc;

use crate::catalogue::{Recipe, build};
use crate::diagnose::{self, Effort, Estimate};
use crate::key::{Domain, Key};
use crate::law::{Error, Geometry, Result};
use crate::registry::Entry;
use crate::simulate;

/// The most components without geometry of which each has its own mean and sd.
const COMPONENTS: usize = 8;
/// Digits that are printed of a standard error.
const DIGITS: usize = 3;

/// Measures one system at its default settings and prints it as one element of [`CLIMATES`](super::CLIMATES).
///
/// # Errors
/// When the system cannot be built from defaults alone, or diverges.
pub fn measure(entry: &Entry<Recipe>, seed: u64) -> Result<String> {
    let (recipe, first) = (&entry.build, |mut mistakes: Vec<Error>| mistakes.swap_remove(0));
    let system = build(entry.name, &Default::default()).map_err(first)?;
    let (stepping, geometry, dim) = (recipe.stepping(), system.geometry(), system.dim());
    let (effort, key) = (Effort::affordable(dim, &stepping), Key::new(seed, Domain::Score));
    let Effort { trajectories, steps, .. } = effort;
    let made = simulate(Arc::clone(&system), &stepping, trajectories, steps, recipe.spin_up, key, |_, _| {})?;
    if let Some(first) = made.diverged.first() {
        return Err(Error::Unsupported(first.to_string()));
    }
    let climate = diagnose::trajectories(made.states.view(), stepping.dt, geometry)?.climate;
    let of_each = geometry == Geometry::Unstructured && dim <= COMPONENTS;
    let (mean, sd) = match of_each {
        true => (climate.component_means, climate.component_sds),
        false => (vec![climate.mean], vec![climate.sd]),
    };
    let found = diagnose::exponents(&system, &stepping, recipe.spin_up, made.states.view(), &effort, key, |_, _| {})?;
    let option = |estimate: Option<Estimate>| match estimate {
        Some(estimate) => format!("Some({})", print(&estimate)),
        None => "None".to_owned(),
    };
    let list = |estimates: &[Estimate]| estimates.iter().map(print).collect::<Vec<_>>().join(", ");
    Ok(format!(
        "Climate {{ name: {:?}, exponent: {}, positive: {:?}, dimension: {}, mean: &[{}], sd: &[{}], trajectories: {}, time: {:?} }},",
        entry.name,
        option(found.as_ref().and_then(|found| found.leading())),
        found.as_ref().and_then(|found| found.positive()),
        option(found.as_ref().and_then(|found| found.kaplan_yorke())),
        list(&mean),
        list(&sd),
        trajectories,
        ((steps as f64 * stepping.dt) * 1e6).round() / 1e6,
    ))
}

/// `measured(value, se)`, with as many decimals as the standard error has meaning.
fn print(estimate: &Estimate) -> String {
    let se = estimate.se.unwrap_or(0.0);
    let places = if se > 0.0 { (DIGITS as f64 - 1.0 - se.log10().floor()).clamp(0.0, 12.0) as usize } else { 9 };
    let short = |value: f64| format!("{value:.places$}").parse().unwrap_or(value);
    format!("measured({:?}, {:?})", short(estimate.value), short(se))
}
