//! What a localized analysis costs as the state grows: `letkf` on Lorenz-96 rings of 10^3 to 10^6 components, N = 24, every
//! component observed with R = I and analysed from the 21 values near it.
//!
//! `cargo bench -p scorecast-assimilation --bench scaling` prints the table; `-- 1000 10000` is of these sizes alone. Each
//! size has two lines: `update`, which keeps the forecast beside the analysis, and `update_in_place`; their analyses are
//! compared bit by bit.
//! Seconds are of the fastest of some analyses, on one thread and on two by turns. On a machine that others use as well
//! look at the ratio of processor time: that of the only thread over that of the busier of two (where an analysis is long
//! enough for the system to tell). Allocations are the most of any analysis, from its call to its return; with two threads
//! they depend on who takes work from whom, since each part of the loop has room of its own. The peak is of all that is
//! held during an analysis, its forecast included, in ensembles: forecast, analysis and predicted observations are three;
//! in place the first two are one, and h(x) of four members is held while predicted observations are made. The room of
//! each thread does not grow with the ring.
//! DAPPER runs where the Python named by SCORECAST_PYTHON (default `python3`) has it.

mod counting;
mod processor;

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use ndarray::{Array1, Array2, Axis};
use rayon::ThreadPool;
use scorecast_assimilation::linalg::Eigen;
use scorecast_assimilation::localize::{Layout, Localization, Taper};
use scorecast_assimilation::method::{Inflation, LetKf};
use scorecast_assimilation::observe::{GaussianError, Identity, NoiseLaw};
use scorecast_assimilation::{Analysis, ObservationSet};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Key, Stepping, Value};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MEMBERS: usize = 24;
/// Values near a component: ten on either side, and its own.
const NEAR: usize = 21;
/// Sizes of the ring, and how many analyses of each are timed.
const SIZES: [(usize, usize); 4] = [(1000, 60), (10_000, 12), (100_000, 4), (1_000_000, 2)];
/// Sd of the members about the truth before the last forecast: that of a filter which has settled.
const SPREAD: f64 = 0.2;

fn main() -> Result<(), Failure> {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let pools = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build());
    let [one, two] = pools;
    let pools = [one?, two?];
    println!("letkf, N = {MEMBERS}, {NEAR} values near each component, R = I");
    println!(
        "{:>8} {:>9} {:>12} {:>12} {:>10} {:>10} {:>8} {:>10} {:>22} {:>6}",
        "n",
        "",
        "1 thread, s",
        "2 threads, s",
        "us a comp.",
        "us, two",
        "ratio",
        "processor",
        "allocations, 1 and 2",
        "peak"
    );
    for (dim, repeats) in SIZES {
        if asked.is_empty() || asked.contains(&dim) {
            rows(&Case::new(dim)?, repeats, &pools)?;
        }
    }
    beside_an_eigenproblem(&pools[0])?;
    beside_dapper(&pools[0])
}

/// One analysis: a forecast of the ring and what was observed of it.
struct Case {
    operator: Identity,
    forecast: Array2<f64>,
    values: Array1<f64>,
}

/// Where an analysis leaves its members.
#[derive(Clone, Copy)]
enum Form {
    /// Beside the forecast.
    Update,
    /// In place of it.
    InPlace,
}

/// What one analysis took.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    /// Processor seconds of the busiest thread; NaN where the system does not say.
    busiest: f64,
    allocations: usize,
    /// Bytes.
    peak: usize,
    /// Of the bits of the analysis.
    checksum: u64,
}

impl Case {
    fn new(dim: usize) -> Result<Self, Failure> {
        let given = [("dim".to_owned(), Value::Int(dim as i64))].into_iter().collect();
        let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
        let system = build("lorenz96", &given).map_err(|mistakes| format!("{mistakes:?}"))?;
        let model = system.forecaster(&stepping)?;
        let (hidden, key) = (Key::new(1, Domain::Truth), Key::new(1, Domain::Method));
        let mut truth = hidden.normals(1, dim) * 3.0 + 2.0;
        model.advance(0, 200, &mut truth, hidden)?;
        let mut forecast = key.normals(MEMBERS, dim) * SPREAD + &truth;
        model.advance(200, 1, &mut forecast, key)?;
        model.advance(200, 1, &mut truth, hidden)?;
        let values = (&truth + &hidden.at(201).normals(1, dim)).remove_axis(Axis(0));
        let error = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
        Ok(Self { operator: Identity::new(dim, &error)?, forecast, values })
    }

    fn run(&self, filter: &mut LetKf, form: Form, pool: &ThreadPool) -> Result<Cost, Failure> {
        let observed = ObservationSet { step: 201, time: 10.05, values: self.values.view(), operator: &self.operator };
        let mut forecast = black_box(self.forecast.clone());
        let taken = 8 * forecast.len();
        pool.install(|| {
            let before = processor::each_thread();
            counting::begin();
            let start = Instant::now();
            let key = Key::new(1, Domain::Method);
            // the outcome is held until its cost is known
            let (ensemble, _forecast) = match form {
                Form::Update => {
                    let outcome = filter.update(forecast, &observed, key)?;
                    (outcome.ensemble, Some(outcome.forecast))
                }
                Form::InPlace => {
                    filter.update_in_place(&mut forecast, &observed, key)?;
                    (forecast, None)
                }
            };
            let seconds = start.elapsed().as_secs_f64();
            let ((allocations, peak), after) = (counting::end(), processor::each_thread());
            let checksum = ensemble.iter().fold(0u64, |sum, x| sum.rotate_left(1) ^ x.to_bits());
            let busiest = processor::busiest(&before, &after);
            Ok(Cost { seconds, busiest, allocations, peak: peak + taken, checksum })
        })
    }
}

fn letkf() -> LetKf {
    let local = Localization { layout: Layout::Ring, taper: Taper::Step, radius: (NEAR / 2) as f64 };
    LetKf { inflation: Inflation::factor(1.02), rotate: false, localization: Some(local) }
}

/// The lines of one size.
fn rows(case: &Case, repeats: usize, pools: &[ThreadPool; 2]) -> Result<(), Failure> {
    let mut filter = letkf();
    if case.values.len() <= 1000 {
        // tables and threads are made once
        pools.iter().try_for_each(|pool| case.run(&mut filter, Form::Update, pool).map(drop))?;
    }
    let forms = [("update", Form::Update), ("in place", Form::InPlace)];
    let mut costs = [const { [const { Vec::new() }; 2] }; 2];
    for _ in 0..repeats {
        for (costs, (_, form)) in costs.iter_mut().zip(forms) {
            for (costs, pool) in costs.iter_mut().zip(pools) {
                costs.push(case.run(&mut filter, form, pool)?);
            }
        }
    }
    if costs.iter().flatten().flatten().any(|cost| cost.checksum != costs[0][0][0].checksum) {
        return Err("the analysis depends on the number of threads, or on where it is left".into());
    }
    forms.iter().zip(&costs).for_each(|((label, _), costs)| row(case, label, costs));
    Ok(())
}

/// The line of one form.
fn row(case: &Case, label: &str, costs: &[Vec<Cost>; 2]) {
    let least = |of: fn(&Cost) -> f64| costs.each_ref().map(|all| all.iter().map(of).fold(f64::INFINITY, f64::min));
    let most = costs.each_ref().map(|all| all.iter().map(|cost| cost.allocations).max().unwrap_or(0));
    let peak = costs.iter().flatten().map(|cost| cost.peak).max().unwrap_or(0);
    let (wall, busiest) = (least(|cost| cost.seconds), least(|cost| cost.busiest));
    let dim = case.values.len();
    // schedulers count in milliseconds
    let processor = if busiest[1] > 0.02 { busiest[0] / busiest[1] } else { f64::NAN };
    let each = wall.map(|seconds| seconds / dim as f64 * 1e6);
    println!(
        "{dim:>8} {label:>9} {:>12.4} {:>12.4} {:>10.2} {:>10.2} {:>8.2} {:>10.2} {:>22} {:>6.2}",
        wall[0],
        wall[1],
        each[0],
        each[1],
        wall[0] / wall[1],
        processor,
        format!("{} {}", most[0], most[1]),
        peak as f64 / (8 * case.forecast.len()) as f64
    );
}

/// A local analysis, and the eigenproblem of the same order alone.
fn beside_an_eigenproblem(pool: &ThreadPool) -> Result<(), Failure> {
    let x = Key::new(1, Domain::Score).normals(NEAR + 4, NEAR);
    let matrix = x.t().dot(&x);
    let columns = nalgebra::DMatrix::from_fn(NEAR, NEAR, |i, j| matrix[(i, j)]);
    let faer = faer::Mat::from_fn(NEAR, NEAR, |i, j| matrix[(i, j)]);
    let case = Case::new(1000)?;
    let mut filter = letkf();
    let mut local = f64::INFINITY;
    for _ in 0..40 {
        local = local.min(case.run(&mut filter, Form::Update, pool)?.seconds / 1000.0);
    }
    let ours = fastest(400, || drop(black_box(Eigen::new(black_box(&matrix).view()))));
    let nalgebra = fastest(400, || drop(black_box(nalgebra::SymmetricEigen::new(black_box(columns.clone())))));
    let faer = fastest(400, || drop(black_box(black_box(&faer).self_adjoint_eigen(faer::Side::Lower))));
    println!(
        "a local analysis takes {:.2} us; the eigenproblem of order {NEAR} alone {:.2} us here, {:.2} us by nalgebra, \
         {:.2} us by faer",
        local * 1e6,
        ours * 1e6,
        nalgebra * 1e6,
        faer * 1e6
    );
    Ok(())
}

/// Seconds of the fastest of some runs.
fn fastest(repeats: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..repeats {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// DAPPER's analysis of a ring of 1,000, on one thread like ours in the same run.
fn beside_dapper(pool: &ThreadPool) -> Result<(), Failure> {
    let python = std::env::var("SCORECAST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/scaling/letkf_dapper.py");
    let output =
        Command::new(&python).arg(script).env("OMP_NUM_THREADS", "1").env("OPENBLAS_NUM_THREADS", "1").output();
    let line = match &output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned(),
        Err(why) => why.to_string(),
    };
    let Ok(theirs) = line.parse::<f64>() else {
        println!("DAPPER skipped: {line}");
        return Ok(());
    };
    let (case, mut filter) = (Case::new(1000)?, letkf());
    let mut ours = f64::INFINITY;
    for _ in 0..20 {
        ours = ours.min(case.run(&mut filter, Form::Update, pool)?.seconds);
    }
    println!(
        "n = 1000, one thread: DAPPER's LETKF analysis {:.1} ms, {:.0} times ours of {:.2} ms",
        theirs * 1e3,
        theirs / ours,
        ours * 1e3
    );
    Ok(())
}
