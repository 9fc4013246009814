//! Seconds a step of the two-dimensional Navier-Stokes equation on 256 x 256 points, beside NumPy in the same run.
//!
//! `cargo bench -p scorecast-systems --bench navier_stokes`. One thread; ETDRK4, four real transforms a stage, in both.
//! NumPy runs where the Python named by SCORECAST_PYTHON (default `python3`) has it. Machines are noisy: compare
//! ratios, not milliseconds.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use ndarray::Array2;
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, LANES, Stepping, Value};

const GRID: usize = 256;
const DT: f64 = 0.005;
const STEPS: usize = 20;
const REPEATS: usize = 5;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let settings = [("grid", Value::Int(GRID as i64)), ("viscosity", Value::Float(1e-3))];
    let settings = settings.map(|(key, value)| (key.to_owned(), value));
    let system = build("navier_stokes", &BTreeMap::from(settings)).map_err(|mistakes| format!("{mistakes:?}"))?;
    let stepping = Stepping { dt: DT, substeps: 1, integrator: "etdrk4".into() };
    let forecaster = Arc::clone(&system).forecaster(&stepping)?;
    println!("{GRID} x {GRID} points, {STEPS} steps of {DT}, median of {REPEATS} runs, one thread");
    let theirs = numpy();
    for members in [1, LANES] {
        let (seconds, enstrophy) = pool.install(|| measure(&*forecaster, members))?;
        println!("{members:>2} members  {:>7.2} ms a step and member   enstrophy {enstrophy:.10}", seconds * 1e3);
        if let Ok((theirs, _)) = &theirs {
            println!("            NumPy takes {:.1} times as long", theirs / seconds);
        }
    }
    match theirs {
        Ok((seconds, enstrophy)) => {
            println!("NumPy       {:>7.2} ms a step   enstrophy {enstrophy:.10}", seconds * 1e3)
        }
        Err(why) => println!("NumPy skipped: {why}"),
    }
    Ok(())
}

/// The field that both start from.
fn start(members: usize) -> Array2<f64> {
    let at = |i: usize| TAU * i as f64 / GRID as f64;
    let field = |x: f64, y: f64| 3.0 * (2.0 * x + 1.0).cos() * (3.0 * y).sin() + 2.0 * (x - 4.0 * y).cos();
    // a member of its own size each, so that none is copied from another
    Array2::from_shape_fn((members, GRID * GRID), |(member, i)| {
        (1.0 + 1e-3 * member as f64) * field(at(i % GRID), at(i / GRID))
    })
}

/// Median seconds a step and member, and the enstrophy of the first member at the end.
fn measure(forecaster: &dyn Forecaster, members: usize) -> Result<(f64, f64), Failure> {
    let key = Key::new(1, Domain::Data);
    let mut times = Vec::new();
    let mut enstrophy = 0.0;
    for _ in 0..REPEATS {
        let mut x = start(members);
        let begun = Instant::now();
        forecaster.advance(0, STEPS, &mut x, key)?;
        times.push(begun.elapsed().as_secs_f64() / (STEPS * members) as f64);
        enstrophy = 0.5 * x.row(0).dot(&x.row(0)) / (GRID * GRID) as f64;
    }
    times.sort_by(f64::total_cmp);
    Ok((times[REPEATS / 2], enstrophy))
}

/// Seconds a step and the enstrophy at the end.
fn numpy() -> Result<(f64, f64), Failure> {
    let python = std::env::var("SCORECAST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/navier_stokes.py");
    let arguments = [GRID.to_string(), DT.to_string(), STEPS.to_string(), REPEATS.to_string()];
    let output = Command::new(&python).arg(script).args(arguments).env("OMP_NUM_THREADS", "1").output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().last().unwrap_or_default();
    if !output.status.success() {
        return Err(line.to_owned().into());
    }
    let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    match numbers[..] {
        [seconds, enstrophy] => Ok((seconds, enstrophy)),
        _ => Err(format!("{python} printed {line}").into()),
    }
}
