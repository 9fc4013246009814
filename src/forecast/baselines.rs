//! Tests of the baselines against exact answers, mostly on the Ornstein-Uhlenbeck process.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView3, Axis, s};

use super::fitting::tests::{independent_pairs, stepping};
use super::{FORECASTERS, FitContext, Fitted, Result, fitting};
use crate::model::{Model, Values};
use crate::progress::Quiet;
use crate::score::{Case, Context, Ensemble, Pool, Terms, build};
use crate::systems::catalogue::SYSTEMS;
use crate::systems::registry::find;
use crate::systems::{Domain, Forecaster, Geometry, Key, LinearGaussian, Settings, System, Value};

fn key(seed: u64) -> Key {
    Key::new(seed, Domain::Method)
}

fn ou(given: &[(&str, Value)]) -> Arc<dyn System> {
    let entry = find(SYSTEMS, "system", "ou").unwrap();
    let given = given.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    (entry.build.make)(&Settings::check("system `ou`", entry.params, &given).unwrap()).unwrap()
}

fn try_fit(name: &str, given: &[(&str, Value)], train: ArrayView3<f64>, valid: ArrayView3<f64>) -> Result<Fitted> {
    fitting::tests::try_fit(name, given, (Geometry::Unstructured, 0), [train, valid])
}

fn fit(name: &str, given: &[(&str, Value)], train: &Array3<f64>) -> Fitted {
    try_fit(name, given, train.view(), train.slice(s![..0, .., ..])).unwrap()
}

/// `members` one-step draws from one state.
fn draws(model: &dyn Forecaster, from: &[f64], members: usize) -> Array2<f64> {
    let mut x = Array2::from_shape_fn((members, from.len()), |(_, c)| from[c]);
    model.advance(0, 1, &mut x, key(1)).unwrap();
    x
}

#[test]
fn linear_recovers_an_ou_process_within_its_standard_errors() {
    let system = ou(&[]);
    let truth = Arc::clone(&system).forecaster(&stepping(0.3)).unwrap().linear_gaussian().unwrap();
    let n = 4000;
    let pairs = independent_pairs(&system, 0.3, n, 1);
    let law = fit("linear", &[("ridge", Value::Float(0.0))], &pairs).linear_gaussian().unwrap();
    let x = pairs.slice(s![.., 0, ..]).to_owned();
    let mean = x.mean_axis(Axis(0)).unwrap();
    let centred: Array2<f64> = &x - &mean;
    let dim = mean.len();
    let inverse = inverse_of(&centred.t().dot(&centred));
    for ((i, j), a) in law.matrix.indexed_iter() {
        // textbook: Var(A_ij) = Q_ii (X^T X)^-1_jj; four standard errors
        let se = (truth.covariance[[i, i]] * inverse[[j, j]]).sqrt();
        assert!((a - truth.matrix[[i, j]]).abs() < 4.0 * se, "A[{i},{j}]: {a} +- {se}");
    }
    for i in 0..dim {
        for j in 0..dim {
            // Var(S_ij) = (Q_ii Q_jj + Q_ij^2) / dof; shrinking the correlations moves them by less than one of these
            let q = &truth.covariance;
            let se = ((q[[i, i]] * q[[j, j]] + q[[i, j]] * q[[i, j]]) / n as f64).sqrt();
            assert!((law.covariance[[i, j]] - q[[i, j]]).abs() < 5.0 * se, "Q[{i},{j}]");
        }
    }
    let offset_error = (&law.offset - &truth.offset).mapv(f64::abs);
    let se = (truth.covariance[[0, 0]] / n as f64).sqrt();
    assert!(offset_error.iter().all(|error| *error < 8.0 * se), "{offset_error}");
}

/// The inverse of a small positive definite matrix by Gauss-Jordan elimination.
fn inverse_of(a: &Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let mut work = ndarray::concatenate(Axis(1), &[a.view(), Array2::eye(n).view()]).unwrap();
    for i in 0..n {
        let pivot = work.row(i).to_owned() / work[[i, i]];
        for r in 0..n {
            let factor = work[[r, i]];
            if r != i {
                work.row_mut(r).scaled_add(-factor, &pivot);
            }
        }
        work.row_mut(i).assign(&pivot);
    }
    work.slice(s![.., n..]).to_owned()
}

#[test]
fn least_squares_has_its_textbook_excess_error() {
    // inputs N(0, I_n), noise of variance 1: E‖(A^ - A) x + b^ - b‖^2 per component = n (1 + 1/N)/(N - n - 2) + 1/N
    let (n, count, repeats) = (3, 20, 20_000);
    let (mut sum, mut squares) = (0.0, 0.0);
    for repeat in 0..repeats {
        let normals = Key::new(repeat, Domain::Data).normals(2 * count, n);
        let x = normals.slice(s![..count, ..]);
        let next = 0.5 * &x + normals.slice(s![count.., ..]);
        let train = ndarray::stack(Axis(1), &[x, next.view()]).unwrap();
        let law = fit("linear", &[("ridge", Value::Float(0.0))], &train).linear_gaussian().unwrap();
        // the expectation over a fresh x ~ N(0, I) in closed form
        let error = &law.matrix - &(0.5 * Array2::<f64>::eye(n));
        let excess = (error.mapv(|e| e * e).sum() + law.offset.mapv(|b| b * b).sum()) / n as f64;
        sum += excess;
        squares += excess * excess;
    }
    let (n, count, repeats) = (n as f64, count as f64, repeats as f64);
    let exact = n * (1.0 + 1.0 / count) / (count - n - 2.0) + 1.0 / count;
    let mean = sum / repeats;
    let se = ((squares / repeats - mean * mean) / repeats).sqrt();
    println!("excess error {mean:.4} +- {se:.4}, exact {exact:.4}");
    assert!((mean - exact).abs() < 4.0 * se, "{mean} +- {se}, exact {exact}");
}

#[test]
fn linear_chooses_more_ridge_for_fewer_pairs_and_survives_fewer_pairs_than_components() {
    let chosen = |count: usize| {
        let normals = Key::new(5, Domain::Data).normals(4 * 400, 20);
        let x = normals.slice(s![..800, ..]);
        let next = &x + &(0.5 * &x) + normals.slice(s![800.., ..]);
        let pairs = ndarray::stack(Axis(1), &[x, next.view()]).unwrap();
        let fitted = try_fit("linear", &[], pairs.slice(s![..count, .., ..]), pairs.slice(s![400.., .., ..])).unwrap();
        assert!(draws(fitted.as_forecaster(), &[1.0; 20], 4).iter().all(|value| value.is_finite()));
        fitted.model().config["ridge"].as_f64().unwrap()
    };
    let (few, many) = (chosen(10), chosen(400));
    assert!(few > many && many <= 0.1, "{few} {many}");
}

#[test]
fn linear_offers_all_that_a_gaussian_law_gives() {
    let train = independent_pairs(&ou(&[]), 0.3, 200, 3);
    let fitted = fit("linear", &[], &train);
    let model = fitted.as_forecaster();
    assert!(model.gaussian().is_some() && model.denoiser().is_some() && model.linear_gaussian().is_some());
    // the density of N(A x + b, Q), against its formula in two steps: log det and quadratic form by elimination
    let LinearGaussian { matrix, offset, covariance } = model.linear_gaussian().unwrap();
    let (x, next) = (train.slice(s![..5, 0, ..]), train.slice(s![..5, 1, ..]));
    let log_prob = model.density().unwrap().log_prob(0, x, next).unwrap();
    let inverse = inverse_of(&covariance);
    for i in 0..5 {
        let r = &next.row(i) - &matrix.dot(&x.row(i)) - &offset;
        let quadratic = r.dot(&inverse.dot(&r));
        // log det from the inverse of the leading blocks: det = prod of pivots
        let mut log_det = 0.0;
        for d in 1..=covariance.nrows() {
            log_det -= inverse_of(&covariance.slice(s![..d, ..d]).to_owned())[[d - 1, d - 1]].ln();
        }
        let exact = -0.5 * (quadratic + log_det + covariance.nrows() as f64 * std::f64::consts::TAU.ln());
        assert!((log_prob[i] - exact).abs() < 1e-9, "{} {exact}", log_prob[i]);
    }
}

/// A one-dimensional OU process with a = exp(-.5) and unit stationary variance.
fn scalar_ou() -> Arc<dyn System> {
    ou(&[
        ("drift", Value::Rows(vec![vec![0.5]])),
        ("noise", Value::Floats(vec![1.0])),
        ("mean", Value::Floats(vec![0.0])),
    ])
}

#[test]
fn analogues_converge_to_the_law_as_the_library_grows() {
    let system = scalar_ou();
    let (a, q) = ((-0.5f64).exp(), 1.0 - (-1.0f64).exp());
    let from = [-1.5, -0.5, 0.0, 0.8, 1.6];
    // mean squared error of the conditional mean with k neighbours: q/k, plus the bias of far neighbours
    let error = |count: usize, k: i64, target: &str| {
        let train = independent_pairs(&system, 1.0, count, 9);
        let given =
            [("neighbours", Value::Int(k)), ("library", Value::Int(0)), ("target", Value::Text(target.to_owned()))];
        let fitted = fit("analog", &given, &train);
        let (mut mean_error, mut variance) = (0.0, 0.0);
        for x in from {
            let draws = draws(fitted.as_forecaster(), &[x], 1000);
            let mean = draws.mean().unwrap();
            mean_error += (mean - a * x).powi(2) / from.len() as f64;
            variance += draws.mapv(|d| (d - mean) * (d - mean)).mean().unwrap() / from.len() as f64;
        }
        (mean_error, variance / q)
    };
    for target in ["increment", "successor"] {
        let (coarse, _) = error(60, 30, target);
        let (fine, ratio) = error(20_000, 200, target);
        println!("analogues, {target}: squared error of the mean {coarse:.4} with 60 pairs, {fine:.5} with 20,000");
        // five means of 200 neighbours and 1,000 draws: squared error q/200 + q/1000 = .0038, times 1 + 5 sqrt(2/5)
        assert!(fine < 0.0038 * 4.2 && coarse > 3.0 * fine, "{target}: {coarse} {fine}");
        // the variance of 5 x 200 neighbours and of 5 x 1,000 draws: relative standard error sqrt(2/1000 + 2/5000) = .049
        assert!((ratio - 1.0).abs() < 5.0 * 0.049, "{target}: variance ratio {ratio}");
    }
}

#[test]
fn analogues_are_the_nearest_states_by_brute_force() {
    let train = independent_pairs(&ou(&[]), 0.3, 3000, 4);
    let given = [("neighbours", Value::Int(1)), ("target", Value::Text("successor".to_owned()))];
    let fitted = fit("analog", &given, &train);
    let dim = train.dim().2;
    let x = train.slice(s![.., 0, ..]).to_owned();
    let sd = x.std_axis(Axis(0), 0.0);
    let query = 1.3 * Key::new(8, Domain::Data).normals(70, dim);
    let mut ensemble = query.clone();
    fitted.advance(0, 1, &mut ensemble, key(1)).unwrap();
    for (row, got) in query.outer_iter().zip(ensemble.outer_iter()) {
        let distance = |i: usize| ((&x.row(i) - &row) / &sd).mapv(|d| d * d).sum();
        let nearest = (0..x.nrows()).min_by(|i, j| distance(*i).total_cmp(&distance(*j))).unwrap();
        assert_eq!(got, train.slice(s![nearest, 1, ..]));
    }
}

#[test]
fn the_crps_of_climatology_is_the_stationary_one() {
    // N(0, 1): E|X - Y| / 2 = 1 / sqrt(pi)
    let system = scalar_ou();
    let library = independent_pairs(&system, 1.0, 100_000, 21);
    let fitted = fit("climatology", &[], &library);
    let metric = build("crps_fair", &Context::plain(Pool::All)).unwrap();
    let truths = system.initial(4000, Key::new(77, Domain::Truth));
    let mut terms = Terms::new(1);
    for (case, truth) in truths.outer_iter().enumerate() {
        let mut x = Array2::zeros((8, 1));
        fitted.advance(0, 1, &mut x, key(1).case(case as u64)).unwrap();
        terms.measure(&*metric, case, 0, &Case::Ensemble(&Ensemble::new(truth, x.view(), None)));
    }
    let summary = metric.summarise(&terms);
    let exact = 1.0 / std::f64::consts::PI.sqrt();
    assert!((summary.value.unwrap() - exact).abs() < 4.0 * summary.se.unwrap(), "{summary:?}");
}

#[test]
fn every_baseline_is_the_same_bit_for_bit_after_saving_and_two_steps_are_one_and_one() {
    let train = independent_pairs(&ou(&[]), 0.3, 500, 6);
    let dim = train.dim().2;
    for entry in FORECASTERS.iter().filter(|entry| !entry.build.is_learned()) {
        let Some(load) = entry.build.load else { continue };
        let fitted = fit(entry.name, &[], &train);
        let model = fitted.model();
        assert_eq!(model.kind, entry.name);
        let loaded = load(&model).unwrap();
        let start = Key::new(2, Domain::Method).normals(70, dim);
        let (mut a, mut b, mut c) = (start.clone(), start.clone(), start);
        fitted.advance(5, 2, &mut a, key(3)).unwrap();
        loaded.advance(5, 2, &mut b, key(3)).unwrap();
        loaded.advance(5, 1, &mut c, key(3)).unwrap();
        loaded.advance(6, 1, &mut c, key(3)).unwrap();
        assert_eq!(a, b, "{} after loading", entry.name);
        assert_eq!(a, c, "{} in two calls", entry.name);
        assert_eq!(format!("{:?}", loaded.model()), format!("{model:?}"));
        assert_eq!(loaded.training().pairs, fitted.training().pairs);
    }
}

#[test]
fn a_stored_model_has_its_parts_and_no_others_each_in_its_shape() {
    let train = independent_pairs(&ou(&[]), 0.3, 500, 6);
    for entry in FORECASTERS.iter().filter(|entry| !entry.build.is_learned() && entry.build.load.is_some()) {
        let whole = fit(entry.name, &[], &train).model();
        let refused = |change: &dyn Fn(&mut Model), says: &str| {
            let mut other = whole.clone();
            change(&mut other);
            let message = entry.build.rebuild(&other).unwrap().err().unwrap().to_string();
            assert!(message.contains(says), "{}: {message}", entry.name);
        };
        assert!(entry.build.rebuild(&whole).unwrap().is_ok(), "{}", entry.name);
        let extra = whole.tensors["training.reals"].clone();
        refused(
            &|model| drop(model.tensors.insert("network.extra".into(), extra.clone())),
            "`network.extra` is no part",
        );
        for name in whole.tensors.keys() {
            refused(&|model| drop(model.tensors.remove(name)), &format!("`{name}` is missing"));
            let nested = |model: &mut Model| model.tensors.get_mut(name).unwrap().shape.insert(0, 1);
            refused(&nested, &format!("`{name}`"));
        }
        refused(&|model| model.config["more"] = 1.into(), "`more` is no part");
    }
    let mut linear = fit("linear", &[], &train).model();
    let Values::F64(values) = &mut linear.tensors.get_mut("covariance").unwrap().values else { panic!("no reals") };
    values[0] = -1.0;
    let load = find(FORECASTERS, "forecaster", "linear").unwrap().build;
    let message = load.rebuild(&linear).unwrap().err().unwrap().to_string();
    assert!(message.contains("`covariance` has the variance -1 for component 0"), "{message}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let train = independent_pairs(&ou(&[]), 0.3, 500, 6);
    for entry in FORECASTERS.iter().filter(|entry| !entry.build.is_learned() && entry.build.load.is_some()) {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let fitted = fit(entry.name, &[], &train);
                let mut x = Key::new(2, Domain::Method).normals(300, train.dim().2);
                fitted.advance(0, 3, &mut x, key(3)).unwrap();
                x
            })
        };
        assert_eq!(run(1), run(4), "{}", entry.name);
    }
}

#[test]
fn damaged_models_and_missing_data_are_refused_in_words() {
    let empty = Array3::zeros((0, 5, 2));
    let message = |name: &str| try_fit(name, &[], empty.view(), empty.view()).err().unwrap().to_string();
    assert!(message("analog").starts_with("`analog` needs at least 10 pairs of successive states to learn from, but"));
    assert!(message("linear").contains("have 0; give it more or longer trajectories"));
    assert!(message("climatology").contains("there are none"));
    assert!(message("perfect").contains("there is only data here"));
    let train = independent_pairs(&ou(&[]), 0.3, 50, 6);
    for entry in FORECASTERS.iter().filter(|entry| !entry.build.is_learned()) {
        let Some(load) = entry.build.load else { continue };
        let whole = fit(entry.name, &[], &train).model();
        for name in whole.tensors.keys() {
            let mut damaged = whole.clone();
            damaged.tensors.remove(name);
            let message = load(&damaged).err().unwrap().to_string();
            assert!(message.contains(&format!("`{name}` is missing")), "{message}");
        }
    }
}

#[test]
fn perfect_passes_everything_through() {
    let system = ou(&[]);
    let train = independent_pairs(&system, 0.3, 5, 6);
    let entry = find(FORECASTERS, "forecaster", "perfect").unwrap();
    let context = FitContext {
        system: Some((Arc::clone(&system), stepping(0.3))),
        geometry: system.geometry(),
        train: train.view(),
        valid: train.view(),
        held_by: None,
        parameters: None,
        key: Key::new(0, Domain::Training),
        progress: &Quiet,
        checkpoints: None,
        start: None,
        processor: &crate::nn::ops::Processor::Cpu,
    };
    let settings = Settings::check("perfect", entry.params, &BTreeMap::new()).unwrap();
    let fitted = (entry.build.fit)(&settings, &context).unwrap();
    let direct = Arc::clone(&system).forecaster(&stepping(0.3)).unwrap();
    let (mut a, mut b) = (Array2::zeros((9, system.dim())), Array2::zeros((9, system.dim())));
    fitted.advance(4, 3, &mut a, key(1)).unwrap();
    direct.advance(4, 3, &mut b, key(1)).unwrap();
    assert_eq!(a, b);
    let offers = |f: &dyn Forecaster| {
        [f.density().is_some(), f.denoiser().is_some(), f.gaussian().is_some(), f.linear_gaussian().is_some()]
    };
    assert_eq!(offers(fitted.as_forecaster()), offers(&*direct));
    assert_eq!(offers(&*direct), [true; 4]);
}

#[test]
fn missing_values_are_left_out() {
    let mut train = independent_pairs(&ou(&[]), 0.3, 60, 6);
    train[[7, 1, 0]] = f64::NAN;
    for name in ["analog", "linear"] {
        assert_eq!(fit(name, &[], &train).training().pairs, 59, "{name}");
    }
    assert_eq!(fit("climatology", &[], &train).training().pairs, 119);
}

/// Residuals of a low-rank law have eigenvalues that no shrinkage may touch: with many pairs the law is as good as least
/// squares', n (n + 1) / (4 N) of a nat from the exact one, and with few it still has a density.
#[test]
fn linear_keeps_the_least_eigenvalues_of_its_residuals_where_pairs_are_plenty() {
    let entry = find(SYSTEMS, "system", "linear_low_rank").unwrap();
    let given = [("dim", Value::Int(8)), ("intrinsic", Value::Int(2)), ("ambient_sd", Value::Float(1e-3))];
    let given: BTreeMap<_, _> = given.map(|(k, v)| (k.to_owned(), v)).into();
    let system = (entry.build.make)(&Settings::check("system", entry.params, &given).unwrap()).unwrap();
    let (train, test) = (independent_pairs(&system, 0.1, 4000, 1), independent_pairs(&system, 0.1, 4000, 2));
    let score = |model: &dyn Forecaster| {
        let of = |time: usize| test.slice(s![.., time, ..]).to_owned();
        -model.density().unwrap().log_prob(0, of(0).view(), of(1).view()).unwrap().mean().unwrap() / 8.0
    };
    let exact = score(&*Arc::clone(&system).forecaster(&stepping(0.1)).unwrap());
    let found = score(fit("linear", &[("ridge", Value::Float(0.0))], &train).as_forecaster());
    println!("{found:.4} for {exact:.4} a component");
    // 8 matrix rows of 9 coefficients and 36 covariances: 108 / (2 N) nats, over 8 components
    assert!((found - exact).abs() < 3.0 * 108.0 / (2.0 * 4000.0) / 8.0, "{found} {exact}");
    let few = train.slice(s![..6, .., ..]).to_owned();
    assert!(score(fit("linear", &[], &few).as_forecaster()).is_finite());
    let refused = try_fit("linear", &[("ridge", Value::Float(0.0))], few.view(), few.view());
    assert!(refused.err().unwrap().to_string().contains("leaves no residuals"));
}

/// Trajectories that are there three times are no three neighbours.
#[test]
fn copies_of_analogues_count_once() {
    let system = ou(&[]);
    let pairs = independent_pairs(&system, 0.3, 200, 4);
    let thrice = ndarray::concatenate(Axis(0), &[pairs.view(), pairs.view(), pairs.view()]).unwrap();
    let given = [("neighbours", Value::Int(3))];
    let from = vec![0.1; system.dim()];
    let [once, copied] = [&pairs, &thrice].map(|train| draws(fit("analog", &given, train).as_forecaster(), &from, 200));
    assert_eq!(once, copied);
    let same = ndarray::concatenate(Axis(0), &[pairs.slice(s![..1, .., ..]); 5]).unwrap();
    let refused = try_fit("analog", &given, same.view(), same.view());
    assert!(refused.err().unwrap().to_string().contains("only 1 of the training pairs differ"));
}
