//! Systems around other systems: what each keeps of the one inside, against it.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;
mod embed;
mod map;
mod observe_partially;
mod perturb_parameters;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{assert_gaussian_moments, copies, mean_and_se, stepping, system};
use ndarray::{Array2, Axis, s};
use scorecast_systems::catalogue::{Embed, Embedding, PerturbParameters, SYSTEMS, build, check, default_stepping};
use scorecast_systems::{Covariance, Domain, Error, Key, Purpose, Settings, Stepping, System, Value, simulate};

fn key() -> Key {
    Key::new(11, Domain::Data)
}

fn noise_key() -> Key {
    key().purpose(Purpose::ProcessNoise)
}

fn map(settings: &[(&str, Value)]) -> BTreeMap<String, Value> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

/// A system as the value of `of`.
fn of(name: &str, settings: &[(&str, Value)]) -> (&'static str, Value) {
    ("of", Value::System { name: name.to_owned(), settings: map(settings) })
}

fn float(key: &'static str, value: f64) -> (&'static str, Value) {
    (key, Value::Float(value))
}

fn int(key: &'static str, value: i64) -> (&'static str, Value) {
    (key, Value::Int(value))
}

fn settings(name: &str, given: &[(&str, Value)]) -> Settings {
    check(name, &map(given)).unwrap()
}

fn embed(given: &[(&str, Value)]) -> Arc<Embed> {
    Arc::new(Embed::new(&settings("embed", given)).unwrap())
}

fn perturb(given: &[(&str, Value)]) -> Arc<PerturbParameters> {
    Arc::new(PerturbParameters::new(&settings("perturb_parameters", given)).unwrap())
}

fn usual(name: &str, given: &[(&str, Value)]) -> Stepping {
    default_stepping(name, settings(name, given).values()).unwrap().stepping()
}

fn lorenz63() -> Stepping {
    stepping("rk4", 0.05, 5)
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Some states and vectors, `[member, component]`.
fn normals(at: u64, members: usize, dim: usize) -> Array2<f64> {
    Key::new(5, Domain::Score).at(at).normals(members, dim)
}

fn mistake(name: &str, given: &[(&str, Value)]) -> String {
    match build(name, &map(given)) {
        Ok(_) => panic!("{name} was built"),
        Err(mistakes) => mistakes[0].to_string(),
    }
}

#[test]
fn other_lead_steps_keep_the_usual_step_and_spin_up() {
    let of = |name: &str| SYSTEMS.iter().find(|entry| entry.name == name).unwrap().build;
    let defaults = of("lorenz63");
    for (dt, substeps, spin_up) in
        [(0.05, 5, 1000), (0.1, 10, 500), (0.01, 1, 5000), (0.03, 3, 1667), (1e9, 1_000_000, 1)]
    {
        assert_eq!((defaults.substeps_for(dt), defaults.spin_up_for(dt)), (substeps, spin_up), "{dt}");
    }
    for entry in SYSTEMS {
        let defaults = entry.build;
        assert_eq!(
            (defaults.substeps_for(defaults.dt), defaults.spin_up_for(defaults.dt)),
            (defaults.substeps, defaults.spin_up)
        );
    }
}
