//! Filters: Kalman's in one, two and forty components, a grid's where a double well is seen through |x|, and a bootstrap filter of
//! 1e6 particles on Lorenz-63.

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array1, Array2, array};
use scorecast_assimilation::observe::{Absolute, Pointwise, Stride};
use scorecast_assimilation::{Cycle, ObservationOperator, ObservationSet, Outcome, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Stepping, Value};

use super::exact::Exact;
use super::laws::BAR;
use super::score::Score;
use super::table::{Asked, Bar, head, print_filter};
use crate::common::{LinearProblem, errors};

/// A truth that is observed, with the exact posterior of each set.
struct Problem {
    model: Box<dyn Forecaster>,
    prior: Prior,
    operator: Box<dyn ObservationOperator>,
    /// Lead steps between sets.
    every: usize,
    /// One set a row.
    y: Array2<f64>,
    exact: Vec<Exact>,
    bar: Bar,
}

impl Problem {
    fn step(&self, method: &mut dyn Cycle, set: usize, key: Key) -> Outcome {
        let step = (set + 1) * self.every;
        let observed = ObservationSet { step, time: 0.0, values: self.y.row(set), operator: &*self.operator };
        method.step(&*self.model, &observed, key).unwrap()
    }

    /// A row; the sets that count are those from `first` on.
    fn print(&self, asked: &Asked, first: usize) {
        if !asked.is_wanted() {
            return;
        }
        let (start, key) = (Instant::now(), Key::new(40, Domain::Method));
        let mut method = asked.build();
        method.start(&self.prior, 0, key).unwrap();
        let outcomes = (0..self.exact.len()).map(|set| self.step(&mut *method, set, key));
        let scores: Vec<Score> = outcomes
            .zip(&self.exact)
            .enumerate()
            .skip(first)
            .map(|(set, (outcome, exact))| Score::of(&outcome, exact, set as u64))
            .collect();
        print_filter(asked, self.bar, &scores, start);
    }

    fn table(&self, title: &str, rows: &[Asked], first: usize) {
        head(title, "mean off, rms (most), in sd");
        rows.iter().for_each(|asked| self.print(asked, first));
    }
}

const fn guided(given: &'static str) -> Asked {
    Asked::new("guided", 20_000, given).with("steps=64")
}

/// Every weighting, and rules other than the usual one under weights that mend them.
const WEIGHTED: &[Asked] = &[
    guided("weights=none"),
    guided("weights=adapted").claiming(),
    guided("weights=path").claiming(),
    guided("weights=twisted").claiming(),
    guided("weights=girsanov").claiming(),
    guided("guidance=pseudo_inverse weights=twisted").claiming(),
    guided("guidance=sda gamma=.03 weights=path").claiming(),
    guided("guidance=sda gamma=.03 weights=none"),
    guided("guidance=dps weights=girsanov").claiming(),
    guided("guidance=dps weights=none"),
    guided("guidance=quadrature weights=path").claiming(),
];

const OTHERS: &[Asked] = &[
    Asked::new("ensf", 20_000, "score=gaussian").claiming(),
    Asked::new("ensf", 20_000, "score=gaussian latents=fresh").claiming(),
    Asked::new("ensf", 20_000, "score=single steps=100"),
    Asked::new("ensf", 400, "score=mixture steps=200"),
    Asked::new("ensf", 400, "score=local_mixture"),
    Asked::new("ensf", 400, "score=local_mixture sampler=langevin"),
    Asked::new("enkf", 20_000, ""),
    Asked::new("qceff", 20_000, "prior=normal"),
    Asked::new("qceff", 2000, ""),
    Asked::new("bootstrap", 20_000, "").claiming(),
];

/// Kalman's filter.
fn linear(problem: LinearProblem, operator: Box<dyn ObservationOperator>, bar: Bar) -> Problem {
    let exact = problem.exact().into_iter().map(|(mean, p, _)| Exact::gaussian(mean, &p)).collect();
    Problem {
        prior: problem.prior(),
        operator,
        every: problem.every,
        y: problem.observations.clone(),
        exact,
        bar,
        model: Box::new(problem.model),
    }
}

/// A linear system of one or two components.
pub fn kalman(dim: usize) {
    let of = |problem: LinearProblem| {
        let h = problem.operator.matrix().unwrap();
        let sd = problem.operator.error().variance().mapv(f64::sqrt).to_vec();
        let operator = scorecast_assimilation::observe::Linear::new(h, &errors(&sd)).unwrap();
        linear(problem, Box::new(operator), BAR)
    };
    let problem = of(if dim == 1 { LinearProblem::one(20) } else { LinearProblem::two(20) });
    let exact = [guided("weights=exact").claiming(), Asked::new("optimal_proposal", 20_000, "").claiming()];
    problem.table(&format!("Kalman's filter of {dim} components, 20 sets"), &[&exact, WEIGHTED, OTHERS].concat(), 0);
}

/// Forty components of which every second is observed, 60 sets, the first 10 not counted.
pub fn forty() {
    let stride = Stride::new(40, 2, 0, &errors(&[0.7])).unwrap();
    let problem = linear(LinearProblem::forty(60), Box::new(stride), Bar { bias: 0.35, ratio: 0.1 });
    let local = |members, given| Asked::new("guided", members, given).with("steps=32");
    let rows = [
        Asked::new("ensf", 20, "score=gaussian").claiming(),
        Asked::new("ensf", 40, "score=gaussian").claiming(),
        Asked::new("ensf", 100, "score=gaussian").claiming(),
        Asked::new("ensf", 400, "score=gaussian").claiming(),
        Asked::new("ensf", 40, "score=gaussian latents=fresh"),
        Asked::new("ensf", 100, "score=gaussian latents=fresh"),
        local(40, "weights=exact radius=2.").claiming(),
        local(100, "weights=exact radius=2.").claiming(),
        local(400, "weights=exact radius=3.").claiming(),
        local(100, "weights=adapted radius=2.").claiming(),
        local(100, "weights=exact radius=2. local_update=resample").claiming(),
        local(40, "weights=exact radius=3. weights_share=.2").claiming(),
        local(100, "weights=exact radius=3. weights_share=.2").claiming(),
        local(100, "weights=none"),
        local(100, "weights=exact"),
        local(400, "weights=exact"),
        local(4000, "weights=exact"),
        local(400, "weights=path"),
        local(400, "weights=twisted"),
        local(400, "weights=girsanov"),
        Asked::new("ensf", 100, "score=local_mixture"),
        Asked::new("ensf", 400, "score=local_mixture"),
        Asked::new("ensf", 100, "score=local_mixture sampler=langevin"),
        Asked::new("ensf", 40, "score=single steps=100"),
        Asked::new("ensf", 40, "score=mixture steps=100"),
        Asked::new("letkf", 20, "radius=3. noise_treatment=square_root"),
        Asked::new("letkf", 40, "radius=3. noise_treatment=square_root"),
        Asked::new("letkf", 40, "radius=3."),
        Asked::new("letkf", 400, "radius=8."),
        Asked::new("qceff", 40, "radius=4."),
        Asked::new("qceff", 400, "radius=6."),
        Asked::new("enkf", 400, ""),
        Asked::new("bootstrap", 4000, ""),
        Asked::new("local_particle_filter", 400, "radius=2."),
    ];
    problem.table("Kalman's filter of 40 components, 50 sets", &rows, 10);
}

/// A system of the catalogue with its own noise.
fn forecaster(name: &str, noise: f64, dt: f64, integrator: &str) -> Box<dyn Forecaster> {
    let stepping = Stepping { dt, substeps: 1, integrator: integrator.to_owned() };
    let given = BTreeMap::from([("noise".to_owned(), Value::Float(noise))]);
    build(name, &given).unwrap().forecaster(&stepping).unwrap()
}

/// Values of a truth that starts at a draw of the prior.
fn values(
    model: &dyn Forecaster,
    operator: &dyn ObservationOperator,
    mut truth: Array2<f64>,
    every: usize,
    sets: usize,
) -> Array2<f64> {
    let key = Key::new(31, Domain::Truth);
    let mut y = Array2::zeros((sets, operator.dim()));
    for (set, mut row) in y.outer_iter_mut().enumerate() {
        model.advance(set * every, every, &mut truth, key.purpose(Purpose::ProcessNoise)).unwrap();
        let noise = key.purpose(Purpose::ObservationNoise).at(set as u64);
        row.assign(&operator.error().observe(operator.apply(0.0, truth.view()).view(), noise).row(0));
    }
    y
}

/// A double well of which |x| is seen at each third lead step, 20 sets.
pub fn double_well() {
    let (dt, noise, sd, every) = (0.1, 0.5, 0.25, 3);
    let model = forecaster("double_well", noise, dt, "euler_maruyama");
    let operator = Pointwise::new(Absolute, Stride::new(1, 1, 0, &errors(&[sd])).unwrap());
    let y = values(&*model, &operator, array![[0.4]], every, 20);
    let points = Array1::linspace(-3.0, 3.0, 1201);
    let normal = |e: f64, sd: f64| (-0.5 * (e / sd).powi(2)).exp();
    let kernel = Array2::from_shape_fn((points.len(), points.len()), |(to, from)| {
        let x: f64 = points[from];
        normal(points[to] - x - dt * (x - x.powi(3)), noise * f64::sqrt(dt))
    });
    let mut p = points.mapv(|x| normal(x - 0.2, 0.5));
    let mut exact = Vec::new();
    for y in &y.column(0) {
        (0..every).for_each(|_| p = kernel.dot(&p));
        p *= &points.mapv(|x: f64| normal(y - x.abs(), sd));
        p /= p.sum();
        exact.push(Exact::grid(&points, &p));
    }
    let prior = Prior::Gaussian { mean: array![0.2], covariance: array![[0.25]] };
    let problem = Problem { model, prior, operator: Box::new(operator), every, y, exact, bar: BAR };
    // moments of a lead step do not tell what |x| says of it
    let weighted = WEIGHTED.iter().map(|row| Asked { claims: row.claims && !row.given.contains("adapted"), ..*row });
    let others = OTHERS.iter().map(|row| Asked { claims: row.claims && row.method == "bootstrap", ..*row });
    problem.table("A double well through |x|, 20 sets, against a grid", &weighted.chain(others).collect::<Vec<_>>(), 0);
}

/// Lorenz-63 of which the first component is seen at each fifth lead step, 20 sets.
pub fn lorenz63() {
    let model = forecaster("lorenz63", 1.0, 0.05, "rk4");
    let operator = Stride::new(3, 3, 0, &errors(&[1.0])).unwrap();
    let key = Key::new(32, Domain::Truth);
    let mut truth = array![[1.0, 2.0, 20.0]];
    model.advance(0, 500, &mut truth, key.purpose(Purpose::ProcessNoise)).unwrap();
    let mean = &truth.row(0) + &(key.normals(1, 3) * 2.0).row(0);
    let y = values(&*model, &operator, truth, 5, 20);
    let prior = Prior::Independent { mean, sd: Array1::from_elem(3, 2.0) };
    let mut problem = Problem { model, prior, operator: Box::new(operator), every: 5, y, exact: Vec::new(), bar: BAR };
    let mut reference = Asked::new("bootstrap", 1_000_000, "").build();
    let key = Key::new(41, Domain::Method);
    reference.start(&problem.prior, 0, key).unwrap();
    for set in 0..problem.y.nrows() {
        let outcome = problem.step(&mut *reference, set, key);
        let (members, weights) = outcome.posterior();
        let equal = || Array1::from_elem(members.nrows(), 1.0 / members.nrows() as f64);
        problem.exact.push(Exact::points(members.clone(), weights.cloned().unwrap_or_else(equal)));
    }
    let exact = [guided("weights=exact").claiming(), Asked::new("optimal_proposal", 20_000, "").claiming()];
    let others = OTHERS.iter().map(|row| Asked { claims: row.claims && row.method == "bootstrap", ..*row });
    let rows: Vec<_> = exact.into_iter().chain(WEIGHTED.iter().copied()).chain(others).collect();
    problem.table("Lorenz-63, x seen at each fifth step, 20 sets, against 1e6 particles", &rows, 0);
}

/// The gain of an analysis where the prior of one component has these standard deviations and the error .05.
pub fn gain() {
    println!("\n| score | prior sd .1 | .3 | 1 | 3 |\n|---|---|---|---|---|");
    let sd = 0.05;
    let operator = Stride::new(1, 1, 0, &errors(&[sd])).unwrap();
    let model = forecaster("double_well", 0.5, 0.1, "euler_maruyama");
    let key = Key::new(40, Domain::Method);
    let row = |asked: &Asked| {
        let of = |prior: f64| {
            let at = |y: f64| {
                let mut method = asked.build();
                let members = key.normals(asked.members, 1) * prior;
                method.start(&Prior::Ensemble(members), 0, key).unwrap();
                let values = array![y];
                let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
                method.step(&*model, &observed, key).unwrap().mean()[0]
            };
            format!("{:.3}", (at(prior) - at(0.0)) / prior)
        };
        println!("| `{}` | {} |", asked.given, [0.1, 0.3, 1.0, 3.0].map(of).join(" | "));
    };
    println!(
        "| exact | {} |",
        [0.1f64, 0.3, 1.0, 3.0].map(|p| format!("{:.3}", p * p / (p * p + sd * sd))).join(" | ")
    );
    for (members, score) in [
        (1000, "score=single"),
        (200, "score=mixture"),
        (1000, "score=gaussian"),
        (200, "score=local_mixture"),
        (200, "score=local_mixture sampler=langevin"),
    ] {
        row(&Asked::new("ensf", members, score));
    }
}
