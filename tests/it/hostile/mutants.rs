//! Inputs that were good before bytes of them were changed, from seeds: whatever is read must end in a value or in an error with its
//! exit code, within seconds and within its memory, and no number that carries a checksum may change unseen.
//!
//! A few of them run with the other tests. `SCORECAST_MUTANTS=100000 cargo test --release --workspace --test it -- mutants
//! --nocapture` runs so many of foreign files and says what became of them; `SCORECAST_FIRST=50000` begins with that seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use ndarray::ArrayD;
use scorecast::failure::Failure;
use scorecast::spec;
use scorecast::spec::presets::PRESETS;
use scorecast::store::netcdf::{self, Scored};
use scorecast::store::{Limits, model};

use super::damaged::IN_A_CHILD;

/// Mutants of foreign files that run with the other tests.
const FEW: usize = 600;
/// Nothing takes longer. Reading is given up after seconds of processor time, which are more by the clock on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn count() -> usize {
    number("SCORECAST_MUTANTS").unwrap_or(FEW)
}

/// The seed of the first mutant of each file, so that several processes can share the work.
fn first() -> usize {
    number("SCORECAST_FIRST").unwrap_or(0)
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Numbers that need not be good, only the same each time (SplitMix64, Steele, Lea and Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Marks by which HDF5's structures begin.
const MARKS: [&[u8; 4]; 12] =
    [b"TREE", b"SNOD", b"HEAP", b"OHDR", b"GCOL", b"BTHD", b"BTLF", b"FRHP", b"FHDB", b"FAHD", b"FADB", b"OCHK"];

/// Where structures begin.
fn marks(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len().saturating_sub(4)).filter(|&at| MARKS.iter().any(|mark| bytes[at..at + 4] == mark[..])).collect()
}

/// Changes one to four things; the bytes that may differ then, or none where the length does.
fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) -> Option<Vec<usize>> {
    let marks = marks(bytes);
    let mut touched = Some(Vec::new());
    for _ in 0..1 + chance.below(4) {
        if bytes.is_empty() {
            break;
        }
        let place = match (chance.below(2), marks.is_empty()) {
            (0, false) => marks[chance.below(marks.len())] + chance.below(96),
            _ => chance.below(bytes.len()),
        };
        let at = place.min(bytes.len() - 1);
        let length = match chance.below(6) {
            0 | 1 => {
                bytes[at] ^= 1 << chance.below(8);
                1
            }
            2 => {
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'-'][chance.below(6)];
                1
            }
            3 => {
                let number = [0, 1, u64::MAX, 1 << 32, bytes.len() as u64, chance.next()][chance.below(6)];
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
                8
            }
            4 => {
                let length = 1 + chance.below(40);
                let from = chance.below(bytes.len());
                let length = length.min(bytes.len() - from).min(bytes.len() - at);
                bytes.copy_within(from..from + length, at);
                length
            }
            _ if chance.below(4) == 0 => {
                bytes.truncate(at);
                touched = None;
                0
            }
            _ => {
                bytes[at] = bytes[at].wrapping_add(chance.next() as u8);
                1
            }
        };
        if let Some(touched) = &mut touched {
            touched.extend(at..at + length);
        }
    }
    touched
}

/// Every number of a file.
type Numbers = Vec<ArrayD<f64>>;

fn trajectories(path: &Path, limits: &Limits) -> Result<Numbers, Failure> {
    Ok(vec![netcdf::read_trajectories(path, None, limits)?.values.into_dyn()])
}

fn observations(path: &Path, limits: &Limits) -> Result<Numbers, Failure> {
    Ok(vec![netcdf::read_observations(path, None, limits)?.values.into_dyn()])
}

fn scored(path: &Path, limits: &Limits) -> Result<Numbers, Failure> {
    Ok(match netcdf::read_scored(path, limits)? {
        Scored::Forecasts(found) => vec![found.values.into_dyn(), found.truth.into_dyn()],
        Scored::Analyses(found) => vec![found.values.into_dyn(), found.truth.into_dyn()],
    })
}

type Read = fn(&Path, &Limits) -> Result<Numbers, Failure>;

const FILES: [(&str, Read, &[&str]); 5] = [
    ("trajectories_h5py.nc", trajectories, &["u"]),
    ("trajectories_netcdf4.nc", trajectories, &["u"]),
    ("trajectories_h5netcdf.nc", trajectories, &["u"]),
    ("observations_netcdf4.nc", observations, &["observation"]),
    ("forecasts_netcdf4.nc", scored, &["forecast", "truth"]),
];

/// Stretches of a file that a checksum of it covers: the chunks of its variables.
fn covered(path: &Path, variables: &[&str]) -> Vec<Range<usize>> {
    let file = hdf5::File::open(path).unwrap();
    let mut found = Vec::new();
    for variable in variables {
        let dataset = file.dataset(variable).unwrap();
        dataset
            .chunks_visit(|chunk| {
                found.push(chunk.addr as usize..(chunk.addr + chunk.size) as usize);
                0
            })
            .unwrap();
    }
    found
}

/// The index of chunks of a file of the first version, a B-tree without checksums. An index that says that it has fewer chunks is
/// that of a file in which fewer were written: where a file has a fill value they are missing, and a warning says so.
fn index(bytes: &[u8], dimensions: usize) -> Vec<Range<usize>> {
    let node = |at: &usize| bytes[*at..*at + 5] == *b"TREE\x01";
    let length = |at: usize| {
        let (key, entries) =
            (8 + 8 * (dimensions + 1), usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]])));
        24 + entries * (key + 8)
    };
    (0..bytes.len().saturating_sub(8)).filter(node).map(|at| at..at + length(at)).collect()
}

fn same(a: &Numbers, b: &Numbers) -> bool {
    let alike = |(a, b): (&ArrayD<f64>, &ArrayD<f64>)| {
        a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    };
    a.len() == b.len() && a.iter().zip(b).all(alike)
}

#[test]
fn mutants_of_foreign_files_are_errors_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let (path, next) = (folder.path().join("mutant.nc"), folder.path().join("next.nc"));
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let per_file = count().div_ceil(FILES.len());
    for (kind, (name, read, variables)) in FILES.iter().enumerate() {
        let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/foreign").join(name);
        let (bytes, expected) = (std::fs::read(&good).unwrap(), read(&good, &Limits::bytes(1 << 26)).unwrap());
        let (covered, index) = (covered(&good, variables), index(&bytes, expected[0].ndim()));
        for seed in first()..first() + per_file {
            let mut mutant = bytes.clone();
            let touched = mutate(&mut mutant, &mut Chance(seed as u64 * 8 + kind as u64));
            // by another name first: the library takes two files of one number of the system for one
            std::fs::write(&next, &mutant).unwrap();
            std::fs::rename(&next, &path).unwrap();
            let start = Instant::now();
            let found = read(&path, &IN_A_CHILD);
            let keep = || {
                let kept = std::env::temp_dir().join(format!("mutant-{kind}-{seed}.nc"));
                std::fs::copy(&path, &kept).unwrap();
                format!("{name}, seed {seed} (kept as {})", kept.display())
            };
            assert!(start.elapsed() < PATIENCE, "{} took {:?}", keep(), start.elapsed());
            let outcome = match found {
                Ok(found) if same(&found, &expected) => "unchanged".to_owned(),
                Ok(found) => {
                    let among = |ranges: &[Range<usize>], at: &usize| ranges.iter().any(|range| range.contains(at));
                    let all =
                        |of: &dyn Fn(&usize) -> bool| touched.as_ref().is_some_and(|touched| touched.iter().all(of));
                    if all(&|at| among(&index, at)) && lost(&found, &expected) {
                        "chunks missing that the index has lost, with a warning".to_owned()
                    } else {
                        let unseen = all(&|at| among(&covered, at) || among(&index, at));
                        assert!(!unseen, "numbers with checksums changed: {}", keep());
                        "changed where nothing could show it".to_owned()
                    }
                }
                Err(failure) => {
                    let code = failure.kind.exit_code();
                    assert!([3, 5, 74].contains(&code), "{}: exit code {code}: {failure}", keep());
                    let crashed = failure.message.contains("crashed") || failure.message.contains("processor time");
                    let what =
                        if crashed { failure.message.split(" while").next().unwrap_or_default() } else { "told" };
                    format!("exit code {code}, {what}")
                }
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    eprintln!("{outcomes:#?}");
    assert!(outcomes.len() > 2, "{outcomes:?}");
}

/// Whether some values are missing and all others are what they were.
fn lost(found: &Numbers, expected: &Numbers) -> bool {
    let alike = |(a, b): (&ArrayD<f64>, &ArrayD<f64>)| {
        a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan())
    };
    found.len() == expected.len() && found.iter().zip(expected).all(alike)
}

/// Runs something that may fail but not panic.
fn quiet<T>(what: impl Fn() -> String, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| panic!("a panic: {}", what()));
    assert!(start.elapsed() < PATIENCE, "{} took {:?}", what(), start.elapsed());
    done
}

#[test]
fn mutants_of_experiments_and_overrides_are_told_or_run() {
    const SETS: [&str; 6] = [
        "observe.steps=500",
        "observe.noise=[[1.0, 0.2], [0.2, 1.0]]",
        "system.name=lorenz96",
        "assimilate.etkf.members=24",
        "observe.initial={ truth_sd = 1.0 }",
        "data.split=[0.8, 0.1, 0.1]",
    ];
    let (mut good, mut bad) = (0, 0);
    for seed in 0..count().div_ceil(4) {
        let mut chance = Chance(seed as u64);
        let preset = &PRESETS[chance.below(PRESETS.len())];
        let (mut text, mut set) = (preset.text.as_bytes().to_vec(), SETS[chance.below(6)].as_bytes().to_vec());
        if chance.below(2) == 0 {
            mutate(&mut text, &mut chance)
        } else {
            mutate(&mut set, &mut chance)
        };
        let [text, set] = [text, set].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match quiet(|| format!("{text}\n--set {set}"), || spec::check(&text, preset.name, std::slice::from_ref(&set))) {
            Ok(_) => good += 1,
            Err(mistakes) => {
                assert!(!spec::failure(&mistakes).message.is_empty(), "{text}\n--set {set}");
                bad += 1;
            }
        }
    }
    assert!(good > 0 && bad > 0, "{good} {bad}");
}

#[test]
fn mutants_of_models_are_told_or_are_models() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = folder.path().join("x.toml");
    let text = "[system]\nname = \"ou\"\ndim = 3\n[data]\ntrajectories = 6\nsteps = 40\n[[forecaster]]\nkind = \"linear\"\n\
                [score]\nlead_steps = 2\n";
    std::fs::write(&experiment, text).unwrap();
    let out = folder.path().join("models");
    let args = ["train", experiment.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let trained = std::process::Command::new(env!("CARGO_BIN_EXE_scorecast")).args(args).output().unwrap();
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let bytes = std::fs::read(out.join("linear.safetensors")).unwrap();
    let (path, limits) = (folder.path().join("mutant.safetensors"), Limits::bytes(1 << 26));
    let mut told = 0;
    for seed in 0..count().div_ceil(4) {
        let mut mutant = bytes.clone();
        mutate(&mut mutant, &mut Chance(seed as u64));
        std::fs::write(&path, &mutant).unwrap();
        if let Err(error) = quiet(|| format!("seed {seed}"), || model::read(&path, &limits)) {
            assert!([3, 5].contains(&Failure::from(error).kind.exit_code()), "seed {seed}");
            told += 1;
        }
    }
    assert!(told > 0);
}
