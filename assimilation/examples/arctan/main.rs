//! The experiment of the ensemble score filter (Bao, Zhang and Zhang 2024) for the filter that it was held against:
//! Lorenz-96 of any size, every component observed through the arctangent with an error of sd .05 each ten steps of .01,
//! twenty members that start from N(0, I), 150 cycles of which the last 50 count. `letkf` with constant and with
//! adaptive inflation, and `ensf` as published and with transported members, on a truth that follows the model and on one
//! that jumps. A run is lost that ends with an error of half the climatological sd or more, or with numbers that are not finite.
//!
//! `cargo run --release -p scorecast-assimilation --example arctan -- [n] [cycles] [steady | jumps]`; without numbers
//! n = 100 (twenty truths), 1,000 (ten), 10^4 and 10^6 (one truth each; 30 cycles of the last, of which ten count). `-- tune` prints the
//! grids, at n = 10^4 on a truth of its own, that the settings without quality control are from; those with it are from
//! `scorecast tune benches/papers/lorenz96_arctan.toml --row "controlled / shocks"` at n = 10^4 on truths of its own.
//!
//! What it shows: where the truth follows the model both inflations do as well as was found elsewhere (.06). What a jump
//! leaves is a forecast whose members agree on the wrong side of a saturated observation: its innovation is tens of the
//! forecast's sd, and the regression over the members, followed so far, throws them to where the model is unstable; on a long
//! ring that happens somewhere. Adaptive quality control (`k_factor`; Sakov and Sandery 2017) bounds the step by the spread,
//! and adaptive inflation, which learns from the innovation as it is, widens the spread until the truth is found.

mod scores;
mod truth;

use std::time::Instant;

use scorecast_assimilation::observe::{Arctan, GaussianError, Pointwise, Stride};
use scorecast_assimilation::{Cycle, METHODS, ObservationSet, Prior};
use scorecast_systems::{Domain, Key, Settings, Value, registry};

use scores::{Recovery, Scores};
use truth::Truth;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MEMBERS: usize = 20;
const SD: f64 = 0.05;
/// Lead steps from one set of observations to the next.
const EVERY: usize = 10;

/// How large an experiment is.
#[derive(Clone, Copy)]
struct Size {
    dim: usize,
    truths: u64,
    cycles: usize,
}

/// A filter by its method, label and settings.
struct Contender {
    method: &'static str,
    label: String,
    settings: Vec<(&'static str, Value)>,
}

/// What a filter did in all runs of an experiment.
#[derive(Default)]
struct Record {
    scores: Scores,
    recoveries: Vec<Recovery>,
    /// Runs that ended in numbers that are not finite; they do not count in the scores.
    diverged: usize,
    /// The mean rmse of each run, infinite where it diverged.
    runs: Vec<f64>,
    seconds: f64,
    cycles: usize,
    /// The error of each cycle of the last truth.
    errors: Vec<f64>,
}

fn main() -> Result<(), Failure> {
    let mut given = std::env::args().skip(1);
    let first = given.next();
    if first.as_deref() == Some("tune") {
        return tune();
    }
    let sizes = match first {
        Some(dim) => vec![size(dim.parse()?, given.next().map(|cycles| cycles.parse()).transpose()?)],
        None => [100, 1000, 10_000, 1_000_000].map(|dim| size(dim, None)).to_vec(),
    };
    let only = given.next();
    for size in sizes {
        for jumps in [false, true] {
            if only.as_deref() == Some(if jumps { "steady" } else { "jumps" }) {
                continue;
            }
            let filters = contenders(size.dim);
            println!("\n{}", title(size, jumps));
            let found = experiment(size, jumps, 1, &filters)?;
            print(&filters, &found);
            if let (true, Some(cycle)) = (jumps, size.forced()) {
                print_recovery(&filters, &found.0, cycle);
            }
        }
    }
    Ok(())
}

impl Record {
    /// The median of the runs' rmse.
    fn median(&self) -> f64 {
        let mut runs = self.runs.clone();
        runs.sort_unstable_by(f64::total_cmp);
        let middle = |rank: usize| runs.get(rank).copied().unwrap_or(f64::NAN);
        0.5 * (middle(runs.len().saturating_sub(1) / 2) + middle(runs.len() / 2))
    }
}

fn size(dim: usize, cycles: Option<usize>) -> Size {
    let usual = if dim < 1_000_000 { 150 } else { 30 };
    Size {
        dim,
        truths: [20, 10, 1][usize::from(dim >= 1000) + usize::from(dim >= 10_000)],
        cycles: cycles.unwrap_or(usual),
    }
}

impl Size {
    /// The cycle after which a jump of .5 is made to happen where one truth may not have one by chance.
    fn forced(&self) -> Option<usize> {
        (self.truths == 1).then_some(self.cycles / 2)
    }

    /// The first cycle that counts.
    fn counts_from(&self) -> usize {
        self.cycles - self.cycles / 3 + 1
    }
}

fn title(size: Size, jumps: bool) -> String {
    let Size { dim, truths, cycles } = size;
    let kind = match (jumps, size.forced()) {
        (false, _) => "the truth follows the model".to_owned(),
        (true, None) => "the truth jumps".to_owned(),
        (true, Some(cycle)) => format!("the truth jumps, once by .5 made to happen after cycle {cycle}"),
    };
    format!("n = {dim}, {truths} truths, {cycles} cycles, mean of the last {}: {kind}", cycles / 3)
}

/// The published taper is exp(-(j / 3)^2).
const PUBLISHED_RADIUS: f64 = 3.0 / std::f64::consts::SQRT_2;

/// Sd, damping, largest factor of the variance and constant factor of the sd of adaptive inflation that `tune` tries, each
/// without quality control.
const ADAPTIVE: [[f64; 4]; 10] = [
    [0.1, 0.9, 1e4, 1.0],
    [0.1, 0.9, 4.0, 1.0],
    [0.1, 0.9, 4.0, 1.06],
    [0.1, 0.9, 4.0, 1.14],
    [0.3, 0.9, 2.0, 1.0],
    [0.3, 0.9, 2.0, 1.06],
    [0.3, 0.9, 1.5, 1.06],
    [1.0, 0.5, 2.0, 1.06],
    [1.0, 0.5, 1.5, 1.06],
    [1.0, 0.5, 1.5, 1.1],
];

/// The published settings, which are also the best constant ones; the best adaptive ones without jumps, and those that
/// kept best with them, which all diverge on a ring that is long enough; and those with adaptive quality control, which do
/// not. By the other rules too where that is quick, and the ensemble score filter with transported members.
fn contenders(dim: usize) -> Vec<Contender> {
    let (steady, jumping) = ([0.3, 0.9, 1.5, 1.06], [1.0, 0.5, 1.5, 1.1]);
    let controlled = [0.3, 0.9, 4.0, 1.06, 5.0];
    let mut all = vec![Contender::constant(1.14, PUBLISHED_RADIUS), Contender::published(dim)];
    let limited = Some([0.3, 0.9, 4.0, 5.0]);
    let transported = [(1.04, 4.0, limited), (1.04, 5.0, None), (1.06, 4.0, None), (1.06, 3.0, limited)];
    for (inflation, radius, limited) in transported.into_iter().take(if dim < 10_000 { 4 } else { 1 }) {
        all.push(Contender::transported(inflation, radius, limited));
    }
    if dim < 1_000_000 {
        for rule in ["anderson", "miyoshi"] {
            all.extend([steady, jumping].map(|kind| Contender::adaptive(rule, kind)));
            all.push(Contender::controlled(rule, controlled));
        }
        all.push(Contender::controlled("inverse_gamma", controlled));
    } else {
        all.extend([Contender::adaptive("anderson", jumping), Contender::controlled("anderson", controlled)]);
    }
    all
}

impl Contender {
    fn constant(inflation: f64, radius: f64) -> Self {
        Self::new(&format!("{inflation}"), inflation, radius, &[])
    }

    /// Adaptive inflation of a rate `sd`, damped and bounded, beside a constant one.
    fn adaptive(rule: &'static str, [sd, damping, most, inflation]: [f64; 4]) -> Self {
        let settings = [
            ("adaptive", Value::Text(rule.into())),
            ("inflation_sd", Value::Float(sd)),
            ("inflation_damping", Value::Float(damping)),
            ("inflation_max", Value::Float(most)),
        ];
        let label = format!("{rule}, sd {sd}, damped {damping}, to {most}, and {inflation}");
        Self::new(&label, inflation, PUBLISHED_RADIUS, &settings)
    }

    /// Adaptive inflation as in `adaptive`, with steps of at most `factor` sd of the forecast.
    fn controlled(rule: &'static str, [sd, damping, most, inflation, factor]: [f64; 5]) -> Self {
        let Self { label, mut settings, .. } = Self::adaptive(rule, [sd, damping, most, inflation]);
        settings.push(("k_factor", Value::Float(factor)));
        Self { label: format!("{label}, K = {factor}"), settings, method: "letkf" }
    }

    fn new(label: &str, inflation: f64, radius: f64, further: &[(&'static str, Value)]) -> Self {
        let mut settings = vec![
            ("members", Value::Int(MEMBERS as i64)),
            ("taper", Value::Text("gaussian".into())),
            ("inflation", Value::Float(inflation)),
            ("radius", Value::Float(radius)),
        ];
        settings.extend_from_slice(further);
        Self { label: format!("letkf {label}, radius {radius:.2}"), settings, method: "letkf" }
    }

    /// The score filter as published; a hundred Euler steps in place of 500 where states are long.
    fn published(dim: usize) -> Self {
        let steps = if dim < 10_000 { 500 } else { 100 };
        let settings = vec![("members", Value::Int(MEMBERS as i64)), ("steps", Value::Int(steps))];
        Self { label: format!("ensf single, {steps} steps"), settings, method: "ensf" }
    }

    /// The score filter with members that are transported.
    fn transported(inflation: f64, radius: f64, controlled: Option<[f64; 4]>) -> Self {
        let mut settings = vec![
            ("members", Value::Int(MEMBERS as i64)),
            ("score", Value::Text("gaussian".into())),
            ("inflation", Value::Float(inflation)),
            ("radius", Value::Float(radius)),
        ];
        let Some([sd, damping, most, factor]) = controlled else {
            return Self { label: format!("ensf gaussian {inflation}, radius {radius:.2}"), settings, method: "ensf" };
        };
        settings.extend([
            ("adaptive", Value::Text("anderson".into())),
            ("inflation_sd", Value::Float(sd)),
            ("inflation_damping", Value::Float(damping)),
            ("inflation_max", Value::Float(most)),
            ("k_factor", Value::Float(factor)),
        ]);
        let label = format!(
            "ensf gaussian anderson, sd {sd}, damped {damping}, to {most}, and {inflation}, radius {radius:.2}, K = {factor}"
        );
        Self { label, settings, method: "ensf" }
    }

    fn build(&self) -> Result<Box<dyn Cycle>, Failure> {
        let entry = registry::find(METHODS, "method", self.method)?;
        let given = self.settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Ok((entry.build.make)(
            &Settings::check(self.method, entry.params, &given).map_err(|wrong| format!("{wrong:?}"))?,
        )?)
    }
}

/// All filters on the same truths; the record of each, and the climatological sd last.
fn experiment(size: Size, jumps: bool, seed: u64, filters: &[Contender]) -> Result<(Vec<Record>, f64), Failure> {
    let mut records: Vec<Record> = filters.iter().map(|_| Record::default()).collect();
    let mut climate = 0.0;
    for case in 0..size.truths {
        let key = Key::new(seed, Domain::Method).case(case);
        let error = |dim| Ok(Box::new(GaussianError::new(&[SD], dim)?) as Box<_>);
        let operator = Pointwise::new(Arctan, Stride::new(size.dim, 1, 0, &error)?);
        let mut truth = Truth::new(size.dim, Key::new(seed, Domain::Truth).case(case), jumps.then_some(size.forced()))?;
        let mut running = filters.iter().map(Contender::build).collect::<Result<Vec<_>, _>>()?;
        for filter in &mut running {
            filter.start(&Prior::Ensemble(key.normals(MEMBERS, size.dim)), 0, key)?;
        }
        let mut errors = vec![Vec::new(); filters.len()];
        let mut scores = vec![Scores::default(); filters.len()];
        for cycle in 1..=size.cycles {
            let values = truth.observe(cycle, &operator)?;
            let step = cycle * EVERY;
            let observed =
                ObservationSet { step, time: 0.01 * step as f64, values: values.view(), operator: &operator };
            for (number, filter) in running.iter_mut().enumerate() {
                let start = Instant::now();
                let ensemble = filter.step(truth.model(), &observed, key)?.ensemble;
                records[number].seconds += start.elapsed().as_secs_f64();
                records[number].cycles += 1;
                let found = Scores::new(&ensemble, truth.state());
                errors[number].push(found.rmse);
                if cycle >= size.counts_from() {
                    scores[number].add(&found);
                }
            }
            if cycle >= size.counts_from() {
                climate += truth.state().std(1.0) / (size.truths as usize * (size.cycles / 3)) as f64;
            }
            truth.jump_after(cycle);
        }
        for ((record, errors), scores) in records.iter_mut().zip(&errors).zip(&scores) {
            record.recoveries.extend(scores::recoveries(errors, truth.jumps()));
            if errors.iter().all(|error| error.is_finite()) {
                record.scores.add(scores);
                record.runs.push(scores.mean()[0]);
            } else {
                record.diverged += 1;
                record.runs.push(f64::INFINITY);
            }
            record.errors.clone_from(errors);
        }
    }
    Ok((records, climate))
}

fn print(filters: &[Contender], (records, climate): &(Vec<Record>, f64)) {
    println!(
        "{:<76} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8} {:>5}  recovery",
        "", "rmse", "median", "spread", "in 90 %", "crps", "s/cycle", "diverged", "lost"
    );
    for (filter, record) in filters.iter().zip(records) {
        let [rmse, spread, covered, crps] = record.scores.mean();
        let seconds = record.seconds / record.cycles as f64;
        println!(
            "{:<76} {rmse:>7.4} {:>7.4} {spread:>7.4} {covered:>8.3} {crps:>8.4} {seconds:>8.4} {:>8} {:>5}  {}",
            filter.label,
            record.median(),
            record.diverged,
            record.runs.iter().filter(|rmse| **rmse >= 0.5 * climate).count(),
            scores::summary(&record.recoveries)
        );
    }
    println!("{:<76} {climate:>7.4} {climate:>7.4}", "climatology");
}

/// The errors about the jump that was made to happen after `cycle`.
fn print_recovery(filters: &[Contender], records: &[Record], cycle: usize) {
    let after = [0, 1, 2, 3, 5, 10, 15, 20, 40, 60];
    for (filter, record) in filters.iter().zip(records) {
        let errors = after.iter().filter_map(|later| Some((cycle + later, record.errors.get(cycle + later - 1)?)));
        let line: Vec<String> = errors.map(|(cycle, error)| format!("{cycle}: {error:.3}")).collect();
        println!("rmse at cycle {}  ({})", line.join(", "), filter.label);
    }
}

/// The grids of the settings, without jumps and with.
fn tune() -> Result<(), Failure> {
    let size = size(10_000, None);
    let mut grid = Vec::new();
    for factor in [0.7, 1.0, 1.4] {
        grid.extend(
            [1.02, 1.06, 1.14, 1.25].map(|inflation| Contender::constant(inflation, factor * PUBLISHED_RADIUS)),
        );
    }
    for rule in ["anderson", "miyoshi"] {
        grid.extend(ADAPTIVE.map(|settings| Contender::adaptive(rule, settings)));
    }
    for jumps in [false, true] {
        println!("\n{}", title(size, jumps));
        print(&grid, &experiment(size, jumps, 77, &grid)?);
    }
    Ok(())
}
