//! The settings of every learned forecaster: its network and its training.

use super::super::{FitContext, Result};
use crate::nn::NetworkConfig;
use crate::nn::network::{Grid, NETWORKS, NetworkBuild};
use crate::nn::objective::{DENOISER_FIELDS, Fields};
use crate::nn::train::{Keep, TrainConfig};
use crate::systems::Geometry;
use crate::systems::registry::{DefaultValue, Entry, Param, ParamKind, Settings, find, names_after};

/// What stands for the usual network of a layout.
const AUTO: &str = "auto";

/// [`AUTO`] and the names of the networks.
const NAMES: [&str; NETWORKS.len() + 1] = names_after(&[AUTO], NETWORKS);

const NETWORK: Param =
    Param::choice("network", AUTO, &NAMES, "auto: conv for a ring of 8 components or more, otherwise mlp");
const WIDTH: Param = Param::unset(
    "width",
    ParamKind::COUNT,
    "hidden channels; unset: as many as make the network as large as a denoiser of 128 (mlp) or 32 (convolutions)",
);
const BLOCKS: Param = Param::int("blocks", 3, 1, "residual blocks");
const KERNEL: Param =
    Param::int("kernel", 5, 1, "positions that a convolution sees in each direction; odd").up_to(1001);
pub(super) const STEPS: Param = Param::int("steps", 10_000, 1, "training steps");
pub(super) const BATCH: Param = Param::int("batch", 128, 1, "pairs in a training step");
const LEARNING_RATE: Param = Param::positive("learning_rate", 3e-3, "largest learning rate");
const WARM_UP: Param = Param::int("warm_up", 100, 0, "training steps until the largest learning rate");
const WEIGHT_DECAY: Param = Param::at_least("weight_decay", 1e-3, 0.0, "weight decay of AdamW");
const CLIP: Param = Param::positive("clip", 1.0, "largest norm of a gradient");
const EMA: Param = Param::new(
    "ema",
    ParamKind::real(0.0, 0.999_999),
    DefaultValue::Float(0.99),
    "weight of the past in the average of the weights",
);
const KEEP: Param = Param::choice(
    "keep",
    "best",
    &Keep::WORDS,
    "which weights: the average of the lowest validation loss, the average at the end, or those at the end themselves",
);
const VALIDATE_EVERY: Param = Param::int("validate_every", 100, 1, "training steps between validations");
const CHECKPOINT_EVERY: Param = Param::int("checkpoint_every", 250, 1, "training steps between checkpoints");

/// The most states that a network may be given.
pub(super) const MOST_STATES: u64 = 64;

const HISTORY: Param = Param::int(
    "history",
    1,
    1,
    "successive states that the network is given: x_k and those before it; a filter then carries and updates all of them",
)
.up_to(MOST_STATES as i64);

/// The key of the model that a training starts from.
pub const START_FROM: &str = "start_from";

const START: Param = Param::unset(
    START_FROM,
    ParamKind::Text,
    "a trained model (safetensors) of the same kind and network, whose weights and scales the training starts from",
);

/// The settings of every learned forecaster.
pub const SETTINGS: [Param; 16] = [
    NETWORK,
    WIDTH,
    BLOCKS,
    KERNEL,
    HISTORY,
    START,
    STEPS,
    BATCH,
    LEARNING_RATE,
    WARM_UP,
    WEIGHT_DECAY,
    CLIP,
    EMA,
    KEEP,
    VALIDATE_EVERY,
    CHECKPOINT_EVERY,
];

/// Two lists of settings as one; `N` is the sum of their lengths.
pub const fn joined<const A: usize, const B: usize, const N: usize>(a: [Param; A], b: [Param; B]) -> [Param; N] {
    assert!(A + B == N);
    let mut out = [a[0]; N];
    let mut i = 0;
    while i < N {
        out[i] = if i < A { a[i] } else { b[i - A] };
        i += 1;
    }
    out
}

/// The network that the settings ask for.
///
/// # Errors
/// When they contradict each other or the layout of the states.
pub(super) fn network(
    settings: &Settings,
    (geometry, components): (Geometry, usize),
    fields: Fields,
) -> Result<NetworkConfig> {
    let Entry { name: kind, build, .. } = chosen(settings, (geometry, components))?;
    if !(build.suits)(geometry) {
        let layout = build.layout;
        let problem = format!("is \"{kind}\", but the {components} components are not {layout}; set it to \"mlp\"");
        return Err(settings.mistake(NETWORK.key, problem).into());
    }
    let kernel = settings.count(KERNEL.key);
    if kernel.is_multiple_of(2) {
        let problem = format!("is {kernel}, but a convolution needs an odd number; set it to {}", kernel + 1);
        return Err(settings.mistake(KERNEL.key, problem).into());
    }
    let Fields { inputs, outputs, time_features, copies, causal } = fields.with_history(history(settings));
    let blocks = settings.count(BLOCKS.key);
    let grid = build.on_grid.then(|| Grid::of(geometry)).flatten();
    let usual = NetworkConfig {
        kind: (*kind).to_owned(),
        components,
        inputs,
        outputs,
        width: build.width,
        blocks,
        kernel,
        time_features,
        grid,
        copies,
        causal,
    };
    let width = if settings.has(WIDTH.key) { settings.count(WIDTH.key) } else { equal_width(&usual)? };
    Ok(NetworkConfig { width, ..usual })
}

/// The width at which a network has as many parameters as the denoiser of its kind and usual width: forecasters of several
/// families are compared at equal size unless they are told otherwise.
fn equal_width(network: &NetworkConfig) -> Result<usize> {
    Ok(network.nearest_width(DENOISER_FIELDS.given(network).parameters()?)?)
}

/// Whether all components have one scale, because they are one field: on a ring, and for a network that moves over a grid
/// in two directions (whose walls, where nothing ever changes, have no scale of their own).
pub(super) fn one_field(settings: &Settings, context: &FitContext) -> Result<bool> {
    Ok(context.geometry == Geometry::Ring || chosen(settings, context.layout())?.build.on_grid)
}

/// The network that is named, or the usual one.
fn chosen(settings: &Settings, (geometry, components): (Geometry, usize)) -> Result<&'static Entry<NetworkBuild>> {
    let name = match settings.text(NETWORK.key) {
        AUTO => usual(geometry, components),
        named => named,
    };
    Ok(find(NETWORKS, "neural network", name)?)
}

/// The usual network of a layout.
fn usual(geometry: Geometry, components: usize) -> &'static str {
    if geometry == Geometry::Ring && components >= 8 { "conv" } else { "mlp" }
}

/// How many states the network is given.
pub(super) fn history(settings: &Settings) -> usize {
    settings.count(HISTORY.key)
}

/// Training steps.
pub fn steps(settings: &Settings) -> u64 {
    settings.count(STEPS.key) as u64
}

/// How to train.
pub(super) fn training(settings: &Settings) -> TrainConfig {
    TrainConfig {
        steps: steps(settings),
        batch: settings.count(BATCH.key),
        learning_rate: settings.number(LEARNING_RATE.key),
        warm_up: settings.count(WARM_UP.key) as u64,
        weight_decay: settings.number(WEIGHT_DECAY.key),
        clip: settings.number(CLIP.key),
        ema: settings.number(EMA.key),
        validate_every: settings.count(VALIDATE_EVERY.key) as u64,
        checkpoint_every: settings.count(CHECKPOINT_EVERY.key) as u64,
        keep: Keep::named(settings.text(KEEP.key)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::nn::OBJECTIVES;
    use crate::nn::objective::ObjectiveBuild;

    #[test]
    fn networks_of_all_forecasters_are_of_one_size_unless_told() {
        for (name, layout) in [
            ("mlp", (Geometry::Unstructured, 3)),
            ("conv", (Geometry::Ring, 40)),
            ("conv2d", (Geometry::Torus { rows: 6, columns: 10 }, 60)),
        ] {
            let given = BTreeMap::from([("network".to_owned(), crate::systems::Value::Text(name.to_owned()))]);
            let settings = Settings::check("a forecaster", &SETTINGS, &given).unwrap();
            let of = |entry: &Entry<ObjectiveBuild>| {
                let own = Settings::check(entry.name, entry.params, &BTreeMap::new()).unwrap();
                network(&settings, layout, (entry.build.fields)(&own, layout.1)).unwrap()
            };
            let made: Vec<NetworkConfig> = OBJECTIVES.iter().map(of).collect();
            let denoiser = made[1].parameters().unwrap();
            assert_eq!(made[1].width, if name == "mlp" { 128 } else { 32 });
            for config in made {
                let apart = |width: usize| {
                    let count = NetworkConfig { width, ..config.clone() }.parameters().unwrap();
                    count.abs_diff(denoiser)
                };
                // within 2 %, or at the nearest width that there is
                let nearest =
                    [config.width - 1, config.width + 1].iter().all(|&width| apart(width) >= apart(config.width));
                assert!(nearest, "{name}: {config:?}");
                assert!(apart(config.width) * 50 <= denoiser || name != "mlp", "{name}: {config:?}");
            }
        }
    }
}
