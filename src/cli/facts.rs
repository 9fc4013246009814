//! What `list systems` says of each system at its default settings: its size and noise, and what was measured of it; and
//! `list methods` of each method: what it needs.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use scorecast::assimilation::method::MethodBuild;
use scorecast::systems::catalogue::climate::{Measured, climate};
use scorecast::systems::catalogue::{DefaultStepping, build};
use scorecast::systems::registry::ParamKind;
use scorecast::systems::{Calculus, Entry, Noise};

/// Keys and values; what is not known is null.
pub(super) fn facts(entry: &Entry<DefaultStepping>) -> Map<String, Value> {
    let defaults = &entry.build;
    // a system that cannot be built without settings has no size of its own
    let system = build(entry.name, &Default::default()).ok();
    let sde = system.clone().and_then(|system| system.as_sde());
    let known = climate(entry.name);
    let usual = json!({
        "dt": defaults.dt, "substeps": defaults.substeps, "integrator": defaults.integrator, "spin_up": defaults.spin_up,
    });
    let measured = |number: &Measured| json!({"value": number.value, "se": number.se});
    let all = |numbers: &[Measured]| numbers.iter().map(measured).collect::<Vec<_>>();
    let climatology = known.filter(|known| !known.mean.is_empty()).map(|known| {
        json!({
            "mean": all(&known.mean), "sd": all(&known.sd), "per_component": known.mean.len() > 1,
            "trajectories": known.trajectories, "time": known.time,
        })
    });
    let pairs = [
        ("dim", json!(system.as_ref().map(|system| system.dim()))),
        ("geometry", json!(system.as_ref().map(|system| system.geometry().word()))),
        ("noise", json!(sde.as_ref().map(|sde| noise(sde.noise())))),
        ("calculus", json!(sde.as_ref().map(|sde| calculus(sde.calculus())))),
        ("stationary_start", json!(system.as_ref().map(|system| Arc::clone(system).initial_is_stationary()))),
        ("usual", usual),
        ("stepped_as_inside", json!(wraps(entry))),
        ("lyapunov_exponent", json!(known.and_then(|known| known.exponent.as_ref().map(measured)))),
        ("lyapunov_time", json!(known.and_then(|known| known.lyapunov_time()))),
        ("positive_exponents", json!(known.and_then(|known| known.positive))),
        ("kaplan_yorke_dimension", json!(known.and_then(|known| known.dimension.as_ref().map(measured)))),
        ("climatology", json!(climatology)),
        ("citation", json!(entry.reference)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What a method needs of its forecaster and of the operator, whatever its settings.
pub(super) fn needs(build: &MethodBuild) -> Map<String, Value> {
    let needs = build.needs.iter().map(|need| json!({"name": need.name(), "about": need.describe()})).collect();
    let pairs = [("needs", needs), ("linear_operator", json!(build.linear_operator))];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The facts that a line of text has room for.
pub(super) fn fact(key: &str, value: &Value) -> Option<String> {
    match (key, value) {
        ("dim", Value::Number(dim)) => Some(format!("dim {dim}")),
        ("noise", Value::String(noise)) => Some(format!("noise {noise}")),
        ("lyapunov_time", Value::Number(time)) => Some(format!("Lyapunov time {:.3}", time.as_f64()?)),
        ("kaplan_yorke_dimension", Value::Object(number)) => {
            Some(format!("Kaplan-Yorke dimension {:.2}", number.get("value")?.as_f64()?))
        }
        ("needs", Value::Array(needs)) if !needs.is_empty() => {
            let words: Vec<&str> = needs.iter().filter_map(|need| need.get("about")?.as_str()).collect();
            Some(format!("needs {}", words.join(", ")))
        }
        ("linear_operator", Value::Bool(true)) => Some("for linear operators only".to_owned()),
        _ => None,
    }
}

/// Whether it is a system around another, stepped as that one is.
fn wraps(entry: &Entry<DefaultStepping>) -> bool {
    entry.params.iter().any(|param| param.kind == ParamKind::System)
}

/// How it is usually stepped, as a line of text.
pub(super) fn usual(entry: &Entry<DefaultStepping>) -> String {
    let DefaultStepping { dt, substeps, integrator, spin_up, .. } = entry.build;
    match wraps(entry) {
        true => "stepped as the system inside".to_owned(),
        false => format!("usually dt {dt}, substeps {substeps}, integrator {integrator}, spin_up {spin_up}"),
    }
}

fn noise(noise: Noise) -> &'static str {
    match noise {
        Noise::None => "none",
        Noise::Additive => "additive",
        Noise::Constant(_) => "constant",
        Noise::Diagonal => "diagonal",
        Noise::Commutative(_) => "commutative",
        Noise::General(_) => "general",
    }
}

fn calculus(calculus: Calculus) -> &'static str {
    match calculus {
        Calculus::Ito => "ito",
        Calculus::Stratonovich => "stratonovich",
    }
}
