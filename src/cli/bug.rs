//! A panic is a bug of ours: one sentence and exit code 1, never a backtrace.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

use scorecast::failure::{Failure, FailureKind, Result};

static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Keeps what the first panic said instead of printing it.
pub(super) fn install() {
    panic::set_hook(Box::new(|info| {
        let said = info.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
        let said = said.or_else(|| info.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        let place = info.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        if let Ok(mut first) = FIRST.lock() {
            first.get_or_insert(format!("{said}{place}"));
        }
    }));
}

/// Runs the work; a panic in it becomes a failure of kind [`FailureKind::Bug`].
pub(super) fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let said = FIRST.lock().ok().and_then(|mut first| first.take()).unwrap_or_default();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        Err(Failure::new(FailureKind::Bug, format!("this is a bug in scorecast: {said}"))
            .hint("please report it with the command and the experiment"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_one_sentence_with_its_place() {
        install();
        let failure = catch(|| -> Result<()> { panic!("shapes\ndiffer") }).unwrap_err();
        let _ = panic::take_hook();
        assert_eq!(failure.kind, FailureKind::Bug);
        assert!(
            failure.message.starts_with("this is a bug in scorecast: shapes differ at src/cli/bug.rs:"),
            "{failure}"
        );
    }
}
