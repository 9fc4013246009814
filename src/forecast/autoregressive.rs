//! `autoregressive`: the law of the scaled increment z = x_{k+1} - x_k, component by component: each has a mixture of K
//! Gaussians given x_k and the components before it (the objective `autoregressive`). Any dependence between components that
//! the causal layer sees is in the law, and the density is exact: p(z | x_k) = prod_c p(z_c | z_1, ..., z_{c-1}, x_k).
//!
//! A lead step evaluates the trunk once and then goes from component to component. The density of a state is that of z
//! over the product of the sd of increments.

use std::ops::Range;

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis, s};
use serde_json::json;

use super::learned::{self, Learned, Work, in_chunks, joined, members, stacked};
use super::mixture_law::log_sum_exp;
use super::stored::counts;
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::network::Stepwise;
use crate::nn::objective::{AUTOREGRESSIVE_SETTINGS, AutoregressiveShape, ComponentFields, causal_layer};
use crate::nn::train::SHARD;
use crate::nn::{OBJECTIVES, array};
use crate::systems::memory_use::product;
use crate::systems::registry::find;
use crate::systems::{self, Density, Entry, Forecaster, Key, MemoryUse, Param, Purpose, Settings, Stream};

const PARAMS: [Param; learned::SETTINGS.len() + 3] = joined(learned::SETTINGS, AUTOREGRESSIVE_SETTINGS);

/// The registry's line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "autoregressive",
    about: "autoregressive network, component by component: mixtures given the components before, trained by likelihood",
    reference: "Uria, Murray and Larochelle (2013), arXiv:1306.0186",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The keys under which a stored model has its shape.
const SHAPE: [&str; 3] = ["components", "hidden", "reach"];

/// Arrays of the size of all fields that a loss makes of them, forward and backward.
const TERMS: usize = 10;

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let shape = AutoregressiveShape::new(settings);
    let (n, threads, fields) = (size.components, rayon::current_num_threads(), shape.hidden + 3 * shape.components);
    let mut held = learned::held(settings, size, shape.fields());
    held.push(MemoryUse {
        what: format!("{fields} fields of {n} components of {SHARD} examples on {threads} thread(s)"),
        bytes: product(&[size_of::<f32>(), TERMS, threads, SHARD, n, fields]),
    });
    held
}

/// The forecaster.
struct Autoregressive {
    learned: Learned,
    shape: AutoregressiveShape,
    starts: Vec<f64>,
    layer: Stepwise,
    /// The components before each, with their weights.
    order: Vec<Vec<(usize, usize)>>,
}

fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    learned::cost(settings, size, AutoregressiveShape::new(settings).fields(), Work::of(settings, 1))
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let data = learned::data(settings, context)?;
    let objective = find(OBJECTIVES, "objective", "autoregressive")?;
    let (learned, training) = Learned::fit(settings, context, &data, objective, 1)?;
    fitted(learned, AutoregressiveShape::new(settings), training)
}

fn load(model: &Model) -> Result<Fitted> {
    let [components, hidden, reach] = counts(model, SHAPE, AutoregressiveShape::RANGES)?;
    let shape = AutoregressiveShape { components, hidden, reach };
    fitted(Learned::load(model, shape.fields())?, shape, Training::load(model)?)
}

fn fitted(learned: Learned, shape: AutoregressiveShape, training: Training) -> Result<Fitted> {
    let layer = causal_layer(learned.network())?.stepwise()?;
    let (order, starts) = (layer.order(learned.components()), shape.starts());
    let forecaster = Autoregressive { learned, shape, starts, layer, order };
    Ok(Fitted::new(ENTRY.name, forecaster, training, |model| {
        let AutoregressiveShape { components, hidden, reach } = model.shape;
        model.learned.parts(json!({ SHAPE[0]: components, SHAPE[1]: hidden, SHAPE[2]: reach }), [])
    }))
}

/// The mixture of one component.
struct ComponentLaw<'a>(ComponentFields<'a>);

impl ComponentLaw<'_> {
    /// ln sum_k exp(logit_k), the largest taken out.
    fn log_total(&self) -> f64 {
        log_sum_exp(self.0.logits().iter().copied())
    }

    /// ln p(z).
    fn log_density(&self, z: f64) -> f64 {
        let term = |(k, logit): (usize, &f64)| {
            let l = self.0.log_variance(k);
            logit - 0.5 * ((z - self.0.mean(k)).powi(2) * (-l).exp() + l + std::f64::consts::TAU.ln())
        };
        log_sum_exp(self.0.logits().iter().enumerate().map(term)) - self.log_total()
    }

    /// A draw, from a uniform number and then a normal one.
    fn draw(&self, stream: &mut Stream) -> f64 {
        let (mut left, total) = (stream.uniform(), self.log_total());
        let falls = |logit: &f64| {
            left -= (logit - total).exp();
            left < 0.0
        };
        let k = self.0.logits().iter().position(falls).unwrap_or(self.0.logits().len() - 1);
        self.0.mean(k) + (0.5 * self.0.log_variance(k)).exp() * stream.normal()
    }
}

impl Autoregressive {
    /// What the trunk gives, `[member, component, hidden]`.
    fn trunk(&self, x: ArrayView2<f64>) -> Result<Array3<f64>> {
        Ok(array::all_fields(&self.learned.evaluate(&[self.learned.scaled(x).view()], None)?)?)
    }

    /// Goes through the components of one member: `each` is given the law of a component, and gives its value in `z`.
    fn go(&self, trunk: &mut [f64], z: &mut [f64], mut each: impl FnMut(usize, ComponentLaw, f64) -> f64) {
        let hidden = self.shape.hidden;
        let mut out = vec![0.0; 3 * self.shape.components];
        for (c, before) in self.order.iter().enumerate() {
            self.layer.at(before, &mut trunk[c * hidden..(c + 1) * hidden], z, &mut out);
            z[c] = each(c, ComponentLaw(ComponentFields::new(&out, &self.starts)), z[c]);
        }
    }

    /// Runs `f` on each member of chunks: its place, what the trunk gives for it, and room for its z.
    fn by_member<T: Send>(
        &self,
        x: ArrayView2<f64>,
        f: impl Fn(usize, &mut [f64], &mut [f64]) -> T + Sync,
    ) -> Result<Vec<Vec<T>>> {
        let dim = self.learned.components();
        in_chunks(x.nrows(), self.learned.network().chunk(), |range: Range<usize>| {
            let mut trunk = self.trunk(members(&x, range.clone()))?;
            let rows = trunk.as_slice_mut().unwrap_or_default().chunks_exact_mut(dim * self.shape.hidden);
            let mut z = vec![0.0; dim];
            Ok(range.zip(rows).map(|(member, trunk)| f(member, trunk, &mut z)).collect())
        })
    }
}

impl Forecaster for Autoregressive {
    fn dim(&self) -> usize {
        self.learned.dim()
    }

    fn history(&self) -> usize {
        self.learned.history()
    }

    fn parameters(&self) -> &[String] {
        self.learned.parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        let (key, dim) = (key.purpose(Purpose::ForecastNoise).at(k as u64), self.learned.components());
        let increments = &self.learned.scales().increments;
        let before = x.view();
        let draws = self.by_member(before, |member, trunk, z| {
            let mut stream = key.stream(member as u64);
            self.go(trunk, z, |_, law, _| law.draw(&mut stream));
            let next = |c: usize| before[[member, c]] + increments.mean[c] + increments.sd[c] * z[c];
            Array1::from_shape_fn(dim, next).insert_axis(Axis(0))
        })?;
        let rows: Vec<Array2<f64>> = draws.into_iter().flatten().collect();
        *x = self.learned.shifted(x.view(), stacked(&rows, dim));
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        Some(self)
    }
}

impl Density for Autoregressive {
    fn log_prob(&self, _k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> systems::Result<Array1<f64>> {
        self.learned.assert_next(x, next);
        let increments = &self.learned.scales().increments;
        let jacobian: f64 = increments.sd.iter().map(|sd| sd.ln()).sum();
        let of = |member: usize, trunk: &mut [f64], z: &mut [f64]| {
            let (from, to): (ArrayView1<f64>, _) = (x.slice(s![member, ..]), next.slice(s![member, ..]));
            z.iter_mut().enumerate().for_each(|(c, z)| *z = increments.scaled(to[c] - from[c], c));
            let mut sum = -jacobian;
            self.go(trunk, z, |_, law, z| {
                sum += law.log_density(z);
                z
            });
            sum
        };
        Ok(self.by_member(x, of)?.into_iter().flatten().collect())
    }
}
