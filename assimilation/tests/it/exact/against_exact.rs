//! Every method that claims a posterior, against the exact one of linear-Gaussian problems with missing values.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, method, word};
use ndarray::Array1;
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::{Outcome, innovation};
use scorecast_systems::{Domain, Key, Value};

const MEMBERS: usize = 20_000;

fn problems(cycles: usize) -> [LinearProblem; 3] {
    [LinearProblem::one(cycles), LinearProblem::two(cycles), LinearProblem::three(cycles)]
}

#[test]
fn kalman_is_the_plain_kalman_filter() {
    for problem in problems(10) {
        let found = problem.run(&mut *method("kalman", &[]), Key::new(1, Domain::Method));
        for (outcome, (mean, covariance, log_evidence)) in found.iter().zip(problem.exact()) {
            let (m, p) = outcome.gaussian.as_ref().unwrap();
            assert!((m - &mean).iter().all(|e| e.abs() < 1e-10));
            assert!((p - &covariance).iter().all(|e| e.abs() < 1e-10));
            assert!((outcome.diagnostics["log_evidence"] - log_evidence).abs() < 1e-10);
        }
    }
}

/// A filter's moments and evidence are the exact ones, to 1e-9.
fn is_exact(problem: &LinearProblem, name: &str, given: &[(&str, Value)]) {
    let found = problem.run(&mut *method(name, given), Key::new(1, Domain::Method));
    for (outcome, (mean, covariance, log_evidence)) in found.iter().zip(problem.exact()) {
        let (m, p) = outcome.gaussian.as_ref().unwrap();
        assert!((m - &mean).iter().all(|e| e.abs() < 1e-9), "{name}");
        assert!((p - &covariance).iter().all(|e| e.abs() < 1e-9), "{name}");
        assert!((outcome.diagnostics["log_evidence"] - log_evidence).abs() < 1e-9, "{name}");
    }
}

/// Filters that are the Kalman filter where everything is linear and Gaussian.
#[test]
fn extended_and_unscented_are_the_kalman_filter() {
    let settings = [
        ("extended", vec![]),
        ("unscented", vec![]),
        ("unscented", vec![("alpha", Value::Float(1.0)), ("beta", Value::Float(0.0)), ("kappa", Value::Float(1.0))]),
    ];
    for problem in problems(10) {
        for (name, given) in &settings {
            is_exact(&problem, name, given);
        }
    }
}

/// The first analysis from the exact forecast covariance as background is Kalman's.
#[test]
fn the_static_background_filters_are_exact_for_one_analysis_of_their_background() {
    for problem in problems(2) {
        for name in ["optimal_interpolation", "three_d_var"] {
            let mut filter = method(name, &[]);
            let mut kalman = method("kalman", &[]);
            let values = problem.observations.row(0);
            let observed =
                scorecast_assimilation::ObservationSet { step: 3, time: 0.0, values, operator: &problem.operator };
            let key = Key::new(1, Domain::Method);
            // started at the time of the observations: no forecast, so that B is the prior's covariance
            filter.start(&problem.prior(), 3, key).unwrap();
            kalman.start(&problem.prior(), 3, key).unwrap();
            let found = filter.step(&problem.model, &observed, key).unwrap().gaussian.unwrap();
            let exact = kalman.step(&problem.model, &observed, key).unwrap().gaussian.unwrap();
            assert!((found.0 - exact.0).iter().all(|e| e.abs() < 1e-10), "{name}");
            assert!((found.1 - exact.1).iter().all(|e| e.abs() < 1e-10), "{name}");
        }
    }
}

#[test]
fn the_innovation_score_of_kalman_is_its_evidence() {
    let problem = LinearProblem::three(6);
    for (cycle, outcome) in problem.run(&mut *method("kalman", &[]), Key::new(1, Domain::Method)).iter().enumerate() {
        let observed = scorecast_assimilation::ObservationSet {
            step: cycle + 1,
            time: 0.0,
            values: problem.observations.row(cycle),
            operator: &problem.operator,
        };
        match innovation(outcome, &observed).unwrap() {
            Some(found) => assert!((found.log_score - outcome.diagnostics["log_evidence"]).abs() < 1e-10),
            None => assert_eq!(cycle, 4, "only the fifth set has no values"),
        }
    }
}

/// Means and covariances minus the exact ones, in exact standard deviations.
fn standardized(outcome: &Outcome, exact: &(Array1<f64>, ndarray::Array2<f64>, f64)) -> (Vec<f64>, Vec<f64>) {
    let (mean, p, _) = exact;
    let sd = p.diag().mapv(f64::sqrt);
    let means = ((outcome.mean() - mean) / &sd).to_vec();
    let found = covariance(outcome.ensemble.view(), outcome.weights.as_ref());
    let pairs = (0..mean.len()).flat_map(|i| (i..mean.len()).map(move |j| (i, j)));
    (means, pairs.map(|(i, j)| (found[(i, j)] - p[(i, j)]) / (sd[i] * sd[j])).collect())
}

/// The largest error over `statistics[replicate][index]` of the mean over replicates, in its standard errors, once
/// `bias` is taken off; and N times the mean variance of one replicate's statistic. The standard error is the larger of
/// the statistic's own and the one pooled over all, because few replicates make small ones of their own by chance.
fn largest_z(statistics: &[Vec<f64>], bias: f64) -> (f64, f64) {
    let (replicates, count) = (statistics.len() as f64, statistics[0].len());
    let mean = |i: usize| statistics.iter().map(|row| row[i]).sum::<f64>() / replicates;
    let own = |i: usize| statistics.iter().map(|row| (row[i] - mean(i)).powi(2)).sum::<f64>() / (replicates - 1.0);
    let pooled = (0..count).map(own).sum::<f64>() / count as f64;
    let z = |i: usize| (mean(i).abs() - bias).max(0.0) / (own(i).max(pooled) / replicates).sqrt();
    ((0..count).map(z).fold(0.0, f64::max), pooled * MEMBERS as f64)
}

/// Runs `replicates` filters that differ in their key only and holds them against the exact posterior.
///
/// Each statistic may be off by 4.5 standard errors of its mean over the replicates (with at most 60 statistics that
/// happens by chance in 1 of 2,500 runs), plus the stated bias of its covariances, in exact variances. So that wide errors
/// cannot hide a fault, N times the variance of one replicate is held below `most`: independent draws would have 1 for
/// means and 2 for variances; resampling, and weights that are not equal, add to it.
fn agrees(problem: &LinearProblem, name: &str, given: &[(&str, Value)], replicates: u64, bias: f64, most: f64) {
    let exact = problem.exact();
    let given = [&[("members", Value::Int(MEMBERS as i64))], given].concat();
    let (mut means, mut covariances, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for replicate in 0..replicates {
        let outcomes = problem.run(&mut *method(name, &given), Key::new(7, Domain::Method).case(replicate));
        let (mut mean, mut cov, mut log_evidence) = (Vec::new(), Vec::new(), 0.0);
        for (outcome, exact) in outcomes.iter().zip(&exact) {
            let (m, c) = standardized(outcome, exact);
            mean.extend(m);
            cov.extend(c);
            log_evidence += outcome.diagnostics.get("log_evidence").map_or(0.0, |found| found - exact.2);
        }
        means.push(mean);
        covariances.push(cov);
        evidence.push(log_evidence);
    }
    let (mean_z, mean_spread) = largest_z(&means, 0.0);
    let (covariance_z, covariance_spread) = largest_z(&covariances, bias);
    let n = replicates as f64;
    let centre = evidence.iter().sum::<f64>() / n;
    let variance = evidence.iter().map(|e| (e - centre).powi(2)).sum::<f64>() / (n - 1.0);
    println!(
        "{name} {given:?}: z {mean_z:.2} {covariance_z:.2}, spread {mean_spread:.2} {covariance_spread:.2}, \
         log evidence {centre:.5} +- {:.5}",
        (variance / n).sqrt()
    );
    assert!(mean_z < 4.5 && covariance_z < 4.5, "{name}: {mean_z:.2} and {covariance_z:.2} standard errors off");
    assert!(mean_spread < most && covariance_spread < 2.0 * most, "{name}: {mean_spread:.2}, {covariance_spread:.2}");
    // exp of it is unbiased, so the logarithm is low by half its variance; Student's t with few degrees of freedom
    let claimed = evidence.iter().any(|e| *e != 0.0);
    assert!(!claimed || centre.abs() < 6.0 * (variance / n).sqrt() + variance, "{name}: log evidence off by {centre}");
}

#[test]
fn ensemble_kalman_filters_agree() {
    for problem in problems(10) {
        // Both gains come from sample covariances: a bias of order 1/N, a hundredth of the standard error.
        agrees(&problem, "enkf", &[], 8, 4.0 / MEMBERS as f64, 3.0);
        for name in ["etkf", "letkf", "eakf", "ensrf"] {
            agrees(&problem, name, &[], 8, 4.0 / MEMBERS as f64, 3.0);
        }
    }
    // the rotation keeps both; it costs N^2, so it is tested for small ensembles elsewhere
}

#[test]
fn the_bootstrap_filter_agrees() {
    for problem in problems(10) {
        agrees(&problem, "bootstrap", &[], 8, 0.0, 6.0);
    }
    // resampling at every cycle is right too
    agrees(&LinearProblem::one(10), "bootstrap", &[("ess_threshold", Value::Float(1.0))], 8, 0.0, 6.0);
}

#[test]
fn the_filter_with_the_optimal_proposal_agrees() {
    for problem in problems(10) {
        agrees(&problem, "optimal_proposal", &[], 8, 0.0, 6.0);
    }
    agrees(&LinearProblem::two(10), "optimal_proposal", &[("ess_threshold", Value::Float(1.0))], 8, 0.0, 6.0);
}

#[test]
fn guided_with_exact_weights_agrees() {
    let given = [("weights", word("exact")), ("steps", Value::Int(48))];
    // 48 steps of the stochastic sampler leave its sd about 0.7 % too wide (measured in the crate of the samplers:
    // 1.5 % with 32 steps, of second order), so variances 1.4 % of the one-step share
    agrees(&LinearProblem::one(6), "guided", &given, 5, 0.014, 4.0);
    agrees(&LinearProblem::three(6), "guided", &given, 5, 0.014, 4.0);
    // correlated noise, and observations each second lead step: the first of the two is free
    agrees(&LinearProblem::two(6), "guided", &given, 5, 0.014, 4.0);
}

#[test]
fn guided_with_path_weights_agrees() {
    // the noise of these is white in the denoiser's space, where the kernels of the path are exact: no bias
    let given = [("weights", word("path")), ("steps", Value::Int(48))];
    agrees(&LinearProblem::one(6), "guided", &given, 5, 0.0, 6.0);
    agrees(&LinearProblem::three(6), "guided", &given, 5, 0.0, 6.0);
    // correlation .41: variances .59 and 1.41 in that space, of which 48 steps make 2.7 % more and 1.7 % less
    agrees(&LinearProblem::two(6), "guided", &given, 5, 0.027, 6.0);
}

/// Every filter of moments is exact in 40 dimensions too, its evidence included.
#[test]
fn filters_of_moments_are_exact_in_forty_dimensions() {
    let problem = LinearProblem::forty(6);
    for name in ["kalman", "extended", "unscented", "rts"] {
        is_exact(&problem, name, &[]);
    }
}

/// Ensemble filters in 40 dimensions. With a sample covariance of N members the analysis mean is off by about
/// sd sqrt((1 + c) / N), c = d^T S^-1 d of the innovation, because the gain has the error of that covariance; variances and
/// covariances are off by sqrt(2 / N), relative to the sds. All of them within 6 such errors (of 5,000 statistics the largest
/// is beyond 4.5 in one of 30 runs), perturbed observations within twice that; the innovation score within 6 standard
/// deviations of log N(d; 0, S) when S has the error of a sample covariance.
#[test]
fn ensemble_filters_converge_in_forty_dimensions() {
    let (problem, members) = (LinearProblem::forty(6), 400);
    let exact = problem.exact();
    let square_root = [("noise_treatment", word("square_root"))];
    let rows = [
        ("etkf", &[][..], 1.0),
        ("estkf", &[][..], 1.0),
        ("letkf", &[][..], 1.0),
        ("ensrf", &[][..], 1.0),
        ("eakf", &[][..], 1.0),
        ("ienks", &[][..], 1.0),
        ("etkf", &square_root[..], 1.0),
        ("enkf", &[][..], 2.0),
    ];
    for (name, given, wider) in rows {
        let given = [&[("members", Value::Int(members))], given].concat();
        let found = problem.run(&mut *method(name, &given), Key::new(2, Domain::Method));
        for (cycle, (outcome, exact)) in found.iter().zip(&exact).enumerate() {
            let (means, pairs) = standardized(outcome, exact);
            let largest =
                |values: &[f64]| values.iter().fold(0.0, |a: f64, v| a.max(v.abs())) * (members as f64).sqrt();
            let values = problem.observations.row(cycle);
            let observed = scorecast_assimilation::ObservationSet {
                step: cycle + 1,
                time: 0.0,
                values,
                operator: &problem.operator,
            };
            let score = innovation(outcome, &observed).unwrap();
            let c = score.as_ref().map_or(0.0, |found| found.chi_square * found.residual.len() as f64);
            let (mean, pair) = (largest(&means) / (1.0 + c).sqrt(), largest(&pairs) / 2.0f64.sqrt());
            assert!(mean < 6.0 * wider && pair < 6.0 * wider, "{name} {given:?} at {cycle}: {mean} {pair}");
            if let Some(score) = score {
                let p = values.iter().filter(|y| !y.is_nan()).count() as f64;
                let difference = score.log_score - exact.2;
                let bound = 6.0 * wider * (3.0 * p / members as f64).sqrt();
                assert!(difference.abs() < bound, "{name} at {cycle}: evidence off by {difference}, {bound} allowed");
            }
        }
    }
}
