//! Why rows diverged: they are run again up to there, and watched.

use crate::assimilation::Smoothed;
use crate::assimilation::diagnostics::History;
use crate::failure::{Failure, FailureKind, Result};
use crate::progress::Progress;
use crate::spec::Plan;
use crate::stage::alarm::Alarm;
use crate::stage::assimilation_scores::Job;
use crate::stage::cycle::{self, Analysed, Ended, Visitor};
use crate::stage::queue;
use crate::stage::twin::observed;

/// Why rows diverged: the first replicate of each that did is run again up to there, with an eye on its signs.
pub fn diagnoses(
    plan: &Plan,
    jobs: &[Job],
    ended: &[&Ended],
    scale: f64,
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let mut found: Vec<usize> = Vec::new();
    for (index, end) in ended.iter().enumerate() {
        if end.diverged.is_some() && found.iter().all(|&other| jobs[other].row != jobs[index].row) {
            found.push(index);
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    progress.start("looking why rows diverged", found.len() as u64);
    let told = queue::run(found.len(), &|i| {
        let (job, at) = (&jobs[found[i]], ended[found[i]].diverged.unwrap_or(0));
        let row = &plan.assimilate[job.row];
        let mut watch = Watch { job, dt: plan.data.stepping.dt, history: History::default(), progress };
        let twin = &job.network.twins[job.replicate];
        let mut alarm = Alarm::new(scale, job.network.plan.burn_in);
        cycle::run(row, job.model, job.network, twin, plan.data.stepping.dt, &mut alarm, &mut watch)?;
        let sentence = watch.history.diagnose().map_or_else(
            || "neither its spread, its innovations, its weights nor its rank show why".to_owned(),
            |diagnosis| diagnosis.sentence,
        );
        Ok(format!("`{}` diverged at lead step {at} of replicate {}: {sentence}.", row.label, job.replicate))
    });
    progress.finish();
    if progress.interrupted() {
        return Err(Failure::new(FailureKind::Interrupted, "interrupted while assimilating"));
    }
    told
}

/// Watches the signs of one run.
struct Watch<'a> {
    job: &'a Job<'a>,
    dt: f64,
    history: History,
    progress: &'a dyn Progress,
}

impl Visitor for Watch<'_> {
    fn analysed(&mut self, index: usize, analysed: &Analysed) -> bool {
        let twin = &self.job.network.twins[self.job.replicate];
        let now = observed(twin, index, self.dt, self.job.network.operator.as_ref());
        // what cannot be added has no signs to tell
        self.history.add(&analysed.outcome, &now, analysed.error).is_ok() && !self.progress.interrupted()
    }

    fn diverged(&mut self, index: usize, analysed: &Analysed) {
        self.analysed(index, analysed);
    }

    fn smoothed(&mut self, _: &Smoothed) {}
}
