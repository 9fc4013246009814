//! `normalizing_flow`: a chain of conditional couplings takes the scaled increment z to u ~ N(0, I), trained by its exact
//! negative log-likelihood (Dinh et al. 2017; Durkan et al. 2019; Winkler et al. 2019 for the condition x_k).
//!
//! Coupling l moves every other component, given x_k and those that it leaves: v = R((u - m) exp(-a/2)), with m, a (a
//! log-variance as in `likelihood`) and the [`spline`] R of each component from trunk l, whose inputs are x_k and u with
//! zeros in place of what moves. The next coupling moves the others. Which ones are moved alternates along a line, and as on
//! a chequerboard over a grid; a single component is moved by all.
//!
//! log p(z) = sum_c (-u_c^2/2 - ln(2 pi)/2) + sum over couplings of (ln R' - a/2); the loss is -1/n of it, less
//! ln(2 pi) / 2.

use std::ops::RangeInclusive;

use candle_core::{Device, Tensor, Var};
use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Entry, Param, Settings};

use super::likelihood::bounded;
use super::spline;
use super::{Draws, Fields, Objective, ObjectiveBuild};
use crate::nn::data::Batch;
use crate::nn::network::Grid;
use crate::nn::{Error, NetworkConfig, NeuralNetwork, Result, array};

const COUPLINGS: Param =
    Param::int("couplings", 4, 2, "transformations, each of every other component").up_to(MOST.couplings as i64);
const BINS: Param = Param::int("bins", 8, 1, "pieces of the spline of a component").up_to(MOST.bins as i64);

/// The settings of a chain of couplings.
pub const FLOW_SETTINGS: [Param; 2] = [COUPLINGS, BINS];

/// The registry's line.
pub(super) const ENTRY: Entry<ObjectiveBuild> = Entry {
    name: "normalizing_flow",
    about: "negative log-likelihood of what couplings take to independent normals",
    reference: "Durkan et al. (2019), arXiv:1906.04032; Winkler et al. (2019), arXiv:1912.00042",
    params: &FLOW_SETTINGS,
    build: ObjectiveBuild { fields: |settings, _| FlowShape::new(settings).fields(), make, preconditioning: None },
};

/// The largest that the settings could ask for.
const MOST: FlowShape = FlowShape { couplings: 64, bins: 64 };

/// Fields of the affine map before each spline.
const AFFINE: usize = 2;

/// The sizes of a chain of couplings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowShape {
    /// How many there are.
    pub couplings: usize,
    /// Pieces of each spline.
    pub bins: usize,
}

impl FlowShape {
    /// What the settings ask for.
    pub fn new(settings: &Settings) -> Self {
        Self { couplings: settings.count(COUPLINGS.key), bins: settings.count(BINS.key) }
    }

    /// What the settings could ask for, in the order of the fields.
    pub const RANGES: [RangeInclusive<usize>; 2] = [2..=MOST.couplings, 1..=MOST.bins];

    /// What its network takes and gives: m, a and the parameters of the spline.
    pub const fn fields(self) -> Fields {
        let outputs = AFFINE + spline::parameters(self.bins);
        Fields { copies: self.couplings, ..Fields::new(2, outputs) }
    }
}

/// What trunk l gives for a component: m, the raw a, and the parameters of the spline.
pub fn coupling_fields(outputs: &[f64]) -> (f64, f64, &[f64]) {
    (outputs[0], outputs[1], &outputs[AFFINE..])
}

/// Whether a coupling moves a component.
pub fn moves(network: &NetworkConfig, coupling: usize, component: usize) -> bool {
    let place = match network.grid {
        Some(Grid { columns, .. }) => component / columns + component % columns,
        None => component,
    };
    network.components == 1 || (place + coupling).is_multiple_of(2)
}

/// The trunk of a coupling.
///
/// # Errors
/// When there is none.
pub fn trunk(network: &dyn NeuralNetwork, coupling: usize) -> Result<&dyn NeuralNetwork> {
    let none = || Error::Model(format!("the network has no trunk {coupling}; its description is damaged"));
    network.trunk(coupling).ok_or_else(none)
}

struct NormalizingFlow(FlowShape);

fn make(settings: &Settings) -> Box<dyn Objective> {
    Box::new(NormalizingFlow(FlowShape::new(settings)))
}

impl Objective for NormalizingFlow {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, _draws: Draws) -> Result<Tensor> {
        let z = array::matrix(batch.increments.view(), network.dtype())?;
        Ok((negative_log_density(self.0, network, batch.states.view(), &z)? / batch.increments.len() as f64)?)
    }
}

/// -ln p(z | x) up to its constant, summed over the rows of x and z, `[row, component]` and scaled.
fn negative_log_density(
    shape: FlowShape,
    network: &dyn NeuralNetwork,
    x: ArrayView2<f64>,
    z: &Tensor,
) -> Result<Tensor> {
    let (x, mut u) = (network.input(&[x])?, z.clone());
    let mut log_slopes = Tensor::zeros((), u.dtype(), &Device::Cpu)?;
    for coupling in 0..shape.couplings {
        let (moved, slopes) = couple(network, coupling, &x, &u)?;
        (u, log_slopes) = (moved, (log_slopes + slopes)?);
    }
    Ok(((u.sqr()?.sum_all()? * 0.5)? - log_slopes)?)
}

/// The gradient of ln p(z | x) in z, `[row, component]`, of scaled x and z.
///
/// # Errors
/// When Candle fails.
pub fn score(
    shape: FlowShape,
    network: &dyn NeuralNetwork,
    x: ArrayView2<f64>,
    z: ArrayView2<f64>,
) -> Result<Array2<f64>> {
    let z = Var::from_tensor(&array::matrix(z, network.dtype())?)?;
    let gradients = negative_log_density(shape, network, x, z.as_tensor())?.backward()?;
    match gradients.get(z.as_tensor()) {
        Some(gradient) => array::to_matrix(&gradient.neg()?),
        None => Ok(Array2::zeros(z.dims2()?)),
    }
}

/// What coupling l makes of u `[row, component]` given x `[row, component, state]`, and the sum of all its ln R' - a/2.
fn couple(network: &dyn NeuralNetwork, coupling: usize, x: &Tensor, u: &Tensor) -> Result<(Tensor, Tensor)> {
    let (rows, n) = u.dims2()?;
    let moved: Vec<u32> = (0..n as u32).filter(|c| moves(network.config(), coupling, *c as usize)).collect();
    if moved.is_empty() {
        return Ok((u.clone(), Tensor::zeros((), u.dtype(), &Device::Cpu)?));
    }
    let left = |c: usize| f64::from(u8::from(!moved.contains(&(c as u32))));
    let left = Tensor::from_iter((0..n).map(left), &Device::Cpu)?.to_dtype(u.dtype())?;
    let seen = Tensor::cat(&[x, &u.broadcast_mul(&left)?.unsqueeze(2)?], 2)?;
    let out = trunk(network, coupling)?.forward(&seen, None)?;
    let (count, columns) = (moved.len(), Tensor::from_slice(&moved, moved.len(), &Device::Cpu)?);
    let flat = |tensor: Tensor| tensor.reshape(rows * count);
    let out = out.index_select(&columns, 1)?;
    let field = |index: usize| out.narrow(2, index, 1)?.contiguous().and_then(flat);
    let a = bounded(&field(1)?)?;
    let standard = ((flat(u.index_select(&columns, 1)?)? - field(0)?)? * (&a * -0.5)?.exp()?)?;
    let raw = out.narrow(2, AFFINE, out.dim(2)? - AFFINE)?.contiguous()?.reshape((rows * count, ()))?;
    let (v, log_slope) = spline::apply(&standard, &raw)?;
    let slopes = (log_slope.sum_all()? - (a.sum_all()? * 0.5)?)?;
    // back to their places: those that stay are behind those that moved
    let place = |c: u32| moved.iter().position(|m| *m == c).unwrap_or(count + c as usize) as u32;
    let places = Tensor::from_vec((0..n as u32).map(place).collect(), n, &Device::Cpu)?;
    let all = Tensor::cat(&[&v.reshape((rows, count))?, u], 1)?;
    Ok((all.index_select(&places, 1)?, slopes))
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::nn::network::tests::config;

    #[test]
    fn a_flow_that_starts_is_the_identity_and_far_away_all_is_finite() {
        // y = 50 in one of two components: ln p = -50^2/2 - ln(2 pi)/2 = -1250.92, and -ln(2 pi)/2 of the other
        let shape = FlowShape { couplings: 4, bins: 8 };
        let config = NetworkConfig { components: 2, ..shape.fields().given(&config("mlp", false)) };
        let network =
            config.from_tensors(&config.seeded(Key::new(1, Domain::Training)).unwrap().tracked(DType::F64).unwrap());
        let network = network.unwrap();
        let batch =
            Batch { states: array![[0.3, -0.1]], increments: array![[50.0, 0.0]], later: Vec::new(), pairs: vec![0] };
        let loss = NormalizingFlow(shape).loss(network.as_ref(), &batch, Draws::new(Key::new(1, Domain::Training), 0));
        let loss = loss.unwrap();
        let half = 0.5 * std::f64::consts::TAU.ln();
        let log_density = -2.0 * loss.to_scalar::<f64>().unwrap() - half;
        assert!((log_density - -1250.92).abs() < 0.005, "{log_density}");
        let gradients = loss.backward().unwrap();
        let tensors = network.tensors();
        assert!(tensors.iter().any(|tensor| gradients.get(tensor).is_some()));
        for gradient in tensors.iter().filter_map(|tensor| gradients.get(tensor)) {
            let sum = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(sum.is_finite());
        }
    }

    #[test]
    fn couplings_move_every_other_component_and_all_are_moved_by_two() {
        for kind in ["mlp", "conv", "conv2d", "unet", "unet2d", "transformer"] {
            let config = config(kind, false);
            for c in 0..config.components {
                assert_ne!(moves(&config, 0, c), moves(&config, 1, c), "{kind}");
            }
        }
        let grid = config("conv2d", false);
        assert!(moves(&grid, 0, 0) && !moves(&grid, 0, 1) && !moves(&grid, 0, 3) && moves(&grid, 0, 4));
        assert!(moves(&NetworkConfig { components: 1, ..config("mlp", false) }, 1, 0));
    }
}
