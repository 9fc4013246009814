//! Foreign files that crash the HDF5 library, keep it for ever, or would fill the memory: each is a sentence and an exit code,
//! within seconds, in every command that reads it. Good ones read the same in a process of their own as in this one.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use scorecast::store::netcdf::{self, Values};
use scorecast::store::{Error, Launcher, Limits};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn command() -> io::Result<Command> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scorecast"));
    command.arg("read-file");
    Ok(command)
}

/// Limits under which foreign files are read by a process of their own.
pub(super) const IN_A_CHILD: Limits = Limits::bytes(1 << 26).launched(Some(Launcher(command)));
const HERE: Limits = Limits::bytes(1 << 26);

fn run(args: &[&str]) -> (Output, Duration) {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_scorecast")).args(args).output().unwrap();
    (output, start.elapsed())
}

fn said(output: &Output) -> String {
    [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

const OBSERVING: &str = "seed = 1\n[system]\nname = \"ou\"\ndim = 6\n[observe]\nfile = \"FILE\"\ninitial = { mean = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0], sd = 1.0 }\n\
                         [[assimilate]]\nmethod = \"etkf\"\nmembers = 4\n";
const LEARNING: &str =
    "[data]\nfile = \"FILE\"\n[[forecaster]]\nkind = \"linear\"\n[score]\nlead_steps = 2\nmembers = 4\n";

#[test]
fn damaged_files_end_no_program_and_keep_none() {
    let folder = tempfile::tempdir().unwrap();
    // what each is, what is said of it where its values are wanted, and with which code
    let rows: [(&str, &[i32], &[&str]); 4] = [
        ("crash.nc", &[3], &["signal", "table does not lead to"]),
        ("endless.nc", &[3, 5], &["processor time", "chunk"]),
        ("deflated_thrice.nc", &[3], &["compressed 3 times over"]),
        ("index.nc", &[3], &["two chunks at"]),
    ];
    for (name, codes, says) in rows {
        let file = data("damaged").join(name);
        let path = file.to_str().unwrap();
        let experiment = |text: &str| {
            let at = folder.path().join("x.toml");
            std::fs::write(&at, text.replace("FILE", path)).unwrap();
            at.to_str().unwrap().to_owned()
        };
        let (observing, out) = (name == "crash.nc", folder.path().join("out"));
        let commands = if observing {
            vec![vec!["assimilate".to_owned(), experiment(OBSERVING)]]
        } else {
            let text = experiment(LEARNING);
            let file = path.to_owned();
            vec![
                vec!["compare".to_owned(), text.clone()],
                vec!["train".to_owned(), text],
                vec!["data".to_owned(), "validate".to_owned(), file.clone()],
                vec!["diagnose".to_owned(), file],
            ]
        };
        for words in commands {
            let out = out.to_str().unwrap();
            let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
            if words[0] != "data" {
                args.extend(["--out", out]);
            }
            let (output, took) = run(&args);
            let told = said(&output);
            assert!(codes.contains(&output.status.code().unwrap_or(-1)), "{args:?}: {:?} {told}", output.status);
            assert!(says.iter().any(|phrase| told.contains(phrase)) && told.contains(name), "{args:?}: {told}");
            assert!(took < Duration::from_secs(60), "{args:?} took {took:?}");
            assert!(!Path::new(out).exists(), "{args:?} left something behind");
        }
    }
}

#[test]
fn files_read_the_same_in_a_process_of_their_own_as_in_this_one() {
    for name in ["trajectories_h5py.nc", "trajectories_netcdf4.nc", "trajectories_h5netcdf.nc"] {
        let path = data("foreign").join(name);
        let (there, here) =
            [IN_A_CHILD, HERE].map(|limits| netcdf::read_trajectories(&path, None, &limits).unwrap()).into();
        assert!(there == here && there.values.dim() == (6, 20, 3), "{name}");
        // as text, in which a fill value that is NaN is itself
        let [there, here] = [IN_A_CHILD, HERE].map(|limits| format!("{:?}", netcdf::read(&path, &limits).unwrap()));
        assert!(there == here, "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.nc");
    let wave = |i: usize| (i as f64 * 0.37).sin();
    // more than a block, and chunks that lie across the order of the values
    let state = netcdf::Variable::new("state", &["time", "component"], Values::F64((0..1_200_000).map(wave).collect()));
    let dataset = netcdf::Dataset::default().dimension("time", 3).dimension("component", 400_000).variable(state);
    netcdf::write(&path, &dataset).unwrap();
    assert!(netcdf::read(&path, &IN_A_CHILD).unwrap() == netcdf::read(&path, &HERE).unwrap());
    let little = netcdf::read(&path, &IN_A_CHILD.with_bytes(1 << 20)).unwrap_err();
    assert!(matches!(little, Error::Resource(_)), "{little}");
}

#[test]
fn a_chunk_to_which_the_keys_of_its_index_do_not_lead_is_lost() {
    // the last key of the only node, which begins no chunk: walking through the index finds all of them
    let error = netcdf::read_observations(&data("damaged/last_key.nc"), None, &IN_A_CHILD).unwrap_err();
    assert!(matches!(&error, Error::Data(_)) && error.to_string().contains("table does not lead to"), "{error}");
}

/// A new file without a lock, which programs started by other tests would inherit.
fn created(path: &Path) -> hdf5::File {
    hdf5::File::with_options().with_fapl(|access| access.file_locking(false)).create(path).unwrap()
}

/// A stream of deflate that stands for 258 zeros in each 13 bits (RFC 1951, 3.2.6).
fn zeros(bytes: usize) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let (mut held, mut bits) = (0u64, 0);
    let mut put = |stream: &mut Vec<u8>, value: u64, count: u32| {
        held |= value << bits;
        bits += count;
        while bits >= 8 {
            stream.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    };
    // the last block, of fixed codes; a zero (00110000); then length 258 (11000101) at distance 1 (00000), their bits in reverse
    put(&mut stream, 0b011, 3);
    put(&mut stream, 0b0000_1100, 8);
    while stream.len() < bytes {
        put(&mut stream, 0b1010_0011, 8);
        put(&mut stream, 0, 5);
    }
    stream.truncate(bytes);
    stream
}

#[test]
fn a_chunk_that_grows_beyond_itself_gets_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.nc");
    let file = created(&path);
    // as many bytes as the chunk has, which stand for 158 times as many
    let side = 1 << 20;
    let dataset = file.new_dataset::<f64>().shape(side).chunk(side).deflate(4).create("u").unwrap();
    let bytes = zeros(8 * side);
    hdf5::h5lock!({
        // SAFETY: the dataset is live, the offset has its one dimension, and `bytes` has the length stated.
        unsafe {
            let default = hdf5_sys::h5p::H5P_DEFAULT;
            let (at, from) = ([0].as_ptr(), bytes.as_ptr().cast());
            hdf5::h5check(hdf5_sys::h5d::H5Dwrite_chunk(dataset.id(), default, 0, at, bytes.len(), from))
        }
    })
    .unwrap();
    drop(dataset);
    file.close().unwrap();
    let error = netcdf::read(&path, &IN_A_CHILD).unwrap_err();
    assert!(matches!(error, Error::Data(_) | Error::Resource(_)), "{error}");
}

#[test]
fn a_name_that_is_no_unicode_is_opened_like_any_other() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsString::from_vec(b"donn\xe9es.nc".to_vec()));
    // some file systems have no such names
    if std::fs::copy(data("foreign/trajectories_h5py.nc"), &path).is_ok() {
        let same = data("foreign/trajectories_h5py.nc");
        let expected = netcdf::read_trajectories(&same, None, &HERE).unwrap();
        for limits in [IN_A_CHILD, HERE] {
            assert!(netcdf::read_trajectories(&path, None, &limits).unwrap() == expected);
        }
    }
}

/// A program that is killed is no bug of the file's, one that cannot be started neither.
#[test]
fn what_is_wrong_with_the_reading_process_is_not_blamed_on_the_file() {
    let path = data("foreign/trajectories_h5py.nc");
    let with = |launcher: fn() -> io::Result<Command>| {
        netcdf::read_observations(&path, None, &Limits::bytes(1 << 20).launched(Some(Launcher(launcher)))).unwrap_err()
    };
    assert!(matches!(with(|| Ok(Command::new("/no/such/program"))), Error::Io(_)));
    let killed = with(|| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "kill -9 $$"]);
        Ok(shell)
    });
    assert!(matches!(&killed, Error::Resource(_)) && killed.to_string().contains("signal 9"), "{killed}");
    let crashed = with(|| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "kill -11 $$"]);
        Ok(shell)
    });
    assert!(matches!(&crashed, Error::Data(_)) && crashed.to_string().contains("signal 11, SIGSEGV"), "{crashed}");
}

/// A lock of another program says nothing about the file. A program that starts while we write inherits no lock of ours.
#[test]
fn a_file_that_another_program_is_writing_is_not_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("held.nc");
    std::fs::copy(data("foreign/trajectories_h5py.nc"), &path).unwrap();
    let held = std::fs::File::open(&path).unwrap();
    held.lock().unwrap();
    for limits in [IN_A_CHILD, HERE] {
        let error = netcdf::read(&path, &limits).unwrap_err();
        assert!(
            matches!(&error, Error::Io(_)) && error.to_string().contains("another program is writing it"),
            "{error}"
        );
    }
    held.unlock().unwrap();
    netcdf::read(&path, &HERE).unwrap();
}

#[test]
#[ignore = "a measurement: writes 400 MB, and wants a machine of its own"]
fn a_large_file_takes_little_longer_in_a_process_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.nc");
    let file = created(&path);
    let values = ndarray::Array2::from_shape_fn((500, 100_000), |(i, j)| (i * 31 + j) as f64);
    file.new_dataset_builder().with_data(&values).create("u").unwrap();
    file.close().unwrap();
    let seconds = |limits: Limits| {
        let once = || {
            let start = Instant::now();
            let found = netcdf::read(&path, &limits.with_bytes(1 << 30)).unwrap();
            assert_eq!(found.get("u").unwrap().values.len(), values.len());
            start.elapsed().as_secs_f64()
        };
        (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
    };
    let (here, there) = (seconds(HERE), seconds(IN_A_CHILD));
    eprintln!("{here:.3} s in this process, {there:.3} s in one of its own");
    assert!(there < 2.5 * here, "{there} s and {here} s");
}
