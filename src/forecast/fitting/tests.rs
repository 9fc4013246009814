//! Fits of small data, for the tests of the forecasters.

use ndarray::{Array3, Axis};

use super::*;
use crate::forecast::FORECASTERS;
use crate::progress::Quiet;
use crate::systems::registry::find;
use crate::systems::{Domain, Purpose, Value};

/// A forecaster of this kind with these settings, fitted to training and validation trajectories `[case, time, component]`.
pub fn try_fit(
    kind: &str,
    given: &[(&str, Value)],
    on: (Geometry, u64),
    parts: [ArrayView3<f64>; 2],
) -> Result<Fitted> {
    try_fit_knowing(kind, given, on, parts, None)
}

/// As [`try_fit`], where the parameters of each trajectory may be known.
pub fn try_fit_knowing<'a>(
    kind: &str,
    given: &[(&str, Value)],
    (geometry, seed): (Geometry, u64),
    [train, valid]: [ArrayView3<'a, f64>; 2],
    parameters: Option<KnownParameters<'a>>,
) -> Result<Fitted> {
    let entry = find(FORECASTERS, "forecaster", kind).unwrap();
    let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let settings = Settings::check(&format!("forecaster `{kind}`"), entry.params, &given).unwrap();
    let context = FitContext {
        system: None,
        geometry,
        train,
        valid,
        held_by: None,
        parameters,
        key: Key::new(seed, Domain::Training),
        progress: &Quiet,
        checkpoints: None,
        start: None,
        processor: &crate::nn::ops::Processor::Cpu,
    };
    (entry.build.fit)(&settings, &context)
}

/// `cases` stationary trajectories of two times, `[case, time, component]`: independent pairs.
pub fn independent_pairs(system: &Arc<dyn System>, dt: f64, cases: usize, seed: u64) -> Array3<f64> {
    let key = Key::new(seed, Domain::Data);
    let first = system.initial(cases, key);
    let mut second = first.clone();
    let model = Arc::clone(system).forecaster(&stepping(dt)).unwrap();
    model.advance(0, 1, &mut second, key.purpose(Purpose::ProcessNoise)).unwrap();
    ndarray::stack(Axis(1), &[first.view(), second.view()]).unwrap()
}

/// One step of the integrator for each lead step.
pub fn stepping(dt: f64) -> Stepping {
    Stepping { dt, substeps: 1, integrator: "rk4".to_owned() }
}
