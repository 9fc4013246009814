//! What a training promises: the same bytes for any number of threads, through a file and across an interruption, and a
//! sentence when it goes wrong.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array2, Array3};
use scorecast::forecast::{Checkpoints, Error, FORECASTERS, FitContext, Fitted, Result};
use scorecast::model::Model;
use scorecast::progress::{Progress, Quiet};
use scorecast::systems::registry::Entry;
use scorecast::systems::{Domain, Geometry, Key, Level, Settings, Value, registry};

type Given<'a> = &'a [(&'a str, Value)];

const DIM: usize = 10;

fn entry(kind: &str) -> &'static Entry<scorecast::forecast::ForecasterBuild> {
    registry::find(FORECASTERS, "forecaster", kind).unwrap()
}

/// The forecasters that learn by gradient descent.
fn kinds() -> impl Iterator<Item = &'static str> {
    FORECASTERS.iter().filter(|entry| entry.build.is_learned()).map(|entry| entry.name)
}

/// A short training on a noisy linear recursion over a ring.
fn fit(kind: &str, given: Given, progress: &dyn Progress, kept: Option<&dyn Checkpoints>) -> Result<Fitted> {
    let mut all = BTreeMap::from([
        ("steps".to_owned(), Value::Int(24)),
        ("width".to_owned(), Value::Int(8)),
        ("batch".to_owned(), Value::Int(100)),
        ("validate_every".to_owned(), Value::Int(5)),
        ("checkpoint_every".to_owned(), Value::Int(7)),
    ]);
    all.extend(given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let settings = Settings::check(kind, entry(kind).params, &all).unwrap();
    let noise = Key::new(1, Domain::Data).normals(6 * 60, DIM).into_raw_vec_and_offset().0;
    let mut data = Array3::from_shape_vec((6, 60, DIM), noise).unwrap();
    for time in 1..60 {
        let before = data.slice(ndarray::s![.., time - 1, ..]).mapv(|value| 0.8 * value);
        let mut now = data.slice_mut(ndarray::s![.., time, ..]);
        now += &before;
    }
    let situation = FitContext {
        system: None,
        geometry: Geometry::Ring,
        train: data.slice(ndarray::s![..5, .., ..]),
        valid: data.slice(ndarray::s![5.., .., ..]),
        held_by: None,
        parameters: None,
        key: Key::new(5, Domain::Training),
        progress,
        checkpoints: kept,
        start: None,
        processor: &scorecast::nn::ops::Processor::Cpu,
    };
    (entry(kind).build.fit)(&settings, &situation)
}

/// Three lead steps of 70 members, as bits.
fn forecast(fitted: &Fitted) -> Vec<u64> {
    let mut x: Array2<f64> = Key::new(2, Domain::Method).normals(70, DIM);
    fitted.as_forecaster().advance(4, 3, &mut x, Key::new(3, Domain::Method)).unwrap();
    x.iter().map(|value| value.to_bits()).collect()
}

/// D and two vector-Jacobian products for 70 members, as bits; nothing of a forecaster without a denoiser.
fn guidance(fitted: &Fitted) -> Vec<u64> {
    let x: Array2<f64> = Key::new(2, Domain::Method).normals(70, DIM);
    let Some(denoiser) = fitted.as_forecaster().denoiser() else { return Vec::new() };
    let bound = denoiser.bind(0, x.view()).unwrap();
    let (denoised, pullback) = bound.denoiser.denoise_vjp(x.view(), Level::exploding(0.7)).unwrap();
    let once = pullback.pull(x.view()).unwrap();
    let twice = pullback.pull(once.view()).unwrap();
    denoised.iter().chain(&once).chain(&twice).map(|value| value.to_bits()).collect()
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    for kind in kinds() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let fitted = fit(kind, &[], &Quiet, None).unwrap();
                (fitted.model(), forecast(&fitted), guidance(&fitted))
            })
        };
        let one = run(1);
        for threads in [2, 4] {
            assert_eq!(one, run(threads), "{kind} on {threads} threads");
        }
    }
}

#[test]
fn a_loaded_model_is_the_stored_one() {
    for kind in kinds() {
        let fitted = fit(kind, &[], &Quiet, None).unwrap();
        let model = fitted.model();
        let loaded = (entry(kind).build.load.unwrap())(&model).unwrap();
        assert_eq!(loaded.model(), model, "{kind}");
        assert_eq!(forecast(&loaded), forecast(&fitted), "{kind}");
        // a validation loss that is none is no number
        assert_eq!(format!("{:?}", loaded.training()), format!("{:?}", fitted.training()), "{kind}");
    }
}

#[test]
fn a_model_keeps_its_objective_and_one_that_names_none_is_of_denoising() {
    let fit = |objective: &str| fit("diffusion", &[("objective", Value::Text(objective.to_owned()))], &Quiet, None);
    let load = entry("diffusion").build.load.unwrap();
    let (denoising, velocity) = (fit("denoising").unwrap(), fit("velocity").unwrap());
    let mut unnamed = denoising.model();
    unnamed.config["forecaster"].as_object_mut().unwrap().remove("objective").unwrap();
    assert_eq!(guidance(&load(&unnamed).unwrap()), guidance(&denoising));
    assert_eq!(guidance(&load(&velocity.model()).unwrap()), guidance(&velocity));
    assert_ne!(guidance(&velocity), guidance(&denoising));
}

/// Forms of `diffusion` other than its usual one.
const FORMS: [&[(&str, &str)]; 6] = [
    &[("objective", "noise")],
    &[("objective", "data"), ("time_law", "logit_normal")],
    &[("noise_schedule", "vp_cosine")],
    &[("target", "state")],
    &[("target", "residual")],
    &[("target", "residual"), ("objective", "velocity"), ("noise_schedule", "rectified")],
];

fn words(given: &[(&'static str, &str)]) -> Vec<(&'static str, Value)> {
    given.iter().map(|(key, word)| (*key, Value::Text((*word).to_owned()))).collect()
}

#[test]
fn each_form_of_diffusion_is_stored_whole_and_goes_on_where_it_was_interrupted() {
    let usual = forecast(&fit("diffusion", &[], &Quiet, None).unwrap());
    for form in FORMS {
        let given = words(form);
        let whole = fit("diffusion", &given, &Quiet, None).unwrap();
        let rebuilt = entry("diffusion").build.rebuild(&whole.model()).unwrap().unwrap();
        assert_eq!(forecast(&rebuilt), forecast(&whole), "{form:?}");
        assert_eq!(guidance(&rebuilt), guidance(&whole), "{form:?}");
        assert_eq!(rebuilt.training(), whole.training(), "{form:?}");
        assert_ne!(forecast(&whole), usual, "{form:?}");
        // in the training of a mean, before its end, and in the one of the denoiser after it
        for stop in [5, 11, 13, 20] {
            let memory = Memory::default();
            assert!(fit("diffusion", &given, &StopAt(AtomicU64::new(stop)), Some(&memory)).is_err(), "{form:?}");
            let resumed = fit("diffusion", &given, &Quiet, Some(&memory)).unwrap();
            assert_eq!(resumed.model(), whole.model(), "{form:?} at {stop}");
        }
    }
}

#[test]
fn the_mean_of_residuals_is_counted_and_takes_its_steps_from_those_that_are_given() {
    let of = |given: Given| fit("diffusion", given, &Quiet, None);
    let (alone, both) = (of(&[]).unwrap(), of(&words(&[("target", "residual")])).unwrap());
    let mean = fit("mse", &[], &Quiet, None).unwrap();
    assert_eq!(both.training().steps, alone.training().steps);
    assert_eq!(both.training().parameters, alone.training().parameters + mean.training().parameters);
    assert_eq!(both.training().evaluations, alone.training().evaluations + 1);
    let none_left = [words(&[("target", "residual")]), vec![("mean_steps", Value::Int(24))]].concat();
    let message = of(&none_left).err().unwrap().to_string();
    assert!(message.contains("`mean_steps` is 24 of the 24 of `steps`"), "{message}");
}

#[test]
fn a_distillation_is_one_evaluation_of_one_network_and_its_teacher_is_counted() {
    let of = |given: Given| fit("consistency", given, &Quiet, None);
    let (usual, denoiser) = (of(&[]).unwrap(), fit("diffusion", &[], &Quiet, None).unwrap());
    let training = usual.training();
    assert_eq!((training.steps, training.evaluations), (24, 1));
    assert_eq!(training.parameters, denoiser.training().parameters);
    // the curve is the student's, after the teacher's 12 steps
    assert!(training.curve.iter().all(|point| point.step > 12 && point.step <= 24) && training.best_step > 12);
    let longer = of(&[("teacher_steps", Value::Int(18))]).unwrap();
    assert!(longer.training().curve.iter().all(|point| point.step > 18));
    assert_ne!(forecast(&longer), forecast(&usual));
}

#[test]
fn a_checkpoint_of_a_second_training_is_refused_where_the_first_was_another() {
    let residual = |steps: i64| [words(&[("target", "residual")]), vec![("mean_steps", Value::Int(steps))]].concat();
    let memory = Memory::default();
    fit("diffusion", &residual(9), &StopAt(AtomicU64::new(20)), Some(&memory)).err().unwrap();
    let other = fit("diffusion", &residual(10), &Quiet, Some(&memory));
    assert!(matches!(other, Err(Error::Checkpoint(_))));
}

#[test]
fn a_damaged_model_is_refused_with_a_sentence() {
    let model = fit("diffusion", &[], &Quiet, None).unwrap().model();
    let load = entry("diffusion").build.load.unwrap();
    for name in model.tensors.keys() {
        let mut damaged = model.clone();
        damaged.tensors.remove(name);
        assert!(matches!(load(&damaged), Err(Error::Model(_))), "without {name}");
        let mut damaged = model.clone();
        damaged.tensors.get_mut(name).unwrap().shape.push(2);
        if let scorecast::model::Values::F32(_) = damaged.tensors[name].values {
            assert!(matches!(load(&damaged), Err(Error::Model(_))), "wrong shape of {name}");
        }
    }
}

/// The places of all numbers, truths and words of a configuration.
fn leaves(config: &serde_json::Value, at: &str) -> Vec<String> {
    match config {
        serde_json::Value::Object(inside) => {
            inside.iter().flat_map(|(key, value)| leaves(value, &format!("{at}/{key}"))).collect()
        }
        _ => vec![at.to_owned()],
    }
}

#[test]
fn what_is_said_of_a_damaged_model_is_a_sentence_and_no_structure_of_the_program() {
    let mut said = Vec::new();
    for kind in kinds() {
        let forms: &[Given] = match kind {
            "gaussian" => &[&[], &words(&[("covariance", "full")]), &words(&[("covariance", "low_rank")])],
            "diffusion" => &[&[], &words(&[("target", "residual")])],
            _ => &[&[]],
        };
        for form in forms {
            let model = fit(kind, form, &Quiet, None).unwrap().model();
            for place in leaves(&model.config, "") {
                for other in [Value::Int(0), Value::Int(3), Value::Int(900), Value::Text("other".to_owned())] {
                    let mut damaged = model.clone();
                    *damaged.config.pointer_mut(&place).unwrap() = match other {
                        Value::Int(count) => count.into(),
                        _ => "other".into(),
                    };
                    // some are other models as good as this one, but for their weights
                    if let Some(Err(error)) = entry(kind).build.rebuild(&damaged) {
                        assert!(matches!(error, Error::Model(_) | Error::System(_)), "{kind} {place}: {error}");
                        said.push(format!("{kind} {place}: {error}"));
                    }
                }
            }
        }
    }
    assert!(said.len() > 300, "{}", said.len());
    for said in said {
        assert!(!["{", "}", "Some(", "None", "(1, ", "["].iter().any(|rust| said.contains(rust)), "{said}");
    }
}

#[test]
fn a_network_that_another_was_learned_from_keeps_its_curve() {
    for (kind, form, what) in
        [("diffusion", words(&[("target", "residual")]), "mean"), ("consistency", Vec::new(), "teacher")]
    {
        let fitted = fit(kind, &form, &Quiet, None).unwrap();
        let [earlier] = &fitted.training().earlier[..] else { panic!("{kind}: one earlier training") };
        assert_eq!(earlier.what, what);
        assert_eq!(earlier.curve.iter().map(|point| point.step).collect::<Vec<_>>(), [5, 10, 12], "{kind}");
        assert!(earlier.curve.iter().all(|point| point.train.is_finite() && point.valid.is_finite()));
        let loaded = (entry(kind).build.load.unwrap())(&fitted.model()).unwrap();
        assert_eq!(loaded.training(), fitted.training(), "{kind}");
        // one of another model, that has none
        let mut without = fitted.model();
        without.tensors.retain(|name, _| !name.starts_with("training.earlier"));
        assert!(entry(kind).build.rebuild(&without).unwrap().unwrap().training().earlier.is_empty());
    }
    assert!(fit("gaussian", &[], &Quiet, None).unwrap().training().earlier.is_empty());
}

/// Keeps checkpoints in memory.
#[derive(Default)]
struct Memory(Mutex<Option<Model>>, AtomicU64);

impl Checkpoints for Memory {
    fn load(&self) -> Result<Option<Model>, String> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn save(&self, state: Model) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(state);
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Asks to stop at the n-th question.
struct StopAt(AtomicU64);

impl Progress for StopAt {
    fn start(&self, _what: &str, _total: u64) {}
    fn at(&self, _done: u64, _note: &str) {}
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[test]
fn an_interrupted_training_ends_with_the_same_bytes() {
    for kind in kinds() {
        let whole = fit(kind, &[], &Quiet, None).unwrap().model();
        // before the first validation, on one, between two, and one step before the end
        for stop in [1, 5, 13, 23] {
            let memory = Memory::default();
            let stopped = fit(kind, &[], &StopAt(AtomicU64::new(stop)), Some(&memory));
            assert!(matches!(stopped, Err(Error::Interrupted)), "{kind} at {stop}");
            let resumed = fit(kind, &[], &Quiet, Some(&memory)).unwrap();
            assert_eq!(resumed.model(), whole, "{kind} at {stop}");
        }
    }
}

#[test]
fn a_killed_training_goes_on_from_its_last_checkpoint() {
    let memory = Memory::default();
    let whole = fit("diffusion", &[], &Quiet, Some(&memory)).unwrap().model();
    // after steps 7, 14 and 21; the checkpoint of step 21 is what a kill in the last steps would leave
    assert_eq!(memory.1.load(Ordering::Relaxed), 3);
    assert_eq!(fit("diffusion", &[], &Quiet, Some(&memory)).unwrap().model(), whole);
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let memory = Memory::default();
    fit("gaussian", &[], &Quiet, Some(&memory)).unwrap();
    let other = fit("gaussian", &[("learning_rate", Value::Float(1e-4))], &Quiet, Some(&memory));
    assert!(matches!(other, Err(Error::Checkpoint(_))));
    // what is learned may differ where the network and the training are the same
    for (kind, key, value) in [
        ("diffusion", "p_mean", Value::Float(0.0)),
        ("crps", "alpha", Value::Float(0.5)),
        ("gaussian", "covariance", Value::Text("full".to_owned())),
    ] {
        let memory = Memory::default();
        fit(kind, &[], &Quiet, Some(&memory)).unwrap();
        assert!(matches!(fit(kind, &[(key, value)], &Quiet, Some(&memory)), Err(Error::Checkpoint(_))), "{kind} {key}");
    }
}

#[test]
fn divergence_is_a_sentence_that_names_step_and_remedy() {
    for kind in kinds() {
        let given = [("learning_rate", Value::Float(1e30)), ("clip", Value::Float(1e30)), ("warm_up", Value::Int(0))];
        let message = match fit(kind, &given, &Quiet, None) {
            Err(Error::Diverged(message)) => message,
            other => panic!("{kind} must diverge, not be {:?}", other.map(|fitted| fitted.model().kind)),
        };
        assert!(message.starts_with("training diverged at step "), "{message}");
        assert!(message.contains("lower learning_rate"), "{message}");
    }
}

#[test]
fn contradictory_settings_are_refused() {
    let message = |given: Given| fit("gaussian", given, &Quiet, None).err().unwrap().to_string();
    assert!(message(&[("kernel", Value::Int(4))]).contains("is 4, but a convolution needs an odd number"));
    let conv2d = message(&[("network", Value::Text("conv2d".to_owned()))]);
    assert!(conv2d.contains("is \"conv2d\", but the 10 components are not a grid of rows and columns"), "{conv2d}");
}

#[test]
fn divergent_members_stay_non_finite_and_harm_no_other() {
    for kind in kinds() {
        let fitted = fit(kind, &[], &Quiet, None).unwrap();
        let mut x: Array2<f64> = Key::new(2, Domain::Method).normals(8, DIM);
        let mut with_nan = x.clone();
        with_nan.row_mut(3).fill(f64::NAN);
        fitted.as_forecaster().advance(0, 1, &mut x, Key::new(3, Domain::Method)).unwrap();
        fitted.as_forecaster().advance(0, 1, &mut with_nan, Key::new(3, Domain::Method)).unwrap();
        for member in 0..8 {
            match member {
                3 => assert!(with_nan.row(3).iter().all(|value| value.is_nan())),
                _ => assert_eq!(with_nan.row(member), x.row(member), "{kind}"),
            }
        }
    }
}

#[test]
fn a_training_that_validates_nothing_is_stored_with_its_curve() {
    let fitted = fit("lifting", &[], &Quiet, None).unwrap();
    let curve = &fitted.training().curve;
    assert!(curve.len() > 3 && curve.iter().all(|point| point.train.is_finite() && point.valid.is_nan()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lifting.safetensors");
    scorecast::store::model::write(&path, &fitted.model()).unwrap();
    let read = scorecast::store::model::read(&path, &scorecast::store::Limits::bytes(1 << 30)).unwrap();
    let loaded = entry("lifting").build.rebuild(&read).unwrap().unwrap();
    let points = |fitted: &Fitted| fitted.training().curve.iter().map(|p| (p.step, p.train)).collect::<Vec<_>>();
    assert_eq!(points(&loaded), points(&fitted));
    assert!(loaded.training().best_valid.is_nan());
    // in JSON what is unknown is null, and reads back
    let text = serde_json::to_string(curve).unwrap();
    let back: Vec<scorecast::model::CurvePoint> = serde_json::from_str(&text).unwrap();
    assert!(text.contains("null") && back.iter().all(|point| point.valid.is_nan()), "{text}");
}

#[test]
fn kept_are_the_weights_that_are_asked_for() {
    let of = |keep: &str, ema: f64| {
        let given = [("keep", Value::Text(keep.to_owned())), ("ema", Value::Float(ema))];
        fit("gaussian", &given, &Quiet, None).unwrap()
    };
    let [average, last] = ["average", "last"].map(|keep| of(keep, 0.9));
    assert_eq!((average.training().best_step, last.training().best_step), (24, 24));
    assert_eq!(average.training().best_valid, average.training().curve.last().unwrap().valid);
    // what is validated is the average, so that of the last weights nothing is known
    assert!(last.training().best_valid.is_nan());
    let weights = |fitted: &Fitted| fitted.model().tensors["network.head.weight"].clone();
    assert_ne!(weights(&average), weights(&last));
    // an average that forgets all is the last weights
    let [average, last] = ["average", "last"].map(|keep| of(keep, 0.0));
    assert_eq!(weights(&average), weights(&last));
}
