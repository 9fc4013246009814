//! The whole state of a training, and its form as plain data. Real numbers are kept as arrays, never as text, so that
//! what is restored is what was saved, to the bit.

use std::collections::BTreeMap;

use super::optimizer::AdamW;
use super::validation::Validation;
use super::{Error, Result, Weights};
use crate::model::{CurvePoint, Model, Tensor, Values};

/// The state after some steps.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps taken.
    pub step: u64,
    /// The weights.
    pub weights: Weights,
    /// The optimizer.
    pub adam: AdamW,
    /// The averaged weights.
    pub mean: Vec<f32>,
    /// The averaged weights that are kept so far: the last whose validation loss is as low as the lowest.
    pub best: Vec<f32>,
    /// After which step that was.
    pub best_step: u64,
    /// Their validation loss.
    pub best_valid: f64,
    /// The validation with the lowest loss so far.
    pub lowest: Validation,
    /// The curve so far.
    pub curve: Vec<CurvePoint>,
    /// The sum of training losses since the last point of the curve.
    pub loss_sum: f64,
    /// How many there were.
    pub loss_count: u64,
}

impl State {
    /// The start from these weights.
    pub fn new(weights: Weights) -> Self {
        let values = weights.values.clone();
        Self {
            step: 0,
            adam: AdamW::new(weights.count()),
            mean: values.clone(),
            best: values,
            weights,
            best_step: 0,
            best_valid: f64::INFINITY,
            lowest: Validation::default(),
            curve: Vec::new(),
            loss_sum: 0.0,
            loss_count: 0,
        }
    }

    /// Keeps the averaged weights, with this validation loss.
    pub fn keep(&mut self, valid: f64) {
        self.best.clone_from(&self.mean);
        self.best_step = self.step;
        self.best_valid = valid;
    }

    /// Keeps the averaged weights if their validation is as low as the lowest.
    pub fn keep_if_low(&mut self, validation: Validation) {
        let first = self.lowest.0.is_empty();
        if validation.mean().is_finite() && (first || validation.is_as_low_as(&self.lowest)) {
            self.keep(validation.mean());
            if first || validation.mean() < self.lowest.mean() {
                self.lowest = validation;
            }
        }
    }

    /// As plain data, marked with what it belongs to.
    pub fn save(&self, identity: &serde_json::Value) -> Model {
        let single = |values: &[f32]| Tensor { shape: vec![values.len()], values: Values::F32(values.to_vec()) };
        let counters = [self.step, self.adam.updates, self.best_step, self.loss_count].map(|count| count as i64);
        // as bits: the best validation loss is infinite until there is one, and a stored array must be finite
        let points = self.curve.iter().flat_map(|point| [point.step as f64, point.train, point.valid]);
        let reals: Vec<i64> =
            [self.best_valid, self.loss_sum].into_iter().chain(points).map(|real| real.to_bits() as i64).collect();
        let lowest: Vec<i64> = self.lowest.0.iter().map(|loss| loss.to_bits() as i64).collect();
        let tensors = BTreeMap::from([
            ("values".to_owned(), single(&self.weights.values)),
            ("m".to_owned(), single(&self.adam.m)),
            ("v".to_owned(), single(&self.adam.v)),
            ("mean".to_owned(), single(&self.mean)),
            ("best".to_owned(), single(&self.best)),
            ("counters".to_owned(), Tensor { shape: vec![counters.len()], values: Values::I64(counters.to_vec()) }),
            ("reals".to_owned(), Tensor { shape: vec![reals.len()], values: Values::I64(reals) }),
            ("lowest".to_owned(), Tensor { shape: vec![lowest.len()], values: Values::I64(lowest) }),
        ]);
        Model { kind: "checkpoint".to_owned(), config: identity.clone(), made_from: None, tensors }
    }

    /// From plain data; `fresh` is the start of the same training.
    ///
    /// # Errors
    /// When it belongs to another training, or is damaged.
    pub fn restore(saved: &Model, identity: &serde_json::Value, fresh: Self) -> Result<Self> {
        if saved.config != *identity {
            return Err(Error::Checkpoint(
                "the checkpoint belongs to a training with other settings or data, or on another device; remove it to \
                 train anew, or resume with what it was made with"
                    .to_owned(),
            ));
        }
        let count = fresh.weights.count();
        let single = |name: &str| match saved.tensors.get(name).map(|tensor| &tensor.values) {
            Some(Values::F32(values)) if values.len() == count => Ok(values.clone()),
            _ => Err(damaged(name)),
        };
        let counters = match saved.tensors.get("counters").map(|tensor| &tensor.values) {
            Some(Values::I64(counters)) if counters.len() == 4 => counters.iter().map(|c| c.unsigned_abs()),
            _ => return Err(damaged("counters")),
        };
        let [step, updates, best_step, loss_count] =
            <[u64; 4]>::try_from(counters.collect::<Vec<_>>()).map_err(|_| damaged("counters"))?;
        let reals_of = |name: &str| match saved.tensors.get(name).map(|tensor| &tensor.values) {
            Some(Values::I64(bits)) => Ok(bits.iter().map(|bits| f64::from_bits(*bits as u64)).collect::<Vec<f64>>()),
            _ => Err(damaged(name)),
        };
        let reals = Some(reals_of("reals")?).filter(|reals| reals.len() >= 2 && reals.len() % 3 == 2);
        let reals = reals.ok_or_else(|| damaged("reals"))?;
        let point = |p: &[f64]| CurvePoint { step: p[0] as u64, train: p[1], valid: p[2] };
        Ok(Self {
            step,
            weights: Weights { values: single("values")?, ..fresh.weights },
            adam: AdamW { updates, m: single("m")?, v: single("v")? },
            mean: single("mean")?,
            best: single("best")?,
            best_step,
            best_valid: reals[0],
            lowest: Validation(reals_of("lowest")?),
            curve: reals[2..].chunks_exact(3).map(point).collect(),
            loss_sum: reals[1],
            loss_count,
        })
    }
}

fn damaged(name: &str) -> Error {
    Error::Checkpoint(format!(
        "the checkpoint is damaged (`{name}` is missing or has the wrong size); remove it to train anew"
    ))
}
