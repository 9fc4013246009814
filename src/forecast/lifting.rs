//! `lifting`: a network that takes noise beside the state and gives a draw, as `crps` does, but trained by squared error
//! with noise that was drawn once for each training pair and stays with it (the objective `lifting`).
//!
//! It memorizes by design: a label is the name of a training pair, and with enough parameters the noise of the pair is learned
//! with it, whatever the law; a fresh label gives what lies between the pairs of the labels near it. It is here to be
//! recognized, not to be used.

use super::learned::{self, Work, joined};
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, crps};
use crate::model::Model;
use crate::nn::objective::{NOISE_FIELDS, score_rule_fields};
use crate::systems::{Entry, MemoryUse, Param, Settings};

const PARAMS: [Param; learned::SETTINGS.len() + 1] = joined(learned::SETTINGS, [NOISE_FIELDS]);

/// The registry's line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "lifting",
    about: "network of the state and a random label of each training pair, by squared error: memorizes by design",
    reference: "Stochastic lifting, arXiv:2605.29194",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    learned::held(settings, size, score_rule_fields(settings.count(NOISE_FIELDS.key)))
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    learned::cost(settings, size, score_rule_fields(settings.count(NOISE_FIELDS.key)), Work::of(settings, 1))
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    crps::fit_for(ENTRY.name, "lifting", settings, context)
}

fn load(model: &Model) -> Result<Fitted> {
    crps::load_as(ENTRY.name, model)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use crate::forecast::fitting::tests::try_fit;
    use crate::systems::{Domain, Geometry, Key, Value};

    /// The training loss at the end, in units of the variance of increments, where all pairs start at one of two states.
    fn training_loss(kind: &str) -> f64 {
        let pairs = 24;
        let noise = Key::new(2, Domain::Data).normals(pairs, 2);
        let state = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let of = |(i, t, c): (usize, usize, usize)| if t == 0 { state(i) } else { 0.5 * state(i) + noise[[i, c]] };
        let data = Array3::from_shape_fn((pairs, 2, 2), of);
        let given = [("steps", 2000), ("width", 64), ("blocks", 2)].map(|(key, count)| (key, Value::Int(count)));
        let none = Array3::zeros((0, 2, 2));
        let fitted = try_fit(kind, &given, (Geometry::Unstructured, 5), [data.view(), none.view()]).unwrap();
        fitted.training().curve.last().unwrap().train
    }

    #[test]
    fn labels_name_training_pairs_whose_noise_is_then_learned() {
        // what no function of the state can tell: the variance of the noise, 1, of that of increments, 1.25
        let regression = training_loss("mse");
        assert!(regression > 0.5, "{regression}");
        let lifted = training_loss("lifting");
        assert!(lifted < 0.01, "{lifted}");
    }
}
