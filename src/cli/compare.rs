//! `scorecast compare`: the main job.

use super::dry_run;
use super::session::{Given, Session};
use scorecast::failure::Result;
use scorecast::spec::suites::{Suite, suite};
use scorecast::spec::{Plan, needs, size};
use scorecast::stage::{self, Finished};

/// Simulate, train, forecast, assimilate, score and report: whatever the experiment has
#[derive(clap::Args)]
pub(super) struct Args {
    /// A preset's or a suite's name (see `scorecast list presets`) or a TOML file
    #[arg(default_value = "lorenz96")]
    experiment: String,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    if let Some(suite) = suite(&args.experiment) {
        return run_suite(suite, session);
    }
    session.run(&args.experiment, "compare", &Given::default(), |plan, _| {
        stage::compare::run(plan, &session.options, &session.progress)
    })
}

/// Runs all presets of a suite. All are checked before the first is run.
fn run_suite(suite: &Suite, session: &Session) -> Result<Finished> {
    let plans: Vec<Plan> =
        suite.members.iter().map(|one| session.plan_with(one.preset, &suite.set_in(one))).collect::<Result<_>>()?;
    let mut all = Vec::new();
    for plan in &plans {
        let needs = needs::needs(plan, "compare");
        size::check(&needs, session.options.max_memory)?;
        all.push(needs);
    }
    if session.global.dry_run {
        let told = |(plan, needs): (&Plan, &Vec<_>)| {
            dry_run::describe(plan, "compare", needs, session.options.max_memory, None)
        };
        return Ok(dry_run::joined(plans.iter().zip(&all).map(told).collect()));
    }
    stage::suite::run(suite.name, &plans, &session.options, &session.progress)
}
