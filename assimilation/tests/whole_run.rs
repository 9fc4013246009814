//! Smoothers of a whole run: their contract, and their posteriors against the joint Gaussian of all times.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{LinearProblem, Root, errors, method};
use ndarray::{Array1, Array2, Axis, array, concatenate, s};
use scorecast_assimilation::linalg::{Cholesky, covariance};
use scorecast_assimilation::observe::{Arctan, CorrelatedError, Linear, NoiseLaw, Pointwise, Stride};
use scorecast_assimilation::{Cycle, Observation, Outcome, Prior, Seen, Smoothed};
use scorecast_systems::catalogue::build;
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Density, Domain, Forecaster, Key, LinearGaussian, Stepping, Value};

const CYCLES: usize = 8;
const WHOLE_RUN: &[&str] = &["rts", "enrts", "ffbsi"];

/// A run and what comes at its end.
fn run(problem: &LinearProblem, smoother: &mut dyn Cycle, prior: &Prior, key: Key) -> (Vec<Outcome>, Vec<Smoothed>) {
    smoother.start(prior, 0, key).unwrap();
    let outcomes: Vec<_> = (0..problem.observations.nrows()).map(|cycle| problem.step(smoother, cycle, key)).collect();
    let mut smoothed: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.smoothed.clone()).collect();
    smoothed.extend(smoother.finish(&problem.model, key).unwrap());
    (outcomes, smoothed)
}

/// The law of all states x_0, x_1, ... given all observations, by one dense solve: mean `[time * component]` and
/// covariance. Nothing of it is recursive but the prior's moments, Cov[x_j, x_k] = A^(j - k) Var[x_k] for j >= k.
fn joint(problem: &LinearProblem) -> (Array1<f64>, Array2<f64>) {
    let (a, n) = (&problem.law.matrix, problem.mean.len());
    let steps = problem.observations.nrows() * problem.every + 1;
    let (mut mean, mut p) = (Array1::zeros(steps * n), Array2::zeros((steps * n, steps * n)));
    let (mut m, mut var) = (problem.mean.clone(), problem.covariance.clone());
    for k in 0..steps {
        mean.slice_mut(s![k * n..(k + 1) * n]).assign(&m);
        let mut cross = var.clone();
        for j in k..steps {
            p.slice_mut(s![j * n..(j + 1) * n, k * n..(k + 1) * n]).assign(&cross);
            p.slice_mut(s![k * n..(k + 1) * n, j * n..(j + 1) * n]).assign(&cross.t());
            cross = a.dot(&cross);
        }
        m = a.dot(&m) + &problem.law.offset;
        var = a.dot(&var).dot(&a.t()) + &problem.law.covariance;
    }
    let (operator, error) = (problem.operator.matrix().unwrap(), problem.operator.error());
    let mut rows: Vec<(Array1<f64>, f64, f64)> = Vec::new();
    for (cycle, values) in problem.observations.outer_iter().enumerate() {
        let at = (cycle + 1) * problem.every * n;
        for (i, y) in values.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let mut row = Array1::zeros(steps * n);
            row.slice_mut(s![at..at + n]).assign(&operator.row(i));
            rows.push((row, *y, error.variance()[i]));
        }
    }
    let h = Array2::from_shape_fn((rows.len(), steps * n), |(i, j)| rows[i].0[j]);
    let d = rows.iter().map(|(row, y, _)| y - row.dot(&mean)).collect::<Array1<f64>>();
    let r = rows.iter().map(|(_, _, r)| *r).collect::<Array1<f64>>();
    let hp = h.dot(&p);
    let s = Cholesky::new((hp.dot(&h.t()) + Array2::from_diag(&r)).view()).unwrap();
    let mut solved = hp.clone();
    s.solve_in_place(&mut solved);
    (mean + hp.t().dot(&s.solve(&d)), p - hp.t().dot(&solved))
}

/// Mean and covariance of the state at the time of each set of observations.
fn exact(problem: &LinearProblem) -> Vec<(Array1<f64>, Array2<f64>)> {
    let ((mean, p), n) = (joint(problem), problem.mean.len());
    let at = |cycle: usize| (cycle + 1) * problem.every * n;
    let times = (0..problem.observations.nrows()).map(|cycle| at(cycle)..at(cycle) + n);
    times.map(|t| (mean.slice(s![t.clone()]).to_owned(), p.slice(s![t.clone(), t]).to_owned())).collect()
}

/// A ring of 40 components with correlated noise; every second one is observed, each third lead step.
fn forty(cycles: usize) -> LinearProblem {
    let n = 40;
    let near = |i: usize, j: usize| (i + n - j) % n;
    let matrix = Array2::from_shape_fn((n, n), |(i, j)| match near(i, j) {
        0 => 0.7,
        1 => 0.3,
        39 => -0.1,
        _ => 0.0,
    });
    let covariance = Array2::from_shape_fn((n, n), |(i, j)| 0.2 * 0.5f64.powi(near(i, j).min(near(j, i)) as i32));
    let law = LinearGaussian { matrix, offset: Array1::from_shape_fn(n, |i| 0.1 * (i as f64).sin()), covariance };
    let h = Array2::from_shape_fn((20, n), |(i, j)| if j == 2 * i { 1.0 } else { 0.0 });
    LinearProblem::new(law, Array2::eye(n), h, &[0.4], 3, cycles)
}

/// Three components without noise, so that the forecast covariance goes towards singular.
fn noiseless(cycles: usize) -> LinearProblem {
    let mut problem = LinearProblem::three(cycles);
    problem.law.covariance.fill(0.0);
    LinearProblem::new(problem.law, Array2::eye(3), array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &[0.5, 0.9], 2, cycles)
}

#[test]
fn rts_is_the_joint_gaussian_of_all_times() {
    let mut problems = vec![LinearProblem::one(CYCLES), LinearProblem::two(CYCLES), LinearProblem::three(CYCLES)];
    problems.extend([forty(CYCLES), noiseless(CYCLES)]);
    // a component that starts known and has no noise: the forecast covariance is singular
    let mut known = LinearProblem::two(CYCLES);
    known.law.matrix = array![[0.9, 0.3], [0.0, 0.8]];
    known.law.covariance = array![[0.3, 0.0], [0.0, 0.0]];
    let h = known.operator.matrix().unwrap();
    problems.push(LinearProblem::new(known.law, array![[1.0, 0.0], [0.0, 0.0]], h, &[0.6, 0.8], 1, CYCLES));
    for problem in problems {
        let key = Key::new(1, Domain::Method);
        let (outcomes, smoothed) = run(&problem, &mut *method("rts", &[]), &problem.prior(), key);
        let mut largest = 0.0f64;
        for (found, (mean, p)) in smoothed.iter().zip(exact(&problem)) {
            let (m, v) = found.gaussian.as_ref().unwrap();
            largest = (m - &mean).iter().chain((v - &p).iter()).fold(largest, |a, e| a.max(e.abs()));
        }
        println!("{} components: largest error {largest:.1e}", problem.mean.len());
        assert!(largest < 1e-9, "{largest:e}");
        // forward it is Kalman's filter, bit for bit
        for (ours, kalman) in outcomes.iter().zip(problem.run(&mut *method("kalman", &[]), key)) {
            assert_eq!(ours.gaussian, kalman.gaussian);
            assert_eq!(ours.diagnostics, kalman.diagnostics);
        }
    }
}

#[test]
fn every_time_of_a_set_of_observations_appears_once_and_in_order() {
    for problem in [LinearProblem::three(CYCLES), LinearProblem::two(CYCLES)] {
        for name in WHOLE_RUN {
            let mut smoother = method(name, &[]);
            let (outcomes, smoothed) = run(&problem, &mut *smoother, &problem.prior(), Key::new(2, Domain::Method));
            let steps: Vec<usize> = smoothed.iter().map(|smoothed| smoothed.step).collect();
            assert_eq!(steps, (1..=CYCLES).map(|cycle| cycle * problem.every).collect::<Vec<_>>(), "{name}");
            assert!(smoother.finish(&problem.model, Key::new(2, Domain::Method)).unwrap().is_empty(), "{name}");
            // the last time has no later observations: its smoothed posterior is the filter's
            let (last, filtered) = (&smoothed[CYCLES - 1], &outcomes[CYCLES - 1]);
            if *name != "ffbsi" {
                assert!((last.mean() - filtered.mean()).iter().all(|e| e.abs() < 1e-13), "{name}");
            }
        }
    }
}

/// All the bits of what a smoother says of one time.
fn bits(smoothed: &Smoothed) -> Vec<u64> {
    let weights = smoothed.weights.iter().flatten();
    let gaussian = smoothed.gaussian.iter().flat_map(|(mean, p)| mean.iter().chain(p));
    smoothed.ensemble.iter().chain(weights).chain(gaussian).map(|value| value.to_bits()).collect()
}

#[test]
fn a_smoother_that_is_saved_and_restored_gives_the_same_bits() {
    let problem = LinearProblem::two(CYCLES);
    let key = Key::new(3, Domain::Method);
    for name in WHOLE_RUN {
        let through: Vec<_> =
            run(&problem, &mut *method(name, &[]), &problem.prior(), key).1.iter().map(bits).collect();
        for stop in 0..=CYCLES {
            let mut first = method(name, &[]);
            first.start(&problem.prior(), 0, key).unwrap();
            let mut smoothed = Vec::new();
            for cycle in 0..stop {
                smoothed.extend(problem.step(&mut *first, cycle, key).smoothed);
            }
            let mut second = method(name, &[]);
            second.restore(&first.save()).unwrap();
            for cycle in stop..CYCLES {
                smoothed.extend(problem.step(&mut *second, cycle, key).smoothed);
            }
            smoothed.extend(second.finish(&problem.model, key).unwrap());
            assert_eq!(smoothed.iter().map(bits).collect::<Vec<_>>(), through, "{name} from {stop}");
        }
    }
}

#[test]
fn a_run_that_diverges_gives_diverged_posteriors_and_no_error() {
    let problem = LinearProblem::three(3);
    for name in WHOLE_RUN {
        let mut draws = Array2::ones((40, 3));
        draws[(7, 1)] = f64::NAN;
        let (_, smoothed) =
            run(&problem, &mut *method(name, &[]), &Prior::Ensemble(draws), Key::new(4, Domain::Method));
        assert_eq!(smoothed.len(), 3, "{name}");
        assert!(smoothed.iter().all(|s| s.mean().iter().any(|value| !value.is_finite())), "{name}");
    }
}

#[test]
fn the_state_of_another_method_is_refused() {
    let problem = LinearProblem::three(3);
    let key = Key::new(5, Domain::Method);
    let mut other = method("bootstrap", &[]);
    other.start(&problem.prior(), 0, key).unwrap();
    problem.step(&mut *other, 0, key);
    for name in WHOLE_RUN {
        let message = method(name, &[]).restore(&other.save()).unwrap_err().to_string();
        assert!(message.contains(&format!("not the state of `{name}`")), "{message}");
    }
}

/// The textbook's recursion from the moments that the smoother's own filter gives: G = P F^T P'^-1,
/// m_s = m + G (m'_s - m'), P_s = P + G (P'_s - P') G^T, with F of the nonlinear forecaster by finite differences.
#[test]
fn extended_rts_is_the_recursion_of_rauch_tung_and_striebel() {
    let stepping = Stepping { dt: 0.1, substeps: 1, integrator: "euler_maruyama".to_owned() };
    let model =
        build("double_well", &[("dim".to_owned(), Value::Int(2))].into()).unwrap().forecaster(&stepping).unwrap();
    // correlated errors, of which one or both are missing at times
    let correlated = |_| {
        let r = CorrelatedError::new(array![[0.09, 0.04], [0.04, 0.09]])?;
        Ok(Box::new(r) as Box<dyn NoiseLaw>)
    };
    let operator = Pointwise::new(Arctan, Stride::new(2, 1, 0, &correlated).unwrap());
    let observations = array![[0.6, -0.5], [0.7, f64::NAN], [f64::NAN, f64::NAN], [-0.2, 0.4]];
    let key = Key::new(11, Domain::Method);
    let mut smoother = method("rts", &[("inflation", Value::Float(1.05))]);
    let covariance = array![[0.4, 0.1], [0.1, 0.3]];
    smoother.start(&Prior::Gaussian { mean: array![0.3, -0.4], covariance }, 0, key).unwrap();
    let (mut analyses, mut forecasts) = (Vec::new(), Vec::new());
    for (cycle, values) in observations.outer_iter().enumerate() {
        let seen = Seen { step: 3 * (cycle + 1), time: 0.0, values, operator: &operator };
        let outcome = smoother.step(&*model, &seen, key).unwrap();
        analyses.push(outcome.gaussian.unwrap());
        forecasts.push(outcome.forecast_gaussian.unwrap());
    }
    let smoothed = smoother.finish(&*model, key).unwrap();
    // three steps of the mean, x + dt (x - x^3)
    let advance = |x: &Array1<f64>| (0..3).fold(x.clone(), |x, _| x.mapv(|x| x + 0.1 * (x - x * x * x)));
    let mut later = smoothed[3].gaussian.clone().unwrap();
    for k in (0..3).rev() {
        // the state before the inflation, which is noise that comes after it
        let inflation = if k == 2 { 1.0 } else { 1.05 * 1.05 };
        let ((m, inflated), (mf, pf)) = (&analyses[k], &forecasts[k + 1]);
        let p = inflated / inflation;
        let column = |j: usize| {
            let mut step = Array1::zeros(2);
            step[j] = 1e-6;
            (advance(&(m + &step)) - advance(&(m - &step))) / 2e-6
        };
        let f = Array2::from_shape_fn((2, 2), |(i, j)| column(j)[i]);
        let mut gain = f.dot(&p);
        Cholesky::new(pf.view()).unwrap().solve_in_place(&mut gain);
        let gain = gain.reversed_axes();
        later = (m + &gain.dot(&(&later.0 - mf)), &p + &gain.dot(&(&later.1 - pf)).dot(&gain.t()));
        let (found, v) = smoothed[k].gaussian.as_ref().unwrap();
        assert!((found - &later.0).iter().all(|e| e.abs() < 1e-8), "{k}");
        assert!((v - &later.1).iter().all(|e| e.abs() < 1e-8), "{k}");
    }
}

/// Without noise the etkf carries the Kalman filter of its own mean and covariance, and the smoother Rauch, Tung and
/// Striebel's.
#[test]
fn enrts_is_rts_of_the_ensembles_own_moments() {
    for (problem, members) in [(noiseless(CYCLES), 12), (noiseless(CYCLES), 40)] {
        let draws = Key::new(6, Domain::Method).normals(members, 3) + 0.5;
        let prior = Prior::Ensemble(draws);
        let given = [("members", Value::Int(members as i64))];
        let key = Key::new(7, Domain::Method);
        let (_, found) = run(&problem, &mut *method("enrts", &given), &prior, key);
        let (_, expected) = run(&problem, &mut *method("rts", &given), &prior, key);
        let mut largest = 0.0f64;
        for (found, expected) in found.iter().zip(&expected) {
            let (mean, p) = expected.gaussian.as_ref().unwrap();
            let v = covariance(found.ensemble.view(), None);
            largest = (found.mean() - mean).iter().chain((v - p).iter()).fold(largest, |a, e| a.max(e.abs()));
        }
        println!("enrts against rts, {members} members: {largest:.1e}");
        assert!(largest < 1e-8, "{largest:e}");
    }
}

/// Of each set of observations and the next: Cov[x_k, x_k+1 | all observations], `[component, component]`.
fn lag_one(problem: &LinearProblem) -> Vec<Array2<f64>> {
    let ((_, p), n) = (joint(problem), problem.mean.len());
    let at = |cycle: usize| (cycle + 1) * problem.every * n;
    let pair = |cycle: usize| p.slice(s![at(cycle)..at(cycle) + n, at(cycle + 1)..at(cycle + 1) + n]).to_owned();
    (0..problem.observations.nrows() - 1).map(pair).collect()
}

/// Cov[x_k, x_k+1] of members whose rows are paths.
fn sample_lag_one(first: &Smoothed, second: &Smoothed) -> Array2<f64> {
    let (a, b) = (&first.ensemble - &first.mean(), &second.ensemble - &second.mean());
    a.t().dot(&b) / (a.nrows() as f64 - 1.0)
}

/// Replicates that differ in their key only, held against the exact posterior: means in exact standard deviations,
/// variances relative to the exact ones, and covariances of neighbouring times in exact standard deviations. Each is within
/// 4.5 standard errors of its mean over the replicates (own or pooled over all times and components, whichever is larger)
/// plus a bias of order 1/N. So that wide errors cannot hide a fault, `size` times the pooled variance of one replicate's
/// means is held below `most`, and that of its covariances below 2 `most`; `size` independent draws would have 1 and up to
/// 2. The bias of covariances is at least the variance of the mean around which they are taken, so `most / size` it is.
fn agrees(problem: &LinearProblem, name: &str, given: &[(&str, Value)], replicates: u64, most: f64, size: f64) {
    let (exact, pairs, bias) = (exact(problem), lag_one(problem), most / size);
    let mut statistics: [Vec<Vec<f64>>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for replicate in 0..replicates {
        let key = Key::new(8, Domain::Method).case(replicate);
        let (_, smoothed) = run(problem, &mut *method(name, given), &problem.prior(), key);
        let mut rows = [Vec::new(), Vec::new(), Vec::new()];
        for (k, (found, (mean, p))) in smoothed.iter().zip(&exact).enumerate() {
            let sd = p.diag().mapv(f64::sqrt);
            rows[0].extend((found.mean() - mean) / &sd);
            rows[1].extend(found.variance() / p.diag() - 1.0);
            if let Some(next) = smoothed.get(k + 1) {
                let later = exact[k + 1].1.diag().mapv(f64::sqrt);
                let error = sample_lag_one(found, next) - &pairs[k];
                rows[2].extend(error.indexed_iter().map(|((i, j), e)| e / (sd[i] * later[j])));
            }
        }
        statistics.iter_mut().zip(rows).for_each(|(all, row)| all.push(row));
    }
    let found = statistics.map(|rows| {
        let rows = Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j]);
        let (mean, own) = (rows.mean_axis(Axis(0)).unwrap(), rows.var_axis(Axis(0), 1.0));
        let pooled = own.mean().unwrap();
        let z = |(m, v): (&f64, &f64)| (m.abs() - bias).max(0.0) / (v.max(pooled) / rows.nrows() as f64).sqrt();
        (mean.iter().zip(&own).map(z).fold(0.0, f64::max), pooled * size)
    });
    println!("{name}, {} components: (standard errors, spread) {found:.2?}", problem.mean.len());
    for ((z, spread), most) in found.into_iter().zip([most, 2.0 * most, 2.0 * most]) {
        assert!(z < 4.5 && spread < most, "{name} {given:?}: {found:?}");
    }
}

#[test]
fn a_large_enrts_is_the_exact_smoother() {
    let members = 2000;
    for problem in [LinearProblem::one(CYCLES), LinearProblem::two(CYCLES), LinearProblem::three(CYCLES)] {
        let given = [("members", Value::Int(members))];
        agrees(&problem, "enrts", &given, 12, 6.0, members as f64);
    }
}

#[test]
fn ffbsi_draws_paths_of_the_exact_smoother() {
    let members = 1500;
    // correlated noise and observations each second lead step in the second; twice as wide as the weighted filters of
    // `against_exact` may be, because members are weighed forward and backward
    for problem in [LinearProblem::one(CYCLES), LinearProblem::two(CYCLES), LinearProblem::three(CYCLES)] {
        let given = [("members", Value::Int(members)), ("draws", Value::Int(members))];
        agrees(&problem, "ffbsi", &given, 10, 12.0, members as f64);
    }
}

/// The root of a negative mean is not a number: such a set leaves the filter and, backward, what came before it.
#[test]
fn a_set_that_cannot_be_predicted_is_left_out_forward_and_backward() {
    let law = LinearGaussian { matrix: array![[1.0]], offset: array![-2.0], covariance: array![[0.1]] };
    let model = LinearForecaster::new(law).unwrap();
    let operator = Pointwise::new(Root, Stride::new(1, 1, 0, &errors(&[0.3])).unwrap());
    let key = Key::new(15, Domain::Method);
    let smoothed = |second: f64| {
        let mut smoother = method("rts", &[]);
        smoother.start(&Prior::Gaussian { mean: array![3.0], covariance: array![[0.2]] }, 0, key).unwrap();
        for (step, y) in [(1, 0.9), (2, second)] {
            let values = array![y];
            smoother.step(&model, &Seen { step, time: 0.0, values: values.view(), operator: &operator }, key).unwrap();
        }
        smoother.finish(&model, key).unwrap()
    };
    for (found, missing) in smoothed(0.2).iter().zip(smoothed(f64::NAN)) {
        assert!(found.mean()[0].is_finite());
        assert_eq!(found.gaussian, missing.gaussian);
    }
}

/// (x at an earlier time, x now): the first half stays, the second moves.
struct Augmented(Box<dyn Forecaster>);

impl Forecaster for Augmented {
    fn dim(&self) -> usize {
        2 * self.0.dim()
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        let mut now = x.slice(s![.., self.0.dim()..]).to_owned();
        self.0.advance(k, steps, &mut now, key)?;
        x.slice_mut(s![.., self.0.dim()..]).assign(&now);
        Ok(())
    }
}

/// Raanes 2016: with c = 1 and no more members than components the smoother is the ensemble Kalman smoother, whatever the
/// model: the etkf of a state that holds the earlier time too. On Lorenz-96, with inflation and random rotations.
#[test]
fn enrts_is_the_ensemble_kalman_smoother_of_a_nonlinear_model() {
    let (n, members, sets, every) = (12, 9, 5, 3);
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let given: BTreeMap<String, Value> = [("dim".to_owned(), Value::Int(n as i64))].into();
    let lorenz96 = || build("lorenz96", &given).unwrap().forecaster(&stepping).unwrap();
    let (model, augmented) = (lorenz96(), Augmented(lorenz96()));
    let half = |i: usize, j: usize| if j == 2 * i { 1.0 } else { 0.0 };
    let now = Linear::new(Array2::from_shape_fn((6, n), |(i, j)| half(i, j)), &errors(&[0.5])).unwrap();
    let both = Array2::from_shape_fn((6, 2 * n), |(i, j)| if j < n { 0.0 } else { half(i, j - n) });
    let both = Linear::new(both, &errors(&[0.5])).unwrap();
    let settings =
        [("members", Value::Int(members as i64)), ("inflation", Value::Float(1.05)), ("rotate", Value::Bool(true))];
    let key = Key::new(14, Domain::Method);
    let mut start = key.normals(1 + members, n) + 3.0;
    model.advance(0, 40, &mut start, key).unwrap();
    let observations = key.at(1).normals(sets, 6) * 0.5 + start.slice(s![0, ..;2]);
    let prior = Prior::Ensemble(start.slice(s![1.., ..]).to_owned());
    let seen =
        |set: usize, operator| Seen { step: every * set, time: 0.0, values: observations.row(set - 1), operator };
    let mut smoother = method("enrts", &settings);
    smoother.start(&prior, 0, key).unwrap();
    let analyses: Vec<_> =
        (1..=sets).map(|set| smoother.step(&*model, &seen(set, &now), key).unwrap().ensemble).collect();
    let smoothed = smoother.finish(&*model, key).unwrap();
    for (first, analysis) in analyses.iter().enumerate() {
        let mut filter = method("etkf", &settings);
        let twice = concatenate(Axis(1), &[analysis.view(), analysis.view()]).unwrap();
        filter.start(&Prior::Ensemble(twice.clone()), every * (first + 1), key).unwrap();
        let step = |set| filter.step(&augmented, &seen(set, &both), key).unwrap().ensemble;
        let last = (first + 2..=sets).map(step).last().unwrap_or(twice);
        let error = &last.slice(s![.., ..n]) - &smoothed[first].ensemble;
        let largest = error.iter().fold(0.0f64, |a, e| a.max(e.abs()));
        println!("set {}: largest difference of a member {largest:.1e}", first + 1);
        assert!(largest < 1e-9, "{largest:e}");
    }
}

#[test]
fn decorrelation_damps_the_correction_once_a_lead_step() {
    // two sets two lead steps apart: the correction of the first is c^2 of the whole one
    let problem = LinearProblem::two(2);
    let first = |c: f64| {
        let given = [("members", Value::Int(30)), ("decorrelation", Value::Float(c))];
        run(&problem, &mut *method("enrts", &given), &problem.prior(), Key::new(9, Domain::Method)).1.swap_remove(0)
    };
    let [none, half, whole] = [0.0, 0.5, 1.0].map(|c| first(c).ensemble);
    assert!((&none + &(0.25 * (whole - &none)) - half).iter().all(|e| e.abs() < 1e-12));
}

/// The kernel's moments are a short way to the density: a forecaster that hides them gives the same paths.
#[test]
fn ffbsi_by_the_moments_of_a_lead_step_is_ffbsi_by_its_density() {
    struct Plain(LinearForecaster);
    impl Forecaster for Plain {
        fn dim(&self) -> usize {
            self.0.dim()
        }

        fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
            self.0.advance(k, steps, x, key)
        }

        fn density(&self) -> Option<&dyn Density> {
            self.0.density()
        }
    }
    let problem = LinearProblem::two(4);
    let plain = Plain(LinearForecaster::new(problem.law.clone()).unwrap());
    let key = Key::new(12, Domain::Method);
    let paths = |model: &dyn Forecaster| {
        let mut smoother = method("ffbsi", &[("members", Value::Int(200)), ("draws", Value::Int(50))]);
        smoother.start(&problem.prior(), 0, key).unwrap();
        for (cycle, values) in problem.observations.outer_iter().enumerate() {
            let seen = Seen { step: 2 * (cycle + 1), time: 0.0, values, operator: &problem.operator };
            smoother.step(model, &seen, key).unwrap();
        }
        smoother.finish(model, key).unwrap()
    };
    for (a, b) in paths(&problem.model).iter().zip(paths(&plain)) {
        assert_eq!(a.ensemble.dim(), (50, 2));
        assert_eq!(a.ensemble, b.ensemble);
    }
}

#[test]
fn ffbsi_without_a_density_names_another_method() {
    let mut law = LinearProblem::two(1).law;
    law.covariance = array![[0.3, 0.0], [0.0, 0.0]];
    let problem = LinearProblem::new(law, Array2::eye(2), array![[1.0, 0.0]], &[0.6], 1, 1);
    let mut smoother = method("ffbsi", &[]);
    smoother.start(&problem.prior(), 0, Key::new(13, Domain::Method)).unwrap();
    let values = problem.observations.row(0);
    let seen = Seen { step: 1, time: 0.0, values, operator: &problem.operator };
    let message = smoother.step(&problem.model, &seen, Key::new(13, Domain::Method)).unwrap_err().to_string();
    assert!(message.contains("density") && message.contains("`enrts`"), "{message}");
}

#[test]
fn sets_of_the_same_lead_step_are_one_time() {
    let problem = LinearProblem::three(2);
    for name in WHOLE_RUN {
        let mut smoother = method(name, &[]);
        let key = Key::new(10, Domain::Method);
        smoother.start(&problem.prior(), 0, key).unwrap();
        for (step, cycle) in [(1, 0), (3, 0), (3, 1)] {
            let values = problem.observations.row(cycle);
            let seen = Seen { step, time: step as f64, values, operator: &problem.operator };
            smoother.step(&problem.model, &seen, key).unwrap();
        }
        let steps: Vec<_> = smoother.finish(&problem.model, key).unwrap().iter().map(|s| s.step).collect();
        assert_eq!(steps, [1, 3], "{name}");
    }
}
