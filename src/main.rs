//! The command `scorecast`.

use std::process::ExitCode;

fn main() -> ExitCode {
    scorecast::cli::main()
}
