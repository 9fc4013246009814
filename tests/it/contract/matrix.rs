//! Any forecaster in any method: each cell of the matrix runs, or says in one sentence why not.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array1, Array2, s};
use scorecast::assimilation::observe::{GaussianError, Stride};
use scorecast::assimilation::{Error, METHODS, ObservationSet, Prior};
use scorecast::forecast::{FORECASTERS, FitContext, Fitted};
use scorecast::progress::Quiet;
use scorecast::spec::matrix;
use scorecast::systems::registry::find;
use scorecast::systems::{Domain, Entry, Forecaster, Geometry, Key, Param, Settings, Stepping, Value, catalogue};

const DIM: usize = 3;

/// The settings of an entry, with few of whatever is many.
fn few<B>(entry: &Entry<B>, counts: &[(&str, i64)]) -> Settings {
    let known = |key: &str| entry.params.iter().any(|param: &Param| param.key == key);
    let given = counts.iter().filter(|(key, _)| known(key)).map(|(key, count)| ((*key).to_owned(), Value::Int(*count)));
    Settings::check(entry.name, entry.params, &given.collect::<BTreeMap<_, _>>()).unwrap()
}

/// Three cycles of a method, of which the last also finishes what a smoother holds back; what it says where it refuses.
fn run(name: &str, model: &dyn Forecaster) -> Result<(), String> {
    let entry = find(METHODS, "method", name).unwrap();
    let settings = few(entry, &[("members", 8), ("expansion", 4), ("draws", 8), ("steps", 20)]);
    let mut filter = (entry.build.make)(&settings).unwrap();
    let key = Key::new(5, Domain::Method);
    filter.start(&Prior::Gaussian { mean: Array1::zeros(DIM), covariance: Array2::eye(DIM) }, 0, key).unwrap();
    let operator = Stride::new(DIM, 1, 0, &|dim| Ok(Box::new(GaussianError::new(&[0.5], dim)?))).unwrap();
    let values = Key::new(6, Domain::Truth).normals(3, DIM);
    let outcome = (1..=3).try_for_each(|step| {
        let observed = ObservationSet { step, time: step as f64, values: values.row(step - 1), operator: &operator };
        let outcome = filter.step(model, &observed, key)?;
        assert!(outcome.ensemble.iter().all(|value| value.is_finite()), "{name}");
        Ok(())
    });
    match outcome.and_then(|()| filter.finish(model, None, key).map(|_| ())) {
        Ok(()) => Ok(()),
        Err(refused @ (Error::Unsupported(_) | Error::System(_))) => Err(refused.to_string()),
        Err(other) => panic!("{name}: {other}"),
    }
}

#[test]
fn each_cell_of_the_matrix_runs_or_says_why_not() {
    let system = catalogue::build("ou", &BTreeMap::from([("dim".to_owned(), Value::Int(DIM as i64))])).unwrap();
    let stepping = Stepping { dt: 0.1, substeps: 1, integrator: "rk4".to_owned() };
    let exact = Arc::clone(&system).forecaster(&stepping).unwrap();
    let data = Key::new(1, Domain::Data).normals(12 * 20, DIM).into_shape_with_order((12, 20, DIM)).unwrap();
    let cells = matrix(&*exact);
    assert_eq!(cells.len(), METHODS.len() * FORECASTERS.len());
    for forecaster in FORECASTERS {
        let context = FitContext {
            system: Some((Arc::clone(&system), stepping.clone())),
            geometry: Geometry::Ring,
            train: data.slice(s![..10, .., ..]),
            valid: data.slice(s![10.., .., ..]),
            held_by: None,
            parameters: None,
            key: Key::new(2, Domain::Training),
            progress: &Quiet,
            checkpoints: None,
            start: None,
            processor: &scorecast::nn::ops::Processor::Cpu,
        };
        let settings = few(forecaster, &[("steps", 4), ("width", 4), ("mean_steps", 2), ("teacher_steps", 2)]);
        let fitted: Fitted = (forecaster.build.fit)(&settings, &context).unwrap();
        for cell in cells.iter().filter(|cell| cell.forecaster == forecaster.name) {
            let ran = run(cell.method, fitted.as_forecaster());
            assert_eq!(
                ran.is_ok(),
                cell.refusal.is_none(),
                "{} / {}: {ran:?}, {:?}",
                cell.method,
                cell.forecaster,
                cell.refusal
            );
            let named = |why: &String| why.contains(&format!("`{}`", cell.method)) && !why.contains('\n');
            assert!(cell.refusal.as_ref().is_none_or(named), "{:?}", cell.refusal);
        }
    }
}
