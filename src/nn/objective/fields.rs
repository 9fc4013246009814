//! What the network of an objective takes and gives.

use crate::nn::NetworkConfig;
use crate::nn::network::{Causal, Film};

/// What a network takes and gives for each component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Input fields.
    pub inputs: usize,
    /// Output fields.
    pub outputs: usize,
    /// Whether it is given a noise level.
    pub time_features: bool,
    /// Noise levels of a row, where it is given any: one, or one for each frame of a window.
    pub levels: usize,
    /// The inputs that are constants, of which the film of the network is made.
    pub film: Option<Film>,
    /// Trunks side by side.
    pub copies: usize,
    /// The layer behind the trunk that sees the components before each component.
    pub causal: Option<Causal>,
}

impl Fields {
    /// Of one trunk without a noise level.
    pub const fn new(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, time_features: false, levels: 1, film: None, copies: 1, causal: None }
    }

    /// These, where so many states are given, the state alone being 1; a window has fields for all its states already.
    #[must_use]
    pub fn with_history(self, states: usize) -> Self {
        if self.levels > 1 {
            return self;
        }
        Self { inputs: self.inputs.saturating_add(states - 1), ..self }
    }

    /// These, where so many states are given and so many parameters behind them: as constant fields, or to the film of the
    /// network. What is noised stands before the states.
    #[must_use]
    pub fn with_parameters(self, states: usize, count: usize, to_film: bool) -> Self {
        let first = usize::from(self.time_features).saturating_add(states);
        let film = (to_film && count > 0).then_some(Film { first, count });
        Self { inputs: self.inputs.saturating_add(count), film, ..self }
    }

    /// What a network of this description takes and gives.
    pub fn of(network: &NetworkConfig) -> Self {
        let NetworkConfig { inputs, outputs, time_features, levels, film, copies, causal, .. } = *network;
        Self { inputs, outputs, time_features, levels, film, copies, causal }
    }

    /// In words that complete "has ...".
    pub fn described(self) -> String {
        let Self { inputs, outputs, time_features, levels, film, copies, causal } = self;
        let level = match (time_features, levels) {
            (false, _) => String::new(),
            (true, 1) => ", a noise level".to_owned(),
            (true, levels) => format!(", {levels} noise levels"),
        };
        let told = film.map_or_else(String::new, |film| format!(", {} of them to its film", film.count));
        let trunks = if copies > 1 { format!(", {copies} trunks") } else { String::new() };
        let layer = causal.map_or_else(String::new, |layer| {
            format!(", a layer of {} numbers out that sees {} positions before", layer.outputs, layer.reach)
        });
        format!("{inputs} number(s) in{told} and {outputs} out of each component{level}{trunks}{layer}")
    }

    /// A network like this one that takes and gives these fields.
    #[must_use]
    pub fn given(self, like: &NetworkConfig) -> NetworkConfig {
        let Self { inputs, outputs, time_features, levels, film, copies, causal } = self;
        NetworkConfig { inputs, outputs, time_features, levels, film, copies, causal, ..like.clone() }
    }
}

/// What the network of a denoiser takes and gives: noised data and their condition, at a level.
pub const DENOISER_FIELDS: Fields = Fields { time_features: true, ..Fields::new(2, 1) };

/// What the network of a regression takes and gives.
pub const REGRESSION_FIELDS: Fields = Fields::new(1, 1);

/// What the network of a Gaussian law takes and gives.
pub const LIKELIHOOD_FIELDS: Fields = Fields::new(1, 2);
