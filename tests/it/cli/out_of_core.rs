//! Trajectories that are larger than memory: held on disk, they give the same bytes, and leave nothing behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array3, s};
use scorecast::store::netcdf::{self, Attribute, Dataset, StoredTrajectories, Values, Variable};
use scorecast::systems::{Domain, Key};

use super::{json, listing, scorecast, stderr, write};

const LEARNED: &str = "[[forecaster]]\nkind = \"gaussian\"\nwidth = 4\nblocks = 1\nsteps = 30\nbatch = 16\nvalidate_every = 10\n\
    [[forecaster]]\nkind = \"mse\"\nname = \"long\"\nhistory = 3\nwidth = 4\nblocks = 1\nsteps = 20\nbatch = 8\n";
const SCORED: &str = "[score]\nlead_steps = 3\nstarts = 2\nmembers = 4\n";

/// Smooth trajectories, `[case, time, component]`.
fn states(cases: usize, times: usize, dim: usize) -> Array3<f64> {
    let noise = Key::new(8, Domain::Data).normals(cases * times, dim);
    Array3::from_shape_fn((cases, times, dim), |(i, k, j)| {
        (0.1 * k as f64 + i as f64 + 0.7 * j as f64).sin() + 0.1 * noise[[i * times + k, j]]
    })
}

fn own(path: &Path, values: Array3<f64>) {
    netcdf::write_trajectories(path, &StoredTrajectories::new(values, None), &Default::default()).unwrap();
}

/// Integers that stand for numbers, in another order and under other names.
fn packed(path: &Path, values: &Array3<f64>) {
    let (cases, times, dim) = values.dim();
    let turned = values.view().permuted_axes([2, 1, 0]);
    let integers = turned.iter().map(|value| (value * 1e4).round() as i32).collect();
    let state = Variable::new("u", &["x", "t", "run"], Values::I32(integers));
    let state = state.with("scale_factor", Attribute::F64(vec![1e-4])).with("_FillValue", Attribute::I32(vec![-1]));
    let time = Variable::coordinate("t", Values::F64((0..times).map(|k| 0.5 * k as f64).collect()));
    let dataset = Dataset::default().dimension("x", dim).coordinate(time.with("units", "hours since 2001-01-01"));
    netcdf::write(path, &dataset.dimension("run", cases).variable(state.with("units", "m"))).unwrap();
}

fn experiment(folder: &Path, name: &str, file: &Path, rest: &str) -> PathBuf {
    let text = format!("seed = 4\n[data]\nfile = \"{}\"\nsplit = [0.5, 0.25, 0.25]\n{rest}", file.display());
    write(folder, name, text.as_bytes())
}

fn good(args: &[&str]) -> Output {
    let output = scorecast(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    output
}

/// What a failing command says.
fn said(args: &[&str], code: i32) -> String {
    let output = scorecast(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    stderr(&output).lines().filter(|line| !line.contains("held on disk")).collect()
}

#[test]
fn models_and_scores_have_the_same_bytes_wherever_trajectories_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let values = states(8, 60, 5);
    own(&at("own.nc"), values.clone());
    packed(&at("packed.nc"), &values);
    let simulated = "[system]\nname = \"lorenz96\"\ndim = 8\n[data]\ntrajectories = 8\nsteps = 60\nspin_up = 20\n";
    let system = write(folder.path(), "system.toml", simulated.as_bytes());
    let well = at("well");
    let args = ["simulate", system.to_str().unwrap(), "--format", "the_well", "--out", well.to_str().unwrap()];
    good(&args);
    for (name, file, extra) in [
        ("own", at("own.nc"), "[[forecaster]]\nkind = \"analog\"\n"),
        ("packed", at("packed.nc"), "[[forecaster]]\nkind = \"linear\"\n"),
        (
            "well",
            well,
            "[system]\nname = \"lorenz96\"\ndim = 8\n[observe]\nsteps = 20\n[[assimilate]]\nmethod = \"enkf\"\nmembers = 6\nforecaster = \"gaussian\"\n",
        ),
    ] {
        let path = experiment(folder.path(), &format!("{name}.toml"), &file, &format!("{LEARNED}{extra}{SCORED}"));
        let run = |hold: &str, threads: &str| {
            let out = at(&format!("{name}_{hold}_{threads}"));
            let (hold, scratch) = (format!("data.hold=\"{hold}\""), at("scratch"));
            std::fs::create_dir_all(&scratch).unwrap();
            let args = ["compare", path.to_str().unwrap(), "--set", &hold, "--out", out.to_str().unwrap()];
            let output = good(&[&args[..], &["--threads", threads, "--scratch", scratch.to_str().unwrap()]].concat());
            assert_eq!(stderr(&output).contains("are held on disk"), hold.contains("disk"), "{}", stderr(&output));
            assert!(listing(&scratch).is_empty());
            out
        };
        let expected = run("memory", "2");
        let stored = |run: &Path| {
            let mut all = listing(&run.join("models"));
            all.retain(|name| name.ends_with(".safetensors"));
            all
        };
        let models = stored(&expected);
        assert!(models.len() > 3, "{models:?}");
        for other in [run("disk", "2"), run("disk", "1")] {
            for file in ["metrics.json", "metrics.csv"] {
                assert!(
                    std::fs::read(expected.join(file)).unwrap() == std::fs::read(other.join(file)).unwrap(),
                    "{name} {file}"
                );
            }
            assert_eq!(stored(&other), models);
            for model in &models {
                let bytes = |run: &Path| std::fs::read(run.join("models").join(model)).unwrap();
                assert!(bytes(&expected) == bytes(&other), "{name} {model}");
            }
            let data = |run: &Path| {
                let limits = scorecast::store::Limits::bytes(1 << 30);
                netcdf::read_worded_trajectories(&run.join("data.nc"), None, &limits).unwrap()
            };
            assert!(data(&expected) == data(&other), "{name}: the copy of the trajectories");
        }
    }
}

#[test]
fn trajectories_beyond_the_limit_train_from_the_disk_and_are_refused_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    // 9.6 MB
    own(&folder.path().join("own.nc"), states(6, 20_000, 10));
    let path = experiment(
        folder.path(),
        "x.toml",
        &folder.path().join("own.nc"),
        &LEARNED[..LEARNED.find("[[forecaster]]\nkind = \"mse\"").unwrap()],
    );
    let run = |hold: &str, limit: &str, code: i32| {
        let (hold, out) = (format!("data.hold=\"{hold}\""), folder.path().join("models"));
        let args = [
            "train",
            path.to_str().unwrap(),
            "--forecaster",
            "gaussian",
            "--set",
            &hold,
            "--max-memory",
            limit,
            "--force",
            "--out",
        ];
        let output = scorecast(&[&args[..], &[out.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(code), "{hold} {limit}: {}", stderr(&output));
        (stderr(&output), out)
    };
    let (said, _) = run("memory", "8MiB", 5);
    assert!(said.contains("memory") && said.contains("leave out `hold = \"memory\"`"), "{said}");
    let mut models = Vec::new();
    for (hold, limit, on_disk) in [
        ("auto", "8MiB", true),
        ("disk", "8MiB", true),
        ("disk", "1GiB", true),
        ("auto", "1GiB", false),
        ("memory", "1GiB", false),
    ] {
        let (said, out) = run(hold, limit, 0);
        assert_eq!(said.contains("(6 x 20000 x 10) are held on disk, 9.2 MiB in"), on_disk, "{said}");
        models.push(std::fs::read(out.join("gaussian.safetensors")).unwrap());
        assert!(listing(&out).iter().all(|name| !name.starts_with('.')), "{:?}", listing(&out));
    }
    assert!(models.windows(2).all(|pair| pair[0] == pair[1]));
    // what copies the trajectories says so
    let linear =
        experiment(folder.path(), "linear.toml", &folder.path().join("own.nc"), "[[forecaster]]\nkind = \"linear\"\n");
    let args = ["train", linear.to_str().unwrap(), "--forecaster", "linear", "--max-memory", "8MiB", "--out", "m"];
    let output = Command::new(env!("CARGO_BIN_EXE_scorecast")).current_dir(folder.path()).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("of a regression (80000 x 10)"), "{}", stderr(&output));
}

#[test]
fn files_that_cannot_be_used_are_refused_in_the_same_words_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let good_values = states(8, 40, 4);
    let changed = |change: fn(&mut Array3<f64>)| {
        let mut values = good_values.clone();
        change(&mut values);
        values
    };
    let own_file = |name: &'static str, values: Array3<f64>| {
        own(&folder.path().join(name), values);
        name
    };
    write(folder.path(), "text.nc", b"this is no array");
    let cases = [
        own_file("hole.nc", changed(|values| values[[7, 39, 3]] = f64::NAN)),
        own_file("infinite.nc", changed(|values| values[[0, 0, 0]] = f64::INFINITY)),
        own_file(
            "huge.nc",
            changed(|values| {
                values[[6, 3, 1]] = -1e200;
                values[[1, 9, 2]] = 1e160;
            }),
        ),
        own_file("two.nc", good_values.slice(s![..2, .., ..]).to_owned()),
        own_file("torn.nc", good_values.clone()),
        "text.nc",
        own_file("good.nc", good_values.clone()),
    ];
    let torn = folder.path().join("torn.nc");
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    let scratch = folder.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    for name in cases {
        let file = folder.path().join(name);
        let extra = if name == "good.nc" { "dt = 0.25\nvariable = \"none\"\n" } else { "" };
        let path = experiment(folder.path(), "x.toml", &file, &format!("{extra}{LEARNED}"));
        let before = listing(folder.path());
        let words = |hold: &str, more: &[&str]| {
            let hold = format!("data.hold=\"{hold}\"");
            let out = folder.path().join("models");
            let args = ["train", path.to_str().unwrap(), "--set", &hold, "--quiet", "--out", out.to_str().unwrap()];
            said(&[&args[..], &["--scratch", scratch.to_str().unwrap()], more].concat(), 3)
        };
        let expected = words("memory", &[]);
        assert!(expected.contains(name), "{expected}");
        assert_eq!(words("disk", &[]), expected);
        if name != "huge.nc" {
            assert_eq!(words("disk", &["--dry-run"]), expected);
        }
        assert!(listing(&scratch).is_empty() && listing(folder.path()) == before, "{:?}", listing(folder.path()));
    }
}

#[test]
fn a_dry_run_looks_through_what_would_be_held_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    own(&folder.path().join("own.nc"), states(8, 40, 4));
    let path = experiment(folder.path(), "x.toml", &folder.path().join("own.nc"), LEARNED);
    let args = ["compare", path.to_str().unwrap(), "--set", "data.hold=\"disk\"", "--dry-run", "--json"];
    let result = json(&good(&args))["result"].to_string();
    assert!(
        result.contains("4 + 2 + 2 trajectories of 39 lead steps") && result.contains("to be held on disk"),
        "{result}"
    );
    let args = ["compare", path.to_str().unwrap(), "--dry-run", "--json"];
    assert!(!json(&good(&args))["result"].to_string().contains("on disk"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_cannot_hold_them_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    own(&folder.path().join("own.nc"), states(6, 4000, 10));
    let path = experiment(folder.path(), "x.toml", &folder.path().join("own.nc"), LEARNED);
    let command = format!(
        "ulimit -f 1000; exec '{}' train '{}' --set 'data.hold=\"disk\"' --out models --quiet",
        env!("CARGO_BIN_EXE_scorecast"),
        path.display()
    );
    let output = Command::new("sh").current_dir(folder.path()).args(["-c", &command]).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", stderr(&output));
    assert!(stderr(&output).contains("could not hold trajectories there"), "{}", stderr(&output));
    assert_eq!(listing(folder.path()), ["own.nc", "x.toml"]);
    let args = ["train", path.to_str().unwrap(), "--set", "data.hold=\"disk\"", "--scratch", "/nowhere/at/all"];
    let output = Command::new(env!("CARGO_BIN_EXE_scorecast")).current_dir(folder.path()).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", stderr(&output));
    assert!(stderr(&output).contains("/nowhere/at/all"), "{}", stderr(&output));
}

/// Runs `train` in a shell that limits the memory that is the process's own (not that of mapped files) to so many MiB.
#[cfg(target_os = "linux")]
fn trained_within(folder: &Path, mib: usize, hold: &str) -> Output {
    let command = format!(
        "ulimit -d {}; exec '{}' train x.toml --forecaster long --set 'data.hold=\"{hold}\"' --out models --force --threads 2 --quiet",
        mib * 1024,
        env!("CARGO_BIN_EXE_scorecast"),
    );
    Command::new("sh").current_dir(folder).args(["-c", &command]).output().unwrap()
}

#[cfg(target_os = "linux")]
fn assert_memory_stays_below(mib: usize, cases: usize) {
    let folder = tempfile::tempdir().unwrap();
    // 8 MiB a case
    own(&folder.path().join("own.nc"), states(cases, 1 << 16, 16));
    experiment(folder.path(), "x.toml", &folder.path().join("own.nc"), LEARNED);
    let output = trained_within(folder.path(), mib, "disk");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = trained_within(folder.path(), mib, "memory");
    assert_ne!(output.status.code(), Some(0), "in memory they would not fit: the limit works");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_what_is_held_on_disk() {
    assert_memory_stays_below(64, 12);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "writes and reads 400 MB"]
fn memory_does_not_grow_with_much_that_is_held_on_disk() {
    assert_memory_stays_below(64, 50);
}
