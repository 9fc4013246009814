//! The gallery: a small picture of every system of the catalogue at its default settings.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array3, s};
use serde_json::json;

use super::options::{Finished, Options};
use super::output::claim;
use crate::failure::Result;
use crate::progress::Progress;
use crate::report::{Exhibit, Portrait, View};
use crate::store::{self, Claim};
use crate::systems::catalogue::{DefaultStepping, SYSTEMS, build};
use crate::systems::{Domain, Entry, Key, Stepping, diagnose, simulate};

/// Trajectories of each system.
const TRAJECTORIES: usize = 4;
/// Lead steps that are simulated to see how fast a system moves.
const STEPS: usize = 600;
/// Decorrelation times that a picture in space and time spans, and paths in time.
const SPAN: f64 = 25.0;
/// Points of a line in a lead step, so that it looks smooth.
const FINER: usize = 5;
/// Lead steps of a line in the plane.
const ORBIT: usize = 400;
/// Dots of a map.
const DOTS: usize = 3000;

/// Draws every system that defaults alone can build, into the SVG file `out`.
///
/// # Errors
/// When the output exists or cannot be written.
pub fn run(out: &Path, options: &Options, progress: &dyn Progress) -> Result<Finished> {
    let _place = Claim::file(out)?;
    claim(out, options)?;
    progress.start("systems", SYSTEMS.len() as u64);
    let mut drawn = Vec::new();
    let mut left_out = Vec::new();
    for (done, entry) in SYSTEMS.iter().enumerate() {
        progress.at(done as u64, entry.name);
        match states(entry) {
            Some(picture) => drawn.push((entry.name, picture)),
            None => left_out.push(entry.name),
        }
    }
    progress.finish();
    let exhibits: Vec<Exhibit> = drawn
        .iter()
        .map(|(name, Picture { states, dt, view })| Exhibit {
            name,
            portrait: Portrait { states: states.view(), dt: *dt, view: *view },
        })
        .collect();
    store::write_atomic(out, crate::report::gallery_svg(&exhibits).as_bytes())?;
    let mut text = format!("{} systems in {}\n", drawn.len(), out.display());
    if !left_out.is_empty() {
        text.push_str(&format!("not drawn, for want of defaults or because they diverge: {}\n", left_out.join(", ")));
    }
    let names: Vec<&str> = drawn.iter().map(|(name, _)| *name).collect();
    Ok(Finished { result: json!({"file": out.display().to_string(), "systems": names, "left_out": left_out}), text })
}

/// States of one system, and how they are drawn.
struct Picture {
    /// `[case, time, component]`.
    states: Array3<f64>,
    dt: f64,
    view: View,
}

/// The picture of one system; none where it needs settings or diverges.
fn states(entry: &Entry<DefaultStepping>) -> Option<Picture> {
    let system = build(entry.name, &Default::default()).ok()?;
    let sde = Arc::clone(&system).as_sde();
    let view = View::of(system.geometry(), system.dim(), sde.is_some());
    let stepping = &entry.build;
    let run = |stepping: &Stepping, steps: usize, spin_up: usize| {
        let key = Key::new(1, Domain::Score);
        let made = simulate(Arc::clone(&system), stepping, TRAJECTORIES, steps, spin_up, key, |_, _| {}).ok()?;
        made.diverged.is_empty().then_some(made.states)
    };
    let usual = stepping.stepping();
    let steps = match view {
        View::Snapshot { .. } => 1,
        View::Dots(..) => DOTS,
        _ => STEPS,
    };
    let states = run(&usual, steps, stepping.spin_up)?;
    match view {
        View::Plane(..) => {
            let fine = Stepping {
                dt: usual.dt / FINER as f64,
                substeps: usual.substeps.div_ceil(FINER),
                integrator: usual.integrator,
            };
            let states = run(&fine, ORBIT * FINER, stepping.spin_up * FINER)?;
            Some(Picture { states, dt: fine.dt, view })
        }
        View::Snapshot { .. } | View::Dots(..) => Some(Picture { states, dt: usual.dt, view }),
        _ => {
            let diagnosis = diagnose::trajectories(states.view(), usual.dt, system.geometry()).ok()?;
            let time = diagnosis.autocorrelation.decorrelation_time.map(|time| time.value);
            let kept = time.map_or(STEPS, |time| (SPAN * time / usual.dt).ceil() as usize).clamp(60, STEPS);
            Some(Picture { states: states.slice(s![.., ..=kept, ..]).to_owned(), dt: usual.dt, view })
        }
    }
}
