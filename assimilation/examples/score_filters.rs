//! Any row on the settings by which the ensemble score filter is measured, over several truths:
//!
//! `cargo run --release -p scorecast-assimilation --example score_filters -- SETTING TRUTHS METHOD [KEY=VALUE ...]`
//!
//! `full`: the default experiment, stochastic Lorenz-96 of 40 components, all observed at each lead step, R = I; `sparse`:
//! every second component at every fourth step; `arctan`: 100 components without noise, all seen through the arctangent
//! with an error of sd .05, each ten steps of .01, 150 sets of which the last 50 count (Bao, Zhang and Zhang 2024).
//! `dim=400`, `every=2` and `sets=300` change a setting, and `offers=denoiser` or `offers=steps` hides all else that the true
//! system can do from the method.
//!
//! Prints the mean over truths of the time mean of the rmse of the mean, its standard error, the median, how many truths were
//! lost (rmse above 1), spread over skill, and milliseconds a set.

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{Array2, Axis};
use scorecast_assimilation::observe::{Arctan, GaussianError, Pointwise, Stride};
use scorecast_assimilation::{METHODS, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::law::ConditionalDenoiser;
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Settings, Stepping, Value};

type Failure = Box<dyn std::error::Error>;

/// A twin experiment.
struct Setting {
    dim: usize,
    noise: f64,
    dt: f64,
    every: usize,
    sets: usize,
    burn_in: usize,
    operator: Box<dyn ObservationOperator>,
    /// Whether the first members surround the truth, with sd 1, and not 0.
    near_truth: bool,
    /// What a method is let see of the true system: all, its denoiser, or steps alone.
    offers: String,
}

/// A forecaster of which all but its denoiser is hidden, and that too unless it is offered.
struct Hidden {
    of: Box<dyn Forecaster>,
    offers_denoiser: bool,
}

impl Forecaster for Hidden {
    fn dim(&self) -> usize {
        self.of.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.of.step(k, x, key)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.of.denoiser().filter(|_| self.offers_denoiser)
    }
}

impl Setting {
    /// By its name; takes what is its own from `given`.
    fn named(name: &str, given: &mut BTreeMap<String, Value>) -> Result<Self, Failure> {
        let stride = |dim, stride, sd: f64| {
            Stride::new(dim, stride, 0, &move |values| Ok(Box::new(GaussianError::new(&[sd], values)?)))
        };
        let mut count = |key: &str, usual: usize| match given.remove(key) {
            Some(Value::Int(value)) => value as usize,
            _ => usual,
        };
        let (dim, noise, dt, every, sets, burn_in, near_truth) = match name {
            "full" => (40, 1.0, 0.05, 1, 1100, 100, true),
            "sparse" => (40, 1.0, 0.05, 4, 1050, 50, true),
            "arctan" => (100, 0.0, 0.01, 10, 150, 100, false),
            _ => return Err(format!("`{name}` is not one of full, sparse, arctan").into()),
        };
        let (dim, every, sets) = (count("dim", dim), count("every", every), count("sets", sets));
        let offers = match given.remove("offers") {
            Some(Value::Text(offers)) => offers,
            _ => "all".to_owned(),
        };
        let operator: Box<dyn ObservationOperator> = match name {
            "full" => Box::new(stride(dim, 1, 1.0)?),
            "sparse" => Box::new(stride(dim, 2, 1.0)?),
            _ => Box::new(Pointwise::new(Arctan, stride(dim, 1, 0.05)?)),
        };
        Ok(Self { dim, noise, dt, every, sets, burn_in, operator, near_truth, offers })
    }

    fn model(&self) -> Result<Box<dyn Forecaster>, Failure> {
        let given = BTreeMap::from([
            ("dim".to_owned(), Value::Int(self.dim as i64)),
            ("noise".to_owned(), Value::Float(self.noise)),
        ]);
        let stepping = Stepping { dt: self.dt, substeps: 1, integrator: "rk4".to_owned() };
        Ok(build("lorenz96", &given).map_err(|mistakes| format!("{mistakes:?}"))?.forecaster(&stepping)?)
    }

    /// Time means of the rmse, of its square and of the variance.
    fn run(&self, name: &str, given: &BTreeMap<String, Value>, seed: u64) -> Result<[f64; 3], Failure> {
        let entry = METHODS.iter().find(|entry| entry.name == name).ok_or("no such method")?;
        let settings = Settings::check(name, entry.params, given).map_err(|mistakes| format!("{mistakes:?}"))?;
        let mut method = (entry.build.make)(&settings)?;
        let (nature, hidden, key) = (self.model()?, Key::new(seed, Domain::Truth), Key::new(seed, Domain::Method));
        let mut truth = hidden.purpose(Purpose::InitialState).normals(1, self.dim) * 3.6 + 2.3;
        nature.advance(0, 2000, &mut truth, hidden.case(1))?;
        let mean = if self.near_truth { truth.row(0).to_owned() } else { truth.row(0).to_owned() * 0.0 };
        method.start(&Prior::Gaussian { mean, covariance: Array2::eye(self.dim) }, 0, key)?;
        let model = match self.offers.as_str() {
            "all" => self.model()?,
            offers => Box::new(Hidden { of: self.model()?, offers_denoiser: offers == "denoiser" }),
        };
        let mut sums = [0.0; 3];
        for set in 1..=self.sets {
            let step = set * self.every;
            nature.advance(step - self.every, self.every, &mut truth, hidden)?;
            let time = self.dt * step as f64;
            let h = self.operator.apply(time, truth.view());
            let noise = hidden.purpose(Purpose::ObservationNoise).at(set as u64);
            let values = self.operator.error().observe(h.view(), noise).remove_axis(Axis(0));
            let observed = ObservationSet { step, time, values: values.view(), operator: &*self.operator };
            let (mean, variance) = method.step(&*model, &observed, key)?.mean_and_variance();
            if set > self.burn_in {
                let square = (&mean - &truth.row(0)).mapv(|e| e * e).sum() / self.dim as f64;
                let variance = variance.sum() / self.dim as f64;
                sums.iter_mut().zip([square.sqrt(), square, variance]).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(sums.map(|sum| sum / (self.sets - self.burn_in) as f64))
    }
}

/// A setting as it is typed.
fn parsed(text: &str) -> Result<(String, Value), Failure> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not key=value"))?;
    let value = match (value.parse::<i64>(), value.parse::<f64>(), value.parse::<bool>()) {
        (Ok(value), ..) => Value::Int(value),
        (_, Ok(value), _) => Value::Float(value),
        (.., Ok(value)) => Value::Bool(value),
        _ => Value::Text(value.to_owned()),
    };
    Ok((key.to_owned(), value))
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [setting, truths, method, given @ ..] = &words[..] else {
        return Err(
            "say a setting (full, sparse, arctan), the number of truths, a method, and its settings as key=value"
                .into(),
        );
    };
    let mut given = given.iter().map(|text| parsed(text)).collect::<Result<BTreeMap<_, _>, _>>()?;
    let (setting, truths) = (Setting::named(setting, &mut given)?, truths.parse::<u64>()?);
    let start = Instant::now();
    let found = (1..=truths).map(|seed| setting.run(method, &given, seed)).collect::<Result<Vec<_>, _>>()?;
    let seconds = start.elapsed().as_secs_f64() / (truths as f64 * setting.sets as f64);
    let mut rmse: Vec<f64> = found.iter().map(|scores| scores[0]).collect();
    println!("{}", rmse.iter().map(|rmse| format!("{rmse:.4}")).collect::<Vec<_>>().join(" "));
    let count = rmse.len() as f64;
    let mean = rmse.iter().sum::<f64>() / count;
    let error = (rmse.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0) / count).sqrt();
    let lost = rmse.iter().filter(|rmse| rmse.is_nan() || **rmse > 1.0).count();
    rmse.sort_by(f64::total_cmp);
    let [skill, spread] = [1, 2].map(|i| found.iter().map(|scores| scores[i]).sum::<f64>());
    println!(
        "rmse {mean:.4} +- {error:.4}, median {:.4}, lost {lost} of {truths}, spread/skill {:.3}, {:.2} ms a set",
        rmse[rmse.len() / 2],
        (spread / skill).sqrt(),
        1e3 * seconds
    );
    Ok(())
}
