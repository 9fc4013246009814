//! `normalizing_flow`: the law of the scaled increment z = x_{k+1} - x_k as what a chain of conditional couplings makes of
//! independent normals (the objective `normalizing_flow`). A draw goes through the chain backwards, a density forwards:
//! log p(z) is exact, and that of a state is log p(z) less the sum of ln(sd) of increments.
//!
//! A coupling leaves every other component as it is, so that both ways see the same inputs of its trunk: a lead step
//! evaluates each trunk once.

use ndarray::{Array1, Array2, Array3, ArrayView2, Zip, s};
use serde_json::json;

use super::learned::{self, Learned, Work, in_chunks, joined, members, stacked};
use super::stored::counts;
use super::{Cost, FitContext, FitSize, Fitted, ForecasterBuild, Result, Training};
use crate::model::Model;
use crate::nn::objective::{
    FLOW_SETTINGS, FlowShape, Spline, coupling_fields, coupling_trunk, flow_score, log_variance, moves,
};
use crate::nn::train::SHARD;
use crate::nn::{OBJECTIVES, array};
use crate::systems::memory_use::product;
use crate::systems::registry::find;
use crate::systems::{self, Density, Entry, Forecaster, Key, MemoryUse, Param, Purpose, Settings};

const PARAMS: [Param; learned::SETTINGS.len() + 2] = joined(learned::SETTINGS, FLOW_SETTINGS);

/// The registry's line.
pub(super) const ENTRY: Entry<ForecasterBuild> = Entry {
    name: "normalizing_flow",
    about: "autoregressive network: spline couplings take the increment to independent normals, trained by likelihood",
    reference: "Durkan et al. (2019), arXiv:1906.04032; Winkler et al. (2019), arXiv:1912.00042",
    params: &PARAMS,
    build: ForecasterBuild { fit, load: Some(load), memory, cost: Some(cost) },
};

/// The keys under which a stored model has its shape.
const SHAPE: [&str; 2] = ["couplings", "bins"];

/// Arrays of the size of all fields that a coupling makes of them, forward and backward.
const TERMS: usize = 20;

fn memory(settings: &Settings, size: &FitSize) -> Vec<MemoryUse> {
    let shape = FlowShape::new(settings);
    let fields = shape.fields();
    let (n, threads) = (size.components, rayon::current_num_threads());
    let mut held = learned::held(settings, size, fields);
    held.push(MemoryUse {
        what: format!("{} couplings of {n} components of {SHARD} examples on {threads} thread(s)", shape.couplings),
        bytes: product(&[size_of::<f32>(), TERMS, threads, SHARD, n, fields.outputs, shape.couplings]),
    });
    held
}

/// The forecaster.
struct NormalizingFlow {
    learned: Learned,
    shape: FlowShape,
}

/// One evaluation of the network is one of all its trunks.
fn cost(settings: &Settings, size: &FitSize) -> Result<Cost> {
    let shape = FlowShape::new(settings);
    let of_all = learned::cost(settings, size, shape.fields(), Work::of(settings, 1))?;
    Ok(Cost { evaluations: shape.couplings, ..of_all })
}

fn fit(settings: &Settings, context: &FitContext) -> Result<Fitted> {
    let data = learned::data(settings, context)?;
    let objective = find(OBJECTIVES, "objective", "normalizing_flow")?;
    let shape = FlowShape::new(settings);
    let (learned, training) = Learned::fit(settings, context, &data, objective, shape.couplings)?;
    Ok(fitted(NormalizingFlow { learned, shape }, training))
}

fn load(model: &Model) -> Result<Fitted> {
    let [couplings, bins] = counts(model, SHAPE, FlowShape::RANGES)?;
    let shape = FlowShape { couplings, bins };
    let learned = Learned::load(model, shape.fields())?;
    Ok(fitted(NormalizingFlow { learned, shape }, Training::load(model)?))
}

fn fitted(flow: NormalizingFlow, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, flow, training, |model| {
        let FlowShape { couplings, bins } = model.shape;
        model.learned.parts(json!({ SHAPE[0]: couplings, SHAPE[1]: bins }), [])
    })
}

/// What a coupling does to one component: v = R((u - m) exp(-a/2)).
struct Coupled<'a> {
    mean: f64,
    log_variance: f64,
    spline: &'a Spline,
}

impl Coupled<'_> {
    /// v and ln(dv/du).
    fn forward(&self, u: f64) -> (f64, f64) {
        let (v, log_slope) = self.spline.forward((u - self.mean) * (-0.5 * self.log_variance).exp());
        (v, log_slope - 0.5 * self.log_variance)
    }

    /// u, of v.
    fn inverse(&self, v: f64) -> f64 {
        self.mean + self.spline.inverse(v) * (0.5 * self.log_variance).exp()
    }
}

impl NormalizingFlow {
    /// What the trunk of a coupling gives, `[member, component, field]`: of x and of the components of u that stay.
    fn outputs(&self, coupling: usize, x: ArrayView2<f64>, u: &Array2<f64>) -> Result<Array3<f64>> {
        let network = self.learned.network();
        let stays = |(_, c): (usize, usize), u: &f64| if moves(network.config(), coupling, c) { 0.0 } else { *u };
        let mut left = u.clone();
        Zip::indexed(&mut left).for_each(|at, u| *u = stays(at, u));
        let input = network.input(&[x, left.view()])?;
        Ok(array::all_fields(&coupling_trunk(network, coupling)?.forward(&input, None)?)?)
    }

    /// Gives each component that a coupling moves to `f`, with its member.
    fn couple(
        &self,
        coupling: usize,
        x: ArrayView2<f64>,
        u: &mut Array2<f64>,
        mut f: impl FnMut(usize, Coupled, f64) -> f64,
    ) -> Result<()> {
        let mut spline = Spline::default();
        let outputs = self.outputs(coupling, x, u)?;
        let config = self.learned.network().config();
        for ((member, c), u) in u.indexed_iter_mut().filter(|((_, c), _)| moves(config, coupling, *c)) {
            let fields = outputs.slice(s![member, c, ..]);
            let (mean, raw, parameters) = coupling_fields(fields.to_slice().unwrap_or_default());
            spline.set(parameters);
            *u = f(member, Coupled { mean, log_variance: log_variance(raw).0, spline: &spline }, *u);
        }
        Ok(())
    }

    /// What u, `[member, component]`, came from, given the scaled x.
    fn backward(&self, x: ArrayView2<f64>, mut u: Array2<f64>) -> Result<Array2<f64>> {
        for coupling in (0..self.shape.couplings).rev() {
            self.couple(coupling, x, &mut u, |_, coupled, v| coupled.inverse(v))?;
        }
        Ok(u)
    }

    /// log p(z) of each row of z, `[member, component]`, given the scaled x.
    fn log_density(&self, x: ArrayView2<f64>, z: Array2<f64>) -> Result<Vec<f64>> {
        let (mut u, mut sum) = (z, vec![0.0; x.nrows()]);
        for coupling in 0..self.shape.couplings {
            self.couple(coupling, x, &mut u, |member, coupled, u| {
                let (v, log_slope) = coupled.forward(u);
                sum[member] += log_slope;
                v
            })?;
        }
        let normal = |u: f64| -0.5 * (u * u + std::f64::consts::TAU.ln());
        Ok(u.rows().into_iter().zip(sum).map(|(u, sum)| sum + u.iter().map(|u| normal(*u)).sum::<f64>()).collect())
    }
}

impl Forecaster for NormalizingFlow {
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
        let normals = key.purpose(Purpose::ForecastNoise).at(k as u64).normals(x.nrows(), self.learned.components());
        let increments = &self.learned.scales().increments;
        let (view, noise) = (x.view(), normals.view());
        let chunks = in_chunks(view.nrows(), self.learned.network().chunk(), |range| {
            let x = members(&view, range.clone());
            let z = self.backward(self.learned.scaled(x).view(), members(&noise, range).to_owned())?;
            Ok(z * &increments.sd + self.learned.newest(x) + &increments.mean)
        })?;
        *x = self.learned.shifted(x.view(), stacked(&chunks, noise.ncols()));
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        Some(self)
    }
}

impl Density for NormalizingFlow {
    fn log_prob(&self, _k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> systems::Result<Array1<f64>> {
        self.learned.assert_next(x, next);
        let increments = &self.learned.scales().increments;
        let jacobian: f64 = increments.sd.iter().map(|sd| sd.ln()).sum();
        let of_chunk = in_chunks(x.nrows(), self.learned.network().chunk(), |range| {
            let (x, next) = (members(&x, range.clone()), members(&next, range));
            let z = (&next - &self.learned.newest(x) - &increments.mean) / &increments.sd;
            self.log_density(self.learned.scaled(x).view(), z)
        })?;
        Ok(of_chunk.into_iter().flatten().map(|log_density| log_density - jacobian).collect())
    }

    fn score(&self, _k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> systems::Result<Option<Array2<f64>>> {
        self.learned.assert_next(x, next);
        let increments = &self.learned.scales().increments;
        let network = self.learned.network();
        let chunks = in_chunks(x.nrows(), network.chunk(), |range| {
            let (x, next) = (members(&x, range.clone()), members(&next, range));
            let z = (&next - &self.learned.newest(x) - &increments.mean) / &increments.sd;
            Ok(flow_score(self.shape, network, self.learned.scaled(x).view(), z.view())? / &increments.sd)
        })?;
        Ok(Some(stacked(&chunks, next.ncols())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::learned::tests::{DIM, untrained};
    use crate::systems::Domain;

    #[test]
    fn the_score_is_the_gradient_of_the_log_density() {
        let shape = FlowShape { couplings: 4, bins: 8 };
        for kind in ["mlp", "conv"] {
            let learned = untrained(kind, shape.fields(), 0.2).in_double_precision();
            let flow = NormalizingFlow { learned, shape };
            // more members than a chunk has, some in the tails of the splines
            let members = flow.learned.network().chunk() + 3;
            let draw = |seed| Key::new(seed, Domain::Method).normals(members, DIM);
            let (x, direction) = (draw(1), draw(2));
            let next = &x + &(draw(3) * 2.0);
            let log_prob = |h: f64| flow.log_prob(0, x.view(), (&next + &(&direction * h)).view()).unwrap();
            let score = flow.score(0, x.view(), next.view()).unwrap().unwrap();
            // truncation by h^2 of the third derivative, and rounding by 1e-14 / h
            let h = 1e-5;
            let difference = (log_prob(h) - log_prob(-h)) / (2.0 * h);
            let along = (&score * &direction).sum_axis(ndarray::Axis(1));
            for (found, expected) in along.iter().zip(&difference) {
                assert!((found - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{kind}: {found} {expected}");
            }
            let away = (&score + &(&next - &x)).mapv(f64::abs).sum();
            assert!(away > 0.1, "{kind}: it is the score of a standard normal law, which tests nothing");
        }
    }
}
