//! A row of a contest: a method on the stochastic Lorenz-96 system of the default preset (40 variables, forcing 8, noise 1, lead
//! step .05 by rk4), against the truth.

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array1, Array2};
use scorecast_assimilation::observe::{ErrorLaw, NoiseLaw};
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior, Result};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Stepping, Value};

use crate::common::{errors, method};

/// How the truth is observed.
pub struct Setting {
    pub name: &'static str,
    /// An operator and its settings.
    pub operator: (&'static str, &'static [(&'static str, i64)]),
    /// The standard deviation of the error.
    pub sd: f64,
    /// Lead steps between sets.
    pub every: usize,
    /// Shocks that the model does not know: at a set, with probability .1, three components of the truth move by draws of sd 5.
    pub shocks: bool,
}

/// How long a run is, and over how many truths.
#[derive(Clone, Copy)]
pub struct Length {
    pub truths: u64,
    /// Sets of observations, of which the first `burn_in` do not count.
    pub sets: usize,
    pub burn_in: usize,
}

/// A row's scores.
pub struct Score {
    /// The rmse of the analysis mean for each truth: the mean over time of the root of the mean square over components.
    pub rmse: Vec<f64>,
    /// The root mean variance of the analysis likewise.
    pub spread: Vec<f64>,
    /// Seconds an analysis and forecast.
    pub seconds: f64,
}

/// The mean and its standard error.
pub fn mean_and_error(x: &[f64]) -> (f64, f64) {
    let x = Array1::from(x.to_vec());
    (x.mean().unwrap(), (x.var(1.0) / x.len() as f64).sqrt())
}

impl Setting {
    fn operator(&self, dim: usize) -> Box<dyn ObservationOperator> {
        let (name, given) = self.operator;
        let entry = scorecast_assimilation::OPERATORS.iter().find(|entry| entry.name == name).unwrap();
        let given: BTreeMap<String, Value> =
            given.iter().map(|(key, value)| ((*key).to_owned(), Value::Int(*value))).collect();
        let settings = scorecast_systems::Settings::check(name, entry.params, &given).unwrap();
        let sd = [self.sd];
        let law = errors(&sd);
        let law: &ErrorLaw = &|dim| -> Result<Box<dyn NoiseLaw>> { law(dim) };
        (entry.build)(&settings, dim, law).unwrap()
    }

    /// Moves three components of the truth, one time in ten.
    fn shock(&self, truth: &mut Array2<f64>, key: Key) {
        let mut stream = key.purpose(Purpose::Perturbation).stream(0);
        if self.shocks && stream.uniform() < 0.1 {
            for _ in 0..3 {
                let place = stream.below(truth.ncols());
                truth[(0, place)] += 5.0 * stream.normal();
            }
        }
    }

    /// The scores of a method.
    pub fn run(&self, name: &str, given: &[(&str, Value)], length: Length) -> Score {
        let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
        let noise = BTreeMap::from([("noise".to_owned(), Value::Float(1.0))]);
        let model = build("lorenz96", &noise).unwrap().forecaster(&stepping).unwrap();
        let operator = self.operator(model.dim());
        let start = Instant::now();
        let each: Vec<_> =
            (0..length.truths).map(|truth| self.one(&*model, &*operator, (name, given), length, truth)).collect();
        let (rmse, spread) = each.into_iter().unzip();
        Score { rmse, spread, seconds: start.elapsed().as_secs_f64() / (length.truths as usize * length.sets) as f64 }
    }

    fn one(
        &self,
        model: &dyn Forecaster,
        operator: &dyn ObservationOperator,
        (name, given): (&str, &[(&str, Value)]),
        length: Length,
        seed: u64,
    ) -> (f64, f64) {
        let (hidden, key) = (Key::new(500 + seed, Domain::Truth), Key::new(500 + seed, Domain::Method));
        let dim = model.dim();
        let process = hidden.purpose(Purpose::ProcessNoise);
        let mut truth = hidden.normals(1, dim) + 2.0;
        model.advance(0, 1000, &mut truth, process).unwrap();
        let centre = &truth.row(0) + &hidden.case(1).normals(1, dim).row(0);
        let mut filter = method(name, given);
        filter.start(&Prior::Independent { mean: centre, sd: Array1::ones(dim) }, 0, key).unwrap();
        let (mut error, mut spread) = (0.0, 0.0);
        for set in 1..=length.sets {
            model.advance(1000 + (set - 1) * self.every, self.every, &mut truth, process).unwrap();
            self.shock(&mut truth, hidden.at(set as u64));
            let step = set * self.every;
            let predicted = operator.apply(0.0, truth.view());
            let noise = hidden.purpose(Purpose::ObservationNoise).at(set as u64);
            let y = operator.error().observe(predicted.view(), noise).row(0).to_owned();
            let observed = ObservationSet { step, time: 0.05 * step as f64, values: y.view(), operator };
            let outcome = filter.step(model, &observed, key).unwrap();
            if set > length.burn_in {
                let e = outcome.mean() - truth.row(0);
                error += (e.dot(&e) / dim as f64).sqrt();
                spread += outcome.variance().mean().unwrap().sqrt();
            }
        }
        let counted = (length.sets - length.burn_in) as f64;
        (error / counted, spread / counted)
    }
}
