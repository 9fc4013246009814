//! SIGINT and SIGTERM: the first asks the work to save its checkpoint and stop, a second ends the process at once. SIGXFSZ (a
//! file grows beyond `ulimit -f`) is taken, so that the write that raised it fails and is told like any other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

#[cfg(unix)]
use signal_hook::consts::SIGXFSZ;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use scorecast::failure::{Failure, FailureKind, Result};

struct Flags {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
}

static FLAGS: OnceLock<Flags> = OnceLock::new();

/// Starts to listen.
pub(super) fn install() -> Result<()> {
    let flags = FLAGS.get_or_init(|| Flags { interrupt: Arc::default(), terminate: Arc::default() });
    let fail = |error: std::io::Error| Failure::new(FailureKind::Io, format!("signals cannot be listened to: {error}"));
    for (signal, kind, raised) in
        [(SIGINT, FailureKind::Interrupted, &flags.interrupt), (SIGTERM, FailureKind::Terminated, &flags.terminate)]
    {
        // The order matters: the shutdown sees the flag of an earlier signal, not of this one.
        flag::register_conditional_shutdown(signal, i32::from(kind.exit_code()), raised.clone()).map_err(fail)?;
        flag::register(signal, raised.clone()).map_err(fail)?;
    }
    #[cfg(unix)]
    flag::register(SIGXFSZ, Arc::default()).map_err(fail)?;
    Ok(())
}

/// The kind of failure that the signal received so far means.
pub(super) fn kind() -> Option<FailureKind> {
    let flags = FLAGS.get()?;
    if flags.terminate.load(Ordering::Relaxed) {
        Some(FailureKind::Terminated)
    } else {
        flags.interrupt.load(Ordering::Relaxed).then_some(FailureKind::Interrupted)
    }
}
