//! The command line: what was typed, one file a subcommand, and the outside contracts (streams, JSON, exit codes).
//!
//! stdout carries results and nothing else; messages, logs and progress go to stderr. With `--json` stdout is exactly
//! one JSON object, whatever happens.

mod assimilate;
mod bug;
mod compare;
mod completions;
mod config;
mod data;
mod diagnose;
mod dimension;
mod dry_run;
mod envelope;
mod evaluate;
mod experiment;
mod facts;
mod forecast;
mod global;
mod list;
mod log;
mod matrix;
mod memory;
mod progress;
mod read_file;
mod report;
mod reproduce;
mod session;
mod signals;
mod simulate;
mod train;
mod tune;
mod visible;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use global::Global;
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::stage::Finished;
use session::Session;

/// Which forecaster, in which assimilation method, and how surely: a data-assimilation toolkit.
#[derive(Parser)]
#[command(name = "scorecast", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand)]
enum Command {
    Compare(compare::Args),
    Simulate(simulate::Args),
    Train(train::Args),
    Forecast(forecast::Args),
    Assimilate(assimilate::Args),
    Evaluate(evaluate::Args),
    Report(report::Args),
    Reproduce(reproduce::Args),
    Tune(tune::Args),
    Diagnose(diagnose::Args),
    Dimension(dimension::Args),
    List(list::Args),
    Config(config::Args),
    Data(data::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    ReadFile(read_file::Args),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Compare(_) => "compare",
            Self::Simulate(_) => "simulate",
            Self::Train(_) => "train",
            Self::Forecast(_) => "forecast",
            Self::Assimilate(_) => "assimilate",
            Self::Evaluate(_) => "evaluate",
            Self::Report(_) => "report",
            Self::Reproduce(_) => "reproduce",
            Self::Tune(_) => "tune",
            Self::Diagnose(_) => "diagnose",
            Self::Dimension(_) => "dimension",
            Self::List(_) => "list",
            Self::Config(_) => "config",
            Self::Data(_) => "data",
            Self::Completions(_) => "completions",
            Self::ReadFile(_) => "read-file",
        }
    }

    /// Whether an unfinished run of it can be gone on with.
    fn resumes(&self) -> bool {
        matches!(
            self,
            Self::Compare(_)
                | Self::Simulate(_)
                | Self::Train(_)
                | Self::Forecast(_)
                | Self::Assimilate(_)
                | Self::Tune(_)
        )
    }

    fn run(&self, session: &Session) -> Result<Finished> {
        match self {
            Self::Compare(args) => compare::run(args, session),
            Self::Simulate(args) => simulate::run(args, session),
            Self::Train(args) => train::run(args, session),
            Self::Forecast(args) => forecast::run(args, session),
            Self::Assimilate(args) => assimilate::run(args, session),
            Self::Evaluate(args) => evaluate::run(args, session),
            Self::Report(args) => report::run(args, session),
            Self::Reproduce(args) => reproduce::run(args, session),
            Self::Tune(args) => tune::run(args, session),
            Self::Diagnose(args) => diagnose::run(args, session),
            Self::Dimension(args) => dimension::run(args, session),
            Self::List(args) => list::run(args),
            Self::Config(args) => config::run(args, session),
            Self::Data(args) => data::run(args, session),
            Self::Completions(args) => completions::run(args),
            Self::ReadFile(_) => Err(Failure::new(FailureKind::Bug, "read-file is run before all others")),
        }
    }
}

/// Runs the program on the arguments of the process.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let json = args.iter().skip(1).take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return envelope::print_clap(&error, json),
    };
    if let Command::ReadFile(_) = cli.command {
        return read_file::main();
    }
    bug::install();
    let log_json = cli.global.log_format == log::Format::Json;
    match bug::catch(|| start(&cli)) {
        Ok(finished) => envelope::print_result(cli.command.name(), &finished, json),
        Err(mut failure) => {
            if failure.kind == FailureKind::Interrupted {
                failure.kind = signals::kind().unwrap_or(FailureKind::Interrupted);
            }
            envelope::print_failure(&failure, json, log_json)
        }
    }
}

/// Everything that the process needs once, then the subcommand.
fn start(cli: &Cli) -> Result<Finished> {
    if cli.global.resume && !cli.command.resumes() {
        let message = format!("`{}` keeps nothing that could be gone on with", cli.command.name());
        return Err(Failure::new(FailureKind::Usage, message).hint("run it again without --resume"));
    }
    signals::install()?;
    log::install(cli.global.log_format, cli.global.quiet);
    session::build_threads(cli.global.threads)?;
    cli.command.run(&Session::new(&cli.global)?)
}
