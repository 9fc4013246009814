//! What the user typed (a TOML text and overrides) and, once checked, what it means ([`Plan`]).
//!
//! text -> [`document`] (a tree with lines) -> [`presets`] and [`overrides`] -> `check` (against [`keys`] and the
//! registries) -> [`Plan`], or every [`Mistake`] at once.

pub mod document;
pub mod keys;
pub mod presets;
pub mod schema;
pub mod size;

mod check;
mod mistake;
mod overrides;
mod plan;
mod read;
mod resolved;

use document::Item;
use mistake::Mistakes;

pub use mistake::{Mistake, failure};
pub use plan::{
    AssimilatePlan, DataPlan, DataSource, ForecasterPlan, Initial, ObservePlan, Plan, ScorePlan, SystemPlan,
};
pub use presets::PRESETS;

/// Checks an experiment: `text` is TOML, `origin` the file's name (or the preset's) for messages and for the default
/// name of the experiment, `overrides` are texts `a.b=c` applied in order before anything is checked.
///
/// # Errors
/// Every mistake at once, each with its key and line, in the order of the file.
pub fn check(text: &str, origin: &str, overrides: &[String]) -> Result<Plan, Vec<Mistake>> {
    let mistakes = Mistakes::default();
    if let Some(root) = document::parse(text, origin, &mistakes) {
        let mut root = presets::inherit(root, &mistakes);
        overrides.iter().for_each(|text| overrides::apply(&mut root, text, &mistakes));
        if let Item::Table(table) = &root.item
            && let Some(plan) = check::run(table, &root.place, origin, &mistakes)
        {
            return Ok(plan);
        }
    }
    Err(mistakes.into_sorted())
}

/// Every metric.
pub const METRICS: &[crate::systems::Entry<()>] = &[];
