//! Against laws that are known.

mod flow_density;
mod gaussian_covariances;
mod learned_by_networks;
mod learned_by_score_rule;
mod learned_on_linear;
mod learned_on_parameters;
mod learned_on_torus;
mod windows;

use ndarray::ArrayView3;
use scorecast::forecast::{FORECASTERS, FitContext, Fitted, KnownParameters, Result};
use scorecast::progress::Quiet;
use scorecast::systems::{Domain, Geometry, Key, Settings, Value, registry};

/// A forecaster of this kind with these settings, fitted to training and validation trajectories `[case, time, component]`.
#[allow(clippy::unwrap_used)]
fn try_fit(
    kind: &str,
    given: &[(&str, Value)],
    (geometry, seed): (Geometry, u64),
    parts: [ArrayView3<f64>; 2],
) -> Result<Fitted> {
    try_fit_knowing(kind, given, (geometry, seed), parts, None)
}

/// As [`try_fit`], where the parameters of each trajectory may be known.
#[allow(clippy::unwrap_used)]
fn try_fit_knowing<'a>(
    kind: &str,
    given: &[(&str, Value)],
    (geometry, seed): (Geometry, u64),
    [train, valid]: [ArrayView3<'a, f64>; 2],
    parameters: Option<KnownParameters<'a>>,
) -> Result<Fitted> {
    let entry = registry::find(FORECASTERS, "forecaster", kind).unwrap();
    let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let settings = Settings::check(kind, entry.params, &given).unwrap();
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
        processor: &scorecast::nn::ops::Processor::Cpu,
    };
    (entry.build.fit)(&settings, &context)
}
