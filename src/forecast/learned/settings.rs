//! The settings of every learned forecaster: its network and its training.

use super::super::{FitContext, FitSize, Result};
use crate::nn::NetworkConfig;
use crate::nn::network::{Grid, HEADS, NETWORKS, NetworkBuild, RESOLUTIONS};
use crate::nn::objective::{DENOISER_FIELDS, Fields};
use crate::nn::optimizer::Decay;
use crate::nn::train::{Keep, TrainConfig, USUAL_BETA2};
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
    "hidden channels; unset: as many as make the network as large as a denoiser of 128 (mlp), 32 (convolutions, \
     transformer) or 16 (U-Nets)",
);

/// The sizes that have a name, and their parameters.
const SIZES: [(&str, usize); 4] = [("tiny", 10_000), ("small", 40_000), ("medium", 160_000), ("large", 640_000)];
const SIZE_NAMES: [&str; SIZES.len()] = [SIZES[0].0, SIZES[1].0, SIZES[2].0, SIZES[3].0];
const SIZE: Param = Param::unset(
    "size",
    ParamKind::Choice(&SIZE_NAMES),
    "parameters of the network, in place of `width`, which becomes the nearest that has them: 10,000 (tiny), 40,000 \
     (small), 160,000 (medium) or 640,000 (large)",
);
const BLOCKS: Param =
    Param::int("blocks", 3, 1, "residual blocks; of a U-Net at each resolution, down and up; layers of a transformer");
const KERNEL: Param =
    Param::int("kernel", 5, 1, "positions that a convolution sees in each direction; odd").up_to(1001);
const RESOLUTION_COUNT: Param = Param::unset(
    "resolutions",
    ParamKind::int(2, 16),
    "resolutions of a U-Net, each of which halves the directions of even length; unset: 3; fewer where no length is even any more",
);
const HEAD_COUNT: Param =
    Param::unset("heads", ParamKind::int(1, 64), "heads of the attention of a transformer; unset: 4");
const PATCH: Param = Param::unset(
    "patch",
    ParamKind::COUNT,
    "components of a token of a transformer, along each side of a grid; unset: as few as make 64 tokens at most",
);
const FREQUENCY: Param = Param::unset(
    "frequency",
    ParamKind::real(1e-3, 1e3),
    "sd of the frequencies at which a fourier_mlp sees noise level and conditions, in waves a unit of them; unset: 30",
);
pub(super) const STEPS: Param = Param::int("steps", 10_000, 1, "training steps");
pub(super) const BATCH: Param = Param::int("batch", 128, 1, "pairs in a training step");
const LEARNING_RATE: Param = Param::positive("learning_rate", 3e-3, "largest learning rate");
const WARM_UP: Param = Param::int("warm_up", 100, 0, "training steps until the largest learning rate");
const WEIGHT_DECAY: Param = Param::at_least("weight_decay", 1e-3, 0.0, "weight decay of AdamW");
const DECAY: Param =
    Param::choice("decay", "cosine", &Decay::WORDS, "how the learning rate goes from its largest to zero");
const BETA2: Param = Param::new(
    "beta2",
    ParamKind::real(0.0, 0.999_999),
    DefaultValue::Float(USUAL_BETA2),
    "weight of the past in AdamW's mean of squared gradients",
);
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
pub const MOST_STATES: u64 = 64;

const HISTORY: Param = Param::int(
    "history",
    1,
    1,
    "successive states that the network is given: x_k and those before it; a filter then carries and updates all of them",
)
.up_to(MOST_STATES as i64);

/// What a network is given beside the state that it steps from.
const CONDITION_ON: Param = Param::choice(
    "condition_on",
    "state",
    &["state", PARAMETERS],
    "parameters: the network is also given the parameters that the system drew for the trajectory (perturb_parameters), a filter \
     then has to estimate them",
);

/// How it is given parameters.
const CONDITION_BY: Param = Param::choice(
    "condition_by",
    "fields",
    &["fields", FILM],
    "how `condition_on` gives parameters: fields, one more input each; film, they set gains and shifts of every block of the \
     network (FiLM)",
);

/// The word for them in the film of the network.
const FILM: &str = "film";

/// The word for parameters as a condition.
const PARAMETERS: &str = "parameters";

/// The key of the model that a training starts from.
pub const START_FROM: &str = "start_from";

const START: Param = Param::unset(
    START_FROM,
    ParamKind::Text,
    "a trained model (safetensors) of the same kind and network, whose weights and scales the training starts from",
);

/// The settings of every learned forecaster, those that can be given parameters included.
pub const SETTINGS: [Param; OF_STATES.len() + 2] = joined(OF_STATES, [CONDITION_ON, CONDITION_BY]);

/// The settings of a learned forecaster that is given states alone.
pub const OF_STATES: [Param; 23] = [
    NETWORK,
    SIZE,
    WIDTH,
    BLOCKS,
    KERNEL,
    HISTORY,
    START,
    RESOLUTION_COUNT,
    HEAD_COUNT,
    PATCH,
    FREQUENCY,
    STEPS,
    BATCH,
    LEARNING_RATE,
    WARM_UP,
    DECAY,
    BETA2,
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
pub(super) fn network(settings: &Settings, size: &FitSize, fields: Fields) -> Result<NetworkConfig> {
    let FitSize { geometry, components, .. } = *size;
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
    let (states, known) = (history(settings), parameters(settings, size.parameters)?);
    let fields = fields.with_history(states).with_parameters(states, known, is_filmed(settings));
    let Fields { inputs, outputs, time_features, levels, film, copies, causal } = fields;
    let blocks = settings.count(BLOCKS.key);
    let grid = build.on_grid.then(|| Grid::laid(geometry, components)).flatten();
    let [resolutions, heads, patch] = [RESOLUTION_COUNT, HEAD_COUNT, PATCH].map(|param| given(settings, &param));
    let usual = NetworkConfig {
        kind: (*kind).to_owned(),
        components,
        inputs,
        outputs,
        width: build.width,
        blocks,
        kernel,
        resolutions: resolutions.unwrap_or(RESOLUTIONS),
        heads: heads.unwrap_or(HEADS),
        patch,
        frequency: settings.optional_number(FREQUENCY.key),
        time_features,
        levels,
        film,
        grid,
        copies,
        causal,
    };
    if let Some((key, problem)) = (build.refuses)(&usual) {
        return Err(settings.mistake(key, problem).into());
    }
    Ok(NetworkConfig { width: width(settings, &usual)?, ..usual })
}

/// A count that may be unset.
fn given(settings: &Settings, param: &Param) -> Option<usize> {
    settings.has(param.key).then(|| settings.count(param.key))
}

/// The width that is set, that of the size that is set, or the usual one.
fn width(settings: &Settings, usual: &NetworkConfig) -> Result<usize> {
    let named = SIZES.iter().find(|(name, _)| *name == settings.text(SIZE.key));
    match (named, given(settings, &WIDTH)) {
        (Some((name, _)), Some(width)) => {
            let problem = format!("is \"{name}\", which says how wide the network is, but `width` is {width}; set one");
            Err(settings.mistake(SIZE.key, problem).into())
        }
        (Some((_, parameters)), None) => Ok(usual.nearest_width(*parameters)?),
        (None, Some(width)) => Ok(width),
        (None, None) => equal_width(usual),
    }
}

/// The width at which a network has as many parameters as the denoiser of its kind and usual width: forecasters of several
/// families are compared at equal size unless they are told otherwise.
fn equal_width(network: &NetworkConfig) -> Result<usize> {
    Ok(network.nearest_width(DENOISER_FIELDS.given(network).parameters()?)?)
}

/// Whether all components have one scale, because they are one field: on a ring, and for a network that moves over a grid
/// in two directions (whose walls, where nothing ever changes, have no scale of their own).
pub fn one_field(settings: &Settings, context: &FitContext) -> Result<bool> {
    let moves = || Ok(Grid::of(context.geometry).is_some() && chosen(settings, context.layout())?.build.on_grid);
    if context.geometry == Geometry::Ring { Ok(true) } else { moves() }
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
pub fn history(settings: &Settings) -> usize {
    settings.count(HISTORY.key)
}

/// Whether the network is given the parameters of the system.
pub(super) fn is_conditioned(settings: &Settings) -> bool {
    settings.text(CONDITION_ON.key) == PARAMETERS
}

/// Whether they are given to its film.
fn is_filmed(settings: &Settings) -> bool {
    settings.text(CONDITION_BY.key) == FILM
}

/// How many parameters the network is given, of so many that are known.
///
/// # Errors
/// When it is to be given some and none are known, or it is said how but not that it is given any.
pub(super) fn parameters(settings: &Settings, known: usize) -> Result<usize> {
    match (is_conditioned(settings), known) {
        (false, _) if is_filmed(settings) => {
            let problem = "is \"film\", but the network is given no parameters; set `condition_on` to \"parameters\", or leave \
                           this out";
            Err(settings.mistake(CONDITION_BY.key, problem).into())
        }
        (false, _) => Ok(0),
        (true, 0) => {
            let problem = "is \"parameters\", but no system draws any for these trajectories, and no file says any; \
                           simulate them with system `perturb_parameters`, or set it to \"state\"";
            Err(settings.mistake(CONDITION_ON.key, problem).into())
        }
        (true, known) => Ok(known),
    }
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
        decay: Decay::named(settings.text(DECAY.key)),
        beta2: settings.number(BETA2.key),
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
    use crate::systems::Value;

    fn registry_width(name: &str) -> usize {
        find(NETWORKS, "neural network", name).unwrap().build.width
    }

    /// The network of a likelihood on a ring of 40, or a torus of 6 x 10 for networks on grids in two directions.
    fn made(given: &[(&str, Value)]) -> Result<NetworkConfig> {
        let on_torus = given.iter().any(|(_, value)| matches!(value, Value::Text(name) if name.ends_with("2d")));
        let torus = (Geometry::Torus { rows: 6, columns: 10 }, 60);
        on(if on_torus { torus } else { (Geometry::Ring, 40) }, given)
    }

    fn on(layout: (Geometry, usize), given: &[(&str, Value)]) -> Result<NetworkConfig> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let settings = Settings::check("forecaster `own`", &SETTINGS, &given).unwrap();
        network(&settings, &FitSize::of_states(layout.0, layout.1), crate::nn::objective::LIKELIHOOD_FIELDS)
    }

    fn text(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    #[test]
    fn sizes_are_parameters_as_near_as_a_width_allows() {
        for name in NETWORKS.iter().map(|entry| entry.name) {
            // the last block of a normed_mlp is as wide as what it gives, whatever its width
            for (size, parameters) in SIZES.into_iter().filter(|(size, _)| name != "normed_mlp" || *size != "tiny") {
                let config = made(&[("network", text(name)), ("size", text(size))]).unwrap();
                let off = |width: usize| {
                    let count = NetworkConfig { width, ..config.clone() }.parameters().unwrap();
                    count.abs_diff(parameters)
                };
                let width = config.width;
                assert!([width - 1, width + 1].into_iter().all(|other| off(other) >= off(width)), "{config:?}");
                // a step of the width, of 5 channels at least, changes their square by a half at most
                assert!(off(width) * 4 < parameters, "{name} {size}: off by {}", off(width));
            }
        }
    }

    #[test]
    fn a_size_and_a_width_are_not_both_set() {
        let both = made(&[("size", text("small")), ("width", Value::Int(7))]).unwrap_err().to_string();
        assert!(both.contains("`size`") && both.contains("but `width` is 7; set one"), "{both}");
    }

    #[test]
    fn networks_that_components_do_not_suit_are_refused_with_what_to_do() {
        let torus = (Geometry::Torus { rows: 5, columns: 7 }, 35);
        for (layout, given, says) in [
            ((Geometry::Ring, 41), vec![("network", text("unet"))], "but there are 41; set it to \"conv\""),
            (torus, vec![("network", text("unet2d"))], "but there are 5 x 7; set it to \"conv2d\""),
            ((Geometry::Ring, 40), vec![("network", text("transformer")), ("patch", Value::Int(3))], "`patch`"),
            ((Geometry::Unstructured, 997), vec![("network", text("transformer"))], "`patch`"),
            ((Geometry::Unstructured, 8), vec![("network", text("unet"))], "are not a periodic grid"),
        ] {
            let problem = on(layout, &given).unwrap_err().to_string();
            assert!(problem.contains(says) && problem.contains("forecaster `own`"), "{problem}");
        }
        // an odd length is none to a network that does without halves, and other lengths have those that they have
        for (layout, name, resolutions) in [((Geometry::Ring, 6), "unet", 3), (torus, "transformer", 3)] {
            let config = on(layout, &[("network", text(name)), ("width", Value::Int(4))]).unwrap();
            assert!(config.resolutions == resolutions && config.parameters().unwrap() > 0);
        }
    }

    #[test]
    fn networks_of_all_forecasters_are_of_one_size_unless_told() {
        for (name, layout) in [
            ("mlp", (Geometry::Unstructured, 3)),
            ("conv", (Geometry::Ring, 40)),
            ("conv2d", (Geometry::Torus { rows: 6, columns: 10 }, 60)),
            ("unet", (Geometry::Ring, 40)),
            ("unet2d", (Geometry::Torus { rows: 6, columns: 10 }, 60)),
            ("transformer", (Geometry::Ring, 40)),
        ] {
            let given = BTreeMap::from([("network".to_owned(), text(name))]);
            let settings = Settings::check("a forecaster", &SETTINGS, &given).unwrap();
            let of = |entry: &Entry<ObjectiveBuild>| {
                let own = Settings::check(entry.name, entry.params, &BTreeMap::new()).unwrap();
                let size = FitSize::of_states(layout.0, layout.1);
                network(&settings, &size, (entry.build.fields)(&own, layout.1)).unwrap()
            };
            let made: Vec<NetworkConfig> = OBJECTIVES.iter().map(of).collect();
            let denoiser = made[1].parameters().unwrap();
            assert_eq!(made[1].width, registry_width(name));
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
