//! The command line as a user meets it: what each good and each bad input prints, and with which exit code.
//!
//! To add a bad input, add a row to one of the tables.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A bad experiment: its text, the overrides, and what stderr must say.
struct Bad {
    text: &'static str,
    set: &'static [&'static str],
    says: &'static [&'static str],
}

const fn bad(text: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { text, set: &[], says }
}

/// Every mistake in an experiment is told with its line and its remedy; the exit code is 2.
const BAD_EXPERIMENTS: &[Bad] = &[
    bad("", &["neither a [system] to simulate nor a `file` in [data]"]),
    bad("seed = = 1\n", &["x.toml:1", "not TOML"]),
    bad("seed = 1\nseed = 2\n", &["x.toml:2", "duplicate key"]),
    bad("sed = 1\n", &["x.toml:1: unknown key `sed`; did you mean `seed`?"]),
    bad("seed = 1.5\n", &["`seed` is 1.5, but must be an integer of at least 0"]),
    bad("preset = \"lorez96\"\n", &["x.toml:1: there is no preset \"lorez96\"; did you mean `lorenz96`?"]),
    bad("[sytem]\nname = \"ou\"\n", &["x.toml:1: unknown section `sytem`; did you mean `system`?"]),
    bad("system = 3\n", &["`system` must be a section [system], but is 3"]),
    bad("[system]\n", &["[system]: `name` must be set"]),
    bad("[system]\nname = \"lorez96\"\n", &["x.toml:2: unknown system `lorez96`; did you mean `lorenz96`?"]),
    bad("[system]\nname = \"weather\"\n", &["x.toml:2: unknown system `weather`; there are ou,"]),
    bad(
        "[system]\nname = \"lorenz96\"\nforcin = 8\n",
        &["x.toml:3: [system] has no key `forcin`; did you mean `forcing`?"],
    ),
    bad(
        "[system]\nname = \"lorenz96\"\ndim = \"forty\"\n",
        &["x.toml:3: system `lorenz96`: `dim` is \"forty\", but must be"],
    ),
    bad(
        "[system]\nname = \"lorenz96\"\ndim = 3\n",
        &["x.toml:3: system `lorenz96`: `dim` is 3, but must be an integer from 4"],
    ),
    bad("[system]\nname = \"lorenz96\"\ndim = 99999999999999999999\n", &["x.toml:3", "beyond 64 bits"]),
    bad(
        "[system]\nname = \"lorenz96\"\nforcing = nan\n",
        &["x.toml:3", "`forcing` is NaN, but must be a finite number"],
    ),
    bad("[system]\nname = \"lorenz96\"\nforcing = 2020-01-01\n", &["x.toml:3", "the date 2020-01-01"]),
    bad("[system]\nname = \"ou\"\n", &["x.toml:1: [data] must set `dt`"]),
    bad("[system]\nname = \"ou\"\n[data]\ndt = 0\n", &["x.toml:4: [data]: `dt` is 0, but must be a number above 0"]),
    bad(
        "[system]\nname = \"ou\"\n[data]\ndt = 1\nintegrator = \"rk5\"\n",
        &["x.toml:5: unknown integrator `rk5`; did you mean `rk4`?"],
    ),
    bad("[system]\nname = \"ou\"\n[data]\ndt = 1\nsplit = [0.5, 0.4, 0.3]\n", &["x.toml:5", "sum to 1.2", "sum to 1"]),
    bad(
        "[system]\nname = \"ou\"\n[data]\ndt = 1\nfile = \"a.nc\"\nsteps = 5\n",
        &["x.toml:6", "nothing is simulated and `steps` has no use"],
    ),
    bad("[system]\nname = \"ou\"\n[data]\ndt = 1\nvariable = \"x\"\n", &["x.toml:5", "`variable` without `file`"]),
    in_ou(
        "[data]\ntrajectories = 2\n[[forecaster]]\nkind = \"gaussian\"\n",
        &["2 trajectories split to 0 for training, 1 for validation and 1 for testing"],
    ),
    in_ou("[[forecaster]]\nwidth = 3\n", &["[[forecaster]] must set `kind`"]),
    in_ou(
        "[[forecaster]]\nname = \"a\"\nkind = \"gausian\"\n",
        &["x.toml:7: unknown kind of forecaster `gausian`; did you mean `gaussian`?"],
    ),
    in_ou(
        "[[forecaster]]\nname = \"a\"\nkind = \"gaussian\"\nwidht = 3\n",
        &["x.toml:8: [[forecaster]] has no key `widht`; did you mean `width`?"],
    ),
    in_ou(
        "[[forecaster]]\nkind = \"gaussian\"\n[[forecaster]]\nkind = \"gaussian\"\n",
        &["x.toml:7: two forecasters are labelled `gaussian`"],
    ),
    in_ou(
        "[[forecaster]]\nname = \"perfect\"\nkind = \"gaussian\"\n",
        &["the label `perfect` is the name of a baseline, but its kind is `gaussian`"],
    ),
    in_ou("[observe]\noperator = \"strid\"\n", &["x.toml:6: unknown operator `strid`; did you mean `stride`?"]),
    in_ou("[observe]\noperator = \"stride\"\n", &["x.toml:6: operator `stride`: `stride` must be set"]),
    in_ou(
        "[observe]\noperator = { name = \"stride\", strid = 2 }\n",
        &["x.toml:6: [observe.operator] has no key `strid`; did you mean `stride`?"],
    ),
    in_ou("[observe]\noperator = { name = \"stride\", stride = 60 }\n", &["x.toml:6", "60", "3"]),
    in_ou("[observe]\noperator = { name = \"linear\", matrix = [[1, 0]] }\n", &["x.toml:6", "2", "3"]),
    in_ou(
        "[observe]\noperator = { name = \"linear\", matrix = [[1, 0], [1]] }\n",
        &["x.toml:6", "rows of equal length"],
    ),
    in_ou(
        "[observe]\nnoise = [1, 2]\n",
        &["x.toml:6: observe.noise has 2 standard deviations but the operator gives 3 values"],
    ),
    in_ou("[observe]\nnoise = 0\n", &["x.toml:6", "a standard deviation must be above 0"]),
    in_ou("[observe]\nnoise = { name = \"cauchy\", sd = 1 }\n", &["x.toml:6", "must be one of gaussian"]),
    in_ou(
        "[observe]\nburn_in = 1000\n",
        &["x.toml:6: [observe]: `burn_in` is 1000 and `steps` 1000, which leaves nothing to score"],
    ),
    in_ou("[observe]\nevery = 3\n", &["`steps` is 1000, which is no multiple of `every` = 3; set `steps` to 999"]),
    in_ou(
        "[observe]\ninitial = \"climate\"\n",
        &["x.toml:6: [observe]: `initial` is \"climate\", but must be \"climatology\""],
    ),
    in_ou(
        "[observe]\ninitial = { mean = [1, 2], sd = 1 }\n",
        &["`mean` has 2 values; give 1 for all components, or 3"],
    ),
    in_ou("[observe]\nfile = \"y.nc\"\ninitial = { truth_sd = 1 }\n", &["x.toml:7", "a `file` has none"]),
    in_ou("[[observe]]\n[[observe]]\n", &["two observing networks are called `observe`"]),
    in_ou("[[assimilate]]\nmethod = \"enkf\"\n", &["[[assimilate]] needs observations; add an [observe] section"]),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkff\"\n",
        &["x.toml:7: unknown method `enkff`; did you mean `enkf`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nmember = 3\n",
        &["x.toml:8: [[assimilate]] has no key `member`; did you mean `members`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nmembers = 1\n",
        &["x.toml:8: method `enkf`: `members` is 1, but must be an integer of at least 2"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nforecaster = \"perfct\"\n",
        &["x.toml:8: no forecaster is labelled `perfct`; did you mean `perfect`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nforecaster = 3\n",
        &["x.toml:8", "must be a word or a list of words"],
    ),
    in_ou(
        "[observe]\nname = \"full\"\n[[assimilate]]\nmethod = \"enkf\"\nobserve = \"ful\"\n",
        &["no observing network is called `ful`; did you mean `full`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\n[[assimilate]]\nmethod = \"enkf\"\n",
        &["x.toml:8: two rows are called `enkf / perfect` (the other is at x.toml:6); give one of them a `label`"],
    ),
    in_ou(
        "[observe]\nevery = 2\n[[assimilate]]\nmethod = \"enkf\"\nrun_steps = 31\n",
        &["`run_steps` is 31, but network `observe` has 1000 steps"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nreplicates = 2\n",
        &["`replicates` is 2, but network `observe` has 1"],
    ),
    in_ou(
        "[observe]\noperator = \"arctan\"\n[[assimilate]]\nmethod = \"kalman\"\n",
        &["`kalman` needs a linear operator, but `arctan` is not"],
    ),
    bad(
        "[system]\nname = \"lorenz63\"\n[data]\ndt = 0.05\n[observe]\n[[assimilate]]\nmethod = \"kalman\"\n",
        &["x.toml:6: `kalman` needs a linear-Gaussian forecaster, which `perfect` does not offer"],
    ),
    bad(
        "[system]\nname = \"lorenz63\"\n[data]\ndt = 0.05\n[observe]\n[[assimilate]]\nmethod = \"guided\"\n",
        &["x.toml:6: `guided` needs a forecaster with a denoiser, which `perfect` does not offer"],
    ),
    bad("[data]\nfile = \"a.nc\"\n[observe]\n", &["x.toml:3: [observe] is a twin experiment, which needs a [system]"]),
    bad(
        "[data]\nfile = \"a.nc\"\n[observe]\nfile = \"y.nc\"\n[[assimilate]]\nmethod = \"enkf\"\n",
        &["x.toml:5: `perfect` is the true system, but there is no [system]"],
    ),
    in_ou(
        "[score]\nmetrics = [\"rmse\", \"crsp_fair\"]\n",
        &["x.toml:6: unknown metric `crsp_fair`; did you mean `crps_fair`?"],
    ),
    in_ou("[score]\nmembers = 1\n", &["[score]: `members` is 1, but must be an integer from 2"]),
    in_ou(
        "[score]\nforecasters = [\"perfect\"]\nlead_steps = 2000\n",
        &["`lead_steps` is 2000, but a test trajectory has 1024 steps"],
    ),
    Bad { text: OU, set: &["data.dt"], says: &["--set data.dt: `data.dt` has no `=`"] },
    Bad { text: OU, set: &["data.dtt=1"], says: &["--set data.dtt=1: [data] has no key `dtt`; did you mean `dt`?"] },
    Bad { text: OU, set: &["system.dim=x"], says: &["--set system.dim=x: system `ou`: `dim` is \"x\""] },
    Bad { text: OU, set: &["data.dt.a=x"], says: &["--set data.dt.a=x: `data.dt` is 1, and has no key `a`"] },
    Bad { text: OU, set: &["preset=linear"], says: &["`preset` cannot be set here"] },
];

const OU: &str = "[system]\nname = \"ou\"\n[data]\ndt = 1\n";

/// A bad experiment whose first four lines are good, but for `[data]`, which may be given again as an override would.
const fn in_ou(rest: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { text: rest, set: &["in_ou"], says }
}

/// Bad arguments: what stderr must say; the exit code is 2.
const BAD_ARGUMENTS: &[(&[&str], &str)] = &[
    (&[], "Usage: scorecast"),
    (&["comparr"], "unrecognized subcommand 'comparr'"),
    (&["compare", "--bogus"], "unexpected argument '--bogus'"),
    (&["compare", "lorez96"], "did you mean `lorenz96`?"),
    (&["compare", "no/such/file.toml"], "no such file"),
    (&["compare", "."], "is a folder, not an experiment file"),
    (&["config", "show", "linear", "--threads", "0"], "--threads"),
    (&["config", "show", "linear", "--seed", "-3"], "--seed"),
    (&["config", "show", "linear", "--max-memory", "much"], "such as 4GiB"),
    (&["config", "show", "linear", "--max-memory", "0"], "such as 4GiB"),
    (&["config", "show", "linear", "--log-format", "xml"], "xml"),
    (&["compare", "linear", "--force", "--resume"], "cannot be used with"),
    (&["forecast", "linear", "--model", "x"], "LABEL=FILE"),
    (&["forecast", "linear", "--model", "x=y.safetensors"], "`x` is no forecaster of `linear`"),
    (&["train", "lorenz96", "--forecaster", "difusion"], "did you mean `diffusion`?"),
    (&["list", "weather"], "weather"),
    (&["evaluate"], "required arguments"),
];

fn scorecast(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scorecast")).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "stdout is not one line: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Runs with and without `--json`: both fail alike, and stdout holds nothing or one JSON object.
fn refused(args: &[&str], code: i32, kind: &str) -> (String, Value) {
    let plain = scorecast(args);
    assert_eq!(plain.status.code(), Some(code), "{args:?}: {}", stderr(&plain));
    assert!(plain.stdout.is_empty(), "{args:?} wrote to stdout");
    let as_json = scorecast(&[args, &["--json"]].concat());
    assert_eq!(as_json.status.code(), Some(code), "{args:?}");
    let object = json(&as_json);
    assert_eq!(object["ok"], false, "{args:?}");
    let error = &object["error"];
    assert_eq!((error["code"].as_i64(), error["kind"].as_str()), (Some(i64::from(code)), Some(kind)), "{args:?}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{args:?}");
    for key in ["hint", "location"] {
        assert!(error.get(key).is_some_and(|value| value.is_null() || value.is_string()), "{args:?}: {key}");
    }
    (stderr(&plain), object)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn every_mistake_in_an_experiment_is_told_with_its_line_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    for Bad { text, set, says } in BAD_EXPERIMENTS {
        let (text, set) = match set {
            ["in_ou"] => (after_ou(text), &[][..]),
            _ => ((*text).to_owned(), *set),
        };
        let path = write(folder.path(), "x.toml", text.as_bytes());
        let mut args = vec!["config", "show", path.to_str().unwrap()];
        set.iter().for_each(|set| args.extend(["--set", set]));
        let (said, object) = refused(&args, 2, "usage");
        let said = said.replace(&format!("{}/", folder.path().display()), "");
        for phrase in *says {
            assert!(said.contains(phrase), "{text}\n{set:?}\nshould say: {phrase}\nsays: {said}");
        }
        assert!(object["error"]["location"].is_string(), "{text}: no location");
    }
}

/// `rest` after a good `[system]` and `[data]`; keys of `[data]` in `rest` join those of the first.
fn after_ou(rest: &str) -> String {
    match rest.strip_prefix("[data]\n") {
        Some(more) => format!("{OU}{more}"),
        None => format!("{OU}{rest}"),
    }
}

#[test]
fn several_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{OU}sed = 1\n[observe]\nnoise = -1\n[score]\nmember = 3\nstarts = 0\n");
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let (said, object) = refused(&["config", "show", path.to_str().unwrap()], 2, "usage");
    assert!(said.contains("4 mistakes"), "{said}");
    let lines: Vec<&str> = said.lines().filter_map(|line| line.split_once("x.toml:")).map(|(_, rest)| rest).collect();
    let numbers: Vec<&str> = lines.iter().skip(1).filter_map(|rest| rest.split(':').next()).collect();
    assert_eq!(numbers, ["5", "7", "9", "10"], "{said}");
    assert!(object["error"]["message"].as_str().unwrap().contains("x.toml:10"));
}

#[test]
fn bad_arguments_are_refused() {
    for (args, phrase) in BAD_ARGUMENTS {
        let (said, _) = refused(args, 2, "usage");
        assert!(said.contains(phrase), "{args:?} should say: {phrase}\nsays: {said}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x.toml", b"seed = 1\nname = \"\xff\xfe\"\n");
    let (said, object) = refused(&["compare", path.to_str().unwrap()], 2, "usage");
    assert!(said.contains("not UTF-8 text from line 2 on"), "{said}");
    assert!(object["error"]["location"].as_str().unwrap().ends_with("x.toml:2"));
}

#[test]
fn an_experiment_beyond_the_memory_limit_is_refused_before_anything_is_allocated() {
    let args = ["compare", "lorenz96", "--set", "data.trajectories=1000000000", "--max-memory", "1GiB"];
    let (said, _) = refused(&args, 5, "resource");
    assert!(
        said.contains("--max-memory is 1.0 GiB") && said.contains("trajectories (1000000000 x 1024 x 40)"),
        "{said}"
    );
}

#[test]
fn results_are_one_json_object() {
    let good: &[(&[&str], &str)] = &[
        (&["list"], "list"),
        (&["list", "systems"], "list"),
        (&["config", "show", "linear"], "config"),
        (&["config", "schema"], "config"),
        (&["completions", "bash"], "completions"),
        (&["compare", "--dry-run"], "compare"),
        (&["train", "lorenz63", "--dry-run"], "train"),
        (&["assimilate", "sakov2008", "--dry-run"], "assimilate"),
        (&["--help"], "help"),
        (&["compare", "--help"], "help"),
        (&["--version"], "version"),
    ];
    for (args, command) in good {
        let plain = scorecast(args);
        assert!(plain.status.success(), "{args:?}: {}", stderr(&plain));
        assert!(!plain.stdout.is_empty() && plain.stderr.is_empty(), "{args:?}: {}", stderr(&plain));
        let output = scorecast(&[*args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}");
        let object = json(&output);
        assert_eq!(
            (&object["ok"], object["schema"].as_str()),
            (&Value::Bool(true), Some(&*format!("scorecast/{command}/v1")))
        );
        assert!(!object["result"].is_null(), "{args:?}");
    }
}

#[test]
fn every_preset_can_be_run_dry_and_shown_and_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let presets = json(&scorecast(&["list", "presets", "--json"]));
    for preset in presets["result"]["presets"].as_array().unwrap() {
        let name = preset["name"].as_str().unwrap();
        let dry = scorecast(&["compare", name, "--dry-run"]);
        assert!(dry.status.success(), "{name}: {}", stderr(&dry));
        let shown = scorecast(&["config", "show", name]);
        let path = write(folder.path(), "experiment.toml", &shown.stdout);
        let again = scorecast(&["config", "show", path.to_str().unwrap()]);
        assert_eq!(String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&again.stdout), "{name}");
    }
}

#[test]
fn overrides_and_the_seed_reach_the_plan() {
    let args = ["config", "show", "sakov2008", "--seed", "11", "--set", "assimilate.enkf.members=17", "--json"];
    let shown = json(&scorecast(&args));
    let experiment = &shown["result"]["experiment"];
    assert_eq!(experiment["seed"], 11);
    assert_eq!(experiment["assimilate"][1]["members"], 17);
    assert_eq!(experiment["assimilate"][0]["members"], 24);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let shell = format!("'{}' config schema | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_scorecast"));
    let output = Command::new("bash").args(["-c", &shell]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{}", stderr(&output));
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn an_output_that_exists_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.nc");
    let args = [
        "simulate",
        "linear",
        "--set",
        "data.trajectories=4",
        "--set",
        "data.steps=50",
        "--out",
        out.to_str().unwrap(),
    ];
    assert!(scorecast(&args).status.success());
    let (said, _) = refused(&args, 7, "exists");
    assert!(said.contains("--force"), "{said}");
    assert!(scorecast(&[&args[..], &["--force"]].concat()).status.success());
    let foreign = write(folder.path(), "notes.txt", b"mine");
    let run = ["compare", "sakov2008", "--force", "--out", folder.path().to_str().unwrap()];
    refused(&run, 7, "exists");
    assert!(foreign.exists(), "a folder that is not ours was emptied");
}

/// Bad data files: the arguments, with `FILE` for a file that is not HDF5 and `NOWHERE` for one that does not exist.
const BAD_DATA: &[(&[&str], i32, &str)] = &[
    (&["train", "lorenz63", "--data", "FILE", "--out", "NOWHERE"], 3, "is not an HDF5 (NetCDF-4) file"),
    (&["evaluate", "FILE"], 3, "is not an HDF5 (NetCDF-4) file"),
    (&["report", "NOWHERE"], 3, "not the folder of a finished run"),
];

#[test]
fn bad_data_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "bad.nc", b"not HDF5");
    let nowhere = folder.path().join("nowhere");
    for (args, code, phrase) in BAD_DATA {
        let fill = |arg: &&'static str| match *arg {
            "FILE" => file.to_str().unwrap().to_owned(),
            "NOWHERE" => nowhere.to_str().unwrap().to_owned(),
            other => other.to_owned(),
        };
        let args: Vec<String> = args.iter().map(fill).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let kind = if *code == 3 { "data" } else { "io" };
        let (said, _) = refused(&args, *code, kind);
        assert!(said.contains(phrase), "{args:?} should say: {phrase}\nsays: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_stops_the_work_with_its_own_exit_code() {
    for (signal, code, kind) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let long = ["compare", "sakov2008", "--set", "observe.steps=300000", "--json", "--out", out.to_str().unwrap()];
        let child = Command::new(env!("CARGO_BIN_EXE_scorecast"))
            .args(long)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let sent = Command::new("bash").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(json(&output)["error"]["kind"], kind);
    }
}
