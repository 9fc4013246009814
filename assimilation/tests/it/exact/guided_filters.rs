//! The weights of `guided` where the filter is known: Kalman's, in 1 and 2 components with global weights and in 40 with local
//! ones.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, random_walk, word};
use ndarray::{Array2, ArrayView1, array};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::observe::{Identity, Stride};
use scorecast_assimilation::{ObservationSet, Outcome, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

fn guided(weights: &str, members: usize, more: &[(&str, Value)]) -> Box<dyn scorecast_assimilation::Cycle> {
    let given = [("weights", word(weights)), ("members", Value::Int(members as i64))];
    method("guided", &[&given, more].concat())
}

#[test]
fn the_random_walk() {
    let kalman = (0..20).fold(0.5025, |p: f64, _| (p + 0.01) / (p + 1.01));
    for weights in ["adapted", "twisted", "girsanov"] {
        let found = random_walk(weights, 20_000);
        println!("{weights}: {found:.4} for {kalman:.4}");
        assert!((found / kalman - 1.0).abs() < 5.0 * (2.0f64 / 5000.0).sqrt() + 0.003, "{weights}: {found}");
    }
}

/// How far means are off in exact sd, and ratios of sd, over all sets: the root of the mean square and the mean.
fn off(problem: &LinearProblem, found: &[Outcome]) -> (f64, f64, f64) {
    let (mut bias, mut largest, mut ratio, mut count) = (0.0, 0.0f64, 0.0, 0.0);
    for (outcome, (mean, exact, _)) in found.iter().zip(problem.exact()) {
        let sd = exact.diag().mapv(f64::sqrt);
        let (members, weights) = outcome.posterior();
        let variance = covariance(members.view(), weights).diag().to_owned();
        for ((found, mean), (variance, sd)) in outcome.mean().iter().zip(&mean).zip(variance.iter().zip(&sd)) {
            let gap = (found - mean) / sd;
            (bias, largest, ratio, count) =
                (bias + gap * gap, largest.max(gap.abs()), ratio + variance.sqrt() / sd, count + 1.0);
        }
    }
    ((bias / count).sqrt(), largest, ratio / count)
}

#[test]
fn weighted_filters_of_one_and_two_components_are_kalmans() {
    for (dim, problem) in [(1, LinearProblem::one(6)), (2, LinearProblem::two(6))] {
        for weights in ["exact", "adapted", "path", "twisted", "girsanov"] {
            let found = problem.run(&mut *guided(weights, 20_000, &[]), Key::new(3, Domain::Method));
            let (bias, largest, ratio) = off(&problem, &found);
            let evidence: f64 =
                found.iter().map(|outcome| outcome.diagnostics.get("log_evidence").unwrap_or(&0.0)).sum();
            let exact: f64 = problem.exact().iter().map(|(_, _, evidence)| evidence).sum();
            println!(
                "{dim} {weights}: bias {bias:.4} ({largest:.4}), sd ratio {ratio:.4}, log evidence {evidence:.4} for {exact:.4}"
            );
            assert!(largest < 0.05 && (0.95..1.05).contains(&ratio), "{dim} {weights}");
            assert!((evidence - exact).abs() < 0.1, "{dim} {weights}: {evidence} for {exact}");
        }
    }
}

#[test]
fn one_slice_is_path_to_the_bit() {
    let problem = LinearProblem::two(4);
    let run = |weights: &str, more: &[(&str, Value)]| -> Vec<Array2<f64>> {
        let found = problem.run(&mut *guided(weights, 200, more), Key::new(3, Domain::Method));
        found.into_iter().map(|outcome| outcome.ensemble).collect()
    };
    assert_eq!(run("girsanov", &[("slices", Value::Int(1))]), run("path", &[]));
    assert_ne!(run("girsanov", &[("slices", Value::Int(8)), ("ess_threshold", Value::Float(1.0))]), run("path", &[]));
}

#[test]
fn local_weights_in_forty_components_have_kalmans_spread() {
    let problem = LinearProblem::forty(12);
    let stride = Stride::new(40, 2, 0, &errors(&[0.7])).unwrap();
    let run = |given: &[(&str, Value)], members: usize| -> Vec<Outcome> {
        let mut filter = guided("exact", members, given);
        let key = Key::new(3, Domain::Method);
        filter.start(&problem.prior(), 0, key).unwrap();
        let step = |(cycle, values): (usize, ArrayView1<f64>)| {
            let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &stride };
            filter.step(&problem.model, &observed, key).unwrap()
        };
        problem.observations.outer_iter().enumerate().map(step).collect()
    };
    let local =
        |update: &str| [("radius", Value::Float(2.0)), ("local_update", word(update)), ("steps", Value::Int(32))];
    for (update, more, stages) in [
        ("transport", vec![], false),
        ("transport", vec![("weights", word("adapted"))], false),
        ("transport", vec![("tempering", Value::Float(0.95))], true),
        ("transport", vec![("weights_share", Value::Float(0.2))], false),
        ("resample", vec![], false),
    ] {
        let found = run(&[&local(update)[..], &more].concat(), 100);
        let (bias, _, ratio) = off(&problem, &found);
        let (ess, taken) = (found[11].diagnostics["ess"], found[11].diagnostics["stages"]);
        println!("{update} {more:?}: bias {bias:.4}, sd ratio {ratio:.4}, ess {ess:.0} of 100, {taken} stages");
        // the mean of 100 exact draws is off by .1
        assert!(bias < 0.15 && (0.9..1.1).contains(&ratio), "{update}: {bias} {ratio}");
        assert_eq!(taken > 1.0, stages);
    }
    let global = run(&[("steps", Value::Int(32))], 100);
    let (bias, _, ratio) = off(&problem, &global);
    println!("global: bias {bias:.4}, sd ratio {ratio:.4}, ess {:.0} of 100", global[11].diagnostics["ess"]);
    assert!(bias > 0.15, "{bias}");
}

/// Weights and transform together count each value once: 1 / (1 / P + 1 / R) whatever weights carry.
#[test]
fn what_weights_carry_and_what_is_left_make_one_update() {
    let (q, r) = (0.5, 0.8);
    let law = LinearGaussian { matrix: array![[1.0]], offset: array![0.0], covariance: array![[q]] };
    let model = LinearForecaster::new(law).unwrap();
    let operator = Identity::new(1, &errors(&[f64::sqrt(r)])).unwrap();
    let p: f64 = 1.2 + q;
    let (variance, mean) = (1.0 / (1.0 / p + 1.0 / r), 0.9 * p / (p + r));
    for share in [0.0, 0.2, 0.5, 1.0] {
        let more = [("radius", Value::Float(2.0)), ("weights_share", Value::Float(share))];
        let mut filter = guided("exact", 20_000, &more);
        let key = Key::new(6, Domain::Method);
        filter.start(&Prior::Gaussian { mean: array![0.0], covariance: array![[1.2]] }, 0, key).unwrap();
        let values = array![0.9];
        let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
        let outcome = filter.step(&model, &observed, key).unwrap();
        let (found, centre) = (outcome.variance()[0], outcome.mean()[0]);
        println!("share {share}: mean {centre:.4} for {mean:.4}, variance {found:.4} for {variance:.4}");
        assert!((found / variance - 1.0).abs() < 0.04 && (centre - mean).abs() < 0.03, "{share}: {centre} {found}");
    }
}
