//! Sets of observations that are used together (`shift`), against dense solutions.

#![allow(clippy::unwrap_used)]

mod common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, Axis, array, concatenate};
use scorecast_assimilation::linalg::{Cholesky, anomalies, covariance};
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::problem::draw_prior;
use scorecast_assimilation::{Cycle, METHODS, Observation, Prior, Seen, Smoothed};
use scorecast_systems::catalogue::build;
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Settings, Stepping, Value};

const KEY: Key = Key::new(51, Domain::Method);
const CYCLES: usize = 11;
/// Pairs of lag and shift, among them no overlap, and a lag that is no multiple of the shift.
const WINDOWS: [(usize, usize); 7] = [(1, 1), (3, 1), (4, 2), (3, 3), (5, 2), (5, 3), (20, 4)];

/// The largest of some numbers; `max` would pass over NaN.
fn largest<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most: f64, e| if e.is_finite() { most.max(e.abs()) } else { f64::INFINITY })
}

fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::eye(matrix.nrows());
    Cholesky::new(matrix.view()).unwrap().solve_in_place(&mut out);
    out
}

/// The same problem with a forecaster without noise, which takes errors neither away nor blows them up.
fn calm(mut problem: LinearProblem, matrix: Option<Array2<f64>>) -> LinearProblem {
    let dim = problem.mean.len();
    let matrix = matrix.unwrap_or_else(|| problem.law.matrix.clone());
    problem.law = LinearGaussian { matrix, covariance: Array2::zeros((dim, dim)), ..problem.law };
    problem.model = LinearForecaster::new(problem.law.clone()).unwrap();
    problem
}

/// Problems in 1, 3 and 40 dimensions; a value of the third set and all of the fifth are missing.
fn problems() -> [LinearProblem; 3] {
    let turn = array![[0.98, 0.2, 0.0], [-0.2, 0.97, 0.1], [0.1, 0.0, 1.01]];
    [
        calm(LinearProblem::one(CYCLES), Some(array![[1.02]])),
        calm(LinearProblem::three(CYCLES), Some(turn)),
        calm(LinearProblem::forty(CYCLES), None),
    ]
}

/// The map from the prior's time to each set, x -> M x + b, the first that of the prior itself.
fn maps(problem: &LinearProblem) -> Vec<(Array2<f64>, Array1<f64>)> {
    let dim = problem.mean.len();
    let mut out = vec![(Array2::eye(dim), Array1::zeros(dim))];
    for set in 0..problem.observations.nrows() {
        let (mut m, mut b) = out[set].clone();
        for _ in 0..problem.every {
            m = problem.law.matrix.dot(&m);
            b = problem.law.matrix.dot(&b) + &problem.law.offset;
        }
        out.push((m, b));
    }
    out
}

/// All present values of the sets `which` (from 1), their matrix on a state `from` sets after the prior, what an offset
/// gives, and their variances.
fn stacked(problem: &LinearProblem, which: &[usize], from: usize) -> (Array1<f64>, Array2<f64>, Array1<f64>) {
    let h = problem.operator.matrix().unwrap();
    let (mut rows, mut d, mut r) = (Vec::new(), Vec::new(), Vec::new());
    for &set in which {
        let (mut m, mut b) = (Array2::<f64>::eye(problem.mean.len()), Array1::<f64>::zeros(problem.mean.len()));
        for _ in 0..(set - from) * problem.every {
            m = problem.law.matrix.dot(&m);
            b = problem.law.matrix.dot(&b) + &problem.law.offset;
        }
        for (i, y) in problem.observations.row(set - 1).iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            rows.push(h.row(i).dot(&m));
            d.push(y - h.row(i).dot(&b));
            r.push(problem.operator.error().variance()[i]);
        }
    }
    let g = Array2::from_shape_fn((rows.len(), problem.mean.len()), |(i, j)| rows[i][j]);
    (Array1::from_vec(d), g, Array1::from_vec(r))
}

/// Mean and covariance of N(mean, p) given all values of sets `which`, the state being `from` sets after the prior: the
/// normal equations, in the form that takes a singular p too.
fn given(
    problem: &LinearProblem,
    mean: &Array1<f64>,
    p: &Array2<f64>,
    which: &[usize],
    from: usize,
) -> (Array1<f64>, Array2<f64>) {
    let (d, g, r) = stacked(problem, which, from);
    if d.is_empty() {
        return (mean.clone(), p.clone());
    }
    let mut gain = g.dot(p);
    Cholesky::new((gain.dot(&g.t()) + Array2::from_diag(&r)).view()).unwrap().solve_in_place(&mut gain);
    (mean + &(&d - &g.dot(mean)).dot(&gain), p - &gain.t().dot(&g.dot(p)))
}

/// The number of sets, of all `CYCLES`, that are known when each set's smoothed state is given.
fn known(lag: usize, shift: usize) -> Vec<usize> {
    // set i leaves with the first analysis, of sets up to c, after which fewer than lag - shift + 1 are newer
    let last = |i: usize| (1..=CYCLES).find(|c| c.is_multiple_of(shift) && i + lag < c + shift);
    (1..=CYCLES).map(|i| last(i).unwrap_or(CYCLES)).collect()
}

/// A run to its end: which sets waited, and all smoothed states.
fn run(
    filter: &mut dyn Cycle,
    problem: &LinearProblem,
    prior: &Prior,
) -> (Vec<scorecast_assimilation::Outcome>, Vec<Smoothed>) {
    filter.start(prior, 0, KEY).unwrap();
    let outcomes: Vec<_> = (0..CYCLES).map(|cycle| problem.step(filter, cycle, KEY)).collect();
    let mut smoothed: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.smoothed.clone()).collect();
    smoothed.extend(filter.finish_with(&problem.model, &problem.operator, KEY).unwrap());
    let steps: Vec<_> = smoothed.iter().map(|posterior| posterior.step).collect();
    assert_eq!(steps, (1..=CYCLES).map(|set| set * problem.every).collect::<Vec<_>>());
    (outcomes, smoothed)
}

fn window(lag: usize, shift: usize, more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut all = vec![("lag", Value::Int(lag as i64)), ("shift", Value::Int(shift as i64))];
    all.extend(more.iter().cloned());
    all
}

/// Where all is linear, mean and covariance of members are at every time those that Kalman's equations give of the draws'
/// own moments and the same sets: of the filter where sets do not wait, of the smoother at all times. The bound is that of
/// round-off through eleven sets, and for a bundle that of its difference quotient, which loses four digits.
#[test]
fn ienks_is_the_posterior_of_the_ensembles_own_moments_given_the_same_sets() {
    let mut worst: f64 = 0.0;
    for problem in problems() {
        let dim = problem.mean.len();
        let members = if dim == 40 { 15 } else { 9 };
        let draws = draw_prior(&problem.prior(), members, KEY).unwrap();
        let (mean, p) = (draws.mean_axis(Axis(0)).unwrap(), covariance(draws.view(), None));
        let maps = maps(&problem);
        let exact = |at: usize, sets: usize| {
            let (m, c) = given(&problem, &mean, &p, &(1..=sets).collect::<Vec<_>>(), 0);
            (maps[at].0.dot(&m) + &maps[at].1, maps[at].0.dot(&c).dot(&maps[at].0.t()))
        };
        for (lag, shift) in WINDOWS {
            for (mda, rotate, linearization, iterations) in [
                (false, false, "transform", 1),
                (false, true, "transform", 10),
                (false, false, "bundle", 1),
                (true, false, "transform", 1),
                (true, true, "transform", 10),
            ] {
                let settings = window(
                    lag,
                    shift,
                    &[
                        ("members", Value::Int(members as i64)),
                        ("iterations", Value::Int(iterations)),
                        ("mda", Value::Bool(mda)),
                        ("rotate", Value::Bool(rotate)),
                        ("linearization", word(linearization)),
                    ],
                );
                let bound = if linearization == "bundle" { 1e-6 } else { 1e-9 };
                let what = format!("dimension {dim}, {settings:?}");
                let near = |found: &Array2<f64>, (mean, p): (Array1<f64>, Array2<f64>)| {
                    let m = found.mean_axis(Axis(0)).unwrap();
                    largest(&(m - mean)).max(largest(&(covariance(found.view(), None) - p)))
                };
                let (outcomes, smoothed) =
                    run(&mut *method("ienks", &settings), &problem, &Prior::Ensemble(draws.clone()));
                for (cycle, outcome) in outcomes.iter().enumerate() {
                    let used = (cycle + 1) / shift * shift;
                    let waits = used != cycle + 1;
                    assert!(!waits || outcome.ensemble == outcome.forecast, "{what}, set {}", cycle + 1);
                    let error = near(&outcome.ensemble, exact(cycle + 1, used));
                    assert!(error < bound, "{what}, set {}: {error:.1e}", cycle + 1);
                }
                for ((at, posterior), sets) in smoothed.iter().enumerate().zip(known(lag, shift)) {
                    let error = near(&posterior.ensemble, exact(at + 1, sets));
                    assert!(error < bound, "{what}, smoothed set {}: {error:.1e}", at + 1);
                    worst = worst.max(if linearization == "bundle" { 0.0 } else { error });
                }
            }
        }
    }
    println!("largest error of the transform form {worst:.1e}");
}

/// 4D-Var against the normal equations with B and all the sets that are used together, window after window; with shift =
/// lag the first window's posterior is that of Kalman's smoother. Round-off, and 1e-12 as the tolerance of the iteration.
#[test]
fn four_d_var_is_the_dense_minimum_of_all_sets_of_a_window() {
    let mut worst: f64 = 0.0;
    for problem in problems() {
        let b = &problem.covariance * 0.4;
        let step = maps(&problem)[1].clone();
        for (lag, shift) in WINDOWS {
            let settings = window(
                lag,
                shift,
                &[
                    ("scale", Value::Float(0.4)),
                    ("tolerance", Value::Float(1e-12)),
                    ("iterations", Value::Int(100)),
                    ("members", Value::Int(3)),
                ],
            );
            let what = format!("dimension {}, lag {lag}, shift {shift}", problem.mean.len());
            let (outcomes, smoothed) = run(&mut *method("four_d_var", &settings), &problem, &problem.prior());
            let on =
                |(mean, p): &(Array1<f64>, Array2<f64>)| (step.0.dot(mean) + &step.1, step.0.dot(p).dot(&step.0.t()));
            // x and P at the start, which is `from` sets after the prior
            let (mut state, mut from) = ((problem.mean.clone(), b.clone()), 0);
            let (mut exact, mut used) = (Vec::new(), 0);
            let mut near = |found: &(Array1<f64>, Array2<f64>), exact: &(Array1<f64>, Array2<f64>), what: &str| {
                let error = largest(&(&found.0 - &exact.0)).max(largest(&(&found.1 - &exact.1)));
                assert!(error < 1e-9, "{what}: {error:.1e}");
                worst = worst.max(error);
            };
            for (cycle, outcome) in outcomes.iter().enumerate() {
                let set = cycle + 1;
                let forward =
                    |state: &(Array1<f64>, Array2<f64>)| (from..set).fold(state.clone(), |state, _| on(&state));
                let due = set % shift == 0 || set == CYCLES;
                if set % shift != 0 {
                    assert!(outcome.ensemble == outcome.forecast);
                    near(outcome.gaussian.as_ref().unwrap(), &forward(&state), &format!("{what}, waiting {set}"));
                }
                if due {
                    let which: Vec<usize> = (used + 1..=set).collect();
                    if !stacked(&problem, &which, from).0.is_empty() {
                        state = given(&problem, &state.0, &b, &which, from);
                    }
                    used = set;
                }
                if set % shift == 0 {
                    near(outcome.gaussian.as_ref().unwrap(), &forward(&state), &format!("{what}, set {set}"));
                    for _ in 0..(set - from + shift).saturating_sub(lag) {
                        exact.extend((from > 0).then(|| state.clone()));
                        state = on(&state);
                        from += 1;
                    }
                }
            }
            while exact.len() < CYCLES {
                exact.extend((from > 0).then(|| state.clone()));
                state = on(&state);
                from += 1;
            }
            for (found, exact) in smoothed.iter().zip(&exact) {
                near(found.gaussian.as_ref().unwrap(), exact, &format!("{what}, smoothed step {}", found.step));
            }
        }
    }
    println!("largest error {worst:.1e}");
}

/// 4D-EnVar with explicit matrices: the gain of all sets that are used together, from the members' covariances with their
/// images at these sets, applied whole to the mean and by half to the anomalies. The means of the first window are those
/// of the normal equations with the ensemble's covariance.
#[test]
fn four_d_envar_is_its_explicit_matrices_of_all_sets_of_a_window() {
    let mut worst: f64 = 0.0;
    for problem in problems() {
        let dim = problem.mean.len();
        let members = 7;
        for radius in [None, Some(2.5)].into_iter().take(if dim == 40 { 2 } else { 1 }) {
            let draws = draw_prior(&problem.prior(), members, KEY).unwrap();
            let taper = Array2::from_shape_fn((dim, dim), |(i, j)| {
                let distance = i.abs_diff(j).min(dim - i.abs_diff(j)) as f64;
                radius.map_or(1.0, |r| scorecast_assimilation::localize::Taper::GaspariCohn.weight(distance, r))
            });
            let carry = |x: &Array2<f64>| {
                let mut x = x.clone();
                problem.model.advance(0, problem.every, &mut x, KEY).unwrap();
                x
            };
            let cross = |a: &Array2<f64>, b: &Array2<f64>| {
                &taper * &(anomalies(a.view(), None).1.t().dot(&anomalies(b.view(), None).1) / (members as f64 - 1.0))
            };
            for (lag, shift) in WINDOWS {
                let mut settings = window(lag, shift, &[("members", Value::Int(members as i64))]);
                settings.extend(radius.map(|radius| ("radius", Value::Float(radius))));
                let what = format!("dimension {dim}, radius {radius:?}, lag {lag}, shift {shift}");
                let (outcomes, smoothed) =
                    run(&mut *method("four_d_envar", &settings), &problem, &Prior::Ensemble(draws.clone()));
                let (mut x, mut from, mut used, mut exact) = (draws.clone(), 0, 0, Vec::new());
                for (cycle, outcome) in outcomes.iter().enumerate() {
                    let set = cycle + 1;
                    let image = |x: &Array2<f64>, to: usize| (from..to).fold(x.clone(), |x, _| carry(&x));
                    let error = largest(&(&outcome.forecast - &image(&x, set)));
                    assert!(error < 1e-10, "{what}, forecast {set}: {error:.1e}");
                    if set % shift == 0 || set == CYCLES {
                        let h = problem.operator.matrix().unwrap();
                        // H of each present value at the image of its time
                        let mut values = Vec::new();
                        for set in used + 1..=set {
                            let image = image(&x, set);
                            for (i, y) in
                                problem.observations.row(set - 1).iter().enumerate().filter(|(_, y)| !y.is_nan())
                            {
                                values.push((
                                    image.clone(),
                                    h.row(i).to_owned(),
                                    *y,
                                    problem.operator.error().variance()[i],
                                ));
                            }
                        }
                        used = set;
                        if !values.is_empty() {
                            let n = values.len();
                            let s = Array2::from_shape_fn((n, n), |(i, j)| {
                                let (a, g, _, r) = &values[i];
                                let (b, f, ..) = &values[j];
                                g.dot(&cross(a, b).dot(f)) + if i == j { *r } else { 0.0 }
                            });
                            let rows: Vec<_> =
                                values.iter().map(|(b, f, ..)| cross(&x, b).dot(f).insert_axis(Axis(0))).collect();
                            let mut gain =
                                concatenate(Axis(0), &rows.iter().map(|row| row.view()).collect::<Vec<_>>()).unwrap();
                            Cholesky::new(s.view()).unwrap().solve_in_place(&mut gain);
                            let d: Array1<f64> =
                                values.iter().map(|(b, f, y, _)| y - b.mean_axis(Axis(0)).unwrap().dot(f)).collect();
                            let y = Array2::from_shape_fn((members, n), |(k, i)| {
                                anomalies(values[i].0.view(), None).1.row(k).dot(&values[i].1)
                            });
                            if radius.is_none() && used == set && from == 0 && set == shift {
                                let p = covariance(x.view(), None);
                                let which: Vec<usize> = (1..=set).collect();
                                let dense = given(&problem, &x.mean_axis(Axis(0)).unwrap(), &p, &which, 0).0;
                                let mean = x.mean_axis(Axis(0)).unwrap() + d.dot(&gain);
                                assert!(largest(&(mean - dense)) < 1e-9);
                            }
                            x = &x + &d.dot(&gain) - 0.5 * y.dot(&gain);
                        }
                    }
                    if set % shift == 0 {
                        let error = largest(&(&outcome.ensemble - &image(&x, set)));
                        assert!(error < 1e-10, "{what}, set {set}: {error:.1e}");
                        worst = worst.max(error);
                        for _ in 0..(set - from + shift).saturating_sub(lag) {
                            exact.extend((from > 0).then(|| x.clone()));
                            x = carry(&x);
                            from += 1;
                        }
                    } else {
                        assert!(outcome.ensemble == outcome.forecast, "{what}, waiting {set}");
                    }
                }
                while exact.len() < CYCLES {
                    exact.extend((from > 0).then(|| x.clone()));
                    x = carry(&x);
                    from += 1;
                }
                for (found, exact) in smoothed.iter().zip(&exact) {
                    let error = largest(&(&found.ensemble - exact));
                    assert!(error < 1e-10, "{what}, smoothed step {}: {error:.1e}", found.step);
                    worst = worst.max(error);
                }
            }
        }
    }
    println!("largest error {worst:.1e}");
}

/// With one member for each direction and a linear problem, 4D-EnVar, 4D-Var and `ienks` agree on the mean of the first window
/// without overlap, where the covariance of all three is that of the prior.
#[test]
fn the_three_methods_agree_on_the_first_window_where_all_is_linear() {
    let problem = &problems()[1];
    let draws = draw_prior(&problem.prior(), 9, KEY).unwrap();
    let mean = |name: &str, more: &[(&'static str, Value)]| {
        let mut filter = method(name, &window(3, 3, &[&[("members", Value::Int(9))], more].concat()));
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        (0..3).map(|cycle| problem.step(&mut *filter, cycle, KEY)).last().unwrap().mean()
    };
    let tight = [("tolerance", Value::Float(1e-12))];
    let [a, b, c] = [mean("ienks", &tight), mean("four_d_envar", &[]), mean("four_d_var", &tight)];
    assert!(largest(&(&a - &b)) < 1e-9 && largest(&(&a - &c)) < 1e-9, "{a} {b} {c}");
}

/// A nonlinear problem whose model has no noise: Lorenz-63 by arctan.
fn nonlinear() -> (Box<dyn Forecaster>, Pointwise<Arctan>, Array2<f64>) {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let given = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
    let model = build("lorenz63", &given).unwrap().forecaster(&stepping).unwrap();
    let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.1])).unwrap());
    (model, operator, KEY.normals(8, 3) * 0.5 + &array![1.5, -1.5, 20.0])
}

/// Where nothing is linear: after the first two sets of a window of four, which are used together, the start has not moved,
/// and is where the cost of both sets has slope 0 by central differences, with the inverse of its Gauss-Newton Hessian as
/// covariance. 4D-Var to the error of the differences, the members of a bundle to that of their one-sided ones (1e-4).
#[test]
fn where_nothing_is_linear_the_slope_of_the_cost_of_both_sets_is_zero() {
    let (model, operator, draws) = nonlinear();
    let (mean, p) = (draws.mean_axis(Axis(0)).unwrap(), covariance(draws.view(), None));
    let predict = |x: &Array1<f64>| {
        let mut x = x.clone().insert_axis(Axis(0));
        let mut out = Vec::new();
        for _ in 0..2 {
            model.advance(0, 2, &mut x, KEY).unwrap();
            out.extend(operator.apply(0.0, x.view()).iter().copied());
        }
        Array1::from_vec(out)
    };
    let y = predict(&(&mean + &array![0.3, 0.4, -0.5])) + array![0.05, -0.08, 0.02, 0.06, 0.01, -0.07];
    let precision = inverse(&p);
    let check = |x: &Array1<f64>, found: &Array2<f64>, bound: f64, what: &str| {
        let mut g = Array2::zeros((6, 3));
        for i in 0..3 {
            let mut step = Array1::zeros(3);
            step[i] = 1e-5;
            g.column_mut(i).assign(&((predict(&(x + &step)) - predict(&(x - &step))) / 2e-5));
        }
        let hessian = &precision + &(g.t().dot(&g) / 0.01);
        let slope = precision.dot(&(x - &mean)) - g.t().dot(&(&y - &predict(x))) / 0.01;
        // what is left of the way to the minimum, in the unit of the state
        let left = inverse(&hessian).dot(&slope);
        println!(
            "{what}: {:.1e} from the minimum, covariance off by {:.1e}",
            largest(&left),
            largest(&(found - &inverse(&hessian)))
        );
        assert!(largest(&left) < bound && largest(&(found - &inverse(&hessian))) < bound, "{what}: {left}");
    };
    let tight = [("members", Value::Int(8)), ("iterations", Value::Int(200)), ("tolerance", Value::Float(1e-10))];
    for name in ["four_d_var", "ienks"] {
        let mut given = window(4, 2, &tight);
        given.extend((name == "ienks").then(|| ("linearization", word("bundle"))));
        let mut filter = method(name, &given);
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        for set in 0..2 {
            let values = y.slice(ndarray::s![3 * set..3 * set + 3]);
            let seen = Seen { step: 2 * set + 2, time: 0.0, values, operator: &operator };
            filter.step(&*model, &seen, KEY).unwrap();
        }
        let (step, state, numbers) = scorecast_assimilation::state::unpack(&filter.save()).unwrap();
        assert_eq!(step, 0);
        match name {
            // shift, waiting, lag, a flag, a count, two steps; then the mean
            "four_d_var" => check(&Array1::from_vec(numbers[7..10].to_vec()), &state, 1e-7, name),
            _ => check(&state.mean_axis(Axis(0)).unwrap(), &covariance(state.view(), None), 1e-4, name),
        }
    }
}

#[test]
fn a_run_that_is_saved_at_any_set_goes_on_bit_for_bit_and_is_the_same_for_any_number_of_threads() {
    let (model, operator, draws) = nonlinear();
    let mut x = draws.slice(ndarray::s![..1, ..]).to_owned();
    let sets: Vec<Array1<f64>> = (0..CYCLES)
        .map(|cycle| {
            model.advance(2 * cycle, 2, &mut x, KEY).unwrap();
            let mut y = operator.apply(0.0, x.view()).row(0).to_owned()
                + KEY.at(cycle as u64).normals(1, 3).row(0).to_owned() * 0.1;
            match cycle {
                3 | 8 | 9 => y.fill(f64::NAN),
                5 => y[1] = f64::NAN,
                _ => {}
            }
            y
        })
        .collect();
    let members = ("members", Value::Int(8));
    let mut settings = Vec::new();
    for (lag, shift) in [(4, 2), (3, 3), (5, 2), (2, 2)] {
        for name in ["ienks", "four_d_var", "four_d_envar"] {
            settings.push((name, window(lag, shift, &[members.clone()])));
        }
        settings.push(("ienks", window(lag, shift, &[members.clone(), ("mda", Value::Bool(true))])));
        settings.push((
            "ienks",
            window(lag, shift, &[members.clone(), ("finite_size", Value::Float(1.0)), ("rotate", Value::Bool(true))]),
        ));
    }
    for (name, given) in &settings {
        let run = |stop: usize| {
            let mut filter = method(name, given);
            filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
            let mut out = Vec::new();
            for (cycle, y) in sets.iter().enumerate() {
                let seen =
                    Seen { step: 2 * cycle + 2, time: 0.1 * cycle as f64, values: y.view(), operator: &operator };
                let outcome = filter.step(&*model, &seen, KEY).unwrap();
                let smoothed = outcome.smoothed.iter().flat_map(|earlier| &earlier.ensemble);
                let numbers = outcome.ensemble.iter().chain(&outcome.forecast).chain(smoothed);
                out.extend(numbers.chain(outcome.diagnostics.values()).map(|value| value.to_bits()));
                if cycle == stop {
                    let bytes = filter.save();
                    filter = method(name, given);
                    filter.restore(&bytes).unwrap();
                    assert!(filter.save() == bytes);
                    assert!(filter.restore(&bytes[..bytes.len() - 8]).is_err() && filter.restore(&bytes[1..]).is_err());
                }
            }
            let rest = filter.finish_with(&*model, &operator, KEY).unwrap();
            out.extend(rest.iter().flat_map(|earlier| &earlier.ensemble).map(|value| value.to_bits()));
            out
        };
        let through = run(CYCLES);
        assert!(through.iter().all(|bits| f64::from_bits(*bits).is_finite()), "{name} {given:?}");
        assert!((0..CYCLES).all(|stop| run(stop) == through), "{name} {given:?}");
        for threads in [1, 2, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| run(CYCLES)) == through, "{name} {given:?} on {threads} threads");
        }
    }
    // settings that do not fit are refused by name
    let of = |name: &str, lag, shift| method(name, &window(lag, shift, &[members.clone()]));
    for name in ["ienks", "four_d_var", "four_d_envar"] {
        let mut filter = of(name, 4, 2);
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        let bytes = filter.save();
        let refused = |lag, shift| of(name, lag, shift).restore(&bytes).unwrap_err().to_string();
        assert!(refused(4, 1).contains("set `shift` to 2") && refused(4, 4).contains("set `shift` to 2"), "{name}");
        assert!(refused(5, 2).contains("set `lag` to 4"), "{name}");
    }
}

/// What waits is not lost without a word, and needs one operator; a refused set leaves the method as it was.
#[test]
fn sets_that_wait_refuse_another_operator_noise_and_an_end_without_them() {
    let problem = &problems()[1];
    let noisy = LinearProblem::three(CYCLES);
    let other = Stride::new(3, 2, 0, &errors(&[0.5, 0.8])).unwrap();
    for name in ["ienks", "four_d_var", "four_d_envar"] {
        let given = window(4, 2, &[("members", Value::Int(9))]);
        let mut filter = method(name, &given);
        filter.start(&problem.prior(), 0, KEY).unwrap();
        problem.step(&mut *filter, 0, KEY);
        let before = filter.save();
        let seen = Seen { step: 2, time: 2.0, values: problem.observations.row(1), operator: &other };
        let message = filter.step(&problem.model, &seen, KEY).err().unwrap().to_string();
        assert!(message.contains("needs the same operator") && message.ends_with("set shift to 1"), "{message}");
        let message = filter.finish(&problem.model, KEY).unwrap_err().to_string();
        assert!(message.contains("still has 1 sets") && message.contains("`Cycle::finish_with`"), "{message}");
        let message = filter.finish_with(&problem.model, &other, KEY).unwrap_err().to_string();
        assert!(message.ends_with("set shift to 1"), "{message}");
        assert!(filter.save() == before, "{name}");
        assert_eq!(filter.finish_with(&problem.model, &problem.operator, KEY).unwrap().len(), 1);
        if name == "four_d_var" {
            continue;
        }
        let mut filter = method(name, &given);
        filter.start(&noisy.prior(), 0, KEY).unwrap();
        let before = filter.save();
        let seen = Seen { step: 1, time: 1.0, values: noisy.observations.row(0), operator: &noisy.operator };
        let message = filter.step(&noisy.model, &seen, KEY).err().unwrap().to_string();
        assert!(message.contains("set shift to 1, or the noise of the forecaster to 0"), "{message}");
        assert!(filter.save() == before, "{name}");
    }
}

/// Two sets of one lead step, which may fall into two analyses, are one time, which is given once and given both.
#[test]
fn sets_of_the_same_lead_step_are_one_time() {
    let problem = &problems()[1];
    for (lag, shift) in WINDOWS {
        for name in ["ienks", "four_d_var", "four_d_envar"] {
            let mut filter = method(name, &window(lag, shift, &[("members", Value::Int(9))]));
            filter.start(&problem.prior(), 0, KEY).unwrap();
            let mut steps = Vec::new();
            for (set, step) in [1, 2, 2, 3, 4, 4, 5, 6, 6].into_iter().enumerate() {
                let seen = Seen { step, time: 0.0, values: problem.observations.row(set), operator: &problem.operator };
                let outcome = filter.step(&problem.model, &seen, KEY).unwrap();
                steps.extend(outcome.smoothed.iter().map(|earlier| earlier.step));
            }
            let rest = filter.finish_with(&problem.model, &problem.operator, KEY).unwrap();
            steps.extend(rest.iter().map(|earlier| earlier.step));
            assert_eq!(steps, [1, 2, 3, 4, 5, 6], "{name}, lag {lag}, shift {shift}");
        }
    }
}

#[test]
fn a_shift_above_the_lag_is_refused_with_both_keys() {
    for name in ["ienks", "four_d_var", "four_d_envar"] {
        let entry = METHODS.iter().find(|entry| entry.name == name).unwrap();
        let build = |lag, shift| {
            let given = window(lag, shift, &[]).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            (entry.build.make)(&Settings::check(&format!("method `{name}`"), entry.params, &given).unwrap())
        };
        assert!(build(3, 3).is_ok());
        let message = build(2, 3).err().unwrap().to_string();
        let expected =
            format!("method `{name}`: `shift` is 3, but must be at most `lag`, which is 2; lower it or raise `lag`");
        assert_eq!(message, expected);
        let zero = [("shift".to_owned(), Value::Int(0))].into_iter().collect();
        let message = Settings::check("method", entry.params, &zero).unwrap_err()[0].to_string();
        assert!(message.contains("`shift` is 0"), "{message}");
    }
}
