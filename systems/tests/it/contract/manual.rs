//! The page of the catalogue in `cargo doc` is written from the registry. `UPDATE_MANUAL=1 cargo test --release -p
//! scorecast-systems --test it manual` writes it again.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use scorecast_systems::Param;
use scorecast_systems::catalogue::SYSTEMS;
use scorecast_systems::catalogue::climate::{Measured, MeasuredClimate, climate};
use scorecast_systems::registry::DefaultValue;

fn default(param: &Param) -> String {
    match param.default {
        DefaultValue::Required => "must be set".to_owned(),
        DefaultValue::Unset => "unset".to_owned(),
        DefaultValue::Bool(value) => value.to_string(),
        DefaultValue::Int(value) => value.to_string(),
        DefaultValue::Float(value) => value.to_string(),
        DefaultValue::Text(value) => value.to_owned(),
        DefaultValue::Floats([value]) => value.to_string(),
        DefaultValue::Floats(values) => format!("{values:?}").replace('[', "\\["),
    }
}

/// What the table of climates says.
fn measured(climate: &MeasuredClimate) -> String {
    let print = |number: &Measured| {
        let places = if number.se > 0.0 { (1.0 - number.se.log10().floor()).clamp(0.0, 6.0) as usize } else { 3 };
        format!("{:.places$} ± {:.places$}", number.value, number.se)
    };
    let list = |numbers: &[Measured]| match numbers {
        [] => "none that settles".to_owned(),
        numbers => numbers.iter().map(print).collect::<Vec<_>>().join(", "),
    };
    let mut facts = vec![format!("mean {}", list(&climate.mean)), format!("sd {}", list(&climate.sd))];
    facts.extend(climate.exponent.as_ref().map(|number| format!("leading Lyapunov exponent {}", print(number))));
    facts.extend(climate.dimension.as_ref().map(|number| format!("Kaplan-Yorke dimension {}", print(number))));
    facts.join("; ")
}

/// The module of a system; two models of one paper share theirs.
fn module(name: &str) -> &str {
    name.strip_suffix("_iii").or(name.strip_suffix("_ii")).unwrap_or(name)
}

fn manual() -> String {
    let mut text = String::new();
    for entry in SYSTEMS {
        let defaults = &entry.build;
        let about = entry.about[..1].to_uppercase() + &entry.about[1..];
        writeln!(
            text,
            "## [`{0}`](self::{2})\n\n{about}.\n\nSource: {1}.\n",
            entry.name,
            entry.reference,
            module(entry.name)
        )
        .unwrap();
        writeln!(
            text,
            "Usual stepping: dt = {}, {} substep{}, `{}`.\n",
            defaults.dt,
            defaults.substeps,
            if defaults.substeps == 1 { "" } else { "s" },
            defaults.integrator
        )
        .unwrap();
        if let Some(climate) = climate(entry.name) {
            writeln!(text, "Measured at the defaults: {}.\n", measured(climate)).unwrap();
        }
        if entry.params.is_empty() {
            continue;
        }
        writeln!(text, "| setting | default | meaning |\n|---|---|---|").unwrap();
        for param in entry.params {
            // a bar would end the cell, a bracket would be a link
            let about = param.about.replace('|', "\\|").replace('[', "\\[");
            writeln!(text, "| `{}` | {} | {about} |", param.key, default(param)).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_manual_is_the_registry() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalogue/manual.md");
    if std::env::var_os("UPDATE_MANUAL").is_some() {
        std::fs::write(&path, manual()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == manual(),
        "systems/src/catalogue/manual.md is not what the registry says; run with UPDATE_MANUAL=1"
    );
}
