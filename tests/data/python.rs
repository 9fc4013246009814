//! Python, for checks by other programs than this one.

use std::path::Path;
use std::process::Command;

/// Runs a script of `tests/data` on a folder. Says so, and that it did not run, where there is no Python or a package of it is
/// missing (exit code 77).
pub fn ran(script: &str, folder: &Path) -> bool {
    let python = std::env::var("SCORECAST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(script);
    let run = match Command::new(&python).args(["-W", "ignore"]).arg(script).arg(folder).output() {
        Ok(run) => run,
        Err(error) => {
            eprintln!("skipped: {python} does not run ({error})");
            return false;
        }
    };
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let missing = run.status.code() == Some(77);
    assert!(run.status.success() || missing, "{said}");
    eprint!("{said}");
    !missing
}
