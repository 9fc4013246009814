//! The local particle filter: without localization it is the bootstrap filter, with it components that are independent and
//! observed on their own have their exact posteriors, and 40 of them do not degenerate.

#![allow(clippy::unwrap_used)]

use crate::common;

use std::collections::BTreeMap;

use common::{errors, method, word};
use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{ObservationOperator, ObservationSet, Outcome, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Purpose, Stepping, Value};

const SD: f64 = 0.6;

/// n independent components x' = a x + b + w, each observed with an error of sd .6; one value and one set are missing.
struct Independent {
    a: Array1<f64>,
    q: Array1<f64>,
    model: LinearForecaster,
    operator: Stride,
    observations: Array2<f64>,
}

impl Independent {
    fn new(n: usize, cycles: usize) -> Self {
        let a = Array1::from_shape_fn(n, |i| 0.9 - 0.1 * (i % 4) as f64);
        let q = Array1::from_shape_fn(n, |i| 0.2 + 0.1 * (i % 3) as f64);
        let law = LinearGaussian {
            matrix: Array2::from_diag(&a),
            offset: Array1::from_elem(n, 0.1),
            covariance: Array2::from_diag(&q),
        };
        let model = LinearForecaster::new(law).unwrap();
        let operator = Stride::new(n, 1, 0, &errors(&[SD])).unwrap();
        let key = Key::new(41, Domain::Truth);
        let mut truth = key.normals(1, n);
        let mut observations = Array2::zeros((cycles, n));
        for (cycle, mut row) in observations.outer_iter_mut().enumerate() {
            model.advance(cycle, 1, &mut truth, key.purpose(Purpose::ProcessNoise)).unwrap();
            row.assign(
                &(&truth + &operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64))).row(0),
            );
        }
        if cycles > 2 {
            observations[(1, 0)] = f64::NAN;
            observations.row_mut(2).fill(f64::NAN);
        }
        Self { a, q, model, operator, observations }
    }

    /// Mean and variance of each component after each set, `[set, component]`: Kalman's filter of one number.
    fn exact(&self) -> (Array2<f64>, Array2<f64>) {
        let (mut means, mut variances) = (self.observations.clone(), self.observations.clone());
        for i in 0..self.a.len() {
            let (mut m, mut p) = (0.0, 1.0);
            for (cycle, y) in self.observations.column(i).iter().enumerate() {
                (m, p) = (self.a[i] * m + 0.1, self.a[i] * self.a[i] * p + self.q[i]);
                if !y.is_nan() {
                    let gain = p / (p + SD * SD);
                    (m, p) = (m + gain * (y - m), (1.0 - gain) * p);
                }
                (means[(cycle, i)], variances[(cycle, i)]) = (m, p);
            }
        }
        (means, variances)
    }

    fn run(&self, name: &str, given: &[(&str, Value)], key: Key) -> Vec<Outcome> {
        let n = self.a.len();
        let mut filter = method(name, given);
        filter.start(&Prior::Gaussian { mean: Array1::zeros(n), covariance: Array2::eye(n) }, 0, key).unwrap();
        let step = |(cycle, values)| {
            let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &self.operator };
            filter.step(&self.model, &observed, key).unwrap()
        };
        self.observations.outer_iter().enumerate().map(step).collect()
    }
}

fn local(members: i64, radius: f64) -> Vec<(&'static str, Value)> {
    vec![("members", Value::Int(members)), ("radius", Value::Float(radius)), ("taper", word("step"))]
}

fn sorted(ensemble: &Array2<f64>) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = ensemble.outer_iter().map(|row| row.to_vec()).collect();
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    rows
}

#[test]
fn a_radius_without_end_is_the_bootstrap_filter_that_resamples_every_time() {
    let problem = Independent::new(3, 1);
    for scheme in ["systematic", "stratified", "residual", "multinomial"] {
        let scheme = ("resampling", word(scheme));
        let key = Key::new(42, Domain::Method);
        let given = [("members", Value::Int(400)), ("ess_threshold", Value::Float(1.0)), scheme.clone()];
        let bootstrap = problem.run("bootstrap", &given, key).swap_remove(0);
        let unset = problem.run("local_particle_filter", &[given[0].clone(), scheme.clone()], key).swap_remove(0);
        assert_eq!(unset.ensemble, bootstrap.ensemble);
        assert_eq!(unset.diagnostics, bootstrap.diagnostics);
        // every observation in reach with weight 1: the same members at other places
        let wide = [local(400, 1e6), vec![scheme]].concat();
        let wide = problem.run("local_particle_filter", &wide, key).swap_remove(0);
        assert_eq!(sorted(&wide.ensemble), sorted(&bootstrap.ensemble));
        assert!((wide.diagnostics["ess"] - bootstrap.diagnostics["ess"]).abs() < 1e-9 * bootstrap.diagnostics["ess"]);
    }
}

/// Means in exact standard deviations and variances relative to the exact ones, over replicates: within 4.5 standard
/// errors (own, or pooled over all components and times, whichever is larger) and a bias of order 1/N.
#[test]
fn independent_components_have_their_exact_posteriors() {
    let problem = Independent::new(4, 6);
    let (means, variances) = problem.exact();
    let members = 4000;
    for scheme in ["systematic", "multinomial"] {
        let given = [local(members, 0.5), vec![("resampling", word(scheme))]].concat();
        let mut statistics = [Vec::new(), Vec::new()];
        for replicate in 0..16 {
            let outcomes = problem.run("local_particle_filter", &given, Key::new(43, Domain::Method).case(replicate));
            let (mut mean, mut variance) = (Vec::new(), Vec::new());
            for (cycle, outcome) in outcomes.iter().enumerate() {
                let exact = variances.row(cycle);
                mean.extend((outcome.mean() - means.row(cycle)) / exact.mapv(f64::sqrt));
                variance.extend(outcome.variance() / exact - 1.0);
            }
            statistics[0].push(mean);
            statistics[1].push(variance);
        }
        for (rows, most) in statistics.iter().zip([6.0, 12.0]) {
            let rows = Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j]);
            let (mean, own) = (rows.mean_axis(Axis(0)).unwrap(), rows.var_axis(Axis(0), 1.0));
            let pooled = own.mean().unwrap();
            let bias = most / members as f64;
            let z = mean.iter().zip(&own).map(|(m, v)| (m.abs() - bias).max(0.0) / (v.max(pooled) / 16.0).sqrt());
            let z = z.fold(0.0, f64::max);
            println!("{scheme}: {z:.2} standard errors at worst, spread {:.2}", pooled * members as f64);
            assert!(z < 4.5 && pooled * (members as f64) < most, "{scheme}: {z} {}", pooled * members as f64);
        }
    }
}

#[test]
fn forty_components_do_not_degenerate_where_the_bootstrap_filter_does() {
    let problem = Independent::new(40, 10);
    let (means, variances) = problem.exact();
    // the root of the mean squared error of the means, in exact standard deviations, and the least distinct values
    let score = |name: &str, given: &[(&str, Value)]| {
        let outcomes = problem.run(name, given, Key::new(44, Domain::Method));
        let error = |(cycle, outcome): (usize, &Outcome)| {
            ((outcome.mean() - means.row(cycle)).mapv(|e| e * e) / variances.row(cycle)).mean().unwrap()
        };
        let distinct = |outcome: &Outcome| {
            let of = |i: usize| {
                let mut column = outcome.ensemble.column(i).to_vec();
                column.sort_by(f64::total_cmp);
                column.dedup();
                column.len()
            };
            (0..40).map(of).min().unwrap()
        };
        let squares: f64 = outcomes.iter().enumerate().map(error).sum();
        ((squares / outcomes.len() as f64).sqrt(), outcomes.iter().map(distinct).min().unwrap())
    };
    let members = 200;
    let (local_error, local_distinct) = score("local_particle_filter", &local(members, 0.5));
    let (error, distinct) = score("bootstrap", &[("members", Value::Int(members))]);
    println!("40 components: local {local_error:.3} and {local_distinct}, bootstrap {error:.3} and {distinct}");
    // the spread of a filter of one component is at most 6 / N; of 400 resamplings one from an innovation of three and a
    // half standard deviations leaves a tenth of the members or so
    assert!(local_error < (6.0 / members as f64).sqrt() && local_distinct > 12);
    assert!(error > 0.7 && distinct < 10);
}

/// Averages over neighbours that have the same ancestors change nothing, and over others they narrow the spread.
#[test]
fn smoothing_averages_over_the_ancestors_of_the_neighbours() {
    let problem = Independent::new(8, 1);
    let key = Key::new(45, Domain::Method);
    let run = |radius: f64, smoothing: f64| {
        let given = [local(300, radius), vec![("smoothing", Value::Float(smoothing))]].concat();
        problem.run("local_particle_filter", &given, key).swap_remove(0)
    };
    let (without, with) = (run(1e6, 0.0), run(1e6, 0.7));
    assert!((&without.ensemble - &with.ensemble).iter().all(|e| e.abs() < 1e-12));
    // radius 1: three ancestors each; linear in the share
    let [none, half, whole] = [0.0, 0.5, 1.0].map(|share| run(1.0, share));
    assert!((0.5 * (&none.ensemble + &whole.ensemble) - &half.ensemble).iter().all(|e| e.abs() < 1e-12));
    assert!(whole.variance().sum() < none.variance().sum());
    let forecast = &none.forecast;
    for n in 0..300 {
        let from = |k: usize, i: usize| {
            // the ancestor at component k, by the value that it left there
            let row = (0..300).find(|row| forecast[(*row, k)] == none.ensemble[(n, k)]).unwrap();
            forecast[(row, i)]
        };
        for i in 0..8 {
            let average = (from((i + 7) % 8, i) + from(i, i) + from((i + 1) % 8, i)) / 3.0;
            assert!((whole.ensemble[(n, i)] - average).abs() < 1e-12);
        }
    }
}

/// Lorenz-96 (40 components, all observed each .05 with errors of variance 1), 100 members: the local filter follows the
/// truth, with an error a third of that of the observations; the global one with the same noise after resampling does not.
#[test]
fn the_local_particle_filter_keeps_lorenz_96_with_a_hundred_members() {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let model = build("lorenz96", &BTreeMap::new()).unwrap().forecaster(&stepping).unwrap();
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let rmse = |name: &str, given: &[(&str, Value)]| {
        let (hidden, key) = (Key::new(47, Domain::Truth), Key::new(47, Domain::Method));
        let mut truth = hidden.normals(1, 40) + 2.0;
        model.advance(0, 400, &mut truth, hidden).unwrap();
        let mut filter = method(name, given);
        let prior = Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::eye(40) * 0.1 };
        filter.start(&prior, 0, key).unwrap();
        let mut sum = 0.0;
        for step in 1..=400 {
            model.advance(step, 1, &mut truth, hidden).unwrap();
            let error = operator.error().sample(1, hidden.purpose(Purpose::ObservationNoise).at(step as u64));
            let y = (&truth + &error).row(0).to_owned();
            let observed = ObservationSet { step, time: 0.05 * step as f64, values: y.view(), operator: &operator };
            let e = filter.step(&*model, &observed, key).unwrap().mean() - truth.row(0);
            sum += if step > 100 { (e.dot(&e) / 40.0).sqrt() } else { 0.0 };
        }
        sum / 300.0
    };
    let common = [("members", Value::Int(100)), ("jitter", Value::Float(0.5))];
    let local = rmse("local_particle_filter", &[&common[..], &[("radius", Value::Float(2.0))]].concat());
    let bootstrap = rmse("bootstrap", &common);
    println!("Lorenz-96: local {local:.3}, global {bootstrap:.3}");
    assert!(local < 0.45 && bootstrap > 2.0);
}

/// One update of members on a ring of 12 of which component 0 is observed, seen through `sd`; forecast and analysis.
fn beside_one_value(members: usize, sd: f64, value: impl Fn(&Array2<f64>) -> f64) -> (Array2<f64>, Array2<f64>) {
    let given = [("members", Value::Int(members as i64)), ("radius", Value::Float(1.0)), ("jitter", Value::Float(0.5))];
    let mut filter = method("local_particle_filter", &given);
    let key = Key::new(6, Domain::Method);
    let forecast = key.at(3).normals(members, 12);
    filter.start(&Prior::Ensemble(forecast.clone()), 0, key).unwrap();
    let operator = Stride::new(12, 12, 0, &errors(&[sd])).unwrap();
    let values = Array1::from_elem(1, value(&forecast));
    let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
    let law = LinearGaussian { matrix: Array2::eye(12), offset: Array1::zeros(12), covariance: Array2::eye(12) };
    let outcome = filter.step(&LinearForecaster::new(law).unwrap(), &observed, key).unwrap();
    (forecast, outcome.ensemble)
}

/// Noise after resampling is for members that were resampled: where no value is near, all stay as they are.
#[test]
fn components_far_from_every_value_are_not_jittered() {
    let (forecast, analysis) = beside_one_value(40, 0.5, |_| 0.7);
    assert!(forecast.column(0) != analysis.column(0));
    for far in 4..9 {
        assert_eq!(forecast.column(far), analysis.column(far), "component {far}");
    }
}

/// A value that leaves one member alone takes the spread of equal weights for its noise: .5^2 of the forecast's variance
/// within five standard errors.
#[test]
fn one_weight_that_is_all_of_them_is_jittered_by_the_spread_of_equal_weights() {
    let members = 2000;
    let (forecast, analysis) = beside_one_value(members, 1e-8, |forecast| forecast[(3, 0)]);
    let variance = |x: &Array2<f64>| x.column(0).var(1.0);
    let ratio = variance(&analysis) / (0.25 * variance(&forecast));
    assert!((ratio - 1.0).abs() < 5.0 * (2.0 / members as f64).sqrt(), "{ratio}");
}
