//! The report of a run folder, rendered again.

use std::path::Path;

use serde_json::json;

use super::options::{Finished, Options};
use super::output::claim;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::results::Report;
use crate::store::manifest::{MANIFEST, verify};
use crate::store::{self, Claim};

/// Renders `report.html` and `figure.svg` again from a run's `report.json`, into the run or the folder `--out`.
///
/// # Errors
/// When the folder is not a finished run, or the output cannot be written.
pub fn run(run_dir: &Path, options: &Options, _progress: &dyn Progress) -> Result<Finished> {
    let path = run_dir.join(REPORT);
    let at = |failure: Failure| failure.at(path.display().to_string());
    let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            at(Failure::new(FailureKind::Data, "there is no report.json: this is not the folder of a finished run")
                .hint("give the folder that `scorecast compare` printed"))
        }
        _ => at(Failure::new(FailureKind::Io, format!("cannot be read: {error}"))),
    })?;
    let changed = changed(run_dir)?;
    if changed.iter().any(|name| name == REPORT) {
        let message = "was changed after the run was written: it has not the SHA-256 that manifest.json says";
        return Err(at(
            Failure::new(FailureKind::Data, message).hint("run the comparison again, or copy the run again")
        ));
    }
    let report: Report = serde_json::from_slice(&bytes).map_err(|error| {
        at(Failure::new(FailureKind::Data, format!("is damaged or from another version: {error}"))
            .hint("run the comparison again"))
    })?;
    let folder = options.out.as_deref().unwrap_or(run_dir);
    let (page, figure) = (folder.join("report.html"), folder.join("figure.svg"));
    let _place = Claim::folder(folder)?;
    if options.out.is_some() {
        claim(&page, options)?;
        claim(&figure, options)?;
    }
    store::write_atomic(&page, crate::report::html(&report).as_bytes())?;
    store::write_atomic(&figure, crate::report::figure_svg(&report).as_bytes())?;
    let warnings: Vec<String> = changed
        .iter()
        .map(|name| format!("`{name}` of the run is missing or was changed after it was written."))
        .collect();
    let mut text = format!("{}\nreport: {}\n", crate::report::headline(&report).trim_end(), page.display());
    warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    let result = json!({
        "report": page.display().to_string(), "figure": figure.display().to_string(), "warnings": warnings,
    });
    Ok(Finished { result, text })
}

/// What a report is rendered from.
const REPORT: &str = "report.json";

/// The files of a run that are not as its manifest says, but for those that are written here.
fn changed(run_dir: &Path) -> Result<Vec<String>> {
    if !run_dir.join(MANIFEST).exists() {
        return Ok(Vec::new());
    }
    let mut changed = verify(run_dir)?;
    changed.retain(|name| !["report.html", "figure.svg"].contains(&name.as_str()));
    Ok(changed)
}
