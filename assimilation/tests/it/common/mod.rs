//! What the tests share: linear-Gaussian problems, a plain Kalman filter, and how methods are built by name.
#![allow(dead_code)]

#[path = "../../../../systems/tests/it/common/derived.rs"]
pub mod derived;

use std::any::Any;
use std::collections::BTreeMap;

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::observe::{Function, GaussianError, Identity, Linear, NoiseLaw};
use scorecast_assimilation::state::Saved;
use scorecast_assimilation::{Cycle, METHODS, ObservationOperator, ObservationSet, Outcome, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Purpose, Settings, Value};

/// A method by its name and settings.
pub fn method(name: &str, given: &[(&str, Value)]) -> Box<dyn Cycle> {
    let entry = METHODS.iter().find(|entry| entry.name == name).unwrap();
    let given: BTreeMap<String, Value> = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    (entry.build.make)(&Settings::check(&format!("method `{name}`"), entry.params, &given).unwrap()).unwrap()
}

/// One part of what a method carries.
pub fn part<T: Clone + 'static>(filter: &dyn Cycle) -> T {
    let of_type = |part: &dyn Saved| (part as &dyn Any).downcast_ref::<T>().cloned();
    filter.state().into_iter().find_map(of_type).unwrap()
}

pub fn word(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The law of independent errors of these standard deviations.
pub fn errors(sd: &[f64]) -> impl Fn(usize) -> scorecast_assimilation::Result<Box<dyn NoiseLaw>> + '_ {
    |dim| Ok(Box::new(GaussianError::new(sd, dim)?))
}

/// sqrt x: not a number for x < 0.
pub struct Root;

impl Function for Root {
    fn name(&self) -> String {
        "root".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x.sqrt()
    }

    fn slope(&self, x: f64) -> f64 {
        0.5 / x.sqrt()
    }
}

/// The inverse of any regular matrix.
pub fn inverse(a: &Array2<f64>) -> Array2<f64> {
    let inverse = DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)]).try_inverse().unwrap();
    Array2::from_shape_fn(a.raw_dim(), |(i, j)| inverse[(i, j)])
}

/// A problem whose posterior is known.
pub struct LinearProblem {
    pub law: LinearGaussian,
    pub model: LinearForecaster,
    pub mean: Array1<f64>,
    pub covariance: Array2<f64>,
    pub operator: Linear,
    /// Lead steps between sets of observations.
    pub every: usize,
    /// One set a row; NaN is missing.
    pub observations: Array2<f64>,
}

impl LinearProblem {
    pub fn new(
        law: LinearGaussian,
        covariance: Array2<f64>,
        h: Array2<f64>,
        sd: &[f64],
        every: usize,
        cycles: usize,
    ) -> Self {
        let mean = Array1::from_elem(law.offset.len(), 0.5);
        let operator = Linear::new(h, &errors(sd)).unwrap();
        let model = LinearForecaster::new(law.clone()).unwrap();
        let key = Key::new(12, Domain::Truth);
        let root = scorecast_assimilation::linalg::symmetric_sqrt(covariance.view()).unwrap();
        let mut truth = key.normals(1, mean.len()).dot(&root) + &mean;
        let mut observations = Array2::zeros((cycles, operator.dim()));
        for (cycle, mut row) in observations.outer_iter_mut().enumerate() {
            model.advance(cycle * every, every, &mut truth, key.purpose(Purpose::ProcessNoise)).unwrap();
            let error = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(cycle as u64));
            row.assign(&(operator.apply(0.0, truth.view()) + error).row(0));
        }
        // one value missing in the third set, all of the fifth
        if cycles > 4 {
            observations[(2, 0)] = f64::NAN;
            observations.row_mut(4).fill(f64::NAN);
        }
        Self { law, model, mean, covariance, operator, every, observations }
    }

    /// One component, a random walk with a pull to its mean.
    pub fn one(cycles: usize) -> Self {
        let law = LinearGaussian { matrix: array![[0.9]], offset: array![0.1], covariance: array![[0.3]] };
        Self::new(law, array![[1.0]], array![[1.0]], &[0.7], 1, cycles)
    }

    /// Two components with correlated noise; both are observed, each second lead step.
    pub fn two(cycles: usize) -> Self {
        let law = LinearGaussian {
            matrix: array![[0.9, 0.3], [-0.3, 0.8]],
            offset: array![0.0, 0.2],
            covariance: array![[0.3, 0.1], [0.1, 0.2]],
        };
        Self::new(law, array![[1.0, 0.2], [0.2, 0.8]], array![[1.0, 0.0], [0.5, 1.0]], &[0.6, 0.8], 2, cycles)
    }

    /// Three components, of which the first and the third are observed.
    pub fn three(cycles: usize) -> Self {
        let law = LinearGaussian {
            matrix: array![[0.8, 0.3, 0.0], [0.0, 0.7, 0.4], [-0.3, 0.0, 0.9]],
            offset: array![0.1, 0.0, -0.1],
            covariance: array![[0.3, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.4]],
        };
        Self::new(law, Array2::eye(3), array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], &[0.5, 0.9], 1, cycles)
    }

    /// Forty components on a ring, each pulled by its neighbours; every second one is observed.
    pub fn forty(cycles: usize) -> Self {
        let dim = 40;
        let ring = |i: usize, j: usize| match (j + dim - i) % dim {
            0 => 0.6,
            1 => 0.25,
            39 => -0.2,
            _ => 0.0,
        };
        let near = |i: usize, j: usize| if (j + dim - i) % dim == 1 || (i + dim - j) % dim == 1 { 0.05 } else { 0.0 };
        let law = LinearGaussian {
            matrix: Array2::from_shape_fn((dim, dim), |(i, j)| ring(i, j)),
            offset: Array1::from_shape_fn(dim, |i| 0.1 * (i % 3) as f64),
            covariance: Array2::from_diag_elem(dim, 0.3) + Array2::from_shape_fn((dim, dim), |(i, j)| near(i, j)),
        };
        let h = Array2::from_shape_fn((dim / 2, dim), |(i, j)| f64::from(u8::from(j == 2 * i)));
        Self::new(law, Array2::eye(dim), h, &[0.7], 1, cycles)
    }

    pub fn prior(&self) -> Prior {
        Prior::Gaussian { mean: self.mean.clone(), covariance: self.covariance.clone() }
    }

    /// Runs a method over all observations.
    pub fn run(&self, method: &mut dyn Cycle, key: Key) -> Vec<Outcome> {
        method.start(&self.prior(), 0, key).unwrap();
        (0..self.observations.nrows()).map(|cycle| self.step(method, cycle, key)).collect()
    }

    /// One set of observations.
    pub fn step(&self, method: &mut dyn Cycle, cycle: usize, key: Key) -> Outcome {
        let values = self.observations.row(cycle);
        let step = (cycle + 1) * self.every;
        let observed = ObservationSet { step, time: step as f64, values, operator: &self.operator };
        method.step(&self.model, &observed, key).unwrap()
    }

    /// A plain Kalman filter, which takes one observed value after the other (their errors are independent): mean,
    /// covariance and log evidence after each set.
    pub fn exact(&self) -> Vec<(Array1<f64>, Array2<f64>, f64)> {
        let h = self.operator.matrix().unwrap();
        let (mut m, mut p) = (self.mean.clone(), self.covariance.clone());
        let mut out = Vec::new();
        for values in self.observations.outer_iter() {
            for _ in 0..self.every {
                m = self.law.matrix.dot(&m) + &self.law.offset;
                p = self.law.matrix.dot(&p).dot(&self.law.matrix.t()) + &self.law.covariance;
            }
            let mut log_evidence = 0.0;
            for (i, y) in values.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
                let ph = p.dot(&h.row(i));
                let s = h.row(i).dot(&ph) + self.operator.error().variance()[i];
                let d = y - h.row(i).dot(&m);
                m.scaled_add(d / s, &ph);
                p = Array2::from_shape_fn(p.raw_dim(), |(a, b)| p[(a, b)] - ph[a] * ph[b] / s);
                log_evidence -= 0.5 * (d * d / s + (2.0 * std::f64::consts::PI * s).ln());
            }
            out.push((m.clone(), p.clone(), log_evidence));
        }
        out
    }
}

/// The variance of `guided` after 20 cycles on a random walk with q^2 = .01 observed with r^2 = 1, from prior variance
/// .5025.
pub fn random_walk(weights: &str, members: usize) -> f64 {
    let law = LinearGaussian { matrix: array![[1.0]], offset: array![0.0], covariance: array![[0.01]] };
    let model = LinearForecaster::new(law).unwrap();
    let operator = Identity::new(1, &errors(&[1.0])).unwrap();
    let given = [("members", Value::Int(members as i64)), ("weights", word(weights)), ("steps", Value::Int(32))];
    let mut filter = method("guided", &given);
    let key = Key::new(4, Domain::Method);
    filter.start(&Prior::Gaussian { mean: array![0.0], covariance: array![[0.5025]] }, 0, key).unwrap();
    let mut variance = 0.0;
    for step in 1..=20 {
        let values = Key::new(5, Domain::Truth).at(step).normals(1, 1).remove_axis(Axis(0));
        let observed = ObservationSet { step: step as usize, time: 0.0, values: values.view(), operator: &operator };
        variance = filter.step(&model, &observed, key).unwrap().variance()[0];
    }
    variance
}
