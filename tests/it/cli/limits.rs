//! What is too large is refused before it is made, what fits runs within what was reckoned, and a signal ends any of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ndarray::{Array3, s};
use scorecast::store::netcdf::{self, Observations, StoredTrajectories};
use scorecast::systems::{Domain, Key};

use super::{json, refused, scorecast, stderr, write};

/// What a process takes beside the arrays that are reckoned: its code, libraries and tables.
const BESIDE: u64 = 256 << 20;

/// What a thread takes at most: its stack and its share of the allocator's address space. There are the main thread, and
/// for each of `--threads` one of the pool, one that takes jobs and one that runs them.
const A_THREAD: u64 = 64 << 20;

const WIDE: &str = "seed = 1\n[system]\nname = \"lorenz96\"\ndim = 100000\n[data]\ntrajectories = 3\nsteps = 4\nspin_up = 2\n\
    dt = 0.05\n[observe]\noperator = { name = \"stride\", stride = 2 }\nsteps = 4\nburn_in = 0\n\
    [[assimilate]]\nmethod = \"etkf\"\nmembers = 10\n";

/// Runs in a shell that limits the address space to `bytes`.
fn limited(folder: &Path, bytes: u64, words: &str) -> std::process::Output {
    let command = format!("ulimit -v {}; exec '{}' {words}", bytes / 1024, env!("CARGO_BIN_EXE_scorecast"));
    Command::new("sh").current_dir(folder).args(["-c", &command]).output().unwrap()
}

/// What stderr says of a run that ends with this exit code.
fn fails(args: &[&str], code: i32) -> String {
    let output = scorecast(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    stderr(&output)
}

#[test]
fn whatever_is_a_billion_is_refused_at_once_with_the_figure_of_a_dry_run() {
    for (preset, set, says) in [
        ("lorenz96", "forecaster.1.width=1000000000", "a network of"),
        ("lorenz96", "forecaster.1.blocks=1000000000", "1000000000 blocks"),
        ("lorenz96", "forecaster.2.batch=1000000000", "layers of 1000000000 examples"),
        ("lorenz96", "assimilate.0.members=1000000000", "1000000000"),
        ("lorenz96", "score.members=1000000000", "1000000000 members"),
        ("lorenz96", "observe.0.replicates=1000000000", "1000000000 x 800 sets"),
    ] {
        let args = ["compare", preset, "--set", set, "--max-memory", "4GiB"];
        let begun = Instant::now();
        let (said, _) = refused(&args, 5, "resource");
        assert!(said.contains(says) && said.contains("--max-memory is 4.0 GiB"), "{set}: {said}");
        let dry = scorecast(&[&args[..], &["--dry-run", "--json"]].concat());
        let found = json(&dry);
        let needs = found["result"]["memory"].as_array().unwrap().clone();
        let largest = needs.iter().max_by_key(|need| need["bytes"].as_u64()).unwrap();
        let what = largest["what"].as_str().unwrap();
        assert!(said.contains(what) && found["result"]["fits"] == false, "{set}: {what}\n{said}");
        let sum = scorecast::spec::size::readable(found["result"]["memory_bytes"].as_u64().unwrap());
        assert!(said.contains(&format!("needs about {sum}, most of it")), "{set}: {sum}\n{said}");
        // three processes
        assert!(begun.elapsed() < Duration::from_secs(10), "{set}: {:?}", begun.elapsed());
    }
}

/// A matrix of this state would take 80 GB.
#[cfg(target_os = "linux")]
#[test]
fn nothing_of_the_order_of_a_squared_state_is_made_for_a_method_of_members() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.toml", WIDE.as_bytes());
    let output = limited(folder.path(), 2 << 30, "compare x.toml --out run --threads 2 --quiet");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn runs_at_the_limit_stay_within_what_was_reckoned() {
    let folder = tempfile::tempdir().unwrap();
    let short = "spin_up = 0\nsplit = [0.5, 0.25, 0.25]\n";
    let small = "[score]\nlead_steps = 2\nmembers = 4\nstarts = 2\n";
    let network = format!(
        "[system]\nname = \"lorenz63\"\n[data]\ntrajectories = 4\nsteps = 40\n{short}[[forecaster]]\nkind = \"diffusion\"\n\
         width = 300\nsteps = 3\nvalidate_every = 3\n{small}"
    );
    let members = format!(
        "[system]\nname = \"lorenz96\"\n[data]\ntrajectories = 4\nsteps = 40\n{short}[observe]\nsteps = 2\nburn_in = 0\n\
         replicates = 2\n[[assimilate]]\nmethod = \"enkf\"\nmembers = 20000\n[[assimilate]]\nmethod = \"bootstrap\"\n\
         members = 20000\n"
    );
    let guided = format!(
        "[system]\nname = \"lorenz96\"\nnoise = 1.0\n[data]\ntrajectories = 4\nsteps = 40\n{short}[[forecaster]]\n\
         kind = \"linear\"\n{small}[observe]\nsteps = 2\nburn_in = 0\n[[assimilate]]\nmethod = \"guided\"\n\
         forecaster = \"linear\"\nmembers = 5000\n"
    );
    let data = format!(
        "[system]\nname = \"lorenz96\"\n[data]\ntrajectories = 8\nsteps = 10000\n{short}[[forecaster]]\nkind = \"linear\"\n{small}"
    );
    let covariance = format!(
        "[system]\nname = \"linear_advection\"\ndim = 1000\n[data]\ntrajectories = 4\nsteps = 40\n{short}[observe]\n\
         operator = {{ name = \"stride\", stride = 50 }}\nsteps = 3\nburn_in = 0\n[[assimilate]]\nmethod = \"kalman\"\n"
    );
    for (name, text) in
        [("network", network), ("members", members), ("guided", guided), ("data", data), ("covariance", covariance)]
    {
        let file = format!("{name}.toml");
        let path = write(folder.path(), &file, text.as_bytes());
        let dry = scorecast(&["compare", path.to_str().unwrap(), "--threads", "2", "--dry-run", "--json"]);
        assert_eq!(dry.status.code(), Some(0), "{name}: {}", stderr(&dry));
        let bytes = json(&dry)["result"]["memory_bytes"].as_u64().unwrap();
        let limit = bytes + BESIDE + (1 + 3 * 2) * A_THREAD;
        let words = format!("compare {file} --out {name} --threads 2 --quiet --max-memory {bytes}");
        let output = limited(folder.path(), limit, &words);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        let less = limited(folder.path(), limit, &words.replace(&format!("{bytes}"), &format!("{}", bytes - 1)));
        assert_eq!(less.status.code(), Some(5), "{name}: {}", stderr(&less));
    }
}

/// Smooth random trajectories, `[case, time, component]`.
fn states(cases: usize, times: usize, dim: usize) -> Array3<f64> {
    Array3::from_shape_vec(
        (cases, times, dim),
        Key::new(1, Domain::Data).normals(cases * times, dim).into_raw_vec_and_offset().0,
    )
    .unwrap()
}

fn trajectories(path: &Path, values: Array3<f64>) {
    let time = (0..values.dim().1).map(|k| k as f64).collect();
    netcdf::write_trajectories(path, &StoredTrajectories::new(values, Some(time)), &Default::default()).unwrap();
}

/// A file that nothing can be learned from is at fault itself; what a simulation was told is the experiment's mistake.
#[test]
fn faults_of_data_are_those_of_the_file_that_holds_them() {
    let folder = tempfile::tempdir().unwrap();
    let good = states(6, 30, 2);
    let mut constant = good.clone();
    constant.slice_mut(s![.., .., 1]).fill(4.0);
    let mut huge = good.clone();
    huge[(2, 5, 1)] = 1e308;
    let one = good.slice(s![.., ..1, ..]).to_owned();
    for (name, values, kind, says) in [
        ("constant", constant, "gaussian", "component 1 has the same value in all"),
        ("huge", huge, "linear", "it holds 1e308 at (2, 5, 1)"),
        ("one", one, "linear", "at least 3 pairs"),
    ] {
        let file = folder.path().join(format!("{name}.nc"));
        trajectories(&file, values);
        let text = format!(
            "[data]\nfile = \"{}\"\n[[forecaster]]\nkind = \"{kind}\"\n[score]\nlead_steps = 1\n",
            file.display()
        );
        let path = write(folder.path(), "x.toml", text.as_bytes());
        let out = folder.path().join(name);
        let said = fails(&["train", path.to_str().unwrap(), "--out", out.to_str().unwrap()], 3);
        assert!(said.contains(says) && said.contains(&format!("{name}.nc")), "{said}");
    }
    let text = "[system]\nname = \"ou\"\nnoise = [0.0, 0.0, 0.0]\n[data]\ntrajectories = 6\nsteps = 30\n[[forecaster]]\n\
                kind = \"gaussian\"\n[score]\nlead_steps = 2\nstarts = 2\n";
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("models");
    let said = fails(&["train", path.to_str().unwrap(), "--out", out.to_str().unwrap()], 2);
    assert!(said.contains("has the same value in all"), "{said}");
}

#[test]
fn observations_from_a_file_need_no_multiple_of_every_and_a_simulation_no_scores() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen.nc");
    let seen = Observations { values: states(1, 10, 3), time: None, unit: Default::default() };
    netcdf::write_observations(&file, &seen, &Default::default()).unwrap();
    let rest = "[[assimilate]]\nmethod = \"etkf\"\nmembers = 4\n";
    let text = |burn_in: usize| {
        format!(
            "[system]\nname = \"ou\"\n[data]\ntrajectories = 6\nsteps = 30\n[observe]\nfile = \"{}\"\nevery = 3\n\
             initial = \"climatology\"\nburn_in = {burn_in}\n{rest}",
            file.display()
        )
    };
    let path = write(folder.path(), "x.toml", text(0).as_bytes());
    let out = folder.path().join("run");
    let output = scorecast(&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = write(folder.path(), "x.toml", text(30).as_bytes());
    let out = folder.path().join("other");
    let said = fails(&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap()], 2);
    assert!(said.contains("`burn_in` of 30") && said.contains("last set is at lead step 30"), "{said}");

    let data = folder.path().join("data.nc");
    let args =
        ["simulate", "lorenz96", "--set", "data.steps=5", "--set", "data.spin_up=0", "--out", data.to_str().unwrap()];
    let output = scorecast(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let args = ["simulate", "lorenz96", "--set", "data.stps=5", "--out", data.to_str().unwrap()];
    refused(&args, 2, "usage");
}

/// 2^31 doublings of a matrix, once.
#[test]
fn numbers_near_the_largest_end_with_a_sentence() {
    for set in ["system.coupling=1e308", "system.rate=1e308", "system.rate=1e-308"] {
        let begun = Instant::now();
        let (said, _) = refused(&["config", "show", "ou", "--set", set], 2, "usage");
        assert!(said.contains("system `ou`") && begun.elapsed() < Duration::from_secs(10), "{set}: {said}");
    }
    let begun = Instant::now();
    scorecast(&["config", "show", "ou", "--set", "data.dt=1e308"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Copies of one member, made by resampling, stay copies where nothing is drawn.
#[test]
fn members_without_spread_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let text = "seed = 1\n[system]\nname = \"lorenz63\"\n[data]\ntrajectories = 6\nsteps = 100\ndt = 0.01\n[observe]\n\
                steps = 60\nburn_in = 40\nnoise = 0.05\ninitial = { truth_sd = 0.1 }\n[[assimilate]]\n\
                method = \"bootstrap\"\nmembers = 4\n[[assimilate]]\nmethod = \"etkf\"\nmembers = 4\n";
    let path = write(folder.path(), "x.toml", text.as_bytes());
    let out = folder.path().join("run");
    let output = scorecast(&["compare", path.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = json(&output)["result"]["warnings"].to_string();
    assert!(told.contains("The members of `bootstrap") && !told.contains("The members of `etkf"), "{told}");
}

/// Presets at seeded moments. What a signal waits for is the end of a kernel: an analysis, a lead step of all members, and, of
/// `lorenz96_full`, seconds in which 13 million numbers are compressed into its file of trajectories.
#[cfg(unix)]
#[test]
fn a_signal_ends_every_preset_at_once() {
    const WITHIN: Duration = Duration::from_secs(10);
    let folder = tempfile::tempdir().unwrap();
    for (index, preset) in scorecast::spec::PRESETS.iter().enumerate() {
        let mut moments = Key::new(20, Domain::Data).case(index as u64).stream(0);
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
            let out = folder.path().join(format!("{}-{signal}", preset.name));
            command.args(["compare", preset.name, "--quiet", "--threads", "2", "--out"]).arg(out);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(300 + moments.below(4000) as u64));
            if child.try_wait().unwrap().is_some() {
                continue;
            }
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
            let begun = Instant::now();
            let status = child.wait().unwrap();
            assert!(begun.elapsed() < WITHIN, "{} {signal}: {:?}", preset.name, begun.elapsed());
            assert!(status.code() == Some(code) || status.success(), "{} {signal}: {status}", preset.name);
        }
    }
}
