//! The optimal proposal where the lead step is a mixture of Gaussians: draws and weights in closed form, and a whole filter
//! against a grid.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, method};
use ndarray::{Array1, Array2, Array3, ArrayView2, array};
use scorecast_assimilation::observe::{Linear, Stride};
use scorecast_assimilation::{ObservationSet, Prior};
use scorecast_systems::{
    Covariance, Domain, FactoredCovariance, Forecaster, GaussianMixture, Key, MixtureKernel, Purpose, Value,
};

/// A Gaussian of a mixture: N(a x + b, C) with the weight exp(c x_1) up to a constant.
#[derive(Clone)]
struct Branch {
    a: f64,
    b: Array1<f64>,
    covariance: Array2<f64>,
    c: f64,
}

/// A mixture of such, whose covariances are told as one for all members, or by factors of each.
struct Mixed {
    parts: Vec<Branch>,
    factored: bool,
}

impl Mixed {
    fn log_weights(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let logits = Array2::from_shape_fn((x.nrows(), self.parts.len()), |(i, part)| self.parts[part].c * x[[i, 0]]);
        let sums = logits.map_axis(ndarray::Axis(1), |row| row.iter().map(|logit| logit.exp()).sum::<f64>().ln());
        logits - sums.insert_axis(ndarray::Axis(1))
    }
}

/// C = diag(C_ii - w_i^2) + w w^T for a covariance of two components, or of one.
fn factors(c: &Array2<f64>, members: usize) -> FactoredCovariance {
    let n = c.nrows();
    let root = if n > 1 { c[[0, 1]].abs().sqrt() } else { 0.5 * c[[0, 0]].sqrt() };
    let w = |i: usize| if i == 0 || n == 1 { root } else { c[[0, 1]] / root };
    FactoredCovariance::new(
        Array2::from_shape_fn((members, n), |(_, i)| c[[i, i]] - w(i) * w(i)),
        Array3::from_shape_fn((members, n, 1), |(_, i, _)| w(i)),
    )
}

impl MixtureKernel for Mixed {
    fn mixture(&self, _k: usize, x: ArrayView2<f64>) -> scorecast_systems::Result<GaussianMixture> {
        let of = |part: &Branch| {
            let covariance = match self.factored {
                true => Covariance::Factored(factors(&part.covariance, x.nrows())),
                false => Covariance::Shared(part.covariance.clone()),
            };
            (&x * part.a + &part.b, covariance)
        };
        Ok(GaussianMixture { log_weights: self.log_weights(x), parts: self.parts.iter().map(of).collect() })
    }
}

impl Forecaster for Mixed {
    fn dim(&self) -> usize {
        self.parts[0].b.len()
    }

    /// Only for components that are independent, as in one dimension.
    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        let log_weights = self.log_weights(x.view());
        for (i, mut row) in x.outer_iter_mut().enumerate() {
            let mut stream = key.purpose(Purpose::ForecastNoise).at(k as u64).stream(i as u64);
            let mut left = stream.uniform();
            let part = log_weights.row(i).iter().position(|log| {
                left -= log.exp();
                left < 0.0
            });
            let part = &self.parts[part.unwrap_or(self.parts.len() - 1)];
            for (c, value) in row.iter_mut().enumerate() {
                *value = part.a * *value + part.b[c] + part.covariance[[c, c]].sqrt() * stream.normal();
            }
        }
        Ok(())
    }

    fn mixture(&self) -> Option<&dyn MixtureKernel> {
        Some(self)
    }
}

fn density(d: f64, variance: f64) -> f64 {
    (-0.5 * d * d / variance).exp() / (2.0 * std::f64::consts::PI * variance).sqrt()
}

/// All members start at one of two states: of each the posterior is a mixture of two Gaussians in closed form.
#[test]
fn draws_and_weights_are_those_of_the_closed_form() {
    let part = |a: f64, b: [f64; 2], c: [[f64; 2]; 2], weight: f64| Branch {
        a,
        b: Array1::from_vec(b.to_vec()),
        covariance: Array2::from_shape_fn((2, 2), |(i, j)| c[i][j]),
        c: weight,
    };
    let parts = vec![
        part(0.8, [1.2, 0.1], [[0.3, 0.1], [0.1, 0.2]], 0.7),
        part(0.5, [-1.1, 0.4], [[0.5, -0.2], [-0.2, 0.4]], -0.4),
    ];
    let h = array![[1.0, 0.5]];
    let operator = Linear::new(h.clone(), &errors(&[0.7])).unwrap();
    let (y, r, members) = (array![0.3], 0.49, 40_000);
    let starts = [array![1.0, -1.0], array![-0.6, 0.8]];
    for factored in [false, true] {
        let model = Mixed { parts: parts.clone(), factored };
        let prior = Array2::from_shape_fn((members, 2), |(i, j)| starts[i % 2][j]);
        let given = [("members", Value::Int(members as i64)), ("ess_threshold", Value::Float(0.0))];
        let mut filter = method("optimal_proposal", &given);
        let key = Key::new(22, Domain::Method);
        filter.start(&Prior::Ensemble(prior), 0, key).unwrap();
        let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
        let outcome = filter.step(&model, &observed, key).unwrap();
        let mut evidence = Vec::new();
        for (which, start) in starts.iter().enumerate() {
            let weights = model.log_weights(start.view().insert_axis(ndarray::Axis(0))).mapv(f64::exp);
            let (mut p, mut first, mut second) = (0.0, Array1::<f64>::zeros(2), Array2::<f64>::zeros((2, 2)));
            for (part, weight) in parts.iter().zip(&weights) {
                let m = part.a * start + &part.b;
                let ch = part.covariance.dot(&h.row(0));
                let s = h.row(0).dot(&ch) + r;
                let d = y[0] - h.row(0).dot(&m);
                let mean = &m + &(&ch * (d / s));
                let outer = |a: &Array1<f64>| Array2::from_shape_fn((2, 2), |(i, j)| a[i] * a[j]);
                let joint = weight * density(d, s);
                p += joint;
                first += &(&mean * joint);
                second += &((&part.covariance - &(outer(&ch) / s) + outer(&mean)) * joint);
            }
            let mean = first / p;
            evidence.push(p);
            let mine = Array2::from_shape_fn((members / 2, 2), |(i, j)| outcome.ensemble[(2 * i + which, j)]);
            let n = (members / 2) as f64;
            for i in 0..2 {
                let variance = second[(i, i)] / p - mean[i] * mean[i];
                let found = mine.column(i).mean().unwrap();
                assert!((found - mean[i]).abs() < 5.0 * (variance / n).sqrt(), "{factored}: {found} for {}", mean[i]);
                for j in 0..2 {
                    // products of two components, whose sampling error is their own
                    let products = &mine.column(i) * &mine.column(j);
                    let (found, exact) = (products.mean().unwrap(), second[(i, j)] / p);
                    let error = products.std(1.0) / n.sqrt();
                    assert!((found - exact).abs() < 5.0 * error, "{factored}: {found} for {exact}");
                }
            }
        }
        let share = outcome.weights.unwrap().iter().step_by(2).sum::<f64>();
        assert!((share - evidence[0] / (evidence[0] + evidence[1])).abs() < 1e-12);
        assert!((outcome.diagnostics["log_evidence"] - (0.5 * (evidence[0] + evidence[1])).ln()).abs() < 1e-12);
    }
}

/// One component that hops between two sides, seen through noise: mean, sd and the share of the right side after each of four
/// sets, and the evidence, against sums over a grid.
#[test]
fn a_filter_of_a_hopping_state_is_that_of_a_grid() {
    let part = |b: f64, c: f64| Branch { a: 0.3, b: array![b], covariance: array![[0.09]], c };
    let model = Mixed { parts: vec![part(1.0, 0.8), part(-1.0, -0.8)], factored: false };
    let operator = Stride::new(1, 1, 0, &errors(&[1.0])).unwrap();
    let values = [0.4, -0.9, 0.2, 0.1];
    let grid = Array1::linspace(-5.0, 5.0, 2001);
    let step = grid[1] - grid[0];
    let weights = model.log_weights(grid.view().insert_axis(ndarray::Axis(1))).mapv(f64::exp);
    let mut p = grid.mapv(|x| density(x, 1.0));
    let members = 40_000;
    let mut filter = method("optimal_proposal", &[("members", Value::Int(members))]);
    let key = Key::new(23, Domain::Method);
    let prior = Prior::Gaussian { mean: array![0.0], covariance: array![[1.0]] };
    filter.start(&prior, 0, key).unwrap();
    for (set, y) in values.into_iter().enumerate() {
        let moved = Array1::from_shape_fn(grid.len(), |to| {
            let from = |from: usize| {
                let kernel =
                    model.parts.iter().enumerate().map(|(c, part)| {
                        weights[[from, c]] * density(grid[to] - part.a * grid[from] - part.b[0], 0.09)
                    });
                p[from] * kernel.sum::<f64>()
            };
            (0..grid.len()).map(from).sum::<f64>() * step
        });
        p = &moved * &grid.mapv(|x| density(y - x, 1.0));
        let evidence = p.sum() * step;
        p /= evidence;
        let value = array![y];
        let observed = ObservationSet { step: set + 1, time: 0.0, values: value.view(), operator: &operator };
        let outcome = filter.step(&model, &observed, key).unwrap();
        let w = outcome.weights.unwrap_or_else(|| Array1::from_elem(members as usize, 1.0 / members as f64));
        let x = outcome.ensemble.column(0).to_owned();
        let mean_of = |f: &dyn Fn(f64) -> f64| ((&p * &grid.mapv(f)).sum() * step, (&w * &x.mapv(f)).sum());
        // a tenth of all members at worst are effective
        let error = 5.0 / (0.1 * members as f64).sqrt();
        for f in [&(|x| x) as &dyn Fn(f64) -> f64, &|x| x * x, &|x| f64::from(u8::from(x > 0.0))] {
            let (exact, found) = mean_of(f);
            assert!((found - exact).abs() < error, "set {set}: {found} for {exact}");
        }
        assert!((outcome.diagnostics["log_evidence"] - evidence.ln()).abs() < error, "set {set}");
    }
}
