//! A forecaster that tells the covariance of each member's noise by its factors is to every method the one that tells it
//! as a matrix for all.

#![allow(clippy::unwrap_used)]

use ndarray::{Array2, Array3, ArrayView2, array};
use scorecast_assimilation::ObservationSet;
use scorecast_assimilation::Outcome;
use scorecast_systems::{
    ConditionalDenoiser, Covariance, Density, Domain, FactoredCovariance, Forecaster, GaussianKernel, GaussianLaw, Key,
    LinearForecaster, LinearGaussian, Result, Value,
};

use crate::common::{LinearProblem, method, word};

/// The law of `LinearProblem::two`, its noise as diag(.05, .16) + w w^T with w = (.5, .2).
struct Factors(LinearGaussian);

impl GaussianKernel for Factors {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        let (mut d, mut w) = (Array2::zeros((x.nrows(), 2)), Array3::zeros((x.nrows(), 2, 1)));
        d.assign(&array![0.05, 0.16]);
        w.assign(&array![[0.5], [0.2]]);
        let mean = x.dot(&self.0.matrix.t()) + &self.0.offset;
        Ok((mean, Covariance::Factored(FactoredCovariance::new(d, w))))
    }
}

/// Draws as the other does, so that runs can be compared number by number.
struct Factored {
    law: GaussianLaw<Factors>,
    drawn: LinearForecaster,
}

impl Forecaster for Factored {
    fn dim(&self) -> usize {
        2
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.drawn.step(k, x, key)
    }

    fn density(&self) -> Option<&dyn Density> {
        Some(&self.law)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(&self.law)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        Some(&self.law)
    }
}

fn run(problem: &LinearProblem, model: &dyn Forecaster, name: &str, given: &[(&str, Value)]) -> Vec<Outcome> {
    let (mut method, key) = (method(name, given), Key::new(5, Domain::Method));
    method.start(&problem.prior(), 0, key).unwrap();
    let set = |(cycle, values)| {
        let step = (cycle + 1) * problem.every;
        let observed = ObservationSet { step, time: step as f64, values, operator: &problem.operator };
        method.step(model, &observed, key).unwrap()
    };
    problem.observations.outer_iter().enumerate().map(set).collect()
}

#[test]
fn methods_do_with_factors_what_they_do_with_the_matrix() {
    let problem = LinearProblem::two(8);
    let factored = Factored {
        law: GaussianLaw::new(Factors(problem.law.clone())),
        drawn: LinearForecaster::new(problem.law.clone()).unwrap(),
    };
    let members = ("members", Value::Int(60));
    for (name, given) in [
        // the mean covariance, the root of its noise, p(y | x_k) and the denoiser, p(x_{k+1} | x_k)
        ("unscented", vec![]),
        ("etkf", vec![members.clone(), ("noise_treatment", word("square_root"))]),
        ("guided", vec![members.clone(), ("weights", word("exact"))]),
        ("ffbsi", vec![members.clone()]),
    ] {
        let [matrix, factors] =
            [&problem.model as &dyn Forecaster, &factored].map(|model| run(&problem, model, name, &given));
        for (cycle, (matrix, factors)) in matrix.iter().zip(&factors).enumerate() {
            let gap = (&matrix.ensemble - &factors.ensemble).fold(0.0f64, |gap, value| gap.max(value.abs()));
            assert!(gap < 1e-8, "{name}, set {cycle}: {gap}");
            assert_eq!(matrix.weights.is_some(), factors.weights.is_some());
        }
    }
}

#[test]
fn the_optimal_proposal_draws_from_the_exact_posterior_with_factors() {
    let problem = LinearProblem::two(6);
    let model = Factored {
        law: GaussianLaw::new(Factors(problem.law.clone())),
        drawn: LinearForecaster::new(problem.law.clone()).unwrap(),
    };
    let members = 20_000;
    let outcomes = run(&problem, &model, "optimal_proposal", &[("members", Value::Int(members))]);
    for (outcome, (mean, covariance, _)) in outcomes.iter().zip(problem.exact()) {
        let weights = outcome.weights.clone();
        let found = scorecast_assimilation::ensemble::covariance(outcome.ensemble.view(), weights.as_ref());
        let average = match &weights {
            Some(weights) => weights.dot(&outcome.ensemble),
            None => outcome.ensemble.mean_axis(ndarray::Axis(0)).unwrap(),
        };
        for i in 0..2 {
            // resampling and weights leave a third of the members worth of information at the least
            let n = members as f64 / 3.0;
            let se = (covariance[[i, i]] / n).sqrt();
            assert!((average[i] - mean[i]).abs() < 5.0 * se, "{} for {} +- {se}", average[i], mean[i]);
            for j in 0..2 {
                let c = covariance[[i, j]];
                let se = ((c * c + covariance[[i, i]] * covariance[[j, j]]) / n).sqrt();
                assert!((found[[i, j]] - c).abs() < 5.0 * se, "{} for {c} +- {se}", found[[i, j]]);
            }
        }
    }
}
