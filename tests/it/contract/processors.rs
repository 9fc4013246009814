//! A training on a device is that of the CPU but for rounding: held with Candle's operations on the CPU, which are those of
//! all devices.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use ndarray::{Array3, s};
use scorecast::forecast::{Checkpoints, Error, FORECASTERS, FitContext, Fitted, Result};
use scorecast::model::{Model, Values};
use scorecast::nn::NETWORKS;
use scorecast::nn::ops::Processor;
use scorecast::progress::Quiet;
use scorecast::systems::{Domain, Geometry, Key, Settings, Value, registry};

type Given = Vec<(&'static str, Value)>;

/// Twelve components, as many as U-Nets halve twice.
const DIM: usize = 12;

/// A short training on a noisy linear recursion.
fn fit(kind: &str, given: &Given, on: &Processor, kept: Option<&dyn Checkpoints>) -> Result<Fitted> {
    let entry = registry::find(FORECASTERS, "forecaster", kind).unwrap();
    let few = [("steps", 40), ("width", 8), ("batch", 70), ("validate_every", 10), ("checkpoint_every", 10)];
    let mut all: BTreeMap<String, Value> =
        few.into_iter().map(|(key, count)| (key.to_owned(), Value::Int(count))).collect();
    all.extend(given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let settings = Settings::check(kind, entry.params, &all).unwrap();
    let noise = Key::new(1, Domain::Data).normals(6 * 60, DIM).into_raw_vec_and_offset().0;
    let mut data = Array3::from_shape_vec((6, 60, DIM), noise).unwrap();
    for time in 1..60 {
        let before = data.slice(s![.., time - 1, ..]).mapv(|value| 0.8 * value);
        let mut now = data.slice_mut(s![.., time, ..]);
        now += &before;
    }
    let planar = given.iter().any(|(key, value)| *key == "network" && format!("{value:?}").contains("2d"));
    let context = FitContext {
        system: None,
        geometry: if planar { Geometry::Torus { rows: 2, columns: 6 } } else { Geometry::Ring },
        train: data.slice(s![..5, .., ..]),
        valid: data.slice(s![5.., .., ..]),
        held_by: None,
        parameters: None,
        key: Key::new(5, Domain::Training),
        progress: &Quiet,
        checkpoints: kept,
        start: None,
        processor: on,
    };
    (entry.build.fit)(&settings, &context)
}

fn word(key: &'static str, word: &str) -> (&'static str, Value) {
    (key, Value::Text(word.to_owned()))
}

/// The largest difference of two models' weights.
fn weights_differ(a: &Fitted, b: &Fitted) -> f32 {
    let (a, b) = (a.model(), b.model());
    assert_eq!(a.config, b.config);
    let of = |(name, own): (&String, &scorecast::model::Tensor)| match (&own.values, &b.tensors[name].values) {
        (Values::F32(a), Values::F32(b)) if name.starts_with("network.") => {
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        }
        _ => 0.0,
    };
    a.tensors.iter().map(of).fold(0.0, f32::max)
}

/// The largest relative difference of two trainings' losses.
fn losses_differ(a: &Fitted, b: &Fitted) -> f64 {
    let (a, b) = (&a.training().curve, &b.training().curve);
    assert_eq!((a.len(), a.len() > 1), (b.len(), true));
    let of = |(a, b): (&scorecast::model::CurvePoint, &scorecast::model::CurvePoint)| {
        assert_eq!(a.step, b.step);
        let gap = |a: f64, b: f64| if a.is_nan() && b.is_nan() { 0.0 } else { (a - b).abs() / b.abs().max(0.1) };
        gap(a.train, b.train).max(gap(a.valid, b.valid))
    };
    a.iter().zip(b).map(of).fold(0.0, f64::max)
}

#[test]
fn every_network_is_trained_by_operations_of_candle_to_the_losses_of_the_hand_written_one() {
    for network in NETWORKS.iter().map(|entry| entry.name) {
        for kind in ["gaussian", "diffusion"] {
            let given = vec![word("network", network)];
            let run = |on: &Processor| fit(kind, &given, on, None).unwrap();
            let (found, by_hand) = (run(&Processor::composed()), run(&Processor::Cpu));
            let losses = losses_differ(&found, &by_hand);
            println!("{kind} {network}: losses {losses:.1e}, weights {:.1e}", weights_differ(&found, &by_hand));
            assert!(losses < 2e-6, "{kind} {network}: {losses}");
            // the bias of keys has no gradient but rounding, which an optimizer that scales it makes large
            assert!(network == "transformer" || weights_differ(&found, &by_hand) < 1e-5, "{kind} {network}");
        }
    }
}

#[test]
fn every_learned_forecaster_is_trained_by_operations_of_candle() {
    let mut forms: Vec<(&str, Given)> =
        FORECASTERS.iter().filter(|entry| entry.build.is_learned()).map(|entry| (entry.name, Vec::new())).collect();
    forms.push(("diffusion", vec![word("target", "residual")]));
    forms.push(("gaussian", vec![word("covariance", "full")]));
    forms.push(("gaussian", vec![word("covariance", "low_rank")]));
    forms.push(("crps", vec![("rollout_steps", Value::Int(2))]));
    for (kind, given) in forms {
        let run = |on: &Processor| fit(kind, &given, on, None).unwrap();
        let (found, by_hand) = (run(&Processor::composed()), run(&Processor::Cpu));
        let losses = losses_differ(&found, &by_hand);
        println!("{kind} {given:?}: losses {losses:.1e}, weights {:.1e}", weights_differ(&found, &by_hand));
        assert!(losses < 2e-6, "{kind} {given:?}: {losses}");
        // what was trained there is a model like any other
        let entry = registry::find(FORECASTERS, "forecaster", kind).unwrap();
        let loaded = entry.build.rebuild(&found.model()).unwrap().unwrap();
        let forecast = |fitted: &Fitted| {
            let mut x = Key::new(2, Domain::Method).normals(9, fitted.as_forecaster().dim());
            fitted.as_forecaster().advance(4, 2, &mut x, Key::new(3, Domain::Method)).unwrap();
            x
        };
        assert_eq!(forecast(&loaded), forecast(&found), "{kind}");
    }
}

/// Keeps a checkpoint in memory.
#[derive(Default)]
struct Memory(Mutex<Option<Model>>);

impl Checkpoints for Memory {
    fn load(&self) -> Result<Option<Model>, String> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn save(&self, state: Model) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(state);
        Ok(())
    }
}

#[test]
fn a_training_is_the_same_bytes_each_time_and_goes_on_on_its_own_device_alone() {
    let (on, given) = (Processor::composed(), Given::new());
    let memory = Memory::default();
    let whole = fit("gaussian", &given, &on, Some(&memory)).unwrap().model();
    // from the checkpoint of step 30, and on other threads
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.install(|| fit("gaussian", &given, &on, Some(&memory)).unwrap().model()), whole);
    assert_eq!(pool.install(|| fit("gaussian", &given, &on, None).unwrap().model()), whole);
    for kind in ["gaussian", "consistency"] {
        let memory = Memory::default();
        fit(kind, &given, &on, Some(&memory)).unwrap();
        let said = fit(kind, &given, &Processor::Cpu, Some(&memory)).err();
        assert!(matches!(said, Some(Error::Checkpoint(_))), "{kind}");
        assert!(said.unwrap().to_string().contains("or on another device"), "{kind}");
    }
}
