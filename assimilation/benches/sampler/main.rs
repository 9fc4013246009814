//! What an update of the ensemble score filter costs, `score = "single"`, on one core: N = 20, 100 Euler steps, states of
//! 10^3 to 10^6 components, every one observed as it is (R = I) or by its arctangent (sd .05), beside the same update in NumPy.
//!
//! `cargo bench -p scorecast-assimilation --bench sampler` prints the table; `-- 1000 100000` is of these sizes alone. Nanoseconds
//! are of processor time, for a component, member and step, of the fastest update; the two take turns. The
//! peak is of all that is held during an update, its forecast included, in ensembles. Last come normals alone: one by one,
//! the same in bulk, and those that the update takes.
//! NumPy runs where the Python named by SCORECAST_PYTHON (default `python3`) has it.

#[path = "../scaling/counting.rs"]
mod counting;
#[path = "../scaling/processor.rs"]
mod processor;

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::method::{EnSf, PriorScore};
use scorecast_assimilation::observe::{Arctan, GaussianError, NoiseLaw, Pointwise, Stride};
use scorecast_assimilation::{Analysis, ObservationOperator, ObservationSet};
use scorecast_systems::{Domain, Key};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MEMBERS: usize = 20;
const STEPS: usize = 100;
/// Sizes, and how many updates of each are timed.
const SIZES: [(usize, usize); 3] = [(1000, 60), (100_000, 5), (1_000_000, 2)];

fn main() -> Result<(), Failure> {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut numpy = Numpy::start();
    println!("ensf, score = \"single\", N = {MEMBERS}, {STEPS} steps, one thread: ns a component, member and step");
    println!("{:>8} {:>9} {:>8} {:>8} {:>8} {:>8}", "n", "h", "ours", "NumPy", "ratio", "peak");
    for (dim, repeats) in SIZES.into_iter().filter(|(dim, _)| asked.is_empty() || asked.contains(dim)) {
        for arctan in [false, true] {
            let case = Case::new(dim, arctan)?;
            let (mut ours, mut theirs, mut peak) = (f64::INFINITY, f64::NAN, 0);
            for _ in 0..repeats {
                let (seconds, held) = pool.install(|| case.run())?;
                (ours, peak) = (ours.min(seconds), peak.max(held));
                theirs = numpy.as_mut().map_or(Ok(f64::NAN), |numpy| numpy.seconds(dim, arctan))?.min(theirs);
            }
            let [ours, theirs] = [ours, theirs].map(|seconds| seconds * 1e9 / (dim * MEMBERS * STEPS) as f64);
            let name = if arctan { "arctan" } else { "identity" };
            let peak = peak as f64 / (8 * dim * MEMBERS) as f64;
            println!("{dim:>8} {name:>9} {ours:>8.2} {theirs:>8.2} {:>8.1} {peak:>8.2}", theirs / ours);
        }
    }
    normals();
    Ok(())
}

/// One update.
struct Case {
    operator: Box<dyn ObservationOperator>,
    forecast: Array2<f64>,
    values: Array1<f64>,
}

impl Case {
    fn new(dim: usize, arctan: bool) -> Result<Self, Failure> {
        let sd = if arctan { 0.05 } else { 1.0 };
        let error = |dim| Ok(Box::new(GaussianError::new(&[sd], dim)?) as Box<dyn NoiseLaw>);
        let all = Stride::new(dim, 1, 0, &error)?;
        let operator: Box<dyn ObservationOperator> =
            if arctan { Box::new(Pointwise::new(Arctan, all)) } else { Box::new(all) };
        let forecast = Key::new(1, Domain::Method).normals(MEMBERS, dim);
        let values = Key::new(2, Domain::Method).normals(1, dim).remove_axis(Axis(0));
        Ok(Self { operator, forecast, values })
    }

    /// Seconds, and the most bytes held.
    fn run(&self) -> Result<(f64, usize), Failure> {
        let mut filter = EnSf {
            prior: PriorScore::Single,
            inflation: 1.0,
            steps: STEPS,
            eps_alpha: 0.5,
            eps_beta: 0.025,
            clip: 1000.0,
        };
        let observed = ObservationSet { step: 1, time: 0.0, values: self.values.view(), operator: &*self.operator };
        let forecast = black_box(self.forecast.clone());
        let taken = 8 * forecast.len();
        let before = processor::each_thread();
        counting::begin();
        let start = Instant::now();
        let outcome = filter.update(forecast, &observed, Key::new(3, Domain::Method))?;
        let clock = start.elapsed().as_secs_f64();
        // schedulers count in milliseconds
        let busiest = processor::busiest(&before, &processor::each_thread());
        let seconds = if clock < 0.1 { clock } else { busiest.min(clock) };
        black_box(&outcome.ensemble);
        let (_, peak) = counting::end();
        Ok((seconds, peak + taken))
    }
}

/// The script beside this file, which times an update for each line that it is sent.
struct Numpy {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Numpy {
    /// None where there is no NumPy.
    fn start() -> Option<Self> {
        let python = std::env::var("SCORECAST_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/sampler/ensf_numpy.py");
        let mut process = Command::new(python)
            .arg(script)
            .args([MEMBERS.to_string(), STEPS.to_string()])
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (to, from) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        let mut numpy = Self { process, to, from };
        let version = numpy.line().ok().filter(|line| line.starts_with("NumPy"));
        println!("{}", version.as_deref().unwrap_or("no NumPy here: its column stays empty"));
        version.map(|_| numpy)
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn seconds(&mut self, dim: usize, arctan: bool) -> Result<f64, Failure> {
        writeln!(self.to, "{dim} {}", u8::from(arctan))?;
        self.to.flush()?;
        Ok(self.line()?.parse()?)
    }
}

impl Drop for Numpy {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Normals alone, 4,096 at a time.
fn normals() {
    let key = Key::new(4, Domain::Method);
    let (mut stream, mut bulk, mut out) = (key.stream(0), key.bulk_normals(0, 0), vec![0.0; 4096]);
    let mut each = |name: &str, fill: &mut dyn FnMut(&mut [f64])| {
        let mut best = f64::INFINITY;
        for _ in 0..3000 {
            let start = Instant::now();
            fill(black_box(&mut out));
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{name:<36} {:.2} ns a normal", best * 1e9 / out.len() as f64);
    };
    each("Stream::normal", &mut |out| out.iter_mut().for_each(|value| *value = stream.normal()));
    let mut stream = key.stream(0);
    each("Stream::fill_normal, the same", &mut |out| stream.fill_normal(out));
    each("BulkNormals::fill", &mut |out| bulk.fill(out));
}
