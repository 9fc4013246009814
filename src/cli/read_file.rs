//! `scorecast read-file`, which the program itself starts to read foreign files: a damaged one may crash the library that reads it.

use std::io;
use std::process::{Command, ExitCode};

use scorecast::store::{Launcher, netcdf};

/// Starts this program again, to read files.
pub(super) const LAUNCHER: Launcher = Launcher(command);

/// Read files for the process at the other end of the pipes
#[derive(clap::Args)]
pub(super) struct Args {}

fn command() -> io::Result<Command> {
    // this very program, even where its file has been replaced or removed since it was started
    let own = std::path::Path::new("/proc/self/exe");
    let mut command = Command::new(if own.exists() { own.to_path_buf() } else { std::env::current_exe()? });
    command.arg("read-file");
    Ok(command)
}

/// Answers requests until there are no more.
pub(super) fn main() -> ExitCode {
    match netcdf::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(74),
    }
}
