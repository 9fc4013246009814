//! `scorecast list --matrix`: which method runs with which forecaster, and why others do not.

use std::sync::Arc;

use serde_json::{Value, json};

use super::experiment;
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::forecast::FORECASTERS;
use scorecast::spec::{self, Cell};
use scorecast::stage::Finished;
use scorecast::systems::system::complete;

/// The preset whose system is `perfect`.
const PRESET: &str = "lorenz96";

pub(super) fn run() -> Result<Finished> {
    let cells = cells()?;
    let object = |cell: &Cell| {
        json!({
            "method": cell.method, "forecaster": cell.forecaster, "runs": cell.refusal.is_none(), "why_not": cell.refusal,
        })
    };
    let all: Vec<Value> = cells.iter().map(object).collect();
    Ok(Finished { result: json!({"perfect": PRESET, "matrix": all}), text: text(&cells) })
}

fn cells() -> Result<Vec<Cell>> {
    let plan = experiment::load(PRESET, &[])?;
    let no_system = || Failure::new(FailureKind::Bug, format!("the preset `{PRESET}` has no system"));
    let system = plan.system.ok_or_else(no_system)?.system;
    Ok(spec::matrix(&*Arc::clone(complete(&system)).forecaster(&plan.data.stepping)?))
}

/// A letter for each forecaster, a line for each method, and the reasons.
fn text(cells: &[Cell]) -> String {
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').take(FORECASTERS.len()).collect();
    let mut text = format!(
        "methods and forecasters at their default settings: + runs, . does not\n\
         (linear operators, Gaussian errors; `perfect` is the system of the preset `{PRESET}`)\n\n"
    );
    for (letter, entry) in letters.iter().zip(FORECASTERS) {
        text.push_str(&format!("  {letter}  {}\n", entry.name));
    }
    text.push_str(&format!("\n  {:<24}", ""));
    letters.iter().for_each(|letter| text.push_str(&format!(" {letter}")));
    text.push('\n');
    for row in cells.chunk_by(|one, next| one.method == next.method) {
        text.push_str(&format!("  {:<24}", row.first().map_or("", |cell| cell.method)));
        row.iter().for_each(|cell| text.push_str(if cell.refusal.is_none() { " +" } else { " ." }));
        text.push('\n');
    }
    text.push_str("\nwhy not, of each method for the first that it cannot use (all of them: --json)\n");
    for row in cells.chunk_by(|one, next| one.method == next.method) {
        if let Some(why) = row.iter().find_map(|cell| cell.refusal.as_ref()) {
            text.push_str(&format!("  {why}\n"));
        }
    }
    text
}
