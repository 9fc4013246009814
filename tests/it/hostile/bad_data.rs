//! Bad files and impossible runs: each gives one sentence that names what and where, its exit code, and nothing half
//! written. Mistakes in the experiment itself are in `cli`.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::Path;
use std::process::Command;

use ndarray::Array3;
use scorecast::store::netcdf::{self, Observations, StoredTrajectories};

use crate::cli::listing;

/// What is run, its exit code, and what stderr must say.
struct BadFile {
    /// Words of the command line; `{}` is the folder of the test.
    words: &'static str,
    code: i32,
    says: &'static [&'static str],
}

const OWN: &str = "[data]\nfile = \"{}/mine.nc\"\ndt = 0.1\nsplit = [0.5, 0.25, 0.25]\n[[forecaster]]\nname = \"linear\"\n\
                   kind = \"linear\"\n[score]\nlead_steps = 2\nstarts = 2\nmembers = 4\n";

const ROWS: &[BadFile] = &[
    BadFile { words: "train own.toml --data missing.nc", code: 74, says: &["missing.nc"] },
    BadFile { words: "train own.toml --data .", code: 3, says: &["is not a file"] },
    BadFile { words: "train own.toml --data text.nc", code: 3, says: &["text.nc", "HDF5"] },
    BadFile { words: "train own.toml --data torn.nc", code: 3, says: &["torn.nc"] },
    BadFile { words: "train own.toml --data hole.nc", code: 3, says: &["hole.nc", "not finite"] },
    BadFile { words: "train own.toml --data two.nc", code: 3, says: &["2 trajectories", "hint"] },
    BadFile {
        words: "train ou3.toml --data mine.nc",
        code: 3,
        says: &["trajectories have 4 components but system `ou` has 3", "system.dim"],
    },
    BadFile { words: "train own.toml --out kept", code: 7, says: &["kept/", ".safetensors", "exists", "--force"] },
    BadFile { words: "simulate ou3.toml --out mine.nc", code: 7, says: &["mine.nc", "exists"] },
    BadFile { words: "compare ou3.toml --out kept", code: 7, says: &["kept"] },
    BadFile { words: "simulate ou3.toml --out big.nc --max-memory 1KiB", code: 5, says: &["KiB", "--max-memory"] },
    BadFile { words: "train own.toml --max-memory 3KiB", code: 5, says: &["max-memory"] },
    BadFile {
        words: "simulate l96.toml --set data.dt=5.0 --set data.substeps=1 --out x.nc",
        code: 4,
        says: &["diverged", "shorter dt"],
    },
    BadFile { words: "forecast ou3.toml --model linear=text.nc --out f", code: 3, says: &["text.nc"] },
    BadFile {
        words: "forecast ou3.toml --model linear=kept/linear.safetensors --out f",
        code: 3,
        says: &["forecasts 4 components but the experiment's state has 3"],
    },
    BadFile {
        words: "assimilate ou3.toml --set observe.file=seen.nc --set observe.operator=identity",
        code: 3,
        says: &["sets of 2 values but operator `identity` gives 3", "observe.operator"],
    },
    BadFile { words: "evaluate mine.nc", code: 3, says: &["mine.nc", "nothing to score"] },
    BadFile { words: "report .", code: 3, says: &["report.json"] },
    BadFile { words: "simulate ou3.toml --out text.nc/deeper/data.nc", code: 74, says: &["text.nc"] },
];

fn prepare(folder: &Path) {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text.replace("{}", &folder.display().to_string())).unwrap();
    };
    write("own.toml", OWN);
    write(
        "ou3.toml",
        "[system]\nname = \"ou\"\n[data]\ntrajectories = 6\nsteps = 20\ndt = 0.1\n[[forecaster]]\nname = \"linear\"\n\
         kind = \"linear\"\n[observe]\nsteps = 20\nburn_in = 2\n[[assimilate]]\nmethod = \"etkf\"\nmembers = 5\n\
         forecaster = \"perfect\"\n[score]\nlead_steps = 2\nstarts = 2\nmembers = 4\n",
    );
    write("l96.toml", "[system]\nname = \"lorenz96\"\n[data]\ntrajectories = 4\nsteps = 50\ndt = 0.05\n");
    write("text.nc", "this is no array");
    let states = Array3::from_shape_fn((8, 30, 4), |(i, k, c)| ((i * 31 + k * 7 + c * 3) as f64).sin());
    let save = |name: &str, values: Array3<f64>| {
        let trajectories = StoredTrajectories::new(values, None);
        netcdf::write_trajectories(&folder.join(name), &trajectories, &Default::default()).unwrap();
    };
    save("mine.nc", states.clone());
    save("two.nc", states.slice(ndarray::s![..2, .., ..]).to_owned());
    let mut hole = states;
    hole[[3, 5, 1]] = f64::NAN;
    save("hole.nc", hole);
    let whole = std::fs::read(folder.join("mine.nc")).unwrap();
    std::fs::write(folder.join("torn.nc"), &whole[..whole.len() / 2]).unwrap();
    let observations = Observations { values: Array3::zeros((1, 5, 2)), time: None, unit: Default::default() };
    netcdf::write_observations(&folder.join("seen.nc"), &observations, &Default::default()).unwrap();
    let trained = scorecast(folder, "train own.toml --out kept");
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
}

fn scorecast(folder: &Path, words: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.current_dir(folder).args(words.split_whitespace()).output().unwrap()
}

#[test]
fn each_gives_its_sentence_and_its_exit_code_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let before = listing(folder.path());
    let mut wrong = Vec::new();
    for row in ROWS {
        let output = scorecast(folder.path(), row.words);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let missing: Vec<_> = row.says.iter().filter(|phrase| !stderr.contains(**phrase)).collect();
        if output.status.code() != Some(row.code) || !missing.is_empty() || stderr.contains("panicked") {
            wrong.push(format!("`{}` gave {:?}, without {missing:?}:\n{stderr}", row.words, output.status.code()));
        }
        let json = scorecast(folder.path(), &format!("{} --json", row.words));
        let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        if value["ok"] != false || value["error"]["code"] != row.code {
            wrong.push(format!("`{} --json` printed {value}", row.words));
        }
    }
    let after: Vec<String> = listing(folder.path()).into_iter().filter(|name| name != "models").collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, after, "something was left behind");
}
