//! Progress on stderr: a bar on a terminal, otherwise a log line now and then; and the signals that stop work.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::log::{Format, SCREEN};
use super::signals;
use super::visible::visible;
use scorecast::progress::Progress;

/// Where there is no terminal, a line at most this often.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Progress as a person (or a log file) sees it.
pub(super) struct Terminal {
    shown: Shown,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Nothing,
    Bar,
    Lines,
}

struct State {
    format: Format,
    what: String,
    total: u64,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Terminal {
    pub(super) fn new(quiet: bool, format: Format) -> Self {
        let shown = match (quiet, format) {
            (true, _) => Shown::Nothing,
            (_, Format::Text) if std::io::stderr().is_terminal() => Shown::Bar,
            _ => Shown::Lines,
        };
        Self { shown, state: Mutex::new(State { format, what: String::new(), total: 0, bar: None, last_line: None }) }
    }

    fn with_state(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn line(&mut self, done: u64, note: &str) {
        let now = Instant::now();
        if self.last_line.is_some_and(|last| now.duration_since(last) < BETWEEN_LINES) {
            return;
        }
        self.last_line = Some(now);
        match self.format {
            Format::Json => tracing::info!(done, total = self.total, note, "{}", self.what),
            Format::Text => tracing::info!("{} {done}/{} {}", visible(&self.what), self.total, visible(note)),
        }
    }
}

impl Progress for Terminal {
    fn start(&self, what: &str, total: u64) {
        self.with_state(|state| {
            state.what = what.to_owned();
            state.total = total;
            match self.shown {
                Shown::Nothing => {}
                Shown::Lines => state.line(0, ""),
                Shown::Bar => {
                    let bar = SCREEN.add(ProgressBar::new(total));
                    if let Ok(style) = ProgressStyle::with_template("{prefix:>24} {bar:32} {pos}/{len} {eta} {msg}") {
                        bar.set_style(style);
                    }
                    bar.set_prefix(visible(what).into_owned());
                    if let Some(old) = state.bar.replace(bar) {
                        old.finish_and_clear();
                    }
                }
            }
        });
    }

    fn at(&self, done: u64, note: &str) {
        self.with_state(|state| match (&state.bar, self.shown) {
            (_, Shown::Lines) => state.line(done, note),
            (Some(bar), _) => {
                bar.set_position(done);
                let note = visible(note);
                if bar.message() != note {
                    bar.set_message(note.into_owned());
                }
            }
            _ => {}
        });
    }

    fn finish(&self) {
        self.with_state(|state| {
            if let Some(bar) = state.bar.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn interrupted(&self) -> bool {
        signals::kind().is_some()
    }
}
