//! The experiments that come with the program, each an annotated TOML file.

use super::document::{Item, Node, Table, parse};
use super::mistake::Mistakes;
use super::read::remedy;

/// An experiment that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// One phrase: what it shows.
    pub about: &'static str,
    /// The TOML text.
    pub text: &'static str,
}

/// Every preset; the first is the default of `compare`.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "lorenz96",
        about: "stochastic Lorenz-96, 40 variables: learned forecasters and filters beside the true system, in minutes",
        text: include_str!("../../benches/presets/lorenz96.toml"),
    },
    Preset {
        name: "lorenz96_full",
        about: "the same at publication length",
        text: include_str!("../../benches/presets/lorenz96_full.toml"),
    },
    Preset {
        name: "lorenz63",
        about: "Lorenz-63 observed in one component: guided diffusion beside particle and ensemble Kalman filters",
        text: include_str!("../../benches/presets/lorenz63.toml"),
    },
    Preset {
        name: "double_well",
        about: "a two-sided one-step law that a Gaussian forecaster cannot represent",
        text: include_str!("../../benches/presets/double_well.toml"),
    },
    Preset {
        name: "linear",
        about: "a linear system, where the Kalman filter is exact: every method beside it",
        text: include_str!("../../benches/presets/linear.toml"),
    },
    Preset {
        name: "sakov2008",
        about: "the twin experiment of Sakov and Oke (2008): ETKF and EnKF on Lorenz-96",
        text: include_str!("../../benches/presets/sakov2008.toml"),
    },
    Preset {
        name: "unknown_forcing",
        about: "Lorenz-96 whose forcing is not known: estimated with the state, beside a filter that is told",
        text: include_str!("../../benches/presets/unknown_forcing.toml"),
    },
    Preset {
        name: "flowdas_lorenz63",
        about: "the experiment of FlowDAS on Lorenz-63, with how far every row is above the exact posterior",
        text: include_str!("../../benches/presets/flowdas_lorenz63.toml"),
    },
    Preset {
        name: "lorenz96_absolute",
        about: "Lorenz-96 seen through |x| at every eighth step: where a Gaussian update is wrong",
        text: include_str!("../../benches/not_gaussian/absolute.toml"),
    },
    Preset {
        name: "lorenz96_absolute_half",
        about: "the same with every second component seen, at every fourth step",
        text: include_str!("../../benches/not_gaussian/absolute_half.toml"),
    },
    Preset {
        name: "lorenz96_absolute_often",
        about: "the same with every component seen, at every fourth step",
        text: include_str!("../../benches/not_gaussian/absolute_often.toml"),
    },
    Preset {
        name: "lorenz96_logarithm",
        about: "Lorenz-96 seen through log |x|",
        text: include_str!("../../benches/not_gaussian/logarithm.toml"),
    },
    Preset {
        name: "lorenz96_arctan_shocks",
        about: "Lorenz-96 seen through arctan x with a narrow error, and shocks that no forecaster knows",
        text: include_str!("../../benches/not_gaussian/arctan_shocks.toml"),
    },
    Preset {
        name: "contest_lorenz96",
        about: "the contest of forecasters on stochastic Lorenz-96, over a long lead step",
        text: include_str!("../../benches/contest/lorenz96.toml"),
    },
    Preset {
        name: "contest_lorenz96_step",
        about: "the same over one integration step, whose law is Gaussian",
        text: include_str!("../../benches/contest/lorenz96_step.toml"),
    },
    Preset {
        name: "contest_lorenz63",
        about: "the contest on stochastic Lorenz-63, over a long lead step",
        text: include_str!("../../benches/contest/lorenz63.toml"),
    },
    Preset {
        name: "contest_lorenz63_step",
        about: "the same over one integration step",
        text: include_str!("../../benches/contest/lorenz63_step.toml"),
    },
    Preset {
        name: "contest_lorenz63_inference",
        about: "the contest on stochastic Lorenz-63 over a long lead step, at equal operations of a lead step",
        text: include_str!("../../benches/contest/lorenz63_inference.toml"),
    },
    Preset {
        name: "contest_kuramoto_sivashinsky",
        about: "the contest on the Kuramoto-Sivashinsky equation with noise, over a long lead step",
        text: include_str!("../../benches/contest/kuramoto_sivashinsky.toml"),
    },
    Preset {
        name: "contest_kuramoto_sivashinsky_step",
        about: "the same over one integration step",
        text: include_str!("../../benches/contest/kuramoto_sivashinsky_step.toml"),
    },
    Preset {
        name: "contest_lorenz63_seen_in_part",
        about: "the contest on one component of Lorenz-63, of which forecasters are given six states, over a long lead step",
        text: include_str!("../../benches/contest/lorenz63_seen_in_part.toml"),
    },
    Preset {
        name: "contest_lorenz63_seen_in_part_step",
        about: "the same over one integration step",
        text: include_str!("../../benches/contest/lorenz63_seen_in_part_step.toml"),
    },
    Preset {
        name: "contest_lorenz63_seen_in_part_inference",
        about: "the same over the long lead step, at equal operations of a lead step",
        text: include_str!("../../benches/contest/lorenz63_seen_in_part_inference.toml"),
    },
    Preset {
        name: "contest_navier_stokes",
        about: "the contest on two-dimensional turbulence on a small square, over a long lead step",
        text: include_str!("../../benches/contest/navier_stokes.toml"),
    },
    Preset {
        name: "contest_navier_stokes_step",
        about: "the same over one integration step",
        text: include_str!("../../benches/contest/navier_stokes_step.toml"),
    },
];

/// Finds a preset by name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Puts the keys of a tree that names a `preset` over those of the preset, which may itself start from another.
///
/// Tables merge key by key; arrays are replaced whole, and so is a table whose `name` changes, since the settings of one
/// system are not those of another.
pub(super) fn inherit(root: Node, mistakes: &Mistakes) -> Node {
    let Item::Table(own) = &root.item else { return root };
    let Some(named) = own.get("preset") else { return root };
    let Some(found) = named.item.as_text().and_then(preset) else {
        let name = named.item.as_text().unwrap_or_default();
        let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        let hint = remedy(name, &known);
        mistakes.add(&named.place, "preset", format!("there is no preset {}; {hint}", named.item.describe()));
        return root;
    };
    let Some(base) = parse(found.text, &format!("preset {}", found.name), mistakes) else { return root };
    let mut base = inherit(base, mistakes);
    let place = root.place.clone();
    merge(&mut base, root);
    base.place = place;
    base
}

fn merge(base: &mut Node, own: Node) {
    match (&mut base.item, own.item) {
        (Item::Table(below), Item::Table(above)) if !renames(below, &above) => {
            base.place = own.place;
            for (key, node) in above.entries {
                match below.get_mut(&key) {
                    Some(known) => merge(known, node),
                    None => below.set(&key, node),
                }
            }
        }
        (_, item) => *base = Node { item, place: own.place },
    }
}

fn renames(below: &Table, above: &Table) -> bool {
    matches!((below.text("name"), above.text("name")), (Some(old), Some(new)) if old != new)
}
