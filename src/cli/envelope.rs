//! What is printed at the end: one result or one failure, as text or as one JSON object; and the exit code.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::error::ErrorKind as ClapKind;
use serde_json::{Value, json};

use super::visible::visible;

use scorecast::failure::{Failure, FailureKind};
use scorecast::stage::Finished;

/// Prints a result on stdout.
pub(super) fn print_result(command: &str, finished: &Finished, as_json: bool) -> ExitCode {
    let text = if as_json {
        let schema = format!("scorecast/{command}/v1");
        json!({"schema": schema, "ok": true, "result": finished.result}).to_string()
    } else {
        visible(finished.text.trim_end_matches('\n')).into_owned()
    };
    to_stdout(&text, Ok(()))
}

/// Prints a failure: a message on stderr, and with `--json` the object on stdout.
pub(super) fn print_failure(failure: &Failure, as_json: bool, log_json: bool) -> ExitCode {
    let error = error_object(failure);
    let message = if log_json {
        json!({"level": "ERROR", "error": error}).to_string()
    } else {
        visible(&format!("error: {failure}")).into_owned()
    };
    let _ = writeln!(std::io::stderr(), "{message}");
    match &failure.text {
        _ if as_json => to_stdout(&failed(error), Err(failure.kind)),
        Some(text) => to_stdout(&visible(text.trim_end_matches('\n')), Err(failure.kind)),
        None => ExitCode::from(failure.kind.exit_code()),
    }
}

/// Prints what clap has to say: help and version are results, the rest wrong usage.
pub(super) fn print_clap(error: &clap::Error, as_json: bool) -> ExitCode {
    let rendered = error.render().to_string();
    match error.kind() {
        ClapKind::DisplayHelp => {
            print_result("help", &Finished { result: json!({"text": rendered}), text: rendered }, as_json)
        }
        ClapKind::DisplayVersion => {
            let version = rendered.trim().to_owned();
            print_result("version", &Finished { result: json!({"text": version}), text: version }, as_json)
        }
        _ => {
            let _ = write!(std::io::stderr(), "{}", visible(&rendered));
            if as_json {
                to_stdout(&failed(error_object(&of_clap(error, &rendered))), Err(FailureKind::Usage))
            } else {
                ExitCode::from(FailureKind::Usage.exit_code())
            }
        }
    }
}

/// clap's first paragraph is the message, the others are the hint.
fn of_clap(error: &clap::Error, rendered: &str) -> Failure {
    if error.kind() == ClapKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::new(FailureKind::Usage, "a subcommand is missing").hint("see `scorecast --help`");
    }
    let (message, rest) = rendered.split_once("\n\n").unwrap_or((rendered, ""));
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let failure = Failure::new(FailureKind::Usage, line(message.trim_start_matches("error: ")));
    if rest.trim().is_empty() { failure } else { failure.hint(line(rest)) }
}

fn error_object(failure: &Failure) -> Value {
    let mut object = json!({
        "code": failure.kind.exit_code(),
        "kind": failure.kind.name(),
        "message": failure.message,
        "hint": failure.hint,
        "location": failure.location,
    });
    if let Some(report) = &failure.report {
        object["report"] = (**report).clone();
    }
    object
}

fn failed(error: Value) -> String {
    json!({"ok": false, "error": error}).to_string()
}

/// Writes to stdout. A reader that went away (`| head`) is no failure.
fn to_stdout(text: &str, outcome: Result<(), FailureKind>) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match (outcome, written) {
        (Err(kind), _) => ExitCode::from(kind.exit_code()),
        (Ok(()), Err(error)) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "error: the result could not be written to stdout: {error}");
            ExitCode::from(FailureKind::Io.exit_code())
        }
        _ => ExitCode::SUCCESS,
    }
}
