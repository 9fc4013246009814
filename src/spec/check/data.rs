//! `[data]`: where trajectories come from, the lead step, and the split.

use std::path::PathBuf;

use super::super::document::Table;
use super::super::hold::Hold;
use super::super::keys::{DATA, SYSTEM};
use super::super::layout::Layout;
use super::super::plan::{DataPlan, DataSource, ForecasterPlan, SystemPlan};
use super::super::read::{Reader, entry};
use super::context::{Checked, Context};
use crate::systems::Stepping;
use crate::systems::catalogue::DefaultStepping;
use crate::systems::integrate::INTEGRATORS;
use crate::systems::registry::Settings;

/// Lead steps of spin-up of a system that is not known.
const SPIN_UP: usize = 1000;

static EMPTY: Table = Table { entries: Vec::new() };

/// The reader of `[data]`; of an empty one where the file has none.
fn reader<'a>(cx: &Context<'a>) -> Reader<'a> {
    cx.one(&DATA).unwrap_or_else(|| Reader {
        section: &DATA,
        path: DATA.name.to_owned(),
        table: &EMPTY,
        place: cx.root.get(SYSTEM.name).map_or(cx.place, |node| &node.place),
        mistakes: cx.mistakes,
    })
}

pub(super) fn check(cx: &Context, system: &Checked<SystemPlan>) -> Option<DataPlan> {
    let reader = reader(cx);
    reader.refuse_unknown(&[]);
    let before = cx.mistakes.count();
    let own = reader.own()?;
    if system.is_absent() && !own.has("file") {
        cx.mistakes.add(cx.place, "system", "there is neither a [system] to simulate nor a `file` in [data]; add one");
        return None;
    }
    let usual = system.good().map(|plan| &plan.default_stepping);
    let stepping = stepping(&own, usual);
    let source = source(&reader, &own, usual.map_or(SPIN_UP, |usual| usual.spin_up_for(stepping.dt)));
    let split = split(&reader, &own);
    let place = reader.place_of("integrator");
    entry(INTEGRATORS, "integrator", &stepping.integrator, place, "data.integrator", cx.mistakes);
    let layout = layout(&reader, &own, system);
    let variable = Some(own.text("variable")).filter(|name| !name.is_empty()).map(str::to_owned);
    (cx.mistakes.count() == before).then_some(DataPlan {
        source,
        stepping,
        dt_said: own.has("dt"),
        split,
        variable,
        hold: Hold::named(own.text("hold")),
        layout,
        columns: own.count("columns"),
    })
}

/// What the user says; otherwise the system's usual lead step, the fewest integration steps in it that are no longer
/// than the usual ones, and the usual integrator.
fn stepping(own: &Settings, usual: Option<&DefaultStepping>) -> Stepping {
    let dt = own.optional_number("dt").unwrap_or(usual.map_or(1.0, |usual| usual.dt));
    let usual_substeps = usual.map_or(1, |usual| usual.substeps_for(dt));
    let integrator = match own.text("integrator") {
        "" => usual.map_or("rk4", |usual| usual.integrator),
        given => given,
    };
    Stepping {
        dt,
        substeps: if own.has("substeps") { own.count("substeps") } else { usual_substeps },
        integrator: integrator.to_owned(),
    }
}

fn source(reader: &Reader, own: &Settings, usual_spin_up: usize) -> DataSource {
    if !own.has("file") {
        if own.has("variable") {
            reader.wrong("variable", "[data] has `variable` without `file`; set `file` too, or remove it");
        }
        return DataSource::Simulated {
            trajectories: own.count("trajectories"),
            steps: own.count("steps"),
            spin_up: if own.has("spin_up") { own.count("spin_up") } else { usual_spin_up },
        };
    }
    for key in ["trajectories", "steps", "spin_up"] {
        if reader.table.get(key).is_some() {
            reader.wrong(key, format!("[data] has `file`, so nothing is simulated and `{key}` has no use; remove one"));
        }
    }
    DataSource::File(PathBuf::from(own.text("file")))
}

fn split(reader: &Reader, own: &Settings) -> [f64; 3] {
    let given = own.floats("split");
    let Ok(split) = <[f64; 3]>::try_from(given) else {
        let what = format!("[data]: `split` has {} shares, but must have 3: training, validation, test", given.len());
        reader.wrong("split", what);
        return [0.8, 0.1, 0.1];
    };
    let sum: f64 = split.iter().sum();
    if split.iter().any(|share| !(0.0..=1.0).contains(share)) || (sum - 1.0).abs() > 1e-9 {
        reader.wrong(
            "split",
            format!("[data]: the shares of `split` sum to {sum}, but must lie from 0 to 1 and sum to 1"),
        );
    }
    split
}

fn layout(reader: &Reader, own: &Settings, system: &Checked<SystemPlan>) -> Layout {
    if own.has("geometry") && !system.is_absent() {
        reader.wrong("geometry", "[data]: `geometry` is the system's own where there is a [system]; remove it");
    }
    let two = ["torus", "plane"].contains(&own.text("geometry"));
    if own.has("columns") && !two {
        reader.wrong("columns", "[data]: `columns` needs `geometry` to be torus or plane; set that too, or remove it");
    }
    match (system, own.text("geometry")) {
        (Checked::Good(plan), _) => Layout::System(plan.system.geometry()),
        (_, word) => {
            Layout::WORDS.iter().find(|known| **known == word).map_or(Layout::AsFile, |word| Layout::Word(word))
        }
    }
}

/// Training, validation and test must each have a trajectory where anything is learned or scored.
pub(super) fn check_split(cx: &Context, data: Option<&DataPlan>, forecasters: &[ForecasterPlan], forecast: &[String]) {
    let Some(data) = data else { return };
    let DataSource::Simulated { trajectories, .. } = data.source else { return };
    let fitted = forecasters.iter().any(|forecaster| forecaster.kind != "perfect" && forecaster.model.is_none());
    if !fitted && forecast.is_empty() {
        return;
    }
    let counts = data.split_counts(trajectories);
    let [train, valid, test] = counts;
    if counts.contains(&0) {
        let what = format!(
            "[data]: {trajectories} trajectories split to {train} for training, {valid} for validation and {test} for \
             testing, but each needs at least 1; raise `trajectories` or change `split`"
        );
        reader(cx).wrong("split", what);
    }
}
