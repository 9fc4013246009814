//! Why rows diverged: they are run again up to there, and watched.

use super::analysed::Analysed;
use super::cycle::{self, Visitor};
use super::row_run::RowRun;
use crate::assimilation::Smoothed;
use crate::assimilation::diagnostics::History;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::stage::queue;

/// Why rows diverged: the first replicate of each that did is run again up to there, with an eye on its signs.
/// `dt` is the length of a lead step.
///
/// # Errors
/// When a run fails, or the user stops.
pub fn diagnoses(runs: &[RowRun], dt: f64, progress: &dyn Progress) -> Result<Vec<String>> {
    let mut found: Vec<&RowRun> = Vec::new();
    for run in runs {
        if run.ended.diverged.is_some() && found.iter().all(|other| other.index != run.index) {
            found.push(run);
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    progress.start("looking why rows diverged", found.len() as u64);
    let sentences = queue::run(found.len(), &|i| {
        let run = found[i];
        let at = run.ended.diverged.unwrap_or(0);
        if let Some(said) = &run.ended.failed {
            return Ok(format!(
                "`{}` could not go on at lead step {at} of replicate {}, and counts as diverged: {said}.",
                run.row.label, run.case
            ));
        }
        let mut watch = Watch { run, dt, history: History::default(), progress };
        let mut alarm = run.alarm();
        cycle::run(run.row, run.model, run.network, run.replicate(), dt, &mut alarm, &mut watch)?;
        let sentence = watch.history.diagnose().map_or_else(
            || "neither its spread, its innovations, its weights nor its rank show why".to_owned(),
            |diagnosis| diagnosis.sentence,
        );
        Ok(format!("`{}` diverged at lead step {at} of replicate {}: {sentence}.", run.row.label, run.case))
    });
    progress.finish();
    if progress.interrupted() {
        return Err(Failure::new(FailureKind::Interrupted, "interrupted while assimilating"));
    }
    sentences
}

/// Watches the signs of one run.
struct Watch<'a> {
    run: &'a RowRun<'a>,
    dt: f64,
    history: History,
    progress: &'a dyn Progress,
}

impl Visitor for Watch<'_> {
    fn analysed(&mut self, index: usize, analysed: &Analysed) -> bool {
        let now = self.run.replicate().observed(index, self.dt, self.run.network.operator.as_ref());
        // what cannot be added has no signs to tell
        self.history.add(&analysed.outcome, &now, analysed.error).is_ok() && !self.progress.interrupted()
    }

    fn diverged(&mut self, index: usize, analysed: &Analysed) {
        self.analysed(index, analysed);
    }

    fn smoothed(&mut self, _: &Smoothed) {}
}
