//! Runs that are killed (SIGKILL) at seeded times and gone on with: the bytes of a run that was not killed, and nothing
//! left beside them. `SCORECAST_KILLS=100 cargo test --release -p scorecast --test it killed` kills more often.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scorecast::systems::{Domain, Key};

const EXPERIMENT: &str = r#"
seed = 4
[system]
name = "lorenz96"
dim = 8
noise = 0.5
[data]
trajectories = 6
steps = 60
dt = 0.05
spin_up = 100
split = [0.5, 0.25, 0.25]
[[forecaster]]
name = "ar"
kind = "gaussian"
width = 8
blocks = 1
steps = 60
validate_every = 20
checkpoint_every = 5
[[forecaster]]
name = "linear"
[observe]
steps = 60
burn_in = 10
[[assimilate]]
method = "etkf"
forecaster = ["perfect", "ar", "linear"]
members = 10
[score]
lead_steps = 4
members = 8
starts = 2
"#;

/// How often each command is killed.
fn kills() -> u64 {
    std::env::var("SCORECAST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(4)
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.current_dir(folder).args(words).args(["--quiet", "--threads", "2"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Every file below a folder by its path, with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type().unwrap().is_dir() {
            true => {
                found.extend(files(&entry.path()).into_iter().map(|(path, bytes)| (format!("{name}/{path}"), bytes)))
            }
            false => drop(found.insert(name, std::fs::read(entry.path()).unwrap())),
        }
    }
    found
}

/// The bytes of a file, of the log of a training without what its clock says.
fn untimed(name: &str, bytes: &[u8]) -> Vec<u8> {
    if name.contains("tfevents") {
        return Vec::new();
    }
    if !name.ends_with("events.jsonl") {
        return bytes.to_vec();
    }
    let line = |line: &str| {
        let mut event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        assert!(event.remove("time").is_some() && event.remove("samples_per_second").is_some());
        serde_json::to_string(&event).unwrap()
    };
    std::str::from_utf8(bytes).unwrap().lines().map(line).collect::<Vec<_>>().join("\n").into_bytes()
}

/// Kills the command at seeded times, each time goes on with it to the end, and holds what it wrote against a run that was
/// left alone; `timed` names the files that hold times, which are only there.
fn killed_and_resumed(words: &[&str], purpose: u64, timed: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.toml"), EXPERIMENT).unwrap();
    let begun = Instant::now();
    let whole = command(folder.path(), &[words, &["--out", "whole"]].concat()).output().unwrap();
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let took = begun.elapsed();
    let mut stream = Key::new(purpose, Domain::Method).stream(0);
    let mut unfinished = 0;
    for kill in 0..kills() {
        let out = format!("killed{kill}");
        let place = folder.path().join(&out);
        let again = [words, &["--out", &out]].concat();
        for leg in 0..2 {
            let words = if leg == 0 { again.clone() } else { [&again[..], &["--resume"]].concat() };
            let mut child = command(folder.path(), &words).spawn().unwrap();
            std::thread::sleep(took.mul_f64(stream.uniform() * 0.8) + Duration::from_millis(1));
            unfinished += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // what was finished before the kill is no unfinished run
        let finished = place.join("DONE").exists();
        if !finished {
            let resumed = command(folder.path(), &[&again[..], &["--resume"]].concat()).output().unwrap();
            let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
            let complete =
                resumed.status.code() == Some(7) && files(&place).len() == files(&folder.path().join("whole")).len();
            assert!(resumed.status.success() || complete, "kill {kill}: {said}");
        }
        let (expected, found) = (files(&folder.path().join("whole")), files(&place));
        assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "kill {kill}");
        for (name, bytes) in expected.iter().filter(|(name, _)| !timed.contains(&name.as_str())) {
            assert!(untimed(name, &found[name]) == untimed(name, bytes), "kill {kill}: `{name}` has other bytes");
        }
        let beside: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with('.') || name.ends_with(".partial"))
            .collect();
        assert_eq!(beside, Vec::<String>::new(), "kill {kill} left these");
    }
    assert!(unfinished > 0, "no kill came before the end");
}

#[test]
fn a_killed_compare_goes_on_to_the_same_bytes_and_leaves_nothing() {
    killed_and_resumed(&["compare", "x.toml"], 1, &["manifest.json", "report.html", "report.json"]);
}

#[test]
fn a_killed_assimilate_goes_on_to_the_same_bytes_and_leaves_nothing() {
    killed_and_resumed(&["assimilate", "x.toml"], 2, &[]);
}
