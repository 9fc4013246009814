//! A forecaster that has been made, with the record of its training, and the one form in which both are stored.
//!
//! A model file holds what the forecaster gives of itself ([`Parts`]), and beside it two arrays about the training:
//! `training.counts` (parameters, pairs, steps, best step, evaluations) and `training.reals` (the best validation loss,
//! left out where it is unknown, and then step, training loss and validation loss of each point of the curve). Where nothing
//! was validated the points, of step and training loss, are `training.unvalidated` instead. Of a network that another was
//! learned from the points are the rows of `training.earlier.NAME`, without validation losses where there are none.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use super::Result;
use super::stored::{array, matrix, misfit, reals};
use crate::model::{CurvePoint, Model, Tensor, Values};
use crate::systems::Forecaster;

/// What is known of a finished training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Number of fitted parameters.
    pub parameters: usize,
    /// Number of pairs (x_k, x_{k+1}) that were learned from.
    pub pairs: usize,
    /// Training steps taken.
    pub steps: u64,
    /// The step whose weights were kept.
    pub best_step: u64,
    /// The validation loss of the kept weights; NaN where nothing is validated.
    pub best_valid: f64,
    /// Network evaluations in one lead step.
    pub evaluations: usize,
    /// The curve.
    pub curve: Vec<CurvePoint>,
    /// The trainings before it in the same fit, of networks that this one was learned from.
    pub earlier: Vec<EarlierTraining>,
}

/// A training of a network that another was then learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierTraining {
    /// What the network is to the other: one word.
    pub what: String,
    /// The curve.
    pub curve: Vec<CurvePoint>,
}

impl EarlierTraining {
    /// The points as a stored array, `[point, number]`; none where there are none.
    fn stored(&self) -> Option<Tensor> {
        let validated = self.curve.iter().all(|point| !point.valid.is_nan());
        let row =
            |point: &CurvePoint| [point.step as f64, point.train].into_iter().chain(validated.then_some(point.valid));
        let values: Vec<f64> = self.curve.iter().flat_map(row).collect();
        let shape = vec![self.curve.len(), if validated { 3 } else { 2 }];
        (!values.is_empty()).then_some(Tensor { shape, values: Values::F64(values) })
    }

    /// From the stored array of a name.
    fn load(model: &Model, name: &str) -> Result<Self> {
        let rows = matrix(model, name)?;
        if !(2..=3).contains(&rows.ncols()) {
            return Err(misfit(model, name, "has rows of neither 2 nor 3 numbers"));
        }
        let valid = |row: &ndarray::ArrayView1<f64>| row.get(2).copied().unwrap_or(f64::NAN);
        let point =
            |row: ndarray::ArrayView1<f64>| CurvePoint { step: row[0] as u64, train: row[1], valid: valid(&row) };
        let what = name.strip_prefix(EARLIER).unwrap_or_default().to_owned();
        Ok(Self { what, curve: rows.outer_iter().map(point).collect() })
    }
}

/// The beginning of the names of arrays of earlier trainings.
const EARLIER: &str = "training.earlier.";

/// The array of a curve without validation losses.
const UNVALIDATED: &str = "training.unvalidated";

impl Training {
    /// Of a closed form fitted to `pairs` pairs or states, validated on nothing.
    pub fn closed_form(pairs: usize) -> Self {
        let (parameters, steps, best_step, evaluations) = (0, 0, 0, 0);
        Self {
            parameters,
            pairs,
            steps,
            best_step,
            best_valid: f64::NAN,
            evaluations,
            curve: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// Puts what is known of the training among stored arrays.
    pub(super) fn store(&self, tensors: &mut BTreeMap<String, Tensor>) {
        let counts = [self.parameters as u64, self.pairs as u64, self.steps, self.best_step, self.evaluations as u64];
        let counts = Values::I64(counts.iter().map(|count| *count as i64).collect());
        tensors.insert("training.counts".to_owned(), Tensor { shape: vec![5], values: counts });
        let unvalidated = self.curve.iter().any(|point| point.valid.is_nan());
        let pairs = self.curve.iter().filter(|_| unvalidated).flat_map(|point| [point.step as f64, point.train]);
        let pairs: Vec<f64> = pairs.collect();
        let points = self.curve.iter().filter(|_| !unvalidated);
        let points = points.flat_map(|point| [point.step as f64, point.train, point.valid]);
        let best = (!self.best_valid.is_nan()).then_some(self.best_valid);
        tensors.insert("training.reals".to_owned(), reals(best.into_iter().chain(points).collect()));
        if unvalidated {
            tensors.insert(UNVALIDATED.to_owned(), reals(pairs));
        }
        let earlier = self.earlier.iter().filter_map(|one| Some((format!("{EARLIER}{}", one.what), one.stored()?)));
        tensors.extend(earlier);
    }

    /// Takes back what a stored model says of its training.
    ///
    /// # Errors
    /// When it says nothing that can be read.
    pub(super) fn load(model: &Model) -> Result<Self> {
        let counts = match model.tensors.get("training.counts").map(|tensor| &tensor.values) {
            Some(Values::I64(counts)) if counts.len() == 5 => counts,
            Some(_) => return Err(misfit(model, "training.counts", "does not have 5 whole numbers")),
            None => return Err(misfit(model, "training.counts", "is missing")),
        };
        let (_, reals) = array(model, "training.reals")?;
        let (best, curve) = match (reals.len() % 3, reals.split_first()) {
            (1, Some((best, curve))) => (*best, curve),
            (0, _) => (f64::NAN, reals),
            _ => return Err(misfit(model, "training.reals", "is cut short")),
        };
        let pairs = match model.tensors.contains_key(UNVALIDATED) {
            true => array(model, UNVALIDATED)?.1,
            false => &[],
        };
        if !pairs.len().is_multiple_of(2) {
            return Err(misfit(model, UNVALIDATED, "is cut short"));
        }
        let pair = |p: &[f64]| CurvePoint { step: p[0] as u64, train: p[1], valid: f64::NAN };
        let count = |i: usize| counts[i].unsigned_abs();
        let point = |p: &[f64]| CurvePoint { step: p[0] as u64, train: p[1], valid: p[2] };
        let earlier = model.tensors.keys().filter(|name| name.starts_with(EARLIER));
        Ok(Self {
            parameters: count(0) as usize,
            pairs: count(1) as usize,
            steps: count(2),
            best_step: count(3),
            best_valid: best,
            evaluations: count(4) as usize,
            curve: curve.chunks_exact(3).map(point).chain(pairs.chunks_exact(2).map(pair)).collect(),
            earlier: earlier.map(|name| EarlierTraining::load(model, name)).collect::<Result<_>>()?,
        })
    }
}

/// What a forecaster gives of itself to be stored, from which its registry entry rebuilds it bit for bit.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Everything but the arrays.
    pub config: Value,
    /// The arrays, by name.
    pub tensors: BTreeMap<String, Tensor>,
}

impl Parts {
    /// Of a configuration and named arrays.
    pub(super) fn new<const N: usize>(config: Value, tensors: [(&str, Tensor); N]) -> Self {
        Self { config, tensors: tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect() }
    }
}

/// A forecaster that has been made, and can be stored.
pub struct Fitted {
    kind: &'static str,
    forecaster: Arc<dyn Forecaster>,
    parts: Box<dyn Fn() -> Parts + Send + Sync>,
    training: Training,
}

impl Fitted {
    /// Of a forecaster of the registry's `kind`, which `parts` takes apart when it is stored.
    pub fn new<F: Forecaster + 'static>(
        kind: &'static str,
        forecaster: F,
        training: Training,
        parts: impl Fn(&F) -> Parts + Send + Sync + 'static,
    ) -> Self {
        let forecaster = Arc::new(forecaster);
        let held = Arc::clone(&forecaster);
        Self { kind, forecaster, parts: Box::new(move || parts(&held)), training }
    }

    /// Of a forecaster that is never stored.
    pub fn unstored(kind: &'static str, forecaster: Box<dyn Forecaster>) -> Self {
        let parts = || Parts::new(serde_json::json!({}), []);
        Self { kind, forecaster: Arc::from(forecaster), parts: Box::new(parts), training: Training::closed_form(0) }
    }

    /// Of forecasters that are stored by themselves.
    pub(super) fn pooled<F: Forecaster + 'static>(kind: &'static str, forecaster: F, training: Training) -> Self {
        Self {
            kind,
            forecaster: Arc::new(forecaster),
            parts: Box::new(|| Parts::new(serde_json::json!({}), [])),
            training,
        }
    }

    /// The forecaster, to be held by another.
    pub(super) fn shared(&self) -> Arc<dyn Forecaster> {
        Arc::clone(&self.forecaster)
    }

    /// The whole of it as plain data; the `load` of its registry entry rebuilds it bit for bit.
    pub fn model(&self) -> Model {
        let Parts { config, mut tensors } = (self.parts)();
        self.training.store(&mut tensors);
        Model { kind: self.kind.to_owned(), config, made_from: None, tensors }
    }

    /// The name in the registry.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What is known of its training.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// The forecaster itself.
    pub fn as_forecaster(&self) -> &(dyn Forecaster + 'static) {
        self.forecaster.as_ref()
    }
}

impl Deref for Fitted {
    type Target = dyn Forecaster;

    fn deref(&self) -> &Self::Target {
        self.as_forecaster()
    }
}
