//! A layer that sees, at each component c of a vector z, the components before c (in the order of the state) beside the
//! outputs h_c of a trunk: out_c = U silu(h_c + sum_{j < c} V_(c,j) z_j) + b. It is that of the neural autoregressive
//! estimator of densities (Uria, Murray and Larochelle 2013) with a trunk in place of the bias of its hidden units.
//!
//! On a grid V depends on the shift from c to j alone, which is at most `reach` positions in each direction, across the
//! edge of a periodic one too; elsewhere each pair of components has weights of its own. So one evaluation of the trunk
//! serves all components, and to go on by one component costs a product with U and one with V.

use candle_core::Tensor;
use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{Grid, NetworkConfig};
use crate::nn::init::Init;
use crate::nn::ops::{Activation, Processor};
use crate::nn::weights::Source;
use crate::nn::{Error, Result, array};

/// What the layer is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Causal {
    /// Its outputs for each component; its hidden units are the outputs of the trunk.
    pub outputs: usize,
    /// Positions that it sees in each direction of a grid.
    pub reach: usize,
}

/// The layer with its tensors.
#[derive(Debug)]
pub struct CausalLayer {
    places: Places,
    /// V, `[place, hidden]`; none where there is nothing before.
    before: Option<Tensor>,
    /// U, `[output, hidden]`.
    weight: Tensor,
    /// b.
    bias: Tensor,
    processor: Processor,
}

/// Which weights belong to which pair of components.
#[derive(Clone, Debug)]
enum Places {
    /// Pair (c, j) has row c (c - 1) / 2 + j.
    Pairs,
    /// A row for each shift.
    Shifts(Grid, Vec<[isize; 2]>),
}

impl Places {
    fn new(causal: Causal, config: &NetworkConfig) -> Self {
        let line = || (config.kind == "conv").then_some(Grid { rows: 1, columns: config.components, periodic: true });
        let Some(grid) = config.grid.or_else(line) else { return Self::Pairs };
        // around a torus, no two shifts lead to one position
        let along = |length: usize| {
            let (back, on) = if grid.periodic { (length.saturating_sub(1) / 2, length / 2) } else { (length, length) };
            -(causal.reach.min(back) as isize)..=causal.reach.min(on) as isize
        };
        let shifts = along(grid.rows).flat_map(|r| along(grid.columns).map(move |c| [r, c]));
        Self::Shifts(grid, shifts.filter(|shift| *shift != [0, 0]).collect())
    }

    /// How many rows V has.
    fn count(&self, components: usize) -> usize {
        match self {
            Self::Pairs => components.saturating_mul(components.saturating_sub(1)) / 2,
            Self::Shifts(_, shifts) => shifts.len(),
        }
    }

    /// The components before c that it sees, each with its row of V.
    fn before(&self, c: usize) -> Vec<(usize, usize)> {
        match self {
            Self::Pairs => (0..c).map(|j| (j, c * c.saturating_sub(1) / 2 + j)).collect(),
            Self::Shifts(grid, shifts) => {
                let place = |(row, shift): (usize, &[isize; 2])| Some((grid.shifted(c, *shift)?, row));
                shifts.iter().enumerate().filter_map(place).filter(|(j, _)| *j < c).collect()
            }
        }
    }
}

impl Grid {
    /// The position that is `shift` rows and columns away from a position; none beyond a wall.
    fn shifted(self, position: usize, shift: [isize; 2]) -> Option<usize> {
        let along = |at: usize, by: isize, length: usize| {
            let to = at as isize + by;
            let inside = (0..length as isize).contains(&to);
            (inside || self.periodic).then(|| to.rem_euclid(length as isize) as usize)
        };
        let row = along(position / self.columns, shift[0], self.rows)?;
        Some(row * self.columns + along(position % self.columns, shift[1], self.columns)?)
    }
}

impl CausalLayer {
    /// Takes its tensors from a source.
    ///
    /// # Errors
    /// When the source does not have them.
    pub fn new(causal: Causal, config: &NetworkConfig, source: &mut dyn Source) -> Result<Self> {
        let (hidden, places) = (config.outputs, Places::new(causal, config));
        let count = places.count(config.components);
        let normal = |gain: f64, fan_in: usize| Init::Normal(gain / (fan_in as f64).sqrt());
        // what one component is the sum over: all before it, or the shifts
        let seen = if matches!(places, Places::Pairs) { config.components } else { count };
        let before = match count {
            0 => None,
            count => Some(source.tensor("causal.before", &[count, hidden], normal(1.0, seen))?),
        };
        let weight = source.tensor("causal.weight", &[causal.outputs, hidden], normal(0.3, hidden))?;
        let bias = source.tensor("causal.bias", &[causal.outputs], Init::Zero)?;
        Ok(Self { places, before, weight, bias, processor: source.processor() })
    }

    /// Floating-point operations for one vector.
    pub(super) fn operations(&self, components: usize) -> f64 {
        let seen: usize = (0..components).map(|c| self.places.before(c).len()).sum();
        let [outputs, hidden] = [0, 1].map(|dim| self.weight.dims().get(dim).copied().unwrap_or(0));
        2.0 * hidden as f64 * (seen + components * outputs) as f64
    }

    /// Its tensors.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.before.iter().chain([&self.weight, &self.bias])
    }

    /// out, `[row, component, output]`, of the outputs of the trunk `[row, component, hidden]` and z `[row, component]`.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn forward(&self, trunk: &Tensor, z: ArrayView2<f64>) -> Result<Tensor> {
        let (rows, n, hidden) = trunk.dims3()?;
        assert_eq!(z.dim(), (rows, n), "one vector for each row");
        let from = trunk.device();
        let mut h = trunk.to_device(self.processor.device())?.reshape((rows * n, hidden))?;
        if let Some(before) = &self.before {
            h = (h + self.sum(before, z)?)?;
        }
        let out = self.processor.linear(&h.silu()?, &self.weight, &self.bias, Activation::Identity)?;
        Ok(out.reshape((rows, n, ()))?.to_device(from)?)
    }

    /// sum_j V_(c,j) z_j, `[row x component, hidden]`.
    fn sum(&self, before: &Tensor, z: ArrayView2<f64>) -> Result<Tensor> {
        let ((rows, n), dtype, device) = (z.dim(), before.dtype(), before.device());
        let (places, hidden) = before.dims2()?;
        match &self.places {
            Places::Shifts(..) => {
                let mut seen = Array2::zeros((rows * n, places));
                for c in 0..n {
                    for (j, place) in self.places.before(c) {
                        (0..rows).for_each(|row| seen[[row * n + c, place]] = z[[row, j]]);
                    }
                }
                Ok(array::matrix(seen.view(), dtype)?.to_device(device)?.matmul(before)?)
            }
            Places::Pairs => {
                // V as one matrix from z to all hidden units, with a row of zeros where j is not before c
                let zeros = Tensor::zeros((1, hidden), dtype, device)?;
                let padded = Tensor::cat(&[before, &zeros], 0)?;
                let place = |j: usize, c: usize| if j < c { c * (c - 1) / 2 + j } else { places };
                let index: Vec<u32> = (0..n).flat_map(|j| (0..n).map(move |c| place(j, c) as u32)).collect();
                let all = padded.index_select(&Tensor::from_vec(index, n * n, device)?, 0)?;
                let sum = array::matrix(z, dtype)?.to_device(device)?.matmul(&all.reshape((n, n * hidden))?)?;
                Ok(sum.reshape((rows * n, hidden))?)
            }
        }
    }

    /// The layer in plain numbers, to go from component to component.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn stepwise(&self) -> Result<Stepwise> {
        let [outputs, hidden] = <[usize; 2]>::try_from(self.weight.dims().to_vec())
            .map_err(|shape| Error::Model(format!("the causal layer has a weight of {} dimensions", shape.len())))?;
        let before = self.before.as_ref().map(array::to_matrix).transpose()?;
        Ok(Stepwise {
            places: self.places.clone(),
            before: before.unwrap_or_else(|| Array2::zeros((0, hidden))),
            weight: array::to_matrix(&self.weight)?,
            bias: array::to_matrix(&self.bias.reshape((1, outputs))?)?.row(0).to_owned(),
        })
    }
}

/// The layer in plain numbers.
#[derive(Clone, Debug)]
pub struct Stepwise {
    places: Places,
    before: Array2<f64>,
    weight: Array2<f64>,
    bias: Array1<f64>,
}

impl Stepwise {
    /// The components before each of `components`, with their rows of V: found once for all members.
    pub fn order(&self, components: usize) -> Vec<Vec<(usize, usize)>> {
        (0..components).map(|c| self.places.before(c)).collect()
    }

    /// out_c from the outputs `trunk` of the trunk at c, which are overwritten, and the components `before` c of z.
    pub fn at(&self, before: &[(usize, usize)], trunk: &mut [f64], z: &[f64], out: &mut [f64]) {
        for &(j, place) in before {
            let row = self.before.row(place);
            trunk.iter_mut().zip(row).for_each(|(h, v)| *h += v * z[j]);
        }
        trunk.iter_mut().for_each(|h| *h /= 1.0 + (-*h).exp());
        for ((out, row), bias) in out.iter_mut().zip(self.weight.rows()).zip(&self.bias) {
            *out = bias + row.iter().zip(trunk.iter()).map(|(u, h)| u * h).sum::<f64>();
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use scorecast_systems::{Domain, Key};

    use super::super::tests::config;
    use super::*;
    use crate::nn::NeuralNetwork;
    use crate::nn::ops::differences::{check, normals};

    /// A network of each layout with a causal layer, its weights moved, in double precision.
    fn networks() -> Vec<Box<dyn NeuralNetwork>> {
        let walls =
            NetworkConfig { grid: Some(Grid { rows: 2, columns: 3, periodic: false }), ..config("conv2d", false) };
        let all = [config("mlp", false), config("conv", false), config("conv2d", false), walls];
        let made = |config: NetworkConfig| {
            let config = NetworkConfig { causal: Some(Causal { outputs: 3, reach: 1 }), ..config };
            let mut weights = config.seeded(Key::new(1, Domain::Training)).unwrap();
            weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += (i as f32 * 0.7).sin() * 0.4);
            config.from_tensors(&weights.frozen(DType::F64).unwrap()).unwrap()
        };
        all.into_iter().map(made).collect()
    }

    fn out(network: &dyn NeuralNetwork, x: &Tensor, z: &Array2<f64>) -> Vec<Vec<Vec<f64>>> {
        let trunk = network.forward(x, None).unwrap();
        network.causal().unwrap().forward(&trunk, z.view()).unwrap().to_vec3().unwrap()
    }

    #[test]
    fn a_component_sees_those_before_it_and_no_other() {
        for network in networks() {
            let (x, z) = (normals(1, &[1, 6, 2]), Key::new(2, Domain::Data).normals(1, 6));
            let first = out(network.as_ref(), &x, &z);
            let layer = network.causal().unwrap();
            for j in 0..6 {
                let mut moved = z.clone();
                moved[[0, j]] += 1.0;
                let second = out(network.as_ref(), &x, &moved);
                for c in 0..6 {
                    let sees = layer.places.before(c).iter().any(|(seen, _)| *seen == j);
                    assert_eq!(first[0][c] != second[0][c], sees, "{layer:?}: {j} {c}");
                    assert!(!sees || j < c);
                }
            }
            assert!((1..6).all(|c| !layer.places.before(c).is_empty()));
            let last = |config: &NetworkConfig| match (config.kind.as_str(), config.grid.map(|grid| grid.periodic)) {
                ("mlp", _) => vec![0, 1, 2, 3, 4],
                // the ring closes; on the torus of 2 x 3 all are neighbours of each other
                ("conv", _) => vec![0, 4],
                (_, Some(true)) => vec![0, 1, 2, 3, 4],
                _ => vec![1, 2, 4],
            };
            let mut seen: Vec<usize> = layer.places.before(5).iter().map(|(j, _)| *j).collect();
            seen.sort_unstable();
            assert_eq!(seen, last(network.config()));
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences_and_single_steps_with_the_whole() {
        for network in networks() {
            let (layer, z) = (network.causal().unwrap(), Key::new(2, Domain::Data).normals(3, 6));
            let trunk = normals(3, &[3, 6, 2]);
            let tensors: Vec<Tensor> = layer.tensors().chain([&trunk]).cloned().collect();
            check(&tensors, |a| {
                let (before, weight, bias) = (Some(a[0].clone()), a[1].clone(), a[2].clone());
                let layer =
                    CausalLayer { places: layer.places.clone(), before, weight, bias, processor: Processor::Cpu };
                layer.forward(&a[3], z.view()).map_err(candle_core::Error::wrap)
            });
            let whole = layer.forward(&trunk, z.view()).unwrap().to_vec3::<f64>().unwrap();
            let (stepwise, trunk) = (layer.stepwise().unwrap(), trunk.to_vec3::<f64>().unwrap());
            for (c, before) in stepwise.order(6).iter().enumerate() {
                let mut found = [0.0; 3];
                stepwise.at(before, &mut trunk[1][c].clone(), z.row(1).as_slice().unwrap(), &mut found);
                assert!(found.iter().zip(&whole[1][c]).all(|(a, b)| (a - b).abs() < 1e-13), "{found:?}");
            }
        }
    }

    #[test]
    fn one_component_has_nothing_before_it() {
        let causal = Some(Causal { outputs: 3, reach: 4 });
        let config = NetworkConfig { components: 1, causal, ..config("mlp", false) };
        let network = config.seeded(Key::new(1, Domain::Training)).and_then(|weights| config.frozen(&weights)).unwrap();
        assert!(network.causal().unwrap().before.is_none());
    }
}
