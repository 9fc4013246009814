//! From the tree of what was typed to a [`Plan`]: section by section, then what sections must agree on.
//!
//! A section with a mistake in it is checked on with defaults where that makes sense, so that all mistakes come at
//! once; what depends on a broken section is left unchecked, so that one mistake is told once.

mod assimilate;
mod budget;
mod compatible;
mod conditions;
mod context;
mod data;
mod estimate;
mod expected;
mod forecasters;
mod matrix;
mod observe;
mod offers;
mod score;
mod system;

pub(super) use estimate::ESTIMATE;
pub(super) use observe::{INITIAL, NOISE, OPERATOR};

use std::path::Path;

use super::document::{Place, Table};
use super::keys::TOP;
use super::mistake::Mistakes;
use super::plan::Plan;
use super::read::Reader;
use super::{resolved, seeds};
use budget::Budgeted;
pub use budget::nearest_steps;
pub use context::KindOfModel;
use context::{Checked, Context};
pub use matrix::{Cell, matrix};

/// Checks the tree of a whole experiment, with what it says of scores only where it is to be `scored`. None exactly if there
/// are mistakes.
pub(super) fn run(
    root: &Table,
    place: &Place,
    origin: &str,
    (kind_of_model, scored): (KindOfModel, bool),
    mistakes: &Mistakes,
) -> Option<Plan> {
    let cx = Context { root, place, mistakes, kind_of_model, scored };
    cx.refuse_unknown_sections();
    let top = Reader { section: &TOP, path: String::new(), table: root, place, mistakes }.own();
    let system = system::check(&cx);
    let data = data::check(&cx, &system);
    let perfect = system::perfect(&cx, &system, data.as_ref());
    let (declared, readers) = forecasters::check(&cx, &system);
    let Budgeted { forecasters: declared, seconds, notes } = budget::apply(&cx, &system, declared);
    forecasters::agree(&system, (&declared, &readers), seconds.as_ref());
    let networks = observe::check(&cx, &system, data.as_ref());
    let no_perfect = system::no_perfect(&system);
    let rows = assimilate::check(
        &cx,
        &system,
        &declared,
        &networks,
        no_perfect,
        data.as_ref().map(|data| (data.layout, data.columns)),
    );
    let expected = expected::check(&cx, &rows);
    let scored = score::check(&cx, (&declared, &rows), data.as_ref(), no_perfect);
    for row in &rows {
        compatible::check(&cx, row, &declared, perfect.as_deref(), &networks, system.good());
    }
    let (score, forecast) = scored?;
    expected::check_metrics(&cx, &score, &expected);
    let forecasters = forecasters::with_baselines(&cx, declared, &rows, &forecast, no_perfect);
    data::check_split(&cx, data.as_ref(), &forecasters, &forecast);
    if mistakes.count() > 0 {
        return None;
    }
    let top = top?;
    let named = Some(top.text("name")).filter(|name| !name.is_empty()).map_or_else(|| stem(origin), str::to_owned);
    let mut plan = Plan {
        name: named,
        seed: top.count("seed") as u64,
        system: match system {
            Checked::Good(system) => Some(system),
            _ => None,
        },
        data: data?,
        forecasters,
        forecast,
        observe: networks.into_iter().map(|network| network.plan).collect(),
        assimilate: rows.into_iter().map(|row| row.plan).collect(),
        expected,
        score,
        seconds,
        notes,
        resolved: String::new(),
    };
    plan.resolved = resolved::toml(&plan);
    seeds::take_apart(&mut plan);
    Some(plan)
}

/// The file's stem, or the preset's name.
fn stem(origin: &str) -> String {
    let path = Path::new(origin);
    path.file_stem().map_or_else(|| origin.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
