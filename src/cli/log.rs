//! The log on stderr, as text or as JSON lines. It steps aside for progress bars.

use std::io::Write;
use std::sync::LazyLock;

use clap::ValueEnum;
use indicatif::MultiProgress;
use tracing::Level;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The place on the terminal that bars and log lines share.
pub(super) static SCREEN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Starts the log; a second call changes nothing.
pub(super) fn install(format: Format, quiet: bool) {
    let level = if quiet { Level::WARN } else { Level::INFO };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(|| BesideBars).with_ansi(false);
    let _ = match format {
        Format::Json => builder.json().flatten_event(true).with_target(false).try_init(),
        Format::Text => builder.without_time().with_target(false).try_init(),
    };
}

struct BesideBars;

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        SCREEN.suspend(|| std::io::stderr().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
