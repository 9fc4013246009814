//! Rows of the DAPPER benchmark (Raanes and others, version 1.8.1, measured with its own generator) run again here:
//! particle filters on Lorenz-63 (setting of Sakov, Oliver and Bertino 2012) and the ensemble Rauch-Tung-Striebel smoother
//! on Lorenz-96 (setting of Raanes 2016). The twins have the same laws and not the same numbers.
//!
//! Each line: the time mean of the root mean squared error of the mean over several twins, its standard error over the
//! twins and their range, and what the benchmark measured in one twin. Over several seeds its own program gives .380 +- .005
//! (100 members) and .273 +- .008 (800) for the particle filter, and .342 +- .003 (filter), .209 +- .002 (smoother) for the
//! ensemble smoother.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Axis};
use scorecast_assimilation::observe::{GaussianError, Stride};
use scorecast_assimilation::{METHODS, ObservationOperator, ObservationSet, Outcome, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Settings, Stepping, Value};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A benchmark with a known truth: the system, its lead step, the lead steps between sets, the sets, those that count from, and the laws.
struct KnownTruth {
    system: &'static str,
    every: usize,
    sets: usize,
    burn_in: usize,
    start: Array1<f64>,
    spread: f64,
    error: f64,
}

/// Scores of one twin: of the posterior before resampling, of the analysis ensemble, and of the smoother.
struct Scores {
    posterior: f64,
    analysis: f64,
    smoothed: f64,
}

impl KnownTruth {
    fn run(&self, name: &str, given: &[(&str, Value)], seed: u64) -> Result<Scores> {
        let stepping = Stepping { dt: 0.01, substeps: 1, integrator: "rk4".to_owned() };
        let model: Box<dyn Forecaster> =
            build(self.system, &BTreeMap::new()).map_err(|mistakes| format!("{mistakes:?}"))?.forecaster(&stepping)?;
        let dim = model.dim();
        let sd = [self.error.sqrt()];
        let error = |values| Ok(Box::new(GaussianError::new(&sd, values)?) as Box<_>);
        let operator = Stride::new(dim, 1, 0, &error)?;
        let (hidden, key) = (Key::new(seed, Domain::Truth), Key::new(seed, Domain::Method));
        let mut truth = hidden.normals(1, dim) * self.spread.sqrt() + &self.start;
        let entry = METHODS.iter().find(|entry| entry.name == name).ok_or("no such method")?;
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let settings = Settings::check(name, entry.params, &given).map_err(|mistakes| format!("{mistakes:?}"))?;
        let mut method = (entry.build.make)(&settings)?;
        let covariance = Array2::eye(dim) * self.spread;
        method.start(&Prior::Gaussian { mean: self.start.clone(), covariance }, 0, key)?;
        let (mut truths, mut smoothed, mut analysis, mut posterior) = (Vec::new(), Vec::new(), 0.0, 0.0);
        for set in 1..=self.sets {
            model.advance((set - 1) * self.every, self.every, &mut truth, hidden)?;
            let noise = operator.error().sample(1, hidden.purpose(Purpose::ObservationNoise).at(set as u64));
            let values = (&truth + &noise).remove_axis(Axis(0));
            let step = set * self.every;
            let observed =
                ObservationSet { step, time: 0.01 * step as f64, values: values.view(), operator: &operator };
            let outcome = method.step(&*model, &observed, key)?;
            if set > self.burn_in {
                analysis += rms(&outcome.mean(), truth.row(0).to_owned());
                posterior += rms(&weighed(&outcome, &observed), truth.row(0).to_owned());
            }
            smoothed.extend(outcome.smoothed);
            truths.push(truth.row(0).to_owned());
        }
        smoothed.extend(method.finish(&*model, None, key)?);
        let late = smoothed.iter().zip(truths).skip(self.burn_in);
        let count = (self.sets - self.burn_in) as f64;
        Ok(Scores {
            posterior: posterior / count,
            analysis: analysis / count,
            smoothed: late.map(|(found, truth)| rms(&found.mean(), truth)).sum::<f64>() / count,
        })
    }

    fn print(&self, name: &str, given: &[(&str, Value)], twins: u64, measured: &str) -> Result<()> {
        let scores = (1..=twins).map(|seed| self.run(name, given, seed)).collect::<Result<Vec<_>>>()?;
        let line = |what: &str, of: fn(&Scores) -> f64| {
            let values: Array1<f64> = scores.iter().map(of).collect();
            let error = values.std(1.0) / (twins as f64).sqrt();
            let (least, most) = values.iter().fold((f64::INFINITY, 0.0f64), |(a, b), v| (a.min(*v), b.max(*v)));
            println!("    {what:<28} {:.4} +- {error:.4} ({least:.4} to {most:.4})", values.sum() / twins as f64);
        };
        println!("{name} {given:?}, {} twins; measured elsewhere: {measured}", twins);
        if name != "enrts" {
            line("posterior before resampling", |scores| scores.posterior);
        }
        line("analysis ensemble", |scores| scores.analysis);
        if scores.iter().any(|scores| scores.smoothed > 0.0) {
            line("smoothed", |scores| scores.smoothed);
        }
        Ok(())
    }
}

fn rms(mean: &Array1<f64>, truth: Array1<f64>) -> f64 {
    let e = mean - truth;
    (e.dot(&e) / e.len() as f64).sqrt()
}

/// The mean of the forecast members weighed by p(y | x): a particle filter's before it resamples.
fn weighed(outcome: &Outcome, observed: &ObservationSet) -> Array1<f64> {
    let predicted = observed.operator.apply(observed.time, outcome.forecast.view());
    let mut log = observed.operator.error().log_likelihood(observed.values, predicted.view(), &observed.present());
    if let Some(weights) = &outcome.forecast_weights {
        log += &weights.mapv(f64::ln);
    }
    let largest = log.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let weights = log.mapv(|value| (value - largest).exp());
    weights.dot(&outcome.forecast) / weights.sum()
}

fn main() -> Result<()> {
    let twins = std::env::args().nth(1).map_or(Ok(4), |text| text.parse())?;
    let float = Value::Float;
    let lorenz63 = KnownTruth {
        system: "lorenz63",
        every: 25,
        sets: 1000,
        burn_in: 64,
        start: Array1::from_vec(vec![1.508870, -1.531271, 25.46091]),
        spread: 2.0,
        error: 2.0,
    };
    for (members, regularization, threshold, measured) in
        [(100, 2.4, 0.3, ".3487 +- .016"), (800, 0.9, 0.2, ".2417 +- .016")]
    {
        let given = [
            ("members", Value::Int(members)),
            ("regularization", float(regularization)),
            ("ess_threshold", float(threshold)),
        ];
        lorenz63.print("bootstrap", &given, twins, measured)?;
    }
    let given = [
        ("members", Value::Int(30)),
        ("expansion", Value::Int(1000)),
        ("regularization", float(2.0)),
        ("ess_threshold", float(0.2)),
    ];
    let short = KnownTruth { sets: 164, start: lorenz63.start.clone(), ..lorenz63 };
    short.print("kernel_particle_filter", &given, twins, ".5781 +- .065 (100 sets)")?;
    let mut start = Array1::zeros(40);
    start[0] = 1.0;
    let lorenz96 =
        KnownTruth { system: "lorenz96", every: 15, sets: 400, burn_in: 133, start, spread: 0.001, error: 1.0 };
    let given = [("members", Value::Int(25)), ("inflation", float(1.08)), ("decorrelation", float(0.99))];
    lorenz96.print("enrts", &given, twins, "filter .3232 +- .010, smoother .1934")?;
    Ok(())
}
