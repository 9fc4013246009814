//! The rules of run folders, one by one.

use super::*;

fn exists(result: Result<RunFolder>, says: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Exists(_)) && error.to_string().contains(says), "{error}");
}

/// A finished run that holds one file.
fn finished(out: &Path, content: &str) {
    let run = RunFolder::create(out, false, false).unwrap();
    run.write("metrics.json", content.as_bytes()).unwrap();
    run.finish(&[]).unwrap();
}

#[test]
fn a_run_appears_whole_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("runs/a");
    let mut run = RunFolder::create(&out, false, false).unwrap();
    run.write_experiment("seed = 1\n", BTreeMap::new()).unwrap();
    run.write("models/ar.safetensors", b"w").unwrap();
    assert!(!out.exists() && run.has("models/ar.safetensors") && !run.resumed());
    let path = run.finish(&[("train".into(), 2.0)]).unwrap();
    assert_eq!(path, out);
    assert!(RunFolder::is_finished(&out) && !out.join(RUNNING).exists());
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 1);
    assert_eq!(manifest::verify(&out).unwrap(), Vec::<String>::new());
}

#[test]
fn a_finished_run_is_replaced_only_by_force_and_only_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    finished(&out, "old");
    exists(RunFolder::create(&out, false, false), "--force");
    exists(RunFolder::create(&out, false, true), "holds a finished run");
    let run = RunFolder::create(&out, true, false).unwrap();
    run.write("metrics.json", b"new").unwrap();
    assert_eq!(fs::read(out.join("metrics.json")).unwrap(), b"old");
    run.finish(&[]).unwrap();
    assert_eq!(fs::read(out.join("metrics.json")).unwrap(), b"new");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("thesis");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("chapter.tex"), b"years").unwrap();
    fs::write(out.join("manifest.json"), b"{}").unwrap();
    exists(RunFolder::create(&out, true, false), "not a run of scorecast");
    exists(RunFolder::create(&out, true, true), "not a run of scorecast");
    let partial = folder.path().join("b.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("chapter.tex"), b"years").unwrap();
    for (force, resume) in [(false, false), (true, false), (false, true)] {
        exists(RunFolder::create(&folder.path().join("b"), force, resume), "will not be touched");
    }
    assert_eq!(fs::read(out.join("chapter.tex")).unwrap(), b"years");
    assert_eq!(fs::read(partial.join("chapter.tex")).unwrap(), b"years");
    let file = folder.path().join("file");
    fs::write(&file, b"x").unwrap();
    exists(RunFolder::create(&file, true, false), "will not be replaced");
}

#[test]
fn an_unfinished_run_is_resumed_or_started_afresh_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let mut run = RunFolder::create(&out, false, false).unwrap();
    run.write_experiment("seed = 1\n", BTreeMap::new()).unwrap();
    run.write("models/checkpoint", b"half").unwrap();
    exists(RunFolder::create(&out, false, true), "another process");
    exists(RunFolder::create(&out, true, false), "another process");
    drop(run); // what a kill leaves: the folder, and no lock
    exists(RunFolder::create(&out, false, false), "--resume");
    let mut run = RunFolder::create(&out, false, true).unwrap();
    assert!(run.resumed() && run.has("models/checkpoint"));
    run.write_experiment("seed = 1\n", BTreeMap::new()).unwrap();
    let error = run.write_experiment("seed = 2\n", BTreeMap::new()).unwrap_err();
    assert!(error.to_string().contains("`seed = 1`"), "{error}");
    drop(run);
    let run = RunFolder::create(&out, true, false).unwrap();
    assert!(!run.resumed() && !run.has("models/checkpoint"));
    run.finish(&[]).unwrap();
}

#[test]
fn a_kill_between_the_last_steps_leaves_a_run_that_can_be_finished() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    finished(&out, "old");
    // Killed after the old run was moved aside and before the new one took its place.
    let run = RunFolder::create(&out, true, false).unwrap();
    run.write("metrics.json", b"new").unwrap();
    write_atomic(&run.path().join(DONE), MARK.as_bytes()).unwrap();
    fs::remove_file(run.path().join(RUNNING)).unwrap();
    drop(run);
    fs::rename(&out, folder.path().join(".a.replaced")).unwrap();
    let run = RunFolder::create(&out, false, true).unwrap();
    assert!(run.has("metrics.json") && !run.has(DONE));
    run.finish(&[]).unwrap();
    assert_eq!(fs::read(out.join("metrics.json")).unwrap(), b"new");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_empty_folder_may_be_given_and_names_stay_inside() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    fs::create_dir(&out).unwrap();
    let run = RunFolder::create(&out, false, false).unwrap();
    for name in ["../b", "/etc/b", "", "."] {
        assert!(matches!(run.file(name), Err(Error::Content(_))), "{name}");
    }
    run.finish(&[]).unwrap();
    assert!(RunFolder::is_finished(&out));
}

#[test]
fn a_run_in_which_nothing_was_done_leaves_nothing_and_asks_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("runs/a");
    let mut run = RunFolder::create(&out, false, false).unwrap();
    run.write_experiment("seed = 1\n", BTreeMap::new()).unwrap();
    fs::create_dir(run.path().join("models")).unwrap();
    drop(run);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // what a kill leaves of it is no unfinished run either
    let partial = folder.path().join("runs/a.partial");
    fs::create_dir_all(&partial).unwrap();
    fs::write(partial.join(RUNNING), MARK).unwrap();
    fs::write(partial.join(EXPERIMENT), "seed = 7\n").unwrap();
    let mut run = RunFolder::create(&out, false, false).unwrap();
    run.write_experiment("seed = 1\n", BTreeMap::new()).unwrap();
    run.finish(&[]).unwrap();
}

#[test]
fn a_run_is_gone_on_with_on_the_same_files_alone_and_its_seconds_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let of = |digest: &str| BTreeMap::from([("data.nc".to_owned(), digest.to_owned())]);
    let mut run = RunFolder::create(&out, false, false).unwrap();
    run.write_experiment("seed = 1\n", of("12")).unwrap();
    run.write("models/checkpoint", b"half").unwrap();
    run.note_seconds("total", 2.5).unwrap();
    // a temporary of the killed process
    let left = run.path().join("models/.b.3-4.partial");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("lock"), b"").unwrap();
    drop(run);
    let mut run = RunFolder::create(&out, false, true).unwrap();
    assert!(!left.exists());
    let error = run.write_experiment("seed = 1\n", of("34")).unwrap_err().to_string();
    assert!(error.contains("data.nc had the SHA-256 12, and has 34 now"), "{error}");
    run.write_experiment("seed = 1\n", of("12")).unwrap();
    assert_eq!((run.seconds("total"), run.seconds("train ar")), (2.5, 0.0));
    let path = run.finish(&[]).unwrap();
    assert!(!path.join("record.json").exists());
    assert!(fs::read_to_string(path.join("manifest.json")).unwrap().contains("\"data.nc\": \"12\""));
}
