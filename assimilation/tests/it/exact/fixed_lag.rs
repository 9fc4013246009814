//! The fixed-lag smoother of any linear filter, against joint posteriors of whole trajectories.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, part, word};
use ndarray::{concatenate, prelude::*};
use scorecast_assimilation::ensemble::{anomalies, covariance};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::method::{Factors, PastMembers};
use scorecast_assimilation::observe::Identity;
use scorecast_assimilation::state::seal;
use scorecast_assimilation::{Cycle, ObservationOperator, ObservationSet, Prior, Smoothed};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Value};

const CYCLES: usize = 7;

/// Three components whose model has no noise.
fn without_noise(cycles: usize) -> LinearProblem {
    let mut problem = LinearProblem::three(cycles);
    problem.law = LinearGaussian { covariance: Array2::zeros((3, 3)), ..problem.law };
    problem.model = LinearForecaster::new(problem.law.clone()).unwrap();
    problem
}

/// All that a smoother gives of a run from `prior`.
fn smooth(method: &mut dyn Cycle, problem: &LinearProblem, prior: &Prior, key: Key) -> Vec<Smoothed> {
    method.start(prior, 0, key).unwrap();
    let cycles = 0..problem.observations.nrows();
    let mut out: Vec<Smoothed> = cycles.flat_map(|cycle| problem.step(method, cycle, key).smoothed).collect();
    out.extend(method.finish(&problem.model, None, key).unwrap());
    out
}

/// Mean and covariance of block `k` of a Gaussian of all times (`mean`, `p`), given the observations up to set `last`.
fn conditioned(
    problem: &LinearProblem,
    mean: &Array1<f64>,
    p: &Array2<f64>,
    k: usize,
    last: usize,
) -> (Array1<f64>, Array2<f64>) {
    let (h, dim) = (problem.operator.matrix().unwrap(), problem.mean.len());
    let mut rows = Vec::new();
    for set in 0..=last {
        for (i, y) in problem.observations.row(set).iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            let mut row = Array1::zeros(mean.len());
            row.slice_mut(s![set * dim..(set + 1) * dim]).assign(&h.row(i));
            rows.push((row, *y, problem.operator.error().variance()[i]));
        }
    }
    let all = Array2::from_shape_fn((rows.len(), mean.len()), |(i, j)| rows[i].0[j]);
    let d: Array1<f64> = rows.iter().map(|(row, y, _)| y - row.dot(mean)).collect();
    let r = Array2::from_diag(&rows.iter().map(|row| row.2).collect::<Array1<f64>>());
    let mut gain = all.dot(p);
    Cholesky::new((gain.dot(&all.t()) + r).view()).unwrap().solve_in_place(&mut gain);
    let (mean, p) = (mean + &d.dot(&gain), p - &gain.t().dot(&all.dot(p)));
    let block = k * dim..(k + 1) * dim;
    (mean.slice(s![block.clone()]).to_owned(), p.slice(s![block.clone(), block]).to_owned())
}

/// Without model noise the members are whole trajectories, and each smoothed state has the mean and the covariance that
/// their own joint moments give with the observations up to `lag` sets later.
#[test]
fn a_smoother_is_the_joint_update_of_the_trajectories_own_moments() {
    let problem = without_noise(CYCLES);
    for members in [5, 40] {
        let first = Key::new(31, Domain::Score).normals(members, 3) + 0.5;
        let mut x = first.clone();
        let mut blocks = Vec::new();
        for k in 0..CYCLES {
            problem.model.advance(k, 1, &mut x, Key::new(1, Domain::Method)).unwrap();
            blocks.push(x.clone());
        }
        let joint = concatenate(Axis(1), &blocks.iter().map(|b| b.view()).collect::<Vec<_>>()).unwrap();
        let (mean, p) = (joint.mean_axis(Axis(0)).unwrap(), covariance(joint.view(), None));
        for (name, lag) in [("etkf", 2), ("etkf", 20), ("letkf", 3), ("eakf", 2), ("ensrf", 1)] {
            let given = [("members", Value::Int(members as i64)), ("lag", Value::Int(lag))];
            let mut smoother = method(name, &given);
            let found = smooth(&mut *smoother, &problem, &Prior::Ensemble(first.clone()), Key::new(1, Domain::Method));
            assert_eq!(found.len(), CYCLES);
            for (k, smoothed) in found.iter().enumerate() {
                let last = (k + lag as usize).min(CYCLES - 1);
                let (exact_mean, exact_p) = conditioned(&problem, &mean, &p, k, last);
                assert!((smoothed.mean() - exact_mean).iter().all(|e| e.abs() < 1e-9), "{name} {lag} at {k}");
                let found_p = covariance(smoothed.ensemble.view(), None);
                assert!((found_p - exact_p).iter().all(|e| e.abs() < 1e-9), "{name} {lag} at {k}");
            }
        }
    }
}

/// Means and variances of many members against the exact fixed-lag posterior of a model with noise, within 5 standard
/// errors of independent draws; variances of the perturbed-observation filter fluctuate twice as much.
#[test]
fn with_model_noise_it_converges_to_the_exact_smoother() {
    let problem = LinearProblem::three(CYCLES);
    let (mut mean, mut p) = (Vec::new(), Array2::<f64>::zeros((3 * CYCLES, 3 * CYCLES)));
    let (mut m, mut c) = (problem.mean.clone(), problem.covariance.clone());
    for k in 0..CYCLES {
        m = problem.law.matrix.dot(&m) + &problem.law.offset;
        c = problem.law.matrix.dot(&c).dot(&problem.law.matrix.t()) + &problem.law.covariance;
        mean.extend(m.iter().copied());
        let mut later = c.clone();
        for j in k..CYCLES {
            // Cov[x_j, x_k] = A^(j-k) Cov[x_k]
            p.slice_mut(s![3 * j..3 * j + 3, 3 * k..3 * k + 3]).assign(&later);
            p.slice_mut(s![3 * k..3 * k + 3, 3 * j..3 * j + 3]).assign(&later.t());
            later = problem.law.matrix.dot(&later);
        }
    }
    let (mean, members, lag) = (Array1::from_vec(mean), 20_000, 2);
    for (name, wider) in [("etkf", 1.0), ("enkf", 2.0), ("eakf", 1.0)] {
        let given = [("members", Value::Int(members)), ("lag", Value::Int(lag))];
        let found = smooth(&mut *method(name, &given), &problem, &problem.prior(), Key::new(4, Domain::Method));
        for (k, smoothed) in found.iter().enumerate() {
            let (exact, exact_p) = conditioned(&problem, &mean, &p, k, (k + lag as usize).min(CYCLES - 1));
            let sd = exact_p.diag().mapv(f64::sqrt);
            let z = (smoothed.mean() - exact) / &sd * (members as f64).sqrt();
            assert!(z.iter().all(|z| z.abs() < 5.0 * wider), "{name} at {k}: {z}");
            let ratio = smoothed.variance() / exact_p.diag();
            let bound = 5.0 * wider * (2.0 / members as f64).sqrt();
            assert!(ratio.iter().all(|ratio| (ratio - 1.0).abs() < bound), "{name} at {k}: {ratio}");
        }
    }
}

/// Where each component is observed and updated on its own, a localized smoother is the global one of each.
#[test]
fn earlier_states_are_localized_like_the_present_one() {
    let (dim, members) = (6, 12);
    let law = |dim: usize| LinearGaussian {
        matrix: Array2::from_diag_elem(dim, 0.9),
        offset: Array1::zeros(dim),
        covariance: Array2::zeros((dim, dim)),
    };
    let first = Key::new(5, Domain::Score).normals(members, dim);
    let y = Key::new(6, Domain::Score).normals(5, dim);
    let run = |name: &str, x: Array2<f64>, y: ArrayView2<f64>, settings: &[(&str, Value)]| -> Vec<Smoothed> {
        let model = LinearForecaster::new(law(x.ncols())).unwrap();
        let operator = Identity::new(x.ncols(), &errors(&[0.7])).unwrap();
        let lag = [("members", Value::Int(members as i64)), ("lag", Value::Int(2)), ("rtps", Value::Float(0.3))];
        let mut smoother = method(name, &[&lag, settings].concat());
        let key = Key::new(1, Domain::Method);
        smoother.start(&Prior::Ensemble(x), 0, key).unwrap();
        let mut out = Vec::new();
        for (k, values) in y.outer_iter().enumerate() {
            let observed = ObservationSet { step: k + 1, time: 0.0, values, operator: &operator };
            out.extend(smoother.step(&model, &observed, key).unwrap().smoothed);
        }
        out.extend(smoother.finish(&model, None, key).unwrap());
        out
    };
    for name in ["letkf", "eakf", "ensrf"] {
        let local = [("radius", Value::Float(0.5)), ("taper", word("step"))];
        let whole = run(name, first.clone(), y.view(), &local);
        for component in 0..dim {
            let column = s![.., component..component + 1];
            let alone = run(name, first.slice(column).to_owned(), y.slice(column), &[]);
            for (whole, alone) in whole.iter().zip(&alone) {
                let difference = &whole.ensemble.slice(column) - &alone.ensemble;
                assert!(difference.iter().all(|e| e.abs() < 1e-12), "{name}, component {component}");
            }
        }
    }
}

/// A random rotation turns whole trajectories: mean and covariance of each time stay.
#[test]
fn rotation_keeps_the_moments_of_earlier_states() {
    let problem = without_noise(2);
    let run = |rotate| {
        let given = [("members", Value::Int(9)), ("lag", Value::Int(1)), ("rotate", Value::Bool(rotate))];
        let mut smoother = method("etkf", &given);
        let key = Key::new(8, Domain::Method);
        smoother.start(&problem.prior(), 0, key).unwrap();
        problem.step(&mut *smoother, 0, key);
        problem.step(&mut *smoother, 1, key).smoothed.remove(0)
    };
    let (plain, rotated) = (run(false), run(true));
    assert!(plain.ensemble != rotated.ensemble);
    assert!((plain.mean() - rotated.mean()).iter().all(|e| e.abs() < 1e-12));
    let moments = |x: &Smoothed| covariance(x.ensemble.view(), None);
    assert!((moments(&plain) - moments(&rotated)).iter().all(|e| e.abs() < 1e-12));
}

/// Without model noise x_2 = M x_1 in each member, smoothed or not, up to the inflation of the present: that which is set,
/// and that which the finite-size filter finds.
#[test]
fn inflation_acts_on_the_present_alone() {
    let problem = without_noise(2);
    let given = [("members", Value::Int(9)), ("lag", Value::Int(1)), ("inflation", Value::Float(1.5))];
    for name in ["enkf", "denkf", "etkf", "enkf_n", "letkf", "eakf", "ensrf"] {
        let mut smoother = method(name, &given);
        let key = Key::new(8, Domain::Method);
        smoother.start(&problem.prior(), 0, key).unwrap();
        problem.step(&mut *smoother, 0, key);
        let second = problem.step(&mut *smoother, 1, key);
        let then = anomalies(second.smoothed[0].ensemble.view(), None).1;
        let now = anomalies(second.ensemble.view(), None).1;
        let own = second.diagnostics.get("inflation").copied().unwrap_or(1.0);
        let difference = now - 1.5 * own * then.dot(&problem.law.matrix.t());
        assert!(difference.iter().all(|e| e.abs() < 1e-10), "{name}");
    }
}

/// Whole trajectories are weighed and resampled: means of the particle smoother over replicates against the exact
/// posterior, within 4.5 of their standard errors.
#[test]
fn a_particle_filter_with_a_lag_weighs_trajectories() {
    let problem = LinearProblem::one(CYCLES);
    let (mut mean, mut p) = (Vec::new(), Array2::<f64>::zeros((CYCLES, CYCLES)));
    let (mut m, mut c) = (problem.mean[0], problem.covariance[(0, 0)]);
    let (a, b, q) = (problem.law.matrix[(0, 0)], problem.law.offset[0], problem.law.covariance[(0, 0)]);
    for k in 0..CYCLES {
        (m, c) = (a * m + b, a * a * c + q);
        mean.push(m);
        for j in k..CYCLES {
            p[(j, k)] = c * a.powi((j - k) as i32);
            p[(k, j)] = p[(j, k)];
        }
    }
    let (mean, lag, replicates) = (Array1::from_vec(mean), 2, 20);
    for threshold in [0.0, 0.6] {
        let given =
            [("members", Value::Int(4000)), ("lag", Value::Int(lag)), ("ess_threshold", Value::Float(threshold))];
        let runs: Vec<Vec<Smoothed>> = (0..replicates)
            .map(|r| smooth(&mut *method("bootstrap", &given), &problem, &problem.prior(), Key::new(r, Domain::Method)))
            .collect();
        assert!(runs[0].iter().any(|smoothed| smoothed.weights.is_some()));
        for k in 0..CYCLES {
            let (exact, exact_p) = conditioned(&problem, &mean, &p, k, (k + lag as usize).min(CYCLES - 1));
            for (which, exact) in [exact[0], exact_p[(0, 0)]].into_iter().enumerate() {
                let of = |run: &Vec<Smoothed>| if which == 0 { run[k].mean()[0] } else { run[k].variance()[0] };
                let values: Vec<f64> = runs.iter().map(of).collect();
                let n = replicates as f64;
                let average = values.iter().sum::<f64>() / n;
                let variance = values.iter().map(|v| (v - average).powi(2)).sum::<f64>() / (n - 1.0);
                let z = (average - exact) / (variance / n).sqrt();
                assert!(z.abs() < 4.5, "threshold {threshold}, set {k}, moment {which}: {average} and {exact}, z {z}");
            }
        }
    }
}

/// The finite-size filter inflates the present by c = `inflation`, which R / c^2 in the gain stands for; earlier members
/// keep their own spread: P_pp - P_pH (H P H^T + R / c^2)^-1 P_Hp, not c^2 times that.
#[test]
fn finite_size_inflation_does_not_widen_earlier_states() {
    let problem = LinearProblem::three(2);
    let key = Key::new(1, Domain::Method);
    let given =
        |size: &'static str, value| [("members", Value::Int(9)), ("lag", Value::Int(5)), (size, Value::Float(value))];
    for (name, given) in
        [("enkf_n", given("inflation", 1.0)), ("enkf_n", given("certainty", 2.0)), ("ienks", given("finite_size", 1.0))]
    {
        let mut smoother = method(name, &given);
        let outcomes = problem.run(&mut *smoother, key);
        let earlier = &smoother.finish(&problem.model, None, key).unwrap()[0];
        let inflation = outcomes[1].diagnostics["inflation"];
        assert!((inflation - 1.0).abs() > 1e-4, "{name}: {inflation} is no inflation to speak of");
        let (_, a) = anomalies(outcomes[0].ensemble.view(), None);
        let (_, y) = anomalies(problem.operator.apply(0.0, outcomes[1].forecast.view()).view(), None);
        let r = Array2::from_diag(&problem.operator.error().variance());
        let innovation = y.t().dot(&y) / 8.0 + r / (inflation * inflation);
        let cross = y.t().dot(&a) / 8.0;
        let mut gain = cross.clone();
        Cholesky::new(innovation.view()).unwrap().solve_in_place(&mut gain);
        let exact = a.t().dot(&a) / 8.0 - gain.t().dot(&cross);
        let found = covariance(earlier.ensemble.view(), None);
        assert!((&found - &exact).iter().all(|e| e.abs() < 1e-10), "{name}: {found} for {exact}");
    }
}

/// Counts, lead steps and factors of a saved state fit each other: what does not is refused, and the smoother stays as it was.
#[test]
fn a_saved_state_whose_parts_do_not_fit_is_refused() {
    let problem = LinearProblem::three(3);
    let given = [("members", Value::Int(6)), ("lag", Value::Int(5)), ("adaptive", word("anderson"))];
    let mut smoother = method("etkf", &given);
    problem.run(&mut *smoother, Key::new(1, Domain::Method));
    let (at, factors) = (part::<PastMembers>(&*smoother), part::<Factors>(&*smoother));
    let pack = |at: &PastMembers, factors: &Factors| seal(&smoother.owner(), &[at, factors]);
    let mut again = method("etkf", &given);
    again.restore(&pack(&at, &factors)).unwrap();
    assert_eq!(again.save(), smoother.save());
    // more states than are there, fewer, lead steps out of order, more states than the lag, weights of others
    let with_past = |past: Vec<usize>| PastMembers { past, ..at.clone() };
    let weights = Some(Array1::from_elem(5, 0.2));
    let members = Array2::zeros((6, 3 * 7));
    for changed in [
        with_past(vec![2, 1, 1, 1]),
        with_past(vec![2, 1, 0, 0, 0, 0]),
        with_past(vec![1, 2]),
        with_past(vec![4, 1]),
        PastMembers { weights, ..at.clone() },
        PastMembers { members: Array2::zeros((5, at.members.ncols())), ..at.clone() },
        PastMembers { members, ..with_past(vec![2, 2, 1, 1, 0, 0]) },
    ] {
        assert!(again.restore(&pack(&changed, &factors)).is_err(), "{changed:?}");
    }
    for wrong in [f64::NAN, -1.0, 0.0, 1e5] {
        assert!(again.restore(&pack(&at, &Factors(Array1::from_elem(3, wrong)))).is_err(), "{wrong}");
    }
    assert_eq!(again.save(), smoother.save());
}
