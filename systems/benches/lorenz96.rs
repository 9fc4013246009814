//! Lorenz-96 by RK4: an ensemble (1,000 members of 40 values) and one long ring (1e6 values), beside NumPy and JAX.
//!
//! `cargo bench -p scorecast-systems --bench lorenz96`. The peers run where the Python named by SCORECAST_PYTHON
//! (default `python3`) has them; they are measured in turn with ours, so that what else the machine does slows all of
//! them, and every time is the least of many. Rates stand beside what this machine can do, measured in the same run.

#[path = "lorenz96/ceilings.rs"]
mod ceilings;
#[path = "lorenz96/peers.rs"]
mod peers;

use std::sync::Arc;
use std::time::Instant;

use ndarray::Array2;
use rayon::{ThreadPool, ThreadPoolBuilder};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Stepping, Value};

use ceilings::Ceilings;
use peers::{Peers, Way};

const ROUNDS: usize = 8;

/// Floating-point operations of one RK4 step for one value: 4 tendencies of 4, and 13 to put them together.
const FLOPS: f64 = 29.0;

/// What memory must move for one value: a read, a write, and the read of the cache line that is written.
const BYTES: f64 = 24.0;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A run of the system.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    members: usize,
    dim: usize,
    steps: usize,
    noise: f64,
}

const ENSEMBLE: Case = Case { name: "ensemble", members: 1000, dim: 40, steps: 10, noise: 0.0 };
const RING: Case = Case { name: "ring", members: 1, dim: 1_000_000, steps: 1, noise: 0.0 };

impl Case {
    /// Values times steps.
    fn updates(&self) -> f64 {
        (self.members * self.dim * self.steps) as f64
    }

    /// The same numbers as the peers', from integers.
    fn start(&self) -> Array2<f64> {
        let value = |(member, i)| 8.0 + ((member * self.dim + i) * 7919 % 1000) as f64 * 1e-3;
        Array2::from_shape_fn((self.members, self.dim), value)
    }

    fn forecaster(&self) -> Result<Box<dyn Forecaster>, Failure> {
        let settings = [("dim", Value::Int(self.dim as i64)), ("noise", Value::Float(self.noise))];
        let settings = settings.map(|(key, value)| (key.to_owned(), value)).into();
        let system = build("lorenz96", &settings).map_err(|mistakes| format!("{mistakes:?}"))?;
        Ok(Arc::clone(&system).forecaster(&Stepping { dt: 0.05, substeps: 1, integrator: "rk4".into() })?)
    }
}

/// One of our runs, measured again and again.
struct Ours {
    case: Case,
    forecaster: Box<dyn Forecaster>,
    start: Array2<f64>,
    pool: ThreadPool,
    seconds: f64,
    /// The mean square of the final state.
    mean_square: f64,
}

impl Ours {
    fn new(case: Case, threads: usize) -> Result<Self, Failure> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        let (forecaster, start) = (case.forecaster()?, case.start());
        Ok(Self { case, forecaster, start, pool, seconds: f64::INFINITY, mean_square: f64::NAN })
    }

    /// Keeps the least time of runs that together take at least `budget` seconds.
    fn measure(&mut self, budget: f64) -> Result<(), Failure> {
        let begun = Instant::now();
        while begun.elapsed().as_secs_f64() < budget {
            let mut x = self.start.clone();
            let seconds = self.pool.install(|| {
                let before = Instant::now();
                self.forecaster.advance(0, self.case.steps, &mut x, Key::new(1, Domain::Score))?;
                Ok::<_, Failure>(before.elapsed().as_secs_f64())
            })?;
            self.seconds = self.seconds.min(seconds);
            self.mean_square = x.mapv(|x| x * x).mean().unwrap_or(f64::NAN);
        }
        Ok(())
    }

    fn nanoseconds(&self) -> f64 {
        self.seconds * 1e9 / self.case.updates()
    }
}

fn main() -> Result<(), Failure> {
    let mut peers = Peers::start();
    let noisy = Case { noise: 0.1, ..ENSEMBLE };
    let mut ours = [Ours::new(ENSEMBLE, 1)?, Ours::new(RING, 1)?];
    let mut two = [Ours::new(ENSEMBLE, 2)?, Ours::new(RING, 2)?];
    let mut noisy = [Ours::new(noisy, 1)?, Ours::new(Case { noise: 0.1, ..RING }, 1)?];
    let mut ceilings = Ceilings::default();
    for _ in 0..ROUNDS {
        ceilings.measure();
        for run in &mut ours {
            run.measure(0.1)?;
            if let Ok(peers) = &mut peers {
                peers.measure(&run.case)?;
            }
            run.measure(0.1)?;
        }
        for run in two.iter_mut().chain(&mut noisy) {
            run.measure(0.1)?;
        }
    }
    println!("least of many, {ROUNDS} rounds, one thread unless said\n");
    println!("ceilings: {:.1} GFLOP/s without fused operations, {:.1} GB/s", ceilings.gflops(), ceilings.gigabytes());
    for run in &ours {
        report(run, &peers, &ceilings)?;
    }
    for (one, two) in ours.iter().zip(&two) {
        println!("{:<9} 1 -> 2 threads: {:.2} times", one.case.name, one.seconds / two.seconds);
    }
    for (still, noisy) in ours.iter().zip(&noisy) {
        let normals = (noisy.seconds - still.seconds) * 1e9 / still.case.updates();
        println!("{:<9} with noise: {:.3} ms, {normals:.2} ns a normal", noisy.case.name, noisy.seconds * 1e3);
    }
    cost_is_linear()
}

/// Our time, the peers' and the ratios, and our rates beside the ceilings.
fn report(run: &Ours, peers: &Result<Peers, Failure>, ceilings: &Ceilings) -> Result<(), Failure> {
    let Case { name, members, dim, steps, .. } = run.case;
    println!("\n{name}: {members} x {dim}, {steps} steps");
    println!("  ours {:>44.3} ms {:.3} ns a value and step", run.seconds * 1e3, run.nanoseconds());
    let gflops = FLOPS / run.nanoseconds();
    println!("  {:>49.1} GFLOP/s, {:.0} % of the ceiling", gflops, 100.0 * gflops / ceilings.gflops());
    // each call reads and writes every value once if its steps are taken in cache, as for an ensemble they are
    let passes = if members > 1 { 1.0 } else { steps as f64 };
    let gigabytes = BYTES * passes / (run.nanoseconds() * steps as f64);
    println!("  {:>49.1} GB/s, {:.0} % of the ceiling", gigabytes, 100.0 * gigabytes / ceilings.gigabytes());
    if let Err(why) = peers {
        println!("  peers skipped: {why}");
    }
    for Way { peer, name, seconds, mean_square, .. } in peers.iter().flat_map(|peers| peers.of(&run.case)) {
        if (mean_square / run.mean_square - 1.0).abs() > 1e-9 {
            return Err(format!("{peer}, {name}: {mean_square} where ours is {}", run.mean_square).into());
        }
        println!("  {peer:<5} {name:<37} {:>5.2} ms {:.1} times ours", seconds * 1e3, seconds / run.seconds);
    }
    Ok(())
}

/// The cost of a value and step as rings grow.
fn cost_is_linear() -> Result<(), Failure> {
    println!("\none member, one thread, one step");
    for power in 3..=7 {
        let dim = 10usize.pow(power);
        let mut run = Ours::new(Case { dim, ..RING }, 1)?;
        run.measure(0.5)?;
        println!("  n = 1e{power} {:>8.3} ns a value", run.nanoseconds());
    }
    Ok(())
}
