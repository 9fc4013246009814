//! Arrows point down only, within each crate; between crates Cargo sees to it.

use std::path::{Path, PathBuf};

use super::modules::{Modules, circles};

/// The most files that may name each other in a circle.
const LARGEST_CIRCLE: usize = 6;

/// A folder's files and folders, lowest first; those in one list of names may name each other. `*` stands for all others:
/// the members of a registry, so that a new one needs no line here.
struct Order {
    /// Where the sources are.
    sources: &'static str,
    /// The module that is a folder; empty is the crate.
    folder: &'static str,
    /// Lowest first.
    floors: &'static [&'static [&'static str]],
}

const ORDERS: &[Order] = &[
    Order {
        sources: "systems/src",
        folder: "",
        floors: &[
            &["error", "geometry", "key", "memory_use", "semilinear", "transpose", "wide"],
            &["lanes", "registry", "stepping", "subspace"],
            &["fast", "increment", "linearized", "noising"],
            &["brownian", "law", "sde"],
            &["gaussian", "spectral", "transition"],
            &["integrate", "map"],
            &["system"],
            &["simulate"],
            &["diagnose"],
            &["catalogue"],
        ],
    },
    Order {
        sources: "systems/src",
        folder: "noising",
        floors: &[
            &["level"],
            &["denoiser", "schedule"],
            &["differentiable", "time_grid"],
            &["rescaled", "sampler", "shifted"],
            &["drive"],
        ],
    },
    Order {
        sources: "systems/src",
        folder: "integrate",
        floors: &[
            &["cells", "step", "stretch", "tangent"],
            &["one_step", "runge_kutta", "stretches"],
            &["*"],
            &["stepper"],
            &["adjoint"],
            &["forecaster"],
        ],
    },
    Order {
        sources: "assimilation/src",
        folder: "",
        floors: &[
            &["error", "quality"],
            &["linalg", "state"],
            &["ensemble", "observe"],
            &["localize", "need", "noise_treatment", "observations", "outcome", "step_law"],
            &["innovation", "problem"],
            &["augment", "cycle", "gaussian", "guard", "screening"],
            &["diagnostics", "method"],
        ],
    },
    Order {
        sources: "assimilation/src",
        folder: "method",
        floors: &[
            &["memory"],
            &["build", "shared"],
            &["around"],
            &["ensemble", "kalman"],
            &["particle", "variational"],
            &["diffusion"],
        ],
    },
    Order {
        sources: "assimilation/src",
        folder: "method::diffusion",
        floors: &[
            &["bracket", "by_component", "correctors", "counts", "likelihood"],
            &["guidance", "weighting"],
            &["*"],
        ],
    },
    Order {
        sources: "src",
        folder: "",
        floors: &[
            &["failure", "model", "progress", "score"],
            &["nn", "results", "store"],
            &["forecast", "report"],
            &["spec"],
            &["stage"],
            &["lab"],
            &["cli"],
            &["main"],
        ],
    },
    Order {
        sources: "src",
        folder: "nn",
        floors: &[
            &["array", "init", "level", "ops", "validation", "windows"],
            &["data", "weights"],
            &["network", "optimizer"],
            &["checkpoint", "objective", "shards"],
            &["train"],
            &["classifier"],
        ],
    },
    Order {
        sources: "src",
        folder: "forecast",
        floors: &[
            &["error"],
            &["stored"],
            &["fitted", "pairs", "sampling"],
            &["fitting"],
            &["learned"],
            &["held_noise"],
            &["*"],
            &["diffusion"],
            &["baselines"],
        ],
    },
    Order {
        sources: "src",
        folder: "store",
        floors: &[
            &["error", "limits", "lock", "mapping", "record", "tensorboard", "unique"],
            &["digest", "states"],
            &["scratch"],
            &["temporary"],
            &["atomic", "claim", "state_log"],
            &["manifest", "model", "netcdf", "training_log"],
            &["run", "well"],
            &["spool"],
        ],
    },
    Order {
        sources: "src",
        folder: "score",
        floors: &[
            &["about", "ensemble", "terms"],
            &["case", "columns"],
            &["metric", "statistics"],
            &["*"],
            &["column", "golden"],
        ],
    },
    Order {
        sources: "src",
        folder: "spec",
        floors: &[
            &["document", "hold", "jump", "layout", "mistake"],
            &["keys", "overrides"],
            &["nested", "read"],
            &["estimable", "presets", "suites"],
            &["plan"],
            &["resolved", "seeds", "size"],
            &["check", "needs"],
            &["schema"],
        ],
    },
    Order {
        sources: "src",
        folder: "report",
        floors: &[
            &["colour", "csv", "markup", "number", "verdict"],
            &["legend", "png", "scale", "tables"],
            &["against", "chart", "heatmap"],
            &["hovmoeller", "portrait"],
            &["bands", "cost", "errors", "gallery", "laws", "parameters", "ranks", "skill", "text", "training"],
            &["figure", "page", "panels"],
            &["diagnosis"],
        ],
    },
    Order {
        sources: "src",
        folder: "stage",
        floors: &[
            &["fall"],
            &["advice", "findings", "options", "pairing", "queue", "rough", "score_table", "tables", "untrained"],
            &["file_name", "output", "rows"],
            &["data", "gallery", "report"],
            &["budget"],
            &["diagnose", "experiment", "simulate", "validate"],
            &["assimilation", "forecast", "train"],
            &["assimilate", "compare", "evaluate", "inspect", "reproduce", "suite", "tune"],
        ],
    },
    Order {
        sources: "src",
        folder: "lab::dimension",
        floors: &[
            &["neighbours", "spectrum"],
            &["cloud", "estimate", "law", "sweep"],
            &["*"],
            &["pieces"],
            &["noise_floor"],
            &["findings", "training_sizes"],
            &["rendered"],
            &["run"],
        ],
    },
];

fn sources(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

#[test]
fn no_circle_of_imports_has_more_than_six_files() {
    for of in ["systems/src", "assimilation/src", "src"] {
        let modules = Modules::read(&sources(of));
        let large: Vec<_> =
            circles(&modules.arrows()).into_iter().filter(|circle| circle.len() > LARGEST_CIRCLE).collect();
        assert!(
            large.is_empty(),
            "{of}: circles of {:?} files: {large:#?}",
            large.iter().map(|c| c.len()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn no_arrow_goes_from_a_lower_floor_to_a_higher_one() {
    let mut upward = Vec::new();
    for Order { sources: of, folder, floors } in ORDERS {
        let modules = Modules::read(&sources(of));
        let inside = |module: &str| -> Option<String> {
            let rest = if folder.is_empty() { module } else { module.strip_prefix(&format!("{folder}::"))? };
            rest.split("::").next().filter(|first| !first.is_empty()).map(str::to_owned)
        };
        let of_name = |name: &str| floors.iter().position(|names| names.contains(&name));
        let floor = |name: &str| of_name(name).or_else(|| of_name("*"));
        let arrows = modules.arrows();
        for name in floors.concat().iter().filter(|name| **name != "*") {
            let stands = arrows.keys().filter_map(|module| inside(module)).any(|module| module == *name);
            assert!(stands, "{of}: ORDERS has `{name}` of `{folder}`, but there is none");
        }
        for (from, targets) in arrows {
            let Some(low) = inside(from) else { continue };
            let at = floor(&low).unwrap_or_else(|| panic!("{of}: `{low}` of `{folder}` stands on no floor of ORDERS"));
            for to in targets {
                let Some(high) = inside(to) else { continue };
                if floor(&high).is_some_and(|other| other > at) {
                    upward.push(format!("{of}: {from} -> {to}"));
                }
            }
        }
    }
    assert!(upward.is_empty(), "{} arrows go up:\n{}", upward.len(), upward.join("\n"));
}
