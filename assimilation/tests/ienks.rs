//! The iterative ensemble Kalman smoother against dense solutions and an independent minimiser.

#![allow(clippy::unwrap_used)]

mod common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, ArrayView1, Axis, array};
use scorecast_assimilation::linalg::{Cholesky, anomalies, covariance, symmetric_sqrt};
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::problem::draw_prior;
use scorecast_assimilation::state::unpack;
use scorecast_assimilation::{Observation, Prior, Seen, Smoothed};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Stepping, Value};

const KEY: Key = Key::new(21, Domain::Method);
const CYCLES: usize = 8;

fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::eye(matrix.nrows());
    Cholesky::new(matrix.view()).unwrap().solve_in_place(&mut out);
    out
}

/// Three components without noise, two of them observed each second lead step; one value and one set are missing.
fn linear() -> LinearProblem {
    let law = LinearGaussian {
        matrix: array![[0.98, 0.2, 0.0], [-0.2, 0.97, 0.1], [0.1, 0.0, 1.01]],
        offset: array![0.1, 0.0, -0.1],
        covariance: Array2::zeros((3, 3)),
    };
    let h = array![[1.0, 0.0, 0.3], [0.0, 0.2, 1.0]];
    LinearProblem::new(law, array![[1.0, 0.3, 0.0], [0.3, 0.8, 0.2], [0.0, 0.2, 1.2]], h, &[0.5, 0.9], 2, CYCLES)
}

/// Mean and covariance of x at set `at` (0 is the prior's time) given the first `given` sets, of the moments of the draws:
/// the law of x_0 by its information, carried by the powers of the matrix.
fn dense(problem: &LinearProblem, draws: &Array2<f64>, at: usize, given: usize) -> (Array1<f64>, Array2<f64>) {
    let h = problem.operator.matrix().unwrap();
    let (mut m, mut offset) = (Array2::<f64>::eye(3), Array1::<f64>::zeros(3));
    let mean = draws.mean_axis(Axis(0)).unwrap();
    let mut information = inverse(&covariance(draws.view(), None));
    let mut forcing = information.dot(&mean);
    let (mut to, mut shift) = (m.clone(), offset.clone());
    for set in 1..=given.max(at) {
        for _ in 0..problem.every {
            m = problem.law.matrix.dot(&m);
            offset = problem.law.matrix.dot(&offset) + &problem.law.offset;
        }
        if set == at {
            (to, shift) = (m.clone(), offset.clone());
        }
        for (i, y) in problem.observations.row(set - 1).iter().enumerate().filter(|(_, y)| set <= given && !y.is_nan())
        {
            let g: Array1<f64> = h.row(i).dot(&m);
            let r = problem.operator.error().variance()[i];
            forcing.scaled_add((y - h.row(i).dot(&offset)) / r, &g);
            information += &(g.view().insert_axis(Axis(1)).dot(&g.view().insert_axis(Axis(0))) / r);
        }
    }
    let p = inverse(&information);
    (to.dot(&p.dot(&forcing)) + shift, to.dot(&p).dot(&to.t()))
}

/// The largest of some numbers; `max` would pass over NaN.
fn largest<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, e| if e.is_finite() { most.max(e.abs()) } else { f64::INFINITY })
}

fn off(mean: Array1<f64>, ensemble: &Array2<f64>, exact: &(Array1<f64>, Array2<f64>)) -> f64 {
    largest(&(mean - &exact.0)).max(largest(&(covariance(ensemble.view(), None) - &exact.1)))
}

fn ints(given: &[(&'static str, i64)]) -> Vec<(&'static str, Value)> {
    given.iter().map(|(key, value)| (*key, Value::Int(*value))).collect()
}

#[test]
fn where_all_is_linear_one_step_of_lag_one_is_the_transform_filter() {
    let problem = linear();
    let etkf = problem.run(&mut *method("etkf", &ints(&[("members", 12)])), KEY);
    let found = problem.run(&mut *method("ienks", &ints(&[("members", 12), ("iterations", 1)])), KEY);
    for (a, b) in found.iter().zip(&etkf) {
        // member by member, since both roots are the symmetric one
        assert!(largest(&(&a.ensemble - &b.ensemble)) < 1e-9 && largest(&(&a.forecast - &b.forecast)) < 1e-9);
    }
}

#[test]
fn where_all_is_linear_filter_and_smoother_are_the_posteriors_of_the_ensembles_own_moments() {
    let problem = linear();
    let draws = draw_prior(&problem.prior(), 12, KEY).unwrap();
    let mut worst: f64 = 0.0;
    for lag in [1, 2, 3, 5, 20] {
        for (mda, rotate, linearization, iterations) in [
            (false, false, "transform", 1),
            (false, true, "transform", 10),
            (false, false, "bundle", 1),
            (true, false, "transform", 1),
            (true, true, "transform", 10),
            (true, false, "bundle", 10),
        ] {
            let given = [
                ints(&[("members", 12), ("lag", lag as i64), ("iterations", iterations)]),
                vec![
                    ("mda", Value::Bool(mda)),
                    ("rotate", Value::Bool(rotate)),
                    ("linearization", word(linearization)),
                ],
            ]
            .concat();
            let mut filter = method("ienks", &given);
            let outcomes = problem.run(&mut *filter, KEY);
            let mut smoothed: Vec<Smoothed> = Vec::new();
            // the difference quotient of a bundle loses four digits
            let bound = if linearization == "bundle" { 1e-6 } else { 1e-9 };
            for (cycle, outcome) in outcomes.into_iter().enumerate() {
                let error = off(outcome.mean(), &outcome.ensemble, &dense(&problem, &draws, cycle + 1, cycle + 1));
                assert!(error < bound, "{given:?}, set {}: {error:.1e}", cycle + 1);
                worst = worst.max(if linearization == "bundle" { 0.0 } else { error });
                smoothed.extend(outcome.smoothed);
            }
            smoothed.extend(filter.finish(&problem.model, KEY).unwrap());
            assert_eq!(smoothed.len(), CYCLES);
            for (cycle, posterior) in smoothed.iter().enumerate() {
                let exact = dense(&problem, &draws, cycle + 1, (cycle + 1 + lag).min(CYCLES));
                let error = off(posterior.mean(), &posterior.ensemble, &exact);
                assert!(
                    posterior.step == 2 * (cycle + 1) && error < bound,
                    "{given:?}, set {}: {error:.1e}",
                    cycle + 1
                );
                worst = worst.max(if linearization == "bundle" { 0.0 } else { error });
            }
        }
    }
    println!("largest error of the transform form {worst:.1e}");
}

/// Members at the start of a window of two sets of which one has come, so that the start has not moved: Lorenz-63 by
/// arctan, from a prior whose standard deviation is `scale`, with errors in proportion.
struct Nonlinear {
    model: Box<dyn Forecaster>,
    operator: Pointwise<Arctan>,
    draws: Array2<f64>,
    y: Array1<f64>,
    sd: f64,
}

impl Nonlinear {
    fn new(scale: f64) -> Self {
        let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
        let given = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
        let model = build("lorenz63", &given).unwrap().forecaster(&stepping).unwrap();
        let sd = 0.05 * scale;
        let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[sd])).unwrap());
        let draws = KEY.normals(6, 3) * scale + &array![1.5, -1.5, 20.0];
        let mut x = draws.slice(ndarray::s![..1, ..]).to_owned();
        model.advance(0, 3, &mut x, KEY).unwrap();
        let y = operator.apply(0.0, x.view()).row(0).to_owned() + array![0.5, -1.0, 0.2] * sd;
        Self { model, operator, draws, y, sd }
    }

    /// R^-1/2 (y - h(M(x))).
    fn residual(&self, x: ArrayView1<f64>) -> Array1<f64> {
        let mut x = x.insert_axis(Axis(0)).to_owned();
        self.model.advance(0, 3, &mut x, KEY).unwrap();
        (&self.y - &self.operator.apply(0.0, x.view()).row(0)) / self.sd
    }

    /// Members at the start after `ienks`.
    fn run(&self, given: &[(&'static str, Value)]) -> Array2<f64> {
        let given = [&[("members", Value::Int(6)), ("lag", Value::Int(2))], given].concat();
        let mut filter = method("ienks", &given);
        filter.start(&Prior::Ensemble(self.draws.clone()), 0, KEY).unwrap();
        let seen = Seen { step: 3, time: 0.0, values: self.y.view(), operator: &self.operator };
        filter.step(&*self.model, &seen, KEY).unwrap();
        unpack(&filter.save()).unwrap().1
    }

    /// The minimum of |residual|^2 / 2 + |w|^2 / 2 over x = mean + A^T w / sqrt(N - 1), by steepest descent in the metric
    /// of a Hessian by finite differences, and the covariance from the Jacobian there: x's mean and covariance.
    fn reference(&self) -> (Array1<f64>, Array2<f64>) {
        let (mean, a) = anomalies(self.draws.view(), None);
        let a = a / 5.0f64.sqrt();
        let x = |w: &Array1<f64>| &mean + &w.dot(&a);
        let jacobian = |w: &Array1<f64>| {
            let mut z = Array2::zeros((6, 3));
            for i in 0..6 {
                let mut step = Array1::zeros(6);
                step[i] = 1e-5;
                let column = (self.residual(x(&(w - &step)).view()) - self.residual(x(&(w + &step)).view())) / 2e-5;
                z.row_mut(i).assign(&column);
            }
            z
        };
        let cost = |w: &Array1<f64>| {
            let r = self.residual(x(w).view());
            0.5 * (r.dot(&r) + w.dot(w))
        };
        let mut w = Array1::zeros(6);
        for _ in 0..200 {
            let z = jacobian(&w);
            let downhill = z.dot(&self.residual(x(&w).view())) - &w;
            let step = inverse(&(Array2::<f64>::eye(6) + z.dot(&z.t()))).dot(&downhill);
            let mut length = 1.0;
            while length > 1e-3 && cost(&(&w + &(length * &step))) > cost(&w) {
                length *= 0.5;
            }
            w += &(length * &step);
        }
        let z = jacobian(&w);
        let slope = z.dot(&self.residual(x(&w).view())) - &w;
        assert!(slope.iter().all(|g| g.abs() < 1e-6), "{slope}");
        let p = inverse(&(Array2::<f64>::eye(6) + z.dot(&z.t())));
        (x(&w), a.t().dot(&p).dot(&a))
    }
}

#[test]
fn the_bundle_finds_the_minimum_of_the_cost_and_its_curvature() {
    for scale in [0.3, 1.0] {
        let problem = Nonlinear::new(scale);
        let exact = problem.reference();
        let given =
            [("linearization", word("bundle")), ("iterations", Value::Int(100)), ("tolerance", Value::Float(1e-9))];
        let found = problem.run(&given);
        let error = off(found.mean_axis(Axis(0)).unwrap(), &found, &exact);
        let one = problem.run(&[("iterations", Value::Int(1))]);
        let first = off(one.mean_axis(Axis(0)).unwrap(), &one, &exact);
        println!("scale {scale}: error {error:.1e}, after one step of the transform {first:.1e}");
        // the derivative is a one-sided difference over 1e-4 of the spread
        assert!(error < 1e-4 * scale && first > 100.0 * error, "scale {scale}: {error:.1e} {first:.1e}");
    }
}

#[test]
fn transform_and_bundle_agree_as_the_spread_goes_to_zero() {
    let mut before = f64::NAN;
    for scale in [0.4, 0.2, 0.1, 0.05] {
        let problem = Nonlinear::new(scale);
        let tight = [("iterations", Value::Int(100)), ("tolerance", Value::Float(1e-9))];
        let [transform, bundle] = ["transform", "bundle"].map(|linearization| {
            let found = problem.run(&[&tight[..], &[("linearization", word(linearization))]].concat());
            found.mean_axis(Axis(0)).unwrap()
        });
        // in standard deviations of the prior
        let difference = largest(&(transform - bundle)) / scale;
        println!("scale {scale}: means differ by {difference:.2e} standard deviations");
        assert!(difference < 0.1 && (before.is_nan() || difference < 0.75 * before), "{difference} after {before}");
        before = difference;
    }
    assert!(before < 0.02, "{before}");
}

#[test]
fn without_noise_too_a_saved_run_goes_on_bit_for_bit_and_a_bundle_is_refused_where_there_is_noise() {
    let problem = Nonlinear::new(0.5);
    let bundle = [("members", Value::Int(6)), ("lag", Value::Int(2)), ("linearization", word("bundle"))];
    let multiple = [("members", Value::Int(6)), ("lag", Value::Int(3)), ("mda", Value::Bool(true))];
    let finite_size = [("members", Value::Int(6)), ("lag", Value::Int(4)), ("finite_size", Value::Float(1.5))];
    for given in [bundle.clone(), multiple, finite_size] {
        let run = |stop: usize| {
            let mut filter = method("ienks", &given);
            filter.start(&Prior::Ensemble(problem.draws.clone()), 0, KEY).unwrap();
            let mut out = Vec::new();
            for cycle in 0..7 {
                if cycle == stop {
                    let bytes = filter.save();
                    filter = method("ienks", &given);
                    filter.restore(&bytes).unwrap();
                    assert!(filter.save() == bytes);
                }
                // the fourth set has no values
                let y = if cycle == 3 { &problem.y * f64::NAN } else { problem.y.clone() };
                let seen = Seen { step: 3 * cycle + 3, time: 0.0, values: y.view(), operator: &problem.operator };
                let outcome = filter.step(&*problem.model, &seen, KEY).unwrap();
                assert!(cycle != 3 || outcome.ensemble == outcome.forecast);
                let smoothed = outcome.smoothed.iter().flat_map(|earlier| &earlier.ensemble);
                let numbers = outcome.ensemble.iter().chain(&outcome.forecast).chain(smoothed);
                out.extend(numbers.map(|value| value.to_bits()));
            }
            let rest = filter.finish(&*problem.model, KEY).unwrap();
            out.extend(rest.iter().flat_map(|earlier| &earlier.ensemble).map(|value| value.to_bits()));
            out
        };
        assert!((0..7).all(|stop| run(stop) == run(9)), "{given:?}");
    }
    let given = bundle;

    let noisy = LinearProblem::three(2);
    let mut filter = method("ienks", &given);
    filter.start(&noisy.prior(), 0, KEY).unwrap();
    let values = noisy.observations.row(0);
    let seen = Seen { step: 1, time: 1.0, values, operator: &noisy.operator };
    let message = filter.step(&noisy.model, &seen, KEY).unwrap_err().to_string();
    assert!(message.contains("set linearization to \"transform\""), "{message}");
}

#[test]
fn multiple_assimilation_refuses_an_operator_that_changes_and_a_state_of_other_settings() {
    let problem = linear();
    let given = [("members", Value::Int(12)), ("lag", Value::Int(3)), ("mda", Value::Bool(true))];
    let mut filter = method("ienks", &given);
    filter.start(&problem.prior(), 0, KEY).unwrap();
    problem.step(&mut *filter, 0, KEY);
    let bytes = filter.save();
    let other = Stride::new(3, 2, 0, &errors(&[0.5, 0.9])).unwrap();
    let seen = Seen { step: 4, time: 0.0, values: problem.observations.row(1), operator: &other };
    let message = filter.step(&problem.model, &seen, KEY).unwrap_err().to_string();
    assert!(message.contains("set mda to false"), "{message}");
    let refused = |given: &[(&str, Value)]| method("ienks", given).restore(&bytes).unwrap_err().to_string();
    assert!(refused(&[given[0].clone(), given[1].clone()]).contains("`mda`"));
    assert!(refused(&[given[0].clone(), given[2].clone()]).contains("set `lag` to 3"));
    assert!(refused(&given[1..]).contains("set `members` to 12"));
}

/// Mean rmse of filter and smoother on Lorenz-96 (40 components, all observed each fourth step of .05, R = I) after 80 of
/// `cycles` cycles.
fn lorenz96(given: &[(&'static str, Value)], cycles: usize) -> [f64; 2] {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let noise = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
    let model = build("lorenz96", &noise).unwrap().forecaster(&stepping).unwrap();
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let hidden = Key::new(3, Domain::Truth);
    let mut truth = hidden.normals(1, 40) + 2.0;
    model.advance(0, 400, &mut truth, hidden).unwrap();
    let mut filter = method("ienks", given);
    let prior = Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::from_diag_elem(40, 0.1) };
    filter.start(&prior, 0, KEY).unwrap();
    let rms = |error: Array1<f64>| (error.dot(&error) / 40.0).sqrt();
    let (mut truths, mut sums, mut smoothed) = (Vec::new(), [0.0; 2], Vec::new());
    for cycle in 1..=cycles {
        model.advance(4 * cycle - 4, 4, &mut truth, hidden).unwrap();
        let y = (&truth + &operator.error().sample(1, hidden.at(cycle as u64))).row(0).to_owned();
        truths.push(truth.row(0).to_owned());
        let seen = Seen { step: 4 * cycle, time: 0.2 * cycle as f64, values: y.view(), operator: &operator };
        let outcome = filter.step(&*model, &seen, KEY).unwrap();
        sums[0] += if cycle > 80 { rms(outcome.mean() - truth.row(0)) } else { 0.0 };
        smoothed.extend(outcome.smoothed);
    }
    smoothed.extend(filter.finish(&*model, KEY).unwrap());
    sums[1] = (80..cycles).map(|cycle| rms(smoothed[cycle].mean() - &truths[cycle])).sum();
    sums.map(|sum| sum / (cycles - 80) as f64)
}

#[test]
fn on_lorenz_96_the_finite_size_form_has_the_scores_of_another_program() {
    // DAPPER's run of this setting, 600 cycles of one seed: filter .2975 +- .0074, smoother .1602
    let given = |mda| {
        vec![
            ("members", Value::Int(20)),
            ("lag", Value::Int(4)),
            ("finite_size", Value::Float(2.0)),
            ("mda", Value::Bool(mda)),
        ]
    };
    for mda in [false, true] {
        let [filter, smoother] = lorenz96(&given(mda), 680);
        println!("mda {mda}: filter {filter:.4}, smoother {smoother:.4}");
        // three of its standard errors, which are those of this run too
        assert!((filter - 0.2975).abs() < 3.0 * 0.0074 * 2.0f64.sqrt(), "mda {mda}: {filter}");
        assert!((smoother - 0.1602).abs() < 3.0 * 0.0074 * 2.0f64.sqrt(), "mda {mda}: {smoother}");
    }
}

/// With noise: the members of `etkf` at the present, and at earlier times what explicit transforms of the members make of
/// them, T = (I + Z Z^T)^-1/2 of each later set in the window.
#[test]
fn where_the_forecaster_has_noise_it_is_the_ensemble_kalman_smoother() {
    let problem = LinearProblem::two(CYCLES);
    let members = 14;
    for lag in [1usize, 2, 4, 20] {
        for (mda, rotate) in [(false, false), (true, false), (false, true)] {
            let given = [("members", Value::Int(members as i64)), ("rotate", Value::Bool(rotate))];
            let etkf = problem.run(&mut *method("etkf", &given), KEY);
            let more = [("lag", Value::Int(lag as i64)), ("mda", Value::Bool(mda))];
            let mut filter = method("ienks", &[&given[..], &more].concat());
            let found = problem.run(&mut *filter, KEY);
            let mut smoothed = Vec::new();
            for (a, b) in found.iter().zip(&etkf) {
                assert!(largest(&(&a.ensemble - &b.ensemble)) < 1e-9 && largest(&(&a.forecast - &b.forecast)) < 1e-9);
                smoothed.extend(a.smoothed.clone());
            }
            smoothed.extend(filter.finish(&problem.model, KEY).unwrap());
            assert_eq!(smoothed.len(), CYCLES);
            if rotate {
                continue;
            }
            let h = problem.operator.matrix().unwrap();
            for (at, posterior) in smoothed.iter().enumerate() {
                let mut x = etkf[at].ensemble.clone();
                for (later, filtered) in etkf.iter().enumerate().take(at + lag + 1).skip(at + 1) {
                    let y = problem.observations.row(later);
                    let present: Vec<usize> = (0..2).filter(|&i| !y[i].is_nan()).collect();
                    if present.is_empty() {
                        continue;
                    }
                    let (centre, a) = anomalies(filtered.forecast.view(), None);
                    let h = h.select(Axis(0), &present);
                    let sd = problem.operator.error().variance().select(Axis(0), &present).mapv(f64::sqrt);
                    let z = a.dot(&h.t()) / &sd / (members as f64 - 1.0).sqrt();
                    let d = (y.select(Axis(0), &present) - h.dot(&centre)) / &sd;
                    let p = inverse(&(Array2::<f64>::eye(members) + z.dot(&z.t())));
                    let (mean, a) = anomalies(x.view(), None);
                    let w = p.dot(&z.dot(&d)) / (members as f64 - 1.0).sqrt();
                    x = symmetric_sqrt(p.view()).unwrap().dot(&a) + &(mean + w.dot(&a));
                }
                let error = largest(&(&posterior.ensemble - &x));
                assert!(error < 1e-9, "lag {lag}, mda {mda}, set {}: {error:.1e}", at + 1);
            }
        }
    }
}

/// The smoother of many members against the exact posterior of a noisy problem: Kalman's filter over the whole path.
#[test]
fn with_noise_and_many_members_the_smoother_is_the_posterior_of_the_path() {
    let problem = LinearProblem::three(CYCLES);
    let (dim, members, replicates) = (3, 300, 20u64);
    // the joint Gaussian of all states, updated by all sets: dense
    let all = dim * (CYCLES + 1);
    let mut mean = Array1::<f64>::zeros(all);
    let mut p = Array2::<f64>::zeros((all, all));
    mean.slice_mut(ndarray::s![..dim]).assign(&problem.mean);
    p.slice_mut(ndarray::s![..dim, ..dim]).assign(&problem.covariance);
    for k in 0..CYCLES {
        let (from, to) = (k * dim, (k + 1) * dim);
        let next = problem.law.matrix.dot(&mean.slice(ndarray::s![from..to])) + &problem.law.offset;
        mean.slice_mut(ndarray::s![to..to + dim]).assign(&next);
        let cross = problem.law.matrix.dot(&p.slice(ndarray::s![from..to, ..to]));
        let own = problem.law.matrix.dot(&p.slice(ndarray::s![from..to, from..to])).dot(&problem.law.matrix.t());
        p.slice_mut(ndarray::s![to..to + dim, ..to]).assign(&cross);
        p.slice_mut(ndarray::s![..to, to..to + dim]).assign(&cross.t());
        p.slice_mut(ndarray::s![to..to + dim, to..to + dim]).assign(&(own + &problem.law.covariance));
    }
    let h = problem.operator.matrix().unwrap();
    for set in 0..CYCLES {
        for (i, y) in problem.observations.row(set).iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let mut row = Array1::zeros(all);
            row.slice_mut(ndarray::s![(set + 1) * dim..(set + 2) * dim]).assign(&h.row(i));
            let ph = p.dot(&row);
            let s = row.dot(&ph) + problem.operator.error().variance()[i];
            let d = y - row.dot(&mean);
            mean.scaled_add(d / s, &ph);
            p = Array2::from_shape_fn(p.raw_dim(), |(a, b)| p[(a, b)] - ph[a] * ph[b] / s);
        }
    }
    let mut sums = vec![Array1::<f64>::zeros(dim); 2 * CYCLES];
    let given = [("members", Value::Int(members)), ("lag", Value::Int(100))];
    for replicate in 0..replicates {
        let key = KEY.case(replicate);
        let mut filter = method("ienks", &given);
        problem.run(&mut *filter, key);
        for (set, posterior) in filter.finish(&problem.model, key).unwrap().iter().enumerate() {
            sums[2 * set] += &posterior.mean();
            sums[2 * set + 1] += &posterior.variance();
        }
    }
    // 4.5 standard errors of 6,000 independent members, sd / sqrt(6,000) and a variance times sqrt(2 / 6,000), and for
    // variances a bias of order 1 / 300 of the sample gain
    let total = (members as f64) * replicates as f64;
    let mut worst: [f64; 2] = [0.0; 2];
    for set in 0..CYCLES {
        for (i, mean_sum) in sums[2 * set].iter().enumerate() {
            let at = (set + 1) * dim + i;
            let variance = p[(at, at)];
            let (m, v) = (mean_sum / replicates as f64, sums[2 * set + 1][i] / replicates as f64);
            let means = ((m - mean[at]) / (variance / total).sqrt()).abs();
            let variances = ((v / variance - 1.0).abs() - 4.0 / members as f64).max(0.0) / (2.0 / total).sqrt();
            worst = [worst[0].max(means), worst[1].max(variances)];
            assert!(means < 4.5 && variances < 4.5, "set {}, component {i}: {means:.1}, {variances:.1}", set + 1);
        }
    }
    println!(
        "largest errors in standard errors of independent members: mean {:.1}, variance {:.1}",
        worst[0], worst[1]
    );
}
