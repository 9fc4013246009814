//! Milliseconds a training step from trajectories that are held on disk, and from the same in memory, in turn.
//!
//! `cargo bench --bench out_of_core`. It takes 1 GiB of trajectories (SCORECAST_MIB says another size), written once to a folder
//! for temporary files in `target`. With SCORECAST_GROUP, the folder of a group of processes whose memory is limited to less than
//! that (a cgroup), those that hold them on disk run in it, so that most of what they read comes from the disk: cold. Each figure
//! is the median of SCORECAST_REPEATS (5) trainings, each in a process of its own, the two kinds in turn. What comes before the
//! first step (the file, scales, a digest) is not in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use ndarray::Array3;
use scorecast::progress::Progress;
use scorecast::spec;
use scorecast::stage::{self, Options};
use scorecast::store::netcdf::{self, About, Outline, Wording};
use scorecast::systems::{Domain, Geometry, Key};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const COMPONENTS: usize = 40;
const CASES: usize = 40;

/// A net of this bench: its name, its kind, its settings, and steps of a training.
const NETS: [(&str, &str, &str, u64); 3] = [
    ("mlp, tiny", "mse", "network = \"mlp\"\nwidth = 8\nblocks = 1\nbatch = 32", 20_000),
    ("conv, default, likelihood", "gaussian", "", 600),
    ("conv, default, denoiser", "diffusion", "", 600),
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, net, hold, file] = arguments.as_slice()
        && mode == "train"
    {
        return trained(net.parse()?, hold, Path::new(file));
    }
    let mib: usize = env("SCORECAST_MIB", 1024);
    let file = written(mib)?;
    let group = std::env::var("SCORECAST_GROUP").ok();
    println!("{mib} MiB of trajectories, {}", group.as_deref().unwrap_or("no limit of memory"));
    let all = std::env::var("SCORECAST_NETS").unwrap_or_else(|_| "0,1,2".to_owned());
    for net in all.split(',') {
        let net: usize = net.parse()?;
        let (mut memory, mut disk) = (Vec::new(), Vec::new());
        for _ in 0..env("SCORECAST_REPEATS", 5) {
            memory.push(child(net, "memory", &file, None)?);
            disk.push(child(net, "disk", &file, group.as_deref())?);
        }
        let [(memory, least, most), (disk, lowest, highest)] = [&mut memory, &mut disk].map(|found| {
            found.sort_by(f64::total_cmp);
            (found[found.len() / 2], found[0], found[found.len() - 1])
        });
        println!(
            "{:<28} memory {memory:.3} ms ({least:.3} to {most:.3})   disk {disk:.3} ms ({lowest:.3} to {highest:.3})   {:+.1} %",
            NETS[net].0,
            100.0 * (disk / memory - 1.0)
        );
    }
    Ok(())
}

fn env<T: std::str::FromStr>(name: &str, usual: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Milliseconds a step of a training in a process of its own, in the group of processes if there is one.
fn child(net: usize, hold: &str, file: &Path, group: Option<&str>) -> Result<f64, Failure> {
    let own = std::env::current_exe()?;
    let mut command = Command::new("sh");
    let join = group.map(|group| format!("echo $$ > '{group}/cgroup.procs' && ")).unwrap_or_default();
    command.args(["-c", &format!("{join}exec \"$0\" \"$@\"")]).arg(own);
    let output = command.args(["train", &net.to_string(), hold]).arg(file).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(text.trim().parse()?)
}

/// The file of trajectories, written where it is not there yet: waves and noise, of single precision.
fn written(mib: usize) -> Result<PathBuf, Failure> {
    let times = (mib << 20) / (CASES * COMPONENTS * size_of::<f64>());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("out_of_core_{mib}.nc"));
    if path.exists() {
        return Ok(path);
    }
    let about = About {
        shape: [CASES, times, COMPONENTS],
        outline: Outline { space: vec![COMPONENTS], geometry: Some(Geometry::Ring), ..Outline::default() },
        split: None,
        parameters: None,
        wording: Wording::default(),
    };
    netcdf::write_trajectory_blocks::<Failure>(&path, &about, &Default::default(), 16 << 20, |(cases, times)| {
        let key = Key::new(1, Domain::Data).case(cases.start as u64).at(times.start as u64);
        let noise = key.normals(cases.len() * times.len(), COMPONENTS);
        let values = Array3::from_shape_fn((cases.len(), times.len(), COMPONENTS), |(i, k, j)| {
            let phase = 0.05 * (times.start + k) as f64 + (cases.start + i) as f64 + 0.3 * j as f64;
            f64::from((phase.sin() + 0.1 * noise[[i * times.len() + k, j]]) as f32)
        });
        Ok(values)
    })?;
    Ok(path)
}

/// One training; prints milliseconds a step.
fn trained(net: usize, hold: &str, file: &Path) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(env("SCORECAST_THREADS", 2)).build_global()?;
    let (_, kind, settings, steps) = NETS[net];
    let text = format!(
        "[data]\nfile = \"{}\"\nhold = \"{hold}\"\ngeometry = \"ring\"\n[[forecaster]]\nkind = \"{kind}\"\n{settings}\nsteps = {steps}\nwarm_up = 10\n",
        file.display()
    );
    let plan = spec::check_unscored(&text, "bench.toml", &[], &|_| None).map_err(|all| format!("{all:?}"))?;
    let out = file.with_extension(format!("{}.models", std::process::id()));
    let options = Options { out: Some(out.clone()), force: true, ..Options::new(8 << 30) };
    let clock = Clock(Mutex::default());
    let done = stage::train::run(&plan, None, Some(kind), &options, &clock);
    std::fs::remove_dir_all(&out)?;
    done?;
    let seconds = *clock.0.lock().map_err(|_| "a clock that broke")?;
    println!("{}", 1e3 * seconds.1 / steps as f64);
    Ok(())
}

/// When the training began, and the seconds that it took.
struct Clock(Mutex<(Option<Instant>, f64)>);

impl Progress for Clock {
    fn start(&self, what: &str, _total: u64) {
        if let Ok(mut clock) = self.0.lock() {
            clock.0 = what.starts_with("train").then(Instant::now);
        }
    }

    fn at(&self, _done: u64, _note: &str) {}

    fn finish(&self) {
        if let Ok(mut clock) = self.0.lock()
            && let Some(begun) = clock.0.take()
        {
            clock.1 += begun.elapsed().as_secs_f64();
        }
    }
}
