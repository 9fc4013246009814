//! Guidance rules against posteriors that are known: Gaussian laws of 1, 2 and 40 components, and two modes on a grid. What is
//! asked for is met, and what is published and is not the posterior is off by as much as is said.

#![allow(clippy::unwrap_used)]

use crate::common;

use std::sync::Arc;

use common::derived::by_key;
use common::errors;
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::method::{Correctors, GUIDANCE, Guidance, Unguided};
use scorecast_assimilation::observe::{Absolute, Linear, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet};
use scorecast_systems::gaussian::{GaussianDenoiser, LowRankGaussian, LowRankMixture};
use scorecast_systems::noising::sampler::ReverseSde;
use scorecast_systems::noising::{Run, Start, drive};
use scorecast_systems::{Affine, DifferentiableDenoiser, Domain, Karras, Key, Purpose, Settings, Value};

fn rule(name: &str, given: &[(&str, Value)]) -> Arc<dyn Guidance> {
    let entry = GUIDANCE.iter().find(|entry| entry.name == name).unwrap();
    (entry.build)(&Settings::check(name, entry.params, &by_key(given)).unwrap())
}

fn gamma(value: f64) -> Vec<(&'static str, Value)> {
    vec![("gamma", Value::Float(value))]
}

/// Draws of the law of `denoiser`, whose states are z, given y.
struct Draw<'a> {
    denoiser: &'a dyn DifferentiableDenoiser,
    h: &'a dyn ObservationOperator,
    y: Array1<f64>,
    members: usize,
    steps: usize,
    correctors: Correctors,
}

impl Draw<'_> {
    fn by(&self, rule: &dyn Guidance) -> Array2<f64> {
        let shape = (self.members, self.denoiser.dim());
        let to_state = Affine { offset: Array2::zeros(shape), scale: Array2::ones(shape) };
        let observed = ObservationSet { step: 1, time: 0.0, values: self.y.view(), operator: self.h };
        let guided = rule.guide(Unguided { denoiser: self.denoiser, to_state: &to_state, observed });
        let levels = Karras { sigma_min: 0.002, sigma_max: 40.0, rho: 7.0, steps: self.steps }.exploding().unwrap();
        let key = Key::new(2, Domain::Method).purpose(Purpose::Sampler);
        let run = Run { denoiser: &*guided, sampler: &ReverseSde, levels: &levels, key };
        drive(&run, Start::Noise(self.members), &mut self.correctors.of(&*guided, self.members, key)).unwrap().x
    }
}

fn correctors(count: usize) -> Correctors {
    Correctors { count, step: 0.1 }
}

/// A Gaussian law N(0, P) observed as y with errors of one variance.
struct Gaussian {
    covariance: Array2<f64>,
    h: Array2<f64>,
    r: f64,
    y: Array1<f64>,
}

impl Gaussian {
    fn one(r: f64) -> Self {
        Self { covariance: array![[1.0]], h: array![[1.0]], r, y: array![1.2] }
    }

    /// Unit variances, correlation .8, the first component observed as 2.
    fn two(r: f64) -> Self {
        Self { covariance: array![[1.0, 0.8], [0.8, 1.0]], h: array![[1.0, 0.0]], r, y: array![2.0] }
    }

    /// Forty components on a ring whose correlation falls as exp(-d / 2), every second one observed.
    fn forty(r: f64) -> Self {
        let distance = |i: usize, j: usize| (i.abs_diff(j)).min(40 - i.abs_diff(j)) as f64;
        let covariance = Array2::from_shape_fn((40, 40), |(i, j)| (-distance(i, j) / 2.0).exp());
        let h = Array2::from_shape_fn((20, 40), |(i, j)| f64::from(u8::from(j == 2 * i)));
        let y = Key::new(9, Domain::Truth).normals(1, 20).remove_axis(Axis(0));
        Self { covariance, h, r, y }
    }

    /// Mean and covariance, value after value.
    fn posterior(&self) -> (Array1<f64>, Array2<f64>) {
        let (mut m, mut p) = (Array1::<f64>::zeros(self.covariance.nrows()), self.covariance.clone());
        for (h, y) in self.h.outer_iter().zip(&self.y) {
            let ph = p.dot(&h);
            let s = h.dot(&ph) + self.r;
            let innovation = y - h.dot(&m);
            m.scaled_add(innovation / s, &ph);
            p = Array2::from_shape_fn(p.raw_dim(), |(a, b)| p[(a, b)] - ph[a] * ph[b] / s);
        }
        (m, p)
    }

    /// Of each component how far the mean is off in exact sd, and the ratio of the sd to the exact one.
    fn off(
        &self,
        rule: &dyn Guidance,
        members: usize,
        steps: usize,
        correctors: Correctors,
    ) -> (Array1<f64>, Array1<f64>) {
        let denoiser = GaussianDenoiser::new(Array1::zeros(self.covariance.nrows()), self.covariance.view()).unwrap();
        let h = Linear::new(self.h.clone(), &errors(&[self.r.sqrt()])).unwrap();
        let x = Draw { denoiser: &denoiser, h: &h, y: self.y.clone(), members, steps, correctors }.by(rule);
        let (mean, exact) = self.posterior();
        let sd = exact.diag().mapv(f64::sqrt);
        let found = covariance(x.view(), None);
        ((x.mean_axis(Axis(0)).unwrap() - mean) / &sd, found.diag().mapv(f64::sqrt) / sd)
    }
}

fn largest(values: &Array1<f64>) -> f64 {
    values.iter().fold(0.0f64, |most, value| most.max(value.abs()))
}

#[test]
fn the_table() {
    let cases: Vec<(&str, Vec<(&'static str, Value)>)> = vec![
        ("moment_matched", vec![]),
        ("pseudo_inverse", vec![]),
        ("tmpd", vec![]),
        ("jacobian_free", vec![]),
        ("quadrature", vec![]),
        ("sda", gamma(0.01)),
        ("sda", gamma(0.03)),
        ("sda", gamma(0.3)),
        ("sda", gamma(1.0)),
        ("dps", vec![]),
    ];
    for (name, given) in cases {
        for count in [0, 1] {
            for (dim, problem) in
                [("1", Gaussian::one as fn(f64) -> Gaussian), ("2", Gaussian::two), ("40", Gaussian::forty)]
            {
                let members = if dim == "40" { 400 } else { 10_000 };
                for r in [0.05, 0.25, 1.0] {
                    let (bias, ratio) = problem(r).off(
                        &*rule(name, &given),
                        members,
                        if dim == "40" { 100 } else { 200 },
                        correctors(count),
                    );
                    let (least, most) =
                        (ratio.fold(f64::INFINITY, |a, b| a.min(*b)), ratio.fold(0.0f64, |a, b| a.max(*b)));
                    println!(
                        "{name} {given:?} {count} correctors dim {dim} r {r}: bias {:.3}, sd {least:.3} to {most:.3}",
                        largest(&bias)
                    );
                }
            }
        }
    }
}

/// Two modes at -1 and 1, of sd .35, of weights .3 and .7.
fn two_modes() -> LowRankMixture {
    let part = |weight, mean| LowRankGaussian {
        weight,
        mean: array![mean],
        basis: array![[1.0]],
        variances: array![0.35f64.powi(2)],
    };
    LowRankMixture::new(vec![part(0.3, -1.0), part(0.7, 1.0)], 0.0).unwrap()
}

/// Of the law of two modes given y: the share above 0, and mean and sd of |x|, on a grid.
fn on_a_grid(likelihood: impl Fn(f64) -> f64) -> [f64; 3] {
    let normal = |x: f64, m: f64| (-0.5 * ((x - m) / 0.35).powi(2)).exp();
    let grid = Array1::linspace(-4.0, 4.0, 80_001);
    let p = grid.mapv(|x: f64| (0.3 * normal(x, -1.0) + 0.7 * normal(x, 1.0)) * likelihood(x));
    let mean = |f: &dyn Fn(f64) -> f64| grid.iter().zip(&p).map(|(x, p)| p * f(*x)).sum::<f64>() / p.sum();
    let centre = mean(&f64::abs);
    [mean(&|x| f64::from(u8::from(x > 0.0))), centre, (mean(&|x| x * x) - centre * centre).sqrt()]
}

fn of_draws(x: &Array2<f64>) -> [f64; 3] {
    let size = x.mapv(f64::abs);
    [x.mapv(|x| f64::from(u8::from(x > 0.0))).mean().unwrap(), size.mean().unwrap(), size.std(1.0)]
}

#[test]
fn the_table_of_two_modes() {
    let denoiser = two_modes();
    for (what, absolute, y, r) in
        [("|x|", true, 0.8, 0.05), ("|x|", true, 1.3, 0.25), ("x", false, 0.3, 0.25), ("x", false, 0.3, 1.0)]
    {
        let read = Stride::new(1, 1, 0, &errors(&[f64::sqrt(r)])).unwrap();
        let h: Box<dyn ObservationOperator> =
            if absolute { Box::new(Pointwise::new(Absolute, read)) } else { Box::new(read) };
        let exact = on_a_grid(|x| (-0.5 * (y - if absolute { x.abs() } else { x }).powi(2) / r).exp());
        println!("{what} {y} {r}: exact {exact:.3?}");
        for name in ["moment_matched", "quadrature", "tmpd", "pseudo_inverse", "sda"] {
            for count in [0, 1, 4] {
                let draw = Draw {
                    denoiser: &denoiser,
                    h: &*h,
                    y: array![y],
                    members: 10_000,
                    steps: 200,
                    correctors: correctors(count),
                };
                println!("   {name} {count}: {:.3?}", of_draws(&draw.by(&*rule(name, &[]))));
            }
        }
    }
}
