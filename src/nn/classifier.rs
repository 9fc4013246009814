//! A network that tells the increments of two laws given the same state.
//!
//! f(x, u) is the sum over components of what the network gives for the fields x, u and u^2, of which it has affine functions at
//! once (so that a variance which is off by little is not lost among all else that it might be). It is trained by the mean of
//! ln(1 + exp(f(x, u_0) - f(x, u_1))) over pairs of increments, u_0 of one law and u_1 of the other given one x (Bradley and
//! Terry 1952), which f(x, u) = ln p_1(u | x) - ln p_0(u | x), up to a function of x, makes least. No function of x alone
//! can help, so that nothing is learned about states.
//!
//! The training loop takes steps of states: x, u_0 and u_1 lie side by side as one state that has one scale, the step being
//! from (x, 0, 0) to (x, u_0, u_1).

use candle_core::{DType, Tensor};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, concatenate, s};
use scorecast_systems::{Geometry, Key};

use super::data::{Batch, Data, Scale};
use super::network::{Grid, HEADS, RESOLUTIONS};
use super::objective::{Draws, Objective};
use super::ops::Processor;
use super::optimizer::Decay;
use super::train::{Keep, TrainConfig, Trained, Trainer, USUAL_BETA2};
use super::{Error, NetworkConfig, NeuralNetwork, Result, array};
use crate::progress::Progress;

/// Increments of two laws given the same states, `[row, component]` each.
#[derive(Clone, Debug)]
pub struct Contrasts {
    /// x.
    pub states: Array2<f64>,
    /// u_0 and u_1.
    pub increments: [Array2<f64>; 2],
}

impl Contrasts {
    /// These rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let of = |values: &Array2<f64>| values.select(Axis(0), rows);
        Self { states: of(&self.states), increments: self.increments.each_ref().map(of) }
    }
}

/// How much is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Training steps.
    pub steps: u64,
    /// Hidden channels of a network without convolutions, of which one with convolutions has a quarter.
    pub width: usize,
}

/// The trained network, with the scales around it.
pub struct Classifier {
    network: Box<dyn NeuralNetwork>,
    /// Of states, and of the increments of both laws together.
    scales: [Scale; 2],
    /// The scale of everything together, after those.
    overall: [Scale; 2],
}

impl Classifier {
    /// Learns from contrasts between states of this layout: few steps of a small network with weight decay, whose averaged weights
    /// are kept. Of a difference that is barely there a validation could not tell which weights have it; `valid` is the curve's.
    ///
    /// # Errors
    /// When there is nothing to learn from, all increments being the same, and when the training diverges or is stopped.
    pub fn fit(
        [train, valid]: [&Contrasts; 2],
        geometry: Geometry,
        effort: Effort,
        key: Key,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let dim = train.states.ncols();
        let scales = scales(train, network(geometry, dim, effort).kind != "mlp");
        let [train, valid] = [train, valid].map(|contrasts| side_by_side(contrasts, &scales));
        let data = Data::new(train.view(), valid.view(), true, 1)?;
        let network = network(geometry, dim, effort);
        let trainer = Trainer {
            network: &network,
            config: &training(effort),
            objective: &Contrast { dim },
            named: "contrast",
            data: &data,
            key,
            start: None,
            processor: &Processor::Cpu,
            before: 0,
            progress,
            checkpoints: None,
        };
        let Trained { weights, .. } = trainer.run()?;
        let overall = [&data.scales().states, &data.scales().increments].map(Scale::clone);
        Ok(Self { network: network.frozen(&weights)?, scales, overall })
    }

    /// f(x, u), `[row]`: the larger, the more u is of the second law.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn scores(&self, states: ArrayView2<f64>, increments: ArrayView2<f64>) -> Result<Array1<f64>> {
        let scaled = |values: ArrayView2<f64>, of: usize| {
            let own = scaled(values, &self.scales[of]);
            Array2::from_shape_fn(own.dim(), |(i, c)| self.overall[of].scaled(own[[i, c]], c))
        };
        let (x, u) = (scaled(states, 0), scaled(increments, 1));
        let chunk = self.network.chunk();
        let of = |first: usize| -> Result<Array1<f64>> {
            let rows = s![first..(first + chunk).min(x.nrows()), ..];
            let input = fields(x.slice(rows), u.slice(rows), self.network.dtype())?;
            Ok(array::field(&self.network.forward(&input, None)?, 0)?.sum_axis(Axis(1)))
        };
        let parts = (0..x.nrows()).step_by(chunk).map(of).collect::<Result<Vec<_>>>()?;
        Ok(parts.into_iter().flatten().collect())
    }
}

/// The network of a layout: convolutions where a grid is large enough for them.
fn network(geometry: Geometry, components: usize, effort: Effort) -> NetworkConfig {
    const KERNEL: usize = 5;
    let grid = Grid::of(geometry).filter(|grid| grid.rows.min(grid.columns) >= KERNEL);
    let kind = match grid {
        Some(_) => "conv2d",
        None if geometry == Geometry::Ring && components >= 8 => "conv",
        None => "mlp",
    };
    NetworkConfig {
        kind: kind.to_owned(),
        components,
        inputs: 3,
        outputs: 1,
        width: if kind == "mlp" { effort.width } else { effort.width.div_ceil(4) },
        blocks: 1,
        kernel: KERNEL,
        time_features: false,
        levels: 1,
        film: None,
        grid,
        copies: 1,
        causal: None,
        resolutions: RESOLUTIONS,
        heads: HEADS,
        patch: None,
        frequency: None,
    }
}

fn training(Effort { steps, .. }: Effort) -> TrainConfig {
    TrainConfig {
        steps,
        batch: 256,
        learning_rate: 1e-3,
        warm_up: steps / 10,
        decay: Decay::Cosine,
        beta2: USUAL_BETA2,
        weight_decay: 0.1,
        clip: 1.0,
        ema: 0.98,
        validate_every: (steps / 12).max(1),
        checkpoint_every: u64::MAX,
        keep: Keep::Average,
    }
}

/// The scales of states and of increments, those of both laws together; one for all components of a field.
fn scales(contrasts: &Contrasts, one_field: bool) -> [Scale; 2] {
    let Contrasts { states, increments: [first, second] } = contrasts;
    let of = |parts: &[&Array2<f64>]| {
        let rows = || parts.iter().flat_map(|part| part.outer_iter()).map(|row| row.to_owned());
        let Scale { mean, sd } = Scale::of(states.ncols(), rows, one_field);
        // what never changes is no help: it is 0 throughout
        let changes = |sd: f64, mean: f64| sd > 1e-12 * mean.abs();
        let sd = sd.iter().zip(&mean).map(|(sd, mean)| if changes(*sd, *mean) { *sd } else { f64::INFINITY }).collect();
        Scale { mean, sd }
    };
    [of(&[states]), of(&[first, second])]
}

fn scaled(values: ArrayView2<f64>, scale: &Scale) -> Array2<f64> {
    (&values - &scale.mean) / &scale.sd
}

/// Steps from (x, 0, 0) to (x, u_0, u_1), scaled, `[row, time, component]`.
fn side_by_side(contrasts: &Contrasts, [of_states, of_increments]: &[Scale; 2]) -> Array3<f64> {
    let (rows, dim) = contrasts.states.dim();
    let x = scaled(contrasts.states.view(), of_states);
    let increments = contrasts.increments.each_ref().map(|u| scaled(u.view(), of_increments));
    Array3::from_shape_fn((rows, 2, 3 * dim), |(row, time, c)| match (c / dim, time) {
        (0, _) => x[[row, c]],
        (_, 0) => 0.0,
        (law, _) => increments[law - 1][[row, c % dim]],
    })
}

/// x, u and u^2, the last of about unit variance too.
fn fields(x: ArrayView2<f64>, u: ArrayView2<f64>, dtype: DType) -> Result<Tensor> {
    let squares = u.mapv(|u| (u * u - 1.0) / std::f64::consts::SQRT_2);
    array::interleave(&[x, u, squares.view()], dtype)
}

/// ln(1 + exp(f(x, u_0) - f(x, u_1))).
struct Contrast {
    dim: usize,
}

impl Objective for Contrast {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let (rows, dim) = (batch.states.nrows(), self.dim);
        let part = |values: &Array2<f64>, index: usize| values.slice(s![.., index * dim..(index + 1) * dim]).to_owned();
        let (x, u) = (part(&batch.states, 0), [1, 2].map(|law| part(&batch.increments, law)));
        let both = |one: &Array2<f64>, other: &Array2<f64>| {
            concatenate(Axis(0), &[one.view(), other.view()]).map_err(|error| Error::Data(error.to_string()))
        };
        let input = fields(both(&x, &x)?.view(), both(&u[0], &u[1])?.view(), network.dtype())?;
        let f = network.forward(&input, None)?.sum((1, 2))?;
        softplus(&(f.narrow(0, 0, rows)? - f.narrow(0, rows, rows)?)?)
    }
}

/// The mean of ln(1 + exp(d)) = max(d, 0) + ln(1 + exp(-|d|)), whose gradient at 0 is 1/2 as Candle has those of both terms.
fn softplus(d: &Tensor) -> Result<Tensor> {
    let tail = (d.abs()?.neg()?.exp()? + 1.0)?.log()?;
    Ok((d.relu()? + tail)?.mean_all()?)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use scorecast_systems::Domain;

    use super::*;
    use crate::nn::ops::differences::check;
    use crate::progress::Quiet;

    #[test]
    fn the_loss_is_the_logistic_one_with_its_gradient_also_at_and_far_from_zero() {
        let values = [0.0, 0.3, -2.0, 40.0, -900.0, 900.0];
        let d = Var::from_tensor(&Tensor::new(&values, &Device::Cpu).unwrap()).unwrap();
        let loss = softplus(d.as_tensor()).unwrap();
        let expected = values.iter().map(|d: &f64| if *d > 30.0 { *d } else { d.exp().ln_1p() }).sum::<f64>() / 6.0;
        assert!((loss.to_scalar::<f64>().unwrap() - expected).abs() < 1e-12);
        let gradients = loss.backward().unwrap();
        let found = gradients.get(d.as_tensor()).unwrap().to_vec1::<f64>().unwrap();
        for (d, found) in values.iter().zip(found) {
            let exact = 1.0 / (1.0 + (-d).exp()) / 6.0;
            assert!((found - exact).abs() < 1e-12, "{d}: {found} {exact}");
        }
        let moved = Tensor::new(&[0.2, -1.3, 2.1], &Device::Cpu).unwrap();
        check(&[moved], |d| softplus(&d[0]).map_err(candle_core::Error::wrap));
    }

    /// u_1 ~ N(.8 x, 1) for u_0 ~ N(0, 1): f = ln p_1 - ln p_0 = .8 x u - .32 x^2, up to a function of x.
    #[test]
    fn what_is_learned_is_the_logarithm_of_the_ratio_of_densities() {
        let rows = 8000;
        let key = Key::new(1, Domain::Data);
        let states = key.normals(rows, 1);
        let second = key.at(2).normals(rows, 1) + &(&states * 0.8);
        let contrasts = Contrasts { states, increments: [key.at(1).normals(rows, 1), second] };
        let part = |from: usize, to: usize| contrasts.select(&(from..to).collect::<Vec<_>>());
        let (effort, key) = (Effort { steps: 600, width: 32 }, Key::new(5, Domain::Training));
        let fit = || {
            let [train, valid] = [part(0, 6000), part(6000, 8000)];
            Classifier::fit([&train, &valid], Geometry::Unstructured, effort, key, &Quiet).unwrap()
        };
        let classifier = fit();
        let at = |x: f64, u: f64| {
            let [x, u] = [x, u].map(|value| Array2::from_elem((1, 1), value));
            classifier.scores(x.view(), u.view()).unwrap()[0]
        };
        for x in [-1.5, -0.5, 0.0, 1.0, 1.5] {
            let slope = (at(x, 1.0) - at(x, -1.0)) / 2.0;
            // the sd of a logistic slope from 6,000 pairs is about .03, and the network bends
            assert!((slope - 0.8 * x).abs() < 0.25, "at {x}: {slope}");
        }
        let again = fit().scores(contrasts.states.view(), contrasts.increments[1].view()).unwrap();
        assert_eq!(again, classifier.scores(contrasts.states.view(), contrasts.increments[1].view()).unwrap());
    }

    #[test]
    fn where_all_increments_are_the_same_there_is_nothing_to_learn() {
        let states = Key::new(1, Domain::Data).normals(64, 2);
        let same = Contrasts { states, increments: [(); 2].map(|()| Array2::from_elem((64, 2), 0.3)) };
        let effort = Effort { steps: 10, width: 4 };
        let key = Key::new(5, Domain::Training);
        let found = Classifier::fit([&same, &same], Geometry::Unstructured, effort, key, &Quiet);
        assert!(matches!(found, Err(Error::Data(_))));
    }
}
