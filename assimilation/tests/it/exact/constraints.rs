//! Hard constraints of `guided`: what is drawn meets them to rounding, and is the law given them where that is known.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::derived::by_key;
use common::{LinearProblem, inverse, method, word};
use ndarray::{Array1, Array2, Axis, array, concatenate};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::method::GUIDANCE;
use scorecast_assimilation::{METHODS, ObservationSet, Outcome, Prior};
use scorecast_systems::{Domain, Key, Settings, Value};

/// b of the sum of three components, and of x_1 - x_3.
const B: [f64; 2] = [1.3, 0.4];

fn rows(count: usize) -> Value {
    Value::Rows([vec![1.0, 1.0, 1.0], vec![1.0, 0.0, -1.0]][..count].to_vec())
}

fn constrained(count: usize, given: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let own = [("constraint", rows(count)), ("constraint_values", Value::Floats(B[..count].to_vec()))];
    own.into_iter().chain(given.iter().cloned()).collect()
}

/// One analysis of members that are all at `x`.
fn one_step(problem: &LinearProblem, x: &Array1<f64>, members: usize, given: &[(&'static str, Value)]) -> Outcome {
    let mut filter = method("guided", &[given, &[("members", Value::Int(members as i64))]].concat());
    let start = x.broadcast((members, x.len())).unwrap().to_owned();
    filter.start(&Prior::Ensemble(start), 0, Key::new(3, Domain::Method)).unwrap();
    let values = problem.observations.row(0);
    let observed = ObservationSet { step: 1, time: 1.0, values, operator: &problem.operator };
    filter.step(&problem.model, &observed, Key::new(3, Domain::Method)).unwrap()
}

/// The largest |a x - b|.
fn residual(ensemble: &Array2<f64>, count: usize) -> f64 {
    let row = |x: ndarray::ArrayView1<f64>| [x.sum() - B[0], x[0] - x[2] - B[1]];
    let each = ensemble.outer_iter().flat_map(|x| row(x).into_iter().take(count).collect::<Vec<_>>());
    each.fold(0.0, |most: f64, gap| most.max(gap.abs()))
}

/// Mean and covariance of N(m, P) given values of H with errors of these variances, of which some are 0.
fn given(m: &Array1<f64>, p: &Array2<f64>, h: &Array2<f64>, y: &Array1<f64>, r: &[f64]) -> (Array1<f64>, Array2<f64>) {
    let gain = p.dot(&h.t()).dot(&inverse(&(h.dot(p).dot(&h.t()) + Array2::from_diag(&Array1::from(r.to_vec())))));
    (m + &gain.dot(&(y - &h.dot(m))), p - &gain.dot(h).dot(p))
}

/// y and b as values of one operator: H, values, variances.
fn with_constraint(problem: &LinearProblem, set: usize, count: usize) -> (Array2<f64>, Array1<f64>, Vec<f64>) {
    use scorecast_assimilation::ObservationOperator as _;
    let a = array![[1.0, 1.0, 1.0], [1.0, 0.0, -1.0]].select(Axis(0), &(0..count).collect::<Vec<_>>());
    let present: Vec<usize> =
        (0..problem.operator.dim()).filter(|value| !problem.observations[(set, *value)].is_nan()).collect();
    let h = problem.operator.matrix().unwrap().select(Axis(0), &present);
    let y = problem.observations.row(set).select(Axis(0), &present);
    let variances = problem.operator.error().variance().select(Axis(0), &present);
    let b = Array1::from(B[..count].to_vec());
    let r = variances.iter().copied().chain(vec![0.0; count]).collect();
    (concatenate![Axis(0), h, a], concatenate![Axis(0), y, b], r)
}

#[test]
fn a_gaussian_lead_step_is_drawn_given_values_and_constraints() {
    let problem = LinearProblem::three(1);
    let x = array![0.4, -0.2, 0.9];
    let m = problem.law.matrix.dot(&x) + &problem.law.offset;
    for count in [1, 2] {
        let (h, y, r) = with_constraint(&problem, 0, count);
        let (mean, p) = given(&m, &problem.law.covariance, &h, &y, &r);
        let settings = constrained(count, &[("weights", word("none")), ("steps", Value::Int(100))]);
        let members = 10_000;
        let outcome = one_step(&problem, &x, members, &settings);
        let found = covariance(outcome.ensemble.view(), None);
        let sd = p.diag().mapv(f64::sqrt);
        let bias = (outcome.mean() - &mean) / &sd;
        let off = (&found - &p).mapv(f64::abs).iter().fold(0.0f64, |a, b| a.max(*b)) / p.diag().sum();
        println!(
            "{count} constraints: bias {bias:.3}, covariance off by {off:.4}, residual {:e}",
            residual(&outcome.ensemble, count)
        );
        assert!(residual(&outcome.ensemble, count) <= 1e-10);
        assert!(bias.iter().all(|bias| bias.abs() < 0.05), "{bias}");
        assert!(off < 0.04, "{found} for {p}");
    }
}

/// Whatever draws: rules that know no covariance, rules that draw themselves, samplers that end with noise.
#[test]
fn every_rule_and_weighting_meets_a_constraint_to_rounding() {
    let problem = LinearProblem::three(1);
    for (rule, weights) in
        GUIDANCE.iter().flat_map(|rule| ["none", "adapted", "path", "twisted", "girsanov"].map(|w| (rule.name, w)))
    {
        let given = [("guidance", word(rule)), ("weights", word(weights)), ("inflation", Value::Float(1.2))];
        let outcome = one_step(&problem, &array![0.4, -0.2, 0.9], 50, &constrained(2, &given));
        let off = residual(&outcome.ensemble, 2);
        assert!(off <= 1e-10, "{rule} {weights}: {off:e}");
    }
}

/// Without values each member keeps its own.
#[test]
fn what_is_not_set_is_kept_by_each_member() {
    let problem = LinearProblem::three(1);
    let start = Key::new(4, Domain::Truth).normals(30, 3);
    for (weights, more) in [("none", None), ("adapted", None), ("none", Some(("guidance", word("daps"))))] {
        let settings: Vec<_> = [("constraint", rows(1)), ("weights", word(weights)), ("members", Value::Int(30))]
            .into_iter()
            .chain(more)
            .collect();
        let mut filter = method("guided", &settings);
        filter.start(&Prior::Ensemble(start.clone()), 0, Key::new(3, Domain::Method)).unwrap();
        let values = problem.observations.row(0);
        let observed = ObservationSet { step: 1, time: 1.0, values, operator: &problem.operator };
        let found = filter.step(&problem.model, &observed, Key::new(3, Domain::Method)).unwrap().ensemble;
        // members of the start are drawn from the ensemble that is given, and resampled: each sum is one of those
        let sums: Vec<f64> = start.sum_axis(Axis(1)).to_vec();
        for sum in found.sum_axis(Axis(1)) {
            let nearest = sums.iter().map(|given| (given - sum).abs()).fold(f64::INFINITY, f64::min);
            assert!(nearest <= 1e-10, "{weights}: {sum}");
        }
    }
}

/// With b set members are weighed by p(b | x_k) as well: the Kalman filter that is told b without error at each set.
#[test]
fn a_filter_that_is_told_the_constraint_is_the_kalman_filter_that_is_told_it() {
    let problem = LinearProblem::three(3);
    for (weights, members) in [("adapted", 8000), ("path", 3000), ("twisted", 3000)] {
        let settings = constrained(1, &[("weights", word(weights)), ("members", Value::Int(members as i64))]);
        let found = problem.run(&mut *method("guided", &settings), Key::new(7, Domain::Method));
        let (mut m, mut p) = (problem.mean.clone(), problem.covariance.clone());
        for (set, outcome) in found.iter().enumerate() {
            m = problem.law.matrix.dot(&m) + &problem.law.offset;
            p = problem.law.matrix.dot(&p).dot(&problem.law.matrix.t()) + &problem.law.covariance;
            let (h, y, r) = with_constraint(&problem, set, 1);
            let evidence = {
                let s = h.dot(&p).dot(&h.t()) + Array2::from_diag(&Array1::from(r.clone()));
                let d = &y - &h.dot(&m);
                let det = scorecast_assimilation::linalg::Cholesky::new(s.view()).unwrap();
                det.log_normal(&d).0
            };
            (m, p) = given(&m, &p, &h, &y, &r);
            let variance = covariance(outcome.ensemble.view(), outcome.weights.as_ref()).diag().to_owned();
            let bias = (outcome.mean() - &m) / p.diag().mapv(f64::sqrt);
            let ratio = variance / p.diag();
            let found = outcome.diagnostics["log_evidence"];
            println!("{weights} {set}: bias {bias:.3}, variance {ratio:.3}, evidence {found:.3} for {evidence:.3}");
            let error = if weights == "adapted" { 0.06 } else { 0.15 };
            assert!(bias.iter().all(|bias| bias.abs() < error), "{weights} {set}: {bias}");
            assert!(ratio.iter().all(|ratio| (ratio - 1.0).abs() < 2.0 * error), "{weights} {set}: {ratio}");
            assert!((found - evidence).abs() < error, "{weights} {set}: {found} for {evidence}");
            assert!(residual(&outcome.ensemble, 1) <= 1e-10);
        }
    }
}

#[test]
fn constraints_that_cannot_be_met_are_refused_with_the_remedy() {
    let refused = |given: &[(&'static str, Value)]| {
        let entry = METHODS.iter().find(|entry| entry.name == "guided").unwrap();
        let settings = Settings::check("method `guided`", entry.params, &by_key(given)).unwrap();
        (entry.build.make)(&settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let values = |list: &[f64]| ("constraint_values", Value::Floats(list.to_vec()));
    let twice = ("constraint", Value::Rows(vec![vec![1.0, 1.0], vec![2.0, 2.0]]));
    for (given, says) in [
        (vec![values(&[1.0])], "is of `constraint`; set that"),
        (vec![("constraint", rows(2)), values(&[1.0])], "give one value for each row"),
        (vec![twice], "not independent"),
        (vec![("constraint", Value::Rows(vec![vec![0.0, 0.0]]))], "not independent, or one is all 0"),
        (vec![("constraint", rows(1)), values(&[1.0]), ("radius", Value::Float(2.0))], "local weights cannot carry"),
        (vec![("constraint", rows(1)), ("weights", word("exact"))], "set it to \"adapted\""),
    ] {
        let said = refused(&given);
        assert!(said.contains(says), "{given:?}: {said}");
    }
    let problem = LinearProblem::two(1);
    let mut filter = method("guided", &constrained(1, &[]));
    filter.start(&problem.prior(), 0, Key::new(3, Domain::Method)).unwrap();
    let values = problem.observations.row(0);
    let observed = ObservationSet { step: 2, time: 2.0, values, operator: &problem.operator };
    let said = filter.step(&problem.model, &observed, Key::new(3, Domain::Method)).err().unwrap().to_string();
    assert!(said.contains("has 3 columns, but a state has 2 components"), "{said}");
}

/// Errors of variance 0 stay refused, and the message names what takes their place.
#[test]
fn a_value_without_error_is_told_to_be_a_constraint() {
    let none = scorecast_assimilation::observe::GaussianError::new(&[0.0], 1).err().unwrap().to_string();
    assert!(none.contains("numbers above 0") && none.contains("`constraint` of method `guided`"), "{none}");
}
