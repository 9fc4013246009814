//! Particle filters against exact posteriors and exact evidence.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::method::{KernelParticleFilter, Resampling};
use scorecast_assimilation::observe::{CorrelatedError, Linear, NoiseLaw};
use scorecast_assimilation::{Analysis, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::{Covariance, Domain, Forecaster, GaussianKernel, Key, Value};

/// log Z of a whole run and the mean variance of N w over its sets, for each of `replicates` keys.
fn evidence(problem: &LinearProblem, name: &str, given: &[(&str, Value)], replicates: u64) -> (Vec<f64>, f64) {
    let (mut log_z, mut spread, mut sets) = (Vec::new(), 0.0, 0);
    for replicate in 0..replicates {
        let outcomes = problem.run(&mut *method(name, given), Key::new(21, Domain::Method).case(replicate));
        log_z.push(outcomes.iter().filter_map(|outcome| outcome.diagnostics.get("log_evidence")).sum());
        for ess in outcomes.iter().filter_map(|outcome| outcome.diagnostics.get("ess")) {
            // 1 / sum w^2 = N / (1 + var(N w))
            spread += outcomes[0].ensemble.nrows() as f64 / ess - 1.0;
            sets += 1;
        }
    }
    (log_z, spread / f64::from(sets))
}

fn mean_and_variance(x: &[f64]) -> (f64, f64) {
    let x = Array1::from_vec(x.to_vec());
    (x.mean().unwrap(), x.var(1.0))
}

/// Z / exact: the mean within 4.5 of its standard errors of 1. log Z: low by half its variance, within 4.5 standard errors
/// and the next term of the expansion of E[log], a third of E[(Z - 1)^3], which is of order variance^2.
fn unbiased(problem: &LinearProblem, name: &str, given: &[(&str, Value)], replicates: u64) -> f64 {
    let exact: f64 = problem.exact().iter().map(|(_, _, log_evidence)| log_evidence).sum();
    let (log_z, spread) = evidence(problem, name, given, replicates);
    let n = replicates as f64;
    let (z, z_variance) = mean_and_variance(&log_z.iter().map(|log| (log - exact).exp()).collect::<Vec<_>>());
    let (log, log_variance) = mean_and_variance(&log_z);
    let bias = log - exact;
    println!(
        "{name} {given:?}: Z / exact {z:.4} +- {:.4}; log Z low by {:.4} +- {:.4}, half its variance {:.4}; N^2 var w {spread:.3}",
        (z_variance / n).sqrt(),
        -bias,
        (log_variance / n).sqrt(),
        0.5 * log_variance
    );
    assert!((z - 1.0).abs() < 4.5 * (z_variance / n).sqrt(), "{name}: {z}");
    let error = 4.5 * (log_variance / n).sqrt() + log_variance * log_variance;
    assert!((bias + 0.5 * log_variance).abs() < error, "{name}: {bias} and {log_variance}");
    // and the bias is there: the variance is large enough to tell it from none
    assert!(bias < -2.0 * (log_variance / n).sqrt() || name != "bootstrap", "{name}: {bias}");
    spread
}

#[test]
fn the_evidence_of_particle_filters_is_unbiased_and_its_logarithm_low_by_half_its_variance() {
    for problem in [LinearProblem::one(10), LinearProblem::three(10)] {
        let given = [("members", Value::Int(100))];
        let bootstrap = unbiased(&problem, "bootstrap", &given, 1500);
        let optimal = unbiased(&problem, "optimal_proposal", &given, 1500);
        assert!(optimal < 0.8 * bootstrap, "{optimal} and {bootstrap}");
        for scheme in ["stratified", "residual", "multinomial"] {
            unbiased(&problem, "bootstrap", &[given[0].clone(), ("resampling", word(scheme))], 1500);
        }
    }
}

/// Observations that are correlated, of every component and the sum.
fn correlated(n: usize) -> Linear {
    let error = |dim| {
        let r = Array2::from_shape_fn((dim, dim), |(i, j)| 0.3 * 0.6f64.powi((i as i32 - j as i32).abs()));
        Ok(Box::new(CorrelatedError::new(r)?) as Box<dyn NoiseLaw>)
    };
    Linear::new(Array2::from_shape_fn((n + 1, n), |(i, j)| if i == j || i == n { 1.0 } else { 0.0 }), &error).unwrap()
}

/// N(x / 2, C(x)), C shared or a variance for each member and component.
struct Kernel(Variances);

/// C's diagonal at a state.
type Variances = fn(&Array1<f64>) -> Array1<f64>;

impl Kernel {
    fn variances(&self, x: ndarray::ArrayView2<f64>) -> Array2<f64> {
        let mut c = Array2::zeros(x.raw_dim());
        c.outer_iter_mut().zip(x.outer_iter()).for_each(|(mut c, x)| c.assign(&(self.0)(&x.to_owned())));
        c
    }
}

impl GaussianKernel for Kernel {
    fn moments(&self, _k: usize, x: ndarray::ArrayView2<f64>) -> scorecast_systems::Result<(Array2<f64>, Covariance)> {
        Ok((&x * 0.5, Covariance::Diagonal(self.variances(x))))
    }
}

impl Forecaster for Kernel {
    fn dim(&self) -> usize {
        2
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        for step in k..k + steps {
            let noise = key.at(step as u64).normals(x.nrows(), 2) * self.variances(x.view()).mapv(f64::sqrt);
            *x = &*x * 0.5 + noise;
        }
        Ok(())
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        Some(self)
    }
}

fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::eye(matrix.nrows());
    scorecast_assimilation::linalg::Cholesky::new(matrix.view()).unwrap().solve_in_place(&mut out);
    out
}

/// All members start at one of two states, so that the posterior is a mixture of two Gaussians in closed form: the draws
/// of each ancestor, their share, and the evidence. R is correlated, one value is missing, C is diagonal and differs
/// between the two (or does not).
#[test]
fn optimal_proposals_and_their_weights_are_those_of_the_closed_form() {
    let operator = correlated(2);
    let y = array![0.9, f64::NAN, 0.1];
    let (h, r) = (array![[1.0, 0.0], [1.0, 1.0]], array![[0.3, 0.108], [0.108, 0.3]]);
    let values = array![0.9, 0.1];
    let members = 40_000;
    let starts = [array![1.0, -1.0], array![-0.6, 0.8]];
    let laws: [Variances; 2] = [|_| array![0.4, 0.2], |x| array![0.3 + 0.2 * x[0] * x[0], 0.5 + 0.3 * x[1]]];
    for law in laws {
        let prior = Array2::from_shape_fn((members, 2), |(i, j)| starts[i % 2][j]);
        let mut filter = method(
            "optimal_proposal",
            &[("members", Value::Int(members as i64)), ("ess_threshold", Value::Float(0.0))],
        );
        let key = Key::new(22, Domain::Method);
        filter.start(&Prior::Ensemble(prior), 0, key).unwrap();
        let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
        let outcome = filter.step(&Kernel(law), &observed, key).unwrap();
        let mut densities = Vec::new();
        for (which, start) in starts.iter().enumerate() {
            let c = Array2::from_diag(&law(start));
            let s = h.dot(&c).dot(&h.t()) + &r;
            let d = &values - &h.dot(&(0.5 * start));
            let det = s[(0, 0)] * s[(1, 1)] - s[(0, 1)] * s[(1, 0)];
            let q = d.dot(&inverse(&s).dot(&d));
            densities.push((-0.5 * q).exp() / (2.0 * std::f64::consts::PI * det.sqrt()));
            let gain = c.dot(&h.t()).dot(&inverse(&s));
            let (mean, p) = (0.5 * start + gain.dot(&d), &c - &gain.dot(&h).dot(&c));
            let mine = Array2::from_shape_fn((members / 2, 2), |(i, j)| outcome.ensemble[(2 * i + which, j)]);
            // five standard errors
            let n = (members / 2) as f64;
            let found = scorecast_assimilation::ensemble::covariance(mine.view(), None);
            for i in 0..2 {
                let m = mine.column(i).mean().unwrap();
                assert!((m - mean[i]).abs() < 5.0 * (p[(i, i)] / n).sqrt(), "{m} for {}", mean[i]);
                for j in 0..2 {
                    let error = ((p[(i, i)] * p[(j, j)] + p[(i, j)] * p[(i, j)]) / n).sqrt();
                    assert!((found[(i, j)] - p[(i, j)]).abs() < 5.0 * error, "{found} for {p}");
                }
            }
        }
        let weights = outcome.weights.unwrap();
        let share = weights.iter().step_by(2).sum::<f64>();
        assert!((share - densities[0] / (densities[0] + densities[1])).abs() < 1e-12);
        assert!((outcome.diagnostics["log_evidence"] - (0.5 * (densities[0] + densities[1])).ln()).abs() < 1e-12);
    }
}

#[test]
fn optimal_proposal_without_a_gaussian_lead_step_names_another_method() {
    struct Plain;
    impl Forecaster for Plain {
        fn dim(&self) -> usize {
            3
        }

        fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
            self.advance(k, 1, x, key)
        }

        fn advance(&self, _: usize, _: usize, _: &mut Array2<f64>, _: Key) -> scorecast_systems::Result<()> {
            Ok(())
        }
    }
    let problem = LinearProblem::three(1);
    let mut filter = method("optimal_proposal", &[]);
    filter.start(&problem.prior(), 0, Key::new(23, Domain::Method)).unwrap();
    let values = problem.observations.row(0);
    let observed = ObservationSet { step: 1, time: 0.0, values, operator: &problem.operator };
    let message = filter.step(&Plain, &observed, Key::new(23, Domain::Method)).unwrap_err().to_string();
    assert!(message.contains("Gaussian") && message.contains("use `bootstrap`"), "{message}");
}

/// Observations at the start itself are weighed as they are, like a bootstrap filter does, ancestor by ancestor.
#[test]
fn observations_at_the_start_are_those_of_a_bootstrap_filter() {
    let problem = LinearProblem::three(1);
    let values = problem.observations.row(0);
    let observed = ObservationSet { step: 4, time: 0.0, values, operator: &problem.operator };
    let key = Key::new(24, Domain::Method);
    let found = ["optimal_proposal", "bootstrap", "ffbsi"].map(|name| {
        let mut filter = method(name, &[("members", Value::Int(500))]);
        filter.start(&problem.prior(), 4, key).unwrap();
        filter.step(&problem.model, &observed, key).unwrap()
    });
    for other in &found[1..] {
        assert_eq!(found[0].ensemble, other.ensemble);
        assert_eq!(found[0].weights, other.weights);
        assert_eq!(found[0].diagnostics, other.diagnostics);
    }
}

/// The forward pass of the smoother is the bootstrap filter.
#[test]
fn ffbsi_forward_is_the_bootstrap_filter_bit_for_bit() {
    for problem in [LinearProblem::one(8), LinearProblem::two(8)] {
        let given = [("members", Value::Int(300)), ("resampling", word("stratified"))];
        let key = Key::new(25, Domain::Method);
        let (a, b) =
            (problem.run(&mut *method("ffbsi", &given), key), problem.run(&mut *method("bootstrap", &given), key));
        for (a, b) in a.iter().zip(b) {
            assert_eq!((&a.ensemble, &a.forecast, &a.weights), (&b.ensemble, &b.forecast, &b.weights));
            assert_eq!(a.diagnostics, b.diagnostics);
        }
    }
}

/// Seven members and their kernels are a mixture of Gaussians, whose posterior and evidence are known: averages over many
/// keys have them, within 4.5 standard errors and the bias of order 1 / (N M) of self-normalised averages.
#[test]
fn the_kernel_particle_filter_draws_the_posterior_of_its_mixture() {
    let members = 7;
    let x = Key::new(26, Domain::Score).normals(members, 2);
    let (h, r, y) = (array![[1.0, 0.5]], 0.3, array![0.9]);
    let operator = Linear::new(h.clone(), &errors(&[f64::sqrt(r)])).unwrap();
    let observed = ObservationSet { step: 3, time: 0.0, values: y.view(), operator: &operator };
    let bandwidth = 0.9;
    let scott = bandwidth * 7f64.powf(-1.0 / 6.0);
    let kernel = scorecast_assimilation::ensemble::covariance(x.view(), None) * scott * scott;
    // each kernel's own Kalman update, weighed by its evidence
    let kh = kernel.dot(&h.row(0));
    let s = h.row(0).dot(&kh) + r;
    let p = &kernel - &Array2::from_shape_fn((2, 2), |(i, j)| kh[i] * kh[j] / s);
    let (mut evidence, mut mean, mut second) = (0.0, Array1::zeros(2), Array2::zeros((2, 2)));
    for row in x.outer_iter() {
        let d = 0.9 - h.row(0).dot(&row);
        let share = (-0.5 * d * d / s).exp() / (std::f64::consts::TAU * s).sqrt() / members as f64;
        let m = &row + &(&kh * (d / s));
        evidence += share;
        mean.scaled_add(share, &m);
        second.scaled_add(share, &(&p + &Array2::from_shape_fn((2, 2), |(i, j)| m[i] * m[j])));
    }
    (mean, second) = (mean / evidence, second / evidence);
    let exact = [mean[0], mean[1], second[(0, 0)], second[(0, 1)], second[(1, 1)]];
    // with 30 draws a kernel weights have to be tempered for distinct members
    for (scheme, expansion) in [
        (Resampling::Systematic, 300),
        (Resampling::Systematic, 30),
        (Resampling::Stratified, 300),
        (Resampling::Multinomial, 300),
    ] {
        let replicates = 4000;
        let (mut rows, mut z, mut tempered) = (Vec::new(), Vec::new(), 0);
        for replicate in 0..replicates {
            let mut filter = KernelParticleFilter::new(bandwidth, expansion);
            (filter.ess_threshold, filter.resampling) = (1.0, scheme);
            let outcome = filter.update(x.clone(), &observed, Key::new(27, Domain::Method).case(replicate)).unwrap();
            z.push(outcome.diagnostics["log_evidence"].exp() / evidence);
            tempered += usize::from(outcome.weights.is_some());
            let w = outcome.weights.clone().unwrap_or_else(|| Array1::from_elem(members, 1.0 / members as f64));
            let moment = |i: usize, j: usize| w.dot(&(&outcome.ensemble.column(i) * &outcome.ensemble.column(j)));
            let mean = outcome.mean();
            rows.push([mean[0], mean[1], moment(0, 0), moment(0, 1), moment(1, 1)]);
            let distinct = (1..members).all(|n| (0..n).all(|k| outcome.ensemble.row(n) != outcome.ensemble.row(k)));
            // independent draws may coincide by chance whatever the weights
            assert!(distinct || scheme != Resampling::Systematic, "{scheme:?} {replicate}");
        }
        let mut worst = 0.0f64;
        for (i, exact) in exact.iter().enumerate() {
            let (mean, variance) = mean_and_variance(&rows.iter().map(|row| row[i]).collect::<Vec<_>>());
            let bias = 6.0 / (members * expansion) as f64;
            worst = worst.max(((mean - exact).abs() - bias).max(0.0) / (variance / replicates as f64).sqrt());
        }
        let (z, variance) = mean_and_variance(&z);
        let error = (variance / replicates as f64).sqrt();
        println!(
            "{scheme:?} {expansion}: {worst:.2} standard errors, Z / exact {z:.5} +- {error:.5}, tempered {tempered}"
        );
        assert!(worst < 4.5 && (z - 1.0).abs() < 4.5 * error, "{scheme:?}: {worst} {z} {error}");
    }
}

/// Without kernels and with one draw of each it is the bootstrap filter that resamples, up to the distinct members.
#[test]
fn kernels_without_width_leave_the_evidence_of_the_bootstrap_filter() {
    let problem = LinearProblem::three(6);
    let key = Key::new(28, Domain::Method);
    let given = [("members", Value::Int(200)), ("ess_threshold", Value::Float(0.0))];
    let narrow = [&given[..], &[("regularization", Value::Float(0.0)), ("expansion", Value::Int(1))]].concat();
    let (a, b) = (
        problem.run(&mut *method("kernel_particle_filter", &narrow), key),
        problem.run(&mut *method("bootstrap", &given), key),
    );
    for (a, b) in a.iter().zip(b) {
        assert_eq!((&a.ensemble, &a.weights, &a.diagnostics), (&b.ensemble, &b.weights, &b.diagnostics));
    }
}

/// What is scored is the weighted ensemble: its mean is the importance-sampling estimate, whose error resampling would add to.
#[test]
fn the_posterior_is_that_of_the_weighted_members_before_resampling() {
    let problem = LinearProblem::one(3);
    for (name, own) in [("bootstrap", true), ("ffbsi", true), ("kernel_particle_filter", false)] {
        let given = [("members", Value::Int(20)), ("ess_threshold", Value::Float(1.0))];
        let outcome = problem.run(&mut *method(name, &given), Key::new(5, Domain::Method)).swap_remove(0);
        let (members, weights) = outcome.before_resampling.as_ref().unwrap();
        assert!((weights.sum() - 1.0).abs() < 1e-12, "{name}");
        let mean = weights.dot(members);
        assert!((outcome.mean() - &mean).iter().all(|e| e.abs() < 1e-14), "{name}");
        if own {
            let h = problem.operator.matrix().unwrap();
            let y = problem.observations.row(0);
            let r = problem.operator.error().variance();
            let predicted = outcome.forecast.dot(&h.t());
            let misfit = |hx: ndarray::ArrayView1<f64>| -> f64 {
                hx.iter().zip(y).zip(r).map(|((hx, y), r)| (y - hx) * (y - hx) / r).sum()
            };
            let w: Array1<f64> = predicted.outer_iter().map(|hx| (-0.5 * misfit(hx)).exp()).collect();
            let exact = w.dot(&outcome.forecast) / w.sum();
            assert!((&mean - &exact).iter().all(|e| e.abs() < 1e-10), "{name}: {mean} {exact}");
        }
    }
}
