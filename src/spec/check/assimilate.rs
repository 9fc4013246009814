//! `[[assimilate]]`: each section becomes a row for each of its forecasters and each of its observing networks.

use super::super::document::{Item, Node, Place, Table};
use super::super::keys::ASSIMILATE;
use super::super::layout::Layout;
use super::super::plan::{AssimilatePlan, ForecasterPlan, SystemPlan};
use super::super::read::{self, Reader, entry, key_of};
use super::context::{Checked, Context};
use super::estimate;
use super::forecasters::check_label;
use super::observe::CheckedNetwork;
use crate::assimilation::augment::Parameter;
use crate::assimilation::{self, METHODS};
use crate::systems::Geometry;
use crate::systems::registry::{Param, Settings};

/// A row, and where it was written.
pub(super) struct CheckedRow<'a> {
    pub(super) plan: AssimilatePlan,
    pub(super) place: &'a Place,
    pub(super) key: String,
}

pub(super) fn check<'a>(
    cx: &Context<'a>,
    system: &Checked<SystemPlan>,
    declared: &[ForecasterPlan],
    networks: &[CheckedNetwork],
    no_perfect: Option<&str>,
    layout: Option<(Layout, usize)>,
) -> Vec<CheckedRow<'a>> {
    let mut rows: Vec<CheckedRow> = Vec::new();
    for reader in cx.many(&ASSIMILATE) {
        let Some((own, settings)) = method(&reader, layout) else { continue };
        let forecasters = forecasters(cx, &reader, declared, no_perfect);
        let chosen = chosen_networks(cx, &reader, networks);
        let unknown = estimate::read(&reader, system);
        for forecaster in &forecasters {
            for network in &chosen {
                let Some(network) = networks.iter().find(|known| known.plan.name == *network) else { continue };
                let many =
                    (forecasters.len() > 1, if own.has("label") { chosen.len() > 1 } else { networks.len() > 1 });
                let plan = row(&reader, (&own, &settings, &unknown), forecaster, network, many);
                if let Some(known) = rows.iter().find(|known| known.plan.label == plan.label) {
                    let what = format!(
                        "two rows are called `{}` (the other is at {}); give one of them a `label`",
                        plan.label, known.place
                    );
                    reader.wrong("label", what);
                }
                rows.push(CheckedRow { plan, place: reader.place, key: reader.path.clone() });
            }
        }
    }
    rows
}

/// The section's own settings and those of its method, which is built once for what it has to say.
fn method(reader: &Reader, layout: Option<(Layout, usize)>) -> Option<(Settings, Settings)> {
    let own = reader.own()?;
    let name = own.text("method");
    let entry = entry(METHODS, "method", name, reader.place_of("method"), &reader.key("method"), reader.mistakes)?;
    reader.refuse_unknown(entry.params);
    let before = reader.mistakes.count();
    let placed = placed(reader, entry.params, layout);
    let owner = format!("method `{name}`");
    let settings = read::settings(&placed, &owner, entry.params, reader.place, &reader.path, reader.mistakes)?;
    if reader.mistakes.count() == before
        && let Err(error) = (entry.build.make)(&settings)
    {
        let key = match &error {
            assimilation::Error::System(inner) => key_of(inner).unwrap_or_default(),
            _ => "method".to_owned(),
        };
        reader.wrong(&key, error.to_string());
    }
    Some((own, settings))
}

/// The table with the grid of the system or of the file (its layout and grid points in a row), for a method that localizes and is not told of another.
fn placed(reader: &Reader, params: &[Param], layout: Option<(Layout, usize)>) -> Table {
    let mut table = reader.table.clone();
    let localizes = params.iter().any(|param| param.key == "geometry");
    let (word, columns) = match layout {
        Some((Layout::System(Geometry::Torus { columns, .. }), _)) => ("torus", columns),
        Some((Layout::System(Geometry::Plane { columns, .. }), _)) => ("plane", columns),
        Some((Layout::Word(word @ ("torus" | "plane")), columns)) if columns > 0 => (word, columns),
        Some((Layout::System(Geometry::Unstructured) | Layout::Word("unstructured"), _)) => {
            if localizes && table.get("radius").is_some() && table.get("geometry").is_none() {
                let what = format!(
                    "{}: `radius` needs distances, and the components are unstructured; remove `radius`, or say how they lie by \
                     `geometry`",
                    reader.path
                );
                reader.wrong("radius", what);
                return table;
            }
            ("unstructured", 0)
        }
        _ => return table,
    };
    if localizes && table.get("geometry").is_none() && table.get("columns").is_none() {
        let place = reader.place.clone();
        table.set("geometry", Node { item: Item::Text(word.to_owned()), place: place.clone() });
        if columns > 0 {
            table.set("columns", Node { item: Item::Int(columns as i64), place });
        }
    }
    table
}

fn forecasters(cx: &Context, reader: &Reader, declared: &[ForecasterPlan], no_perfect: Option<&str>) -> Vec<String> {
    let key = reader.key("forecaster");
    let given = reader.words("forecaster").unwrap_or_else(|| vec![("perfect".to_owned(), reader.place)]);
    if given.is_empty() {
        reader.wrong("forecaster", "[[assimilate]]: `forecaster` is an empty list; name at least one");
    }
    given
        .into_iter()
        .filter(|(label, place)| check_label(cx, declared, label, place, &key, no_perfect))
        .map(|(label, _)| label)
        .collect()
}

fn chosen_networks(cx: &Context, reader: &Reader, networks: &[CheckedNetwork]) -> Vec<String> {
    let known: Vec<&str> = networks.iter().map(|network| network.plan.name.as_str()).collect();
    if cx.root.get("observe").is_none() {
        reader.wrong("observe", "[[assimilate]] needs observations; add an [observe] section");
        return Vec::new();
    }
    let Some(given) = reader.words("observe") else {
        return known.iter().map(|&name| name.to_owned()).collect();
    };
    let mut chosen = Vec::new();
    for (name, place) in given {
        if known.contains(&name.as_str()) {
            chosen.push(name);
        } else if !known.is_empty() {
            let hint = read::remedy(&name, &known);
            cx.mistakes.add(place, reader.key("observe"), format!("no observing network is called `{name}`; {hint}"));
        }
    }
    chosen
}

fn row(
    reader: &Reader,
    (own, settings, unknown): (&Settings, &Settings, &[Parameter]),
    forecaster: &str,
    network: &CheckedNetwork,
    (many_forecasters, many_networks): (bool, bool),
) -> AssimilatePlan {
    let method = own.text("method");
    let names: String = unknown.iter().map(|parameter| format!(" + {}", parameter.name)).collect();
    let mut label = match own.text("label") {
        "" => format!("{method}{names} / {forecaster}"),
        given if many_forecasters => format!("{given} / {forecaster}"),
        given => given.to_owned(),
    };
    if many_networks {
        label = format!("{label} / {}", network.plan.name);
    }
    AssimilatePlan {
        seed_of: None,
        label,
        method: method.to_owned(),
        settings: settings.clone(),
        forecaster: forecaster.to_owned(),
        observe: network.plan.name.clone(),
        steps: row_steps(reader, own, network),
        replicates: row_replicates(reader, own, network),
        estimate: unknown.to_vec(),
    }
}

fn row_steps(reader: &Reader, own: &Settings, network: &CheckedNetwork) -> usize {
    let plan = &network.plan;
    if !own.has("run_steps") {
        return plan.steps;
    }
    let steps = own.count("run_steps");
    let (low, high, every) = (plan.burn_in, plan.steps, plan.every);
    let between = plan.file.is_none() && !steps.is_multiple_of(every);
    if steps > high || steps <= low || between {
        let what = format!(
            "[[assimilate]]: `run_steps` is {steps}, but network `{}` has {high} steps, a burn-in of {low} and \
             observations every {every}; set a multiple of {every} above {low} and at most {high}",
            plan.name
        );
        reader.wrong("run_steps", what);
    }
    steps
}

fn row_replicates(reader: &Reader, own: &Settings, network: &CheckedNetwork) -> usize {
    if !own.has("replicates") {
        return network.plan.replicates;
    }
    let (given, most) = (own.count("replicates"), network.plan.replicates);
    if given > most {
        let what = format!(
            "[[assimilate]]: `replicates` is {given}, but network `{}` has {most}; set at most {most}",
            network.plan.name
        );
        reader.wrong("replicates", what);
    }
    given
}
